//! The program is killed (SIGKILL) at random moments of a run into a database, most of them inside the commit, and
//! run again: nothing is lost, nothing is there twice, and what is there is always the state before or after a run.
//!
//! `HITMAP_TEST_KILLS=200 cargo test --release --test crash` is the long form of it.

use crate::database::stored;
use crate::oracle;
use crate::program;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::contract::check_cells;
use crate::oracle::{Answer, Rules};
use crate::program::{Folder, command, hitmap};
use hitmap::generate::{Format, Options, Size, generate};

fn log(seed: u64) -> Vec<u8> {
    let options = Options {
        seed,
        visitors: 100,
        pages: 20,
        days: 3,
        ..Options::new(Size::Lines(600), Format::Combined)
    };
    let mut log = Vec::new();
    generate(&options, &mut log, |_| Ok(())).unwrap();
    log
}

fn oracle(log: &[u8]) -> Answer {
    oracle::analyze(&[log], Rules::default())
}

fn lines(database: &Path) -> u64 {
    let outcome = hitmap(&["sources", "--json", "--db", database.to_str().unwrap()]);
    let text = outcome.stdout_text();
    text.lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["lines"].as_u64().unwrap()
        })
        .sum()
}

fn check(database: &Path, log: &[u8]) {
    let arguments = ["report", "--db", database.to_str().unwrap(), "--cells", "-"];
    check_cells(&oracle(log), &hitmap(&arguments).expect_exit(0).stdout);
}

#[test]
fn killed_at_any_moment_nothing_is_lost_and_nothing_twice() {
    let kills = std::env::var("HITMAP_TEST_KILLS").map_or(30, |kills| kills.parse().unwrap());
    let folder = Folder::new();
    let (mut state, mut killed, mut committed) = (5_u64, 0, 0);
    let mut random = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut round = 0;
    while killed < kills {
        round += 1;
        let database = folder.path(format!("{round}.db"));
        let whole = log(round);
        let path = folder.path("access.log");
        let mut before = 0;
        for step in 1..=4 {
            let end = whole.len() * step / 4;
            fs::write(&path, &whole[..end]).unwrap();
            let counted = whole[..end].iter().filter(|&&byte| byte == b'\n').count() as u64;
            // Killed until the run gets through.
            for attempt in 0.. {
                let slow = if random(4) == 0 { "0" } else { "6" };
                let mut run = command(&["analyze", "-q", "--db", database.to_str().unwrap()]);
                run.arg(&path).env("HITMAP_TEST_SLOW_COMMIT", slow);
                run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
                let mut child = run.spawn().unwrap();
                let patience = Duration::from_micros(500 + random(60_000));
                let start = Instant::now();
                let mut status = None;
                while attempt < 4 && start.elapsed() < patience && status.is_none() {
                    status = child.try_wait().unwrap();
                    std::thread::sleep(Duration::from_micros(200));
                }
                if status.is_none() && attempt < 4 {
                    child.kill().unwrap();
                    killed += u32::from(child.wait().unwrap().code().is_none());
                } else {
                    assert_eq!(child.wait().unwrap().code(), Some(0));
                }
                let is_there = fs::metadata(&database).is_ok_and(|file| file.len() > 0);
                let found = if is_there { lines(&database) } else { 0 };
                assert!(
                    found == before || found == counted,
                    "{found}: not {before}, nor {counted}"
                );
                if found == counted {
                    committed += u32::from(status.is_none() && attempt < 4);
                    break;
                }
            }
            before = counted;
        }
        check(&database, &whole);
    }
    println!("{killed} kills in {round} databases, {committed} of them after the commit");
}

