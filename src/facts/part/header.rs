//! The front of a part as bytes: what it is of, line totals, and where its blocks are.
//!
//! Owns: the header format. May import: `time`, `tally`, `varint`. Must not know: what blocks hold.
//!
//! ```text
//! header = magic (8) · version (2) · length of the body (4) · body · xxh3-64 of all before
//! body   = source (16) · rules · xxh3-128 of the rules (16) · totals · sites · blocks
//! ```
//!
//! Integers of a fixed size are little-endian, all others `varint`s, zigzag where they may be negative; a text is
//! its length and its bytes.

use std::collections::BTreeSet;

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::{BlockEntry, Header, PartError, SourceId};
use crate::facts::tally::Tally;
use crate::facts::varint;
use crate::time::{CivilTime, Day};

const MAGIC: [u8; 8] = *b"\x89hitmap\n";
/// The version that is written.
const VERSION: u16 = 1;
/// Magic, version, length.
const FRONT_BYTES: usize = 14;
const CHECKSUM_BYTES: usize = 8;

/// A header and its blocks' places as bytes.
pub(super) fn encode(header: &Header, blocks: &[BlockEntry]) -> Vec<u8> {
    let mut body = header.source.0.to_vec();
    put_text(&mut body, &header.rules);
    body.extend_from_slice(&xxh3_128(header.rules.as_bytes()).to_le_bytes());
    put_tally(&mut body, &header.tally);
    varint::put(&mut body, header.sites.len() as u64);
    for site in &header.sites {
        put_text(&mut body, site);
    }
    varint::put(&mut body, blocks.len() as u64);
    for block in blocks {
        varint::put(&mut body, block.site as u64);
        put_signed(&mut body, block.day.0.into());
        varint::put(&mut body, block.range.len() as u64);
        body.extend_from_slice(&block.checksum.to_le_bytes());
    }
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    // Blocks are one a site and day: the lengths of 2^27 of them would fit.
    bytes.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(&body);
    let checksum = xxh3_64(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The header that a part begins with, and its blocks' places in the part.
pub(super) fn decode(bytes: &[u8]) -> Result<(Header, Vec<BlockEntry>), PartError> {
    const CUT: PartError = PartError::Damaged("its header is cut");
    if !bytes.starts_with(&MAGIC) {
        return Err(PartError::NotAPart);
    }
    let front: &[u8; FRONT_BYTES] = bytes.first_chunk().ok_or(CUT)?;
    let version = u16::from_le_bytes([front[8], front[9]]);
    if version != VERSION {
        return Err(PartError::Version(version));
    }
    let length = u32::from_le_bytes([front[10], front[11], front[12], front[13]]);
    let end = FRONT_BYTES + usize::try_from(length).map_err(|_| CUT)?;
    let stored = bytes.get(end..end + CHECKSUM_BYTES).ok_or(CUT)?;
    if xxh3_64(&bytes[..end]).to_le_bytes() != *stored {
        return Err(PartError::Damaged("the checksum of its header is wrong"));
    }
    let first_block = end + CHECKSUM_BYTES;
    let mut body = &bytes[FRONT_BYTES..end];
    let parsed = take_body(&mut body, first_block).filter(|_| body.is_empty());
    let (header, blocks) = parsed.ok_or(PartError::Damaged("its header"))?;
    let last = blocks.last().map_or(first_block, |block| block.range.end);
    if last == bytes.len() { Ok((header, blocks)) } else { Err(PartError::Damaged("its length")) }
}

fn take_body(body: &mut &[u8], first_block: usize) -> Option<(Header, Vec<BlockEntry>)> {
    let source = SourceId(varint::take_bytes(body, 16)?.try_into().ok()?);
    let rules = take_text(body)?;
    if varint::take_bytes(body, 16)? != xxh3_128(rules.as_bytes()).to_le_bytes() {
        return None;
    }
    let tally = take_tally(body)?;
    let sites = (0..take_count(body)?).map(|_| take_text(body)).collect::<Option<Vec<_>>>()?;
    let mut start = first_block;
    let blocks: Option<Vec<BlockEntry>> = (0..take_count(body)?)
        .map(|_| {
            let site = varint::take_usize(body).filter(|&site| site < sites.len())?;
            let day = Day(i32::try_from(take_signed(body)?).ok()?);
            let end = start.checked_add(varint::take_usize(body)?)?;
            let checksum = u64::from_le_bytes(varint::take_bytes(body, 8)?.try_into().ok()?);
            let range = std::mem::replace(&mut start, end)..end;
            Some(BlockEntry { site, day, range, checksum })
        })
        .collect();
    let blocks = blocks?;
    let key = |block: &BlockEntry| (block.site, block.day);
    blocks
        .is_sorted_by(|one, other| key(one) < key(other))
        .then_some((Header { source, rules, tally, sites }, blocks))
}

fn put_tally(body: &mut Vec<u8>, tally: &Tally) {
    // Every field by name, so that a new one cannot be forgotten. Samples stay out: they are lines of the log.
    let Tally {
        lines,
        hits,
        page_views,
        malformed_lines,
        empty_lines,
        other_lines,
        bytes_sent,
        status,
        not_found,
        span,
        offsets_minutes,
        repeated_hour_days,
        nul_lines: _,
        reasons: _,
        samples: _,
    } = tally;
    for &sum in [lines, hits, page_views, malformed_lines, empty_lines, other_lines, bytes_sent]
        .into_iter()
        .chain(status)
        .chain([not_found])
    {
        varint::put(body, sum);
    }
    body.push(u8::from(span.is_some()));
    for time in span.iter().flat_map(|&(first, last)| [first, last]) {
        put_signed(body, time.day().0.into());
        varint::put(body, time.minute_of_day().into());
        body.push(time.second());
    }
    varint::put(body, offsets_minutes.len() as u64);
    for &offset in offsets_minutes {
        put_signed(body, offset.into());
    }
    varint::put(body, repeated_hour_days.len() as u64);
    for day in repeated_hour_days {
        put_signed(body, day.0.into());
    }
}

fn take_tally(body: &mut &[u8]) -> Option<Tally> {
    let mut sums = [0; 14];
    for sum in &mut sums {
        *sum = varint::take(body)?;
    }
    let [lines, hits, page_views, malformed_lines, empty_lines, other_lines, bytes_sent, ..] = sums;
    let span = match varint::take_bytes(body, 1)? {
        [0] => None,
        [1] => Some((take_time(body)?, take_time(body)?)),
        _ => return None,
    };
    let offsets_minutes = (0..take_count(body)?)
        .map(|_| i16::try_from(take_signed(body)?).ok())
        .collect::<Option<BTreeSet<_>>>()?;
    let repeated_hour_days = (0..take_count(body)?)
        .map(|_| Some(Day(i32::try_from(take_signed(body)?).ok()?)))
        .collect::<Option<BTreeSet<_>>>()?;
    Some(Tally {
        lines,
        hits,
        page_views,
        malformed_lines,
        empty_lines,
        other_lines,
        bytes_sent,
        status: sums[7..13].try_into().ok()?,
        not_found: sums[13],
        span,
        offsets_minutes,
        repeated_hour_days,
        nul_lines: 0,
        reasons: Default::default(),
        samples: Vec::new(),
    })
}

fn take_time(body: &mut &[u8]) -> Option<CivilTime> {
    let day = Day(i32::try_from(take_signed(body)?).ok()?);
    let minute = u16::try_from(varint::take(body)?).ok().filter(|&minute| minute < 1440)?;
    let second = varint::take_bytes(body, 1)?[0];
    (second <= 60).then(|| CivilTime::new(day, minute, second))
}

/// A number of things that follow, each a byte or more.
fn take_count(body: &mut &[u8]) -> Option<usize> {
    varint::take_usize(body).filter(|&count| count <= body.len())
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    varint::put(body, text.len() as u64);
    body.extend_from_slice(text.as_bytes());
}

fn take_text(body: &mut &[u8]) -> Option<String> {
    let length = varint::take_usize(body)?;
    Some(str::from_utf8(varint::take_bytes(body, length)?).ok()?.to_owned())
}

fn put_signed(body: &mut Vec<u8>, value: i64) {
    varint::put(body, (value << 1 ^ value >> 63).cast_unsigned());
}

fn take_signed(body: &mut &[u8]) -> Option<i64> {
    let value = varint::take(body)?;
    Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
}
