//! Inputs that are read in order: pipes, devices, standard input, compressed files.
//!
//! Owns: cutting a stream into blocks of whole lines. May import: `source::{compressed, identity}`, memchr. Must not know:
//! what a line means.

use std::fmt;
use std::io::{self, Read};

use memchr::{memchr, memrchr};

use super::compressed::{Compression, DecodingReader};
use super::identity::{SourceIdentity, StreamHasher};
use super::{FileSource, MAX_LINE_BYTES};

/// Number of bytes of a stream read for one block, if no line is longer.
const STREAM_BLOCK_BYTES: usize = 1024 * 1024;

/// An opened stream.
pub struct Stream {
    decoder: DecodingReader,
    hasher: Option<Box<StreamHasher>>,
    /// The unfinished last line of the previous block.
    carry: Vec<u8>,
    /// Offset of the first byte of `carry`.
    offset: u64,
    /// Whether the rest of the current line is to be skipped: it is too long, and its beginning was handed out.
    skipping: bool,
    /// Sum of `input_bytes` of the blocks so far.
    reported_input_bytes: u64,
    /// Sum of `log_bytes` of the blocks so far.
    reported_log_bytes: u64,
    state: State,
}

enum State {
    Reading,
    /// Reading failed. The error is returned after all whole lines before it.
    Failed(io::Error),
    /// Nothing follows. True if the stream was read to its end without an error.
    Ended(bool),
}

/// Whole lines from a stream; only the stream's last line may lack its line end.
#[derive(Debug)]
pub struct StreamBlock {
    /// Offset of the first line in the log.
    pub offset: u64,
    /// The lines.
    pub bytes: Vec<u8>,
    /// Number of bytes of the log that this block accounts for: its lines, and before them the skipped rest of a line
    /// that is too long.
    pub log_bytes: u64,
    /// Number of bytes of the input read for this block; if it is compressed, of compressed bytes.
    pub input_bytes: u64,
}

/// What is known of a stream after its last block.
#[derive(Debug, Default)]
pub struct StreamEnd {
    /// Number of bytes of the log skipped since the last block.
    pub log_bytes: u64,
    /// Number of bytes of the input read since the last block.
    pub input_bytes: u64,
    /// Identity of the log, if [`Stream::identify`] asked for it and the stream was read to its end.
    pub identity: Option<SourceIdentity>,
    /// A remark about the stream for the user.
    pub note: Option<&'static str>,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl Stream {
    /// Opens a stream of bytes, plain or compressed, which their beginning shows.
    ///
    /// # Errors
    /// The reader's error; in words, if the bytes are compressed in a way that is not read.
    pub fn open(reader: Box<dyn Read + Send>) -> io::Result<Self> {
        DecodingReader::new(reader).map(Self::new)
    }

    /// A plain file as a stream.
    #[must_use]
    pub fn of_file(file: std::sync::Arc<FileSource>) -> Self {
        Self::new(DecodingReader::plain(Box::new(FileSource::reader(file))))
    }

    pub(super) fn new(decoder: DecodingReader) -> Self {
        Self {
            decoder,
            hasher: None,
            carry: Vec::new(),
            offset: 0,
            skipping: false,
            reported_input_bytes: 0,
            reported_log_bytes: 0,
            state: State::Reading,
        }
    }

    /// Makes the stream hash its bytes in blocks of `block_bytes`; see [`SourceIdentity`].
    #[must_use]
    pub fn identify(mut self, block_bytes: u64) -> Self {
        self.hasher = Some(Box::new(StreamHasher::new(block_bytes)));
        self
    }

    /// The decoded bytes, for callers that need no lines. Only before the first block.
    pub(super) fn into_reader(self) -> impl Read {
        self.decoder
    }

