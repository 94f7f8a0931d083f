//! The hashes of a block's visitors as bytes.
//!
//! Owns: the payload of `VISI`. May import: `part::{payload, header}`, `chunks` (decoder), `column`, `select` (visitor
//! hashes), `varint`. Must not know: other sections.
//!
//! Hashes are random but sorted: their differences save the two bytes or so that the order is worth.

use super::PartError;
use super::header::Partition;
use super::payload::Payload;
use crate::facts::chunks::ChunkDecoder;
use crate::facts::column::ColumnEncoder;
use crate::facts::varint;
use crate::select::VisitorHash;

/// The bytes of a difference that have a column each.
const COLUMNS: usize = 3;
/// Bytes of a visitor that are not in columns: the others of the difference, and the lower half of the hash.
const RAW_BYTES: usize = 8 - COLUMNS + 8;

/// Appends the visitors, which ascend strictly.
pub(super) fn put(to: &mut Vec<u8>, visitors: &[VisitorHash], encoder: &mut ColumnEncoder) {
    debug_assert!(visitors.is_sorted_by(|one, other| one < other));
    varint::put(to, visitors.len() as u64);
    let mut columns: [Vec<u8>; COLUMNS] = Default::default();
    let mut raw = Vec::with_capacity(visitors.len() * RAW_BYTES);
    let mut last = 0;
    for hash in visitors {
        let upper = (hash.0 >> 64) as u64;
        let step = (upper - last).to_be_bytes();
        last = upper;
        for (column, byte) in columns.iter_mut().zip(step) {
            column.push(byte);
        }
        raw.extend_from_slice(&step[COLUMNS..]);
        raw.extend_from_slice(&hash.0.to_be_bytes()[8..]);
    }
    for column in &columns {
        encoder.put(to, column);
    }
    to.extend_from_slice(&raw);
}

/// The visitors of a payload, which holds nothing else.
pub(super) fn take(
    payload: &mut Payload<'_>,
    partition: Partition,
    decoder: &mut ChunkDecoder,
) -> Result<Vec<VisitorHash>, PartError> {
    let count = payload.count(RAW_BYTES)?;
    if count == 0 || u32::try_from(count).is_err() {
        return Err(payload.damaged());
    }
    let mut upper = vec![0_u64; count];
    for shift in [56, 48, 40] {
        let column =
            decoder.take_numbers(&mut payload.rest, count).map_err(|_| payload.damaged())?;
        if column.len() != count {
            return Err(payload.damaged());
        }
        for (upper, &byte) in upper.iter_mut().zip(column) {
            *upper |= u64::from(byte) << shift;
        }
    }
    let raw = varint::take_bytes(&mut payload.rest, count * RAW_BYTES).ok_or(payload.damaged())?;
    let mut visitors = Vec::with_capacity(count);
    let mut last = 0_u64;
    for (step, raw) in upper.into_iter().zip(raw.chunks_exact(RAW_BYTES)) {
        let (low_step, lower) = raw.split_at(8 - COLUMNS);
        let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        last = last.checked_add(step | number(low_step)).ok_or(payload.damaged())?;
        visitors.push(VisitorHash(u128::from(last) << 64 | u128::from(number(lower))));
    }
    payload.end()?;
    // The hashes of a partition are a range.
    let is_here = [visitors.first(), visitors.last()]
        .into_iter()
        .flatten()
        .all(|&visitor| partition.holds(visitor));
    let is_sorted = visitors.is_sorted_by(|one, other| one < other);
    if is_here && is_sorted { Ok(visitors) } else { Err(payload.damaged()) }
}
