//! Reading the facts of pages: of all, or of some without the chunks of the others.
//!
//! Owns: [`ChunkBytes`], [`ItemFactsReader`]. May import: what its parent may. Must not know: what its parent must not.

use std::ops::Range;

use super::{BlockDecoder, Items};
use crate::facts::Fact;
use crate::facts::chunks::{Chunk, Times, cut};
use crate::facts::column::Damaged;
use crate::facts::day_facts::MAX_VIEWS;

/// Facts of more than 2^21 views take several in memory: at most as many more for each byte of *when*.
const MOST_MORE_FACTS: u64 = 64;

/// A chunk, and where its bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkBytes {
    /// Which facts it holds.
    pub chunk: Chunk,
    /// Its bytes in *who*.
    pub who: Range<u64>,
    /// Its bytes in *when*.
    pub when: Range<u64>,
}

impl ChunkBytes {
    /// The pages whose first facts it holds.
    pub fn first_items(&self) -> Range<usize> {
        if self.chunk.first_fact == 0 { self.chunk.items.clone() } else { 0..0 }
    }
}

impl Items {
    /// The chunks that hold facts of pages for whose index `is_wanted` is true.
    pub fn chunks(&self, is_wanted: impl Fn(usize) -> bool) -> Vec<ChunkBytes> {
        let (mut who, mut when) = (0, 0);
        let mut chunks = Vec::new();
        let lengths = self.counts.who.iter().zip(&self.counts.when);
        for (chunk, (&who_bytes, &when_bytes)) in cut(&self.counts.facts).zip(lengths) {
            // `BlockDecoder::items` has added the lengths up.
            let (who_end, when_end) = (who + who_bytes, when + when_bytes);
            if chunk.items.clone().any(&is_wanted) {
                chunks.push(ChunkBytes { chunk, who: who..who_end, when: when..when_end });
            }
            (who, when) = (who_end, when_end);
        }
        chunks
    }

    /// The index of each page of a chunk, and which of the chunk's facts are the page's.
    pub fn pages_of(&self, chunk: &Chunk) -> impl Iterator<Item = (usize, Range<usize>)> {
        let mut start = 0;
        let counts = chunk.of(&self.counts.facts);
        chunk.items.clone().zip(counts.counts()).map(move |(index, facts)| {
            start += facts;
            (index, start - facts..start)
        })
    }
}

/// Reads the facts of pages in their order; of *who* and *when* one chunk is decoded at a time.
#[derive(Debug)]
pub(crate) struct ItemFactsReader<'b> {
    items: &'b Items,
    visitors: u32,
    chunks: &'b [ChunkBytes],
    /// The bytes of these chunks, and of what is between them.
    who: &'b [u8],
    when: &'b [u8],
    /// Where these begin in the block's.
    start: (u64, u64),
    /// The open chunk, the page of its first fact that was not taken, and that fact.
    ranks: Vec<u32>,
    times: Times,
    next_item: usize,
    taken: usize,
    more_facts: u64,
}

/// Facts of a page that lie together.
#[derive(Clone, Copy, Debug)]
pub struct FactRun<'b> {
    /// The rank of each fact.
    pub ranks: &'b [u32],
    /// The minute of the day of each fact, below 1,440.
    pub minutes: &'b [u16],
    /// The views of each fact, at least 1.
    pub views: &'b [u64],
}

impl FactRun<'_> {
    /// Rank, minute and views of each fact.
    pub fn facts(&self) -> impl Iterator<Item = (u32, u16, u64)> + Clone {
        let times = self.minutes.iter().zip(self.views);
        self.ranks.iter().zip(times).map(|(&rank, (&minute, &views))| (rank, minute, views))
    }
}

const FACTS: Damaged = Damaged("facts of a page");

impl<'b> ItemFactsReader<'b> {
    /// Reads from the given `chunks` of a block of so many visitors. `who` and `when` are the block's bytes from the first of
    /// these chunks to the last.
    pub(crate) fn new(
        items: &'b Items,
        visitors: u32,
        chunks: &'b [ChunkBytes],
        who: &'b [u8],
        when: &'b [u8],
    ) -> Self {
        Self {
            items,
            visitors,
            chunks,
            who,
            when,
            start: chunks.first().map_or((0, 0), |first| (first.who.start, first.when.start)),
            ranks: Vec::new(),
            times: Times::default(),
            next_item: 0,
            taken: 0,
            more_facts: MOST_MORE_FACTS * when.len() as u64,
        }
    }

