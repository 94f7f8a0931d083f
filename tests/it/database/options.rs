//! What can be asked of `analyze --db`: sites, `--replace`, `--as-new`, cells of pages a minute, rules, the visitor
//! key; and what is refused, with nothing changed.

use std::fs;
use std::path::Path;

use crate::contract;
use crate::database::stored::{
    View, analyze, analyze_with, assert_traffic, check, count, expected_traffic,
    expected_traffic_of, on, oracle, report, short_id, sources, traffic, traffic_of, views,
};
use crate::harness::{Folder, hitmap};
use crate::logs::{self, head, log};
use crate::oracle::{self, Rules};

/// Requests that are no page views.
const NO_VIEWS: &[u8] =
    b"10.0.0.1 - - [05/Mar/2018:14:05:09 +0800] \"GET /a.css HTTP/1.1\" 200 5 \"-\" \"agent\"\n";

/// Whether the file has these bytes.
fn holds(database: &Path, bytes: &[u8]) -> bool {
    fs::read(database).unwrap().windows(bytes.len()).any(|window| window == bytes)
}

/// All cells of one site are those of its logs.
#[track_caller]
fn check_site(database: &Path, site: &str, files: &[&[u8]]) {
    assert_traffic(&traffic_of(database, site), &expected_traffic(&views(files)));
    let expected = count(&views(files));
    let json = report(database, &["--site", site, "--json"]).expect_exit(0).json();
    let totals = &json["totals"];
    let found = (totals["page_views"].as_u64(), totals["unique_visitors"].as_u64());
    assert_eq!(found, (Some(expected.0), Some(expected.1)), "site {site}");
}

#[test]
fn sites_do_not_touch_each_other() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let (a, b, c) = (log(1_200, 1), log(1_100, 2), log(1_000, 3));
    let paths = [("a", &a), ("b", &b), ("c", &c)]
        .map(|(name, log)| folder.write(format!("{name}.log"), log));
    let [path_a, path_b, path_c] = [&paths[0], &paths[1], &paths[2]];
    let static_files = folder.write("pictures.log", NO_VIEWS);
    analyze_with(&database, &["--site", "x"], &[path_a]).expect_exit(0);
    analyze_with(&database, &["--site", "y"], &[path_b, &static_files]).expect_exit(0);
    check_site(&database, "x", &[&a]);
    check_site(&database, "y", &[&b]);
    // Visitors of both are one over both.
    let expected = count(&views(&[&a, &b]));
    let json = report(&database, &["--json"]).expect_exit(0).json();
    let totals = &json["totals"];
    assert_eq!(totals["unique_visitors"], expected.1);
    assert_eq!(totals["page_views"], expected.0);
    assert_eq!(totals["lines"], oracle(&[&a, &b, NO_VIEWS]).lines);

    analyze_with(&database, &["--site", "x", "--replace"], &[path_c]).expect_exit(0);
    check_site(&database, "x", &[&c]);
    check_site(&database, "y", &[&b]);
    let names: Vec<String> =
        sources(&database).iter().map(|source| source["path"].to_string()).collect();
    let is_there = |name: &str| names.iter().any(|path| path.contains(name));
    assert!(is_there("b.log") && is_there("c.log") && !is_there("a.log"), "{names:?}");
    assert!(is_there("pictures.log"), "a source without page views is its site's: {names:?}");

    // Each source is listed with its site, and a report of a site is about its own.
    let site_of = |name: &str| {
        let sources = sources(&database);
        let is_it = |source: &&serde_json::Value| source["path"].as_str().unwrap().ends_with(name);
        sources.iter().find(is_it).unwrap()["sites"].clone()
    };
    assert_eq!(
        [site_of("b.log"), site_of("pictures.log")],
        ["y", "y"].map(|site| serde_json::json!([site]))
    );
    assert_eq!(site_of("c.log"), serde_json::json!(["x"]));
    let list = on(&database, "sources", &[]).expect_exit(0).stdout_text();
    assert!(list.lines().any(|line| line.contains(" x ") && line.ends_with("c.log")), "{list}");
    let count = |site: &str| {
        let json = report(&database, &["--site", site, "--json"]).expect_exit(0).json();
        json["database"]["sources"].as_u64().unwrap()
    };
    assert_eq!((count("x"), count("y")), (1, 2));

    on(&database, "forget", &[&short_id(&database, "c.log")]).expect_exit(0);
    assert!(traffic_of(&database, "x").is_empty());
    check_site(&database, "y", &[&b]);
    on(&database, "forget", &[&short_id(&database, "b.log")]).expect_exit(0);
    assert!(!holds(&database, b"/movie/"), "names of pages are left");
    report(&database, &["--site", "z"]).expect_exit(2);
}

