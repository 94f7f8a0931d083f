//! Page names by number: those of each worker, and those of the run.
//!
//! Owns: the interning of names, and the merge of the workers' names. May import: `error`, `text`, hashbrown, rayon. Must
//! not know: what a name is used for.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use rayon::prelude::*;

use crate::error::{Error, Result};

/// Most names that are interned together: enough for their cache misses to overlap, few enough to stay in the cache.
pub(super) const BATCH: usize = 32;

/// Hashes names, with a random seed for each run, so that nobody can craft collisions.
pub(super) type NameHasher = DefaultHashBuilder;

/// Distinct byte strings by number, found by hash.
///
/// This is an open-addressing table of our own because it can be prefetched: a caller with 32 names at hand touches the
/// slots and the bytes of all before it compares the first, so that their cache misses overlap. It made the scan of the
/// hard log (450,000 pages) 1.3 times as fast.
#[derive(Debug)]
struct Interner {
    /// A power of two, at most half full.
    slots: Vec<Slot>,
    /// All strings, each after its length (4 bytes, little-endian).
    bytes: Vec<u8>,
    /// By number: index in `bytes` of the string's length.
    starts: Vec<u64>,
}

/// Entry of the table, for one string.
#[derive(Clone, Copy, Debug)]
struct Slot {
    start: u64,
    /// Upper half of the hash: most other strings differ in it, so that their bytes need not be compared.
    tag: u32,
    /// The string's number; [`EMPTY`] for none.
    number: u32,
}

const EMPTY: u32 = u32::MAX;
const EMPTY_SLOT: Slot = Slot { start: 0, tag: 0, number: EMPTY };

impl Default for Interner {
    fn default() -> Self {
        Self { slots: vec![EMPTY_SLOT; 64], bytes: Vec::new(), starts: Vec::new() }
    }
}

impl Interner {
    fn len(&self) -> usize {
        self.starts.len()
    }

    /// Index of the slot at which the search for a hash begins.
    #[inline]
    fn home(&self, hash: u64) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "masked to the table's size")]
        let place = hash as usize;
        place & (self.slots.len() - 1)
    }

    #[inline]
    fn tag(hash: u64) -> u32 {
        (hash >> 32) as u32
    }

    /// Brings the slot that `intern` will read into the cache. Returns the probable start of the string.
    #[inline]
    fn prefetch(&self, hash: u64) -> u64 {
        self.slots[self.home(hash)].start
    }

    /// Brings the string at `start`, from `prefetch`, into the cache. Returns a byte of it, whose use forces the read.
    #[inline]
    fn touch(&self, start: u64) -> u8 {
        self.bytes.get(index(start)).copied().unwrap_or(0)
    }

    #[inline]
    fn at(&self, start: u64) -> &[u8] {
        let start = index(start);
        let length = self.bytes[start..]
            .first_chunk()
            .map_or(0, |length| u32::from_le_bytes(*length) as usize);
        &self.bytes[start + 4..start + 4 + length]
    }

    fn get(&self, number: usize) -> &[u8] {
        self.at(self.starts[number])
    }

    fn find(&self, name: &[u8], hash: u64) -> std::result::Result<u32, usize> {
        let tag = Self::tag(hash);
        let mut place = self.home(hash);
        loop {
            let slot = self.slots[place];
            if slot.number == EMPTY {
                return Err(place);
            }
            if slot.tag == tag && self.at(slot.start) == name {
                return Ok(slot.number);
            }
            place = (place + 1) & (self.slots.len() - 1);
        }
    }

    /// The number of a string, a new one if the string is new; `None` if no number is left.
    #[inline]
    fn intern(&mut self, name: &[u8], hash: u64) -> Option<u32> {
        match self.find(name, hash) {
            Ok(number) => Some(number),
            Err(place) => self.insert(place, name, hash),
        }
    }

    #[cold]
    fn insert(&mut self, place: usize, name: &[u8], hash: u64) -> Option<u32> {
        let number = u32::try_from(self.starts.len()).ok().filter(|&number| number != EMPTY)?;
        let length = u32::try_from(name.len()).ok()?;
        let start = self.bytes.len() as u64;
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(name);
        self.starts.push(start);
        self.slots[place] = Slot { start, tag: Self::tag(hash), number };
        Some(number)
    }

    /// Doubles the table if it is half full. `hash` must be the function that hashed the interned strings.
    fn grow(&mut self, hash: impl Fn(&[u8]) -> u64) {
        if self.starts.len() * 2 < self.slots.len() {
            return;
        }
        let old = std::mem::take(&mut self.slots);
        self.slots = vec![EMPTY_SLOT; old.len() * 2];
        for slot in old.into_iter().filter(|slot| slot.number != EMPTY) {
            let mut place = self.home(hash(self.at(slot.start)));
            while self.slots[place].number != EMPTY {
                place = (place + 1) & (self.slots.len() - 1);
            }
            self.slots[place] = slot;
        }
    }
}

/// An offset into memory as an index.
#[expect(clippy::cast_possible_truncation, reason = "offsets into memory")]
fn index(offset: u64) -> usize {
    offset as usize
}

/// The names that one worker has seen, numbered in the order in which it saw them.
#[derive(Debug)]
pub(super) struct LocalNames {
    hasher: NameHasher,
    names: Interner,
    /// Run-wide numbers of the names that [`PageNames`] has absorbed.
    run_wide: Vec<u32>,
    /// Whether there were more names than numbers.
    overflowed: bool,
}

impl LocalNames {
    pub(super) fn new(hasher: NameHasher) -> Self {
        Self { hasher, names: Interner::default(), run_wide: Vec::new(), overflowed: false }
    }

