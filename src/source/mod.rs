//! Inputs: files and streams as blocks of whole lines.
//!
//! Owns: opening an input, decoding it, reading the lines that start in a range of it, and what tells one source from
//! another. May import: std, memmap2, memchr, flate2, xxhash-rust. Must not know: what a line means, threads, the
//! command line.
//!
//! Files can change while they are read. What is promised, mapped or not:
//! - What is appended after a file was opened is not read.
//! - A file that is deleted or replaced (renamed over) is read to its end all the same.
//! - Of a file that is truncated every line counts whose line end was still there when its block was read for the
//!   last time; what lies behind is no line at all, neither malformed nor empty, and the file is reported. So a
//!   block that is cut while it is looked at is read again, as are all that follow, and the rest is kept as it was.
//! - Bytes that are overwritten in place are seen as they were or as they are.

mod compressed;
mod guard;
mod identity;
mod lines;
mod mapped;
mod relation;
mod spool;
mod stream;

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use compressed::{Compression, MAGIC_BYTES};
use identity::RangeHasher;
pub use identity::{BlockHash, SHORT_ID_DIGITS, SourceIdentity, full_id};
pub use lines::ReadBuffer;
use mapped::Mapped;
pub use relation::Relation;
pub use spool::Spooled;
pub use stream::{Stream, StreamBlock, StreamEnd};

/// The split unit of a file: a worker takes the lines that start in one block.
pub const BLOCK_BYTES: u64 = 8 * 1024 * 1024;

/// A longer line is malformed, whatever it holds: reading it would take memory without bound.
pub const MAX_LINE_BYTES: usize = 256 * 1024 * 1024;

/// How an input is named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file, a named pipe or a device.
    Path(PathBuf),
    /// Standard input.
    Stdin,
}

impl Input {
    /// The input as text for reports; bytes that are not UTF-8 stand as `\xNN`.
    #[must_use]
    pub fn display(&self) -> String {
        use std::os::unix::ffi::OsStrExt;
        match self {
            Self::Stdin => "-".to_owned(),
            Self::Path(path) => crate::text::from_bytes(path.as_os_str().as_bytes()).into_owned(),
        }
    }
}

/// How inputs are opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opening {
    /// Whether plain files are mapped into memory.
    pub map: bool,
    /// Whether a plain file ends behind its last line end: what follows may be a line that is still being written.
    pub whole_lines: bool,
}

/// An opened input.
#[derive(Debug)]
pub enum Opened {
    /// A plain regular file of known length, readable at any place by several threads.
    File(FileSource),
    /// Bytes that come once, in order: pipes, devices, compressed files.
    Stream(Stream),
}

/// A regular file; what is appended after it was opened is not read.
#[derive(Debug)]
pub struct FileSource {
    /// Length when it was opened.
    bytes: u64,
    pending_bytes: u64,
    file: File,
    /// Its bytes in memory; without them they are read.
    map: Option<Mapped>,
    /// It was seen to be shorter than `bytes`; it can have grown again since.
    is_truncated: AtomicBool,
}

