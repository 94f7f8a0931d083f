//! Inputs that come once and in order: pipes, devices, standard input, and what has to be decoded.
//!
//! Owns: cutting a stream into blocks of whole lines. May import: std, memchr, `compressed`, `identity`.
//! Must not know: what a line means.

use std::fmt;
use std::io::{self, Read};

use memchr::{memchr, memrchr};

use super::compressed::{Compression, DecodingReader};
use super::identity::{SourceIdentity, StreamHasher};
use super::{FileSource, MAX_LINE_BYTES};

/// How much of a stream is read at once.
const STREAM_BLOCK_BYTES: usize = 1024 * 1024;

/// A stream being read.
pub struct Stream {
    decoder: DecodingReader,
    hasher: Option<StreamHasher>,
    /// The unfinished last line of the block before.
    carry: Vec<u8>,
    /// Offset of the carry's first byte.
    offset: u64,
    /// The line is too long and was handed out: go on behind its end.
    skipping: bool,
    /// Input bytes told with the blocks so far.
    told_input_bytes: u64,
    /// Bytes of log told with the blocks so far.
    told_log_bytes: u64,
    state: State,
}

enum State {
    Reading,
    /// Every line before was handed out.
    Failed(io::Error),
    /// Whether without an error.
    Ended(bool),
}

/// Whole lines from a stream; only the stream's last line may lack its line end.
#[derive(Debug)]
pub struct StreamBlock {
    /// Where they start.
    pub offset: u64,
    /// The lines.
    pub bytes: Vec<u8>,
    /// Bytes of the log that are done with when they are: theirs, and what was skipped before them, which is the rest
    /// of a line that is too long.
    pub log_bytes: u64,
    /// Bytes of the input that were read for them, compressed as they are there.
    pub input_bytes: u64,
}

/// What is known of a stream that was read to its end.
#[derive(Debug, Default)]
pub struct StreamEnd {
    /// Bytes of the log that were skipped since the last block.
    pub log_bytes: u64,
    /// Bytes of the input read since the last block.
    pub input_bytes: u64,
    /// What its bytes were, if [`Stream::identify`] asked for it and all of them could be read.
    pub identity: Option<SourceIdentity>,
    /// What is worth telling about it, in words.
    pub note: Option<&'static str>,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl Stream {
    /// Starts reading bytes that are compressed or not: their beginning tells.
    ///
    /// # Errors
    /// What the reader says; that it is a compression that is not read, and what to do.
    pub fn open(reader: Box<dyn Read + Send>) -> io::Result<Self> {
        DecodingReader::new(reader).map(Self::new)
    }

    /// A plain file's lines, in order.
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
            told_input_bytes: 0,
            told_log_bytes: 0,
            state: State::Reading,
        }
    }

    /// Hashes the bytes as they come, in blocks of `block_bytes`; see [`SourceIdentity`].
    #[must_use]
    pub fn identify(mut self, block_bytes: u64) -> Self {
        self.hasher = Some(StreamHasher::new(block_bytes));
        self
    }

    /// The decoded bytes, for one who has no use for lines; only before the first block.
    pub(super) fn into_reader(self) -> impl Read {
        self.decoder
    }

    /// The next whole lines, `None` at the end.
    ///
    /// # Errors
    /// What the reader or the decoder says, after all whole lines before were handed out; a line torn by the error is
    /// none. After an error there is nothing more.
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

    /// Reads until `buffer` is full or there is no more, which `state` tells then; returns how much was read.
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
        self.offset - std::mem::replace(&mut self.told_log_bytes, self.offset)
    }

    fn take_input_bytes(&mut self) -> u64 {
        let read = self.decoder.input_bytes();
        read - std::mem::replace(&mut self.told_input_bytes, read)
    }

    /// What is known after the last block, or after an error.
    #[must_use]
    pub fn end(mut self) -> StreamEnd {
        let (log_bytes, input_bytes) = (self.take_log_bytes(), self.take_input_bytes());
        if !matches!(self.state, State::Ended(true)) {
            return StreamEnd { log_bytes, input_bytes, ..StreamEnd::default() };
        }
        StreamEnd {
            log_bytes,
            input_bytes,
            identity: self.hasher.map(StreamHasher::finish),
            note: self.decoder.note(),
        }
    }
}

impl StreamBlock {
    /// Takes away the lines that start before `offset` in the stream.
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
