//! Logs of other people, with counts made by programs that share nothing with this one: first the oracle is held
//! against them, then the program.
//!
//! The logs are not part of the repository (licences, visitors' addresses). Where they are absent these tests are
//! skipped.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Read;
use std::path::Path;

use jiff::civil::DateTime;
use jiff::{Span, ToSpan};
use serde_json::{Value, json};

use crate::contract::{check_cells, check_report};
use crate::harness::{Folder, hitmap, needs};
use crate::oracle::{self, Answer, Rules};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/testdata-real");

/// Whether the folder of logs is there; the reason why not.
fn real_logs() -> Result<(), String> {
    let is_there = Path::new(FOLDER).is_dir();
    is_there.then_some(()).ok_or_else(|| format!("the real logs are not here: no {FOLDER}"))
}

/// A log's bytes, unpacked.
fn read(name: &str) -> Vec<u8> {
    let packed = fs::read(Path::new(FOLDER).join(name)).unwrap();
    if name.ends_with(".gz") {
        let mut bytes = Vec::new();
        flate2::read::MultiGzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
        bytes
    } else if name.ends_with(".zst") {
        zstd::decode_all(&packed[..]).unwrap()
    } else {
        packed
    }
}

/// The rows of a table, each by the names of the header.
fn table(name: &str) -> Vec<HashMap<String, String>> {
    let text = fs::read_to_string(Path::new(FOLDER).join(name)).unwrap();
    let mut lines = text.lines().map(|line| line.split('\t').map(str::to_owned));
    let header: Vec<String> = lines.next().unwrap().collect();
    lines.map(|fields| header.iter().cloned().zip(fields).collect()).collect()
}

/// The common and combined logs: name and row of EXPECTED.tsv.
fn logs() -> Vec<(String, HashMap<String, String>)> {
    let rows = table("EXPECTED.tsv");
    assert!(!rows.is_empty());
    rows.into_iter().map(|row| (row["file"].clone(), row)).collect()
}

/// The file's rows of EXPECTED-DAYS.tsv: day, PV, distinct (host, user agent).
fn expected_days(file: &str) -> Vec<(String, u64, u64)> {
    let rows = table("EXPECTED-DAYS.tsv").into_iter().filter(|row| row["file"] == file);
    let rows = rows.map(|row| {
        (row["day"].clone(), row["pv"].parse().unwrap(), row["distinct_host_ua"].parse().unwrap())
    });
    rows.collect()
}

/// Runs the program on a log given as bytes: the report, and the cells.
fn analyze(log: &[u8], arguments: &[&str]) -> (Value, Vec<u8>) {
    let folder = Folder::new();
    let log = folder.write("access.log", log);
    let cells = folder.path("cells.ndjson");
    let mut all = vec!["analyze", "--json", "--top", "1000000", "--cells", cells.to_str().unwrap()];
    all.extend(arguments);
    all.push(log.to_str().unwrap());
    let report = hitmap(&all).expect_exit(0).json();
    assert_eq!(report["inputs"][0]["bytes"], fs::metadata(&log).unwrap().len());
    (report, fs::read(cells).unwrap())
}

/// `--count hits`.
fn hits() -> Rules {
    Rules { count_hits: true, ..Rules::default() }
}

