//! How an input relates to sources that were counted before.
//!
//! Owns: [`Relation`] and how it is found. May import: `identity`, the files and streams of `source`. Must not know:
//! ledgers, what was counted.
//!
//! All that is known of a source are hashes of its blocks, so an input can be compared with it block by block, up to
//! the source's end:
//! - An input at least as long as the source is compared over the source's whole length; a plain file only in the
//!   source's first block and its last, since logs are appended to, not changed.
//! - An input shorter than the source is compared by its first block. If it is shorter than a block, it is compared by
//!   its longest hashed beginning, which is more than half of it. A match means that the source was
//!   [`Truncated`](Relation::Truncated). An input under 64 bytes cannot be compared: it is
//!   [`Different`](Relation::Different).

use std::io::{self, Read};

use super::identity::{PrefixEnd, SourceIdentity, StreamHasher};
use super::{BLOCK_BYTES, FileSource, Input, Opened, Opening, read_full};

/// How an input relates to a source that was counted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// It is that source: all its bytes were counted.
    Same,
    /// It begins with that source; the bytes after it are new.
    GrownFrom {
        /// Length of that source.
        counted_bytes: u64,
        /// Whether that source ends with a line end. If not, its last line has grown, too.
        is_at_line_end: bool,
    },
    /// It is that source, cut short: it is shorter and begins the same way.
    Truncated,
    /// It is something else, or too short to tell.
    Different,
}

impl Input {
    /// The relation of a regular file, compressed or not, to each of the `known` sources; `None` for an input that is
    /// not a regular file. With `opening.whole_lines` a plain file ends after its last line end.
    ///
    /// # Errors
    /// The error of the system or the decoder.
    pub fn relations(
        &self,
        opening: Opening,
        known: &[SourceIdentity],
    ) -> io::Result<Option<Vec<Relation>>> {
        if self.bytes().is_none() {
            return Ok(None);
        }
        match self.open(opening)? {
            Opened::File(file) => relations_of_file(&file, known, BLOCK_BYTES).map(Some),
            Opened::Stream(stream) => {
                relations_of_stream(&mut stream.into_reader(), known, BLOCK_BYTES).map(Some)
            }
        }
    }
}

/// The relations of a plain file. Its first block is read once for all sources; each source that shares it costs one
/// more block.
fn relations_of_file(
    file: &FileSource,
    known: &[SourceIdentity],
    block_bytes: u64,
) -> io::Result<Vec<Relation>> {
    let bytes = file.bytes();
    let head_bytes = bytes.min(block_bytes);
    let lengths = known.iter().map(|source| source.bytes).filter(|&length| length <= head_bytes);
    let mut head = StreamHasher::with_prefixes(block_bytes, lengths.collect());
    file.read_range(0..head_bytes, &mut |_, bytes| head.update(bytes))?;
    let relation = |source: &SourceIdentity| -> io::Result<Relation> {
        if source.bytes <= head_bytes {
            return Ok(longer(source, bytes, head.prefix_end(source.bytes)));
        }
        if bytes < source.bytes {
            return Ok(shorter(source, &head));
        }
        if head.block_hashes().first() != source.block_hashes.first() {
            return Ok(Relation::Different);
        }
        let last_block = (source.bytes - 1) / block_bytes * block_bytes;
        let block_hash = file.hash_range(last_block..source.bytes)?;
        let mut last_byte = 0;
        file.read_range(source.bytes - 1..source.bytes, &mut |_, bytes| last_byte = bytes[0])?;
        Ok(longer(source, bytes, Some(PrefixEnd { block_hash, last_byte })))
    };
    known.iter().map(relation).collect()
}

