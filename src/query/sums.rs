//! Reports of whole sites from what is stored of each day, and from the parts what cells cannot tell.
//!
//! Owns: [`summary`]. May import: what its parent may. Must not know: how stored cells were made.
//!
//! Cells, days, hours and the busiest minute of a whole day are stored sums; a day that is cut is walked. Distinct
//! visitors over the range are sets, united over the days, of the site and its sections; of pages only those that are
//! shown, in a second pass when it is known which they are. Within a day a section's visitors are bits by their place
//! in the day's list, few enough for the first-level cache.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use rayon::prelude::*;
use roaring::RoaringBitmap;

use super::newcomers::new_visitors;
use super::{By, Question, Scope, definition};
use crate::count::Visitors;
use crate::cube::Cube;
use crate::database::{Database, DaySums, StoredBlock};
use crate::error::Result;
use crate::facts::{DayKey, Fact, LocalDay, day_block};
use crate::query::summarize::summarize;
use crate::query::summary::{BucketRow, PageRow, SectionRow, Summary};
use crate::select::SectionPattern;
use crate::select::page::section;
use crate::time::{Bucket, Day, Granularity};

/// So many blocks are decoded at once.
const BATCH: usize = 16;

pub(super) fn summary(
    database: &mut Database,
    question: &Question,
    scope: Scope,
    top: usize,
) -> Result<Summary> {
    let (mut stored, tally) = scope.about(database, question)?;
    let cut: Vec<StoredBlock> =
        scope.wanted.iter().filter(|block| !question.has_whole(block.day)).copied().collect();
    let facts = database.load(&cut, &[], &scope.site_numbers(), |block, day| {
        day.only(|_| true, &question.minutes(block.day))
    })?;
    let cut = Cube::new(&facts, scope.site_names(), &scope.groups);
    let mut summary = summarize(&cut, &tally, 0)?;
    add_whole_days(&mut summary, database, question, &scope)?;
    let mut range = Range { question, scope: &scope, visitors: Visitors::default() };
    let found = range.fold(database, Found::new(&scope), Found::add, Found::merge)?;
    summary.totals.page_views = summary.cells[0][0].pv;
    summary.totals.unique_visitors =
        found.days.values().fold(RoaringBitmap::new(), |all, day| all | day).len();
    summary.section_count = found.sections.iter().map(|sections| sections.len() as u64).sum();
    summary.page_count = found.pages.iter().map(|pages| pages.len() as u64).sum();
    summary.sections = top_sections(&scope, &found, top);
    summary.pages = range.top_pages(database, &found, top)?;
    let knows_all = |day| question.has_whole(day);
    stored.new_visitors = new_visitors(database, &scope, &found.days, knows_all, &range.visitors)?;
    stored.by = question.by.map(|by| buckets(&scope, &summary, &found, by)).unwrap_or_default();
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
        let sums = database.day_sums(site.number)?;
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
        summary.cells.iter_mut().flatten().zip(sums.cells.iter().flatten())
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
    let [pv, uv] = sums.day;
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

/// The facts of the range, read as often as they are needed: they are more than is held.
struct Range<'s> {
    question: &'s Question,
    scope: &'s Scope,
    /// The visitors met so far.
    visitors: Visitors,
}

/// A block's facts, with the visitors' numbers by their places.
struct Met<'d> {
    key: DayKey,
    day: &'d LocalDay,
    numbers: &'d [u32],
    groups: &'d [SectionPattern],
}

