//! Inputs: files and streams as blocks of whole lines.
//!
//! Owns: opening an input, decoding it, reading the lines that start in a range of it, and what tells one source from
//! another. May import: std, memmap2, memchr, flate2, xxhash-rust. Must not know: what a line means, threads, the
//! command line.

mod compressed;
mod identity;
mod lines;
mod mapped;
mod relation;
mod stream;

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use compressed::{Compression, MAGIC_BYTES};
use identity::RangeHasher;
pub use identity::{SHORT_ID_DIGITS, SourceIdentity, full_id};
pub use lines::ReadBuffer;
use mapped::Mapped;
pub use relation::{Check, Relation};
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
    bytes: u64,
    pending_bytes: u64,
    access: Access,
}

#[derive(Debug)]
enum Access {
    Mapped(Mapped),
    Read(File),
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
        let file = File::open(path)?;
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
        let map = opening.map && bytes > 0;
        let access = if map { Access::Mapped(Mapped::new(&file)?) } else { Access::Read(file) };
        Ok(Opened::File(FileSource { bytes, pending_bytes: length - bytes, access }))
    }

    /// Length of a regular file as it lies there, compressed or not.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.metadata().filter(Metadata::is_file).map(|metadata| metadata.len())
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

/// The compression of a regular file.
fn compression(file: &File) -> io::Result<Option<Compression>> {
    let mut head = [0; MAGIC_BYTES];
    let read = lines::read_available(file, &mut head, 0)?;
    Ok(Compression::of(&head[..read]))
}

impl FileSource {
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
    /// line end.
    ///
    /// # Errors
    /// What the system says; that the file was truncated.
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
    ) -> io::Result<u128> {
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
        match (&self.access, hasher) {
            (Access::Mapped(map), None) => {
                let (offset, lines) = lines::starting_in(self.mapped(map), range);
                each(offset, lines);
                map.check()
            }
            (Access::Mapped(map), Some(hasher)) => {
                let bytes = self.mapped(map);
                let mut start = range.start;
                while start < range.end {
                    let end = (start + PIECE_BYTES).min(range.end);
                    hasher.update(start, &bytes[place(start)..place(end)]);
                    let (offset, lines) = lines::starting_in(bytes, start..end);
                    each(offset, lines);
                    start = end;
                }
                map.check()
            }
            (Access::Read(file), hasher) => {
                lines::read(file, self.bytes, range, hasher, buffer, each)
            }
        }
    }

    /// Calls `each` with the bytes of `range`, piece by piece.
    fn read_range(&self, range: Range<u64>, each: &mut dyn FnMut(u64, &[u8])) -> io::Result<()> {
        let mut buffer = Vec::new();
        let mut start = range.start;
        while start < range.end {
            let end = (start + PIECE_BYTES).min(range.end);
            match &self.access {
                Access::Mapped(map) => {
                    each(start, &self.mapped(map)[place(start)..place(end)]);
                    map.check()?;
                }
                Access::Read(file) => {
                    buffer.resize(place(end - start), 0);
                    if lines::read_available(file, &mut buffer, start)? < buffer.len() {
                        return Err(lines::truncated());
                    }
                    each(start, &buffer);
                }
            }
            start = end;
        }
        Ok(())
    }

    fn hash_range(&self, range: Range<u64>) -> io::Result<u128> {
        let mut hasher = RangeHasher::new(range.clone());
        self.read_range(range, &mut |offset, bytes| hasher.update(offset, bytes))?;
        Ok(hasher.finish())
    }

    /// The mapped bytes that are to be read.
    fn mapped<'m>(&self, map: &'m Mapped) -> &'m [u8] {
        let bytes = map.bytes();
        &bytes[..place(self.bytes).min(bytes.len())]
    }
}

/// So much is hashed and then parsed: it fits the second-level cache.
const PIECE_BYTES: u64 = 256 * 1024;

/// An offset in a file as a place in memory; a file that does not fit cannot be mapped.
fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl FileSource {
    /// The file's bytes as a stream from its beginning.
    #[must_use]
    pub fn reader(file: Arc<Self>) -> impl Read + Send {
        FileReader { file, offset: 0 }
    }
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
        let read = match &self.file.access {
            Access::Mapped(map) => {
                let start = usize::try_from(self.offset).unwrap_or(usize::MAX);
                buffer[..wanted].copy_from_slice(&map.bytes()[start..start + wanted]);
                wanted
            }
            Access::Read(file) => file.read_at(&mut buffer[..wanted], self.offset)?,
        };
        self.offset += read as u64;
        Ok(read)
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
