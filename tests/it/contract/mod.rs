//! Compares the program's outputs (`--json`, `--cells`) with the oracle's answer, number by number.
//!
//! Owns: [`check_report`], [`check_cells`]. May import: `oracle`, serde_json. Must not know: how either side counts.

#![allow(dead_code, reason = "a fuzz target that uses a part of this module includes it, too")]
#![allow(clippy::unwrap_used, reason = "a report without a field of the contract fails the test")]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::oracle::{Answer, CellKey, Format, PvUv, Time};

const GRANULARITIES: [&str; 3] = ["day", "hour", "minute"];

/// Every row of `--cells -` (NDJSON) is the oracle's row, in the contract's order, none missing, none twice.
#[track_caller]
pub(crate) fn check_cells(expected: &Answer, ndjson: &[u8]) {
    let text = str::from_utf8(ndjson).expect("cells are UTF-8");
    let rows: Vec<(CellKey, PvUv)> = text.lines().map(read_cell).collect();
    for pair in rows.windows(2) {
        assert!(pair[0].0 < pair[1].0, "out of order or twice: {:?} {:?}", pair[0], pair[1]);
    }
    let rows: BTreeMap<CellKey, PvUv> = rows.into_iter().collect();
    for (key, value) in &rows {
        assert_eq!(Some(value), expected.cells.get(key), "the program's cell {key:?}");
    }
    for (key, value) in &expected.cells {
        assert_eq!(Some(value), rows.get(key), "the oracle's cell {key:?}");
    }
}

fn read_cell(line: &str) -> (CellKey, PvUv) {
    let row: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let keys: Vec<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["site", "granularity", "bucket", "section", "page", "pv", "uv"]);
    assert_eq!(row["site"], "default");
    let granularity = GRANULARITIES.iter().position(|name| row["granularity"] == *name).unwrap();
    let text = |key: &str| row[key].as_str().map(str::to_owned);
    let granularity = u8::try_from(granularity).unwrap();
    let key = (granularity, Time(text("bucket").unwrap()), text("section"), text("page"));
    (key, (row["pv"].as_u64().unwrap(), row["uv"].as_u64().unwrap()))
}

/// Every number of the report of `--json --top 1000000` is the oracle's.
#[track_caller]
pub(crate) fn check_report(expected: &Answer, report: &Value) {
    check_totals(expected, &report["totals"]);
    check_inputs(expected, &report["inputs"]);
    for (granularity, name) in GRANULARITIES.iter().enumerate() {
        for (level, level_name) in ["site", "section", "page"].iter().enumerate() {
            let cells: Vec<&PvUv> = expected
                .cells
                .iter()
                .filter(|(key, _)| usize::from(key.0) == granularity && level_of(key) == level)
                .map(|(_, value)| value)
                .collect();
            let (pv, uv) = cells.iter().fold((0, 0), |sum, cell| (sum.0 + cell.0, sum.1 + cell.1));
            assert_eq!(
                report["cells"][name][level_name],
                cells.len(),
                "cells of {name}, {level_name}"
            );
            let sums = &report["cell_sums"][name][level_name];
            assert_eq!(*sums, json!({"pv": pv, "uv": uv}), "sums of {name}, {level_name}");
        }
    }
    assert_eq!(report["days"], bucket_rows(expected, 0), "days");
    assert_eq!(report["hours"], bucket_rows(expected, 1), "hours");
    let minutes = bucket_rows(expected, 2);
    let busiest = minutes.as_array().unwrap().iter().rev().max_by_key(|row| row["pv"].as_u64());
    assert_eq!(report["busiest_minute"], busiest.cloned().unwrap_or(Value::Null), "busiest minute");
    check_ranking(expected, report, "sections", 1);
    check_ranking(expected, report, "pages", 2);
}

