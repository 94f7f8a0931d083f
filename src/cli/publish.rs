//! `hitmap publish`, and `--to` of `hitmap analyze`.
//!
//! Owns: their options and words. May import: `publish`, `store`. Must not know: which stores there are.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::Args;

use super::database::open_to_write;
use super::output::{self, When, complain};
use super::progress::Bar;
use super::signals;
use crate::cube::Cube;
use crate::database::{Database, Site};
use crate::error::{Error, Result};
use crate::pipeline;
use crate::pipeline::Analysis;
use crate::publish::{self, Publication};
use crate::source::{Input, Spooled};
use crate::store;
use crate::store::StoreUrl;
use crate::system::progress::{Phase, Progress};
use crate::text::counted;

/// What `hitmap publish` was given.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  hitmap publish --db stats.db --to redis://localhost:6379")]
pub(super) struct PublishArgs {
    /// The database
    #[arg(long, value_name = "FILE")]
    db: PathBuf,

    /// The store to bring up to date, redis://HOST:PORT (options: see below); repeatable
    #[arg(long, value_name = "URL", required = true, long_help = to_help())]
    to: Vec<String>,

    /// Only this site
    #[arg(long, value_name = "NAME")]
    site: Option<String>,

    /// Publish everything again: after other options in the URL, or over days that something else published later
    #[arg(long)]
    replace: bool,

    /// Worker threads; 0 is one a core
    #[arg(short = 'j', long, value_name = "N", default_value_t = 0)]
    threads: usize,

    /// Show progress on standard error
    #[arg(long, value_name = "WHEN", default_value = "auto", value_enum)]
    progress: When,

    /// No progress, no notes
    #[arg(short, long)]
    quiet: bool,
}

/// The long help of `--to`.
pub(super) fn to_help() -> String {
    format!(
        "Publish to a store; repeatable. A day becomes visible at once, and replaces what the store had of it. With --db the store is \
         brought up to date with the database, weeks, months and all time included. Without, the inputs must be all there \
         is for their days, which the store's ledger tells (--replace overrides it).\n\n{}",
        store::REDIS_OPTIONS_HELP
    )
}

/// The stores that were named.
pub(super) fn targets(urls: &[String]) -> Result<Vec<StoreUrl>> {
    urls.iter().map(|url| StoreUrl::parse(url)).collect()
}

/// Runs `hitmap publish`.
pub(super) fn run(arguments: &PublishArgs) -> Result<()> {
    let targets = targets(&arguments.to)?;
    let threads = super::threads(arguments.threads)?;
    let progress = Arc::new(Progress::default());
    let interrupted = Arc::clone(&progress);
    signals::watch(move || interrupted.interrupted.store(true, Ordering::Relaxed))?;
    let pool = pipeline::thread_pool(threads)?;
    let bar = (output::wants_progress(arguments.progress) && !arguments.quiet)
        .then(|| Bar::start(Arc::clone(&progress), 0));
    progress.enter(Phase::Publishing);
    if arguments.replace {
        let mut database = open_to_write(&arguments.db, &progress, arguments.quiet)?;
        database.renew_days(arguments.site.as_deref())?;
        pool.install(|| database.commit())?;
    }
    let mut database = Database::open_to_read(&arguments.db)?;
    let mut sites = database.sites()?;
    if let Some(name) = &arguments.site {
        sites.retain(|site| site.name == *name);
        if sites.is_empty() {
            return Err(Error::Usage(format!("the database has no site {name:?}")));
        }
    }
    let published = pool
        .install(|| from_database(&targets, &mut database, &sites, arguments.replace, &progress));
    drop(bar);
    let notes = published?;
    database.finish_reading()?;
    notes.iter().filter(|_| !arguments.quiet).for_each(|note| complain(note));
    Ok(())
}

/// Brings each store up to date with sites of a database; says what was done.
pub(super) fn from_database(
    targets: &[StoreUrl],
    database: &mut Database,
    sites: &[Site],
    replace: bool,
    progress: &Progress,
) -> Result<Vec<String>> {
    each(targets, progress, |target, store| {
        let name = target.name();
        let opened = (name.as_str(), store);
        let done = publish::database::publish(database, sites, opened, replace, progress)?;
        if let Err(error) = note_published(database, &name, &done, progress) {
            // Without the note nothing is lost; a forgotten source may have to be taken away by --replace.
            complain(&format!("hitmap: what was published could not be noted: {error}"));
        }
        Ok(done)
    })
}

