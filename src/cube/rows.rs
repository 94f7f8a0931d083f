//! The cells of a cube as rows: all of them, or those of single days.
//!
//! Owns: the order of rows (site, granularity, bucket, section, page; nulls first; texts bytewise). May import: the rest of
//! `cube`, `facts`, `time`, `error`, rayon. Must not know: where rows go.

use std::io::Write;

use rayon::prelude::*;

use super::Cube;
use super::cell_row::{CellFormat, CellRow};
use crate::cube::walk::{CellGroup, CellSink, Walk};
use crate::error::{Error, Result};
use crate::facts::{DayKey, Fact};
use crate::time::{Bucket, Granularity};

/// A cell with its rank among the cells of its day.
#[derive(Clone, Copy, Debug)]
struct RankedCell {
    /// From the top: granularity (16 bits), first minute (16), rank of the group (32).
    order: u64,
    pv: u64,
    uv: u64,
}

/// Collects the cells for which `is_wanted` is true.
struct RankedSink<'r, W> {
    is_wanted: W,
    ranks: &'r Ranks,
    cells: Vec<RankedCell>,
}

impl<W: Fn(CellGroup, Granularity) -> bool + Send> CellSink for RankedSink<'_, W> {
    fn groups(&mut self, groups: &[CellGroup], facts: &[Fact], walk: &mut Walk) {
        let cells = walk.cells(facts);
        for &group in groups {
            let rank = u64::from(self.ranks.of(group));
            let wanted = cells.iter().filter(|cell| (self.is_wanted)(group, cell.granularity));
            self.cells.extend(wanted.map(|cell| RankedCell {
                order: (cell.granularity as u64) << 48 | u64::from(cell.minute_of_day) << 32 | rank,
                pv: cell.pv,
                uv: cell.uv,
            }));
        }
    }
}

/// The order of groups: first the site, then each section followed by its pages, both by name.
#[derive(Debug)]
struct Ranks {
    pages: Vec<u32>,
    sections: Vec<u32>,
    groups: Vec<CellGroup>,
}

impl Ranks {
    fn new(cube: &Cube<'_>) -> Self {
        let names = cube.facts.names();
        let mut pages: Vec<u32> = names.numbers().collect();
        pages.par_sort_unstable_by_key(|&page| (cube.sections.of_page(page), names.get(page)));
        let mut groups = vec![CellGroup::Site];
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
                groups.push(CellGroup::Section(section));
            }
            ranks.pages[page as usize] = rank(groups.len());
            groups.push(CellGroup::Page(page));
        }
        Self { groups, ..ranks }
    }

    fn of(&self, group: CellGroup) -> u32 {
        match group {
            CellGroup::Site => 0,
            CellGroup::Section(section) => self.sections[section as usize],
            CellGroup::Page(page) => self.pages[page as usize],
        }
    }
}

fn rank(place: usize) -> u32 {
    // Pages have 32-bit numbers, which are never used up, so the groups fit, too.
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// Number of rows that one task formats.
const TASK_ROWS: usize = 16 * 1024;

/// Writes all cells of `cube` to `output`. Days are walked and written one after the other, once for each granularity.
///
/// # Errors
/// [`Error::Output`] with the error of the output.
pub fn write(cube: &Cube<'_>, format: CellFormat, output: &mut dyn Write) -> Result<()> {
    output.write_all(format.header().as_bytes()).map_err(Error::Output)?;
    let ranks = Ranks::new(cube);
    let mut sites: Vec<u32> = (0..).take(cube.sites.len()).collect();
    sites.sort_by_key(|&site| &cube.sites[site as usize]);
    for site in sites {
        for granularity in Granularity::ALL {
            let is_wanted = |_, cell| cell == granularity;
            let new_sink = || RankedSink { is_wanted, ranks: &ranks, cells: Vec::new() };
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
                            format.append(&mut text, &row(cube, &ranks, key, cell));
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

/// The cells of a cube as rows by day: all rows of a day follow each other, which is the order that stores need.
#[derive(Debug)]
pub struct Rows<'c> {
    cube: &'c Cube<'c>,
    ranks: Ranks,
}

impl<'c> Rows<'c> {
    /// The rows of a cube.
    #[must_use]
    pub fn new(cube: &'c Cube<'c>) -> Self {
        Self { cube, ranks: Ranks::new(cube) }
    }

    /// Hands the rows of each of the days `keys`, which ascend, to `each`. Rows of pages by the minute are left out unless
    /// `minute_pages`. Runs in the current thread pool.
    ///
    /// # Errors
    /// The first error of `each`.
    pub fn of_days(
        &self,
        keys: impl Iterator<Item = DayKey>,
        minute_pages: bool,
        mut each: impl FnMut(DayKey, &DayRows<'_>) -> Result<()>,
    ) -> Result<()> {
        let is_wanted = |group, granularity| {
            minute_pages
                || granularity != Granularity::Minute
                || !matches!(group, CellGroup::Page(_))
        };
        let new_sink = || RankedSink { is_wanted, ranks: &self.ranks, cells: Vec::new() };
        self.cube.walk_days(keys, new_sink, |key, sinks| {
            let mut cells: Vec<RankedCell> =
                sinks.into_iter().flat_map(|sink| sink.cells).collect();
            cells.par_sort_unstable_by_key(|cell| cell.order);
            each(key, &DayRows { rows: self, key, cells })
        })
    }
}

/// The rows of one day, by granularity, bucket, section and page.
#[derive(Debug)]
pub struct DayRows<'r> {
    rows: &'r Rows<'r>,
    key: DayKey,
    cells: Vec<RankedCell>,
}

impl DayRows<'_> {
    /// The rows in order, in chunks of `length`; the last chunk may be shorter.
    #[must_use]
    pub fn chunks(&self, length: usize) -> Vec<RowChunk<'_>> {
        self.cells.chunks(length).map(|cells| RowChunk { day: self, cells }).collect()
    }
}

/// Consecutive rows of a day.
#[derive(Clone, Copy, Debug)]
pub struct RowChunk<'r> {
    day: &'r DayRows<'r>,
    cells: &'r [RankedCell],
}

impl<'r> RowChunk<'r> {
    /// The rows.
    pub fn iter(self) -> impl Iterator<Item = CellRow<'r>> {
        let DayRows { rows, key, .. } = self.day;
        self.cells.iter().map(|cell| row(rows.cube, &rows.ranks, *key, cell))
    }
}

/// One cell with its names.
fn row<'c>(cube: &'c Cube<'_>, ranks: &Ranks, key: DayKey, cell: &RankedCell) -> CellRow<'c> {
    #[expect(clippy::cast_possible_truncation, reason = "each field is cut to its own bits")]
    let (granularity, minute_of_day, rank) =
        ((cell.order >> 48) as usize, (cell.order >> 32) as u16, cell.order as u32);
    let granularity = Granularity::ALL[granularity];
    let (section, page) = match ranks.groups[rank as usize] {
        CellGroup::Site => (None, None),
        CellGroup::Section(section) => (Some(section), None),
        CellGroup::Page(page) => (Some(cube.sections.of_page(page)), Some(page)),
    };
    CellRow {
        site: &cube.sites[key.site as usize],
        bucket: Bucket { day: key.day, minute_of_day, granularity },
        section: section.map(|section| cube.sections.name(section)),
        page: page.map(|page| cube.facts.names().get(page)),
        pv: cell.pv,
        uv: cell.uv,
    }
}
