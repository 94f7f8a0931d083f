//! Logs as they live: they grow, at any byte, are rotated, renamed, copied, compressed, cut and given twice; every
//! line counts once.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;

use crate::contract::{check_cells, check_totals_only};
use crate::database::stored::{
    analyze, analyze_with, check, on, oracle, report, short_id, sources, traffic,
};
use crate::harness::{Folder, Outcome, assert_harmless, hitmap_reading};
use crate::logs::{gzip, head, log};
use crate::oracle::{self, Rules};
use crate::random;

#[track_caller]
fn says(outcome: &Outcome, words: &str) {
    assert!(outcome.stderr_text().contains(words), "no {words:?} in {}", outcome.stderr_text());
}

/// `already counted as 3f2a9c, 123 kB on 2018-03-12`
#[track_caller]
fn says_counted(outcome: &Outcome, id: &str) {
    let words = outcome.stderr_text();
    let (_, rest) = words.split_once(&format!("is already counted as {id}, ")).expect(&words);
    let rest = rest.lines().next().unwrap();
    let (size, day) = rest.split_once(" on ").expect(rest);
    assert!(size.ends_with(" kB") || size.ends_with(" bytes"), "{rest}");
    assert!(day.len() == 10 && day.starts_with("20"), "{rest}");
}

#[test]
fn what_was_counted_is_known_under_any_name_and_in_any_form() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let whole = log(1_500, 1);
    let path = folder.write("access.log", &whole);
    analyze(&database, &[&path]).expect_exit(0);
    let id = short_id(&database, "access.log");
    let rotated = folder.path("access.log.1");
    fs::rename(&path, &rotated).unwrap();
    let copy = folder.write("copy of it.log", &whole);
    let hard_link = folder.path("link.log");
    fs::hard_link(&rotated, &hard_link).unwrap();
    let zipped = folder.write("access.log.2.gz", gzip(&whole));
    let (one, two) = whole.split_at(77_777);
    let members = folder.write("members.gz", [gzip(one), gzip(two)].concat());
    for input in [&rotated, &copy, &hard_link, &zipped, &members] {
        let outcome = analyze(&database, &[input]).expect_exit(0);
        says_counted(&outcome, &id);
        check_totals_only(&oracle(&[&whole]), &outcome.json());
    }
    let name = database.to_str().unwrap();
    for bytes in [&whole, &gzip(&whole)] {
        let outcome = hitmap_reading(&["analyze", "--json", "--db", name, "-"], bytes);
        says_counted(&outcome.expect_exit(0), &id);
    }
    // All at once, and one of them under two names: its lines are in the report once.
    let outcome =
        analyze(&database, &[&rotated, &copy, &rotated, &hard_link, &zipped]).expect_exit(0);
    says(&outcome, "was named before and is counted once");
    check_totals_only(&oracle(&[&whole]), &outcome.json());
    assert_eq!(sources(&database).len(), 1);
    check(&database, &[&whole]);
    // The same in a database that does not know it yet.
    let fresh = folder.path("fresh.db");
    let outcome = analyze(&fresh, &[&zipped, &copy, &rotated]).expect_exit(0);
    check_totals_only(&oracle(&[&whole]), &outcome.json());
    assert_eq!(sources(&fresh).len(), 1);
    check(&fresh, &[&whole]);
}

