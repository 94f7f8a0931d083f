//! Sorted entries in levels of growing size: the dictionary of visitors, and who was ever seen where.
//!
//! Owns: the tables `level`, `visitor` and `seen`. May import: rusqlite, `checked`, `facts` (columns, varints). Must not
//! know: whose visitors they are, what is counted.
//!
//! Level *L* may hold 1,024 × 4^*L* entries. It is a sequence of pieces, each a row whose key is the level and the upper
//! 56 bits of the piece's first entry. What is inserted goes into the pieces that it falls into; a level that holds more
//! than it may hands pieces down to the next. So a commit writes a few pieces of each level, and never a level.

mod entries;
#[cfg(test)]
mod tests;

use std::ops::Range;

use rusqlite::{OptionalExtension, Params, params};

use super::{Store, checked};
use crate::error::{Error, Result};
use crate::select::VisitorHash;
use entries::{Entries, Pairs, VisitorNumbers};

/// Entries that level 0 may hold.
const FIRST_LEVEL: u64 = 1024;
/// How many times more each level may hold than the one above it, as a power of two.
const GROWTH_BITS: usize = 2;
/// Bits of a key below those of the level.
const PREFIX_BITS: u32 = 56;
/// Levels that there can be: the last may hold 2^62 entries.
const MOST_LEVELS: usize = 27;
/// Most pieces that are handed down together, which bounds the memory.
const HANDED_DOWN: usize = 64;

/// The numbers of visitors whose hashes ascend; `None` for those who are new.
pub(super) fn visitor_numbers(
    store: Store<'_>,
    sorted_hashes: &[VisitorHash],
) -> Result<Vec<Option<u32>>> {
    let mut numbers = vec![None; sorted_hashes.len()];
    let mut levels = Levels::<VisitorNumbers>::open(store)?;
    levels.find(sorted_hashes, |index, entry| numbers[index] = Some(entry.1))?;
    Ok(numbers)
}

/// Enters new visitors with their numbers. Their hashes must ascend, and none may be there already.
pub(super) fn insert_visitors(store: Store<'_>, sorted: &[(VisitorHash, u32)]) -> Result<()> {
    Levels::<VisitorNumbers>::open(store)?.insert(sorted)
}

/// Takes out the visitors whose numbers are not to be kept, so that nothing tells their hashes.
pub(super) fn retain_visitors(store: Store<'_>, keep: impl Fn(u32) -> bool) -> Result<()> {
    Levels::<VisitorNumbers>::open(store)?.retain(|entry| keep(entry.1))
}

/// Which of some pairs (place << 32 | visitor), which must ascend, are there.
pub(super) fn seen(store: Store<'_>, sorted_pairs: &[u64]) -> Result<Vec<bool>> {
    let mut are_there = vec![false; sorted_pairs.len()];
    Levels::<Pairs>::open(store)?.find(sorted_pairs, |index, _| are_there[index] = true)?;
    Ok(are_there)
}

/// Enters new pairs. They must ascend, and none may be there already.
pub(super) fn insert_seen(store: Store<'_>, sorted_new_pairs: &[u64]) -> Result<()> {
    Levels::<Pairs>::open(store)?.insert(sorted_new_pairs)
}

/// Takes out the pairs that are not to be kept.
pub(super) fn retain_seen(store: Store<'_>, keep: impl Fn(u64) -> bool) -> Result<()> {
    Levels::<Pairs>::open(store)?.retain(|pair| keep(*pair))
}

/// A row of `level`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Level {
    entries: u64,
    /// Key within the level at which the next piece is handed down.
    cursor: i64,
}

/// One of the two structures.
struct Levels<'c, E: Entries> {
    store: Store<'c>,
    codec: E,
    levels: Vec<Level>,
    statements: Statements,
}

/// The texts of the statements.
struct Statements {
    at_or_before: String,
    from: String,
    key_after: String,
    keys: String,
    write: String,
    delete: String,
}

impl Statements {
    fn new(table: &str) -> Self {
        let select = format!("SELECT key, bytes FROM {table} WHERE key");
        Self {
            at_or_before: format!("{select} <= ? AND key >= ? ORDER BY key DESC LIMIT 1"),
            from: format!("{select} >= ? AND key < ? ORDER BY key LIMIT 1"),
            key_after: format!(
                "SELECT key FROM {table} WHERE key > ? AND key < ? ORDER BY key LIMIT 1"
            ),
            keys: format!("SELECT key FROM {table} WHERE key >= ? AND key < ? ORDER BY key"),
            write: format!("INSERT OR REPLACE INTO {table}(key, bytes) VALUES (?, ?)"),
            delete: format!("DELETE FROM {table} WHERE key = ?"),
        }
    }
}

