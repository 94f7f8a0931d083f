//! Numbers about the whole database: its version, the next numbers to be given, what is due.
//!
//! Owns: the table `meta`. May import: rusqlite. Must not know: what is numbered.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{OptionalExtension, params};

use super::Store;
use crate::error::{Error, Result};

/// Name of the next number of a visitor.
pub(super) const NEXT_VISITOR: &str = "next_visitor";
/// Name of the next number of a place.
pub(super) const NEXT_PLACE: &str = "next_place";
/// Name of the next number of a block.
pub(super) const NEXT_BLOCK: &str = "next_block";
/// Name of the next number of a source.
pub(super) const NEXT_SOURCE: &str = "next_source";
/// Name of the finest granularity of cells of pages: 0 day, 1 hour, 2 minute.
pub(super) const CELLS: &str = "cells";
/// Name of the version of the last commit.
const VERSION: &str = "version";

/// The number kept as `name`, if there is one.
pub(super) fn get(store: Store<'_>, name: &str) -> Result<Option<i64>> {
    let mut statement =
        store.prepare("SELECT value FROM meta WHERE name = ? AND typeof(value) = 'integer'")?;
    statement.query_row([name], |row| row.get(0)).optional().map_err(|error| store.fail(&error))
}

/// Keeps a number as `name`.
pub(super) fn set(store: Store<'_>, name: &str, value: i64) -> Result<()> {
    store
        .execute("INSERT OR REPLACE INTO meta(name, value) VALUES (?, ?)", params![name, value])?;
    Ok(())
}

/// Takes `count` numbers that were never given before, and returns the first of them: at least 1. `name` is one of
/// `NEXT_...`.
///
/// # Errors
/// [`Error::Limit`] if so many are not left; [`Error::Database`].
pub(super) fn take_next(store: Store<'_>, name: &str, count: u64) -> Result<u64> {
    let next = u64::try_from(get(store, name)?.unwrap_or(1))
        .ok()
        .filter(|next| *next > 0)
        .ok_or_else(|| store.damaged("the numbers to be given"))?;
    let (last, what) = match name {
        NEXT_VISITOR => (u64::from(u32::MAX), "visitors"),
        NEXT_PLACE => (u64::from(u32::MAX), "sections and pages"),
        NEXT_BLOCK => ((1 << 38) - 1, "blocks of facts"),
        _ => (u32::MAX.into(), "sources"),
    };
    let following = next.checked_add(count).filter(|following| *following - 1 <= last);
    let Some(following) = following else {
        return Err(Error::Limit(format!(
            "{:?}: it has numbered {} {what}, and cannot number {count} more (at most {last}); nothing was stored",
            store.path,
            next - 1
        )));
    };
    if count > 0 {
        set(store, name, following.cast_signed())?;
    }
    Ok(next)
}

/// The version of the last commit; 0 before the first.
pub(super) fn version(store: Store<'_>) -> Result<i64> {
    Ok(get(store, VERSION)?.unwrap_or(0))
}

/// Gives the open transaction its version: later than the last, and not before now, so that a database that was deleted
/// and made again has no version twice.
pub(super) fn next_version(store: Store<'_>) -> Result<i64> {
    let version = now_millis().max(version(store)?.saturating_add(1));
    set(store, VERSION, version)?;
    Ok(version)
}

/// Now, in unix milliseconds.
pub(super) fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::testing::with_store;
    use super::{NEXT_BLOCK, NEXT_VISITOR, get, next_version, set, take_next, version};

    #[test]
    fn numbers_are_given_once_and_run_out() {
        with_store(|store| {
            assert_eq!(take_next(store, NEXT_VISITOR, 5).unwrap(), 1);
            assert_eq!(take_next(store, NEXT_VISITOR, 0).unwrap(), 6);
            assert_eq!(take_next(store, NEXT_VISITOR, 1).unwrap(), 6);
            assert_eq!(take_next(store, NEXT_BLOCK, 1).unwrap(), 1);
            set(store, NEXT_VISITOR, i64::from(u32::MAX)).unwrap();
            let error = take_next(store, NEXT_VISITOR, 2).unwrap_err().to_string();
            assert!(error.contains("4294967294 visitors, and cannot number 2 more"), "{error}");
            assert_eq!(take_next(store, NEXT_VISITOR, 1).unwrap(), u64::from(u32::MAX));
            assert!(take_next(store, NEXT_VISITOR, 1).is_err());
            assert!(take_next(store, NEXT_BLOCK, u64::MAX).is_err());
            set(store, NEXT_BLOCK, -1).unwrap();
            assert!(take_next(store, NEXT_BLOCK, 1).unwrap_err().to_string().contains("damaged"));
        });
    }

    #[test]
    fn versions_rise() {
        with_store(|store| {
            assert_eq!(version(store).unwrap(), 0);
            let first = next_version(store).unwrap();
            assert!(first > 1_700_000_000_000);
            set(store, "version", i64::MAX - 2).unwrap();
            assert_eq!(next_version(store).unwrap(), i64::MAX - 1);
            assert_eq!(get(store, "nothing").unwrap(), None);
        });
    }
}
