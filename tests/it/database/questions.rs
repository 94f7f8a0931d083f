//! `--by` without gaps and `--compare`, on random ranges of two sites, against page views that were counted one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;

use hitmap::generate::GeneratorOptions;
use hitmap::time::Day;
use serde_json::{Value, json};

use crate::database::stored::{View, analyze_with, count, oracle, report, views};
use crate::harness::Folder;
use crate::logs::{self, log_of};
use crate::random::Random;

const UNITS: [&str; 5] = ["minute", "hour", "day", "week", "month"];
const DAY: i64 = 1440;
const WEEK: i64 = 7 * DAY;

/// A site that was counted: its page views, and the minutes from its first to its last line.
struct Site {
    name: &'static str,
    views: Vec<View>,
    counted: Range<i64>,
}

fn minute(text: &str) -> i64 {
    let number = |text: &str| text.parse::<i64>().unwrap();
    let day: Day = text[..10].parse().unwrap();
    i64::from(day.0) * DAY + number(&text[11..13]) * 60 + number(&text[14..16])
}

/// `2018-03-05T14:05`
fn text(minute: i64) -> String {
    let (day, minute) = (minute.div_euclid(DAY), minute.rem_euclid(DAY));
    format!("{}T{:02}:{:02}", Day(i32::try_from(day).unwrap()), minute / 60, minute % 60)
}

/// The name of the bucket that a minute lies in.
fn bucket(unit: &str, minute: i64) -> String {
    View {
        time: format!("{}:00", text(minute)),
        visitor: Vec::new(),
        section: String::new(),
        page: String::new(),
        line: Vec::new(),
    }
    .bucket(unit)
}

/// The buckets that share minutes with a range, whole: by stepping from minute to minute.
fn buckets(unit: &str, range: &Range<i64>) -> Vec<(String, Range<i64>)> {
    let mut found: Vec<(String, Range<i64>)> = Vec::new();
    for minute in range.clone() {
        match found.last_mut() {
            // Nobody names 40,000 minutes of a month one by one.
            Some((_, range)) if unit != "minute" && minute % 60 != 0 => range.end = minute + 1,
            Some((name, range)) if *name == bucket(unit, minute) => range.end = minute + 1,
            _ => found.push((bucket(unit, minute), minute..minute + 1)),
        }
    }
    let is_of = |name: &str, minute: i64| bucket(unit, minute) == name;
    if let Some((name, range)) = found.first_mut() {
        while is_of(name, range.start - 1) {
            range.start -= 1;
        }
    }
    if let Some((name, range)) = found.last_mut() {
        while is_of(name, range.end) {
            range.end += 1;
        }
    }
    found
}

fn meet(one: &Range<i64>, other: &Range<i64>) -> Option<Range<i64>> {
    let both = one.start.max(other.start)..one.end.min(other.end);
    (!both.is_empty()).then_some(both)
}

impl Site {
    fn views_in(&self, range: &Range<i64>) -> Vec<&View> {
        self.views.iter().filter(|view| range.contains(&minute(&view.time))).collect()
    }

    fn was_counted(&self, range: &Range<i64>) -> bool {
        meet(&self.counted, range).is_some()
    }

    fn is_partial(&self, bucket: &Range<i64>, since: Option<i64>, until: Option<i64>) -> bool {
        let newest = self.counted.end - 1;
        let length = bucket.end - bucket.start;
        since.is_some_and(|since| since > bucket.start)
            || until.is_some_and(|until| until < bucket.end)
            || bucket.contains(&newest) && (newest + 1 < bucket.end || length == 1)
            || bucket.contains(&self.counted.start) && self.counted.start - bucket.start >= 60
    }
}

