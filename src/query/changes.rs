//! How a comparison is made from two answers.
//!
//! Owns: [`Compared`]. May import: what its parent may. Must not know: how answers are computed.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::buckets::{CountsByName, NamedCounts};
use super::comparison::{BucketChange, Change, Comparison, PlaceChange};
use super::counted::Counted;
use super::earlier::{Compare, ComparedRanges};
use super::summary::{BucketRow, Summary};
use super::{By, Question};
use crate::error::Result;
use crate::time::{Granularity, MinuteRange};

/// What is compared with what, apart from the answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compared<'c> {
    pub with: Compare,
    pub ranges: ComparedRanges,
    /// The unit of the buckets.
    pub by: By,
    /// Number of rows of sections and of pages, each.
    pub top: usize,
    pub counted: &'c Counted,
}

/// Answers a question, with at most so many sections and pages.
pub(super) type Ask<'a> = dyn FnMut(&Question, usize) -> Result<Summary> + 'a;

/// PV and UV of a site in a range.
type AskTotals<'a> = dyn FnMut(&str, MinuteRange) -> Result<(u64, u64)> + 'a;

impl Compared<'_> {
    /// Compares; `answer` is the whole answer to `question`, whose range begins with that of [`Compared::ranges`] unless
    /// less of it is compared.
    ///
    /// # Errors
    /// Those of `ask`.
    pub(super) fn compare(
        &self,
        question: &Question,
        answer: &Summary,
        ask: &mut Ask<'_>,
    ) -> Result<Comparison> {
        let of_range = |range: MinuteRange| Question {
            since: Some(range.start),
            until: Some(range.end),
            by: Some(self.by),
            ..question.clone()
        };
        let ComparedRanges { now, before, .. } = self.ranges;
        // What lies behind the newest minute has no page views; what lies before the compared range may have some.
        let is_whole = question.since == Some(now.start);
        let shorter = if is_whole { None } else { Some(ask(&of_range(now), usize::MAX)?) };
        let answer = shorter.as_ref().unwrap_or(answer);
        let earlier = ask(&of_range(before), usize::MAX)?;
        let (was_counted, is_counted) = (self.any_counted(before), self.any_counted(now));
        let change = |value: fn(&Summary) -> u64| Change {
            now: is_counted.then(|| value(answer)),
            before: was_counted.then(|| value(&earlier)),
        };
        let (page_views, unique_visitors, sum_of_daily_unique_visitors) = (
            change(|summary| summary.totals.page_views),
            change(|summary| summary.totals.unique_visitors),
            change(|summary| summary.totals.sum_of_daily_unique_visitors),
        );
        let mut ask_totals = |site: &str, range| {
            let question = Question { site: Some(site.to_owned()), by: None, ..of_range(range) };
            ask(&question, 0)
                .map(|summary| (summary.totals.page_views, summary.totals.unique_visitors))
        };
        let buckets = self.buckets(answer, &earlier, &mut ask_totals)?;
        let mut sections = self.places(section_counts(answer), section_counts(&earlier));
        let mut pages = self.places(page_counts(answer), page_counts(&earlier));
        let (grown, fallen) = grown_and_fallen(&pages, self.top);
        for places in [&mut sections, &mut pages] {
            // What has no page views now is only in the list of what has fallen.
            places.retain(|place| place.pv.now.is_some_and(|pv| pv > 0));
            places.truncate(self.top);
        }
        Ok(Comparison {
            with: self.with,
            ranges: self.ranges,
            page_views,
            unique_visitors,
            sum_of_daily_unique_visitors,
            by: self.by,
            buckets,
            sections,
            pages,
            grown,
            fallen,
        })
    }

    fn is_counted(&self, site: &str, range: MinuteRange) -> bool {
        self.counted.sites.get(site).is_some_and(|counted| counted.intersection(range).is_some())
    }

    fn any_counted(&self, range: MinuteRange) -> bool {
        self.counted.sites.keys().any(|site| self.is_counted(site, range))
    }

    fn buckets(
        &self,
        answer: &Summary,
        earlier: &Summary,
        ask_totals: &mut AskTotals<'_>,
    ) -> Result<Vec<BucketChange>> {
        let sites = &self.counted.sites;
        self.by.check_number(sites.keys().map(|_| self.ranges.now))?;
        let rows = [self.rows(answer), self.rows(earlier)];
        let [now_counts, before_counts] = [&rows[0], &rows[1]].map(|rows| CountsByName::new(rows));
        let mut changes = Vec::new();
        for site in sites.keys() {
            for bucket in self.by.buckets_of(self.ranges.now) {
                let Some(now) = bucket.intersection(self.ranges.now) else { continue };
                let before = self.ranges.before(now);
                let was_counted = before.is_some_and(|before| self.is_counted(site, before));
                let is_counted = self.is_counted(site, now);
                if !was_counted && !is_counted {
                    continue;
                }
                let counts =
                    is_counted.then(|| now_counts.get(site, &self.by.name_of(bucket.start)));
                let earlier = match before.filter(|_| was_counted) {
                    None => None,
                    Some(before) if self.is_bucket(before) => {
                        Some(before_counts.get(site, &self.by.name_of(before.start)))
                    }
                    // Months are not as long as each other: none of the earlier buckets is this one.
                    Some(before) => Some(ask_totals(site, before)?),
                };
                changes.push(BucketChange {
                    site: site.clone(),
                    start: bucket.start,
                    now,
                    before,
                    is_partial: now != bucket || self.counted.is_partial(site, bucket),
                    pv: change(counts, earlier, |counts| counts.0),
                    uv: change(counts, earlier, |counts| counts.1),
                });
            }
        }
        Ok(changes)
    }

    /// Whether a range is what the earlier range has of one bucket.
    fn is_bucket(&self, range: MinuteRange) -> bool {
        let bucket = self.by.bucket_of(range.start);
        bucket.intersection(self.ranges.before) == Some(range)
    }

    /// The buckets of an answer that have page views.
    fn rows(&self, answer: &Summary) -> Vec<NamedCounts> {
        match &answer.stored {
            Some(stored) if stored.by_name == Some(self.by.name()) => stored.by.clone(),
            // Nothing but days is compared without `--by`.
            _ => {
                debug_assert_eq!(self.by, By::Cells(Granularity::Day));
                let row =
                    |row: &BucketRow| (row.site.clone(), row.bucket.to_string(), row.pv, row.uv);
                answer.days.iter().map(row).collect()
            }
        }
    }

    /// Sections or pages that have page views in one of the ranges, by page views now (most first), then by name.
    fn places(&self, now: Vec<PlaceCounts<'_>>, before: Vec<PlaceCounts<'_>>) -> Vec<PlaceChange> {
        type Counts = Option<(u64, u64)>;
        let mut places: HashMap<PlaceName<'_>, (Counts, Counts)> = HashMap::new();
        for (name, counts) in now {
            places.entry(name).or_default().0 = Some(counts);
        }
        for (name, counts) in before {
            places.entry(name).or_default().1 = Some(counts);
        }
        // Few sites, many pages.
        let sites: HashMap<&str, [bool; 2]> = self
            .counted
            .sites
            .keys()
            .map(|site| {
                let ranges = [self.ranges.now, self.ranges.before];
                (site.as_str(), ranges.map(|range| self.is_counted(site, range)))
            })
            .collect();
        let mut changes: Vec<PlaceChange> = places
            .into_iter()
            .map(|((site, section, page), (now, before))| {
                let [is_counted, was_counted] = sites.get(site).copied().unwrap_or_default();
                let now = is_counted.then(|| now.unwrap_or_default());
                let before = was_counted.then(|| before.unwrap_or_default());
                PlaceChange {
                    site: site.to_owned(),
                    section: section.to_owned(),
                    page: page.to_owned(),
                    pv: change(now, before, |counts| counts.0),
                    uv: change(now, before, |counts| counts.1),
                }
            })
            .collect();
        changes.sort_by(|one, other| {
            Reverse(one.pv.now)
                .cmp(&Reverse(other.pv.now))
                .then_with(|| one.name().cmp(&other.name()))
        });
        changes
    }
}