impl Range<'_> {
    /// Folds all blocks, in parallel; each thread begins with `empty`.
    fn fold<T: Clone + Send + Sync>(
        &mut self,
        database: &mut Database,
        empty: T,
        add: impl Fn(&mut T, &Met<'_>) + Sync,
        merge: impl Fn(T, T) -> T + Sync + Send,
    ) -> Result<T> {
        let sites = self.scope.site_numbers();
        let mut folded = empty.clone();
        for blocks in self.scope.wanted.chunks(BATCH) {
            let days = database.map_blocks(blocks, |block, bytes, decoder| {
                let day = day_block::decode(bytes, decoder)?;
                let is_whole = self.question.has_whole(block.day);
                let minutes = self.question.minutes(block.day);
                Ok(if is_whole { day } else { day.only(|_| true, &minutes) })
            })?;
            let lists: Vec<_> = days.iter().map(|day| &day.visitors[..]).collect();
            let numbers = self.visitors.numbers(&lists)?;
            let met: Vec<Met<'_>> = blocks
                .iter()
                .zip(&days)
                .zip(&numbers)
                .map(|((block, day), numbers)| Met {
                    key: DayKey { site: sites[&block.site], day: block.day },
                    day,
                    numbers,
                    groups: &self.scope.groups,
                })
                .collect();
            // A share of the blocks for each thread: what is folded is merged once a thread.
            let share = met.len().div_ceil(rayon::current_num_threads());
            let found: Vec<T> = met
                .par_chunks(share)
                .map(|met| {
                    let mut found = empty.clone();
                    met.iter().for_each(|met| add(&mut found, met));
                    found
                })
                .collect();
            folded = found.into_iter().fold(folded, &merge);
        }
        Ok(folded)
    }

    /// The pages with the most page views, and their visitors.
    fn top_pages(
        &mut self,
        database: &mut Database,
        found: &Found,
        top: usize,
    ) -> Result<Vec<PageRow>> {
        let (sites, groups) = (self.scope.site_names(), &self.scope.groups);
        let mut pages: Vec<(Reverse<u64>, &str, &str, u32)> = Vec::new();
        for (number, names) in (0..).zip(&found.pages) {
            let site = sites[number as usize].as_str();
            pages
                .extend(names.iter().map(|(name, &pv)| (Reverse(pv), site, name.as_str(), number)));
        }
        if pages.len() > top && top > 0 {
            pages.select_nth_unstable(top - 1);
        }
        pages.truncate(top);
        pages.sort_unstable();
        let wanted: HashMap<(u32, &str), usize> = pages
            .iter()
            .enumerate()
            .map(|(row, &(_, _, name, site))| ((site, name), row))
            .collect();
        let visitors = self.fold(
            database,
            vec![RoaringBitmap::new(); pages.len()],
            |found: &mut Vec<RoaringBitmap>, met| {
                let names: Vec<&str> = met.day.pages.iter().collect();
                for (page, facts) in met.day.facts.pages() {
                    if let Some(&row) = wanted.get(&(met.key.site, names[page as usize])) {
                        found[row] |= met.set(distinct_places(facts));
                    }
                }
            },
            |mut one, other| {
                one.iter_mut().zip(other).for_each(|(one, other)| *one |= other);
                one
            },
        )?;
        let rows =
            pages.iter().zip(visitors).map(|(&(Reverse(pv), site, page, _), visitors)| PageRow {
                site: site.to_owned(),
                section: section(page, groups).to_owned(),
                page: page.to_owned(),
                pv,
                uv: visitors.len(),
            });
        Ok(rows.collect())
    }
}

/// The distinct places of facts that are sorted by visitor.
fn distinct_places(facts: &[Fact]) -> Vec<u32> {
    facts.chunk_by(|a, b| a.visitor() == b.visitor()).map(|run| run[0].visitor()).collect()
}

impl Met<'_> {
    /// The visitors at some distinct places.
    fn set(&self, places: Vec<u32>) -> RoaringBitmap {
        let mut numbers = places;
        numbers.iter_mut().for_each(|place| *place = self.numbers[*place as usize]);
        numbers.sort_unstable();
        RoaringBitmap::from_sorted_iter(numbers).expect("sorted, and each visitor once")
    }
}

/// What is found in the range before it is known which pages are shown; by site where there are lists.
#[derive(Clone)]
struct Found {
    /// Who was on a site on a day.
    days: BTreeMap<DayKey, RoaringBitmap>,
    /// Page views and visitors of each section.
    sections: Vec<HashMap<String, (u64, RoaringBitmap)>>,
    /// Page views of each page.
    pages: Vec<HashMap<String, u64>>,
}

impl Found {
    fn new(scope: &Scope) -> Self {
        let sites = scope.sites.len();
        Self {
            days: BTreeMap::new(),
            sections: vec![HashMap::new(); sites],
            pages: vec![HashMap::new(); sites],
        }
    }

