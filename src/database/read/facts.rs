//! The facts of blocks together, for walking them.
//!
//! Owns: [`Reader::facts`]. May import: what its parent may. Must not know: what its parent must not.

use std::collections::BTreeMap;
use std::ops::Range;

use hashbrown::HashMap;
use rayon::prelude::*;

use super::day::BlockFacts;
use super::{BlockDecoder, BlockRow, Reader};
use crate::count::{Facts, FactsBuilder};
use crate::error::Result;
use crate::facts::ShareKey;
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
                    let minutes = (wanted.minutes)(block.day);
                    self.block_facts(block, &minutes, &wanted.page, None, decoder)
                })
                .collect::<Result<_>>()?;
            let mut new: Vec<u32> =
                read.iter().flat_map(|block| &block.pages).map(|&(_, page)| page).collect();
            new.sort_unstable();
            new.dedup();
            new.retain(|place| !pages.contains_key(place));
            let names = self.page_names(&new)?;
            let new_numbers = builder.page_numbers(names.iter().map(String::as_str))?;
            pages.extend(new.into_iter().zip(new_numbers));
            let shares = batch.iter().zip(read).filter(|(_, read)| !read.facts.is_empty());
            let shares = shares.map(|(block, BlockFacts { facts, pages: places })| {
                let site = numbers.get(&block.site).copied().unwrap_or(u32::MAX);
                let key = ShareKey { site, day: block.day, source: 0 };
                (key, facts, places.iter().map(|(_, place)| pages[place]).collect())
            });
            builder.add_numbered(shares.collect());
        }
        Ok(builder.finish())
    }
}
