//! The program is killed in the middle of a run into a database, and run again: nothing is lost, nothing is there
//! twice, and what is there is always the state before or after a run.
//!
//! A run is killed by SIGKILL at a random moment, or by SIGXFSZ when its write-ahead log or the database would grow
//! beyond a random size: in the middle of a commit, or of the moving of the log into the database.
//!
//! `HITMAP_TEST_KILLS=200 cargo test --release --test it kills` is the long form of it.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hitmap::generate::GeneratorOptions;
use hitmap::time::Day;
use serde_json::Value;

use crate::contract::check_cells;
use crate::database::stored::{analyze, on, oracle, report, short_id, traffic};
use crate::harness::{Folder, Outcome, PROGRAM, command, needs, run};
use crate::logs::{self, log_of};
use crate::random::Random;

/// Bytes of the shared memory file that SQLite makes beside a write-ahead log: no smaller limit reaches a commit.
const SHARED_MEMORY_BYTES: u64 = 32 * 1024;

fn log(seed: u64) -> Vec<u8> {
    log_of(GeneratorOptions {
        seed,
        visitors: 100,
        pages: 20,
        days: 3,
        bad_permille: 0,
        ..logs::options(600)
    })
}

fn lines(database: &Path) -> u64 {
    let outcome = on(database, "sources", &["--json"]);
    if outcome.stderr_text().contains("it is empty") {
        return 0;
    }
    let list = outcome.expect_exit(0).stdout_text();
    let rows = list.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.map(|source| source["lines"].as_u64().unwrap()).sum()
}

