//! `prune`: parts and visitors go, cells stay, and what can no longer be answered is said.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use hitmap::generate::GeneratorOptions;
use hitmap::time::Day;

use crate::contract;
use crate::database::stored::{
    self, Traffic, View, analyze, assert_traffic, expected_traffic, on, oracle, report, short_id,
    sources, traffic, views,
};
use crate::harness::Folder;
use crate::logs::{self, log_of};

fn today() -> Day {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    Day(i32::try_from(seconds / 86_400).unwrap())
}

/// A log of `days` days up to today.
fn recent(days: u32, lines: u64, seed: u64) -> Vec<u8> {
    let start = Day(today().0 + 1 - days.cast_signed());
    log_of(GeneratorOptions { seed, start, days, visitors: 200, ..logs::options(lines) })
}

/// The hashes of visitors that are stored: each takes 16 bytes, and further on in the same blob 4 more.
fn traces(database: &Path) -> HashSet<[u8; 16]> {
    let connection = rusqlite::Connection::open(database).unwrap();
    let mut statement = connection.prepare("SELECT bytes FROM visitor").unwrap();
    let blobs = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    let hashes = |blob: Vec<u8>| blob[..(blob.len() - 8) / 20 * 16].as_chunks().0.to_vec();
    blobs.flat_map(|blob| hashes(blob.unwrap())).collect()
}

/// Cells that stay: of days and shorter buckets all; of weeks and months those that never lost a part of their days;
/// all time is what is left.
fn stays(all: &[View], first_days: &[String]) -> Traffic {
    let last = first_days.last().unwrap().as_str();
    let mut traffic = expected_traffic(all);
    traffic.retain(|key, _| key.0 != "all");
    for first in first_days {
        let date = first.split('-').map(|part| part.parse().unwrap()).collect::<Vec<u32>>();
        let day = Day::from_date(date[0].cast_signed(), date[1], date[2]).unwrap();
        let yesterday = Day(day.0 - 1).to_string();
        let (week, month) = (stored::week(first), first[..7].to_owned());
        let cut_week = (stored::week(&yesterday) == week).then_some(week);
        let cut_month = (yesterday[..7] == month).then_some(month);
        traffic.retain(|key, _| {
            (key.0 != "week" || cut_week.as_ref() != Some(&key.1))
                && (key.0 != "month" || cut_month.as_ref() != Some(&key.1))
        });
    }
    let left: Vec<View> = all.iter().filter(|view| view.day() >= last).cloned().collect();
    traffic.extend(expected_traffic(&left).into_iter().filter(|(key, _)| key.0 == "all"));
    traffic
}

/// Prunes, and says before which day.
#[track_caller]
fn prune(database: &Path, days: u32) -> String {
    let outcome = on(database, "prune", &["--keep", &format!("{days}d")]).expect_exit(0);
    let words = outcome.stderr_text();
    let (_, rest) = words.split_once(" days before ").unwrap_or_else(|| panic!("{words}"));
    for word in ["cells", "can no longer be answered", "forgetting"] {
        assert!(words.contains(word), "{words}");
    }
    rest[..10].to_owned()
}