/// Notes in the database what readers of a store see now.
fn note_published(
    database: &Database,
    target: &str,
    done: &Publication,
    progress: &Progress,
) -> Result<()> {
    let mut new = done.seen.clone();
    let mut noted = std::collections::BTreeMap::new();
    for (span, _) in &done.seen {
        if !noted.contains_key(&span.site) {
            noted.insert(span.site.clone(), database.published(target, &span.site)?);
        }
    }
    new.retain(|(span, version)| noted[&span.site].get(&span.period.to_string()) != Some(version));
    if new.is_empty() {
        return Ok(());
    }
    let mut database = open_to_write(database.path(), progress, true)?;
    database.note_published(target, &new)?;
    database.commit()
}

/// Brings each store up to date with the days of `cube`, counted from `inputs` alone; says what was done.
pub(super) fn from_inputs(
    targets: &[StoreUrl],
    inputs: &[Input],
    analysis: &Analysis,
    cube: &Cube<'_>,
    replace: bool,
    progress: &Progress,
) -> Result<Vec<String>> {
    let counted = publish::inputs::counted_inputs(inputs, analysis)?;
    each(targets, progress, |_, store| {
        publish::inputs::publish(cube, &counted, store, replace, progress)
    })
}

/// Days named that a store did not take.
const REFUSED_DAYS: usize = 10;

/// Publishes to one store after the other. One that fails does not keep the others from being published to.
fn each(
    targets: &[StoreUrl],
    progress: &Progress,
    mut publish: impl FnMut(&StoreUrl, Box<dyn store::Store>) -> Result<Publication>,
) -> Result<Vec<String>> {
    let (mut notes, mut failed) = (Vec::new(), None);
    for target in targets {
        match store::open(target).and_then(|store| publish(target, store)) {
            Ok(done) => {
                failed = failed.or(refusal(target, &done));
                notes.push(words(target, &done));
            }
            // Also where the signal made the system break off what was being done.
            Err(_) if progress.is_interrupted() => return Err(Error::Interrupted),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(notes), Err)
}

fn refusal(target: &StoreUrl, done: &Publication) -> Option<Error> {
    for reason in done.refused.iter().take(REFUSED_DAYS) {
        complain(&format!("hitmap: {target}: {reason}"));
    }
    let refused = counted(done.refused.len() as u64, "day", "days");
    let reason = format!("{refused} not published, {} published", done.days);
    (!done.refused.is_empty()).then(|| Error::Store { place: target.to_string(), reason })
}

fn words(target: &StoreUrl, done: &Publication) -> String {
    let days = counted(done.days, "day", "days");
    match done.days - done.unchanged_days {
        0 if done.changed_keys == 0 => format!("hitmap: {target}: {days}, nothing changed"),
        changed => format!(
            "hitmap: {target}: {days}, {changed} changed ({} written or deleted in all, for {})",
            counted(done.changed_keys, "key", "keys"),
            counted(done.cells, "cell", "cells")
        ),
    }
}

/// Inputs of which those that come once were put where they can be read again.
pub(super) struct Rereadable {
    spooled: Vec<(String, Spooled)>,
}

impl Rereadable {
    /// Takes the place of what comes once among the inputs.
    pub(super) fn new(inputs: &mut [Input], progress: &Progress) -> Result<Self> {
        let mut spooled = Vec::new();
        for input in inputs.iter_mut().filter(|input| input.comes_once()) {
            let name = input.display();
            let file = Spooled::new(input, &|| progress.is_interrupted());
            progress.check()?;
            let file = file.map_err(|error| {
                Error::Unreadable(format!("{name:?} cannot be put into a temporary file: {error}"))
            })?;
            *input = file.input();
            spooled.push((name, file));
        }
        Ok(Self { spooled })
    }

    /// Gives what was counted the names that the user knows.
    pub(super) fn restore_names(&self, analysis: &mut Analysis) {
        for (name, file) in &self.spooled {
            let stand_in = file.input().display();
            for input in analysis.inputs.iter_mut().filter(|input| input.name == stand_in) {
                input.name.clone_from(name);
            }
            for reason in &mut analysis.unreadable {
                *reason = reason.replace(&format!("{stand_in:?}"), &format!("{name:?}"));
            }
        }
    }
}
