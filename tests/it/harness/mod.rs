//! Runs the built program as a user would.
//!
//! Owns: [`Outcome`] and how a command is run to its end; in the sub-modules files, processes and skipped tests.
//! May import: std, serde_json, libc. Must not know: what the numbers should be.

mod folder;
mod nobody;
mod process;
mod skip;
mod terminal;

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Output, Stdio};

pub(crate) use folder::{Folder, full_device};
pub(crate) use nobody::as_nobody;
pub(crate) use process::{
    Lines, catches_signals, end_of, has_pending_signals, ignores_signal, interrupt, signal, start,
    unless_ignored, wait_until,
};
pub(crate) use skip::{needs, skip};
pub(crate) use terminal::assert_harmless;

/// The built program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_hitmap");

/// What a run of the program left behind.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) exit_code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Outcome {
    pub(crate) fn of(output: Output) -> Self {
        Self { exit_code: output.status.code(), stdout: output.stdout, stderr: output.stderr }
    }

    pub(crate) fn stdout_text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("every output is UTF-8")
    }

    pub(crate) fn stderr_text(&self) -> String {
        String::from_utf8(self.stderr.clone()).expect("every message is UTF-8")
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| {
            panic!("{error}: exit {:?}\n{}", self.exit_code, self.stderr_text())
        })
    }

    /// A number among the totals of a JSON report.
    #[track_caller]
    pub(crate) fn total(&self, key: &str) -> u64 {
        let json = self.json();
        json["totals"][key].as_u64().unwrap_or_else(|| panic!("no {key}: {}", self.stderr_text()))
    }

    /// The numbers of lines, hits and malformed lines of a JSON report.
    #[track_caller]
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        (self.total("lines"), self.total("hits"), self.total("malformed_lines"))
    }

    /// Fails, with everything the program printed, if the exit code is another one.
    #[track_caller]
    pub(crate) fn expect_exit(self, exit_code: i32) -> Self {
        assert_eq!(
            self.exit_code,
            Some(exit_code),
            "stdout:\n{}\nstderr:\n{}",
            String::from_utf8_lossy(&self.stdout),
            String::from_utf8_lossy(&self.stderr)
        );
        self
    }
}

/// Words of the warning that a run prints whose every page view has a visitor of its own, as in `logs::lines`.
pub(crate) const ONE_VIEW_EACH: &str = "has a visitor of its own";

/// Fails if the program printed any message but that warning.
#[track_caller]
pub(crate) fn assert_only_warns_of_visitors(outcome: &Outcome) {
    let words = outcome.stderr_text();
    assert!(words.lines().all(|line| line.contains(ONE_VIEW_EACH)), "{words}");
}

/// The program, with the environment of a plain terminal user and nothing on standard input.
pub(crate) fn command<S: AsRef<OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8");
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
}

/// `hitmap analyze --json`, to be given more arguments.
pub(crate) fn analyze_json() -> Command {
    command(&["analyze", "--json"])
}

/// Runs `hitmap ARGUMENTS` with an empty pipe on standard input.
pub(crate) fn hitmap<S: AsRef<OsStr>>(arguments: &[S]) -> Outcome {
    hitmap_reading(arguments, b"")
}

/// Runs `hitmap ARGUMENTS` with `input` in a pipe on standard input.
pub(crate) fn hitmap_reading<S: AsRef<OsStr>>(arguments: &[S], input: &[u8]) -> Outcome {
    let mut command = command(arguments);
    let mut child = start(command.stdin(Stdio::piped()));
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    std::thread::scope(|scope| {
        // A program that does not read its input to the end is fine.
        scope.spawn(move || drop(stdin.write_all(input)));
        end_of(child)
    })
}

/// Runs a command to its end and keeps its output.
pub(crate) fn run(command: &mut Command) -> Outcome {
    end_of(start(command))
}
