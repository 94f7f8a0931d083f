//! Sets of the numbers that a database gave visitors and pages.
//!
//! Owns: [`NumberBits`], [`NumberSet`]. May import: std. Must not know: what is numbered.
//!
//! Numbers are dense, and the visitors of a day have close numbers, so bits are faster than trees or hashes; but thousands
//! of small sections would take a bit for every visitor each.

/// A bit for each number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NumberBits {
    words: Vec<u64>,
}

impl NumberBits {
    /// Adds a number; whether it was not there.
    #[inline]
    pub(super) fn insert(&mut self, number: u32) -> bool {
        self.add(number as usize / 64, 1 << (number % 64)) > 0
    }

    #[inline]
    pub(super) fn contains(&self, number: u32) -> bool {
        let word = self.words.get(number as usize / 64).copied().unwrap_or_default();
        word >> (number % 64) & 1 == 1
    }

    /// Adds numbers in ascending order; how many of them were not there.
    pub(super) fn extend(&mut self, numbers: impl Iterator<Item = u32>) -> u64 {
        // The bits of neighbours are collected before they are written.
        let (mut index, mut word, mut new) = (0, 0, 0);
        for number in numbers {
            let at = number as usize / 64;
            if at != index {
                new += self.add(index, word);
                (index, word) = (at, 0);
            }
            word |= 1_u64 << (number % 64);
        }
        new + self.add(index, word)
    }

    #[inline]
    fn add(&mut self, index: usize, word: u64) -> u64 {
        if index >= self.words.len() {
            self.words.resize(index + 1, 0);
        }
        let before = self.words[index];
        self.words[index] = before | word;
        (word & !before).count_ones().into()
    }

    pub(super) fn len(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    pub(super) fn clear(&mut self) {
        self.words.fill(0);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }
}

/// A set that is a list as long as its numbers are few among all.
#[derive(Clone, Debug, Default)]
pub(super) struct NumberSet {
    /// Not sorted, some of them several times; empty if there are bits.
    few: Vec<u32>,
    /// Length of the list from which on numbers that are in it several times are taken out.
    limit: usize,
    bits: Option<NumberBits>,
}

/// A list of fewer numbers never becomes bits.
const FEW: usize = 1024;
/// So many bits take the room of a number in a list.
const NUMBER_BITS: usize = 32;

impl NumberSet {
    /// Adds numbers in ascending order.
    pub(super) fn extend(&mut self, numbers: impl Iterator<Item = u32>) {
        match &mut self.bits {
            Some(bits) => {
                bits.extend(numbers);
            }
            None => {
                self.few.extend(numbers);
                self.shorten();
            }
        }
    }

    /// Lets a long list become bits if they take less room, or a list that has each number once.
    fn shorten(&mut self) {
        if self.few.len() < self.limit.max(FEW) {
            return;
        }
        let last = self.few.iter().max().map_or(0, |&last| last as usize);
        if self.few.len() >= last / NUMBER_BITS {
            let mut bits = NumberBits::default();
            for number in std::mem::take(&mut self.few) {
                bits.insert(number);
            }
            self.bits = Some(bits);
        } else {
            self.sort();
            self.limit = 2 * self.few.len();
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        match (&mut self.bits, other.bits) {
            (Some(bits), None) => {
                for number in other.few {
                    bits.insert(number);
                }
            }
            (None, None) => {
                self.few.extend(other.few);
                self.shorten();
            }
            (Some(bits), Some(other)) => bits.merge(&other),
            (None, Some(mut bits)) => {
                for number in std::mem::take(&mut self.few) {
                    bits.insert(number);
                }
                self.bits = Some(bits);
            }
        }
    }

    /// How many numbers it has.
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

    use super::{NumberBits, NumberSet};

    proptest! {
        #[test]
        fn sets_are_sets(
            lists in prop::collection::vec((any::<bool>(), 1..200_000_u32, 1..90_u32, 0..2500_usize), 0..6),
        ) {
            let (mut one, mut other, mut expected) = (NumberSet::default(), NumberSet::default(), BTreeSet::new());
            let mut bits = NumberBits::default();
            for (is_one, first, step, count) in lists {
                let visitors = || (first..).step_by(step as usize).take(count);
                if is_one { one.extend(visitors()) } else { other.extend(visitors()) }
                prop_assert!(visitors().all(|visitor| bits.contains(visitor) == expected.contains(&visitor)));
                let new = visitors().filter(|&visitor| expected.insert(visitor)).count();
                prop_assert_eq!(bits.extend(visitors()), new as u64);
            }
            prop_assert_eq!(bits.len(), expected.len() as u64);
            one.merge(other);
            prop_assert_eq!(one.len(), expected.len() as u64);
            bits.clear();
            prop_assert_eq!(bits.len(), 0);
            prop_assert!(expected.iter().all(|&visitor| bits.insert(visitor)));
            prop_assert_eq!(bits.len(), expected.len() as u64);
        }
    }

    #[test]
    fn few_among_many_stay_a_list() {
        let mut set = NumberSet::default();
        for _ in 0..3 {
            set.extend((0..3000).map(|visitor| visitor * 1000));
            set.extend(std::iter::once(7000));
        }
        assert!(set.bits.is_none() && set.few.len() <= 9000);
        set.extend(0..200_000);
        assert!(set.bits.is_some());
        assert_eq!(set.len(), 200_000 + 2800);
    }
}
