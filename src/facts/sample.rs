//! Overlap samples: a few page views of a day, chosen alike everywhere, by which sources that hold the same ones are seen.
//!
//! Owns: [`Sample`], its values and its union ("The part format", *The overlap sample*). May import: `select` (visitor
//! hashes). Must not know: what sources are, where samples are kept.

use xxhash_rust::xxh3::xxh3_64;

use crate::select::VisitorHash;

/// Most values of a sample.
pub const MOST_VALUES: usize = 256;
/// The bits of a value that its visitor gives.
const VISITOR_BITS: u64 = 0xffff;

/// Length of what is hashed before the page.
const HEAD_BYTES: usize = 34;
/// Most pages are not longer than this.
const SHORT_PAGE: usize = 94;

/// Values of page views: of those that share their lowest 16 bits only the smallest, and of the rest the 256 smallest. It
/// is a function of the set of page views, and the sample of a union is the union of the samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample(Vec<u64>);

/// The value of a page view, counted `seconds` after the beginning of 1970.
#[must_use]
pub fn sample_value(
    visitor: VisitorHash,
    seconds: i64,
    status: u16,
    bytes_sent: u64,
    page: &[u8],
) -> u64 {
    let mut head = [0; HEAD_BYTES];
    head[..16].copy_from_slice(&visitor.0.to_le_bytes());
    head[16..24].copy_from_slice(&seconds.to_le_bytes());
    head[24..26].copy_from_slice(&status.to_le_bytes());
    head[26..].copy_from_slice(&bytes_sent.to_le_bytes());
    // Each page view of a run with a database comes here, so only long pages take an allocation.
    let mut short = [0; HEAD_BYTES + SHORT_PAGE];
    let hash = match short.get_mut(..HEAD_BYTES + page.len()) {
        Some(bytes) => {
            bytes[..HEAD_BYTES].copy_from_slice(&head);
            bytes[HEAD_BYTES..].copy_from_slice(page);
            xxh3_64(bytes)
        }
        None => xxh3_64(&[&head, page].concat()),
    };
    #[expect(clippy::cast_possible_truncation, reason = "the lowest 16 bits are wanted")]
    let of_visitor = visitor.0 as u64 & VISITOR_BITS;
    hash & !VISITOR_BITS | of_visitor
}

impl Sample {
    /// Adds a page view by its [`sample_value`].
    #[inline]
    pub fn offer(&mut self, value: u64) {
        // Nearly all values of a large day end here.
        if self.0.len() == MOST_VALUES && self.0.last().is_some_and(|&last| last < value) {
            return;
        }
        let Err(place) = self.0.binary_search(&value) else { return };
        let is_alike = |other: &u64| (other ^ value) & VISITOR_BITS == 0;
        if let Some(alike) = self.0.iter().position(is_alike) {
            if alike < place {
                return;
            }
            self.0.remove(alike);
        }
        self.0.insert(place, value);
        self.0.truncate(MOST_VALUES);
    }