    /// Calls `each` with the facts of a page, those of each chunk together, which ascend strictly by rank and minute. Pages are
    /// read in ascending order; those between them are skipped.
    ///
    /// # Errors
    /// [`Damaged`], also if the page is not in the chunks.
    pub(crate) fn read_runs(
        &mut self,
        item: usize,
        decoder: &mut BlockDecoder,
        mut each: impl FnMut(FactRun<'_>),
    ) -> Result<(), Damaged> {
        let mut left = *self.items.counts.facts.get(item).ok_or(FACTS)?;
        // The order of the last fact, of which the first is after 0, and the views.
        let (mut last, mut views_of_item) = (0, 0_u64);
        while left > 0 {
            self.go_to(item, decoder)?;
            let in_chunk = self.ranks.len() - self.taken;
            let facts = usize::try_from(left).unwrap_or(usize::MAX).min(in_chunk);
            let taken = self.taken..self.taken + facts;
            let run = FactRun {
                ranks: &self.ranks[taken.clone()],
                minutes: &self.times.minutes[taken.clone()],
                views: &self.times.views[taken.clone()],
            };
            // Checks are collected in one bit, so that the loop has no branch for them.
            let mut is_wrong = false;
            for (rank, minute, views) in run.facts() {
                let order = u64::from(rank) << 16 | u64::from(minute + 1);
                is_wrong |= order <= last;
                last = order;
                views_of_item = views_of_item.saturating_add(views);
                if views > MAX_VIEWS {
                    let more = (views - 1) / MAX_VIEWS;
                    self.more_facts = self.more_facts.checked_sub(more).ok_or(FACTS)?;
                }
            }
            if is_wrong {
                return Err(FACTS);
            }
            each(run);
            left -= facts as u64;
            self.taken = taken.end;
        }
        self.next_item = item + 1;
        if views_of_item == self.items.counts.views[item] { Ok(()) } else { Err(FACTS) }
    }

    /// As [`read_runs`](Self::read_runs), calls `each` with the rank, the minute of the day and the views of each fact.
    ///
    /// # Errors
    /// [`Damaged`], also if the page is not in the chunks.
    pub(crate) fn read_item(
        &mut self,
        item: usize,
        decoder: &mut BlockDecoder,
        mut each: impl FnMut(u32, u16, u64),
    ) -> Result<(), Damaged> {
        self.read_runs(item, decoder, |run| {
            run.facts().for_each(|(rank, minute, views)| each(rank, minute, views));
        })
    }

    /// As [`read_item`](Self::read_item), appends the page's facts to `facts`.
    ///
    /// # Errors
    /// [`Damaged`].
    pub(crate) fn append_item(
        &mut self,
        item: usize,
        decoder: &mut BlockDecoder,
        facts: &mut Vec<Fact>,
    ) -> Result<(), Damaged> {
        self.read_item(item, decoder, |rank, minute, views| push_fact(facts, rank, minute, views))
    }

    /// Skips facts until the next one is of the page.
    fn go_to(&mut self, item: usize, decoder: &mut BlockDecoder) -> Result<(), Damaged> {
        loop {
            if self.taken == self.ranks.len() {
                self.decode_chunk(item, decoder)?;
                continue;
            }
            if self.next_item == item {
                return Ok(());
            }
            let skipped = self.items.counts.facts.get(self.next_item).ok_or(FACTS)?;
            let skipped = usize::try_from(*skipped).map_err(|_| FACTS)?;
            self.taken = self.ranks.len().min(self.taken.saturating_add(skipped));
            self.next_item += 1;
        }
    }

    /// Decodes the next chunk that has facts of the page.
    fn decode_chunk(&mut self, item: usize, decoder: &mut BlockDecoder) -> Result<(), Damaged> {
        let [ChunkBytes { chunk, who, when }, rest @ ..] = self.chunks else { return Err(FACTS) };
        self.chunks = rest;
        if chunk.items.end <= item {
            return Ok(());
        }
        self.taken = 0;
        self.next_item = chunk.items.start;
        self.ranks.clear();
        self.times.minutes.clear();
        self.times.views.clear();
        let (who_start, when_start) = self.start;
        let who = bytes_of(self.who, who, who_start).ok_or(FACTS)?;
        let when = bytes_of(self.when, when, when_start).ok_or(FACTS)?;
        decoder.who(who, chunk, self.items, self.visitors, &mut self.ranks)?;
        decoder.when(when, chunk, &mut self.times)?;
        if self.ranks.is_empty() || self.next_item > item { Err(FACTS) } else { Ok(()) }
    }
}

/// The bytes that a range names; `bytes` begin at `start` themselves.
pub(in crate::database) fn bytes_of<'b>(
    bytes: &'b [u8],
    range: &Range<u64>,
    start: u64,
) -> Option<&'b [u8]> {
    let index = |at: u64| usize::try_from(at.checked_sub(start)?).ok();
    bytes.get(index(range.start)?..index(range.end)?)
}

/// Appends a fact of any number of views, at least 1.
pub(super) fn push_fact(out: &mut Vec<Fact>, visitor: u32, minute_of_day: u16, views: u64) {
    if views <= MAX_VIEWS {
        out.push(Fact::new(visitor, minute_of_day, views));
        return;
    }
    // Full facts last, so that facts ascend in all their bits.
    let rest = (views - 1) % MAX_VIEWS + 1;
    out.push(Fact::new(visitor, minute_of_day, rest));
    let full = (views - rest) / MAX_VIEWS;
    out.extend((0..full).map(|_| Fact::new(visitor, minute_of_day, MAX_VIEWS)));
}
