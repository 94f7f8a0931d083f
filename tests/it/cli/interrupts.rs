//! Ctrl-C and its kin, closed pipes, full disks: the run ends soon, says why, and leaves nothing half written.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::running::{
    analyze, catches_signals, fifo, file, interrupt, line, lines, names, run, signal,
    unless_ignored, wait_until,
};

/// A second, and some for a busy machine.
const SOON: Duration = Duration::from_millis(1_500);

/// Sends the signals and waits; the exit code and how long it took.
fn end(mut child: Child, signals: &[&str]) -> (Option<i32>, Duration, String) {
    let start = Instant::now();
    for name in signals {
        signal(&child, name);
        std::thread::sleep(Duration::from_millis(50));
    }
    let code = child.wait().unwrap().code();
    let took = start.elapsed();
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    (code, took, errors)
}

fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_pipe_that_never_ends_can_be_interrupted() {
    for signals in [&[interrupt()][..], &["TERM"], &[unless_ignored("HUP", 1)], &["TERM", "TERM"]] {
        let folder = tempfile::tempdir().unwrap();
        let pipe = fifo(&folder, "pipe");
        let child = spawn(
            analyze()
                .arg(&pipe)
                .arg("--cells")
                .arg(folder.path().join("cells.csv"))
                .arg("--invalid-lines")
                .arg(folder.path().join("invalid.txt")),
        );
        let mut writer = OpenOptions::new().write(true).open(&pipe).unwrap();
        writer.write_all(line(1).as_bytes()).unwrap();
        writer.write_all(b"malformed\n").unwrap();
        wait_until("the unfinished files are there", || names(folder.path()).len() == 3);
        let (code, took, errors) = end(child, signals);
        assert_eq!(code, Some(130), "{signals:?}");
        assert!(took < SOON, "{signals:?} took {took:?}");
        assert_eq!(names(folder.path()), ["pipe"], "{signals:?}");
        if signals.len() == 1 {
            assert_eq!(errors, "hitmap: interrupted; no unfinished file is left\n");
        }
    }
}

#[test]
fn a_pipe_without_a_writer_can_be_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let child = spawn(analyze().arg(fifo(&folder, "pipe")));
    wait_until("signals are caught", || catches_signals(&child));
    let (code, took, _) = end(child, &["TERM"]);
    assert_eq!(code, Some(130));
    assert!(took < SOON, "{took:?}");
}

/// Reading, or writing cells: wherever it is, the run ends without a leftover.
#[test]
fn a_run_can_be_interrupted_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "a.log", &lines(400_000));
    let mut interrupted = 0;
    for round in 0..12 {
        let cells = folder.path().join("cells.ndjson");
        let child = spawn(analyze().arg(&path).arg("--cells").arg(&cells));
        wait_until("signals are caught", || catches_signals(&child));
        std::thread::sleep(Duration::from_millis(round * 60));
        let (code, took, errors) = end(child, &[interrupt()]);
        assert!(took < SOON, "took {took:?}");
        match code {
            Some(130) => {
                interrupted += 1;
                assert_eq!(names(folder.path()), ["a.log"], "{errors}");
            }
            Some(0) => {
                // Whole: a day, an hour and a minute of the site and of every page and its section.
                let text = std::fs::read_to_string(&cells).unwrap();
                assert_eq!(text.lines().count(), 3 * (2 + 400_000));
                assert_eq!(names(folder.path()), ["a.log", "cells.ndjson"]);
                std::fs::remove_file(&cells).unwrap();
            }
            code => panic!("{code:?}: {errors}"),
        }
    }
    assert!(interrupted > 0);
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = fifo(&folder, "pipe");
    let script = "trap '' HUP; exec \"$0\" analyze --json \"$1\"";
    let child =
        spawn(Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_hitmap")]).arg(&pipe));
    let mut writer = OpenOptions::new().write(true).open(&pipe).unwrap();
    signal(&child, "HUP");
    std::thread::sleep(Duration::from_millis(900));
    writer.write_all(line(1).as_bytes()).unwrap();
    drop(writer);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn generate_can_be_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let child = spawn(
        Command::new(env!("CARGO_BIN_EXE_hitmap"))
            .args(["generate", "--lines", "900M", "-o"])
            .arg(folder.path().join("log"))
            .arg("--truth")
            .arg(folder.path().join("truth.csv")),
    );
    wait_until("the unfinished files are there", || names(folder.path()).len() == 2);
    let (code, took, _) = end(child, &["TERM"]);
    assert_eq!(code, Some(130));
    assert!(took < SOON, "{took:?}");
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "a.log", &lines(50_000));
    for arguments in [&["--cells", "-"][..], &["--json"], &["--top", "50000"], &["--help"]] {
        let mut child = spawn(
            Command::new(env!("CARGO_BIN_EXE_hitmap")).arg("analyze").arg(&path).args(arguments),
        );
        let mut stdout = child.stdout.take().unwrap();
        if arguments[0] == "--cells" {
            stdout.read_exact(&mut [0; 10]).unwrap();
        }
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.signal(), None, "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

#[test]
fn a_full_disk_is_said_and_is_exit_code_4() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = lines(20_000);
    text.extend_from_slice(b"malformed\n");
    let path = file(&folder, "a.log", &text);
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    for (arguments, what) in [
        (&["--json"][..], "standard output"),
        (&["--top", "3"], "standard output"),
        (&["--cells", "-"], "standard output"),
        (&["--cells", "/dev/full"], "\"/dev/full\""),
        (&["--invalid-lines", "/dev/full"], "\"/dev/full\""),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hitmap"));
        command.arg("analyze").arg(&path).args(arguments);
        if what == "standard output" {
            command.stdout(full());
        }
        let said = run(&mut command);
        assert_eq!(said.code, Some(4), "{arguments:?}: {}", said.errors);
        let expected = if what == "standard output" { "write to " } else { "write " };
        assert!(
            said.errors.starts_with(&format!("hitmap: cannot {expected}{what}: ")),
            "{}",
            said.errors
        );
        assert!(said.errors.contains("No space left"), "{}", said.errors);
        assert_eq!(said.errors.lines().count(), 1);
    }
}

#[test]
fn progress_on_a_pipe_is_lines_without_cursor_moves() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = fifo(&folder, "pipe");
    let child = spawn(analyze().arg(&pipe).args(["--progress", "always"]));
    let mut writer = OpenOptions::new().write(true).open(&pipe).unwrap();
    std::thread::sleep(Duration::from_millis(1_400));
    writer.write_all(line(1).as_bytes()).unwrap();
    drop(writer);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.starts_with("0 B  read  1 s\n"), "{errors:?}");
    assert!(!errors.contains(['\r', '\x1b']), "{errors:?}");
}
