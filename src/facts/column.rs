//! Columns: bytes that are compressed where it is worth it.
//!
//! Owns: the column of all saved formats, its encoder and decoder, [`Damaged`]. May import: `facts::varint`, zstd. Must
//! not know: what columns hold.
//!
//! ```text
//! column = length << 1 | compressed · [length when decompressed] · bytes
//! ```

use zstd::bulk::{Compressor, Decompressor};

use super::varint;

/// Compression level of zstd. Level 3 is a quarter slower and saves nothing: apart from the frequency of bytes there is
/// little to compress.
const LEVEL: i32 = 1;
/// Length in bytes below which a column is not worth a zstd frame.
const COMPRESSED_FROM: usize = 48;
/// Fewest bytes that compression must save.
const LEAST_SAVING: usize = 3;
/// Texts that zstd makes shorter than this share of them are not compressed, so that a reader may refuse what expands by
/// much more.
const MOST_EXPANSION_OF_TEXTS: usize = 256;

/// Why columns cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("damaged columns: {0}")]
pub struct Damaged(pub &'static str);

/// Writes columns. It keeps a zstd context: make one for each thread.
pub struct ColumnEncoder {
    /// `None` if zstd got no memory; then columns are not compressed.
    compressor: Option<Compressor<'static>>,
    compressed: Vec<u8>,
}

/// Reads columns. It keeps a zstd context: make one for each thread.
pub struct ColumnDecoder {
    decompressor: Option<Decompressor<'static>>,
}

impl Default for ColumnEncoder {
    fn default() -> Self {
        Self { compressor: Compressor::new(LEVEL).ok(), compressed: Vec::new() }
    }
}

impl std::fmt::Debug for ColumnEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ColumnEncoder").finish_non_exhaustive()
    }
}

impl ColumnEncoder {
    /// Appends a column of numbers to `to`, compressed if that is shorter.
    pub fn put(&mut self, to: &mut Vec<u8>, column: &[u8]) {
        self.put_unless(to, column, |_| false);
    }

    /// Appends a column of texts to `to`, compressed if that is shorter, but not if it is shorter by so much that a reader
    /// would refuse it.
    pub fn put_texts(&mut self, to: &mut Vec<u8>, column: &[u8]) {
        self.put_unless(to, column, |size| size < column.len().div_ceil(MOST_EXPANSION_OF_TEXTS));
    }

    fn put_unless(
        &mut self,
        to: &mut Vec<u8>,
        column: &[u8],
        is_too_short: impl Fn(usize) -> bool,
    ) {
        if let (Some(compressor), true) = (&mut self.compressor, column.len() >= COMPRESSED_FROM) {
            self.compressed.clear();
            self.compressed.reserve(column.len());
            // Compression fails if the result would be longer than the column.
            let size = compressor.compress_to_buffer(column, &mut self.compressed);
            if size.is_ok_and(|size| size + LEAST_SAVING <= column.len() && !is_too_short(size)) {
                varint::put(to, (self.compressed.len() as u64) << 1 | 1);
                varint::put(to, column.len() as u64);
                to.extend_from_slice(&self.compressed);
                return;
            }
        }
        varint::put(to, (column.len() as u64) << 1);
        to.extend_from_slice(column);
    }
}

impl Default for ColumnDecoder {
    fn default() -> Self {
        Self { decompressor: Decompressor::new().ok() }
    }
}

impl std::fmt::Debug for ColumnDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ColumnDecoder").finish_non_exhaustive()
    }
}

