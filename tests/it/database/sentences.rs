//! What `report` says about names of ranges, names that are not there, ranges that have nothing, and parts of buckets.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use hitmap::generate::GeneratorOptions;
use hitmap::time::Day;
use serde_json::json;

use crate::database::stored::{analyze, analyze_with, on, report};
use crate::harness::{Folder, hitmap};
use crate::logs::{self, log_of};

/// A line of a day at a minute, with its offset.
fn line(day: Day, time: &str, offset: &str, page: &str) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (year, month, day) = day.date();
    let month = MONTHS[month as usize - 1];
    format!(
        "1.1.1.1 - - [{day:02}/{month}/{year}:{time}:00 {offset}] \"GET {page} HTTP/1.1\" 200 5 \"-\" \"UA/1\"\n"
    )
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// From Tuesday, 2018-03-06T10:00, to Thursday, 2018-03-15T20:10.
fn database(folder: &Folder) -> PathBuf {
    let database = folder.path("stats.db");
    let lines = [
        ("2018-03-06", "10:00", "/blog/1"),
        ("2018-03-12", "00:20", "/blog/2"),
        ("2018-03-15", "20:10", "/about"),
    ];
    let log: String =
        lines.iter().map(|(date, time, page)| line(day(date), time, "+0000", page)).collect();
    analyze(&database, &[&folder.write("access.log", log)]).expect_exit(0);
    database
}

/// The day on a clock so many hours ahead of UTC.
fn today(hours: u64) -> Day {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + hours * 3600;
    Day(i32::try_from(seconds / 86_400).unwrap())
}

#[test]
fn names_of_ranges_count_from_today() {
    let folder = Folder::new();
    let (first, database) = (today(14), folder.path("stats.db"));
    // One view on each of the last 70 days; the newest line tells the offset, not the others.
    let days = (0..70).rev();
    let log: String =
        days.map(|ago| line(Day(first.0 - ago), "00:00", "+1400", &format!("/{ago}"))).collect();
    analyze(&database, &[&folder.write("access.log", log)]).expect_exit(0);
    for name in
        ["today", "yesterday", "7d", "28d", "this-week", "last-week", "this-month", "last-month"]
    {
        let json =
            report(&database, &["--json", "--since", name, "--until", name]).expect_exit(0).json();
        // It may be midnight meanwhile: what it took for today is in the report.
        let said = json["database"]["today"]["day"].as_str().unwrap();
        let today = day(said);
        assert!([first, self::today(14)].contains(&today), "{said}");
        assert_eq!(json["database"]["today"]["zone"], "+1400");
        let monday = Day(today.0 - (today.0 + 3).rem_euclid(7));
        let of_month = Day(today.0 + 1 - today.date().2.cast_signed());
        let before = Day(of_month.0 - 1);
        let (start, end) = match name {
            "today" => (today, today.0 + 1),
            "yesterday" => (Day(today.0 - 1), today.0),
            "7d" => (Day(today.0 - 7), today.0),
            "28d" => (Day(today.0 - 28), today.0),
            "this-week" => (monday, today.0 + 1),
            "last-week" => (Day(monday.0 - 7), monday.0),
            "this-month" => (of_month, today.0 + 1),
            _ => (Day(before.0 + 1 - before.date().2.cast_signed()), of_month.0),
        };
        let expected: Vec<String> =
            (start.0..end.min(first.0 + 1)).map(|day| Day(day).to_string()).collect();
        let days: Vec<&str> = json["days"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["bucket"].as_str().unwrap())
            .collect();
        assert_eq!(days, expected, "{name}");
        // Without --until it goes on to the end.
        let json = report(&database, &["--json", "--since", name]).expect_exit(0).json();
        assert_eq!(json["days"].as_array().unwrap().last().unwrap()["bucket"], first.to_string());
    }
    let text = report(&database, &["--since", "7d"]).expect_exit(0).stdout_text();
    assert!(text.contains("Today") && text.contains("(+1400)"), "{text}");
    // No name, no today.
    let json = report(&database, &["--json", "--since", "2018-03-05"]).expect_exit(0).json();
    assert!(json["database"]["today"].is_null());
}

#[test]
fn today_is_that_of_the_zone() {
    let folder = Folder::new();
    let log = folder.write("access.log", line(day("2018-03-06"), "10:00", "+0000", "/"));
    let database = folder.path("stats.db");
    analyze_with(&database, &["--tz", "Pacific/Kiritimati"], &[&log]).expect_exit(0);
    let before = today(14);
    let json = report(&database, &["--json", "--until", "today"]).expect_exit(0).json();
    assert_eq!(json["database"]["today"]["zone"], "Pacific/Kiritimati");
    let said = day(json["database"]["today"]["day"].as_str().unwrap());
    assert!([before, today(14)].contains(&said), "{said}");
}

