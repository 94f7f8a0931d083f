//! Who came on each day of a site: new visitors against returning ones, and distinct visitors of longer buckets.
//!
//! Owns: [`Visits`]. May import: what its parent may. Must not know: how the days' visitors were found.

use std::collections::BTreeMap;

use crate::query::numbers::NumberBits;
use crate::query::summary::NewVisitors;
use crate::time::Day;

/// Takes the days of a site one after the other.
pub(super) struct Visits<'v> {
    site: &'v str,
    /// The name of a day's bucket, if there are any.
    bucket: Option<&'v (dyn Fn(Day) -> String + Sync)>,
    /// Visitors of earlier days.
    seen: NumberBits,
    /// Those of them that were asked for; `None` if all were.
    asked: Option<NumberBits>,
    in_bucket: (String, NumberBits),
    /// Number of visitors in the bucket.
    count: u64,
    days: Vec<NewVisitors>,
    buckets: BTreeMap<String, u64>,
}

/// What is known after the last day.
#[derive(Debug)]
pub(super) struct Visited {
    /// A row for each day that has visitors that are asked for.
    pub days: Vec<NewVisitors>,
    /// Distinct visitors of each bucket.
    pub buckets: BTreeMap<String, u64>,
    /// All that are asked for.
    pub visitors: NumberBits,
}

impl<'v> Visits<'v> {
    pub(super) fn new(site: &'v str, bucket: Option<&'v (dyn Fn(Day) -> String + Sync)>) -> Self {
        Self {
            site,
            bucket,
            seen: NumberBits::default(),
            asked: None,
            in_bucket: Default::default(),
            count: 0,
            days: Vec::new(),
            buckets: BTreeMap::new(),
        }
    }

    /// Adds a day, which comes after all others: the visitors that are asked for, and all that were there if these are
    /// more, both in ascending order.
    pub(super) fn add(&mut self, day: Day, asked: &[u32], others: &[u32]) {
        if !others.is_empty() && self.asked.is_none() {
            self.asked = Some(self.seen.clone());
        }
        let new = self.seen.extend(asked);
        self.seen.extend(others);
        if let Some(all) = &mut self.asked {
            all.extend(asked);
        }
        if asked.is_empty() {
            return;
        }
        let returning = asked.len() as u64 - new;
        self.days.push(NewVisitors { site: self.site.to_owned(), day, new, returning });
        if let Some(bucket) = self.bucket {
            let name = bucket(day);
            if self.in_bucket.0 != name {
                self.end_bucket();
                self.in_bucket.0 = name;
            }
            self.count += self.in_bucket.1.extend(asked);
        }
    }

    fn end_bucket(&mut self) {
        let (name, visitors) = &mut self.in_bucket;
        if self.count > 0 {
            self.buckets.insert(std::mem::take(name), std::mem::take(&mut self.count));
            visitors.clear();
        }
    }

    pub(super) fn finish(mut self) -> Visited {
        self.end_bucket();
        let visitors = self.asked.unwrap_or(self.seen);
        Visited { days: self.days, buckets: self.buckets, visitors }
    }
}

#[cfg(test)]
mod tests {
    use super::Visits;
    use crate::time::Day;

    #[test]
    fn days_know_who_came_before() {
        let name = |day: Day| format!("week {}", day.0 / 7);
        let mut visits = Visits::new("a", Some(&name));
        visits.add(Day(4), &[1, 5], &[]);
        // Before the range; then others came, but not when it is asked for.
        visits.add(Day(5), &[], &[1, 2]);
        visits.add(Day(6), &[1, 2, 3, 4], &[1, 2, 3, 4, 6]);
        visits.add(Day(7), &[3, 6, 7], &[]);
        visits.add(Day(8), &[3, 8], &[]);
        let found = visits.finish();
        let days = found.days.iter().map(|day| (day.day.0, day.new, day.returning));
        assert_eq!(days.collect::<Vec<_>>(), [(4, 2, 0), (6, 2, 2), (7, 1, 2), (8, 1, 1)]);
        let buckets = found.buckets.into_iter().collect::<Vec<_>>();
        assert_eq!(buckets, [("week 0".to_owned(), 5), ("week 1".to_owned(), 4)]);
        assert_eq!(found.visitors.len(), 8);
    }

    #[test]
    fn whoever_is_not_asked_for_is_in_no_number() {
        let mut visits = Visits::new("a", None);
        visits.add(Day(1), &[], &[1, 2]);
        visits.add(Day(2), &[2, 3], &[]);
        let found = visits.finish();
        assert_eq!((found.days[0].new, found.days[0].returning), (1, 1));
        assert_eq!(found.visitors.len(), 2);
    }
}
