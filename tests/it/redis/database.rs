//! `publish --db` and `analyze --db --to`: what dashboards read is what the database holds, weeks and all time included.

use std::collections::BTreeMap;
use std::fs;

use crate::harness::{Folder, Outcome, hitmap, needs};
use crate::redis::content::{ALL, Content, cells, content, expected};
use crate::redis::publishing::{generated, line};
use crate::redis::server::{Client, Server, redis_server};

const EVERYTHING: &str = "?minute_pages=all&top_sections=all";

fn publish(database: &str, url: &str, more: &[&str]) -> Outcome {
    hitmap(&[&["publish", "--db", database, "--to", url], more].concat())
}

/// Fails unless the server holds exactly the days of `log`, with ledger and version, and the weeks, months and all time
/// of `database`; `gone` are days that it has a version of and nothing else.
#[track_caller]
fn check(client: &mut Client, database: &str, log: &str, gone: &[&str]) {
    let mut found = content(client, "*");
    let mut rest: Content = BTreeMap::new();
    let days = expected(&cells(&[log]), "hitmap:", ALL);
    let bases: Vec<&str> = days.keys().filter_map(|key| key.strip_suffix("totals")).collect();
    for base in bases {
        assert!(found.remove(&format!("{base}version")).is_some(), "{base}");
        assert!(found.remove(&format!("{base}ledger")).is_some(), "{base}");
    }
    for day in gone {
        assert!(found.remove(&format!("hitmap:{{default:{day}}}:version")).is_some(), "{day}");
    }
    let listed = found.remove("hitmap:default:days").unwrap_or_default();
    for (key, values) in days {
        if key == "hitmap:default:days" {
            assert_eq!(listed, values);
        } else {
            rest.insert(key, values);
        }
    }
    rest.extend(unions(database));
    found.retain(|key, _| {
        let is_union = key.contains("-W") || key.contains(":all}") || key.contains("-0");
        !(is_union && key.ends_with("version"))
    });
    for (key, values) in &rest {
        assert_eq!(found.get(key), Some(values), "{key}");
    }
    let others: Vec<&String> = found.keys().filter(|key| !rest.contains_key(*key)).collect();
    assert!(others.is_empty(), "keys that nobody ordered: {others:?}");
}

/// The keys of weeks, months and all time, by the report of each.
fn unions(database: &str) -> Content {
    let mut all = Content::new();
    let report = |more: &[&str]| {
        hitmap(&[&["report", "--json", "--top", "1000000", "--db", database], more].concat())
            .expect_exit(0)
            .json()
    };
    let mut add = |name: &str, json: &serde_json::Value| {
        let base = format!("hitmap:{{default:{name}}}:");
        let totals = &json["totals"];
        if totals["page_views"] == 0 {
            return;
        }
        let pair = |pv: &serde_json::Value, uv: &serde_json::Value| {
            BTreeMap::from([("pv".to_owned(), pv.to_string()), ("uv".to_owned(), uv.to_string())])
        };
        all.insert(
            format!("{base}totals"),
            pair(&totals["page_views"], &totals["unique_visitors"]),
        );
        for metric in ["pv", "uv"] {
            let sections =
                json["sections"].as_array().unwrap().iter().map(|row| {
                    (row["section"].as_str().unwrap().to_owned(), row[metric].to_string())
                });
            all.insert(format!("{base}{metric}:sections"), sections.collect());
        }
    };
    add("all", &report(&[]));
    // 5 March 2018 is a Monday.
    for (name, first, last) in [
        ("2018-W10", "2018-03-05", "2018-03-11"),
        ("2018-W11", "2018-03-12", "2018-03-18"),
        ("2018-03", "2018-03-01", "2018-03-31"),
    ] {
        add(name, &report(&["--since", first, "--until", last]));
    }
    all
}

fn totals_of_all(unions: Content) -> Content {
    unions.into_iter().filter(|(key, _)| key == "hitmap:{default:all}:totals").collect()
}

