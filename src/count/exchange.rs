//! Page views on their way from the worker that parsed them to the partition that owns their visitor.
//!
//! Owns: records, and the rule that assigns visitors to partitions. May import: `select` (visitor hashes). Must not know:
//! what is counted.

use crate::select::VisitorHash;

/// Number of partitions of the visitors. Enough for 16 tasks per thread on 16 cores; few enough for the open chunks of a
/// worker to stay in its cache.
pub(super) const PARTITIONS: usize = 256;

/// One page view, in 24 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageViewRecord {
    visitor_high: u64,
    visitor_low: u64,
    /// The worker's number of the page.
    pub(super) page: u32,
    /// The worker's number of the share in the upper bits, and the minute of the day in the lower 11.
    pub(super) when: u32,
}

impl PageViewRecord {
    pub(super) fn visitor(&self) -> VisitorHash {
        VisitorHash(u128::from(self.visitor_high) << 64 | u128::from(self.visitor_low))
    }
}

/// A worker's records by partition.
#[derive(Debug)]
pub(super) struct Exchange {
    partitions: Vec<ChunkList<PageViewRecord>>,
}

impl Default for Exchange {
    fn default() -> Self {
        Self { partitions: (0..PARTITIONS).map(|_| ChunkList::default()).collect() }
    }
}

/// The partition that owns a visitor: the first byte of its hash. It depends on nothing else, so a visitor is in the same
/// partition on every thread and in every window.
#[inline]
pub(super) fn partition(visitor: VisitorHash) -> usize {
    (visitor.0 >> 120) as usize
}

impl Exchange {
    #[inline]
    pub(super) fn push(&mut self, visitor: VisitorHash, page: u32, when: u32) {
        let visitor_high = (visitor.0 >> 64) as u64;
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
        let visitor_low = visitor.0 as u64;
        self.partitions[partition(visitor)].push(PageViewRecord {
            visitor_high,
            visitor_low,
            page,
            when,
        });
    }

    /// Number of records in each partition.
    pub(super) fn lengths(&self) -> Vec<usize> {
        self.partitions.iter().map(ChunkList::len).collect()
    }

    /// Removes the records pushed since [`lengths`](Self::lengths) returned `lengths`, and calls `each` with every one.
    pub(super) fn truncate(&mut self, lengths: &[usize], mut each: impl FnMut(&PageViewRecord)) {
        for (partition, &length) in self.partitions.iter_mut().zip(lengths) {
            while let Some(record) = partition.pop_above(length) {
                each(&record);
            }
        }
    }

    /// Takes all records out, by partition.
    pub(super) fn take(&mut self) -> Vec<ChunkList<PageViewRecord>> {
        std::mem::take(self).partitions
    }
}

/// A list that grows by whole chunks: growing moves no item, and chunks can be freed one by one.
#[derive(Debug)]
pub(super) struct ChunkList<T> {
    chunks: Vec<Vec<T>>,
}

/// Size of a full chunk of any type: a multiple of 8, 16 and 24. Since chunks of records and of keys are equally large,
/// the allocator can reuse one for the other, which saved a fifth of the memory of a window.
const CHUNK_BYTES: usize = 16 * 1023;

impl<T> Default for ChunkList<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<T: Copy> ChunkList<T> {
    #[inline]
    pub(super) fn push(&mut self, item: T) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < chunk.capacity() => chunk.push(item),
            _ => self.push_slow(item),
        }
    }

    #[cold]
    fn push_slow(&mut self, item: T) {
        // The first chunk is small: a short log has few records in a partition.
        let items = if self.chunks.is_empty() { 16 } else { CHUNK_BYTES / size_of::<T>() };
        let mut chunk = Vec::with_capacity(items);
        chunk.push(item);
        self.chunks.push(chunk);
    }

    /// Removes and returns the last item, if there are more than `length`.
    fn pop_above(&mut self, length: usize) -> Option<T> {
        if self.len() <= length {
            return None;
        }
        let last = self.chunks.last_mut()?;
        let item = last.pop();
        if last.is_empty() {
            self.chunks.pop();
        }
        item
    }

    pub(super) fn chunks(&self) -> impl Iterator<Item = &[T]> {
        self.chunks.iter().map(Vec::as_slice)
    }

    pub(super) fn len(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }
}
