//! Makes checksums right, as a hostile writer would; there for tests and fuzz targets only.
//!
//! Owns: [`seal`]. May import: `varint`. Must not know: payloads, but for the places of checksums in them.

use std::ops::Range;

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::{PREAMBLE_BYTES, TRAILER_BYTES};
use crate::facts::varint;

/// The part with right checksums, as far as it can be read at all.
#[must_use]
pub fn seal(part: &[u8]) -> Vec<u8> {
    let mut bytes = part.to_vec();
    let Some(trailer) = bytes.len().checked_sub(TRAILER_BYTES).filter(|&at| at >= PREAMBLE_BYTES)
    else {
        return bytes;
    };
    let place = &bytes[trailer..trailer + 16];
    let checksum = xxh3_64(&[&bytes[..PREAMBLE_BYTES], place].concat());
    let start = place[..8].iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte));
    bytes[trailer + 16..trailer + 24].copy_from_slice(&checksum.to_le_bytes());
    if start <= trailer {
        seal_header(&mut bytes[..trailer], start);
    }
    bytes
}

/// A block with right checksums.
#[must_use]
pub fn seal_block(block: &[u8]) -> Vec<u8> {
    let mut bytes = block.to_vec();
    let end = bytes.len();
    seal_sections(&mut bytes, 0..end);
    bytes
}

fn seal_header(bytes: &mut [u8], start: usize) {
    for (tag, payload) in sections(bytes, start..bytes.len()) {
        match &tag {
            b"RNGE" => drop(seal_sections(bytes, payload)),
            b"BLKS" => seal_directory(bytes, payload, start),
            b"RULE" => {
                let mut text = bytes.get(payload.start + 16..payload.end).unwrap_or_default();
                if let Some(length) = varint::take_usize(&mut text) {
                    let hash = xxh3_128(&text[..length.min(text.len())]);
                    bytes[payload.start..payload.start + 16].copy_from_slice(&hash.to_le_bytes());
                }
            }
            _ => {}
        }
    }
    let end = bytes.len();
    seal_sections(bytes, start..end);
}

fn seal_directory(bytes: &mut [u8], payload: Range<usize>, blocks_end: usize) {
    let directory = bytes[payload.clone()].to_vec();
    let mut rest = &directory[..];
    let mut start = PREAMBLE_BYTES;
    let count = varint::take(&mut rest).unwrap_or_default();
    for _ in 0..count {
        let numbers: Option<Vec<usize>> = (0..4).map(|_| varint::take_usize(&mut rest)).collect();
        let Some(end) = numbers.and_then(|numbers| start.checked_add(numbers[3])) else { return };
        let place = payload.end - rest.len();
        if end > blocks_end || rest.len() < 8 {
            return;
        }
        let checksum = seal_sections(bytes, start..end);
        bytes[place..place + 8].copy_from_slice(&checksum.to_le_bytes());
        rest = &rest[8..];
        start = end;
    }
}

/// Makes the checksums of some sections right, and hashes them.
fn seal_sections(bytes: &mut [u8], range: Range<usize>) -> u64 {
    let mut checksums = Vec::new();
    let mut start = range.start;
    for (_, payload) in sections(bytes, range) {
        let checksum = xxh3_64(&bytes[start..payload.end]).to_le_bytes();
        start = payload.end + checksum.len();
        bytes[payload.end..start].copy_from_slice(&checksum);
        checksums.extend_from_slice(&checksum);
    }
    xxh3_64(&checksums)
}

/// The name and the place of the payload of each section that is whole.
fn sections(bytes: &[u8], range: Range<usize>) -> Vec<([u8; 4], Range<usize>)> {
    let mut sections = Vec::new();
    let mut rest = &bytes[range.clone()];
    while let Some((tag, after)) = rest.split_first_chunk::<4>() {
        rest = after;
        let Some(length) = varint::take_usize(&mut rest) else { break };
        let start = range.end - rest.len();
        let Some(payload) = varint::take_bytes(&mut rest, length) else { break };
        let Some(after) = rest.get(8..) else { break };
        rest = after;
        sections.push((*tag, start..start + payload.len()));
    }
    sections
}
