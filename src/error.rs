//! Errors that end a run, in the words the user reads.
//!
//! Owns: [`Error`], [`Result`] and the exit code of each error. May import: std, thiserror. Must not know: how any stage
//! works. A malformed line is data, never an error. What inputs make a run end with which error, `session::analyze` decides.

use std::io;
use std::path::PathBuf;

/// `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why a run did not do all that was asked of it.
///
/// Messages show paths with `Debug`, which escapes control characters.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command line asks for something that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A file could not be written.
    #[error("cannot write {path:?}: {error}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// A database could not be read or written, or its content is wrong.
    #[error("{path:?}: {reason}")]
    Database {
        /// The database file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A database counts by other rules than this run.
    #[error("{0}")]
    OtherRules(String),
    /// Standard output could not be written.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    /// A limit was reached beyond which counts would not be exact.
    #[error("{0}")]
    Limit(String),
    /// More malformed lines than `--max-invalid` allows.
    #[error("{0}")]
    TooManyInvalid(String),
    /// There were lines and none could be parsed.
    #[error("{0}")]
    NothingParsed(String),
    /// Some inputs could not be read, or only in part.
    #[error("{0}")]
    Unreadable(String),
    /// A store could not be reached, or refused what it was given.
    #[error("{place}: {reason}")]
    Store {
        /// Where the store is, without credentials.
        place: String,
        /// What went wrong, what it means, and what to do.
        reason: String,
    },
    /// The user pressed Ctrl-C, or the process received another signal to end.
    #[error("interrupted; no unfinished file is left")]
    Interrupted,
    /// Threads could not be started.
    #[error("cannot start the worker threads: {0}")]
    Threads(String),
}

impl Error {
    /// The exit code of the process that ends with this error (see `hitmap --help`).
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::TooManyInvalid(_) | Self::NothingParsed(_) => 1,
            Self::Usage(_) | Self::OtherRules(_) => 2,
            Self::Unreadable(_) => 3,
            Self::Write { .. }
            | Self::Database { .. }
            | Self::Output(_)
            | Self::Limit(_)
            | Self::Store { .. }
            | Self::Threads(_) => 4,
            Self::Interrupted => 130,
        }
    }
}
