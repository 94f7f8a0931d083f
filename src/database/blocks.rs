//! Part blocks as rows: the facts of a source's day.
//!
//! Owns: [`StoredBlock`], reading, decoding and writing blocks. May import: `facts` (parts), `count`, rusqlite, rayon.
//! Must not know: how cells are made, what a source is.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use rusqlite::{Row, params};

use super::Database;
use crate::count::Facts;
use crate::count::parts::load_blocks;
use crate::error::{Error, Result};
use crate::facts::columns::Decoder;
use crate::facts::part::PartError;
use crate::facts::{DayKey, LocalDay, ShareKey, day_block};
use crate::time::Day;

/// Where a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBlock {
    row: i64,
    /// Number of the site.
    pub site: i64,
    /// The day.
    pub day: Day,
    /// Number of the source.
    pub source: i64,
    /// Its size.
    pub bytes: usize,
}

impl Database {
    /// The blocks of a source.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn blocks_of(&self, source: i64) -> Result<Vec<StoredBlock>> {
        self.blocks("source = ?1", source)
    }

    /// The blocks of a site, by day.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn blocks_of_site(&self, site: i64) -> Result<Vec<StoredBlock>> {
        self.blocks("site = ?1", site)
    }

    fn blocks(&self, condition: &str, number: i64) -> Result<Vec<StoredBlock>> {
        let sql = format!(
            "SELECT rowid, site, day, source, length(block) FROM part WHERE {condition} ORDER BY site, day, source"
        );
        let read = |row: &Row<'_>| {
            Ok(StoredBlock {
                row: row.get(0)?,
                site: row.get(1)?,
                day: Day(row.get(2)?),
                source: row.get(3)?,
                bytes: usize::try_from(row.get::<_, i64>(4)?).unwrap_or_default(),
            })
        };
        let mut statement =
            self.connection.prepare_cached(&sql).map_err(|error| self.fail(&error))?;
        let rows = statement.query_map([number], read).and_then(Iterator::collect);
        rows.map_err(|error| self.fail(&error))
    }

    /// The bytes of a block.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn block_bytes(&self, block: &StoredBlock) -> Result<Vec<u8>> {
        block_bytes(&self.connection, block.row).map_err(|error| self.fail(&error))
    }

    /// The facts of a block.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn local_day(&self, stored: &StoredBlock, decoder: &mut Decoder) -> Result<LocalDay> {
        day_block::decode(&self.block_bytes(stored)?, decoder)
            .map_err(|error| self.part_error(error))
    }

    /// Writes the facts of a source's day, over those it had; the day is touched.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn put_block(&mut self, site: i64, source: i64, day: Day, bytes: &[u8]) -> Result<()> {
        self.execute(
            "INSERT INTO part(site, day, source, block) VALUES (?, ?, ?, ?) \
             ON CONFLICT(site, day, source) DO UPDATE SET block = excluded.block",
            params![site, day.0, source, bytes],
        )?;
        self.touched.entry(site).or_default().days.insert(day);
        Ok(())
    }

    /// Lets the cells of a site's day be made again.
    pub fn touch(&mut self, site: i64, day: Day) {
        self.touched.entry(site).or_default().days.insert(day);
    }

    /// The facts of some blocks together, and of `others` that the database does not have; `numbers` gives each site
    /// its number in the facts, `change` what is wanted of each block. Decodes in the thread pool it is called in.
    ///
    /// # Errors
    /// [`Error::Database`] for a damaged block, [`Error::Limit`].
    pub fn load(
        &mut self,
        blocks: &[StoredBlock],
        others: &[(DayKey, Vec<u8>)],
        numbers: &BTreeMap<i64, u32>,
        change: impl Fn(&StoredBlock, LocalDay) -> LocalDay + Sync,
    ) -> Result<Facts> {
        let stored = blocks.iter().map(|block| {
            let site = numbers.get(&block.site).copied().unwrap_or(u32::MAX);
            (ShareKey { site, day: block.day, source: 0 }, block.bytes)
        });
        let others_keys = others.iter().map(|(key, bytes)| (key.of_source(0), bytes.len()));
        let keys: Vec<(ShareKey, usize)> = stored.chain(others_keys).collect();
        let failed = Mutex::new(None);
        let connection = Mutex::new(&mut self.connection);
        let loaded = load_blocks(&keys, |index, decoder| {
            let Some(stored) = blocks.get(index) else {
                return day_block::decode(&others[index - blocks.len()].1, decoder);
            };
            let bytes = {
                let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                block_bytes(&connection, stored.row)
            };
            match bytes {
                Ok(bytes) => Ok(change(stored, day_block::decode(&bytes, decoder)?)),
                Err(error) => {
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    Err(PartError::Damaged("a block cannot be read"))
                }
            }
        });
        if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(self.fail(&error));
        }
        loaded.map_err(|error| self.part_error(error))
    }

    /// What `map` makes of each block's bytes, in parallel in the thread pool it is called in.
    ///
    /// # Errors
    /// [`Error::Database`] for a damaged block, [`Error::Limit`].
    pub fn map_blocks<T: Send>(
        &mut self,
        blocks: &[StoredBlock],
        map: impl Fn(&StoredBlock, &[u8], &mut Decoder) -> std::result::Result<T, PartError> + Sync,
    ) -> Result<Vec<T>> {
        let connection = Mutex::new(&mut self.connection);
        let mapped: Vec<std::result::Result<T, BlockError>> = blocks
            .par_iter()
            .map_init(Decoder::default, |decoder, stored| {
                let bytes = {
                    let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                    block_bytes(&connection, stored.row).map_err(BlockError::Unread)?
                };
                map(stored, &bytes, decoder).map_err(BlockError::Undecoded)
            })
            .collect();
        let explain = |error| match error {
            BlockError::Unread(error) => self.fail(&error),
            BlockError::Undecoded(error) => self.part_error(error),
        };
        mapped.into_iter().map(|mapped| mapped.map_err(explain)).collect()
    }

    /// What went wrong with a block, in words.
    pub(crate) fn part_error(&self, error: PartError) -> Error {
        match error {
            PartError::Limit(error) => error,
            PartError::Damaged(what) => self.damaged(what),
            error => Error::Database { path: self.path.clone(), reason: error.to_string() },
        }
    }
}

/// Why a block could not be used.
enum BlockError {
    Unread(rusqlite::Error),
    Undecoded(PartError),
}

fn block_bytes(connection: &rusqlite::Connection, row: i64) -> rusqlite::Result<Vec<u8>> {
    connection
        .prepare_cached("SELECT block FROM part WHERE rowid = ?")?
        .query_row([row], |row| row.get(0))
}
