//! Reports of whole sites from what is stored of each day.
//!
//! Owns: [`summary`]. May import: what its parent may. Must not know: how sums and sets of days were made.
//!
//! Cells, days, hours and the busiest minute of a whole day are stored sums; a day that is cut is walked. Distinct visitors
//! over the range are united sets.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::numbers::NumberBits;
use super::range::{self, Found};
use super::visits::Visits;
use super::{By, Question, Scope, definition};
use crate::cube::Cube;
use crate::database::{BlockRow, Database, DaySums, Place, Reader, Wanted};
use crate::error::Result;
use crate::query::summarize::summarize;
use crate::query::summary::{BucketRow, PageRow, SectionRow, Summary};
use crate::time::{Bucket, Day, Granularity};

/// Distinct visitors of buckets by the site's name and the bucket's.
type Buckets = BTreeMap<(String, String), u64>;

pub(super) fn summary(
    database: &mut Database,
    question: &Question,
    scope: Scope,
    top: usize,
) -> Result<Summary> {
    let (mut stored, tally) = scope.about(database, question)?;
    let is_cut = |block: &&BlockRow| !question.has_whole(block.day);
    let cut: Vec<BlockRow> = scope.wanted.iter().filter(is_cut).copied().collect();
    let wanted = Wanted { minutes: |day| question.minutes(day), page: |_, _| true };
    let facts = database.reader().facts(&cut, &scope.site_numbers(), &wanted)?;
    let cut = Cube::new(&facts, scope.site_names(), &scope.groups);
    let mut summary = summarize(&cut, &tally, 0)?;
    add_whole_days(&mut summary, database, question, &scope)?;
    let reader = database.reader();
    let (mut found, mut all, mut buckets) =
        (Found::default(), NumberBits::default(), Buckets::new());
    let bucket = |day: Day| question.by.map(|by| by.bucket(day, 0)).unwrap_or_default();
    let has_buckets = matches!(question.by, Some(By::Week | By::Month));
    for site in &scope.sites {
        let mut visits = Visits::new(&site.name, has_buckets.then_some(&bucket));
        let blocks = scope.blocks_to_last_day(site);
        let add = |first: &BlockRow, lists: &[_]| visits.add(first.day, lists, &mut all);
        found = found.merge(range::read_site(&reader, question, blocks, add)?);
        visits.end_bucket();
        stored.new_visitors.extend(visits.days);
        let named = |(bucket, uv)| ((site.name.clone(), bucket), uv);
        buckets.extend(visits.buckets.into_iter().map(named));
    }
    summary.totals.page_views = summary.cells[0][0].pv;
    summary.totals.unique_visitors = all.len();
    summary.section_count = found.sections.len() as u64;
    summary.page_count = found.pages.len() as u64;
    let Found { sections, pages } = found;
    let sections: Vec<_> =
        sections.into_iter().map(|(place, (pv, set))| (place, pv, set)).collect();
    let names = Names { reader: &reader, scope: &scope };
    for ((place, pv), set) in names.top(sections, top)? {
        summary.sections.push(SectionRow { site: place.0, section: place.1, pv, uv: set.len() });
    }
    let pages =
        names.top(pages.into_iter().map(|(place, pv)| (place, pv, place)).collect(), top)?;
    let places: Vec<u32> = pages.iter().map(|&(_, place)| place).collect();
    let visitors = range::visitors_of_pages(&reader, question, &scope.wanted, &places)?;
    for (((place, pv), _), uv) in pages.into_iter().zip(visitors) {
        let (site, section, page) = place;
        summary.pages.push(PageRow { site, section, page, pv, uv });
    }
    if let Some(by) = question.by {
        stored.by = rows_by(&summary, &buckets, by);
    }
    summary.definition = definition(&scope.rules);
    summary.stored = Some(stored);
    Ok(summary)
}

/// Adds the cells of the days that are asked for whole.
fn add_whole_days(
    summary: &mut Summary,
    database: &Database,
    question: &Question,
    scope: &Scope,
) -> Result<()> {
    for site in &scope.sites {
        let has_facts: BTreeSet<Day> = scope
            .wanted
            .iter()
            .filter(|block| block.site == site.number && question.has_whole(block.day))
            .map(|block| block.day)
            .collect();
        let (Some(&first), Some(&last)) = (has_facts.first(), has_facts.last()) else { continue };
        let sums = database.day_sums(site.number, first..=last)?;
        for day in has_facts {
            let sums = sums.get(&day).ok_or_else(|| database.damaged("sums of a day"))?;
            add_day(summary, &site.name, day, sums);
        }
    }
    let order = |row: &BucketRow| (row.site.clone(), row.bucket);
    summary.days.sort_by_key(order);
    summary.hours.sort_by_key(order);
    Ok(())
}

