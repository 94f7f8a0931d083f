//! Signals that end a run: the process ends within a second and leaves no unfinished file.
//!
//! Owns: the effect of SIGINT, SIGTERM and SIGHUP. May import: `error`, `system::{new_file, progress}`, signal-hook.
//! Must not know: how a run works, where messages go.

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use super::new_file;
use super::progress::Progress;
use crate::error::{Error, Result};

/// Time that a run has to end by itself after a signal. It may be waiting for a pipe, or be in a long computation.
const GRACE_PERIOD: Duration = Duration::from_millis(700);
/// Time that `clean_up` has. The terminal may be stopped, or be a pipe that nobody reads.
const CLEAN_UP_LIMIT: Duration = Duration::from_millis(150);

/// Starts a thread that interrupts the run of `progress` at the first signal.
///
/// If the process is still running after 0.7 s, the thread calls `clean_up`, which may restore the terminal, and ends the
/// process. A second signal ends it at once. A signal that was ignored when the process started stays ignored (`nohup`,
/// background jobs of scripts).
///
/// # Errors
/// [`Error::Threads`] if the thread or the handlers could not be set up.
pub(crate) fn watch(progress: Arc<Progress>, clean_up: fn()) -> Result<()> {
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
        let timer = std::thread::Builder::new().name("grace".to_owned()).spawn(move || {
            std::thread::sleep(GRACE_PERIOD);
            new_file::abandon_all();
            call_with_limit(clean_up);
            end();
        });
        // A second signal, or no thread to wait for the end of the run.
        if timer.is_err() || signals.next().is_some() {
            new_file::abandon_all();
            end();
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(watch).map_err(fail)?;
    Ok(())
}

/// Calls `clean_up` and waits for it, but no longer than [`CLEAN_UP_LIMIT`].
fn call_with_limit(clean_up: fn()) {
    let (done, is_done) = mpsc::channel::<()>();
    let thread = std::thread::Builder::new().name("clean-up".to_owned()).spawn(move || {
        clean_up();
        drop(done);
    });
    if thread.is_ok() {
        let _ = is_done.recv_timeout(CLEAN_UP_LIMIT);
    }
}

/// Ends the process without waiting for other threads or the locks they hold.
fn end() -> ! {
    low_level::exit(Error::Interrupted.exit_code().into())
}

/// The signals that this process ignores, as bits: signal 1 is the lowest. None where /proc does not tell.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}
