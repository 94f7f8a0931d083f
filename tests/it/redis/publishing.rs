//! What dashboards read is what was counted, and nothing else is there.

use std::fmt::Write as _;

use crate::harness::{Folder, Outcome, hitmap, hitmap_reading, needs};
use crate::redis::content::{ALL, Kept, cells, check, content, expected};
use crate::redis::server::{Server, redis_server};

/// Publishes files as a user would.
pub(crate) fn publish(url: &str, arguments: &[&str]) -> Outcome {
    let mut all = vec!["analyze", "--to", url];
    all.extend(arguments);
    hitmap(&all)
}

/// A generated log of some days.
pub(crate) fn generated(folder: &Folder, lines: u32, days: u32, pages: u32) -> String {
    let path = folder.path(format!("{lines}-{days}-{pages}.log"));
    let path = path.to_str().unwrap().to_owned();
    let (lines, days, pages) = (lines.to_string(), days.to_string(), pages.to_string());
    let words = [
        "generate", "--lines", &lines, "--days", &days, "--pages", &pages, "--seed", "5", "-o",
        &path,
    ];
    hitmap(&words).expect_exit(0);
    path
}

/// A line: who, when (hour and minute of 5 March 2018), what.
pub(crate) fn line(visitor: u32, hour: u32, minute: u32, page: &str) -> String {
    format!(
        "10.0.0.{visitor} - - [05/Mar/2018:{hour:02}:{minute:02}:09 +0800] \"GET {page} HTTP/1.1\" 200 1 \"-\" \"agent\"\n"
    )
}

#[test]
fn every_cell_is_there_and_no_other_key() {
    needs!(redis_server());
    let (folder, server) = (Folder::new(), Server::start());
    let log = generated(&folder, 60_000, 3, 400);
    let rows = cells(&[&log]);
    publish(&server.url("?minute_pages=all&top_sections=all"), &[&log]).expect_exit(0);
    check(&mut server.client(), &expected(&rows, "hitmap:", ALL));
    // Again: nothing changes, not even a version.
    let before = content(&mut server.client(), "*");
    let outcome =
        publish(&server.url("?minute_pages=all&top_sections=all"), &[&log]).expect_exit(0);
    assert!(outcome.stderr_text().contains("3 days, nothing changed"), "{}", outcome.stderr_text());
    assert!(content(&mut server.client(), "*") == before);
}

#[test]
fn other_options_leave_nothing_of_the_former_ones() {
    needs!(redis_server());
    let (folder, server) = (Folder::new(), Server::start());
    // One minute with more pages than a batch has cells, so that values are compared in several reads.
    let mut log = String::new();
    for page in 0..12_000 {
        log += &line(page % 200, 14, 5, &format!("/s{}/{page}", page % 70));
    }
    log += &line(1, 23, 59, "/s3/last");
    let log = folder.write("a.log", log);
    let log = log.to_str().unwrap();
    let rows = cells(&[log]);
    let kept = [
        ("?minute_pages=all&top_sections=all", ALL),
        ("?minute_pages=3&top_sections=2", Kept { minute_pages: 3, top_sections: 2 }),
        ("?minute_pages=0&top_sections=0", Kept { minute_pages: 0, top_sections: 0 }),
        ("", Kept { minute_pages: 127, top_sections: 100 }),
        ("?top_sections=1", Kept { minute_pages: 127, top_sections: 1 }),
    ];
    for (options, kept) in kept {
        publish(&server.url(options), &[log]).expect_exit(0);
        check(&mut server.client(), &expected(&rows, "hitmap:", kept));
    }
}

#[test]
fn hostile_names_are_values_like_others() {
    needs!(redis_server());
    let (folder, server) = (Folder::new(), Server::start());
    let mut log = Vec::new();
    let pages: [&[u8]; 11] = [
        b"/\xff\xfe/\x80",
        b"/{a}/{b}",
        b"/}{/x",
        b"/a:14/x",
        b"/a:14",
        b"/$5\\r\\nZADD/x",
        b"/x y/z",
        "/ü/影片".as_bytes(),
        b"/%00/%0d%0a",
        b"/\x1b]0;x\x07/y",
        b"/*/?",
    ];
    for page in pages {
        let line = line(1, 14, 5, "PAGE");
        let (start, end) = line.split_once("PAGE").unwrap();
        log.extend([start.as_bytes(), page, end.as_bytes()].concat());
    }
    let long = format!("/{}/{}", "s".repeat(300_000), "p".repeat(700_000));
    log.extend(line(2, 14, 5, &long).into_bytes());
    let log = folder.write("a.log", log);
    let log = log.to_str().unwrap();
    for site in ["a}b{c:d", "%", "default"] {
        server.client().call(&["FLUSHALL"]);
        let arguments = [log, "--site", site];
        let rows = cells(&arguments);
        publish(&server.url("?prefix=p:%20:&minute_pages=all"), &arguments).expect_exit(0);
        check(&mut server.client(), &expected(&rows, "p: :", ALL));
    }
}

