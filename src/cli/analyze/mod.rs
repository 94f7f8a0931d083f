//! `hitmap analyze`: count logs, print a report.
//!
//! Owns: the subcommand. May import: `session`, its siblings. Must not know: the steps of a run.

mod arguments;

use super::console::{Console, ConsoleOptions};
use super::output;
use crate::error::Result;
use crate::session;
use arguments::options;
pub(super) use arguments::{AnalyzeArgs, CountChoice, parse_format};

/// Runs the subcommand.
pub(super) fn run(arguments: &AnalyzeArgs) -> Result<()> {
    let options = options(arguments)?;
    let mut console = Console::new(ConsoleOptions {
        shows_progress: output::wants_progress(arguments.progress) && !arguments.quiet,
        is_quiet: arguments.quiet,
        is_json: arguments.json,
        shows_statistics: arguments.stats,
        color: arguments.color,
    });
    console.watch_signals()?;
    let progress = console.progress();
    session::analyze(&options, &progress, &mut console)
}
