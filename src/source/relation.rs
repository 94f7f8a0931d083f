//! How an input relates to sources that were counted before.
//!
//! Owns: [`Relation`] and finding it. May import: `identity`, files and streams of `source`. Must not know: ledgers,
//! what was counted.
//!
//! What is known of a source are the hashes of its blocks, so bytes can be compared where a block, or the counted
//! part of the last one, is there whole. An input that is longer than the source, or as long, is decided exactly. Of
//! a shorter one only its beginning can be compared: its first block, or where it has none, the longest beginning with
//! a hash, which is more than half of it. If that is the source's, the input is the source
//! [`Truncated`](Relation::Truncated). Under 64 bytes nobody can tell, and it counts as
//! [`Different`](Relation::Different).

use std::io::{self, Read};

use super::identity::{Mark, SourceIdentity, StreamHasher};
use super::{BLOCK_BYTES, FileSource, Input, Opened, Opening, read_full};

/// What an input is to a source that was counted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// It is that source: all its bytes were counted.
    Same,
    /// It begins with that source; the bytes behind are new.
    GrownFrom {
        /// Bytes that were counted.
        counted_bytes: u64,
        /// Whether they end with a line end; if not, the last line that was counted has grown, too.
        is_at_line_end: bool,
    },
    /// It is shorter than that source and begins alike: it was cut.
    Truncated,
    /// It is something else, as far as can be known.
    Different,
}

/// How carefully files are compared; what has to be decoded or comes once is always compared whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The first block and the last, whatever the file's length: logs are appended to, not changed.
    Ends,
    /// Every byte.
    All,
}

impl Input {
    /// What a regular file, compressed or not, is to each of the `known` sources; `None` for inputs that come once.
    /// A plain file counts up to its last line end if `opening.whole_lines`.
    ///
    /// # Errors
    /// What the system or the decoder says.
    pub fn relations(
        &self,
        opening: Opening,
        known: &[SourceIdentity],
        check: Check,
    ) -> io::Result<Option<Vec<Relation>>> {
        if self.bytes().is_none() {
            return Ok(None);
        }
        match self.open(opening)? {
            Opened::File(file) => file.relations(known, check).map(Some),
            Opened::Stream(stream) => {
                relations_of_stream(&mut stream.into_reader(), known, BLOCK_BYTES).map(Some)
            }
        }
    }
}

impl FileSource {
    /// What the file is to each of the `known` sources.
    ///
    /// # Errors
    /// What the system says.
    pub fn relations(&self, known: &[SourceIdentity], check: Check) -> io::Result<Vec<Relation>> {
        relations_of_file(self, known, check, BLOCK_BYTES)
    }
}

/// One pass over the first block serves all sources; further blocks are read for those that share it.
fn relations_of_file(
    file: &FileSource,
    known: &[SourceIdentity],
    check: Check,
    block_bytes: u64,
) -> io::Result<Vec<Relation>> {
    let bytes = file.bytes();
    let head_bytes = bytes.min(block_bytes);
    let marks = known.iter().map(|source| source.bytes).filter(|&mark| mark <= head_bytes);
    let mut head = StreamHasher::with_marks(block_bytes, marks.collect());
    file.read_range(0..head_bytes, &mut |_, bytes| head.update(bytes))?;
    let relation = |source: &SourceIdentity| -> io::Result<Relation> {
        if source.bytes <= head_bytes {
            return Ok(longer(source, bytes, head.marked(source.bytes)));
        }
        if bytes < source.bytes {
            return Ok(shorter(source, &head));
        }
        if head.block_hashes().first() != source.block_hashes.first() {
            return Ok(Relation::Different);
        }
        let blocks = source.block_hashes.len();
        let first = if check == Check::All { 1 } else { blocks - 1 };
        for (block, hash) in source.block_hashes.iter().enumerate().skip(first) {
            let start = block as u64 * block_bytes;
            let end = (start + block_bytes).min(source.bytes);
            if file.hash_range(start..end)? != *hash {
                return Ok(Relation::Different);
            }
        }
        let mut last_byte = 0;
        file.read_range(source.bytes - 1..source.bytes, &mut |_, bytes| last_byte = bytes[0])?;
        let hash = source.block_hashes.last().copied();
        Ok(longer(source, bytes, hash.map(|hash| Mark { hash, last_byte })))
    };
    known.iter().map(relation).collect()
}

/// For what comes in order: one pass, which ends where nothing is left to be compared.
fn relations_of_stream(
    reader: &mut dyn Read,
    known: &[SourceIdentity],
    block_bytes: u64,
) -> io::Result<Vec<Relation>> {
    let marks = known.iter().map(|source| source.bytes).collect();
    let mut hasher = StreamHasher::with_marks(block_bytes, marks);
    let mut buffer = vec![0; 256 * 1024];
    let shares_blocks = |source: &SourceIdentity, found: &[u128]| {
        let whole = usize::try_from(source.bytes / block_bytes).unwrap_or(usize::MAX);
        source.block_hashes.iter().take(whole).zip(found).all(|(known, found)| known == found)
    };
    let mut is_over = false;
    while !is_over {
        let read = read_full(reader, &mut buffer)?;
        hasher.update(&buffer[..read]);
        // One byte behind the longest source tells whether there is more of it.
        is_over = read < buffer.len()
            || known.iter().all(|source| {
                source.bytes < hasher.bytes() || !shares_blocks(source, hasher.block_hashes())
            });
    }
    let bytes = hasher.bytes();
    let relation = |source: &SourceIdentity| {
        let found = hasher.block_hashes();
        if bytes < source.bytes {
            return shorter(source, &hasher);
        }
        if !shares_blocks(source, found) {
            return Relation::Different;
        }
        longer(source, bytes, hasher.marked(source.bytes))
    };
    Ok(known.iter().map(relation).collect())
}

