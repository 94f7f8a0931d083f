//! A summary's cells, days and hours, day by day.
//!
//! Owns: how a site's day is added to a [`Summary`], from its facts or from stored sums. May import: its siblings,
//! `cube::walk`, `database` (sums of days), `time`. Must not know: where days come from.

use std::cmp::Reverse;

use super::walked::Walked;
use crate::cube::walk::CellSum;
use crate::database::DaySums;
use crate::query::summary::{BucketRow, Summary};
use crate::time::{Bucket, Day, Granularity};

/// Adds a day that was walked; it comes once.
pub(super) fn add_walked(summary: &mut Summary, site: &str, day: Day, walked: &Walked) {
    add_cells(summary, &walked.cells);
    for cell in &walked.site {
        let bucket =
            Bucket { day, minute_of_day: cell.minute_of_day, granularity: cell.granularity };
        add_bucket(summary, site, bucket, cell.pv, cell.uv);
    }
}

/// Adds a day of which all is asked for, from its stored sums.
pub(super) fn add_sums(summary: &mut Summary, site: &str, day: Day, sums: &DaySums) {
    add_cells(summary, &sums.cells.0);
    let mut add = |granularity, (minute_of_day, pv, uv)| {
        add_bucket(summary, site, Bucket { day, minute_of_day, granularity }, pv, uv);
    };
    let (pv, uv) = sums.day;
    add(Granularity::Day, (0, pv, uv));
    sums.hours.iter().for_each(|&hour| add(Granularity::Hour, hour));
    add(Granularity::Minute, sums.busiest_minute);
}

/// Sorts the rows when all days are there.
pub(super) fn sort(summary: &mut Summary) {
    let order = |row: &BucketRow| (row.site.clone(), row.bucket);
    for rows in [&mut summary.days, &mut summary.hours] {
        if !rows.is_sorted_by_key(order) {
            rows.sort_by_cached_key(order);
        }
    }
}

fn add_cells(summary: &mut Summary, cells: &[[CellSum; 3]; 3]) {
    for (sum, [cells, pv, uv]) in
        summary.cells.iter_mut().flatten().zip(cells.iter().flatten().copied())
    {
        sum.cells = sum.cells.saturating_add(cells);
        sum.pv = sum.pv.saturating_add(pv);
        sum.uv = sum.uv.saturating_add(uv);
    }
}

fn add_bucket(summary: &mut Summary, site: &str, bucket: Bucket, pv: u64, uv: u64) {
    let row = || BucketRow { site: site.to_owned(), bucket, pv, uv };
    match bucket.granularity {
        Granularity::Day => {
            let sum = &mut summary.totals.sum_of_daily_unique_visitors;
            *sum = sum.saturating_add(uv);
            summary.days.push(row());
        }
        Granularity::Hour => summary.hours.push(row()),
        Granularity::Minute => {
            // The earliest of equals, in whatever order days come.
            let is_busier = summary.busiest_minute.as_ref().is_none_or(|busiest| {
                (Reverse(pv), site, bucket) < (Reverse(busiest.pv), &busiest.site, busiest.bucket)
            });
            if is_busier {
                summary.busiest_minute = Some(row());
            }
        }
    }
}
