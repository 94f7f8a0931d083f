//! A database that an earlier hitmap wrote is read and added to for ever: `testdata/database` has one of each version.
//!
//! May import: what its parent may.

use std::fs;
use std::path::{Path, PathBuf};

use super::stored::{analyze, check, sources, traffic};
use crate::harness::Folder;

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

/// The two states of the log that a saved database was made from: its first 10 lines, then half of it.
fn states() -> (Vec<u8>, [usize; 2]) {
    let log = fs::read(testdata().join("parse/combined/everyday.log")).unwrap();
    let ends: Vec<usize> = (1..=log.len()).filter(|&end| log[end - 1] == b'\n').collect();
    let states = [ends[9], ends[ends.len() / 2 + 2]];
    assert!(states[0] < states[1] && states[1] < log.len());
    (log, states)
}

/// With `HITMAP_UPDATE=1` the file is made if it was deleted: only for a version that was never released.
#[test]
fn version_3_is_read_and_added_to() {
    let folder = Folder::new();
    let saved = testdata().join("database/version-3.db");
    let odd = testdata().join("parse/combined/odd.log");
    let (log, states) = states();
    if !saved.exists() && std::env::var_os("HITMAP_UPDATE").is_some() {
        let database = folder.path("new.db");
        for end in states {
            analyze(&database, &[&folder.write("everyday.log", &log[..end]), &odd]).expect_exit(0);
        }
        fs::copy(&database, &saved).unwrap();
    }
    let database = folder.path("stats.db");
    fs::copy(&saved, &database).unwrap();
    // Its last line has no end, and so is not counted.
    let mut odd_bytes = fs::read(&odd).unwrap();
    odd_bytes.truncate(odd_bytes.iter().rposition(|&byte| byte == b'\n').unwrap() + 1);
    check(&database, &[&log[..states[1]], &odd_bytes]);
    let before = traffic(&database);
    let path = folder.write("everyday.log", &log[..states[1]]);
    analyze(&database, &[&path, &odd]).expect_exit(0);
    assert!(traffic(&database) == before, "what is counted was counted again");
    fs::write(&path, &log).unwrap();
    analyze(&database, &[&path]).expect_exit(0);
    check(&database, &[&log, &odd_bytes]);
    assert_eq!(sources(&database).len(), 2);
    // A new database has the same rows in the view.
    let fresh = folder.path("fresh.db");
    analyze(&fresh, &[&odd, &path]).expect_exit(0);
    assert!(traffic(&fresh) == traffic(&database));
}
