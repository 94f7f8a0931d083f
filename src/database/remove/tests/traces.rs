//! Nothing is left in the file of those who were taken out, and who is in the way of that.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::super::super::ingest::tests::{Log, Scan, check, hash, look, page, run, stored_cells};
use super::super::super::ingest::{CountedFrom, IngestOptions};
use super::super::super::testing::{TestDatabase, open};
use super::super::super::{Database, file, rewrite};
use super::{NOW, check_nothing_else, number};
use crate::error::Result;
use crate::time::{Day, Granularity};

fn rewrite(database: &mut Database) -> Result<()> {
    database.rewrite_if_due(NOW, &mut |_| Ok(()))
}

/// A log of some days of one site with visitors who come to one page each.
fn long_log(kind: u64, visitors: std::ops::Range<u32>, first_page: u32) -> Log {
    let view = |visitor: u32| {
        let day = 17_590 + i32::try_from(visitor % 9).unwrap();
        (0, day, first_page + visitor % 50, visitor, u16::try_from(visitor % 1440).unwrap())
    };
    Log { kind, views: visitors.map(view).collect() }
}

/// The bytes in which SQLite stores a key.
fn key_bytes(key: u64) -> Vec<u8> {
    if key >> 56 > 0 {
        let mut bytes: Vec<u8> =
            (0..8).rev().map(|group| (key >> (8 + 7 * group)).to_le_bytes()[0] | 0x80).collect();
        bytes.push(key.to_le_bytes()[0]);
        return bytes;
    }
    let mut bytes: Vec<u8> =
        (0..8).rev().map(|group| (key >> (7 * group)).to_le_bytes()[0] | 0x80).collect();
    bytes[7] &= 0x7f;
    bytes
}

/// All that the file system has of a database.
fn bytes_of(path: &Path) -> Vec<u8> {
    let mut bytes = fs::read(path).unwrap();
    let log = format!("{}-wal", path.display());
    bytes.extend(fs::read(log).unwrap_or_default());
    bytes
}

/// Number of visitors of whom there is a trace: the hash, its upper 7 bytes, or a key made of them.
fn traces_of_visitors(path: &Path, visitors: impl IntoIterator<Item = u32>) -> usize {
    // By the first 7 bytes of each needle, so that the file is read once.
    let mut needles = HashSet::new();
    let mut of_visitor = Vec::new();
    for visitor in visitors {
        let hash = hash(visitor).0;
        let prefix = (hash >> 72) as u64;
        let mut own: Vec<[u8; 7]> = vec![
            *hash.to_be_bytes().first_chunk().unwrap(),
            *hash.to_be_bytes().last_chunk().unwrap(),
            *hash.to_le_bytes().first_chunk().unwrap(),
        ];
        for level in 0..7 {
            own.push(*key_bytes(level << 56 | prefix).last_chunk().unwrap());
        }
        needles.extend(own.iter().copied());
        of_visitor.push(own);
    }
    let bytes = bytes_of(path);
    let found: HashSet<[u8; 7]> = bytes
        .windows(7)
        .map(|window| *window.first_chunk().unwrap())
        .filter(|window| needles.contains(window))
        .collect();
    of_visitor.iter().filter(|own| own.iter().any(|needle| found.contains(needle))).count()
}

fn has_text(path: &Path, text: &str) -> bool {
    bytes_of(path).windows(text.len()).any(|window| window == text.as_bytes())
}

fn free_pages(path: &Path) -> i64 {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.query_row("PRAGMA freelist_count", [], |row| row.get(0)).unwrap()
}

/// Two logs that share some visitors, committed one after the other in small runs.
fn two_logs() -> (TestDatabase, Log, Log) {
    let (mut kept, mut gone) = (long_log(1, 0..3000, 10), long_log(2, 2500..6000, 1000));
    let mut database = TestDatabase::new();
    for part in 1..=4 {
        for log in [&mut kept, &mut gone] {
            let all = log.views.clone();
            log.views.truncate(all.len() * part / 4);
            run(&mut database, &[log]);
            log.views = all;
            database.commit();
        }
    }
    (database, kept, gone)
}

/// Only the first log is left, whatever one looks at.
fn check_only_first_is_left(path: &Path, kept: &Log) {
    assert_eq!(traces_of_visitors(path, 3000..6000), 0);
    assert_eq!(free_pages(path), 0);
    assert!(!file::has_log(path));
    assert!((1000..1050).all(|gone| !has_text(path, &page(gone))));
    assert_eq!(traces_of_visitors(path, 0..3000), 3000);
    assert!(has_text(path, &page(10)));
    let database = TestDatabase::at(path);
    assert!(!database.database.is_rewrite_due().unwrap());
    check(&database, &[kept], Granularity::Day);
    check_nothing_else(database.store());
}

