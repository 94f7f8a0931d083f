//! Runs the built program as a user would.
//!
//! Owns: [`hitmap`] and [`Outcome`]. May import: std, serde_json. Must not know: what the numbers should be.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a run of the program left behind.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) exit_code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Outcome {
    pub(crate) fn stdout_text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("every output is UTF-8")
    }

    pub(crate) fn stderr_text(&self) -> String {
        String::from_utf8(self.stderr.clone()).expect("every message is UTF-8")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| {
            panic!("{error}: exit {:?}\n{}", self.exit_code, self.stderr_text())
        })
    }

    /// Fails, with all that the program said, if the exit code is another one.
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

/// The program, with the environment of a plain terminal user.
pub(crate) fn command<S: AsRef<OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hitmap"));
    command.args(arguments).env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8");
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"] {
        command.env_remove(variable);
    }
    command
}

/// Runs `hitmap ARGUMENTS` with nothing on standard input.
pub(crate) fn hitmap<S: AsRef<OsStr>>(arguments: &[S]) -> Outcome {
    run(command(arguments), b"")
}

/// Runs `hitmap ARGUMENTS` with `input` in a pipe on standard input.
pub(crate) fn hitmap_reading<S: AsRef<OsStr>>(arguments: &[S], input: &[u8]) -> Outcome {
    run(command(arguments), input)
}

/// Runs `command`, feeding it `input`. A program that does not read its input to the end is fine.
pub(crate) fn run(mut command: Command, input: &[u8]) -> Outcome {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program is built with the tests");
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().unwrap()
    });
    Outcome { exit_code: output.status.code(), stdout: output.stdout, stderr: output.stderr }
}

/// A folder of its own for one test, gone when it is dropped.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.0.path().join(name.as_ref())
    }

    /// Writes a file and says where it is.
    pub(crate) fn write(&self, name: impl AsRef<OsStr>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

/// Fails on any byte that could do something to a terminal: a control character but LF, a bidirectional or
/// zero-width character, a byte that is not UTF-8. Colour is allowed as `ESC [ digits and semicolons m`.
#[track_caller]
pub(crate) fn assert_harmless(bytes: &[u8], is_colour_allowed: bool) {
    let text = str::from_utf8(bytes).expect("a terminal gets UTF-8");
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        if character == '\u{1b}' && is_colour_allowed {
            let colour = rest.strip_prefix('[').and_then(|rest| rest.split_once('m'));
            let (codes, after) = colour.unwrap_or_else(|| panic!("an escape in {text:?}"));
            assert!(codes.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'), "{text:?}");
            rest = after;
            continue;
        }
        let is_hostile = matches!(
            character,
            '\0'..='\t' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}'
                | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        );
        assert!(!is_hostile, "{character:?} in {text:?}");
    }
}
