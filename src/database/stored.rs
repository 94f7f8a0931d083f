//! Stored blocks, behind the traits by which `change` and `periods` read them.
//!
//! Owns: [`StoredBlocks`], [`StoredPeriods`]. May import: `change`, `periods` (what they need), `read`, `pieces` (kinds).
//! Must not know: why something changes.

use std::ops::Range;

use super::Store;
use super::block::BlockDecoder;
use super::change::{ChunkBytes, OldBlock, OldBlocks};
use super::periods::{SetBytes, StoredSets};
use super::pieces::Kind;
use super::read::{self, BlockRow};
use crate::error::{Error, Result};
use crate::facts::chunks::Damaged;
use crate::time::Day;

/// Some blocks of a day.
pub(super) struct StoredBlocks<'s> {
    store: Store<'s>,
    rows: Vec<BlockRow>,
    decoder: BlockDecoder,
}

impl<'s> StoredBlocks<'s> {
    pub(super) fn new(store: Store<'s>, rows: Vec<BlockRow>) -> Self {
        Self { store, rows, decoder: BlockDecoder::default() }
    }
}

impl OldBlocks for StoredBlocks<'_> {
    fn count(&self) -> usize {
        self.rows.len()
    }

    fn open(&mut self, block: usize) -> Result<OldBlock> {
        let row = &self.rows[block];
        let groups = row.groups(self.store, &mut self.decoder)?;
        let items = row.items(self.store, &groups.sections, &mut self.decoder)?;
        let sections = groups.sections.iter();
        Ok(OldBlock {
            visitors: row.visitors(self.store, &mut self.decoder)?,
            sections: sections.map(|section| (section.place, section.items as usize)).collect(),
            items: items.places,
            counts: items.counts,
        })
    }

    fn chunks(&mut self, block: usize, who: Range<u64>, when: Range<u64>) -> Result<ChunkBytes> {
        let row = &self.rows[block];
        Ok(ChunkBytes {
            who: row.bytes(self.store, Kind::Who, Some(who))?,
            when: row.bytes(self.store, Kind::When, Some(when))?,
        })
    }

    fn damaged(&self, damaged: Damaged) -> Error {
        self.store.damaged(damaged.0)
    }
}

/// The sets of those blocks of a site that were there before a commit.
pub(super) struct StoredPeriods<'s> {
    store: Store<'s>,
    site: i64,
    /// The number of the first block that the commit makes.
    first_new_block: u64,
    /// The blocks that were asked for last.
    rows: Vec<BlockRow>,
}

impl<'s> StoredPeriods<'s> {
    pub(super) fn new(store: Store<'s>, site: i64, first_new_block: u64) -> Self {
        Self { store, site, first_new_block, rows: Vec::new() }
    }
}

impl StoredSets for StoredPeriods<'_> {
    fn blocks(&mut self, days: Range<Day>) -> Result<Vec<(Day, u64)>> {
        let last = Day(days.end.0.saturating_sub(1));
        let mut rows = read::blocks(self.store, self.site, days.start..=last)?;
        rows.retain(|row| row.id < self.first_new_block);
        let first = self.rows.len() as u64;
        let numbers = rows.iter().zip(first..).map(|(row, number)| (row.day, number)).collect();
        self.rows.extend(rows);
        Ok(numbers)
    }

    fn sets(&mut self, block: u64) -> Result<SetBytes> {
        let row = usize::try_from(block).ok().and_then(|block| self.rows.get(block));
        let row = row.ok_or_else(|| self.store.damaged("blocks of a day"))?;
        Ok(SetBytes {
            visitors: row.bytes(self.store, Kind::Visitors, None)?,
            groups: row.bytes(self.store, Kind::Groups, None)?,
            counts: row.counts(),
        })
    }

    fn damaged(&self, damaged: Damaged) -> Error {
        self.store.damaged(damaged.0)
    }
}