/// The relation of an input that is shorter than the source to it, given at least the input's first block.
fn shorter(source: &SourceIdentity, head: &StreamHasher) -> Relation {
    let begins_alike = match head.block_hashes().first() {
        Some(hash) => Some(hash) == source.block_hashes.first(),
        None => source.begins_like(head.beginnings()),
    };
    if begins_alike { Relation::Truncated } else { Relation::Different }
}

/// The relation of an input of `bytes` bytes to a source that is not longer and shares its blocks before the last,
/// `end` being what the input has where the source ends.
fn longer(source: &SourceIdentity, bytes: u64, end: Option<Mark>) -> Relation {
    // Nothing is known of an empty source, and everything begins with it.
    let Some(end) = end.filter(|end| Some(end.hash) == source.block_hashes.last().copied()) else {
        return Relation::Different;
    };
    if bytes == source.bytes {
        return Relation::Same;
    }
    Relation::GrownFrom { counted_bytes: source.bytes, is_at_line_end: end.last_byte == b'\n' }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use proptest::prelude::*;

    use super::{Check, Relation, relations_of_file, relations_of_stream};
    use crate::source::identity::tests::identify;
    use crate::source::{FileSource, Input, Opened, Opening};

    const BLOCK: usize = 256;

    fn file(bytes: &[u8], map: bool) -> Option<(tempfile::NamedTempFile, FileSource)> {
        let mut named = tempfile::NamedTempFile::new().unwrap();
        named.write_all(bytes).unwrap();
        let input = Input::Path(named.path().to_owned());
        match input.open(Opening { map, whole_lines: false }).unwrap() {
            Opened::File(file) => Some((named, file)),
            Opened::Stream(_) => None,
        }
    }

    /// How much of the beginning of something shorter is compared.
    fn compared(length: usize) -> usize {
        [BLOCK, 128, 64].into_iter().find(|&compared| compared <= length).unwrap_or(0)
    }

    /// The same question, answered with all bytes of both at hand.
    fn naive(bytes: &[u8], known: &[u8]) -> Relation {
        if known.is_empty() {
            Relation::Different
        } else if bytes == known {
            Relation::Same
        } else if bytes.starts_with(known) {
            let is_at_line_end = known.ends_with(b"\n");
            Relation::GrownFrom { counted_bytes: known.len() as u64, is_at_line_end }
        } else if bytes.len() < known.len() && compared(bytes.len()) > 0 {
            let compared = compared(bytes.len());
            let begins_alike = bytes[..compared] == known[..compared];
            if begins_alike { Relation::Truncated } else { Relation::Different }
        } else {
            Relation::Different
        }
    }

    /// Four blocks.
    fn text() -> Vec<u8> {
        (0..=255_u8).flat_map(|i| [i, i / 7, i ^ 0x55, b'\n']).collect()
    }

    fn check(bytes: &[u8], known: &[Vec<u8>]) {
        let expected: Vec<Relation> = known.iter().map(|known| naive(bytes, known)).collect();
        let known: Vec<_> = known.iter().map(|known| identify(known, BLOCK)).collect();
        let mut stream = Cursor::new(bytes.to_vec());
        let found = relations_of_stream(&mut stream, &known, BLOCK as u64).unwrap();
        assert_eq!(found, expected, "stream of {} bytes", bytes.len());
        for map in [true, false] {
            let Some((_named, file)) = file(bytes, map) else { continue };
            let found = relations_of_file(&file, &known, Check::All, BLOCK as u64).unwrap();
            assert_eq!(found, expected, "file of {} bytes", bytes.len());
        }
    }

    #[test]
    fn lengths_around_blocks() {
        let bytes = text();
        for length in [0, 1, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513, 768, 1024] {
            let known = [0, 1, 63, 64, 65, 100, 128, 200, 255, 256, 257, 300, 512, 600, 768, 1024]
                .map(|known| bytes[..known].to_vec());
            check(&bytes[..length], &known);
        }
    }

    #[test]
    fn ends_are_enough_for_what_is_only_appended_to() {
        let bytes = text();
        let mut changed = bytes.clone();
        changed[BLOCK + 4] ^= 1;
        let known = [identify(&bytes[..801], BLOCK)];
        let (_named, file) = file(&changed, true).unwrap();
        let relations = |check| relations_of_file(&file, &known, check, BLOCK as u64).unwrap();
        let grown = Relation::GrownFrom { counted_bytes: 801, is_at_line_end: false };
        assert_eq!(relations(Check::Ends), [grown]);
        assert_eq!(relations(Check::All), [Relation::Different]);
    }

    proptest! {
        #[test]
        fn as_with_all_bytes_at_hand(
            length in 1..1024_usize,
            known in prop::collection::vec((0..1024_usize, prop::option::of(0..1024_usize)), 0..6),
        ) {
            let bytes = text();
            let known: Vec<Vec<u8>> = known
                .into_iter()
                .map(|(length, change)| {
                    let mut known = bytes[..length].to_vec();
                    if let Some(byte) = change.and_then(|at| known.get_mut(at)) { *byte ^= 1 }
                    known
                })
                .collect();
            check(&bytes[..length], &known);
        }
    }
}
