//! A cube's [`Summary`]: sums, days, hours, and the top sections and pages with their UV over the whole range.
//!
//! Owns: the numbers of a report that come from cells. May import: `cube`, `count`, `facts`, roaring, rayon.
//! Must not know: how they are shown.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use roaring::RoaringBitmap;

use super::summary::{BucketRow, CellSum, PageRow, SectionRow, Summary, Totals};
use crate::cube::Cube;
use crate::cube::walk::{BucketCount, CellGroup, CellSink};
use crate::error::Result;
use crate::facts::tally::Tally;
use crate::facts::{DayKey, Fact};
use crate::time::{Bucket, Granularity};

/// What one task found in one day.
#[derive(Default)]
struct DaySums {
    cells: [[CellSum; 3]; 3],
    /// The site's cells.
    site: Vec<BucketCount>,
    site_visitors: RoaringBitmap,
    sections: Vec<(u32, u64, RoaringBitmap)>,
    pages: Vec<(u32, u64)>,
}

impl CellSink for DaySums {
    fn group(&mut self, group: CellGroup, cells: &[BucketCount], facts: &[Fact]) {
        let level = match group {
            CellGroup::Site => 0,
            CellGroup::Section(_) => 1,
            CellGroup::Page(_) => 2,
        };
        for cell in cells {
            let sum = &mut self.cells[cell.granularity as usize][level];
            sum.cells += 1;
            sum.pv += cell.pv;
            sum.uv += cell.uv;
        }
        // The first cell is the day's.
        let pv = cells.first().map_or(0, |day| day.pv);
        match group {
            CellGroup::Site => {
                self.site = cells.to_vec();
                self.site_visitors = visitors(facts);
            }
            CellGroup::Section(section) => self.sections.push((section, pv, visitors(facts))),
            CellGroup::Page(page) => self.pages.push((page, pv)),
        }
    }
}

/// The distinct visitors of facts that are sorted by visitor.
fn visitors(facts: &[Fact]) -> RoaringBitmap {
    let runs = facts.chunk_by(|a, b| a.visitor() == b.visitor());
    RoaringBitmap::from_sorted_iter(runs.map(|run| run[0].visitor()))
        .expect("facts are sorted by visitor")
}

/// Sums of one site over the whole range.
#[derive(Default)]
struct SiteSums {
    visitors: RoaringBitmap,
    sections: BTreeMap<u32, (u64, RoaringBitmap)>,
    /// By page number.
    pages: Vec<u64>,
}

/// Fills in everything of a [`Summary`] that comes from the cube and the lines: `totals` but for the line counts,
/// `cells`, `days`, `hours`, `busiest_minute`, `sections` and `pages` (at most `top` of each).
///
/// # Errors
/// None of its own.
pub fn summarize(cube: &Cube<'_>, tally: &Tally, top: usize) -> Result<Summary> {
    let mut summary = Summary { totals: totals(tally), ..Summary::default() };
    let mut sites: BTreeMap<u32, SiteSums> = BTreeMap::new();
    cube.walk(DaySums::default, |key, sinks| {
        let site = sites.entry(key.site).or_default();
        site.pages.resize(cube.facts.names().number_bound(), 0);
        for sums in sinks {
            add_day(&mut summary, cube, key, site, sums);
        }
        Ok(())
    })?;
    let mut all_visitors = RoaringBitmap::new();
    for site in sites.values() {
        all_visitors |= &site.visitors;
    }
    summary.totals.unique_visitors = all_visitors.len();
    summary.section_count = sites.values().map(|site| site.sections.len() as u64).sum();
    summary.page_count =
        sites.values().map(|site| site.pages.iter().filter(|&&pv| pv > 0).count() as u64).sum();
    summary.sections = top_sections(cube, &sites, top);
    summary.pages = top_pages(cube, &sites, top);
    let order = |row: &BucketRow| (row.site.clone(), row.bucket);
    summary.days.sort_by_key(order);
    summary.hours.sort_by_key(order);
    Ok(summary)
}

/// The totals that lines alone give.
fn totals(tally: &Tally) -> Totals {
    Totals {
        lines: tally.lines,
        hits: tally.hits,
        page_views: tally.page_views,
        bytes_sent: tally.bytes_sent,
        status: tally.status,
        not_found: tally.not_found,
        malformed_lines: tally.malformed_lines,
        empty_lines: tally.empty_lines,
        other_lines: tally.other_lines,
        first: tally.span.map(|(first, _)| first),
        last: tally.span.map(|(_, last)| last),
        offsets_minutes: tally.offsets_minutes.iter().copied().collect(),
        repeated_hour_days: tally.repeated_hour_days.iter().copied().collect(),
        ..Totals::default()
    }
}

