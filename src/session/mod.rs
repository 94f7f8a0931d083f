//! A whole run of each subcommand as a library call: from checked options to output.
//!
//! Owns: the order of a run's steps, its messages, [`Output`]. May import: every module above it, of `report` only explained lines. Must not
//! know: clap, indicatif, terminals, where output goes.

mod analyze;
mod copies;
mod doubts;
mod explain;
mod gathered;
mod generate;
mod inputs;
mod into_database;
mod ledger;
mod lock;
mod options;
mod publish;
mod relations;
mod report;
mod rereadable;
mod scanned;

use std::io::Write;
use std::path::Path;

// Parts of options and results, so that callers need no other module for them.
pub use crate::database::Recorded;
pub use crate::pipeline::{CountingOptions, DEFAULT_PAGE_LIMIT, FormatChoice};
pub use analyze::analyze;
pub use explain::{ExplainOptions, LineChoice, explain};
pub use generate::{LogTarget, generate_log};
pub use inputs::{check_outputs, distinct_inputs, read_visitor_key};
pub use ledger::{ListedSource, Pruned, forget, prune, sources};
pub use lock::DEFAULT_LOCK_TIMEOUT;
pub use options::{AnalyzeOptions, CellsTarget, InvalidLimit, StoreInDatabase};
pub use publish::{PublishOptions, publish};
pub use report::{ReportOptions, report};

use crate::cube::{CellFormat, Cube, rows};
use crate::error::{Error, Result};
use crate::pipeline::Stages;
use crate::query::Summary;
use crate::system::new_file::NewFile;

/// Takes what a run puts out. All calls come from one thread, in the order of the run's steps.
pub trait Output: Send {
    /// Work on this many inputs begins: a progress bar may be shown until [`stop_progress`](Self::stop_progress).
    fn start_progress(&mut self, inputs: u64);

    /// The work is over. A progress bar must have disappeared when this returns, since messages or the report follow.
    fn stop_progress(&mut self);

    /// A sentence that the user must see, even if notes are silenced.
    fn warn(&mut self, sentence: &str);

    /// A sentence that the user may have silenced.
    fn note(&mut self, sentence: &str);

    /// The report.
    ///
    /// # Errors
    /// [`Error::Output`].
    fn report(&mut self, summary: &Summary) -> Result<()>;

    /// All cells as NDJSON. Calls `write` once, with the output that takes them.
    ///
    /// # Errors
    /// [`Error::Output`], and the errors of `write`.
    fn cells(&mut self, write: &mut dyn FnMut(&mut (dyn Write + Send)) -> Result<()>)
    -> Result<()>;

    /// Where the run spent its time, and how much it counted.
    fn statistics(&mut self, statistics: &Statistics);
}

/// Where a run over logs spent its time, and how much it counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Statistics {
    /// Wall-clock time of the counting stages.
    pub stages: Stages,
    /// Wall-clock seconds from the end of counting to the end of the run.
    pub report_seconds: f64,
    /// Wall-clock seconds of the whole run.
    pub seconds: f64,
    /// Lines of all inputs, counted in this run or an earlier one.
    pub lines: u64,
    /// Page views.
    pub page_views: u64,
    /// Facts, that is distinct (page, visitor, minute). A fact that occurs in several windows is counted in each.
    pub facts: usize,
    /// Distinct pages.
    pub pages: u64,
    /// Distinct visitors.
    pub visitors: u64,
}

/// A file that is to take all cells; it appears under its name when it is finished.
struct CellsFile<'p> {
    path: &'p Path,
    file: NewFile,
}

impl<'p> CellsFile<'p> {
    fn create(path: &'p Path) -> Result<Self> {
        Ok(Self { path, file: NewFile::create(path)? })
    }

    /// Writes all cells, in the format that the file's name asks for.
    fn write(&mut self, cube: &Cube<'_>) -> Result<()> {
        let format = CellFormat::of_path(self.path);
        rows::write(cube, format, &mut self.file).map_err(|error| match error {
            Error::Output(error) => Error::Write { path: self.path.to_owned(), error },
            error => error,
        })
    }

    fn finish(self) -> Result<()> {
        self.file.finish()
    }
}
