//! Who came on each day of a site: new visitors against returning ones, and distinct visitors of longer buckets.
//!
//! Owns: [`Visits`]. May import: what its parent may. Must not know: how the days' visitors were found.

use std::collections::BTreeMap;

use super::numbers::NumberBits;
use crate::query::summary::NewVisitors;
use crate::time::Day;

/// The visitors of a block.
#[derive(Debug, Default)]
pub(super) struct BlockVisitors {
    /// Those that are asked for, each once.
    pub asked: Vec<u32>,
    /// All of them, each once, if others than those that are asked for were there.
    pub others: Vec<u32>,
}

impl BlockVisitors {
    /// Everybody, by rank.
    pub(super) fn all(&self) -> &[u32] {
        if self.others.is_empty() { &self.asked } else { &self.others }
    }
}

/// Takes the days of a site one after the other.
pub(super) struct Visits<'v> {
    site: &'v str,
    /// The name of a day's bucket, if there are any.
    bucket: Option<&'v dyn Fn(Day) -> String>,
    /// Visitors of earlier days.
    seen: NumberBits,
    /// Whether some of them were not asked for.
    has_others: bool,
    today: NumberBits,
    in_bucket: (String, NumberBits),
    /// A row for each day that has visitors that are asked for.
    pub days: Vec<NewVisitors>,
    /// Distinct visitors of each bucket.
    pub buckets: BTreeMap<String, u64>,
}

impl<'v> Visits<'v> {
    pub(super) fn new(site: &'v str, bucket: Option<&'v dyn Fn(Day) -> String>) -> Self {
        Self {
            site,
            bucket,
            seen: NumberBits::default(),
            has_others: false,
            today: NumberBits::default(),
            in_bucket: Default::default(),
            days: Vec::new(),
            buckets: BTreeMap::new(),
        }
    }

    /// Adds a day, which comes after all others, with its blocks; those that are asked for come to `all`, too.
    pub(super) fn add(&mut self, day: Day, blocks: &[BlockVisitors], all: &mut NumberBits) {
        if let Some(bucket) = self.bucket {
            let name = bucket(day);
            if self.in_bucket.0 != name {
                self.end_bucket();
                self.in_bucket.0 = name;
            }
        }
        let (mut new, mut visitors) = (0, 0);
        for block in blocks {
            for &visitor in &block.asked {
                // Nobody is twice in a block.
                if blocks.len() > 1 && !self.today.insert(visitor) {
                    continue;
                }
                visitors += 1;
                let is_new = self.seen.insert(visitor);
                new += u64::from(is_new);
                if is_new || self.has_others {
                    all.insert(visitor);
                }
                if self.bucket.is_some() {
                    self.in_bucket.1.insert(visitor);
                }
            }
        }
        for block in blocks {
            self.has_others |= !block.others.is_empty();
            for &visitor in &block.others {
                self.seen.insert(visitor);
            }
            if blocks.len() > 1 {
                block.asked.iter().for_each(|&visitor| self.today.remove(visitor));
            }
        }
        if visitors > 0 {
            let returning = visitors - new;
            self.days.push(NewVisitors { site: self.site.to_owned(), day, new, returning });
        }
    }

    /// Ends the last bucket.
    pub(super) fn end_bucket(&mut self) {
        let (name, visitors) = &mut self.in_bucket;
        let count = visitors.len();
        if count > 0 {
            self.buckets.insert(std::mem::take(name), count);
            visitors.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BlockVisitors, Visits};
    use crate::query::numbers::NumberBits;
    use crate::time::Day;

    #[test]
    fn days_know_who_came_before() {
        let asked = |asked: &[u32]| BlockVisitors { asked: asked.to_vec(), others: Vec::new() };
        let name = |day: Day| format!("week {}", day.0 / 7);
        let mut all = NumberBits::default();
        let mut visits = Visits::new("a", Some(&name));
        // Before the range.
        visits.add(Day(5), &[BlockVisitors { others: vec![1, 2], asked: Vec::new() }], &mut all);
        // From two logs; and others came, but not when it is asked for.
        let cut = BlockVisitors { asked: vec![2, 4], others: vec![2, 4, 6] };
        visits.add(Day(6), &[asked(&[1, 3, 4]), cut], &mut all);
        visits.add(Day(7), &[asked(&[3, 6, 7])], &mut all);
        visits.add(Day(8), &[asked(&[3, 8])], &mut all);
        visits.end_bucket();
        let days = visits.days.iter().map(|day| (day.day.0, day.new, day.returning));
        assert_eq!(days.collect::<Vec<_>>(), [(6, 2, 2), (7, 1, 2), (8, 1, 1)]);
        let buckets = visits.buckets.into_iter().collect::<Vec<_>>();
        assert_eq!(buckets, [("week 0".to_owned(), 4), ("week 1".to_owned(), 4)]);
        assert_eq!(all.len(), 7);
    }
}
