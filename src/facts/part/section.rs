//! Sections: what parts are made of, so that a newer program may add to them.
//!
//! Owns: the frame of a section, its checksum, which sections may be skipped. May import: `varint`. Must not know: which
//! sections there are, what they hold.
//!
//! ```text
//! section = tag (4) · length varint · payload · xxh3-64 of tag, length and payload (8)
//! ```

use xxhash_rust::xxh3::xxh3_64;

use super::PartError;
use super::payload::Payload;
use crate::facts::varint;

/// The name of a section: four letters. The first is upper-case if a reader must know it.
pub type Tag = [u8; 4];

/// Bytes of a section's checksum.
const CHECKSUM_BYTES: usize = 8;

/// Appends a section.
pub(super) fn put(bytes: &mut Vec<u8>, tag: Tag, payload: &[u8]) {
    let start = bytes.len();
    bytes.extend_from_slice(&tag);
    varint::put(bytes, payload.len() as u64);
    bytes.extend_from_slice(payload);
    let checksum = xxh3_64(&bytes[start..]);
    bytes.extend_from_slice(&checksum.to_le_bytes());
}

/// A section that is whole; its payload is not read yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section<'b> {
    pub(super) tag: Tag,
    pub(super) payload: &'b [u8],
    checksum: u64,
}

impl<'b> Section<'b> {
    /// Takes a section off the front of `bytes`. Any bytes may be given.
    fn take(bytes: &mut &'b [u8]) -> Result<Self, PartError> {
        const CUT: PartError = PartError::Damaged("a section is cut");
        let whole = *bytes;
        let tag = *bytes.first_chunk().ok_or(CUT)?;
        if !tag.iter().all(u8::is_ascii_alphabetic) {
            return Err(PartError::Damaged("a section without a name"));
        }
        *bytes = &bytes[tag.len()..];
        let length = varint::take_usize(bytes).ok_or(CUT)?;
        let payload = varint::take_bytes(bytes, length).ok_or(CUT)?;
        let hashed = &whole[..whole.len() - bytes.len()];
        let checksum = varint::take_bytes(bytes, CHECKSUM_BYTES).ok_or(CUT)?;
        let checksum = checksum.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        if xxh3_64(hashed) != checksum {
            return Err(PartError::Damaged("the checksum of a section is wrong"));
        }
        Ok(Self { tag, payload, checksum })
    }
}

/// A sequence of sections: those that this program knows, by its tables, then all others.
#[derive(Debug)]
pub(super) struct Sections<'b> {
    all: Vec<Section<'b>>,
    /// Number of those taken.
    taken: usize,
    /// Index of the first that is unknown.
    first_unknown: usize,
}

impl<'b> Sections<'b> {
    /// The sections of `bytes`, of which this program knows those named in `known`. Any bytes may be given.
    ///
    /// # Errors
    /// [`PartError::Section`] for an unknown section that is required, [`PartError::Damaged`].
    pub(super) fn read(mut bytes: &'b [u8], known: &[Tag]) -> Result<Self, PartError> {
        let mut all = Vec::new();
        while !bytes.is_empty() {
            all.push(Section::take(&mut bytes)?);
        }
        let is_known = |section: &Section<'_>| known.contains(&section.tag);
        let required =
            |section: &&Section<'_>| !is_known(section) && section.tag[0].is_ascii_uppercase();
        if let Some(section) = all.iter().find(required) {
            return Err(PartError::Section(section.tag));
        }
        let first_unknown = all.iter().position(|section| !is_known(section)).unwrap_or(all.len());
        let unknown = &all[first_unknown..];
        let key = |section: &Section<'b>| (section.tag, section.payload);
        if unknown.iter().any(is_known) || !unknown.is_sorted_by(|one, other| key(one) < key(other))
        {
            return Err(PartError::Damaged("sections are out of order"));
        }
        Ok(Self { all, taken: 0, first_unknown })
    }

    /// The hash of all checksums, which binds the sections to each other.
    pub(super) fn checksum(&self) -> u64 {
        let list: Vec<u8> =
            self.all.iter().flat_map(|section| section.checksum.to_le_bytes()).collect();
        xxh3_64(&list)
    }

    /// The known sections, whether taken or not.
    pub(super) fn known(&self) -> &[Section<'b>] {
        &self.all[..self.first_unknown]
    }

    /// Takes the next section if it has this name.
    pub(super) fn take_if(&mut self, tag: Tag, what: &'static str) -> Option<Payload<'b>> {
        let section = self.known().get(self.taken).filter(|section| section.tag == tag)?;
        let payload = Payload::new(section.payload, what);
        self.taken += 1;
        Some(payload)
    }

    /// Takes the next section, which must have this name.
    pub(super) fn take(&mut self, tag: Tag, what: &'static str) -> Result<Payload<'b>, PartError> {
        self.take_if(tag, what).ok_or(PartError::Damaged(what))
    }

    /// All known sections were taken; the rest are the unknown ones.
    pub(super) fn finish(self) -> Result<Vec<Section<'b>>, PartError> {
        if self.taken < self.first_unknown {
            return Err(PartError::Damaged("sections are out of order"));
        }
        let mut all = self.all;
        all.drain(..self.first_unknown);
        Ok(all)
    }
}