#[test]
fn a_log_counts_for_one_site() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let whole = log(1_000, 4);
    let path = folder.write("a.log", head(&whole, 500));
    analyze_with(&database, &["--site", "x"], &[&path]).expect_exit(0);
    let refused = || {
        let outcome = analyze_with(&database, &["--site", "y"], &[&path]).expect_exit(3);
        let words = outcome.stderr_text();
        assert!(words.contains("another site than \"y\""), "{words}");
        assert!(words.contains(&short_id(&database, "a.log")), "{words}");
        assert!(traffic_of(&database, "y").is_empty());
        check_site(&database, "x", &[head(&whole, 500)]);
    };
    refused();
    fs::write(&path, &whole).unwrap();
    refused();
    let zipped = folder.write("a.gz", logs::gzip(head(&whole, 500)));
    analyze_with(&database, &["--site", "y"], &[&zipped]).expect_exit(3);
    analyze_with(&database, &["--site", "x"], &[&path]).expect_exit(0);
    check_site(&database, "x", &[&whole]);
    analyze_with(&database, &["--site", "x", "--replace"], &[&path]).expect_exit(0);
    check_site(&database, "x", &[&whole]);
}

#[test]
fn replace_takes_other_rules_and_everything_is_theirs() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let a = log(1_000, 5);
    let path = folder.write("a.log", &a);
    let static_files = folder.write("pictures.log", NO_VIEWS);
    analyze(&database, &[&path, &static_files]).expect_exit(0);
    let before = fs::read(&database).unwrap();
    let key = folder.write("key", b"a key of thirty-two bytes at all");
    let other_key = folder.write("other", b"b key of thirty-two bytes at all");
    let refused = |options: &[&str], words: &str| {
        let outcome = analyze_with(&database, options, &[&path]).expect_exit(2);
        assert!(outcome.stderr_text().contains(words), "{}", outcome.stderr_text());
        assert!(outcome.stdout.is_empty());
        assert_eq!(fs::read(&database).unwrap(), before, "{options:?}");
    };
    for (options, words) in [
        (&["--count", "hits"][..], "--count is page-views in the database and hits in this run"),
        (&["--visitor", "ip"], "--visitor is ip+ua in the database and ip in this run"),
        (&["--keep-query"], "--keep-query is off in the database and on in this run"),
        (&["--tz", "UTC"], "--tz is as written in the database and UTC in this run"),
        (
            &["--group", "movie=/movie/{}.html"],
            "--group is none in the database and movie=/movie/{}.html in this run",
        ),
        (&["--visitor-key", key.to_str().unwrap()], "--visitor-key is none in the database and #"),
    ] {
        refused(options, words);
    }
    analyze_with(&database, &["--count", "hits", "--replace"], &[&path, &static_files])
        .expect_exit(0);
    let answer = oracle::analyze(&[&a, NO_VIEWS], &Rules { count_hits: true, ..Rules::default() });
    contract::check_cells(&answer, &report(&database, &["--cells", "-"]).expect_exit(0).stdout);

    // What cannot be parsed replaces nothing.
    let binary = folder.write("binary.log", b"this is\nno log\nat all\n");
    analyze_with(&database, &["--replace", "--count", "hits"], &[&binary]).expect_exit(1);
    contract::check_cells(&answer, &report(&database, &["--cells", "-"]).expect_exit(0).stdout);
    analyze_with(&database, &["--replace"], &[&folder.path("missing.log")]).expect_exit(3);
    contract::check_cells(&answer, &report(&database, &["--cells", "-"]).expect_exit(0).stdout);

    // With a key the numbers are the same, and only that key goes on.
    let with_key = |key: &Path| ["--visitor-key".to_owned(), key.to_str().unwrap().to_owned()];
    let [option, value] = with_key(&key);
    let (_, other) = (&option, with_key(&other_key)[1].clone());
    analyze_with(&database, &["--replace", &option, &value], &[&path]).expect_exit(0);
    check(&database, &[&a]);
    let outcome = analyze_with(&database, &[&option, &other], &[&path]).expect_exit(2);
    let words = outcome.stderr_text();
    assert!(words.contains("--visitor-key is #") && words.contains("and #"), "{words}");
    let bytes = fs::read(&database).unwrap();
    let secret = b"a key of thirty-two bytes at all";
    assert!(!bytes.windows(secret.len()).any(|window| window == secret), "the key is stored");
    assert!(!words.contains("thirty-two"));
    let again = analyze_with(&database, &[&option, &value], &[&path]).expect_exit(0);
    assert!(again.stderr_text().contains("already counted"));
}

