//! The ledger: which sources a database holds, in which states, and how an input is related to them.
//!
//! Owns: the table `source`, [`Recorded`]; in its sub-modules the tables `site` and `share`. May import: `source`
//! (identities), `facts` (tallies, samples), rusqlite, its siblings `checked` and `meta`. Must not know: facts, cells,
//! files.

pub(super) mod relation;
pub(super) mod shares;
pub(super) mod sites;
mod totals;

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Params, Row, params};

use super::{Database, Store, checked, meta};
use crate::error::Result;
use crate::facts::tally::Tally;
use crate::source::{SHORT_ID_DIGITS, SourceIdentity};
use totals::Totals;

/// Number of earlier states of a source that are kept.
const MOST_STATES: usize = 32;
const ID_BYTES: usize = 16;
const STATE_BYTES: usize = 8 + ID_BYTES;

/// A source that the database holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Its number in the database.
    pub number: i64,
    /// Its name for the user; stays as it is when the source grows.
    pub short_id: String,
    /// All bytes that were counted.
    pub identity: SourceIdentity,
    /// The states in which it was counted before, the latest last.
    pub states: Vec<SourceState>,
    /// What the input was called when it was counted last.
    pub name: String,
    /// The log format's name.
    pub format: Option<String>,
    /// Whether its sites were named, and not taken from its lines.
    pub is_named: bool,
    /// Whether it was counted although it overlaps others; it takes no part in the search for overlaps.
    pub as_new: bool,
    /// Sums over its lines, without samples.
    pub tally: Tally,
    /// When it came, in unix milliseconds.
    pub added: i64,
    /// When it grew last, in unix milliseconds.
    pub changed: i64,
}

/// A state in which a source was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceState {
    /// Number of bytes.
    pub bytes: u64,
    /// Id of these bytes.
    pub id: u128,
}

/// What is to be recorded of a source.
#[derive(Clone, Copy, Debug)]
pub(super) struct SourceRecord<'s> {
    /// All bytes that were counted, now and before.
    pub identity: &'s SourceIdentity,
    /// What the input is called.
    pub name: &'s str,
    /// The log format's name.
    pub format: Option<&'s str>,
    /// See [`Recorded::is_named`].
    pub is_named: bool,
    /// See [`Recorded::as_new`].
    pub as_new: bool,
    /// Sums over its lines, those counted before included.
    pub tally: &'s Tally,
}

const COLUMNS: &str = "id, short_id, content, name, format, is_named, bytes, blocks, beginnings, states, as_new, totals, \
                       added, changed";

/// The number by which sources that begin alike are found; `None` for a source that is too short.
fn first(beginnings: &[u128]) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "the lowest 64 bits are meant")]
    beginnings.first().map(|hash| (*hash as u64).cast_signed())
}

fn select(store: Store<'_>, rest: &str, parameters: impl Params) -> Result<Vec<Recorded>> {
    let mut statement = store.prepare(&format!("SELECT {COLUMNS} FROM source {rest}"))?;
    let rows = statement.query_map(parameters, recorded);
    let rows: rusqlite::Result<Vec<Option<Recorded>>> = rows.and_then(Iterator::collect);
    let sources: Option<Vec<Recorded>> =
        rows.map_err(|error| store.fail(&error))?.into_iter().collect();
    sources.ok_or_else(|| store.damaged("ledger"))
}

/// All sources, in the order they came.
pub(super) fn sources(store: Store<'_>) -> Result<Vec<Recorded>> {
    select(store, "ORDER BY id", [])
}

/// The source of that number.
pub(super) fn source(store: Store<'_>, number: i64) -> Result<Option<Recorded>> {
    Ok(select(store, "WHERE id = ?", [number])?.pop())
}

/// The source with that content now.
pub(super) fn with_content(store: Store<'_>, id: u128) -> Result<Option<Recorded>> {
    Ok(select(store, "WHERE content = ?", [id.to_be_bytes()])?.pop())
}

