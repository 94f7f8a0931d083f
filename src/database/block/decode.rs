//! Reading blocks. Any bytes may be given.
//!
//! Owns: [`BlockDecoder`] and what it makes of the blobs. May import: what its parent may. Must not know: what its parent
//! must not.
//!
//! What is allocated is bounded by the block's counts, and by the bytes that are there.

use super::BlockCounts;
use crate::facts::chunks::{Chunk, ChunkDecoder, ItemCounts, Times, cut};
use crate::facts::column::{ColumnDecoder, Damaged, skip_column};
use crate::facts::numbers::take_numbers;
use crate::facts::varint;

const GROUPS: Damaged = Damaged("visitors of sections");
const ITEMS: Damaged = Damaged("counts of pages");

/// Reads blobs. It keeps buffers: make one for each thread.
#[derive(Debug, Default)]
pub struct BlockDecoder {
    pub(super) chunks: ChunkDecoder,
    column: ColumnDecoder,
    room: Vec<u8>,
}

/// Sets of visitors of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// Page views of the site.
    pub pv: u64,
    /// Visitors of the site that have page views.
    pub uv: u32,
    /// Their ranks; `None` if they are all visitors of the block.
    pub site_ranks: Option<Vec<u32>>,
    /// By place.
    pub sections: Vec<SectionGroup>,
    /// The ranks of all sections, one section after the other.
    ranks: Vec<u32>,
}

/// What a block has of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionGroup {
    /// The section.
    pub place: u32,
    /// Page views.
    pub pv: u64,
    /// Distinct visitors, at least 1.
    pub uv: u32,
    /// Number of its pages, at least 1.
    pub items: u32,
}

impl Groups {
    /// Each section with the ranks of its visitors, which ascend.
    pub fn sections(&self) -> impl Iterator<Item = (&SectionGroup, &[u32])> {
        let mut rest = &self.ranks[..];
        self.sections.iter().map(move |section| {
            let (ranks, after) = rest.split_at_checked(section.uv as usize).unwrap_or_default();
            rest = after;
            (section, ranks)
        })
    }
}

/// The first columns of *items*, by page.
struct FirstColumns {
    places: Vec<u32>,
    facts: Vec<u64>,
    views: Vec<u64>,
}

/// The pages of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Items {
    /// By section, and of a section by place.
    pub places: Vec<u32>,
    /// In the same order; the lengths of chunks by chunk.
    pub counts: ItemCounts,
}

impl BlockDecoder {
    /// The numbers of the block's visitors, strictly ascending.
    ///
    /// # Errors
    /// [`Damaged`].
    pub(in crate::database) fn visitors(
        &mut self,
        mut bytes: &[u8],
        counts: BlockCounts,
    ) -> Result<Vec<u32>, Damaged> {
        let count = counts.visitors as usize;
        let numbers = take_numbers(&mut bytes, count, &mut self.column, &mut self.room)
            .map_err(|_| Damaged("visitors of a day"))?;
        if bytes.is_empty() { Ok(numbers) } else { Err(Damaged("visitors of a day")) }
    }

    /// The sets of visitors.
    ///
    /// # Errors
    /// [`Damaged`].
    pub(in crate::database) fn groups(
        &mut self,
        mut bytes: &[u8],
        counts: BlockCounts,
    ) -> Result<Groups, Damaged> {
        let from = &mut bytes;
        let pv = varint::take(from).ok_or(GROUPS)?;
        let uv = take_count(from, counts.visitors).ok_or(GROUPS)?;
        let mut site_ranks = None;
        if uv < counts.visitors {
            let lengths = std::iter::once(uv).filter(|&uv| uv > 0);
            site_ranks = Some(self.ranks(from, lengths, uv.into(), counts.visitors)?);
        }
        let sections = self.take_sections(from, counts)?;
        let of_sections = sections.iter().map(|section| section.uv);
        let all = sections.iter().map(|section| u64::from(section.uv)).sum();
        let ranks = self.ranks(from, of_sections, all, counts.visitors)?;
        if from.is_empty() {
            Ok(Groups { pv, uv, site_ranks, sections, ranks })
        } else {
            Err(GROUPS)
        }
    }

    /// The sections alone, without sets.
    ///
    /// # Errors
    /// [`Damaged`].
    pub(in crate::database) fn sections(
        &mut self,
        mut bytes: &[u8],
        counts: BlockCounts,
    ) -> Result<Vec<SectionGroup>, Damaged> {
        let from = &mut bytes;
        varint::take(from).ok_or(GROUPS)?;
        let uv = take_count(from, counts.visitors).ok_or(GROUPS)?;
        if uv < counts.visitors {
            skip_column(from).ok_or(GROUPS)?;
        }
        self.take_sections(from, counts)
    }

