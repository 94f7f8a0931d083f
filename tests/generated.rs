//! Three programs that share no counting code agree: the generator's own answer, the oracle and the analyzer.

#![allow(clippy::unwrap_used, reason = "tests")]

mod contract;
mod oracle;
mod program;

use std::fs;

use contract::{check_cells, check_report};
use oracle::Rules;
use program::Folder;

#[track_caller]
fn check(format: &str, seed: &str) {
    let folder = Folder::new();
    let [log, truth, cells] =
        ["access.log", "truth.ndjson", "cells.ndjson"].map(|name| folder.path(name));
    let [log, truth, cells] = [&log, &truth, &cells].map(|path| path.to_str().unwrap());
    let generate =
        ["generate", "--lines=20000", "--days=3", "--bad=40", "--visitors=3000", "--pages=300"];
    let files = ["--log-format", format, "--seed", seed, "--truth", truth, "-o", log];
    program::hitmap(&[&generate[..], &files].concat()).expect_exit(0);
    let arguments = ["analyze", "--json", "--top=1000000", "--cells", cells, log];
    let report = program::hitmap(&arguments).expect_exit(0).json();
    assert_eq!(report["inputs"][0]["format"], format);
    assert_eq!(report["totals"]["lines"], 20_000);
    assert!(report["totals"]["malformed_lines"].as_u64().unwrap() > 100);
    let answer = oracle::analyze(&[&fs::read(log).unwrap()], Rules::default());
    check_report(&answer, &report);
    check_cells(&answer, &fs::read(cells).unwrap());
    check_cells(&answer, &fs::read(truth).unwrap());
    assert!(fs::read(cells).unwrap() == fs::read(truth).unwrap(), "the very bytes");
}

#[test]
fn combined_logs() {
    check("combined", "1");
    check("combined", "2");
}

#[test]
fn common_logs() {
    check("common", "3");
    check("common", "4");
}

#[test]
fn dig_logs() {
    check("dig", "5");
    check("dig", "6");
}
