//! How stored blocks are handed over, and read chunk by chunk.
//!
//! Owns: [`OldBlocks`], reading in parallel. May import: `facts::chunks`, rayon. Must not know: what is read for, where
//! blocks are kept.

use std::ops::Range;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::facts::Fact;
use crate::facts::chunks::{Chunk, ChunkDecoder, Damaged, ItemCounts, Times, cut};
use crate::facts::day_facts::MAX_VIEWS;

/// What bytes decode to.
pub(super) type Decoded<T> = std::result::Result<T, Damaged>;

/// The stored blocks of a day. Bytes are handed over by one thread, and decoded by all.
pub(in crate::database) trait OldBlocks {
    /// Number of blocks.
    fn count(&self) -> usize;

    /// What a block names.
    ///
    /// # Errors
    /// Those of the place where it is kept.
    fn open(&mut self, block: usize) -> Result<OldBlock>;

    /// Some bytes of a block's *who* and *when*.
    ///
    /// # Errors
    /// Those of the place where they are kept.
    fn chunks(&mut self, block: usize, who: Range<u64>, when: Range<u64>) -> Result<ChunkBytes>;

    /// The error for bytes that make no sense.
    fn damaged(&self, damaged: Damaged) -> Error;
}

/// What a stored block names.
#[derive(Clone, Debug, Default)]
pub(in crate::database) struct OldBlock {
    /// Numbers of its visitors, ascending.
    pub visitors: Vec<u32>,
    /// Place and number of items of each section, by place.
    pub sections: Vec<(u32, usize)>,
    /// Places of its items, section by section, ascending in each.
    pub items: Vec<u32>,
    /// Counts of its items, and where their chunks are.
    pub counts: ItemCounts,
}

/// Consecutive chunks.
#[derive(Clone, Debug, Default)]
pub(in crate::database) struct ChunkBytes {
    /// Of *who*.
    pub who: Vec<u8>,
    /// Of *when*.
    pub when: Vec<u8>,
}

/// Number of facts from which on chunks are decoded by a task of their own.
const TASK_FACTS: usize = 64 * 1024;
/// Calls `each` with the index of an item and facts of it, for all facts of a block, in order.
///
/// # Errors
/// Those of the blocks.
pub(super) fn read_items(
    blocks: &mut dyn OldBlocks,
    number: usize,
    block: &OldBlock,
    mut each: impl FnMut(usize, Vec<Fact>),
) -> Result<()> {
    let scan = |decoder: &mut ChunkDecoder, chunks: &Chunks<'_>| {
        let mut found: Vec<(usize, Vec<Fact>)> = Vec::new();
        chunks.decode(decoder, block.visitors.len(), |item, ranks, minutes, views| {
            let mut facts = Vec::with_capacity(ranks.len());
            for ((&rank, &minute), &views) in ranks.iter().zip(minutes).zip(views) {
                // More views than a fact holds are several.
                let mut left = views;
                while left > 0 {
                    let now = left.min(MAX_VIEWS);
                    facts.push(Fact::new(rank, minute, now));
                    left -= now;
                }
            }
            facts.sort_unstable();
            found.push((item, facts));
        })?;
        Ok(found)
    };
    read_chunks(blocks, number, block, scan, |found| {
        found.into_iter().for_each(|(item, facts)| each(item, facts));
    })
}

/// Consecutive chunks of a block.
pub(super) struct Chunks<'b> {
    counts: &'b ItemCounts,
    /// The chunks and the lengths of their bytes.
    chunks: &'b [(Chunk, usize, usize)],
    bytes: ChunkBytes,
}

impl Chunks<'_> {
    /// Calls `each` with the facts of each item: its index, and ranks, minutes and views. An item of many facts comes in
    /// pieces.
    pub(super) fn decode(
        &self,
        decoder: &mut ChunkDecoder,
        visitors: usize,
        mut each: impl FnMut(usize, &[u32], &[u16], &[u64]),
    ) -> Decoded<()> {
        const CUT: Damaged = Damaged("a chunk is cut");
        let visitors = u32::try_from(visitors).unwrap_or(u32::MAX);
        let (mut ranks, mut times) = (Vec::new(), Times::default());
        let (mut who, mut when) = (&self.bytes.who[..], &self.bytes.when[..]);
        for (chunk, who_bytes, when_bytes) in self.chunks {
            ranks.clear();
            times.minutes.clear();
            times.views.clear();
            let items = chunk.of(&self.counts.facts);
            let bytes = who.split_off(..*who_bytes).ok_or(CUT)?;
            decoder.who(bytes, items, visitors, &mut ranks)?;
            let bytes = when.split_off(..*when_bytes).ok_or(CUT)?;
            decoder.when(bytes, chunk.facts, &mut times)?;
            let mut start = 0;
            for (item, count) in chunk.items.clone().zip(items.counts()) {
                let range = start..start + count;
                start = range.end;
                let (minutes, views) = (&times.minutes[range.clone()], &times.views[range.clone()]);
                each(item, &ranks[range], minutes, views);
            }
        }
        Ok(())
    }
}

/// Reads the chunks of a block. `scan` gets some of them, in parallel, and `absorb` what it made of them.
pub(super) fn read_chunks<T: Send>(
    blocks: &mut dyn OldBlocks,
    number: usize,
    block: &OldBlock,
    scan: impl Fn(&mut ChunkDecoder, &Chunks<'_>) -> Decoded<T> + Sync,
    mut absorb: impl FnMut(T),
) -> Result<()> {
    let counts = &block.counts;
    let as_length = |&bytes: &u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let lengths = counts.who.iter().zip(&counts.when);
    let all: Vec<(Chunk, usize, usize)> = cut(&counts.facts)
        .zip(lengths)
        .map(|(chunk, (who, when))| (chunk, as_length(who), as_length(when)))
        .collect();
    if cut(&counts.facts).count() != counts.who.len() || counts.who.len() != counts.when.len() {
        return Err(blocks.damaged(Damaged("another number of chunks than pages need")));
    }
    let (mut rest, mut who, mut when) = (&all[..], 0_u64, 0_u64);
    while !rest.is_empty() {
        let mut batch = Vec::new();
        while batch.len() < rayon::current_num_threads() && !rest.is_empty() {
            let mut facts = 0;
            let now = rest.iter().take_while(|(chunk, ..)| {
                let is_in = facts < TASK_FACTS;
                facts += chunk.facts;
                is_in
            });
            let (now, later) = rest.split_at(now.count());
            let end = |start: u64, length: fn(&(Chunk, usize, usize)) -> usize| {
                now.iter().fold(start, |end, chunk| end.saturating_add(length(chunk) as u64))
            };
            let (who_end, when_end) = (end(who, |chunk| chunk.1), end(when, |chunk| chunk.2));
            let bytes = blocks.chunks(number, who..who_end, when..when_end)?;
            batch.push(Chunks { counts, chunks: now, bytes });
            (rest, who, when) = (later, who_end, when_end);
        }
        let scanned: Decoded<Vec<T>> =
            batch.par_iter().map_init(ChunkDecoder::default, &scan).collect();
        scanned.map_err(|damaged| blocks.damaged(damaged))?.into_iter().for_each(&mut absorb);
    }
    Ok(())
}