#[track_caller]
fn check_totals(expected: &Answer, totals: &Value) {
    let class = |hundreds: u64| -> u64 {
        expected.statuses.iter().filter(|(code, _)| **code / 100 == hundreds).map(|(_, n)| n).sum()
    };
    let site_cells = |granularity: u8| {
        let cells = expected.cells.iter().chain(&expected.range);
        cells
            .filter(move |(key, _)| key.0 == granularity && key.2.is_none())
            .map(|(_, cell)| cell.1)
    };
    let numbers = [
        ("lines", expected.lines),
        ("hits", expected.hits),
        ("page_views", expected.page_views),
        ("unique_visitors", site_cells(3).sum()),
        ("sum_of_daily_unique_visitors", site_cells(0).sum()),
        ("bytes_sent", expected.bytes_sent),
        ("not_found", expected.statuses.get(&404).copied().unwrap_or(0)),
        ("malformed_lines", expected.malformed),
        ("empty_lines", expected.empty),
        ("other_lines", expected.other),
    ];
    for (name, number) in numbers {
        assert_eq!(totals[name], number, "{name}");
    }
    let other = class(0) + (6..=9).map(class).sum::<u64>();
    let status = json!({"1xx": class(1), "2xx": class(2), "3xx": class(3), "4xx": class(4), "5xx": class(5),
                        "other": other});
    assert_eq!(totals["status"], status, "status classes");
    assert_eq!(totals["first"].as_str(), expected.times.first().map(|time| &**time), "first");
    assert_eq!(totals["last"].as_str(), expected.times.last().map(|time| &**time), "last");
    let offsets: Vec<i64> =
        totals["offsets"].as_array().unwrap().iter().map(offset_minutes).collect();
    assert!(offsets.iter().eq(&expected.offsets), "{offsets:?} {:?}", expected.offsets);
}

/// `-0330` is -210 minutes.
fn offset_minutes(text: &Value) -> i64 {
    let (sign, digits) = text.as_str().unwrap().split_at(1);
    let (hours, minutes) = digits.split_at(digits.len() - 2);
    let minutes = hours.parse::<i64>().unwrap() * 60 + minutes.parse::<i64>().unwrap();
    if sign == "-" { -minutes } else { minutes }
}

#[track_caller]
fn check_inputs(expected: &Answer, inputs: &Value) {
    let inputs = inputs.as_array().unwrap();
    assert_eq!(inputs.len(), expected.files.len(), "inputs: {inputs:?}");
    for (input, (lines, format)) in inputs.iter().zip(&expected.files) {
        assert_eq!(input["lines"], *lines, "{input}");
        if let Some(format) = format {
            let name = match format {
                Format::Combined => "combined",
                Format::Common => "common",
                Format::Dig => "dig",
            };
            assert_eq!(input["format"], name, "{input}");
        }
    }
}

/// Site 0, section 1, page 2.
fn level_of((_, _, section, page): &CellKey) -> usize {
    usize::from(section.is_some()) + usize::from(page.is_some())
}

fn bucket_rows(expected: &Answer, granularity: u8) -> Value {
    let cells = expected.cells.iter();
    cells
        .filter(|(key, _)| key.0 == granularity && key.2.is_none())
        .map(|((_, bucket, _, _), (pv, uv))| {
            json!({"site": "default", "bucket": bucket.0, "pv": pv, "uv": uv})
        })
        .collect()
}

/// Sections or pages over the whole range: by PV, then by name.
#[track_caller]
fn check_ranking(expected: &Answer, report: &Value, name: &str, level: usize) {
    let mut rows: Vec<_> =
        expected.range.iter().filter(|(key, _)| level_of(key) == level).collect();
    rows.sort_by_key(|((_, _, section, page), (pv, _))| (u64::MAX - pv, page, section));
    let rows: Value = rows
        .into_iter()
        .map(|((_, _, section, page), (pv, uv))| match page {
            None => json!({"site": "default", "section": section, "pv": pv, "uv": uv}),
            Some(page) => {
                json!({"site": "default", "page": page, "section": section, "pv": pv, "uv": uv})
            }
        })
        .collect();
    assert_eq!(report[name], rows, "{name}");
    let count = format!("{}_count", name.trim_end_matches('s'));
    assert_eq!(report[&count], rows.as_array().unwrap().len(), "{count}");
}

/// The totals of the report of `--json` are the oracle's.
#[track_caller]
pub(crate) fn check_totals_only(expected: &Answer, report: &Value) {
    check_totals(expected, &report["totals"]);
}
