//! `hitmap report`: a report from a database.
//!
//! Owns: the subcommand's options, and how a range is written. May import: `session`, `query`, `time`, clap, its siblings.
//! Must not know: how an answer is computed.

use std::path::PathBuf;

use clap::Args;

use super::console::{Console, ConsoleOptions};
use super::output::When;
use super::{cells_target, threads};
use crate::error::Result;
use crate::query::{By, Minute, Question};
use crate::session::{self, CellsTarget, ReportOptions, check_outputs};
use crate::time::{Day, Granularity, MINUTES_A_DAY};

/// Arguments of `hitmap report`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hitmap report --db stats.db
  hitmap report --db stats.db --since 2018-03-05T14:05 --until 2018-03-07 --by hour
  hitmap report --db stats.db --section /movie/ --by week --json")]
pub(super) struct ReportArgs {
    /// The database, as written by hitmap analyze --db
    #[arg(long, value_name = "FILE")]
    db: PathBuf,

    /// Start with this day, hour or minute: 2018-03-05, 2018-03-05T14 or 2018-03-05T14:05
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<Range>,

    /// End with this day, hour or minute, inclusive
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<Range>,

    /// Also list every minute, hour, day, week or month
    #[arg(long, value_name = "UNIT", value_enum)]
    by: Option<Unit>,

    /// Report only this site
    #[arg(long, value_name = "NAME")]
    site: Option<String>,

    /// Report only this section
    #[arg(long, value_name = "NAME")]
    section: Option<String>,

    /// Report only this page
    #[arg(long, value_name = "PATH")]
    page: Option<String>,

    /// Number of sections and of pages to list
    #[arg(long, value_name = "N", default_value_t = 10)]
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
}

impl From<Unit> for By {
    fn from(unit: Unit) -> Self {
        match unit {
            Unit::Minute => Self::Cells(Granularity::Minute),
            Unit::Hour => Self::Cells(Granularity::Hour),
            Unit::Day => Self::Cells(Granularity::Day),
            Unit::Week => Self::Week,
            Unit::Month => Self::Month,
        }
    }
}

/// The minutes of a day, of an hour, or a single one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    start: Minute,
    end: Minute,
}

fn parse_time(text: &str) -> std::result::Result<Range, String> {
    read_time(text).ok_or_else(|| {
        "expected a time as in 2018-03-05, 2018-03-05T14 or 2018-03-05T14:05".to_owned()
    })
}

/// A number of exactly two digits that is less than `limit`.
fn read_two_digits(text: &str, limit: u16) -> Option<u16> {
    let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&number| is_number && number < limit)
}

fn read_time(text: &str) -> Option<Range> {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let day: Day = date.parse().ok()?;
    let midnight = Minute::from(day.0) * Minute::from(MINUTES_A_DAY);
    let (start, length) = match time {
        None => (0, MINUTES_A_DAY.into()),
        Some(time) => match time.split_once(':') {
            None => (read_two_digits(time, 24)? * 60, 60),
            Some((hour, minute)) => {
                (read_two_digits(hour, 24)? * 60 + read_two_digits(minute, 60)?, 1)
            }
        },
    };
    let start = midnight + Minute::from(start);
    Some(Range { start, end: start + length })
}

/// Runs the subcommand.
pub(super) fn run(arguments: &ReportArgs) -> Result<()> {
    let cells = cells_target(arguments.cells.as_deref(), arguments.json)?;
    if let Some(CellsTarget::File(path)) = &cells {
        check_outputs(&[path, &arguments.db], &[])?;
    }
    let options = ReportOptions {
        database: arguments.db.clone(),
        question: Question {
            since: arguments.since.map(|range| range.start),
            until: arguments.until.map(|range| range.end),
            site: arguments.site.clone(),
            section: arguments.section.clone(),
            page: arguments.page.clone(),
            by: arguments.by.map(By::from),
        },
        top: arguments.top,
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

#[cfg(test)]
mod tests {
    use super::read_time;

    #[test]
    fn times_are_days_hours_and_minutes() {
        let length = |text: &str| read_time(text).map(|range| range.end - range.start);
        assert_eq!(length("2018-03-05"), Some(1440));
        assert_eq!(length("2018-03-05T14"), Some(60));
        assert_eq!(length("2018-03-05 14:05"), Some(1));
        assert_eq!(read_time("1970-01-02T01:01").map(|range| range.start), Some(1501));
        for wrong in
            ["", "2018", "2018-02-30", "2018-03-05T24", "2018-03-05T1", "2018-3-5", "x-01-01"]
        {
            assert_eq!(read_time(wrong), None, "{wrong}");
        }
    }
}
