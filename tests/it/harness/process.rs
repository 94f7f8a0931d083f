//! Running processes: their signals, their output while they run, and their end.
//!
//! Owns: starting and signalling a process, waiting for an event. May import: std. Must not know: what is run.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::Outcome;

/// How long an event may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts a command with pipes for its output.
pub(crate) fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Waits for the end of a process and collects its output.
pub(crate) fn end_of(child: Child) -> Outcome {
    Outcome::of(child.wait_with_output().unwrap())
}

/// Sends a signal.
pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

/// Waits until `condition` holds; panics if that takes too long.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The lines of a process's output as they come.
pub(crate) struct Lines(Receiver<String>);

impl Lines {
    pub(crate) fn of(output: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let line = line.expect("every message is UTF-8");
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self(receiver)
    }

    /// Waits for the next line; `None` at the end.
    #[track_caller]
    pub(crate) fn next(&self) -> Option<String> {
        match self.0.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("waited in vain for a line"),
        }
    }

    /// Waits for a line with these words and returns it.
    #[track_caller]
    pub(crate) fn wait_for(&self, words: &str) -> String {
        let mut seen = Vec::new();
        while let Some(line) = self.next() {
            if line.contains(words) {
                return line;
            }
            seen.push(line);
        }
        panic!("no {words:?} in {seen:?}");
    }

    /// Everything to the end.
    #[track_caller]
    pub(crate) fn rest(&self) -> Vec<String> {
        std::iter::from_fn(|| self.next()).collect()
    }
}

/// A set of signals from `/proc`; empty for a process that has ended.
fn signals(process: &str, set: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix(set));
    mask.map_or(0, |mask| u64::from_str_radix(mask.trim(), 16).unwrap())
}

/// Whether the process catches SIGTERM, and with it the other signals that end it.
pub(crate) fn catches_signals(child: &Child) -> bool {
    signals(&child.id().to_string(), "SigCgt:") >> 14 & 1 == 1
}

/// Whether the process ignores a signal.
pub(crate) fn ignores_signal(child: &Child, number: u32) -> bool {
    signals(&child.id().to_string(), "SigIgn:") >> (number - 1) & 1 == 1
}

/// Whether a signal that was sent to the process has not reached it yet. One that has ended takes none.
pub(crate) fn has_pending_signals(child: &Child) -> bool {
    let process = child.id().to_string();
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    !status.contains("\nState:\tZ") && signals(&process, "ShdPnd:") != 0
}

/// A signal that reaches the program and interrupts it.
pub(crate) fn interrupt() -> &'static str {
    unless_ignored("INT", 2)
}

/// The signal, or TERM where this process ignores it, and so its children: SIGINT in background jobs of scripts, SIGHUP
/// under nohup.
pub(crate) fn unless_ignored(name: &'static str, number: u32) -> &'static str {
    if signals("self", "SigIgn:") >> (number - 1) & 1 == 0 { name } else { "TERM" }
}
