//! What tests of failures have in common: runs that publish, what they say, and the cells that HBase should hold.
//!
//! Owns: [`url`], [`publishing`], [`expect_failure`], [`check`]. May import: `harness`, `server`, and what is not about
//! Redis of `redis`. Must not know: how hitmap makes rows.

use std::process::Child;

use hitmap::time::Day;

use crate::harness::{Folder, Outcome, command, end_of, start};
use crate::hbase::server::Hbase;
use crate::redis::content;
use crate::redis::publishing::{generated, line};

/// Bytes of calls: more than a run sends before its first cell, and less than half of what it sends of [`day`].
pub(crate) const MIDWAY: usize = 200_000;

/// The day of [`day`] and [`grown`].
pub(crate) const DAY: Day = Day(17_595);

/// A log of one day, whose cells take several calls on each connection.
pub(crate) fn day(folder: &Folder) -> String {
    generated(folder, 12_000, 1, 150)
}

/// The log with one more line.
pub(crate) fn grown(folder: &Folder, log: &str) -> String {
    let text = std::fs::read_to_string(log).unwrap() + &line(9, 3, 3, "/new/1");
    folder.write("grown.log", text).to_str().unwrap().to_owned()
}

/// An empty log: who publishes it makes the tables.
pub(crate) fn nothing(folder: &Folder) -> String {
    folder.write("empty.log", "").to_str().unwrap().to_owned()
}

/// The URL of a gateway of this machine.
pub(crate) fn url(port: u16, options: &str) -> String {
    format!("hbase://127.0.0.1:{port}?{options}")
}

/// A run that publishes a log.
pub(crate) fn publishing(log: &str, port: u16, options: &str) -> Child {
    start(&mut command(&["analyze", "-q", log, "--to", &url(port, options)]))
}

/// Publishes a log through HBase's own gateway.
#[track_caller]
pub(crate) fn publish(hbase: &Hbase, prefix: &str, log: &str) {
    let options = format!("prefix={prefix}&timeout=120s");
    end_of(publishing(log, hbase.gateway_port(), &options)).expect_exit(0);
}

/// Fails unless the run ended because of the store, with one of these parts of a sentence about it.
#[track_caller]
pub(crate) fn expect_failure(outcome: Outcome, parts: &[&str]) -> String {
    let outcome = outcome.expect_exit(4);
    let said = outcome.stderr_text();
    assert!(parts.iter().any(|part| said.contains(part)), "none of {parts:?} in {said}");
    assert!(said.contains("hbase://127.0.0.1:"), "{said}");
    assert!(said.ends_with('\n') && !said.contains("panicked"), "{said}");
    said
}

/// Fails unless the tables with this prefix hold the cells of the days of a log, and no others.
#[track_caller]
pub(crate) fn check(hbase: &Hbase, prefix: &str, log: &str) {
    let tables = ["day", "hour", "minute"].map(|table| format!("{prefix}_{table}"));
    let found = sorted(hbase.cells(&tables.each_ref().map(String::as_str)));
    let expected = sorted(content::cells(&[log]));
    let differs = found.iter().zip(&expected).find(|(one, other)| one != other);
    assert!(
        found == expected,
        "{prefix}: {} cells, not {}; the first that differ: {differs:?}",
        found.len(),
        expected.len()
    );
}

fn sorted(rows: Vec<serde_json::Value>) -> Vec<String> {
    let mut rows: Vec<String> = rows.iter().map(serde_json::Value::to_string).collect();
    rows.sort_unstable();
    rows
}
