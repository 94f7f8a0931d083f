//! Sets of visitors by the numbers that a database gave them.
//!
//! Owns: [`VisitorBits`], [`VisitorSet`]. May import: std. Must not know: what the visitors did.
//!
//! Numbers are dense, and those of a day are close to each other, so bits are faster than trees or hashes; but thousands of
//! small sections would take a bit for everybody each.

/// A bit for each visitor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct VisitorBits {
    words: Vec<u64>,
}

impl VisitorBits {
    /// Adds a visitor; whether it was not there.
    #[inline]
    pub(super) fn insert(&mut self, visitor: u32) -> bool {
        let (index, bit) = (visitor as usize / 64, 1 << (visitor % 64));
        if index >= self.words.len() {
            self.words.resize(index + 1, 0);
        }
        let word = &mut self.words[index];
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    pub(super) fn remove(&mut self, visitor: u32) {
        if let Some(word) = self.words.get_mut(visitor as usize / 64) {
            *word &= !(1 << (visitor % 64));
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    pub(super) fn clear(&mut self) {
        self.words.fill(0);
    }

    fn merge(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }
}

/// A set that is a list as long as its visitors are few among all.
#[derive(Clone, Debug, Default)]
pub(super) struct VisitorSet {
    /// Not sorted, some of them several times; empty if there are bits.
    few: Vec<u32>,
    /// Length of the list from which on it is sorted, and becomes bits if they take less room.
    limit: usize,
    bits: Option<VisitorBits>,
}

/// A list of fewer visitors never becomes bits.
const FEW: usize = 1024;
/// So many visitors take the room of one in a list, as bits.
const VISITORS_A_NUMBER: usize = 32;

impl VisitorSet {
    /// Adds visitors.
    pub(super) fn extend(&mut self, visitors: impl Iterator<Item = u32>) {
        if let Some(bits) = &mut self.bits {
            visitors.for_each(|visitor| {
                bits.insert(visitor);
            });
            return;
        }
        self.few.extend(visitors);
        if self.few.len() >= self.limit.max(FEW) {
            self.sort();
            let last = self.few.last().map_or(0, |&last| last as usize);
            if self.few.len() > FEW && self.few.len() >= last / VISITORS_A_NUMBER {
                let mut bits = VisitorBits::default();
                for visitor in std::mem::take(&mut self.few) {
                    bits.insert(visitor);
                }
                self.bits = Some(bits);
            }
            self.limit = 2 * self.few.len();
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        match (&mut self.bits, other.bits) {
            (_, None) => self.extend(other.few.into_iter()),
            (Some(bits), Some(other)) => bits.merge(&other),
            (None, Some(mut bits)) => {
                for visitor in std::mem::take(&mut self.few) {
                    bits.insert(visitor);
                }
                self.bits = Some(bits);
            }
        }
    }

    /// Number of visitors.
    pub(super) fn len(mut self) -> u64 {
        self.sort();
        self.few.len() as u64 + self.bits.map_or(0, |bits| bits.len())
    }

    fn sort(&mut self) {
        self.few.sort_unstable();
        self.few.dedup();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{VisitorBits, VisitorSet};

    proptest! {
        #[test]
        fn sets_are_sets(
            lists in prop::collection::vec((any::<bool>(), 1..200_000_u32, 1..90_u32, 0..2500_usize), 0..6),
        ) {
            let (mut one, mut other, mut expected) = (VisitorSet::default(), VisitorSet::default(), BTreeSet::new());
            let mut bits = VisitorBits::default();
            for (is_one, first, step, count) in lists {
                let visitors = || (first..).step_by(step as usize).take(count);
                if is_one { one.extend(visitors()) } else { other.extend(visitors()) }
                for visitor in visitors() {
                    prop_assert_eq!(bits.insert(visitor), expected.insert(visitor));
                }
            }
            prop_assert_eq!(bits.len(), expected.len() as u64);
            one.merge(other);
            prop_assert_eq!(one.len(), expected.len() as u64);
            let removed: Vec<u32> = expected.iter().copied().step_by(2).collect();
            removed.iter().for_each(|&visitor| bits.remove(visitor));
            prop_assert_eq!(usize::try_from(bits.len()).unwrap(), expected.len() - removed.len());
        }
    }

    #[test]
    fn few_among_many_stay_a_list() {
        let mut set = VisitorSet::default();
        for _ in 0..3 {
            set.extend((0..3000).map(|visitor| visitor * 1000));
        }
        assert!(set.bits.is_none() && set.few.len() <= 9000);
        set.extend(0..200_000);
        assert!(set.bits.is_some());
        assert_eq!(set.len(), 200_000 + 2800);
    }
}
