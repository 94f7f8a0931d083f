//! Merging blocks of a share: as few blocks as a commit that costs what is new can leave.
//!
//! Owns: the merge of two blocks, page by page, and the rule which blocks are merged. May import: `block`, `pieces`,
//! `meta` (numbers), rusqlite. Must not know: cells, where new facts come from.

use super::block::{
    BlockCounts, BlockDecoder, BlockEncoder, ChunkBytes, EncodedBlock, Groups, ItemFactsReader,
    Items,
};
use super::pieces::{self, Kind};
use super::read::{self, BlockRow, PAGE};
use super::{Store, meta};
use crate::error::{Error, Result};
use crate::facts::Fact;
use crate::facts::column::{ColumnEncoder, Damaged};
use crate::time::Day;

/// A block of so many facts is never merged, so that the slowest commit stays short.
const LARGE_BLOCK: u64 = 1 << 20;
/// Blocks are merged as long as the next has less than so many times the facts of the merged ones.
const RATIO: u64 = 4;
/// Reads and writes blocks. It keeps buffers.
#[derive(Debug, Default)]
pub(super) struct BlockMerger {
    decoder: BlockDecoder,
    encoder: ColumnEncoder,
}

/// A block whose facts are to be read; *who* and *when* stay as they are until a page is read.
#[derive(Debug)]
pub(super) struct OpenBlock {
    visitors: Vec<u32>,
    groups: Groups,
    items: Items,
    chunks: Vec<ChunkBytes>,
    who: Vec<u8>,
    when: Vec<u8>,
    counts: BlockCounts,
}

/// Whether merged facts and the smallest of the other blocks become one block.
fn is_merged(facts: u64, smallest_other: u64) -> bool {
    facts.max(smallest_other) < LARGE_BLOCK && smallest_other < facts.saturating_mul(RATIO)
}

impl BlockMerger {
    /// Stores the new facts of a share as block `number`, which is new, together with as many of the share's blocks as the
    /// rule says.
    ///
    /// # Errors
    /// [`Error::Database`]; [`Error::Limit`] if it is more than a block can hold.
    pub(super) fn settle(
        &mut self,
        store: Store<'_>,
        share: i64,
        new: EncodedBlock,
        number: u64,
    ) -> Result<()> {
        let mut merged = new;
        for other in read::blocks_of_share(store, share)? {
            if !is_merged(merged.counts.facts.into(), other.facts.into()) {
                break;
            }
            merged = self.merge_stored(store, merged, &other)?;
        }
        pieces::put(store, share, PAGE, number, &merged)
    }

    /// Makes one block of all blocks of each share of a site's day, but for large ones: the day is over.
    ///
    /// # Errors
    /// As of [`settle`](Self::settle).
    pub(super) fn settle_day(&mut self, store: Store<'_>, site: i64, day: Day) -> Result<()> {
        let mut blocks = read::blocks(store, site, day..=day)?;
        blocks.retain(|block| u64::from(block.facts) < LARGE_BLOCK);
        // The smallest first, so that few facts are read twice.
        blocks.sort_unstable_by_key(|block| (block.share, block.facts, block.id));
        for blocks in blocks.chunk_by(|one, other| one.share == other.share) {
            let [first, others @ ..] = blocks else { continue };
            if others.is_empty() {
                continue;
            }
            let mut merged = self.take(store, first)?;
            for other in others {
                merged = self.merge_stored(store, merged, other)?;
            }
            let number = meta::take_next(store, meta::NEXT_BLOCK, 1)?;
            pieces::put(store, first.share, PAGE, number, &merged)?;
        }
        Ok(())
    }

    /// The facts of a block and of one that is stored, which is deleted.
    fn merge_stored(
        &mut self,
        store: Store<'_>,
        one: EncodedBlock,
        other: &BlockRow,
    ) -> Result<EncodedBlock> {
        let other = self.take(store, other)?;
        let (one, other) = (self.open(store, one)?, self.open(store, other)?);
        let merged = merge_blocks(&one, &other, &mut self.decoder, &mut self.encoder);
        merged.map_err(|error| match error {
            MergeError::Damaged(damaged) => store.damaged(damaged.0),
            MergeError::TooLarge(error) => error,
        })
    }

