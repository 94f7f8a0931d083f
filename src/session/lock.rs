//! Waiting for the write lock of a database.
//!
//! Owns: how long a run waits, and what it says meanwhile. May import: `database`, `system` (progress). Must not know:
//! what is written.

use std::path::Path;
use std::time::Duration;

use super::Output;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::system::progress::Progress;

/// How long a run waits in silence.
const SILENT_WAIT: Duration = Duration::from_secs(1);
/// How long a run waits before it gives up, unless it is told otherwise. No run should hold the lock this long.
pub const DEFAULT_LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// Opens a database for writing. Waits while another run writes to it, at most `timeout`, and says so: a cron job that
/// only shows warnings must not pile up in silence.
///
/// # Errors
/// [`Error::Database`], [`Error::Interrupted`].
pub(super) fn open_to_write(
    path: &Path,
    timeout: Duration,
    progress: &Progress,
    output: &mut dyn Output,
) -> Result<Database> {
    let mut is_announced = false;
    Database::open_to_write(path, &mut |waited| {
        progress.check()?;
        if waited >= timeout {
            let reason = format!(
                "another run has been writing to it for {} s, the longest that this one waits (--lock-timeout); nothing \
                 was stored",
                timeout.as_secs()
            );
            return Err(Error::Database { path: path.to_owned(), reason });
        }
        if waited > SILENT_WAIT && !is_announced {
            is_announced = true;
            output.warn(&format!("{path:?}: another run writes to it; waiting for it to end"));
        }
        Ok(())
    })
}

/// Opens a database of version 3 and takes its write lock. Waits as [`open_to_write`] does, which goes at the switch.
///
/// # Errors
/// [`Error::Database`], [`Error::Interrupted`].
pub(super) fn open_and_begin(
    path: &Path,
    timeout: Duration,
    progress: &Progress,
    output: &mut dyn Output,
) -> Result<crate::database::v3::Database> {
    let mut is_announced = false;
    let mut waiting = |waited| {
        progress.check()?;
        if waited > SILENT_WAIT && !is_announced {
            is_announced = true;
            output.warn(&format!("{path:?}: another run writes to it; waiting for it to end"));
        }
        Ok(())
    };
    let database = crate::database::v3::Database::open_to_write(path, timeout, &mut waiting)?;
    database.begin(timeout, &mut waiting)?;
    Ok(database)
}
