//! What the blocks of a range hold, united: who came, and page views and visitors of sections and pages.
//!
//! Owns: [`Found`], [`visitors_of_pages`]. May import: what its parent may. Must not know: names of sections and pages,
//! what is shown.
//!
//! Of days that are asked for whole, sets and counts are read; facts only of days that are cut, and of pages that are shown.
//! Each thread has sets of its own, which are united once.

use std::ops::Range;

use hashbrown::HashMap;
use rayon::prelude::*;

use super::Question;
use super::numbers::{NumberBits, NumberSet};
use super::visits::BlockVisitors;
use crate::database::{BlockDecoder, BlockRow, Groups, Reader};
use crate::error::Result;
use crate::time::{Day, MINUTES_A_DAY};

/// So many blocks are read at once, or a day's if it has more.
const BATCH: usize = 64;
/// Blocks of so many visitors are enough for a batch: about 32 MiB with their sections.
const BATCH_VISITORS: u64 = 4 << 20;

/// What is found in the range before it is known which pages are shown, by place.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Page views and visitors of sections.
    pub sections: HashMap<u32, (u64, NumberSet)>,
    /// Page views of pages.
    pub pages: HashMap<u32, u64>,
}

/// What a thread reads with.
#[derive(Debug, Default)]
struct Task {
    found: Found,
    decoder: BlockDecoder,
}

/// Reads the blocks of a site, which are in order of day, and hands each day's blocks with their visitors to `each`. Of days
/// of which nothing is asked for only visitors are read.
pub(super) fn read_site(
    reader: &Reader<'_>,
    question: &Question,
    blocks: &[BlockRow],
    mut each: impl FnMut(&BlockRow, &[BlockVisitors]),
) -> Result<Found> {
    let threads = rayon::current_num_threads();
    let mut tasks: Vec<Task> = (0..threads).map(|_| Task::default()).collect();
    for batch in batches(blocks) {
        let lists: Vec<Vec<BlockVisitors>> = tasks
            .par_iter_mut()
            .zip(batch.par_chunks(batch.len().div_ceil(threads)))
            .map(|(task, blocks)| task.read_all(reader, question, blocks))
            .collect::<Result<_>>()?;
        let lists: Vec<BlockVisitors> = lists.into_iter().flatten().collect();
        let mut rest = &lists[..];
        for of_day in batch.chunk_by(|one, next| one.day == next.day) {
            let (lists, after) = rest.split_at(of_day.len());
            rest = after;
            each(&of_day[0], lists);
        }
    }
    Ok(tasks.into_iter().map(|task| task.found).reduce(Found::merge).unwrap_or_default())
}

/// Hands the visitors of the blocks of each day to `each`, those of a block in one list. Blocks of days for which
/// `is_read` is false are not read, and their lists are empty.
pub(super) fn read_visitors(
    reader: &Reader<'_>,
    blocks: &[BlockRow],
    is_read: impl Fn(Day) -> bool + Sync,
    mut each: impl FnMut(Day, Vec<Vec<u32>>),
) -> Result<()> {
    for batch in batches(blocks) {
        let mut lists: Vec<Vec<u32>> = batch
            .par_iter()
            .map_init(BlockDecoder::default, |decoder, block| {
                if is_read(block.day) { reader.visitors(block, decoder) } else { Ok(Vec::new()) }
            })
            .collect::<Result<_>>()?;
        for of_day in batch.chunk_by(|one, next| one.day == next.day) {
            each(of_day[0].day, lists.drain(..of_day.len()).collect());
        }
    }
    Ok(())
}

/// Some whole days at a time.
fn batches(blocks: &[BlockRow]) -> impl Iterator<Item = &[BlockRow]> {
    let mut rest = blocks;
    std::iter::from_fn(move || {
        let (mut count, mut visitors) = (0, 0);
        for day in rest.chunk_by(|one, next| one.day == next.day) {
            count += day.len();
            visitors += day.iter().map(|block| u64::from(block.visitors)).sum::<u64>();
            if count >= BATCH || visitors >= BATCH_VISITORS {
                break;
            }
        }
        let (batch, after) = rest.split_at(count);
        rest = after;
        (count > 0).then_some(batch)
    })
}

impl Found {
    pub(super) fn merge(mut self, other: Self) -> Self {
        for (place, (pv, visitors)) in other.sections {
            let section = self.sections.entry(place).or_default();
            section.0 = section.0.saturating_add(pv);
            section.1.merge(visitors);
        }
        for (place, pv) in other.pages {
            add(&mut self.pages, place, pv);
        }
        self
    }
}

fn add(pages: &mut HashMap<u32, u64>, place: u32, pv: u64) {
    let sum = pages.entry(place).or_default();
    *sum = sum.saturating_add(pv);
}

fn is_whole(minutes: &Range<u16>) -> bool {
    *minutes == (0..MINUTES_A_DAY)
}

/// The places of the section of each page.
fn sections_of_pages(groups: &Groups) -> impl Iterator<Item = u32> {
    groups.sections.iter().flat_map(|section| (0..section.items).map(|_| section.place))
}