    /// A block that is stored, and deleted.
    fn take(&mut self, store: Store<'_>, block: &BlockRow) -> Result<EncodedBlock> {
        let get = |kind| block.bytes(store, kind, None);
        let encoded = EncodedBlock {
            visitors: get(Kind::Visitors)?,
            groups: get(Kind::Groups)?,
            items: get(Kind::Items)?,
            who: get(Kind::Who)?,
            when: get(Kind::When)?,
            counts: block.counts(),
        };
        pieces::delete(store, block.id)?;
        Ok(encoded)
    }

    fn open(&mut self, store: Store<'_>, block: EncodedBlock) -> Result<OpenBlock> {
        OpenBlock::new(block, &mut self.decoder).map_err(|damaged| store.damaged(damaged.0))
    }
}

impl OpenBlock {
    /// Reads all of a block but its facts.
    ///
    /// # Errors
    /// [`Damaged`].
    pub(super) fn new(
        block: EncodedBlock,
        decoder: &mut BlockDecoder,
    ) -> std::result::Result<Self, Damaged> {
        let EncodedBlock { visitors, groups, items, who, when, counts } = block;
        let visitors = decoder.visitors(&visitors, counts)?;
        let groups = decoder.groups(&groups, counts)?;
        let items = decoder.items(&items, counts, &groups.sections)?;
        let chunks = items.chunks(|_| true);
        Ok(Self { visitors, groups, items, chunks, who, when, counts })
    }

    fn pages(&self, ranks: Vec<u32>) -> Pages<'_> {
        let Self { items, chunks, who, when, counts, .. } = self;
        let facts = ItemFactsReader::new(items, counts.visitors, chunks, who, when);
        let left = self.groups.sections.first().map_or(0, |section| section.items);
        Pages { block: self, ranks, facts, section: 0, left, page: 0 }
    }
}

/// Why two blocks cannot be merged.
#[derive(Debug)]
pub(super) enum MergeError {
    Damaged(Damaged),
    TooLarge(Error),
}

impl From<Damaged> for MergeError {
    fn from(damaged: Damaged) -> Self {
        Self::Damaged(damaged)
    }
}

/// The pages of a block, one after the other, with merged ranks.
struct Pages<'b> {
    block: &'b OpenBlock,
    /// The rank in the merged block by the rank in this one.
    ranks: Vec<u32>,
    facts: ItemFactsReader<'b>,
    /// Index of the next page's section, number of the section's pages that are left, and index of the page.
    section: usize,
    left: u32,
    page: usize,
}

impl Pages<'_> {
    /// Places of the next page's section and of the page.
    fn next(&self) -> Option<(u32, u32)> {
        let section = self.block.groups.sections.get(self.section)?;
        Some((section.place, *self.block.items.places.get(self.page)?))
    }

    /// Appends the facts of the next page, and goes on.
    fn take(
        &mut self,
        decoder: &mut BlockDecoder,
        facts: &mut Vec<Fact>,
    ) -> std::result::Result<(), Damaged> {
        let start = facts.len();
        self.facts.append_item(self.page, decoder, facts)?;
        for fact in &mut facts[start..] {
            *fact = fact.with_visitor(self.ranks[fact.visitor() as usize]);
        }
        self.page += 1;
        self.left -= 1;
        if self.left == 0 {
            self.section += 1;
            let sections = &self.block.groups.sections;
            self.left = sections.get(self.section).map_or(0, |section| section.items);
        }
        Ok(())
    }
}

/// The block of the facts of both; views of the same page, visitor and minute are added up.
///
/// # Errors
/// [`MergeError`].
pub(super) fn merge_blocks(
    one: &OpenBlock,
    other: &OpenBlock,
    decoder: &mut BlockDecoder,
    encoder: &mut ColumnEncoder,
) -> std::result::Result<EncodedBlock, MergeError> {
    let (visitors, ranks, other_ranks) = unite(&one.visitors, &other.visitors);
    let mut block = BlockEncoder::new(visitors.len(), encoder);
    let (mut one, mut other) = (one.pages(ranks), other.pages(other_ranks));
    let (mut facts, mut more, mut both) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let (next, other_next) = (one.next(), other.next());
        let Some((section, page)) = next.into_iter().chain(other_next).min() else { break };
        facts.clear();
        more.clear();
        if next == Some((section, page)) {
            one.take(decoder, &mut facts)?;
        }
        if other_next == Some((section, page)) {
            other.take(decoder, &mut more)?;
        }
        if more.is_empty() {
            block.push_item(section, page, &facts);
        } else if facts.is_empty() {
            block.push_item(section, page, &more);
        } else {
            both.clear();
            unite_facts(&facts, &more, &mut both);
            block.push_item(section, page, &both);
        }
    }
    block.finish(&visitors).map_err(MergeError::TooLarge)
}