impl ColumnDecoder {
    /// Takes a column off the front of `from`. The result is a slice of `from`, or of `room`, which is overwritten.
    ///
    /// # Errors
    /// [`Damaged`]; also if the column has more than `most` bytes, before room is made for them.
    pub fn take<'b: 'd, 'd>(
        &mut self,
        from: &mut &'b [u8],
        room: &'d mut Vec<u8>,
        most: usize,
    ) -> Result<&'d [u8], Damaged> {
        const CUT: Damaged = Damaged("a column is cut");
        const SIZE: Damaged = Damaged("a column of an impossible size");
        let head = varint::take_usize(from).ok_or(CUT)?;
        if head & 1 == 0 {
            let column = varint::take_bytes(from, head >> 1).ok_or(CUT)?;
            return if column.len() <= most { Ok(column) } else { Err(SIZE) };
        }
        let length = varint::take_usize(from).ok_or(CUT)?;
        let compressed = varint::take_bytes(from, head >> 1).ok_or(CUT)?;
        if length > most {
            return Err(SIZE);
        }
        room.clear();
        room.try_reserve_exact(length).map_err(|_| SIZE)?;
        let decompressor = self.decompressor.as_mut().ok_or(Damaged("no memory to decompress"))?;
        let size = decompressor
            .decompress_to_buffer(compressed, room)
            .map_err(|_| Damaged("a column cannot be decompressed"))?;
        if size == length {
            Ok(room)
        } else {
            Err(Damaged("a column of another size than announced"))
        }
    }
}

/// Takes a column off the front of `from` without reading it; `None` if it is cut.
pub fn skip_column(from: &mut &[u8]) -> Option<()> {
    let head = varint::take_usize(from)?;
    if head & 1 == 1 {
        varint::take_usize(from)?;
    }
    varint::take_bytes(from, head >> 1).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::{ColumnDecoder, ColumnEncoder, Damaged, skip_column};
    use crate::facts::varint;

    fn take(bytes: &[u8], most: usize) -> Result<Vec<u8>, Damaged> {
        let (mut rest, mut room) = (bytes, Vec::new());
        let column = ColumnDecoder::default().take(&mut rest, &mut room, most)?.to_vec();
        assert_eq!(rest, b"rest");
        Ok(column)
    }

    #[test]
    fn columns_come_back_and_are_short() {
        for length in [0, 1, 47, 48, 100, 5000] {
            let constant = vec![7_u8; length];
            let mixed: Vec<u8> = (0_u8..251).cycle().take(length).collect();
            for column in [constant, mixed] {
                let (mut numbers, mut texts) = (Vec::new(), Vec::new());
                ColumnEncoder::default().put(&mut numbers, &column);
                ColumnEncoder::default().put_texts(&mut texts, &column);
                for bytes in [numbers, texts] {
                    assert!(bytes.len() <= length + 2);
                    assert_eq!(bytes[0] & 1 == 0, bytes.len() >= length, "{length}");
                    let bytes = [&bytes[..], b"rest"].concat();
                    assert_eq!(take(&bytes, length).as_ref(), Ok(&column));
                    let mut rest = &bytes[..];
                    assert_eq!((skip_column(&mut rest), rest), (Some(()), &b"rest"[..]));
                    assert_eq!(skip_column(&mut &bytes[..bytes.len() - 5]), None);
                    if length > 0 {
                        assert_eq!(
                            take(&bytes, length - 1),
                            Err(Damaged("a column of an impossible size"))
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn texts_never_expand_by_more_than_256() {
        let column = vec![b'x'; 1 << 20];
        let (mut numbers, mut texts) = (Vec::new(), Vec::new());
        ColumnEncoder::default().put(&mut numbers, &column);
        ColumnEncoder::default().put_texts(&mut texts, &column);
        assert!(numbers.len() < 200 && texts.len() > 1 << 20);
    }

    #[test]
    fn claims_reserve_nothing() {
        let mut bytes = Vec::new();
        varint::put(&mut bytes, 4 << 1 | 1);
        varint::put(&mut bytes, u64::MAX >> 1);
        bytes.extend_from_slice(b"abcdrest");
        assert_eq!(take(&bytes, usize::MAX), Err(Damaged("a column of an impossible size")));
        let mut bytes = Vec::new();
        varint::put(&mut bytes, u64::MAX);
        assert_eq!(take(&bytes, usize::MAX), Err(Damaged("a column is cut")));
    }
}
