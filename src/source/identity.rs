//! What tells a source from every other: a hash of its bytes.
//!
//! Owns: [`SourceIdentity`], how it is computed from bytes that come in order or block by block. May import:
//! xxhash-rust. Must not know: files, threads, lines, where identities are kept.
//!
//! A source is cut into blocks of [`BLOCK_BYTES`](super::BLOCK_BYTES), the last one as long as it happens to be. Its
//! id is the xxh3-128 (seed 0) of its blocks' xxh3-128s (seed 0), each as 16 bytes, least significant first. The
//! bytes are those of the log: a file, the same file compressed and the same bytes through a pipe are one source.
//!
//! Beside it stand the xxh3-128s of the first 64, 128, 256 ... bytes, up to a block: a log under a block that was cut is
//! known by them.

use std::collections::BTreeMap;
use std::ops::Range;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Digits of the shortest id that is shown.
pub const SHORT_ID_DIGITS: usize = 6;

/// The bytes that were counted of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceIdentity {
    /// How many.
    pub bytes: u64,
    /// The hash of each block of them; the last block may be a part of one.
    pub block_hashes: Vec<u128>,
    /// The hash of `block_hashes`.
    pub id: u128,
    /// The hashes of its first 64, 128, 256 ... bytes, as far as it goes, up to a block. No part of the id.
    pub beginnings: Vec<u128>,
}

/// The length of the first of [`SourceIdentity::beginnings`].
const SHORTEST_BEGINNING: u64 = 64;

impl SourceIdentity {
    /// The identity of `bytes` bytes whose blocks and beginnings have these hashes.
    #[must_use]
    pub fn new(bytes: u64, block_hashes: Vec<u128>, beginnings: Vec<u128>) -> Self {
        let list: Vec<u8> = block_hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect();
        Self { bytes, block_hashes, id: xxh3_128(&list), beginnings }
    }

    /// Whether something shorter, which has these beginnings, begins alike: the longest beginning that both have is
    /// the same.
    pub(super) fn begins_like(&self, beginnings: &[u128]) -> bool {
        let longest = self.beginnings.len().min(beginnings.len());
        longest > 0 && self.beginnings[longest - 1] == beginnings[longest - 1]
    }

    /// The id as 32 hexadecimal digits.
    #[must_use]
    pub fn full_id(&self) -> String {
        full_id(self.id)
    }

    /// The first digits of [`full_id`](Self::full_id): at least [`SHORT_ID_DIGITS`], as many as are asked for.
    #[must_use]
    pub fn short_id(&self, digits: usize) -> String {
        let mut id = self.full_id();
        id.truncate(digits.max(SHORT_ID_DIGITS));
        id
    }
}

/// A source id as 32 hexadecimal digits.
#[must_use]
pub fn full_id(id: u128) -> String {
    format!("{id:032x}")
}

/// What is found behind so many bytes of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The hash of the block's bytes up to there.
    pub(super) hash: u128,
    /// The byte before.
    pub(super) last_byte: u8,
}

/// Hashes a source whose bytes come in order.
pub(super) struct StreamHasher {
    block_bytes: u64,
    hasher: Box<Xxh3>,
    /// Bytes of the unfinished block that `hasher` has.
    in_block: u64,
    bytes: u64,
    block_hashes: Vec<u128>,
    beginnings: Vec<u128>,
    /// Lengths at which the unfinished block's hash is wanted, the smallest last.
    marks: Vec<u64>,
    marked: BTreeMap<u64, Mark>,
}

impl StreamHasher {
    pub(super) fn new(block_bytes: u64) -> Self {
        Self::with_marks(block_bytes, Vec::new())
    }

    /// Also keeps, for each length of `marks`, the hash of the last block of that many bytes, and the last of them.
    pub(super) fn with_marks(block_bytes: u64, mut marks: Vec<u64>) -> Self {
        marks.retain(|&mark| mark > 0);
        marks.sort_unstable_by(|a, b| b.cmp(a));
        marks.dedup();
        Self {
            block_bytes,
            hasher: Box::default(),
            in_block: 0,
            bytes: 0,
            block_hashes: Vec::new(),
            beginnings: Vec::new(),
            marks,
            marked: BTreeMap::new(),
        }
    }

    /// Adds the next bytes.
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let mut wanted = self.block_bytes - self.in_block;
            if let Some(mark) = self.marks.last() {
                wanted = wanted.min(mark - self.bytes);
            }
            let beginning = Some(SHORTEST_BEGINNING << self.beginnings.len())
                .filter(|&length| length <= self.block_bytes);
            if let Some(length) = beginning {
                wanted = wanted.min(length - self.bytes);
            }
            let take = usize::try_from(wanted).unwrap_or(usize::MAX).min(bytes.len());
            self.hasher.update(&bytes[..take]);
            self.bytes += take as u64;
            self.in_block += take as u64;
            if Some(self.bytes) == beginning {
                self.beginnings.push(self.hasher.digest128());
            }
            if self.marks.last() == Some(&self.bytes) {
                self.marks.pop();
                let mark = Mark { hash: self.hasher.digest128(), last_byte: bytes[take - 1] };
                self.marked.insert(self.bytes, mark);
            }
            if self.in_block == self.block_bytes {
                self.end_block();
            }
            bytes = &bytes[take..];
        }
    }

    fn end_block(&mut self) {
        self.block_hashes.push(self.hasher.digest128());
        self.hasher.reset();
        self.in_block = 0;
    }

    /// Bytes so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Hashes of the blocks that are complete.
    pub(super) fn block_hashes(&self) -> &[u128] {
        &self.block_hashes
    }

    /// Hashes of the beginnings that are complete.
    pub(super) fn beginnings(&self) -> &[u128] {
        &self.beginnings
    }

    /// What was found at a mark that was reached.
    pub(super) fn marked(&self, mark: u64) -> Option<Mark> {
        self.marked.get(&mark).copied()
    }

    /// The identity of all bytes.
    pub(super) fn finish(mut self) -> SourceIdentity {
        if self.in_block > 0 {
            self.end_block();
        }
        SourceIdentity::new(self.bytes, self.block_hashes, self.beginnings)
    }
}

