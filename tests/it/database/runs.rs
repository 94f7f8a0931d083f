//! `--db`: each source once, whatever is given again, and exact answers of any range, against the oracle.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use crate::contract;
use crate::database::stored::{analyze, check, oracle, report, short_id, sources, traffic};
use crate::harness::{Folder, Lines, command, end_of, hitmap, hitmap_reading, start, wait_until};
use crate::logs::{gzip, log};
use crate::oracle;
use crate::random::Random;

#[test]
fn a_twice_then_both_then_without_a() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let (a, b) = (log(3_000, 1), log(2_500, 2));
    let (path_a, path_b) = (folder.write("a.log", &a), folder.write("b.log", &b));
    analyze(&database, &[&path_a]).expect_exit(0);
    check(&database, &[&a]);
    let again = analyze(&database, &[&path_a]).expect_exit(0);
    assert!(again.stderr_text().contains("already counted as"), "{}", again.stderr_text());
    contract::check_totals_only(&oracle(&[&a]), &again.json());
    check(&database, &[&a]);
    analyze(&database, &[&path_a, &path_b]).expect_exit(0);
    check(&database, &[&a, &b]);
    let source = short_id(&database, "a.log");
    hitmap(&["forget", "--db", database.to_str().unwrap(), &source]).expect_exit(0);
    check(&database, &[&b]);
    let fresh = folder.path("fresh.db");
    analyze(&fresh, &[&path_b]).expect_exit(0);
    assert_eq!(traffic(&database), traffic(&fresh));
}

#[test]
fn fifty_growing_steps_are_one_run() {
    let folder = Folder::new();
    let (database, single) = (folder.path("stats.db"), folder.path("single.db"));
    let whole = log(6_000, 3);
    let path = folder.path("access.log");
    let mut random = Random(7);
    let mut cuts: Vec<usize> = (0..49).map(|_| random.place(whole.len())).collect();
    cuts.sort_unstable();
    cuts.push(whole.len());
    for cut in cuts {
        fs::write(&path, &whole[..cut]).unwrap();
        let outcome = analyze(&database, &[&path]).expect_exit(0);
        let is_torn = cut > 0 && whole[cut - 1] != b'\n';
        assert_eq!(outcome.stderr_text().contains("pending"), is_torn, "{}", outcome.stderr_text());
    }
    check(&database, &[&whole]);
    analyze(&single, &[&path]).expect_exit(0);
    assert_eq!(traffic(&database), traffic(&single));
    let rotated = folder.path("access.log.1");
    fs::rename(&path, &rotated).unwrap();
    let zipped = folder.write("access.log.2.gz", gzip(&whole));
    for path in [&rotated, &zipped] {
        let outcome = analyze(&database, &[path]).expect_exit(0);
        assert!(outcome.stderr_text().contains("already counted"), "{}", outcome.stderr_text());
    }
    check(&database, &[&whole]);
    let size = |path: &Path| fs::metadata(path).unwrap().len();
    let (grown, once) = (size(&database), size(&single));
    assert!(grown * 10 <= once * 11, "{grown} bytes after 50 steps, {once} after one");
}

