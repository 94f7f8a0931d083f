//! A file mapped into memory.
//!
//! Owns: the mapping. May import: memmap2, the guard. Must not know: lines. `unsafe`, because others can change the file.

#![allow(unsafe_code, reason = "mapping a file that others can change")]

use std::fmt;
use std::fs::File;
use std::ops::Range;

use memmap2::{Advice, Mmap, MmapOptions, UncheckedAdvice};

use super::guard::Watch;

/// A file's bytes in memory.
pub(super) struct Mapped {
    /// Ends before the mapping does: fields are dropped in this order.
    watch: Watch,
    map: Mmap,
}

impl fmt::Debug for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapped").field("bytes", &self.map.len()).finish_non_exhaustive()
    }
}

impl Mapped {
    /// Maps the first `length` bytes of a file, for reading from its beginning to its end. `None` where the system
    /// will not map it (some file systems, no room) or no more mappings can be guarded: then it has to be read.
    pub(super) fn new(file: &File, length: u64) -> Option<Self> {
        let length = usize::try_from(length).ok()?;
        // SAFETY: the bytes are only read, as plain bytes without any invariant. Another process can change them
        // under us; then a line is read twice or half, as it would be with read(2), but no reference outlives the
        // map and nothing is validated once and relied on later. A truncated file raises SIGBUS: the guard answers.
        let map = unsafe { MmapOptions::new().len(length).map(file) }.ok()?;
        // SAFETY: this is the whole mapping, it is only read, and the watch is dropped before it.
        let watch = unsafe { Watch::new(&map) }?;
        // Worth 1.6 x on a cold file and nothing on a warm one; a refusal costs nothing either.
        let _ = map.advise(Advice::Sequential);
        Some(Self { watch, map })
    }

    /// The file; what it lost since reads as zeros.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Says that a range was read: its pages leave the mapping, not the page cache. Else all of them would go at the
    /// end, by one thread, and until then the process would look as large as its input.
    pub(super) fn release(&self, range: Range<usize>) {
        // SAFETY: what is read there again comes from the file again, or is zero where the guard put zeros.
        let _ = unsafe {
            self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len())
        };
    }

    /// Where the file was found to have lost its bytes; behind that the mapping reads as zeros.
    pub(super) fn fault(&self) -> Option<u64> {
        self.watch.fault().map(|offset| offset as u64)
    }
}
