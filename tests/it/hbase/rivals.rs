//! Two publishers of one day: at once, and one whose clock is behind.

use std::fs;

use serde_json::Value;

use crate::harness::{Folder, command, end_of, hitmap, needs, start};
use crate::hbase::server::{Hbase, hbase};
use crate::hbase::trial::{check, expect_failure, grown, publish, url};
use crate::redis::publishing::{generated, line};

fn long_url(hbase: &Hbase, prefix: &str) -> String {
    url(hbase.gateway_port(), &format!("prefix={prefix}&timeout=120s"))
}

/// All cells of all tables, the ledger excepted.
fn all(hbase: &Hbase, prefix: &str) -> Vec<Value> {
    let tables = ["day", "hour", "minute", "week", "month", "all"];
    let tables = tables.map(|table| format!("{prefix}_{table}"));
    hbase.cells(&tables.each_ref().map(String::as_str))
}

/// Two logs of the same day that have pages in common and pages of their own.
fn two_logs(folder: &Folder) -> [String; 2] {
    let first = generated(folder, 4_000, 1, 60);
    let text = fs::read_to_string(&first).unwrap();
    let mut second: String = text.lines().step_by(3).flat_map(|line| [line, "\n"]).collect();
    (0..60).for_each(|minute| second += &line(7, 23, minute, "/only/here"));
    [first, folder.write("second.log", second).to_str().unwrap().to_owned()]
}

#[test]
fn two_publishers_at_once_leave_one_true_day() {
    needs!(hbase());
    let (folder, hbase) = (Folder::new(), Hbase::shared());
    let logs = two_logs(&folder);
    let url = long_url(hbase, "two");
    for _ in 0..3 {
        // At first they make the tables, too.
        let runs = logs
            .each_ref()
            .map(|log| start(&mut command(&["analyze", "-q", "--replace", "--to", &url, log])));
        let outcomes = runs.map(end_of);
        let mut published = Vec::new();
        for (outcome, log) in outcomes.into_iter().zip(&logs) {
            if outcome.exit_code == Some(0) {
                published.push(log);
            } else {
                // It takes the other one longer than this one waits.
                let said = outcome.expect_exit(4).stderr_text();
                assert!(said.contains("another run"), "{said}");
            }
        }
        assert!(!published.is_empty());
        let total = |log: &str| {
            let cells = crate::redis::content::cells(&[log]);
            cells.into_iter().find(|cell| cell["granularity"] == "day" && cell["section"].is_null())
        };
        let held = hbase.cells(&["two_day"]).into_iter().find(|cell| cell["section"].is_null());
        let winner = published.iter().find(|log| total(log) == held);
        check(hbase, "two", winner.expect("the day of one of them"));
    }
}

#[test]
fn of_two_databases_the_first_one_keeps_the_day() {
    needs!(hbase());
    let (folder, hbase) = (Folder::new(), Hbase::shared());
    let logs = two_logs(&folder);
    let url = long_url(hbase, "databases");
    let databases = [0, 1].map(|number| folder.path(format!("{number}.db")));
    let databases = databases.each_ref().map(|path| path.to_str().unwrap());
    for (database, log) in databases.iter().zip(&logs) {
        hitmap(&["analyze", "-q", "--db", database, log]).expect_exit(0);
    }
    let runs =
        databases.map(|database| start(&mut command(&["publish", "--db", database, "--to", &url])));
    let outcomes = runs.map(end_of);
    let winner = outcomes.iter().position(|outcome| outcome.exit_code == Some(0));
    let winner = winner.unwrap_or_else(|| panic!("{outcomes:?}"));
    let [first, second] = outcomes;
    let other = [second, first].into_iter().nth(winner).unwrap().expect_exit(4);
    expect_failure(other, &["sources that this database does not have", "another run"]);
    check(hbase, "databases", &logs[winner]);
    // A week, a month and all time of one day are that day.
    let cells = all(hbase, "databases");
    let of = |granularity: &str| {
        let cells = cells.iter().filter(|cell| cell["granularity"] == granularity);
        let cells = cells.filter(|cell| cell["page"].is_null());
        let cells = cells.map(|cell| ["section", "pv", "uv"].map(|name| cell[name].to_string()));
        cells.collect::<Vec<_>>()
    };
    assert!(!of("day").is_empty());
    for granularity in ["week", "month", "all"] {
        assert_eq!(of(granularity), of("day"), "{granularity}");
    }
}

#[test]
fn a_run_whose_clock_is_behind_is_read_all_the_same() {
    needs!(hbase());
    let (folder, hbase) = (Folder::new(), Hbase::shared());
    let log = generated(&folder, 2_000, 1, 40);
    let grown = grown(&folder, &log);
    let (database, url) = (folder.path("stats.db"), long_url(hbase, "clock"));
    let name = database.to_str().unwrap();
    hitmap(&["analyze", "-q", "--db", name, &log]).expect_exit(0);
    // Ten years later.
    let later = "UPDATE day SET version = version + 315360000000;
                 UPDATE meta SET value = value + 315360000000 WHERE name = 'last_version'";
    rusqlite::Connection::open(&database).unwrap().execute_batch(later).unwrap();
    hitmap(&["publish", "-q", "--db", name, "--to", &url]).expect_exit(0);
    check(hbase, "clock", &log);
    publish(hbase, "clock", &grown);
    check(hbase, "clock", &grown);
    // The database counts the same, with a clock that is behind its own versions.
    hitmap(&["analyze", "-q", "--db", name, &grown]).expect_exit(0);
    hitmap(&["publish", "-q", "--db", name, "--to", &url, "--replace"]).expect_exit(0);
    check(hbase, "clock", &grown);
}
