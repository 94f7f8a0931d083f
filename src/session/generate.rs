//! Generating a log, and its exact answer.
//!
//! Owns: the steps of [`generate_log`], which files they go to. May import: `generate`, `cube` (cell rows). Must not
//! know: what lines look like.

use std::io::{self, Write};
use std::path::Path;

use crate::cube::CellFormat;
use crate::error::{Error, Result};
use crate::generate::{GeneratorOptions, Truth, generate};
use crate::system::new_file::NewFile;
use crate::system::progress::Progress;

/// Where a generated log goes.
pub enum LogTarget<'o> {
    /// To a file, which appears when it is complete.
    File(&'o Path),
    /// To an open output. If its reader goes away, the run ends without an error.
    Output(&'o mut dyn Write),
}

/// Generates a log; if `truth_path` names a file, also writes the cells that counting the log must give. `on_bytes` is
/// told now and then how many bytes of the log are written; `progress` only interrupts.
///
/// # Errors
/// [`Error::Write`], [`Error::Output`], [`Error::Interrupted`].
pub fn generate_log(
    options: &GeneratorOptions,
    log: LogTarget<'_>,
    truth_path: Option<&Path>,
    progress: &Progress,
    mut on_bytes: impl FnMut(u64),
) -> Result<()> {
    // Before the log, so that a bad path is reported at once rather than after a long run.
    let truth_file = match truth_path {
        Some(path) => Some((NewFile::create(path)?, path)),
        None => None,
    };
    let truth = match log {
        LogTarget::File(path) => {
            let mut file = NewFile::create(path)?;
            let written = write_log(options, &mut file, progress, &mut on_bytes);
            let truth = written.map_err(|error| write_error(path, error))?;
            if truth.is_some() {
                file.finish()?;
            }
            truth
        }
        LogTarget::Output(output) => {
            write_log(options, output, progress, &mut on_bytes).map_err(output_error)?
        }
    };
    if let (Some(truth), Some((mut file, path))) = (truth, truth_file) {
        truth
            .write_cells(CellFormat::of_path(path), &mut file)
            .map_err(|error| write_error(path, error))?;
        progress.check()?;
        file.finish()?;
    }
    Ok(())
}

/// Writes the log; `None` if its reader went away.
fn write_log(
    options: &GeneratorOptions,
    output: &mut dyn Write,
    progress: &Progress,
    on_bytes: &mut dyn FnMut(u64),
) -> io::Result<Option<Truth>> {
    let result = generate(options, output, |bytes| {
        on_bytes(bytes);
        if progress.is_interrupted() { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    });
    match result {
        Ok(truth) => Ok(Some(truth)),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(None),
        Err(error) => Err(error),
    }
}

fn write_error(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::Interrupted => Error::Interrupted,
        _ => Error::Write { path: path.to_owned(), error },
    }
}

fn output_error(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::Interrupted => Error::Interrupted,
        _ => Error::Output(error),
    }
}