impl Input {
    /// Opens the input. Opening a named pipe waits for its writer, and looking at the first bytes of what comes once
    /// waits for them.
    ///
    /// # Errors
    /// What the system says; for a directory, that it is one; for a compression that is not read, what to do.
    pub fn open(&self, opening: Opening) -> io::Result<Opened> {
        let path = match self {
            Self::Stdin => return Stream::open(Box::new(io::stdin())).map(Opened::Stream),
            Self::Path(path) => path,
        };
        let file = File::open(path).map_err(|error| match std::fs::metadata(path) {
            Ok(metadata) if metadata.file_type().is_socket() => {
                io::Error::other("it is a socket; a log is a file, a pipe or standard input")
            }
            _ => error,
        })?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::other("it is a directory; name the files in it"));
        }
        // Files of /proc say 0 bytes and have some; an empty stream is as good for a file that really is empty.
        if !metadata.is_file() || metadata.len() == 0 || compression(&file)?.is_some() {
            return Stream::open(Box::new(file)).map(Opened::Stream);
        }
        let (length, mut bytes) = (metadata.len(), metadata.len());
        if opening.whole_lines {
            bytes = lines::last_line_end(&file, length)?;
        }
        Ok(Opened::File(FileSource::new(file, bytes, length - bytes, opening.map)))
    }

    /// Length of a regular file as it lies there, compressed or not.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.metadata().filter(Metadata::is_file).map(|metadata| metadata.len())
    }

    /// Whether its bytes can be had only once, as from a pipe. Not of what cannot be read at all.
    #[must_use]
    pub fn is_one_shot(&self) -> bool {
        match self {
            Self::Stdin => true,
            Self::Path(path) => {
                std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
            }
        }
    }

    /// The identity of all its bytes; of a plain file up to its last line end if `opening.whole_lines`.
    ///
    /// # Errors
    /// What the system or the decoder says.
    pub fn identify(&self, opening: Opening) -> io::Result<SourceIdentity> {
        let stream = match self.open(opening)? {
            Opened::File(file) => Stream::of_file(Arc::new(file)),
            Opened::Stream(stream) => stream,
        };
        let mut stream = stream.identify(BLOCK_BYTES);
        while stream.next_block()?.is_some() {}
        stream.end().identity.ok_or_else(truncated)
    }

    /// The id that the first `bytes` bytes of log would have as a source of their own, given the identity of at least
    /// as many.
    ///
    /// # Errors
    /// What the system or the decoder says; that there are fewer bytes.
    pub fn id_of_beginning(&self, identity: &SourceIdentity, bytes: u64) -> io::Result<u128> {
        let whole = usize::try_from(bytes / BLOCK_BYTES).unwrap_or(usize::MAX);
        let mut hashes: Vec<u128> = identity.block_hashes.iter().take(whole).copied().collect();
        let rest = bytes - bytes % BLOCK_BYTES..bytes;
        if !rest.is_empty() {
            hashes.push(match self.open(Opening::default())? {
                Opened::File(file) => file.hash_range(rest)?,
                Opened::Stream(stream) => hash_of_stream(&mut stream.into_reader(), rest)?,
            });
        }
        Ok(SourceIdentity::new(bytes, hashes, Vec::new()).id)
    }

    /// Bytes of log in the input, where that is known before: the length of a plain regular file.
    #[must_use]
    pub fn log_bytes(&self) -> Option<u64> {
        let bytes = self.bytes()?;
        let Self::Path(path) = self else { return None };
        let is_plain = bytes > 0 && compression(&File::open(path).ok()?).ok()?.is_none();
        is_plain.then_some(bytes)
    }

    /// What tells a file from every other, whatever its names: device and inode.
    #[must_use]
    pub fn file_key(&self) -> Option<(u64, u64)> {
        use std::os::unix::fs::MetadataExt;
        self.metadata().filter(Metadata::is_file).map(|metadata| (metadata.dev(), metadata.ino()))
    }

    fn metadata(&self) -> Option<Metadata> {
        match self {
            Self::Stdin => None,
            Self::Path(path) => std::fs::metadata(path as &Path).ok(),
        }
    }
}

/// The compression of a regular file.
fn compression(file: &File) -> io::Result<Option<Compression>> {
    let mut head = [0; MAGIC_BYTES];
    let read = lines::read_available(file, &mut head, 0)?;
    Ok(Compression::of(&head[..read]))
}

impl FileSource {
    fn new(file: File, bytes: u64, pending_bytes: u64, map: bool) -> Self {
        let map = if map && bytes > 0 { Mapped::new(&file, bytes) } else { None };
        Self { bytes, pending_bytes, file, map, is_truncated: AtomicBool::new(false) }
    }

    /// Length when it was opened, without `pending_bytes`.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes behind the last line end, which [`Opening::whole_lines`] leaves for another time.
    #[must_use]
    pub fn pending_bytes(&self) -> u64 {
        self.pending_bytes
    }

    /// Calls `each` with the offset and the bytes of pieces of whole lines, in order: all lines that start in
    /// `range`, the last one whole although it may end behind the range. Only the file's last line may lack its
    /// line end. Of a line that is longer than [`MAX_LINE_BYTES`] only the beginning is given, but more than that.
    ///
    /// # Errors
    /// What the system says; that the file was truncated. Then what `each` was given of this range may be torn or
    /// zeros: forget it, and read [`surviving_lines`](Self::surviving_lines).
    pub fn lines(
        &self,
        range: Range<u64>,
        buffer: &mut ReadBuffer,
        each: &mut dyn FnMut(u64, &[u8]),
    ) -> io::Result<()> {
        self.pieces(range, None, buffer, each)
    }

    /// As [`lines`](Self::lines), and returns the hash of the file's bytes in `hashed`, which ends with `range` and
    /// does not start behind it. Bytes are hashed just before they are parsed, while they are in the cache.
    ///
    /// # Errors
    /// As for [`lines`](Self::lines).
    pub fn hashed_lines(
        &self,
        hashed: Range<u64>,
        range: Range<u64>,
        buffer: &mut ReadBuffer,
        each: &mut dyn FnMut(u64, &[u8]),
    ) -> io::Result<BlockHash> {
        let mut hasher = RangeHasher::new(hashed.clone());
        self.read_range(hashed.start..range.start, &mut |at, bytes| hasher.update(at, bytes))?;
        self.pieces(range, Some(&mut hasher), buffer, each)?;
        Ok(hasher.finish())
    }

