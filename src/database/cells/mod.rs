//! Cells: the PV and UV that SQL reads, and the calendar that names their buckets.
//!
//! Owns: the tables `cell` and `calendar`. May import: rusqlite, `time`. Must not know: what cells are made from.

#[cfg(test)]
mod plans;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use roaring::RoaringBitmap;
use rusqlite::{CachedStatement, params};

use super::{Store, places};
use crate::error::{Error, Result};
use crate::time::{Bucket, Day, Granularity, MINUTES_A_DAY};

/// Granularity of a day; its bucket is the day.
pub(super) const DAY: u8 = 0;
/// Granularity of an hour; buckets are hours since 1970-01-01.
pub(super) const HOUR: u8 = 1;
/// Granularity of a minute; buckets are minutes since 1970-01-01.
pub(super) const MINUTE: u8 = 2;
/// Granularity of an ISO week; its bucket is its Monday.
pub(super) const WEEK: u8 = 3;
/// Granularity of a month; its bucket is 12 × year + month − 1.
pub(super) const MONTH: u8 = 4;
/// Granularity of all time; its bucket is 0.
pub(super) const ALL: u8 = 5;

const MINUTES_AN_HOUR: u16 = 60;
/// Cells of one statement: fewer calls, and still far below SQLite's limit of variables.
const ROWS: usize = 32;
/// A class is a granularity times this, and a level.
pub(super) const LEVELS: u8 = 4;

/// By how much a cell rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CellChange {
    pub(super) granularity: u8,
    pub(super) level: u8,
    pub(super) bucket: i64,
    pub(super) place: u32,
    pub(super) pv: u64,
    pub(super) uv: u64,
}

impl CellChange {
    fn class(&self) -> u8 {
        self.granularity * LEVELS + self.level
    }

    /// The primary key of the cell.
    pub(super) fn key(&self) -> (u8, i64, u32) {
        (self.class(), self.bucket, self.place)
    }
}

/// The bucket that holds a minute of a day.
pub(super) fn bucket_of(granularity: u8, day: Day, minute_of_day: u16) -> i64 {
    let days = i64::from(day.0);
    match granularity {
        DAY => days,
        HOUR => days * 24 + i64::from(minute_of_day / MINUTES_AN_HOUR),
        MINUTE => days * i64::from(MINUTES_A_DAY) + i64::from(minute_of_day),
        WEEK => i64::from(day.monday().0),
        MONTH => {
            let (year, month, _) = day.date();
            i64::from(year) * 12 + i64::from(month) - 1
        }
        _ => 0,
    }
}

/// What SQL shows for a bucket of [`bucket_of`]: `2018-03-05`, `2018-03-05T14`, `2018-03-05T14:05`, `2018-W10`, `2018-03`,
/// or nothing.
pub(super) fn bucket_text(granularity: u8, bucket: i64) -> String {
    let day_of = |bucket| Day(i32::try_from(bucket).unwrap_or_default());
    let within_day = |granularity, unit: u16| {
        let buckets_a_day = i64::from(MINUTES_A_DAY / unit);
        let within = u16::try_from(bucket.rem_euclid(buckets_a_day)).unwrap_or_default();
        let day = day_of(bucket.div_euclid(buckets_a_day));
        Bucket { day, minute_of_day: within * unit, granularity }.to_string()
    };
    match granularity {
        DAY => day_of(bucket).to_string(),
        HOUR => within_day(Granularity::Hour, MINUTES_AN_HOUR),
        MINUTE => within_day(Granularity::Minute, 1),
        WEEK => day_of(bucket).week_text(),
        MONTH => {
            let year = i32::try_from(bucket.div_euclid(12)).unwrap_or_default();
            let month = u32::try_from(bucket.rem_euclid(12)).unwrap_or_default() + 1;
            Day::from_date(year, month, 1).map_or_else(String::new, Day::month_text)
        }
        _ => String::new(),
    }
}

/// Raises cells, and makes those that are not there. No cell may be named twice. Sorted by granularity, level, bucket and
/// place they cost least.
///
/// # Errors
/// [`Error::Limit`] if a PV would pass 2^63 − 1; [`Error::Database`].
pub(super) fn add_cells(store: Store<'_>, changes: &[CellChange]) -> Result<()> {
    if changes.is_sorted_by_key(CellChange::key) {
        return add_sorted(store, changes);
    }
    let mut sorted = changes.to_vec();
    sorted.sort_unstable_by_key(CellChange::key);
    add_sorted(store, &sorted)
}

