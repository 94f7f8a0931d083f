//! The tables of version 3, and whether a file has them.
//!
//! Owns: application id, version, creation. May import: rusqlite, `migrate` (the versions). Must not know: what is in
//! the tables.

use rusqlite::Connection;

use super::{Store, migrate};
use crate::error::{Error, Result};

/// `htmp`; `file` and SQLite's tools show it.
const APPLICATION_ID: i64 = 0x6874_6d70;

const SCHEMA: &str = include_str!("schema.sql");

/// What a file is to this program, if it can be used at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing was ever put into it.
    New,
    /// It has the tables of this program.
    Current,
    /// It has those of an older program; steps lead to today's.
    Older,
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
}

/// Looks what the file is, and refuses what this program does not know; `steps` lead to its version.
pub(super) fn state(store: Store<'_>, steps: migrate::Steps<'_>) -> Result<State> {
    let read = |name| pragma(store.connection, name).map_err(|error| store.fail(&error));
    let refuse = |reason: String| Err(Error::Database { path: store.path.to_owned(), reason });
    let application = read("application_id")?;
    let version = migrate::version(store.connection).map_err(|error| store.fail(&error))?;
    if application == 0 && version == 0 {
        let tables: i64 = store
            .connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(|error| store.fail(&error))?;
        if tables == 0 {
            return Ok(State::New);
        }
    }
    if application != APPLICATION_ID {
        return refuse("it is a database, but not one of hitmap; nothing was changed".to_owned());
    }
    let current = migrate::last_version(steps);
    match version {
        _ if version == current => Ok(State::Current),
        migrate::FIRST_VERSION.. if version < current => Ok(State::Older),
        _ if version < current => refuse(format!(
            "it has format {version} of an older hitmap, and this one knows format {current} only; let it make a new \
             database from the logs. Nothing was changed"
        )),
        _ => refuse(format!(
            "it has format {version}, and this hitmap knows format {current} only; a newer hitmap reads it. \
             Nothing was changed"
        )),
    }
}

/// Makes the tables of version 3, in the open transaction.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(SCHEMA)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    migrate::set_version(connection, migrate::FIRST_VERSION)
}
