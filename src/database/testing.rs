//! A database for tests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::{Database, Store};

/// A database with the write lock.
pub(super) struct TestDatabase {
    pub(super) database: Database,
    /// Deleted with it, if it is the database's own.
    _folder: Option<TempDir>,
}

impl TestDatabase {
    /// A new one in a folder of its own.
    pub(super) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let database = Self::at(&folder.path().join("hits.db"));
        Self { _folder: Some(folder), ..database }
    }

    /// The one of that name.
    pub(super) fn at(path: &Path) -> Self {
        let database = open(path);
        database.begin(Duration::ZERO, &mut |_| Ok(())).unwrap();
        Self { database, _folder: None }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.database.path().to_owned()
    }

    pub(super) fn store(&self) -> Store<'_> {
        self.database.store()
    }

    /// Commits, and takes the lock again.
    pub(super) fn commit(&mut self) {
        self.database.commit().unwrap();
        self.database.begin(Duration::ZERO, &mut |_| Ok(())).unwrap();
    }
}

/// Opens or makes a database; nobody may have locked it.
pub(super) fn open(path: &Path) -> Database {
    Database::open_to_write(path, Duration::ZERO, &mut |_| Ok(())).unwrap()
}

/// Calls `test` with an empty database.
pub(super) fn with_store(test: impl FnOnce(Store<'_>)) {
    test(TestDatabase::new().store());
}
