//! Databases that cannot be written, or are damaged, full, busy, or no databases at all: refused in words, nothing
//! changed, and no wrong number from what has a checksum.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use hitmap::generate::GeneratorOptions;

use crate::contract;
use crate::database::stored::{self, analyze, check, on, report, sources};
use crate::harness::{
    Folder, Lines, Outcome, as_nobody, catches_signals, command, end_of, interrupt, needs, signal,
    start, wait_until,
};
use crate::logs::{self, log};
use crate::random::Random;

#[test]
fn who_may_only_read_can_report_and_changes_nothing() {
    let folder = Folder::new();
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    mode(&folder.path(""), 0o755);
    let whole = log(300, 1);
    let one = folder.write("1.log", &whole);
    let two = folder.write("2.log", log(200, 2));
    let home = folder.path("home");
    fs::create_dir(&home).unwrap();
    let database = home.join("stats.db");
    analyze(&database, &[&one]).expect_exit(0);
    assert_eq!(fs::metadata(&database).unwrap().permissions().mode() & 0o777, 0o600, "private");
    let before = fs::read(&database).unwrap();
    let (name, two) = (database.to_str().unwrap(), two.to_str().unwrap());
    needs!(as_nobody(&folder, &["--version"]));
    let ask = |arguments: &[&str]| as_nobody(&folder, arguments).unwrap();
    for (folder_mode, file_mode, can_read) in
        [(0o755, 0o644, true), (0o555, 0o444, true), (0o777, 0o444, true), (0o755, 0o600, false)]
    {
        mode(&home, folder_mode);
        mode(&database, file_mode);
        let outcome = ask(&["analyze", "--db", name, two]).expect_exit(4);
        let words = outcome.stderr_text();
        assert!(words.contains("stats.db"), "{words}");
        assert!(words.contains("writable") || words.contains("cannot open"), "{words}");
        assert!(outcome.stdout.is_empty());
        let outcome = ask(&["report", "--db", name, "--cells", "-"]);
        if can_read {
            contract::check_cells(&stored::oracle(&[&whole]), &outcome.expect_exit(0).stdout);
        } else {
            let words = outcome.expect_exit(4).stderr_text();
            assert!(words.contains("cannot open the database"), "{words}");
        }
        assert_eq!(fs::read(&database).unwrap(), before);
    }
    mode(&home, 0o755);
    let new = home.join("new.db");
    let outcome = ask(&["analyze", "--db", new.to_str().unwrap(), two]).expect_exit(4);
    assert!(outcome.stderr_text().contains("cannot make the database"));
    assert!(!new.exists());
}

