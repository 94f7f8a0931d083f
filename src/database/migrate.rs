//! From each version of the schema to the next.
//!
//! Owns: the ladder of steps, the version of the tables. May import: rusqlite. Must not know: when it is climbed, how locks
//! are taken, what the tables are.

use rusqlite::Connection;

/// The first version that can be migrated. Nothing older was released.
pub(super) const FIRST_VERSION: i64 = 3;

/// Changes the tables of a version into those of the next, in the open transaction.
pub(super) type Step = fn(&Connection) -> rusqlite::Result<()>;

/// The steps from [`FIRST_VERSION`] on: the first leads from it to the next version.
pub(super) type Steps<'s> = &'s [Step];

/// The steps to the version that this program writes and reads. A new version adds one at the end, and a saved database of
/// the version before to testdata.
pub(super) const STEPS: Steps<'static> = &[];

/// The version to which the steps lead.
pub(super) const fn last_version(steps: Steps<'_>) -> i64 {
    FIRST_VERSION + steps.len().cast_signed() as i64
}

/// Takes the step from the version that the file has, if there is one, in the open transaction. Says whether there was.
pub(super) fn take_next_step(connection: &Connection, steps: Steps<'_>) -> rusqlite::Result<bool> {
    let version = version(connection)?;
    let step = usize::try_from(version - FIRST_VERSION).ok().and_then(|index| steps.get(index));
    let Some(step) = step else { return Ok(false) };
    step(connection)?;
    set_version(connection, version + 1)?;
    Ok(true)
}

/// The version of the tables.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Sets the version of the tables, in the open transaction.
pub(super) fn set_version(connection: &Connection, version: i64) -> rusqlite::Result<()> {
    connection.pragma_update(None, "user_version", version)
}
