//! Writes a part, block by block; the header comes last.
//!
//! Owns: [`Writer`]. May import: `part::{block, header, range, section}`, `time`. Must not know: what blocks hold, where
//! the bytes go.

use std::collections::BTreeMap;
use std::io::Write;

use xxhash_rust::xxh3::xxh3_64;

use super::header::{self, BlockEntry, Partition};
use super::range::{self, SourceRange};
use super::section::Section;
use super::{END_MAGIC, MAGIC, PREAMBLE_BYTES, PartError, VERSION, block};
use crate::select::StoredRules;
use crate::time::Day;

/// A part that is being written. It holds the directory, but no block.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
    partition: Partition,
    /// Blocks so far; the number of a site is that in `sites`.
    blocks: Vec<BlockEntry>,
    /// By name: in the order in which they came.
    sites: BTreeMap<String, usize>,
    /// Range, site and day of the last block.
    last: Option<(usize, String, Day)>,
    /// Bytes written.
    end: usize,
}

impl<W: Write> Writer<W> {
    /// Begins a part of the visitors of a partition.
    ///
    /// # Errors
    /// [`PartError::Write`].
    pub fn new(mut to: W, partition: Partition) -> Result<Self, PartError> {
        to.write_all(&preamble())?;
        let (blocks, sites) = (Vec::new(), BTreeMap::new());
        Ok(Self { to, partition, blocks, sites, last: None, end: PREAMBLE_BYTES })
    }

    /// Appends the block of range number `range`, as [`Block::encode`](super::Block::encode) made it; nothing if it is
    /// empty.
    ///
    /// # Errors
    /// [`PartError::Write`]; [`PartError::Damaged`] if it is no block.
    ///
    /// # Panics
    /// If the blocks do not ascend by range, site's name and day.
    pub fn push(
        &mut self,
        range: usize,
        site: &str,
        day: Day,
        bytes: &[u8],
    ) -> Result<(), PartError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let checksum = block::check(bytes, self.partition)?;
        self.push_checked(range, site, day, bytes, checksum)
    }

    /// As [`push`](Self::push), for a block whose checksum [`block::check`] gave.
    pub(super) fn push_checked(
        &mut self,
        range: usize,
        site: &str,
        day: Day,
        bytes: &[u8],
        checksum: u64,
    ) -> Result<(), PartError> {
        let place = (range, site.to_owned(), day);
        assert!(self.last.as_ref().is_none_or(|last| *last < place), "blocks ascend");
        self.last = Some(place);
        self.to.write_all(bytes)?;
        let number = self.sites.len();
        let site = *self.sites.entry(site.to_owned()).or_insert(number);
        let start = self.end;
        self.end += bytes.len();
        self.blocks.push(BlockEntry { range, site, day, bytes: start..self.end, checksum });
        Ok(())
    }

    /// Ends the part: `ranges` are those that the blocks name by number, in order.
    ///
    /// # Errors
    /// [`PartError::Write`].
    ///
    /// # Panics
    /// If there is no range, if they are out of order, or if a block names another.
    pub fn finish(self, rules: &StoredRules, ranges: &[SourceRange]) -> Result<W, PartError> {
        assert!(ranges.is_sorted_by(|one, other| one.order() < other.order()), "ranges ascend");
        let is_first = self.partition.is_first();
        let ranges: Vec<Vec<u8>> =
            ranges.iter().map(|range| range::encode(range, is_first)).collect();
        self.finish_encoded(&rules.text(), &ranges, &[])
    }

    /// As [`finish`](Self::finish), for ranges that are encoded, and with sections that this program does not know.
    pub(super) fn finish_encoded(
        mut self,
        rules: &str,
        ranges: &[impl AsRef<[u8]>],
        other: &[Section<'_>],
    ) -> Result<W, PartError> {
        let last = self.blocks.last().map_or(0, |block| block.range);
        assert!(last < ranges.len(), "a part has ranges, and its blocks are of them");
        // The map is in the order of names.
        let mut numbers = vec![0; self.sites.len()];
        for (number, came) in self.sites.values().enumerate() {
            numbers[*came] = number;
        }
        for block in &mut self.blocks {
            block.site = numbers[block.site];
        }
        let sites: Vec<String> = self.sites.into_keys().collect();
        let header = header::encode(rules, self.partition, &sites, ranges, &self.blocks, other);
        self.to.write_all(&header)?;
        let place = [self.end as u64, header.len() as u64].map(u64::to_le_bytes).concat();
        let checksum = xxh3_64(&[&preamble()[..], &place].concat());
        self.to.write_all(&[&place[..], &checksum.to_le_bytes(), &END_MAGIC].concat())?;
        Ok(self.to)
    }
}

fn preamble() -> [u8; PREAMBLE_BYTES] {
    let mut preamble = [0; PREAMBLE_BYTES];
    preamble[..MAGIC.len()].copy_from_slice(&MAGIC);
    preamble[MAGIC.len()..MAGIC.len() + 2].copy_from_slice(&VERSION.to_le_bytes());
    preamble
}
