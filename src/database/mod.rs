//! The SQLite database: one file, one transaction a run.
//!
//! Owns: [`Database`]: opening, refusing, locking, committing. May import: rusqlite, its sub-modules.
//! Must not know: what is in a run.
//!
//! The journal is a write-ahead log: readers read on while a run writes, and a killed run leaves the old state. It
//! needs shared memory, so the file must not lie on a network file system. `synchronous` is FULL: what a run reported
//! as stored survives a power cut.

mod blocks;
mod cells;
mod day_sums;
pub mod ingest;
mod ledger;
mod month_week;
mod published;
mod recompute;
mod schema;
mod sealed;
mod sets;
mod totals;
pub mod v3;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::{Error, Result};
use crate::time::Day;

pub use blocks::StoredBlock;
pub use day_sums::{DaySums, DayVersion};
pub use ledger::{NewSource, Recorded, Site};

/// Asked again and again while another run writes, with how long that has been; an error ends the waiting.
pub type Waiting<'w> = &'w mut dyn FnMut(Duration) -> Result<()>;

/// Between two looks whether another run has ended.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long a reader waits for what takes a moment, such as the cleaning up after a killed run.
const READER_PATIENCE: Duration = Duration::from_secs(10);
/// How long the writing anew of a file waits for others.
const REWRITE_PATIENCE: Duration = Duration::from_secs(60);
/// What every SQLite file begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Page cache of a writer, in KiB.
const CACHE_KIB: i64 = 64 * 1024;

/// An open database. What is changed is dropped again unless [`Database::commit`] is called.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    path: PathBuf,
    touched: BTreeMap<i64, Touched>,
    /// Set where the file is read without a lock: what it was when it was opened.
    unlocked: Option<FileState>,
}

/// The days of a site whose cells are to be made again.
#[derive(Debug, Default)]
struct Touched {
    days: BTreeSet<Day>,
    /// Whether something was taken out, so that cells and visitors may go.
    is_less: bool,
}

/// What tells that a file was written to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileState {
    bytes: u64,
    modified: Option<SystemTime>,
    has_log: bool,
}

