//! The facts of blocks together, for walking them.
//!
//! Owns: [`Reader::facts`]. May import: what its parent may. Must not know: what its parent must not.

use std::collections::BTreeMap;
use std::ops::Range;

use hashbrown::HashMap;
use rayon::prelude::*;

use super::{BlockDecoder, BlockRow, Reader};
use crate::count::{Facts, FactsBuilder};
use crate::error::Result;
use crate::facts::{DayFacts, ShareKey};
use crate::time::Day;

/// Number of facts of the blocks that are decoded together, so that small blocks keep all threads busy.
const BATCH_FACTS: u64 = 1 << 20;

/// Which facts are wanted.
#[derive(Debug)]
pub struct Wanted<M, P> {
    /// The minutes of a day.
    pub minutes: M,
    /// Whether a page is, given the places of its section and of it.
    pub page: P,
}

/// Facts of a block, in which pages are indices of `places`.
struct BlockFacts {
    facts: DayFacts,
    places: Vec<u32>,
}

impl Reader<'_> {
    /// The facts of some blocks together; `numbers` gives each site its number in the facts. Visitors keep the numbers that
    /// the database gave them, and hashes are not known. Decodes in the thread pool it is called in.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database), [`Error::Limit`](crate::error::Error::Limit).
    pub fn facts<M, P>(
        &self,
        blocks: &[BlockRow],
        numbers: &BTreeMap<i64, u32>,
        wanted: &Wanted<M, P>,
    ) -> Result<Facts>
    where
        M: Fn(Day) -> Range<u16> + Sync,
        P: Fn(u32, u32) -> bool + Sync,
    {
        let mut builder = FactsBuilder::default();
        // The numbers that the facts give to pages, by place.
        let mut pages: HashMap<u32, u32> = HashMap::new();
        let mut rest = blocks;
        while !rest.is_empty() {
            let (mut count, mut facts) = (0, 0);
            while let Some(block) = rest.get(count)
                && (count == 0 || facts + u64::from(block.facts) <= BATCH_FACTS)
            {
                facts += u64::from(block.facts);
                count += 1;
            }
            let (batch, after) = rest.split_at(count);
            rest = after;
            let read: Vec<BlockFacts> = batch
                .par_iter()
                .map_init(BlockDecoder::default, |decoder, block| {
                    self.block_facts(block, &(wanted.minutes)(block.day), &wanted.page, decoder)
                })
                .collect::<Result<_>>()?;
            let mut new: Vec<u32> = read.iter().flat_map(|block| &block.places).copied().collect();
            new.sort_unstable();
            new.dedup();
            new.retain(|place| !pages.contains_key(place));
            let names = self.page_names(&new)?;
            let new_numbers = builder.page_numbers(names.iter().map(String::as_str))?;
            pages.extend(new.into_iter().zip(new_numbers));
            let shares = batch.iter().zip(read).filter(|(_, read)| !read.facts.is_empty());
            let shares = shares.map(|(block, BlockFacts { facts, places })| {
                let site = numbers.get(&block.site).copied().unwrap_or(u32::MAX);
                let key = ShareKey { site, day: block.day, source: 0 };
                (key, facts, places.iter().map(|place| pages[place]).collect())
            });
            builder.add_numbered(shares.collect());
        }
        Ok(builder.finish())
    }

    fn block_facts(
        &self,
        block: &BlockRow,
        minutes: &Range<u16>,
        is_page: impl Fn(u32, u32) -> bool,
        decoder: &mut BlockDecoder,
    ) -> Result<BlockFacts> {
        let mut read = BlockFacts { facts: DayFacts::default(), places: Vec::new() };
        if minutes.is_empty() {
            return Ok(read);
        }
        let groups = self.groups(block, decoder)?;
        let items = self.items(block, &groups, decoder)?;
        let mut is_wanted = Vec::with_capacity(items.places.len());
        for section in &groups.sections {
            let pages = &items.places[is_wanted.len()..][..section.items as usize];
            is_wanted.extend(pages.iter().map(|&page| is_page(section.place, page)));
        }
        if !is_wanted.contains(&true) {
            return Ok(read);
        }
        let visitors = self.visitors(block, decoder)?;
        let BlockFacts { facts, places } = &mut read;
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
                    places.push(items.places[index]);
                }
                #[expect(clippy::cast_possible_truncation, reason = "a block has fewer pages")]
                let page = places.len() as u32 - 1;
                facts.push(page, visitors[rank as usize], minute, views);
            },
        )?;
        Ok(read)
    }
}