/// The file is whole, not only where hitmap looks at it.
fn check_file(database: &Path) {
    let connection = rusqlite::Connection::open(database).unwrap();
    let sound: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

fn check(database: &Path, log: &[u8]) {
    check_file(database);
    let cells = report(database, &["--cells", "-"]).expect_exit(0).stdout;
    check_cells(&oracle(&[log]), &cells);
}

fn kills(usual: u32) -> u32 {
    std::env::var("HITMAP_TEST_KILLS").map_or(usual, |kills| kills.parse().unwrap())
}

/// `hitmap` with a limit to the size of its files. Where it would write more it gets SIGXFSZ: `default` kills it,
/// with `ignore` the write fails.
fn limited(at_limit: &str, bytes: u64) -> Command {
    let mut command = Command::new("env");
    command.arg(format!("--{at_limit}-signal=XFSZ")).arg("prlimit");
    command.args([format!("--fsize={bytes}"), "--core=0".to_owned()]).arg(PROGRAM);
    command.stdin(Stdio::null());
    command
}

/// Whether the sizes of files can be limited; the reason why not.
fn limits() -> Result<(), String> {
    let is_fine = limited("default", 1 << 20).arg("--version").output();
    let is_fine = is_fine.is_ok_and(|output| output.status.success());
    is_fine.then_some(()).ok_or_else(|| "env(1) and prlimit(1) limit no file size here".to_owned())
}

/// How a run may be killed.
#[derive(Clone, Copy, Debug)]
enum Kill {
    After(Duration),
    AtFileSize(u64),
}

/// What became of runs that were to be killed.
#[derive(Debug, Default)]
struct Kills {
    killed: u32,
    /// While the write-ahead log was being written: part of it is there, and the state is the one before.
    in_commit: u32,
    /// After the commit: the state is the one after the run.
    after_commit: u32,
}

impl Kills {
    /// Runs `hitmap ARGUMENTS` on a database and kills it, if it has not ended by then; whether it was killed, and
    /// whether it left a write-ahead log.
    fn kill(arguments: &[&OsStr], database: &Path, kill: Kill) -> (bool, bool) {
        let mut command = match kill {
            Kill::After(_) => command(arguments),
            Kill::AtFileSize(bytes) => {
                let mut command = limited("default", bytes);
                command.args(arguments);
                command
            }
        };
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        if let Kill::After(moment) = kill {
            std::thread::sleep(moment);
            child.kill().unwrap();
        }
        let status = child.wait().unwrap();
        assert!(matches!(status.code(), None | Some(0)), "{status}");
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        (status.code().is_none(), fs::metadata(log).is_ok_and(|log| log.len() > 0))
    }

    fn note(&mut self, (was_killed, has_log): (bool, bool), is_new_state: bool) {
        self.killed += u32::from(was_killed);
        self.in_commit += u32::from(was_killed && has_log && !is_new_state);
        self.after_commit += u32::from(was_killed && is_new_state);
    }

    /// Fails unless enough kills were where they hurt.
    fn check(&self) {
        println!("{self:?}");
        assert!(self.in_commit >= self.killed / 4, "few kills in the middle of a commit: {self:?}");
        assert!(self.after_commit > 0, "no kill after a commit: {self:?}");
    }
}

#[test]
fn killed_at_any_moment_nothing_is_lost_and_nothing_twice() {
    needs!(limits());
    let enough = kills(40);
    let folder = Folder::new();
    let mut random = Random(5);
    let mut kills = Kills::default();
    let path = folder.path("access.log");
    // What a run takes, and how large its files become.
    let whole = log(0);
    let database = folder.path("usual.db");
    fs::write(&path, &whole).unwrap();
    let start = Instant::now();
    analyze(&database, &[&path]).expect_exit(0);
    let usual_micros = u64::try_from(start.elapsed().as_micros()).unwrap();
    let usual_bytes = fs::metadata(&database).unwrap().len();
    let mut round = 0;
    while kills.killed < enough {
        round += 1;
        let database = folder.path(format!("{round}.db"));
        let whole = log(round);
        let run = [
            OsStr::new("analyze"),
            OsStr::new("-q"),
            OsStr::new("--db"),
            database.as_os_str(),
            path.as_os_str(),
        ];
        let mut before = 0;
        for step in 1..=4 {
            let end = whole.len() * step / 4;
            fs::write(&path, &whole[..end]).unwrap();
            let counted = whole[..end].iter().filter(|&&byte| byte == b'\n').count() as u64;
            // Killed until the run gets through.
            for attempt in 0.. {
                if attempt == 4 {
                    command(&run).status().unwrap();
                    assert_eq!(lines(&database), counted);
                    break;
                }
                let kill = match random.below(3) {
                    0 => Kill::After(Duration::from_micros(500 + random.below(usual_micros))),
                    _ => Kill::AtFileSize(SHARED_MEMORY_BYTES + random.below(usual_bytes)),
                };
                let outcome = Kills::kill(&run, &database, kill);
                let is_there = fs::metadata(&database).is_ok_and(|file| file.len() > 0);
                let found = if is_there { lines(&database) } else { 0 };
                if is_there {
                    check_file(&database);
                }
                assert!(
                    found == before || found == counted,
                    "{found}: not {before}, nor {counted}, after {kill:?}"
                );
                kills.note(outcome, found == counted);
                if found == counted {
                    break;
                }
            }
            before = counted;
        }
        check(&database, &whole);
    }
    kills.check();
}

/// `forget` and `prune`, killed as well: the state before or the state after, in every cell.
#[test]
fn what_takes_out_is_killed_too() {
    needs!(limits());
    let enough = kills(24);
    let folder = Folder::new();
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let today = i32::try_from(since.as_secs() / 86_400).unwrap();
    let logs = [21, 22].map(|seed| {
        let start = Day(today - 19);
        log_of(GeneratorOptions { seed, start, days: 20, visitors: 100, ..logs::options(500) })
    });
    let base = folder.path("base.db");
    let paths = [folder.write("a.log", &logs[0]), folder.write("b.log", &logs[1])];
    analyze(&base, &[&paths[0], &paths[1]]).expect_exit(0);
    let base_bytes = fs::metadata(&base).unwrap().len();
    let source = short_id(&base, "a.log");
    let cells = |database: &Path| {
        let outcome = report(database, &["--cells", "-"]).expect_exit(0);
        (outcome.stdout, traffic(database))
    };
    let mut random = Random(9);
    let mut kills = Kills::default();
    let database = folder.path("stats.db");
    for (what, enough) in [(["forget", &source], enough / 2), (["prune", "--keep=8d"], enough)] {
        let run =
            [OsStr::new(what[0]), OsStr::new(what[1]), OsStr::new("--db"), database.as_os_str()];
        fs::copy(&base, &database).unwrap();
        let start = Instant::now();
        assert!(command(&run).stderr(Stdio::null()).status().unwrap().success());
        let usual = u64::try_from(start.elapsed().as_micros()).unwrap();
        let states = [cells(&base), cells(&database)];
        assert!(states[0] != states[1]);
        if what[0] == "forget" {
            check(&database, &logs[1]);
        }
        while kills.killed < enough {
            fs::copy(&base, &database).unwrap();
            let kill = match random.below(3) {
                0 => Kill::After(Duration::from_micros(random.below(usual * 11 / 10))),
                _ => Kill::AtFileSize(SHARED_MEMORY_BYTES + random.below(base_bytes)),
            };
            let outcome = Kills::kill(&run, &database, kill);
            let found = cells(&database);
            assert!(states.contains(&found), "{what:?}: neither before nor after {kill:?}");
            kills.note(outcome, found == states[1]);
            check_file(&database);
            // And again, to its end.
            if found == states[0] {
                assert!(command(&run).stderr(Stdio::null()).status().unwrap().success());
                assert!(cells(&database) == states[1]);
            }
        }
    }
    kills.check();
}

/// A file size limit is to SQLite what a full disk is: it cannot write on.
#[test]
fn a_full_disk_leaves_the_old_state() {
    needs!(limits());
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let (first, second) = (log(1), log(2));
    let (one, two) = (folder.write("1.log", &first), folder.write("2.log", &second));
    let with_limit = |bytes: u64| -> Outcome {
        run(limited("ignore", bytes).args(["analyze", "--db"]).arg(&database).arg(&two))
    };
    analyze(&database, &[&one]).expect_exit(0);
    let mut refused = 0;
    for kib in [8, 40, 100, 160] {
        let outcome = with_limit(kib * 1024);
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
    analyze(&database, &[&two]).expect_exit(0);
    check(&database, &[first, second].concat());
}