/// The oracle's answer has the numbers of EXPECTED*.tsv.
#[test]
fn the_oracle_agrees_with_independent_counts() {
    needs!(real_logs());
    for (file, row) in logs() {
        let log = read(&file);
        let answer = oracle::analyze(&[&log], &hits());
        let is = |column: &str, number: u64| {
            assert_eq!(row[column], number.to_string(), "{file}: {column}")
        };
        is("unpacked_bytes", log.len() as u64);
        is("lines", answer.lines);
        is("well_formed", answer.hits);
        is("bad", answer.malformed);
        is("empty", answer.empty);
        is("sum_bytes", answer.bytes_sent);
        is("host_ua", answer.range.first_key_value().unwrap().1.1);
        is("days", expected_days(&file).len() as u64);
        check_readable_requests(&file, row["request_ok"].parse().unwrap(), &answer);
        let days = answer.cells.iter().filter(|(key, _)| key.0 == 0 && key.2.is_none());
        let days: Vec<_> = days.map(|(key, (pv, uv))| (key.1.0.clone(), *pv, *uv)).collect();
        assert_eq!(days, expected_days(&file), "{file}");
        assert_eq!(answer.statuses, expected_statuses(&file), "{file}");
        for (column, time) in
            [("first_utc", answer.times.first()), ("last_utc", answer.times.last())]
        {
            assert_eq!(**time.unwrap(), *as_written(&row[column], &answer), "{file}: {column}");
        }
    }
}

fn expected_statuses(file: &str) -> BTreeMap<u64, u64> {
    let rows = table("EXPECTED-STATUS.tsv").into_iter().filter(|row| row["file"] == file);
    let statuses: BTreeMap<u64, u64> =
        rows.map(|row| (row["status"].parse().unwrap(), row["count"].parse().unwrap())).collect();
    statuses
}

/// The table's requests have exactly two blanks; ours may have more, but their method is `[A-Z]+` (design 3.1).
fn check_readable_requests(file: &str, exactly_two_blanks: u64, answer: &Answer) {
    let expected = match file {
        "08-adv-nginx-combined.log.gz" => exactly_two_blanks - 1, // one has the method SSTP_DUPLEX_POST
        _ => exactly_two_blanks,
    };
    assert_eq!(answer.readable_requests, expected, "{file}");
}

/// The time of EXPECTED.tsv (UTC) on the clock of the log, which carries one offset.
fn as_written(utc: &str, answer: &Answer) -> String {
    assert_eq!(answer.offsets.len(), 1, "a log with one offset");
    let offset: Span = answer.offsets.first().unwrap().minutes();
    (utc.trim_end_matches('Z').parse::<DateTime>().unwrap() + offset).to_string()
}

/// `--count hits` has the numbers of EXPECTED*.tsv, and every cell and number is the oracle's as well.
#[test]
fn the_program_agrees_with_independent_counts() {
    needs!(real_logs());
    for (file, row) in logs() {
        let log = read(&file);
        let (report, cells) = analyze(&log, &["--count", "hits"]);
        let totals = &report["totals"];
        let is = |column: &str, number: &Value| {
            assert_eq!(row[column], number.to_string(), "{file}: {column}")
        };
        is("unpacked_bytes", &report["inputs"][0]["bytes"]);
        is("lines", &totals["lines"]);
        is("well_formed", &totals["hits"]);
        is("bad", &totals["malformed_lines"]);
        is("empty", &totals["empty_lines"]);
        is("sum_bytes", &totals["bytes_sent"]);
        is("host_ua", &totals["unique_visitors"]);
        is("sum_daily_host_ua", &totals["sum_of_daily_unique_visitors"]);
        let format = if row["common"] == "0" { "combined" } else { "common" };
        assert_eq!(report["inputs"][0]["format"], format, "{file}");
        let days: Vec<(String, u64, u64)> =
            report["days"].as_array().unwrap().iter().map(day).collect();
        assert_eq!(days, expected_days(&file), "{file}");
        let answer = oracle::analyze(&[&log], &hits());
        check_report(&answer, &report);
        check_cells(&answer, &cells);
    }
}

fn day(row: &Value) -> (String, u64, u64) {
    let number = |key: &str| row[key].as_u64().unwrap();
    (row["bucket"].as_str().unwrap().to_owned(), number("pv"), number("uv"))
}

