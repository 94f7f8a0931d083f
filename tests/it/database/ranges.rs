//! `report`: ranges, units, sections and pages, new and returning visitors, over a year's end, against page views
//! that were counted one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hitmap::generate::GeneratorOptions;
use hitmap::time::Day;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::contract;
use crate::database::stored::{
    self, View, analyze, analyze_with, assert_traffic, check, count, expected_traffic, report,
    traffic, views, views_by, week,
};
use crate::harness::Folder;
use crate::logs::{self, log_of};
use crate::oracle::Visitor;
use crate::random::rules;

const UNITS: [&str; 5] = ["minute", "hour", "day", "week", "month"];

/// Two logs from 2018-12-20 on, twenty days long.
fn database(folder: &Folder) -> (PathBuf, Vec<Vec<u8>>) {
    let start = Day::from_date(2018, 12, 20).unwrap();
    let logs: Vec<Vec<u8>> = (1..=2)
        .map(|seed| {
            log_of(GeneratorOptions {
                seed,
                start,
                days: 20,
                visitors: 150,
                ..logs::options(1_500)
            })
        })
        .collect();
    let database = folder.path("stats.db");
    for (number, log) in logs.iter().enumerate() {
        analyze(&database, &[&folder.write(format!("{number}.log"), log)]).expect_exit(0);
    }
    (database, logs)
}

/// The report, which is the same if cells are written besides.
#[track_caller]
fn ask(database: &Path, options: &[&str]) -> Value {
    let all_facts = [options, &["--cells", "/dev/null"]].concat();
    let [one, other] = [options, &all_facts].map(|options| {
        let mut json = report(database, &[options, &["--json"]].concat()).expect_exit(0).json();
        json["timing"].take();
        json
    });
    assert_eq!(one, other, "{options:?}");
    one
}

fn totals(json: &Value) -> (u64, u64) {
    let number = |name: &str| json["totals"][name].as_u64().unwrap();
    (number("page_views"), number("unique_visitors"))
}

/// New and returning visitors of the days of `seen`, among all views of the database.
fn newcomers(all: &[View], seen: &[&View]) -> Value {
    let mut first_days: BTreeMap<&Visitor, &str> = BTreeMap::new();
    for view in all {
        let first = first_days.entry(&view.visitor).or_insert(view.day());
        *first = (*first).min(view.day());
    }
    let mut days: BTreeMap<&str, BTreeSet<&Visitor>> = BTreeMap::new();
    for view in seen {
        days.entry(view.day()).or_default().insert(&view.visitor);
    }
    let row = |(day, visitors): (&str, BTreeSet<&Visitor>)| {
        let new = visitors.iter().filter(|visitor| first_days[**visitor] == day).count();
        json!({"site": "default", "bucket": day, "new": new, "returning": visitors.len() - new})
    };
    days.into_iter().map(row).collect()
}

fn buckets(unit: &str, seen: &[&View]) -> Value {
    let mut buckets: BTreeMap<String, Vec<&View>> = BTreeMap::new();
    for view in seen {
        buckets.entry(view.bucket(unit)).or_default().push(view);
    }
    let row = |(bucket, views): (String, Vec<&View>)| {
        let (pv, uv) = count(views);
        json!({"site": "default", "bucket": bucket, "pv": pv, "uv": uv})
    };
    buckets.into_iter().map(row).collect()
}

/// The buckets of a report that have page views, without their marks.
fn with_views(json: &Value) -> Value {
    let mut buckets = json["database"]["buckets"].clone();
    let rows = buckets.as_array_mut().unwrap();
    rows.retain(|row| row["pv"] != 0);
    for row in rows {
        row.as_object_mut().unwrap().remove("partial").unwrap();
    }
    buckets
}

