//! A whole run of each command, from checked options to outputs.
//!
//! Owns: the order of a run's steps, the sentences about them, [`Output`]. May import: every module above it. Must not
//! know: clap, indicatif, terminals, where output goes.

mod analyze;
mod generate;
mod inputs;
mod ledger;
mod lock;
mod publish;
mod report;

use std::io::Write;
use std::path::Path;

// What options are made of, and what results are: callers need no other door.
pub use crate::database::Recorded;
pub use crate::pipeline::{CountingOptions, DEFAULT_PAGE_LIMIT};
pub use analyze::{AnalyzeOptions, CellsTarget, InvalidLimit, StoreInDatabase, analyze};
pub use generate::{LogFile, generate_log};
pub use inputs::{check_outputs, distinct_inputs, read_visitor_key};
pub use ledger::{Pruned, forget, prune, sources};
pub use publish::{PublishOptions, publish};
pub use report::{ReportOptions, report};

use crate::cube::{CellFormat, Cube, rows};
use crate::error::{Error, Result};
use crate::pipeline::Stages;
use crate::query::Summary;
use crate::system::new_file::NewFile;

/// Where a run's outputs go. Calls come from one thread, in the order of the run.
pub trait Output: Send {
    /// Work begins on so many inputs: a progress bar may be shown from now on.
    fn begin(&mut self, inputs: u64);

    /// The work is done, or a sentence about it follows: a progress bar must be gone when this returns.
    fn end(&mut self);

    /// A sentence that the user must see, whatever was silenced.
    fn warn(&mut self, sentence: &str);

    /// A sentence that the user may have silenced.
    fn note(&mut self, sentence: &str);

    /// The report.
    ///
    /// # Errors
    /// [`Error::Output`].
    fn report(&mut self, summary: &Summary) -> Result<()>;

    /// All cells, as NDJSON: `write` is called once, with where they go.
    ///
    /// # Errors
    /// [`Error::Output`]; those of `write`.
    fn cells(&mut self, write: &mut dyn FnMut(&mut (dyn Write + Send)) -> Result<()>)
    -> Result<()>;

    /// How time and memory were spent.
    fn statistics(&mut self, statistics: &Statistics);
}

/// How a run over logs spent time and memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Statistics {
    /// Wall-clock time of reading and counting.
    pub stages: Stages,
    /// Wall-clock seconds from the counted facts to the end.
    pub report_seconds: f64,
    /// Wall-clock seconds of the whole run.
    pub seconds: f64,
    /// Lines read, whenever they were counted.
    pub lines: u64,
    /// Page views.
    pub page_views: u64,
    /// Facts: distinct (page, visitor, minute), those of several windows counted again.
    pub facts: usize,
    /// Distinct pages.
    pub pages: u64,
    /// Distinct visitors.
    pub visitors: u64,
}

/// Begins the file of all cells.
fn begin_cells(path: &Path) -> Result<(NewFile, &Path)> {
    Ok((NewFile::create(path)?, path))
}

/// Writes all cells to a file that was begun, which is still to be finished.
fn write_cells(cube: &Cube<'_>, (file, path): &mut (NewFile, &Path)) -> Result<()> {
    rows::write(cube, CellFormat::of_path(path), file).map_err(|error| match error {
        Error::Output(error) => Error::Write { path: path.to_owned(), error },
        error => error,
    })
}