impl Database {
    /// Opens a database to change it, and makes it where there is none. Waits while another run writes.
    ///
    /// # Errors
    /// [`Error::Database`]; those of `waiting`.
    pub fn open_to_write(path: &Path, waiting: Waiting<'_>) -> Result<Self> {
        let fail = |error| failure(path, &error);
        if file_kind(path)? == FileKind::Missing {
            create_private(path)?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(fail)?;
        let database = Self::new(connection, path);
        database.connection.busy_timeout(Duration::ZERO).map_err(fail)?;
        let start = Instant::now();
        loop {
            match database.begin() {
                Err(error) if is_busy(&error) => {
                    waiting(start.elapsed())?;
                    std::thread::sleep(PATIENCE);
                }
                Err(error) => return Err(fail(error)),
                Ok(()) => break,
            }
        }
        if schema::is_new(&database.connection).map_err(fail)? {
            schema::create(&database.connection).map_err(fail)?;
        }
        schema::check(&database.connection, path)?;
        Ok(database)
    }

    /// Takes the write lock.
    fn begin(&self) -> rusqlite::Result<()> {
        let connection = &self.connection;
        // A foreign or newer file is not even given another journal.
        let is_ours = schema::is_new(connection)? || schema::is_known(connection)?;
        if is_ours {
            if schema::is_new(connection)? {
                connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL")?;
            }
            let mode: String =
                connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
            debug_assert_eq!(mode, "wal");
            connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY")?;
            // What is forgotten or pruned is overwritten, not only let go of.
            connection.query_row("PRAGMA secure_delete = ON", [], |_| Ok(()))?;
            connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        }
        connection.execute_batch("BEGIN IMMEDIATE")
    }

    /// Opens a database to read one state of it, whoever writes meanwhile.
    ///
    /// # Errors
    /// [`Error::Database`], also where there is no file.
    pub fn open_to_read(path: &Path) -> Result<Self> {
        let fail = |error| failure(path, &error);
        if file_kind(path)? == FileKind::Missing {
            let reason = "there is no such file; hitmap analyze --db makes it".to_owned();
            return Err(Error::Database { path: path.to_owned(), reason });
        }
        let read = |uri: &str, flags: OpenFlags| -> rusqlite::Result<Connection> {
            let flags = flags | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(uri, flags)?;
            connection.busy_timeout(READER_PATIENCE)?;
            connection.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")?;
            Ok(connection)
        };
        let uri = uri(path);
        let mut unlocked = None;
        // Reading takes writing, too: readers note in shared memory what they read.
        let mut opened = read(&uri, OpenFlags::SQLITE_OPEN_READ_WRITE);
        if opened.as_ref().is_err_and(cannot_write) {
            opened = read(&uri, OpenFlags::SQLITE_OPEN_READ_ONLY);
        }
        if opened.as_ref().is_err_and(cannot_write) {
            // A folder that nothing can be put into. Without a log the file is whole; whether it stays as it is, is
            // looked at in the end.
            let state = FileState::of(path);
            if state.as_ref().is_some_and(|state| !state.has_log) {
                unlocked = state;
                let uri = format!("{uri}?immutable=1");
                opened = read(&uri, OpenFlags::SQLITE_OPEN_READ_ONLY);
            }
        }
        let database = Self { unlocked, ..Self::new(opened.map_err(fail)?, path) };
        if schema::is_new(&database.connection).map_err(fail)? {
            let reason = "it is empty; hitmap analyze --db fills it".to_owned();
            return Err(Error::Database { path: path.to_owned(), reason });
        }
        schema::check(&database.connection, path)?;
        Ok(database)
    }

    fn new(connection: Connection, path: &Path) -> Self {
        Self { connection, path: path.to_owned(), touched: BTreeMap::new(), unlocked: None }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the cells of all days that were touched. Uses the thread pool it is called in.
    ///
    /// # Errors
    /// [`Error::Database`]; nothing is stored then.
    pub fn make_cells(&mut self) -> Result<()> {
        self.recompute_touched().map(|_| ())
    }

    /// Stores everything, at once.
    ///
    /// # Errors
    /// [`Error::Database`]; nothing is stored then.
    pub fn commit(mut self) -> Result<()> {
        self.store()
    }

    /// Stores everything, and then writes the file anew: pages keep copies of rows that were moved to other pages,
    /// which outlive the rows.
    ///
    /// # Errors
    /// [`Error::Database`]; says whether it was stored.
    pub fn commit_and_rewrite(mut self) -> Result<()> {
        self.store()?;
        let rewrite = || {
            self.connection.busy_timeout(REWRITE_PATIENCE)?;
            // In memory it could be too large.
            self.connection.execute_batch("PRAGMA temp_store = FILE; VACUUM")
        };
        rewrite().map_err(|error| {
            let reason = format!(
                "what was to be deleted is, but the file could not be written anew ({error}), and its pages may still \
                 hold copies; the statement VACUUM of any SQLite tool removes them"
            );
            Error::Database { path: self.path.clone(), reason }
        })
    }

    fn store(&mut self) -> Result<()> {
        self.make_cells()?;
        self.give_back_pages().map_err(|error| self.fail(&error))?;
        self.fail_as("COMMIT")?;
        // Closing moves the log into the file. Until then it is as good, and whoever opens it next moves it.
        Ok(())
    }

    fn fail_as(&self, statement: &str) -> Result<()> {
        self.connection.execute_batch(statement).map_err(|error| self.fail(&error))
    }

    /// Gives pages back to the system where blocks that were replaced left many.
    fn give_back_pages(&self) -> rusqlite::Result<()> {
        let pragma = |name: &str| -> rusqlite::Result<i64> {
            self.connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
        };
        let (free, all) = (pragma("freelist_count")?, pragma("page_count")?);
        if free > all / 32 {
            let mut statement = self.connection.prepare("PRAGMA incremental_vacuum")?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
        }
        Ok(())
    }

    /// Ends reading; an error if the file was written to although nobody could lock it.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn finish_reading(self) -> Result<()> {
        match &self.unlocked {
            Some(state) if FileState::of(&self.path).as_ref() != Some(state) => {
                let reason = "it was written to while it was read without a lock; try again, or make its folder \
                              writable"
                    .to_owned();
                Err(Error::Database { path: self.path, reason })
            }
            _ => Ok(()),
        }
    }

    fn fail(&self, error: &rusqlite::Error) -> Error {
        failure(&self.path, error)
    }

    /// What is not as it was written, in words.
    pub(crate) fn damaged(&self, what: &str) -> Error {
        let reason =
            format!("it is damaged ({what}); take a backup, or make it again from the logs");
        Error::Database { path: self.path.clone(), reason }
    }
}

impl FileState {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        // The log stands beside the file, not beside a link to it.
        let mut log = std::fs::canonicalize(path).ok()?.into_os_string();
        log.push("-wal");
        let has_log = std::fs::metadata(log).is_ok_and(|log| log.len() > 0);
        Some(Self { bytes: metadata.len(), modified: metadata.modified().ok(), has_log })
    }
}

