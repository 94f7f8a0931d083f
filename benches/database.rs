//! What `--db` costs on *easy*, how large the database is, and reports of ranges of a month of *easy*.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]
#![allow(clippy::cast_precision_loss, reason = "printed with three digits")]

mod logs;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use hitmap::database::{ALL_DAYS, Database};
use logs::{Log, Variant, compare, easy, month};
use serde_json::Value;

/// Rounds of a report.
const ROUNDS: usize = 7;

fn hitmap(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_hitmap")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn analyze(log: &Log, options: &[&str]) -> Value {
    let path = log.path.to_str().unwrap();
    let report = hitmap(&[&["analyze", "--json", "--quiet", path], options].concat());
    check(log, &report);
    report
}

fn check(log: &Log, report: &Value) {
    assert_eq!(report["totals"]["page_views"], log.page_views);
    assert_eq!(report["totals"]["unique_visitors"], log.unique_visitors);
    assert_eq!(report["cell_sums"]["minute"]["page"]["pv"], log.page_views);
}

/// A database that is not there yet.
fn database(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", path.display()));
    }
    path
}

/// The cells that the report counts for one level of one granularity.
fn cells(report: &Value, granularity: &str, levels: &[&str]) -> u64 {
    levels.iter().map(|level| report["cells"][granularity][level].as_u64().unwrap()).sum()
}

fn cost(log: &Log) {
    let mut report = Value::Null;
    let medians = compare(
        log,
        &mut [
            Variant::new("newline count, 2 threads (the unit)", || {
                assert_eq!(log.count_newlines(2), log.lines);
            }),
            Variant::new("hitmap analyze --json", || {
                analyze(log, &[]);
            }),
            Variant::new("the same with --db", || {
                report = analyze(log, &["--db", database("bench.db").to_str().unwrap()]);
            }),
            Variant::new("the same with --db --db-cells minute", || {
                let database = database("bench-minutes.db");
                analyze(log, &["--db", database.to_str().unwrap(), "--db-cells", "minute"]);
            }),
            Variant::new("the same with --db, counted before", || {
                let database = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench.db");
                analyze(log, &["--db", database.to_str().unwrap()]);
            }),
        ],
    );
    let all = ["site", "section", "page"];
    let stored = cells(&report, "day", &all) + cells(&report, "hour", &all[..2]);
    let every =
        cells(&report, "day", &all) + cells(&report, "hour", &all) + cells(&report, "minute", &all);
    for (name, stored, seconds) in
        [("--db", stored, medians[2]), ("with --db-cells minute", every, medians[3])]
    {
        let cost = seconds - medians[1];
        let million = stored as f64 / 1e6;
        println!(
            "{name}: {stored} cells, {cost:.3} s more, {:.2} s a million cells",
            cost / million
        );
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench.db");
    let opened = Database::open_to_read(&path).unwrap();
    let sites = opened.sites().unwrap();
    let blocks = opened.blocks(sites[0].number, ALL_DAYS).unwrap();
    let facts: u64 = blocks.iter().map(|block| u64::from(block.facts)).sum();
    let file = std::fs::metadata(&path).unwrap().len();
    let share = |bytes: f64| bytes * 100.0 / log.bytes as f64;
    println!(
        "database: {file} bytes, {:.2} % of the log, for {facts} facts in {} blocks",
        share(file as f64),
        blocks.len()
    );
}

fn reports(log: &Log) {
    let path = database("bench-month.db");
    let path = path.to_str().unwrap();
    analyze(log, &["--db", path]);
    let everything = hitmap(&["report", "--json", "--db", path]);
    check(log, &everything);
    println!("\nreports of {} ({} page views), median of {ROUNDS}", log.name, log.page_views);
    for range in [
        &[][..],
        &["--since", "2018-03-10", "--until", "2018-03-19"],
        &["--since", "2018-03-06T07:30", "--until", "2018-03-30T20:15"],
        &["--since", "2018-03-20", "--until", "2018-03-20"],
        &["--by", "week"],
        &["--section", "/movie/"],
        &["--by", "minute", "--since", "2018-03-20", "--until", "2018-03-20"],
    ] {
        let arguments = [&["report", "--json", "--db", path], range].concat();
        let mut seconds = Vec::new();
        let mut report = Value::Null;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            report = hitmap(&arguments);
            seconds.push(start.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        let sum = |pv: &str| -> u64 {
            report["days"].as_array().unwrap().iter().map(|day| day[pv].as_u64().unwrap()).sum()
        };
        assert_eq!(report["totals"]["page_views"], sum("pv"));
        println!(
            "{:<60} {:>7.3} s ({:.3}-{:.3})  {} page views",
            range.join(" "),
            seconds[ROUNDS / 2],
            seconds[0],
            seconds[ROUNDS - 1],
            sum("pv")
        );
    }
}

fn main() {
    cost(&easy());
    reports(&month());
}
