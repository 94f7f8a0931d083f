//! What is kept of each day's cells together: a report of whole days needs no more of them.
//!
//! Owns: [`DaySums`] and how they rise; the table `day`. May import: `cube::walk`, `time`, serde, rusqlite, its sibling
//! `checked`. Must not know: why days change.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::{Database, Store, checked};
use crate::cube::walk::BucketCount;
use crate::error::Result;
use crate::time::{Day, Granularity};

/// Sums over all cells of a site's day, stored or not, and the site's own cells but for its minutes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DaySums {
    /// Sums by granularity and level.
    pub cells: CellSums,
    /// The site's page views and unique visitors of the day.
    pub day: (u64, u64),
    /// The first minute of each of the site's hours that has any, in order, and the same.
    pub hours: Vec<(u16, u64, u64)>,
    /// The site's minute with the most page views, the earliest of equals, and the same.
    pub busiest_minute: (u16, u64, u64),
}

/// Number of cells, sum of their page views, sum of their unique visitors; by granularity (day, hour, minute) and level
/// (site, section, page).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellSums(pub [[[u64; 3]; 3]; 3]);

impl CellSums {
    /// Adds a cell, or the rise of one.
    pub(super) fn add(
        &mut self,
        granularity: Granularity,
        level: u8,
        number: u64,
        pv: u64,
        uv: u64,
    ) {
        let sum = &mut self.0[granularity as usize][usize::from(level)];
        for (sum, more) in sum.iter_mut().zip([number, pv, uv]) {
            *sum = sum.saturating_add(more);
        }
    }
}

impl DaySums {
    /// Adds other cells of the day, or rises of these.
    pub(super) fn add(&mut self, other: &CellSums) {
        let all = self.cells.0.iter_mut().flatten().flatten();
        for (sum, more) in all.zip(other.0.iter().flatten().flatten()) {
            *sum = sum.saturating_add(*more);
        }
    }

    /// Adds the rises of the site's cells; the busiest minute stays as it is.
    pub(super) fn add_site(&mut self, rises: &[BucketCount]) {
        for cell in rises {
            let sum = match cell.granularity {
                Granularity::Minute => continue,
                Granularity::Day => &mut self.day,
                Granularity::Hour => {
                    let hour = cell.minute_of_day;
                    let place = self.hours.binary_search_by_key(&hour, |&(hour, ..)| hour);
                    let place = place.unwrap_or_else(|place| {
                        self.hours.insert(place, (hour, 0, 0));
                        place
                    });
                    let (_, pv, uv) = &mut self.hours[place];
                    (*pv, *uv) = (pv.saturating_add(cell.pv), uv.saturating_add(cell.uv));
                    continue;
                }
            };
            *sum = (sum.0.saturating_add(cell.pv), sum.1.saturating_add(cell.uv));
        }
    }
}

/// When a site's day changed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayVersion {
    /// The version of the commit that did it.
    pub version: u64,
    /// Whether the day has facts; one that lost all of them has none.
    pub has_facts: bool,
}

/// Stores the sums of a day, which changed in the commit `version`.
pub(super) fn put(
    store: Store<'_>,
    site: i64,
    day: Day,
    version: i64,
    sums: &DaySums,
) -> Result<()> {
    let sums = checked::seal_json(sums, &[site, day.0.into()]);
    store.execute(
        "INSERT INTO day(site, day, version, sums) VALUES (?, ?, ?, ?) \
         ON CONFLICT(site, day) DO UPDATE SET version = excluded.version, sums = excluded.sums",
        params![site, day.0, version, sums],
    )?;
    Ok(())
}

/// Notes that a day lost all its facts in the commit `version`.
pub(super) fn empty(store: Store<'_>, site: i64, day: Day, version: i64) -> Result<()> {
    store.execute(
        "INSERT INTO day(site, day, version, sums) VALUES (?, ?, ?, '') \
         ON CONFLICT(site, day) DO UPDATE SET version = excluded.version, sums = ''",
        params![site, day.0, version],
    )?;
    Ok(())
}

fn parse(store: Store<'_>, site: i64, day: Day, text: &str) -> Result<DaySums> {
    let sums = checked::open_json(text, &[site, day.0.into()]);
    sums.ok_or_else(|| store.damaged("sums of a day"))
}

/// The sums of a day; `None` if it has no facts.
pub(super) fn get(store: Store<'_>, site: i64, day: Day) -> Result<Option<DaySums>> {
    let text: Option<String> = store
        .prepare("SELECT sums FROM day WHERE site = ? AND day = ? AND sums <> ''")?
        .query_row(params![site, day.0], |row| row.get(0))
        .optional()
        .map_err(|error| store.fail(&error))?;
    text.map(|text| parse(store, site, day, &text)).transpose()
}

impl Database {
    /// The sums of those of some days of a site that have facts.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn day_sums(&self, site: i64, days: RangeInclusive<Day>) -> Result<BTreeMap<Day, DaySums>> {
        let store = self.store();
        let mut statement = store.prepare(
            "SELECT day, sums FROM day WHERE site = ? AND day BETWEEN ? AND ? AND sums <> ''",
        )?;
        let rows = statement
            .query_map(params![site, days.start().0, days.end().0], |row| {
                Ok((Day(row.get(0)?), row.get(1)?))
            })
            .and_then(Iterator::collect);
        let rows: Vec<(Day, String)> = rows.map_err(|error| store.fail(&error))?;
        rows.into_iter().map(|(day, text)| Ok((day, parse(store, site, day, &text)?))).collect()
    }

    /// The versions of all days of a site that had facts once.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn day_versions(&self, site: i64) -> Result<BTreeMap<Day, DayVersion>> {
        let store = self.store();
        let mut statement =
            store.prepare("SELECT day, version, sums <> '' FROM day WHERE site = ?")?;
        let rows = statement
            .query_map([site], |row| {
                let version = row.get::<_, i64>(1)?.cast_unsigned();
                Ok((Day(row.get(0)?), DayVersion { version, has_facts: row.get(2)? }))
            })
            .and_then(Iterator::collect);
        rows.map_err(|error| store.fail(&error))
    }
}