/// The sources that an input with these beginnings may be, in the order they came: those that have no other beginning. Only
/// their rows are read whole.
pub(super) fn candidates(store: Store<'_>, beginnings: &[u128]) -> Result<Vec<Recorded>> {
    let mut statement = store.prepare(
        "SELECT id, beginnings FROM source WHERE first = ?1 OR first IS NULL ORDER BY id",
    )?;
    let rows = statement.query_map([first(beginnings)], |row| Ok((row.get(0)?, row.get(1)?)));
    let rows: rusqlite::Result<Vec<(i64, Vec<u8>)>> = rows.and_then(Iterator::collect);
    let is_candidate = |(_, bytes): &(i64, Vec<u8>)| {
        let longest = hashes(bytes);
        let common = longest.len().min(beginnings.len());
        longest[..common].last() == beginnings[..common].last()
    };
    let rows = rows.map_err(|error| store.fail(&error))?;
    rows.iter()
        .filter(|row| is_candidate(row))
        .map(|&(number, _)| source(store, number)?.ok_or_else(|| store.damaged("ledger")))
        .collect()
}

/// Records a source that the database does not hold, under a number that none has had.
pub(super) fn add(store: Store<'_>, record: &SourceRecord<'_>) -> Result<Recorded> {
    let number = meta::take_next(store, meta::NEXT_SOURCE, 1)?.cast_signed();
    let now = meta::now_millis();
    let recorded = Recorded {
        number,
        short_id: free_short_id(store, record.identity)?,
        identity: record.identity.clone(),
        states: Vec::new(),
        name: record.name.to_owned(),
        format: record.format.map(str::to_owned),
        is_named: record.is_named,
        as_new: record.as_new,
        tally: without_samples(record.tally),
        added: now,
        changed: now,
    };
    put(store, &recorded)?;
    Ok(recorded)
}

/// Changes what is recorded of a source that grew. Format and naming of sites stay, and so does `as_new`, once it is set.
pub(super) fn grow(
    store: Store<'_>,
    before: Recorded,
    record: &SourceRecord<'_>,
) -> Result<Recorded> {
    let mut states = before.states;
    states.push(SourceState { bytes: before.identity.bytes, id: before.identity.id });
    states.drain(..states.len().saturating_sub(MOST_STATES));
    let recorded = Recorded {
        identity: record.identity.clone(),
        states,
        name: record.name.to_owned(),
        format: before.format.or_else(|| record.format.map(str::to_owned)),
        as_new: before.as_new || record.as_new,
        tally: without_samples(record.tally),
        changed: meta::now_millis(),
        ..before
    };
    put(store, &recorded)?;
    Ok(recorded)
}

/// Changes what is recorded of a source that was read again from its beginning, with another format.
pub(super) fn read_again(
    store: Store<'_>,
    before: Recorded,
    record: &SourceRecord<'_>,
) -> Result<Recorded> {
    let format = record.format.map(str::to_owned);
    grow(store, Recorded { format, ..before }, record)
}

fn without_samples(tally: &Tally) -> Tally {
    Tally { nul_lines: 0, reasons: Default::default(), samples: Vec::new(), ..tally.clone() }
}

fn put(store: Store<'_>, source: &Recorded) -> Result<()> {
    let SourceIdentity { bytes, block_hashes, id, beginnings } = &source.identity;
    let totals = checked::seal_json(&Totals::from(&source.tally), &belongs_to(source.number, *id));
    store.execute(
        "INSERT INTO source(id, short_id, content, first, name, format, is_named, bytes, blocks, beginnings, states, \
         as_new, totals, added, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT(id) DO UPDATE SET content = excluded.content, first = excluded.first, name = excluded.name, \
         format = excluded.format, bytes = excluded.bytes, blocks = excluded.blocks, beginnings = excluded.beginnings, \
         states = excluded.states, as_new = excluded.as_new, totals = excluded.totals, changed = excluded.changed",
        params![
            source.number,
            source.short_id,
            id.to_be_bytes(),
            first(beginnings),
            source.name,
            source.format,
            source.is_named,
            i64::try_from(*bytes).unwrap_or(i64::MAX),
            list(block_hashes),
            list(beginnings),
            list_of_states(&source.states),
            source.as_new,
            totals,
            source.added,
            source.changed
        ],
    )?;
    Ok(())
}

