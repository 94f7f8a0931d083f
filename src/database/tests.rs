//! Opening, locking, committing: who waits for whom, and what is left beside the file.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use super::testing::{TestDatabase, open};
use super::{Database, file, meta, migrate};
use crate::error::{Error, Result};

const NOW: Duration = Duration::ZERO;

fn begin(database: &Database) -> Result<()> {
    database.begin(NOW, &mut |_| Ok(()))
}

/// A database with one commit.
fn filled(path: &Path) {
    let mut database = open(path);
    begin(&database).unwrap();
    meta::next_version(database.store()).unwrap();
    database.commit().unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn words<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => panic!("this must be refused"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_new_file_is_private_and_empty() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a b%?#.db");
    assert!(words(Database::open_to_read(&path)).contains("there is no such file"));
    let database = open(&path);
    assert_eq!(mode(&path), 0o600);
    assert!(words(Database::open_to_read(&path)).contains("it is empty"));
    assert_eq!(meta::version(database.store()).unwrap(), 0);
    let pragma = |name: &str| -> i64 {
        let sql = format!("PRAGMA {name}");
        database.connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(pragma("application_id"), 0x6874_6d70);
    assert_eq!(pragma("user_version"), 3);
    assert_eq!(pragma("page_size"), 4096);
    assert_eq!(pragma("auto_vacuum"), 0);
    assert_eq!(pragma("synchronous"), 2);
    assert_eq!(pragma("secure_delete"), 2);
    assert_eq!(pragma("cache_size"), -16384);
    assert_eq!(pragma("mmap_size"), 0);
    let classes: i64 =
        database.connection.query_row("SELECT count(*) FROM class", [], |row| row.get(0)).unwrap();
    assert_eq!(classes, 15);
    // An empty file is a database, too: somebody may have made it for its rights.
    let empty = folder.path().join("empty.db");
    fs::write(&empty, "").unwrap();
    fs::set_permissions(&empty, Permissions::from_mode(0o640)).unwrap();
    assert!(words(Database::open_to_read(&empty)).contains("it is empty"));
    filled(&empty);
    assert_eq!(mode(&empty), 0o640);
    Database::open_to_read(&empty).unwrap().finish_reading().unwrap();
}

#[test]
fn opening_locks_nobody_out_and_beginning_does() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("hits.db");
    filled(&path);
    let (one, other) = (open(&path), open(&path));
    begin(&one).unwrap();
    let version = meta::next_version(one.store()).unwrap();
    // Both a look and a report see the state before.
    assert!(other.look(meta::version).unwrap() < version);
    let reader = Database::open_to_read(&path).unwrap();
    assert!(meta::version(reader.store()).unwrap() < version);
    // A third one opens meanwhile.
    drop(open(&path));
    let mut waits = 0;
    let refused = other.begin(Duration::from_millis(3), &mut |_| {
        waits += 1;
        Ok(())
    });
    let words = words(refused);
    assert!(words.contains("--lock-timeout") && words.contains("another run"), "{words}");
    assert!(waits >= 2, "{waits}");
    let ended = other.begin(Duration::MAX, &mut |_| Err(Error::Interrupted));
    assert!(matches!(ended, Err(Error::Interrupted)));
    // As soon as the lock is free the other gets it.
    let mut one = Some(one);
    other.begin(Duration::MAX, &mut |_| one.take().map_or(Ok(()), |mut one| one.commit())).unwrap();
    assert_eq!(meta::version(other.store()).unwrap(), version);
    assert!(meta::version(reader.store()).unwrap() < version);
}

#[test]
fn what_is_not_committed_is_dropped() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("hits.db");
    filled(&path);
    let version = open(&path).look(meta::version).unwrap();
    let mut database = open(&path);
    begin(&database).unwrap();
    meta::next_version(database.store()).unwrap();
    database.roll_back().unwrap();
    begin(&database).unwrap();
    meta::next_version(database.store()).unwrap();
    drop(database);
    assert_eq!(open(&path).look(meta::version).unwrap(), version);
    // A look that fails leaves no transaction open.
    let database = open(&path);
    let failed: Result<()> = database.look(|store| Err(store.damaged("this")));
    assert!(words(failed).contains("it is damaged (this)"));
    begin(&database).unwrap();
}

