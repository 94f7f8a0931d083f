//! The days of a range, read in parallel and handed over in their order: who came, and the cells of days that are walked.
//!
//! Owns: [`Range`], [`DayRead`], the sets of visitors of sections and pages that are shown. May import: `database`,
//! `cube::walk`, its siblings, rayon. Must not know: names of sections and pages, what a report shows.
//!
//! Of days that are asked for whole, sets are read, and of pages that are shown the visitors; facts only where hours and
//! minutes of some pages, or of a day that is cut, are asked for. A day's facts are gone before the thread reads the next
//! day. What waits to be handed over is one batch, while the next is read.

use rayon::prelude::*;

use super::pages::{Pages, Rows};
use super::pool::Pool;
use crate::cube::walk::{CellGroup, walk_day};
use crate::database::{BlockDecoder, BlockRow, Groups, PagesOfDay, Reader};
use crate::error::Result;
use crate::query::numbers::NumberSet;
use crate::query::walked::{Walked, WalkedSink};
use crate::query::{By, Question};
use crate::time::{Day, Granularity};

/// Visitors of so many days are read by a task, so that the bits of a section, which they are added to one after the
/// other, stay in the cache.
const TASK_VISITORS: u64 = 128 << 10;
/// Most blocks of a task, or a day's if it has more.
const TASK_BLOCKS: usize = 64;
/// Number of tasks of a batch for each thread.
const BATCH_TASKS: usize = 4;

/// What is read of the days of a site.
pub(super) struct Range<'r> {
    pub reader: &'r Reader<'r>,
    pub question: &'r Question,
    pub pages: Pages,
    /// The sections and the pages whose visitors are wanted.
    pub shown: &'r Shown,
    pub sets: &'r Pool<Sets>,
    decoders: Pool<BlockDecoder>,
}

/// Sections and pages whose visitors are wanted over the whole range.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub sections: Rows,
    pub pages: Rows,
}

/// The visitors of what is shown, by row.
#[derive(Debug, Default)]
pub(super) struct Sets {
    sections: Vec<NumberSet>,
    pages: Vec<NumberSet>,
}

/// A site's day.
#[derive(Debug)]
pub(super) struct DayRead {
    pub day: Day,
    /// The visitors that are asked for, in ascending order.
    pub asked: Vec<u32>,
    /// All visitors of the day, if these are more; else none.
    pub others: Vec<u32>,
    /// What the walk over the facts found, if they were read, without the visitors.
    pub walked: Option<Walked>,
}

/// Visitors of a row.
type RowVisitors = Vec<(usize, Vec<u32>)>;

impl<'r> Range<'r> {
    pub(super) fn new(
        reader: &'r Reader<'r>,
        question: &'r Question,
        pages: Pages,
        shown: &'r Shown,
        sets: &'r Pool<Sets>,
    ) -> Self {
        Self { reader, question, pages, shown, sets, decoders: Pool::default() }
    }

    /// Reads days, whose `blocks` are in their order, and hands each to `each`. Of days of which nothing is asked for only
    /// visitors are read.
    pub(super) fn read(
        &self,
        blocks: &[BlockRow],
        mut each: impl FnMut(DayRead) + Send,
    ) -> Result<()> {
        let tasks: Vec<&[BlockRow]> = tasks(blocks).collect();
        let mut batches = tasks.chunks(BATCH_TASKS * rayon::current_num_threads());
        let mut ready: Vec<Vec<DayRead>> = Vec::new();
        loop {
            let batch = batches.next().unwrap_or_default();
            let (read, ()) = rayon::join(
                || batch.par_iter().with_max_len(1).map(|blocks| self.read_days(blocks)).collect(),
                || ready.drain(..).flatten().for_each(&mut each),
            );
            let read: Result<Vec<Vec<DayRead>>> = read;
            ready = read?;
            if ready.is_empty() {
                return Ok(());
            }
        }
    }

