//! The old facts of a day, read once for what new facts must know of them.
//!
//! Owns: [`OldFacts`]. May import: `facts::chunks`, hashbrown, rayon, its sibling `blocks`. Must not know: cells, where
//! blocks are kept.

use hashbrown::HashSet;
use rayon::prelude::*;

use super::blocks::{Chunks, Decoded, OldBlock, OldBlocks, read_chunks};
use super::section_index;
use crate::database::block::BlockContent;
use crate::database::sorted::common;
use crate::error::Result;
use crate::facts::Fact;
use crate::facts::chunks::{ChunkDecoder, Damaged};
use crate::time::{Granularity, MINUTES_A_DAY};

/// Stands for the index of a place that has no new facts, and for the rank of a visitor who has none.
const NONE: u32 = u32::MAX;
const WORDS: usize = MINUTES_A_DAY.div_ceil(64) as usize;

/// The minutes of the day in which anybody was at a place.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Occupied([u64; WORDS]);

impl Occupied {
    const NEVER: Self = Self([0; WORDS]);

    fn set(&mut self, minute: u16) {
        self.0[usize::from(minute / 64)] |= 1 << (minute % 64);
    }

    fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word |= other);
    }

    /// Whether anybody was there in the bucket that begins with that minute.
    pub(super) fn has(&self, granularity: Granularity, minute: u16) -> bool {
        let (word, bit) = (usize::from(minute / 64), minute % 64);
        match granularity {
            Granularity::Day => self.0.iter().any(|&word| word > 0),
            Granularity::Hour => {
                let two = self.0.get(word + 1).copied().unwrap_or(0);
                let minutes = u128::from(two) << 64 | u128::from(self.0[word]);
                minutes >> bit & ((1 << 60) - 1) > 0
            }
            Granularity::Minute => self.0[word] >> bit & 1 == 1,
        }
    }
}

/// What is known of a day's old facts. Without any all its lists are empty.
#[derive(Debug, Default)]
pub(super) struct OldFacts {
    /// By index of place: the distinct (visitor, minute)s there, of visitors who have new facts there, as facts of one view;
    /// sorted.
    minutes: Vec<Minutes>,
    /// By index of place.
    occupied: Vec<Occupied>,
    /// The site's views by minute.
    views: Vec<u64>,
}

impl OldFacts {
    pub(super) fn minutes(&self, place: usize) -> &[Fact] {
        self.minutes.get(place).map_or(&[], |minutes| &minutes.facts)
    }

    /// `None` on a day without old facts.
    pub(super) fn occupied(&self, place: usize) -> Option<&Occupied> {
        self.occupied.get(place)
    }

    /// The site's views in a minute.
    pub(super) fn site_views(&self, minute: u16) -> u64 {
        self.views.get(usize::from(minute)).copied().unwrap_or(0)
    }

    /// Reads all blocks for what the facts `new` must know.
    ///
    /// # Errors
    /// Those of the blocks.
    pub(super) fn read(blocks: &mut dyn OldBlocks, new: &BlockContent) -> Result<Self> {
        let pages: usize = new.sections.iter().map(|section| section.items.len()).sum();
        let places = section_index(new.sections.len()) + pages;
        let mut old = Self {
            minutes: vec![Minutes::default(); places],
            occupied: vec![Occupied::NEVER; places],
            views: vec![0; MINUTES_A_DAY.into()],
        };
        let new = NewPlaces::new(new);
        for number in 0..blocks.count() {
            let block = blocks.open(number)?;
            let known = Known::new(&block, &new).map_err(|damaged| blocks.damaged(damaged))?;
            let scan = |decoder: &mut ChunkDecoder, chunks: &Chunks<'_>| {
                let mut scan = Scan::new(&known, &new);
                chunks.decode(decoder, block.visitors.len(), |item, ranks, minutes, views| {
                    scan.item(item, ranks, minutes, views);
                })?;
                Ok(scan.finish())
            };
            read_chunks(blocks, number, &block, scan, |found| old.absorb(found))?;
        }
        old.minutes.iter_mut().for_each(Minutes::settle);
        Ok(old)
    }

    fn absorb(&mut self, found: Found) {
        for (place, occupied, minutes) in found.places {
            self.occupied[place as usize].add(&occupied);
            self.minutes[place as usize].extend(&minutes);
        }
        for (views, more) in self.views.iter_mut().zip(found.views) {
            *views = views.saturating_add(more);
        }
    }
}

