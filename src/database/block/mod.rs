//! The facts of a share as bytes, in five kinds of blobs.
//!
//! Owns: the encoding of *visitors*, *groups* and *items* ("The database format"), and reading a block item by item.
//! May import: `facts` (chunks, columns, numbers, varints), `error`. Must not know: SQL, where blobs lie, what is numbered.
//!
//! A visitor is known here by its rank, its index in the block's list; sections and pages are known by their places.

mod decode;
mod item_facts;

use crate::error::{Error, Result};
use crate::facts::Fact;
use crate::facts::chunks::ChunkEncoder;
use crate::facts::column::ColumnEncoder;
use crate::facts::numbers::put_numbers;
use crate::facts::varint;

pub use decode::{BlockDecoder, Groups, Items, SectionGroup};
pub use item_facts::FactRun;
pub(super) use item_facts::bytes_of;
pub(super) use item_facts::{ChunkBytes, ItemFactsReader};

/// The facts of one share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BlockContent {
    /// Numbers of the visitors, strictly ascending.
    pub visitors: Vec<u32>,
    /// By place.
    pub sections: Vec<SectionFacts>,
}

/// The facts of a section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SectionFacts {
    /// The section.
    pub place: u32,
    /// By place.
    pub items: Vec<ItemFacts>,
}

/// The facts of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ItemFacts {
    /// The page.
    pub place: u32,
    /// In ascending order. A fact's visitor is a rank. Facts of the same visitor and minute count as one.
    pub facts: Vec<Fact>,
}

/// How much a block holds; its bytes are read within these bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BlockCounts {
    /// Distinct visitors.
    pub visitors: u32,
    /// Pages that have facts.
    pub items: u32,
    /// Distinct (page, visitor, minute).
    pub facts: u32,
}

/// A block as bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EncodedBlock {
    /// Numbers of the visitors.
    pub visitors: Vec<u8>,
    /// Sets of visitors: of the site and of each section.
    pub groups: Vec<u8>,
    /// Counts of the pages, and where their chunks are.
    pub items: Vec<u8>,
    /// The visitors of the facts, in chunks.
    pub who: Vec<u8>,
    /// Minutes and views of the facts, in the same chunks.
    pub when: Vec<u8>,
    /// How much it is.
    pub counts: BlockCounts,
}

/// The bytes of a block; equal content gives equal bytes. Sections and pages without facts are left out.
///
/// # Errors
/// [`Error::Limit`] if it is more than a block can hold.
pub(super) fn encode(content: &BlockContent, encoder: &mut ColumnEncoder) -> Result<EncodedBlock> {
    let mut block = BlockEncoder::new(content.visitors.len(), encoder);
    for section in &content.sections {
        for item in &section.items {
            block.push_item(section.place, item.place, &item.facts);
        }
    }
    block.finish(&content.visitors)
}

/// Makes a block page by page.
#[derive(Debug)]
pub(super) struct BlockEncoder<'c> {
    chunks: ChunkEncoder<'c>,
    site: Visited,
    section: Visited,
    /// The section and the page of the last item, if there is one.
    last: Option<(u32, u32)>,
    pv: u64,
    section_pv: u64,
    section_items: u64,
    sections: SectionColumns,
    /// Column of the items' places.
    places: Vec<u8>,
}

/// The columns of *groups*.
#[derive(Debug, Default)]
struct SectionColumns {
    count: u64,
    last_place: u32,
    places: Vec<u8>,
    pv: Vec<u8>,
    uv: Vec<u8>,
    items: Vec<u8>,
    ranks: Vec<u8>,
}

impl<'c> BlockEncoder<'c> {
    /// A block of that many visitors without facts.
    pub(super) fn new(visitors: usize, encoder: &'c mut ColumnEncoder) -> Self {
        Self {
            chunks: ChunkEncoder::new(encoder),
            site: Visited::new(visitors),
            section: Visited::new(visitors),
            last: None,
            pv: 0,
            section_pv: 0,
            section_items: 0,
            sections: SectionColumns::default(),
            places: Vec::new(),
        }
    }

    /// Appends a page of a section; (section, page) ascend strictly. For `facts` see [`ItemFacts::facts`]; a page without
    /// any is left out.
    ///
    /// # Panics
    /// If a fact's rank is not below the number of visitors.
    pub(super) fn push_item(&mut self, section: u32, page: u32, facts: &[Fact]) {
        debug_assert!(self.last.is_none_or(|last| last < (section, page)));
        if facts.is_empty() {
            return;
        }
        let before = match self.last {
            Some((of, before)) if of == section => before,
            _ => {
                self.close_section();
                0
            }
        };
        self.last = Some((section, page));
        varint::put(&mut self.places, (page - before).into());
        for of_visitor in facts.chunk_by(|one, other| one.visitor() == other.visitor()) {
            self.section.insert(of_visitor[0].visitor());
        }
        let pv = facts.iter().fold(0_u64, |sum, fact| sum.saturating_add(fact.views()));
        self.section_pv = self.section_pv.saturating_add(pv);
        self.section_items += 1;
        self.chunks.push_item(facts);
    }