    fn read_days(&self, blocks: &[BlockRow]) -> Result<Vec<DayRead>> {
        let mut days = Vec::new();
        let mut whole: Vec<BlockSets> = Vec::new();
        let mut pages = RowVisitors::new();
        for of_day in blocks.chunk_by(|one, next| one.day == next.day) {
            let day = of_day[0].day;
            if self.question.minutes(day).is_empty() {
                let lists = self.decoders.with(|decoder| {
                    let lists = of_day.iter().map(|block| self.reader.visitors(block, decoder));
                    lists.collect::<Result<Vec<_>>>()
                })?;
                let others = united(lists);
                days.push(DayRead { day, asked: Vec::new(), others, walked: None });
            } else if needs_facts(self.question, day) {
                let (read, sections, of_pages) = self.walk(of_day)?;
                days.push(read);
                pages.extend(of_pages);
                self.sets.with(|sets| add(&mut sets.sections, self.shown.sections.len(), sections));
            } else {
                // The visitors come when sections no longer need the blocks' lists.
                days.push(DayRead { day, asked: Vec::new(), others: Vec::new(), walked: None });
                for block in of_day {
                    let read = |decoder: &mut _| self.read_whole(block, &mut pages, decoder);
                    whole.push(self.decoders.with(read)?);
                }
            }
        }
        self.sets.with(|sets| {
            self.add_sections(&whole, &mut sets.sections);
            add(&mut sets.pages, self.shown.pages.len(), pages);
        });
        let mut rest = &mut whole[..];
        for read in &mut days {
            let count = rest.iter().take_while(|block| block.day == read.day).count();
            let (blocks, after) = rest.split_at_mut(count);
            rest = after;
            if blocks.iter().any(|block| block.groups.site_ranks.is_some()) {
                read.others = united(blocks.iter().map(|block| block.visitors.clone()).collect());
            }
            if !blocks.is_empty() {
                read.asked = united(blocks.iter_mut().map(BlockSets::take_asked).collect());
            }
        }
        Ok(days)
    }

    /// A block of a day that is asked for whole; the visitors of pages come to `pages`.
    fn read_whole(
        &self,
        block: &BlockRow,
        pages: &mut RowVisitors,
        decoder: &mut BlockDecoder,
    ) -> Result<BlockSets> {
        let Self { reader, shown, .. } = self;
        let visitors = reader.visitors(block, decoder)?;
        let groups = reader.groups(block, decoder)?;
        if shown.pages.len() > 0 {
            let items = reader.items(block, &groups.sections, decoder)?;
            let is_wanted = |index: usize| shown.pages.has(items.places[index]);
            reader.who(block, &items, is_wanted, decoder, |index, ranks| {
                if let Some(row) = shown.pages.row(items.places[index]) {
                    let runs = ranks.chunk_by(|one, next| one == next);
                    pages.push((row, runs.map(|run| visitors[run[0] as usize]).collect()));
                }
            })?;
        }
        Ok(BlockSets { day: block.day, visitors, groups })
    }

    fn add_sections(&self, blocks: &[BlockSets], sets: &mut Vec<NumberSet>) {
        let rows = self.shown.sections.len();
        if sets.len() < rows {
            sets.resize(rows, NumberSet::default());
        }
        let sections = blocks.iter().flat_map(|block| {
            let sections = block.groups.sections();
            sections.map(|(section, ranks)| (section.place, ranks, &block.visitors))
        });
        let row_of = |place| self.shown.sections.row(place);
        let mut sections: Vec<_> = sections
            .filter_map(|(place, ranks, visitors)| Some((row_of(place)?, ranks, visitors)))
            .collect();
        sections.sort_by_key(|&(row, ..)| row);
        for (row, ranks, visitors) in sections {
            sets[row].extend_ranked(visitors, ranks);
        }
    }

