//! Making a log, and its exact answer.
//!
//! Owns: the steps of [`generate_log`], which files they go to. May import: `generate`, `cube` (cell rows). Must not
//! know: what lines look like.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::cube::CellFormat;
use crate::error::{Error, Result};
use crate::generate::{GeneratorOptions, Truth, generate};
use crate::system::new_file::NewFile;
use crate::system::progress::Progress;

/// Where a generated log goes.
pub enum LogFile<'o> {
    /// To a file, which appears when it is complete.
    File(PathBuf),
    /// To an open output. If its reader goes away, the run ends without an error.
    Output(&'o mut dyn Write),
}

/// Makes a log, and if `truth` names a file, the cells that it must be counted to. `progress` counts its bytes; `end` is
/// called when they are written.
///
/// # Errors
/// [`Error::Write`], [`Error::Output`], [`Error::Interrupted`].
pub fn generate_log(
    options: &GeneratorOptions,
    log: LogFile<'_>,
    truth: Option<PathBuf>,
    progress: &Progress,
    mut on_bytes: impl FnMut(u64),
) -> Result<()> {
    // The truth is opened first, so that a long run does not end at a wrong name.
    let truth = match truth {
        Some(path) => Some((NewFile::create(&path)?, path)),
        None => None,
    };
    let answer = match log {
        LogFile::File(path) => {
            let mut file = NewFile::create(&path)?;
            let written = write_log(options, &mut file, progress, &mut on_bytes);
            let answer = written.map_err(|error| write_error(path, error))?;
            if answer.is_some() {
                file.finish()?;
            }
            answer
        }
        LogFile::Output(output) => {
            write_log(options, output, progress, &mut on_bytes).map_err(output_error)?
        }
    };
    if let (Some(answer), Some((mut file, path))) = (answer, truth) {
        answer
            .write_cells(CellFormat::of_path(&path), &mut file)
            .map_err(|error| write_error(path, error))?;
        progress.check()?;
        file.finish()?;
    }
    Ok(())
}

/// Writes the log; `None` where its reader went away.
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
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(None),
        Err(error) => Err(error),
    }
}

fn write_error(path: PathBuf, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::Interrupted => Error::Interrupted,
        _ => Error::Write { path, error },
    }
}

fn output_error(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::Interrupted => Error::Interrupted,
        _ => Error::Output(error),
    }
}
