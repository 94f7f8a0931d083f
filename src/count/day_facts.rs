//! The facts of one site's day: who saw which page in which minute, and how often.
//!
//! Owns: [`Fact`], [`DayFacts`] and their merge. May import: nothing of `count`. Must not know: where facts come from.

use std::collections::BTreeMap;

/// A visitor, a minute of the day, and how many views, in 64 bits that sort by visitor, then by minute.
///
/// Views beyond 2^21 take several facts; adding them up is the walk's work, so no count can overflow here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact(pub(super) u64);

/// Bits of the views, stored less one.
const VIEW_BITS: u32 = 21;
/// Lowest bit of the visitor.
pub(super) const VISITOR_SHIFT: u32 = 32;
/// Lowest bit of what facts are sorted by.
pub(super) const ORDER_SHIFT: u32 = VIEW_BITS;
/// Most views of one fact.
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

    /// The visitor's run-wide number.
    #[must_use]
    #[inline]
    pub fn visitor(self) -> u32 {
        (self.0 >> VISITOR_SHIFT) as u32
    }

    /// The minute of the day.
    #[must_use]
    #[inline]
    pub fn minute_of_day(self) -> u16 {
        (self.0 >> VIEW_BITS & 0x7ff) as u16
    }

    /// How many page views.
    #[must_use]
    #[inline]
    pub fn views(self) -> u64 {
        (self.0 & (MAX_VIEWS - 1)) + 1
    }
}

/// The facts of one site's day, page by page; within a page sorted by visitor and minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DayFacts {
    /// Page and the end of its facts, by ascending page number.
    pages: Vec<(u32, usize)>,
    facts: Vec<Fact>,
}

impl DayFacts {
    /// Appends `views` views of `page`; pages come in ascending order, their (visitor, minute)s too.
    #[inline]
    pub(super) fn push(&mut self, page: u32, visitor: u32, minute_of_day: u16, mut views: u64) {
        debug_assert!(self.pages.last().is_none_or(|&(last, _)| last <= page));
        while views > 0 {
            let some = views.min(MAX_VIEWS);
            self.facts.push(Fact::new(visitor, minute_of_day, some));
            views -= some;
        }
        let end = self.facts.len();
        match self.pages.last_mut() {
            Some(last) if last.0 == page => last.1 = end,
            _ => self.pages.push((page, end)),
        }
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

    /// All facts of several pieces as one; the order of the pieces does not matter.
    #[must_use]
    pub fn merge(pieces: &[Self]) -> Self {
        let mut runs: BTreeMap<u32, Vec<&[Fact]>> = BTreeMap::new();
        for (page, facts) in pieces.iter().flat_map(Self::pages) {
            runs.entry(page).or_default().push(facts);
        }
        let mut merged = Self { pages: Vec::with_capacity(runs.len()), facts: Vec::new() };
        merged.facts.reserve(pieces.iter().map(Self::len).sum());
        for (page, runs) in runs {
            if let [facts] = runs[..] {
                merged.facts.extend_from_slice(facts);
                merged.pages.push((page, merged.facts.len()));
                continue;
            }
            let mut facts = runs.concat();
            facts.sort_unstable();
            for same in facts.chunk_by(|a, b| a.0 >> ORDER_SHIFT == b.0 >> ORDER_SHIFT) {
                let views = same.iter().map(|fact| fact.views()).sum();
                merged.push(page, same[0].visitor(), same[0].minute_of_day(), views);
            }
        }
        merged
    }
}

/// Whether no page is in two pieces.
pub(super) fn are_disjoint(pieces: &[DayFacts]) -> bool {
    if pieces.len() < 2 {
        return true;
    }
    let mut pages: Vec<u32> =
        pieces.iter().flat_map(|piece| piece.pages.iter().map(|&(page, _)| page)).collect();
    pages.sort_unstable();
    pages.windows(2).all(|pair| pair[0] != pair[1])
}

#[cfg(test)]
mod tests {
    use super::{DayFacts, Fact, MAX_VIEWS, are_disjoint};

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
        assert_eq!(DayFacts::merge(&[a.clone(), b.clone()]), merged);
        assert_eq!(DayFacts::merge(&[b.clone(), DayFacts::default(), a.clone()]), merged);
        assert_eq!(DayFacts::merge(std::slice::from_ref(&a)), a);
        assert!(!are_disjoint(&[a.clone(), b]));
        assert!(are_disjoint(&[a, piece(&[(2, 1, 1, 1)])]));
    }
}