/// Number of distinct visitors of the site in a minute.
///
/// # Errors
/// Those of the blocks.
pub(super) fn visitors_in(blocks: &mut dyn OldBlocks, minute: u16) -> Result<u64> {
    let mut numbers: HashSet<u32> = HashSet::new();
    for number in 0..blocks.count() {
        let block = blocks.open(number)?;
        let scan = |decoder: &mut ChunkDecoder, chunks: &Chunks<'_>| {
            let mut found = Vec::new();
            chunks.decode(decoder, block.visitors.len(), |_, ranks, minutes, _| {
                let there = ranks.iter().zip(minutes).filter(|&(_, &other)| other == minute);
                found.extend(there.map(|(&rank, _)| block.visitors[rank as usize]));
            })?;
            Ok(found)
        };
        read_chunks(blocks, number, &block, scan, |found: Vec<u32>| numbers.extend(found))?;
    }
    Ok(numbers.len() as u64)
}

/// A list of (visitor, minute)s that may have some twice, but not many.
#[derive(Clone, Debug, Default)]
struct Minutes {
    facts: Vec<Fact>,
    /// Number of distinct ones when that was looked at last.
    distinct: usize,
}

impl Minutes {
    fn extend(&mut self, facts: &[Fact]) {
        self.facts.extend_from_slice(facts);
        if self.facts.len() > 2 * self.distinct + 4096 {
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.facts.sort_unstable();
        self.facts.dedup();
        self.distinct = self.facts.len();
    }
}

/// The places of new facts, and who is there in these.
struct NewPlaces<'n> {
    content: &'n BlockContent,
    /// By index of section: the ranks of its visitors, ascending.
    visitors: Vec<Vec<u32>>,
    /// By index of place, of pages: their facts.
    pages: Vec<&'n [Fact]>,
    /// Index of the first page.
    first_page: usize,
}

impl<'n> NewPlaces<'n> {
    fn new(content: &'n BlockContent) -> Self {
        let visitors = content.sections.par_iter().map(|section| {
            let facts = section.items.iter().flat_map(|item| &item.facts);
            let mut visitors: Vec<u32> = facts.map(|fact| fact.visitor()).collect();
            visitors.sort_unstable();
            visitors.dedup();
            visitors
        });
        let visitors = visitors.collect();
        let items = content.sections.iter().flat_map(|section| &section.items);
        let pages = items.map(|item| &item.facts[..]).collect();
        let first_page = section_index(content.sections.len());
        Self { content, visitors, pages, first_page }
    }

    fn is_in_section(&self, section: u32, visitor: u32) -> bool {
        let visitors = self.visitors.get(section as usize - 1);
        visitors.is_some_and(|visitors| visitors.binary_search(&visitor).is_ok())
    }

    fn is_on_page(&self, page: u32, visitor: u32) -> bool {
        let facts = self.pages[page as usize - self.first_page];
        facts.binary_search_by_key(&visitor, |fact| fact.visitor()).is_ok()
    }
}

/// Which visitors and items of a block have new facts.
struct Known {
    /// Bit by rank in the block: whether the visitor has new facts.
    words: Vec<u64>,
    /// By word: number of bits set in the words before it.
    below: Vec<u32>,
    /// Ranks among the new visitors, of those whose bit is set.
    ranks: Vec<u32>,
    /// Index of each item's section, or [`NONE`], with the item at which the section ends.
    sections: Vec<(usize, u32)>,
    /// Index of each item's place, or [`NONE`].
    pages: Vec<u32>,
}

impl Known {
    fn new(block: &OldBlock, new: &NewPlaces<'_>) -> Decoded<Self> {
        let mut words = vec![0_u64; block.visitors.len().div_ceil(64)];
        let mut ranks = Vec::new();
        common(&block.visitors, &new.content.visitors, |old, new| {
            words[old / 64] |= 1 << (old % 64);
            ranks.push(index(new));
        });
        let mut sum = 0;
        let below = words.iter().map(|word| {
            let below = sum;
            sum += word.count_ones();
            below
        });
        let below = below.collect();
        let mut sections = Vec::with_capacity(block.sections.len());
        let mut pages = vec![NONE; block.items.len()];
        let places: Vec<u32> = new.content.sections.iter().map(|section| section.place).collect();
        let first_pages: Vec<usize> = new
            .content
            .sections
            .iter()
            .scan(new.first_page, |next, section| {
                Some(std::mem::replace(next, *next + section.items.len()))
            })
            .collect();
        let mut start = 0;
        for &(place, items) in &block.sections {
            const WRONG: Damaged = Damaged("sections have another number of pages");
            let end = start + items;
            let known = block.items.get(start..end).ok_or(WRONG)?;
            let section = places.binary_search(&place);
            sections.push((end, section.map_or(NONE, |section| index(section_index(section)))));
            if let Ok(section) = section {
                let items = &new.content.sections[section].items;
                let new_places: Vec<u32> = items.iter().map(|item| item.place).collect();
                common(known, &new_places, |old, new| {
                    pages[start + old] = index(first_pages[section] + new);
                });
            }
            start = end;
        }
        if start != block.items.len() || block.counts.facts.len() != start {
            return Err(Damaged("another number of pages than in sections"));
        }
        Ok(Self { words, below, ranks, sections, pages })
    }