/// Seventy days of two sites; the second begins later and ends earlier.
fn database(folder: &Folder) -> (PathBuf, Vec<Site>) {
    let database = folder.path("stats.db");
    let mut sites = Vec::new();
    for (name, start, days, seed) in [("a", (2018, 11, 20), 70, 1), ("b", (2018, 12, 17), 30, 2)] {
        let start = Day::from_date(start.0, start.1, start.2).unwrap();
        let lines = 1_200;
        let options = GeneratorOptions { seed, start, days, visitors: 80, ..logs::options(lines) };
        let log = log_of(options);
        let path = folder.write(format!("{name}.log"), &log);
        analyze_with(&database, &["--site", name], &[&path]).expect_exit(0);
        let times = oracle(&[&log]).times;
        let [first, last] = [times.first(), times.last()].map(|time| minute(&time.unwrap().0));
        sites.push(Site { name, views: views(&[&log]), counted: first..last + 1 });
    }
    (database, sites)
}

/// A random time: sometimes a midnight, sometimes a minute.
fn time(random: &mut Random, around: &Range<i64>) -> i64 {
    let days = u64::try_from((around.end - around.start) / DAY + 20).unwrap();
    let day = around.start / DAY - 10 + random.below(days).cast_signed();
    let of_day = [0, 0, 14 * 60, random.below(1440).cast_signed()][random.place(4)];
    day * DAY + of_day
}

fn range_options(since: Option<i64>, until: Option<i64>) -> Vec<String> {
    let mut options = Vec::new();
    options.extend(since.into_iter().flat_map(|since| ["--since".to_owned(), text(since)]));
    options.extend(until.into_iter().flat_map(|until| ["--until".to_owned(), text(until - 1)]));
    options
}

#[track_caller]
fn ask(database: &std::path::Path, options: &[String]) -> Value {
    let mut options: Vec<&str> = options.iter().map(String::as_str).collect();
    options.push("--json");
    report(database, &options).expect_exit(0).json()
}

#[test]
fn buckets_have_no_gaps_and_parts_are_marked() {
    let folder = Folder::new();
    let (database, sites) = database(&folder);
    let mut random = Random(3);
    for number in 0..120 {
        let unit = UNITS[random.place(5)];
        let whole = &sites[0].counted;
        let mut ends = [time(&mut random, whole), time(&mut random, whole)];
        ends.sort_unstable();
        let since = (number % 7 > 0).then_some(ends[0]);
        let mut until = (number % 5 > 0).then_some(ends[1].max(ends[0] + 1));
        if unit == "minute" {
            until = Some(since.unwrap_or(whole.start) + 3 * DAY);
        }
        let section = (number % 6 == 0).then(|| sites[0].views[number].section.clone());
        let mut options = range_options(since, until);
        options.extend(["--by".to_owned(), unit.to_owned()]);
        options.extend(section.iter().flat_map(|name| ["--section".to_owned(), name.clone()]));
        let mut expected = Vec::new();
        for site in &sites {
            let asked = since.unwrap_or(i64::MIN)..until.unwrap_or(i64::MAX);
            let Some(counted) = meet(&site.counted, &asked) else { continue };
            let mut views: BTreeMap<String, Vec<&View>> = BTreeMap::new();
            for view in site.views_in(&counted) {
                if section.as_ref().is_none_or(|section| *section == view.section) {
                    views.entry(view.bucket(unit)).or_default().push(view);
                }
            }
            for (name, minutes) in buckets(unit, &counted) {
                let (pv, uv) = count(views.remove(&name).unwrap_or_default());
                expected.push(json!({
                    "site": site.name, "bucket": name, "pv": pv, "uv": uv,
                    "partial": site.is_partial(&minutes, since, until),
                }));
            }
            assert!(views.is_empty());
        }
        let found = ask(&database, &options);
        assert_eq!(found["database"]["buckets"], Value::from(expected), "{options:?}");
        assert_eq!(found["database"]["granularity"], unit);
        // The rows of days and hours, which have gaps, are marked in the same way.
        for (unit, rows) in [("day", &found["days"]), ("hour", &found["hours"])] {
            for row in rows.as_array().unwrap() {
                let site = sites.iter().find(|site| row["site"] == site.name).unwrap();
                let name = row["bucket"].as_str().unwrap();
                let start = minute(&if unit == "day" {
                    format!("{name}T00:00")
                } else {
                    format!("{name}:00")
                });
                let minutes = &buckets(unit, &(start..start + 1))[0].1;
                assert_eq!(row["partial"], site.is_partial(minutes, since, until), "{row}");
            }
        }
    }
}

