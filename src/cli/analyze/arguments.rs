//! Arguments of `hitmap analyze`.
//!
//! Owns: the options and what their values mean. May import: `session` and the modules its options come from, clap.
//! Must not know: what a run does with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::super::output::When;
use super::super::size::parse_size;
use super::super::{cells_target, parse_seconds, parse_top, paths, publish, threads};
use crate::error::{Error, Result};
use crate::parse::{Format, Grammar, UnknownFormat};
use crate::select::{Count, GivenRules, SectionPattern, VisitorDefinition};
use crate::session::{
    AnalyzeOptions, CountingOptions, DEFAULT_PAGE_LIMIT, FormatChoice, InvalidLimit,
    StoreInDatabase, check_outputs, read_visitor_key,
};
use crate::time::{Granularity, Zone};

/// Arguments of `hitmap analyze`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hitmap analyze access.log
  hitmap analyze access.log.1 access.log --top 20
  hitmap analyze old/*.gz --json > report.json
  zstdcat old/*.zst | hitmap analyze -
  hitmap analyze access.log --cells cells.csv
  hitmap analyze access.log --db stats.db --to redis://localhost:6379")]
pub(in crate::cli) struct AnalyzeArgs {
    /// Logs to count together, plain or gzip; - is standard input, the default unless it is a terminal
    #[arg(value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,

    /// Format of the logs: auto, combined, common or dig (beacons); auto looks at the first lines of each file
    #[arg(short = 'f', long, value_name = "NAME", default_value = "auto", value_parser = parse_format, help_heading = "Counting")]
    pub(super) log_format: FormatChoice,

    /// Count page views (GET or POST requests answered by 2xx or 304, but not for static files) or all hits [default: page-views]
    #[arg(long, value_name = "WHAT", value_enum, help_heading = "Counting")]
    pub(super) count: Option<CountChoice>,

    /// What identifies a visitor: one or more of ip, ua, user, referrer and arg:NAME (query argument), joined by + [default: ip+ua]
    #[arg(long, value_name = "FIELDS", help_heading = "Counting")]
    pub(super) visitor: Option<VisitorDefinition>,

    /// Hash visitors with the secret key in this file, at least 16 bytes
    #[arg(long, value_name = "FILE", help_heading = "Counting")]
    pub(super) visitor_key: Option<PathBuf>,

    /// Name a section by a pattern, in which {} matches text without a slash, as in list=/list/{}.html; repeatable, the first that matches wins
    #[arg(long, value_name = "NAME=PATTERN", help_heading = "Counting")]
    pub(super) group: Vec<SectionPattern>,

    /// Keep the query (?…) as part of the page
    #[arg(long, help_heading = "Counting")]
    pub(super) keep_query: bool,

    /// Convert times to UTC, ±HH:MM or Area/City; without it, times are as written in the log
    #[arg(long, value_name = "ZONE", allow_hyphen_values = true, help_heading = "Counting")]
    pub(super) tz: Option<Zone>,

    /// Name of the site in reports, databases and stores
    #[arg(long, value_name = "NAME", default_value = "default", help_heading = "Counting")]
    pub(super) site: String,

    /// Fail if there are more than N distinct pages
    #[arg(long, value_name = "N", default_value_t = DEFAULT_PAGE_LIMIT, help_heading = "Counting")]
    pub(super) max_pages: u64,

    /// Number of sections and of pages to list, or all
    #[arg(long, value_name = "N|all", default_value = "10", value_parser = parse_top, help_heading = "Output")]
    pub(super) top: usize,

    /// Print the report as JSON
    #[arg(long, help_heading = "Output")]
    pub(super) json: bool,

    /// Write every cell to FILE: CSV if it ends in .csv, else NDJSON; - is NDJSON on standard output instead of the report
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) cells: Option<PathBuf>,

    /// Write malformed lines to FILE
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) invalid_lines: Option<PathBuf>,

    /// Fail and store nothing if more than N lines, or more than P percent of them, are malformed
    #[arg(long, value_name = "N|P%", help_heading = "Output")]
    pub(super) max_invalid: Option<InvalidLimit>,

    /// Also keep the counts in this database, each input once; of a log that has grown, only the new lines are counted. Counting
    /// options that are not given are as they were when the database was made
    #[arg(long, value_name = "FILE", help_heading = "Stores")]
    pub(super) db: Option<PathBuf>,

    /// Count all inputs of this run, also those that are shorter than before or hold page views of other sources
    #[arg(long, requires = "db", help_heading = "Stores")]
    pub(super) as_new: bool,

    /// Finest granularity at which the database has rows of pages for SQL; sites and sections are one step finer, and reports
    /// have all of them either way [default: day, or as the database has them]
    #[arg(long, value_name = "UNIT", value_enum, requires = "db", help_heading = "Stores")]
    pub(super) db_cells: Option<CellsChoice>,

    /// Wait at most this many seconds while another run writes to the database
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = parse_seconds, requires = "db", help_heading = "Stores")]
    pub(super) lock_timeout: Duration,

    /// Publish to a store, redis://HOST:PORT or hbase://HOST:PORT (see --help for their options); repeatable
    #[arg(long, value_name = "URL", help_heading = "Stores", long_help = publish::to_help())]
    pub(super) to: Vec<String>,

    /// With --db, first drop all that the database holds of the site; with --to alone, replace days whatever sources they were made from
    #[arg(long, help_heading = "Stores")]
    pub(super) replace: bool,

    /// Colour the report
    #[arg(long, value_name = "WHEN", default_value = "auto", value_enum, help_heading = "Output")]
    pub(super) color: When,

    /// Show a progress bar on standard error
    #[arg(long, value_name = "WHEN", default_value = "auto", value_enum, help_heading = "Output")]
    pub(super) progress: When,

    /// Print only errors and warnings on standard error; with --db no report either, unless it is asked for with --json or --cells
    #[arg(short, long, help_heading = "Output")]
    pub(super) quiet: bool,

    /// Print on standard error where time and memory went
    #[arg(long, help_heading = "Output")]
    pub(super) stats: bool,

    /// Worker threads; 0 is one per core
    #[arg(short = 'j', long, value_name = "N", default_value_t = 0, help_heading = "Resources")]
    pub(super) threads: usize,

    /// Read files instead of mapping them into memory
    #[arg(long, help_heading = "Resources")]
    pub(super) no_mmap: bool,

    /// Bytes of log whose records are held in memory at a time; more takes more memory
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = parse_size, help_heading = "Resources")]
    pub(super) window: u64,
}

pub(in crate::cli) fn parse_format(text: &str) -> std::result::Result<FormatChoice, String> {
    if text == "auto" {
        return Ok(FormatChoice::Detect);
    }
    let named: std::result::Result<Format, _> = text.parse();
    named.map(|format| FormatChoice::Named(Arc::new(format))).map_err(|UnknownFormat| {
        let names = Grammar::ALL.map(Grammar::name).join(", ");
        format!("formats are auto, {names}, and what hitmap explain says, as in 'combined inside syslog'")
    })
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum CellsChoice {
    Day,
    Hour,
    Minute,
}

impl From<CellsChoice> for Granularity {
    fn from(choice: CellsChoice) -> Self {
        match choice {
            CellsChoice::Day => Self::Day,
            CellsChoice::Hour => Self::Hour,
            CellsChoice::Minute => Self::Minute,
        }
    }
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(in crate::cli) enum CountChoice {
    PageViews,
    Hits,
}

impl From<CountChoice> for Count {
    fn from(choice: CountChoice) -> Self {
        match choice {
            CountChoice::PageViews => Self::PageViews,
            CountChoice::Hits => Self::Hits,
        }
    }
}

/// The options of the run.
///
/// # Errors
/// [`Error::Usage`] for values that do not go together, or a visitor key that cannot be read.
pub(super) fn options(arguments: &AnalyzeArgs) -> Result<AnalyzeOptions> {
    let cells = cells_target(arguments.cells.as_deref(), arguments.json)?;
    if arguments.replace && arguments.db.is_none() && arguments.to.is_empty() {
        return Err(Error::Usage("--replace needs --db or --to".to_owned()));
    }
    let threads = threads(arguments.threads)?;
    if arguments.window == 0 {
        return Err(Error::Usage("--window must be at least one byte".to_owned()));
    }
    let visitor_key = arguments.visitor_key.as_deref().map(read_visitor_key).transpose()?;
    let inputs = paths::inputs(&arguments.paths, arguments.quiet)?;
    let outputs = [&arguments.cells, &arguments.invalid_lines, &arguments.db];
    let outputs: Vec<&Path> = outputs.into_iter().filter_map(Option::as_deref).collect();
    check_outputs(&outputs, &inputs)?;
    let rules = GivenRules {
        count: arguments.count.map(Count::from),
        visitor: arguments.visitor.clone(),
        visitor_key,
        keep_query: arguments.keep_query,
        groups: arguments.group.clone(),
        zone: arguments.tz.clone(),
        site: arguments.site.clone(),
    };
    Ok(AnalyzeOptions {
        counting: CountingOptions {
            inputs,
            format: arguments.log_format.clone(),
            threads,
            map: !arguments.no_mmap,
            window_bytes: arguments.window,
            page_limit: arguments.max_pages,
            invalid_lines: arguments.invalid_lines.clone(),
            ..CountingOptions::default()
        },
        rules,
        database: arguments.db.clone().map(|path| StoreInDatabase {
            path,
            as_new: arguments.as_new,
            cells: arguments.db_cells.map(Granularity::from),
            lock_timeout: arguments.lock_timeout,
        }),
        publish_to: publish::stores(&arguments.to)?,
        replace: arguments.replace,
        cells,
        max_invalid: arguments.max_invalid,
        has_report: !arguments.quiet || arguments.json || arguments.db.is_none(),
        top: arguments.top,
    })
}
