//! What is kept of each day's cells together: a report of whole days needs no more of them.
//!
//! Owns: [`DaySums`] and how they rise. May import: `cube::walk`, `time`, serde. Must not know: when days change, SQL.

use serde::{Deserialize, Serialize};

use crate::cube::walk::BucketCount;
use crate::time::Granularity;

/// Sums over all cells of a site's day, stored or not, and the site's own cells but for its minutes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct DaySums {
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
pub(super) struct CellSums(pub [[[u64; 3]; 3]; 3]);

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
