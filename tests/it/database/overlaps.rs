//! Logs that hold page views of others although their bytes differ: a concatenation, a trimmed copy, hours and then their
//! day. They count once. Logs that only look alike count in full: servers that share visitors and a health checker.

use std::fs;
use std::path::{Path, PathBuf};

use crate::database::stored::{analyze, analyze_with, check, short_id, sources, traffic};
use crate::harness::{Folder, Outcome};
use crate::logs::{gzip, head, log};

/// The log without its first lines.
fn tail(log: &[u8], first: usize) -> &[u8] {
    &log[head(log, first).len()..]
}

/// The run leaves `name` out because of `other`, and the sentence says so.
#[track_caller]
fn is_left_out(outcome: Outcome, name: &str, other: &str) -> String {
    let words = outcome.expect_exit(3).stderr_text();
    let (_, sentence) = words.split_once(&format!("{name}\" is left out")).expect(&words);
    let sentence = sentence.lines().next().unwrap();
    assert!(sentence.contains(&format!("{other}\"")), "{sentence}");
    assert!(sentence.contains("of its page views of 2018-03-"), "{sentence}");
    assert!(sentence.contains(" % are counted already"), "{sentence}");
    assert!(sentence.contains("--as-new counts it all the same"), "{sentence}");
    sentence.to_owned()
}

/// A database that holds two logs, `a.log` and `b.log`.
struct Counted {
    folder: Folder,
    database: PathBuf,
    a: Vec<u8>,
    b: Vec<u8>,
}

impl Counted {
    fn new() -> Self {
        let folder = Folder::new();
        let database = folder.path("stats.db");
        let (a, b) = (log(3_000, 41), log(2_400, 42));
        let paths = [folder.write("a.log", &a), folder.write("b.log", &b)];
        analyze(&database, &[&paths[0], &paths[1]]).expect_exit(0);
        Self { folder, database, a, b }
    }

    /// Nothing is counted twice.
    #[track_caller]
    fn check(&self) {
        assert_eq!(sources(&self.database).len(), 2);
        check(&self.database, &[&self.a, &self.b]);
    }
}

#[test]
fn a_concatenation_after_its_logs_is_left_out() {
    let counted = Counted::new();
    let Counted { folder, database, a, b } = &counted;
    // It begins with neither.
    let all = [tail(b, 5), a].concat();
    for (name, bytes) in [("all.log", &all), ("all.gz", &gzip(&all))] {
        is_left_out(analyze(database, &[&folder.write(name, bytes)]), name, "a.log");
        counted.check();
    }
    // It begins with one, which has grown by the other, it seems.
    let grown = folder.write("a.log", [&a[..], b].concat());
    let outcome = analyze(database, &[&grown]);
    let words = outcome.stderr_text();
    assert!(words.contains("or rather its new lines"), "{words}");
    is_left_out(outcome, "a.log", "b.log");
    counted.check();
    // Beside others that are fine.
    let c = log(900, 43);
    let paths = [folder.write("all.log", &all), folder.write("c.log", &c)];
    is_left_out(analyze(database, &[&paths[0], &paths[1]]), "all.log", "a.log");
    check(database, &[a, b, &c]);
}

#[test]
fn a_trimmed_copy_is_left_out_unless_it_is_asked_for() {
    let counted = Counted::new();
    let Counted { folder, database, a, b } = &counted;
    let half = tail(a, 1_500);
    let part = folder.write("part.log", half);
    let more = folder.write("more.log", tail(a, 10));
    for (path, name) in [(&part, "part.log"), (&more, "more.log")] {
        let sentence = is_left_out(analyze(database, &[path]), name, "a.log");
        assert!(sentence.contains(", about 100 % are counted already"), "{sentence}");
    }
    counted.check();
    analyze_with(database, &["--as-new"], &[&part]).expect_exit(0);
    check(database, &[a, b, half]);
    // Neither of them is stopped when it grows.
    let (more_a, more_part) = (log(400, 44), log(500, 45));
    for (name, bytes, more) in [("part.log", half, &more_part), ("a.log", &a[..], &more_a)] {
        analyze(database, &[&folder.write(name, [bytes, more].concat())]).expect_exit(0);
    }
    check(database, &[a, b, half, &more_a, &more_part]);
}

