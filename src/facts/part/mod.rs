//! Parts: the facts of some sources as bytes, exact and mergeable.
//!
//! Owns: [`Part`], its version and checks, the writer, the merge. May import: `error`, `time`, `select` (visitor hashes,
//! rules), `chunks`, `column`, `local_day`, `sample`, `sums`, `varint`. Must not know: where parts are kept, how sources are
//! read, reports.
//!
//! The guide's page "The part format" specifies every byte, and says why.

mod block;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod header;
mod merge;
mod payload;
mod range;
mod section;
mod sources;
mod visitors;
mod write;

use std::collections::BTreeMap;
use std::io;

use xxhash_rust::xxh3::xxh3_64;

use crate::error::Error;
use crate::facts::chunks::ChunkDecoder;
pub use block::Block;
pub use header::{BlockEntry, Header, Partition};
pub use merge::merge;
pub use range::{Kind, SourceRange};
use section::Sections;
pub use section::Tag;
pub use sources::counted;
pub use write::Writer;

/// The version that is written, and the only one that was released.
const VERSION: u16 = 2;
const MAGIC: [u8; 8] = *b"\x89hitmap\n";
const END_MAGIC: [u8; 8] = *b"hitmap\n\x1a";
/// Magic, version, zero bytes.
const PREAMBLE_BYTES: usize = 16;
/// Place and length of the header, checksum, magic.
const TRAILER_BYTES: usize = 32;

/// Why a part cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// The bytes are something else.
    #[error("this is not a part written by hitmap")]
    NotAPart,
    /// Written by a program that is newer than this one, or before the first release.
    #[error("the part has format {}, {}", .0, about_version(*.0))]
    Version(u16),
    /// A required section that only a newer program knows.
    #[error("the part has a section {}, which this hitmap does not know; a newer hitmap reads it", .0.escape_ascii())]
    Section(Tag),
    /// A counting rule that only a newer program knows.
    #[error(
        "the part was counted by a rule {0:?}, which this hitmap does not know; a newer hitmap reads it"
    )]
    Rule(String),
    /// The bytes are not as they were written.
    #[error("the part is damaged ({0}); make it again from its log")]
    Damaged(&'static str),
    /// Parts that were counted by different rules do not add up.
    #[error("the parts were counted by different rules: {0} and {1}")]
    Rules(String, String),
    /// Parts of different visitors.
    #[error("the parts hold different visitors: {0} and {1}")]
    Partitions(Partition, Partition),
    /// What two parts say of one source cannot both be true.
    #[error("{0}")]
    Conflict(String),
    /// Ranges of a source are missing.
    #[error("{0}")]
    Incomplete(String),
    /// Too much for one run.
    #[error(transparent)]
    Limit(#[from] Error),
    /// The part could not be written.
    #[error("the part cannot be written: {0}")]
    Write(#[from] io::Error),
}

fn about_version(version: u16) -> &'static str {
    if version < VERSION {
        "which was never released; make it again from its log"
    } else {
        "which this hitmap does not know; a newer hitmap reads it"
    }
}

/// A part whose header was read and checked; blocks are read and checked when they are asked for.
#[derive(Clone, Debug)]
pub struct Part<'b> {
    decoded: header::Decoded<'b>,
    bytes: &'b [u8],
}

impl<'b> Part<'b> {
    /// Reads a part's header. Any bytes may be given; memory is bounded by the size of the header.
    ///
    /// # Errors
    /// [`PartError::NotAPart`], [`PartError::Version`], [`PartError::Section`], [`PartError::Rule`], [`PartError::Damaged`].
    pub fn decode(bytes: &'b [u8]) -> Result<Self, PartError> {
        const CUT: PartError = PartError::Damaged("it is cut");
        const PLACE: PartError = PartError::Damaged("the place of its header");
        if !bytes.starts_with(&MAGIC) {
            return Err(PartError::NotAPart);
        }
        let preamble: &[u8; PREAMBLE_BYTES] = bytes.first_chunk().ok_or(CUT)?;
        let version = u16::from_le_bytes([preamble[8], preamble[9]]);
        if version != VERSION {
            return Err(PartError::Version(version));
        }
        if preamble[10..] != [0; 6] {
            return Err(PartError::Damaged("its beginning"));
        }
        let (before, trailer) = bytes.split_last_chunk::<TRAILER_BYTES>().ok_or(CUT)?;
        if before.len() < PREAMBLE_BYTES || !trailer.ends_with(&END_MAGIC) {
            return Err(CUT);
        }
        let [start, length, checksum] = [0, 8, 16].map(|at| {
            let bytes = trailer[at..at + 8].iter().rev();
            bytes.fold(0_u64, |number, &byte| number << 8 | u64::from(byte))
        });
        if xxh3_64(&[&preamble[..], &trailer[..16]].concat()) != checksum {
            return Err(PartError::Damaged("the checksum of its end is wrong"));
        }
        let start =
            usize::try_from(start).ok().filter(|&start| start >= PREAMBLE_BYTES).ok_or(PLACE)?;
        let header =
            before.get(start..).filter(|header| header.len() as u64 == length).ok_or(PLACE)?;
        Ok(Self { decoded: header::decode(header, start)?, bytes })
    }

    /// What it says besides its blocks.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.decoded.header
    }

    /// Its blocks, by range, site and day.
    #[must_use]
    pub fn blocks(&self) -> &[BlockEntry] {
        &self.decoded.blocks
    }

    /// Reads a block.
    ///
    /// # Errors
    /// [`PartError::Section`], [`PartError::Damaged`], [`PartError::Limit`].
    pub fn block(
        &self,
        entry: &BlockEntry,
        decoder: &mut ChunkDecoder,
    ) -> Result<Block, PartError> {
        Block::decode(self.block_bytes(entry)?, self.header().partition, decoder)
    }

    /// Checks everything of each block but what its facts say.
    ///
    /// # Errors
    /// [`PartError::Section`], [`PartError::Damaged`].
    pub fn check(&self) -> Result<(), PartError> {
        self.blocks().iter().try_for_each(|entry| self.block_bytes(entry).map(drop))
    }

    /// Bytes that the sections of the blocks take, by name.
    ///
    /// # Errors
    /// [`PartError::Section`], [`PartError::Damaged`].
    pub fn section_bytes(&self) -> Result<BTreeMap<String, u64>, PartError> {
        let mut sizes = BTreeMap::new();
        for entry in self.blocks() {
            for section in Sections::read(self.block_bytes(entry)?, &block::KNOWN)?.known() {
                let name = section.tag.escape_ascii().to_string();
                *sizes.entry(name).or_default() += section.payload.len() as u64;
            }
        }
        Ok(sizes)
    }

    /// A block's bytes; its sections are whole, and those that the directory names.
    fn block_bytes(&self, entry: &BlockEntry) -> Result<&'b [u8], PartError> {
        let bytes = self.bytes.get(entry.bytes.clone()).unwrap_or_default();
        if block::check(bytes, self.header().partition)? == entry.checksum {
            Ok(bytes)
        } else {
            Err(PartError::Damaged("a block is not the one its directory names"))
        }
    }
}

#[cfg(test)]
mod tests;
