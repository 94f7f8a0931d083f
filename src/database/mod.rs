//! The SQLite database, as the guide's page "The database format" specifies it: one file, one transaction a run.
//!
//! Owns: [`Database`] (opening, refusing, locking, committing), `Store`, the sentences of SQLite's errors. May import:
//! rusqlite, its sub-modules. Must not know: what is in a run.

mod block;
mod cells;
mod change;
mod checked;
mod day_sums;
mod file;
pub mod ingest;
mod ledger;
mod levels;
mod merge;
mod meta;
mod migrate;
mod names;
mod periods;
mod pieces;
mod places;
mod published;
mod read;
mod remove;
mod rewrite;
mod schema;
mod sorted;
mod stored;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, Params, ffi};

use crate::error::{Error, Result};
pub use day_sums::{DaySums, DayVersion};
use file::{FileIdentity, FileState};
pub use ledger::sites::Site;
pub use ledger::{Recorded, SourceState};
pub use published::Group;
pub use read::{
    ALL_DAYS, BlockDecoder, BlockFacts, BlockRow, FactRun, Groups, Items, PagesOfDay, Place,
    Reader, SectionGroup, Wanted,
};
use schema::State;

/// Called repeatedly while another run holds the write lock, with the time waited so far; an error ends the waiting.
pub type Waiting<'w> = &'w mut dyn FnMut(Duration) -> Result<()>;

/// Pause before the second attempt. It doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// How long reading waits for what takes a moment, such as the recovery after a killed run.
const READER_PATIENCE: Duration = Duration::from_secs(10);
/// Page cache of a writer, in KiB. It bounds the memory of a commit of any size.
const WRITER_CACHE_KIB: i64 = 16 * 1024;
/// Page cache of a reader, in KiB.
const READER_CACHE_KIB: i64 = 8 * 1024;
/// SQLite's error for a write to a file that can only be read.
const READ_ONLY: ffi::Error =
    ffi::Error { code: ErrorCode::ReadOnly, extended_code: ffi::SQLITE_READONLY };
/// Capacity of the cache of prepared statements: more than one commit uses.
const STATEMENTS: usize = 64;

/// What the parts of this room work on: a connection, and the file's name for messages.
#[derive(Clone, Copy)]
struct Store<'c> {
    connection: &'c Connection,
    path: &'c Path,
}

impl<'c> Store<'c> {
    /// What SQLite said, in words.
    fn fail(self, error: &rusqlite::Error) -> Error {
        failure(self.path, error)
    }

    /// What is not as it was written, in words.
    fn damaged(self, what: &str) -> Error {
        let reason =
            format!("it is damaged ({what}); restore a backup, or make it again from the logs");
        Error::Database { path: self.path.to_owned(), reason }
    }

    /// A statement, prepared once for each connection.
    fn prepare(self, sql: &str) -> Result<CachedStatement<'c>> {
        self.connection.prepare_cached(sql).map_err(|error| self.fail(&error))
    }

    /// Executes a statement; the number of rows that it changed.
    fn execute(self, sql: &str, parameters: impl Params) -> Result<usize> {
        self.prepare(sql)?.execute(parameters).map_err(|error| self.fail(&error))
    }
}

/// An open database. What is changed is dropped again unless [`Database::commit`] is called.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    path: PathBuf,
    /// Which file it was when it was opened.
    identity: Option<FileIdentity>,
    /// Set where the file is read without a lock: what it was when it was opened.
    unlocked: Option<FileState>,
}

impl Database {
    /// Opens a database to change it, and makes it where there is none. No lock is held afterwards: what is read is read
    /// for a look, and [`Database::begin`] takes the lock. `waiting` and `lock_timeout` are for a new or older file, whose
    /// tables are made or changed first.
    ///
    /// # Errors
    /// [`Error::Database`]; those of `waiting`.
    pub fn open_to_write(
        path: &Path,
        lock_timeout: Duration,
        waiting: Waiting<'_>,
    ) -> Result<Self> {
        Self::open_to_write_by(path, migrate::STEPS, lock_timeout, waiting)
    }

    fn open_to_write_by(
        path: &Path,
        steps: migrate::Steps<'_>,
        lock_timeout: Duration,
        waiting: Waiting<'_>,
    ) -> Result<Self> {
        if !file::is_there(path)? {
            file::create_private(path)?;
        }
        let identity = FileIdentity::of(path);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .map_err(|error| file::cannot_open(path, &error))?;
        let mut database = Self { connection, path: path.to_owned(), identity, unlocked: None };
        if !database.can_write() {
            // SQLite opens it all the same, and would say so only after all inputs were read.
            return Err(failure(path, &rusqlite::Error::SqliteFailure(READ_ONLY, None)));
        }
        database.set_up(WRITER_CACHE_KIB)?;
        database.busy_timeout(READER_PATIENCE)?;
        // A foreign or newer file is not even given another journal.
        if schema::state(database.store(), steps)? != State::Current {
            database.make_current(steps, lock_timeout, waiting)?;
        }
        database.execute("PRAGMA synchronous = FULL; PRAGMA secure_delete = FAST")?;
        if file::has_log(path) {
            // A killed run has left it. Where readers hold it up, the next commit moves it into the file.
            database.checkpoint()?;
        }
        file::copy_permissions_to_log(path);
        database.busy_timeout(READER_PATIENCE)?;
        Ok(database)
    }

