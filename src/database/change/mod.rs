//! What new facts change in a site's day: its cells, its sums, and who was on the site and in its sections.
//!
//! Owns: [`change_day`], [`OldBlocks`]. May import: `cube::walk`, `facts`, `time`, rayon, roaring, hashbrown, the data of
//! its siblings. Must not know: SQL, where blocks are kept, what becomes of the changes.
//!
//! A fact belongs to three places: its page, its section, its site. For a place let N be the new facts and O the *old
//! minutes*: the distinct (visitor, minute)s that old facts have there, of visitors who are in N there. A visitor of N was
//! counted in a cell before if and only if he is in O there, so the cells of N and O together, less the cells of O, are
//! what the stored cells rise by. Both come from the one walk that makes all cells. Old facts are read once, chunk by
//! chunk, and only O is kept of them.

mod blocks;
pub(super) mod content;
mod old;
#[cfg(test)]
pub(super) mod tests;

use rayon::prelude::*;
use roaring::RoaringBitmap;

pub(super) use blocks::{ChunkBytes, OldBlock, OldBlocks};
use old::{Occupied, OldFacts};

use super::block::{BlockContent, ItemFacts};
use super::cells::{self, CellChange};
use super::day_sums::{CellSums, DaySums};
use super::places;
use crate::cube::walk::{BucketCount, Gathered};
use crate::error::Result;
use crate::facts::Fact;
use crate::time::{Day, Granularity, MINUTES_A_DAY};

/// Number of facts of pages from which on they are walked by a task of their own.
const TASK_FACTS: usize = 16 * 1024;

/// A site's day to which facts are added.
#[derive(Clone, Copy, Debug)]
pub(super) struct SiteDay {
    /// The day.
    pub day: Day,
    /// The site's place.
    pub place: u32,
}

/// What the facts of a day change.
#[derive(Debug)]
pub(super) struct DayChange {
    /// Rises of those cells that are stored, in no particular order; each cell once.
    pub cells: Vec<CellChange>,
    /// The sums over all cells of the day, as they are then.
    pub sums: DaySums,
    /// The new facts of the site (first) and its sections (by place).
    pub groups: Vec<GroupChange>,
}

/// Who came to the site, or to a section, in the new facts of a day.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GroupChange {
    /// The place of the site or section.
    pub place: u32,
    /// Page views.
    pub pv: u64,
    /// Numbers of the visitors.
    pub visitors: RoaringBitmap,
}

/// What is stored of a day already.
pub(super) struct StoredDay<'o> {
    /// Its sums.
    pub sums: DaySums,
    /// Its blocks.
    pub blocks: &'o mut dyn OldBlocks,
}

/// The changes that the facts `new`, of all sources together, make in a day; `stored` is what the day has already.
/// `is_stored` says which cells there are rows of, by level and granularity. Uses the thread pool it is called in.
///
/// # Errors
/// Those of the stored blocks.
pub(super) fn change_day(
    site: SiteDay,
    new: &BlockContent,
    stored: Option<StoredDay<'_>>,
    is_stored: &(dyn Fn(u8, Granularity) -> bool + Sync),
) -> Result<DayChange> {
    let (mut sums, mut blocks, mut old) = (DaySums::default(), None, OldFacts::default());
    if let Some(stored) = stored {
        sums = stored.sums;
        old = OldFacts::read(&mut *stored.blocks, new)?;
        blocks = Some(stored.blocks);
    }
    let walked: Vec<Walked> = tasks(site, new)
        .into_par_iter()
        .map_init(Gathered::default, |gathered, task| {
            walk(&task, site.day, &new.visitors, &old, is_stored, gathered)
        })
        .collect();
    let (mut cells, mut groups) = (Vec::new(), Vec::new());
    let mut site_rises = Vec::new();
    cells.reserve_exact(walked.iter().map(|walked| walked.cells.len()).sum());
    for walked in walked {
        cells.extend(walked.cells);
        sums.add(&walked.sums);
        groups.extend(walked.group);
        site_rises.extend(walked.site);
    }
    sums.add_site(&site_rises);
    if let Some(minute) = busiest_minute(&old, &site_rises) {
        let before = sums.busiest_minute;
        let rise = site_rises
            .iter()
            .find(|cell| cell.granularity == Granularity::Minute && cell.minute_of_day == minute);
        let rise = rise.map_or(0, |cell| cell.uv);
        let stored_uv = match blocks {
            _ if before.0 == minute => before.2,
            Some(blocks) if old.site_views(minute) > 0 => old::visitors_in(blocks, minute)?,
            _ => 0,
        };
        sums.busiest_minute = (minute, views_in(&old, &site_rises, minute), stored_uv + rise);
    }
    Ok(DayChange { cells, sums, groups })
}