#[test]
fn a_log_is_followed_through_copytruncate() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let (first, second) = (log(1_200, 2), log(900, 3));
    let path = folder.write("access.log", head(&first, 700));
    analyze(&database, &[&path]).expect_exit(0);
    fs::write(&path, &first).unwrap();
    // The copy has more than was counted; what follows the cut is another log.
    let copy = folder.path("access.log.1");
    fs::copy(&path, &copy).unwrap();
    fs::write(&path, head(&second, 300)).unwrap();
    let outcome = analyze(&database, &[&path, &copy]).expect_exit(0);
    says(&outcome, "grown by 500 lines");
    check(&database, &[&first, head(&second, 300)]);
    fs::write(&path, &second).unwrap();
    analyze(&database, &[&path]).expect_exit(0);
    check(&database, &[&first, &second]);
    // An earlier state of it is no other log.
    let earlier = folder.write("earlier.log", head(&first, 700));
    let id = short_id(&database, "access.log.1");
    says_counted(&analyze(&database, &[&earlier]).expect_exit(0), &id);
    // Empty right after the cut.
    fs::write(&path, b"").unwrap();
    let outcome = analyze(&database, &[&path]).expect_exit(0);
    assert_eq!(outcome.json()["totals"]["lines"], 0);
    assert_eq!(sources(&database).len(), 2);
    check(&database, &[&first, &second]);
}

#[test]
fn a_beginning_and_its_log_given_together_count_once() {
    let folder = Folder::new();
    let whole = log(1_000, 4);
    let path = folder.write("whole.log", &whole);
    let beginning = folder.write("beginning.log", head(&whole, 400));
    let zipped = folder.write("beginning.gz", gzip(head(&whole, 600)));
    let database = folder.path("stats.db");
    let outcome = analyze(&database, &[&beginning, &zipped, &path]).expect_exit(0);
    check_totals_only(&oracle(&[&whole]), &outcome.json());
    check(&database, &[&whole]);
    assert_eq!(sources(&database).len(), 1);
}

/// Both begin with what was counted. The longer one has grown from it; the other one is looked at again afterwards, and
/// holds what is counted by then.
#[test]
fn of_two_logs_that_begin_with_a_counted_one_the_longer_has_grown_from_it() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let (first, more, others) = (log(1_500, 31), log(1_200, 32), log(1_000, 33));
    let path = folder.write("access.log", &first);
    analyze(&database, &[&path]).expect_exit(0);
    let longer = [&first[..], &more].concat();
    fs::write(&path, &longer).unwrap();
    let other = folder.write("other.log", [&first[..], &others].concat());
    for inputs in [[&*other, &*path], [&*path, &*other]] {
        let outcome = analyze(&database, &inputs).expect_exit(3);
        says(&outcome, "other.log\" is left out: of its page views of 2018-03-");
        check_totals_only(&oracle(&[&longer]), &outcome.json());
        check(&database, &[&longer]);
    }
    assert_eq!(sources(&database).len(), 1);
}

#[test]
fn a_last_line_without_its_end_waits_in_a_file_and_counts_elsewhere() {
    let folder = Folder::new();
    let whole = log(800, 5);
    let line_end = head(&whole, 500).len();
    let name_of = |database: &Path| database.to_str().unwrap().to_owned();
    for torn_by in [1, 60, 150] {
        let torn = &whole[..line_end + torn_by];
        let plain = folder.path(format!("{torn_by}.db"));
        let path = folder.write("access.log", torn);
        let outcome = analyze(&plain, &[&path]).expect_exit(0);
        says(&outcome, &format!("{torn_by} byte"));
        says(&outcome, "pending");
        check(&plain, &[&whole[..line_end]]);
        says(&analyze(&plain, &[&path]).expect_exit(0), "pending");

        // Nobody goes on writing what comes compressed or through a pipe, it seems; so the tail counts, and when the
        // log is given again with more of it, it counts as it is then.
        for is_piped in [false, true] {
            let database = folder.path(format!("{torn_by}{is_piped}.db"));
            if is_piped {
                let arguments = ["analyze", "--db", &name_of(&database), "-"];
                hitmap_reading(&arguments, torn).expect_exit(0);
            } else {
                analyze(&database, &[&folder.write("torn.gz", gzip(torn))]).expect_exit(0);
            }
            check(&database, &[torn]);
            assert_eq!(sources(&database)[0]["lines"], 501);
            let longer = folder.write("longer.log", &whole[..head(&whole, 600).len() + torn_by]);
            let outcome = analyze(&database, &[&longer]).expect_exit(0);
            says(&outcome, "grown by 99 lines");
            check(&database, &[head(&whole, 600)]);
            analyze(&database, &[&folder.write("whole.gz", gzip(&whole))]).expect_exit(0);
            check(&database, &[&whole]);
            check_totals_only(
                &oracle(&[&whole]),
                &report(&database, &["--json"]).expect_exit(0).json(),
            );
            assert_eq!(sources(&database).len(), 1);
        }
    }
}

