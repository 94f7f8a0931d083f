//! A database for tests.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::{Database, Store};

/// A database in a folder of its own, with the write lock.
pub(super) struct TestDatabase {
    pub(super) database: Database,
    folder: TempDir,
}

impl TestDatabase {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let database = open(&folder.path().join("hits.db"));
        database.begin(Duration::ZERO, &mut |_| Ok(())).unwrap();
        Self { database, folder }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("hits.db")
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
pub(super) fn open(path: &std::path::Path) -> Database {
    Database::open_to_write(path, Duration::ZERO, &mut |_| Ok(())).unwrap()
}

/// Calls `test` with an empty database.
pub(super) fn with_store(test: impl FnOnce(Store<'_>)) {
    test(TestDatabase::new().store());
}