/// A row of a structure's table.
struct Piece<T> {
    key: i64,
    entries: Vec<T>,
}

/// The lowest key of a level.
fn start(level: usize) -> i64 {
    (level << PREFIX_BITS).cast_signed() as i64
}

/// Entries that a level may hold.
fn limit(level: usize) -> u64 {
    FIRST_LEVEL << (level * GROWTH_BITS)
}

impl<'c, E: Entries> Levels<'c, E> {
    fn open(store: Store<'c>) -> Result<Self> {
        let damaged = || store.damaged("the table of levels");
        let mut levels = Vec::new();
        let mut statement = store.prepare(
            "SELECT level, entries, cursor FROM level WHERE structure = ? ORDER BY level",
        )?;
        let mut rows = statement.query([E::TABLE]).map_err(|error| store.fail(&error))?;
        while let Some(row) = rows.next().map_err(|error| store.fail(&error))? {
            let read =
                || -> rusqlite::Result<[i64; 3]> { Ok([row.get(0)?, row.get(1)?, row.get(2)?]) };
            let [level, entries, cursor] = read().map_err(|_| damaged())?;
            let level = usize::try_from(level).map_err(|_| damaged())?;
            let entries = u64::try_from(entries).map_err(|_| damaged())?;
            if level >= MOST_LEVELS || cursor >> PREFIX_BITS != 0 {
                return Err(damaged());
            }
            levels.resize(level, Level::default());
            levels.push(Level { entries, cursor });
        }
        Ok(Self { store, codec: E::default(), levels, statements: Statements::new(E::TABLE) })
    }

    /// Looks for ascending entries. `found` is given the index of each that is there, level by level.
    fn find(&mut self, wanted: &[E::Order], mut found: impl FnMut(usize, E::Entry)) -> Result<()> {
        let mut missing: Vec<usize> = (0..wanted.len()).collect();
        // The upper levels first: they are small, and who was there lately is there again.
        for level in 0..self.levels.len() {
            if self.levels[level].entries > 0 && !missing.is_empty() {
                missing = self.find_in_level(level, wanted, &missing, &mut found)?;
            }
        }
        Ok(())
    }

    /// Looks for some entries in one level. Returns those that are not in it.
    fn find_in_level(
        &mut self,
        level: usize,
        wanted: &[E::Order],
        indices: &[usize],
        mut found: impl FnMut(usize, E::Entry),
    ) -> Result<Vec<usize>> {
        let store = self.store;
        let mut statement = store.prepare(&self.statements.at_or_before)?;
        let mut piece: Option<Piece<E::Entry>> = None;
        // Index of the first entry of the piece that is not before the wanted one.
        let mut place = 0;
        let mut missing = Vec::new();
        for &index in indices {
            let order = wanted[index];
            let is_behind = |piece: &Piece<E::Entry>| {
                piece.entries.last().is_none_or(|last| E::order(last) < order)
            };
            if piece.as_ref().is_none_or(is_behind) {
                let mut rows = statement
                    .query([key::<E>(level, order), start(level)])
                    .map_err(|error| store.fail(&error))?;
                let row = rows.next().map_err(|error| store.fail(&error))?;
                let Some(row) = row else {
                    missing.push(index);
                    continue;
                };
                let key = row.get(0).map_err(|error| store.fail(&error))?;
                // Between two pieces it is the same again, and its bytes are not read.
                if piece.as_ref().is_none_or(|piece| piece.key != key) {
                    let bytes = row.get_ref(1).map_err(|error| store.fail(&error))?;
                    let bytes = bytes.as_blob().map_err(|_| self.damaged())?;
                    let room = piece.take().map(|piece| piece.entries).unwrap_or_default();
                    piece = Some(self.decode(key, bytes, room)?);
                    place = 0;
                }
            }
            let entries = piece.as_ref().map_or(&[][..], |piece| &piece.entries);
            place += entries[place..].partition_point(|entry| E::order(entry) < order);
            match entries.get(place) {
                Some(entry) if E::order(entry) == order => found(index, *entry),
                _ => missing.push(index),
            }
        }
        Ok(missing)
    }

