//! Page views on their way from the worker that parsed them to the partition that owns their visitor.
//!
//! Owns: records and the partition rule. May import: `select` (visitor hashes). Must not know: what is counted.

use crate::select::VisitorHash;

/// How many partitions visitors are spread over. Enough for 16 tasks a thread on 16 cores, few enough that the
/// open chunks of a worker stay in its cache.
pub(super) const PARTITIONS: usize = 256;

/// One page view, 24 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageViewRecord {
    visitor_high: u64,
    visitor_low: u64,
    /// The worker's number of the page.
    pub(super) page: u32,
    /// The worker's number of the day, then the minute of the day.
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

/// The partition that owns a visitor: the first byte of its hash. It depends on nothing else, so that a visitor
/// is in the same partition on every thread and in every window.
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

    /// How many records each partition holds.
    pub(super) fn lengths(&self) -> Vec<usize> {
        self.partitions.iter().map(ChunkList::len).collect()
    }

    /// Takes back what was pushed since `lengths` were these, calling `each` with every record.
    pub(super) fn truncate(&mut self, lengths: &[usize], mut each: impl FnMut(&PageViewRecord)) {
        for (partition, &length) in self.partitions.iter_mut().zip(lengths) {
            while let Some(record) = partition.pop_above(length) {
                each(&record);
            }
        }
    }

    /// Takes the records of one partition out.
    pub(super) fn take(&mut self) -> Vec<ChunkList<PageViewRecord>> {
        std::mem::take(self).partitions
    }
}

/// A list that grows by whole chunks: nothing is moved when it grows, and it can be freed piece by piece.
#[derive(Debug)]
pub(super) struct ChunkList<T> {
    chunks: Vec<Vec<T>>,
}

/// Bytes of a full chunk, whatever it holds: a multiple of 8, 16 and 24. What an allocator gets back as records it can
/// then give out as keys without waiting for neighbours, which saved a fifth of the memory of a window.
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
        // The first chunk is small: a short log has few records a partition.
        let items = if self.chunks.is_empty() { 16 } else { CHUNK_BYTES / size_of::<T>() };
        let mut chunk = Vec::with_capacity(items);
        chunk.push(item);
        self.chunks.push(chunk);
    }

    /// Takes the last item out, if there are more than `length`.
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
