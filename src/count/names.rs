//! Page names by number: each worker's own, and the run's.
//!
//! Owns: interning of names and the merge of the workers' names. May import: `text`, rayon.
//! Must not know: what a name is used for.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use rayon::prelude::*;

use super::Worker;
use crate::error::{Error, Result};

/// Hashes names; seeded by chance for each run, so that no one can craft collisions.
pub(super) type NameHasher = DefaultHashBuilder;

/// Distinct byte strings in one growing buffer.
#[derive(Debug, Default)]
struct Arena {
    bytes: Vec<u8>,
    /// Where each string ends; it begins where the one before ends.
    ends: Vec<u64>,
}

impl Arena {
    fn push(&mut self, text: &[u8]) -> usize {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len() as u64);
        self.ends.len() - 1
    }

    #[inline]
    fn get(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        #[expect(clippy::cast_possible_truncation, reason = "offsets into memory")]
        &self.bytes[start as usize..self.ends[index] as usize]
    }

    fn len(&self) -> usize {
        self.ends.len()
    }
}

/// A slot of the hash table: half of the hash, so that most other names are told apart without a look at the arena.
#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u64,
    number: u32,
}

/// The names one worker has met, numbered in the order it met them.
#[derive(Debug)]
pub(super) struct LocalNames {
    hasher: NameHasher,
    arena: Arena,
    table: HashTable<Slot>,
    /// Run-wide numbers of the names that were absorbed.
    run_wide: Vec<u32>,
    /// More names than numbers.
    overflowed: bool,
}

impl LocalNames {
    pub(super) fn new(hasher: NameHasher) -> Self {
        Self {
            hasher,
            arena: Arena::default(),
            table: HashTable::new(),
            run_wide: Vec::new(),
            overflowed: false,
        }
    }

    /// The worker's number of a name.
    #[inline]
    pub(super) fn intern(&mut self, name: &[u8]) -> u32 {
        let hash = self.hasher.hash_one(name);
        let arena = &mut self.arena;
        let entry = self.table.entry(
            hash,
            |slot| slot.hash == hash && arena.get(slot.number as usize) == name,
            |slot| slot.hash,
        );
        match entry {
            hashbrown::hash_table::Entry::Occupied(entry) => entry.get().number,
            hashbrown::hash_table::Entry::Vacant(entry) => {
                let Ok(number) = u32::try_from(arena.push(name)) else {
                    self.overflowed = true;
                    return 0;
                };
                entry.insert(Slot { hash, number });
                number
            }
        }
    }

    /// Run-wide numbers by the worker's numbers.
    pub(super) fn run_wide(&self) -> &[u32] {
        &self.run_wide
    }

    /// The names not yet absorbed, by shard of their text's hash.
    fn new_by_shard(&self) -> Vec<Vec<NewName>> {
        let mut shards: Vec<Vec<NewName>> = (0..SHARDS).map(|_| Vec::new()).collect();
        for number in self.run_wide.len()..self.arena.len() {
            let bytes = self.arena.get(number);
            let rewritten = match crate::text::from_bytes(bytes) {
                std::borrow::Cow::Borrowed(_) => None,
                std::borrow::Cow::Owned(text) => Some(text.into_boxed_str()),
            };
            let hash =
                self.hasher.hash_one(rewritten.as_ref().map_or(bytes, |text| text.as_bytes()));
            shards[shard(hash)].push(NewName { number, hash, rewritten });
        }
        shards
    }
}

/// A worker's name on its way into the run's.
struct NewName {
    number: usize,
    hash: u64,
    /// The name as text where its bytes are not UTF-8.
    rewritten: Option<Box<str>>,
}

/// Names are merged by as many tasks as there are shards.
const SHARDS: usize = 64;

fn shard(hash: u64) -> usize {
    // Not the topmost bits: hashbrown takes its tags from those.
    (hash >> 40) as usize % SHARDS
}

/// The distinct page names of a run, as text. A name's number is its place in its shard and, in the lowest 6 bits,
/// the shard.
#[derive(Debug)]
pub struct Names {
    hasher: NameHasher,
    shards: Vec<Shard>,
}

