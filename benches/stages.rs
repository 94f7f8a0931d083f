//! The stages of one run, each timed alone: parsing, records by visitor, visitors, day facts, cells. Every ratio is to
//! the newline count of as many threads in the same round.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

mod logs;

use std::time::Instant;

use hitmap::cube::{CellFormat, Cube, rows};
use hitmap::facts::tally::Tally;
use hitmap::pipeline::{CountingOptions, analyze, thread_pool};
use hitmap::query::summarize;
use hitmap::select::Rules;
use hitmap::source::Input;
use hitmap::system::progress::Progress;
use logs::{Log, easy, hard};

const ROUNDS: usize = 5;

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn stages(log: &Log, threads: usize) {
    let options = CountingOptions {
        inputs: vec![Input::Path(log.path.clone())],
        rules: Rules { site: "default".to_owned(), ..Rules::default() },
        threads,
        ..CountingOptions::default()
    };
    let pool = thread_pool(threads).unwrap();
    let names = [
        "newline count, pread",
        "scan: parse, select, exchange",
        "visitors: number them, deal to days",
        "day facts: sort records into facts",
        "cells: sums and top lists",
        "cells: as CSV rows",
        "whole pipeline, in process",
    ];
    let mut seconds: Vec<Vec<f64>> = names.iter().map(|_| Vec::new()).collect();
    for round in 0..=ROUNDS {
        log.warm();
        let start = Instant::now();
        assert_eq!(log.count_newlines(threads as u64), log.lines);
        let newlines = start.elapsed().as_secs_f64();
        log.warm();
        let whole = Instant::now();
        let analysis = pool.install(|| analyze(&options, &Progress::default())).unwrap();
        let cube = pool.install(|| Cube::new(&analysis.facts, vec!["default".to_owned()], &[]));
        let start = Instant::now();
        let summary = pool.install(|| summarize::summarize(&cube, &Tally::default(), 10)).unwrap();
        let summed = start.elapsed().as_secs_f64();
        assert_eq!(summary.cells[0][0].pv, log.page_views);
        assert_eq!(summary.totals.unique_visitors, log.unique_visitors);
        let start = Instant::now();
        pool.install(|| rows::write(&cube, CellFormat::Csv, &mut std::io::sink())).unwrap();
        let written = start.elapsed().as_secs_f64();
        let whole = whole.elapsed().as_secs_f64();
        assert_eq!(analysis.facts.visitors().len(), log.unique_visitors);
        let views = analysis.facts.fold_pieces(
            || 0,
            |sum, _, facts| {
                *sum +=
                    facts.pages().flat_map(|(_, facts)| facts).map(|fact| fact.views()).sum::<u64>()
            },
            |one, other| one + other,
        );
        assert_eq!(views, log.page_views);
        if round > 0 {
            let stages = analysis.stages;
            let times = [
                newlines,
                stages.scan.as_secs_f64(),
                stages.visitors.as_secs_f64(),
                stages.facts.as_secs_f64(),
                summed,
                written,
                whole,
            ];
            for (seconds, time) in seconds.iter_mut().zip(times) {
                seconds.push(time);
            }
        }
    }
    println!(
        "\n{} ({} lines, {} page views), {threads} threads, median of {ROUNDS} rounds",
        log.name, log.lines, log.page_views
    );
    println!(
        "{:<36} {:>8} {:>10} {:>10} {:>7} {:>16}",
        "", "s", "ns a line", "M lines/s", "GB/s", "x newline count"
    );
    let medians: Vec<f64> = seconds.into_iter().map(median).collect();
    for (name, &time) in names.iter().zip(&medians) {
        #[expect(clippy::cast_precision_loss, reason = "printed with one digit")]
        let (lines, bytes) = (log.lines as f64, log.bytes as f64);
        println!(
            "{name:<36} {time:>8.4} {:>10.1} {:>10.2} {:>7.2} {:>16.2}",
            time * 1e9 / lines,
            lines / time / 1e6,
            bytes / time / 1e9,
            time / medians[0]
        );
    }
}

fn main() {
    for log in [easy(), hard()] {
        for threads in [1, 2] {
            stages(&log, threads);
        }
    }
}
