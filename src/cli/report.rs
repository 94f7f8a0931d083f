//! `hitmap report`: a report from a database.
//!
//! Owns: the subcommand's options, and how a range is written. May import: `question`, `store`, `report`.
//! Must not know: how stages work.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use super::output::{self, When};
use super::paths;
use crate::cube;
use crate::cube::{CellFormat, Cube};
use crate::database::{Database, Site};
use crate::error::{Error, Result};
use crate::pipeline;
use crate::query;
use crate::query::summary::Timing;
use crate::query::{By, Minute, Question};
use crate::report;
use crate::report::terminal;
use crate::system::new_file::NewFile;
use crate::time::{Day, Granularity, MINUTES_A_DAY};

/// What `hitmap report` was given.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hitmap report --db stats.db
  hitmap report --db stats.db --since 2018-03-05T14:05 --until 2018-03-07 --by hour
  hitmap report --db stats.db --section /movie/ --by week --json")]
pub(super) struct ReportArgs {
    /// The database that hitmap analyze --db fills
    #[arg(long, value_name = "FILE")]
    db: PathBuf,

    /// From this day, hour or minute on: 2018-03-05, 2018-03-05T14 or 2018-03-05T14:05
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<Range>,

    /// To this day, hour or minute, which is included
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<Range>,

    /// Also list each minute, hour, day, week or month
    #[arg(long, value_name = "UNIT", value_enum)]
    by: Option<Unit>,

    /// Only this site
    #[arg(long, value_name = "NAME")]
    site: Option<String>,

    /// Only this section
    #[arg(long, value_name = "NAME")]
    section: Option<String>,

    /// Only this page
    #[arg(long, value_name = "PATH")]
    page: Option<String>,

    /// Sections and pages to list
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,

    /// Write every cell to this file, .csv or .ndjson; - is NDJSON on standard output instead of the report
    #[arg(long, value_name = "FILE")]
    cells: Option<PathBuf>,

    /// Colours on a terminal
    #[arg(long, value_name = "WHEN", default_value = "auto", value_enum)]
    color: When,

    /// Worker threads; 0 is one a core
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

/// The minutes of a day, hour or minute.
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

fn read_time(text: &str) -> Option<Range> {
    let number = |text: &str, digits: usize, below: u32| -> Option<u32> {
        let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|&number| is_number && number < below)
    };
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year = number(parts.next()?, 4, 10_000)?;
    let (month, day) = (number(parts.next()?, 2, 13)?, number(parts.next()?, 2, 32)?);
    if parts.next().is_some() {
        return None;
    }
    let day = Day::from_date(year.cast_signed(), month, day)?;
    let midnight = Minute::from(day.0) * Minute::from(MINUTES_A_DAY);
    let (start, length) = match time {
        None => (0, MINUTES_A_DAY.into()),
        Some(time) => match time.split_once(':') {
            None => (number(time, 2, 24)? * 60, 60),
            Some((hour, minute)) => (number(hour, 2, 24)? * 60 + number(minute, 2, 60)?, 1),
        },
    };
    let start = midnight + Minute::from(start);
    Some(Range { start, end: start + length })
}

/// Runs the subcommand.
pub(super) fn run(arguments: &ReportArgs) -> Result<()> {
    let start = Instant::now();
    let cells_on_stdout = arguments.cells.as_deref().is_some_and(|path| path.as_os_str() == "-");
    if cells_on_stdout && arguments.json {
        return Err(Error::Usage(
            "--json and --cells - both want standard output; give --cells a file name".to_owned(),
        ));
    }
    let question = Question {
        since: arguments.since.map(|range| range.start),
        until: arguments.until.map(|range| range.end),
        site: arguments.site.clone(),
        section: arguments.section.clone(),
        page: arguments.page.clone(),
        by: arguments.by.map(By::from),
    };
    if question.since.zip(question.until).is_some_and(|(since, until)| since >= until) {
        return Err(Error::Usage("--until lies before --since".to_owned()));
    }
    let threads = super::threads(arguments.threads)?;
    if let Some(cells) = arguments.cells.as_deref().filter(|_| !cells_on_stdout) {
        paths::check_outputs(&[cells, &arguments.db], &[])?;
    }
    let pool = pipeline::thread_pool(threads)?;
    let mut database = Database::open_to_read(&arguments.db)?;
    complain_of_pruned(&database.sites()?, &question);
    let mut summary = match &arguments.cells {
        None => pool.install(|| query::summary(&mut database, &question, arguments.top))?,
        Some(path) => {
            let answer = pool.install(|| query::answer(&mut database, &question))?;
            let cube = pool.install(|| answer.cube());
            if cells_on_stdout {
                database.finish_reading()?;
                return pool
                    .install(|| cube::rows::write(&cube, CellFormat::Ndjson, &mut io::stdout()));
            }
            pool.install(|| write_cells(path, &cube))?;
            pool.install(|| answer.summary(&cube, arguments.top))?
        }
    };
    database.finish_reading()?;
    summary.timing = Timing { seconds: start.elapsed().as_secs_f64(), threads };
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    let written = if arguments.json {
        report::json::write(&summary, &mut stdout)
    } else {
        let style = terminal::Style {
            width: output::columns(),
            color: output::wants_color(arguments.color),
            unicode: output::is_unicode(),
        };
        terminal::write(&summary, &style, &mut stdout)
    };
    written.and_then(|()| stdout.flush()).map_err(Error::Output)
}

fn write_cells(path: &Path, cube: &Cube<'_>) -> Result<()> {
    let mut file = NewFile::create(path)?;
    cube::rows::write(cube, CellFormat::of_path(path), &mut file).map_err(|error| match error {
        Error::Output(error) => Error::Write { path: path.to_owned(), error },
        error => error,
    })?;
    file.finish()
}

/// Says which days of the range have lost their parts.
fn complain_of_pruned(sites: &[Site], question: &Question) {
    let first = question.since.map(|since| since.div_euclid(MINUTES_A_DAY.into()));
    for site in sites {
        let is_asked = question.site.as_ref().is_none_or(|name| *name == site.name);
        let pruned =
            site.pruned_before.filter(|&day| first.is_none_or(|first| first < day.0.into()));
        if let Some(pruned) = pruned.filter(|_| is_asked) {
            output::complain(&format!(
                "hitmap: the parts of site {:?} from before {pruned} were pruned, so those days are not in this report; \
                 their cells are still in the view traffic",
                site.name
            ));
        }
    }
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
