//! Inputs: files and streams as blocks of whole lines.
//!
//! Owns: opening an input, decoding it, reading the lines that start in a range of it, and the identity of a source.
//! May import: `text`, memmap2, memchr, flate2, xxhash-rust, tempfile, libc. Must not know: what a line means, threads,
//! the command line.
//!
//! Files can change while they are read. These promises hold whether a file is mapped or not:
//! - Bytes appended after the file was opened are not read.
//! - A file that is deleted or replaced (renamed over) is still read to its end.
//! - Of a truncated file, every line counts whose line end was still there when its block was last read. The bytes after
//!   the cut are not a line at all, neither malformed nor empty, and the file is reported. To keep this promise, a block
//!   that is cut while it is parsed is read again, and so are all that follow; the blocks before it stand.
//! - Bytes overwritten in place are read as they were before or as they are after.

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

/// Size of a block. A worker takes the lines of a file that start in one block.
pub const BLOCK_BYTES: u64 = 8 * 1024 * 1024;

/// Length of the longest line that is parsed. A longer one is malformed, so that memory stays bounded.
pub const MAX_LINE_BYTES: usize = 256 * 1024 * 1024;

/// An input, as named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file, a named pipe or a device.
    Path(PathBuf),
    /// Standard input.
    Stdin,
}

impl Input {
    /// The input's name for reports: `-` for standard input. Bytes that are not UTF-8 become `\xNN`.
    #[must_use]
    pub fn display(&self) -> String {
        use std::os::unix::ffi::OsStrExt;
        match self {
            Self::Stdin => "-".to_owned(),
            Self::Path(path) => crate::text::from_bytes(path.as_os_str().as_bytes()).into_owned(),
        }
    }
}

/// Options for opening inputs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opening {
    /// Whether plain files are mapped into memory.
    pub map: bool,
    /// Whether a plain file ends after its last line end: the rest may be a line that is still being written.
    pub whole_lines: bool,
}

/// An opened input.
#[derive(Debug)]
pub enum Opened {
    /// A plain regular file of known length. Several threads can read it at any offset.
    File(FileSource),
    /// Bytes that can only be read once and in order: from a pipe, a device, a compressed file.
    Stream(Stream),
}

/// A regular file of the length it had when it was opened.
#[derive(Debug)]
pub struct FileSource {
    bytes: u64,
    pending_bytes: u64,
    file: File,
    /// The mapped file; without it the file is read with read(2).
    map: Option<Mapped>,
    /// Whether the file was once seen to be shorter than `bytes`. It may have grown again since.
    is_truncated: AtomicBool,
}

impl Input {
    /// Opens the input. This waits for the writer of a named pipe, and for the first bytes of any stream, which show
    /// whether it is compressed.
    ///
    /// # Errors
    /// The system's error; in words, if the input is a directory, a socket, or compressed in a way that is not read.
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
        // Files in /proc have bytes but claim to have none. A file that is really empty may as well be a stream.
        if !metadata.is_file() || metadata.len() == 0 || compression(&file)?.is_some() {
            return Stream::open(Box::new(file)).map(Opened::Stream);
        }
        let (length, mut bytes) = (metadata.len(), metadata.len());
        if opening.whole_lines {
            bytes = lines::last_line_end(&file, length)?;
        }
        Ok(Opened::File(FileSource::new(file, bytes, length - bytes, opening.map)))
    }

    /// Size of a regular file, in bytes, compressed or not; `None` for any other input.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.metadata().filter(Metadata::is_file).map(|metadata| metadata.len())
    }

    /// Whether the input can be read only once, such as a pipe. False if it cannot be read at all.
    #[must_use]
    pub fn is_one_shot(&self) -> bool {
        match self {
            Self::Stdin => true,
            Self::Path(path) => {
                std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
            }
        }
    }

    /// The first bytes of the log: `most` of them, or all if there are fewer.
    ///
    /// # Errors
    /// The error of the system or the decoder.
    pub fn beginning(&self, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; most];
        let read = match self.open(Opening::default())? {
            Opened::File(file) => lines::read_available(&file.file, &mut bytes, 0)?,
            Opened::Stream(stream) => read_full(&mut stream.into_reader(), &mut bytes)?,
        };
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Hashes of the first 64, 128, 256 … bytes of the log, up to 8 KiB: the first of [`SourceIdentity::beginnings`].
    ///
    /// # Errors
    /// The error of the system or the decoder.
    pub fn beginnings(&self) -> io::Result<Vec<u128>> {
        Ok(identity::beginnings(&self.beginning(8 * 1024)?))
    }

    /// The identity of the input's bytes after decoding; with `opening.whole_lines`, of a plain file up to its last line
    /// end. Reads the whole input.
    ///
    /// # Errors
    /// The error of the system or the decoder.
    pub fn identify(&self, opening: Opening) -> io::Result<SourceIdentity> {
        let stream = match self.open(opening)? {
            Opened::File(file) => Stream::of_file(Arc::new(file)),
            Opened::Stream(stream) => stream,
        };
        let mut stream = stream.identify(BLOCK_BYTES);
        while stream.next_block()?.is_some() {}
        stream.end().identity.ok_or_else(truncated)
    }

    /// The id that the first `bytes` bytes of the log would have as a source of their own. `identity` is that of at least
    /// as many bytes of the same log.
    ///
    /// # Errors
    /// The error of the system or the decoder, or that the input has fewer bytes.
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

    /// Number of bytes of the log in the input, if known without reading it: the size of a plain regular file.
    #[must_use]
    pub fn log_bytes(&self) -> Option<u64> {
        let bytes = self.bytes()?;
        let Self::Path(path) = self else { return None };
        let is_plain = bytes > 0 && compression(&File::open(path).ok()?).ok()?.is_none();
        is_plain.then_some(bytes)
    }

    /// Device and inode of a regular file: equal for all names of one file, and only for those.
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