/// A log that grows keeps the format it was counted in. Lines of another one are malformed, which is said.
#[test]
fn a_log_that_grows_keeps_its_format() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let common = b"10.0.0.9 - - [05/Mar/2018:14:05:09 +0800] \"GET /a HTTP/1.1\" 200 5\n";
    let whole = [common, &log(400, 6)[..]].concat();
    let path = folder.write("access.log", common);
    analyze(&database, &[&path]).expect_exit(0);
    let cells = report(&database, &["--cells", "-"]).expect_exit(0).stdout;
    check_cells(&oracle(&[common]), &cells);
    fs::write(&path, &whole).unwrap();
    says(&analyze(&database, &[&path]).expect_exit(0), "% of its 401 lines are malformed");
    let common = Rules { format: Some(oracle::Format::Common), ..Rules::default() };
    let answer = oracle::analyze(&[&whole], &common);
    check_cells(&answer, &report(&database, &["--cells", "-"]).expect_exit(0).stdout);
    check_totals_only(&answer, &report(&database, &["--json"]).expect_exit(0).json());
    // Nothing is kept of a state without a line of any format: what is there later decides.
    let database = folder.path("later.db");
    let whole = [b"# the access log\n", &log(400, 6)[..]].concat();
    fs::write(&path, &whole[..17]).unwrap();
    analyze(&database, &[&path]).expect_exit(1);
    fs::write(&path, &whole).unwrap();
    analyze(&database, &[&path]).expect_exit(0);
    check(&database, &[&whole]);
}

#[test]
fn a_log_that_grows_while_it_is_read_loses_nothing() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let whole = log(12_000, 7);
    let path = folder.write("access.log", &whole[..1]);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut file = OpenOptions::new().append(true).open(&path).unwrap();
            for piece in whole[1..].chunks(4_999) {
                file.write_all(piece).unwrap();
                std::thread::sleep(std::time::Duration::from_micros(500));
            }
        });
        let mut runs = 0;
        while !writer.is_finished() || runs < 3 {
            analyze(&database, &[&path]).expect_exit(0);
            runs += 1;
        }
    });
    analyze(&database, &[&path]).expect_exit(0);
    check(&database, &[&whole]);
    assert_eq!(sources(&database).len(), 1);
}

#[test]
fn the_list_of_sources_says_what_is_there() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let (a, b) = (log(300, 8), log(200, 9));
    let hostile = folder.write("a\u{1b}[2J\n.log", &a);
    analyze(&database, &[&hostile, &folder.write("b.gz", gzip(&b))]).expect_exit(0);
    let rows = sources(&database);
    for (row, log) in rows.iter().zip([&a, &b]) {
        let answer = oracle(&[log]);
        assert_eq!(row["bytes"], log.len());
        assert_eq!(row["lines"], answer.lines);
        assert_eq!(row["page_views"], answer.page_views);
        assert_eq!(row["format"], "combined");
        assert_eq!(row["added"], row["changed"]);
        let (short, full) = (row["source"].as_str().unwrap(), row["id"].as_str().unwrap());
        assert!(short.len() == 6 && full.len() == 32 && full.starts_with(short), "{row}");
    }
    let list = on(&database, "sources", &[]).expect_exit(0);
    assert_harmless(&list.stdout, false);
    assert_eq!(list.stdout_text().lines().count(), 2);
    for (line, row) in list.stdout_text().lines().zip(&rows) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let columns = [row["source"].as_str().unwrap(), row["changed"].as_str().unwrap()];
        assert_eq!(words[..2], columns);
        assert_eq!(words[2], row["bytes"].to_string());
        assert_eq!(words[4], row["lines"].to_string());
    }
    let full = rows[0]["id"].as_str().unwrap();
    on(&database, "forget", &["ffffff"]).expect_exit(2);
    on(&database, "forget", &[full]).expect_exit(0);
    check(&database, &[&b]);
}