/// The same logs by the default rules, which no independent count covers.
#[test]
fn the_program_counts_page_views_as_the_oracle_does() {
    needs!(real_logs());
    for (file, _) in logs() {
        let log = read(&file);
        let (report, cells) = analyze(&log, &[]);
        let answer = oracle::analyze(&[&log], &Rules::default());
        eprintln!("{file}: {} page views of {} hits", answer.page_views, answer.hits);
        check_report(&answer, &report);
        check_cells(&answer, &cells);
    }
}

/// What logswan counted in its own test log. Its visits are distinct addresses, ours are (address, user agent).
#[test]
fn logswan_agrees() {
    needs!(real_logs());
    let (log, expected) = (read("13-logswan-combined.log"), read("13-logswan-expected.json"));
    let expected: Value = serde_json::from_slice(&expected).unwrap();
    let (report, _) = analyze(&log, &["--count", "hits"]);
    let totals = &report["totals"];
    assert_eq!(totals["lines"], expected["processed_lines"]);
    assert_eq!(totals["malformed_lines"], expected["invalid_lines"]);
    assert_eq!(totals["hits"], expected["hits"]["total"]);
    assert_eq!(totals["bytes_sent"], expected["bandwidth"]);
    assert_eq!(totals["status"]["2xx"], expected["status"][0]["hits"]);
    assert_eq!(totals["not_found"], expected["status"][1]["hits"]);
    let hours = report["hours"].as_array().unwrap().iter();
    let hours: Vec<Value> = hours
        .map(|row| {
            let hour: u64 = row["bucket"].as_str().unwrap()[11..].parse().unwrap();
            json!({"data": hour, "hits": row["pv"]})
        })
        .collect();
    assert_eq!(Value::from(hours), expected["hours"]);
}

/// The log_format of imooc has the host asked and the referrer where combined has referrer and user agent. Read as
/// combined its UV would not be the 2,310 of its own format, so it is refused; `--log-format` is obeyed, with a warning.
#[test]
fn imooc_is_refused_and_read_as_combined_if_told_so() {
    needs!(real_logs());
    let log = read("07-imooc-nginx-custom.log.gz");
    let folder = Folder::new();
    let path = folder.write("access.log", &log);
    let refused = hitmap(&["analyze", "--json", path.to_str().unwrap()]).expect_exit(3);
    assert!(refused.stdout.is_empty());
    for words in ["is left out", "another quoted field", "For instance: \"183.162.52.7 - - ["] {
        assert!(refused.stderr_text().contains(words), "{}", refused.stderr_text());
    }
    let named = ["analyze", "-q", "--log-format", "combined", path.to_str().unwrap()];
    let named = hitmap(&named).expect_exit(0).stderr_text();
    assert!(named.contains("read as combined, as --log-format says, but"), "{named}");
    let (report, cells) = analyze(&log, &["--count", "hits", "--log-format", "combined"]);
    assert_eq!(report["inputs"][0]["format"], "combined");
    assert_eq!(report["totals"]["hits"], 10_000);
    assert_eq!(report["totals"]["bytes_sent"], 52_404_594);
    assert_eq!(day(&report["days"][0]).0, "2016-11-10");
    let answer = oracle::analyze(&[&log], &hits());
    assert_ne!(answer.range.first_key_value().unwrap().1.1, 2_310);
    check_report(&answer, &report);
    check_cells(&answer, &cells);
}

/// `vhost:port ip id user […`: the virtual host is taken off, so that the two clients are two visitors.
#[test]
fn a_virtual_host_with_a_port_is_no_visitor() {
    needs!(real_logs());
    let log = read("21-lnav-vhost-port-custom.log");
    let (report, _) = analyze(&log, &["--count", "hits"]);
    assert_eq!(report["totals"]["hits"], 2);
    assert_eq!(report["inputs"][0]["format"], "combined inside a virtual host prefix");
    assert_eq!(day(&report["days"][0]), ("2023-07-26".to_owned(), 2, 2));
}