#[test]
fn parts_and_visitors_go_and_cells_stay() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let logs = [recent(40, 2_000, 1), recent(40, 2_000, 2)];
    let path = folder.write("access.log", logs::head(&logs[0], 1_200));
    analyze(&database, &[&path, &folder.write("b.log", &logs[1])]).expect_exit(0);
    // Blocks and sets that were written over hold visitors, too.
    fs::write(&path, &logs[0]).unwrap();
    let mut gone = traces(&database);
    analyze(&database, &[&path]).expect_exit(0);
    let all = views(&[&logs[0], &logs[1]]);
    let mut firsts = Vec::new();
    for keep in [30, 17, 16, 4] {
        gone.extend(traces(&database));
        let first = prune(&database, keep);
        firsts.push(first.clone());
        assert_traffic(&traffic(&database), &stays(&all, &firsts));
        let left: Vec<u8> = all
            .iter()
            .filter(|view| view.day() >= first.as_str())
            .flat_map(|view| [&view.line[..], b"\n"].concat())
            .collect();
        for options in [&["--cells", "-"][..], &["--since", &first, "--cells", "-"]] {
            let outcome = report(&database, options).expect_exit(0);
            contract::check_cells(&oracle(&[&left]), &outcome.stdout);
            let is_said = outcome.stderr_text().contains(&format!("before {first} were pruned"));
            assert_eq!(is_said, options.len() == 2, "{}", outcome.stderr_text());
        }
        let json = report(&database, &["--json"]).expect_exit(0).json();
        let mut days = json["days"].clone();
        for day in days.as_array_mut().unwrap() {
            day.as_object_mut().unwrap().remove("partial").unwrap();
        }
        assert_eq!(days, contract_days(&left));
        // Nothing was counted of the days that are gone.
        assert_eq!(json["database"]["counted"][0]["first"], format!("{first}T00:00"));
        let by_day = report(&database, &["--json", "--by", "day"]).expect_exit(0).json();
        assert_eq!(by_day["database"]["buckets"][0]["bucket"], first.as_str());
        assert_eq!(json["database"]["first_day"], first.as_str());
        assert_eq!(json["database"]["pruned_before"], first.as_str());
        assert!(json["totals"]["lines"].is_null(), "lines of days that are gone are in the sums");
        // No block or set of a day that is gone is left in the file, not even in its free pages.
        let kept = traces(&database);
        let bytes = fs::read(&database).unwrap();
        let found = bytes
            .array_windows::<16>()
            .filter(|window| gone.contains(*window) && !kept.contains(*window) && !is_dull(window));
        let found: Vec<String> = found.map(|window| window.escape_ascii().to_string()).collect();
        assert!(found.is_empty(), "visitors are left in the file: {found:?}");
        assert!(!folder.path("stats.db-wal").exists());
    }
    let outcome = on(&database, "prune", &["--keep", "4d"]).expect_exit(0);
    assert!(outcome.stderr_text().contains("nothing to prune"), "{}", outcome.stderr_text());
}

/// Zeros and other runs that are anywhere.
fn is_dull(window: &[u8; 16]) -> bool {
    window.iter().collect::<HashSet<_>>().len() < 8
}

fn contract_days(log: &[u8]) -> serde_json::Value {
    let cells = oracle(&[log]).cells;
    let days = cells.into_iter().filter(|(key, _)| key.0 == 0 && key.2.is_none());
    days.map(|((_, bucket, _, _), (pv, uv))| {
        serde_json::json!({"site": "default", "bucket": bucket.0, "pv": pv, "uv": uv})
    })
    .collect()
}

#[test]
fn what_is_pruned_neither_comes_back_nor_goes_silently() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let old = recent(20, 1_000, 3);
    let path = folder.write("old.log", &old);
    analyze(&database, &[&path]).expect_exit(0);
    let first = prune(&database, 10);
    let before = (traffic(&database), fs::read(&database).unwrap());
    let unchanged = || {
        assert_eq!(traffic(&database), before.0);
        assert_eq!(fs::read(&database).unwrap(), before.1);
    };
    let id = short_id(&database, "old.log");
    let outcome = on(&database, "forget", &[&id]).expect_exit(4);
    assert!(outcome.stderr_text().contains("facts were pruned"), "{}", outcome.stderr_text());
    unchanged();
    let other = folder.write("other.log", recent(15, 500, 4));
    let outcome = analyze(&database, &[&other]).expect_exit(4);
    assert!(outcome.stderr_text().contains(&format!("pruned before {first}")));
    unchanged();
    // What was counted stays known, and its report says what it lacks.
    let outcome = analyze(&database, &[&path]).expect_exit(0);
    let words = outcome.stderr_text();
    assert!(words.contains("already counted") && words.contains("were pruned"), "{words}");
    assert_eq!(sources(&database).len(), 1);

    // Days that are all there come and go as ever.
    let new = recent(5, 600, 5);
    let new_path = folder.write("new.log", &new);
    analyze(&database, &[&new_path]).expect_exit(0);
    let all = views(&[&old, &new]);
    let firsts = [first.clone()];
    assert_traffic(&traffic(&database), &stays(&all, &firsts));
    on(&database, "forget", &[&short_id(&database, "new.log")]).expect_exit(0);
    assert_traffic(&traffic(&database), &stays(&views(&[&old]), &firsts));
    // Another site has lost nothing.
    stored::analyze_with(&database, &["--site", "b"], &[&other]).expect_exit(0);
    on(&database, "forget", &[&short_id(&database, "other.log")]).expect_exit(0);
    // And everything may be dropped.
    stored::analyze_with(&database, &["--replace"], &[&path]).expect_exit(0);
    stored::check(&database, &[&old]);
    for keep in ["0d", "5", "-1d", "d"] {
        on(&database, "prune", &["--keep", keep]).expect_exit(2);
    }
}
