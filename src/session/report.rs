//! A report from a database.
//!
//! Owns: the steps of [`report`]. May import: `database`, `query`, `cube`. Must not know: how an answer is computed.

use std::path::PathBuf;
use std::time::Instant;

use super::{CellsFile, CellsTarget, Output};
use crate::cube::{CellFormat, rows};
use crate::database::{Database, Site};
use crate::error::Result;
use crate::pipeline::thread_pool;
use crate::query::summary::Timing;
use crate::query::{self, Question, Request};
use crate::time::MINUTES_A_DAY;

/// Options of [`report`].
#[derive(Clone, Debug)]
pub struct ReportOptions {
    /// The database.
    pub database: PathBuf,
    /// What is asked.
    pub request: Request,
    /// Where to write all cells, if anywhere.
    pub cells: Option<CellsTarget>,
    /// Worker threads, at least 1.
    pub threads: usize,
}

/// Answers a question from a database.
///
/// # Errors
/// [`Error::Usage`](crate::error::Error::Usage) as for [`Request::ready`];
/// [`Error::Database`](crate::error::Error::Database), [`Error::Output`](crate::error::Error::Output),
/// [`Error::Write`](crate::error::Error::Write).
pub fn report(options: &ReportOptions, output: &mut dyn Output) -> Result<()> {
    let start = Instant::now();
    let ReportOptions { database, request, cells, threads } = options;
    let pool = thread_pool(*threads)?;
    let mut database = Database::open_to_read(database)?;
    let ready = request.clone().ready(&database)?;
    let (question, top) = (&ready.question, ready.needed_top);
    warn_of_pruned_days(&database.sites()?, question, output);
    for doubt in ready.doubts(&mut database)? {
        output.warn(&doubt);
    }
    if let Some(target) = cells {
        let answer = pool.install(|| query::answer(&mut database, question))?;
        let cube = pool.install(|| answer.cube());
        match target {
            CellsTarget::Output => {
                database.finish_reading()?;
                return output.cells(&mut |writer| {
                    pool.install(|| rows::write(&cube, CellFormat::Ndjson, writer))
                });
            }
            CellsTarget::File(path) => {
                let mut file = CellsFile::create(path)?;
                pool.install(|| file.write(&cube))?;
                file.finish()?;
            }
        }
    }
    let summary = pool.install(|| query::summary(&mut database, question, top))?;
    let mut summary = pool.install(|| ready.complete(&mut database, summary))?;
    database.finish_reading()?;
    summary.timing = Timing { seconds: start.elapsed().as_secs_f64(), threads: *threads };
    output.report(&summary)
}

/// Warns of days in the range whose facts were pruned.
fn warn_of_pruned_days(sites: &[Site], question: &Question, output: &mut dyn Output) {
    let first = question.since.map(|since| since.div_euclid(MINUTES_A_DAY.into()));
    for site in sites {
        let is_asked = question.site.as_ref().is_none_or(|name| *name == site.name);
        let pruned =
            site.pruned_before.filter(|&day| first.is_none_or(|first| first < day.0.into()));
        if let Some(pruned) = pruned.filter(|_| is_asked) {
            output.warn(&format!(
                "the days of site {:?} before {pruned} were pruned, so they are not in this report; their cells are still \
                 in the view traffic",
                site.name
            ));
        }
    }
}