/// The compression of a regular file, judged by its first bytes.
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

    /// Length of the file when it was opened, without `pending_bytes`.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Number of bytes after the last line end that [`Opening::whole_lines`] left out.
    #[must_use]
    pub fn pending_bytes(&self) -> u64 {
        self.pending_bytes
    }

    /// Reads all lines that start in `range`, and calls `each` with pieces of whole lines in order: offset and bytes.
    ///
    /// The last line is whole even if it ends after the range. Only the file's last line may lack its line end. A line
    /// longer than [`MAX_LINE_BYTES`] is cut, somewhere beyond that length.
    ///
    /// # Errors
    /// The system's error, or that the file was truncated. Then the bytes that `each` got of this range may be torn or
    /// zeros: discard them, and read [`surviving_lines`](Self::surviving_lines).
    pub fn lines(
        &self,
        range: Range<u64>,
        buffer: &mut ReadBuffer,
        each: &mut dyn FnMut(u64, &[u8]),
    ) -> io::Result<()> {
        self.pieces(range, None, buffer, each)
    }

    /// As [`lines`](Self::lines); also returns the hash of the file's bytes in `hashed`, a range that contains `range` and
    /// ends with it. Bytes are hashed just before they are parsed, so that they are read into the cache once.
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
                    hasher.update(start, &map.bytes()[as_index(start)..as_index(end)]);
                    let (offset, lines) = lines::starting_in(map.bytes(), start..end);
                    each(offset, lines);
                    start = end;
                }
            }
        }
        self.check(map)?;
        map.release(as_index(range.start)..as_index(range.end));
        Ok(())
    }

    /// Reads the lines that are left in a range for which [`lines`](Self::lines) failed, and calls `each` as that does.
    /// Each of these lines has its line end. Returns the reason why the others are missing.
    pub fn surviving_lines(
        &self,
        range: Range<u64>,
        buffer: &mut ReadBuffer,
        each: &mut dyn FnMut(u64, &[u8]),
    ) -> io::Error {
        let read = lines::read(&self.file, self.bytes, range, None, buffer, each);
        read.err().unwrap_or_else(truncated)
    }

    /// Fails if the mapped file was found to lack bytes, now or at any earlier check.
    fn check(&self, map: &Mapped) -> io::Result<()> {
        if self.file.metadata()?.len() < self.bytes {
            self.is_truncated.store(true, Ordering::Relaxed);
        }
        if self.is_truncated.load(Ordering::Relaxed) {
            return Err(truncated());
        }
        let Some(fault) = map.fault() else { return Ok(()) };
        // The length is right and yet a page was missing: a device error, or the file was cut and has grown again.
        self.file.read_exact_at(&mut [0], fault)?;
        Err(truncated())
    }

    /// Calls `each` with the bytes of `range`, piece by piece.
    fn read_range(&self, range: Range<u64>, each: &mut dyn FnMut(u64, &[u8])) -> io::Result<()> {
        let mut buffer = vec![0; as_index(PIECE_BYTES.min(range.end - range.start))];
        let mut start = range.start;
        while start < range.end {
            let end = (start + PIECE_BYTES).min(range.end);
            let piece = &mut buffer[..as_index(end - start)];
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

    /// A reader of the file's bytes from its beginning.
    #[must_use]
    pub fn reader(file: Arc<Self>) -> impl Read + Send {
        FileReader { file, offset: 0 }
    }
}

/// The error for a file that lost bytes.
fn truncated() -> io::Error {
    io::Error::other("it was truncated while being read")
}

/// Reads a file from its beginning, independent of those that read its blocks.
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

/// The hash of a range of a stream.
fn hash_of_stream(reader: &mut dyn Read, range: Range<u64>) -> io::Result<u128> {
    let mut hasher = RangeHasher::new(range.clone());
    let (mut buffer, mut offset) = (vec![0; as_index(PIECE_BYTES)], 0);
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

/// Number of bytes that are hashed and then parsed at a time: few enough for the second-level cache.
const PIECE_BYTES: u64 = 256 * 1024;

/// A file offset as an index into memory. A file too large for that cannot be mapped.
fn as_index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// Reads until `buffer` is full or the input ends; returns the number of bytes read.
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