#[derive(Debug, Default)]
struct Shard {
    arena: Arena,
    table: HashTable<Slot>,
}

impl Shard {
    /// The place of a name, a new one if it was not met before.
    fn intern(&mut self, name: &[u8], hash: u64) -> u32 {
        let arena = &mut self.arena;
        let entry = self.table.entry(
            hash,
            |slot| slot.hash == hash && arena.get(slot.number as usize) == name,
            |slot| slot.hash,
        );
        match entry {
            hashbrown::hash_table::Entry::Occupied(entry) => entry.get().number,
            hashbrown::hash_table::Entry::Vacant(entry) => {
                let number = u32::try_from(arena.push(name)).unwrap_or(u32::MAX);
                entry.insert(Slot { hash, number });
                number
            }
        }
    }
}

/// Most names of a shard: their places fill the 26 bits above the shard.
const MAX_SHARD_NAMES: usize = 1 << 26;

impl Names {
    pub(super) fn new(hasher: NameHasher) -> Self {
        Self { hasher, shards: (0..SHARDS).map(|_| Shard::default()).collect() }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.shards.iter().map(|shard| shard.arena.len() as u64).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name with that number.
    ///
    /// # Panics
    /// If no name has it.
    #[must_use]
    pub fn get(&self, number: u32) -> &str {
        let bytes = self.shards[number as usize % SHARDS].arena.get(number as usize / SHARDS);
        std::str::from_utf8(bytes).expect("only text is interned in `absorb`")
    }

    /// All numbers in use, in no meaningful order.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        self.shards.iter().enumerate().flat_map(|(shard, names)| {
            (0..names.arena.len())
                .map(move |place| u32::try_from(place * SHARDS + shard).unwrap_or(u32::MAX))
        })
    }

    /// Above every number.
    #[must_use]
    pub fn number_bound(&self) -> usize {
        self.shards.iter().map(|shard| shard.arena.len()).max().unwrap_or(0) * SHARDS
    }

    /// The number of a name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(name.as_bytes());
        let shard = shard(hash);
        let names = &self.shards[shard];
        let slot = names.table.find(hash, |slot| {
            slot.hash == hash && names.arena.get(slot.number as usize) == name.as_bytes()
        })?;
        u32::try_from(slot.number as usize * SHARDS + shard).ok()
    }

    /// Gives every new name of the workers its run-wide number.
    ///
    /// # Errors
    /// [`Error::Limit`] where numbers do not suffice.
    pub(super) fn absorb(&mut self, workers: &mut [Worker]) -> Result<()> {
        let new: Vec<Vec<Vec<NewName>>> =
            workers.par_iter().map(|worker| worker.names.new_by_shard()).collect();
        // For each shard, for each worker: (its number, run-wide number).
        let found: Vec<Vec<Vec<(usize, u32)>>> = self
            .shards
            .par_iter_mut()
            .enumerate()
            .map(|(shard, names)| {
                let by_worker = workers.iter().zip(&new).map(|(worker, new)| {
                    let arena = &worker.names.arena;
                    let number = |name: &NewName| {
                        let bytes = name
                            .rewritten
                            .as_ref()
                            .map_or(arena.get(name.number), |text| text.as_bytes());
                        let place = names.intern(bytes, name.hash) as usize;
                        (name.number, u32::try_from(place * SHARDS + shard).unwrap_or(u32::MAX))
                    };
                    new[shard].iter().map(number).collect()
                });
                by_worker.collect()
            })
            .collect();
        let too_many = self.shards.iter().any(|shard| shard.arena.len() >= MAX_SHARD_NAMES);
        if too_many || workers.iter().any(|worker| worker.names.overflowed) {
            return Err(Error::Limit(
                "too many distinct pages (four thousand million fit one run)".to_owned(),
            ));
        }
        workers.par_iter_mut().enumerate().for_each(|(index, worker)| {
            let names = &mut worker.names;
            names.run_wide.resize(names.arena.len(), 0);
            for &(local, run_wide) in found.iter().flat_map(|by_worker| &by_worker[index]) {
                names.run_wide[local] = run_wide;
            }
        });
        Ok(())
    }
}