    /// Enters new entries, which ascend.
    fn insert(&mut self, entries: &[E::Entry]) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        debug_assert!(entries.is_sorted_by(|one, other| E::order(one) < E::order(other)));
        // Many go straight to a level that can hold them.
        let count = entries.len() as u64;
        let mut level = (0..MOST_LEVELS).find(|level| limit(*level) >= count).unwrap_or_default();
        self.insert_into(level, entries)?;
        while self.levels[level].entries > limit(level) {
            while self.levels[level].entries > limit(level) {
                self.hand_down(level)?;
            }
            level += 1;
        }
        self.save()
    }

    /// Hands the next pieces of a level that holds too much down to the level below.
    fn hand_down(&mut self, level: usize) -> Result<()> {
        let mut handed = Vec::new();
        for _ in 0..HANDED_DOWN {
            let Level { entries, cursor } = self.levels[level];
            if entries <= limit(level) {
                break;
            }
            let piece = match self.piece_from(start(level) + cursor, level)? {
                Some(piece) => piece,
                // Around the range of entries.
                None => self.piece_from(start(level), level)?.ok_or_else(|| self.damaged())?,
            };
            self.store.execute(&self.statements.delete, [piece.key])?;
            let entries = entries.checked_sub(piece.entries.len() as u64);
            self.levels[level] = Level {
                entries: entries.ok_or_else(|| self.damaged())?,
                cursor: (piece.key + 1) & (start(1) - 1),
            };
            handed.extend(piece.entries);
        }
        handed.sort_unstable_by_key(E::order);
        self.insert_into(level + 1, &handed)
    }

    /// Enters ascending entries into the pieces of one level that they fall into.
    fn insert_into(&mut self, level: usize, entries: &[E::Entry]) -> Result<()> {
        if level >= self.levels.len() {
            self.levels.resize(level + 1, Level::default());
        }
        let end = start(level + 1);
        let mut rest = entries;
        while let [first, ..] = rest {
            let wanted = key::<E>(level, E::order(first));
            let piece = match self.piece_at_or_before(wanted, level)? {
                // Before the first piece: that one begins earlier from now on.
                None => self.piece_from(wanted, level)?,
                piece => piece,
            };
            let Some(piece) = piece else {
                self.write(level, rest)?;
                break;
            };
            let next = self.key(&self.statements.key_after, [piece.key, end])?.unwrap_or(end);
            let count = rest.partition_point(|entry| key::<E>(level, E::order(entry)) < next);
            let (new, later) = rest.split_at(count);
            let merged = merge::<E>(&piece.entries, new);
            if key::<E>(level, E::order(&merged[0])) != piece.key {
                self.store.execute(&self.statements.delete, [piece.key])?;
            }
            self.write(level, &merged)?;
            rest = later;
        }
        self.levels[level].entries += entries.len() as u64;
        Ok(())
    }

    /// Takes out the entries that are not to be kept. Only pieces that hold such an entry are written anew, under the keys
    /// of what is left: the old keys would tell who was there.
    fn retain(&mut self, keep: impl Fn(&E::Entry) -> bool) -> Result<()> {
        for level in 0..self.levels.len() {
            let mut count = 0;
            // Of neighbouring pieces that lost entries: they become fewer pieces.
            let mut left = Vec::new();
            for key in self.keys(level)? {
                let piece = self.piece_from(key, level)?.ok_or_else(|| self.damaged())?;
                let kept: Vec<_> = piece.entries.iter().copied().filter(&keep).collect();
                count += kept.len() as u64;
                if kept.len() == piece.entries.len() {
                    self.write(level, &std::mem::take(&mut left))?;
                    continue;
                }
                self.store.execute(&self.statements.delete, [key])?;
                left.extend(kept);
                if left.len() >= HANDED_DOWN * E::CUT {
                    // The last one may get what is left of the next pieces.
                    let last = cut::<E>(&left).last().map_or(0, |range| range.start);
                    let later = left.split_off(last);
                    self.write(level, &std::mem::replace(&mut left, later))?;
                }
            }
            self.write(level, &left)?;
            self.levels[level] = Level { entries: count, cursor: 0 };
        }
        self.save()
    }

    /// The last piece of a level that begins at a key or before it.
    fn piece_at_or_before(&mut self, key: i64, level: usize) -> Result<Option<Piece<E::Entry>>> {
        let statement = self.store.prepare(&self.statements.at_or_before)?;
        self.piece(statement, [key, start(level)])
    }

    /// The first piece of a level that begins at a key or after it.
    fn piece_from(&mut self, key: i64, level: usize) -> Result<Option<Piece<E::Entry>>> {
        let statement = self.store.prepare(&self.statements.from)?;
        self.piece(statement, [key, start(level + 1)])
    }

    fn piece(
        &mut self,
        mut statement: rusqlite::CachedStatement<'c>,
        parameters: [i64; 2],
    ) -> Result<Option<Piece<E::Entry>>> {
        let store = self.store;
        let mut rows = statement.query(parameters).map_err(|error| store.fail(&error))?;
        let Some(row) = rows.next().map_err(|error| store.fail(&error))? else { return Ok(None) };
        let key = row.get(0).map_err(|error| store.fail(&error))?;
        let bytes = row.get_ref(1).map_err(|error| store.fail(&error))?;
        let bytes = bytes.as_blob().map_err(|_| self.damaged())?;
        self.decode(key, bytes, Vec::new()).map(Some)
    }

    fn decode(
        &mut self,
        key: i64,
        bytes: &[u8],
        mut entries: Vec<E::Entry>,
    ) -> Result<Piece<E::Entry>> {
        entries.clear();
        let bytes = checked::open(bytes, &[key]);
        let read = bytes.and_then(|bytes| self.codec.read(bytes, &mut entries));
        let first = entries.first().map(|entry| E::prefix(E::order(entry)));
        let ascend = entries.is_sorted_by(|one, other| E::order(one) < E::order(other));
        if read.is_none() || first != Some(key & (start(1) - 1)) || !ascend {
            return Err(self.damaged());
        }
        Ok(Piece { key, entries })
    }

    fn key(&self, statement: &str, parameters: impl Params) -> Result<Option<i64>> {
        let mut statement = self.store.prepare(statement)?;
        let key = statement.query_row(parameters, |row| row.get(0)).optional();
        key.map_err(|error| self.store.fail(&error))
    }

    /// The keys of a level's pieces.
    fn keys(&self, level: usize) -> Result<Vec<i64>> {
        let mut statement = self.store.prepare(&self.statements.keys)?;
        let keys = statement.query_map([start(level), start(level + 1)], |row| row.get(0));
        keys.and_then(Iterator::collect).map_err(|error| self.store.fail(&error))
    }

    /// Writes ascending entries as pieces.
    fn write(&mut self, level: usize, entries: &[E::Entry]) -> Result<()> {
        let mut statement = self.store.prepare(&self.statements.write)?;
        let mut bytes = Vec::new();
        for range in cut::<E>(entries) {
            let entries = &entries[range];
            let key = key::<E>(level, E::order(&entries[0]));
            bytes.clear();
            self.codec.write(&mut bytes, entries);
            checked::seal(&mut bytes, &[key]);
            statement.execute(params![key, bytes]).map_err(|error| self.store.fail(&error))?;
        }
        Ok(())
    }

    /// Writes the rows of `level`.
    fn save(&self) -> Result<()> {
        for (number, level) in (0_i64..).zip(&self.levels) {
            self.store.execute(
                "INSERT INTO level(structure, level, entries, cursor) VALUES (?, ?, ?, ?) \
                 ON CONFLICT(structure, level) DO UPDATE SET entries = excluded.entries, cursor = excluded.cursor \
                 WHERE entries <> excluded.entries OR cursor <> excluded.cursor",
                params![E::TABLE, number, level.entries.cast_signed(), level.cursor],
            )?;
        }
        Ok(())
    }

    fn damaged(&self) -> Error {
        self.store.damaged(E::NAME)
    }
}