/// What is known of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockHash {
    /// Its hash.
    pub hash: u128,
    /// Of the first block: [`SourceIdentity::beginnings`].
    pub beginnings: Vec<u128>,
}

/// Hashes a range of a source from pieces that come in order and may reach beyond it.
pub(super) struct RangeHasher {
    range: Range<u64>,
    hasher: Box<Xxh3>,
    bytes: u64,
    beginnings: Vec<u128>,
}

impl RangeHasher {
    pub(super) fn new(range: Range<u64>) -> Self {
        Self { range, hasher: Box::default(), bytes: 0, beginnings: Vec::new() }
    }

    /// Adds what of the bytes at `offset` lies in the range.
    pub(super) fn update(&mut self, offset: u64, bytes: &[u8]) {
        let place = |at: u64| {
            usize::try_from(at.saturating_sub(offset)).unwrap_or(usize::MAX).min(bytes.len())
        };
        let mut bytes = &bytes[place(self.range.start)..place(self.range.end)];
        while self.range.start == 0 {
            let wanted = (SHORTEST_BEGINNING << self.beginnings.len()) - self.bytes;
            let Some(now) = usize::try_from(wanted).ok().and_then(|wanted| bytes.get(..wanted))
            else {
                break;
            };
            self.hasher.update(now);
            self.bytes += wanted;
            self.beginnings.push(self.hasher.digest128());
            bytes = &bytes[now.len()..];
        }
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    pub(super) fn finish(self) -> BlockHash {
        BlockHash { hash: self.hasher.digest128(), beginnings: self.beginnings }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Mark, RangeHasher, SHORTEST_BEGINNING, SourceIdentity, StreamHasher};
    use proptest::prelude::*;
    use xxhash_rust::xxh3::xxh3_128;

    /// The definition, said again in one line a step.
    pub(in crate::source) fn identify(bytes: &[u8], block_bytes: usize) -> SourceIdentity {
        let block_hashes: Vec<u128> = bytes.chunks(block_bytes).map(xxh3_128).collect();
        let list: Vec<[u8; 16]> = block_hashes.iter().map(|hash| hash.to_le_bytes()).collect();
        let beginnings = (0..)
            .map(|doublings| usize::try_from(SHORTEST_BEGINNING << doublings).unwrap())
            .take_while(|&length| length <= block_bytes.min(bytes.len()))
            .map(|length| xxh3_128(&bytes[..length]))
            .collect();
        let id = xxh3_128(&list.concat());
        SourceIdentity { bytes: bytes.len() as u64, block_hashes, id, beginnings }
    }

    #[test]
    fn ids_are_stable() {
        let source = identify(b"hello\n", 8 << 20);
        assert_eq!(source.full_id().len(), 32);
        assert_eq!(source.full_id(), FULL_ID_OF_HELLO);
        assert_eq!(source.short_id(0), FULL_ID_OF_HELLO[..6]);
        assert_eq!(source.short_id(9), FULL_ID_OF_HELLO[..9]);
        assert_eq!(source.short_id(99), FULL_ID_OF_HELLO);
    }

    /// Ledgers hold such ids: they never change.
    const FULL_ID_OF_HELLO: &str = "d357d8b5bcc459fb5aad87c2fcf45a63";

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            blocks in 0..5_usize,
            rest in 0..128_usize,
            pieces in prop::collection::vec(1..300_usize, 1..8),
            marks in prop::collection::vec(0..700_usize, 0..5),
        ) {
            const BLOCK: usize = 128;
            let bytes: Vec<u8> = (0..blocks * BLOCK + rest).map(|i| i.to_le_bytes()[0]).collect();
            let lengths = marks.iter().map(|&mark| mark as u64).collect();
            let mut hasher = StreamHasher::with_marks(BLOCK as u64, lengths);
            let mut left = &bytes[..];
            for piece in pieces.iter().cycle() {
                let (now, later) = left.split_at(left.len().min(*piece));
                hasher.update(now);
                left = later;
                if left.is_empty() { break }
            }
            for mark in marks {
                let reached = mark > 0 && mark <= bytes.len();
                let expected = reached.then(|| Mark {
                    hash: *identify(&bytes[..mark], BLOCK).block_hashes.last().unwrap(),
                    last_byte: bytes[mark - 1],
                });
                prop_assert_eq!(hasher.marked(mark as u64), expected);
            }
            let identity = hasher.finish();
            prop_assert_eq!(&identity, &identify(&bytes, BLOCK));
            let mut first = RangeHasher::new(0..bytes.len().min(BLOCK) as u64);
            for (index, piece) in bytes.chunks(pieces[0]).enumerate() {
                first.update((index * pieces[0]) as u64, piece);
            }
            prop_assert_eq!(first.finish().beginnings, identity.beginnings);
        }

        #[test]
        fn a_range_is_cut_out(start in 0..30_usize, length in 0..30_usize, piece in 1..40_usize) {
            let bytes: Vec<u8> = (0..60).collect();
            let mut hasher = RangeHasher::new(start as u64..(start + length) as u64);
            let mut offset = 0;
            for piece in bytes.chunks(piece) {
                hasher.update(offset, piece);
                offset += piece.len() as u64;
            }
            prop_assert_eq!(hasher.finish().hash, xxh3_128(&bytes[start..][..length]));
        }
    }
}
