//! `hitmap explain`: how the lines of a log are read.
//!
//! Owns: the subcommand, its arguments. May import: `session`, `report` (explained lines), its siblings, clap. Must not
//! know: how lines are read.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::analyze::{CountChoice, parse_format};
use super::console::{Console, ConsoleOptions};
use crate::error::{Error, Result};
use crate::report::explanation::{write_json, write_text};
use crate::select::{Rules, SectionPattern};
use crate::session::{self, ExplainOptions, FormatChoice, LineChoice};
use crate::source::Input;
use crate::text::escape_terminal;

/// Arguments of `hitmap explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hitmap explain access.log
  hitmap explain access.log --line 4711
  kubectl logs web-1 | hitmap explain
  hitmap explain old.log.gz -n 1000 --json | jq .user_agent")]
pub(super) struct ExplainArgs {
    /// The log, plain or gzip; - is standard input, the default unless it is a terminal
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,

    /// Format of the log: auto, combined, common or dig (beacons), or what explain and reports call a wrapped one
    #[arg(short = 'f', long, value_name = "NAME", default_value = "auto", value_parser = parse_format)]
    log_format: FormatChoice,

    /// Explain the first N lines
    #[arg(short = 'n', long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    lines: u64,

    /// Explain only this line, counted from 1
    #[arg(long, value_name = "N", conflicts_with = "lines", value_parser = clap::value_parser!(u64).range(1..))]
    line: Option<u64>,

    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,

    /// Explain what counts by this rule, as in hitmap analyze
    #[arg(long, value_name = "WHAT", default_value = "page-views", value_enum)]
    count: CountChoice,

    /// Name a section by a pattern, as in hitmap analyze; repeatable
    #[arg(long, value_name = "NAME=PATTERN")]
    group: Vec<SectionPattern>,

    /// Keep the query (?…) as part of the page
    #[arg(long)]
    keep_query: bool,
}

/// Runs the subcommand.
pub(super) fn run(arguments: &ExplainArgs) -> Result<()> {
    let input = match &arguments.path {
        Some(path) if path != Path::new("-") => Input::Path(path.clone()),
        None if io::stdin().is_terminal() => {
            return Err(Error::Usage("name a log, as in: hitmap explain access.log".to_owned()));
        }
        _ => Input::Stdin,
    };
    let options = ExplainOptions {
        input,
        format: arguments.log_format.clone(),
        rules: Rules {
            count: arguments.count.into(),
            groups: arguments.group.clone(),
            keep_query: arguments.keep_query,
            ..Rules::default()
        },
        lines: arguments.line.map_or(LineChoice::First(arguments.lines), LineChoice::Only),
    };
    let name = options.input.display();
    let stdout = std::cell::RefCell::new(io::BufWriter::new(io::stdout().lock()));
    let explained = session::explain(
        &options,
        &mut Console::new(ConsoleOptions::default()),
        &mut |format| {
            if arguments.json {
                return Ok(());
            }
            let heading = format!("{name}: {format}");
            writeln!(stdout.borrow_mut(), "{}", escape_terminal(&heading)).map_err(Error::Output)
        },
        &mut |line| {
            let mut stdout = stdout.borrow_mut();
            let written = if arguments.json {
                write_json(line, &mut *stdout)
            } else {
                writeln!(stdout).and_then(|()| write_text(line, &mut *stdout))
            };
            written.map_err(Error::Output)
        },
    );
    stdout.into_inner().flush().map_err(Error::Output)?;
    explained
}
