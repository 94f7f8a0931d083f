//! The facts of one day of a site: which visitor saw which page in which minute, and how often.
//!
//! Owns: [`Fact`], [`DayFacts`] and their merge. May import: rayon. Must not know: where facts come from.

use rayon::prelude::*;

/// A visitor, a minute of the day, and a number of page views, in 64 bits that sort by visitor, then by minute.
///
/// More than [`MAX_VIEWS`] views take several facts, whose views are to be added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fact(pub(crate) u64);

/// Number of bits of the views. One less than the views is stored.
const VIEW_BITS: u32 = 21;
/// Lowest bit of the visitor.
pub(crate) const VISITOR_SHIFT: u32 = 32;
/// Lowest bit of the sort key, (visitor, minute).
pub(crate) const ORDER_SHIFT: u32 = VIEW_BITS;
/// Most views of one fact: 2^21.
pub const MAX_VIEWS: u64 = 1 << VIEW_BITS;

impl Fact {
    /// A fact of 1 to [`MAX_VIEWS`] views.
    #[must_use]
    #[inline]
    pub fn new(visitor: u32, minute_of_day: u16, views: u64) -> Self {
        debug_assert!((1..=MAX_VIEWS).contains(&views) && minute_of_day < 1440);
        Self(
            u64::from(visitor) << VISITOR_SHIFT
                | u64::from(minute_of_day) << VIEW_BITS
                | (views - 1),
        )
    }

    /// A fact of one view. The caller checks the minute.
    #[inline]
    pub(crate) fn new_unchecked(visitor: u32, minute_of_day: u16) -> Self {
        Self(u64::from(visitor) << VISITOR_SHIFT | u64::from(minute_of_day) << VIEW_BITS)
    }

    /// The same fact for another visitor.
    #[inline]
    pub(crate) fn with_visitor(self, visitor: u32) -> Self {
        Self(u64::from(visitor) << VISITOR_SHIFT | self.0 & u64::from(u32::MAX))
    }

    /// The visitor's number: in the run or, in a [`LocalDay`](super::LocalDay), in that day.
    #[must_use]
    #[inline]
    pub fn visitor(self) -> u32 {
        (self.0 >> VISITOR_SHIFT) as u32
    }

    /// The minute of the day, 0–1439.
    #[must_use]
    #[inline]
    pub fn minute_of_day(self) -> u16 {
        (self.0 >> VIEW_BITS & 0x7ff) as u16
    }

    /// Number of page views, 1 to [`MAX_VIEWS`].
    #[must_use]
    #[inline]
    pub fn views(self) -> u64 {
        (self.0 & (MAX_VIEWS - 1)) + 1
    }
}

/// The facts of one day of a site, by page; within a page sorted by visitor and minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DayFacts {
    /// Page and the end of its facts, by ascending page number.
    pages: Vec<(u32, usize)>,
    facts: Vec<Fact>,
}

impl DayFacts {
    /// No facts, with room for `facts` of them.
    pub(crate) fn with_room(facts: usize) -> Self {
        Self { pages: Vec::new(), facts: Vec::with_capacity(facts) }
    }

    /// Appends `views` views (at least 1) of `page`. Pages must ascend, and within a page (visitor, minute).
    #[inline]
    pub(crate) fn push(&mut self, page: u32, visitor: u32, minute_of_day: u16, views: u64) {
        debug_assert!(self.pages.last().is_none_or(|&(last, _)| last <= page));
        // Full facts last, so that facts ascend in all their bits.
        let rest = (views - 1) % MAX_VIEWS + 1;
        self.facts.push(Fact::new(visitor, minute_of_day, rest));
        let full = (views - rest) / MAX_VIEWS;
        self.facts.extend((0..full).map(|_| Fact::new(visitor, minute_of_day, MAX_VIEWS)));
        let end = self.facts.len();
        match self.pages.last_mut() {
            Some(last) if last.0 == page => last.1 = end,
            _ => self.pages.push((page, end)),
        }
    }

    /// The facts of some pages: each page with the index at which its facts end, both ascending, and all facts, in order
    /// within each page.
    pub(crate) fn from_columns(pages: Vec<(u32, usize)>, facts: Vec<Fact>) -> Self {
        debug_assert!(pages.last().is_none_or(|&(_, end)| end == facts.len()));
        Self { pages, facts }
    }

    /// The same facts with other page numbers, which ascend as the old ones do.
    #[must_use]
    pub(crate) fn renumbered(mut self, number: impl Fn(u32) -> u32) -> Self {
        self.pages.iter_mut().for_each(|(page, _)| *page = number(*page));
        debug_assert!(self.pages.is_sorted_by(|one, next| one.0 < next.0));
        self
    }

    /// Each page's number and facts, by ascending page number.
    pub fn pages(&self) -> impl Iterator<Item = (u32, &[Fact])> {
        let mut start = 0;
        self.pages.iter().map(move |&(page, end)| {
            let facts = &self.facts[start..end];
            start = end;
            (page, facts)
        })
    }

    /// All facts, page by page.
    #[must_use]
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// Number of facts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// Merges pieces of a day, in any order, into pieces that have no page in common. Views of the same page, visitor and
    /// minute are added up.
    #[must_use]
    pub fn merge(pieces: &[&Self]) -> Vec<Self> {
        let facts: usize = pieces.iter().map(|piece| piece.len()).sum();
        let shards = (facts / SHARD_FACTS).clamp(1, MAX_SHARDS).next_power_of_two();
        let residues: Vec<PageResidue> =
            pieces.iter().map(|piece| PageResidue::of(piece)).collect();
        (0..shards)
            .into_par_iter()
            .map(|shard| {
                let mut runs: Vec<(u32, &[Fact])> = Vec::new();
                for (piece, residue) in pieces.iter().zip(&residues) {
                    if residue.may_have(shard, shards) {
                        runs.extend(
                            piece.pages().filter(|&(page, _)| page as usize % shards == shard),
                        );
                    }
                }
                merge_runs(runs)
            })
            .filter(|merged| !merged.is_empty())
            .collect()
    }
}