#[test]
fn random_ranges_are_exact() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let (a, b) = (log(2_000, 4), log(2_000, 5));
    analyze(&database, &[&folder.write("a.log", &a), &folder.write("b.log", &b)]).expect_exit(0);
    let lines: Vec<(String, &[u8])> = [&a, &b]
        .into_iter()
        .flat_map(|log| oracle::lines_of(log))
        .filter_map(|line| {
            let answer = oracle(&[line]);
            let time = answer.times.first()?.0.clone();
            Some((time, line))
        })
        .collect();
    let sections: Vec<String> = oracle(&[&a, &b])
        .range
        .keys()
        .filter(|key| key.3.is_none())
        .filter_map(|key| key.2.clone())
        .collect();
    let mut random = Random(11);
    for number in 0..100 {
        let length = [10, 13, 16][number % 3];
        let mut ends = [random.place(lines.len()), random.place(lines.len())]
            .map(|line| lines[line].0[..length].to_owned());
        ends.sort();
        let [since, until] = ends;
        let inside: Vec<u8> = lines
            .iter()
            .filter(|(time, _)| time[..length] >= *since && time[..length] <= *until)
            .flat_map(|(_, line)| line.iter().chain(b"\n"))
            .copied()
            .collect();
        let section = (number % 2 == 1).then(|| sections[random.place(sections.len())].clone());
        let mut options = vec!["--json", "--since", &since, "--until", &until];
        if let Some(section) = &section {
            options.extend(["--section", section]);
        }
        let found = report(&database, &options).expect_exit(0).json();
        if number % 8 == 0 {
            // With --cells all facts are loaded; without, stored cells answer where they can.
            let by = ["hour", "day", "week", "month"][number / 8 % 4];
            options.extend(["--by", by, "--top", "7"]);
            let [mut one, mut other] = [&[][..], &["--cells", "/dev/null"]]
                .map(|more| report(&database, &[&options, more].concat()).expect_exit(0).json());
            for json in [&mut one, &mut other] {
                json["timing"].take();
            }
            assert_eq!(one, other, "{since} to {until} by {by}");
        }
        let answer = oracle(&[&inside]);
        let expected = answer
            .range
            .iter()
            .find(|(key, _)| key.3.is_none() && key.2 == section)
            .map_or((0, 0), |(_, value)| *value);
        let totals = &found["totals"];
        let found =
            (totals["page_views"].as_u64().unwrap(), totals["unique_visitors"].as_u64().unwrap());
        assert_eq!(found, expected, "{since} to {until}, section {section:?}");
    }
}

#[test]
fn two_writers_take_turns_and_readers_read_on() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let logs: Vec<Vec<u8>> = (10..14).map(|seed| log(800, seed)).collect();
    let paths: Vec<_> =
        logs.iter().enumerate().map(|(i, log)| folder.write(format!("{i}.log"), log)).collect();
    analyze(&database, &[&paths[0]]).expect_exit(0);
    // While another program writes, the runs wait for it and for each other.
    let writer = rusqlite::Connection::open(&database).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE; CREATE TABLE a_change (number)").unwrap();
    let name = database.to_str().unwrap();
    let mut runs: Vec<_> = paths[1..]
        .iter()
        .map(|path| start(&mut command(&["analyze", "--db", name, path.to_str().unwrap()])))
        .collect();
    for run in &mut runs {
        Lines::of(run.stderr.take().unwrap()).wait_for("another run writes to it; waiting");
    }
    let read = || report(&database, &["--json"]).expect_exit(0).total("lines");
    assert_eq!(read(), 800);
    writer.execute_batch("ROLLBACK").unwrap();
    drop(writer);
    let mut seen = BTreeSet::new();
    while runs.iter_mut().any(|run| run.try_wait().unwrap().is_none()) {
        seen.insert(read());
    }
    for run in runs {
        end_of(run).expect_exit(0);
    }
    assert!(seen.iter().all(|lines| lines % 800 == 0), "{seen:?}");
    let logs: Vec<&[u8]> = logs.iter().map(Vec::as_slice).collect();
    check(&database, &logs);
}

/// Whether the process has a nameless file open, as it has for what comes through a pipe.
fn has_nameless_file(process: u32) -> bool {
    let open = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let targets = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.into_iter().any(|target| target.to_string_lossy().ends_with(" (deleted)"))
}