/// Trial 5: weeks, months and days that a range cuts do not look like whole ones.
#[test]
fn parts_of_buckets_are_marked() {
    let folder = Folder::new();
    let database = database(&folder);
    let rows = |options: &[&str]| -> Vec<String> {
        let text = report(&database, options).expect_exit(0).stdout_text();
        let rows = text.lines().map(str::trim).filter(|line| line.starts_with("2018-"));
        rows.map(str::to_owned).collect()
    };
    let weeks = rows(&["--by", "week"]);
    // The first week began before the first line, the second one is not over.
    assert!(weeks[0].starts_with("2018-W10") && weeks[0].ends_with("partial"), "{weeks:?}");
    assert!(weeks[1].starts_with("2018-W11") && weeks[1].ends_with("partial"), "{weeks:?}");
    let days = rows(&["--by", "day", "--since", "2018-03-12", "--until", "2018-03-14"]);
    assert_eq!(days.iter().filter(|day| day.contains("partial")).count(), 0, "{days:?}");
    let cut = rows(&["--by", "day", "--since", "2018-03-12T00:10", "--until", "2018-03-14"]);
    assert!(cut[0].starts_with("2018-03-12 Mon") && cut[0].ends_with("partial"), "{cut:?}");
    assert!(cut[1].starts_with("2018-03-13 Tue") && !cut[1].contains("partial"), "{cut:?}");
    // In the table of days, too; and its hours are blank that were not asked for.
    let text = report(&database, &["--since", "2018-03-12T00:10", "--until", "2018-03-12T11"])
        .expect_exit(0)
        .stdout_text();
    assert!(text.contains("00:10 to 11:59"), "{text}");
    let chart = text.lines().find(|line| line.contains('·') && !line.contains("UV")).unwrap();
    assert_eq!(chart.matches('·').count(), 11, "{text}");
}

#[test]
fn tables_have_heads_and_no_gaps() {
    let folder = Folder::new();
    let database = database(&folder);
    let text =
        report(&database, &["--by", "hour", "--since", "2018-03-12", "--until", "2018-03-12"])
            .expect_exit(0)
            .stdout_text();
    let (_, table) = text.split_once("By hour").unwrap();
    let mut lines = table.lines().skip(1);
    let words = |line: Option<&str>| {
        line.unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(words(lines.next()), ["hour", "PV", "UV"]);
    let first = words(lines.next());
    assert_eq!(first[..3], ["2018-03-12", "00:00", "1"]);
    let hours = lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>();
    assert_eq!(hours.len(), 23);
    for hour in hours {
        assert_eq!(words(Some(hour))[2..], ["0", "0"], "{hour}");
    }
    // A table of days is there once.
    let text = report(&database, &["--by", "day"]).expect_exit(0).stdout_text();
    assert_eq!(text.matches("2018-03-13 Tue").count(), 1, "{text}");
}

/// Trial 13: names that are not there.
#[test]
fn names_that_may_have_been_meant_are_said() {
    let folder = Folder::new();
    let database = database(&folder);
    for (options, sentence) in [
        (&["--section", "blog"][..], "no section \"blog\"; did you mean \"/blog/\"?"),
        (&["--section", "/Blog"], "did you mean \"/blog/\"?"),
        (&["--section", "/shop/"], "no section \"/shop/\""),
        (&["--page", "/blgo/1"], "no page \"/blgo/1\"; did you mean \"/blog/1\""),
        (&["--page", "abuot"], "did you mean \"/about\"?"),
        (&["--section", "blog", "--json"], "did you mean \"/blog/\"?"),
    ] {
        let outcome = report(&database, options).expect_exit(0);
        assert!(outcome.stderr_text().contains(sentence), "{options:?}: {}", outcome.stderr_text());
    }
    for options in [
        &["--section", "/blog/"][..],
        &["--page", "/blog/1"],
        &["--section", "/blog/", "--until", "2017-01-01"],
    ] {
        assert_eq!(report(&database, options).expect_exit(0).stderr_text(), "", "{options:?}");
    }
    let outcome = report(&database, &["--site", "defualt"]).expect_exit(2);
    assert!(
        outcome.stderr_text().contains("did you mean \"default\"?"),
        "{}",
        outcome.stderr_text()
    );
    let outcome = report(&database, &["--site", "x"]).expect_exit(2);
    assert!(outcome.stderr_text().contains("it has \"default\""), "{}", outcome.stderr_text());
}

#[test]
fn an_empty_answer_says_what_was_counted() {
    let folder = Folder::new();
    let database = database(&folder);
    for options in [
        &["--since", "2019-01-01"][..],
        &["--section", "/shop/"],
        &["--since", "2018-03-07", "--until", "2018-03-08"],
    ] {
        let text = report(&database, options).expect_exit(0).stdout_text();
        let counted = "It has counted 2018-03-06 10:00 – 2018-03-15 20:10.";
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(counted), "{options:?}: {text}");
        let json = report(&database, &[options, &["--json"]].concat()).expect_exit(0).json();
        let counted =
            json!([{"site": "default", "first": "2018-03-06T10:00", "last": "2018-03-15T20:10"}]);
        assert_eq!(json["database"]["counted"], counted);
    }
}

