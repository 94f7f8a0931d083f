//! One site's day as bytes: a row of version 2 of the database. Version 3 has blocks of its own.
//!
//! Owns: the block format. May import: `columns`, `local_day`, `part` (errors), `varint`. Must not know: where blocks are
//! kept.
//!
//! ```text
//! block  = version (1) · visitors · pages · body · xxh3-64 of all before
//! body   = planes of the visitors' hashes · lengths of page names · page names · facts (`columns`)
//! planes = of the upper halves, less the one before: bytes 7, 6, 5 (the highest first, a column each);
//!          then, raw, bytes 4 to 0 of each, and the lower halves (8 bytes, the highest first)
//! ```
//!
//! Hashes are random but sorted: their differences save the two bytes or so that the order is worth.

use xxhash_rust::xxh3::xxh3_64;

use super::columns::{Bounds, Decoder, Encoder};
use super::part::PartError;
use super::{LocalDay, Texts, varint};
use crate::select::VisitorHash;

/// The version that is written; also the first byte of a block.
const VERSION: u8 = 1;
/// Bytes of the checksum at a block's end.
const CHECKSUM_BYTES: usize = 8;
/// Bytes of a visitor that are stored raw.
const RAW_BYTES: usize = 5 + 8;
/// zstd makes no byte out of less than this share of one.
const MOST_EXPANSION: usize = 1 << 16;

