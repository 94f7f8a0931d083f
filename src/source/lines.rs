//! The lines that start in a range of a file, in memory or read piece by piece.
//!
//! Owns: the rule that a line belongs to the range that holds its first byte. May import: `source::identity` (hashing),
//! memchr. Must not know: what a line means.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use memchr::{memchr, memrchr};

use super::identity::RangeHasher;
use super::{MAX_LINE_BYTES, truncated};

/// The lines of `bytes` that start in `range`, and their offset; empty if none does. If the last line is longer than
/// [`MAX_LINE_BYTES`], it is cut somewhere beyond that length.
pub(super) fn starting_in(bytes: &[u8], range: Range<u64>) -> (u64, &[u8]) {
    let clamp = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    let (start, end) = (clamp(range.start), clamp(range.end));
    if start >= end {
        return (range.start, &[]);
    }
    let first = match start.checked_sub(1) {
        None => Some(0),
        Some(before) => memchr(b'\n', &bytes[before..end - 1]).map(|at| start + at),
    };
    let Some(first) = first else { return (range.start, &[]) };
    let longest = end.saturating_add(MAX_LINE_BYTES + 1).min(bytes.len());
    let last = memchr(b'\n', &bytes[end - 1..longest]).map_or(longest, |at| end + at);
    (first as u64, &bytes[first..last])
}

/// Size of one read. It fits the second-level cache together with the data of the parser.
const READ_BYTES: usize = 256 * 1024;
const PAGE_BYTES: usize = 4096;

/// Buffer for one read and the unfinished line before it.
///
/// Reads go to a page-aligned address: on some machines, copying from the page cache to an address a few bytes after
/// the start of a page is four times slower.
#[derive(Debug, Default)]
pub struct ReadBuffer {
    storage: Vec<u8>,
    /// Index at which reads are stored; the unfinished line ends just before it.
    base: usize,
}

impl ReadBuffer {
    /// Makes room for `carry` bytes before the read. The content may be lost.
    fn reserve(&mut self, carry: usize) {
        if !self.storage.is_empty() && self.base >= carry {
            return;
        }
        let room = carry.max(64 * 1024).next_power_of_two();
        self.storage = vec![0_u8; room + PAGE_BYTES + READ_BYTES.max(room)];
        let misalignment = (self.storage.as_ptr() as usize + room) % PAGE_BYTES;
        self.base = room + (PAGE_BYTES - misalignment) % PAGE_BYTES;
    }
}

/// Reads the lines of `file` that start in `range`; see [`FileSource::lines`](super::FileSource::lines).
///
/// `length` is the length of the file when it was opened. If it is shorter now, `each` still gets the lines that end
/// before the cut, and the rest is an error.
pub(super) fn read(
    file: &File,
    length: u64,
    range: Range<u64>,
    mut hasher: Option<&mut RangeHasher>,
    buffer: &mut ReadBuffer,
    each: &mut dyn FnMut(u64, &[u8]),
) -> io::Result<()> {
    buffer.reserve(1);
    let end = range.end.min(length);
    let mut offset = range.start;
    // Number of bytes of the unfinished line, stored just before `base`.
    let mut carry = 0;
    // Whether the line at `offset` is to be skipped: it started before the range, or it is too long.
    let mut skipping = false;
    if offset > 0 {
        let mut before = [0];
        if read_available(file, &mut before, offset - 1)? == 0 {
            return Err(truncated());
        }
        skipping = before[0] != b'\n';
    }
    while offset < length && (carry > 0 || skipping || offset < end) {
        // Reads grow with a long line: since each read moves the line, reads of one size would take quadratic time.
        let most = READ_BYTES.max(carry / 2);
        let wanted = usize::try_from(length - offset).unwrap_or(usize::MAX).min(most);
        let base = buffer.base;
        let read = read_available(file, &mut buffer.storage[base..base + wanted], offset)?;
        let is_truncated = read < wanted;
        if let Some(hasher) = &mut hasher {
            hasher.update(offset, &buffer.storage[base..base + read]);
        }
        let piece_offset = offset - carry as u64;
        let piece = &buffer.storage[base - carry..base + read];
        offset += read as u64;
        let mut first = 0;
        if skipping {
            match memchr(b'\n', piece) {
                Some(at) => first = at + 1,
                None if offset >= end => return Ok(()),
                None if is_truncated => return Err(truncated()),
                None => continue,
            }
            skipping = false;
        }
        if piece_offset + first as u64 >= end {
            return Ok(());
        }
        // After `end`, only the line that started before it still belongs to the range.
        let last = if offset >= end {
            let from = usize::try_from(end - 1 - piece_offset).unwrap_or(0).max(first);
            memchr(b'\n', &piece[from..]).map(|at| from + at + 1)
        } else {
            let from = first.max(carry);
            memrchr(b'\n', &piece[from..]).map(|at| from + at + 1)
        };
        let whole = last.unwrap_or(first);
        if whole > first {
            each(piece_offset + first as u64, &piece[first..whole]);
        }
        if last.is_some() && offset >= end {
            return Ok(());
        }
        if is_truncated {
            return Err(truncated());
        }
        let unfinished = piece.len() - whole;
        if unfinished > MAX_LINE_BYTES {
            each(piece_offset + whole as u64, &piece[whole..]);
            carry = 0;
            skipping = true;
            continue;
        }
        let piece_end = base + read;
        buffer.reserve_behind(unfinished, piece_end);
        carry = unfinished;
    }
    if carry > 0 {
        each(offset - carry as u64, &buffer.storage[buffer.base - carry..buffer.base]);
    }
    Ok(())
}

