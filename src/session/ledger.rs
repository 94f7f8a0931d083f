//! The sources of a database: listing them, removing one, dropping old days.
//!
//! Owns: the steps of [`sources`], [`forget`] and [`prune`]. May import: `database`, `time`. Must not know: how results
//! are shown.

use std::path::Path;
use std::time::Duration;

use super::Output;
use super::lock::open_to_write;
use crate::database::{Database, Recorded};
use crate::error::{Error, Result};
use crate::pipeline::thread_pool;
use crate::system::progress::Progress;
use crate::time::Day;

/// The sources that a database holds.
///
/// # Errors
/// [`Error::Database`].
pub fn sources(path: &Path) -> Result<Vec<Recorded>> {
    let database = Database::open_to_read(path)?;
    let sources = database.sources()?;
    database.finish_reading()?;
    Ok(sources)
}

/// Removes a source and exactly its counts from a database; returns the source. `id` is its short or its full id.
///
/// # Errors
/// [`Error::Usage`] if the database has no such source; [`Error::Database`].
pub fn forget(
    path: &Path,
    id: &str,
    lock_timeout: Duration,
    output: &mut dyn Output,
) -> Result<Recorded> {
    let mut database = open_to_write(path, lock_timeout, &Progress::default(), output)?;
    let mut sources = database.sources()?;
    sources.retain(|source| source.short_id == id || source.identity.full_id() == id);
    if sources.len() > 1 {
        sources.clear();
    }
    let Some(source) = sources.pop() else {
        return Err(Error::Usage(format!(
            "{path:?} holds no source {id:?}; the first column of hitmap sources names them"
        )));
    };
    database.remove_source(source.number)?;
    all_cores()?.install(|| database.commit())?;
    Ok(source)
}

/// What [`prune`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// The first day whose facts were kept.
    pub first: Day,
    /// Number of days whose facts were dropped.
    pub days: u64,
}

/// Drops the facts of all days but the last `keep_days`, the last of which is today in UTC.
///
/// # Errors
/// [`Error::Database`].
pub fn prune(
    path: &Path,
    keep_days: u32,
    lock_timeout: Duration,
    output: &mut dyn Output,
) -> Result<Pruned> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let today = now.map_or(0, |since| since.as_secs() / 86_400);
    let today = i32::try_from(today).unwrap_or(i32::MAX);
    let kept = i32::try_from(keep_days).unwrap_or(i32::MAX);
    let first = Day(today.saturating_sub(kept).saturating_add(1));
    let mut database = open_to_write(path, lock_timeout, &Progress::default(), output)?;
    let days = database.prune(first)?;
    all_cores()?.install(|| match days {
        0 => database.commit(),
        _ => database.commit_and_rewrite(),
    })?;
    Ok(Pruned { first, days })
}

fn all_cores() -> Result<rayon::ThreadPool> {
    thread_pool(std::thread::available_parallelism().map_or(1, usize::from))
}