#[test]
fn a_store_follows_the_database() {
    needs!(redis_server());
    let (folder, server) = (Folder::new(), Server::start());
    let log = generated(&folder, 20_000, 9, 60);
    let whole = fs::read(&log).unwrap();
    let path = folder.path("access.log");
    let path = path.to_str().unwrap();
    let database = folder.path("stats.db");
    let database = database.to_str().unwrap();
    let url = server.url(EVERYTHING);
    let mut client = server.client();
    // A log that grows, published by each run.
    let lines: Vec<usize> =
        (0..whole.len()).filter(|&place| whole[place] == b'\n').map(|place| place + 1).collect();
    for share in [1, 2, 4] {
        fs::write(path, &whole[..lines[lines.len() * share / 4 - 1]]).unwrap();
        hitmap(&["analyze", "-q", "--db", database, "--to", &url, path]).expect_exit(0);
        check(&mut client, database, path, &[]);
    }
    let again = publish(database, &url, &[]).expect_exit(0);
    assert!(again.stderr_text().contains("9 days, nothing changed"), "{}", again.stderr_text());
    // Emptied, it is filled again; so is a second one.
    client.call(&["FLUSHALL"]);
    publish(database, &url, &[]).expect_exit(0);
    check(&mut client, database, path, &[]);
    let other = Server::start();
    publish(database, &other.url(EVERYTHING), &[]).expect_exit(0);
    check(&mut other.client(), database, path, &[]);
    // Other options take effect when everything is published again.
    publish(database, &server.url("?minute_pages=0&top_sections=1"), &["--replace"]).expect_exit(0);
    let few = content(&mut client, "*").len();
    publish(database, &url, &["--replace"]).expect_exit(0);
    assert!(content(&mut client, "*").len() > few);
    check(&mut client, database, path, &[]);
}

#[test]
fn what_is_taken_out_of_the_database_goes_from_the_store() {
    needs!(redis_server());
    let (folder, server) = (Folder::new(), Server::start());
    let log = generated(&folder, 2_000, 2, 40);
    // A day of its own, in another week.
    let mut later = String::new();
    for minute in 0..50 {
        later += &line(minute, 9, minute, "/late/page").replace("05/Mar", "14/Mar");
    }
    let later = folder.write("later.log", later);
    let database = folder.path("stats.db");
    let database = database.to_str().unwrap();
    let url = server.url(EVERYTHING);
    let mut client = server.client();
    hitmap(&["analyze", "-q", "--db", database, "--to", &url, &log, later.to_str().unwrap()])
        .expect_exit(0);
    assert!(!content(&mut client, "hitmap:{default:20180314}:pv:*").is_empty());
    let sources = hitmap(&["sources", "--db", database]).expect_exit(0).stdout_text();
    let source = sources.lines().find(|row| row.contains("later.log")).unwrap();
    let source = source.split_whitespace().next().unwrap();
    hitmap(&["forget", "--db", database, source]).expect_exit(0);
    publish(database, &url, &[]).expect_exit(0);
    check(&mut client, database, &log, &["20180314"]);
    // The same with all of it, and then something else.
    let other = folder.write("other.log", line(1, 1, 1, "/x/y").replace("05/Mar", "12/Mar"));
    let other = other.to_str().unwrap();
    hitmap(&["analyze", "-q", "--db", database, "--replace", "--to", &url, other]).expect_exit(0);
    check(&mut client, database, other, &["20180305", "20180306", "20180314"]);
}

#[test]
fn a_store_that_is_down_is_brought_up_to_date_by_the_next_run() {
    needs!(redis_server());
    let (folder, mut server) = (Folder::new(), Server::start());
    let log = generated(&folder, 2_000, 2, 40);
    let database = folder.path("stats.db");
    let database = database.to_str().unwrap();
    let url = server.url(EVERYTHING);
    server.kill();
    let outcome = hitmap(&["analyze", "-q", "--db", database, "--to", &url, &log]).expect_exit(4);
    assert!(outcome.stderr_text().contains("redis://"), "{}", outcome.stderr_text());
    server.restart();
    hitmap(&["analyze", "-q", "--db", database, "--to", &url, &log]).expect_exit(0);
    check(&mut server.client(), database, &log, &[]);
    // A run without the database published other numbers meanwhile: they are not silently taken away.
    let other = folder.write("other.log", line(1, 1, 1, "/x/y"));
    let other = other.to_str().unwrap();
    let direct = ["analyze", "-q", "--replace", "--to", &url, other];
    hitmap(&direct).expect_exit(0);
    let outcome = publish(database, &url, &[]).expect_exit(4);
    assert!(outcome.stderr_text().contains("--replace"), "{}", outcome.stderr_text());
    publish(database, &url, &["--replace"]).expect_exit(0);
    check(&mut server.client(), database, &log, &[]);
}

