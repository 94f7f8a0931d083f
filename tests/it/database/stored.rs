//! Runs on databases, and what the oracle says of them.
//!
//! Owns: logs, `analyze --db`, `report`, the view `traffic`, the page views behind every number. May import:
//! `oracle`, `contract`, `program`, rusqlite. Must not know: the tables behind the view.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;

use crate::contract::check_cells;
use crate::harness::{Outcome, hitmap};
use crate::oracle::{self, Answer, Rules, Visitor};

/// `hitmap analyze --json --db DATABASE OPTIONS INPUTS`
pub(crate) fn analyze_with(database: &Path, options: &[&str], inputs: &[&Path]) -> Outcome {
    let mut arguments: Vec<&OsStr> = vec!["analyze".as_ref(), "--json".as_ref(), "--db".as_ref()];
    arguments.push(database.as_os_str());
    arguments.extend(options.iter().map(OsStr::new));
    arguments.extend(inputs.iter().map(|path| path.as_os_str()));
    hitmap(&arguments)
}

pub(crate) fn analyze(database: &Path, inputs: &[&Path]) -> Outcome {
    analyze_with(database, &[], inputs)
}

pub(crate) fn report(database: &Path, options: &[&str]) -> Outcome {
    let mut arguments = vec!["report", "--db", database.to_str().unwrap()];
    arguments.extend(options);
    hitmap(&arguments)
}

/// `hitmap COMMAND --db DATABASE OPTIONS`
pub(crate) fn on(database: &Path, command: &str, options: &[&str]) -> Outcome {
    let mut arguments = vec![command, "--db", database.to_str().unwrap()];
    arguments.extend(options);
    hitmap(&arguments)
}

/// What `hitmap sources` lists.
pub(crate) fn sources(database: &Path) -> Vec<serde_json::Value> {
    let list = on(database, "sources", &["--json"]).expect_exit(0).stdout_text();
    list.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The id of the source that was given under a name.
#[track_caller]
pub(crate) fn short_id(database: &Path, name: &str) -> String {
    let sources = sources(database);
    let is_it = |source: &&serde_json::Value| source["path"].as_str().unwrap().ends_with(name);
    let source = sources.iter().find(is_it).unwrap_or_else(|| panic!("no {name}: {sources:?}"));
    source["source"].as_str().unwrap().to_owned()
}

pub(crate) fn oracle(files: &[&[u8]]) -> Answer {
    oracle::analyze(files, &Rules::default())
}

/// The rows of the view: granularity, bucket, section, page with PV and UV.
pub(crate) type Traffic = BTreeMap<(String, String, String, String), (u64, u64)>;

pub(crate) fn traffic(database: &Path) -> Traffic {
    traffic_of(database, "default")
}

pub(crate) fn traffic_of(database: &Path, site: &str) -> Traffic {
    let connection = rusqlite::Connection::open(database).unwrap();
    let mut statement = connection
        .prepare("SELECT granularity, bucket, section, page, pv, uv FROM traffic WHERE site = ?")
        .unwrap();
    let rows = statement.query_map([site], |row| {
        let key = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        Ok((key, (row.get::<_, i64>(4)?.cast_unsigned(), row.get::<_, i64>(5)?.cast_unsigned())))
    });
    let rows: Vec<_> = rows.unwrap().map(Result::unwrap).collect();
    let count = rows.len();
    let traffic: Traffic = rows.into_iter().collect();
    assert_eq!(traffic.len(), count, "a cell is there twice");
    traffic
}

/// A page view, seen without the program.
#[derive(Clone)]
pub(crate) struct View {
    /// `2018-03-05T14:05:09`
    pub(crate) time: String,
    pub(crate) visitor: Visitor,
    pub(crate) section: String,
    pub(crate) page: String,
    /// Its line, without its end.
    pub(crate) line: Vec<u8>,
}

/// The page views of combined logs.
pub(crate) fn views(files: &[&[u8]]) -> Vec<View> {
    views_by(&Rules::default(), files)
}

/// The page views of combined logs by other rules.
pub(crate) fn views_by(rules: &Rules, files: &[&[u8]]) -> Vec<View> {
    let rules = Rules { format: Some(oracle::Format::Combined), ..rules.clone() };
    let mut views = Vec::new();
    for line in files.iter().flat_map(|file| oracle::lines_of(file)) {
        let answer = oracle::analyze(&[line], &rules);
        if answer.page_views == 0 {
            continue;
        }
        let (key, _) = answer.range.last_key_value().unwrap();
        views.push(View {
            time: answer.times.first().unwrap().0.clone(),
            visitor: oracle::visitor_of_line(line, &rules).unwrap(),
            section: key.2.clone().unwrap(),
            page: key.3.clone().unwrap(),
            line: line.to_vec(),
        });
    }
    views
}

impl View {
    pub(crate) fn day(&self) -> &str {
        &self.time[..10]
    }

    /// The bucket of a `--by` unit.
    pub(crate) fn bucket(&self, unit: &str) -> String {
        match unit {
            "minute" => self.time[..16].to_owned(),
            "hour" => self.time[..13].to_owned(),
            "day" => self.time[..10].to_owned(),
            "week" => week(&self.time[..10]),
            "month" => self.time[..7].to_owned(),
            _ => unreachable!("{unit}"),
        }
    }
}

/// PV and UV.
pub(crate) fn count<'v>(views: impl IntoIterator<Item = &'v View>) -> (u64, u64) {
    let mut visitors = BTreeSet::new();
    let mut pv = 0;
    for view in views {
        pv += 1;
        visitors.insert(&view.visitor);
    }
    (pv, visitors.len() as u64)
}

