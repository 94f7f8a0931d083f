//! `hitmap sources`, `forget` and `prune`: the sources of a database.
//!
//! Owns: their arguments and messages. May import: `session`, clap, its siblings. Must not know: SQL.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::console::{Console, ConsoleOptions};
use super::output::eprint_message;
use super::parse_seconds;
use crate::error::{Error, Result};
use crate::session::{self, ListedSource, Pruned};
use crate::text::escape_terminal;
use crate::time::CivilTime;

/// Arguments of `hitmap sources`.
#[derive(Debug, Args)]
pub(super) struct SourcesArgs {
    /// The database
    #[arg(long, value_name = "FILE")]
    db: PathBuf,

    /// Print JSON, one object per line
    #[arg(long)]
    json: bool,
}

/// Arguments of `hitmap forget`.
#[derive(Debug, Args)]
pub(super) struct ForgetArgs {
    /// The database
    #[arg(long, value_name = "FILE")]
    db: PathBuf,

    /// The source to remove, as the first column of `hitmap sources` names it
    #[arg(value_name = "SOURCE")]
    source: String,

    /// Wait at most this many seconds while another run writes to the database
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = parse_seconds)]
    lock_timeout: Duration,
}

/// Arguments of `hitmap prune`.
#[derive(Debug, Args)]
pub(super) struct PruneArgs {
    /// The database
    #[arg(long, value_name = "FILE")]
    db: PathBuf,

    /// Keep the details of this many days, today included, as in 400d
    #[arg(long, value_name = "DAYS", value_parser = parse_days)]
    keep: u32,

    /// Wait at most this many seconds while another run writes to the database
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = parse_seconds)]
    lock_timeout: Duration,
}

fn parse_days(text: &str) -> std::result::Result<u32, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
    days.filter(|&days| days > 0).ok_or_else(|| "expected a number of days, as in 400d".to_owned())
}

/// A time that the database recorded, in UTC.
fn time_text(unix_millis: i64) -> String {
    CivilTime::from_seconds(unix_millis.div_euclid(1000)).to_string()
}

/// Runs `hitmap sources`.
pub(super) fn sources(arguments: &SourcesArgs) -> Result<()> {
    let sources = session::sources(&arguments.db)?;
    let mut stdout = std::io::stdout().lock();
    let rows: Vec<String> = if arguments.json {
        sources.iter().map(source_json).collect()
    } else {
        let width = |text: &dyn Fn(&ListedSource) -> String| {
            sources.iter().map(|listed| text(listed).chars().count()).max().unwrap_or(0)
        };
        let sites = |listed: &ListedSource| escape_terminal(&listed.sites.join(", ")).into_owned();
        let id_width = width(&|listed| listed.source.short_id.clone());
        let site_width = width(&sites);
        let row = |listed: &ListedSource| {
            let source = &listed.source;
            format!(
                "{:id_width$}  {}  {:>15} bytes  {:>12} lines  {:site_width$}  {}",
                source.short_id,
                time_text(source.changed),
                source.identity.bytes,
                source.tally.lines,
                sites(listed),
                escape_terminal(&source.name)
            )
        };
        sources.iter().map(row).collect()
    };
    rows.iter().try_for_each(|row| writeln!(stdout, "{row}")).map_err(Error::Output)
}

fn source_json(listed: &ListedSource) -> String {
    let source = &listed.source;
    serde_json::json!({
        "source": source.short_id,
        "id": source.identity.full_id(),
        "path": source.name,
        "sites": listed.sites,
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
    let mut console = Console::new(ConsoleOptions::default());
    let source =
        session::forget(&arguments.db, &arguments.source, arguments.lock_timeout, &mut console)?;
    eprint_message(&format!(
        "forgot {} ({:?}, {} lines)",
        source.short_id, source.name, source.tally.lines
    ));
    Ok(())
}

/// Runs `hitmap prune`.
pub(super) fn prune(arguments: &PruneArgs) -> Result<()> {
    let mut console = Console::new(ConsoleOptions::default());
    let Pruned { first, days } =
        session::prune(&arguments.db, arguments.keep, arguments.lock_timeout, &mut console)?;
    eprint_message(&if days == 0 {
        format!("nothing to prune: there are no facts of days before {first}")
    } else {
        format!(
            "dropped the facts of {days} days before {first}, with all that was stored of their visitors. Questions about \
             these days can no longer be answered; their cells of days, hours and minutes stay in the view traffic; \
             forgetting a source that has such days is refused"
        )
    });
    Ok(())
}