#[test]
fn rules_that_are_not_given_are_those_of_the_database() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let logs: Vec<Vec<u8>> = (30..33).map(|seed| log(600, seed)).collect();
    let paths: Vec<_> = (0..3).map(|n| folder.write(format!("{n}.log"), &logs[n])).collect();
    let key = folder.write("key", b"a key of thirty-two bytes at all");
    let key = ["--visitor-key", key.to_str().unwrap()];
    let all =
        ["--count", "hits", "--visitor", "ip", "--group", "film=/movie/{}.html", "--keep-query"];
    analyze_with(&database, &[&all[..], &["--tz", "UTC"], &key].concat(), &[&paths[0]])
        .expect_exit(0);
    let outcome = analyze_with(&database, &key, &[&paths[1]]).expect_exit(0);
    assert_eq!(outcome.json()["definition"]["visitor"], "ip");
    analyze_with(&database, &[&["--visitor", "ip"], &key[..]].concat(), &[&paths[2]])
        .expect_exit(0);
    let fresh = folder.path("fresh.db");
    let paths: Vec<&Path> = paths.iter().map(|path| &**path).collect();
    analyze_with(&fresh, &[&all[..], &["--tz", "UTC"], &key].concat(), &paths).expect_exit(0);
    assert_eq!(traffic(&database), traffic(&fresh));
    // The key is not stored, so it must be given; what is given must fit.
    for (options, words) in [
        (&[][..], "--visitor-key is #"),
        (
            &[&key[..], &["--count", "page-views"]].concat(),
            "--count is hits in the database and page-views",
        ),
    ] {
        let outcome = analyze_with(&database, options, &paths).expect_exit(2);
        assert!(outcome.stderr_text().contains(words), "{}", outcome.stderr_text());
    }
    // Another site has rules of its own.
    let other = folder.write("other.log", log(300, 34));
    let outcome = analyze_with(&database, &["--site", "b.example"], &[&other]).expect_exit(0);
    assert_eq!(outcome.json()["definition"]["visitor"], "ip+ua");
}

#[test]
fn a_quiet_run_into_a_database_says_nothing() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let name = database.to_str().unwrap();
    let whole = log(400, 35);
    let path = folder.write("a.log", head(&whole, 300));
    let quiet = |options: &[&str]| {
        let input = [path.to_str().unwrap()];
        hitmap(&[&["analyze", "-q", "--db", name], options, &input].concat()).expect_exit(0)
    };
    let outcome = quiet(&[]);
    assert!(outcome.stdout.is_empty() && outcome.stderr.is_empty(), "{outcome:?}");
    fs::write(&path, &whole).unwrap();
    let outcome = quiet(&[]);
    assert!(outcome.stdout.is_empty() && outcome.stderr.is_empty(), "{outcome:?}");
    check(&database, &[&whole]);
    // What is asked for is there.
    contract::check_totals_only(&oracle(&[&whole]), &quiet(&["--json"]).json());
    contract::check_cells(&oracle(&[&whole]), &quiet(&["--cells", "-"]).stdout);
    let cells = folder.path("cells.ndjson");
    assert!(quiet(&["--cells", cells.to_str().unwrap()]).stdout.is_empty());
    contract::check_cells(&oracle(&[&whole]), &fs::read(&cells).unwrap());
    // Without a database the report is the point of the run.
    assert!(!hitmap(&["analyze", "-q", path.to_str().unwrap()]).expect_exit(0).stdout.is_empty());
}

/// The view has the cells of `--db-cells UNIT`, and those of `--cells` are the oracle's.
#[track_caller]
fn check_cells_of(database: &Path, unit: &str, files: &[&[u8]]) {
    assert_traffic(&traffic(database), &expected_traffic_of(&views(files), unit));
    contract::check_cells(
        &oracle(files),
        &report(database, &["--cells", "-"]).expect_exit(0).stdout,
    );
}

#[test]
fn cells_are_as_fine_as_was_asked_for_last() {
    let folder = Folder::new();
    let (a, b) = (log(900, 6), log(800, 7));
    let (path_a, path_b) = (folder.write("a.log", &a), folder.write("b.log", &b));
    for unit in ["day", "hour", "minute"] {
        let database = folder.path(format!("{unit}.db"));
        analyze_with(&database, &["--db-cells", unit], &[&path_a]).expect_exit(0);
        check_cells_of(&database, unit, &[&a]);
        analyze(&database, &[&path_b]).expect_exit(0);
        check_cells_of(&database, unit, &[&a, &b]);
        // Another unit later, also where nothing is new; then back.
        for other in ["minute", "day", "hour", unit] {
            let again = analyze_with(&database, &["--db-cells", other], &[&path_a]).expect_exit(0);
            assert!(again.stderr_text().contains("already counted"));
            check_cells_of(&database, other, &[&a, &b]);
        }
        on(&database, "forget", &[&short_id(&database, "a.log")]).expect_exit(0);
        check_cells_of(&database, unit, &[&b]);
    }
}

