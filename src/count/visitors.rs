//! Visitors by number.
//!
//! Owns: the run-wide numbers of visitors. May import: `error`, `count::exchange` (partitions), `select` (visitor hashes),
//! hashbrown, rayon. Must not know: what visitors saw.

use hashbrown::HashTable;
use rayon::prelude::*;

use super::exchange::{PARTITIONS, partition};
use crate::error::{Error, Result};
use crate::select::VisitorHash;

/// The distinct visitors of a run. A visitor's number is its index in its partition (upper 24 bits) and the partition
/// (lower 8 bits). So partitions number their visitors independently, and numbers stay dense.
#[derive(Debug)]
pub struct Visitors {
    partitions: Vec<Partition>,
}

impl Default for Visitors {
    fn default() -> Self {
        Self { partitions: (0..PARTITIONS).map(|_| Partition::default()).collect() }
    }
}

/// Most visitors of a partition: their indices have 24 bits.
const MAX_PARTITION_VISITORS: usize = 1 << 24;

impl Visitors {
    /// Number of visitors.
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
    /// If no visitor has that number.
    #[must_use]
    pub fn hash(&self, number: u32) -> VisitorHash {
        VisitorHash(
            self.partitions[number as usize % PARTITIONS].hashes[number as usize / PARTITIONS],
        )
    }

    /// The number of a visitor; `None` if it has none.
    #[must_use]
    pub fn find(&self, visitor: VisitorHash) -> Option<u32> {
        let partition = &self.partitions[partition(visitor)];
        let is_it = |&place: &u32| partition.hashes[place as usize] == visitor.0;
        let place = *partition.places.find(low_half(visitor.0), is_it)?;
        Some(number(place, visitor))
    }

    /// The numbers of the visitors in some lists, each of which ascends. Visitors without a number get one. Works in
    /// parallel, by partition.
    ///
    /// # Errors
    /// [`Error::Limit`] above 2^24 visitors in one partition.
    pub fn numbers(&mut self, lists: &[&[VisitorHash]]) -> Result<Vec<Vec<u32>>> {
        let mut numbers: Vec<Vec<u32>> = lists.iter().map(|list| vec![0; list.len()]).collect();
        // Hashes ascend, so a partition's are a slice of each list.
        let mut slices: Vec<Vec<(&[VisitorHash], &mut [u32])>> =
            self.partitions.iter().map(|_| Vec::new()).collect();
        for (list, numbers) in lists.iter().zip(&mut numbers) {
            let mut rest = &mut numbers[..];
            for hashes in list.chunk_by(|one, other| partition(*one) == partition(*other)) {
                let numbers = rest.split_off_mut(..hashes.len()).unwrap_or_default();
                slices[partition(hashes[0])].push((hashes, numbers));
            }
        }
        self.partitions.par_iter_mut().zip(slices).try_for_each(|(partition, slices)| {
            for (hashes, numbers) in slices {
                for (&hash, number) in hashes.iter().zip(numbers) {
                    *number = partition.number(hash)?;
                }
            }
            Ok(())
        })?;
        Ok(numbers)
    }

    /// The hashes of those visitors for whose numbers `is_wanted` is true, ascending, and their numbers. Works in parallel.
    #[must_use]
    pub fn sorted(&self, is_wanted: impl Fn(u32) -> bool + Sync) -> (Vec<VisitorHash>, Vec<u32>) {
        // A partition has one first byte, so that those of one after the other ascend.
        let of_partition = |partition: &Partition| {
            let visitors = partition.hashes.iter().zip(0..);
            let mut visitors: Vec<(VisitorHash, u32)> = visitors
                .map(|(&hash, place)| (VisitorHash(hash), number(place, VisitorHash(hash))))
                .filter(|&(_, number)| is_wanted(number))
                .collect();
            visitors.sort_unstable();
            visitors
        };
        let sorted: Vec<Vec<(VisitorHash, u32)>> =
            self.partitions.par_iter().map(of_partition).collect();
        sorted.into_iter().flatten().unzip()
    }

    /// A bound of all numbers: each is smaller.
    #[must_use]
    pub fn number_bound(&self) -> u64 {
        let most =
            self.partitions.iter().map(|partition| partition.hashes.len()).max().unwrap_or(0);
        (most * PARTITIONS) as u64
    }

    /// The partitions. Each must be given only its own visitors.
    pub(super) fn partitions_mut(&mut self) -> &mut [Partition] {
        &mut self.partitions
    }
}

/// The visitors whose hashes have the same first byte. Aligned so that partitions do not share cache lines; see
/// [`Worker`](super::Worker).
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Partition {
    /// Hashes by index.
    hashes: Vec<u128>,
    /// Indices by hash.
    places: HashTable<u32>,
}

impl Partition {
    /// The run-wide number of a visitor of this partition, a new one if the visitor is new.
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
                        "too many distinct visitors (a run can hold about four billion); analyze fewer days at a time".to_owned(),
                    ));
                }
                let place = u32::try_from(hashes.len()).unwrap_or(u32::MAX);
                if hashes.len() == hashes.capacity() {
                    // Not doubled: all partitions grow at about the same time.
                    hashes.reserve_exact(hashes.len() / 4 + 4);
                }
                hashes.push(visitor.0);
                entry.insert(place);
                place
            }
        };
        Ok(number(place, visitor))
    }
}

/// The run-wide number of the visitor at index `place` of its partition.
#[inline]
fn number(place: u32, visitor: VisitorHash) -> u32 {
    place << 8 | u32::try_from(partition(visitor)).unwrap_or(u32::MAX)
}

/// The half of a visitor's hash by which the table of its partition finds it.
#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn low_half(hash: u128) -> u64 {
    hash as u64
}
