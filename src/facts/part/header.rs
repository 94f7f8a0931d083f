//! The header of a part: by which rules it was counted, what it is of, and where its blocks are.
//!
//! Owns: [`Header`], [`Partition`], the directory. May import: `part::{payload, section, range}`, `select` (rules), `time`,
//! `varint`. Must not know: what blocks hold.

use std::fmt;
use std::ops::Range;

use xxhash_rust::xxh3::xxh3_128;

use super::payload::{Payload, put_signed, put_text};
use super::range::{self, SourceRange};
use super::section::{self, Section, Sections, Tag};
use super::{PREAMBLE_BYTES, PartError};
use crate::facts::varint;
use crate::select::{StoredRules, VisitorHash};
use crate::time::Day;

const RULE: Tag = *b"RULE";
const PART: Tag = *b"PART";
const SITE: Tag = *b"SITE";
const RNGE: Tag = *b"RNGE";
const BLKS: Tag = *b"BLKS";
const KNOWN: [Tag; 5] = [RULE, PART, SITE, RNGE, BLKS];

/// Fewest bytes of a block in the directory.
const LEAST_BLOCK_BYTES: usize = 12;
/// Most partitions.
const MOST_PARTITIONS: u32 = 4096;

/// Which visitors a part holds: those of one of several ranges of hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    index: u32,
    count: u32,
}

impl Partition {
    /// All visitors.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Partition `index` of `count`; `None` if there is no such partition, or more than 4,096.
    #[must_use]
    pub fn new(index: u32, count: u32) -> Option<Self> {
        (index < count && count <= MOST_PARTITIONS).then_some(Self { index, count })
    }

    /// Whether it is the first one, which alone holds sums over lines and hits.
    #[must_use]
    pub fn is_first(self) -> bool {
        self.index == 0
    }

    /// Whether it holds a visitor.
    #[must_use]
    pub fn holds(self, visitor: VisitorHash) -> bool {
        ((visitor.0 >> 96) * u128::from(self.count)) >> 32 == u128::from(self.index)
    }
}

/// As in "partition 3 of 16", counted from 0.
impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {} of {}", self.index, self.count)
    }
}

/// What a part says besides its blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The counting rules, as [`StoredRules::text`] writes them.
    pub rules: String,
    /// Which visitors it holds.
    pub partition: Partition,
    /// Names of the sites that have blocks, ascending.
    pub sites: Vec<String>,
    /// The ranges it is of, by kind, key and start.
    pub ranges: Vec<SourceRange>,
}

/// Where a block is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockEntry {
    /// Its range's number in [`Header::ranges`].
    pub range: usize,
    /// Its site's number in [`Header::sites`].
    pub site: usize,
    /// The day.
    pub day: Day,
    /// Its bytes in the part.
    pub bytes: Range<usize>,
    /// The hash of the checksums of its sections.
    pub(super) checksum: u64,
}

/// The sections of a header as bytes. `ranges` are payloads of `RNGE`, `other` unknown sections in order.
pub(super) fn encode(
    rules: &str,
    partition: Partition,
    sites: &[String],
    ranges: &[impl AsRef<[u8]>],
    blocks: &[BlockEntry],
    other: &[Section<'_>],
) -> Vec<u8> {
    let mut header = Vec::new();
    let mut payload = xxh3_128(rules.as_bytes()).to_le_bytes().to_vec();
    put_text(&mut payload, rules);
    section::put(&mut header, RULE, &payload);
    payload.clear();
    varint::put(&mut payload, partition.index.into());
    varint::put(&mut payload, partition.count.into());
    section::put(&mut header, PART, &payload);
    payload.clear();
    varint::put(&mut payload, sites.len() as u64);
    sites.iter().for_each(|site| put_text(&mut payload, site));
    section::put(&mut header, SITE, &payload);
    for range in ranges {
        section::put(&mut header, RNGE, range.as_ref());
    }
    payload.clear();
    varint::put(&mut payload, blocks.len() as u64);
    for block in blocks {
        varint::put(&mut payload, block.range as u64);
        varint::put(&mut payload, block.site as u64);
        put_signed(&mut payload, block.day.0.into());
        varint::put(&mut payload, block.bytes.len() as u64);
        payload.extend_from_slice(&block.checksum.to_le_bytes());
    }
    section::put(&mut header, BLKS, &payload);
    for section in other {
        section::put(&mut header, section.tag, section.payload);
    }
    header
}

/// A header that was read, and the bytes that merging copies.
#[derive(Clone, Debug)]
pub(super) struct Decoded<'b> {
    pub(super) header: Header,
    pub(super) blocks: Vec<BlockEntry>,
    /// The payloads of `RNGE`.
    pub(super) ranges: Vec<&'b [u8]>,
    /// Sections that this program does not know.
    pub(super) other: Vec<Section<'b>>,
}

