//! Facts of items in chunks: who came apart from when, so that either is read alone, and an item without the others.
//!
//! Owns: the rule that cuts facts into chunks, and their codec. May import: `facts::{column, day_facts, varint}`. Must not
//! know: where chunks are kept, what items and visitors are.
//!
//! An item has one fact for each (visitor, minute), in that order; visitors are numbers, here called ranks. The format is
//! the guide's, "The part format", *Chunks*.

use std::ops::Range;

pub use super::column::Damaged;
use super::column::{ColumnDecoder, ColumnEncoder};
use super::day_facts::{Fact, ORDER_SHIFT};
use super::varint;

/// Number of facts from which on an item has chunks of its own.
const LARGE_ITEM: u64 = 128;
/// Facts of each chunk of a large item but the last.
const LARGE_CHUNK: u64 = 4096;
/// Number of facts from which on a chunk of several items is closed.
const FULL_CHUNK: u64 = 1024;
/// Most bytes of a number in a column.
const NUMBER_BYTES: usize = 10;

/// Which facts a chunk holds: all facts of some small items, or some facts of a large one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The items.
    pub items: Range<usize>,
    /// Index of its first fact among the facts of its first item; 0 if it holds whole items.
    pub first_fact: u64,
    /// Number of its facts.
    pub facts: usize,
}

/// The chunks of items with these numbers of facts, each at least 1.
pub fn cut(facts_of_items: &[u64]) -> impl Iterator<Item = Chunk> {
    let (mut item, mut done) = (0, 0);
    std::iter::from_fn(move || {
        let &of_item = facts_of_items.get(item)?;
        let first = item;
        if of_item >= LARGE_ITEM {
            let facts = LARGE_CHUNK.min(of_item - done);
            let first_fact = done;
            done += facts;
            if done == of_item {
                (item, done) = (item + 1, 0);
            }
            return Some(Chunk { items: first..first + 1, first_fact, facts: to_usize(facts) });
        }
        let mut facts = 0;
        while let Some(&more) = facts_of_items.get(item)
            && more < LARGE_ITEM
            && facts < FULL_CHUNK
        {
            facts += more;
            item += 1;
        }
        Some(Chunk { items: first..item, first_fact: 0, facts: to_usize(facts) })
    })
}

/// At most [`LARGE_CHUNK`] facts.
#[expect(clippy::cast_possible_truncation, reason = "chunks are small")]
const fn to_usize(facts: u64) -> usize {
    facts as usize
}

impl Chunk {
    /// The chunk with the facts of each of its items; `facts_of_items` is what [`cut`] was given.
    #[must_use]
    pub fn of<'c>(&self, facts_of_items: &'c [u64]) -> ChunkItems<'c> {
        let items = facts_of_items.get(self.items.clone()).unwrap_or_default();
        ChunkItems { items, facts: self.facts }
    }
}

/// How many facts of each item a chunk holds.
#[derive(Clone, Copy, Debug)]
pub struct ChunkItems<'c> {
    /// Facts of the items, also of those in other chunks.
    items: &'c [u64],
    facts: usize,
}

impl ChunkItems<'_> {
    /// By item.
    pub(crate) fn counts(self) -> impl Iterator<Item = usize> {
        // Of a large item the chunk has its own number; small ones are whole.
        self.items
            .iter()
            .map(move |&facts| if facts >= LARGE_ITEM { self.facts } else { to_usize(facts) })
    }
}

/// Counts of items, and the lengths of their chunks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemCounts {
    /// Facts of each item.
    pub facts: Vec<u64>,
    /// Views of each item. `u64::MAX` means that many or more.
    pub views: Vec<u64>,
    /// Distinct visitors of each item.
    pub visitors: Vec<u64>,
    /// Bytes of each chunk in [`EncodedChunks::who`].
    pub who: Vec<u64>,
    /// Bytes of each chunk in [`EncodedChunks::when`].
    pub when: Vec<u64>,
}

/// Facts as bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedChunks {
    /// The visitors of each fact, chunk by chunk.
    pub who: Vec<u8>,
    /// The minutes and views of each fact, in the same chunks.
    pub when: Vec<u8>,
    /// What a reader must know.
    pub counts: ItemCounts,
}

/// Writes items into chunks.
#[derive(Debug)]
pub struct ChunkEncoder<'c> {
    column: &'c mut ColumnEncoder,
    chunks: EncodedChunks,
    open: OpenChunk,
}

