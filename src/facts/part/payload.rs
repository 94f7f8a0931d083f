//! Numbers and texts of the payloads of sections.
//!
//! Owns: the encodings of the guide's table *Encoding*, but for columns. May import: `varint`, `time`, `sums`. Must not
//! know: which section has which fields.

use super::PartError;
use crate::facts::sums::Sums;
use crate::facts::varint;
use crate::time::Day;

/// Most bytes of a text: a name stands in one line, which is at most 256 MiB long.
pub(super) const MOST_TEXT_BYTES: usize = 1 << 28;

pub(super) fn put_signed(bytes: &mut Vec<u8>, value: i64) {
    varint::put(bytes, (value << 1 ^ value >> 63).cast_unsigned());
}

pub(super) fn put_text(bytes: &mut Vec<u8>, text: &str) {
    varint::put(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

pub(super) fn put_hashes(bytes: &mut Vec<u8>, hashes: &[u128]) {
    varint::put(bytes, hashes.len() as u64);
    for hash in hashes {
        bytes.extend_from_slice(&hash.to_le_bytes());
    }
}

pub(super) fn put_pairs(bytes: &mut Vec<u8>, sums: &Sums) {
    varint::put(bytes, sums.iter().len() as u64);
    for (number, sum) in sums.iter() {
        varint::put(bytes, number);
        varint::put(bytes, sum);
    }
}

/// The bytes of a payload that are still to be read. Any bytes may be given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload<'b> {
    pub(super) rest: &'b [u8],
    /// What is damaged if a field cannot be read.
    what: &'static str,
}

impl<'b> Payload<'b> {
    pub(super) fn new(bytes: &'b [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    pub(super) fn damaged(&self) -> PartError {
        PartError::Damaged(self.what)
    }

    pub(super) fn number(&mut self) -> Result<u64, PartError> {
        varint::take(&mut self.rest).ok_or(PartError::Damaged(self.what))
    }

    pub(super) fn size(&mut self) -> Result<usize, PartError> {
        varint::take_usize(&mut self.rest).ok_or(PartError::Damaged(self.what))
    }

    /// A number of things that follow, each of at least `least_bytes` bytes.
    pub(super) fn count(&mut self, least_bytes: usize) -> Result<usize, PartError> {
        let count = self.size()?;
        if count <= self.rest.len() / least_bytes { Ok(count) } else { Err(self.damaged()) }
    }

    pub(super) fn signed(&mut self) -> Result<i64, PartError> {
        let value = self.number()?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    pub(super) fn day(&mut self) -> Result<Day, PartError> {
        i32::try_from(self.signed()?).map(Day).map_err(|_| self.damaged())
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], PartError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(PartError::Damaged(self.what))?;
        self.rest = rest;
        Ok(*bytes)
    }

    pub(super) fn hash(&mut self) -> Result<u128, PartError> {
        Ok(u128::from_le_bytes(self.bytes()?))
    }

    pub(super) fn hashes(&mut self) -> Result<Vec<u128>, PartError> {
        let count = self.count(16)?;
        (0..count).map(|_| self.hash()).collect()
    }

    pub(super) fn text(&mut self) -> Result<&'b str, PartError> {
        let length = self.size()?;
        let bytes =
            varint::take_bytes(&mut self.rest, length).filter(|_| length <= MOST_TEXT_BYTES);
        let text = bytes.and_then(|bytes| str::from_utf8(bytes).ok());
        text.ok_or(PartError::Damaged(self.what))
    }

    /// Sums whose numbers ascend strictly and of which none is 0.
    pub(super) fn pairs(&mut self) -> Result<Sums, PartError> {
        let (mut sums, mut last) = (Sums::default(), None);
        for _ in 0..self.count(2)? {
            let (number, sum) = (self.number()?, self.number()?);
            if last.is_some_and(|last| last >= number) || sum == 0 {
                return Err(self.damaged());
            }
            last = Some(number);
            sums.add(number, sum);
        }
        Ok(sums)
    }

    /// The payload ends here.
    pub(super) fn end(self) -> Result<(), PartError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.damaged()) }
    }
}