/// `forget` and `prune`, killed as well: the state before or the state after, in every cell.
#[test]
fn what_takes_out_is_killed_too() {
    let kills = std::env::var("HITMAP_TEST_KILLS").map_or(16, |kills| kills.parse().unwrap());
    let folder = Folder::new();
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let today = i32::try_from(since.as_secs() / 86_400).unwrap();
    let logs = [21, 22].map(|seed| {
        let start = hitmap::calendar::Day(today - 19);
        stored::log_of(Options { seed, start, days: 20, visitors: 100, ..stored::options(500) })
    });
    let base = folder.path("base.db");
    let paths = [folder.write("a.log", &logs[0]), folder.write("b.log", &logs[1])];
    stored::analyze(&base, &[&paths[0], &paths[1]]).expect_exit(0);
    let source = stored::short_id(&base, "a.log");
    let cells = |database: &Path| {
        let outcome = stored::report(database, &["--cells", "-"]).expect_exit(0);
        (outcome.stdout, stored::traffic(database))
    };
    let (mut state, mut killed, mut after) = (9_u64, 0_u32, 0_u32);
    let mut random = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for arguments in [["forget", &source], ["prune", "--keep=8d"]] {
        let run = |database: &Path, slow: &str| {
            let mut run = command(&arguments);
            run.arg("--db").arg(database).env("HITMAP_TEST_SLOW_COMMIT", slow);
            run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            run.spawn().unwrap()
        };
        let database = folder.path("stats.db");
        fs::copy(&base, &database).unwrap();
        let start = Instant::now();
        assert!(run(&database, "3").wait().unwrap().success());
        let usual = u64::try_from(start.elapsed().as_micros()).unwrap();
        let states = [cells(&base), cells(&database)];
        assert!(states[0] != states[1]);
        if arguments[0] == "forget" {
            check(&database, &logs[1]);
        }
        let enough = killed + kills / 2;
        while killed < enough {
            fs::copy(&base, &database).unwrap();
            let mut child = run(&database, "3");
            std::thread::sleep(Duration::from_micros(random(usual * 11 / 10)));
            child.kill().unwrap();
            let was_killed = child.wait().unwrap().code().is_none();
            killed += u32::from(was_killed);
            let found = cells(&database);
            assert!(states.contains(&found), "{arguments:?}: neither before nor after");
            after += u32::from(was_killed && found == states[1]);
            // Whole, not only where it was looked at.
            let connection = rusqlite::Connection::open(&database).unwrap();
            let sound: String =
                connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!(sound, "ok");
            drop(connection);
            // And again, to its end.
            if found == states[0] {
                assert!(run(&database, "0").wait().unwrap().success());
                assert!(cells(&database) == states[1]);
            }
        }
    }
    println!("{killed} kills of forget and prune, {after} of them after the commit");
}

/// A file size limit is to SQLite what a full disk is: it cannot write on.
#[test]
fn a_full_disk_leaves_the_old_state() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let (first, second) = (log(1), log(2));
    let (one, two) = (folder.write("1.log", &first), folder.write("2.log", &second));
    let run = |path: &Path, blocks: u32| {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        let mut shell = std::process::Command::new("bash");
        shell.args(["-c", &script, "bash", env!("CARGO_BIN_EXE_hitmap"), "analyze", "--db"]);
        program::run(
            {
                shell.arg(&database).arg(path);
                shell
            },
            b"",
        )
    };
    hitmap(&["analyze".as_ref(), "--db".as_ref(), database.as_os_str(), one.as_os_str()])
        .expect_exit(0);
    let mut refused = 0;
    for blocks in [8, 40, 100, 160] {
        let outcome = run(&two, blocks);
        if outcome.exit_code != Some(0) {
            let outcome = outcome.expect_exit(4);
            refused += 1;
            assert!(
                outcome.stderr_text().contains("nothing was stored"),
                "{}",
                outcome.stderr_text()
            );
            check(&database, &first);
        }
    }
    assert!(refused > 0);
    hitmap(&["analyze".as_ref(), "--db".as_ref(), database.as_os_str(), two.as_os_str()])
        .expect_exit(0);
    check(&database, &[first, second].concat());
}
