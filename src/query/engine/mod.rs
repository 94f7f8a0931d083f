//! Reports: from the sums and sets that are stored of each day, and from facts where these do not answer.
//!
//! Owns: [`summary`]. May import: what its parent may. Must not know: how sums and sets of days were made.
//!
//! The blocks of a range are read twice. The first time, counts tell which sections and pages have the most page views;
//! the second time, only of these the visitors are read, with all that is asked about days.

use std::collections::{BTreeMap, BTreeSet};

pub(super) mod pages;
mod pool;
mod range;
mod views;
mod visits;

use self::pages::{Pages, Rows};
use self::pool::Pool;
use self::range::{DayRead, Range, Sets, Shown, needs_facts};
use self::views::read_views;
use self::visits::{Visited, Visits};
use super::numbers::NumberBits;
use super::summarize::totals;
use super::top::{TopRow, top_rows};
use super::walked::Walked;
use super::{By, NewVisitors, Question, Scope, days, definition};
use crate::database::{Database, Reader, Site};
use crate::error::Result;
use crate::query::summary::{BucketRow, PageRow, SectionRow, Summary};
use crate::select::page::section;
use crate::time::{Bucket, Day, Granularity};

/// Distinct visitors of buckets by the site's name and the bucket's.
type Buckets = BTreeMap<(String, String), u64>;
/// A bucket's site, name, PV and UV.
type ByRow = (String, String, u64, u64);

pub(super) fn summary(
    database: &mut Database,
    question: &Question,
    scope: &Scope,
    top: usize,
    new_visitors: NewVisitors,
) -> Result<Summary> {
    let (mut stored, tally) = scope.about(database, question)?;
    let mut summary = Summary { totals: totals(&tally), ..Summary::default() };
    for site in &scope.sites {
        add_stored_sums(&mut summary, database, question, scope, site)?;
    }
    let reader = database.reader();
    let names = Names { reader: &reader, scope };
    let sites: Vec<(&Site, Pages)> = scope
        .sites
        .iter()
        .map(|site| Ok((site, Pages::of_site(&reader, question, scope, site.number)?)))
        .collect::<Result<_>>()?;
    let ranking = Ranking::read(&names, question, &sites, top)?;
    let shown = ranking.shown();
    let sets: Pool<Sets> = Pool::default();
    let (mut all, mut buckets, mut minutes) =
        (NumberBits::default(), Buckets::new(), Vec::<ByRow>::new());
    let mut filtered: Vec<(u64, (String, u64))> = Vec::new();
    let bucket = |day: Day| question.by.map(|by| by.bucket(day, 0)).unwrap_or_default();
    let has_buckets = matches!(question.by, Some(By::Week | By::Month));
    for &(site, pages) in &sites {
        if pages == Pages::None {
            continue;
        }
        let mut visits = Visits::new(&site.name, has_buckets.then_some(&bucket));
        let mut pv = 0_u64;
        let range = Range::new(&reader, question, pages, &shown, &sets);
        let blocks = match new_visitors {
            NewVisitors::Known => scope.blocks_to_last_day(site),
            NewVisitors::Unknown => scope.wanted_blocks(site),
        };
        range.read(blocks, |day: DayRead| {
            visits.add(day.day, &day.asked, &day.others);
            if let Some(walked) = day.walked {
                pv = pv.saturating_add(walked.cells[0][0][1]);
                days::add_walked(&mut summary, &site.name, day.day, &walked);
                if question.by == Some(By::Cells(Granularity::Minute)) {
                    minutes.extend(minute_rows(&site.name, day.day, &walked));
                }
            }
        })?;
        let Visited { days, buckets: of_site, visitors } = visits.finish();
        if new_visitors == NewVisitors::Known {
            stored.new_visitors.extend(days);
        }
        let named = |(bucket, uv)| ((site.name.clone(), bucket), uv);
        buckets.extend(of_site.into_iter().map(named));
        if question.has_filter() && pv > 0 {
            filtered.push((pv, (site.name.clone(), visitors.len())));
        }
        all.merge(&visitors);
    }
    days::sort(&mut summary);
    summary.totals.page_views = summary.cells[0][0].pv;
    summary.totals.unique_visitors = all.len();
    ranking.fill(&mut summary, &Sets::counts(sets.into_values(), &shown));
    if question.has_filter() {
        fill_filtered(&mut summary, question, scope, filtered, top)?;
    }
    if let Some(by) = question.by {
        minutes.sort_by(|one, other| one.0.cmp(&other.0));
        stored.by = rows_by(&summary, &buckets, minutes, by);
    }
    summary.definition = definition(&scope.rules);
    summary.stored = Some(stored);
    Ok(summary)
}

/// Adds the cells of the site's days that stored sums answer for.
fn add_stored_sums(
    summary: &mut Summary,
    database: &Database,
    question: &Question,
    scope: &Scope,
    site: &Site,
) -> Result<()> {
    let wanted = scope.wanted.iter().filter(|block| block.site == site.number);
    let wanted: BTreeSet<Day> =
        wanted.map(|block| block.day).filter(|&day| !needs_facts(question, day)).collect();
    let (Some(&first), Some(&last)) = (wanted.first(), wanted.last()) else { return Ok(()) };
    let sums = database.day_sums(site.number, first..=last)?;
    for day in wanted {
        let sums = sums.get(&day).ok_or_else(|| database.damaged("sums of a day"))?;
        days::add_sums(summary, &site.name, day, sums);
    }
    Ok(())
}

/// Names of the site, the page and the section.
type PlaceNames = (String, String, String);

