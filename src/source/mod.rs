//! Inputs: files and streams as blocks of whole lines.
//!
//! Owns: opening an input, and reading the lines that start in a range of it. May import: std, memmap2, memchr.
//! Must not know: what a line means, threads, the command line.
//!
//! Files can change while they are read. What is promised, mapped or not:
//! - What is appended after a file was opened is not read.
//! - A file that is deleted or replaced (renamed over) is read to its end all the same.
//! - Of a file that is truncated every line counts whose line end was still there when its block was read for the
//!   last time; what lies behind is no line at all, neither malformed nor empty, and the file is reported. So a
//!   block that is cut while it is looked at is read again, as are all that follow, and the rest is kept as it was.
//! - Bytes that are overwritten in place are seen as they were or as they are.

mod contents;
mod guard;
#[expect(dead_code, reason = "marks and ranges are for inputs that are followed as they grow")]
mod identity;
mod lines;
mod mapped;
mod stream;

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use contents::Contents;
pub use identity::{SHORT_ID_DIGITS, SourceIdentity, full_id};
pub use lines::ReadBuffer;
use mapped::Mapped;
pub use stream::{Stream, StreamBlock};

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

/// An opened input.
#[derive(Debug)]
pub enum Opened {
    /// A regular file of known length, readable at any place by several threads.
    File(FileSource),
    /// Bytes that come once, in order.
    Stream(Stream),
}

/// A regular file; what is appended after it was opened is not read.
#[derive(Debug)]
pub struct FileSource {
    /// Length when it was opened.
    bytes: u64,
    file: File,
    /// Its bytes in memory; without them they are read.
    map: Option<Mapped>,
    /// It was seen to be shorter than `bytes`; it can have grown again since.
    is_truncated: AtomicBool,
}

impl Input {
    /// Opens the input; regular files are mapped if `map`.
    ///
    /// # Errors
    /// What the system says; for a directory, that it is one.
    pub fn open(&self, map: bool) -> io::Result<Opened> {
        let path = match self {
            Self::Stdin => return Ok(Opened::Stream(Stream::new(Box::new(io::stdin())))),
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
        if !metadata.is_file() || metadata.len() == 0 {
            return Ok(Opened::Stream(Stream::new(Box::new(file))));
        }
        Ok(Opened::File(FileSource::new(file, metadata.len(), map)))
    }

    /// Bytes to be read, where that is known before: the length of a regular file.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.metadata().filter(Metadata::is_file).map(|metadata| metadata.len())
    }

    /// What tells a file from every other, whatever its names: device and inode.
    #[must_use]
    pub fn identity(&self) -> Option<(u64, u64)> {
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

impl FileSource {
    fn new(file: File, bytes: u64, map: bool) -> Self {
        let map = if map { Mapped::new(&file, bytes) } else { None };
        Self { bytes, file, map, is_truncated: AtomicBool::new(false) }
    }

    /// Length when it was opened.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Calls `each` with the offset and the bytes of pieces of whole lines, in order: all lines that start in
    /// `range`, the last one whole although it may end behind the range. Only the file's last line may lack its
    /// line end. Of a line that is longer than [`MAX_LINE_BYTES`] only the beginning is given, but more than that.
    ///
    /// # Errors
    /// What the system says; that the file was truncated. Then what `each` was given of this range may be torn or
    /// zeros: forget it, and read [`what_is_left`](Self::what_is_left).
    pub fn lines(
        &self,
        range: Range<u64>,
        buffer: &mut ReadBuffer,
        each: &mut dyn FnMut(u64, &[u8]),
    ) -> io::Result<()> {
        let Some(map) = &self.map else {
            return lines::read(&self.file, self.bytes, range, buffer, each);
        };
        self.check(map)?;
        let (offset, lines) = lines::starting_in(map.bytes(), range);
        each(offset, lines);
        self.check(map)
    }

    /// As [`lines`](Self::lines), for a range that gave an error: calls `each` with the lines that are left, each
    /// with its line end.
    ///
    /// # Errors
    /// Why lines are missing: always one.
    pub fn what_is_left(
        &self,
        range: Range<u64>,
        buffer: &mut ReadBuffer,
        each: &mut dyn FnMut(u64, &[u8]),
    ) -> io::Error {
        let read = lines::read(&self.file, self.bytes, range, buffer, each);
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

    /// The first bytes of the file, enough to tell what kind of file it is.
    ///
    /// # Errors
    /// What the system says.
    pub fn beginning(self: &Arc<Self>) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; 16];
        let read = read_full(&mut Self::reader(Arc::clone(self)), &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
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

/// Refuses the beginning of a compressed input: its lines would all be called malformed.
///
/// # Errors
/// A sentence that names the compression and the program that undoes it.
pub fn refuse_compressed(beginning: &[u8]) -> io::Result<()> {
    // RFC 1952 section 2.3.1, RFC 8878 section 3.1.1, the xz and the bzip2 file formats.
    let known: [(&[u8], &str, &str); 4] = [
        (b"\x1f\x8b\x08", "gzip", "zcat"),
        (b"\x28\xb5\x2f\xfd", "zstd", "zstdcat"),
        (b"\xfd7zXZ\0", "xz", "xzcat"),
        (b"BZh", "bzip2", "bzcat"),
    ];
    match known.iter().find(|(magic, ..)| beginning.starts_with(magic)) {
        None => Ok(()),
        Some((_, name, program)) => Err(io::Error::other(format!(
            "it is compressed by {name}, which is not read yet; use: {program} FILE | hitmap analyze -"
        ))),
    }
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
