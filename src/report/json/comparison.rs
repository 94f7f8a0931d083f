//! The key `comparison` of a report.
//!
//! Owns: its layout. May import: `time`, `query`. Must not know: how the numbers were made.

use serde_json::{Value, json};

use crate::query::comparison::{BucketChange, Change, Comparison, PlaceChange};
use crate::query::minute_text;
use crate::time::MinuteRange;

pub(super) fn comparison(comparison: &Comparison) -> Value {
    let ranges = &comparison.ranges;
    json!({
        "with": comparison.with.name(),
        "range": range(ranges.now),
        "earlier": range(ranges.before),
        "partial": ranges.is_partial,
        "totals": {
            "page_views": change(comparison.page_views),
            "unique_visitors": change(comparison.unique_visitors),
            "sum_of_daily_unique_visitors": change(comparison.sum_of_daily_unique_visitors),
        },
        "granularity": comparison.by.name(),
        "buckets": comparison.buckets.iter().map(|row| bucket(comparison, row)).collect::<Vec<_>>(),
        "sections": comparison.sections.iter().map(|row| json!({
            "site": row.site, "section": row.section, "pv": change(row.pv), "uv": change(row.uv),
        })).collect::<Vec<_>>(),
        "pages": pages(&comparison.pages),
        "grown": pages(&comparison.grown),
        "fallen": pages(&comparison.fallen),
    })
}

/// The first and the last minute, as `--since` and `--until` take them.
fn range(range: MinuteRange) -> Value {
    json!({"first": minute_text(range.start), "last": minute_text(range.end - 1)})
}

fn change(change: Change) -> Value {
    // Two decimals: what is behind them is noise to readers, and would differ from machine to machine.
    let percent = change.percent().map(|percent| (percent * 100.0).round() / 100.0);
    json!({"now": change.now, "before": change.before, "difference": change.difference(), "percent": percent})
}

fn bucket(comparison: &Comparison, row: &BucketChange) -> Value {
    json!({
        "site": row.site,
        "bucket": comparison.by.name_of(row.start),
        "earlier": row.before.map(range),
        "partial": row.is_partial,
        "pv": change(row.pv),
        "uv": change(row.uv),
    })
}

fn pages(pages: &[PlaceChange]) -> Vec<Value> {
    let page = |row: &PlaceChange| {
        json!({
            "site": row.site, "page": row.page, "section": row.section, "pv": change(row.pv), "uv": change(row.uv),
        })
    };
    pages.iter().map(page).collect()
}
