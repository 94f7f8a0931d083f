//! A file mapped into memory.
//!
//! Owns: the mapping. May import: `source::guard`, memmap2. Must not know: lines. `unsafe`, because other processes can
//! change the file.

#![allow(unsafe_code, reason = "mapping a file that others can change")]

use std::fmt;
use std::fs::File;
use std::ops::Range;

use memmap2::{Advice, Mmap, MmapOptions, UncheckedAdvice};

use super::guard::Watch;

/// A mapped file.
pub(super) struct Mapped {
    /// Declared, and so dropped, before the mapping it watches.
    watch: Watch,
    map: Mmap,
}

impl fmt::Debug for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapped").field("bytes", &self.map.len()).finish_non_exhaustive()
    }
}

impl Mapped {
    /// Maps the first `length` bytes of a file, to be read from beginning to end. `None` if the system cannot map it (some
    /// file systems, no address space) or no more mappings can be guarded: read the file instead.
    pub(super) fn new(file: &File, length: u64) -> Option<Self> {
        let length = usize::try_from(length).ok()?;
        // SAFETY: the bytes are only read, as plain bytes without any invariant. If another process changes them, a line
        // may be seen twice or in half, as with read(2); but no reference outlives the map, and nothing is checked once
        // and relied on later. A truncated file raises SIGBUS, which the guard handles.
        let map = unsafe { MmapOptions::new().len(length).map(file) }.ok()?;
        // SAFETY: this is the whole mapping, it is only read, and the watch is dropped before it.
        let watch = unsafe { Watch::new(&map) }?;
        // 1.6 times as fast on a file that is not cached, no difference on one that is. A refusal does no harm.
        let _ = map.advise(Advice::Sequential);
        Some(Self { watch, map })
    }

    /// The file's bytes. Those it has lost since may read as zeros.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Removes the pages of a range that was read from the mapping, not from the page cache. Otherwise one thread would
    /// remove all of them at the end, and until then the process would seem as large as its input.
    pub(super) fn release(&self, range: Range<usize>) {
        // SAFETY: reading the range again gets its bytes from the file again, or zeros where the guard put them.
        let _ = unsafe {
            self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len())
        };
    }

    /// Offset from which on the file was found to lack its bytes; from there the mapping may read as zeros.
    pub(super) fn fault(&self) -> Option<u64> {
        self.watch.fault().map(|offset| offset as u64)
    }
}
