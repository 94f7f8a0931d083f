//! Parts: the facts of one source as bytes, exact and mergeable.
//!
//! Owns: [`Part`], its versions and checks, its header and its blocks. May import: `time`, `columns`,
//! `local_day`, `tally`, `varint`, rayon. Must not know: where parts are kept, how sources are read, reports.
//!
//! A part says whose facts it holds (the source), by which rules they were counted, what the lines came to, and the
//! facts, a block a site and day. Numbers of visitors and pages are the block's own, so a reader needs the blocks of
//! the days it asks for and nothing else. The facts of parts are a function of the *set* of sources: the order does
//! not matter, and a source that is given twice counts once.

pub mod block;
mod header;

use std::fmt;
use std::ops::Range;

use rayon::prelude::*;

use crate::error::Error;
use crate::facts::columns::{Decoder, Encoder};
use crate::facts::tally::Tally;
use crate::facts::{DayKey, LocalDay};
use crate::time::Day;

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
    /// The counting rules, as [`StoredRules::text`](crate::select::StoredRules::text) writes them.
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
    /// The part of the days `keys`, by ascending key, whose sites are numbered as in `header`; the same facts give the
    /// same bytes. Uses the thread pool it is called in, and the memory of the encoded blocks and of a few decoded ones.
    #[must_use]
    pub fn encode(
        header: &Header,
        keys: impl Iterator<Item = DayKey>,
        local_day: impl Fn(DayKey) -> LocalDay + Sync,
    ) -> Vec<u8> {
        let keys: Vec<DayKey> =
            keys.filter(|key| (key.site as usize) < header.sites.len()).collect();
        let blocks: Vec<Vec<u8>> = keys
            .par_iter()
            .map_init(Encoder::default, |encoder, &key| block::encode(&local_day(key), encoder))
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
