//! Every log format: its fixtures in testdata/parse, with counts written by hand, and its lines cut at every byte.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::contract::{check_cells, check_report};
use crate::harness::{Folder, hitmap};
use crate::oracle::{self, Rules};

/// A fixture's numbers: `[hits, page views, malformed, empty, other, visitors, visitors of the days added up]`.
#[track_caller]
fn check(format: &str, name: &str, counts: [u64; 7]) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/parse").join(format).join(name);
    let log = fs::read(path).unwrap();
    let report = check_log(&log, format);
    let totals = &report["totals"];
    let found = [
        "hits",
        "page_views",
        "malformed_lines",
        "empty_lines",
        "other_lines",
        "unique_visitors",
        "sum_of_daily_unique_visitors",
    ];
    assert_eq!(found.map(|name| totals[name].as_u64().unwrap()), counts, "{totals:#}");
    let lines: Vec<&[u8]> = log.split_inclusive(|&byte| byte == b'\n').collect();
    check_log(&cut_everywhere(&lines[..lines.len().min(20)]), format);
    report
}

/// A log is of this format, and every number of it is the oracle's.
#[track_caller]
fn check_log(log: &[u8], format: &str) -> Value {
    let folder = Folder::new();
    let (path, cells) = (folder.write("access.log", log), folder.path("cells.ndjson"));
    let options = ["analyze", "--json", "--top=1000000", "--cells"];
    let paths = [cells.to_str().unwrap(), path.to_str().unwrap()];
    let report = hitmap(&[&options[..], &paths].concat()).expect_exit(0).json();
    assert_eq!(report["inputs"][0]["format"], format);
    let answer = oracle::analyze(&[log], &Rules::default());
    check_report(&answer, &report);
    check_cells(&answer, &fs::read(cells).unwrap());
    report
}

/// The lines whole, each as often as it has bytes, and then every beginning of each.
fn cut_everywhere(lines: &[&[u8]]) -> Vec<u8> {
    let mut log = Vec::new();
    for line in lines {
        log.extend(line.repeat(line.len() * 3));
    }
    for line in lines {
        for length in 0..line.len() {
            log.extend_from_slice(&line[..length]);
            log.push(b'\n');
        }
    }
    log
}

#[test]
fn combined_everyday() {
    let report = check("combined", "everyday.log", [20, 14, 0, 0, 0, 7, 8]);
    assert_eq!(report["totals"]["first"], "2018-03-05T08:59:58");
    assert_eq!(report["totals"]["last"], "2018-03-06T07:13:01");
    assert_eq!(report["pages"][0]["page"], "/");
    assert_eq!(report["pages"][0]["pv"], 5);
    assert_eq!(report["pages"][0]["uv"], 4);
    assert_eq!(report["sections"][1]["section"], "/movie/");
    assert_eq!(report["sections"][1]["pv"], 5);
    assert_eq!(report["sections"][1]["uv"], 3);
}

#[test]
fn combined_odd() {
    let report = check("combined", "odd.log", [24, 17, 21, 3, 0, 3, 5]);
    assert_eq!(report["totals"]["bytes_sent"], u64::MAX);
    assert_eq!(report["totals"]["offsets"], serde_json::json!(["-0330", "+0800", "+1400"]));
    assert_eq!(report["malformed_samples"][0]["line"], 27);
}

#[test]
fn common_nineties() {
    let report = check("common", "nineties.log", [15, 9, 7, 1, 0, 5, 6]);
    assert_eq!(report["totals"]["first"], "1995-06-30T23:59:59");
}

#[test]
fn dig_beacons() {
    let report = check("dig", "beacons.log", [24, 21, 10, 1, 3, 3, 4]);
    assert_eq!(report["totals"]["first"], "2018-03-07T23:59:59");
    assert_eq!(report["totals"]["last"], "2018-03-08T23:59:59");
    assert_eq!(report["pages"][0]["page"], "/");
    assert_eq!(report["pages"][0]["pv"], 5);
}

/// The log that the README lets people try.
#[test]
fn the_example() {
    let log = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/access.log")).unwrap();
    let report = check_log(&log, "combined");
    let totals = &report["totals"];
    assert!(
        totals["page_views"].as_u64().unwrap() > 500 && totals["malformed_lines"] != 0,
        "{totals:#}"
    );
}
