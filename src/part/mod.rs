//! Parts: the facts of one source as bytes, exact and mergeable.
//!
//! Owns: [`Part`], its versions and checks, and the facts of several parts. May import: `calendar`, `count`,
//! `tally`, `varint`, rayon. Must not know: where parts are kept, how sources are read, reports.
//!
//! A part says whose facts it holds (the source), by which rules they were counted, what the lines came to, and the
//! facts, a block a site and day. Numbers of visitors and pages are the block's own, so a reader needs the blocks of
//! the days it asks for and nothing else. The facts of parts are a function of the *set* of sources: the order does
//! not matter, and a source that is given twice counts once.

pub mod block;
mod header;

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use rayon::prelude::*;

use crate::calendar::Day;
use crate::count::columns::{Decoder, Encoder};
use crate::count::{DayKey, Facts, FactsBuilder, LocalDay};
use crate::error::Error;
use crate::tally::Tally;

/// Why a part cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// The bytes are something else.
    #[error("this is not a part written by hitmap")]
    NotAPart,
    /// Written by a program that is newer than this one.
    #[error("the part has format {0}, which this hitmap does not know; a newer hitmap reads it")]
    Version(u16),
    /// The bytes are not as they were written.
    #[error("the part is damaged ({0}); make it again from its log")]
    Damaged(&'static str),
    /// Parts that were counted by different rules do not add up.
    #[error("the parts were counted by different rules: {0:?} and {1:?}")]
    Rules(String, String),
    /// Too much for one run.
    #[error(transparent)]
    Limit(#[from] Error),
}

/// The content of an input, as a hash: the same for a file that was renamed, copied or compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub [u8; 16]);

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a part says besides its facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Whose facts they are.
    pub source: SourceId,
    /// The counting rules, as [`Rules::text`](crate::select::Rules::text) has them.
    pub rules: String,
    /// Sums over the lines; without samples of malformed ones.
    pub tally: Tally,
    /// Site names by the numbers of the blocks' sites.
    pub sites: Vec<String>,
}

/// Where a block is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockEntry {
    /// The site's number in [`Header::sites`].
    pub site: usize,
    /// The day.
    pub day: Day,
    /// Its bytes in the part.
    pub range: Range<usize>,
    checksum: u64,
}

/// A part whose header was read and checked; blocks are read and checked when they are asked for.
#[derive(Clone, Debug)]
pub struct Part<'b> {
    header: Header,
    blocks: Vec<BlockEntry>,
    bytes: &'b [u8],
}

impl<'b> Part<'b> {
    /// The part of `facts`, whose sites are numbered as in `header`; the same facts give the same bytes. Uses the
    /// thread pool it is called in, and the memory of the encoded blocks and of a few decoded ones.
    #[must_use]
    pub fn encode(header: &Header, facts: &Facts) -> Vec<u8> {
        let keys: Vec<DayKey> =
            facts.days().filter(|key| (key.site as usize) < header.sites.len()).collect();
        let blocks: Vec<Vec<u8>> = keys
            .par_iter()
            .map_init(Encoder::default, |encoder, &key| {
                block::encode(&facts.local_day(key), encoder)
            })
            .collect();
        let mut start = 0;
        let entries: Vec<BlockEntry> = keys
            .iter()
            .zip(&blocks)
            .map(|(key, bytes)| {
                let range = start..start + bytes.len();
                start = range.end;
                let checksum = block::checksum(bytes).unwrap_or_default();
                BlockEntry { site: key.site as usize, day: key.day, range, checksum }
            })
            .collect();
        let mut part = header::encode(header, &entries);
        part.reserve_exact(start);
        for block in blocks {
            part.extend_from_slice(&block);
        }
        part
    }

    /// Reads a part's header. Any bytes may be given.
    ///
    /// # Errors
    /// [`PartError::NotAPart`], [`PartError::Version`], [`PartError::Damaged`].
    pub fn decode(bytes: &'b [u8]) -> Result<Self, PartError> {
        let (header, blocks) = header::decode(bytes)?;
        Ok(Self { header, blocks, bytes })
    }

    /// What it says besides its facts.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Its blocks, by site, then by day.
    #[must_use]
    pub fn blocks(&self) -> &[BlockEntry] {
        &self.blocks
    }

    /// A block's bytes, unchecked: what a database keeps.
    #[must_use]
    pub fn block_bytes(&self, entry: &BlockEntry) -> &'b [u8] {
        self.bytes.get(entry.range.clone()).unwrap_or_default()
    }

    /// A block's facts.
    ///
    /// # Errors
    /// [`PartError::Version`], [`PartError::Damaged`].
    pub fn block(&self, entry: &BlockEntry, decoder: &mut Decoder) -> Result<LocalDay, PartError> {
        let bytes = self.block_bytes(entry);
        if block::checksum(bytes) != Some(entry.checksum) {
            return Err(PartError::Damaged("a block is not the one its header names"));
        }
        block::decode(bytes, decoder)
    }
}

/// Blocks that are decoded together.
const BATCH_BLOCKS: usize = 64;
/// Bytes of blocks that are decoded together; about a third of what they take decoded.
const BATCH_BYTES: usize = 128 << 20;

/// The facts of days that are given as blocks, `block(index, decoder)` being the `index`th of `keys`.
///
/// A day may be among the keys again and again, with blocks of different sources. Decodes in parallel, some blocks
/// at a time.
///
/// # Errors
/// The first error of `block`; [`PartError::Limit`] where there are too many visitors or pages.
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

/// What some parts hold together.
#[derive(Debug)]
pub struct Loaded {
    /// The facts of the days that were wanted.
    pub facts: Facts,
    /// Site names by number.
    pub sites: Vec<String>,
    /// The line totals of all sources, over all days.
    pub tally: Tally,
    /// The rules that all parts were counted by.
    pub rules: String,
}

/// Puts the parts' days together for which `is_wanted(site, day)`. A source that comes again is left out.
///
/// # Errors
/// [`PartError::Rules`] where parts were counted by different rules, and those of [`Part::block`] and
/// [`load_blocks`].
pub fn load(
    parts: &[Part<'_>],
    is_wanted: impl Fn(&str, Day) -> bool,
) -> Result<Loaded, PartError> {
    let mut seen = HashSet::new();
    let parts: Vec<&Part<'_>> =
        parts.iter().filter(|part| seen.insert(part.header.source)).collect();
    let rules = parts.first().map_or_else(String::new, |part| part.header.rules.clone());
    let mut sites: Vec<String> =
        parts.iter().flat_map(|part| part.header.sites.iter().cloned()).collect();
    sites.sort_unstable();
    sites.dedup();
    let mut tally = Tally::default();
    let (mut keys, mut blocks) = (Vec::new(), Vec::new());
    for part in parts {
        if part.header.rules != rules {
            return Err(PartError::Rules(rules, part.header.rules.clone()));
        }
        tally.merge(part.header.tally.clone());
        for entry in &part.blocks {
            let name = &part.header.sites[entry.site];
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