/// The fewest digits of the id, but at least six, that are no other source's.
fn free_short_id(store: Store<'_>, identity: &SourceIdentity) -> Result<String> {
    let mut statement = store.prepare("SELECT 1 FROM source WHERE short_id = ?")?;
    let mut is_taken = |short_id: &str| {
        let row = statement.query_row([short_id], |_| Ok(())).optional();
        row.map(|row| row.is_some()).map_err(|error| store.fail(&error))
    };
    for digits in SHORT_ID_DIGITS..=2 * ID_BYTES {
        let short_id = identity.short_id(digits);
        if !is_taken(&short_id)? {
            return Ok(short_id);
        }
    }
    // A source that grew keeps the short id of what it was; the same content came back.
    Ok(format!("{}-{}", identity.full_id(), meta::now_millis()))
}

/// A list of hashes, each most significant byte first.
fn list(hashes: &[u128]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.to_be_bytes()).collect()
}

fn hashes(list: &[u8]) -> Vec<u128> {
    list.as_chunks().0.iter().map(|hash| u128::from_be_bytes(*hash)).collect()
}

fn list_of_states(states: &[SourceState]) -> Vec<u8> {
    let mut list = Vec::with_capacity(states.len() * STATE_BYTES);
    for state in states {
        list.extend_from_slice(&state.bytes.to_le_bytes());
        list.extend_from_slice(&state.id.to_be_bytes());
    }
    list
}

fn states(list: &[u8]) -> Option<Vec<SourceState>> {
    let (states, []) = list.as_chunks::<STATE_BYTES>() else { return None };
    let state = |state: &[u8; STATE_BYTES]| {
        let (bytes, id) = state.split_first_chunk()?;
        let id = u128::from_be_bytes(*id.first_chunk::<ID_BYTES>()?);
        Some(SourceState { bytes: u64::from_le_bytes(*bytes), id })
    };
    states.iter().map(state).collect()
}

fn belongs_to(number: i64, id: u128) -> [i64; 3] {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    let halves = [(id >> 64) as u64, id as u64];
    [number, halves[0].cast_signed(), halves[1].cast_signed()]
}

/// A row of the ledger; `None` inside if it makes no sense.
fn recorded(row: &Row<'_>) -> rusqlite::Result<Option<Recorded>> {
    // Whatever types a damaged row has: no error of SQLite's, which would not be understood.
    let blob = |column: usize| -> rusqlite::Result<Vec<u8>> {
        Ok(match row.get(column)? {
            Value::Blob(bytes) => bytes,
            _ => Vec::new(),
        })
    };
    let (number, bytes): (i64, i64) = (row.get(0)?, row.get(6)?);
    let bytes = u64::try_from(bytes).unwrap_or_default();
    let identity = SourceIdentity::new(bytes, hashes(&blob(7)?), hashes(&blob(8)?));
    let is_whole = identity.id.to_be_bytes()[..] == blob(2)?;
    let totals: String = row.get(11)?;
    let totals: Option<Totals> = checked::open_json(&totals, &belongs_to(number, identity.id));
    let tally = totals.and_then(Totals::tally).filter(|_| is_whole);
    let (Some(tally), Some(states)) = (tally, states(&blob(9)?)) else { return Ok(None) };
    Ok(Some(Recorded {
        number,
        short_id: row.get(1)?,
        identity,
        states,
        name: row.get(3)?,
        format: row.get(4)?,
        is_named: row.get(5)?,
        as_new: row.get(10)?,
        tally,
        added: row.get(12)?,
        changed: row.get(13)?,
    }))
}

impl Database {
    /// All sources, in the order they came.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn sources(&self) -> Result<Vec<Recorded>> {
        sources(self.store())
    }

    /// The source of that number, if there is one.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn source(&self, number: i64) -> Result<Option<Recorded>> {
        source(self.store(), number)
    }
}

#[cfg(test)]
pub(super) mod tests;