/// The changes that all facts of a day's blocks make in a day without cells: the way to make its cells again.
///
/// # Errors
/// Those of the blocks.
pub(super) fn walk_day(
    site: SiteDay,
    blocks: &mut dyn OldBlocks,
    is_stored: &(dyn Fn(u8, Granularity) -> bool + Sync),
) -> Result<DayChange> {
    change_day(site, &content::read(blocks)?, None, is_stored)
}

/// The cells of a group and what follows from them.
#[derive(Default)]
struct Walked {
    cells: Vec<CellChange>,
    sums: CellSums,
    group: Option<GroupChange>,
    /// The rises of the site's cells.
    site: Vec<BucketCount>,
}

/// What one thread walks.
enum Task<'n> {
    /// The site or a section, with the facts of its pages.
    Group { level: u8, place: u32, index: usize, runs: Vec<&'n [Fact]> },
    /// Some pages; the first has that index.
    Pages { index: usize, items: &'n [ItemFacts] },
}

/// Places of new facts are counted: the site is the first, then come the sections, then the pages.
fn section_index(section: usize) -> usize {
    1 + section
}

fn tasks(site: SiteDay, new: &BlockContent) -> Vec<Task<'_>> {
    let all = new.sections.iter().flat_map(|section| &section.items);
    let runs = all.map(|item| &item.facts[..]).collect();
    let mut tasks = vec![Task::Group { level: places::SITE, place: site.place, index: 0, runs }];
    for (number, section) in new.sections.iter().enumerate() {
        let runs = section.items.iter().map(|item| &item.facts[..]).collect();
        let (level, place, index) = (places::SECTION, section.place, section_index(number));
        tasks.push(Task::Group { level, place, index, runs });
    }
    let mut index = section_index(new.sections.len());
    for section in &new.sections {
        let mut items = &section.items[..];
        while !items.is_empty() {
            let mut facts = 0;
            let count = items.iter().take_while(|item| {
                let is_in = facts < TASK_FACTS;
                facts += item.facts.len();
                is_in
            });
            let (now, later) = items.split_at(count.count());
            tasks.push(Task::Pages { index, items: now });
            (index, items) = (index + now.len(), later);
        }
    }
    tasks
}

fn walk(
    task: &Task<'_>,
    day: Day,
    visitors: &[u32],
    old: &OldFacts,
    is_stored: &(dyn Fn(u8, Granularity) -> bool + Sync),
    gathered: &mut Gathered,
) -> Walked {
    let mut walked = Walked::default();
    match task {
        Task::Group { level, place, index, runs } => {
            gathered.gather(runs);
            walked.group = Some(group(*place, &gathered.facts, visitors));
            let rises = match old.minutes(*index) {
                [] => gathered.cells().to_vec(),
                minutes => rises(gathered, runs, minutes),
            };
            walked.add(*level, *place, day, &rises, old.occupied(*index), is_stored);
            if *level == places::SITE {
                walked.site = rises;
            }
        }
        Task::Pages { index, items } => {
            for (index, item) in (*index..).zip(*items) {
                let (place, occupied) = (item.place, old.occupied(index));
                match old.minutes(index) {
                    [] => {
                        let rises = gathered.cells_of(&item.facts);
                        walked.add(places::PAGE, place, day, rises, occupied, is_stored);
                    }
                    minutes => {
                        let rises = rises(gathered, &[&item.facts], minutes);
                        walked.add(places::PAGE, place, day, &rises, occupied, is_stored);
                    }
                }
            }
        }
    }
    walked
}

