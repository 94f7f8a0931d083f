//! The script that starts and kills the processes, and ends them all when its standard input ends.
//!
//! Owns: [`Keeper`]. May import: std. Must not know: what the processes are for.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Installs and runs HBase, and Python with a client of HBase.
pub(super) const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/hbase/run");

/// How long a server may take to start, or to obey, on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(180);

/// A running `.ci/hbase/run serve`.
///
/// This process holds the other end of its standard input. That is what ends the servers when this process is killed,
/// and those in a `static`, which is never dropped.
pub(super) struct Keeper {
    child: Child,
    /// `None` when the script is told to end.
    pipes: Mutex<Option<Pipes>>,
    folder: PathBuf,
}

struct Pipes {
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Pipes {
    /// The next line; nothing when the script has ended.
    fn answer(&mut self) -> Option<String> {
        let mut line = String::new();
        let length = self.answers.read_line(&mut line).unwrap_or_default();
        (length > 0).then(|| line.trim_end().to_owned())
    }
}

impl Keeper {
    pub(super) fn start() -> Self {
        let mut command = Command::new(SCRIPT);
        command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped());
        // Ctrl-C in a terminal reaches its process group. It should end the tests, and these end the script.
        let mut child = command.process_group(0).spawn().unwrap();
        let orders = child.stdin.take().unwrap();
        let mut pipes = Pipes { orders, answers: BufReader::new(child.stdout.take().unwrap()) };
        let folder = pipes.answer().expect("the script names its folder").into();
        Self { child, pipes: Mutex::new(Some(pipes)), folder }
    }

    /// Starts a process; returns its id and its port.
    pub(super) fn start_process(&self, order: &str, settings: &[&str]) -> (u32, u16) {
        let answer = self.order(&[&[order], settings].concat().join(" "));
        let (process, port) = answer.split_once(' ').unwrap_or_else(|| panic!("{answer}"));
        (process.parse().unwrap(), port.parse().unwrap())
    }

    /// Ends a process with SIGKILL.
    pub(super) fn kill(&self, process: u32) {
        assert_eq!(self.order(&format!("kill {process}")), "killed");
    }

    /// Waits until `condition` holds.
    ///
    /// # Panics
    /// With the end of the log NAME.log, if the process ends or this takes too long.
    #[track_caller]
    pub(super) fn wait(
        &self,
        name: &str,
        process: u32,
        mut condition: impl FnMut() -> Result<(), String>,
    ) {
        let start = Instant::now();
        while let Err(reason) = condition() {
            assert!(
                exists(process) && start.elapsed() < PATIENCE,
                "{name} is not ready: {reason}\n{}",
                self.log(name)
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The folder with everything that the servers write.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn order(&self, order: &str) -> String {
        // A test that panicked here has read its answer, or there are no more answers.
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let pipes = pipes.as_mut().expect("it is told to end by `drop` only");
        let written = pipes.orders.write_all(format!("{order}\n").as_bytes());
        let answer = written.ok().and_then(|()| pipes.answer());
        answer.unwrap_or_else(|| panic!("no answer to {order:?}:\n{}", self.log("serve")))
    }

    fn log(&self, name: &str) -> String {
        let log = std::fs::read(self.folder.join(format!("{name}.log"))).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.pipes.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let _ = self.child.wait();
    }
}

/// Whether there is a process of this id.
pub(super) fn exists(process: u32) -> bool {
    Path::new("/proc").join(process.to_string()).exists()
}

/// Sends a signal, such as `STOP`.
pub(super) fn signal(process: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &process.to_string()]).status();
    assert!(status.unwrap().success(), "no process {process}");
}

#[test]
fn the_end_of_a_keeper_is_the_end_of_everything() {
    crate::harness::needs!(super::hbase());
    let keeper = Keeper::start();
    let folder = keeper.folder().to_owned();
    let (process, _) = keeper.start_process("gateway frozen", &[]);
    signal(process, "STOP");
    let (other, _) = keeper.start_process("gateway killed", &[]);
    keeper.kill(other);
    assert!(folder.exists() && exists(process) && !exists(other));
    drop(keeper);
    assert!(!folder.exists() && !exists(process));
}
