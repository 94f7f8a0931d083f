//! A part of the log named by `HITMAP_LOG`: its size, and the time to write it and to report a month of such days.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::path::PathBuf;
use std::time::Instant;

use hitmap::count::parts::{encode, load_blocks};
use hitmap::cube::Cube;
use hitmap::facts::DayKey;
use hitmap::facts::part::{Header, Part};
use hitmap::facts::tally::Tally;
use hitmap::pipeline::{CountingOptions, FormatChoice, analyze, thread_pool};
use hitmap::query::summarize::summarize;
use hitmap::select::Rules;
use hitmap::source::Input;
use hitmap::system::progress::Progress;
use hitmap::time::Day;

/// Days of the month.
const MONTH: i32 = 30;

fn main() {
    let Some(path) = std::env::var_os("HITMAP_LOG").map(PathBuf::from) else {
        println!("parts: name a log with HITMAP_LOG");
        return;
    };
    let options = CountingOptions {
        inputs: vec![Input::Path(path)],
        format: FormatChoice::Detect,
        rules: Rules { site: "default".to_owned(), ..Rules::default() },
        threads: 2,
        map: true,
        window_bytes: u64::MAX,
        page_limit: u64::MAX,
        ..CountingOptions::default()
    };
    let pool = thread_pool(2).expect("two threads");
    pool.install(|| {
        let analysis = analyze(&options, &Progress::default()).expect("a readable log");
        let tally = analysis.inputs[0].tally.clone();
        let log_bytes = analysis.inputs[0].bytes;
        let header =
            Header { tally: tally.clone(), sites: vec!["default".to_owned()], ..Header::default() };
        for _ in 0..3 {
            measure(&header, &analysis.facts, &tally, log_bytes);
        }
    });
}

/// Processor time of all threads so far, in seconds, where the system tells (by hundredths); a busy machine does not
/// change it as it does the clock.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

fn measure(header: &Header, facts: &hitmap::count::Facts, tally: &Tally, log_bytes: u64) {
    let start = Instant::now();
    let bytes = encode(header, facts);
    let encoded = start.elapsed().as_secs_f64();
    let part = Part::decode(&bytes).expect("what was encoded");
    let mut decoder = hitmap::facts::columns::Decoder::default();
    let days: Vec<_> = part
        .blocks()
        .iter()
        .map(|entry| part.block(entry, &mut decoder).expect("a good block"))
        .collect();
    let visitor_days: usize = days.iter().map(|day| day.visitors.len()).sum();
    let count: usize = days.iter().map(|day| day.facts.len()).sum();
    let mut encoder = hitmap::facts::columns::Encoder::default();
    let column_bytes: usize = days.iter().map(|day| encoder.encode(&day.facts).len()).sum();
    let visitor_bytes: usize = days
        .iter()
        .map(|day| {
            let visitors = hitmap::facts::LocalDay {
                visitors: day.visitors.clone(),
                ..hitmap::facts::LocalDay::default()
            };
            hitmap::facts::part::block::encode(&visitors, &mut encoder).len()
        })
        .sum();
    println!(
        "parts: {:.2} bytes a fact in columns, {:.2} bytes a visitor-day",
        column_bytes as f64 / count as f64,
        visitor_bytes as f64 / visitor_days as f64,
    );
    println!(
        "parts: {} bytes, {:.2} % of the log, {:.2} a fact; {count} facts, {visitor_days} visitor-days, {} page-days; written in {encoded:.3} s",
        bytes.len(),
        bytes.len() as f64 * 100.0 / log_bytes as f64,
        bytes.len() as f64 / count as f64,
        days.iter().map(|day| day.pages.len()).sum::<usize>(),
    );
    drop(days);
    let blocks = part.blocks();
    let keys: Vec<(DayKey, usize)> = (0..MONTH)
        .map(|day| {
            (
                DayKey { site: 0, day: Day(17_000 + day) },
                blocks[day as usize % blocks.len()].range.len(),
            )
        })
        .collect();
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let month =
        load_blocks(&keys, |index, decoder| part.block(&blocks[index % blocks.len()], decoder))
            .expect("good blocks");
    let (loaded, loaded_cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let cube = Cube::new(&month, vec!["default".to_owned()], &[]);
    let summary = summarize(&cube, tally, 10).expect("no error of its own");
    println!(
        "parts: a month of {} facts loaded in {loaded:.3} s (processor {loaded_cpu:.2} s), reported in {:.3} s ({:.2} s); {} unique visitors",
        month.days().map(|key| month.day_len(key)).sum::<usize>(),
        start.elapsed().as_secs_f64(),
        cpu_seconds() - cpu,
        summary.totals.unique_visitors,
    );
}
