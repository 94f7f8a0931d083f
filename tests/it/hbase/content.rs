//! What readers find in hitmap's tables, and what they should find.
//!
//! Owns: [`Tables`], [`Content`]. May import: `harness`, `server`. Must not know: how hitmap makes rows.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::harness::hitmap;
use crate::hbase::server::Hbase;

/// Cells: site, granularity, bucket, section, page, page views and unique visitors, as JSON texts.
pub(crate) type Content = BTreeSet<String>;

/// The tables of one test, with a prefix of their own.
pub(crate) struct Tables<'h> {
    pub(crate) hbase: &'h Hbase,
    pub(crate) prefix: String,
}

impl<'h> Tables<'h> {
    pub(crate) fn new(hbase: &'h Hbase) -> Self {
        static TESTS: AtomicU32 = AtomicU32::new(0);
        let number = TESTS.fetch_add(1, Ordering::Relaxed);
        Self { hbase, prefix: format!("t{}_{number}", std::process::id()) }
    }

    /// The URL, with options such as `&timeout=1s`.
    pub(crate) fn url(&self, options: &str) -> String {
        self.url_at(self.hbase.gateway_port(), options)
    }

    /// The same by another gateway.
    pub(crate) fn url_at(&self, port: u16, options: &str) -> String {
        format!("hbase://127.0.0.1:{port}?prefix={}{options}", self.prefix)
    }

    pub(crate) fn name(&self, granularity: &str) -> String {
        format!("{}_{granularity}", self.prefix)
    }

    /// The cells of all tables.
    #[track_caller]
    pub(crate) fn read(&self) -> Content {
        self.read_some(&["day", "hour", "minute", "week", "month", "all"])
    }

    #[track_caller]
    pub(crate) fn read_some(&self, granularities: &[&str]) -> Content {
        let names: Vec<String> = granularities.iter().map(|one| self.name(one)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.hbase.cells(&names).iter().map(text).collect()
    }

    /// Fails unless the tables hold exactly this.
    #[track_caller]
    pub(crate) fn check(&self, expected: &Content) {
        assert_same(&self.read(), expected);
    }
}

/// Fails with the first differences.
#[track_caller]
pub(crate) fn assert_same(found: &Content, expected: &Content) {
    assert!(!expected.is_empty());
    let some =
        |cells: Vec<&String>| format!("{}, as {:?}", cells.len(), &cells[..cells.len().min(5)]);
    assert!(
        found == expected,
        "cells that are missing: {}\ncells too many: {}",
        some(expected.difference(found).collect()),
        some(found.difference(expected).collect())
    );
}

/// A row of `--cells`, or of what was read back.
pub(crate) fn text(row: &Value) -> String {
    let keys = ["site", "granularity", "bucket", "section", "page", "pv", "uv"];
    Value::from_iter(keys.map(|key| row[key].clone())).to_string()
}

/// The days, hours and minutes of logs, by `--cells`.
#[track_caller]
pub(crate) fn cells(logs: &[&str]) -> Content {
    let output =
        hitmap(&[&["analyze", "--cells", "-"], logs].concat()).expect_exit(0).stdout_text();
    output.lines().map(|line| text(&serde_json::from_str(line).unwrap())).collect()
}

/// Weeks, months and all time of the site `default` of a database, by the report of each; `ranges` are bucket, first and
/// last day.
#[track_caller]
pub(crate) fn unions(database: &str, ranges: &[(&str, &str, &str)]) -> Content {
    let mut content = Content::new();
    let mut add = |granularity: &str, bucket: &str, range: &[&str]| {
        let words = ["report", "--json", "--top", "1000000", "--db", database];
        let report = hitmap(&[&words, range].concat()).expect_exit(0).json();
        let totals = &report["totals"];
        if totals["page_views"] == 0 {
            return;
        }
        let cell = |section: &Value, numbers: &Value| {
            let (pv, uv) = (&numbers["page_views"], &numbers["unique_visitors"]);
            let (pv, uv) = (
                if pv.is_null() { &numbers["pv"] } else { pv },
                if uv.is_null() { &numbers["uv"] } else { uv },
            );
            json!(["default", granularity, bucket, section, null, pv, uv]).to_string()
        };
        content.insert(cell(&Value::Null, totals));
        let sections = report["sections"].as_array().unwrap();
        content.extend(sections.iter().map(|row| cell(&row["section"], row)));
    };
    add("all", "all", &[]);
    for (bucket, first, last) in ranges {
        let granularity = if bucket.contains('W') { "week" } else { "month" };
        add(granularity, bucket, &["--since", first, "--until", last]);
    }
    content
}