/// The sections and pages that are shown.
#[derive(Default)]
struct Ranking {
    section_count: u64,
    page_count: u64,
    sections: Vec<TopRow<u32, PlaceNames>>,
    pages: Vec<TopRow<u32, PlaceNames>>,
}

impl Ranking {
    /// Ranks what is asked for by page views; a single section or page is not ranked.
    fn read(
        names: &Names<'_>,
        question: &Question,
        sites: &[(&Site, Pages)],
        top: usize,
    ) -> Result<Self> {
        if question.page.is_some() {
            return Ok(Self::default());
        }
        let (mut sections, mut pages) = (Vec::new(), Vec::new());
        for &(site, asked) in sites {
            let blocks = names.scope.wanted_blocks(site);
            let views = read_views(names.reader, question, asked, blocks)?;
            sections.extend(views.sections.iter());
            pages.extend(views.pages.iter());
        }
        let (section_count, page_count) = (sections.len() as u64, pages.len() as u64);
        if question.section.is_some() {
            sections.clear();
        }
        let sections = top_rows(sections, top, |rows| names.of(rows))?;
        let pages = top_rows(pages, top, |rows| names.of(rows))?;
        Ok(Self { section_count, page_count, sections, pages })
    }

    fn shown(&self) -> Shown {
        Shown {
            sections: Rows::new(self.sections.iter().map(|row| row.of)),
            pages: Rows::new(self.pages.iter().map(|row| row.of)),
        }
    }

    fn fill(self, summary: &mut Summary, (of_sections, of_pages): &(Vec<u64>, Vec<u64>)) {
        summary.section_count = self.section_count;
        summary.page_count = self.page_count;
        for (TopRow { pv, name: (site, _, section), .. }, &uv) in
            self.sections.into_iter().zip(of_sections)
        {
            summary.sections.push(SectionRow { site, section, pv, uv });
        }
        for (TopRow { pv, name: (site, page, section), .. }, &uv) in
            self.pages.into_iter().zip(of_pages)
        {
            summary.pages.push(PageRow { site, section, page, pv, uv });
        }
    }
}

struct Names<'n> {
    reader: &'n Reader<'n>,
    scope: &'n Scope,
}

impl Names<'_> {
    fn of(&self, places: &[(u64, u32)]) -> Result<Vec<PlaceNames>> {
        let numbers: Vec<u32> = places.iter().map(|&(_, place)| place).collect();
        let name = |number| {
            let site = self.scope.sites.iter().find(|site| site.number == number);
            site.map(|site| site.name.clone()).unwrap_or_default()
        };
        let places = self.reader.places(&numbers)?.into_iter();
        Ok(places.map(|place| (name(place.site), place.page, place.section)).collect())
    }
}

/// The rows of the only section or page, one for each site that has it: its page views and the visitors are the site's.
fn fill_filtered(
    summary: &mut Summary,
    question: &Question,
    scope: &Scope,
    sites: Vec<(u64, (String, u64))>,
    top: usize,
) -> Result<()> {
    let count = sites.len() as u64;
    let name = |rows: &[(u64, (String, u64))]| {
        Ok(rows.iter().map(|(_, (site, _))| site.clone()).collect::<Vec<_>>())
    };
    let rows = top_rows(sites, top, name)?;
    let section = match (&question.page, &question.section) {
        (Some(page), _) => section(page, &scope.groups).to_owned(),
        (None, section) => section.clone().unwrap_or_default(),
    };
    summary.section_count = count;
    for TopRow { pv, of: (site, uv), .. } in &rows {
        let (site, pv, uv) = (site.clone(), *pv, *uv);
        summary.sections.push(SectionRow { site, section: section.clone(), pv, uv });
    }
    if let Some(page) = &question.page {
        summary.page_count = count;
        for TopRow { pv, of: (site, uv), .. } in rows {
            let (section, page) = (section.clone(), page.clone());
            summary.pages.push(PageRow { site, section, page, pv, uv });
        }
    }
    Ok(())
}

fn minute_rows(site: &str, day: Day, walked: &Walked) -> impl Iterator<Item = ByRow> {
    let cells = walked.site.iter().filter(|cell| cell.granularity == Granularity::Minute);
    cells.map(move |cell| {
        let granularity = cell.granularity;
        let bucket = Bucket { day, minute_of_day: cell.minute_of_day, granularity };
        (site.to_owned(), bucket.to_string(), cell.pv, cell.uv)
    })
}

/// PV and UV of each bucket, by site and time.
fn rows_by(summary: &Summary, visitors: &Buckets, minutes: Vec<ByRow>, by: By) -> Vec<ByRow> {
    let row = |row: &BucketRow| (row.site.clone(), row.bucket.to_string(), row.pv, row.uv);
    match by {
        By::Cells(Granularity::Minute) => return minutes,
        By::Cells(Granularity::Hour) => return summary.hours.iter().map(row).collect(),
        By::Cells(Granularity::Day) => return summary.days.iter().map(row).collect(),
        By::Week | By::Month => {}
    }
    let mut rows: BTreeMap<(String, String), u64> = BTreeMap::new();
    for row in &summary.days {
        let pv = rows.entry((row.site.clone(), by.bucket(row.bucket.day, 0))).or_default();
        *pv = pv.saturating_add(row.pv);
    }
    let uv = |name: &(String, String)| visitors.get(name).copied().unwrap_or_default();
    rows.into_iter()
        .map(|(name, pv)| {
            let uv = uv(&name);
            (name.0, name.1, pv, uv)
        })
        .collect()
}