    fn take_sections(
        &mut self,
        from: &mut &[u8],
        counts: BlockCounts,
    ) -> Result<Vec<SectionGroup>, Damaged> {
        let count = take_count(from, counts.items).ok_or(GROUPS)? as usize;
        let (steps, mut places) = (self.numbers(from, count).ok_or(GROUPS)?, Vec::new());
        append_ascending(&steps, &mut places).ok_or(GROUPS)?;
        let pvs = self.numbers(from, count).ok_or(GROUPS)?;
        let uvs = self.numbers(from, count).ok_or(GROUPS)?;
        let items = self.numbers(from, count).ok_or(GROUPS)?;
        let mut sections = Vec::with_capacity(count);
        let (mut all_items, mut all_ranks) = (0, 0_u64);
        for (place, ((pv, uv), items)) in
            places.into_iter().zip(pvs.into_iter().zip(uvs).zip(items))
        {
            let bounded = |count: u64, most: u32| {
                u32::try_from(count).ok().filter(|count| (1..=most).contains(count)).ok_or(GROUPS)
            };
            let uv = bounded(uv, counts.visitors)?;
            let items = bounded(items, counts.items)?;
            (all_items, all_ranks) = (all_items + u64::from(items), all_ranks + u64::from(uv));
            sections.push(SectionGroup { place, pv, uv, items });
        }
        // A visitor of a section has a fact there.
        if all_items != u64::from(counts.items) || all_ranks > u64::from(counts.facts) {
            return Err(GROUPS);
        }
        Ok(sections)
    }

    /// The places, facts and page views of the pages, which come first.
    fn take_views(
        &mut self,
        from: &mut &[u8],
        counts: BlockCounts,
        sections: &[SectionGroup],
    ) -> Result<FirstColumns, Damaged> {
        let count = counts.items as usize;
        let steps = self.numbers(from, count).ok_or(ITEMS)?;
        let (mut places, mut rest) = (Vec::with_capacity(count), &steps[..]);
        for section in sections {
            let (of_section, after) = rest.split_at_checked(section.items as usize).ok_or(ITEMS)?;
            append_ascending(of_section, &mut places).ok_or(ITEMS)?;
            rest = after;
        }
        let facts = self.numbers(from, count).ok_or(ITEMS)?;
        let all = facts.iter().try_fold(0_u64, |sum, &facts| sum.checked_add(facts));
        if all != Some(counts.facts.into()) || facts.contains(&0) || places.len() != count {
            return Err(ITEMS);
        }
        let mut views = self.numbers(from, count).ok_or(ITEMS)?;
        for (views, &facts) in views.iter_mut().zip(&facts) {
            *views = views.checked_add(facts).ok_or(ITEMS)?;
        }
        Ok(FirstColumns { places, facts, views })
    }

    /// The place and the page views of each page, of the section's pages one after the other.
    ///
    /// # Errors
    /// [`Damaged`].
    pub(in crate::database) fn views(
        &mut self,
        mut bytes: &[u8],
        counts: BlockCounts,
        sections: &[SectionGroup],
    ) -> Result<(Vec<u32>, Vec<u64>), Damaged> {
        let FirstColumns { places, views, .. } = self.take_views(&mut bytes, counts, sections)?;
        Ok((places, views))
    }

    /// The counts of the pages; `sections` are the block's own.
    ///
    /// # Errors
    /// [`Damaged`].
    pub(in crate::database) fn items(
        &mut self,
        mut bytes: &[u8],
        counts: BlockCounts,
        sections: &[SectionGroup],
    ) -> Result<Items, Damaged> {
        let from = &mut bytes;
        let FirstColumns { places, facts, views } = self.take_views(from, counts, sections)?;
        let mut visitors = self.numbers(from, places.len()).ok_or(ITEMS)?;
        for (visitors, &facts) in visitors.iter_mut().zip(&facts) {
            *visitors = facts.checked_sub(*visitors).filter(|&left| left > 0).ok_or(ITEMS)?;
        }
        let chunks = cut(&facts).count();
        let who = self.numbers(from, chunks).ok_or(ITEMS)?;
        let when = self.numbers(from, chunks).ok_or(ITEMS)?;
        let is_summable = |lengths: &[u64]| {
            lengths.iter().try_fold(0_u64, |sum, &length| sum.checked_add(length)).is_some()
        };
        if !from.is_empty() || !is_summable(&who) || !is_summable(&when) {
            return Err(ITEMS);
        }
        Ok(Items { places, counts: ItemCounts { facts, views, visitors, who, when } })
    }