    /// The rank among the new visitors.
    #[inline]
    fn rank(&self, old: u32) -> Option<u32> {
        let word = self.words[old as usize / 64];
        let bit = 1 << (old % 64);
        if word & bit == 0 {
            return None;
        }
        let before = (word & (bit - 1)).count_ones() + self.below[old as usize / 64];
        self.ranks.get(before as usize).copied()
    }
}

fn index(index: usize) -> u32 {
    // Places and visitors have 32-bit numbers, and their indices are smaller.
    u32::try_from(index).unwrap_or(NONE)
}

/// What a task found in some chunks.
struct Found {
    /// Index of place, minutes in which anybody was there, old minutes.
    places: Vec<(u32, Occupied, Vec<Fact>)>,
    views: Vec<u64>,
}

/// A task's way through some chunks.
struct Scan<'s> {
    known: &'s Known,
    new: &'s NewPlaces<'s>,
    found: Found,
    site: Open,
    section: Open,
    page: Open,
    /// Index in [`Known::sections`].
    section_number: usize,
}

/// What is known so far of the site, the section and the page at hand.
struct Open {
    place: u32,
    occupied: Occupied,
    minutes: HashSet<Fact>,
}

impl Open {
    fn new(place: u32) -> Self {
        Self { place, occupied: Occupied::NEVER, minutes: HashSet::new() }
    }

    /// Goes on with another place.
    fn turn_to(&mut self, place: u32, found: &mut Found) {
        if self.place == place {
            return;
        }
        let before = std::mem::replace(&mut self.place, place);
        let occupied = std::mem::take(&mut self.occupied);
        if before != NONE {
            found.places.push((before, occupied, self.minutes.drain().collect()));
        }
    }
}

impl<'s> Scan<'s> {
    fn new(known: &'s Known, new: &'s NewPlaces<'s>) -> Self {
        let found = Found { places: Vec::new(), views: vec![0; MINUTES_A_DAY.into()] };
        let [site, section, page] = [0, NONE, NONE].map(Open::new);
        Self { known, new, found, site, section, page, section_number: 0 }
    }

    fn item(&mut self, item: usize, ranks: &[u32], minutes: &[u16], views: &[u64]) {
        while self.known.sections.get(self.section_number).is_some_and(|&(end, _)| end <= item) {
            self.section_number += 1;
        }
        let section =
            self.known.sections.get(self.section_number).map_or(NONE, |&(_, place)| place);
        let page = self.known.pages[item];
        self.section.turn_to(section, &mut self.found);
        self.page.turn_to(page, &mut self.found);
        for ((&rank, &minute), &views) in ranks.iter().zip(minutes).zip(views) {
            let sum = &mut self.found.views[usize::from(minute)];
            *sum = sum.saturating_add(views);
            self.section.occupied.set(minute);
            self.page.occupied.set(minute);
            let Some(visitor) = self.known.rank(rank) else { continue };
            let fact = Fact::new(visitor, minute, 1);
            self.site.minutes.insert(fact);
            if section != NONE && self.new.is_in_section(section, visitor) {
                self.section.minutes.insert(fact);
                if page != NONE && self.new.is_on_page(page, visitor) {
                    self.page.minutes.insert(fact);
                }
            }
        }
    }

    fn finish(mut self) -> Found {
        for (&views, minute) in self.found.views.iter().zip(0..) {
            if views > 0 {
                self.site.occupied.set(minute);
            }
        }
        for mut open in [self.site, self.section, self.page] {
            open.turn_to(NONE, &mut self.found);
        }
        self.found
    }
}
