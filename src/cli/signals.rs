//! Ctrl-C and its kin: the run ends within a second, and leaves nothing half written.
//!
//! Owns: what SIGINT, SIGTERM and SIGHUP do. May import: signal-hook, `new_file`, `progress`, `output`.
//! Must not know: what is being run.

use std::sync::mpsc;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use super::{output, progress};
use crate::error::{Error, Result};
use crate::system::new_file;

/// How long a run may take to end by itself. It may be waiting for a pipe or a terminal, or be deep in a long sum.
const PATIENCE: Duration = Duration::from_millis(700);
/// How long a terminal may take to be tidied up: it may be stopped, or a pipe that nobody reads.
const FAREWELL: Duration = Duration::from_millis(150);

/// Calls `interrupt` at the first signal. If the process is still there a little later, or at a second signal, it is
/// ended. A signal that was ignored when the process began stays ignored (`nohup`, background jobs of scripts).
///
/// # Errors
/// [`Error::Threads`] if the system has no thread to wait for signals.
pub(super) fn watch(interrupt: impl Fn() + Send + 'static) -> Result<()> {
    let fail = |error: std::io::Error| Error::Threads(error.to_string());
    let ignored = ignored_signals();
    let signals = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| {
        let bit = u32::try_from(*signal).unwrap_or(1) - 1;
        ignored >> bit & 1 == 0
    });
    let mut signals = Signals::new(signals).map_err(fail)?;
    let watch = move || {
        let mut signals = signals.forever();
        if signals.next().is_none() {
            return;
        }
        interrupt();
        let late = std::thread::Builder::new().name("patience".to_owned()).spawn(|| {
            std::thread::sleep(PATIENCE);
            new_file::abandon_all();
            say_farewell();
            end();
        });
        // A second signal, or nobody there to be patient.
        if late.is_err() || signals.next().is_some() {
            new_file::abandon_all();
            end();
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(watch).map_err(fail)?;
    Ok(())
}

/// Says what the run would have said, unless that takes too long.
fn say_farewell() {
    let (done, is_done) = mpsc::channel::<()>();
    let farewell = std::thread::Builder::new().name("farewell".to_owned()).spawn(move || {
        progress::clear();
        output::complain(&format!("hitmap: {}", Error::Interrupted));
        drop(done);
    });
    if farewell.is_ok() {
        let _ = is_done.recv_timeout(FAREWELL);
    }
}

/// Ends the process without waiting for anything that a thread may hold.
fn end() -> ! {
    low_level::exit(Error::Interrupted.exit_code().into())
}

/// The signals that are ignored, a bit each from the lowest; none where the system does not say.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}
