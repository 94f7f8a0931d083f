//! Whether a source holds the page views of others, although its bytes differ.
//!
//! Owns: [`DaySamples`] and the three rules of the guide's page "The part format", *The overlap sample*. May import:
//! `facts::sample`. Must not know: what is done about overlaps.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use super::sample::Sample;

/// Fewest values that two sources must share: values are of different visitors.
const LEAST_VALUES: usize = 20;

/// The samples of the sources of one day of a site, by the sources' numbers.
#[derive(Clone, Debug, Default)]
pub struct DaySamples {
    samples: BTreeMap<u32, Sample>,
    /// By value: the sources whose samples have it. With this table a search costs what its own sample costs, however many
    /// sources there are.
    sources: HashMap<u64, Vec<u32>>,
}

/// A source that another overlaps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overlap {
    /// The source that shares the most values with it, of several the one with the smallest number.
    pub other: u32,
    /// The share of its page views that others have, of those of which the samples tell.
    pub share: f32,
}

impl DaySamples {
    /// Adds page views of a source.
    pub fn add(&mut self, source: u32, sample: &Sample) {
        let mut merged = self.remove(source);
        merged.merge(sample);
        for &value in merged.values() {
            self.sources.entry(value).or_default().push(source);
        }
        self.samples.insert(source, merged);
    }

    /// The sample of a source, if it is among these.
    #[must_use]
    pub fn get(&self, source: u32) -> Option<&Sample> {
        self.samples.get(&source)
    }

    /// Takes a source out, and returns its sample.
    pub fn remove(&mut self, source: u32) -> Sample {
        let sample = self.samples.remove(&source).unwrap_or_default();
        for value in sample.values() {
            if let Some(sources) = self.sources.get_mut(value) {
                sources.retain(|&other| other != source);
            }
        }
        sample
    }

    /// Whether a source with the sample `x` overlaps these, other than source `own`, which it is itself. For a source that
    /// has grown ask twice: with the sample of all its lines, and with that of the new ones.
    #[must_use]
    pub fn overlap(&self, own: Option<u32>, x: &Sample) -> Option<Overlap> {
        // Number of values in common, of those sources that have any; the rules cannot find any other source.
        let mut in_common: BTreeMap<u32, usize> = BTreeMap::new();
        let mut found = 0;
        for value in x.values() {
            let mut is_found = false;
            for &source in self.sources.get(value).into_iter().flatten() {
                if own != Some(source) {
                    *in_common.entry(source).or_default() += 1;
                    is_found = true;
                }
            }
            found += usize::from(is_found);
        }
        let others = || in_common.keys().filter_map(|source| self.samples.get(source));
        // Rule 2: hourly logs were counted, and `x` is of their concatenation.
        let is_made_of_others = is_most(found, x.values().len()) && found >= LEAST_VALUES;
        if !is_made_of_others
            && !others().any(|other| is_copy(x, other))
            && !contains_others(x, others())
        {
            return None;
        }
        // Of equal ones `max_by_key` takes the last.
        let (&other, _) = in_common.iter().rev().max_by_key(|&(_, &values)| values)?;
        Some(Overlap { other, share: share(x, others()) })
    }
}

/// The share of the page views `x` that `others` have. Samples tell of a value only if that of the others' union would hold
/// it: one that is not beyond its end, and not displaced by a smaller one of the same visitor.
fn share<'s>(x: &Sample, others: impl Iterator<Item = &'s Sample>) -> f32 {
    let mut united = Sample::default();
    others.for_each(|other| united.merge(other));
    let told = up_to(x.values(), united.end());
    let told: Vec<u64> =
        told.iter().copied().filter(|&value| !united.has_smaller_alike(value)).collect();
    #[expect(clippy::cast_precision_loss, reason = "at most 256")]
    let share = shared(&told, united.values()) as f32 / told.len().max(1) as f32;
    share
}

/// Rule 3: some of the hourly logs were counted, and `x` is of the concatenation of all.
fn contains_others<'s>(x: &Sample, others: impl Iterator<Item = &'s Sample>) -> bool {
    let is_in_x = |value: &&u64| x.values().binary_search(value).is_ok();
    let mut found: BTreeSet<u64> = BTreeSet::new();
    for other in others {
        let comparable = up_to(other.values(), x.end());
        let in_x: Vec<&u64> = comparable.iter().filter(is_in_x).collect();
        if is_most(in_x.len(), comparable.len()) {
            found.extend(in_x);
        }
    }
    found.len() >= LEAST_VALUES
}

/// Rule 1: one is a copy of the other, whole or cut.
fn is_copy(x: &Sample, other: &Sample) -> bool {
    let end = match (x.end(), other.end()) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    let [x, other] = [x, other].map(|sample| up_to(sample.values(), end));
    let both = shared(x, other);
    [x, other].into_iter().any(|one| one.len() >= LEAST_VALUES && is_most(both, one.len()))
}