/// Reads until `buffer` is full or the file ends; returns the number of bytes read.
pub(super) fn read_available(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The offset just after the last line end in the first `length` bytes of `file`; 0 if there is none.
pub(super) fn last_line_end(file: &File, length: u64) -> io::Result<u64> {
    let mut piece = vec![0; 64 * 1024];
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(piece.len() as u64);
        let wanted = usize::try_from(end - start).unwrap_or(piece.len());
        let read = read_available(file, &mut piece[..wanted], start)?;
        if let Some(at) = memrchr(b'\n', &piece[..read]) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

impl ReadBuffer {
    /// Moves the `unfinished` bytes that end at index `piece_end` to just before the next read.
    fn reserve_behind(&mut self, unfinished: usize, piece_end: usize) {
        if unfinished <= self.base {
            self.storage.copy_within(piece_end - unfinished..piece_end, self.base - unfinished);
        } else {
            let old = std::mem::take(&mut self.storage);
            self.reserve(unfinished * 2);
            let line = &old[piece_end - unfinished..piece_end];
            self.storage[self.base - unfinished..self.base].copy_from_slice(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ReadBuffer, last_line_end, read, starting_in};

    /// Both ways to read give every line once, to the range that holds its first byte.
    fn check(text: &[u8], range_bytes: u64) {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&path, text).unwrap();
        let file = path.reopen().unwrap();
        let length = text.len() as u64;
        let mut buffer = ReadBuffer::default();
        let mut joined = Vec::new();
        let mut start = 0;
        while start < length {
            let range = start..start + range_bytes;
            let (offset, expected) = starting_in(text, range.clone());
            let mut found = Vec::new();
            let mut found_offset = None;
            read(&file, length, range.clone(), None, &mut buffer, &mut |offset, bytes| {
                assert_eq!(offset, *found_offset.get_or_insert(offset) + found.len() as u64);
                found.extend_from_slice(bytes);
            })
            .unwrap();
            assert_eq!(found, expected);
            if !expected.is_empty() {
                assert_eq!(found_offset, Some(offset));
                assert!(range.contains(&offset));
            }
            joined.extend_from_slice(expected);
            start += range_bytes;
        }
        assert_eq!(joined, text);
    }

    #[test]
    fn every_line_is_read_once() {
        for text in [
            "",
            "\n",
            "a",
            "a\n",
            "\n\n\n",
            "ab\ncd\n\nefghijklmnop\nq",
            "abcdefghijklmnopqrstuvwxyz",
        ] {
            for range_bytes in 1..=text.len() as u64 + 1 {
                check(text.as_bytes(), range_bytes);
            }
        }
    }

    #[test]
    fn the_last_line_end_is_found() {
        let long = [&b"a\n"[..], &[b'x'; 200_000]].concat();
        for (text, expected) in
            [(&b""[..], 0), (b"a", 0), (b"\n", 1), (b"ab\ncd", 3), (b"ab\ncd\n", 6), (&long, 2)]
        {
            let path = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(&path, text).unwrap();
            let file = path.reopen().unwrap();
            assert_eq!(last_line_end(&file, text.len() as u64).unwrap(), expected);
        }
    }

    #[test]
    fn long_lines_and_many_reads() {
        let mut text = Vec::new();
        for length in [10, 300_000, 5, 262_143, 262_144, 900_000, 0, 0, 70_000, 3] {
            text.extend(std::iter::repeat_n(b'x', length));
            text.push(b'\n');
        }
        text.extend_from_slice(b"tail");
        for range_bytes in [4096, 100_000, 262_144, 1 << 20, 1 << 30] {
            check(&text, range_bytes);
        }
    }
}
