//! `hitmap generate`: a log to try hitmap on, and its exact answer.
//!
//! Owns: its arguments and its progress bar. May import: `session`, `generate` (options), clap, indicatif, its siblings.
//! Must not know: what lines look like.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::console::{Console, ConsoleOptions};
use super::output::{self, When};
use super::progress;
use super::size::parse_size;
use crate::error::{Error, Result};
use crate::generate::{Format, GeneratorOptions, Size};
use crate::session::{LogTarget, generate_log};
use crate::time::Day;

/// Generate a web log of a movie site and, with --truth, its exact counts
///
/// The same options give the same bytes on every machine. Traffic has nights and weekends, a few pages and visitors
/// have most of the hits, and there are static files, errors and crawlers.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  A million lines, and the cells that `hitmap analyze --cells` must find in them:
    hitmap generate --lines 1M -o access.log --truth access.ndjson

  One line in a hundred is torn, binary or strange:
    hitmap generate --lines 100k --bad 10 | hitmap analyze -

  Hard on memory and caches:
    hitmap generate --lines 5M --pages 1000000 --visitors 5000000 --sections 20 \\
      --user-agents 20000 --queries 500 --shuffle -o hard.log")]
pub(super) struct GenerateArgs {
    /// Write N lines; k and M (thousand, million) may follow [default: 100k]
    #[arg(long, value_name = "N", value_parser = parse_count, conflicts_with = "bytes")]
    lines: Option<u64>,

    /// Write lines until SIZE is reached, as in 512MiB or 10GB
    ///
    /// K, M, G and KiB, MiB, GiB are powers of 1024; KB, MB, GB are powers of 1000.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    bytes: Option<u64>,

    /// Format of the lines
    #[arg(short = 'f', long, value_name = "NAME", value_enum, default_value_t = FormatName::Combined)]
    log_format: FormatName,

    /// Spread the lines over N days
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=3_652_425))]
    days: u32,

    /// First day, as YYYY-MM-DD
    #[arg(long, value_name = "DATE", default_value = "2018-03-05")]
    start: Day,

    /// Number of movie pages, besides the home page and 21 lists
    #[arg(long, value_name = "N", default_value_t = 12_924, value_parser = pool())]
    pages: u32,

    /// Spread the movie pages over N sections
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = pool())]
    sections: u32,

    /// Draw from N visitors
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = pool())]
    visitors: u32,

    /// Draw from N user agents
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = pool())]
    user_agents: u32,

    /// Give N of 1000 page requests a query (common and combined)
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(..=1000))]
    queries: u32,

    /// Make PERMILLE of 1000 lines odd: torn, binary, in another format, with strange fields
    #[arg(long, value_name = "PERMILLE", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1000))]
    bad: u32,

    /// Mix the lines of all days, instead of writing them nearly in order of time
    ///
    /// Each line draws its own time, so this takes no memory.
    #[arg(long)]
    shuffle: bool,

    /// Seed of the random numbers: another seed gives another log
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Write the true cells to FILE: CSV if it ends in .csv, else NDJSON
    ///
    /// They follow the default counting rules. Takes 16 bytes of memory per page view.
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,

    /// Write the log to FILE; - is standard output
    ///
    /// The file appears when it is complete.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,

    /// Show progress on standard error; auto shows it on a terminal if -o names a file
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto")]
    progress: When,

    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

/// The formats, by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatName {
    /// The combined format of nginx and Apache
    Combined,
    /// The NCSA Common Log Format
    Common,
    /// Beacons: /dig?refer=…&time=…&ua=…&url=…
    Dig,
}

/// Number of lines without `--lines` and `--bytes`.
const DEFAULT_LINES: u64 = 100_000;

impl GenerateArgs {
    fn options(&self) -> Result<GeneratorOptions> {
        let last_day = i64::from(self.start.0) + i64::from(self.days) - 1;
        if Day::from_date(9999, 12, 31).is_some_and(|last| last_day > i64::from(last.0)) {
            return Err(Error::Usage(
                "--start and --days reach beyond the year 9999; use fewer days".to_owned(),
            ));
        }
        let size = match (self.bytes, self.lines) {
            (Some(bytes), _) => Size::Bytes(bytes),
            (None, lines) => Size::Lines(lines.unwrap_or(DEFAULT_LINES)),
        };
        let format = match self.log_format {
            FormatName::Combined => Format::Combined,
            FormatName::Common => Format::Common,
            FormatName::Dig => Format::Dig,
        };
        Ok(GeneratorOptions {
            days: self.days,
            start: self.start,
            pages: self.pages,
            sections: self.sections,
            visitors: self.visitors,
            user_agents: self.user_agents,
            query_permille: self.queries,
            bad_permille: self.bad,
            shuffle: self.shuffle,
            seed: self.seed,
            collect_cells: self.truth.is_some(),
            ..GeneratorOptions::new(size, format)
        })
    }

    fn writes_file(&self) -> bool {
        self.output != Path::new("-")
    }

    /// A bar that counts bytes, or a hidden one.
    fn bar(&self, size: Size) -> ProgressBar {
        let show = !self.quiet
            && match self.progress {
                When::Auto => self.writes_file() && output::wants_progress(When::Auto),
                when => output::wants_progress(when),
            };
        if !show {
            return ProgressBar::hidden();
        }
        let (bar, template) = match size {
            Size::Bytes(bytes) => (
                ProgressBar::new(bytes),
                "{bar:30} {percent:>3}% {bytes} of {total_bytes} {bytes_per_sec} {eta} left",
            ),
            Size::Lines(_) => {
                (ProgressBar::no_length(), "{spinner} {bytes} {bytes_per_sec} {elapsed}")
            }
        };
        bar.set_draw_target(ProgressDrawTarget::stderr());
        bar.with_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        )
    }
}

/// Runs the subcommand. If the reader of a pipe goes away, it ends without an error.
pub(super) fn run(arguments: &GenerateArgs) -> Result<()> {
    let options = arguments.options()?;
    let console = Console::new(ConsoleOptions::default());
    console.watch_signals()?;
    let bar = arguments.bar(options.size);
    progress::clear_at_end(&bar);
    let mut stdout = io::stdout().lock();
    let log = if arguments.writes_file() {
        LogTarget::File(&arguments.output)
    } else {
        LogTarget::Output(&mut stdout)
    };
    let on_bytes = |bytes| bar.set_position(bytes);
    let generated =
        generate_log(&options, log, arguments.truth.as_deref(), &console.progress(), on_bytes);
    bar.finish_and_clear();
    generated
}

/// The size of a pool of pages, visitors or user agents.
fn pool() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(GeneratorOptions::MAX_POOL))
}

/// `5000000`, `500k` or `5M`.
fn parse_count(text: &str) -> std::result::Result<u64, String> {
    let (number, unit) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1_000),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1_000_000),
        _ => (text, 1),
    };
    let count = number.parse::<u64>().ok().and_then(|count| count.checked_mul(unit));
    count.ok_or_else(|| {
        format!("{text:?} is not a number of lines; write it as 5000000, 500k or 5M")
    })
}

#[cfg(test)]
mod tests {
    use super::parse_count;

    #[test]
    fn numbers_are_read() {
        assert_eq!(parse_count("5M"), Ok(5_000_000));
        assert_eq!(parse_count("500k"), Ok(500_000));
        assert_eq!(parse_count("0"), Ok(0));
        for text in ["", "M", "-1", "1G", "1.5M", "99999999999999999999"] {
            assert!(parse_count(text).is_err(), "{text}");
        }
    }
}