/// More than half.
fn is_most(some: usize, all: usize) -> bool {
    2 * some > all
}

/// The values that are not beyond `end`.
fn up_to(values: &[u64], end: Option<u64>) -> &[u64] {
    let count = end.map_or(values.len(), |end| values.partition_point(|&value| value <= end));
    &values[..count]
}

fn shared(one: &[u64], other: &[u64]) -> usize {
    one.iter().filter(|value| other.binary_search(value).is_ok()).count()
}

#[cfg(test)]
mod tests {
    use super::DaySamples;
    use crate::facts::sample::{Sample, sample_value};
    use crate::select::VisitorHash;

    /// The sample of page views, each of which is a number; it gives the visitor, of `visitors`.
    fn sample(views: impl IntoIterator<Item = u32>, visitors: u32) -> Sample {
        let mut sample = Sample::default();
        for view in views {
            let hash = xxhash_rust::xxh3::xxh3_128(&(view % visitors).to_le_bytes());
            let (visitor, seconds) = (VisitorHash(hash), i64::from(view));
            sample.offer(sample_value(visitor, seconds, 200, 99, b"/"));
        }
        sample
    }

    /// Whether the page views `x` are taken for ones of `others`; all of 5,000 visitors.
    fn overlaps(x: (u32, u32), others: &[(u32, u32)]) -> bool {
        let mut samples = DaySamples::default();
        for (number, &(from, to)) in (0..).zip(others) {
            samples.add(number, &sample(from..to, 5_000));
        }
        samples.overlap(None, &sample(x.0..x.1, 5_000)).is_some()
    }

    #[test]
    fn copies_are_found_whole_cut_and_concatenated() {
        assert!(overlaps((0, 25_000), &[(0, 25_000)]));
        assert!(overlaps((12_500, 25_000), &[(0, 25_000)]), "a copy without its first half");
        assert!(overlaps((0, 25_000), &[(12_500, 25_000)]));
        assert!(overlaps((0, 50_000), &[(0, 25_000)]), "a and b, after a");
        let hours: Vec<_> = (0..24_u32).map(|hour| (hour * 1000, hour * 1000 + 1000)).collect();
        assert!(overlaps((0, 24_000), &hours), "a day, after its hours");
        assert!(overlaps((0, 24_000), &hours[..8]), "a day, after some of its hours");
    }

    #[test]
    fn two_servers_with_the_same_visitors_do_not_overlap() {
        assert!(!overlaps((0, 25_000), &[(25_000, 50_000), (50_000, 75_000)]));
        assert!(!overlaps((0, 25_000), &[]));
        assert!(!overlaps((0, 0), &[(0, 25_000)]));
        // A health checker asks both each second: one value at most.
        let checked = |from: u32| {
            let mut server = sample(from..from + 20_000, 12_000);
            for second in 0..86_400 {
                server.offer(sample_value(VisitorHash(7), second, 200, 2, b"/health"));
            }
            server
        };
        let mut samples = DaySamples::default();
        samples.add(1, &checked(0));
        assert_eq!(samples.overlap(None, &checked(20_000)), None);
    }

    #[test]
    fn the_other_source_and_the_share_are_named() {
        let mut samples = DaySamples::default();
        samples.add(4, &sample(90_000..99_000, 5_000));
        samples.add(7, &sample(0..25_000, 5_000));
        let x = sample(0..25_000, 5_000);
        let overlap = samples.overlap(None, &x).unwrap();
        assert_eq!((overlap.other, overlap.share), (7, 1.0));
        // Of a part of a log all is found, although its sample has values that are not among those of the whole.
        for part in [sample(12_500..25_000, 5_000), sample(0..9_000, 5_000)] {
            assert!(part.values().iter().any(|value| !x.values().contains(value)));
            assert_eq!(samples.overlap(None, &part).unwrap().share, 1.0);
        }
        // Not by itself, nor by what is there no more.
        assert_eq!(samples.overlap(Some(7), &x), None);
        samples.add(5, &x);
        assert_eq!(samples.overlap(Some(7), &x).unwrap().other, 5);
        assert_eq!((samples.remove(5), samples.remove(9)), (x.clone(), Sample::default()));
        assert_eq!(samples.overlap(Some(7), &x), None);
        // Few page views are of no use: 20 values are 20 visitors.
        let few = |views: u32| {
            let mut samples = DaySamples::default();
            samples.add(1, &sample(0..views, 5_000));
            samples.overlap(None, &sample(0..views, 5_000)).is_some()
        };
        assert!(few(20) && !few(19));
    }
}
