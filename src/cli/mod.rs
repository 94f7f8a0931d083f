//! The command line: what was typed, turned into runs, and their results into output and exit codes.
//!
//! Owns: subcommands, options, progress, colours, signals. May import: everything public, clap, indicatif.
//! Must not know: bytes of logs, how counts are kept.

mod analyze;
mod generate;
mod output;
mod paths;
mod progress;
mod signals;
mod size;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{Error, Result};
use crate::memory;

/// Exact page views (PV) and unique visitors (UV) of web logs, per page, section and site, for every day, hour and
/// minute.
#[derive(Debug, Parser)]
#[command(name = "hitmap", version, about, max_term_width = 100, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 all went well; 1 there were lines and none could be parsed, or --max-invalid was passed; 2 wrong
usage; 3 an input was unreadable or truncated (the rest is still reported); 4 a write failed or a limit was reached;
130 interrupted.

Try: hitmap analyze access.log";

#[derive(Debug, Subcommand)]
enum Command {
    /// Count logs and print a report.
    Analyze(Box<analyze::AnalyzeArgs>),
    Generate(Box<generate::GenerateArgs>),
    /// Print completions for a shell.
    Completions {
        /// The shell to complete for.
        shell: clap_complete::Shell,
    },
}

/// Runs the program with the process's arguments.
#[must_use]
pub fn run() -> ExitCode {
    memory::give_back_large_pieces();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // `--help` and `--version` come here too; a closed pipe is no reason to complain.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let result = match arguments.command {
        Command::Analyze(arguments) => analyze::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Completions { shell } => completions(shell),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::complain(&format!("hitmap: {error}"));
            ExitCode::from(error.exit_code())
        }
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
