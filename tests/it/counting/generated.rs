//! The generator's truth, the program and the oracle agree on every cell, however the log is read.
//!
//! `HITMAP_TEST_LINES=500000 cargo test --release --test it generated` is the long form of it.

use std::fs;

use hitmap::cube::CellFormat;
use hitmap::generate::{Format, GeneratorOptions, Size, generate};

use crate::contract::{check_cells, check_report};
use crate::harness::{Folder, hitmap};
use crate::oracle::{self, Rules};

fn lines() -> u64 {
    std::env::var("HITMAP_TEST_LINES").map_or(20_000, |lines| lines.parse().unwrap())
}

/// One generated log, read by 1, 2, 3 and 7 threads with small and large windows.
#[track_caller]
fn check(format: Format, bad_permille: u32, shuffle: bool) {
    let options = GeneratorOptions {
        bad_permille,
        shuffle,
        collect_cells: true,
        visitors: 20_000,
        ..GeneratorOptions::new(Size::Lines(lines()), format)
    };
    let mut log = Vec::new();
    let truth = generate(&options, &mut log, |_| Ok(())).unwrap();
    let mut true_cells = Vec::new();
    truth.write_cells(CellFormat::Ndjson, &mut true_cells).unwrap();
    let answer = oracle::analyze(&[&log], &Rules::default());
    check_cells(&answer, &true_cells);
    let folder = Folder::new();
    let path = folder.write("access.log", &log);
    let path = path.to_str().unwrap();
    let cells = folder.path("cells.ndjson");
    let cells = cells.to_str().unwrap();
    for threads in ["-j1", "-j2", "-j3", "-j7"] {
        for window in ["--window=1MiB", "--window=1GiB"] {
            let arguments =
                ["analyze", "--json", "--top=1000000", "--cells", cells, threads, window, path];
            let report = hitmap(&arguments).expect_exit(0).json();
            assert!(
                fs::read(cells).unwrap() == true_cells,
                "{threads} {window}: other cells than the truth"
            );
            check_report(&answer, &report);
        }
    }
}

#[test]
fn combined_with_few_bad_lines() {
    check(Format::Combined, 1, false);
}

#[test]
fn combined_with_many_bad_lines() {
    check(Format::Combined, 50, false);
}

#[test]
fn combined_shuffled_with_few_bad_lines() {
    check(Format::Combined, 1, true);
}

#[test]
fn combined_shuffled_with_many_bad_lines() {
    check(Format::Combined, 50, true);
}

#[test]
fn dig_with_few_bad_lines() {
    check(Format::Dig, 1, false);
}

#[test]
fn dig_with_many_bad_lines() {
    check(Format::Dig, 50, false);
}

#[test]
fn dig_shuffled_with_few_bad_lines() {
    check(Format::Dig, 1, true);
}

#[test]
fn dig_shuffled_with_many_bad_lines() {
    check(Format::Dig, 50, true);
}

#[test]
fn common_with_many_bad_lines() {
    check(Format::Common, 50, true);
}