#[test]
fn the_log_stays_empty_beside_the_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("hits.db");
    let link = folder.path().join("link.db");
    symlink("hits.db", &link).unwrap();
    let beside = |ending| folder.path().join(format!("hits.db{ending}"));
    let mut database = open(&path);
    begin(&database).unwrap();
    database.commit().unwrap();
    for file in [beside("-wal"), beside("-shm")] {
        assert_eq!(mode(&file), 0o600);
    }
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    begin(&database).unwrap();
    meta::next_version(database.store()).unwrap();
    assert!(file::has_log(&link) || fs::metadata(beside("-wal")).unwrap().len() == 0);
    database.commit().unwrap();
    drop(database);
    assert_eq!(fs::metadata(beside("-wal")).unwrap().len(), 0);
    for file in [beside("-wal"), beside("-shm")] {
        assert_eq!(mode(&file), 0o644);
    }
    // A reader who is still at the state before keeps it in the log, and the next run empties that.
    let reader = Database::open_to_read(&link).unwrap();
    filled(&path);
    assert!(file::has_log(&link));
    let version = meta::version(reader.store()).unwrap();
    reader.finish_reading().unwrap();
    assert!(file::has_log(&path));
    assert!(open(&path).look(meta::version).unwrap() > version);
    assert!(!file::has_log(&path) && beside("-wal").exists() && beside("-shm").exists());
}

#[test]
fn a_result_never_goes_into_a_file_that_is_gone() {
    for is_replaced in [false, true] {
        let mut test = TestDatabase::new();
        meta::next_version(test.store()).unwrap();
        let path = test.path();
        fs::remove_file(&path).unwrap();
        if is_replaced {
            fs::write(&path, "another").unwrap();
        }
        let words = words(test.database.commit());
        assert!(words.contains("deleted or replaced") && words.contains("nowhere"), "{words}");
        assert_eq!(fs::read(&path).ok(), is_replaced.then(|| b"another".to_vec()));
    }
}

#[test]
fn other_files_are_refused_and_left_as_they_are() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("text"), "10.0.0.1 - - [05/Mar/2018:14:05:09 +0100]").unwrap();
    let sqlite = |name: &str, sql: &str| {
        Connection::open(path(name)).unwrap().execute_batch(sql).unwrap();
    };
    sqlite("foreign", "CREATE TABLE bookmarks(url)");
    sqlite("foreign-id", "PRAGMA application_id = 7");
    sqlite(
        "old",
        "PRAGMA application_id = 0x68746d70; PRAGMA user_version = 2; CREATE TABLE meta(name)",
    );
    sqlite(
        "new",
        "PRAGMA application_id = 0x68746d70; PRAGMA user_version = 4; CREATE TABLE meta(name)",
    );
    fs::create_dir(path("folder")).unwrap();
    for (name, reason) in [
        ("text", "it is not a hitmap database"),
        ("foreign", "not one of hitmap"),
        ("foreign-id", "not one of hitmap"),
        ("old", "format 2 of an older hitmap"),
        ("new", "a newer hitmap reads it"),
        ("folder", "it is not a file"),
        ("text/below", "cannot"),
    ] {
        let before = fs::read(path(name)).ok();
        let words = [
            words(Database::open_to_write(&path(name), NOW, &mut |_| Ok(()))),
            words(Database::open_to_read(&path(name))),
        ];
        assert!(words.iter().all(|words| words.contains(reason)), "{words:?}");
        assert_eq!(fs::read(path(name)).ok(), before);
        assert!(!path(&format!("{name}-wal")).exists());
    }
}

/// As a program that is killed leaves them.
fn copy_as_killed(from: &Path, to: &Path) {
    for ending in ["", "-wal"] {
        let name = |path: &Path| format!("{}{ending}", path.display());
        fs::copy(name(from), name(to)).unwrap();
    }
}

#[test]
fn a_killed_run_leaves_the_state_before_it() {
    let mut test = TestDatabase::new();
    let version = meta::next_version(test.store()).unwrap();
    test.commit();
    let killed = test.path().with_file_name("killed.db");
    meta::next_version(test.store()).unwrap();
    // More than the cache holds goes into the log before the commit.
    test.store().execute("INSERT INTO piece VALUES (1, zeroblob(40000000))", []).unwrap();
    assert!(file::has_log(&test.path()));
    copy_as_killed(&test.path(), &killed);
    let reader = Database::open_to_read(&killed).unwrap();
    assert_eq!(meta::version(reader.store()).unwrap(), version);
    drop(reader);
    let database = open(&killed);
    assert_eq!(database.look(meta::version).unwrap(), version);
    assert!(!file::has_log(&killed));
}

/// Without shared memory nobody can be locked out: the file is read as it is, and looked at again in the end.
#[test]
fn a_file_that_was_read_without_a_lock_must_not_have_changed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("hits.db");
    filled(&path);
    for is_changed in [false, true] {
        let mut reader = Database::open_to_read(&path).unwrap();
        reader.unlocked = file::FileState::of(&path);
        if is_changed {
            let mut database = open(&path);
            begin(&database).unwrap();
            database.store().execute("INSERT INTO piece VALUES (1, zeroblob(9999))", []).unwrap();
            database.commit().unwrap();
        }
        assert_eq!(reader.finish_reading().is_err(), is_changed);
    }
}