    /// Walks the facts of a day; with it come the visitors of sections and pages that are wanted.
    fn walk(&self, of_day: &[BlockRow]) -> Result<(DayRead, RowVisitors, RowVisitors)> {
        let Self { reader, question, shown, pages, .. } = self;
        let day = of_day[0].day;
        let minutes = question.minutes(day);
        let (mut lists, mut facts) = (Vec::new(), Vec::new());
        self.decoders.with(|decoder| {
            of_day.iter().try_for_each(|block| {
                let visitors = reader.visitors(block, decoder)?;
                let has = |section, page| pages.has(section, page);
                facts.push(reader.block_facts(block, &minutes, has, Some(&visitors), decoder)?);
                lists.push(visitors);
                Ok(())
            })
        })?;
        let facts = PagesOfDay::unite(facts);
        // A section's number in the walk is its place.
        let section_of_page: Vec<u32> = facts.pages.iter().map(|&(section, _)| section).collect();
        let page = |number: u32| facts.pages[number as usize].1;
        let wants_visitors = |group| match group {
            CellGroup::Site => true,
            CellGroup::Section(place) => shown.sections.has(place),
            CellGroup::Page(number) => shown.pages.has(page(number)),
        };
        let new_sink = || WalkedSink { found: Walked::default(), wants_visitors };
        let sinks = walk_day(&facts.pieces, &section_of_page, new_sink);
        let mut walked = Walked::unite(sinks.into_iter().map(|sink| sink.found));
        let asked = std::mem::take(&mut walked.visitors);
        let is_all = question.has_whole(day) && *pages == Pages::All;
        let others = if is_all { Vec::new() } else { united(lists) };
        let sections = walked
            .sections
            .drain(..)
            .filter_map(|group| Some((shown.sections.row(group.number)?, group.visitors)));
        let sections = sections.collect();
        let of_pages = walked
            .pages
            .drain(..)
            .filter_map(|group| Some((shown.pages.row(page(group.number))?, group.visitors)));
        let of_pages = of_pages.collect();
        Ok((DayRead { day, asked, others, walked: Some(walked) }, sections, of_pages))
    }
}

/// Whether stored sums and sets do not answer for a day.
pub(super) fn needs_facts(question: &Question, day: Day) -> bool {
    let has_minutes = question.by == Some(By::Cells(Granularity::Minute));
    has_minutes || question.has_filter() || !question.has_whole(day)
}

/// The visitors of a block that is asked for whole.
struct BlockSets {
    day: Day,
    visitors: Vec<u32>,
    groups: Groups,
}

impl BlockSets {
    /// The visitors that have page views.
    fn take_asked(&mut self) -> Vec<u32> {
        let visitors = std::mem::take(&mut self.visitors);
        match &self.groups.site_ranks {
            None => visitors,
            Some(ranks) => ranks.iter().map(|&rank| visitors[rank as usize]).collect(),
        }
    }
}

/// One ascending list of what is in some.
fn united(mut lists: Vec<Vec<u32>>) -> Vec<u32> {
    match &mut lists[..] {
        [list] => std::mem::take(list),
        _ => {
            let mut all = lists.concat();
            // The stable sort, since it detects the sorted runs.
            all.sort();
            all.dedup();
            all
        }
    }
}

fn add(sets: &mut Vec<NumberSet>, rows: usize, found: RowVisitors) {
    if sets.len() < rows {
        sets.resize(rows, NumberSet::default());
    }
    for (row, visitors) in found {
        sets[row].extend(&visitors);
    }
}

impl Sets {
    /// The number of visitors of each row of sections and of pages.
    pub(super) fn counts(sets: Vec<Self>, shown: &Shown) -> (Vec<u64>, Vec<u64>) {
        let mut all = Self::default();
        add(&mut all.sections, shown.sections.len(), Vec::new());
        add(&mut all.pages, shown.pages.len(), Vec::new());
        for Self { sections, pages } in sets {
            all.sections.iter_mut().zip(sections).for_each(|(one, other)| one.merge(other));
            all.pages.iter_mut().zip(pages).for_each(|(one, other)| one.merge(other));
        }
        let counts = |sets: Vec<NumberSet>| sets.into_iter().map(NumberSet::len).collect();
        (counts(all.sections), counts(all.pages))
    }
}

/// Some whole days at a time.
fn tasks(blocks: &[BlockRow]) -> impl Iterator<Item = &[BlockRow]> {
    let mut rest = blocks;
    std::iter::from_fn(move || {
        let (mut count, mut visitors) = (0, 0);
        for day in rest.chunk_by(|one, next| one.day == next.day) {
            count += day.len();
            visitors += day.iter().map(|block| u64::from(block.visitors)).sum::<u64>();
            if count >= TASK_BLOCKS || visitors >= TASK_VISITORS {
                break;
            }
        }
        let (task, after) = rest.split_at(count);
        rest = after;
        (count > 0).then_some(task)
    })
}