#[test]
fn nothing_is_left_of_a_forgotten_source() {
    let (mut database, kept, gone) = two_logs();
    let path = database.path();
    // What is looked for is found as long as it is there.
    assert_eq!(traces_of_visitors(&path, 0..6000), 6000);
    assert!(has_text(&path, &page(1000)) && has_text(&path, "log 2"));
    let forgotten = number(&database, &gone);
    database.database.forget(forgotten).unwrap();
    assert!(database.database.is_rewrite_due().unwrap());
    database.database.commit().unwrap();
    rewrite(&mut database.database).unwrap();
    assert!(!has_text(&path, "log 2"));
    check_only_first_is_left(&path, &kept);
}

#[test]
fn nothing_is_left_of_who_was_only_there_on_pruned_days() {
    let (mut database, ..) = two_logs();
    let path = database.path();
    assert_eq!(database.database.prune(Day(17_595)).unwrap(), 5);
    database.database.commit().unwrap();
    rewrite(&mut database.database).unwrap();
    // Each visitor has one day.
    let (gone, left): (Vec<u32>, Vec<u32>) = (0..6000).partition(|visitor| visitor % 9 < 5);
    assert_eq!(traces_of_visitors(&path, gone), 0);
    assert_eq!(traces_of_visitors(&path, left.clone()), left.len());
    assert_eq!(free_pages(&path), 0);
    let samples: i64 = database
        .store()
        .connection
        .query_row("SELECT max(length(sample)) FROM share WHERE day < 17595", [], |row| row.get(0))
        .unwrap();
    assert_eq!(samples, 9);
    database.database.begin(NOW, &mut |_| Ok(())).unwrap();
    check_nothing_else(database.store());
}

#[test]
fn nothing_is_left_of_a_replaced_site() {
    let (mut database, kept, _) = two_logs();
    let path = database.path();
    let seen = look(&mut database, &[&kept]);
    let options = IngestOptions { replace: true, ..IngestOptions::default() };
    let scan = Scan::new(&[(&kept, CountedFrom::Start)]);
    scan.ingest(&mut database, options, &seen).unwrap();
    database.database.commit().unwrap();
    rewrite(&mut database.database).unwrap();
    check_only_first_is_left(&path, &kept);
}

#[test]
fn a_kill_before_the_file_was_written_anew_leaves_that_to_the_next_run() {
    let (mut database, kept, gone) = two_logs();
    let path = database.path();
    let killed = path.with_file_name("killed.db");
    database.database.forget(number(&database, &gone)).unwrap();
    database.database.commit().unwrap();
    for ending in ["", "-wal"] {
        let name = |path: &Path| format!("{}{ending}", path.display());
        fs::copy(name(&path), name(&killed)).unwrap();
    }
    let mut next = open(&killed);
    assert!(next.is_rewrite_due().unwrap());
    rewrite(&mut next).unwrap();
    // Once is enough.
    let changes = next.connection.total_changes();
    rewrite(&mut next).unwrap();
    assert_eq!(next.connection.total_changes(), changes);
    drop(next);
    check_only_first_is_left(&killed, &kept);
}

#[test]
fn readers_of_an_old_state_are_waited_for_and_not_disturbed() {
    let (mut database, kept, gone) = two_logs();
    let path = database.path();
    database.commit();
    let reader = Database::open_to_read(&path).unwrap();
    let before = stored_cells(reader.store());
    database.database.forget(number(&database, &gone)).unwrap();
    database.database.commit().unwrap();
    let error = rewrite(&mut database.database).unwrap_err().to_string();
    assert!(error.contains("the facts are out of all numbers"), "{error}");
    assert!(error.contains("copies of them may remain") && error.contains("old state"), "{error}");
    assert!(!error.contains("nothing was stored"), "{error}");
    assert!(database.database.is_rewrite_due().unwrap());
    assert_eq!(stored_cells(reader.store()), before);
    // Whoever waits long enough gets it done.
    let mut reader = Some(reader);
    database
        .database
        .rewrite_if_due(Duration::MAX, &mut |_| {
            drop(reader.take());
            Ok(())
        })
        .unwrap();
    check_only_first_is_left(&path, &kept);
}

#[test]
fn a_writer_is_waited_for_and_what_another_takes_out_stays_due() {
    let (mut database, _, gone) = two_logs();
    let path = database.path();
    database.database.forget(number(&database, &gone)).unwrap();
    database.database.commit().unwrap();
    let mut other = TestDatabase::at(&path);
    let error = rewrite(&mut database.database).unwrap_err().to_string();
    assert!(error.contains("another run") && !error.contains("nothing was stored"), "{error}");
    other.database.roll_back().unwrap();
    // The other takes something out after the file was written anew, and before that is noted.
    let mut reader = Some(Database::open_to_read(&path).unwrap());
    database
        .database
        .rewrite_if_due(Duration::MAX, &mut |_| {
            if reader.is_some() {
                other.database.begin(NOW, &mut |_| Ok(())).unwrap();
                rewrite::set_due(other.store()).unwrap();
                other.database.commit().unwrap();
            }
            drop(reader.take());
            Ok(())
        })
        .unwrap();
    assert!(database.database.is_rewrite_due().unwrap());
    rewrite(&mut other.database).unwrap();
    assert!(!database.database.is_rewrite_due().unwrap());
}