/// The columns of a chunk that is not closed.
#[derive(Debug, Default)]
struct OpenChunk {
    facts: u64,
    /// Index of the last fact of several views.
    views_from: u64,
    ranks: Vec<u8>,
    hours: Vec<u8>,
    minutes: Vec<u8>,
    views: Vec<u8>,
}

impl<'c> ChunkEncoder<'c> {
    /// No items yet. Equal facts give equal bytes.
    pub fn new(column: &'c mut ColumnEncoder) -> Self {
        Self { column, chunks: EncodedChunks::default(), open: OpenChunk::default() }
    }

    /// Appends an item. Its facts ascend; several of one visitor and minute count as one, with the sum of their views.
    /// Without facts it is no item.
    pub fn push_item(&mut self, facts: &[Fact]) {
        let same = |one: &Fact, other: &Fact| one.0 >> ORDER_SHIFT == other.0 >> ORDER_SHIFT;
        let number = facts.chunk_by(same).count() as u64;
        let is_large = number >= LARGE_ITEM;
        if number == 0 {
            return;
        }
        if is_large {
            self.close();
        }
        let (mut all_views, mut visitors, mut last) = (0_u64, 0, None);
        let mut before = 0;
        for same in facts.chunk_by(same) {
            let fact = same[0];
            let views = same.iter().fold(0_u64, |sum, fact| sum.saturating_add(fact.views()));
            self.open.push(fact.visitor() - before, fact.minute_of_day(), views);
            before = fact.visitor();
            visitors += u64::from(last != Some(before));
            last = Some(before);
            all_views = all_views.saturating_add(views);
            if is_large && self.open.facts == LARGE_CHUNK {
                self.close();
                // The first rank in each chunk is written whole.
                before = 0;
            }
        }
        if is_large || self.open.facts >= FULL_CHUNK {
            self.close();
        }
        let counts = &mut self.chunks.counts;
        counts.facts.push(number);
        counts.views.push(all_views);
        counts.visitors.push(visitors);
    }

    /// All items.
    #[must_use]
    pub fn finish(self) -> EncodedChunks {
        self.finish_and_release().0
    }

    /// All items, and the encoder of columns, for what else is to be encoded.
    #[must_use]
    pub fn finish_and_release(mut self) -> (EncodedChunks, &'c mut ColumnEncoder) {
        self.close();
        (self.chunks, self.column)
    }

    fn close(&mut self) {
        let OpenChunk { facts, views_from, ranks, hours, minutes, views } = &mut self.open;
        if *facts == 0 {
            return;
        }
        (*facts, *views_from) = (0, 0);
        let EncodedChunks { who, when, counts } = &mut self.chunks;
        let (who_start, when_start) = (who.len(), when.len());
        self.column.put(who, ranks);
        ranks.clear();
        for column in [hours, minutes, views] {
            self.column.put(when, column);
            column.clear();
        }
        counts.who.push((who.len() - who_start) as u64);
        counts.when.push((when.len() - when_start) as u64);
    }
}

impl OpenChunk {
    #[inline]
    fn push(&mut self, rank_step: u32, minute_of_day: u16, views: u64) {
        varint::put(&mut self.ranks, rank_step.into());
        self.hours.push((minute_of_day / 60).to_le_bytes()[0]);
        self.minutes.push((minute_of_day % 60).to_le_bytes()[0]);
        if views > 1 {
            varint::put(&mut self.views, self.facts - self.views_from);
            varint::put(&mut self.views, views - 2);
            self.views_from = self.facts;
        }
        self.facts += 1;
    }
}

/// Minutes and views of facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Minute of the day of each fact, below 1,440.
    pub minutes: Vec<u16>,
    /// Views of each fact, at least 1.
    pub views: Vec<u64>,
}

/// Reads chunks. Any bytes may be given. It keeps buffers: make one for each thread.
#[derive(Debug, Default)]
pub struct ChunkDecoder {
    column: ColumnDecoder,
    rooms: [Vec<u8>; 3],
    column_limit: Option<usize>,
}

impl ChunkDecoder {
    /// From now on columns of more than `bytes` bytes are refused.
    pub fn limit_columns(&mut self, bytes: usize) {
        self.column_limit = Some(bytes);
    }

