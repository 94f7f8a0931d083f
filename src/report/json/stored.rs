//! The key `database` of a report: what was asked of a database, and what only a database can answer.
//!
//! Owns: its layout. May import: `time`, `query`. Must not know: how the numbers were made.

use serde::Serialize;
use serde::ser::Serializer;
use serde_json::{Value, json};

use crate::query::buckets::Buckets;
use crate::query::counted::Counted;
use crate::query::summary::Stored;
use crate::query::{Grouping, minute_text};

/// The object, with its keys in this order.
#[derive(Serialize)]
pub(super) struct JsonStored<'s> {
    path: &'s str,
    sources: u64,
    question: &'s str,
    first_day: Option<String>,
    pruned_before: Option<String>,
    counted: Vec<Value>,
    today: Option<Value>,
    new_visitors: Vec<Value>,
    by: Option<&'s str>,
    granularity: Option<&'s str>,
    buckets: JsonRows<'s>,
}

impl<'s> JsonStored<'s> {
    pub(super) fn new(stored: &'s Stored) -> Self {
        let new_visitors = stored.new_visitors.iter().map(|row| {
            json!({
                "site": row.site, "bucket": row.day.to_string(), "new": row.new, "returning": row.returning,
            })
        });
        let today = stored.today.as_ref();
        Self {
            path: &stored.database,
            sources: stored.sources,
            question: &stored.question,
            first_day: stored.first_day.map(|day| day.to_string()),
            pruned_before: stored.pruned_before.map(|day| day.to_string()),
            counted: counted(&stored.counted),
            today: today.map(|today| json!({"day": today.day.to_string(), "zone": today.zone})),
            new_visitors: new_visitors.collect(),
            by: match stored.grouping {
                Some(Grouping::Section) => Some("section"),
                Some(Grouping::Page) => Some("page"),
                _ => stored.by_name,
            },
            granularity: stored.by_name,
            buckets: JsonRows(stored.buckets.as_ref()),
        }
    }
}

fn counted(counted: &Counted) -> Vec<Value> {
    let row = |(site, range): (&String, &crate::time::MinuteRange)| json!({"site": site, "first": minute_text(range.start), "last": minute_text(range.end - 1)});
    counted.sites.iter().map(row).collect()
}

/// The buckets, written row by row: of minutes there can be a million.
struct JsonRows<'s>(Option<&'s Buckets>);

#[derive(Serialize)]
struct JsonRow<'s> {
    site: &'s str,
    bucket: String,
    pv: u64,
    uv: u64,
    partial: bool,
}

impl Serialize for JsonRows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows = self.0.into_iter().flat_map(|buckets| {
            buckets.sites.iter().flat_map(|(site, rows)| {
                rows.iter().map(|row| JsonRow {
                    site,
                    bucket: buckets.by.name_of(row.start),
                    pv: row.pv,
                    uv: row.uv,
                    partial: row.is_partial,
                })
            })
        });
        serializer.collect_seq(rows)
    }
}
