//! `--db` of `hitmap analyze`, and `hitmap sources`, `forget` and `prune`.
//!
//! Owns: their options and words. May import: `store`, `update`. Must not know: SQL.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::output::complain;
use crate::database::{Database, Recorded};
use crate::error::{Error, Result};
use crate::pipeline;
use crate::system::progress::Progress;
use crate::text::escape_terminal;
use crate::time::CivilTime;
use crate::time::Day;

/// A database is waited for so long before the user is told.
const SILENCE: Duration = Duration::from_secs(1);
/// And so long before the run gives up: a lock that is held longer is hardly another run's.
const MOST_PATIENCE: Duration = Duration::from_secs(60 * 60);

/// Opens a database to change it, telling the user when that takes long.
pub(super) fn open_to_write(path: &Path, progress: &Progress, quiet: bool) -> Result<Database> {
    let mut was_said = quiet;
    Database::open_to_write(path, &mut |waited| {
        if progress.is_interrupted() {
            return Err(Error::Interrupted);
        }
        if waited > MOST_PATIENCE {
            let reason =
                "another program has been writing to it for an hour; nothing was stored".to_owned();
            return Err(Error::Database { path: path.to_owned(), reason });
        }
        if waited > SILENCE && !was_said {
            was_said = true;
            complain(&format!("hitmap: {path:?}: another run writes to it; waiting for it to end"));
        }
        Ok(())
    })
}

/// What `hitmap sources` was given.
#[derive(Debug, Args)]
pub(super) struct SourcesArgs {
    /// The database
    #[arg(long, value_name = "FILE")]
    db: PathBuf,

    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// What `hitmap forget` was given.
#[derive(Debug, Args)]
pub(super) struct ForgetArgs {
    /// The database
    #[arg(long, value_name = "FILE")]
    db: PathBuf,

    /// The source, by the first column of `hitmap sources`
    #[arg(value_name = "SOURCE")]
    source: String,
}

/// What `hitmap prune` was given.
#[derive(Debug, Args)]
pub(super) struct PruneArgs {
    /// The database
    #[arg(long, value_name = "FILE")]
    db: PathBuf,

    /// Keep the parts of so many days up to today, as in 400d
    #[arg(long, value_name = "DAYS", value_parser = parse_days)]
    keep: u32,
}

fn parse_days(text: &str) -> std::result::Result<u32, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
    days.filter(|&days| days > 0).ok_or_else(|| "expected a number of days, as in 400d".to_owned())
}

/// A time of the ledger, in UTC.
fn time_text(unix_millis: i64) -> String {
    CivilTime::from_seconds(unix_millis.div_euclid(1000)).to_string()
}

/// Runs `hitmap sources`.
pub(super) fn sources(arguments: &SourcesArgs) -> Result<()> {
    let database = Database::open_to_read(&arguments.db)?;
    let sources = database.sources()?;
    database.finish_reading()?;
    let mut stdout = std::io::stdout().lock();
    let rows: Vec<String> = if arguments.json {
        sources.iter().map(source_json).collect()
    } else {
        let width = sources.iter().map(|source| source.short_id.len()).max().unwrap_or(0);
        sources
            .iter()
            .map(|source| {
                format!(
                    "{:width$}  {}  {:>15} bytes  {:>12} lines  {}",
                    source.short_id,
                    time_text(source.changed),
                    source.identity.bytes,
                    source.tally.lines,
                    escape_terminal(&source.name)
                )
            })
            .collect()
    };
    rows.iter().try_for_each(|row| writeln!(stdout, "{row}")).map_err(Error::Output)
}

fn source_json(source: &Recorded) -> String {
    serde_json::json!({
        "source": source.short_id,
        "id": source.identity.full_id(),
        "path": source.name,
        "format": source.format,
        "bytes": source.identity.bytes,
        "lines": source.tally.lines,
        "page_views": source.tally.page_views,
        "added": time_text(source.added),
        "changed": time_text(source.changed),
    })
    .to_string()
}

/// Runs `hitmap forget`.
pub(super) fn forget(arguments: &ForgetArgs) -> Result<()> {
    let mut database = open_to_write(&arguments.db, &Progress::default(), false)?;
    let sources = database.sources()?;
    let found: Vec<&Recorded> = sources
        .iter()
        .filter(|source| {
            source.short_id == arguments.source || source.identity.full_id() == arguments.source
        })
        .collect();
    let &[source] = found.as_slice() else {
        return Err(Error::Usage(format!(
            "{:?} holds no source {:?}; the first column of hitmap sources names them",
            arguments.db, arguments.source
        )));
    };
    database.remove_source(source.number)?;
    all_cores()?.install(|| database.commit())?;
    complain(&format!(
        "hitmap: forgot {} ({:?}, {} lines)",
        source.short_id, source.name, source.tally.lines
    ));
    Ok(())
}

/// Runs `hitmap prune`.
pub(super) fn prune(arguments: &PruneArgs) -> Result<()> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let today = now.map_or(0, |since| since.as_secs() / 86_400);
    let today = i32::try_from(today).unwrap_or(i32::MAX);
    let kept = i32::try_from(arguments.keep).unwrap_or(i32::MAX);
    let first = Day(today.saturating_sub(kept).saturating_add(1));
    let mut database = open_to_write(&arguments.db, &Progress::default(), false)?;
    let dropped = database.prune(first)?;
    all_cores()?.install(|| match dropped {
        0 => database.commit(),
        _ => database.commit_and_rewrite(),
    })?;
    complain(&if dropped == 0 {
        format!("hitmap: nothing to prune: no part is older than {first}")
    } else {
        format!(
            "hitmap: dropped the parts of {dropped} days before {first}, with all that was stored of their visitors. \
             Their cells of days, hours and minutes stay. What needed the parts can no longer be answered of them: \
             other ranges, pages a minute, new visitors, and forgetting a source"
        )
    });
    Ok(())
}

fn all_cores() -> Result<rayon::ThreadPool> {
    pipeline::thread_pool(std::thread::available_parallelism().map_or(1, usize::from))
}
