//! A part of the log named by `HITMAP_LOG`: its size, and the time to write it, to read it, to merge it, and to report a
//! month of such days.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use hitmap::count::Facts;
use hitmap::count::parts::{Scanned, load_blocks, write};
use hitmap::cube::Cube;
use hitmap::facts::ShareKey;
use hitmap::facts::chunks::ChunkDecoder;
use hitmap::facts::part::{Block, Part, SourceRange, merge};
use hitmap::facts::sums::Sums;
use hitmap::facts::tally::Tally;
use hitmap::pipeline::{CountingOptions, FormatChoice, analyze, thread_pool};
use hitmap::query::summarize::summarize;
use hitmap::select::{Rules, StoredRules};
use hitmap::source::{Input, Opening};
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
        let input = &analysis.inputs[0];
        let opening = Opening { whole_lines: false, map: true };
        let identity = options.inputs[0].identify(opening).expect("a readable log");
        let (hashes, beginnings) = (identity.block_hashes, identity.beginnings);
        let range = SourceRange {
            lines: Sums::of_lines(&input.tally),
            span: input.tally.span,
            name: Some(input.name.clone()),
            ..SourceRange::whole(identity.bytes, hashes, beginnings)
        };
        for _ in 0..3 {
            measure(&range, &analysis.facts, &input.tally);
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

fn measure(range: &SourceRange, facts: &Facts, tally: &Tally) {
    let sites = ["default".to_owned()];
    let scanned = Scanned { range, facts, sites: &sites, days: &BTreeMap::new() };
    let start = Instant::now();
    let bytes = write(Vec::new(), &StoredRules::default(), &[scanned]).expect("a vector");
    let written = start.elapsed().as_secs_f64();
    let part = Part::decode(&bytes).expect("what was written");
    let start = Instant::now();
    let merged = merge(&[part.clone(), part.clone()], Vec::new()).expect("the same part twice");
    let merge_time = start.elapsed().as_secs_f64();
    assert_eq!(merged, bytes);
    let mut decoder = ChunkDecoder::default();
    let start = Instant::now();
    let days: Vec<Block> = part
        .blocks()
        .iter()
        .map(|entry| part.block(entry, &mut decoder).expect("a good block"))
        .collect();
    let read = start.elapsed().as_secs_f64();
    let visitor_days: usize = days.iter().map(|block| block.day.visitors.len()).sum();
    let count: usize = days.iter().map(|block| block.day.facts.len()).sum();
    let sizes = part.section_bytes().expect("good blocks");
    let size = |tag: &str| sizes.get(tag).copied().unwrap_or_default() as f64;
    println!(
        "parts: {:.2} bytes a fact (ITEM {:.2}, WHOS {:.2}, WHEN {:.2}), {:.2} bytes a visitor-day",
        (size("ITEM") + size("WHOS") + size("WHEN")) / count as f64,
        size("ITEM") / count as f64,
        size("WHOS") / count as f64,
        size("WHEN") / count as f64,
        size("VISI") / visitor_days as f64,
    );
    println!(
        "parts: {} bytes, {:.2} % of the log; {count} facts, {visitor_days} visitor-days, {} page-days; written in {written:.3} s, read by one thread in {read:.3} s, merged with itself in {merge_time:.3} s",
        bytes.len(),
        bytes.len() as f64 * 100.0 / range.end as f64,
        days.iter().map(|block| block.day.pages.len()).sum::<usize>(),
    );
    drop(days);
    let blocks = part.blocks();
    let keys: Vec<(ShareKey, usize)> = (0..MONTH)
        .map(|day| {
            (
                ShareKey { site: 0, day: Day(17_000 + day), source: 0 },
                blocks[day as usize % blocks.len()].bytes.len(),
            )
        })
        .collect();
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let block = |index: usize, decoder: &mut ChunkDecoder| {
        part.block(&blocks[index % blocks.len()], decoder).map(|block| block.day)
    };
    let month = load_blocks(&keys, block).expect("good blocks");
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