    /// The hash of a name, for [`intern_all`](Self::intern_all).
    #[inline]
    pub(super) fn hash(&self, name: &[u8]) -> u64 {
        self.hasher.hash_one(name)
    }

    /// Interns up to [`BATCH`] names, given with their hashes. Calls `each` with the index and the number of each, in order.
    #[inline]
    pub(super) fn intern_all<'a>(
        &mut self,
        hashes: &[u64],
        names: impl Iterator<Item = &'a [u8]>,
        mut each: impl FnMut(usize, u32),
    ) {
        let mut starts = [0; BATCH];
        for (start, &hash) in starts.iter_mut().zip(hashes) {
            *start = self.names.prefetch(hash);
        }
        let touched =
            starts[..hashes.len()].iter().fold(0, |all, &start| all | self.names.touch(start));
        std::hint::black_box(touched);
        for (index, (&hash, name)) in hashes.iter().zip(names).enumerate() {
            let number = self.names.intern(name, hash).unwrap_or_else(|| {
                self.overflowed = true;
                0
            });
            self.names.grow(|name| self.hasher.hash_one(name));
            each(index, number);
        }
    }

    /// The worker's number of one name.
    pub(super) fn intern(&mut self, name: &[u8]) -> u32 {
        let mut number = 0;
        self.intern_all(&[self.hash(name)], std::iter::once(name), |_, found| number = found);
        number
    }

    /// Run-wide numbers by the worker's numbers.
    pub(super) fn run_wide(&self) -> &[u32] {
        &self.run_wide
    }

    /// The names that are not absorbed yet, by the shard of their text.
    fn new_by_shard(&self) -> Vec<Vec<NewName>> {
        let mut shards: Vec<Vec<NewName>> = (0..SHARDS).map(|_| Vec::new()).collect();
        for number in self.run_wide.len()..self.names.len() {
            let bytes = self.names.get(number);
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

/// A worker's name on its way into the names of the run.
struct NewName {
    number: usize,
    hash: u64,
    /// The name as text, if its bytes are not UTF-8.
    rewritten: Option<Box<str>>,
}

/// Number of shards of the names. Each is merged by a task of its own.
const SHARDS: usize = 64;

fn shard(hash: u64) -> usize {
    // Neither the lowest bits, which choose the slot, nor only upper bits, which are the tag.
    (hash >> 26) as usize % SHARDS
}

/// The distinct page names of a run, as text. A name's number is its index in its shard (upper 26 bits) and the shard
/// (lower 6 bits).
#[derive(Debug)]
pub struct PageNames {
    hasher: NameHasher,
    shards: Vec<Interner>,
}

/// Most names of a shard: their indices have 26 bits.
const MAX_SHARD_NAMES: usize = 1 << 26;

impl PageNames {
    /// How names are hashed.
    pub(super) fn hasher(&self) -> &NameHasher {
        &self.hasher
    }

    pub(super) fn new(hasher: NameHasher) -> Self {
        Self { hasher, shards: (0..SHARDS).map(|_| Interner::default()).collect() }
    }

    /// Number of names.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.shards.iter().map(|shard| shard.len() as u64).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name with that number.
    ///
    /// # Panics
    /// If no name has that number.
    #[must_use]
    pub fn get(&self, number: u32) -> &str {
        let bytes = self.shards[number as usize % SHARDS].get(number as usize / SHARDS);
        std::str::from_utf8(bytes).expect("only text is interned in `absorb`")
    }

    /// All numbers in use, in no particular order.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        self.shards.iter().enumerate().flat_map(|(shard, names)| {
            (0..names.len())
                .map(move |place| u32::try_from(place * SHARDS + shard).unwrap_or(u32::MAX))
        })
    }

    /// A bound of all numbers: each is smaller.
    #[must_use]
    pub fn number_bound(&self) -> usize {
        self.shards.iter().map(|shard| shard.len()).max().unwrap_or(0) * SHARDS
    }

    /// Gives every new name of the workers its run-wide number.
    ///
    /// # Errors
    /// [`Error::Limit`] if there are too many names to number.
    pub(super) fn absorb(&mut self, locals: &mut [&mut LocalNames]) -> Result<()> {
        let new: Vec<Vec<Vec<NewName>>> =
            locals.par_iter().map(|local| local.new_by_shard()).collect();
        let hasher = &self.hasher;
        // For each shard, for each worker: (its number, run-wide number).
        let found: Vec<Vec<Vec<(usize, u32)>>> = self
            .shards
            .par_iter_mut()
            .enumerate()
            .map(|(shard, names)| {
                let by_worker = locals.iter().zip(&new).map(|(local, new)| {
                    let local = &local.names;
                    let number = |name: &NewName| {
                        let bytes = name
                            .rewritten
                            .as_ref()
                            .map_or(local.get(name.number), |text| text.as_bytes());
                        let place = names.intern(bytes, name.hash).unwrap_or(EMPTY) as usize;
                        names.grow(|name| hasher.hash_one(name));
                        (name.number, u32::try_from(place * SHARDS + shard).unwrap_or(u32::MAX))
                    };
                    new[shard].iter().map(number).collect()
                });
                by_worker.collect()
            })
            .collect();
        let too_many = self.shards.iter().any(|shard| shard.len() >= MAX_SHARD_NAMES);
        if too_many || locals.iter().any(|local| local.overflowed) {
            return Err(Error::Limit(
                "too many distinct pages (a run can hold about four billion)".to_owned(),
            ));
        }
        locals.par_iter_mut().enumerate().for_each(|(index, names)| {
            names.run_wide.resize(names.names.len(), 0);
            for &(local, run_wide) in found.iter().flat_map(|by_worker| &by_worker[index]) {
                names.run_wide[local] = run_wide;
            }
        });
        Ok(())
    }
}