    fn pieces(
        &self,
        range: Range<u64>,
        hasher: Option<&mut RangeHasher>,
        buffer: &mut ReadBuffer,
        each: &mut dyn FnMut(u64, &[u8]),
    ) -> io::Result<()> {
        let Some(map) = &self.map else {
            return lines::read(&self.file, self.bytes, range, hasher, buffer, each);
        };
        self.check(map)?;
        match hasher {
            None => {
                let (offset, lines) = lines::starting_in(map.bytes(), range.clone());
                each(offset, lines);
            }
            Some(hasher) => {
                let mut start = range.start;
                while start < range.end {
                    let end = (start + PIECE_BYTES).min(range.end);
                    hasher.update(start, &map.bytes()[place(start)..place(end)]);
                    let (offset, lines) = lines::starting_in(map.bytes(), start..end);
                    each(offset, lines);
                    start = end;
                }
            }
        }
        self.check(map)?;
        map.release(place(range.start)..place(range.end));
        Ok(())
    }

    /// As [`lines`](Self::lines), for a range that gave an error: calls `each` with the lines that are left, each
    /// with its line end.
    ///
    /// # Errors
    /// Why lines are missing: always one.
    pub fn surviving_lines(
        &self,
        range: Range<u64>,
        buffer: &mut ReadBuffer,
        each: &mut dyn FnMut(u64, &[u8]),
    ) -> io::Error {
        let read = lines::read(&self.file, self.bytes, range, None, buffer, each);
        read.err().unwrap_or_else(truncated)
    }

    /// Whether all bytes of the mapped file were there whenever this was asked.
    fn check(&self, map: &Mapped) -> io::Result<()> {
        if self.file.metadata()?.len() < self.bytes {
            self.is_truncated.store(true, Ordering::Relaxed);
        }
        if self.is_truncated.load(Ordering::Relaxed) {
            return Err(truncated());
        }
        let Some(fault) = map.fault() else { return Ok(()) };
        // It has all its bytes, and one could not be had: a device's error, or it has grown again.
        self.file.read_exact_at(&mut [0], fault)?;
        Err(truncated())
    }

    /// Calls `each` with the bytes of `range`, piece by piece.
    fn read_range(&self, range: Range<u64>, each: &mut dyn FnMut(u64, &[u8])) -> io::Result<()> {
        let mut buffer = vec![0; place(PIECE_BYTES.min(range.end - range.start))];
        let mut start = range.start;
        while start < range.end {
            let end = (start + PIECE_BYTES).min(range.end);
            let piece = &mut buffer[..place(end - start)];
            if lines::read_available(&self.file, piece, start)? < piece.len() {
                return Err(truncated());
            }
            each(start, piece);
            start = end;
        }
        Ok(())
    }

    fn hash_range(&self, range: Range<u64>) -> io::Result<u128> {
        let mut hasher = RangeHasher::new(range.clone());
        self.read_range(range, &mut |offset, bytes| hasher.update(offset, bytes))?;
        Ok(hasher.finish().hash)
    }

    /// The file's bytes as a stream from its beginning.
    #[must_use]
    pub fn reader(file: Arc<Self>) -> impl Read + Send {
        FileReader { file, offset: 0 }
    }
}

/// What is said of a file that lost bytes.
fn truncated() -> io::Error {
    io::Error::other("it was truncated while being read")
}

/// Reads a file from its beginning, beside whoever reads its blocks.
struct FileReader {
    file: Arc<FileSource>,
    offset: u64,
}

impl Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.file.bytes - self.offset).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let read = self.file.file.read_at(&mut buffer[..wanted], self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// The hash of a range of what comes in order.
fn hash_of_stream(reader: &mut dyn Read, range: Range<u64>) -> io::Result<u128> {
    let mut hasher = RangeHasher::new(range.clone());
    let (mut buffer, mut offset) = (vec![0; place(PIECE_BYTES)], 0);
    while offset < range.end {
        let read = read_full(reader, &mut buffer)?;
        if read == 0 {
            return Err(truncated());
        }
        hasher.update(offset, &buffer[..read]);
        offset += read as u64;
    }
    Ok(hasher.finish().hash)
}

/// So much is hashed and then parsed: it fits the second-level cache.
const PIECE_BYTES: u64 = 256 * 1024;

/// An offset in a file as a place in memory; a file that does not fit cannot be mapped.
fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// Reads until `buffer` is full or the input ends; returns how much that is.
fn read_full(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
