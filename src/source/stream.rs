//! Inputs that come once and in order: pipes, devices, standard input.
//!
//! Owns: cutting a stream into blocks of whole lines. May import: std, memchr. Must not know: what a line means.

use std::fmt;
use std::io::{self, Read};

use memchr::{memchr, memrchr};

use super::{MAX_LINE_BYTES, read_full};

/// How much of a stream is read at once.
const STREAM_BLOCK_BYTES: usize = 1024 * 1024;

/// A stream being read.
pub struct Stream {
    reader: Box<dyn Read + Send>,
    /// The unfinished last line of the block before.
    carry: Vec<u8>,
    /// Offset of the carry's first byte.
    offset: u64,
    /// The line is too long and was handed out: go on behind its end.
    skipping: bool,
}

/// Whole lines from a stream; only the stream's last line may lack its line end.
#[derive(Debug)]
pub struct StreamBlock {
    /// Where they start.
    pub offset: u64,
    /// The lines.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl Stream {
    /// Starts reading.
    #[must_use]
    pub fn new(reader: Box<dyn Read + Send>) -> Self {
        Self { reader, carry: Vec::new(), offset: 0, skipping: false }
    }

    /// How far all lines have been handed out, or skipped behind the beginning of one that is too long.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.offset
    }

    /// The next whole lines, `None` at the end.
    ///
    /// # Errors
    /// What the reader says. The lines before are not lost: the next call returns them.
    pub fn next_block(&mut self) -> io::Result<Option<StreamBlock>> {
        loop {
            let mut bytes = std::mem::take(&mut self.carry);
            let kept = bytes.len();
            bytes.resize(kept + STREAM_BLOCK_BYTES.max(kept / 2), 0);
            let read = match read_full(&mut self.reader, &mut bytes[kept..]) {
                Ok(read) => read,
                Err(error) => {
                    bytes.truncate(kept);
                    self.carry = bytes;
                    return Err(error);
                }
            };
            let at_end = read < bytes.len() - kept;
            bytes.truncate(kept + read);
            let mut offset = self.offset;
            if self.skipping {
                let end = memchr(b'\n', &bytes).map_or(bytes.len(), |at| at + 1);
                self.skipping = end == bytes.len() && bytes.last() != Some(&b'\n');
                bytes.drain(..end);
                offset += end as u64;
            }
            let whole = match memrchr(b'\n', &bytes) {
                _ if at_end => bytes.len(),
                Some(at) => at + 1,
                None if bytes.len() > MAX_LINE_BYTES => {
                    self.skipping = true;
                    bytes.len()
                }
                None => 0,
            };
            self.carry = bytes.split_off(whole);
            self.offset = offset + whole as u64;
            if whole > 0 {
                return Ok(Some(StreamBlock { offset, bytes }));
            }
            if at_end {
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Stream;

    #[test]
    fn blocks_are_whole_lines() {
        let mut text = Vec::new();
        for length in (0..60).map(|index| index * 4001 % 100_003) {
            text.extend(std::iter::repeat_n(b'x', length));
            text.push(b'\n');
        }
        text.extend_from_slice(&vec![b'y'; 3_000_000]);
        for end in [&b""[..], b"\n"] {
            let text = [&text[..], end].concat();
            let mut stream = Stream::new(Box::new(std::io::Cursor::new(text.clone())));
            let mut joined = Vec::new();
            while let Some(block) = stream.next_block().unwrap() {
                assert_eq!(block.offset, joined.len() as u64);
                joined.extend_from_slice(&block.bytes);
                assert!(joined.ends_with(b"\n") || joined.len() == text.len());
            }
            assert_eq!(joined, text);
        }
    }
}