#[test]
fn a_new_database_does_not_replace_what_an_older_one_published() {
    needs!(redis_server());
    let (folder, server) = (Folder::new(), Server::start());
    let log = generated(&folder, 3_000, 2, 40);
    let whole = fs::read(&log).unwrap();
    let url = server.url(EVERYTHING);
    let (old, new) = (folder.path("old.db"), folder.path("new.db"));
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    hitmap(&["analyze", "-q", "--db", old, "--to", &url, &log]).expect_exit(0);
    let before = content(&mut server.client(), "*");
    let tail = folder.write("tail.log", &whole[whole.len() / 3..]);
    let tail = tail.to_str().unwrap();
    let outcome = hitmap(&["analyze", "-q", "--db", new, "--to", &url, tail]).expect_exit(4);
    assert!(outcome.stderr_text().contains("does not have"), "{}", outcome.stderr_text());
    assert!(content(&mut server.client(), "*") == before, "weeks and months included");
    publish(old, &url, &[]).expect_exit(0);
    publish(new, &url, &["--replace"]).expect_exit(0);
    check(&mut server.client(), new, tail, &[]);
    // The same sources in a database made anew are nothing else.
    let again = folder.path("again.db");
    let again = again.to_str().unwrap();
    hitmap(&["analyze", "-q", "--db", again, "--to", &url, tail]).expect_exit(0);
    check(&mut server.client(), again, tail, &[]);
}

#[test]
fn an_old_copy_of_a_database_puts_nothing_back() {
    needs!(redis_server());
    let (folder, server) = (Folder::new(), Server::start());
    let first = folder.write("first.log", line(1, 1, 1, "/x/y"));
    let second = folder.write("second.log", line(2, 2, 2, "/x/z"));
    let (database, old) = (folder.path("stats.db"), folder.path("old.db"));
    let url = server.url(EVERYTHING);
    let count = |log: &std::path::Path| {
        let words = ["analyze", "-q", "--db", database.to_str().unwrap(), "--to", &url];
        hitmap(&[&words[..], &[log.to_str().unwrap()]].concat()).expect_exit(0);
    };
    count(&first);
    fs::copy(&database, &old).unwrap();
    count(&second);
    let before = content(&mut server.client(), "*");
    publish(old.to_str().unwrap(), &url, &[]).expect_exit(4);
    assert!(content(&mut server.client(), "*") == before, "days, weeks, months and all time");
}

#[test]
fn pruned_days_stay_published() {
    needs!(redis_server());
    let (folder, server) = (Folder::new(), Server::start());
    let log = generated(&folder, 2_000, 2, 40);
    let today = std::process::Command::new("date").arg("+%F").output().unwrap().stdout;
    let today = String::from_utf8(today).unwrap();
    let new = folder.path("new.log");
    let new = new.to_str().unwrap();
    let words =
        ["generate", "-q", "--lines", "500", "--days", "1", "--start", today.trim(), "-o", new];
    hitmap(&words).expect_exit(0);
    let database = folder.path("stats.db");
    let database = database.to_str().unwrap();
    let url = server.url(EVERYTHING);
    hitmap(&["analyze", "-q", "--db", database, "--to", &url, &log, new]).expect_exit(0);
    let mut client = server.client();
    let old = content(&mut client, "hitmap:{default:2018*");
    assert!(old.len() > 100);
    hitmap(&["prune", "--db", database, "--keep", "400d"]).expect_exit(0);
    for more in [&[][..], &["--replace"]] {
        publish(database, &url, more).expect_exit(0);
        assert!(content(&mut client, "hitmap:{default:2018*") == old);
        // All time is what is left, here as in the database.
        let left = unions(database);
        assert_eq!(content(&mut client, "hitmap:{default:all}:totals"), totals_of_all(left));
    }
    // Of what is left a week goes when its days do.
    let sources = hitmap(&["sources", "--db", database]).expect_exit(0).stdout_text();
    let source = sources.lines().find(|row| row.contains("new.log")).unwrap();
    let source = source.split_whitespace().next().unwrap();
    let copy = folder.path("copy.db");
    fs::copy(database, &copy).unwrap();
    hitmap(&["forget", "--db", copy.to_str().unwrap(), source]).expect_exit(0);
    publish(copy.to_str().unwrap(), &url, &[]).expect_exit(0);
    assert!(content(&mut client, "hitmap:{default:2018*") == old);
    let others = content(&mut client, "hitmap:{default:*}:*s*");
    let others: Vec<&String> = others.keys().filter(|key| !key.contains(":2018")).collect();
    assert!(others.iter().all(|key| key.ends_with("version")), "{others:?}");
    // The database that still has them is the older one now.
    publish(database, &url, &[]).expect_exit(4);
    publish(database, &url, &["--replace"]).expect_exit(0);
    // An emptied server gets what is left.
    client.call(&["FLUSHALL"]);
    publish(database, &url, &[]).expect_exit(0);
    let rows = cells(&[new]);
    for (key, values) in expected(&rows, "hitmap:", ALL) {
        assert_eq!(content(&mut client, &key).get(&key), Some(&values), "{key}");
    }
}