fn add_day(summary: &mut Summary, site: &str, day: Day, sums: &DaySums) {
    for (sum, [cells, pv, uv]) in
        summary.cells.iter_mut().flatten().zip(sums.cells.0.iter().flatten())
    {
        sum.cells += cells;
        sum.pv += pv;
        sum.uv += uv;
    }
    let row = |granularity, (minute_of_day, pv, uv)| BucketRow {
        site: site.to_owned(),
        bucket: Bucket { day, minute_of_day, granularity },
        pv,
        uv,
    };
    let (pv, uv) = sums.day;
    summary.totals.sum_of_daily_unique_visitors += uv;
    summary.days.push(row(Granularity::Day, (0, pv, uv)));
    summary.hours.extend(sums.hours.iter().map(|&hour| row(Granularity::Hour, hour)));
    let minute = row(Granularity::Minute, sums.busiest_minute);
    // The earliest of equals, whether it is of a cut day or of a whole one.
    let rank = |row: &BucketRow| (Reverse(row.pv), row.site.clone(), row.bucket);
    if summary.busiest_minute.as_ref().is_none_or(|busiest| rank(&minute) < rank(busiest)) {
        summary.busiest_minute = Some(minute);
    }
}

/// Names of sections and pages: only of those that are shown.
struct Names<'n> {
    reader: &'n Reader<'n>,
    scope: &'n Scope,
}

impl Names<'_> {
    /// The `top` places with the most page views, each given with its page views and anything else: by page views (most
    /// first), then by site, section and page.
    fn top<T>(&self, mut places: Vec<(u32, u64, T)>, top: usize) -> Result<Vec<Named<T>>> {
        if top == 0 {
            return Ok(Vec::new());
        }
        if places.len() > top {
            // By page views alone first: names are read only of those that may be shown.
            let (_, &mut (_, least, _), _) =
                places.select_nth_unstable_by_key(top - 1, |&(_, pv, _)| Reverse(pv));
            places.retain(|&(_, pv, _)| pv >= least);
        }
        let numbers: Vec<u32> = places.iter().map(|&(place, ..)| place).collect();
        let named = self.reader.places(&numbers)?;
        let mut rows: Vec<Named<T>> = places
            .into_iter()
            .zip(named)
            .map(|((_, pv, of_place), place)| ((self.name(place), pv), of_place))
            .collect();
        rows.sort_by(|((one, pv), _), ((other, other_pv), _)| {
            let order = |name: &PlaceNames| (name.0.clone(), name.2.clone(), name.1.clone());
            Reverse(pv).cmp(&Reverse(other_pv)).then_with(|| order(one).cmp(&order(other)))
        });
        rows.truncate(top);
        Ok(rows)
    }

    fn name(&self, place: Place) -> PlaceNames {
        let site = self.scope.sites.iter().find(|site| site.number == place.site);
        (site.map(|site| site.name.clone()).unwrap_or_default(), place.section, place.page)
    }
}

/// Names of the site, the section and the page.
type PlaceNames = (String, String, String);
/// A place's names and page views, and what was given with it.
type Named<T> = ((PlaceNames, u64), T);

/// PV and UV of each bucket, by site and name.
fn rows_by(summary: &Summary, visitors: &Buckets, by: By) -> Vec<(String, String, u64, u64)> {
    let row = |row: &BucketRow| (row.site.clone(), row.bucket.to_string(), row.pv, row.uv);
    match by {
        By::Cells(Granularity::Hour) => return summary.hours.iter().map(row).collect(),
        By::Cells(_) => return summary.days.iter().map(row).collect(),
        By::Week | By::Month => {}
    }
    let mut rows: BTreeMap<(String, String), u64> = BTreeMap::new();
    for row in &summary.days {
        *rows.entry((row.site.clone(), by.bucket(row.bucket.day, 0))).or_default() += row.pv;
    }
    let uv = |name: &(String, String)| visitors.get(name).copied().unwrap_or_default();
    rows.into_iter()
        .map(|(name, pv)| {
            let uv = uv(&name);
            (name.0, name.1, pv, uv)
        })
        .collect()
}
