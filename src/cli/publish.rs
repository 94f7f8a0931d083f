//! `hitmap publish`, and `--to` of `hitmap analyze`.
//!
//! Owns: their arguments. May import: `session`, `store` (URLs), clap. Must not know: which stores there are.

use std::path::PathBuf;

use clap::Args;

use super::console::{Console, ConsoleOptions};
use super::output::{self, When};
use super::threads;
use crate::error::Result;
use crate::session::{self, PublishOptions};
use crate::store::{self, StoreUrl};

/// Arguments of `hitmap publish`.
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
pub(super) fn stores(urls: &[String]) -> Result<Vec<StoreUrl>> {
    urls.iter().map(|url| StoreUrl::parse(url)).collect()
}

/// Runs `hitmap publish`.
pub(super) fn run(arguments: &PublishArgs) -> Result<()> {
    let options = PublishOptions {
        database: arguments.db.clone(),
        publish_to: stores(&arguments.to)?,
        site: arguments.site.clone(),
        replace: arguments.replace,
        threads: threads(arguments.threads)?,
    };
    let mut console = Console::new(ConsoleOptions {
        shows_progress: output::wants_progress(arguments.progress) && !arguments.quiet,
        is_quiet: arguments.quiet,
        ..ConsoleOptions::default()
    });
    console.watch_signals()?;
    let progress = console.progress();
    session::publish(&options, &progress, &mut console)
}