#[test]
fn weeks_follow_iso_8601() {
    for (date, expected) in [
        ("2018-12-30", "2018-W52"),
        ("2018-12-31", "2019-W01"),
        ("2019-01-06", "2019-W01"),
        ("2019-12-30", "2020-W01"),
        ("2021-01-03", "2020-W53"),
        ("2016-01-01", "2015-W53"),
        ("2024-02-29", "2024-W09"),
    ] {
        assert_eq!(week(date), expected);
    }
}

#[test]
fn every_unit_is_exact_over_the_end_of_a_year() {
    let folder = Folder::new();
    let (database, logs) = database(&folder);
    let logs: Vec<&[u8]> = logs.iter().map(Vec::as_slice).collect();
    check(&database, &logs);
    let views = views(&logs);
    let all: Vec<&View> = views.iter().collect();
    for unit in UNITS {
        let json = ask(&database, &["--by", unit]);
        assert_eq!(with_views(&json), buckets(unit, &all), "{unit}");
        assert_eq!(json["database"]["granularity"], unit);
        assert_eq!(json["database"]["new_visitors"], newcomers(&views, &all));
    }
    let weeks = ask(&database, &["--by", "week"])["database"]["buckets"].to_string();
    assert!(weeks.contains("2018-W52") && weeks.contains("2019-W01"), "{weeks}");

    // The same figures for people, and since when a visitor is called new.
    let text = report(&database, &["--by", "month"]).expect_exit(0).stdout_text();
    let expected = newcomers(&views, &all);
    let (_, visitors) = text.split_once("New and returning visitors").unwrap();
    assert!(visitors.contains("since the database began, 2018-12-20"), "{visitors}");
    for row in expected.as_array().unwrap() {
        let day = row["bucket"].as_str().unwrap();
        let line = visitors.lines().find(|line| line.trim().starts_with(day)).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words, [day, &row["new"].to_string(), &row["returning"].to_string()]);
    }
}

/// Other visitors, sections and clocks, each set of rules in a database of its own.
#[test]
fn ranges_are_exact_by_any_rules() {
    let mut runner = TestRunner::deterministic();
    let start = Day::from_date(2018, 12, 20).unwrap();
    let log =
        log_of(GeneratorOptions { seed: 3, start, days: 20, visitors: 150, ..logs::options(800) });
    let folder = Folder::new();
    let path = folder.write("access.log", &log);
    for number in 0..12 {
        let rules = rules().new_tree(&mut runner).unwrap().current();
        let options = rules.options();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let database = folder.path(format!("{number}.db"));
        analyze_with(&database, &options, &[&path]).expect_exit(0);
        let views = views_by(&rules, &[&log]);
        assert_traffic(&traffic(&database), &expected_traffic(&views));
        let middle = &views[views.len() / 2];
        let (first, last) = ("2018-12-24T07:30", "2019-01-04T18");
        let in_range = |view: &&View| &view.time[..16] >= first && &view.time[..13] <= last;
        let seen: Vec<&View> = views.iter().filter(in_range).collect();
        let of_section: Vec<&View> =
            seen.iter().copied().filter(|view| view.section == middle.section).collect();
        let range = ["--since", first, "--until", last];
        let section = ["--section", &middle.section];
        for (options, seen) in
            [(range.to_vec(), seen), ([&range[..], &section].concat(), of_section)]
        {
            let unit = UNITS[number % UNITS.len()];
            let json = ask(&database, &[&options[..], &["--by", unit]].concat());
            assert_eq!(totals(&json), count(seen.iter().copied()), "{rules:?} {options:?}");
            assert_eq!(with_views(&json), buckets(unit, &seen), "{rules:?} {options:?}");
            let expected = newcomers(&views, &seen);
            assert_eq!(json["database"]["new_visitors"], expected, "{rules:?} {options:?}");
        }
    }
}

