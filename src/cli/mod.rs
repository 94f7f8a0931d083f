//! The command line: arguments become the options of a run, its result becomes an exit code.
//!
//! Owns: subcommands, their options and help, the progress bar, where output goes. May import: `session` and the modules
//! its options come from, `report`, clap, indicatif. Must not know: the steps of a run, how counts are kept.

mod analyze;
mod console;
mod explain;
mod generate;
mod ledger;
mod output;
mod paths;
mod progress;
mod publish;
mod report;
mod size;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue};
use clap::{Parser, Subcommand};

use crate::error::{Error, Result};
use crate::session::CellsTarget;
use crate::system::allocator;

/// Exact page views (PV) and unique visitors (UV) of web logs, per page, section and site, for every day, hour and
/// minute.
#[derive(Debug, Parser)]
#[command(name = "hitmap", version, about, max_term_width = 100, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 success; 1 no line could be parsed, or more lines than
--max-invalid allows were malformed; 2 wrong usage; 3 an input was unreadable,
truncated, left out, or had no line that could be parsed (the rest is still
reported); 4 a write or a store failed, or a limit was reached; 130 interrupted.

Try: hitmap analyze access.log";

#[derive(Debug, Subcommand)]
enum Command {
    /// Count logs and print a report.
    Analyze(Box<analyze::AnalyzeArgs>),
    /// Show how the first lines of a log are read, field by field, and why a line does not count.
    Explain(explain::ExplainArgs),
    Generate(Box<generate::GenerateArgs>),
    /// Report any range of time from a database, without the logs.
    Report(Box<report::ReportArgs>),
    /// Bring a store up to date with a database.
    Publish(publish::PublishArgs),
    /// List what a database has counted.
    Sources(ledger::SourcesArgs),
    /// Remove a source and exactly its counts from a database.
    Forget(ledger::ForgetArgs),
    /// Drop the details of old days from a database, visitors included; their counts stay in the view traffic.
    Prune(ledger::PruneArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Runs the program with the process's arguments.
#[must_use]
pub fn run() -> ExitCode {
    allocator::give_back_large_pieces();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // `--help` and `--version` come here too, and whoever reads them may close the pipe.
            let _ = error.print();
            if let Some(log) = log_as_subcommand(&error) {
                output::eprint_line(&format!("\n  tip: logs are counted by: hitmap analyze {log}"));
            }
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let result = match arguments.command {
        Command::Analyze(arguments) => analyze::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Publish(arguments) => publish::run(&arguments),
        Command::Sources(arguments) => ledger::sources(&arguments),
        Command::Forget(arguments) => ledger::forget(&arguments),
        Command::Prune(arguments) => ledger::prune(&arguments),
        Command::Completions { shell } => completions(shell),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::eprint_message(&error.to_string());
            ExitCode::from(error.exit_code())
        }
    }
}

/// What was given where a subcommand belongs, and is like none: a log, in all likelihood.
fn log_as_subcommand(error: &clap::Error) -> Option<&str> {
    let is_like_one = error.get(ContextKind::SuggestedSubcommand).is_some();
    match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(text)) if !is_like_one => Some(text),
        _ => None,
    }
}

/// A time in whole seconds.
fn parse_seconds(text: &str) -> std::result::Result<Duration, String> {
    let seconds = text.strip_suffix('s').unwrap_or(text).parse().map(Duration::from_secs);
    seconds.map_err(|_| "expected a number of seconds".to_owned())
}

/// A number of rows, or all of them.
fn parse_top(text: &str) -> std::result::Result<usize, String> {
    if text == "all" {
        return Ok(usize::MAX);
    }
    text.parse().map_err(|_| "expected a number of rows, or all".to_owned())
}

/// The number of worker threads that `--threads` asks for; 0 is one per core.
fn threads(asked: usize) -> Result<usize> {
    match asked {
        0 => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        threads @ 1..=1024 => Ok(threads),
        _ => Err(Error::Usage("--threads is at most 1024".to_owned())),
    }
}

/// Where `--cells` writes all cells.
fn cells_target(cells: Option<&Path>, json: bool) -> Result<Option<CellsTarget>> {
    match cells {
        None => Ok(None),
        Some(path) if path != Path::new("-") => Ok(Some(CellsTarget::File(path.to_owned()))),
        Some(_) if json => Err(Error::Usage(
            "--json and --cells - both write to standard output; give --cells a file name"
                .to_owned(),
        )),
        Some(_) => Ok(Some(CellsTarget::Output)),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<()> {
    use std::io::Write;
    let mut script = Vec::new();
    clap_complete::generate(
        shell,
        &mut <Arguments as clap::CommandFactory>::command(),
        "hitmap",
        &mut script,
    );
    std::io::stdout().write_all(&script).map_err(Error::Output)
}
