//! The whole program, `hitmap analyze --json`, as a process of its own, against the newline count.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

mod logs;

use std::process::Command;

use logs::{Log, Variant, compare, dig, easy, hard};

/// Runs the program and checks its totals.
fn analyze(log: &Log, options: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_hitmap"))
        .args(["analyze", "--json", "--quiet"])
        .args(options)
        .arg(&log.path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let totals = &report["totals"];
    assert_eq!(totals["lines"], log.lines);
    assert_eq!(totals["page_views"], log.page_views);
    assert_eq!(totals["unique_visitors"], log.unique_visitors);
    assert_eq!(report["cell_sums"]["minute"]["page"]["pv"], log.page_views);
}

fn main() {
    for log in [easy(), hard(), dig()] {
        let mut variants = [
            Variant::new("newline count, pread, 2 threads (the unit)", || {
                assert_eq!(log.count_newlines(2), log.lines)
            }),
            Variant::new("newline count, pread, 1 thread", || {
                assert_eq!(log.count_newlines(1), log.lines)
            }),
            Variant::new("hitmap analyze --json -j 2", || analyze(&log, &["-j2"])),
            Variant::new("hitmap analyze --json -j 1", || analyze(&log, &["-j1"])),
            Variant::new("hitmap analyze --json -j 2 --no-mmap", || {
                analyze(&log, &["-j2", "--no-mmap"])
            }),
        ];
        let medians = compare(&log, &mut variants);
        println!("1 to 2 threads: {:.2} times as fast", medians[3] / medians[2]);
    }
}