/// The ISO 8601 week of a date: the one whose Thursday decides the year. By counting days from Monday, 2001-01-01.
pub(crate) fn week(date: &str) -> String {
    let mut parts = date.split('-').map(|part| part.parse::<u32>().unwrap());
    let (year, month, day) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let is_leap =
        |year: u32| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let year_days = |year: u32| if is_leap(year) { 366 } else { 365 };
    let february = if is_leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let of_year = months[..month as usize - 1].iter().sum::<u32>() + day - 1;
    let since_2001 = (2001..year).map(year_days).sum::<u32>() + of_year;
    // May lie in the year before or after.
    let thursday = i64::from(of_year) + 3 - i64::from(since_2001 % 7);
    let (week_year, thursday) = if thursday < 0 {
        (year - 1, thursday + i64::from(year_days(year - 1)))
    } else if thursday >= i64::from(year_days(year)) {
        (year + 1, thursday - i64::from(year_days(year)))
    } else {
        (year, thursday)
    };
    format!("{week_year}-W{:02}", thursday / 7 + 1)
}

/// What the view has to hold of some page views with `--db-cells UNIT`: pages at that granularity and coarser ones, sites
/// and sections one step finer, and weeks, months and all time of these.
pub(crate) fn expected_traffic_of(views: &[View], unit: &str) -> Traffic {
    let finest = ["day", "hour", "minute"].iter().position(|name| *name == unit).unwrap();
    let mut cells: BTreeMap<(String, String, String, String), Vec<&View>> = BTreeMap::new();
    for view in views {
        for (number, unit) in ["day", "hour", "minute", "week", "month", "all"].iter().enumerate() {
            let bucket = if *unit == "all" { String::new() } else { view.bucket(unit) };
            let places = [("", ""), (&view.section[..], ""), (&view.section, &view.page)];
            let levels = match number {
                number if number <= finest => 3,
                number if number <= finest + 1 || number > 2 => 2,
                _ => 0,
            };
            for (section, page) in places.into_iter().take(levels) {
                let key = ((*unit).to_owned(), bucket.clone(), section.to_owned(), page.to_owned());
                cells.entry(key).or_default().push(view);
            }
        }
    }
    cells.into_iter().map(|(key, views)| (key, count(views))).collect()
}

/// What the view has to hold of some page views if nothing else is asked for.
pub(crate) fn expected_traffic(views: &[View]) -> Traffic {
    expected_traffic_of(views, "day")
}

/// Everything that the database says is what the oracle says of these files.
#[track_caller]
pub(crate) fn check(database: &Path, files: &[&[u8]]) {
    check_cells(&oracle(files), &report(database, &["--cells", "-"]).expect_exit(0).stdout);
    assert_traffic(&traffic(database), &expected_traffic(&views(files)));
}

#[track_caller]
pub(crate) fn assert_traffic(found: &Traffic, expected: &Traffic) {
    for (key, value) in found {
        assert_eq!(Some(value), expected.get(key), "the view's {key:?}");
    }
    for (key, value) in expected {
        assert_eq!(Some(value), found.get(key), "the oracle's {key:?}");
    }
}