#[derive(PartialEq, Eq)]
enum FileKind {
    Missing,
    /// Empty, or SQLite by its first bytes.
    Database,
}

/// Looks at the file before SQLite does, for clearer words.
fn file_kind(path: &Path) -> Result<FileKind> {
    let refuse = |reason: String| Err(Error::Database { path: path.to_owned(), reason });
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(FileKind::Missing),
        Err(error) => return refuse(format!("cannot open the database: {error}")),
        Ok(metadata) if !Metadata::is_file(&metadata) => {
            return refuse("it is not a file, so it cannot be a database".to_owned());
        }
        Ok(_) => {}
    }
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(16).read_to_end(&mut head));
    match read {
        Err(error) => refuse(format!("cannot open the database: {error}")),
        Ok(_) if !head.is_empty() && head != MAGIC => refuse(
            "it is not a hitmap database (or its first bytes are damaged); nothing was changed"
                .to_owned(),
        ),
        Ok(_) => Ok(FileKind::Database),
    }
}

/// Makes an empty file that its owner alone can read: hashes of visitors are personal data.
fn create_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            let reason = format!("cannot make the database: {error}");
            Err(Error::Database { path: path.to_owned(), reason })
        }
        _ => Ok(()),
    }
}

/// The path as SQLite's URI.
fn uri(path: &Path) -> String {
    use std::fmt::Write;
    use std::os::unix::ffi::OsStrExt;
    let mut uri = "file:".to_owned();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(byte));
            }
            _ => {
                let _ = write!(uri, "%{byte:02x}");
            }
        }
    }
    uri
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn cannot_write(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)
    )
}

/// What went wrong, and what it means to the user.
fn failure(path: &Path, error: &rusqlite::Error) -> Error {
    let reason = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            "no room: the disk is full, or the file as large as it may be; nothing was stored"
                .to_owned()
        }
        Some(ErrorCode::NotADatabase) => {
            "it is not a hitmap database, or damaged; nothing was changed".to_owned()
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            "it is damaged; nothing was changed. Take a backup, or make it again from the logs"
                .to_owned()
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => format!(
            "the file and its folder must be writable (a journal stands beside the file while a run writes); \
             nothing was stored ({error})"
        ),
        Some(ErrorCode::SystemIoFailure) => {
            format!("the system could not read or write it; nothing was stored ({error})")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program has locked it; nothing was stored".to_owned()
        }
        _ => format!("{error}; nothing was stored"),
    };
    Error::Database { path: path.to_owned(), reason }
}

/// Now, in unix milliseconds.
fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
