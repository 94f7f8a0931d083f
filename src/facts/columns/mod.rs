//! Day facts as bytes and back: frames of six columns, each compressed.
//!
//! Owns: the format in which a run keeps facts in memory and a database of version 2 keeps them. May import:
//! `facts::{column, day_facts, varint}`. Must not know: where the bytes are kept, what the numbers stand for.
//!
//! Facts are written group by group. A group is a page of the day or, where several days of few facts share columns, a
//! (day, page). All integers are `varint`s.
//!
//! ```text
//! blob   = facts · frames · (length · frame)...
//! frame  = groups · facts (at most 2^17) · column x 6
//!
//! groups    difference from the previous group, also across frames; 0 only where a frame continues a group
//! counts    facts of each group in this frame, at least 1
//! visitors  difference from the previous fact; the first of a group in a frame is written whole
//! hours     of the day, one byte a fact
//! minutes   of the hour, one byte a fact
//! views     for each fact of more than one view: facts since the previous one, its views less 2
//! ```
//!
//! Separate hours and minutes save 0.07 of 2.82 bytes a fact, compared with two bytes for the minute of the day
//! (`benches/columns.rs`).

pub use super::column::Damaged;
use super::column::{ColumnDecoder, ColumnEncoder};
use super::day_facts::{DayFacts, Fact, MAX_VIEWS, ORDER_SHIFT};
use crate::facts::varint;

/// Most facts of a frame. It bounds the facts that a decoder holds before it has checked their order.
const FRAME_FACTS: usize = 1 << 17;
/// Number of columns of a frame.
const COLUMNS: usize = 6;
/// Most bytes of a column for one fact: those of a group of 64 bits, or of two integers of 32 bits.
const FACT_BYTES: usize = 10;

/// Bounds of decoded numbers: each must be smaller.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bound of page numbers (or groups).
    pub pages: u64,
    /// Bound of visitor numbers, at most 2^32.
    pub visitors: u64,
}

/// Writes day facts. It reuses buffers: make one for each thread.
#[derive(Default)]
pub struct Encoder {
    column: ColumnEncoder,
    columns: [Vec<u8>; COLUMNS],
    frame: Vec<u8>,
    blob: Vec<u8>,
}

/// Reads day facts. It reuses buffers: make one for each thread.
#[derive(Default)]
pub struct Decoder {
    column: ColumnDecoder,
    columns: [Vec<u8>; COLUMNS],
}

/// Decoded facts by group.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// Each group, ascending, and the index at which its facts end.
    pub(crate) ends: Vec<(u64, usize)>,
    pub(crate) facts: Vec<Fact>,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl Encoder {
    /// The facts of one day as bytes; equal facts give equal bytes.
    #[must_use]
    pub fn encode(&mut self, facts: &DayFacts) -> Vec<u8> {
        self.encode_groups(facts.pages().map(|(page, facts)| (u64::from(page), facts)))
    }

    /// Groups, which must ascend, and their facts as bytes.
    pub(crate) fn encode_groups<'f>(
        &mut self,
        groups: impl Iterator<Item = (u64, &'f [Fact])>,
    ) -> Vec<u8> {
        self.blob.clear();
        let (mut frames, mut total) = (0, 0);
        let mut frame = FrameStart::default();
        for (group, mut facts) in groups {
            total += facts.len() as u64;
            while !facts.is_empty() {
                let room = FRAME_FACTS - frame.facts;
                let some = facts.split_off(..room.min(facts.len())).unwrap_or_default();
                self.push(&mut frame, group, some);
                if frame.facts == FRAME_FACTS {
                    self.end_frame(&mut frame);
                    frames += 1;
                }
            }
        }
        if frame.facts > 0 {
            self.end_frame(&mut frame);
            frames += 1;
        }
        let mut blob = Vec::with_capacity(self.blob.len() + 20);
        varint::put(&mut blob, total);
        varint::put(&mut blob, frames);
        blob.extend_from_slice(&self.blob);
        blob
    }

    fn push(&mut self, frame: &mut FrameStart, group: u64, facts: &[Fact]) {
        let [groups, counts, visitors, hours, minutes, views] = &mut self.columns;
        varint::put(groups, group - frame.last_group);
        varint::put(counts, facts.len() as u64);
        frame.last_group = group;
        frame.groups += 1;
        let mut last = 0;
        for (index, fact) in (frame.facts..).zip(facts) {
            varint::put(visitors, u64::from(fact.visitor() - last));
            last = fact.visitor();
            let [minute, hour] = split_minute(fact.minute_of_day());
            hours.push(hour);
            minutes.push(minute);
            if fact.views() > 1 {
                varint::put(views, (index - frame.views_from) as u64);
                varint::put(views, fact.views() - 2);
                frame.views_from = index;
            }
        }
        frame.facts += facts.len();
    }

    fn end_frame(&mut self, frame: &mut FrameStart) {
        self.frame.clear();
        varint::put(&mut self.frame, frame.groups);
        varint::put(&mut self.frame, frame.facts as u64);
        for column in &mut self.columns {
            self.column.put(&mut self.frame, column);
            column.clear();
        }
        varint::put(&mut self.blob, self.frame.len() as u64);
        self.blob.extend_from_slice(&self.frame);
        *frame = FrameStart { last_group: frame.last_group, ..FrameStart::default() };
    }
}

