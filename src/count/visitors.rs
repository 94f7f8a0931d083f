//! Visitors by number.
//!
//! Owns: the run-wide numbers of visitors. May import: `select` (visitor hashes). Must not know: what they saw.

use hashbrown::HashTable;

use super::exchange::{PARTITIONS, partition};
use crate::error::{Error, Result};
use crate::select::VisitorHash;

/// The distinct visitors of a run. A visitor's number is its place in its partition and, in the lowest 8 bits, the
/// partition: partitions number their visitors without knowing of each other, and numbers stay dense.
#[derive(Debug)]
pub struct Visitors {
    partitions: Vec<Partition>,
}

impl Default for Visitors {
    fn default() -> Self {
        Self { partitions: (0..PARTITIONS).map(|_| Partition::default()).collect() }
    }
}

/// Most visitors of a partition: their places fill the 24 bits above the partition.
const MAX_PARTITION_VISITORS: usize = 1 << 24;

impl Visitors {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.hashes.len() as u64).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The visitor with that number.
    ///
    /// # Panics
    /// If no visitor has it.
    #[must_use]
    pub fn hash(&self, number: u32) -> VisitorHash {
        VisitorHash(
            self.partitions[number as usize % PARTITIONS].hashes[number as usize / PARTITIONS],
        )
    }

    /// Above every number.
    pub(super) fn number_bound(&self) -> u64 {
        let most =
            self.partitions.iter().map(|partition| partition.hashes.len()).max().unwrap_or(0);
        (most * PARTITIONS) as u64
    }

    /// The partitions, each to be given its own visitors only.
    pub(super) fn partitions_mut(&mut self) -> &mut [Partition] {
        &mut self.partitions
    }
}

/// The visitors whose hash begins with one byte.
#[derive(Debug, Default)]
pub(super) struct Partition {
    /// By place.
    hashes: Vec<u128>,
    /// Places by hash.
    places: HashTable<u32>,
}

impl Partition {
    /// The run-wide number of a visitor of this partition, a new one if it was not met before.
    ///
    /// # Errors
    /// [`Error::Limit`] above 2^24 visitors.
    #[inline]
    pub(super) fn number(&mut self, visitor: VisitorHash) -> Result<u32> {
        let hashes = &mut self.hashes;
        let entry = self.places.entry(
            low_half(visitor.0),
            |&place| hashes[place as usize] == visitor.0,
            |&place| low_half(hashes[place as usize]),
        );
        let place = match entry {
            hashbrown::hash_table::Entry::Occupied(entry) => *entry.get(),
            hashbrown::hash_table::Entry::Vacant(entry) => {
                if hashes.len() >= MAX_PARTITION_VISITORS {
                    return Err(Error::Limit(
                        "too many distinct visitors (about four thousand million fit one run); analyze fewer days at once".to_owned(),
                    ));
                }
                let place = u32::try_from(hashes.len()).unwrap_or(u32::MAX);
                if hashes.len() == hashes.capacity() {
                    // Not twice as many: all partitions grow at the same time.
                    hashes.reserve_exact(hashes.len() / 4 + 4);
                }
                hashes.push(visitor.0);
                entry.insert(place);
                place
            }
        };
        // 24 bits above 8.
        Ok(place << 8 | u32::try_from(partition(visitor)).unwrap_or(u32::MAX))
    }
}

/// The half of a hash that tells visitors of one partition apart in the table.
#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn low_half(hash: u128) -> u64 {
    hash as u64
}
