//! Signals that end a run: it stops within a second and leaves nothing half written.
//!
//! Owns: what SIGINT, SIGTERM and SIGHUP do. May import: signal-hook, `error`, its siblings. Must not know: what is being
//! run, where messages go.

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use super::new_file;
use super::progress::Progress;
use crate::error::{Error, Result};

/// How long a run may take to end by itself. It may be waiting for a pipe or a terminal, or be deep in a long sum.
const PATIENCE: Duration = Duration::from_millis(700);
/// How long a terminal may take to be tidied up: it may be stopped, or a pipe that nobody reads.
const FAREWELL: Duration = Duration::from_millis(150);

/// Interrupts the run of `progress` at the first signal. If the process is still there a little later, it is ended after
/// `farewell`, which may tidy up the terminal; at a second signal it is ended at once. A signal that was ignored when the
/// process began stays ignored (`nohup`, background jobs of scripts).
///
/// # Errors
/// [`Error::Threads`] if the system has no thread to wait for signals.
pub(crate) fn watch(progress: Arc<Progress>, farewell: fn()) -> Result<()> {
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
        progress.interrupted.store(true, Ordering::Relaxed);
        let late = std::thread::Builder::new().name("patience".to_owned()).spawn(move || {
            std::thread::sleep(PATIENCE);
            new_file::abandon_all();
            say(farewell);
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

/// Calls `farewell`, but does not wait for it longer than [`FAREWELL`].
fn say(farewell: fn()) {
    let (done, is_done) = mpsc::channel::<()>();
    let thread = std::thread::Builder::new().name("farewell".to_owned()).spawn(move || {
        farewell();
        drop(done);
    });
    if thread.is_ok() {
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
