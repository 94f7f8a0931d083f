//! `hitmap report`: a report from a database.
//!
//! Owns: the subcommand's options. May import: `session`, `query`, `time`, clap, its siblings. Must not know: how an answer
//! is computed.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;

use super::console::{Console, ConsoleOptions};
use super::output::When;
use super::{cells_target, parse_top, threads};
use crate::error::Result;
use crate::query::{By, Compare, Grouping, Request};
use crate::session::{self, CellsTarget, ReportOptions, check_outputs};
use crate::time::{Granularity, WrittenTime};

/// Arguments of `hitmap report`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hitmap report --db stats.db
  hitmap report --db stats.db --since 2018-03-05T14:05 --until 2018-03-07 --by hour
  hitmap report --db stats.db --since last-week --until last-week --compare previous
  hitmap report --db stats.db --since 28d --until yesterday --by day
  hitmap report --db stats.db --section /movie/ --by week --json")]
pub(super) struct ReportArgs {
    /// The database, as written by hitmap analyze --db
    #[arg(long, value_name = "FILE")]
    db: PathBuf,

    /// Start with this day, hour or minute, as in 2018-03-05, 2018-03-05T14 or 2018-03-05T14:05, or with the start of today,
    /// yesterday, 7d (any number of whole days before today), this-week (from Monday), last-week, this-month, last-month
    #[arg(long, value_name = "TIME")]
    since: Option<WrittenTime>,

    /// End with this day, hour or minute, inclusive, or with the end of what is named as above
    #[arg(long, value_name = "TIME")]
    until: Option<WrittenTime>,

    /// Also list every minute, hour, day, week or month of what was counted, or all sections or pages
    #[arg(long, value_name = "UNIT", value_enum)]
    by: Option<Unit>,

    /// Compare with the range before (the day, week or month before, else the same length moved back by whole weeks), or with
    /// a year before (364 days)
    #[arg(long, value_name = "WITH", value_enum)]
    compare: Option<With>,

    /// Report only this site
    #[arg(long, value_name = "NAME")]
    site: Option<String>,

    /// Report only this section
    #[arg(long, value_name = "NAME")]
    section: Option<String>,

    /// Report only this page
    #[arg(long, value_name = "PATH")]
    page: Option<String>,

    /// Number of sections and of pages to list, or all
    #[arg(long, value_name = "N|all", default_value = "10", value_parser = parse_top)]
    top: usize,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,

    /// Write every cell to FILE: CSV if it ends in .csv, else NDJSON; - is NDJSON on standard output instead of the report
    #[arg(long, value_name = "FILE")]
    cells: Option<PathBuf>,

    /// Colour the report
    #[arg(long, value_name = "WHEN", default_value = "auto", value_enum)]
    color: When,

    /// Worker threads; 0 is one per core
    #[arg(short = 'j', long, value_name = "N", default_value_t = 0)]
    threads: usize,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Unit {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Section,
    Page,
}

impl From<Unit> for Grouping {
    fn from(unit: Unit) -> Self {
        match unit {
            Unit::Minute => Self::Time(By::Cells(Granularity::Minute)),
            Unit::Hour => Self::Time(By::Cells(Granularity::Hour)),
            Unit::Day => Self::Time(By::Cells(Granularity::Day)),
            Unit::Week => Self::Time(By::Week),
            Unit::Month => Self::Time(By::Month),
            Unit::Section => Self::Section,
            Unit::Page => Self::Page,
        }
    }
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum With {
    Previous,
    Year,
}

impl From<With> for Compare {
    fn from(with: With) -> Self {
        match with {
            With::Previous => Self::Previous,
            With::Year => Self::Year,
        }
    }
}

/// The present instant, in Unix seconds.
fn now() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
}

/// Runs the subcommand.
pub(super) fn run(arguments: &ReportArgs) -> Result<()> {
    let cells = cells_target(arguments.cells.as_deref(), arguments.json)?;
    if let Some(CellsTarget::File(path)) = &cells {
        check_outputs(&[path, &arguments.db], &[])?;
    }
    let options = ReportOptions {
        database: arguments.db.clone(),
        request: Request {
            since: arguments.since,
            until: arguments.until,
            site: arguments.site.clone(),
            section: arguments.section.clone(),
            page: arguments.page.clone(),
            grouping: arguments.by.map(Grouping::from),
            compare: arguments.compare.map(Compare::from),
            top: arguments.top,
            now: now(),
        },
        cells,
        threads: threads(arguments.threads)?,
    };
    let mut console = Console::new(ConsoleOptions {
        is_json: arguments.json,
        color: arguments.color,
        ..ConsoleOptions::default()
    });
    session::report(&options, &mut console)
}