fn change(
    now: Option<(u64, u64)>,
    before: Option<(u64, u64)>,
    value: fn((u64, u64)) -> u64,
) -> Change {
    Change { now: now.map(value), before: before.map(value) }
}

/// Names of the site, the section and the page.
type PlaceName<'s> = (&'s str, &'s str, &'s str);
/// A place with its PV and UV.
type PlaceCounts<'s> = (PlaceName<'s>, (u64, u64));

fn section_counts(summary: &Summary) -> Vec<PlaceCounts<'_>> {
    let sections = summary.sections.iter();
    sections.map(|row| ((&row.site[..], &row.section[..], ""), (row.pv, row.uv))).collect()
}

fn page_counts(summary: &Summary) -> Vec<PlaceCounts<'_>> {
    let pages = summary.pages.iter();
    pages.map(|row| ((&row.site[..], &row.section[..], &row.page[..]), (row.pv, row.uv))).collect()
}

/// The pages whose page views changed most, at most `top` of each kind.
fn grown_and_fallen(pages: &[PlaceChange], top: usize) -> (Vec<PlaceChange>, Vec<PlaceChange>) {
    let changed = |is_wanted: fn(i64) -> bool| {
        let difference = |page: &&PlaceChange| page.pv.difference().unwrap_or_default();
        let mut changed: Vec<&PlaceChange> =
            pages.iter().filter(|page| is_wanted(difference(page))).collect();
        changed.sort_by(|one, other| {
            let size = |page: &&PlaceChange| Reverse(difference(page).unsigned_abs());
            size(one).cmp(&size(other)).then_with(|| one.name().cmp(&other.name()))
        });
        changed.into_iter().take(top).cloned().collect()
    };
    (changed(|difference| difference > 0), changed(|difference| difference < 0))
}
