//! The buckets of `--by`, without gaps.
//!
//! Owns: [`Buckets`], [`BucketCounts`], how long a bucket is. May import: what its parent may. Must not know: how page views
//! were counted.

use std::collections::HashMap;

use super::By;
use super::counted::Counted;
use crate::error::{Error, Result};
use crate::time::{Day, Granularity, MINUTES_A_DAY, Minute, MinuteRange};

/// Most buckets of an answer, all sites together. Two million take about 100 MB.
const MOST_BUCKETS: Minute = 2_000_000;

/// The buckets of a unit, in order of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets {
    /// How long they are.
    pub by: By,
    /// The buckets of each site that was counted in the range, by its name: from the first to the last minute that was
    /// counted there.
    pub sites: Vec<(String, Vec<BucketCounts>)>,
}

/// What a bucket has of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketCounts {
    /// Its first minute, whether the range has it or not.
    pub start: Minute,
    /// Page views.
    pub pv: u64,
    /// Unique visitors.
    pub uv: u64,
    /// Whether this is not all of the bucket; see [`Counted::is_partial`].
    pub is_partial: bool,
}

impl By {
    /// The bucket that a minute lies in.
    #[must_use]
    pub fn bucket_of(self, minute: Minute) -> MinuteRange {
        let even = |length: Minute| {
            let start = minute - minute.rem_euclid(length);
            MinuteRange { start, end: start + length }
        };
        let day = Day::of_minute(minute);
        match self {
            Self::Cells(Granularity::Minute) => even(1),
            Self::Cells(Granularity::Hour) => even(60),
            Self::Cells(Granularity::Day) => even(MINUTES_A_DAY.into()),
            Self::Week => MinuteRange::of_days(day.monday(), Day(day.monday().0 + 7)),
            Self::Month => MinuteRange::of_days(day.first_of_month(), day.first_of_next_month()),
        }
    }

    /// The name of the bucket that a minute lies in: `2018-03-05T14:05`, `2018-03-05T14`, `2018-03-05`, `2018-W10` or
    /// `2018-03`.
    #[must_use]
    pub fn name_of(self, minute: Minute) -> String {
        let minute_of_day = minute.rem_euclid(MINUTES_A_DAY.into());
        self.bucket(Day::of_minute(minute), u16::try_from(minute_of_day).unwrap_or_default())
    }

    /// The buckets that share minutes with a range, in order of time.
    pub(super) fn buckets_of(self, range: MinuteRange) -> impl Iterator<Item = MinuteRange> {
        let mut next = range.start;
        std::iter::from_fn(move || {
            let bucket = self.bucket_of(next);
            next = bucket.end;
            (bucket.start < range.end).then_some(bucket)
        })
    }

    /// Not fewer than the buckets that share minutes with a range.
    fn most_buckets_of(self, range: MinuteRange) -> Minute {
        let shortest = match self {
            Self::Cells(Granularity::Minute) => 1,
            Self::Cells(Granularity::Hour) => 60,
            Self::Cells(Granularity::Day) => 1440,
            Self::Week => 7 * 1440,
            Self::Month => 28 * 1440,
        };
        range.len() / shortest + 2
    }

    /// Refuses more buckets than a machine has memory for: one line of 1970 is enough for that.
    pub(super) fn check_number(self, ranges: impl Iterator<Item = MinuteRange>) -> Result<()> {
        let buckets = ranges.map(|range| self.most_buckets_of(range)).sum::<Minute>();
        if buckets <= MOST_BUCKETS {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "--by {} would take {buckets} rows, and {MOST_BUCKETS} are the most; choose a shorter range with --since and \
             --until, or a longer unit",
            self.name()
        )))
    }
}

/// A row of an answer: site, name of the bucket, PV and UV.
pub(super) type NamedCounts = (String, String, u64, u64);

/// PV and UV by the bucket's name, site by site.
#[derive(Debug, Default)]
pub(super) struct CountsByName<'r>(HashMap<&'r str, HashMap<&'r str, (u64, u64)>>);

impl<'r> CountsByName<'r> {
    pub(super) fn new(rows: &'r [NamedCounts]) -> Self {
        let mut sites: HashMap<&str, HashMap<&str, (u64, u64)>> = HashMap::new();
        for (site, name, pv, uv) in rows {
            sites.entry(site).or_default().insert(name, (*pv, *uv));
        }
        Self(sites)
    }

