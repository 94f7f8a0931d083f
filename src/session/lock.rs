//! Waiting for the write lock of a database.
//!
//! Owns: how long a run waits, and what it says meanwhile. May import: `database`, `system` (progress). Must not know:
//! what is written.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Output;
use crate::database::Database;
use crate::error::Result;
use crate::system::progress::Progress;

/// How long a run waits in silence.
const SILENT_WAIT: Duration = Duration::from_secs(1);
/// How long a run waits before it gives up, unless it is told otherwise. No run should hold the lock this long.
pub const DEFAULT_LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// What a run says and looks at while it waits: a cron job that only shows warnings must not pile up in silence.
struct Wait<'w> {
    path: PathBuf,
    progress: &'w Progress,
    output: &'w mut dyn Output,
    is_announced: bool,
}

impl<'w> Wait<'w> {
    fn new(path: &Path, progress: &'w Progress, output: &'w mut dyn Output) -> Self {
        Self { path: path.to_owned(), progress, output, is_announced: false }
    }

    /// Called again and again, with how long the run has waited.
    fn look_up(&mut self, waited: Duration) -> Result<()> {
        self.progress.check()?;
        if waited > SILENT_WAIT && !self.is_announced {
            self.is_announced = true;
            let path = &self.path;
            self.output.warn(&format!("{path:?}: another run writes to it; waiting for it to end"));
        }
        Ok(())
    }
}

/// Opens a database that is to be written to, without a lock.
///
/// # Errors
/// [`Error::Database`](crate::error::Error::Database), [`Error::Interrupted`](crate::error::Error::Interrupted).
pub(super) fn open_to_write(
    path: &Path,
    timeout: Duration,
    progress: &Progress,
    output: &mut dyn Output,
) -> Result<Database> {
    let mut wait = Wait::new(path, progress, output);
    Database::open_to_write(path, timeout, &mut |waited| wait.look_up(waited))
}

/// Takes the write lock. Waits while another run has it, at most `timeout`, and says so.
///
/// # Errors
/// As [`open_to_write`].
pub(super) fn begin(
    database: &Database,
    timeout: Duration,
    progress: &Progress,
    output: &mut dyn Output,
) -> Result<()> {
    let mut wait = Wait::new(database.path(), progress, output);
    database.begin(timeout, &mut |waited| wait.look_up(waited))
}

/// Writes the file anew if facts were taken out of it.
///
/// # Errors
/// As [`open_to_write`].
pub(super) fn rewrite_if_due(
    database: &mut Database,
    timeout: Duration,
    progress: &Progress,
    output: &mut dyn Output,
) -> Result<()> {
    let mut wait = Wait::new(database.path(), progress, output);
    database.rewrite_if_due(timeout, &mut |waited| wait.look_up(waited))
}
