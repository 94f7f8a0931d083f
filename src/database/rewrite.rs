//! Writing the file anew, so that nothing of what was taken out is left.
//!
//! Owns: `meta.rewrite_due`, [`Database::rewrite_if_due`]. May import: rusqlite, `meta`. Must not know: what was taken out.
//!
//! SQLite keeps old bytes on free pages, in unused bytes of other pages, and in the log. `VACUUM` builds the file from the
//! live rows, and the checkpoint empties the log.

use std::time::Duration;

use super::{Database, Store, Waiting, meta};
use crate::error::{Error, Result};

/// Number of commits that took facts out since the file was written anew last.
const DUE: &str = "rewrite_due";

/// Notes, in the open transaction, that facts were taken out.
pub(super) fn set_due(store: Store<'_>) -> Result<()> {
    let due = meta::get(store, DUE)?.unwrap_or(0);
    meta::set(store, DUE, due.saturating_add(1))
}

impl Database {
    /// Whether facts were taken out of which the file may still have copies.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn is_rewrite_due(&self) -> Result<bool> {
        Ok(meta::get(self.store(), DUE)?.unwrap_or(0) != 0)
    }

    /// Writes the file anew if that is due; a killed run may have left it to this one. There must be no transaction. Waits
    /// for runs that write, and for readers that are still at an old state, together at most `lock_timeout`.
    ///
    /// # Errors
    /// [`Error::Database`] if it could not be done; the facts are out of all numbers then, and the next run tries again.
    /// Those of `waiting`.
    pub fn rewrite_if_due(&mut self, lock_timeout: Duration, waiting: Waiting<'_>) -> Result<()> {
        let due = meta::get(self.store(), DUE)?.unwrap_or(0);
        if due == 0 {
            return Ok(());
        }
        self.rewrite(due, lock_timeout, waiting).map_err(|error| match error {
            Error::Database { path, reason } => {
                // The sentences of other errors end so, and it would not be true.
                let why = reason.replace("; nothing was stored", "");
                let reason = format!(
                    "the facts are out of all numbers, but the file could not be written anew, and copies of them may \
                     remain in it: {why}. The next hitmap analyze, forget or prune tries again"
                );
                Error::Database { path, reason }
            }
            other => other,
        })
    }

    fn rewrite(&mut self, due: i64, lock_timeout: Duration, waiting: Waiting<'_>) -> Result<()> {
        let start = std::time::Instant::now();
        let left = || lock_timeout.saturating_sub(start.elapsed());
        self.retry(left(), waiting, |connection| connection.execute_batch("VACUUM"))?;
        self.empty_log(left(), waiting)?;
        self.begin(left(), waiting)?;
        // Another run may have taken more out meanwhile: that is its own to write anew.
        if meta::get(self.store(), DUE)? == Some(due) {
            meta::set(self.store(), DUE, 0)?;
        }
        self.commit()
    }
}