/// Trial 12: a report of a site counts its sources only, and sources name their sites.
#[test]
fn sources_are_those_of_the_site() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    for (site, number) in [("a", 1), ("b", 2), ("b", 3)] {
        let page = format!("/{number}");
        let log =
            folder.write(format!("{number}.log"), line(day("2018-03-06"), "10:00", "+0000", &page));
        analyze_with(&database, &["--site", site], &[&log]).expect_exit(0);
    }
    for (options, sources) in [(&["--site", "a"][..], 1), (&["--site", "b"], 2), (&[], 3)] {
        let options = [options, &["--json"]].concat();
        let json = report(&database, &options).expect_exit(0).json();
        assert_eq!(json["database"]["sources"], sources, "{options:?}");
    }
    let list = on(&database, "sources", &[]).expect_exit(0).stdout_text();
    for (name, site) in [("1.log", "a"), ("2.log", "b"), ("3.log", "b")] {
        let line = list.lines().find(|line| line.ends_with(name)).unwrap();
        assert!(line.split_whitespace().any(|word| word == site), "{line}");
    }
}

#[test]
fn a_comparison_needs_a_range_and_says_where_nothing_was_counted() {
    let folder = Folder::new();
    let database = database(&folder);
    for options in [&["--compare", "previous"][..], &["--compare", "year", "--until", "2018-03-12"]]
    {
        let outcome = report(&database, options).expect_exit(2);
        assert!(outcome.stderr_text().contains("--since"), "{}", outcome.stderr_text());
    }
    let options = ["--since", "2018-03-12", "--until", "2018-03-13", "--compare", "year"];
    let json = report(&database, &[&options[..], &["--json"]].concat()).expect_exit(0).json();
    let nothing = json!({"now": 1, "before": null, "difference": null, "percent": null});
    assert_eq!(json["comparison"]["totals"]["page_views"], nothing);
    assert_eq!(json["comparison"]["grown"], json!([]));
    let text = report(&database, &options).expect_exit(0).stdout_text();
    assert!(text.contains("nothing was counted in the earlier range"), "{text}");
    let row = text.lines().find(|line| line.trim_start().starts_with("2018-03-12 Mon")).unwrap();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words[2..], ["1", "-", "-", "1", "-", "-"], "{text}");
}

/// Trial 13: `--top all`, and a log in place of a subcommand.
#[test]
fn what_people_write_is_understood() {
    let folder = Folder::new();
    let log = log_of(GeneratorOptions { pages: 60, ..logs::options(2_000) });
    let path = folder.write("access.log", &log);
    let database = folder.path("stats.db");
    let counted = analyze_with(&database, &["--top", "all"], &[&path]).expect_exit(0).json();
    let pages = counted["page_count"].as_u64().unwrap();
    assert!(pages > 20);
    assert_eq!(counted["pages"].as_array().unwrap().len() as u64, pages);
    let stored = report(&database, &["--json", "--top", "all"]).expect_exit(0).json();
    assert_eq!(stored["pages"], counted["pages"]);
    // No bytes are read by a report: no rate is 0.
    assert!(stored["timing"]["bytes_per_second"].is_null());
    report(&database, &["--top", "some"]).expect_exit(2);
    let outcome = hitmap(&[path.as_os_str()]).expect_exit(2);
    let tip = format!("hitmap analyze {}", path.display());
    assert!(outcome.stderr_text().contains(&tip), "{}", outcome.stderr_text());
    let outcome = hitmap(&["reprot"]).expect_exit(2);
    assert!(outcome.stderr_text().contains("'report'"), "{}", outcome.stderr_text());
    assert!(!outcome.stderr_text().contains("hitmap analyze reprot"));
    assert_eq!(count_hits_words(&folder, &path), 0);
}

/// How often a report of all hits calls them page views.
fn count_hits_words(folder: &Folder, log: &Path) -> usize {
    let database = folder.path("hits.db");
    analyze_with(&database, &["--count", "hits"], &[log]).expect_exit(0);
    let range = ["--since", "2018-03-06", "--until", "2018-03-08", "--compare", "previous"];
    let text = report(&database, &range).expect_exit(0).stdout_text();
    text.to_lowercase().matches("page view").count()
}