    /// Takes a column of at most `numbers` numbers off the front of `from`.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn take_numbers<'b: 'd, 'd>(
        &'d mut self,
        from: &mut &'b [u8],
        numbers: usize,
    ) -> Result<&'d [u8], Damaged> {
        self.take_bytes(from, numbers.saturating_mul(NUMBER_BYTES))
    }

    /// Takes a column of at most `bytes` bytes off the front of `from`.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn take_bytes<'b: 'd, 'd>(
        &'d mut self,
        from: &mut &'b [u8],
        bytes: usize,
    ) -> Result<&'d [u8], Damaged> {
        let most = bytes.min(self.column_limit.unwrap_or(usize::MAX));
        self.column.take(from, &mut self.rooms[0], most)
    }

    /// Appends the rank of each fact of the chunk `bytes` to `out`. The ranks of each item do not descend and are below
    /// `visitors`.
    ///
    /// # Errors
    /// [`Damaged`]; `out` has some ranks more then.
    pub fn who(
        &mut self,
        mut bytes: &[u8],
        items: ChunkItems<'_>,
        visitors: u32,
        out: &mut Vec<u32>,
    ) -> Result<(), Damaged> {
        let mut column = self.take_numbers(&mut bytes, items.facts)?;
        out.reserve(items.facts);
        // Checks are collected in one bit that is tested at the end, so that the loop has no branch but the varint's.
        let mut is_wrong = !bytes.is_empty();
        for count in items.counts() {
            let mut rank = 0_u64;
            for _ in 0..count {
                let step =
                    varint::take_short(&mut column).ok_or(Damaged("a visitor is missing"))?;
                // A sum that saturates is above the bound, and so refused.
                rank = rank.saturating_add(step);
                is_wrong |= rank >= u64::from(visitors);
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "below `visitors`, or refused"
                )]
                out.push(rank as u32);
            }
        }
        if is_wrong || !column.is_empty() {
            Err(Damaged("a visitor is out of bounds"))
        } else {
            Ok(())
        }
    }

    /// Appends the minute and the views of each of the `facts` facts of the chunk `bytes` to `out`.
    ///
    /// # Errors
    /// [`Damaged`]; `out` has some facts more then.
    pub fn when(&mut self, mut bytes: &[u8], facts: usize, out: &mut Times) -> Result<(), Damaged> {
        let [hours_room, minutes_room, views_room] = &mut self.rooms;
        let most = most_bytes(facts, self.column_limit);
        let hours = self.column.take(&mut bytes, hours_room, most)?;
        let minutes = self.column.take(&mut bytes, minutes_room, most)?;
        let most = most_bytes(facts.saturating_mul(2), self.column_limit);
        let views = self.column.take(&mut bytes, views_room, most)?;
        if hours.len() != facts || minutes.len() != facts || !bytes.is_empty() {
            return Err(Damaged("another number of minutes than facts"));
        }
        let mut is_wrong = false;
        out.minutes.extend(hours.iter().zip(minutes).map(|(&hour, &minute)| {
            is_wrong |= hour >= 24 || minute >= 60;
            u16::from(hour) * 60 + u16::from(minute)
        }));
        if is_wrong {
            return Err(Damaged("a minute is out of bounds"));
        }
        let start = out.views.len();
        out.views.resize(start + facts, 1);
        decode_views(views, &mut out.views[start..])
    }
}

/// Most bytes of a column of `numbers` numbers.
fn most_bytes(numbers: usize, limit: Option<usize>) -> usize {
    numbers.saturating_mul(NUMBER_BYTES).min(limit.unwrap_or(usize::MAX))
}

/// Sets the views of facts that have more than one.
fn decode_views(mut column: &[u8], views: &mut [u64]) -> Result<(), Damaged> {
    const DAMAGED: Damaged = Damaged("views are out of bounds");
    let (mut index, mut is_first) = (0_usize, true);
    while !column.is_empty() {
        let step = varint::take_usize(&mut column).ok_or(DAMAGED)?;
        let more = varint::take(&mut column).ok_or(DAMAGED)?;
        if step == 0 && !is_first {
            return Err(DAMAGED);
        }
        is_first = false;
        index = index.checked_add(step).ok_or(DAMAGED)?;
        *views.get_mut(index).ok_or(DAMAGED)? = more.checked_add(2).ok_or(DAMAGED)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
