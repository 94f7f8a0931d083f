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
        self.extend(&[number]) > 0
    }

    #[inline]
    pub(super) fn contains(&self, number: u32) -> bool {
        let word = self.words.get(number as usize / 64).copied().unwrap_or_default();
        word >> (number % 64) & 1 == 1
    }

    /// Adds numbers in ascending order; how many of them were not there.
    pub(super) fn extend(&mut self, numbers: &[u32]) -> u64 {
        self.make_room(numbers.last());
        // Branch-free: whether the next number is in the same word cannot be predicted.
        let mut new = 0;
        for &number in numbers {
            let word = &mut self.words[number as usize / 64];
            new += (!*word >> (number % 64)) & 1;
            *word |= 1 << (number % 64);
        }
        new
    }

    /// Adds the numbers that have these ranks among `numbers`, both in ascending order.
    fn extend_ranked(&mut self, numbers: &[u32], ranks: &[u32]) {
        self.make_room(numbers.last());
        for &rank in ranks {
            let number = numbers[rank as usize];
            self.words[number as usize / 64] |= 1 << (number % 64);
        }
    }

    fn make_room(&mut self, last: Option<&u32>) {
        let words = last.map_or(0, |&last| last as usize / 64 + 1);
        if self.words.len() < words {
            self.words.resize(words, 0);
        }
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
    /// The highest of them.
    last: u32,
    /// Length of the list from which on numbers that are in it several times are taken out.
    limit: usize,
    bits: Option<NumberBits>,
}

/// A list of fewer numbers never becomes bits.
const FEW: usize = 1024;
/// A list becomes bits if these take no more than twice its room.
const BITS_A_NUMBER: usize = 64;
/// How often each number may be in the list, on average.
const REPETITIONS: usize = 4;

impl NumberSet {
    /// Adds numbers in ascending order.
    pub(super) fn extend(&mut self, numbers: &[u32]) {
        match &mut self.bits {
            Some(bits) => {
                bits.extend(numbers);
            }
            None => {
                self.few.extend_from_slice(numbers);
                self.last = self.last.max(numbers.last().copied().unwrap_or_default());
                self.shorten();
            }
        }
    }

    /// Adds the numbers that have these ranks among `numbers`, both in ascending order.
    pub(super) fn extend_ranked(&mut self, numbers: &[u32], ranks: &[u32]) {
        match &mut self.bits {
            Some(bits) => bits.extend_ranked(numbers, ranks),
            None => {
                self.few.extend(ranks.iter().map(|&rank| numbers[rank as usize]));
                let last = ranks.last().map_or(0, |&rank| numbers[rank as usize]);
                self.last = self.last.max(last);
                self.shorten();
            }
        }
    }

    /// Lets a long list become bits if they take little more room, or a list that has each number once.
    fn shorten(&mut self) {
        if self.few.len() < FEW {
            return;
        }
        if self.few.len() >= self.last as usize / BITS_A_NUMBER {
            let mut bits = NumberBits::default();
            bits.make_room(Some(&self.last));
            for number in std::mem::take(&mut self.few) {
                bits.insert(number);
            }
            self.bits = Some(bits);
        } else if self.few.len() >= self.limit {
            self.sort();
            self.limit = REPETITIONS * self.few.len();
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
                self.last = self.last.max(other.last);
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
                let list: Vec<u32> = visitors().collect();
                let odd: Vec<u32> = (0..).take(list.len() / 2).map(|rank| 2 * rank + 1).collect();
                let set = if is_one { &mut one } else { &mut other };
                set.extend(&list.iter().copied().step_by(2).collect::<Vec<_>>());
                set.extend_ranked(&list, &odd);
                prop_assert!(visitors().all(|visitor| bits.contains(visitor) == expected.contains(&visitor)));
                let new = visitors().filter(|&visitor| expected.insert(visitor)).count();
                prop_assert_eq!(bits.extend(&list), new as u64);
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
            let numbers: Vec<u32> = (0..3000).map(|visitor| visitor * 1000).collect();
            set.extend(&numbers);
            set.extend(&[7000]);
        }
        assert!(set.bits.is_none() && set.few.len() <= 9003);
        for _ in 0..100 {
            set.extend(&[7000; 1000]);
        }
        assert!(set.bits.is_none() && set.few.len() <= 4 * 3000 + 1000);
        set.extend(&(0..200_000).collect::<Vec<u32>>());
        assert!(set.bits.is_some());
        assert_eq!(set.len(), 200_000 + 2800);
    }
}
