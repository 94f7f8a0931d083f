//! The identity of a source: a hash of its bytes.
//!
//! Owns: [`SourceIdentity`] and how it is computed, from bytes in order or block by block. May import: xxhash-rust.
//! Must not know: files, threads, lines, where identities are kept.
//!
//! A source is cut into blocks of [`BLOCK_BYTES`], the last one as long as it happens to be. Its
//! id is the xxh3-128 (seed 0) of its blocks' xxh3-128s (seed 0), each as 16 bytes, least significant first. The
//! bytes are those of the log: a file, the same file compressed and the same bytes through a pipe are one source.
//!
//! The identity also holds the xxh3-128s of the first 64, 128, 256 ... bytes, up to a block. By these a log that is
//! shorter than a block is still recognized after it was truncated.

use std::collections::BTreeMap;
use std::ops::Range;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::BLOCK_BYTES;

/// Fewest digits of an id that are shown.
pub const SHORT_ID_DIGITS: usize = 6;

/// Identity of a source: of those bytes of an input that were counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceIdentity {
    /// Number of bytes.
    pub bytes: u64,
    /// Hash of each block; the last block may be shorter than the others.
    pub block_hashes: Vec<u128>,
    /// Hash of `block_hashes`.
    pub id: u128,
    /// Hashes of the first 64, 128, 256 ... bytes, up to the source's length and one block. Not part of the id.
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

    /// Whether the longest beginning known of both this source and an input with these beginnings is the same.
    pub(super) fn shares_beginning(&self, beginnings: &[u128]) -> bool {
        let longest = self.beginnings.len().min(beginnings.len());
        longest > 0 && self.beginnings[longest - 1] == beginnings[longest - 1]
    }

    /// Whether this source may begin with a shorter or equally long one: all whole blocks are the same, and the longest
    /// beginning known of both. The bytes after the last whole block are not compared.
    #[must_use]
    pub fn may_begin_with(&self, other: &Self) -> bool {
        let whole = usize::try_from(other.bytes / BLOCK_BYTES).unwrap_or(usize::MAX);
        let has_no_beginning = self.beginnings.is_empty() || other.beginnings.is_empty();
        other.bytes <= self.bytes
            && self.block_hashes.get(..whole) == other.block_hashes.get(..whole)
            && (has_no_beginning || self.shares_beginning(&other.beginnings))
    }

    /// The id as 32 hexadecimal digits.
    #[must_use]
    pub fn full_id(&self) -> String {
        full_id(self.id)
    }

    /// The first `digits` digits of [`full_id`](Self::full_id), but at least [`SHORT_ID_DIGITS`].
    #[must_use]
    pub fn short_id(&self, digits: usize) -> String {
        let mut id = self.full_id();
        id.truncate(digits.max(SHORT_ID_DIGITS));
        id
    }
}

/// The hashes of the beginnings of a source, of which these are the first bytes; see [`SourceIdentity::beginnings`].
pub(super) fn beginnings(bytes: &[u8]) -> Vec<u128> {
    let mut hasher = BlockHasher::new(true);
    hasher.update(bytes);
    hasher.finish().beginnings
}

/// A source id as 32 hexadecimal digits.
#[must_use]
pub fn full_id(id: u128) -> String {
    format!("{id:032x}")
}

/// Hash of a block, and of the beginnings of a source's first block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockHash {
    /// Hash of the block's bytes.
    pub hash: u128,
    /// [`SourceIdentity::beginnings`] for the first block of a source, empty for any other.
    pub beginnings: Vec<u128>,
}

/// Hashes one block of a source, or a part of one, from bytes in order.
struct BlockHasher {
    hasher: Box<Xxh3>,
    /// Number of bytes hashed.
    bytes: u64,
    /// Whether beginnings are hashed: only those of the source's first block are.
    is_first: bool,
    beginnings: Vec<u128>,
}

impl BlockHasher {
    fn new(is_first: bool) -> Self {
        Self { hasher: Box::default(), bytes: 0, is_first, beginnings: Vec::new() }
    }

    fn update(&mut self, mut bytes: &[u8]) {
        while self.is_first {
            let missing = (SHORTEST_BEGINNING << self.beginnings.len()) - self.bytes;
            let missing = usize::try_from(missing).unwrap_or(usize::MAX);
            let Some((now, later)) = bytes.split_at_checked(missing) else { break };
            self.hasher.update(now);
            self.bytes += now.len() as u64;
            self.beginnings.push(self.hash());
            bytes = later;
        }
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// Hash of the bytes so far.
    fn hash(&self) -> u128 {
        self.hasher.digest128()
    }

    fn finish(self) -> BlockHash {
        BlockHash { hash: self.hash(), beginnings: self.beginnings }
    }
}

/// How the first bytes of a source end, for some number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PrefixEnd {
    /// Hash of the last block, as far as it goes.
    pub(super) block_hash: u128,
    pub(super) last_byte: u8,
}

/// Hashes a whole source from bytes in order.
pub(super) struct StreamHasher {
    block_bytes: u64,
    /// The unfinished block.
    block: BlockHasher,
    /// Bytes of the source so far.
    bytes: u64,
    block_hashes: Vec<u128>,
    /// Beginnings of the first block, once it is complete.
    beginnings: Vec<u128>,
    /// Lengths whose [`PrefixEnd`] is wanted and not yet reached, the smallest last.
    wanted_lengths: Vec<u64>,
    prefix_ends: BTreeMap<u64, PrefixEnd>,
}