#[test]
fn a_database_that_goes_during_a_run_is_noticed() {
    let folder = Folder::new();
    let (a, b) = (log(300, 22), log(300, 23));
    let path_a = folder.write("a.log", &a);
    for is_replaced in [false, true] {
        let database = folder.path(format!("{is_replaced}.db"));
        let other = folder.path("other.db");
        for database in [&database, &other] {
            analyze(database, &[&path_a]).expect_exit(0);
        }
        let name = database.to_str().unwrap();
        let mut command = command(&["analyze", "-q", "--db", name, "-"]);
        let mut child = start(command.stdin(std::process::Stdio::piped()));
        wait_until("it has opened the database, and its input", || has_nameless_file(child.id()));
        if is_replaced {
            fs::rename(&other, &database).unwrap();
        } else {
            fs::remove_file(&database).unwrap();
        }
        child.stdin.take().unwrap().write_all(&b).unwrap();
        let outcome = end_of(child).expect_exit(4);
        let words = outcome.stderr_text();
        assert!(words.contains("deleted or replaced"), "{words}");
        assert!(words.contains("stored nowhere"), "{words}");
        if is_replaced {
            check(&database, &[&a]);
        } else {
            assert!(!database.exists());
        }
    }
}

/// However many inputs there are, in one run or one by one: they are scanned together and stored at once.
#[test]
fn many_inputs_at_once_are_the_same_as_one_by_one() {
    let folder = Folder::new();
    let whole = log(6_000, 24);
    let lines: Vec<&[u8]> = whole.split_inclusive(|&byte| byte == b'\n').collect();
    let pieces = lines.chunks(300).map(<[&[u8]]>::concat).enumerate();
    let paths: Vec<_> = pieces
        .map(|(number, piece)| match number % 3 {
            0 => folder.write(format!("{number}.gz"), gzip(&piece)),
            _ => folder.write(format!("{number}.log"), piece),
        })
        .collect();
    let (together, single) = (folder.path("together.db"), folder.path("single.db"));
    let all: Vec<&Path> = paths.iter().map(|path| &**path).collect();
    let outcome = analyze(&together, &all).expect_exit(0);
    contract::check_totals_only(&oracle(&[&whole]), &outcome.json());
    check(&together, &[&whole]);
    for path in all.iter().rev() {
        analyze(&single, &[path]).expect_exit(0);
    }
    assert_eq!(traffic(&together), traffic(&single));
    assert_eq!(sources(&together).len(), 20);
    // Two runs over the same inputs at the same time store each once.
    let twice = folder.path("twice.db");
    let arguments = |database: &Path| {
        let mut arguments =
            vec!["analyze".into(), "-q".into(), "--db".into(), database.as_os_str().to_owned()];
        arguments.extend(paths.iter().map(|path| path.as_os_str().to_owned()));
        arguments
    };
    let runs = [(); 3].map(|()| start(&mut command(&arguments(&twice))));
    for run in runs {
        end_of(run).expect_exit(0);
    }
    assert_eq!(traffic(&twice), traffic(&together));
    assert_eq!(sources(&twice).len(), 20);
}

/// A cron job that only shows warnings says that it waits, and does not wait for ever.
#[test]
fn a_wait_is_said_even_by_a_quiet_run_and_has_an_end() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let (a, b) = (log(300, 20), log(300, 21));
    analyze(&database, &[&folder.write("a.log", &a)]).expect_exit(0);
    let writer = rusqlite::Connection::open(&database).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (name, b) = (database.to_str().unwrap(), folder.write("b.log", &b));
    let analyze = ["analyze", "-q", "--db", name, b.to_str().unwrap(), "--lock-timeout"];
    let at_once = hitmap(&[&analyze[..], &["0"]].concat()).expect_exit(4);
    let words = at_once.stderr_text();
    assert!(words.contains("--lock-timeout") && words.contains("nothing was stored"), "{words}");
    for command in [["forget", "--db", name, "x"], ["prune", "--db", name, "--keep=1d"]] {
        let outcome = hitmap(&[&command[..], &["--lock-timeout", "0"]].concat()).expect_exit(4);
        assert!(outcome.stderr_text().contains("--lock-timeout"), "{}", outcome.stderr_text());
    }
    let outcome = hitmap(&[&analyze[..], &["2s"]].concat()).expect_exit(4);
    let words = outcome.stderr_text();
    assert!(words.contains("another run writes to it; waiting"), "{words}");
    assert!(words.contains("for 2 s, the longest"), "{words}");
    assert!(outcome.stdout.is_empty());
    writer.execute_batch("ROLLBACK").unwrap();
    check(&database, &[&a]);
}

