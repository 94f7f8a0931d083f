//! What readers of HBase find is what was counted: days, hours, minutes, weeks, months and all time.

use std::fs;

use crate::harness::{Folder, Outcome, hitmap, needs};
use crate::hbase::content::{Content, Tables, cells, unions};
use crate::hbase::server::{Hbase, hbase};
use crate::redis::publishing::{generated, line};

fn publish(database: &str, url: &str, more: &[&str]) -> Outcome {
    hitmap(&[&["publish", "--db", database, "--to", url], more].concat())
}

/// Everything of a database that counted these logs. 5 March 2018 is a Monday.
fn expected(database: &str, logs: &[&str]) -> Content {
    let mut content = cells(logs);
    content.extend(unions(
        database,
        &[
            ("2018-W10", "2018-03-05", "2018-03-11"),
            ("2018-W11", "2018-03-12", "2018-03-18"),
            ("2018-03", "2018-03-01", "2018-03-31"),
        ],
    ));
    content
}

#[test]
fn tables_follow_the_database() {
    needs!(hbase());
    let tables = Tables::new(Hbase::shared());
    let folder = Folder::new();
    let log = generated(&folder, 6_000, 9, 60);
    let whole = fs::read(&log).unwrap();
    let path = folder.path("access.log");
    let path = path.to_str().unwrap();
    let database = folder.path("stats.db");
    let database = database.to_str().unwrap();
    let url = tables.url("");
    // A log that grows, published by each run.
    let ends: Vec<usize> =
        (0..whole.len()).filter(|&place| whole[place] == b'\n').map(|place| place + 1).collect();
    for share in [1, 2, 4] {
        fs::write(path, &whole[..ends[ends.len() * share / 4 - 1]]).unwrap();
        let outcome = hitmap(&["analyze", "--db", database, "--to", &url, path]).expect_exit(0);
        let words = outcome.stderr_text();
        assert_eq!(words.contains("made the tables"), share == 1, "{words}");
        tables.check(&expected(database, &[path]));
    }
    let whole = expected(database, &[path]);
    let again = publish(database, &url, &[]).expect_exit(0);
    assert!(again.stderr_text().contains("9 days, nothing changed"), "{}", again.stderr_text());
    // Later versions of the same numbers put no cell.
    let outcome = publish(database, &url, &["--replace"]).expect_exit(0);
    assert!(outcome.stderr_text().contains("(0 cells written"), "{}", outcome.stderr_text());
    tables.check(&whole);
    for granularity in ["day", "hour", "minute"] {
        tables.hbase.flush_and_compact(&tables.name(granularity));
    }
    tables.check(&whole);

    // A source that is forgotten goes from every table, also once its cells are in files.
    let mut later = String::new();
    for minute in 0..50 {
        later += &line(minute, 9, minute, "/late/page").replace("05/Mar", "14/Mar");
        later += &line(minute, 9, minute, "/late/page").replace("05/Mar", "06/Mar");
    }
    let later = folder.write("later.log", later);
    let later = later.to_str().unwrap();
    hitmap(&["analyze", "-q", "--db", database, "--to", &url, later]).expect_exit(0);
    tables.check(&expected(database, &[path, later]));
    tables.hbase.flush_and_compact(&tables.name("minute"));
    let sources = hitmap(&["sources", "--db", database]).expect_exit(0).stdout_text();
    let source = sources.lines().find(|row| row.contains("later.log")).unwrap();
    let source = source.split_whitespace().next().unwrap();
    hitmap(&["forget", "--db", database, source]).expect_exit(0);
    publish(database, &url, &[]).expect_exit(0);
    tables.check(&whole);
    for granularity in ["day", "hour", "minute", "week", "month", "all"] {
        tables.hbase.flush_and_compact(&tables.name(granularity));
    }
    tables.check(&whole);
    // And it can come back.
    hitmap(&["analyze", "-q", "--db", database, "--to", &url, later]).expect_exit(0);
    tables.check(&expected(database, &[path, later]));
}