#[test]
fn a_day_goes_where_the_logs_say() {
    needs!(redis_server());
    let (folder, server) = (Folder::new(), Server::start());
    let url = server.url("?minute_pages=all");
    let first: String = (0..50).map(|n| line(n, 1, n, &format!("/a/{n}"))).collect();
    let more: String = (0..50).map(|n| line(n, 2, n, &format!("/b/{n}"))).collect();
    let other: String = (0..50).map(|n| line(n, 3, n, &format!("/c/{n}"))).collect();
    let path = folder.write("access.log", &first);
    let log = path.to_str().unwrap();
    publish(&url, &[log]).expect_exit(0);
    // It grows: the same source.
    std::fs::write(&path, format!("{first}{more}")).unwrap();
    publish(&url, &[log]).expect_exit(0);
    check(&mut server.client(), &expected(&cells(&[log]), "hitmap:", ALL));
    // Rotated, and through a pipe: the same bytes.
    let rotated = folder.path("access.log.1");
    std::fs::rename(&path, &rotated).unwrap();
    let rotated = rotated.to_str().unwrap();
    let outcome = publish(&url, &[rotated]).expect_exit(0);
    assert!(outcome.stderr_text().contains("1 day, nothing changed"), "{}", outcome.stderr_text());
    let both = format!("{first}{more}{other}");
    hitmap_reading(&["analyze", "-", "--to", &url], both.as_bytes()).expect_exit(0);
    let whole = folder.write("whole.log", &both);
    let whole = whole.to_str().unwrap();
    let rows = cells(&[whole]);
    check(&mut server.client(), &expected(&rows, "hitmap:", ALL));
    // The shorter file is not all there is, and neither is another one.
    let other = folder.write("other.log", &other);
    let other = other.to_str().unwrap();
    for log in [rotated, other] {
        let outcome = publish(&url, &[log]).expect_exit(4);
        let said = outcome.stderr_text();
        for part in ["2018-03-05 was not published", "\"-\"", "Give all files", "--db", "--replace"]
        {
            assert!(said.contains(part), "{part:?} in {said}");
        }
        assert!(!outcome.stdout.is_empty(), "the report is printed all the same");
        check(&mut server.client(), &expected(&rows, "hitmap:", ALL));
    }
    // With the source that is there it is; --replace drops what is there.
    publish(&url, &[whole, rotated]).expect_exit(0);
    check(&mut server.client(), &expected(&cells(&[whole, rotated]), "hitmap:", ALL));
    publish(&url, &[other, "--replace"]).expect_exit(0);
    check(&mut server.client(), &expected(&cells(&[other]), "hitmap:", ALL));
    publish(&url, &[other]).expect_exit(0);
}

#[test]
fn days_are_refused_one_by_one() {
    needs!(redis_server());
    let (folder, server) = (Folder::new(), Server::start());
    let fifth = line(1, 1, 1, "/a/1");
    let sixth = fifth.replace("05/Mar", "06/Mar").replace("/a/1", "/a/2");
    let old = folder.write("old.log", &fifth);
    let new = folder.write("new.log", format!("{}{sixth}", line(2, 1, 1, "/b/1")));
    publish(&server.url(""), &[old.to_str().unwrap()]).expect_exit(0);
    let outcome = publish(&server.url(""), &[new.to_str().unwrap()]).expect_exit(4);
    assert!(
        outcome.stderr_text().contains("1 day not published, 1 published"),
        "{}",
        outcome.stderr_text()
    );
    let found = content(&mut server.client(), "*");
    assert!(found["hitmap:{default:20180305}:pv:pages"].contains_key("/a/1"));
    assert!(found["hitmap:{default:20180306}:pv:pages"].contains_key("/a/2"));
}

