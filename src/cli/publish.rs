//! `hitmap publish`, and `--to` of `hitmap analyze`.
//!
//! Owns: their arguments, and the help of `--to`. May import: `session`, `store` (URLs and their help), clap, its
//! siblings. Must not know: how stores work.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::console::{Console, ConsoleOptions};
use super::output::{self, When};
use super::{parse_seconds, threads};
use crate::error::Result;
use crate::session::{self, PublishOptions};
use crate::store::{self, StoreUrl};

/// Arguments of `hitmap publish`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  hitmap publish --db stats.db --to redis://localhost:6379
  hitmap publish --db stats.db --to hbase://localhost:9090")]
pub(super) struct PublishArgs {
    /// The database
    #[arg(long, value_name = "FILE")]
    db: PathBuf,

    /// Store to bring up to date, redis://HOST:PORT or hbase://HOST:PORT; repeatable
    #[arg(long, value_name = "URL", required = true, long_help = to_help())]
    to: Vec<String>,

    /// Publish only this site
    #[arg(long, value_name = "NAME")]
    site: Option<String>,

    /// Publish everything again: after a change of options in the URL, or over days that something else published
    #[arg(long)]
    replace: bool,

    /// Wait at most this many seconds while another run writes to the database
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = parse_seconds)]
    lock_timeout: Duration,

    /// Worker threads; 0 is one per core
    #[arg(short = 'j', long, value_name = "N", default_value_t = 0)]
    threads: usize,

    /// Show progress on standard error
    #[arg(long, value_name = "WHEN", default_value = "auto", value_enum)]
    progress: When,

    /// Show neither progress nor notes
    #[arg(short, long)]
    quiet: bool,
}

/// The long help of `--to`.
pub(super) fn to_help() -> String {
    format!(
        "Publish to a store; repeatable. Each day takes the place of what the store had for it: in Redis at once, in HBase \
         row by row. With --db, the store is brought up to date with the database, including weeks, months and all time. \
         Without --db, the inputs must hold everything that was logged on their days; a day that the store made from \
         other sources is refused (--replace overrides this).\n\n{}\n\n{}",
        store::REDIS_OPTIONS_HELP,
        store::HBASE_OPTIONS_HELP
    )
}

/// The stores that `--to` names.
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
        lock_timeout: arguments.lock_timeout,
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