/// The key of a piece whose first entry this is.
fn key<E: Entries>(level: usize, order: E::Order) -> i64 {
    start(level) | E::prefix(order)
}

fn merge<E: Entries>(one: &[E::Entry], other: &[E::Entry]) -> Vec<E::Entry> {
    let mut merged = Vec::with_capacity(one.len() + other.len());
    let mut rest = one;
    for entry in other {
        let before = rest.partition_point(|old| E::order(old) < E::order(entry));
        merged.extend_from_slice(&rest[..before]);
        merged.push(*entry);
        rest = &rest[before..];
    }
    merged.extend_from_slice(rest);
    merged
}

/// Cuts ascending entries into pieces of nearly equal length. Those that share their upper 56 bits, which are the key, are
/// never parted.
fn cut<E: Entries>(entries: &[E::Entry]) -> Vec<Range<usize>> {
    let parts_equals = |at: usize| {
        at < entries.len()
            && E::prefix(E::order(&entries[at - 1])) == E::prefix(E::order(&entries[at]))
    };
    let mut ranges = Vec::new();
    let mut from = 0;
    while from < entries.len() {
        let left = entries.len() - from;
        let mut to = entries.len();
        if left > E::PIECE {
            let equal = from + left.div_ceil(left.div_ceil(E::CUT));
            to = equal;
            while to > from && parts_equals(to) {
                to -= 1;
            }
            if to == from {
                to = equal;
                while parts_equals(to) {
                    to += 1;
                }
            }
        }
        ranges.push(from..to);
        from = to;
    }
    ranges
}