fn add_sorted(store: Store<'_>, changes: &[CellChange]) -> Result<()> {
    debug_assert!(changes.is_sorted_by(|one, other| one.key() < other.key()));
    let same_bucket = |one: &CellChange, other: &CellChange| {
        (one.granularity, one.bucket) == (other.granularity, other.bucket)
    };
    for changes in changes.chunk_by(same_bucket) {
        let CellChange { granularity, bucket, .. } = changes[0];
        store.execute(
            "INSERT INTO calendar(granularity, bucket, text) VALUES (?, ?, ?) ON CONFLICT(granularity, bucket) DO NOTHING",
            params![granularity, bucket, bucket_text(granularity, bucket)],
        )?;
    }
    let (many, rest) = changes.as_chunks::<ROWS>();
    let mut statement = store.prepare(&adding(ROWS))?;
    for changes in many {
        add_rows(store, &mut statement, changes)?;
    }
    let mut statement = store.prepare(&adding(1))?;
    for change in rest {
        add_rows(store, &mut statement, std::slice::from_ref(change))?;
    }
    Ok(())
}

/// The statement that adds cells. SQLite would make a sum that has no room a floating-point number: such a row is left as
/// it is, and missing in the number of changed rows.
fn adding(rows: usize) -> String {
    let values = vec!["(?,?,?,?,?)"; rows].join(",");
    format!(
        "INSERT INTO cell(class, bucket, place, pv, uv) VALUES {values} ON CONFLICT(class, bucket, place) DO UPDATE \
         SET pv = pv + excluded.pv, uv = uv + excluded.uv WHERE pv <= {} - excluded.pv",
        i64::MAX
    )
}

/// Adds as many cells as the statement has rows.
fn add_rows(
    store: Store<'_>,
    statement: &mut CachedStatement<'_>,
    changes: &[CellChange],
) -> Result<()> {
    let too_many = || {
        let path = store.path;
        Error::Limit(format!(
            "{path:?}: a number of page views would pass 2^63 - 1; nothing was stored"
        ))
    };
    let number = |count: u64| i64::try_from(count).map_err(|_| too_many());
    let mut index = 0;
    for change in changes {
        let (class, bucket, place) = change.key();
        let values = [class.into(), bucket, place.into(), number(change.pv)?, number(change.uv)?];
        for value in values {
            index += 1;
            statement.raw_bind_parameter(index, value).map_err(|error| store.fail(&error))?;
        }
    }
    let changed = statement.raw_execute().map_err(|error| store.fail(&error))?;
    if changed == changes.len() { Ok(()) } else { Err(too_many()) }
}

/// Deletes a site's cells of some buckets of a granularity, of all levels.
pub(super) fn delete(
    store: Store<'_>,
    site: i64,
    granularity: u8,
    buckets: RangeInclusive<i64>,
) -> Result<()> {
    for level in [places::SITE, places::SECTION, places::PAGE] {
        store.execute(
            "DELETE FROM cell WHERE class = ? AND bucket BETWEEN ? AND ? \
             AND (SELECT site FROM place WHERE id = cell.place) = ?",
            params![granularity * LEVELS + level, buckets.start(), buckets.end(), site],
        )?;
    }
    Ok(())
}

/// Deletes the places and the buckets of the calendar that have no cell.
pub(super) fn delete_names_without_cells(store: Store<'_>) -> Result<()> {
    let mut used = RoaringBitmap::new();
    let mut statement = store.prepare("SELECT place FROM cell")?;
    let mut rows = statement.query([]).map_err(|error| store.fail(&error))?;
    while let Some(row) = rows.next().map_err(|error| store.fail(&error))? {
        used.insert(row.get(0).map_err(|_| store.damaged("a cell of no place"))?);
    }
    places::retain(store, |place| used.contains(place))?;
    store.execute(
        "DELETE FROM calendar WHERE NOT EXISTS (SELECT 1 FROM class CROSS JOIN cell \
         WHERE class.granularity = calendar.granularity AND cell.class = class.id AND cell.bucket = calendar.bucket)",
        [],
    )?;
    Ok(())
}