/// Number of facts that one task merges.
const SHARD_FACTS: usize = 64 * 1024;
/// Most tasks of a merge, since each looks at all pages of all pieces.
const MAX_SHARDS: usize = 64;

/// The lowest bits that all page numbers of a piece share; the pieces of a window are cut by them.
struct PageResidue {
    /// One of its pages.
    page: u32,
    /// Number of lowest bits that all its pages share with `page`.
    bits: u32,
}

impl PageResidue {
    fn of(piece: &DayFacts) -> Self {
        let page = piece.pages.first().map_or(0, |&(page, _)| page);
        let differing = piece.pages.iter().fold(0, |bits, &(other, _)| bits | (other ^ page));
        Self { page, bits: differing.trailing_zeros() }
    }

    /// Whether a page of the piece may be `shard` modulo `shards`, a power of two.
    fn may_have(&self, shard: usize, shards: usize) -> bool {
        let bits = self.bits.min(shards.trailing_zeros());
        (self.page as usize ^ shard) & ((1 << bits) - 1) == 0
    }
}

/// Merges runs of facts; each run is of one page.
fn merge_runs(mut runs: Vec<(u32, &[Fact])>) -> DayFacts {
    runs.sort_unstable_by_key(|&(page, _)| page);
    let mut merged = DayFacts::default();
    merged.facts.reserve_exact(runs.iter().map(|(_, facts)| facts.len()).sum());
    let mut facts: Vec<Fact> = Vec::new();
    for runs in runs.chunk_by(|one, other| one.0 == other.0) {
        let page = runs[0].0;
        if let [(_, facts)] = runs {
            merged.facts.extend_from_slice(facts);
            merged.pages.push((page, merged.facts.len()));
            continue;
        }
        facts.clear();
        facts.extend(runs.iter().flat_map(|(_, facts)| *facts));
        // The stable sort, since it detects the sorted runs.
        facts.sort();
        for same in facts.chunk_by(|a, b| a.0 >> ORDER_SHIFT == b.0 >> ORDER_SHIFT) {
            let views = same.iter().map(|fact| fact.views()).sum();
            merged.push(page, same[0].visitor(), same[0].minute_of_day(), views);
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::{DayFacts, Fact, MAX_SHARDS, MAX_VIEWS, SHARD_FACTS};

    fn piece(facts: &[(u32, u32, u16, u64)]) -> DayFacts {
        let mut piece = DayFacts::default();
        for &(page, visitor, minute, views) in facts {
            piece.push(page, visitor, minute, views);
        }
        piece
    }

    #[test]
    fn facts_keep_their_fields() {
        let fact = Fact::new(u32::MAX, 1439, MAX_VIEWS);
        assert_eq!(
            (fact.visitor(), fact.minute_of_day(), fact.views()),
            (u32::MAX, 1439, MAX_VIEWS)
        );
        assert!(Fact::new(1, 1439, MAX_VIEWS) < Fact::new(2, 0, 1));
    }

    #[test]
    fn merging_is_commutative_and_has_an_identity() {
        let a = piece(&[(1, 5, 0, 1), (1, 6, 3, 2), (4, 1, 1, 1)]);
        let b = piece(&[(1, 5, 0, 3), (1, 5, 1, 1), (3, 9, 9, MAX_VIEWS + 5)]);
        let merged = piece(&[
            (1, 5, 0, 4),
            (1, 5, 1, 1),
            (1, 6, 3, 2),
            (3, 9, 9, MAX_VIEWS + 5),
            (4, 1, 1, 1),
        ]);
        let merged = [merged];
        assert_eq!(DayFacts::merge(&[&a, &b]), merged);
        assert_eq!(DayFacts::merge(&[&b, &DayFacts::default(), &a]), merged);
        assert_eq!(DayFacts::merge(&[&a]), [a]);
        assert_eq!(DayFacts::merge(&[]), []);
    }

    #[test]
    fn fat_days_merge_into_pieces_by_page() {
        let count = u32::try_from(SHARD_FACTS * MAX_SHARDS / 8).unwrap();
        let facts = |from: u32, step: usize| {
            (from..count)
                .step_by(step)
                .map(|number| (number / 8, number % 8, 5, 1))
                .collect::<Vec<_>>()
        };
        // Everything, and the pages divisible by 4 once more.
        let fours: Vec<_> = facts(0, 1).into_iter().filter(|fact| fact.0 % 4 == 0).collect();
        let merged = DayFacts::merge(&[&piece(&facts(0, 1)), &piece(&fours)]);
        assert_eq!(merged.len(), 16);
        let (mut pages, mut views) = (Vec::new(), 0);
        for (page, facts) in merged.iter().flat_map(DayFacts::pages) {
            pages.push(page);
            assert_eq!(facts.len(), 8);
            views += facts.iter().map(|fact| fact.views()).sum::<u64>();
        }
        pages.sort_unstable();
        assert!(pages.iter().copied().eq(0..count / 8));
        assert_eq!(views, (facts(0, 1).len() + fours.len()) as u64);
    }
}
