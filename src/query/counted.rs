//! What a database has counted of each site, and so where nothing means 0, and which buckets are not whole.
//!
//! Owns: [`Counted`]. May import: what its parent may. Must not know: answers.

use std::collections::BTreeMap;

use crate::database::{Recorded, Site};
use crate::time::{CivilTime, MINUTES_A_DAY, Minute, MinuteRange};

/// Nights are quiet: a day, a bucket or a range whose first line comes less than so many minutes after its start is whole.
pub const QUIET_MINUTES: Minute = 60;

/// What was counted, and what of it is asked for.
///
/// A site is counted from the first to the last line of its sources. What lies between is taken as counted, also where no
/// source has lines. Days that were pruned are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// What was counted of each site, by its name; sites of which nothing is left are not in it.
    pub sites: BTreeMap<String, MinuteRange>,
    /// The first minute that is asked for; `None` from the beginning.
    pub since: Option<Minute>,
    /// The minute behind the last one; `None` to the end.
    pub until: Option<Minute>,
    /// The present minute, on the clock that is counted by.
    pub now: Minute,
}

fn minute(time: CivilTime) -> Minute {
    Minute::from(time.day().0) * Minute::from(MINUTES_A_DAY) + Minute::from(time.minute_of_day())
}

impl Counted {
    /// What was counted of some sites; `sources` has each source with the numbers of its sites.
    pub(super) fn of_sites<'s>(
        sites: &[Site],
        sources: impl Iterator<Item = (&'s Recorded, &'s [i64])>,
    ) -> BTreeMap<String, MinuteRange> {
        let mut ranges: BTreeMap<i64, MinuteRange> = BTreeMap::new();
        for (source, sites) in sources {
            let Some((first, last)) = source.tally.span else { continue };
            let of_source = MinuteRange { start: minute(first), end: minute(last) + 1 };
            for &site in sites {
                let range = ranges.entry(site).or_insert(of_source);
                range.start = range.start.min(of_source.start);
                range.end = range.end.max(of_source.end);
            }
        }
        let named = sites.iter().filter_map(|site| {
            let mut range = *ranges.get(&site.number)?;
            if let Some(first) = site.pruned_before {
                range.start = range.start.max(MinuteRange::of_days(first, first).start);
            }
            (!range.is_empty()).then(|| (site.name.clone(), range))
        });
        named.collect()
    }

    /// From the first to the last minute that was counted of any of the sites.
    #[must_use]
    pub fn whole(&self) -> Option<MinuteRange> {
        self.sites.values().copied().reduce(|one, other| MinuteRange {
            start: one.start.min(other.start),
            end: one.end.max(other.end),
        })
    }

    /// What was counted of a site in the range that is asked for.
    #[must_use]
    pub fn asked(&self, site: &str) -> Option<MinuteRange> {
        let range = self.sites.get(site)?;
        let start = self.since.unwrap_or(range.start);
        let end = self.until.unwrap_or(range.end);
        range.intersection(MinuteRange { start, end })
    }

    /// Whether the numbers of a site's bucket are not those of the whole bucket: the range cuts it, it is not over, or
    /// counting began in it.
    ///
    /// A bucket is not over if the newest line lies in it, but not in its last minute, or if the present does. What began
    /// less than an hour before the first line is taken as whole: nights are quiet.
    #[must_use]
    pub fn is_partial(&self, site: &str, bucket: MinuteRange) -> bool {
        let is_cut = self.since.is_some_and(|since| since > bucket.start)
            || self.until.is_some_and(|until| until < bucket.end);
        let is_open = self.sites.get(site).is_some_and(|counted| {
            let newest = counted.end - 1;
            let is_over = newest + 1 == bucket.end && bucket.len() > 1;
            let has_begun_before = counted.start - bucket.start < QUIET_MINUTES;
            bucket.contains(newest) && !is_over
                || bucket.contains(counted.start) && !has_begun_before
        });
        is_cut || is_open || bucket.contains(self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::Counted;
    use crate::time::MinuteRange;

    const DAY: i64 = 1440;

    fn range(start: i64, end: i64) -> MinuteRange {
        MinuteRange { start, end }
    }

    fn counted(start: i64, end: i64) -> Counted {
        let sites = [("a".to_owned(), range(start, end))].into();
        Counted { sites, since: None, until: None, now: 1_000_000 }
    }

    #[test]
    fn what_is_asked_for_was_counted() {
        let all = counted(100, 5 * DAY);
        assert_eq!(all.asked("a"), Some(range(100, 5 * DAY)));
        assert_eq!(all.asked("b"), None);
        let cut = Counted { since: Some(50), until: Some(200), ..all.clone() };
        assert_eq!(cut.asked("a"), Some(range(100, 200)));
        let before = Counted { until: Some(100), ..all.clone() };
        assert_eq!(before.asked("a"), None);
        let mut two = all;
        two.sites.insert("b".to_owned(), range(0, 10));
        assert_eq!(two.whole(), Some(range(0, 5 * DAY)));
        assert_eq!(Counted::default().whole(), None);
    }

    #[test]
    fn buckets_are_partial_that_are_cut_or_not_over() {
        let days = |counted: &Counted| -> Vec<bool> {
            (0..5).map(|day| counted.is_partial("a", range(day * DAY, (day + 1) * DAY))).collect()
        };
        // The first line some minutes after midnight, the last line in the last minute of a day.
        let whole = counted(59, 5 * DAY);
        assert_eq!(days(&whole), [false; 5]);
        let began_late = counted(60, 5 * DAY);
        assert_eq!(days(&began_late), [true, false, false, false, false]);
        let not_over = counted(0, 5 * DAY - 1);
        assert_eq!(days(&not_over), [false, false, false, false, true]);
        let cut = Counted { since: Some(DAY + 1), until: Some(3 * DAY), ..whole.clone() };
        assert_eq!(days(&cut), [true, true, false, true, true]);
        let today = Counted { now: 2 * DAY, ..whole.clone() };
        assert_eq!(days(&today), [false, false, true, false, false]);
        // The minute of the newest line may get more lines.
        assert!(whole.is_partial("a", range(5 * DAY - 1, 5 * DAY)));
        assert!(!whole.is_partial("a", range(5 * DAY - 2, 5 * DAY - 1)));
        assert!(!whole.is_partial("a", range(5 * DAY - 60, 5 * DAY)));
    }
}