impl StreamHasher {
    pub(super) fn new(block_bytes: u64) -> Self {
        Self::with_prefixes(block_bytes, Vec::new())
    }

    /// A hasher that also keeps the [`PrefixEnd`] of each of these lengths but 0.
    pub(super) fn with_prefixes(block_bytes: u64, mut lengths: Vec<u64>) -> Self {
        lengths.retain(|&length| length > 0);
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        lengths.dedup();
        Self {
            block_bytes,
            block: BlockHasher::new(true),
            bytes: 0,
            block_hashes: Vec::new(),
            beginnings: Vec::new(),
            wanted_lengths: lengths,
            prefix_ends: BTreeMap::new(),
        }
    }

    /// Adds the next bytes.
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let mut wanted = self.block_bytes - self.block.bytes;
            if let Some(length) = self.wanted_lengths.last() {
                wanted = wanted.min(length - self.bytes);
            }
            let wanted = usize::try_from(wanted).unwrap_or(usize::MAX).min(bytes.len());
            let (now, later) = bytes.split_at(wanted);
            self.block.update(now);
            self.bytes += now.len() as u64;
            if self.wanted_lengths.last() == Some(&self.bytes) {
                self.wanted_lengths.pop();
                let end =
                    PrefixEnd { block_hash: self.block.hash(), last_byte: now[now.len() - 1] };
                self.prefix_ends.insert(self.bytes, end);
            }
            if self.block.bytes == self.block_bytes {
                self.end_block();
            }
            bytes = later;
        }
    }

    fn end_block(&mut self) {
        let block = std::mem::replace(&mut self.block, BlockHasher::new(false));
        let BlockHash { hash, beginnings } = block.finish();
        self.block_hashes.push(hash);
        self.beginnings.extend(beginnings);
    }

    /// Number of bytes so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Hashes of the complete blocks.
    pub(super) fn block_hashes(&self) -> &[u128] {
        &self.block_hashes
    }

    /// Hashes of the complete beginnings: see [`SourceIdentity::beginnings`].
    pub(super) fn beginnings(&self) -> &[u128] {
        if self.block_hashes.is_empty() { &self.block.beginnings } else { &self.beginnings }
    }

    /// The end of the first `length` bytes, if that length was asked for and reached.
    pub(super) fn prefix_end(&self, length: u64) -> Option<PrefixEnd> {
        self.prefix_ends.get(&length).copied()
    }

    /// The identity of all bytes so far.
    pub(super) fn finish(mut self) -> SourceIdentity {
        if self.block.bytes > 0 {
            self.end_block();
        }
        SourceIdentity::new(self.bytes, self.block_hashes, self.beginnings)
    }
}

/// Hashes a range of a source, within one block, from pieces in order that may reach beyond the range.
pub(super) struct RangeHasher {
    range: Range<u64>,
    block: BlockHasher,
}

impl RangeHasher {
    pub(super) fn new(range: Range<u64>) -> Self {
        Self { block: BlockHasher::new(range.start == 0), range }
    }

    /// Adds the part of the bytes at `offset` that lies in the range.
    pub(super) fn update(&mut self, offset: u64, bytes: &[u8]) {
        let index = |at: u64| {
            usize::try_from(at.saturating_sub(offset)).unwrap_or(usize::MAX).min(bytes.len())
        };
        self.block.update(&bytes[index(self.range.start)..index(self.range.end)]);
    }

    pub(super) fn finish(self) -> BlockHash {
        self.block.finish()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{PrefixEnd, RangeHasher, SHORTEST_BEGINNING, SourceIdentity, StreamHasher};
    use proptest::prelude::*;
    use xxhash_rust::xxh3::xxh3_128;

    /// The definition again, one line a step.
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
            prefixes in prop::collection::vec(0..700_usize, 0..5),
        ) {
            const BLOCK: usize = 128;
            let bytes: Vec<u8> = (0..blocks * BLOCK + rest).map(|i| i.to_le_bytes()[0]).collect();
            let lengths = prefixes.iter().map(|&length| length as u64).collect();
            let mut hasher = StreamHasher::with_prefixes(BLOCK as u64, lengths);
            let mut left = &bytes[..];
            for piece in pieces.iter().cycle() {
                let (now, later) = left.split_at(left.len().min(*piece));
                hasher.update(now);
                left = later;
                if left.is_empty() { break }
            }
            for length in prefixes {
                let is_reached = length > 0 && length <= bytes.len();
                let expected = is_reached.then(|| PrefixEnd {
                    block_hash: *identify(&bytes[..length], BLOCK).block_hashes.last().unwrap(),
                    last_byte: bytes[length - 1],
                });
                prop_assert_eq!(hasher.prefix_end(length as u64), expected);
            }
            let whole = identify(&bytes, BLOCK);
            prop_assert_eq!(hasher.beginnings(), &whole.beginnings[..]);
            let identity = hasher.finish();
            prop_assert_eq!(&identity, &whole);
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