#[test]
fn nothing_is_published_of_what_could_not_be_read_and_copies_count_once() {
    needs!(redis_server());
    let (folder, server) = (Folder::new(), Server::start());
    let log = folder.write("a.log", line(1, 1, 1, "/a"));
    let copy = folder.write("b.log", line(1, 1, 1, "/a"));
    let garbage = folder.write("c.log", "garbage\n");
    let [log, copy, garbage] = [&log, &copy, &garbage].map(|path| path.to_str().unwrap());
    publish(&server.url(""), &[log, "/nowhere/x.log"]).expect_exit(3);
    publish(&server.url(""), &[garbage]).expect_exit(1);
    publish(&server.url(""), &[log, garbage, "--max-invalid", "0"]).expect_exit(1);
    assert!(content(&mut server.client(), "*").is_empty());
    for inputs in [[log, "/dev/null"], [copy, log]] {
        publish(&server.url(""), &inputs).expect_exit(0);
        check(&mut server.client(), &expected(&cells(&[log]), "hitmap:", ALL));
    }
}

#[test]
fn keys_expire_after_their_bucket() {
    needs!(redis_server());
    let (folder, server) = (Folder::new(), Server::start());
    let log = folder.write("a.log", line(1, 14, 5, "/a/1"));
    let log = log.to_str().unwrap();
    let end_of_day = 1_520_294_400;
    let mut client = server.client();
    let mut time = |key: &str| {
        client.call(&["EXPIRETIME", &format!("hitmap:{{default:20180305}}:{key}")]).text()
    };
    publish(&server.url("?minute_pages=all"), &[log]).expect_exit(0);
    assert_eq!(time("pv:pages:14:05"), "-1");
    publish(
        &server.url("?minute_pages=all&ttl_day=30000d&ttl_hour=20000d&ttl_minute=10000d"),
        &[log],
    )
    .expect_exit(0);
    let days = |days: i64| days * 86_400;
    for (key, expected) in [
        ("totals", end_of_day + days(30_000)),
        ("pv:pages", end_of_day + days(30_000)),
        ("uv:pages@/a/:14", end_of_day - 9 * 3600 + days(20_000)),
        ("uv:sections:14:05", end_of_day - 9 * 3600 - 54 * 60 + days(10_000)),
    ] {
        assert_eq!(time(key), expected.to_string(), "{key}");
    }
    // Without times keys stay; with times that are over they go, and the others stay.
    publish(&server.url("?minute_pages=all"), &[log]).expect_exit(0);
    assert_eq!(time("pv:pages:14:05"), "-1");
    publish(&server.url("?minute_pages=all&ttl_minute=1d"), &[log]).expect_exit(0);
    assert_eq!(time("pv:pages:14:05"), "-2");
    assert_eq!(time("pv:pages:14"), "-1");
    // The whole day is over.
    publish(&server.url("?ttl_minute=1d&ttl_hour=1d&ttl_day=1d"), &[log]).expect_exit(0);
    assert_eq!((time("totals"), time("pv:pages:14")), ("-2".to_owned(), "-2".to_owned()));
    publish(&server.url("?minute_pages=all"), &[log, "--replace"]).expect_exit(0);
    check(&mut server.client(), &expected(&cells(&[log]), "hitmap:", ALL));
}

#[test]
fn too_many_keys_and_ambiguous_groups_are_refused_with_advice() {
    needs!(redis_server());
    let (folder, server) = (Folder::new(), Server::start());
    let mut log = String::new();
    for section in 0..26_000 {
        let _ = write!(log, "{}", line(1, 14, 5, &format!("/{section}/x")));
    }
    let log = folder.write("a.log", log);
    let log = log.to_str().unwrap();
    let outcome = publish(&server.url("?top_sections=all"), &[log]).expect_exit(4);
    let said = outcome.stderr_text();
    assert!(said.contains("more than 100000 keys") && said.contains("top_sections="), "{said}");
    assert!(content(&mut server.client(), "*").is_empty(), "nothing is left of it");
    publish(&server.url(""), &[log]).expect_exit(0);
    let groups = ["--group", "home:14=/1/x", "--group", "home=/2/x"];
    let outcome =
        publish(&server.url("/1?top_sections=all"), &[&[log], &groups[..]].concat()).expect_exit(4);
    assert!(outcome.stderr_text().contains("another name"), "{}", outcome.stderr_text());
}