    /// Appends the ranks of all facts of a chunk to `out`, item by item.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn who(
        &mut self,
        bytes: &[u8],
        chunk: &Chunk,
        items: &Items,
        visitors: u32,
        out: &mut Vec<u32>,
    ) -> Result<(), Damaged> {
        self.chunks.who(bytes, chunk.of(&items.counts.facts), visitors, out)
    }

    /// Appends the minutes and views of all facts of a chunk to `out`, in the order of [`who`](Self::who).
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn when(&mut self, bytes: &[u8], chunk: &Chunk, out: &mut Times) -> Result<(), Damaged> {
        self.chunks.when(bytes, chunk.facts, out)
    }

    /// A column of exactly `count` numbers.
    fn numbers(&mut self, from: &mut &[u8], count: usize) -> Option<Vec<u64>> {
        let mut column = self.chunks.take_numbers(from, count).ok()?;
        if column.len() < count {
            return None;
        }
        if column.len() == count {
            // A byte each: the usual case, and the fastest.
            let all = column.iter().fold(0, |all, byte| all | byte);
            return (all < 0x80).then(|| column.iter().map(|&byte| byte.into()).collect());
        }
        let numbers: Option<Vec<u64>> = (0..count).map(|_| varint::take(&mut column)).collect();
        numbers.filter(|_| column.is_empty())
    }

    /// Lists of ranks below `visitors` that ascend strictly, of those lengths, whose sum is `all`, one after the other.
    fn ranks(
        &mut self,
        from: &mut &[u8],
        lengths: impl Iterator<Item = u32>,
        all: u64,
        visitors: u32,
    ) -> Result<Vec<u32>, Damaged> {
        let all = usize::try_from(all).map_err(|_| GROUPS)?;
        let mut column = self.chunks.take_numbers(from, all).map_err(|_| GROUPS)?;
        if column.len() < all {
            return Err(GROUPS);
        }
        let mut ranks = vec![0; all];
        let mut rest = &mut ranks[..];
        // Where most visitors are in a section, all differences are a byte each.
        let are_bytes = column.len() == all && column.iter().all(|&byte| byte < 0x80);
        for length in lengths {
            let (of_list, after) = rest.split_at_mut_checked(length as usize).ok_or(GROUPS)?;
            rest = after;
            let last = if are_bytes {
                let (bytes, after) = column.split_at_checked(of_list.len()).ok_or(GROUPS)?;
                column = after;
                let mut bytes = bytes.iter();
                add_up(of_list, || bytes.next().map(|&byte| byte.into()))
            } else {
                add_up(of_list, || varint::take(&mut column))
            };
            if last.is_none_or(|last| last >= u64::from(visitors)) {
                return Err(GROUPS);
            }
        }
        if column.is_empty() { Ok(ranks) } else { Err(GROUPS) }
    }
}

/// Fills in numbers of which the first and the differences are given, and returns the last one; `None` if there are too few
/// or they do not ascend strictly. The numbers are cut to 32 bits, which the caller checks by the last one.
fn add_up(numbers: &mut [u32], mut step: impl FnMut() -> Option<u64>) -> Option<u64> {
    let (mut last, mut is_wrong) = (0_u64, false);
    let mut is_first = true;
    for number in numbers {
        let step = step()?;
        is_wrong |= step == 0 && !is_first;
        is_first = false;
        // A sum that saturates is above every bound, and so refused.
        last = last.saturating_add(step);
        #[expect(clippy::cast_possible_truncation, reason = "said above")]
        let cut = last as u32;
        *number = cut;
    }
    (!is_wrong).then_some(last)
}

/// A number of at most `most`.
fn take_count(from: &mut &[u8], most: u32) -> Option<u32> {
    u32::try_from(varint::take(from)?).ok().filter(|&count| count <= most)
}

/// Appends the numbers of which the first and the differences are given; `None` unless they ascend strictly within 32 bits.
fn append_ascending(steps: &[u64], to: &mut Vec<u32>) -> Option<()> {
    let start = to.len();
    to.resize(start + steps.len(), 0);
    let mut steps = steps.iter();
    let last = add_up(&mut to[start..], || steps.next().copied())?;
    u32::try_from(last).is_ok().then_some(())
}