#[test]
fn what_is_no_database_of_this_version_is_refused_unchanged() {
    let folder = Folder::new();
    let path = folder.write("a.log", log(300, 6));
    let good = folder.path("good.db");
    analyze(&good, &[&path]).expect_exit(0);
    let bytes = fs::read(&good).unwrap();
    let mut newer = bytes.clone();
    newer[60..64].copy_from_slice(&4_u32.to_be_bytes());
    let mut older = bytes.clone();
    older[60..64].copy_from_slice(&2_u32.to_be_bytes());
    let mut foreign = bytes.clone();
    foreign[68..72].copy_from_slice(&7_u32.to_be_bytes());
    let mut damaged = bytes.clone();
    damaged[100..].fill(0x5a);
    let cases: [(&str, &[u8], &str); 6] = [
        ("newer", &newer, "a newer hitmap reads it"),
        ("older", &older, "make a new database from the logs"),
        ("foreign", &foreign, "not one of hitmap"),
        ("damaged", &damaged, "damaged"),
        ("text", b"127.0.0.1 - - what is this\n", "not a hitmap database"),
        ("cut", &bytes[..bytes.len() / 2], "damaged"),
    ];
    for (name, bytes, words) in cases {
        let database = folder.write(name, bytes);
        let new = folder.write("new.log", log(200, 99));
        for outcome in [analyze(&database, &[&new]), report(&database, &[])] {
            let outcome = outcome.expect_exit(4);
            assert!(outcome.stderr_text().contains(words), "{name}: {}", outcome.stderr_text());
            assert!(outcome.stdout.is_empty(), "{name}");
        }
        assert_eq!(fs::read(&database).unwrap(), bytes, "{name} was changed");
    }
    let database = good.to_str().unwrap();
    let outcome = hitmap(&["analyze", "--db", database, "--visitor", "ip", path.to_str().unwrap()])
        .expect_exit(2);
    let words = outcome.stderr_text();
    assert!(words.contains("ip+ua in the database and ip in this run"), "{words}");
    report(&folder.path("missing.db"), &[]).expect_exit(4);
}

#[test]
fn what_is_not_whole_or_no_log_is_not_recorded() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let whole = log(2_000, 8);
    let zipped = gzip(&whole);
    let cut = folder.write("cut.gz", &zipped[..zipped.len() / 2]);
    let outcome = analyze(&database, &[&cut]).expect_exit(3);
    let words = outcome.stderr_text();
    assert!(words.contains("not stored") && words.contains("nothing was stored"), "{words}");
    assert!(!words.contains("counted"), "{words}");
    assert!(outcome.json()["totals"]["lines"].as_u64().unwrap() > 0);
    let binary = folder.write("binary.log", b"this is\nno log\nat all\n");
    analyze(&database, &[&binary]).expect_exit(1);
    analyze(&database, &[&folder.write("empty.log", b"")]).expect_exit(0);
    let outcome = hitmap(&["sources", "--db", database.to_str().unwrap()]).expect_exit(4);
    assert!(outcome.stderr_text().contains("it is empty"), "{}", outcome.stderr_text());
    analyze(&database, &[&folder.write("whole.gz", &zipped), &folder.write("copy.log", &whole)])
        .expect_exit(0);
    check(&database, &[&whole]);
    // Through a pipe it is the same source.
    let arguments = ["analyze", "--json", "--db", database.to_str().unwrap(), "-"];
    let outcome = hitmap_reading(&arguments, &whole).expect_exit(0);
    assert!(outcome.stderr_text().contains("already counted"), "{}", outcome.stderr_text());
    let limited = ["analyze", "--db", database.to_str().unwrap(), "--max-invalid", "0", "-"];
    hitmap_reading(&limited, &log(3_000, 9)).expect_exit(1);
    check(&database, &[&whole]);
}
