//! A file mapped into memory.
//!
//! Owns: the mapping. May import: memmap2. Must not know: lines. The one place of `unsafe` in `source`.

#![allow(unsafe_code, reason = "mapping a file that others can change")]

use std::fs::File;
use std::io;

use memmap2::{Advice, Mmap};

/// A file's bytes in memory.
#[derive(Debug)]
pub(super) struct Mapped {
    map: Mmap,
}

impl Mapped {
    /// Maps the whole file, for reading from its beginning to its end.
    pub(super) fn new(file: &File) -> io::Result<Self> {
        // SAFETY: the bytes are only read, as plain bytes without any invariant. Another process can change them
        // under us; then a line is read twice or half, as it would be with read(2), but no reference outlives the
        // map and nothing is validated once and relied on later. Truncation raises SIGBUS.
        let map = unsafe { Mmap::map(file)? };
        // Worth 1.6 x on a cold file and nothing on a warm one; a refusal costs nothing either.
        let _ = map.advise(Advice::Sequential);
        Ok(Self { map })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Whether every byte read so far was the file's own.
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the SIGBUS guard will answer here"
    )]
    pub(super) fn check(&self) -> io::Result<()> {
        Ok(())
    }
}
