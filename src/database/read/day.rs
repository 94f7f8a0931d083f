//! The facts of a day, from all its blocks, for walking it.
//!
//! Owns: [`BlockFacts`], [`PagesOfDay`]. May import: what its parent may. Must not know: what its parent must not.

use std::ops::Range;

use super::{BlockDecoder, BlockRow, Reader};
use crate::error::Result;
use crate::facts::DayFacts;

/// The facts of some pages of a block.
#[derive(Debug, Default)]
pub struct BlockFacts {
    /// The places of the section and the page of each page that has facts, in ascending order.
    pub pages: Vec<(u32, u32)>,
    /// Their facts; the number of a page is its index in `pages`, visitors have the numbers that the database gave them.
    pub facts: DayFacts,
}

/// The facts of some pages of a day.
#[derive(Debug, Default)]
pub struct PagesOfDay {
    /// As in [`BlockFacts`].
    pub pages: Vec<(u32, u32)>,
    /// The facts, in pieces that have no page in common.
    pub pieces: Vec<DayFacts>,
}

impl PagesOfDay {
    /// The facts of the day's blocks together.
    #[must_use]
    pub fn unite(mut blocks: Vec<BlockFacts>) -> Self {
        blocks.retain(|block| !block.facts.is_empty());
        if blocks.len() < 2 {
            let block = blocks.pop().unwrap_or_default();
            return Self { pages: block.pages, pieces: vec![block.facts] };
        }
        let mut pages: Vec<(u32, u32)> =
            blocks.iter().flat_map(|block| &block.pages).copied().collect();
        pages.sort_unstable();
        pages.dedup();
        let renumbered = blocks.into_iter().map(|block| {
            let mut number = 0;
            let numbers: Vec<u32> = block
                .pages
                .iter()
                .map(|page| {
                    number += pages[number..].partition_point(|other| other < page);
                    u32::try_from(number).unwrap_or(u32::MAX)
                })
                .collect();
            block.facts.renumbered(|page| numbers[page as usize])
        });
        let renumbered: Vec<DayFacts> = renumbered.collect();
        let pieces = DayFacts::merge(&renumbered.iter().collect::<Vec<_>>());
        Self { pages, pieces }
    }
}

impl Reader<'_> {
    /// The facts of a block in those minutes. `is_page` is asked about the places of the section and of the page. `visitors`
    /// are the numbers of the block's visitors, if they have been read.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn block_facts(
        &self,
        block: &BlockRow,
        minutes: &Range<u16>,
        is_page: impl Fn(u32, u32) -> bool,
        visitors: Option<&[u32]>,
        decoder: &mut BlockDecoder,
    ) -> Result<BlockFacts> {
        let mut read = BlockFacts::default();
        if minutes.is_empty() {
            return Ok(read);
        }
        let sections = self.sections(block, decoder)?;
        let items = self.items(block, &sections, decoder)?;
        let mut is_wanted = Vec::with_capacity(items.places.len());
        for section in &sections {
            let pages = &items.places[is_wanted.len()..][..section.items as usize];
            is_wanted.extend(pages.iter().map(|&page| is_page(section.place, page)));
        }
        if !is_wanted.contains(&true) {
            return Ok(read);
        }
        let section_places: Vec<u32> = sections
            .iter()
            .flat_map(|section| std::iter::repeat_n(section.place, section.items as usize))
            .collect();
        let found;
        let visitors = match visitors {
            Some(visitors) => visitors,
            None => {
                found = self.visitors(block, decoder)?;
                &found
            }
        };
        let BlockFacts { pages, facts } = &mut read;
        let mut last = None;
        self.facts_of_items(
            block,
            &items,
            |index| is_wanted[index],
            decoder,
            |index, rank, minute, views| {
                if !minutes.contains(&minute) {
                    return;
                }
                if last != Some(index) {
                    last = Some(index);
                    pages.push((section_places[index], items.places[index]));
                }
                #[expect(clippy::cast_possible_truncation, reason = "a block has fewer pages")]
                let page = pages.len() as u32 - 1;
                facts.push(page, visitors[rank as usize], minute, views);
            },
        )?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::{BlockFacts, PagesOfDay};
    use crate::facts::DayFacts;

    fn block(pages: &[(u32, u32, u32)]) -> BlockFacts {
        let mut block = BlockFacts::default();
        for (number, &(section, page, visitor)) in (0..).zip(pages) {
            block.pages.push((section, page));
            block.facts.push(number, visitor, 5, 1);
        }
        block
    }

    #[test]
    fn pages_of_several_blocks_come_together() {
        let one = block(&[(3, 9, 1), (4, 2, 1), (4, 8, 2)]);
        let other = block(&[(3, 9, 1), (4, 8, 1), (5, 1, 1)]);
        let day = PagesOfDay::unite(vec![one, BlockFacts::default(), other]);
        assert_eq!(day.pages, [(3, 9), (4, 2), (4, 8), (5, 1)]);
        let mut facts = DayFacts::default();
        for (page, visitor, views) in [(0, 1, 2), (1, 1, 1), (2, 1, 1), (2, 2, 1), (3, 1, 1)] {
            facts.push(page, visitor, 5, views);
        }
        assert_eq!(day.pieces, [facts]);
        let none = PagesOfDay::unite(Vec::new());
        assert!(none.pages.is_empty() && none.pieces.iter().all(DayFacts::is_empty));
    }
}