/// The state of an encoder within a frame.
#[derive(Default)]
struct FrameStart {
    last_group: u64,
    groups: u64,
    facts: usize,
    /// Index of the last fact of several views.
    views_from: usize,
}

/// Minute of the hour, and hour of the day.
#[inline]
fn split_minute(minute_of_day: u16) -> [u8; 2] {
    [(minute_of_day % 60).to_le_bytes()[0], (minute_of_day / 60).to_le_bytes()[0]]
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

impl Decoder {
    /// The facts of one day, from the bytes that [`Encoder::encode`] wrote.
    ///
    /// Bytes may come from anywhere: no more than about 2^17 facts are held that are not checked yet.
    ///
    /// # Errors
    /// [`Damaged`] if `Encoder::encode` cannot have written the bytes for pages and visitors in `bounds`.
    pub fn decode(&mut self, bytes: &[u8], bounds: Bounds) -> Result<DayFacts, Damaged> {
        let bounds = Bounds { pages: bounds.pages.min(1 << 32), ..bounds };
        let Groups { ends, facts } = self.decode_groups(bytes, bounds)?;
        #[expect(clippy::cast_possible_truncation, reason = "groups are below 2^32")]
        let pages = ends.into_iter().map(|(page, end)| (page as u32, end)).collect();
        Ok(DayFacts::from_columns(pages, facts))
    }

    /// The groups, from the bytes that [`Encoder::encode_groups`] wrote.
    pub(crate) fn decode_groups(
        &mut self,
        mut bytes: &[u8],
        bounds: Bounds,
    ) -> Result<Groups, Damaged> {
        let total = varint::take_usize(&mut bytes).ok_or(Damaged("no number of facts"))?;
        let frames = varint::take(&mut bytes).ok_or(Damaged("no number of frames"))?;
        let mut groups = Groups::default();
        // Mostly exact, since a fact takes at least 2 bytes. A false number reserves at most 8 bytes for each given byte.
        groups.facts.reserve_exact(total.min(bytes.len()));
        for _ in 0..frames {
            let length = varint::take_usize(&mut bytes).ok_or(Damaged("no length of a frame"))?;
            let frame = varint::take_bytes(&mut bytes, length).ok_or(Damaged("a frame is cut"))?;
            self.decode_frame(frame, bounds, &mut groups)?;
        }
        if groups.facts.len() != total || !bytes.is_empty() {
            return Err(Damaged("another number of facts than announced"));
        }
        Ok(groups)
    }

    fn decode_frame<'a>(
        &'a mut self,
        mut frame: &'a [u8],
        bounds: Bounds,
        into: &mut Groups,
    ) -> Result<(), Damaged> {
        let groups = varint::take_usize(&mut frame).ok_or(Damaged("no number of groups"))?;
        let facts = varint::take_usize(&mut frame).ok_or(Damaged("no number of facts"))?;
        if facts == 0 || facts > FRAME_FACTS || groups == 0 || groups > facts {
            return Err(Damaged("a frame of an impossible size"));
        }
        let most = facts * FACT_BYTES;
        let mut columns: [&[u8]; COLUMNS] = [&[]; COLUMNS];
        for (column, room) in columns.iter_mut().zip(&mut self.columns) {
            *column = self.column.take(&mut frame, room, most)?;
        }
        if !frame.is_empty() {
            return Err(Damaged("a frame is longer than its columns"));
        }
        let [mut group_column, mut counts, mut visitors, hours, minutes, views] = columns;
        if hours.len() != facts || minutes.len() != facts {
            return Err(Damaged("another number of minutes than facts"));
        }
        let frame_start = into.facts.len();
        let mut done = 0;
        for index in 0..groups {
            let count = varint::take_usize(&mut counts).ok_or(Damaged("a count is missing"))?;
            if count == 0 || count > facts - done {
                return Err(Damaged("counts do not add up to the facts"));
            }
            let step = varint::take(&mut group_column).ok_or(Damaged("a page is missing"))?;
            let last = into.ends.last().copied();
            let goes_on = step == 0 && index == 0 && last.is_some();
            let group = match last {
                Some((last, _)) if step > 0 || goes_on => last.checked_add(step),
                Some(_) => None,
                None => Some(step),
            };
            let group = group.ok_or(Damaged("pages do not ascend"))?;
            if group >= bounds.pages {
                return Err(Damaged("a page without a name"));
            }
            let before = if goes_on { into.facts.last().map_or(0, |fact| fact.0) } else { 0 };
            let times = hours[done..done + count].iter().zip(&minutes[done..done + count]);
            let facts = &mut into.facts;
            let start = facts.len();
            decode_group(&mut visitors, times, bounds.visitors, facts)?;
            if before >> ORDER_SHIFT > facts[start].0 >> ORDER_SHIFT {
                return Err(Damaged("facts do not ascend"));
            }
            done += count;
            let end = into.facts.len();
            match into.ends.last_mut() {
                Some(last) if goes_on => last.1 = end,
                _ => into.ends.push((group, end)),
            }
        }
        if done != facts || !(counts.is_empty() && group_column.is_empty() && visitors.is_empty()) {
            return Err(Damaged("counts do not add up to the facts"));
        }
        decode_views(views, &mut into.facts[frame_start..])?;
        check_repeats(into, frame_start, groups)
    }
}