/// A file system of its own, small, and gone when it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: PathBuf, size: &str) -> Result<Self, String> {
        fs::create_dir(&path).unwrap();
        let options = format!("size={size}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&path);
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        is_mounted.then(|| Self(path)).ok_or_else(|| {
            "no right to mount a small disk that can be filled (root has it, but in some containers)"
                .to_owned()
        })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_said_and_changes_nothing() {
    let folder = Folder::new();
    let disk = needs!(SmallDisk::mount(folder.path("disk"), "600k"));
    let database = disk.0.join("stats.db");
    let first = log(200, 3);
    analyze(&database, &[&folder.write("1.log", &first)]).expect_exit(0);
    let many =
        GeneratorOptions { pages: 20_000, visitors: 20_000, seed: 4, ..logs::options(20_000) };
    let large = folder.write("2.log", logs::log_of(many));
    for _ in 0..2 {
        let outcome = analyze(&database, &[&large]).expect_exit(4);
        let words = outcome.stderr_text();
        assert!(words.contains("nothing was stored"), "{words}");
        assert!(outcome.stdout.is_empty());
        check(&database, &[&first]);
    }
    // Not a byte left.
    let room = fs::File::create(disk.0.join("room")).unwrap();
    let mut room = std::io::BufWriter::with_capacity(4096, room);
    while std::io::Write::write_all(&mut room, &[0; 4096]).is_ok() {}
    drop(room);
    let small = log(100, 5);
    let small_path = folder.write("3.log", &small);
    let outcome = analyze(&database, &[&small_path]).expect_exit(4);
    assert!(outcome.stderr_text().contains("nothing was stored"), "{}", outcome.stderr_text());
    fs::remove_file(disk.0.join("room")).unwrap();
    check(&database, &[&first]);
    analyze(&database, &[&small_path]).expect_exit(0);
    check(&database, &[&first, &small]);
}

#[test]
fn what_is_no_file_is_no_database() {
    let folder = Folder::new();
    let path = folder.write("a.log", log(100, 6));
    let fifo = needs!(folder.fifo("fifo"));
    for database in [folder.path(""), fifo, PathBuf::from("/dev/null")] {
        let outcomes =
            [analyze(&database, &[&path]), report(&database, &[]), on(&database, "sources", &[])];
        for outcome in outcomes {
            let outcome = outcome.expect_exit(4);
            assert!(outcome.stderr_text().contains("not a file"), "{}", outcome.stderr_text());
        }
    }
    let nowhere = folder.path("no such folder").join("stats.db");
    let outcome = analyze(&nowhere, &[&path]).expect_exit(4);
    assert!(outcome.stderr_text().contains("cannot make the database"));
    // A link is followed; what stands beside the file stands beside the file.
    let (real, link) = (folder.path("real.db"), folder.path("link.db"));
    analyze(&real, &[&path]).expect_exit(0);
    symlink(&real, &link).unwrap();
    analyze(&link, &[&folder.write("b.log", log(100, 7))]).expect_exit(0);
    check(&real, &[&log(100, 6), &log(100, 7)]);
    assert!(link.is_symlink());
    symlink(folder.path("nothing"), folder.path("dangling.db")).unwrap();
    report(&folder.path("dangling.db"), &[]).expect_exit(4);
}

/// The numbers of a report.
fn numbers(outcome: &Outcome) -> Vec<serde_json::Value> {
    let mut json = outcome.json();
    let names = ["totals", "cells", "cell_sums", "days", "hours", "sections", "pages"];
    names.iter().map(|name| json[name].take()).collect()
}

/// Where blocks and sums begin in the file.
fn anchors(database: &Path, bytes: &[u8]) -> Vec<usize> {
    let connection = rusqlite::Connection::open(database).unwrap();
    let mut statement = connection
        .prepare(
            "SELECT bytes FROM piece UNION ALL SELECT bytes FROM visitor UNION ALL SELECT CAST(sums AS BLOB) FROM day \
             UNION ALL SELECT CAST(totals AS BLOB) FROM source UNION ALL SELECT CAST(totals AS BLOB) FROM share",
        )
        .unwrap();
    let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    rows.map(|row| {
        let row = row.unwrap();
        let start = &row[..row.len().min(24)];
        bytes.windows(start.len()).position(|window| window == start).expect("a row is in the file")
    })
    .collect()
}

/// Any byte of the file may be another: numbers of a report, which come from parts and sums with checksums, are right
/// or there are none. The view's cells are rows of SQLite, which has no checksums: they are what the file says.
#[test]
fn a_flipped_byte_is_an_error_or_nothing() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let options = GeneratorOptions { days: 3, visitors: 40, ..logs::options(150) };
    analyze(&database, &[&folder.write("a.log", logs::log_of(options))]).expect_exit(0);
    let bytes = fs::read(&database).unwrap();
    let cells = report(&database, &["--cells", "-"]).expect_exit(0).stdout;
    let expected = numbers(&report(&database, &["--json"]).expect_exit(0));
    let other = folder.write("b.log", log(20, 8));
    let (mut random, mut refused) = (Random(3), 0);
    let flips: usize =
        std::env::var("HITMAP_TEST_FLIPS").map_or(60, |flips| flips.parse().unwrap());
    let anchors = anchors(&database, &bytes);
    for flip in 0..flips {
        let mut at = random.place(bytes.len());
        if flip % 2 == 0 {
            // Most of the file are cells: every other one where the report looks.
            at = anchors[at % anchors.len()] + at / 7 % 200;
        }
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << random.below(8);
        fs::write(&database, &damaged).unwrap();
        let outcome = report(&database, &["--cells", "-"]);
        match outcome.exit_code {
            Some(0) => assert!(outcome.stdout == cells, "byte {at} of {}", bytes.len()),
            Some(4) => {
                refused += 1;
                assert!(outcome.stdout.is_empty(), "byte {at}");
                assert!(outcome.stderr_text().contains("stats.db"), "{}", outcome.stderr_text());
            }
            code => panic!("exit {code:?}, byte {at}: {}", outcome.stderr_text()),
        }
        let outcome = report(&database, &["--json"]);
        if outcome.exit_code == Some(0) {
            assert_eq!(numbers(&outcome), expected, "byte {at} of {}", bytes.len());
        }
        for outcome in [outcome, analyze(&database, &[&other])] {
            let is_ended = matches!(outcome.exit_code, Some(0 | 4));
            assert!(is_ended, "exit {:?}, byte {at}: {}", outcome.exit_code, outcome.stderr_text());
            assert!(!outcome.stderr_text().contains("panicked"), "{}", outcome.stderr_text());
        }
    }
    eprintln!("{refused} of {flips} flipped bytes were refused");
    assert!(refused > flips / 10);
}