    /// Adds the page views of another sample. This is associative, commutative and idempotent, with `Sample::default()`
    /// as identity.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|&value| self.offer(value));
    }

    /// The values, ascending.
    #[must_use]
    pub fn values(&self) -> &[u64] {
        &self.0
    }

    /// A sample of these values; `None` if no sample has them.
    #[must_use]
    pub fn from_values(values: Vec<u64>) -> Option<Self> {
        let mut alike: Vec<u64> = values.iter().map(|value| value & VISITOR_BITS).collect();
        alike.sort_unstable();
        alike.dedup();
        let is_sample = values.len() <= MOST_VALUES
            && alike.len() == values.len()
            && values.is_sorted_by(|one, other| one < other);
        is_sample.then_some(Self(values))
    }

    /// Whether there is a smaller value that takes the place of `value`.
    #[must_use]
    pub fn has_smaller_alike(&self, value: u64) -> bool {
        let is_alike = |other: &u64| (other ^ value) & VISITOR_BITS == 0;
        self.0.iter().take_while(|&&other| other < value).any(is_alike)
    }

    /// The largest value that the sample would have kept whatever else there was; `None` if it holds all there is.
    #[must_use]
    pub fn end(&self) -> Option<u64> {
        self.0.last().copied().filter(|_| self.0.len() == MOST_VALUES)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{MOST_VALUES, Sample, sample_value};
    use crate::select::VisitorHash;
    use crate::time::{CivilTime, Day};

    fn sample(values: &[u64]) -> Sample {
        let mut sample = Sample::default();
        values.iter().for_each(|&value| sample.offer(value));
        sample
    }

    /// The definition, word by word.
    fn naive(values: &[u64]) -> Vec<u64> {
        let mut smallest: BTreeMap<u64, u64> = BTreeMap::new();
        for &value in values {
            let kept = smallest.entry(value & 0xffff).or_insert(value);
            *kept = value.min(*kept);
        }
        let mut kept: Vec<u64> = smallest.into_values().collect();
        kept.sort_unstable();
        kept.truncate(MOST_VALUES);
        kept
    }

    fn values() -> impl Strategy<Value = Vec<u64>> {
        let value = (0..1_u64 << 20, 0..600_u64).prop_map(|(high, low)| high << 16 | low);
        prop::collection::vec(value, 0..900)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn samples_are_as_defined_in_any_order_and_merge_as_sets(
            one in values(), two in values(), three in values(),
        ) {
            let (a, b, c) = (sample(&one), sample(&two), sample(&three));
            prop_assert_eq!(a.values(), naive(&one));
            let reversed: Vec<u64> = one.iter().rev().copied().collect();
            prop_assert_eq!(&sample(&reversed), &a);
            let union = |one: &Sample, other: &Sample| {
                let mut union = one.clone();
                union.merge(other);
                union
            };
            prop_assert_eq!(union(&a, &b), sample(&[&one[..], &two].concat()));
            prop_assert_eq!(union(&a, &b), union(&b, &a));
            prop_assert_eq!(union(&union(&a, &b), &c), union(&a, &union(&b, &c)));
            prop_assert_eq!(union(&a, &a), a.clone());
            prop_assert_eq!(union(&Sample::default(), &a), a.clone());
            prop_assert_eq!(Sample::from_values(a.values().to_vec()), Some(a));
        }
    }

    #[test]
    fn only_samples_are_samples() {
        assert_eq!(Sample::from_values(vec![2, 1]), None);
        assert_eq!(Sample::from_values(vec![1, 1]), None);
        assert_eq!(Sample::from_values(vec![1, 1 << 16 | 1]), None);
        let many = |count: u64| Sample::from_values((0..count).collect());
        assert_eq!(many(257), None);
        assert_eq!(many(256).unwrap().end(), Some(255));
        assert_eq!(many(255).unwrap().end(), None);
    }

    /// The value in the guide's example.
    #[test]
    fn the_value_is_that_of_the_guide() {
        let visitor = VisitorHash(0x900e_1a03_a423_69bb_3029_68d9_f307_51a8);
        let time = CivilTime::new(Day(17_595), 14 * 60 + 5, 9);
        let value = sample_value(visitor, time.seconds(), 200, 512, b"/list/1.html");
        assert_eq!(value, 0x64b1_49eb_5896_51a8);
        for length in [0, 93, 94, 95, 300] {
            let page = vec![b'p'; length];
            let of_fields = [
                &visitor.0.to_le_bytes()[..],
                &time.seconds().to_le_bytes(),
                &404_u16.to_le_bytes(),
                &7_u64.to_le_bytes(),
                &page,
            ];
            let hash = xxhash_rust::xxh3::xxh3_64(&of_fields.concat());
            let value = sample_value(visitor, time.seconds(), 404, 7, &page);
            assert_eq!(value, hash & !0xffff | 0x51a8, "a page of {length} bytes");
        }
    }
}