/// Adds what one task found in one day.
fn add_day(
    summary: &mut Summary,
    cube: &Cube<'_>,
    key: DayKey,
    site: &mut SiteSums,
    sums: DaySums,
) {
    for (sum, new) in summary.cells.iter_mut().flatten().zip(sums.cells.iter().flatten()) {
        sum.cells += new.cells;
        sum.pv += new.pv;
        sum.uv += new.uv;
    }
    for cell in sums.site {
        let row = || BucketRow {
            site: cube.sites[key.site as usize].clone(),
            bucket: Bucket {
                day: key.day,
                minute_of_day: cell.minute_of_day,
                granularity: cell.granularity,
            },
            pv: cell.pv,
            uv: cell.uv,
        };
        match cell.granularity {
            Granularity::Day => {
                summary.totals.sum_of_daily_unique_visitors += cell.uv;
                summary.days.push(row());
            }
            Granularity::Hour => summary.hours.push(row()),
            Granularity::Minute => {
                if summary.busiest_minute.as_ref().is_none_or(|busiest| cell.pv > busiest.pv) {
                    summary.busiest_minute = Some(row());
                }
            }
        }
    }
    site.visitors |= sums.site_visitors;
    for (section, pv, visitors) in sums.sections {
        let sum = site.sections.entry(section).or_default();
        sum.0 += pv;
        sum.1 |= visitors;
    }
    for (page, pv) in sums.pages {
        site.pages[page as usize] += pv;
    }
}

fn top_sections(cube: &Cube<'_>, sites: &BTreeMap<u32, SiteSums>, top: usize) -> Vec<SectionRow> {
    let sections = sites.iter().flat_map(|(&site, sums)| {
        sums.sections.iter().map(move |(&section, (pv, visitors))| SectionRow {
            site: cube.sites[site as usize].clone(),
            section: cube.sections.name(section).to_owned(),
            pv: *pv,
            uv: visitors.len(),
        })
    });
    let mut rows: Vec<SectionRow> = sections.collect();
    rows.sort_by(|a, b| {
        (Reverse(a.pv), &a.site, &a.section).cmp(&(Reverse(b.pv), &b.site, &b.section))
    });
    rows.truncate(top);
    rows
}

fn top_pages(cube: &Cube<'_>, sites: &BTreeMap<u32, SiteSums>, top: usize) -> Vec<PageRow> {
    let names = cube.facts.names();
    let mut pages: Vec<(u64, u32, u32)> = Vec::new();
    for (&site, sums) in sites {
        pages.extend(
            sums.pages
                .iter()
                .zip(0..)
                .filter(|&(&pv, _)| pv > 0)
                .map(|(&pv, page)| (pv, site, page)),
        );
    }
    let order = |&(pv, site, page): &(u64, u32, u32)| {
        (Reverse(pv), &cube.sites[site as usize], names.get(page))
    };
    if pages.len() > top && top > 0 {
        // By PV alone first: names of half a million pages took a tenth of the hard log's time.
        let (_, &mut (least_pv, ..), _) =
            pages.select_nth_unstable_by_key(top - 1, |&(pv, ..)| Reverse(pv));
        pages.retain(|&(pv, ..)| pv >= least_pv);
        pages.select_nth_unstable_by(top - 1, |a, b| order(a).cmp(&order(b)));
    }
    pages.truncate(top);
    pages.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
    let mut visitors = range_visitors(cube, &pages);
    let rows = pages.iter().map(|&(pv, site, page)| PageRow {
        site: cube.sites[site as usize].clone(),
        section: cube.sections.name(cube.sections.of_page(page)).to_owned(),
        page: names.get(page).to_owned(),
        pv,
        uv: visitors.remove(&(site, page)).unwrap_or_default().len(),
    });
    rows.collect()
}

/// The visitors of some (PV, site, page)s over the whole range: only now is it known which pages are wanted.
fn range_visitors(
    cube: &Cube<'_>,
    pages: &[(u64, u32, u32)],
) -> BTreeMap<(u32, u32), RoaringBitmap> {
    let wanted: std::collections::BTreeSet<(u32, u32)> =
        pages.iter().map(|&(_, site, page)| (site, page)).collect();
    let is_wanted_page: RoaringBitmap = pages.iter().map(|&(_, _, page)| page).collect();
    cube.facts.fold_pieces(
        BTreeMap::new,
        |found: &mut BTreeMap<(u32, u32), RoaringBitmap>, key, piece| {
            for (page, facts) in piece.pages() {
                if is_wanted_page.contains(page) && wanted.contains(&(key.site, page)) {
                    *found.entry((key.site, page)).or_default() |= visitors(facts);
                }
            }
        },
        |mut one, other| {
            for (page, visitors) in other {
                *one.entry(page).or_default() |= visitors;
            }
            one
        },
    )
}
