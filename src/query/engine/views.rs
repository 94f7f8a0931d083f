//! Page views of sections and pages over a range: they tell which are shown.
//!
//! Owns: [`Views`]. May import: `database`, its siblings, rayon. Must not know: names, visitors.
//!
//! Of days that are asked for whole, only the counts of pages are read; facts of days that are cut.

use rayon::prelude::*;

use super::pages::Pages;
use super::pool::Pool;
use crate::database::{BlockDecoder, BlockRow, Reader};
use crate::error::Result;
use crate::query::Question;

/// Number of blocks that a task reads.
const TASK_BLOCKS: usize = 8;

/// Page views by place.
#[derive(Debug, Default)]
pub(super) struct Views {
    pub sections: PlaceCounts,
    pub pages: PlaceCounts,
}

#[derive(Default)]
struct Task {
    decoder: BlockDecoder,
    views: Views,
}

/// The page views of the asked pages of a site; `blocks` are those of the range.
pub(super) fn read_views(
    reader: &Reader<'_>,
    question: &Question,
    pages: Pages,
    blocks: &[BlockRow],
) -> Result<Views> {
    let pool: Pool<Task> = Pool::default();
    blocks.par_chunks(TASK_BLOCKS).try_for_each(|blocks| {
        pool.with(|task| {
            blocks.iter().try_for_each(|block| task.read(reader, question, pages, block))
        })
    })?;
    let tasks = pool.into_values().into_iter().map(|task| task.views);
    let united = tasks.reduce(|mut one, other| {
        one.sections.merge(&other.sections);
        one.pages.merge(&other.pages);
        one
    });
    Ok(united.unwrap_or_default())
}

impl Task {
    fn read(
        &mut self,
        reader: &Reader<'_>,
        question: &Question,
        asked: Pages,
        block: &BlockRow,
    ) -> Result<()> {
        let Self { decoder, views: Views { sections, pages } } = self;
        if question.has_whole(block.day) {
            let of_block = reader.sections(block, decoder)?;
            let (places, views) = reader.views(block, &of_block, decoder)?;
            let mut start = 0;
            for section in of_block {
                let items = start..start + section.items as usize;
                start = items.end;
                if !asked.has_of(section.place) {
                    continue;
                }
                sections.add(section.place, section.pv);
                for (&place, &views) in places[items.clone()].iter().zip(&views[items]) {
                    pages.add(place, views);
                }
            }
            return Ok(());
        }
        let minutes = question.minutes(block.day);
        let has = |section, page| asked.has(section, page);
        let found = reader.block_facts(block, &minutes, has, None, decoder)?;
        for (&(section, page), (_, facts)) in found.pages.iter().zip(found.facts.pages()) {
            let views = facts.iter().map(|fact| fact.views()).sum();
            sections.add(section, views);
            pages.add(page, views);
        }
        Ok(())
    }
}

/// Number of neighbouring places whose counts lie together.
const NEIGHBOURS: usize = 1024;

/// Counts by place. The places of a site are dense in some ranges of numbers, and there are none between.
#[derive(Debug, Default)]
pub(super) struct PlaceCounts(Vec<Option<Box<[u64; NEIGHBOURS]>>>);

impl PlaceCounts {
    #[inline]
    pub(super) fn add(&mut self, place: u32, count: u64) {
        let (index, within) = (place as usize / NEIGHBOURS, place as usize % NEIGHBOURS);
        if index >= self.0.len() {
            self.0.resize(index + 1, None);
        }
        let counts = self.0[index].get_or_insert_with(|| Box::new([0; NEIGHBOURS]));
        counts[within] = counts[within].saturating_add(count);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        other.iter().for_each(|(count, place)| self.add(place, count));
    }

    /// Each count that is not 0, and its place, in the order of places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u32)> {
        let counts = self.0.iter().zip((0_u32..).step_by(NEIGHBOURS));
        let counts = counts.filter_map(|(counts, first)| Some((counts.as_deref()?, first)));
        let counts = counts.flat_map(|(counts, first)| counts.iter().copied().zip(first..));
        counts.filter(|&(count, _)| count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::PlaceCounts;

    #[test]
    fn counts_add_up_by_place() {
        let (mut one, mut other) = (PlaceCounts::default(), PlaceCounts::default());
        for (place, count) in [(5, 1), (1023, 2), (1024, 3), (9_000_000, 4), (5, 5), (6, 0)] {
            one.add(place, count);
        }
        other.add(9_000_000, u64::MAX);
        other.add(0, 7);
        one.merge(&other);
        let found: Vec<_> = one.iter().collect();
        assert_eq!(found, [(7, 0), (6, 5), (2, 1023), (3, 1024), (u64::MAX, 9_000_000)]);
    }
}