/// The numbers of two ascending lists together, and the rank of each number of either list among them.
fn unite(one: &[u32], other: &[u32]) -> (Vec<u32>, Vec<u32>, Vec<u32>) {
    let mut numbers = Vec::with_capacity(one.len() + other.len());
    let mut ranks = Vec::with_capacity(one.len());
    let mut other_ranks = Vec::with_capacity(other.len());
    let (mut rest, mut other_rest) = (one, other);
    let mut rank = 0_u32;
    loop {
        let number = match (rest.first(), other_rest.first()) {
            (Some(&number), Some(&other)) => number.min(other),
            (Some(&number), None) | (None, Some(&number)) => number,
            (None, None) => break,
        };
        for (rest, ranks) in [(&mut rest, &mut ranks), (&mut other_rest, &mut other_ranks)] {
            if rest.first() == Some(&number) {
                *rest = &rest[1..];
                ranks.push(rank);
            }
        }
        numbers.push(number);
        rank += 1;
    }
    (numbers, ranks, other_ranks)
}

/// Appends two ascending lists as one that ascends.
fn unite_facts(one: &[Fact], other: &[Fact], both: &mut Vec<Fact>) {
    both.reserve(one.len() + other.len());
    let (mut rest, mut other_rest) = (one, other);
    while let (&[fact, ref after @ ..], &[other, ref other_after @ ..]) = (rest, other_rest) {
        if fact <= other {
            both.push(fact);
            rest = after;
        } else {
            both.push(other);
            other_rest = other_after;
        }
    }
    both.extend_from_slice(rest);
    both.extend_from_slice(other_rest);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::block::tests::{Model, decoded, encoded, models};
    use super::super::testing::with_store;
    use super::{
        BlockMerger, EncodedBlock, Kind, LARGE_BLOCK, OpenBlock, Store, is_merged, merge_blocks,
        meta, read,
    };
    use crate::time::Day;

    fn merge(one: &EncodedBlock, other: &EncodedBlock) -> EncodedBlock {
        let BlockMerger { mut decoder, mut encoder } = BlockMerger::default();
        let one = OpenBlock::new(one.clone(), &mut decoder).unwrap();
        let other = OpenBlock::new(other.clone(), &mut decoder).unwrap();
        merge_blocks(&one, &other, &mut decoder, &mut encoder).unwrap()
    }

    fn united(one: &Model, other: &Model) -> Model {
        let mut united = one.clone();
        for (&fact, views) in other {
            *united.entry(fact).or_default() += views;
        }
        united
    }

    proptest! {
        #[test]
        fn merged_blocks_are_those_of_all_facts(
            one in models(), other in models(), others in prop::collection::vec(any::<u32>(), 0..3),
        ) {
            let merged = merge(&encoded(&one, &others), &encoded(&other, &[]));
            let all = united(&one, &other);
            prop_assert_eq!(&merged, &encoded(&all, &others));
            prop_assert_eq!(decoded(&merged).1, all);
            let again = merge(&encoded(&other, &[]), &encoded(&one, &others));
            prop_assert_eq!(merged, again);
        }

        #[test]
        fn damaged_blocks_do_no_harm(
            one in models(), other in models(),
            kind in 0..5_usize, at in any::<prop::sample::Index>(), bit in 0..8_u8,
        ) {
            let mut damaged = encoded(&one, &[]);
            let EncodedBlock { visitors, groups, items, who, when, .. } = &mut damaged;
            let bytes: &mut Vec<u8> = [visitors, groups, items, who, when][kind];
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            let BlockMerger { mut decoder, mut encoder } = BlockMerger::default();
            let other = OpenBlock::new(encoded(&other, &[]), &mut decoder).unwrap();
            if let Ok(damaged) = OpenBlock::new(damaged, &mut decoder) {
                let _ = merge_blocks(&damaged, &other, &mut decoder, &mut encoder);
            }
        }
    }

    /// A share that grows in steps: how often each of its facts is rewritten, and the share's blocks in the end.
    fn grow(total: u64, step: u64) -> (u64, Vec<u64>) {
        let (mut blocks, mut written): (Vec<u64>, u64) = (Vec::new(), 0);
        for _ in 0..total / step {
            let mut merged = step;
            blocks.sort_unstable();
            while blocks.first().is_some_and(|&other| is_merged(merged, other)) {
                merged += blocks.remove(0);
            }
            written += merged;
            blocks.push(merged);
        }
        ((written - total / 2) / total, blocks)
    }

    #[test]
    fn facts_are_rewritten_as_often_as_the_guide_says() {
        let small = |blocks: &[u64]| blocks.iter().filter(|&&facts| facts < LARGE_BLOCK).count();
        let (times, blocks) = grow(26_000, 90);
        assert!(times == 7 && small(&blocks) <= 6, "{times} {blocks:?}");
        let (times, blocks) = grow(10_000_000, 1_000);
        assert!(times == 9 && small(&blocks) <= 6, "{times} {blocks:?}");
        // A large block stays, whatever comes.
        assert!(!is_merged(10, LARGE_BLOCK) && !is_merged(LARGE_BLOCK, 10));
        assert!(is_merged(LARGE_BLOCK - 1, LARGE_BLOCK - 1));
    }

    fn share(store: Store<'_>, id: i64, site: i64, day: i32) {
        store
            .connection
            .execute(
                "INSERT INTO share(id, site, day, source, totals, sample) VALUES (?, ?, ?, ?, '', x'')",
                (id, site, day, id),
            )
            .unwrap();
    }

    /// Facts of a share, all blocks together, and the number of blocks.
    fn stored(store: Store<'_>, share: i64) -> (Model, usize) {
        let found = read::blocks_of_share(store, share).unwrap();
        let mut all = Model::new();
        for row in &found {
            let get = |kind| row.bytes(store, kind, None).unwrap();
            let counts = row.counts();
            let block = EncodedBlock {
                visitors: get(Kind::Visitors),
                groups: get(Kind::Groups),
                items: get(Kind::Items),
                who: get(Kind::Who),
                when: get(Kind::When),
                counts,
            };
            all = united(&all, &decoded(&block).1);
        }
        (all, found.len())
    }

    /// Ten facts of a run, some of them those of other runs, too.
    fn facts_of_run(run: u32) -> Model {
        (0..10).map(|fact| ((1, 2 + fact % 3, run * 5 + fact, 7), 1)).collect()
    }

    #[test]
    fn a_share_that_grows_has_few_blocks_and_all_facts() {
        with_store(|store| {
            for id in 1..=3 {
                share(store, id, 4, if id == 3 { 9 } else { 8 });
            }
            let mut merger = BlockMerger::default();
            let mut all = BTreeMap::new();
            for run in 0..40 {
                let new = facts_of_run(run);
                for share in 1..=3 {
                    let number = u64::from(run) * 3 + share;
                    merger.settle(store, share.cast_signed(), encoded(&new, &[]), number).unwrap();
                }
                all = united(&all, &new);
                let (found, blocks) = stored(store, 2);
                assert_eq!(found, all);
                assert!(blocks <= 4, "{blocks}");
            }
            meta::set(store, meta::NEXT_BLOCK, 1000).unwrap();
            assert!(stored(store, 1).1 > 1);
            merger.settle_day(store, 4, Day(8)).unwrap();
            assert_eq!(stored(store, 1), (all.clone(), 1));
            assert_eq!(stored(store, 2), (all.clone(), 1));
            assert!(stored(store, 3).1 > 1);
            // Once is enough.
            merger.settle_day(store, 4, Day(8)).unwrap();
            assert_eq!(meta::get(store, meta::NEXT_BLOCK).unwrap(), Some(1002));
            let pieces = "SELECT count(*) FROM piece WHERE key >> 16 & 0x3fffffffff < 1000";
            let old: i64 = store.connection.query_row(pieces, [], |row| row.get(0)).unwrap();
            assert_eq!(usize::try_from(old).unwrap(), 5 * stored(store, 3).1);
        });
    }
}
