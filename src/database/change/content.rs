//! Facts of several blocks together.
//!
//! Owns: [`merge`], [`read`]. May import: what its parent may. Must not know: what its parent must not.

use std::collections::BTreeMap;

use super::blocks::{OldBlocks, read_items};
use crate::database::block::{BlockContent, ItemFacts, SectionFacts};
use crate::database::sorted::common;
use crate::error::Result;
use crate::facts::Fact;

/// The facts of some blocks together. Views of the same page, visitor and minute are not added up: they stay several facts.
pub(in crate::database) fn merge(mut contents: Vec<BlockContent>) -> BlockContent {
    if contents.len() < 2 {
        return contents.pop().unwrap_or_default();
    }
    let mut visitors: Vec<u32> =
        contents.iter().flat_map(|content| &content.visitors).copied().collect();
    visitors.sort_unstable();
    visitors.dedup();
    let mut items: BTreeMap<(u32, u32), Vec<Fact>> = BTreeMap::new();
    for content in contents {
        let mut ranks = Vec::with_capacity(content.visitors.len());
        common(&content.visitors, &visitors, |_, rank| ranks.push(rank_of(rank)));
        for section in content.sections {
            for item in section.items {
                let facts = items.entry((section.place, item.place)).or_default();
                let renumbered = |fact: Fact| fact.with_visitor(ranks[fact.visitor() as usize]);
                facts.extend(item.facts.into_iter().map(renumbered));
            }
        }
    }
    // The stable sort, since it detects the sorted runs.
    items.values_mut().for_each(|facts| facts.sort());
    BlockContent { visitors, sections: sections(items.into_iter()) }
}

/// Sections of pages, which come in the order of (section, page).
pub(in crate::database) fn sections(
    items: impl Iterator<Item = ((u32, u32), Vec<Fact>)>,
) -> Vec<SectionFacts> {
    let mut sections: Vec<SectionFacts> = Vec::new();
    for ((section, place), facts) in items {
        let item = ItemFacts { place, facts };
        match sections.last_mut() {
            Some(last) if last.place == section => last.items.push(item),
            _ => sections.push(SectionFacts { place: section, items: vec![item] }),
        }
    }
    sections
}

/// All facts of stored blocks.
///
/// # Errors
/// Those of the blocks.
pub(in crate::database) fn read(blocks: &mut dyn OldBlocks) -> Result<BlockContent> {
    let mut contents = Vec::with_capacity(blocks.count());
    for number in 0..blocks.count() {
        let block = blocks.open(number)?;
        let mut facts: Vec<Vec<Fact>> = block.items.iter().map(|_| Vec::new()).collect();
        read_items(blocks, number, &block, |item, more| facts[item].extend(more))?;
        let mut places = Vec::with_capacity(facts.len());
        for &(section, count) in &block.sections {
            places.extend(
                block.items.iter().skip(places.len()).take(count).map(|&page| (section, page)),
            );
        }
        let sections = sections(places.into_iter().zip(facts));
        contents.push(BlockContent { visitors: block.visitors, sections });
    }
    Ok(merge(contents))
}

fn rank_of(rank: usize) -> u32 {
    // Visitors have 32-bit numbers, and their ranks are not larger.
    u32::try_from(rank).unwrap_or(u32::MAX)
}
