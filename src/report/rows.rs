//! Every cell of a cube as rows, in the order of the contract.
//!
//! Owns: the order of rows (design: site, granularity, bucket, section, page, nulls first, bytewise).
//! May import: `count`, `report::{cells, cube}`, rayon. Must not know: where rows go.

use std::io::Write;

use rayon::prelude::*;

use super::cells::{CellFormat, CellRow};
use super::cube::Cube;
use crate::calendar::{Bucket, Granularity};
use crate::count::cells::{Cell, CellSink, Group};
use crate::count::{DayKey, Fact};
use crate::error::{Error, Result};

/// A cell with its place among the cells of its day and granularity.
#[derive(Clone, Copy)]
struct RankedCell {
    /// First minute, then rank of the group.
    order: u64,
    pv: u64,
    uv: u64,
}

/// Keeps the cells of one granularity.
struct RankedSink<'r> {
    granularity: Granularity,
    ranks: &'r Ranks,
    cells: Vec<RankedCell>,
}

impl CellSink for RankedSink<'_> {
    fn group(&mut self, group: Group, cells: &[Cell], _facts: &[Fact]) {
        let rank = u64::from(self.ranks.of(group));
        let wanted = cells.iter().filter(|cell| cell.granularity == self.granularity);
        self.cells.extend(wanted.map(|cell| RankedCell {
            order: u64::from(cell.minute_of_day) << 32 | rank,
            pv: cell.pv,
            uv: cell.uv,
        }));
    }
}

/// The order of groups: the site, then each section followed by its pages, all by name.
struct Ranks {
    pages: Vec<u32>,
    sections: Vec<u32>,
    groups: Vec<Group>,
}

impl Ranks {
    fn new(cube: &Cube<'_>) -> Self {
        let names = cube.facts.names();
        let mut pages: Vec<u32> = names.numbers().collect();
        pages.par_sort_unstable_by_key(|&page| (cube.sections.of_page(page), names.get(page)));
        let mut groups = vec![Group::Site];
        let mut ranks = Self {
            pages: vec![0; names.number_bound()],
            sections: vec![0; cube.sections.len()],
            groups: Vec::new(),
        };
        let mut last = None;
        for page in pages {
            let section = cube.sections.of_page(page);
            if last != Some(section) {
                last = Some(section);
                ranks.sections[section as usize] = rank(groups.len());
                groups.push(Group::Section(section));
            }
            ranks.pages[page as usize] = rank(groups.len());
            groups.push(Group::Page(page));
        }
        Self { groups, ..ranks }
    }

    fn of(&self, group: Group) -> u32 {
        match group {
            Group::Site => 0,
            Group::Section(section) => self.sections[section as usize],
            Group::Page(page) => self.pages[page as usize],
        }
    }
}

fn rank(place: usize) -> u32 {
    // Pages have 32-bit numbers in shards of at most 2^26, so groups fit as well.
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// Rows formatted by one task.
const TASK_ROWS: usize = 16 * 1024;

/// Writes every cell of `cube` to `output`. Days are made and written one after the other, once a granularity.
///
/// # Errors
/// [`Error::Output`] with what the output said.
pub fn write(cube: &Cube<'_>, format: CellFormat, output: &mut dyn Write) -> Result<()> {
    output.write_all(format.header().as_bytes()).map_err(Error::Output)?;
    let ranks = Ranks::new(cube);
    let mut sites: Vec<u32> = (0..).take(cube.sites.len()).collect();
    sites.sort_by_key(|&site| &cube.sites[site as usize]);
    for site in sites {
        for granularity in Granularity::ALL {
            let new_sink = || RankedSink { granularity, ranks: &ranks, cells: Vec::new() };
            let days = cube.facts.days().filter(|key| key.site == site);
            cube.walk_days(days, new_sink, |key, sinks| {
                let mut cells: Vec<RankedCell> =
                    sinks.into_iter().flat_map(|sink| sink.cells).collect();
                cells.par_sort_unstable_by_key(|cell| cell.order);
                let texts: Vec<Vec<u8>> = cells
                    .par_chunks(TASK_ROWS)
                    .map(|cells| {
                        let mut text = Vec::with_capacity(cells.len() * 160);
                        for cell in cells {
                            append(cube, &ranks, format, key, granularity, cell, &mut text);
                        }
                        text
                    })
                    .collect();
                texts.iter().try_for_each(|text| output.write_all(text)).map_err(Error::Output)
            })?;
        }
    }
    output.flush().map_err(Error::Output)
}

/// Formats one cell.
fn append(
    cube: &Cube<'_>,
    ranks: &Ranks,
    format: CellFormat,
    key: DayKey,
    granularity: Granularity,
    cell: &RankedCell,
    text: &mut Vec<u8>,
) {
    let minute_of_day = u16::try_from(cell.order >> 32).unwrap_or(u16::MAX);
    #[expect(clippy::cast_possible_truncation, reason = "the lower half, where the rank is")]
    let rank = cell.order as u32;
    let (section, page) = match ranks.groups[rank as usize] {
        Group::Site => (None, None),
        Group::Section(section) => (Some(section), None),
        Group::Page(page) => (Some(cube.sections.of_page(page)), Some(page)),
    };
    let row = CellRow {
        site: &cube.sites[key.site as usize],
        bucket: Bucket { day: key.day, minute_of_day, granularity },
        section: section.map(|section| cube.sections.name(section)),
        page: page.map(|page| cube.facts.names().get(page)),
        pv: cell.pv,
        uv: cell.uv,
    };
    format.append(text, &row);
}
