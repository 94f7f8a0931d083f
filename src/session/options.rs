//! Options of a run over logs.
//!
//! Owns: [`AnalyzeOptions`] and what they are made of, [`CountedLogs`]: what the counting steps return. May import:
//! `pipeline`, `select` (rules), `store` (URLs). Must not know: the steps of a run.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::facts::tally::Tally;
use crate::pipeline::{Analysis, CountingOptions};
use crate::select::GivenRules;
use crate::store::StoreUrl;
use crate::time::Granularity;

/// Options of [`analyze`](super::analyze()).
#[derive(Clone, Debug)]
pub struct AnalyzeOptions {
    /// The inputs and how they are counted, but for the rules.
    pub counting: CountingOptions,
    /// The counting rules that were given.
    pub rules: GivenRules,
    /// The database that keeps the counts, if any.
    pub database: Option<StoreInDatabase>,
    /// The stores to bring up to date.
    pub publish_to: Vec<StoreUrl>,
    /// Whether to drop first all that the database holds of the site, and without a database, to publish days whatever
    /// a store has.
    pub replace: bool,
    /// Where to write all cells, if anywhere.
    pub cells: Option<CellsTarget>,
    /// The number of malformed lines above which the run fails and stores nothing.
    pub max_invalid: Option<InvalidLimit>,
    /// Whether to report what the inputs hold. Without a report, and without cells, nothing is read back from a database.
    pub has_report: bool,
    /// Number of sections and of pages to list.
    pub top: usize,
}

/// How a run stores its counts in a database.
#[derive(Clone, Debug)]
pub struct StoreInDatabase {
    /// The database file; it is made if it does not exist.
    pub path: PathBuf,
    /// Whether inputs that are shorter than when they were counted, or that overlap other sources, are counted as new
    /// sources rather than left out.
    pub as_new: bool,
    /// The finest granularity of cells of pages; `None` for the database's.
    pub cells: Option<Granularity>,
    /// How long to wait for another run to end its writing.
    pub lock_timeout: Duration,
}

/// Where to write all cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CellsTarget {
    /// To [`Output::cells`](super::Output::cells), in place of the report.
    Output,
    /// To a file: CSV if its name ends in `.csv`, else NDJSON.
    File(PathBuf),
}

/// The most malformed lines that a run accepts.
#[derive(Clone, Copy, Debug)]
pub enum InvalidLimit {
    /// A number of lines.
    Lines(u64),
    /// A percentage of all lines, 0 to 100.
    Percent(f64),
}

impl std::str::FromStr for InvalidLimit {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let wrong = || "expected a number of lines, or a percentage such as 0.5%".to_owned();
        match text.strip_suffix('%') {
            None => text.parse().map(Self::Lines).map_err(|_| wrong()),
            Some(percent) => match percent.trim().parse() {
                Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self::Percent(percent)),
                _ => Err(wrong()),
            },
        }
    }
}

impl InvalidLimit {
    /// # Errors
    /// [`Error::TooManyInvalid`] if the lines exceed the limit.
    pub(super) fn check(self, tally: &Tally) -> Result<()> {
        let malformed = tally.malformed_lines;
        let is_exceeded = match self {
            Self::Lines(most) => malformed > most,
            #[expect(clippy::cast_precision_loss, reason = "a percentage of lines")]
            Self::Percent(most) => malformed as f64 * 100.0 > most * tally.lines as f64,
        };
        if !is_exceeded {
            return Ok(());
        }
        Err(Error::TooManyInvalid(format!(
            "{malformed} of {} lines are malformed, more than --max-invalid allows; nothing was stored. \
             --invalid-lines FILE writes them to a file",
            tally.lines
        )))
    }
}

/// What was counted.
pub(super) struct CountedLogs {
    /// Everything in the inputs, counted in this run or an earlier one.
    pub(super) analysis: Analysis,
    /// Sums over all its lines, each source once.
    pub(super) tally: Tally,
    /// Whether there is anything to publish: not if nothing was ever stored in the database.
    pub(super) has_content: bool,
}

/// Whether there were lines and none could be parsed. Storing them could only drop what --replace drops.
pub(super) fn is_nothing_parsed(tally: &Tally) -> bool {
    tally.malformed_lines > 0 && tally.lines == tally.empty_lines + tally.malformed_lines
}