    /// The next block of whole lines; `None` at the end.
    ///
    /// # Errors
    /// The error of the reader or the decoder, after all whole lines before it; a line torn by it is dropped. `None`
    /// follows an error.
    pub fn next_block(&mut self) -> io::Result<Option<StreamBlock>> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended(false)) {
                State::Reading => self.state = State::Reading,
                State::Failed(error) => return Err(error),
                ended @ State::Ended(_) => {
                    self.state = ended;
                    return Ok(None);
                }
            }
            let mut bytes = std::mem::take(&mut self.carry);
            let kept = bytes.len();
            bytes.resize(kept + STREAM_BLOCK_BYTES.max(kept / 2), 0);
            let read = self.fill(&mut bytes[kept..]);
            bytes.truncate(kept + read);
            let mut offset = self.offset;
            if self.skipping {
                let end = memchr(b'\n', &bytes).map_or(bytes.len(), |at| at + 1);
                self.skipping = end == bytes.len() && bytes.last() != Some(&b'\n');
                bytes.drain(..end);
                offset += end as u64;
            }
            let whole = match memrchr(b'\n', &bytes) {
                _ if matches!(self.state, State::Ended(true)) => bytes.len(),
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
                let (log_bytes, input_bytes) = (self.take_log_bytes(), self.take_input_bytes());
                return Ok(Some(StreamBlock { offset, bytes, log_bytes, input_bytes }));
            }
        }
    }

    /// Reads until `buffer` is full, or the stream ends or fails, which is then its state. Returns the number of bytes
    /// read.
    fn fill(&mut self, buffer: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.decoder.read(&mut buffer[filled..]) {
                Ok(0) => {
                    self.state = State::Ended(true);
                    break;
                }
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.state = State::Failed(error);
                    break;
                }
            }
        }
        let read = &buffer[..filled];
        let is_beginning = self.offset == 0 && self.carry.is_empty() && !self.skipping;
        if is_beginning
            && !self.decoder.is_plain()
            && let Some(inner) = Compression::of(read)
        {
            self.state = State::Failed(inner.inner_error());
            return 0;
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(read);
        }
        filled
    }

    fn take_log_bytes(&mut self) -> u64 {
        self.offset - std::mem::replace(&mut self.reported_log_bytes, self.offset)
    }

    fn take_input_bytes(&mut self) -> u64 {
        let read = self.decoder.input_bytes();
        read - std::mem::replace(&mut self.reported_input_bytes, read)
    }

    /// What is known of the stream. Call it after the last block or an error.
    #[must_use]
    pub fn end(mut self) -> StreamEnd {
        let (log_bytes, input_bytes) = (self.take_log_bytes(), self.take_input_bytes());
        if !matches!(self.state, State::Ended(true)) {
            return StreamEnd { log_bytes, input_bytes, ..StreamEnd::default() };
        }
        StreamEnd {
            log_bytes,
            input_bytes,
            identity: self.hasher.map(|hasher| hasher.finish()),
            note: self.decoder.note(),
        }
    }
}

impl StreamBlock {
    /// Drops the lines that start before `offset` of the log.
    pub fn skip_to(&mut self, offset: u64) {
        let skipped = usize::try_from(offset.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let Some(before) = skipped.checked_sub(1) else { return };
        let end = match self.bytes.get(before..) {
            Some(bytes) => memchr(b'\n', bytes).map_or(self.bytes.len(), |at| before + at + 1),
            None => self.bytes.len(),
        };
        self.bytes.drain(..end);
        self.offset += end as u64;
        self.log_bytes = self.log_bytes.saturating_sub(end as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::{DecodingReader, Stream, StreamBlock};

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
            let mut stream =
                Stream::new(DecodingReader::plain(Box::new(std::io::Cursor::new(text.clone()))));
            let mut joined = Vec::new();
            while let Some(block) = stream.next_block().unwrap() {
                assert_eq!(block.offset, joined.len() as u64);
                joined.extend_from_slice(&block.bytes);
                assert!(joined.ends_with(b"\n") || joined.len() == text.len());
            }
            assert_eq!(joined, text);
        }
    }

    #[test]
    fn a_block_begins_behind_what_was_counted() {
        let check = |skipped: u64, expected: &str| {
            let bytes = b"ab\ncd\nef".to_vec();
            let mut block = StreamBlock { offset: 100, bytes, log_bytes: 8, input_bytes: 8 };
            block.skip_to(skipped);
            assert_eq!(block.bytes, expected.as_bytes());
            assert_eq!(block.offset, 108 - expected.len() as u64);
        };
        check(0, "ab\ncd\nef");
        check(100, "ab\ncd\nef");
        check(101, "cd\nef");
        check(103, "cd\nef");
        check(104, "ef");
        check(106, "ef");
        check(107, "");
        check(108, "");
        check(1000, "");
    }
}
