//! Facts from blocks and parts, and parts from facts.
//!
//! Owns: [`write()`], [`load`], [`load_blocks`]. May import: `count::renumber`, `facts` (parts), `select` (rules), rayon. Must
//! not know: where parts are kept.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::{Facts, FactsBuilder};
use crate::facts::chunks::ChunkDecoder;
use crate::facts::column::ColumnEncoder;
use crate::facts::part::{
    Block, BlockEntry, Part, PartError, Partition, SourceRange, Writer, counted,
};
use crate::facts::tally::Tally;
use crate::facts::{DayKey, LocalDay, ShareKey, ShareSums};
use crate::select::StoredRules;
use crate::time::Day;

/// What a run knows of a range of a source.
#[derive(Clone, Copy, Debug)]
pub struct Scanned<'f> {
    /// The range, and the sums over its lines.
    pub range: &'f SourceRange,
    /// Its facts.
    pub facts: &'f Facts,
    /// Site names by number.
    pub sites: &'f [String],
    /// What else is known of its days, also of those without facts.
    pub days: &'f BTreeMap<DayKey, ShareSums>,
}

/// Number of blocks encoded per batch, and held until they are written.
const WRITTEN_BATCH: usize = 16;

/// Writes a part of all visitors. The same facts give the same bytes, in whatever order the ranges are given. Uses the
/// thread pool it is called in.
///
/// # Errors
/// [`PartError::Write`], [`PartError::Limit`].
///
/// # Panics
/// If there is no range, or if two ranges are the same.
pub fn write<W: Write>(
    to: W,
    rules: &StoredRules,
    scanned: &[Scanned<'_>],
) -> Result<W, PartError> {
    let mut scanned: Vec<&Scanned<'_>> = scanned.iter().collect();
    scanned.sort_by_key(|scanned| (scanned.range.kind, scanned.range.key, scanned.range.start));
    let mut writer = Writer::new(to, Partition::WHOLE)?;
    for (number, scanned) in scanned.iter().enumerate() {
        let mut keys: Vec<DayKey> =
            scanned.facts.days().chain(scanned.days.keys().copied()).collect();
        let name = |key: DayKey| scanned.sites.get(key.site as usize).map_or("", String::as_str);
        keys.sort_unstable_by_key(|&key| (name(key), key));
        keys.dedup();
        for keys in keys.chunks(WRITTEN_BATCH) {
            let encode = |encoder: &mut ColumnEncoder, key: &DayKey| {
                let ShareSums { hits, sample } = scanned.days.get(key).cloned().unwrap_or_default();
                Block { hits, sample, day: scanned.facts.local_day(*key) }.encode(encoder)
            };
            let blocks = keys.par_iter().map_init(ColumnEncoder::default, encode);
            for (&key, block) in keys.iter().zip(blocks.collect::<Result<Vec<_>, _>>()?) {
                writer.push(number, name(key), key.day, &block)?;
            }
        }
    }
    let ranges: Vec<SourceRange> = scanned.iter().map(|scanned| scanned.range.clone()).collect();
    writer.finish(rules, &ranges)
}

/// Number of blocks decoded per batch.
const BATCH_BLOCKS: usize = 64;
/// Most bytes of blocks decoded per batch; decoded they take about three times as much.
const BATCH_BYTES: usize = 128 << 20;

/// The facts of shares, from blocks. `keys` are the share and the size in bytes of each block; `block(index, decoder)` decodes
/// the block of `keys[index]`.
///
/// A share may have several blocks. Blocks are decoded in parallel, a batch at a time.
///
/// # Errors
/// The first error of `block`; [`PartError::Limit`] if there are too many visitors or pages.
pub fn load_blocks<D: Default>(
    keys: &[(ShareKey, usize)],
    block: impl Fn(usize, &mut D) -> Result<LocalDay, PartError> + Sync,
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
            .map_init(D::default, |decoder, index| Ok((keys[index].0, block(index, decoder)?)))
            .collect::<Result<Vec<_>, PartError>>()?;
        builder.add(&days)?;
        start = end;
    }
    Ok(builder.finish())
}

/// The content of a part.
#[derive(Debug)]
pub struct Loaded {
    /// The facts of the wanted days. The number of a source is its place in the part's header.
    pub facts: Facts,
    /// Site names by number.
    pub sites: Vec<String>,
    /// Sums over the lines of all sources, for all days, and over the hits of the wanted days.
    pub tally: Tally,
    /// The rules by which the part was counted.
    pub rules: String,
}

/// Adds up those days of a part for which `is_wanted(site, day)` is true. Sources with the same content count once. Several
/// parts are to be [merged](crate::facts::part::merge) before.
///
/// # Errors
/// [`PartError::Incomplete`] if the part has not all of a source, and the errors of [`Part::block`] and [`load_blocks`].
pub fn load(part: &Part<'_>, is_wanted: impl Fn(&str, Day) -> bool) -> Result<Loaded, PartError> {
    let header = part.header();
    let counted = counted(&header.ranges)?;
    let mut tally = Tally::default();
    for (range, _) in header.ranges.iter().zip(&counted).filter(|&(_, &counted)| counted) {
        let SourceRange { lines, span, offsets_minutes, repeated_hour_days, .. } = range;
        tally.add_lines(lines);
        tally.merge(Tally {
            span: *span,
            offsets_minutes: offsets_minutes.clone(),
            repeated_hour_days: repeated_hour_days.clone(),
            ..Tally::default()
        });
    }
    let is_loaded = |block: &&BlockEntry| {
        counted[block.range] && is_wanted(&header.sites[block.site], block.day)
    };
    let blocks: Vec<&BlockEntry> = part.blocks().iter().filter(is_loaded).collect();
    let key = |block: &BlockEntry| {
        let number = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        let (site, source) = (number(block.site), number(block.range));
        (ShareKey { site, day: block.day, source }, block.bytes.len())
    };
    let keys: Vec<(ShareKey, usize)> = blocks.iter().map(|block| key(block)).collect();
    let hits = Mutex::new(&mut tally);
    let facts = load_blocks(&keys, |index, decoder: &mut ChunkDecoder| {
        let block = part.block(blocks[index], decoder)?;
        hits.lock().unwrap_or_else(PoisonError::into_inner).add_hits(&block.hits);
        Ok(block.day)
    })?;
    Ok(Loaded { facts, sites: header.sites.clone(), tally, rules: header.rules.clone() })
}

#[cfg(test)]
mod tests;
