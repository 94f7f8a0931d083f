//! A cube's [`Summary`]: sums, days, hours, and the top sections and pages with their UV over the whole range.
//!
//! Owns: the numbers of a report that come from the facts of a run. May import: `cube`, `count`, `facts`, its siblings,
//! hashbrown. Must not know: how they are shown.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::days;
use super::numbers::NumberSet;
use super::summary::{PageRow, SectionRow, Summary, Totals};
use super::top::top_rows;
use super::walked::{Walked, WalkedSink, visitors};
use crate::cube::Cube;
use crate::cube::walk::CellGroup;
use crate::error::Result;
use crate::facts::tally::Tally;

/// Sums of one site over the whole range.
#[derive(Default)]
struct SiteSums {
    visitors: NumberSet,
    sections: BTreeMap<u32, (u64, NumberSet)>,
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
    let new_sink = || WalkedSink {
        found: Walked::default(),
        wants_visitors: |group| matches!(group, CellGroup::Section(_)),
    };
    cube.walk(new_sink, |key, sinks| {
        let site = sites.entry(key.site).or_default();
        site.pages.resize(cube.facts.names().number_bound(), 0);
        let walked = Walked::unite(sinks.into_iter().map(|sink| sink.found));
        days::add_walked(&mut summary, &cube.sites[key.site as usize], key.day, &walked);
        site.add(walked);
        Ok(())
    })?;
    days::sort(&mut summary);
    summary.section_count = sites.values().map(|site| site.sections.len() as u64).sum();
    summary.page_count =
        sites.values().map(|site| site.pages.iter().filter(|&&pv| pv > 0).count() as u64).sum();
    let pages = sites.iter().flat_map(|(&site, sums)| {
        let pages = sums.pages.iter().zip(0..).filter(|&(&pv, _)| pv > 0);
        pages.map(move |(&pv, page)| (pv, (site, page)))
    });
    summary.pages = top_pages(cube, pages.collect(), top)?;
    let mut all_visitors = NumberSet::default();
    let mut sections = Vec::new();
    for (site, sums) in sites {
        all_visitors.merge(sums.visitors);
        let of_site = sums.sections.into_iter();
        sections.extend(of_site.map(|(section, (pv, visitors))| (pv, (site, section, visitors))));
    }
    summary.totals.unique_visitors = all_visitors.len();
    let rows = top_rows(sections, top, |rows| {
        let name = |site: u32, section| (&cube.sites[site as usize], cube.sections.name(section));
        Ok(rows.iter().map(|&(_, (site, section, _))| name(site, section)).collect())
    })?;
    let rows = rows.into_iter().map(|row| SectionRow {
        site: row.name.0.clone(),
        section: row.name.1.to_owned(),
        pv: row.pv,
        uv: row.of.2.len(),
    });
    summary.sections = rows.collect();
    Ok(summary)
}

/// The totals that lines alone give.
pub(super) fn totals(tally: &Tally) -> Totals {
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

impl SiteSums {
    /// Adds a day.
    fn add(&mut self, walked: Walked) {
        self.visitors.extend(&walked.visitors);
        for section in walked.sections {
            let sum = self.sections.entry(section.number).or_default();
            sum.0 += section.pv;
            sum.1.extend(&section.visitors);
        }
        for page in walked.pages {
            self.pages[page.number as usize] += page.pv;
        }
    }
}

/// The top of some (PV, (site, page))s.
fn top_pages(cube: &Cube<'_>, pages: Vec<(u64, (u32, u32))>, top: usize) -> Result<Vec<PageRow>> {
    let names = cube.facts.names();
    let rows = top_rows(pages, top, |rows| {
        let name = |site: u32, page| (&cube.sites[site as usize], names.get(page));
        Ok(rows.iter().map(|&(_, (site, page))| name(site, page)).collect())
    })?;
    let wanted: Vec<(u32, u32)> = rows.iter().map(|row| row.of).collect();
    let visitors = range_visitors(cube, &wanted);
    let mut pages = Vec::new();
    for (row, visitors) in rows.into_iter().zip(visitors) {
        let (site, page) = row.name;
        let section = cube.sections.name(cube.sections.of_page(row.of.1));
        pages.push(PageRow {
            site: site.clone(),
            section: section.to_owned(),
            page: page.to_owned(),
            pv: row.pv,
            uv: visitors.len(),
        });
    }
    Ok(pages)
}

/// The visitors of some (site, page)s over the whole range: only now is it known which pages are wanted.
fn range_visitors(cube: &Cube<'_>, pages: &[(u32, u32)]) -> Vec<NumberSet> {
    let rows: HashMap<(u32, u32), usize> = pages.iter().copied().zip(0..).collect();
    let no_sets = || vec![NumberSet::default(); pages.len()];
    cube.facts.fold_pieces(
        no_sets,
        |sets: &mut Vec<NumberSet>, key, piece| {
            for (page, facts) in piece.pages() {
                if let Some(&row) = rows.get(&(key.site, page)) {
                    sets[row].extend(&visitors(facts));
                }
            }
        },
        |mut one, other| {
            one.iter_mut().zip(other).for_each(|(one, other)| one.merge(other));
            one
        },
    )
}