/// How a log comes to the database.
#[derive(Clone, Debug)]
struct Given {
    log: Index,
    /// How much of it there is by then; never less than before.
    end: Index,
    form: u8,
}

/// A log that is not printed as a list of numbers.
#[derive(Clone)]
struct Log(Vec<u8>);

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

/// Any lines in any number of logs, each growing at any byte, given in any order and form, again and again: the
/// database is what the oracle says of them, once each.
#[test]
fn any_growth_in_any_order_is_one_run() {
    let given = (any::<Index>(), any::<Index>(), 0..8_u8);
    let given = given.prop_map(|(log, end, form)| Given { log, end, form });
    let strategy = (vec(random::file().prop_map(Log), 1..4), vec(given, 0..8), random::rules());
    let mut runner = TestRunner::new(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").map_or(25, |cases| cases.parse().unwrap()),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    });
    let check =
        |(logs, given, rules): (Vec<Log>, Vec<Given>, Rules)| check_growth(&logs, &given, &rules);
    runner.run(&strategy, check).unwrap();
}

fn check_growth(logs: &[Log], given: &[Given], rules: &Rules) -> Result<(), TestCaseError> {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    // A log of its own: none is the beginning of another, which nobody could tell from a copy.
    let logs: Vec<Vec<u8>> = logs
        .iter()
        .enumerate()
        .map(|(number, log)| {
            let first = format!(
                "10.0.0.{number} - - [05/Mar/2018:14:05:09 +0800] \"GET /{number} HTTP/1.1\" 200 5 \"-\" \"agent\"\n"
            );
            [first.as_bytes(), &log.0].concat()
        })
        .collect();
    let paths: Vec<PathBuf> =
        (0..logs.len()).map(|number| folder.path(format!("{number}.log"))).collect();
    let mut ends: Vec<usize> = vec![0; logs.len()];
    // The format is named: random lines often make no sense, and detection would refuse them. It is one that can read
    // the first line of every log, since a log without a readable line is not kept.
    let named = rules.clone().with_format_of(&logs[0]);
    let format = named.format.filter(|format| *format != oracle::Format::Common);
    let rules = &Rules { format: format.or(Some(oracle::Format::Combined)), ..named };
    let options = rules.options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    for Given { log, end, form } in given {
        let log = log.index(logs.len());
        ends[log] += end.index(logs[log].len() - ends[log] + 1);
        give(&database, &options, &paths[log], &logs[log][..ends[log]], *form);
    }
    for (path, log) in paths.iter().zip(&logs) {
        give(&database, &options, path, log, 0);
    }
    // A file's last line without its end waits; a compressed one's counts.
    for (path, log) in paths.iter().zip(&logs) {
        give(&database, &options, path, log, 7);
    }
    let logs: Vec<&[u8]> = logs.iter().map(Vec::as_slice).collect();
    let answer = oracle::analyze(&logs, rules);
    check_cells(&answer, &report(&database, &["--cells", "-"]).expect_exit(0).stdout);
    check_totals_only(&answer, &report(&database, &["--json"]).expect_exit(0).json());
    let fresh = folder.path("fresh.db");
    let zipped: Vec<PathBuf> = logs
        .iter()
        .enumerate()
        .map(|(number, log)| folder.write(format!("{number}.gz"), gzip(log)))
        .collect();
    let zipped: Vec<&Path> = zipped.iter().map(PathBuf::as_path).collect();
    let outcome = analyze_with(&fresh, &options, &zipped);
    // None of a log's lines may be of the format that is named.
    assert!(matches!(outcome.exit_code, Some(0 | 1 | 3)), "{}", outcome.stderr_text());
    assert_eq!(traffic(&database), traffic(&fresh));
    Ok(())
}

fn give(database: &Path, options: &[&str], path: &Path, bytes: &[u8], form: u8) {
    let outcome = match form {
        7 => {
            fs::write(path.with_extension("gz"), gzip(bytes)).unwrap();
            analyze_with(database, options, &[&path.with_extension("gz")])
        }
        6 => {
            let arguments = ["analyze", "--db", database.to_str().unwrap(), "-"];
            hitmap_reading(&[&arguments, options].concat(), bytes)
        }
        _ => {
            fs::write(path, bytes).unwrap();
            analyze_with(database, options, &[path])
        }
    };
    // The first line may be torn, so that there is nothing to be parsed yet.
    assert!(matches!(outcome.exit_code, Some(0 | 1)), "{}", outcome.stderr_text());
}

#[test]
fn an_earlier_state_with_a_torn_line_is_known_in_any_form() {
    let folder = Folder::new();
    let whole = log(300, 22);
    let torn = &whole[..whole.len() / 2 + 7];
    assert_ne!(torn.last(), Some(&b'\n'));
    let path = folder.write("torn.log", torn);
    let zipped = folder.write("torn.gz", gzip(torn));
    let whole = folder.write("whole.log", &whole);
    for first in [&path, &zipped] {
        let database = folder.path(if *first == path { "plain.db" } else { "zipped.db" });
        analyze(&database, &[first]).expect_exit(0);
        analyze(&database, &[&whole]).expect_exit(0);
        let before = traffic(&database);
        let outcome = analyze(&database, &[first]).expect_exit(0);
        says(&outcome, "already counted");
        // Up to its last line end a plain file is what was counted plainly; the whole of it what came compressed.
        let outcome = analyze(&database, &[&path]).expect_exit(0);
        says(&outcome, "already counted");
        assert_eq!(traffic(&database), before);
    }
}

#[test]
fn a_small_log_that_was_cut_is_not_counted_twice() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let whole = log(500, 21);
    let path = folder.write("access.log", &whole);
    // In two steps, so that what is compared was computed for a log that grew.
    fs::write(&path, &whole[..whole.len() / 3]).unwrap();
    analyze(&database, &[&path]).expect_exit(0);
    fs::write(&path, &whole).unwrap();
    analyze(&database, &[&path]).expect_exit(0);
    let before = traffic(&database);
    for length in [64, 65, 300, 4_000, whole.len() / 2, whole.len() - 1_000] {
        let name = format!("{length}.log");
        let outcome = analyze(&database, &[&folder.write(&name, &whole[..length])]);
        let words = outcome.stderr_text();
        assert!(
            words.contains("is shorter than when it was counted as")
                || words.contains("already counted"),
            "{length}: {words}"
        );
        assert_eq!(traffic(&database), before, "{length}");
    }
    // What it was before it grew is known up to its last line end, however it comes.
    let earlier = &whole[..whole.len() / 3];
    let id = short_id(&database, "access.log");
    let plain = folder.write("earlier.log", earlier);
    says_counted(&analyze(&database, &[&plain]).expect_exit(0), &id);
    // And nothing of it is another site's.
    let cut = folder.write("cut.log", &whole[..whole.len() / 2]);
    let outcome = analyze_with(&database, &["--site", "two"], &[&cut]).expect_exit(3);
    says(&outcome, "it is counted for another site");
    says(&outcome, "1 input was left out");
    assert_eq!(traffic(&database), before);
    // One that begins otherwise is another log.
    let other = [
        &b"10.9.8.7 - - [05/Mar/2018:14:05:09 +0800] \"GET /b HTTP/1.1\" 200 5 \"-\" \"x\"\n"[..],
        &whole[..9_000],
    ];
    analyze(&database, &[&folder.write("other.log", other.concat())]).expect_exit(0);
    assert_ne!(traffic(&database), before);
}