impl Task {
    fn read_all(
        &mut self,
        reader: &Reader<'_>,
        question: &Question,
        blocks: &[BlockRow],
    ) -> Result<Vec<BlockVisitors>> {
        let (mut visitors, mut groups) = (Vec::new(), Vec::new());
        for block in blocks {
            let of_block = self.read(reader, block, &question.minutes(block.day))?;
            visitors.push(of_block.0);
            groups.push(of_block.1);
        }
        let of_blocks = visitors.iter().zip(&groups);
        let mut sections: Vec<_> = of_blocks
            .flat_map(|(visitors, groups)| {
                let sections = groups.sections();
                sections.map(|(section, ranks)| (section.place, section.pv, ranks, visitors.all()))
            })
            .collect();
        // Section by section, so that the section's bits stay in the cache.
        sections.sort_by_key(|&(place, ..)| place);
        for (place, pv, ranks, visitors) in sections {
            let found = self.found.sections.entry(place).or_default();
            found.0 = found.0.saturating_add(pv);
            found.1.extend(ranks.iter().map(|&rank| visitors[rank as usize]));
        }
        Ok(visitors)
    }

    /// The visitors of a block, and its sections unless they are in `found` already.
    fn read(
        &mut self,
        reader: &Reader<'_>,
        block: &BlockRow,
        minutes: &Range<u16>,
    ) -> Result<(BlockVisitors, Groups)> {
        let visitors = reader.visitors(block, &mut self.decoder)?;
        if minutes.is_empty() {
            let visitors = BlockVisitors { asked: Vec::new(), others: visitors };
            return Ok((visitors, Groups::default()));
        }
        let groups = reader.groups(block, &mut self.decoder)?;
        if !is_whole(minutes) {
            let visitors = self.read_cut(reader, block, minutes, visitors, &groups)?;
            return Ok((visitors, Groups::default()));
        }
        let items = reader.items(block, &groups, &mut self.decoder)?;
        for (&place, &pv) in items.places.iter().zip(&items.counts.views) {
            add(&mut self.found.pages, place, pv);
        }
        let visitors = match &groups.site_ranks {
            None => BlockVisitors { asked: visitors, others: Vec::new() },
            Some(ranks) => BlockVisitors {
                asked: ranks.iter().map(|&rank| visitors[rank as usize]).collect(),
                others: visitors,
            },
        };
        Ok((visitors, groups))
    }

    fn read_cut(
        &mut self,
        reader: &Reader<'_>,
        block: &BlockRow,
        minutes: &Range<u16>,
        visitors: Vec<u32>,
        groups: &Groups,
    ) -> Result<BlockVisitors> {
        let items = reader.items(block, groups, &mut self.decoder)?;
        let sections: Vec<u32> = sections_of_pages(groups).collect();
        let mut is_asked = vec![false; visitors.len()];
        let Found { sections: found, pages } = &mut self.found;
        reader.facts_of_items(
            block,
            &items,
            |_| true,
            &mut self.decoder,
            |index, rank, minute, views| {
                if minutes.contains(&minute) {
                    is_asked[rank as usize] = true;
                    let section = found.entry(sections[index]).or_default();
                    section.0 = section.0.saturating_add(views);
                    section.1.insert(visitors[rank as usize]);
                    add(pages, items.places[index], views);
                }
            },
        )?;
        let asked = visitors.iter().zip(is_asked).filter(|&(_, is_asked)| is_asked);
        Ok(BlockVisitors { asked: asked.map(|(&visitor, _)| visitor).collect(), others: visitors })
    }
}

/// Number of visitors of each of some distinct pages in the range.
pub(super) fn visitors_of_pages(
    reader: &Reader<'_>,
    question: &Question,
    blocks: &[BlockRow],
    pages: &[u32],
) -> Result<Vec<u64>> {
    let rows: HashMap<u32, usize> = pages.iter().copied().zip(0..).collect();
    // Most pages of a block are not wanted, and a bit says so faster.
    let mut wanted = NumberBits::default();
    for &page in pages {
        wanted.insert(page);
    }
    let share = blocks.len().div_ceil(rayon::current_num_threads()).max(1);
    let sets: Vec<Vec<NumberSet>> = blocks
        .par_chunks(share)
        .map(|blocks| {
            let mut sets = vec![NumberSet::default(); pages.len()];
            let mut decoder = BlockDecoder::default();
            for block in blocks {
                add_pages(
                    reader,
                    block,
                    &question.minutes(block.day),
                    (&rows, &wanted),
                    &mut decoder,
                    &mut sets,
                )?;
            }
            Ok(sets)
        })
        .collect::<Result<_>>()?;
    let united = sets.into_iter().reduce(|mut one, other| {
        one.iter_mut().zip(other).for_each(|(one, other)| one.merge(other));
        one
    });
    Ok(united.unwrap_or_default().into_iter().map(NumberSet::len).collect())
}

fn add_pages(
    reader: &Reader<'_>,
    block: &BlockRow,
    minutes: &Range<u16>,
    (rows, wanted): (&HashMap<u32, usize>, &NumberBits),
    decoder: &mut BlockDecoder,
    sets: &mut [NumberSet],
) -> Result<()> {
    let groups = reader.groups(block, decoder)?;
    let items = reader.items(block, &groups, decoder)?;
    let is_wanted = |index: usize| wanted.contains(items.places[index]);
    if !(0..items.places.len()).any(is_wanted) {
        return Ok(());
    }
    let visitors = reader.visitors(block, decoder)?;
    let row_of = |index: usize| rows.get(&items.places[index]).copied();
    if is_whole(minutes) {
        return reader.who(block, &items, is_wanted, decoder, |index, ranks| {
            let runs = ranks.chunk_by(|one, next| one == next);
            if let Some(row) = row_of(index) {
                sets[row].extend(runs.map(|run| visitors[run[0] as usize]));
            }
        });
    }
    reader.facts_of_items(block, &items, is_wanted, decoder, |index, rank, minute, _| {
        if let Some(row) = row_of(index).filter(|_| minutes.contains(&minute)) {
            sets[row].insert(visitors[rank as usize]);
        }
    })
}