    /// PV and UV of a bucket; 0 where there is no row.
    pub(super) fn get(&self, site: &str, name: &str) -> (u64, u64) {
        let of_site = self.0.get(site);
        of_site.and_then(|counts| counts.get(name)).copied().unwrap_or_default()
    }
}

impl Buckets {
    /// All buckets that were counted in the range that is asked for; `rows` are those that have page views.
    ///
    /// # Errors
    /// [`Error::Usage`] if there would be too many.
    pub(super) fn new(by: By, rows: &[NamedCounts], counted: &Counted) -> Result<Self> {
        by.check_number(counted.sites.keys().filter_map(|site| counted.asked(site)))?;
        let counts = CountsByName::new(rows);
        let sites = counted.sites.keys().filter_map(|site| {
            let range = counted.asked(site)?;
            let row = |bucket: MinuteRange| {
                let (pv, uv) = counts.get(site, &by.name_of(bucket.start));
                let is_partial = counted.is_partial(site, bucket);
                BucketCounts { start: bucket.start, pv, uv, is_partial }
            };
            Some((site.clone(), by.buckets_of(range).map(row).collect()))
        });
        Ok(Self { by, sites: sites.collect() })
    }

    /// Whether any bucket is partial.
    #[must_use]
    pub fn has_partial(&self) -> bool {
        self.sites.iter().flat_map(|(_, rows)| rows).any(|row| row.is_partial)
    }
}

#[cfg(test)]
mod tests {
    use super::{BucketCounts, Buckets};
    use crate::query::By;
    use crate::query::counted::Counted;
    use crate::time::{Day, Granularity, MinuteRange};

    const ALL: [By; 5] = [
        By::Cells(Granularity::Minute),
        By::Cells(Granularity::Hour),
        By::Cells(Granularity::Day),
        By::Week,
        By::Month,
    ];

    #[test]
    fn buckets_follow_each_other_and_change_their_name() {
        let start = i64::from(Day::from_date(2019, 12, 20).unwrap().0) * 1440 + 754;
        for by in ALL {
            let end = start + 20 * by.bucket_of(start).len();
            let buckets: Vec<MinuteRange> = by.buckets_of(MinuteRange { start, end }).collect();
            assert!(buckets[0].contains(start) && buckets[buckets.len() - 1].contains(end - 1));
            for pair in buckets.windows(2) {
                assert_eq!(pair[0].end, pair[1].start);
                assert_ne!(by.name_of(pair[0].start), by.name_of(pair[1].start));
            }
            for bucket in &buckets {
                assert_eq!(by.name_of(bucket.start), by.name_of(bucket.end - 1), "{by:?}");
                assert_eq!(by.bucket_of(bucket.end - 1), *bucket);
            }
            assert!(by.most_buckets_of(MinuteRange { start, end }) >= buckets.len() as i64);
        }
    }

    #[test]
    fn what_was_counted_has_no_gaps() {
        let site = |start, end| MinuteRange { start, end };
        let sites = [("a".to_owned(), site(30, 250)), ("b".to_owned(), site(0, 61))].into();
        let counted = Counted { sites, since: Some(0), until: Some(200), now: -1 };
        let row = |site: &str, name: &str| (site.to_owned(), name.to_owned(), 7, 3);
        let rows = [row("a", "1970-01-01T01"), row("b", "1970-01-01T00")];
        let buckets = Buckets::new(By::Cells(Granularity::Hour), &rows, &counted).unwrap();
        let counts =
            |hour: i64, pv, uv, is_partial| BucketCounts { start: hour * 60, pv, uv, is_partial };
        let a = [
            counts(0, 0, 0, false),
            counts(1, 7, 3, false),
            counts(2, 0, 0, false),
            counts(3, 0, 0, true),
        ];
        let b = [counts(0, 7, 3, false), counts(1, 0, 0, true)];
        assert_eq!(buckets.sites, [("a".to_owned(), a.to_vec()), ("b".to_owned(), b.to_vec())]);
    }

    #[test]
    fn a_line_of_1970_does_not_fill_the_memory() {
        let range = MinuteRange { start: 0, end: 50 * 366 * 1440 };
        let counted = Counted { sites: [("a".to_owned(), range)].into(), ..Counted::default() };
        let refused = Buckets::new(ALL[0], &[], &counted).unwrap_err().to_string();
        assert!(refused.contains("--by minute") && refused.contains("--since"), "{refused}");
        assert!(Buckets::new(ALL[1], &[], &counted).is_ok());
    }
}