/// The bytes of a day; equal days give equal bytes.
#[must_use]
pub fn encode(day: &LocalDay, encoder: &mut Encoder) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    varint::put(&mut bytes, day.visitors.len() as u64);
    varint::put(&mut bytes, day.pages.len() as u64);
    let mut planes: [Vec<u8>; 3] = Default::default();
    let mut raw = Vec::with_capacity(day.visitors.len() * RAW_BYTES);
    let mut last = 0;
    for hash in &day.visitors {
        let upper = (hash.0 >> 64) as u64;
        let step = (upper - last).to_be_bytes();
        last = upper;
        for (plane, byte) in planes.iter_mut().zip(step) {
            plane.push(byte);
        }
        raw.extend_from_slice(&step[3..]);
        raw.extend_from_slice(&hash.0.to_be_bytes()[8..]);
    }
    for plane in &planes {
        encoder.put_column(&mut bytes, plane);
    }
    bytes.extend_from_slice(&raw);
    let mut lengths = Vec::with_capacity(day.pages.len());
    for page in day.pages.iter() {
        varint::put(&mut lengths, page.len() as u64);
    }
    encoder.put_column(&mut bytes, &lengths);
    encoder.put_column(&mut bytes, day.pages.text.as_bytes());
    bytes.extend(encoder.encode(&day.facts));
    let checksum = xxh3_64(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The checksum at the end of a block's bytes, unchecked; `None` if they are too few.
fn checksum(bytes: &[u8]) -> Option<u64> {
    bytes.last_chunk().map(|checksum| u64::from_le_bytes(*checksum))
}

/// The day of a block's bytes. Any bytes may be given.
///
/// # Errors
/// [`PartError::Version`] and [`PartError::Damaged`].
pub fn decode(bytes: &[u8], decoder: &mut Decoder) -> Result<LocalDay, PartError> {
    let (mut rest, visitors, pages) = checked(bytes)?;
    let visitors = decode_visitors(&mut rest, visitors, decoder)?;
    let pages = decode_pages(&mut rest, pages, decoder)?;
    let bounds = Bounds { pages: pages.len() as u64, visitors: visitors.len() as u64 };
    let facts = decoder.decode(rest, bounds).map_err(|damaged| PartError::Damaged(damaged.0))?;
    Ok(LocalDay { visitors, pages, facts })
}

/// What follows the counts of visitors and pages, and both.
fn checked(bytes: &[u8]) -> Result<(&[u8], usize, usize), PartError> {
    const CUT: PartError = PartError::Damaged("a block is cut");
    let (&version, _) = bytes.split_first().ok_or(CUT)?;
    if version != VERSION {
        return Err(PartError::Version(version.into()));
    }
    let stored = checksum(bytes).ok_or(CUT)?;
    let body = &bytes[..bytes.len() - CHECKSUM_BYTES];
    if xxh3_64(body) != stored {
        return Err(PartError::Damaged("the checksum of a block is wrong"));
    }
    let mut rest = body.get(1..).ok_or(CUT)?;
    let visitors = varint::take_usize(&mut rest).ok_or(CUT)?;
    let pages = varint::take_usize(&mut rest).ok_or(CUT)?;
    if visitors > rest.len() / RAW_BYTES {
        return Err(CUT);
    }
    Ok((rest, visitors, pages))
}

/// The visitors of a block's bytes, without its facts.
///
/// # Errors
/// [`PartError::Version`] and [`PartError::Damaged`].
pub fn visitors(bytes: &[u8], decoder: &mut Decoder) -> Result<Vec<VisitorHash>, PartError> {
    let (mut rest, visitors, _) = checked(bytes)?;
    decode_visitors(&mut rest, visitors, decoder)
}

fn decode_visitors(
    bytes: &mut &[u8],
    count: usize,
    decoder: &mut Decoder,
) -> Result<Vec<VisitorHash>, PartError> {
    const DAMAGED: PartError = PartError::Damaged("the visitors of a block");
    let mut upper = vec![0_u64; count];
    for shift in [56, 48, 40] {
        let plane = decoder.take_column(bytes, count).map_err(|_| DAMAGED)?;
        if plane.len() != count {
            return Err(DAMAGED);
        }
        for (upper, &byte) in upper.iter_mut().zip(plane) {
            *upper |= u64::from(byte) << shift;
        }
    }
    let raw = varint::take_bytes(bytes, count * RAW_BYTES).ok_or(DAMAGED)?;
    let mut visitors = Vec::with_capacity(count);
    let mut last = 0_u64;
    for (step, raw) in upper.into_iter().zip(raw.chunks_exact(RAW_BYTES)) {
        let step = raw[..5].iter().fold(0, |step, &byte| step << 8 | u64::from(byte)) | step;
        last = last.checked_add(step).ok_or(DAMAGED)?;
        let lower = raw[5..].iter().fold(0, |lower, &byte| lower << 8 | u64::from(byte));
        visitors.push(VisitorHash(u128::from(last) << 64 | u128::from(lower)));
    }
    if visitors.is_sorted_by(|one, other| one < other) { Ok(visitors) } else { Err(DAMAGED) }
}

fn decode_pages(
    bytes: &mut &[u8],
    count: usize,
    decoder: &mut Decoder,
) -> Result<Texts, PartError> {
    const DAMAGED: PartError = PartError::Damaged("the pages of a block");
    let most = bytes.len().saturating_mul(MOST_EXPANSION);
    let mut lengths = decoder.take_column(bytes, most).map_err(|_| DAMAGED)?;
    if count > lengths.len() {
        return Err(DAMAGED);
    }
    let mut ends = Vec::with_capacity(count);
    let mut end = 0_usize;
    for _ in 0..count {
        let length = varint::take_usize(&mut lengths).ok_or(DAMAGED)?;
        end = end.checked_add(length).ok_or(DAMAGED)?;
        ends.push(end);
    }
    let is_all = lengths.is_empty();
    let text = decoder.take_column(bytes, most).map_err(|_| DAMAGED)?;
    if !is_all || text.len() != end {
        return Err(DAMAGED);
    }
    let text = str::from_utf8(text).map_err(|_| DAMAGED)?.to_owned();
    if !ends.iter().all(|&end| text.is_char_boundary(end)) {
        return Err(DAMAGED);
    }
    let texts = Texts { text, ends };
    if texts.iter().is_sorted_by(|one, other| one < other) { Ok(texts) } else { Err(DAMAGED) }
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use crate::facts::columns::{Decoder, Encoder};
    use crate::facts::{DayFacts, LocalDay, Texts};
    use crate::select::VisitorHash;

    fn day() -> LocalDay {
        let (mut facts, mut pages) = (DayFacts::default(), Texts::default());
        for page in 0..7_u32 {
            pages.push(&format!("/movie/{page}-ü.html"));
            for visitor in 0..13 {
                facts.push(page, visitor, 725, 1 + u64::from(visitor % 5 / 4));
            }
        }
        let visitors = (0..13).map(|visitor| VisitorHash(visitor << 120 | 0x00ab_cdef)).collect();
        LocalDay { visitors, pages, facts }
    }

    /// The bytes with a right checksum, as a hostile writer would make them.
    fn seal(body: &[u8]) -> Vec<u8> {
        [body, &xxhash_rust::xxh3::xxh3_64(body).to_le_bytes()].concat()
    }

    #[test]
    fn days_come_back_and_unknown_versions_are_named() {
        for day in [LocalDay::default(), day()] {
            let mut bytes = encode(&day, &mut Encoder::default());
            assert_eq!(decode(&bytes, &mut Decoder::default()).unwrap(), day);
            bytes[0] = 9;
            let error = decode(&bytes, &mut Decoder::default()).unwrap_err();
            assert!(error.to_string().contains("format 9"), "{error}");
        }
    }

    #[test]
    fn damage_is_refused_and_sealed_nonsense_never_panics() {
        let bytes = encode(&day(), &mut Encoder::default());
        let body = &bytes[..bytes.len() - 8];
        let (mut decoder, mut encoder) = (Decoder::default(), Encoder::default());
        let mut check = |bytes: &[u8]| {
            if let Ok(day) = decode(bytes, &mut decoder) {
                // What is read is in order, so it can be written.
                let again = encode(&day, &mut encoder);
                assert_eq!(decode(&again, &mut decoder).unwrap(), day);
            }
        };
        for end in 0..body.len() {
            check(&seal(&body[..end]));
        }
        for index in 0..body.len() {
            for change in [1, 0x40, 0x80, 0xff] {
                let mut body = body.to_vec();
                body[index] ^= change;
                check(&seal(&body));
                assert!(
                    decode(&[&body[..], &bytes[body.len()..]].concat(), &mut Decoder::default())
                        .is_err()
                );
            }
        }
    }
}
