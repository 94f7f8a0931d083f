//! The sources of a database: listing them, removing one, dropping old days.
//!
//! Owns: the steps of [`sources`], [`forget`] and [`prune`]. May import: `database`, `time`. Must not know: how results
//! are shown.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::Output;
use super::lock;
use crate::database::{Database, Recorded};
use crate::error::{Error, Result};
use crate::pipeline::thread_pool;
use crate::system::progress::Progress;
use crate::time::Day;

/// A source that a database holds.
#[derive(Clone, Debug)]
pub struct ListedSource {
    /// The source.
    pub source: Recorded,
    /// Names of the sites that have hits of it.
    pub sites: Vec<String>,
}

/// The sources that a database holds.
///
/// # Errors
/// [`Error::Database`].
pub fn sources(path: &Path) -> Result<Vec<ListedSource>> {
    let database = Database::open_to_read(path)?;
    let sites = database.sites()?;
    let names: BTreeMap<i64, &String> =
        sites.iter().map(|site| (site.number, &site.name)).collect();
    let mut listed = Vec::new();
    for source in database.sources()? {
        let sites = database.sites_of_source(source.number)?.into_iter();
        let sites = sites.filter_map(|(site, _)| names.get(&site).map(|&name| name.clone()));
        listed.push(ListedSource { sites: sites.collect(), source });
    }
    database.finish_reading()?;
    Ok(listed)
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
    let progress = Progress::default();
    let mut database = lock::open_to_write(path, lock_timeout, &progress, output)?;
    lock::begin(&database, lock_timeout, &progress, output)?;
    let mut sources = database.sources()?;
    sources.retain(|source| source.short_id == id || source.identity.full_id() == id);
    if sources.len() > 1 {
        sources.clear();
    }
    let Some(source) = sources.pop() else {
        database.roll_back()?;
        return Err(Error::Usage(format!(
            "{path:?} holds no source {id:?}; the first column of hitmap sources names them"
        )));
    };
    all_cores()?.install(|| database.forget(source.number))?;
    database.commit()?;
    lock::rewrite_if_due(&mut database, lock_timeout, &progress, output)?;
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
    let progress = Progress::default();
    let mut database = lock::open_to_write(path, lock_timeout, &progress, output)?;
    lock::begin(&database, lock_timeout, &progress, output)?;
    let days = all_cores()?.install(|| database.prune(first))?;
    match days {
        0 => database.roll_back()?,
        _ => database.commit()?,
    }
    lock::rewrite_if_due(&mut database, lock_timeout, &progress, output)?;
    Ok(Pruned { first, days })
}

fn all_cores() -> Result<rayon::ThreadPool> {
    thread_pool(std::thread::available_parallelism().map_or(1, usize::from))
}