/// The header of a part whose blocks end at `blocks_end`. Any bytes may be given.
pub(super) fn decode(bytes: &[u8], blocks_end: usize) -> Result<Decoded<'_>, PartError> {
    let mut sections = Sections::read(bytes, &KNOWN)?;
    let rules = decode_rules(sections.take(RULE, "its rules (RULE)")?)?;
    let partition = decode_partition(sections.take(PART, "its partition (PART)")?)?;
    let mut names = sections.take(SITE, "its sites (SITE)")?;
    let mut sites: Vec<String> = Vec::new();
    for _ in 0..names.count(1)? {
        let name = names.text()?;
        if sites.last().is_some_and(|last| last.as_str() >= name) {
            return Err(names.damaged());
        }
        sites.push(name.to_owned());
    }
    names.end()?;
    let (mut ranges, mut payloads) = (Vec::new(), Vec::new());
    while let Some(payload) = sections.take_if(RNGE, "its ranges (RNGE)") {
        ranges.push(range::decode(payload.rest, partition.is_first())?);
        payloads.push(payload.rest);
    }
    check_ranges(&ranges)?;
    let directory = sections.take(BLKS, "its directory (BLKS)")?;
    let blocks = decode_blocks(directory, ranges.len(), sites.len(), blocks_end)?;
    let other = sections.finish()?;
    let header = Header { rules, partition, sites, ranges };
    Ok(Decoded { header, blocks, ranges: payloads, other })
}

fn decode_rules(mut payload: Payload<'_>) -> Result<String, PartError> {
    let (hash, text) = (payload.hash()?, payload.text()?);
    payload.end()?;
    if hash != xxh3_128(text.as_bytes()) {
        return Err(payload.damaged());
    }
    if let Some(rule) = StoredRules::unknown_rule(text) {
        return Err(PartError::Rule(rule));
    }
    // Equal rules are equal bytes.
    let rules = StoredRules::parse(text).filter(|rules| rules.text() == text);
    rules.map(|_| text.to_owned()).ok_or(payload.damaged())
}

fn decode_partition(mut payload: Payload<'_>) -> Result<Partition, PartError> {
    let [index, count] = [payload.number()?, payload.number()?].map(u32::try_from);
    payload.end()?;
    let partition =
        index.ok().zip(count.ok()).and_then(|(index, count)| Partition::new(index, count));
    partition.ok_or(payload.damaged())
}

/// There are ranges, they ascend, and those of one source do not contradict each other.
fn check_ranges(ranges: &[SourceRange]) -> Result<(), PartError> {
    const DAMAGED: PartError = PartError::Damaged("its ranges (RNGE)");
    if ranges.is_empty() || !ranges.is_sorted_by(|one, other| one.order() < other.order()) {
        return Err(DAMAGED);
    }
    for of_source in ranges.chunk_by(SourceRange::shares_source) {
        let mut lengths = of_source.iter().filter_map(|range| range.log_bytes);
        let first = lengths.next();
        if of_source.windows(2).any(|pair| pair[0].end > pair[1].start)
            || lengths.any(|bytes| Some(bytes) != first)
        {
            return Err(DAMAGED);
        }
    }
    Ok(())
}

fn decode_blocks(
    mut directory: Payload<'_>,
    ranges: usize,
    sites: usize,
    blocks_end: usize,
) -> Result<Vec<BlockEntry>, PartError> {
    let mut start = PREAMBLE_BYTES;
    let mut is_named = vec![false; sites];
    let mut blocks = Vec::new();
    for _ in 0..directory.count(LEAST_BLOCK_BYTES)? {
        let (range, site, day) = (directory.size()?, directory.size()?, directory.day()?);
        let end = start.checked_add(directory.size()?).ok_or(directory.damaged())?;
        let checksum = u64::from_le_bytes(directory.bytes()?);
        if range >= ranges || site >= sites || start == end {
            return Err(directory.damaged());
        }
        is_named[site] = true;
        let bytes = std::mem::replace(&mut start, end)..end;
        blocks.push(BlockEntry { range, site, day, bytes, checksum });
    }
    let key = |block: &BlockEntry| (block.range, block.site, block.day);
    let is_right = blocks.is_sorted_by(|one, other| key(one) < key(other))
        && start == blocks_end
        && is_named.iter().all(|&is_named| is_named);
    if is_right { directory.end().map(|()| blocks) } else { Err(directory.damaged()) }
}
