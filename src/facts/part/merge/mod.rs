//! Merging: the union of what parts say.
//!
//! Owns: which of two entries counts, what cannot be merged. May import: `part::{range, section, write}`, `time`. Must not
//! know: what blocks hold.
//!
//! Each rule is a union, a maximum or an intersection, so merging is associative, commutative and idempotent, and equal
//! sets of entries give equal bytes.

use std::cmp::Ordering;
use std::io::Write;

use super::range::SourceRange;
use super::section::Section;
use super::write::Writer;
use super::{BlockEntry, Part, PartError};
use crate::time::Day;

/// Writes the union of parts of the same rules and the same partition. The same entry in several parts counts once.
///
/// # Errors
/// [`PartError::Rules`], [`PartError::Partitions`], [`PartError::Conflict`]; [`PartError::Damaged`] or
/// [`PartError::Section`] if a part cannot be read; [`PartError::Write`]. Nothing is written unless all parts can be merged.
///
/// # Panics
/// If there are no parts.
pub fn merge<W: Write>(parts: &[Part<'_>], to: W) -> Result<W, PartError> {
    let first = parts.first().expect("there is something to merge").header();
    for part in parts {
        let header = part.header();
        if header.rules != first.rules {
            return Err(PartError::Rules(first.rules.clone(), header.rules.clone()));
        }
        if header.partition != first.partition {
            return Err(PartError::Partitions(first.partition, header.partition));
        }
        part.check()?;
    }
    let entries = union(parts)?;
    let mut writer = Writer::new(to, first.partition)?;
    for (number, entry) in entries.iter().enumerate() {
        for block in entry.blocks() {
            let (site, day, bytes) = entry.content(block);
            writer.push_checked(number, site, day, bytes, block.checksum)?;
        }
    }
    let ranges: Vec<&[u8]> = entries.iter().map(|entry| entry.payload()).collect();
    writer.finish_encoded(&first.rules, &ranges, &common_sections(parts))
}

/// What a part says about one of its ranges.
#[derive(Clone, Copy)]
struct Entry<'p> {
    part: &'p Part<'p>,
    /// Number of the range in the part.
    number: usize,
}

impl<'p> Entry<'p> {
    fn range(self) -> &'p SourceRange {
        &self.part.header().ranges[self.number]
    }

    fn payload(self) -> &'p [u8] {
        self.part.decoded.ranges[self.number]
    }

    fn blocks(self) -> impl Iterator<Item = &'p BlockEntry> {
        let (blocks, number) = (self.part.blocks(), self.number);
        let start = blocks.partition_point(|block| block.range < number);
        blocks[start..].iter().take_while(move |block| block.range == number)
    }

    /// Site, day and bytes of a block, which was checked.
    fn content(self, block: &BlockEntry) -> (&'p str, Day, &'p [u8]) {
        let site = &self.part.header().sites[block.site];
        (site, block.day, &self.part.bytes[block.bytes.clone()])
    }

    /// Of the same range the greater entry counts. Entries that differ at all differ in this.
    fn compare(self, other: Self) -> Ordering {
        let contents = |entry: Self| entry.blocks().map(move |block| entry.content(block));
        self.range()
            .data
            .iter()
            .cmp(other.range().data.iter())
            .then_with(|| self.payload().cmp(other.payload()))
            .then_with(|| contents(self).cmp(contents(other)))
    }
}

/// The entries of all parts, each once, in order.
fn union<'p>(parts: &'p [Part<'p>]) -> Result<Vec<Entry<'p>>, PartError> {
    let entries_of = |part: &'p Part<'p>| {
        (0..part.header().ranges.len()).map(move |number| Entry { part, number })
    };
    let mut all: Vec<Entry<'p>> = parts.iter().flat_map(entries_of).collect();
    all.sort_by_key(|entry| (entry.range().order(), entry.range().end));
    let mut union: Vec<Entry<'p>> = Vec::with_capacity(all.len());
    for entry in all {
        match union.last_mut() {
            Some(last)
                if last.range().order() == entry.range().order()
                    && last.range().end == entry.range().end =>
            {
                check_unchanged(last.range(), entry.range())?;
                if last.compare(entry).is_lt() {
                    *last = entry;
                }
            }
            _ => union.push(entry),
        }
    }
    for of_source in union.chunk_by(|one, other| one.range().shares_source(other.range())) {
        check_source(of_source)?;
    }
    Ok(union)
}

/// The same range of a source that did not change has the same bytes and hashes.
fn check_unchanged(one: &SourceRange, other: &SourceRange) -> Result<(), PartError> {
    let identity = |range: &SourceRange| {
        (range.log_bytes, range.block_hashes.clone(), range.beginnings.clone())
    };
    if identity(one) == identity(other) {
        return Ok(());
    }
    Err(PartError::Conflict(format!(
        "{} has changed between two scans of its bytes {} to {}; scan it again",
        one.display_name(),
        one.start,
        one.end
    )))
}

/// Ranges of one source, which ascend, do not overlap, and agree on the length of the log.
fn check_source(entries: &[Entry<'_>]) -> Result<(), PartError> {
    for pair in entries.windows(2) {
        let [one, other] = [pair[0].range(), pair[1].range()];
        if one.end > other.start || one.start == other.start {
            return Err(PartError::Conflict(format!(
                "ranges of {} overlap: bytes {} to {} and {} to {}",
                one.display_name(),
                one.start,
                one.end,
                other.start,
                other.end
            )));
        }
    }
    let known =
        || entries.iter().filter_map(|entry| entry.range().log_bytes.map(|bytes| (entry, bytes)));
    if let Some((entry, bytes)) = known().next()
        && let Some((_, other)) = known().find(|&(_, other)| other != bytes)
    {
        return Err(PartError::Conflict(format!(
            "{} has {bytes} bytes in one part and {other} in another; scan it again",
            entry.range().display_name()
        )));
    }
    Ok(())
}

/// The sections of the header that this program does not know and that are the same in all parts.
fn common_sections<'p>(parts: &'p [Part<'p>]) -> Vec<Section<'p>> {
    let is_in = |section: &Section<'_>, part: &Part<'_>| {
        let same =
            |other: &Section<'_>| (other.tag, other.payload) == (section.tag, section.payload);
        part.decoded.other.iter().any(same)
    };
    let first = parts.iter().take(1).flat_map(|part| &part.decoded.other);
    first.filter(|section| parts.iter().all(|part| is_in(section, part))).copied().collect()
}

#[cfg(test)]
mod tests;
