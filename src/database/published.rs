//! What targets were sent.
//!
//! Owns: the rows of `published`. May import: `store` (spans), rusqlite, its siblings. Must not know: what targets are.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;

use super::Database;
use crate::error::Result;
use crate::time::Span;

impl Database {
    /// The version of each span of a site that a target was sent last, by the period's name.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn published(&self, target: &str, site: &str) -> Result<BTreeMap<String, u64>> {
        let read = || -> rusqlite::Result<_> {
            self.connection
                .prepare_cached(
                    "SELECT period, version FROM published WHERE target = ? AND site = ?",
                )?
                .query_map([target, site], |row| {
                    Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
                })?
                .collect()
        };
        read().map_err(|error| self.fail(&error))
    }

    /// Notes which versions a target was sent.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn note_published(&mut self, target: &str, spans: &[(Span, u64)]) -> Result<()> {
        for (span, version) in spans {
            self.execute(
                "INSERT OR REPLACE INTO published(target, site, period, version) VALUES (?, ?, ?, ?)",
                params![target, span.site, span.period.to_string(), version.cast_signed()],
            )?;
        }
        Ok(())
    }

    /// The ids of all states of all sources: as they are, and as they were before they grew.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn known_ids(&self) -> Result<BTreeSet<u128>> {
        let ids = self.rows("SELECT id FROM source UNION SELECT id FROM former", |row| {
            row.get::<_, [u8; 16]>(0)
        })?;
        Ok(ids.into_iter().map(u128::from_be_bytes).collect())
    }
}