    fn add(&mut self, met: &Met<'_>) {
        let site = met.key.site as usize;
        let names: Vec<&str> = met.day.pages.iter().collect();
        let mut pages: Vec<(&str, &[Fact])> = Vec::with_capacity(names.len());
        for (page, facts) in met.day.facts.pages() {
            let name = names[page as usize];
            let pv: u64 = facts.iter().map(|fact| fact.views()).sum();
            *self.pages[site].entry_ref(name).or_default() += pv;
            let section = section(name, met.groups);
            self.sections[site].entry_ref(section).or_default().0 += pv;
            pages.push((section, facts));
        }
        pages.sort_by_key(|&(section, _)| section);
        let mut places = Places::new(met.day.visitors.len());
        let mut everyone = RoaringBitmap::new();
        for pages in pages.chunk_by(|a, b| a.0 == b.0) {
            let visitors = met.set(places.distinct(pages));
            everyone |= &visitors;
            self.sections[site].entry_ref(pages[0].0).or_default().1 |= visitors;
        }
        if !everyone.is_empty() {
            *self.days.entry(met.key).or_default() |= everyone;
        }
    }

    fn merge(mut self, other: Self) -> Self {
        for (key, visitors) in other.days {
            *self.days.entry(key).or_default() |= visitors;
        }
        for (sections, other) in self.sections.iter_mut().zip(other.sections) {
            for (name, (pv, visitors)) in other {
                let section = sections.entry(name).or_default();
                section.0 += pv;
                section.1 |= visitors;
            }
        }
        for (pages, other) in self.pages.iter_mut().zip(other.pages) {
            for (name, pv) in other {
                *pages.entry(name).or_default() += pv;
            }
        }
        self
    }
}

/// A set of places in a day's list of visitors.
struct Places {
    words: Vec<u64>,
}

impl Places {
    fn new(visitors: usize) -> Self {
        Self { words: vec![0; visitors.div_ceil(64)] }
    }

    /// The distinct places in the facts of some pages.
    fn distinct(&mut self, pages: &[(&str, &[Fact])]) -> Vec<u32> {
        let facts = || pages.iter().flat_map(|(_, facts)| facts.iter());
        if pages.iter().map(|(_, facts)| facts.len()).sum::<usize>() < self.words.len() {
            let mut places: Vec<u32> = facts().map(|fact| fact.visitor()).collect();
            places.sort_unstable();
            places.dedup();
            return places;
        }
        for fact in facts() {
            let place = fact.visitor();
            self.words[place as usize / 64] |= 1 << (place % 64);
        }
        let mut places = Vec::new();
        for (word, first) in self.words.iter_mut().zip((0_u32..).step_by(64)) {
            while *word != 0 {
                places.push(first + word.trailing_zeros());
                *word &= *word - 1;
            }
        }
        places
    }
}

fn top_sections(scope: &Scope, found: &Found, top: usize) -> Vec<SectionRow> {
    let rows = found.sections.iter().zip(&scope.sites).flat_map(|(sections, site)| {
        sections.iter().map(|(section, (pv, visitors))| SectionRow {
            site: site.name.clone(),
            section: section.clone(),
            pv: *pv,
            uv: visitors.len(),
        })
    });
    let mut rows: Vec<SectionRow> = rows.collect();
    rows.sort_by(|a, b| {
        (Reverse(a.pv), &a.site, &a.section).cmp(&(Reverse(b.pv), &b.site, &b.section))
    });
    rows.truncate(top);
    rows
}

/// PV and visitors of each bucket, by site and name.
fn buckets(
    scope: &Scope,
    summary: &Summary,
    found: &Found,
    by: By,
) -> Vec<(String, String, u64, u64)> {
    let row = |row: &BucketRow| (row.site.clone(), row.bucket.to_string(), row.pv, row.uv);
    let name = |day: Day| by.bucket(day, 0);
    match by {
        By::Cells(Granularity::Hour) => return summary.hours.iter().map(row).collect(),
        By::Cells(_) => return summary.days.iter().map(row).collect(),
        By::Week | By::Month => {}
    }
    let mut buckets: BTreeMap<(String, String), (u64, RoaringBitmap)> = BTreeMap::new();
    for row in &summary.days {
        buckets.entry((row.site.clone(), name(row.bucket.day))).or_default().0 += row.pv;
    }
    for (key, visitors) in &found.days {
        let site = scope.sites[key.site as usize].name.clone();
        buckets.entry((site, name(key.day))).or_default().1 |= visitors;
    }
    buckets.into_iter().map(|((site, name), (pv, set))| (site, name, pv, set.len())).collect()
}