#[test]
fn an_interrupted_run_stores_nothing() {
    let folder = Folder::new();
    let database = folder.path("stats.db");
    let first = log(300, 9);
    analyze(&database, &[&folder.write("1.log", &first)]).expect_exit(0);
    let second = log(400, 10);
    let two = folder.write("2.log", &second);
    let arguments = ["analyze", "--db", database.to_str().unwrap()];
    // While it waits for standard input, whose end would be the end of the run.
    let mut child = start(command(&arguments).arg("-").stdin(Stdio::piped()));
    wait_until("it catches signals", || catches_signals(&child));
    let stdin = child.stdin.take();
    signal(&child, interrupt());
    end_of(child).expect_exit(130);
    drop(stdin);
    check(&database, &[&first]);
    // While another run writes.
    let writer = rusqlite::Connection::open(&database).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut child = start(command(&arguments).arg(&two));
    let messages = Lines::of(child.stderr.take().unwrap());
    messages.wait_for("another run writes to it; waiting");
    signal(&child, interrupt());
    end_of(child).expect_exit(130);
    writer.execute_batch("ROLLBACK").unwrap();
    drop(writer);
    check(&database, &[&first]);
    assert_eq!(sources(&database).len(), 1);
    analyze(&database, &[&two]).expect_exit(0);
    check(&database, &[&first, &second]);
}

/// After the log was read: while its facts are put into the database and cells are made nothing is stored; after the
/// commit, while the report is made, everything is.
#[test]
fn a_run_interrupted_while_it_writes_stores_nothing_or_all() {
    let folder = Folder::new();
    let base = folder.path("base.db");
    let first = log(300, 9);
    analyze(&base, &[&folder.write("1.log", &first)]).expect_exit(0);
    let large = log(60_000, 10);
    let large_path = folder.write("large.log", &large);
    let started = |database: &Path| {
        fs::copy(&base, database).unwrap();
        let arguments = ["analyze", "--no-mmap", "--db", database.to_str().unwrap()];
        let child = start(command(&arguments).arg(&large_path));
        wait_until("the log was read", || bytes_read(&child) >= large.len() as u64);
        (child, Instant::now())
    };
    // How long the work takes that follows the reading: interrupts are spread over it.
    let (child, read) = started(&folder.path("whole.db"));
    end_of(child).expect_exit(0);
    let duration = read.elapsed();
    let mut nothing_stored = 0;
    for round in 0..8 {
        let database = folder.path(format!("{round}.db"));
        let (child, _) = started(&database);
        std::thread::sleep(duration * round / 8);
        signal(&child, interrupt());
        let outcome = end_of(child);
        let is_stored = sources(&database).len() == 2;
        match outcome.exit_code {
            Some(130) => assert!(outcome.stdout.is_empty()),
            _ => assert!(outcome.expect_exit(0).stdout_text().contains("page views") && is_stored),
        }
        let files: [&[u8]; 2] = [&first, if is_stored { &large } else { b"" }];
        check(&database, &files);
        nothing_stored += u32::from(!is_stored);
    }
    assert!(nothing_stored > 0, "no run was interrupted before it stored");
}

/// Bytes that a process has read, by the system's count; all there are once it has ended.
fn bytes_read(child: &Child) -> u64 {
    let io = fs::read_to_string(format!("/proc/{}/io", child.id())).unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("rchar:"));
    line.map_or(u64::MAX, |line| line.trim().parse().unwrap())
}