#[test]
fn every_section_and_every_page_is_listed() {
    let folder = Folder::new();
    let (database, sites) = database(&folder);
    for (by, other) in [("section", "pages"), ("page", "sections")] {
        let range = minute("2018-12-20T12:00")..minute("2019-01-05T00:00");
        let mut options = range_options(Some(range.start), Some(range.end));
        options.extend(["--by", by, "--top", "2"].map(str::to_owned));
        let mut places: BTreeMap<(&str, &str), Vec<&View>> = BTreeMap::new();
        for site in &sites {
            for view in site.views_in(&range) {
                let name = if by == "page" { &view.page } else { &view.section };
                places.entry((site.name, name)).or_default().push(view);
            }
        }
        let mut rows: Vec<_> =
            places.into_iter().map(|(name, views)| (name, count(views))).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.1.0));
        let json = ask(&database, &options);
        let found = json[format!("{by}s")].as_array().unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|row| {
                let word = |key: &str| row[key].as_str().unwrap();
                let number = |key: &str| row[key].as_u64().unwrap();
                ((word("site"), word(by)), (number("pv"), number("uv")))
            })
            .collect();
        assert_eq!(found, rows);
        assert!(found.len() > 2 && json[other].as_array().unwrap().len() == 2);
        assert_eq!(json["database"]["by"], by);
        assert_eq!(json["database"]["buckets"], json!([]));
        // People see them all, too, under heads.
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let text = report(&database, &options).expect_exit(0).stdout_text();
        for ((_, name), _) in rows {
            assert!(text.contains(name), "{name}: {text}");
        }
    }
}

/// The range before, and how far back it lies.
fn earlier(compare: &str, asked: &Range<i64>) -> (Range<i64>, i64) {
    let (since, until) = (text(asked.start), text(asked.end));
    let length = asked.end - asked.start;
    let is_midnight = since.ends_with("T00:00") && until.ends_with("T00:00");
    let is_month = is_midnight && since[8..10] == *"01" && {
        let last = text(asked.end - 1);
        last[..7] == since[..7] && until[8..10] == *"01"
    };
    let is_monday = bucket("week", asked.start) != bucket("week", asked.start - 1);
    let distance = if compare == "year" {
        364 * DAY
    } else if is_midnight && length == DAY {
        DAY
    } else if is_month {
        let last = text(asked.start - 1);
        let first = minute(&format!("{}-01T00:00", &last[..7]));
        return (first..asked.start, asked.start - first);
    } else if is_midnight && is_monday && length == WEEK {
        WEEK
    } else {
        (1..).map(|weeks| weeks * WEEK).find(|distance| *distance >= length).unwrap()
    };
    (asked.start - distance..asked.end - distance, distance)
}

fn change(now: Option<u64>, before: Option<u64>) -> Value {
    let number = |number: u64| i64::try_from(number).unwrap();
    let difference = now.zip(before).map(|(now, before)| number(now) - number(before));
    let percent = difference
        .zip(before.filter(|&before| before > 0))
        .map(|(difference, before)| (difference as f64 * 10_000.0 / before as f64).round() / 100.0);
    json!({"now": now, "before": before, "difference": difference, "percent": percent})
}

/// PV and UV, now and before; `None` where nothing was counted.
fn changes(now: Option<(u64, u64)>, before: Option<(u64, u64)>) -> (Value, Value) {
    let pv = change(now.map(|now| now.0), before.map(|before| before.0));
    (pv, change(now.map(|now| now.1), before.map(|before| before.1)))
}

fn range_of(range: &Range<i64>) -> Value {
    json!({"first": text(range.start), "last": text(range.end - 1)})
}