#[test]
fn the_unit_that_is_written_is_included() {
    let folder = Folder::new();
    let (database, logs) = database(&folder);
    let logs: Vec<&[u8]> = logs.iter().map(Vec::as_slice).collect();
    let views = views(&logs);
    let some = &views[views.len() / 2].time;
    let other = &views[views.len() / 3].time;
    for (since, until) in [
        (Some("2018-12-31"), Some("2018-12-31")),
        (Some("2018-12-25"), Some("2019-01-02")),
        (None, Some("2018-12-24")),
        (Some("2019-01-03"), None),
        (Some(&some[..13]), Some(&some[..13])),
        (Some(&some[..16]), Some(&some[..16])),
        (Some(&some[..10]), Some(&some[..16])),
        (Some("2018-12-24T23:59"), Some("2018-12-31T00")),
        (Some("2018-12-31T23"), Some("2019-01-01T00:00")),
        (None, Some(&other[..16])),
        (Some(&other[..13]), None),
        (Some("1999-01-01"), Some("1999-12-31")),
        (Some("2030-01-01"), None),
    ] {
        let is_in = |view: &&View| {
            since.is_none_or(|since| view.time[..since.len()] >= *since)
                && until.is_none_or(|until| view.time[..until.len()] <= *until)
        };
        let seen: Vec<&View> = views.iter().filter(is_in).collect();
        let mut options = Vec::new();
        options.extend(since.iter().flat_map(|since| ["--since", since]));
        options.extend(until.iter().flat_map(|until| ["--until", until]));
        for unit in UNITS {
            let json = ask(&database, &[&options[..], &["--by", unit]].concat());
            assert_eq!(totals(&json), count(seen.iter().copied()), "{options:?}");
            assert_eq!(with_views(&json), buckets(unit, &seen), "{options:?} {unit}");
            assert_eq!(json["database"]["new_visitors"], newcomers(&views, &seen), "{options:?}");
            if unit != "day" && seen.len() > 100 {
                break;
            }
        }
        // What only the lines knew is not guessed.
        let totals = ask(&database, &options)["totals"].take();
        for name in ["lines", "malformed_lines", "empty_lines", "other_lines", "offsets"] {
            assert!(totals[name].is_null(), "{name} {options:?}");
        }
        let is_cut = options.iter().any(|time| time.contains('T'));
        for name in ["hits", "bytes_sent", "status", "not_found"] {
            assert_eq!(totals[name].is_null(), is_cut, "{name} {options:?}");
        }
    }
}