    /// Makes the tables, or climbs from those of an older version, one transaction a step.
    fn make_current(
        &mut self,
        steps: migrate::Steps<'_>,
        lock_timeout: Duration,
        waiting: Waiting<'_>,
    ) -> Result<()> {
        self.retry(lock_timeout, waiting, |connection| {
            // All of this is nothing where it has been done.
            connection.execute_batch("PRAGMA page_size = 4096; PRAGMA auto_vacuum = NONE")?;
            connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))
        })?;
        self.execute("PRAGMA synchronous = FULL")?;
        loop {
            self.begin(lock_timeout, waiting)?;
            let fail = |error| failure(&self.path, &error);
            let is_new = schema::state(self.store(), steps)? == State::New;
            if is_new {
                schema::create(&self.connection).map_err(fail)?;
            }
            let is_older = migrate::take_next_step(&self.connection, steps).map_err(fail)?;
            if !is_new && !is_older {
                return self.execute("ROLLBACK");
            }
            self.commit()?;
        }
    }

    /// Takes the write lock: what is read from now on stays as it is until [`Database::commit`]. Waits while another run
    /// has the lock.
    ///
    /// # Errors
    /// [`Error::Database`], also after `lock_timeout`; those of `waiting`.
    pub fn begin(&self, lock_timeout: Duration, waiting: Waiting<'_>) -> Result<()> {
        self.retry(lock_timeout, waiting, |connection| connection.execute_batch("BEGIN IMMEDIATE"))
    }

    /// Tries something until no other run is in the way.
    fn retry(
        &self,
        lock_timeout: Duration,
        waiting: Waiting<'_>,
        attempt: impl Fn(&Connection) -> rusqlite::Result<()>,
    ) -> Result<()> {
        self.busy_timeout(Duration::ZERO)?;
        let try_it = || match attempt(&self.connection) {
            Err(error) if is_busy(&error) => Ok(false),
            Err(error) => Err(self.store().fail(&error)),
            Ok(()) => Ok(true),
        };
        let is_done = wait_until(lock_timeout, waiting, try_it)?;
        self.busy_timeout(READER_PATIENCE)?;
        if is_done {
            return Ok(());
        }
        let reason = format!(
            "another run has been writing to it for {} s, the longest that this one waits (--lock-timeout); nothing was \
             stored",
            lock_timeout.as_secs()
        );
        Err(Error::Database { path: self.path.clone(), reason })
    }

    /// Stores everything since [`Database::begin`], at once, and gives the lock back. The log is moved into the file, as
    /// far as readers let it.
    ///
    /// # Errors
    /// [`Error::Database`]; says whether it was stored.
    pub fn commit(&mut self) -> Result<()> {
        if !self.is_same_file() {
            self.execute("ROLLBACK")?;
            return Err(self.lost());
        }
        self.execute("COMMIT")?;
        if !self.is_same_file() {
            return Err(self.lost());
        }
        // It is stored, whether the log can be moved or not: whoever opens the file next reads the log, too.
        let _ = self.checkpoint();
        file::copy_permissions_to_log(&self.path);
        Ok(())
    }

    /// Drops everything since [`Database::begin`], and gives the lock back.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn roll_back(&mut self) -> Result<()> {
        self.execute("ROLLBACK")
    }

    fn is_same_file(&self) -> bool {
        self.identity.is_some() && FileIdentity::of(&self.path) == self.identity
    }

    fn lost(&self) -> Error {
        let reason = "it was deleted or replaced by another file during the run, so the result of the run was stored \
                      nowhere; run it again"
            .to_owned();
        Error::Database { path: self.path.clone(), reason }
    }

    /// Moves the log into the file and empties it. Says whether it is empty: it is not while a reader or a writer needs it.
    fn checkpoint(&self) -> Result<bool> {
        self.busy_timeout(Duration::ZERO)?;
        // It says that it failed in its row, not as an error.
        let is_busy = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
        self.busy_timeout(READER_PATIENCE)?;
        match is_busy {
            Ok(is_busy) => Ok(!is_busy),
            Err(error) if self::is_busy(&error) => Ok(false),
            Err(error) => Err(self.store().fail(&error)),
        }
    }

    /// Moves the log into the file and empties it; waits for those who need it.
    ///
    /// # Errors
    /// [`Error::Database`], also after `lock_timeout`; those of `waiting`.
    fn empty_log(&self, lock_timeout: Duration, waiting: Waiting<'_>) -> Result<()> {
        if wait_until(lock_timeout, waiting, || self.checkpoint())? {
            return Ok(());
        }
        let reason =
            "another process still reads an old state of it, and did not end within --lock-timeout";
        Err(Error::Database { path: self.path.clone(), reason: reason.to_owned() })
    }

    /// Opens a database to read one state of it, whoever writes meanwhile.
    ///
    /// # Errors
    /// [`Error::Database`], also where there is no file, and where nothing was ever stored in it.
    pub fn open_to_read(path: &Path) -> Result<Self> {
        Self::open_to_read_by(path, migrate::STEPS)
    }

    fn open_to_read_by(path: &Path, steps: migrate::Steps<'_>) -> Result<Self> {
        let refuse =
            |reason: &str| Error::Database { path: path.to_owned(), reason: reason.to_owned() };
        if !file::is_there(path)? {
            return Err(refuse("there is no such file; hitmap analyze --db makes it"));
        }
        let mut database = Self::connect_to_read(path)?;
        let mut state = schema::state(database.store(), steps)?;
        if state == State::Older {
            if !database.can_write() {
                return Err(refuse(
                    "it has the format of an older hitmap; run hitmap report once with an account that may write to it",
                ));
            }
            drop(database);
            drop(Self::open_to_write_by(path, steps, READER_PATIENCE, &mut |_| Ok(()))?);
            database = Self::connect_to_read(path)?;
            state = schema::state(database.store(), steps)?;
        }
        if state == State::New || meta::version(database.store())? == 0 {
            return Err(refuse("it is empty; hitmap analyze --db fills it"));
        }
        Ok(database)
    }

    /// Connects, and begins to read.
    fn connect_to_read(path: &Path) -> Result<Self> {
        let identity = FileIdentity::of(path);
        let read = |uri: &str, flags: OpenFlags, unlocked| -> rusqlite::Result<Self> {
            let flags = flags | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(uri, flags)?;
            let database = Self { connection, path: path.to_owned(), identity, unlocked };
            let connection = &database.connection;
            connection.busy_timeout(READER_PATIENCE)?;
            set_up(connection, READER_CACHE_KIB)?;
            connection.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")?;
            Ok(database)
        };
        let uri = file::uri(path);
        // Reading takes writing, too: readers note in shared memory what they read.
        let mut opened = read(&uri, OpenFlags::SQLITE_OPEN_READ_WRITE, None);
        if opened.as_ref().is_err_and(cannot_write) {
            opened = read(&uri, OpenFlags::SQLITE_OPEN_READ_ONLY, None);
        }
        if opened.as_ref().is_err_and(cannot_write) {
            // Not writable, and without the two files through which readers and writers know of each other. Without a
            // log the file is whole; whether it stays as it is, is looked at in the end.
            match FileState::of(path) {
                Some(state) if !state.has_log => {
                    let uri = format!("{uri}?immutable=1");
                    opened = read(&uri, OpenFlags::SQLITE_OPEN_READ_ONLY, Some(state));
                }
                Some(_) => return Err(file::needs_recovery(path)),
                None => {}
            }
        }
        opened.map_err(|error| {
            if cannot_write(&error) {
                file::cannot_open(path, &error)
            } else {
                failure(path, &error)
            }
        })
    }

    fn can_write(&self) -> bool {
        self.unlocked.is_none() && !self.connection.is_readonly("main").unwrap_or(true)
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

    /// Reads one state of the database, without the write lock.
    fn look<T>(&self, read: impl FnOnce(Store<'_>) -> Result<T>) -> Result<T> {
        self.execute("BEGIN")?;
        let result = read(self.store());
        let ended = self.execute("ROLLBACK");
        result.and_then(|value| ended.map(|()| value))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn store(&self) -> Store<'_> {
        Store { connection: &self.connection, path: &self.path }
    }

    fn execute(&self, statements: &str) -> Result<()> {
        self.connection.execute_batch(statements).map_err(|error| self.store().fail(&error))
    }

    fn busy_timeout(&self, patience: Duration) -> Result<()> {
        self.connection.busy_timeout(patience).map_err(|error| self.store().fail(&error))
    }

    fn set_up(&self, cache_kib: i64) -> Result<()> {
        set_up(&self.connection, cache_kib).map_err(|error| self.store().fail(&error))
    }
}

/// Tries something again and again, at most for `lock_timeout`, until it is done. Says whether it is.
fn wait_until(
    lock_timeout: Duration,
    waiting: Waiting<'_>,
    try_it: impl Fn() -> Result<bool>,
) -> Result<bool> {
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    while !try_it()? {
        let waited = start.elapsed();
        waiting(waited)?;
        if waited >= lock_timeout {
            return Ok(false);
        }
        std::thread::sleep(pause.min(lock_timeout.saturating_sub(waited)));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(true)
}

/// What holds for every connection.
fn set_up(connection: &Connection, cache_kib: i64) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // The log and its shared memory stay beside the file: accounts that may only read need both.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "cache_size", -cache_kib)
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
            "it is not a hitmap database (or its first bytes are damaged); nothing was changed"
                .to_owned()
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            "it is damaged; nothing was changed. Restore a backup, or make it again from the logs"
                .to_owned()
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => format!(
            "the file and its folder must be writable (a log stands beside the file); nothing was stored ({error})"
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
