//! The tables, and whether a file has them.
//!
//! Owns: application id, version, creation. May import: rusqlite. Must not know: what is in the tables.

use std::path::Path;

use rusqlite::Connection;

use crate::error::{Error, Result};

/// `htmp`; `file` and SQLite's tools show it.
const APPLICATION_ID: i64 = 0x6874_6d70;
/// The version that is written and read.
const VERSION: i64 = 2;

const SCHEMA: &str = include_str!("schema.sql");

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
}

/// Whether nothing was ever put into the file.
pub(super) fn is_new(connection: &Connection) -> rusqlite::Result<bool> {
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(tables == 0
        && pragma(connection, "application_id")? == 0
        && pragma(connection, "user_version")? == 0)
}

/// Whether it is a database of the version that this program knows.
pub(super) fn is_known(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(pragma(connection, "application_id")? == APPLICATION_ID
        && pragma(connection, "user_version")? == VERSION)
}

/// Makes the tables, in the open transaction.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(SCHEMA)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", VERSION)
}

/// Refuses what this program does not know.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<()> {
    let read = |name| pragma(connection, name).map_err(|error| super::failure(path, &error));
    let refuse = |reason: String| Err(Error::Database { path: path.to_owned(), reason });
    if read("application_id")? != APPLICATION_ID {
        return refuse("it is a database, but not one of hitmap; nothing was changed".to_owned());
    }
    match read("user_version")? {
        VERSION => Ok(()),
        version if version < VERSION => refuse(format!(
            "it has format {version} of an older hitmap, and this one knows format {VERSION} only; let it make a new \
             database from the logs. Nothing was changed"
        )),
        version => refuse(format!(
            "it has format {version}, and this hitmap knows format {VERSION} only; a newer hitmap reads it. \
             Nothing was changed"
        )),
    }
}
