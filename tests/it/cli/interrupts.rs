//! Ctrl-C and its kin, closed pipes, full disks: the run ends soon, says why, and leaves nothing half written.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{
    Folder, Lines, ONE_VIEW_EACH, Outcome, PROGRAM, analyze_json, assert_only_warns_of_visitors,
    catches_signals, end_of, full_device, has_pending_signals, ignores_signal, interrupt, needs,
    signal, start, unless_ignored, wait_until,
};
use crate::logs::{line, lines};

/// A second, and some for a busy machine.
const SOON: Duration = Duration::from_millis(1_500);

/// Sends the signals, each when the one before has been received, and waits; the exit code, how long it took, and the
/// messages.
fn interrupt_by(mut child: Child, signals: &[&str]) -> (Option<i32>, Duration, String) {
    let start = Instant::now();
    for name in signals {
        signal(&child, name);
        wait_until("the signal is received", || !has_pending_signals(&child));
    }
    let code = child.wait().unwrap().code();
    let took = start.elapsed();
    (code, took, end_of(child).stderr_text())
}

#[test]
fn a_pipe_that_never_ends_can_be_interrupted() {
    for signals in [&[interrupt()][..], &["TERM"], &[unless_ignored("HUP", 1)], &["TERM", "TERM"]] {
        let folder = Folder::new();
        let pipe = needs!(folder.fifo("pipe"));
        let child = start(
            analyze_json()
                .arg(&pipe)
                .arg("--cells")
                .arg(folder.path("cells.csv"))
                .arg("--invalid-lines")
                .arg(folder.path("invalid.txt")),
        );
        let mut writer = OpenOptions::new().write(true).open(&pipe).unwrap();
        writer.write_all(line(1).as_bytes()).unwrap();
        writer.write_all(b"malformed\n").unwrap();
        wait_until("the unfinished files are there", || folder.names().len() == 3);
        let (code, took, errors) = interrupt_by(child, signals);
        assert_eq!(code, Some(130), "{signals:?}");
        assert!(took < SOON, "{signals:?} took {took:?}");
        assert_eq!(folder.names(), ["pipe"], "{signals:?}");
        if signals.len() == 1 {
            assert_eq!(errors, "hitmap: interrupted; no unfinished file is left\n");
        }
    }
}

#[test]
fn a_pipe_without_a_writer_can_be_interrupted() {
    let folder = Folder::new();
    let child = start(analyze_json().arg(needs!(folder.fifo("pipe"))));
    wait_until("signals are caught", || catches_signals(&child));
    let (code, took, _) = interrupt_by(child, &["TERM"]);
    assert_eq!(code, Some(130));
    assert!(took < SOON, "{took:?}");
}

/// Reading, or writing cells: wherever it is, the run ends without a leftover.
#[test]
fn a_run_can_be_interrupted_at_any_moment() {
    const ROUNDS: u32 = 12;
    const LINES: u64 = 50_000;
    let folder = Folder::new();
    let path = folder.write("a.log", lines(LINES));
    let cells = folder.path("cells.ndjson");
    let spawn = || {
        let child = start(analyze_json().arg(&path).arg("--cells").arg(&cells));
        wait_until("signals are caught", || catches_signals(&child));
        (child, Instant::now())
    };
    // Whole: a day, an hour and a minute of the site and of every page and its section.
    let check_whole = || {
        let text = std::fs::read_to_string(&cells).unwrap();
        assert_eq!(text.lines().count() as u64, 3 * (2 + LINES));
        assert_eq!(folder.names(), ["a.log", "cells.ndjson"]);
        std::fs::remove_file(&cells).unwrap();
    };
    let (child, start) = spawn();
    end_of(child).expect_exit(0);
    let usual = start.elapsed();
    check_whole();
    let mut interrupted = 0;
    for round in 0..ROUNDS {
        let (child, _) = spawn();
        // The moments are spread over a whole run.
        std::thread::sleep(usual * round / ROUNDS);
        let (code, took, errors) = interrupt_by(child, &[interrupt()]);
        assert!(took < SOON, "took {took:?}");
        match code {
            Some(130) => {
                interrupted += 1;
                assert_eq!(folder.names(), ["a.log"], "{errors}");
            }
            Some(0) => check_whole(),
            code => panic!("{code:?}: {errors}"),
        }
    }
    assert!(interrupted >= ROUNDS / 3, "only {interrupted} of {ROUNDS} runs were interrupted");
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let folder = Folder::new();
    let pipe = needs!(folder.fifo("pipe"));
    let script = "trap '' HUP; exec \"$0\" analyze --json \"$1\"";
    let child = start(Command::new("sh").args(["-c", script, PROGRAM]).arg(&pipe));
    let mut writer = OpenOptions::new().write(true).open(&pipe).unwrap();
    wait_until("signals are caught", || catches_signals(&child));
    assert!(ignores_signal(&child, 1), "the program takes a signal that was ignored");
    // It is dropped at once.
    signal(&child, "HUP");
    writer.write_all(line(1).as_bytes()).unwrap();
    drop(writer);
    end_of(child).expect_exit(0);
}

