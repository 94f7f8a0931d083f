//! Facts from blocks and parts, and parts from facts.
//!
//! Owns: [`encode`], [`load_blocks`], [`load`]. May import: `count::renumber`, `facts` (parts), rayon. Must not know: where
//! parts are kept.

use std::collections::HashSet;

use rayon::prelude::*;

use super::{Facts, FactsBuilder};
use crate::facts::columns::Decoder;
use crate::facts::part::{Header, Part, PartError};
use crate::facts::tally::Tally;
use crate::facts::{DayKey, LocalDay};
use crate::time::Day;

/// The facts of a run as a part, whose sites are numbered as in `header`. See [`Part::encode`].
#[must_use]
pub fn encode(header: &Header, facts: &Facts) -> Vec<u8> {
    Part::encode(header, facts.days(), |key| facts.local_day(key))
}

/// Number of blocks decoded per batch.
const BATCH_BLOCKS: usize = 64;
/// Most bytes of blocks decoded per batch; decoded they take about three times as much.
const BATCH_BYTES: usize = 128 << 20;

/// The facts of days, from blocks. `keys` are the day and the size in bytes of each block; `block(index, decoder)` decodes
/// the block of `keys[index]`.
///
/// A day may have several blocks, from different sources. Blocks are decoded in parallel, a batch at a time.
///
/// # Errors
/// The first error of `block`; [`PartError::Limit`] if there are too many visitors or pages.
pub fn load_blocks(
    keys: &[(DayKey, usize)],
    block: impl Fn(usize, &mut Decoder) -> Result<LocalDay, PartError> + Sync,
) -> Result<Facts, PartError> {
    let mut builder = FactsBuilder::default();
    let mut start = 0;
    while start < keys.len() {
        let (mut end, mut bytes) = (start, 0);
        while end < keys.len()
            && end - start < BATCH_BLOCKS
            && (end == start || bytes + keys[end].1 <= BATCH_BYTES)
        {
            bytes += keys[end].1;
            end += 1;
        }
        let days = (start..end)
            .into_par_iter()
            .map_init(Decoder::default, |decoder, index| {
                Ok((keys[index].0, block(index, decoder)?))
            })
            .collect::<Result<Vec<_>, PartError>>()?;
        builder.add(&days)?;
        start = end;
    }
    Ok(builder.finish())
}

/// The content of some parts.
#[derive(Debug)]
pub struct Loaded {
    /// The facts of the wanted days.
    pub facts: Facts,
    /// Site names by number.
    pub sites: Vec<String>,
    /// Sums over the lines of all sources, for all days.
    pub tally: Tally,
    /// The rules by which all parts were counted.
    pub rules: String,
}

/// Merges those days of the parts for which `is_wanted(site, day)` is true. Of several parts of one source only the first
/// counts.
///
/// # Errors
/// [`PartError::Rules`] if parts were counted by different rules, and the errors of [`Part::block`] and [`load_blocks`].
pub fn load(
    parts: &[Part<'_>],
    is_wanted: impl Fn(&str, Day) -> bool,
) -> Result<Loaded, PartError> {
    let mut seen = HashSet::new();
    let parts: Vec<&Part<'_>> =
        parts.iter().filter(|part| seen.insert(part.header().source)).collect();
    let rules = parts.first().map_or_else(String::new, |part| part.header().rules.clone());
    let mut sites: Vec<String> =
        parts.iter().flat_map(|part| part.header().sites.iter().cloned()).collect();
    sites.sort_unstable();
    sites.dedup();
    let mut tally = Tally::default();
    let (mut keys, mut blocks) = (Vec::new(), Vec::new());
    for part in parts {
        if part.header().rules != rules {
            return Err(PartError::Rules(rules, part.header().rules.clone()));
        }
        tally.merge(part.header().tally.clone());
        for entry in part.blocks() {
            let name = &part.header().sites[entry.site];
            if let (true, Ok(site)) = (is_wanted(name, entry.day), sites.binary_search(name)) {
                let site = u32::try_from(site).unwrap_or(u32::MAX);
                keys.push((DayKey { site, day: entry.day }, entry.range.len()));
                blocks.push((part, entry));
            }
        }
    }
    let facts = load_blocks(&keys, |index, decoder| {
        let (part, entry) = blocks[index];
        part.block(entry, decoder)
    })?;
    Ok(Loaded { facts, sites, tally, rules })
}

#[cfg(test)]
mod tests;
