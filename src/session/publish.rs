//! Bringing stores up to date with a database, or with the inputs of a run.
//!
//! Owns: the steps of [`publish()`], one store after the other, and its messages. May import: `publish`,
//! `store`, `database`. Must not know: which stores there are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Output;
use super::lock;
use crate::cube::Cube;
use crate::database::{Database, Site};
use crate::error::{Error, Result};
use crate::pipeline::{Analysis, thread_pool};
use crate::publish::{self, Publication};
use crate::source::Input;
use crate::store::{self, StoreUrl};
use crate::system::progress::{Phase, Progress};
use crate::text::counted;
use crate::time::Span;

/// Options of [`publish()`].
#[derive(Clone, Debug)]
pub struct PublishOptions {
    /// The database.
    pub database: PathBuf,
    /// The stores to bring up to date.
    pub publish_to: Vec<StoreUrl>,
    /// The site to publish; `None` for all.
    pub site: Option<String>,
    /// Whether to publish everything again, whatever a store has.
    pub replace: bool,
    /// How long to wait for another run to end its writing.
    pub lock_timeout: Duration,
    /// Worker threads, at least 1.
    pub threads: usize,
}

/// Brings stores up to date with a database.
///
/// # Errors
/// [`Error::Usage`] for a site that the database does not have; [`Error::Database`], [`Error::Store`],
/// [`Error::Interrupted`]. What was published before the error stays published.
pub fn publish(
    options: &PublishOptions,
    progress: &Progress,
    output: &mut dyn Output,
) -> Result<()> {
    let PublishOptions { database: path, publish_to, site, replace, lock_timeout, threads } =
        options;
    let pool = thread_pool(*threads)?;
    progress.enter(Phase::Publishing);
    output.start_progress(0);
    if *replace {
        let mut database = lock::open_to_write(path, *lock_timeout, progress, output)?;
        lock::begin(&database, *lock_timeout, progress, output)?;
        database.renew_days(site.as_deref())?;
        database.commit()?;
    }
    let database = Database::open_to_read(path)?;
    let mut sites = database.sites()?;
    if let Some(name) = site {
        sites.retain(|site| site.name == *name);
        if sites.is_empty() {
            return Err(Error::Usage(format!("the database has no site {name:?}")));
        }
    }
    let published = pool.install(|| {
        publish_database(publish_to, (database, *lock_timeout), &sites, *replace, progress, output)
    });
    output.stop_progress();
    let notes = published?;
    notes.iter().for_each(|note| output.note(note));
    Ok(())
}

/// Brings each store up to date with sites of a database, whose lock is waited for no longer than is said beside it;
/// returns a sentence about each.
pub(super) fn publish_database(
    publish_to: &[StoreUrl],
    (mut database, lock_timeout): (Database, Duration),
    sites: &[Site],
    replace: bool,
    progress: &Progress,
    output: &mut dyn Output,
) -> Result<Vec<String>> {
    let path = database.path().to_owned();
    let mut seen = Vec::new();
    let published = each(publish_to, progress, output, |url, store, _| {
        let name = url.name();
        let opened = (name.as_str(), store);
        let done = publish::database::publish(&mut database, sites, opened, replace, progress)?;
        let new = not_noted(&database, &name, &done)?;
        if !new.is_empty() {
            seen.push((name, new));
        }
        Ok(done)
    });
    // A reader would keep the log from being moved into the file.
    database.finish_reading()?;
    if !seen.is_empty()
        && let Err(error) = note_published(&path, lock_timeout, &seen, progress, output)
    {
        // The note only helps later: without it, removing a source from the store may need --replace.
        output.warn(&format!("the database could not record what was published: {error}"));
    }
    published
}

/// The spans that readers of a store now see in a version that the database has not noted.
fn not_noted(database: &Database, target: &str, done: &Publication) -> Result<Vec<(Span, u64)>> {
    let mut new = done.seen.clone();
    let mut noted = BTreeMap::new();
    for (span, _) in &done.seen {
        if !noted.contains_key(&span.site) {
            noted.insert(span.site.clone(), database.published(target, &span.site)?);
        }
    }
    new.retain(|(span, version)| noted[&span.site].get(&span.period.to_string()) != Some(version));
    Ok(new)
}

/// Records in the database which version of each span readers of each store now see.
fn note_published(
    path: &Path,
    lock_timeout: Duration,
    seen: &[(String, Vec<(Span, u64)>)],
    progress: &Progress,
    output: &mut dyn Output,
) -> Result<()> {
    let mut database = lock::open_to_write(path, lock_timeout, progress, output)?;
    lock::begin(&database, lock_timeout, progress, output)?;
    for (target, spans) in seen {
        database.note_published(target, spans)?;
    }
    database.commit()
}

/// Brings each store up to date with the days of `cube`, all of whose facts come from `inputs`; returns a sentence about
/// each.
pub(super) fn publish_inputs(
    publish_to: &[StoreUrl],
    inputs: &[Input],
    analysis: &Analysis,
    cube: &Cube<'_>,
    replace: bool,
    progress: &Progress,
    output: &mut dyn Output,
) -> Result<Vec<String>> {
    let counted = publish::inputs::counted_inputs(inputs, analysis)?;
    each(publish_to, progress, output, |_, store, _| {
        publish::inputs::publish(cube, &counted, store, replace, progress)
    })
}

/// Number of refused days that are named.
const NAMED_REFUSALS: usize = 10;

/// Publishes to one store after the other. A store that fails does not stop the others; the first error is returned at
/// the end.
fn each(
    publish_to: &[StoreUrl],
    progress: &Progress,
    output: &mut dyn Output,
    mut publish: impl FnMut(&StoreUrl, Box<dyn store::Store>, &mut dyn Output) -> Result<Publication>,
) -> Result<Vec<String>> {
    let (mut notes, mut failed) = (Vec::new(), None);
    for url in publish_to {
        match store::open(url).and_then(|store| publish(url, store, output)) {
            Ok(done) => {
                notes.extend(done.notes.iter().map(|note| format!("{url}: {note}")));
                failed = failed.or(refusal(url, &done, output));
                notes.push(sentence(url, &done));
            }
            // The error may be a consequence of the signal.
            Err(_) if progress.is_interrupted() => return Err(Error::Interrupted),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(notes), Err)
}

/// Warns of the first days that a store refused; returns the error about all of them.
fn refusal(url: &StoreUrl, done: &Publication, output: &mut dyn Output) -> Option<Error> {
    for reason in done.refused.iter().take(NAMED_REFUSALS) {
        output.warn(&format!("{url}: {reason}"));
    }
    let refused = counted(done.refused.len() as u64, "day", "days");
    let reason = format!("{refused} not published, {} published", done.days);
    (!done.refused.is_empty()).then(|| Error::Store { place: url.to_string(), reason })
}

fn sentence(url: &StoreUrl, done: &Publication) -> String {
    let days = counted(done.days, "day", "days");
    let (one, many) = done.unit;
    match done.days - done.unchanged_days {
        0 if done.changed == 0 => format!("{url}: {days}, nothing changed"),
        changed => format!(
            "{url}: {days}, {changed} changed ({} written or deleted in all, for {})",
            counted(done.changed, one, many),
            counted(done.cells, "cell", "cells")
        ),
    }
}