/// By how much the cells of a group rise that gets the facts `runs` and has the old minutes `old`.
fn rises(gathered: &mut Gathered, runs: &[&[Fact]], old: &[Fact]) -> Vec<BucketCount> {
    gathered.gather(&[runs, &[old]].concat());
    let mut rises = gathered.cells().to_vec();
    let mut all = rises.iter_mut();
    let key = |cell: &BucketCount| (cell.granularity, cell.minute_of_day);
    // Both are in the same order, and each cell of the old minutes is among all cells.
    for less in gathered.cells_of(old) {
        if let Some(cell) = all.find(|cell| key(cell) == key(less)) {
            (cell.pv, cell.uv) = (cell.pv - less.pv, cell.uv - less.uv);
        }
    }
    rises.retain(|cell| cell.pv > 0);
    rises
}

/// The visitors of facts that are sorted by rank.
fn group(place: u32, facts: &[Fact], visitors: &[u32]) -> GroupChange {
    let pv = facts.iter().fold(0_u64, |sum, fact| sum.saturating_add(fact.views()));
    let runs = facts.chunk_by(|one, other| one.visitor() == other.visitor());
    let numbers = runs.map(|run| visitors[run[0].visitor() as usize]);
    let visitors =
        RoaringBitmap::from_sorted_iter(numbers).expect("ranks ascend, and numbers with them");
    GroupChange { place, pv, visitors }
}

impl Walked {
    fn add(
        &mut self,
        level: u8,
        place: u32,
        day: Day,
        rises: &[BucketCount],
        occupied: Option<&Occupied>,
        is_stored: &(dyn Fn(u8, Granularity) -> bool + Sync),
    ) {
        for rise in rises {
            let BucketCount { granularity, minute_of_day, pv, uv } = *rise;
            let is_new = occupied.is_none_or(|occupied| !occupied.has(granularity, minute_of_day));
            self.sums.add(granularity, level, u64::from(is_new), pv, uv);
            if is_stored(level, granularity) {
                let granularity = granularity as u8;
                let bucket = cells::bucket_of(granularity, day, minute_of_day);
                self.cells.push(CellChange { granularity, level, bucket, place, pv, uv });
            }
        }
    }
}

/// The site's views of a minute, old and new.
fn views_in(old: &OldFacts, rises: &[BucketCount], minute: u16) -> u64 {
    let is_it = |cell: &&BucketCount| {
        (cell.granularity, cell.minute_of_day) == (Granularity::Minute, minute)
    };
    let new = rises.iter().find(is_it).map_or(0, |cell| cell.pv);
    old.site_views(minute).saturating_add(new)
}

/// The minute with the most views of the site, old and new; the earliest of equals.
fn busiest_minute(old: &OldFacts, rises: &[BucketCount]) -> Option<u16> {
    let mut views: Vec<u64> = (0..MINUTES_A_DAY).map(|minute| old.site_views(minute)).collect();
    for cell in rises.iter().filter(|cell| cell.granularity == Granularity::Minute) {
        let views = &mut views[usize::from(cell.minute_of_day)];
        *views = views.saturating_add(cell.pv);
    }
    // Of equal ones `max_by_key` takes the last.
    let (views, minute) = views.into_iter().zip(0..MINUTES_A_DAY).rev().max_by_key(|one| one.0)?;
    (views > 0).then_some(minute)
}
