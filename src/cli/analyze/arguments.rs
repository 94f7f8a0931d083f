//! Arguments of `hitmap analyze`.
//!
//! Owns: the options and what their values mean. May import: `session` and the options it takes, clap.
//! Must not know: what is done with them.

use std::path::{Path, PathBuf};

use clap::Args;

use super::super::output::When;
use super::super::size::parse_size;
use super::super::{cells_target, paths, publish, threads};
use crate::error::{Error, Result};
use crate::parse::LogFormat;
use crate::select::{Count, Rules, SectionPattern, VisitorDefinition};
use crate::session::{
    AnalyzeOptions, CountingOptions, DEFAULT_PAGE_LIMIT, InvalidLimit, StoreInDatabase,
    check_outputs, read_visitor_key,
};
use crate::time::Zone;

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
    /// Logs to count together, plain or gzip; - or nothing and a pipe is standard input
    #[arg(value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,

    /// Format of all logs: auto, combined, common or dig (beacons); auto judges each file by its first lines
    #[arg(short = 'f', long, value_name = "NAME", default_value = "auto", value_parser = parse_format, help_heading = "Counting")]
    pub(super) log_format: FormatChoice,

    /// What counts: page-views (readable GET or POST requests answered by 2xx or 304, no static files) or every hit
    #[arg(
        long,
        value_name = "WHAT",
        default_value = "page-views",
        value_enum,
        help_heading = "Counting"
    )]
    pub(super) count: CountChoice,

    /// Who is one visitor: a list of ip, ua, user, referrer and arg:NAME (query argument), joined by +
    #[arg(long, value_name = "FIELDS", default_value = "ip+ua", help_heading = "Counting")]
    pub(super) visitor: VisitorDefinition,

    /// Key visitors' hashes with the bytes of this file
    #[arg(long, value_name = "FILE", help_heading = "Counting")]
    pub(super) visitor_key: Option<PathBuf>,

    /// Sections by pattern, the first match counts; {} matches one segment's text, as in list=/list/{}.html
    #[arg(long, value_name = "NAME=PATTERN", help_heading = "Counting")]
    pub(super) group: Vec<SectionPattern>,

    /// Keep the query (?…) as part of a page
    #[arg(long, help_heading = "Counting")]
    pub(super) keep_query: bool,

    /// Convert times to UTC, ±HH:MM or Area/City; without it days and hours are as written in the log
    #[arg(long, value_name = "ZONE", allow_hyphen_values = true, help_heading = "Counting")]
    pub(super) tz: Option<Zone>,

    /// Name of the site in reports
    #[arg(long, value_name = "NAME", default_value = "default", help_heading = "Counting")]
    pub(super) site: String,

    /// End with an error above this many distinct pages
    #[arg(long, value_name = "N", default_value_t = DEFAULT_PAGE_LIMIT, help_heading = "Counting")]
    pub(super) max_pages: u64,

    /// Sections and pages to list
    #[arg(long, value_name = "N", default_value_t = 10, help_heading = "Output")]
    pub(super) top: usize,

    /// Print the report as JSON
    #[arg(long, help_heading = "Output")]
    pub(super) json: bool,

    /// Write every cell to this file, .csv or .ndjson; - is NDJSON on standard output instead of the report
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) cells: Option<PathBuf>,

    /// Write malformed lines to this file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) invalid_lines: Option<PathBuf>,

    /// End with exit code 1 and write nothing if more lines than this, or than this percentage, are malformed
    #[arg(long, value_name = "N|P%", help_heading = "Output")]
    pub(super) max_invalid: Option<InvalidLimit>,

    /// Keep the counts in this database too: each input once, of one that grew only what is new
    #[arg(long, value_name = "FILE", help_heading = "Stores")]
    pub(super) db: Option<PathBuf>,

    /// Count a file that is shorter than when it was counted as another source
    #[arg(long, requires = "db", help_heading = "Stores")]
    pub(super) as_new: bool,

    /// Store the cells of pages a minute in the database, too (reports have them in any case)
    #[arg(long, requires = "db", help_heading = "Stores")]
    pub(super) db_minute_pages: bool,

    /// Publish the days to a store, redis://HOST:PORT (options: see --help); repeatable
    #[arg(long, value_name = "URL", help_heading = "Stores", long_help = publish::to_help())]
    pub(super) to: Vec<String>,

    /// With --db, drop all that the database holds of the site first; with --to, publish days whatever the store has
    #[arg(long, help_heading = "Stores")]
    pub(super) replace: bool,

    /// Colours on a terminal
    #[arg(long, value_name = "WHEN", default_value = "auto", value_enum, help_heading = "Output")]
    pub(super) color: When,

    /// Progress bar on standard error
    #[arg(long, value_name = "WHEN", default_value = "auto", value_enum, help_heading = "Output")]
    pub(super) progress: When,

    /// Say nothing on standard error but errors
    #[arg(short, long, help_heading = "Output")]
    pub(super) quiet: bool,

    /// Say on standard error how time and memory were spent
    #[arg(long, help_heading = "Output")]
    pub(super) stats: bool,

    /// Worker threads; 0 is one a core
    #[arg(short = 'j', long, value_name = "N", default_value_t = 0, help_heading = "Resources")]
    pub(super) threads: usize,

    /// Read files instead of mapping them into memory
    #[arg(long, help_heading = "Resources")]
    pub(super) no_mmap: bool,

    /// Log bytes held as records at once; memory grows with it
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = parse_size, help_heading = "Resources")]
    pub(super) window: u64,
}

/// A format by name, or detection.
#[derive(Clone, Copy, Debug)]
pub(super) struct FormatChoice(Option<LogFormat>);

fn parse_format(name: &str) -> std::result::Result<FormatChoice, String> {
    if name == "auto" {
        return Ok(FormatChoice(None));
    }
    let known = LogFormat::ALL.into_iter().find(|format| format.name() == name);
    known.map(|format| FormatChoice(Some(format))).ok_or_else(|| {
        let names: Vec<&str> = LogFormat::ALL.iter().map(|format| format.name()).collect();
        format!("formats are auto, {}", names.join(", "))
    })
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum CountChoice {
    PageViews,
    Hits,
}

/// The options of the run, checked.
pub(super) fn options(arguments: &AnalyzeArgs) -> Result<AnalyzeOptions> {
    let cells = cells_target(arguments.cells.as_deref(), arguments.json)?;
    if arguments.replace && arguments.db.is_none() && arguments.to.is_empty() {
        return Err(Error::Usage("--replace goes with --db or --to".to_owned()));
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
    let rules = Rules {
        count: match arguments.count {
            CountChoice::PageViews => Count::PageViews,
            CountChoice::Hits => Count::Hits,
        },
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
            format: arguments.log_format.0,
            rules,
            threads,
            map: !arguments.no_mmap,
            window_bytes: arguments.window,
            page_limit: arguments.max_pages,
            invalid_lines: arguments.invalid_lines.clone(),
            ..CountingOptions::default()
        },
        database: arguments.db.clone().map(|path| StoreInDatabase {
            path,
            as_new: arguments.as_new,
            minute_pages: arguments.db_minute_pages,
        }),
        publish_to: publish::stores(&arguments.to)?,
        replace: arguments.replace,
        cells,
        max_invalid: arguments.max_invalid,
        top: arguments.top,
    })
}
