//! The two kinds of entries, and their bytes.
//!
//! Owns: [`Entries`], [`VisitorNumbers`], [`Pairs`]. May import: `facts` (columns, varints), `select` (visitor hashes). Must
//! not know: where pieces lie.

use crate::facts::column::{ColumnDecoder, ColumnEncoder};
use crate::facts::varint;
use crate::select::VisitorHash;

/// A kind of sorted entries.
pub(super) trait Entries: Default {
    /// The table of the pieces.
    const TABLE: &'static str;
    /// What is damaged if a piece is.
    const NAME: &'static str;
    /// Most entries of a piece, unless all share the upper 56 bits.
    const PIECE: usize;
    /// Most entries of the pieces into which a piece that grew beyond [`Self::PIECE`] is cut.
    const CUT: usize;
    type Entry: Copy;
    /// By which entries are ordered; no two have the same.
    type Order: Copy + Ord;

    fn order(entry: &Self::Entry) -> Self::Order;
    /// The upper 56 bits.
    fn prefix(order: Self::Order) -> i64;
    /// Appends the bytes of ascending entries.
    fn write(&mut self, to: &mut Vec<u8>, entries: &[Self::Entry]);
    /// Appends the entries that [`Self::write`] wrote; `None` if it did not write these bytes.
    fn read(&mut self, bytes: &[u8], to: &mut Vec<Self::Entry>) -> Option<()>;
}

/// Visitors' hashes with their numbers.
#[derive(Default)]
pub(super) struct VisitorNumbers;

const HASH_BYTES: usize = 16;
const NUMBER_BYTES: usize = 4;

impl Entries for VisitorNumbers {
    const TABLE: &'static str = "visitor";
    const NAME: &'static str = "the dictionary of visitors";
    const PIECE: usize = 512;
    // Two rows of 511 entries do not fit a page of SQLite, two of 510 do: a sixth of the table.
    const CUT: usize = 510;
    type Entry = (VisitorHash, u32);
    type Order = VisitorHash;

    fn order(entry: &Self::Entry) -> VisitorHash {
        entry.0
    }

    fn prefix(hash: VisitorHash) -> i64 {
        (hash.0 >> 72) as i64
    }

    fn write(&mut self, to: &mut Vec<u8>, entries: &[Self::Entry]) {
        to.reserve(entries.len() * (HASH_BYTES + NUMBER_BYTES));
        for (hash, _) in entries {
            to.extend_from_slice(&hash.0.to_be_bytes());
        }
        for (_, number) in entries {
            to.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn read(&mut self, bytes: &[u8], to: &mut Vec<Self::Entry>) -> Option<()> {
        let count = bytes.len() / (HASH_BYTES + NUMBER_BYTES);
        let (hashes, numbers) = bytes.split_at_checked(count * HASH_BYTES)?;
        let (hashes, _) = hashes.as_chunks::<HASH_BYTES>();
        let (numbers, rest) = numbers.as_chunks::<NUMBER_BYTES>();
        if !rest.is_empty() || numbers.len() != count {
            return None;
        }
        to.extend(hashes.iter().zip(numbers).map(|(hash, number)| {
            (VisitorHash(u128::from_be_bytes(*hash)), u32::from_le_bytes(*number))
        }));
        Some(())
    }
}

/// Pairs of a place and a visitor: place << 32 | visitor.
#[derive(Default)]
pub(super) struct Pairs {
    encoder: Option<ColumnEncoder>,
    decoder: Option<ColumnDecoder>,
    column: Vec<u8>,
}

/// Most bytes of a difference.
const DIFFERENCE_BYTES: usize = 10;

impl Entries for Pairs {
    const TABLE: &'static str = "seen";
    const NAME: &'static str = "the visitors of all time";
    const PIECE: usize = 1024;
    const CUT: usize = 1024;
    type Entry = u64;
    type Order = u64;

    fn order(entry: &u64) -> u64 {
        *entry
    }

    fn prefix(pair: u64) -> i64 {
        (pair >> 8).cast_signed()
    }

    fn write(&mut self, to: &mut Vec<u8>, entries: &[u64]) {
        varint::put(to, entries.len() as u64);
        self.column.clear();
        let mut before = 0;
        for &pair in entries {
            varint::put(&mut self.column, pair - before);
            before = pair;
        }
        self.encoder.get_or_insert_default().put(to, &self.column);
    }

    fn read(&mut self, mut bytes: &[u8], to: &mut Vec<u64>) -> Option<()> {
        // Not even 256 pairs share their upper 56 bits, so no piece is larger.
        let count = varint::take_usize(&mut bytes).filter(|count| *count <= Self::PIECE)?;
        let decoder = self.decoder.get_or_insert_default();
        let mut column =
            decoder.take(&mut bytes, &mut self.column, count * DIFFERENCE_BYTES).ok()?;
        let mut pair = 0_u64;
        for _ in 0..count {
            pair = pair.checked_add(varint::take(&mut column)?)?;
            to.push(pair);
        }
        (column.is_empty() && bytes.is_empty()).then_some(())
    }
}