mod versions {
    use super::super::migrate::{Step, Steps};
    use super::*;

    const STEPS: [Step; 2] = [
        |connection| {
            connection
                .execute_batch("ALTER TABLE site ADD COLUMN color TEXT NOT NULL DEFAULT 'green'")
        },
        |connection| {
            connection.execute_batch("UPDATE site SET color = 'blue'; DROP TABLE published")
        },
    ];

    fn open_by(path: &Path, steps: Steps<'_>) -> Result<Database> {
        Database::open_to_write_by(path, steps, NOW, &mut |_| Ok(()))
    }

    fn version(path: &Path) -> i64 {
        migrate::version(&Connection::open(path).unwrap()).unwrap()
    }

    /// The colours of all sites, and whether `published` is there; the colour is `None` in version 3.
    fn state(path: &Path) -> (Option<String>, bool) {
        let connection = Connection::open(path).unwrap();
        let color = connection.query_row("SELECT color FROM site", [], |row| row.get(0)).ok();
        (color, connection.prepare("SELECT * FROM published").is_ok())
    }

    fn version_3(path: &Path) {
        filled(path);
        let database = open(path);
        database
            .store()
            .execute("INSERT INTO site(name, rules, is_named) VALUES ('a', '{}', 0)", [])
            .unwrap();
    }

    #[test]
    fn steps_lead_from_each_version_to_the_last() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("hits.db");
        version_3(&path);
        drop(open_by(&path, &STEPS[..1]).unwrap());
        assert_eq!((version(&path), state(&path)), (4, (Some("green".to_owned()), true)));
        drop(open_by(&path, &STEPS).unwrap());
        assert_eq!((version(&path), state(&path)), (5, (Some("blue".to_owned()), false)));
        // Each once.
        drop(open_by(&path, &STEPS).unwrap());
        assert!(words(open_by(&path, &STEPS[..1])).contains("a newer hitmap reads it"));
        // All at once, by whoever reads first.
        let path = folder.path().join("other.db");
        version_3(&path);
        Database::open_to_read_by(&path, &STEPS).unwrap().finish_reading().unwrap();
        assert_eq!((version(&path), state(&path)), (5, (Some("blue".to_owned()), false)));
        // A new file, too.
        let path = folder.path().join("new.db");
        drop(open_by(&path, &STEPS).unwrap());
        assert_eq!((version(&path), state(&path).1), (5, false));
    }

    #[test]
    fn a_step_that_is_killed_leaves_the_version_before_it() {
        let folder = TempDir::new().unwrap();
        let (path, killed) = (folder.path().join("hits.db"), folder.path().join("killed.db"));
        version_3(&path);
        // The second step fails after it has changed something.
        let failing: [Step; 2] = [STEPS[0], |connection| {
            STEPS[1](connection)?;
            connection.execute_batch("INSERT INTO nowhere VALUES (1)")
        }];
        assert!(words(open_by(&path, &failing)).contains("nowhere"));
        assert_eq!((version(&path), state(&path)), (4, (Some("green".to_owned()), true)));
        drop(open_by(&path, &STEPS).unwrap());
        assert_eq!((version(&path), state(&path)), (5, (Some("blue".to_owned()), false)));
        // The same where the process ends within the step.
        let path = folder.path().join("again.db");
        version_3(&path);
        drop(open_by(&path, &STEPS[..1]).unwrap());
        let database = open_by(&path, &STEPS[..1]).unwrap();
        begin(&database).unwrap();
        STEPS[1](&database.connection).unwrap();
        migrate::set_version(&database.connection, 5).unwrap();
        database
            .execute("PRAGMA cache_size = 1; INSERT INTO piece VALUES (1, zeroblob(99999))")
            .unwrap();
        assert!(file::has_log(&path));
        copy_as_killed(&path, &killed);
        assert_eq!((version(&killed), state(&killed)), (4, (Some("green".to_owned()), true)));
        drop(open_by(&killed, &STEPS).unwrap());
        assert_eq!((version(&killed), state(&killed)), (5, (Some("blue".to_owned()), false)));
    }

    #[test]
    fn a_file_that_is_being_migrated_is_waited_for() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("hits.db");
        version_3(&path);
        let other = open(&path);
        begin(&other).unwrap();
        assert!(words(open_by(&path, &STEPS)).contains("another run"));
        let mut other = Some(other);
        let migrated = Database::open_to_write_by(&path, &STEPS, Duration::MAX, &mut |_| {
            drop(other.take());
            Ok(())
        });
        drop(migrated.unwrap());
        assert_eq!(version(&path), 5);
    }
}
