//! Running the program on files of a test's own folder.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The program, told to analyze, its report as JSON.
pub(crate) fn analyze() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hitmap"));
    command.args(["analyze", "--json"]);
    command.stdin(Stdio::null());
    command
}

/// A combined line, all of the same length: visitor and page number `number`.
pub(crate) fn line(number: u64) -> String {
    format!(
        "10.{:03}.{:03}.{:03} - - [05/Mar/2018:00:00:01 +0800] \"GET /{number:010} HTTP/1.1\" 200 5 \"-\" \"agent\"\n",
        number >> 16 & 255,
        number >> 8 & 255,
        number & 255
    )
}

/// Lines 0 to `count`.
pub(crate) fn lines(count: u64) -> Vec<u8> {
    (0..count).flat_map(|number| line(number).into_bytes()).collect()
}

/// A folder of the test's own with a file in it.
pub(crate) fn file(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// What a run said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) json: serde_json::Value,
    pub(crate) errors: String,
}

impl Said {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            json: serde_json::from_slice(&output.stdout).unwrap_or_default(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub(crate) fn total(&self, key: &str) -> u64 {
        self.json["totals"][key].as_u64().unwrap_or_else(|| panic!("no {key}: {}", self.errors))
    }

    /// The numbers of lines, hits and malformed lines.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        (self.total("lines"), self.total("hits"), self.total("malformed_lines"))
    }
}

/// Runs to the end.
pub(crate) fn run(command: &mut Command) -> Said {
    Said::of(&command.output().unwrap())
}

/// Sends a signal.
pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

/// Waits until `condition` holds; panics after 20 seconds.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A named pipe.
pub(crate) fn fifo(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    let path = folder.path().join(name);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Whether the process catches SIGTERM, and with it the other signals that end it.
pub(crate) fn catches_signals(child: &Child) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
    u64::from_str_radix(mask, 16).unwrap() >> 14 & 1 == 1
}

/// A signal that reaches the program and interrupts it.
pub(crate) fn interrupt() -> &'static str {
    unless_ignored("INT", 2)
}

/// The signal, or TERM where this process ignores it, and so its children: SIGINT in background jobs of scripts, SIGHUP
/// under nohup.
pub(crate) fn unless_ignored(name: &'static str, number: u32) -> &'static str {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    if u64::from_str_radix(mask, 16).unwrap() >> (number - 1) & 1 == 0 { name } else { "TERM" }
}
