//! What is kept of each day's cells together: a report of whole days needs no more of them.
//!
//! Owns: [`DaySums`], [`DayVersion`], reading and writing them; reading the cells of weeks and months. May import:
//! `time`, `cube`, rusqlite, serde, its siblings.
//! Must not know: when days change.

use std::collections::BTreeMap;

use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::{Database, sealed};
use crate::cube::walk::{BucketCount, CellGroup};
use crate::error::Result;
use crate::time::{Day, Granularity};

/// Sums over all cells of a site's day, and the site's own cells but for its minutes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaySums {
    /// Number of cells, sum of their page views, sum of their unique visitors; by granularity (day, hour, minute)
    /// and level (site, section, page).
    pub cells: [[[u64; 3]; 3]; 3],
    /// The site's page views and unique visitors of the day.
    pub day: [u64; 2],
    /// The first minute of each of the site's hours that has any, and the same.
    pub hours: Vec<(u16, u64, u64)>,
    /// The site's minute with the most page views, the earliest of equals, and the same.
    pub busiest_minute: (u16, u64, u64),
}

/// When a site's day changed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayVersion {
    /// The version of the run that did it.
    pub version: u64,
    /// Whether the day has cells; one whose sources were all taken out has none.
    pub has_cells: bool,
}

impl DaySums {
    /// Adds all cells of a group.
    pub(super) fn add(&mut self, group: CellGroup, cells: &[BucketCount]) {
        let level = match group {
            CellGroup::Site => 0,
            CellGroup::Section(_) => 1,
            CellGroup::Page(_) => 2,
        };
        for cell in cells {
            let sum = &mut self.cells[cell.granularity as usize][level];
            sum[0] += 1;
            sum[1] += cell.pv;
            sum[2] += cell.uv;
        }
        for cell in cells.iter().filter(|_| group == CellGroup::Site) {
            let row = (cell.minute_of_day, cell.pv, cell.uv);
            match cell.granularity {
                Granularity::Day => self.day = [cell.pv, cell.uv],
                Granularity::Hour => self.hours.push(row),
                Granularity::Minute if cell.pv > self.busiest_minute.1 => self.busiest_minute = row,
                Granularity::Minute => {}
            }
        }
    }

    /// Takes in what another task found in the same day, in other groups.
    pub(super) fn merge(&mut self, other: Self) {
        for (sum, more) in self.cells.iter_mut().flatten().zip(other.cells.iter().flatten()) {
            for (sum, more) in sum.iter_mut().zip(more) {
                *sum += more;
            }
        }
        // One task has the site.
        if other.day[0] > 0 {
            (self.day, self.hours) = (other.day, other.hours);
            self.busiest_minute = other.busiest_minute;
        }
    }
}

impl Database {
    pub(super) fn put_day_sums(&self, site: i64, day: Day, sums: &DaySums) -> Result<()> {
        let json = serde_json::to_string(sums).unwrap_or_default();
        let sums = sealed::seal(&json, &[site, day.0.into()]);
        self.execute(
            "UPDATE day SET sums = ? WHERE site = ? AND day = ?",
            params![sums, site, day.0],
        )
    }

    /// The sums of all days of a site that have cells.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn day_sums(&self, site: i64) -> Result<BTreeMap<Day, DaySums>> {
        let sql = format!("SELECT day, sums FROM day WHERE site = {site} AND sums <> ''");
        let rows = self.rows(&sql, |row| Ok((Day(row.get(0)?), row.get::<_, String>(1)?)))?;
        let read = |(day, text): (Day, String)| {
            let json = sealed::open(&text, &[site, day.0.into()]);
            let sums = json.and_then(|json| serde_json::from_str(&json).ok());
            Ok((day, sums.ok_or_else(|| self.damaged("sums of a day"))?))
        };
        rows.into_iter().map(read).collect()
    }
    /// The versions of all days of a site that had cells once.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn day_versions(&self, site: i64) -> Result<BTreeMap<Day, DayVersion>> {
        let sql = format!("SELECT day, version, sums <> '' FROM day WHERE site = {site}");
        let rows = self.rows(&sql, |row| {
            let version = DayVersion {
                version: row.get::<_, i64>(1)?.cast_unsigned(),
                has_cells: row.get(2)?,
            };
            Ok((Day(row.get(0)?), version))
        })?;
        Ok(rows.into_iter().collect())
    }

    /// PV and UV of a site (the empty section) and its sections in a week, a month or all time, by section.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn unions(
        &self,
        site: i64,
        granularity: &str,
        bucket: &str,
    ) -> Result<Vec<(String, u64, u64)>> {
        let read = || -> rusqlite::Result<_> {
            self.connection
                .prepare_cached(
                    "SELECT place.section, cell.pv, cell.uv FROM slot JOIN cell ON cell.slot = slot.id \
                     JOIN place ON place.id = cell.place \
                     WHERE slot.granularity = ? AND slot.bucket = ? AND slot.site = ? ORDER BY place.section",
                )?
                .query_map(params![granularity, bucket, site], |row| {
                    let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
                    Ok((row.get(0)?, number(1)?, number(2)?))
                })?
                .collect()
        };
        read().map_err(|error| self.fail(&error))
    }
}
