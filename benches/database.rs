//! What a database costs: to fill, to add to and to ask, after histories of 30, 365 and 1,095 days; and on a large day.
//!
//! The logs take 14 GB in `target/tmp`; `HITMAP_BENCH_SCALE=0.1` takes a tenth of the lines, of the same days.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]
#![allow(clippy::cast_precision_loss, reason = "printed with three digits")]

mod logs;

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use hitmap::generate::{Format, GeneratorOptions, Size};
use hitmap::time::Day;
use logs::{Log, history, large_day, one_day};
use rusqlite::Connection;
use serde_json::Value;

/// Rounds of what is fast.
const ROUNDS: usize = 5;
/// Lines that a run adds.
const ADDED: usize = 1000;

/// A run: what it printed, its seconds and its peak of resident memory in MiB.
struct Run {
    report: Value,
    seconds: f64,
    peak_mib: f64,
}

fn hitmap(arguments: &[&str]) -> Run {
    let start = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_hitmap")).args(arguments).output().unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let peak = told.lines().find_map(|line| line.strip_prefix("memory"));
    let kib: Option<f64> = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse().ok());
    let report = if output.stdout.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&output.stdout).unwrap()
    };
    Run { report, seconds, peak_mib: kib.unwrap_or(f64::NAN) / 1024.0 }
}

fn check(log: &Log, report: &Value) {
    assert_eq!(report["totals"]["page_views"], log.page_views);
    assert_eq!(report["totals"]["unique_visitors"], log.unique_visitors);
}

/// A file of that name that is not there yet.
fn no_file(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", path.display()));
    }
    path
}

/// Median, least and most of several runs' seconds.
fn seconds_in_words(runs: &[Run]) -> String {
    let mut seconds: Vec<f64> = runs.iter().map(|run| run.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    let (least, most) = (seconds[0], seconds[seconds.len() - 1]);
    format!("{:>7.3} s ({least:.3}-{most:.3})", seconds[seconds.len() / 2])
}

/// Median, least and most of several runs' seconds, and the highest memory peak, in words.
fn in_words(runs: &[Run]) -> String {
    let peak = runs.iter().map(|run| run.peak_mib).fold(f64::NAN, f64::max);
    format!("{}, {peak:.0} MiB", seconds_in_words(runs))
}

/// Lines that grow a log.
struct Growth {
    path: PathBuf,
    more: BufReader<File>,
}

impl Growth {
    /// A source of its own, whose lines are taken from `from`.
    fn new(from: &Log) -> Self {
        let path = no_file("bench-grown.log");
        File::create(&path).unwrap();
        let mut more = BufReader::new(File::open(&from.path).unwrap());
        more.seek(SeekFrom::Start(from.bytes / 2)).unwrap();
        more.read_until(b'\n', &mut Vec::new()).unwrap();
        Self { path, more }
    }

    fn grow(&mut self) {
        let mut lines = Vec::new();
        for _ in 0..ADDED {
            assert!(self.more.read_until(b'\n', &mut lines).unwrap() > 0);
        }
        File::options().append(true).open(&self.path).unwrap().write_all(&lines).unwrap();
    }
}

/// Fills a database and adds to it.
fn runs(log: &Log, more: &Log) -> PathBuf {
    println!("\n{}: {} lines, {:.1} GB", log.name, log.lines, log.bytes as f64 / 1e9);
    let path = log.path.to_str().unwrap();
    log.warm();
    let direct = hitmap(&["analyze", "--json", "--quiet", "--stats", path]);
    check(log, &direct.report);
    let database = no_file(&format!("bench-{}.db", log.name));
    let db = database.to_str().unwrap();
    log.warm();
    let filled = hitmap(&["analyze", "--quiet", "--stats", "--db", db, path]);
    check(log, &hitmap(&["report", "--json", "--db", db]).report);
    println!("direct                       {}", in_words(&[direct]));
    println!("first run into the database  {}", in_words(&[filled]));
    let bytes = database.metadata().unwrap().len() as f64;
    println!(
        "size                         {:.1} MB, {:.2} % of the log",
        bytes / 1e6,
        bytes * 100.0 / log.bytes as f64
    );
    let again = || hitmap(&["analyze", "--quiet", "--stats", "--db", db, path]);
    let runs: Vec<Run> = (0..ROUNDS).map(|_| again()).collect();
    println!("nothing new                  {}", in_words(&runs));
    let mut growth = Growth::new(more);
    let source = growth.path.clone();
    let mut add = || {
        growth.grow();
        hitmap(&["analyze", "--quiet", "--stats", "--db", db, source.to_str().unwrap()])
    };
    // The first of them adds a source.
    add();
    let runs: Vec<Run> = (0..ROUNDS * 5).map(|_| add()).collect();
    println!("{ADDED} lines added             {}", in_words(&runs));
    let sources = Command::new(env!("CARGO_BIN_EXE_hitmap"))
        .args(["sources", "--json", "--db", db])
        .output()
        .unwrap();
    let sources = serde_json::Deserializer::from_slice(&sources.stdout).into_iter::<Value>();
    let lines: u64 = sources.map(|source| source.unwrap()["lines"].as_u64().unwrap()).sum();
    assert_eq!(lines, log.lines + (ADDED * (1 + ROUNDS * 5)) as u64);
    database
}

/// Bytes of each table.
fn sizes(database: &Path) {
    let connection = Connection::open(database).unwrap();
    let mut statement = connection
        .prepare("SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 12")
        .unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, f64>(1)?)))
        .unwrap();
    for row in rows {
        let (name, bytes) = row.unwrap();
        println!("  {name:<26} {:>7.2} MB", bytes / 1e6);
    }
}

/// Asks the same questions after each history, and so tells what grows with it.
fn reports(log: &Log, days: u32, database: &Path) {
    println!("\nreports of {}, median of {ROUNDS} (least-most)", log.name);
    let start = GeneratorOptions::new(Size::Lines(1), Format::Combined).start;
    let day = |after: u32| Day(start.0 + i32::try_from(after).unwrap()).to_string();
    let (first, last) = (day(0), day(days - 1));
    let (month_end, month_start) = (day(29), day(days - 30));
    let (cut_start, cut_end) = (format!("{first}T07:30"), format!("{last}T20:15"));
    let middle = day(days / 2);
    for (name, options) in [
        ("everything", vec![]),
        ("the first 30 days", vec!["--since", &first, "--until", &month_end]),
        ("the last 30 days", vec!["--since", &month_start, "--until", &last]),
        ("everything, cut at minutes", vec!["--since", &cut_start, "--until", &cut_end]),
        ("the largest section", vec!["--section", "/movie/"]),
        ("the top page", vec!["--page", "/"]),
        ("a rare page", vec!["--page", "/list/1.html"]),
        ("by week", vec!["--by", "week"]),
        ("a day by minute", vec!["--by", "minute", "--since", &middle, "--until", &middle]),
    ] {
        let fixed = ["report", "--json", "--db", database.to_str().unwrap()];
        let arguments = [&fixed, &options[..]].concat();
        let runs: Vec<Run> = (0..ROUNDS).map(|_| hitmap(&arguments)).collect();
        println!("  {name:<28} {}", seconds_in_words(&runs));
    }
}

fn main() {
    for days in [30, 365, 1095] {
        let log = history(days);
        let database = runs(&log, &one_day(days));
        reports(&log, days, &database);
        if days == 365 {
            sizes(&database);
        }
        std::fs::remove_file(database).unwrap();
    }
    runs(&large_day(), &one_day(1));
}