    fn close_section(&mut self) {
        let Some((place, _)) = self.last else { return };
        let columns = &mut self.sections;
        varint::put(&mut columns.places, (place - columns.last_place).into());
        varint::put(&mut columns.pv, self.section_pv);
        varint::put(&mut columns.items, self.section_items);
        let (mut uv, mut before) = (0, 0);
        let (site, ranks) = (&mut self.site, &mut columns.ranks);
        self.section.drain(|rank| {
            site.insert(rank);
            varint::put(ranks, (rank - before).into());
            before = rank;
            uv += 1;
        });
        varint::put(&mut columns.uv, uv);
        columns.last_place = place;
        columns.count += 1;
        self.pv = self.pv.saturating_add(self.section_pv);
        (self.section_pv, self.section_items) = (0, 0);
    }

    /// The block; `visitors` are the numbers of its visitors, by rank.
    ///
    /// # Errors
    /// [`Error::Limit`] if it is more than a block can hold.
    pub(super) fn finish(mut self, visitors: &[u32]) -> Result<EncodedBlock> {
        self.close_section();
        let (chunks, encoder) = self.chunks.finish_and_release();
        let counts = &chunks.counts;
        let facts = counts.facts.iter().sum::<u64>();
        let within = |count: u64| {
            u32::try_from(count).map_err(|_| {
                let message = "one log has more than 2^32 - 1 facts of a site's day, which is more than a database holds";
                Error::Limit(message.to_owned())
            })
        };
        let counts = BlockCounts {
            visitors: within(visitors.len() as u64)?,
            items: within(counts.facts.len() as u64)?,
            facts: within(facts)?,
        };
        let mut block = EncodedBlock { counts, ..EncodedBlock::default() };
        put_numbers(&mut block.visitors, visitors, encoder);
        let groups = &mut block.groups;
        varint::put(groups, self.pv);
        let (mut ranks, mut before, mut uv) = (Vec::new(), 0, 0_usize);
        self.site.drain(|rank| {
            varint::put(&mut ranks, (rank - before).into());
            before = rank;
            uv += 1;
        });
        varint::put(groups, uv as u64);
        if uv < visitors.len() {
            encoder.put(groups, &ranks);
        }
        let SectionColumns { count, last_place: _, places, pv, uv, items, ranks } = self.sections;
        varint::put(groups, count);
        for column in [&places, &pv, &uv, &items, &ranks] {
            encoder.put(groups, column);
        }
        let items = &mut block.items;
        encoder.put(items, &self.places);
        let counts = chunks.counts;
        let more_views = counts.views.iter().zip(&counts.facts).map(|(views, facts)| views - facts);
        let fewer_visitors =
            counts.facts.iter().zip(&counts.visitors).map(|(facts, visitors)| facts - visitors);
        let mut column = Vec::new();
        let mut put = |numbers: &mut dyn Iterator<Item = u64>| {
            column.clear();
            numbers.for_each(|number| varint::put(&mut column, number));
            encoder.put(items, &column);
        };
        put(&mut counts.facts.iter().copied());
        put(&mut { more_views });
        put(&mut { fewer_visitors });
        put(&mut counts.who.iter().copied());
        put(&mut counts.when.iter().copied());
        (block.who, block.when) = (chunks.who, chunks.when);
        Ok(block)
    }
}

/// A set of ranks. A few are kept as a list, so that thousands of small sections cost no more than their visitors.
#[derive(Debug)]
struct Visited {
    words: Vec<u64>,
    /// Not sorted, some of them several times; empty as soon as the ranks are bits of `words`.
    few: Vec<u32>,
    is_few: bool,
}

impl Visited {
    fn new(visitors: usize) -> Self {
        Self { words: vec![0; visitors.div_ceil(64)], few: Vec::new(), is_few: true }
    }

    #[inline]
    fn insert(&mut self, rank: u32) {
        if !self.is_few {
            self.words[rank as usize / 64] |= 1 << (rank % 64);
            return;
        }
        self.few.push(rank);
        if self.few.len() > self.words.len() {
            self.is_few = false;
            for rank in self.few.drain(..) {
                self.words[rank as usize / 64] |= 1 << (rank % 64);
            }
        }
    }

    /// Takes all out, in ascending order.
    fn drain(&mut self, mut each: impl FnMut(u32)) {
        if self.is_few {
            self.few.sort_unstable();
            self.few.dedup();
            self.few.drain(..).for_each(each);
            return;
        }
        self.is_few = true;
        for (word, first) in self.words.iter_mut().zip((0_u32..).step_by(64)) {
            while *word != 0 {
                each(first + word.trailing_zeros());
                *word &= *word - 1;
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