/// Sums over hits of whole days are those of a run over the lines of these days.
#[test]
fn hits_of_whole_days_are_those_of_their_lines() {
    let folder = Folder::new();
    let (database, logs) = database(&folder);
    let whole = [&[][..], &["--since", "1999-01-01"], &["--site", "default"]];
    let [everything, since, site] = whole.map(|options| ask(&database, options)["totals"].take());
    let days = |dates: &[(&str, std::ops::RangeInclusive<u32>)]| -> Vec<String> {
        let texts = |(month, days): &(&str, std::ops::RangeInclusive<u32>)| {
            let month = (*month).to_owned();
            days.clone().map(move |day| format!("[{day:02}/{month}:")).collect::<Vec<_>>()
        };
        dates.iter().flat_map(texts).collect()
    };
    for (options, days) in [
        (
            &["--since", "2018-12-25", "--until", "2019-01-02"][..],
            days(&[("Dec/2018", 25..=31), ("Jan/2019", 1..=2)]),
        ),
        (&["--until", "2018-12-20"], days(&[("Dec/2018", 20..=20)])),
        (&["--since", "2019-01-08"], days(&[("Jan/2019", 8..=9)])),
        (&["--since", "2030-01-01"], Vec::new()),
    ] {
        let is_in = |line: &&[u8]| {
            let line = String::from_utf8_lossy(line);
            days.iter().any(|day| line.contains(day.as_str()))
        };
        let lines = logs.iter().flat_map(|log| log.split_inclusive(|&byte| byte == b'\n'));
        let log = folder.write("days.log", lines.filter(is_in).collect::<Vec<_>>().concat());
        let json = report(&database, &[options, &["--json"]].concat()).expect_exit(0).json();
        let expected = if days.is_empty() {
            json!({"hits": 0, "bytes_sent": 0, "not_found": 0, "page_views": 0,
                "status": {"1xx": 0, "2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0, "other": 0}})
        } else {
            crate::harness::hitmap(&["analyze", "--json", log.to_str().unwrap()])
                .expect_exit(0)
                .json()["totals"]
                .take()
        };
        for name in ["hits", "bytes_sent", "status", "not_found", "page_views"] {
            assert_eq!(json["totals"][name], expected[name], "{name} {options:?}");
        }
        let text = report(&database, options).expect_exit(0).stdout_text();
        assert_eq!(text.contains("share of all hits"), !days.is_empty(), "{text}");
    }
    for name in ["hits", "bytes_sent", "status", "not_found", "page_views"] {
        assert!(everything[name] == since[name] && everything[name] == site[name], "{name}");
    }
    assert!(everything["hits"].as_u64() > everything["page_views"].as_u64());
    for options in [&["--section", "/movie/"][..], &["--page", "/"]] {
        let totals = ask(&database, options)["totals"].take();
        assert!(totals["hits"].is_null() && totals["status"].is_null(), "{options:?}");
    }
}

#[test]
fn sections_and_pages_alone() {
    let folder = Folder::new();
    let (database, logs) = database(&folder);
    let logs: Vec<&[u8]> = logs.iter().map(Vec::as_slice).collect();
    let views = views(&logs);
    let section = &views.iter().find(|view| view.section == "/movie/").unwrap().section;
    let page = &views[views.len() / 2].page;
    type Case<'c> = (&'c [&'c str], &'c dyn Fn(&View) -> bool);
    let cases: [Case<'_>; 5] = [
        (&["--section", section], &|view| view.section == *section),
        (&["--section", "/"], &|view| view.section == "/"),
        (&["--page", page], &|view| view.page == *page),
        (&["--page", page, "--section", "/nowhere/"], &|_| false),
        (
            &["--section", section, "--since", "2018-12-27T12", "--until", "2019-01-02T17:30"],
            &|view| {
                view.section == *section
                    && view.time.as_str() >= "2018-12-27T12"
                    && view.time.as_str() < "2019-01-02T17:31"
            },
        ),
    ];
    for (options, is_in) in cases {
        let seen: Vec<&View> = views.iter().filter(|view| is_in(view)).collect();
        for unit in ["hour", "week"] {
            let json = ask(&database, &[options, &["--by", unit]].concat());
            assert_eq!(totals(&json), count(seen.iter().copied()), "{options:?}");
            assert_eq!(with_views(&json), buckets(unit, &seen), "{options:?}");
            // New to the site, not to the page.
            assert_eq!(json["database"]["new_visitors"], newcomers(&views, &seen), "{options:?}");
        }
        let rows = report(&database, &[options, &["--cells", "-"]].concat()).expect_exit(0);
        let lines: Vec<u8> =
            seen.iter().flat_map(|view| [&view.line[..], b"\n"].concat()).collect();
        contract::check_cells(&stored::oracle(&[&lines]), &rows.stdout);
    }
}

#[test]
fn what_cannot_be_asked_is_said() {
    let folder = Folder::new();
    let (database, _) = database(&folder);
    for options in [
        &["--since", "2018-12-31", "--until", "2018-12-30"][..],
        &["--since", "2018-12-31T10:00", "--until", "2018-12-31T09"],
        &["--since", "2018-13-01"],
        &["--until", "tomorrow"],
        &["--by", "year"],
        &["--site", "nobody"],
        &["--json", "--cells", "-"],
    ] {
        let outcome = report(&database, options).expect_exit(2);
        assert!(outcome.stdout.is_empty() && !outcome.stderr.is_empty(), "{options:?}");
    }
}