#[test]
fn every_log_may_come_as_new() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    // Lines of no page view fill it up.
    let filler = "10.0.0.1 - - [05/Mar/2018:14:05:09 +0800] \"GET /a.css HTTP/1.1\" 200 5 \"-\" \"";
    let filler = format!("{filler}{}\"\n", "x".repeat(900)).repeat(9_500);
    let whole = [&log(300, 8)[..], filler.as_bytes(), &log(300, 9)].concat();
    // Longer than a block of 8 MiB, cut to more than one and to less.
    assert!(whole.len() > (8 << 20) + 50_000);
    let path = folder.write("access.log", &whole);
    analyze(&database, &[&path]).expect_exit(0);
    let cut = &whole[..whole.len() - 50_000];
    let cut = &cut[..cut.iter().rposition(|&byte| byte == b'\n').unwrap() + 1];
    fs::write(&path, cut).unwrap();
    let before = traffic(&database);
    let little = &whole[..70_001];
    let others = [
        folder.write("cut.gz", logs::gzip(cut)),
        folder.write("little.log", little),
        folder.write("little.gz", logs::gzip(little)),
    ];
    for input in [&path, &others[0], &others[1], &others[2]] {
        let outcome = analyze(&database, &[input]).expect_exit(3);
        let words = outcome.stderr_text();
        assert!(words.contains("is shorter than when it was counted as"), "{words}");
        assert!(words.contains("--as-new"), "{words}");
        assert_eq!(sources(&database).len(), 1);
        assert_eq!(traffic(&database), before);
    }
    // Beside others that are fine.
    let other = log(200, 10);
    analyze(&database, &[&path, &folder.write("other.log", &other)]).expect_exit(3);
    assert_eq!(sources(&database).len(), 2);
    analyze_with(&database, &["--as-new"], &[&path]).expect_exit(0);
    assert_eq!(sources(&database).len(), 3);
    let files: [&[u8]; 5] = [&log(300, 8), &log(300, 9), &other, &log(300, 8), &[]];
    let tail = &cut[whole.len() - log(300, 9).len()..];
    let views: Vec<View> = views(&[files[0], files[1], files[2], files[3], tail]);
    assert_traffic(&traffic(&database), &expected_traffic(&views));
}

#[test]
fn the_database_is_no_log_and_no_other_output() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let a = log(200, 11);
    let path = folder.write("a.log", &a);
    let name = database.to_str().unwrap();
    // Not there yet.
    let options = ["analyze", "--db", name, "--cells", name, path.to_str().unwrap()];
    hitmap(&options).expect_exit(2);
    analyze(&database, &[&path]).expect_exit(0);
    let before = fs::read(&database).unwrap();
    let link = folder.path("link.db");
    std::os::unix::fs::symlink(&database, &link).unwrap();
    for other in [name, link.to_str().unwrap()] {
        for option in ["--cells", "--invalid-lines"] {
            hitmap(&["analyze", "--db", name, option, other, path.to_str().unwrap()])
                .expect_exit(2);
        }
        report(&database, &["--cells", other]).expect_exit(2);
        assert_eq!(fs::read(&database).unwrap(), before);
    }
    let empty = folder.write("empty.log", b"");
    analyze(&empty, &[&empty]).expect_exit(2);
    assert_eq!(fs::read(&empty).unwrap(), b"");
    // The log and its shared memory stand beside the database, for those who may only read.
    let names = ["a.log", "empty.log", "link.db", "stats.db", "stats.db-shm", "stats.db-wal"];
    assert_eq!(folder.names(), names);

    // Standard output takes one of them; a file beside it is fine.
    let cells = folder.path("cells.ndjson");
    hitmap(&["analyze", "--db", name, "--json", "--cells", "-", path.to_str().unwrap()])
        .expect_exit(2);
    let fresh = folder.path("fresh.db");
    let outcome =
        analyze_with(&fresh, &["--cells", cells.to_str().unwrap()], &[&path]).expect_exit(0);
    contract::check_cells(&oracle(&[&a]), &fs::read(&cells).unwrap());
    contract::check_totals_only(&oracle(&[&a]), &outcome.json());
    let cells = hitmap(&["analyze", "--db", name, "--cells", "-", path.to_str().unwrap()]);
    contract::check_cells(&oracle(&[&a]), &cells.expect_exit(0).stdout);
    check(&fresh, &[&a]);
}