/// The relations of bytes in order. Reading ends as soon as all are known.
fn relations_of_stream(
    reader: &mut dyn Read,
    known: &[SourceIdentity],
    block_bytes: u64,
) -> io::Result<Vec<Relation>> {
    let lengths = known.iter().map(|source| source.bytes).collect();
    let mut hasher = StreamHasher::with_prefixes(block_bytes, lengths);
    let mut buffer = vec![0; 256 * 1024];
    let shares_blocks = |source: &SourceIdentity, found: &[u128]| {
        let whole = usize::try_from(source.bytes / block_bytes).unwrap_or(usize::MAX);
        source.block_hashes.iter().take(whole).zip(found).all(|(known, found)| known == found)
    };
    let mut is_over = false;
    while !is_over {
        let read = read_full(reader, &mut buffer)?;
        hasher.update(&buffer[..read]);
        // One byte more than the longest source shows that the input is longer.
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
        longer(source, bytes, hasher.prefix_end(source.bytes))
    };
    Ok(known.iter().map(relation).collect())
}

/// The relation of an input to a longer source, given at least the input's first block.
fn shorter(source: &SourceIdentity, head: &StreamHasher) -> Relation {
    let is_shared = match head.block_hashes().first() {
        Some(hash) => Some(hash) == source.block_hashes.first(),
        None => source.shares_beginning(head.beginnings()),
    };
    if is_shared { Relation::Truncated } else { Relation::Different }
}

/// The relation of an input of `bytes` bytes to a source that is not longer. All blocks of the source but the last are
/// known to match; `end` is the end of as many bytes of the input as the source has.
fn longer(source: &SourceIdentity, bytes: u64, end: Option<PrefixEnd>) -> Relation {
    // An empty source has no end: any input begins with it, so it tells nothing.
    let Some(end) = end.filter(|end| Some(&end.block_hash) == source.block_hashes.last()) else {
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

    use super::{Relation, relations_of_file, relations_of_stream};
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

    /// Length of the beginning by which a shorter input is compared.
    fn compared(length: usize) -> usize {
        [BLOCK, 128, 64].into_iter().find(|&compared| compared <= length).unwrap_or(0)
    }

    /// The relation, found with all bytes of both at hand.
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
            let is_shared = bytes[..compared] == known[..compared];
            if is_shared { Relation::Truncated } else { Relation::Different }
        } else {
            Relation::Different
        }
    }

    /// Four blocks.
    fn text() -> Vec<u8> {
        (0..=255_u8).flat_map(|i| [i, i / 7, i ^ 0x55, b'\n']).collect()
    }

    /// `known` with the bytes between its first and its last block, which files are not compared by, as `bytes` has
    /// them.
    fn with_middle_of(bytes: &[u8], known: &[u8]) -> Vec<u8> {
        let last_block = known.len().saturating_sub(1) / BLOCK * BLOCK;
        let mut known = known.to_vec();
        if last_block > BLOCK && bytes.len() >= last_block {
            known[BLOCK..last_block].copy_from_slice(&bytes[BLOCK..last_block]);
        }
        known
    }

    fn check(bytes: &[u8], sources: &[Vec<u8>]) {
        let expected: Vec<Relation> = sources.iter().map(|known| naive(bytes, known)).collect();
        let known: Vec<_> = sources.iter().map(|known| identify(known, BLOCK)).collect();
        let mut stream = Cursor::new(bytes.to_vec());
        let found = relations_of_stream(&mut stream, &known, BLOCK as u64).unwrap();
        assert_eq!(found, expected, "stream of {} bytes", bytes.len());
        let expected: Vec<Relation> =
            sources.iter().map(|known| naive(bytes, &with_middle_of(bytes, known))).collect();
        for map in [true, false] {
            let Some((_named, file)) = file(bytes, map) else { continue };
            let found = relations_of_file(&file, &known, BLOCK as u64).unwrap();
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
    fn files_are_compared_by_their_ends_and_streams_whole() {
        let bytes = text();
        let mut changed = bytes.clone();
        changed[BLOCK + 4] ^= 1;
        let known = [identify(&bytes[..801], BLOCK)];
        let (_named, file) = file(&changed, true).unwrap();
        let relations = relations_of_file(&file, &known, BLOCK as u64).unwrap();
        let grown = Relation::GrownFrom { counted_bytes: 801, is_at_line_end: false };
        assert_eq!(relations, [grown]);
        let relations = relations_of_stream(&mut Cursor::new(changed), &known, BLOCK as u64);
        assert_eq!(relations.unwrap(), [Relation::Different]);
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