#[test]
fn an_old_copy_of_a_database_puts_nothing_back() {
    needs!(hbase());
    let tables = Tables::new(Hbase::shared());
    let folder = Folder::new();
    let first = folder.write("first.log", line(1, 1, 1, "/x/y"));
    let second = folder.write("second.log", line(2, 2, 2, "/x/z"));
    let (database, old) = (folder.path("stats.db"), folder.path("old.db"));
    let (database, old) = (database.to_str().unwrap(), old.to_str().unwrap());
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());
    let url = tables.url("");
    hitmap(&["analyze", "-q", "--db", database, "--to", &url, first]).expect_exit(0);
    fs::copy(database, old).unwrap();
    hitmap(&["analyze", "-q", "--db", database, "--to", &url, second]).expect_exit(0);
    let newer = expected(database, &[first, second]);
    tables.check(&newer);
    // The older database does not know the second source, and is refused.
    publish(old, &url, &[]).expect_exit(4);
    tables.check(&newer);
    // Told to, it replaces what is there, under a later version.
    publish(old, &url, &["--replace"]).expect_exit(0);
    tables.check(&expected(old, &[first]));
}

#[test]
fn without_a_database_the_ledger_is_the_fence() {
    needs!(hbase());
    let tables = Tables::new(Hbase::shared());
    let folder = Folder::new();
    let first = folder.write("first.log", line(1, 1, 1, "/x/y"));
    let second = folder.write("second.log", line(2, 2, 2, "/x/z"));
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());
    let url = tables.url("&minute_pages=none");
    let direct = |more: &[&str]| hitmap(&[&["analyze", "--to", &url], more].concat());
    let mut expect = cells(&[first]);
    let is_kept = |cell: &String| !(cell.contains("minute") && cell.contains("\"/x/y\""));
    expect.retain(is_kept);
    direct(&[first]).expect_exit(0);
    tables.check(&expect);
    let again = direct(&[first]).expect_exit(0);
    assert!(again.stderr_text().contains("1 day, nothing changed"), "{}", again.stderr_text());
    let refused = direct(&[second]).expect_exit(4);
    assert!(refused.stderr_text().contains("first.log"), "{}", refused.stderr_text());
    tables.check(&expect);
    let all_pages = tables.url("");
    hitmap(&["analyze", "-q", "--to", &all_pages, first, second]).expect_exit(0);
    tables.check(&cells(&[first, second]));
    // Pages of minutes that are not asked for any more go.
    direct(&[first, "--replace"]).expect_exit(0);
    tables.check(&expect);
}

#[test]
fn hostile_names_are_names_like_others() {
    needs!(hbase());
    let tables = Tables::new(Hbase::shared());
    let folder = Folder::new();
    let mut log = String::new();
    for page in [
        "/a%00b/c",
        "/100%/x",
        "/%25/%",
        "/ü/ß",
        "/{x}/\\\"q\\\"",
        "/a:b/c:d",
        "//",
        "/ /",
        "/'/`$(x)`",
    ] {
        log += &line(1, 1, 1, page);
    }
    // What a client of HTTP can hardly send, and a log can hold.
    let log = log + &line(1, 1, 1, "/NUL/x").replace("NUL", "\0");
    let log = folder.write("a.log", log);
    let log = log.to_str().unwrap();
    let url = tables.url("");
    hitmap(&["analyze", "-q", "--to", &url, "--site", "a%b c", log]).expect_exit(0);
    let mut expect = Content::new();
    let output =
        hitmap(&["analyze", "--cells", "-", "--site", "a%b c", log]).expect_exit(0).stdout_text();
    for row in output.lines() {
        let row: serde_json::Value = serde_json::from_str(row).unwrap();
        expect.insert(crate::hbase::content::text(&row));
    }
    assert!(expect.iter().any(|cell| cell.contains("\\u0000")), "{expect:?}");
    tables.check(&expect);
    // A section that is too long for the key of a row is refused by name.
    let long = folder.write("long.log", line(1, 1, 1, &format!("/{}/x", "y".repeat(40_000))));
    let outcome = hitmap(&["analyze", "-q", "--to", &url, long.to_str().unwrap()]).expect_exit(4);
    assert!(outcome.stderr_text().contains("yyyy"), "{}", outcome.stderr_text());
    assert!(outcome.stderr_text().contains("--group"), "{}", outcome.stderr_text());
    assert!(outcome.stderr_text().len() < 1_000);
}