/// Logs without one common, combined or dig line end with exit code 1 and all their lines malformed. The sentence says
/// what they look like, and shows a line.
#[test]
fn other_formats_are_named_and_not_guessed_at() {
    needs!(real_logs());
    for (file, looks_like) in [
        ("05-nasa-jul95.tsv.gz", "a table with tabs"),
        ("12-adv-nginx-custom-date.log", "an access log of another format"),
        ("15-w3c-0.log", "a W3C extended log"),
        ("15-w3c-1.log", "a W3C extended log"),
        ("15-w3c-2.log", "a W3C extended log"),
        ("15-w3c-5.log", "a W3C extended log"),
        ("15-w3c-6.log", "a W3C extended log"),
        ("15-w3c-iis85.log.gz", "a W3C extended log"),
        ("16-caddy-docker-json.log", "JSON lines"),
        ("16-caddy-json.log", "JSON lines"),
        ("17-cloudflare-json.log", "JSON lines"),
        ("18-haproxy-syslog.log", "a log of HAProxy"),
        ("19-zeek-http.log.gz", "a Zeek log"),
    ] {
        let log = read(file);
        let folder = Folder::new();
        let path = folder.write("access.log", &log);
        let outcome = hitmap(&["analyze", "--json", path.to_str().unwrap()]).expect_exit(1);
        let words = outcome.stderr_text();
        assert!(words.contains(&format!("it looks like {looks_like}")), "{file}: {words}");
        assert!(words.contains("For instance: \""), "{file}: {words}");
        let report = outcome.json();
        let answer = oracle::analyze(&[&log], &Rules::default());
        assert_eq!(answer.hits, 0, "{file}");
        check_report(&answer, &report);
    }
}

/// Its lines begin with a blank, so HOST is empty: malformed, by the letter. The program takes the blank off.
#[test]
fn dig_log_of_another_program() {
    needs!(real_logs());
    let log = read("22-dig-beacon.log.gz");
    let answer = oracle::analyze(&[&log], &Rules::default());
    assert_eq!((answer.lines, answer.empty, answer.malformed), (1_051, 1, 1_050));

    let (indented, indented_cells) = analyze(&log, &[]);
    assert_eq!(indented["inputs"][0]["format"], "dig inside indented lines");
    let lines: Vec<&[u8]> =
        oracle::lines_of(&log).into_iter().map(<[u8]>::trim_ascii_start).collect();
    let log = lines.join(&b'\n');
    let (report, cells) = analyze(&log, &[]);
    assert_eq!(report["inputs"][0]["format"], "dig");
    assert_eq!(report["totals"]["page_views"], 1_050);
    assert_eq!(day(&report["days"][0]), ("2019-07-30".to_owned(), 1_050, 537));
    assert_eq!(report["sections"].as_array().unwrap().len(), 2);
    assert_eq!(report["sections"][0]["pv"], 1_048);
    assert_eq!(report["sections"][1]["pv"], 2);
    assert_eq!(report["page_count"], 1_016);
    assert_eq!(indented["totals"], report["totals"]);
    assert_eq!(indented_cells, cells);
    let answer = oracle::analyze(&[&log], &Rules::default());
    check_report(&answer, &report);
    check_cells(&answer, &cells);
}

/// One beacon from a browser, three lines that are not combined (a user agent without quotes, a second of one digit).
#[test]
fn dig_lines_from_other_programs() {
    needs!(real_logs());
    let log = read("23-dig-captured-samples.log");
    let (report, cells) = analyze(&log, &[]);
    assert_eq!(report["inputs"][0]["format"], "dig");
    assert_eq!(report["totals"]["hits"], 1);
    assert_eq!(report["totals"]["malformed_lines"], 3);
    assert_eq!(report["pages"][0]["page"], "/movie/12672.html");
    assert_eq!(report["totals"]["first"], "2018-05-02T14:31:11");
    let answer = oracle::analyze(&[&log], &Rules::default());
    check_report(&answer, &report);
    check_cells(&answer, &cells);
}