/// The pages of both ranges, as rows of a comparison: by PV now, then by site and page.
fn page_rows(sites: &[Site], now: &Range<i64>, before: &Range<i64>) -> Vec<Value> {
    let mut rows = Vec::new();
    for site in sites {
        let [views, earlier] = [now, before].map(|range| {
            let mut pages: BTreeMap<(&str, &str), Vec<&View>> = BTreeMap::new();
            for view in site.views_in(range) {
                pages.entry((&view.page, &view.section)).or_default().push(view);
            }
            pages
        });
        let names: BTreeSet<_> = views.keys().chain(earlier.keys()).copied().collect();
        for name in names {
            let counts = |pages: &BTreeMap<_, Vec<&View>>, range| {
                let views = pages.get(&name).cloned().unwrap_or_default();
                site.was_counted(range).then(|| count(views))
            };
            let (pv, uv) = changes(counts(&views, now), counts(&earlier, before));
            rows.push(
                json!({"site": site.name, "page": name.0, "section": name.1, "pv": pv, "uv": uv}),
            );
        }
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row["pv"]["now"].as_u64()));
    rows
}

/// What the report has to say if two ranges are compared.
fn expected(
    sites: &[Site],
    unit: &str,
    (now, before, distance): (&Range<i64>, &Range<i64>, i64),
    (since, until): (i64, Option<i64>),
    top: usize,
) -> Value {
    let totals = |range: &Range<i64>| {
        let views: Vec<&View> = sites.iter().flat_map(|site| site.views_in(range)).collect();
        let (pv, uv) = count(views.iter().copied());
        let mut daily = BTreeSet::new();
        for site in sites {
            let views = site.views_in(range);
            daily.extend(views.into_iter().map(|view| (site.name, view.day(), &view.visitor)));
        }
        let was_counted = sites.iter().any(|site| site.was_counted(range));
        was_counted.then_some((pv, uv, daily.len() as u64))
    };
    let (of_now, of_before) = (totals(now), totals(before));
    let of_total =
        |number: fn((u64, u64, u64)) -> u64| change(of_now.map(number), of_before.map(number));
    let mut rows = Vec::new();
    for site in sites {
        for (name, whole) in buckets(unit, now) {
            let part = meet(&whole, now).unwrap();
            let moved = part.start - distance..part.end - distance;
            let earlier = if part == *now {
                Some(before.clone())
            } else {
                (before.start <= moved.start && moved.end <= before.end).then_some(moved)
            };
            let counts =
                |range: &Range<i64>| site.was_counted(range).then(|| count(site.views_in(range)));
            let (of_now, of_before) = (counts(&part), earlier.as_ref().and_then(counts));
            if of_now.is_none() && of_before.is_none() {
                continue;
            }
            let (pv, uv) = changes(of_now, of_before);
            rows.push(json!({
                "site": site.name, "bucket": name, "earlier": earlier.as_ref().map(range_of),
                "partial": part != whole || site.is_partial(&whole, Some(since), until),
                "pv": pv, "uv": uv,
            }));
        }
    }
    let pages = page_rows(sites, now, before);
    let changed = |is_wanted: fn(i64) -> bool| {
        let difference = |row: &Value| row["pv"]["difference"].as_i64().unwrap_or_default();
        let mut rows: Vec<Value> =
            pages.iter().filter(|row| is_wanted(difference(row))).cloned().collect();
        rows.sort_by_key(|row| {
            let word = |key: &str| row[key].as_str().unwrap().to_owned();
            (-difference(row).abs(), word("site"), word("page"))
        });
        rows.truncate(top);
        rows
    };
    let mut shown = pages.clone();
    shown.retain(|row| row["pv"]["now"].as_u64().is_some_and(|pv| pv > 0));
    shown.truncate(top);
    json!({
        "range": range_of(now),
        "earlier": range_of(before),
        "totals": {
            "page_views": of_total(|totals| totals.0),
            "unique_visitors": of_total(|totals| totals.1),
            "sum_of_daily_unique_visitors": of_total(|totals| totals.2),
        },
        "granularity": unit,
        "buckets": rows,
        "pages": shown,
        "grown": changed(|difference| difference > 0),
        "fallen": changed(|difference| difference < 0),
    })
}