#[test]
fn a_day_after_some_of_its_hours_is_left_out() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let whole = log(4_000, 46);
    let lines: Vec<&[u8]> = whole.split_inclusive(|&byte| byte == b'\n').collect();
    let pieces: Vec<Vec<u8>> = lines.chunks(500).map(<[&[u8]]>::concat).collect();
    let paths: Vec<PathBuf> = pieces
        .iter()
        .enumerate()
        .map(|(n, piece)| folder.write(format!("{n}.log"), piece))
        .collect();
    // Not the first: what begins with a counted log has grown from it.
    let some: Vec<&Path> = paths[1..].iter().map(PathBuf::as_path).collect();
    analyze(&database, &some).expect_exit(0);
    let before = traffic(&database);
    let all = folder.write("all.log", &whole);
    let outcome = analyze(&database, &[&all]).expect_exit(3);
    assert!(outcome.stderr_text().contains("all.log\" is left out"), "{}", outcome.stderr_text());
    assert_eq!(traffic(&database), before);
    analyze(&database, &[&paths[0]]).expect_exit(0);
    check(&database, &[&whole]);
}

/// In one run the largest log is counted, whatever the order in which the logs are named.
#[test]
fn of_overlapping_logs_of_one_run_the_largest_counts() {
    let folder = Folder::new();
    let (a, b) = (log(1_500, 47), log(1_200, 48));
    let all = [tail(&b, 3), &a].concat();
    let paths = [("a.log", &a), ("all.log", &all), ("b.log", &b)]
        .map(|(name, log)| folder.write(name, log));
    for (number, order) in [[0, 1, 2], [2, 1, 0], [1, 0, 2]].into_iter().enumerate() {
        let database = folder.path(format!("{number}.db"));
        let outcome = analyze(&database, &order.map(|index| &*paths[index])).expect_exit(3);
        let words = outcome.stderr_text();
        for left_out in ["a.log", "b.log"] {
            assert!(words.contains(&format!("{left_out}\" is left out")), "{words}");
        }
        check(&database, &[&all]);
        assert_eq!(sources(&database).len(), 1);
        // What was left out is not lost: the other one can be taken out.
        let id = short_id(&database, "all.log");
        crate::database::stored::on(&database, "forget", &[&id]).expect_exit(0);
        analyze(&database, &[&paths[0], &paths[2]]).expect_exit(0);
        check(&database, &[&a, &b]);
    }
}

/// A line of page `page` by visitor `visitor`, at a second of a day.
fn line(visitor: u32, second: u32, page: u32) -> String {
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!(
        "10.0.{}.{} - - [05/Mar/2018:{hour:02}:{minute:02}:{second:02} +0800] \"GET /{page}.html HTTP/1.1\" 200 5 \"-\" \"agent\"\n",
        visitor / 250,
        visitor % 250,
    )
}

#[test]
fn servers_that_share_their_visitors_and_a_health_checker_are_logs_of_their_own() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let server = |offset: u32| -> Vec<u8> {
        let visits = (0..4_000_u32).map(|view| {
            let second = (view * 21 + offset) % 86_400;
            line(view.wrapping_mul(2_654_435_761) % 500, second, (view + offset) % 30)
        });
        // The same lines in both, second by second.
        let checks = (0..2_000).map(|second| line(60_000, second * 43, 99));
        visits.chain(checks).flat_map(String::into_bytes).collect()
    };
    let (one, other) = (server(0), server(7));
    let paths = [folder.write("one.log", &one), folder.write("other.log", &other)];
    analyze(&database, &[&paths[0], &paths[1]]).expect_exit(0);
    check(&database, &[&one, &other]);
    let apart = folder.path("apart.db");
    for path in &paths {
        analyze(&apart, &[path]).expect_exit(0);
    }
    assert_eq!(traffic(&apart), traffic(&database));
    // One of them grows, and grows.
    let grown = [&one[..], &log(300, 49)].concat();
    fs::write(&paths[0], &grown).unwrap();
    analyze(&apart, &[&paths[0]]).expect_exit(0);
    check(&apart, &[&grown, &other]);
}

#[test]
fn a_log_of_few_visitors_is_no_overlap_but_a_copy_is_one() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let few: String = (0..200).map(|second| line(second % 15, second * 60, second % 7)).collect();
    analyze(&database, &[&folder.write("few.log", &few)]).expect_exit(0);
    // Fewer than 20 visitors tell nothing: this is counted, as the guide says.
    let (_, rest) = few.split_once('\n').unwrap();
    analyze(&database, &[&folder.write("rest.log", rest)]).expect_exit(0);
    check(&database, &[few.as_bytes(), rest.as_bytes()]);
    let copy = analyze(&database, &[&folder.write("copy.log", &few)]).expect_exit(0);
    assert!(copy.stderr_text().contains("already counted"), "{}", copy.stderr_text());
}