/// Appends the facts of a group, with one view each, and checks that visitors and minutes ascend.
#[inline]
fn decode_group<'a>(
    visitors: &mut &[u8],
    times: impl Iterator<Item = (&'a u8, &'a u8)>,
    visitor_bound: u64,
    facts: &mut Vec<Fact>,
) -> Result<(), Damaged> {
    let mut visitor = 0;
    // Checks are collected in one bit that is tested at the end, so that the loop has no branch but the varint's.
    let (mut is_wrong, mut last) = (false, 0);
    for (&hour, &minute) in times {
        let step = varint::take(visitors).ok_or(Damaged("a visitor is missing"))?;
        // A sum that saturates is above the bound, and so refused.
        visitor = step.saturating_add(visitor);
        is_wrong |= visitor >= visitor_bound || hour >= 24 || minute >= 60;
        #[expect(clippy::cast_possible_truncation, reason = "below the bound, or refused below")]
        let fact = Fact::new_unchecked(visitor as u32, u16::from(hour) * 60 + u16::from(minute));
        is_wrong |= fact.0 < last;
        last = fact.0;
        facts.push(fact);
    }
    if is_wrong { Err(Damaged("a visitor or a minute is out of bounds or order")) } else { Ok(()) }
}

/// Sets the views of facts that have more than one.
fn decode_views(mut views: &[u8], facts: &mut [Fact]) -> Result<(), Damaged> {
    let (mut index, mut is_first) = (0_usize, true);
    while !views.is_empty() {
        let step = varint::take_usize(&mut views).ok_or(Damaged("a view is missing"))?;
        let more = varint::take(&mut views).ok_or(Damaged("a view is missing"))?;
        if (step == 0 && !is_first) || more > MAX_VIEWS - 2 {
            return Err(Damaged("views out of bounds"));
        }
        is_first = false;
        index = index.checked_add(step).ok_or(Damaged("views out of bounds"))?;
        let fact = facts.get_mut(index).ok_or(Damaged("views of no fact"))?;
        fact.0 += more + 1;
    }
    Ok(())
}

/// Fails if two facts have the same group, visitor and minute, unless the second is full.
fn check_repeats(groups: &Groups, frame_start: usize, frame_groups: usize) -> Result<(), Damaged> {
    let first_group = groups.ends.len() - frame_groups;
    let mut start = frame_start;
    for (index, &(_, end)) in groups.ends[first_group..].iter().enumerate() {
        // The first group may have begun in an earlier frame.
        let goes_on = index == 0
            && start > 0
            && groups.ends[..first_group].last().map_or(0, |&(_, end)| end) < start;
        let facts = &groups.facts[start - usize::from(goes_on)..end];
        let repeats = |pair: &[Fact]| {
            pair[0].0 >> ORDER_SHIFT == pair[1].0 >> ORDER_SHIFT && pair[1].views() < MAX_VIEWS
        };
        if facts.windows(2).any(repeats) {
            return Err(Damaged("a fact is there twice"));
        }
        start = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
