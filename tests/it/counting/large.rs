//! Logs large enough to use every block, window and regime of counting: days of many page views and of few, numbers
//! that need many bits, and the same page view millions of times.

use std::fs;

use serde_json::json;

use crate::contract::{check_cells, check_report};
use crate::harness::{Folder, hitmap, hitmap_reading};
use crate::oracle::{self, Answer, Rules};
use crate::random::Random;

/// The program's numbers are the oracle's, however the log is read.
#[track_caller]
fn check(log: &[u8]) -> Answer {
    let answer = oracle::analyze(&[log], &Rules::default());
    let folder = Folder::new();
    let path = folder.write("access.log", log);
    let cells = folder.path("cells.ndjson");
    let paths = ["--cells", cells.to_str().unwrap(), path.to_str().unwrap()];
    for options in [&["-j1"][..], &["-j7", "--window=1MiB", "--no-mmap"]] {
        let arguments = [&["analyze", "--json", "--top=1000000"], options, &paths].concat();
        let report = hitmap(&arguments).expect_exit(0).json();
        check_report(&answer, &report);
    }
    check_cells(&answer, &fs::read(&cells).unwrap());
    let piped = ["analyze", "--window=64KiB", "--cells=-"]; // a window a megabyte, and the same days in all of them
    check_cells(&answer, &hitmap_reading(&piped, log).expect_exit(0).stdout);
    answer
}

/// A line with all its fields, and one in a thousand of them torn.
fn line(random: &mut Random, date: &str, minute: u64, page: &str, visitor: u64) -> String {
    let (hour, minute, second) = (minute / 60, minute % 60, random.below(60));
    let (high, low) = (visitor / 256, visitor % 256);
    let status =
        ["200", "200", "200", "200", "304", "404"][usize::try_from(random.below(6)).unwrap()];
    let size = random.below(100_000);
    let mut line = format!(
        "10.0.{high}.{low} - - [{date}:{hour:02}:{minute:02}:{second:02} +0800] \"GET {page} HTTP/1.1\" \
         {status} {size} \"-\" \"Mozilla/5.0 ({})\"\n",
        visitor % 3
    );
    if random.below(1_000) == 0 {
        line.truncate(usize::try_from(random.below(line.len() as u64)).unwrap());
    }
    line
}

#[test]
fn several_days_nearly_in_order() {
    let mut random = Random(1);
    let mut log = String::new();
    let lines = 120_000;
    for number in 0..lines {
        let minute = (number * 4 * 1440 / lines + random.below(90)) % (4 * 1440);
        let date = format!("{:02}/Mar/2018", 5 + minute / 1440);
        let page = random.below(40) * random.below(40);
        let page = format!("/s{}/{page}.html?n={number}", page % 7);
        let visitor = random.below(3_000);
        log += &line(&mut random, &date, minute % 1440, &page, visitor);
    }
    let answer = check(log.as_bytes());
    assert!(answer.page_views > 80_000 && answer.malformed > 50);
}

#[test]
fn one_fat_day_of_many_visitors() {
    let mut random = Random(2);
    let mut log = String::new();
    for _ in 0..90_000 {
        let (minute, visitor) = (random.below(1440), random.below(60_000));
        let page = format!("/{}", random.below(5) * random.below(5));
        log += &line(&mut random, "05/Mar/2018", minute, &page, visitor);
    }
    for day in 6..20 {
        let date = format!("{day:02}/Mar/2018"); // thin days beside it
        log += &line(&mut random, &date, 0, "/thin/x", day);
    }
    check(log.as_bytes());
}

/// One visitor, many pages, many days: day, page, visitor and minute together need more than 64 bits.
#[test]
fn one_visitor_of_many_pages_on_many_days() {
    let mut random = Random(3);
    let mut log = String::new();
    for number in 0..75_000 {
        let date = format!(
            "{:02}/{}/{:04}",
            1 + random.below(28),
            ["Jan", "Feb", "Oct", "Dec"][usize::try_from(random.below(4)).unwrap()],
            1950 + random.below(100)
        );
        let (page, minute) = (format!("/p/{number}/{}", random.below(2)), random.below(1440));
        log += &line(&mut random, &date, minute, &page, 7);
    }
    let answer = check(log.as_bytes());
    assert!(answer.cells.keys().filter(|key| key.0 == 0 && key.2.is_none()).count() > 10_000);
}

/// More than the 2^21 views that one fact holds.
#[test]
fn the_same_page_view_millions_of_times() {
    let lines = 2_200_000;
    let log = b"h - - [05/Mar/2018:14:05:09 +0800] \"GET / HTTP/1.1\" 200 1\n".repeat(lines);
    for options in [&["--json"][..], &["--json", "--window=32MiB", "-j3"]] {
        let report = hitmap_reading(&[&["analyze"], options].concat(), &log).expect_exit(0).json();
        assert_eq!(report["totals"]["page_views"], lines);
        assert_eq!(report["totals"]["bytes_sent"], lines);
        let sums = json!({"pv": lines, "uv": 1});
        for granularity in ["day", "hour", "minute"] {
            for level in ["site", "section", "page"] {
                assert_eq!(report["cells"][granularity][level], 1);
                assert_eq!(report["cell_sums"][granularity][level], sums);
            }
        }
        assert_eq!(
            report["pages"],
            json!([{"site": "default", "page": "/", "section": "/", "pv": lines, "uv": 1}])
        );
    }
}