#[test]
fn generate_can_be_interrupted() {
    let folder = Folder::new();
    let child = start(
        Command::new(PROGRAM)
            .args(["generate", "--lines", "900M", "-o"])
            .arg(folder.path("log"))
            .arg("--truth")
            .arg(folder.path("truth.csv")),
    );
    wait_until("the unfinished files are there", || folder.names().len() == 2);
    let (code, took, _) = interrupt_by(child, &["TERM"]);
    assert_eq!(code, Some(130));
    assert!(took < SOON, "{took:?}");
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let folder = Folder::new();
    let path = folder.write("a.log", lines(50_000));
    for arguments in [&["--cells", "-"][..], &["--json"], &["--top", "50000"], &["--help"]] {
        let mut child = start(Command::new(PROGRAM).arg("analyze").arg(&path).args(arguments));
        let mut stdout = child.stdout.take().unwrap();
        if arguments[0] == "--cells" {
            stdout.read_exact(&mut [0; 10]).unwrap();
        }
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.signal(), None, "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_only_warns_of_visitors(&Outcome::of(output));
    }
}

#[test]
fn a_full_disk_is_said_and_is_exit_code_4() {
    let folder = Folder::new();
    let mut text = lines(20_000);
    text.extend_from_slice(b"malformed\n");
    let path = folder.write("a.log", &text);
    needs!(full_device());
    for (arguments, what) in [
        (&["--json"][..], "standard output"),
        (&["--top", "3"], "standard output"),
        (&["--cells", "-"], "standard output"),
        (&["--cells", "/dev/full"], "\"/dev/full\""),
        (&["--invalid-lines", "/dev/full"], "\"/dev/full\""),
    ] {
        let mut command = Command::new(PROGRAM);
        command.arg("analyze").arg(&path).args(arguments);
        if what == "standard output" {
            command.stdout(full_device().unwrap());
        }
        // `run` would take standard output.
        let said = end_of(command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
        assert_eq!(said.exit_code, Some(4), "{arguments:?}: {}", said.stderr_text());
        let expected = if what == "standard output" { "write to " } else { "write " };
        let words = said.stderr_text();
        let words: Vec<&str> = words.lines().filter(|line| !line.contains(ONE_VIEW_EACH)).collect();
        assert_eq!(words.len(), 1, "{words:?}");
        assert!(words[0].starts_with(&format!("hitmap: cannot {expected}{what}: ")), "{words:?}");
        assert!(words[0].contains("No space left"), "{words:?}");
    }
}

#[test]
fn progress_on_a_pipe_is_lines_without_cursor_moves() {
    let folder = Folder::new();
    let pipe = needs!(folder.fifo("pipe"));
    let mut child = start(analyze_json().arg(&pipe).args(["--progress", "always"]));
    let mut writer = OpenOptions::new().write(true).open(&pipe).unwrap();
    let messages = Lines::of(child.stderr.take().unwrap());
    assert_eq!(messages.next().as_deref(), Some("0 B  read  1 s"));
    writer.write_all(line(1).as_bytes()).unwrap();
    drop(writer);
    end_of(child).expect_exit(0);
    for message in messages.rest() {
        assert!(!message.contains(['\r', '\x1b']), "{message:?}");
    }
}