#[test]
fn comparisons_are_those_of_naive_code() {
    let folder = Folder::new();
    let (database, sites) = database(&folder);
    let whole = sites[0].counted.start.min(sites[1].counted.start)
        ..sites[0].counted.end.max(sites[1].counted.end);
    let units = [
        ("2018-12-17T00:00", "2018-12-24T00:00"),
        ("2019-01-01T00:00", "2019-02-01T00:00"),
        ("2018-12-01T00:00", "2019-01-01T00:00"),
        ("2018-12-31T00:00", "2019-01-01T00:00"),
        ("2018-12-24T00:00", "2019-01-07T00:00"),
        ("2019-01-21T00:00", "2019-02-18T00:00"),
    ];
    let mut random = Random(8);
    for number in 0..120 {
        let (since, mut until) = match units.get(number % 12) {
            Some((since, until)) => (minute(since), Some(minute(until))),
            None => {
                let since = time(&mut random, &whole).min(whole.end - 1);
                let length = [60, DAY, 3 * DAY, WEEK, 20 * DAY][random.place(5)];
                let more = random.below(90).cast_signed();
                (since, (number % 5 > 0).then_some(since + length + more))
            }
        };
        let compare = if number % 9 == 0 { "year" } else { "previous" };
        let unit = UNITS[1..][random.place(4)];
        if unit == "hour" {
            until = Some(until.unwrap_or(whole.end).min(since + 6 * DAY));
        }
        let mut options = range_options(Some(since), until);
        options.extend(["--by", unit, "--compare", compare, "--top", "6"].map(str::to_owned));
        let asked = since..until.unwrap_or(whole.end);
        let (mut before, distance) = earlier(compare, &asked);
        let mut now = asked.clone();
        if asked.start < whole.end && whole.end < asked.end {
            now.end = whole.end;
            before.end = before.end.min(before.start + now.end - now.start);
        }
        let missing = whole.start - before.start;
        if missing >= 60 && whole.start < before.end && now.start + missing < now.end {
            now.start += missing;
            before.start += missing;
        }
        let found = ask(&database, &options);
        let mut comparison = found["comparison"].clone();
        assert_eq!(comparison["with"], compare);
        assert_eq!(comparison["partial"], now != asked, "{options:?}");
        let expected = expected(&sites, unit, (&now, &before, distance), (since, until), 6);
        for key in ["with", "partial", "sections"] {
            comparison.as_object_mut().unwrap().remove(key);
        }
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(comparison[key], *value, "{key}: {options:?}");
        }
        assert_eq!(comparison.as_object().unwrap().len(), expected.as_object().unwrap().len());
    }
}

#[test]
fn sections_are_compared_like_pages() {
    let folder = Folder::new();
    let (database, sites) = database(&folder);
    let options =
        ["--since", "2018-12-24", "--until", "2018-12-30", "--compare", "previous", "--site", "a"]
            .map(str::to_owned);
    let json = ask(&database, &options);
    let [now, before] =
        [("2018-12-24T00:00", "2018-12-31T00:00"), ("2018-12-17T00:00", "2018-12-24T00:00")]
            .map(|(since, until)| minute(since)..minute(until));
    let rows = json["comparison"]["sections"].as_array().unwrap();
    assert!(rows.len() > 2 && rows.len() == json["sections"].as_array().unwrap().len());
    for (row, of_report) in rows.iter().zip(json["sections"].as_array().unwrap()) {
        let counts = |range: &Range<i64>| {
            let views = sites[0].views_in(range);
            count(views.into_iter().filter(|view| row["section"] == view.section))
        };
        let (pv, uv) = changes(Some(counts(&now)), Some(counts(&before)));
        assert_eq!((&row["pv"], &row["uv"]), (&pv, &uv), "{row}");
        assert_eq!((&row["section"], &row["pv"]["now"]), (&of_report["section"], &of_report["pv"]));
    }
    // Without --by, days are compared.
    assert_eq!(json["comparison"]["granularity"], "day");
    assert_eq!(json["comparison"]["buckets"].as_array().unwrap().len(), 7);
}
