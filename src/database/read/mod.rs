//! Reading what is stored of days: blocks and their blobs, sets, counts and facts.
//!
//! Owns: [`BlockRow`], [`Reader`]. May import: `block`, `pieces`, `places`, `facts`, `count`, rusqlite, rayon. Must not know:
//! who asks, and what for.
//!
//! SQLite has one connection: bytes are fetched by one thread at a time, and decoded by the thread that asked.

mod day;
mod facts;
mod unstored;

use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, Params, Row, params};

use super::block::{BlockCounts, bytes_of};
use super::pieces::{self, Kind};
use super::places;
use super::{Database, Store};
use crate::error::{Error, Result};
use crate::facts::column::Damaged;
use crate::time::Day;

pub use day::{BlockFacts, PagesOfDay};
pub use facts::Wanted;

pub use super::block::{BlockDecoder, Groups, Items, SectionGroup};
pub(super) use super::block::{ChunkBytes, ItemFactsReader};
pub use super::places::Place;

/// The only dimension so far.
pub(super) const PAGE: u32 = 0;

/// A block, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRow {
    /// Its number, below 2^38. Blocks of a number never change.
    pub id: u64,
    /// Number of its share.
    pub share: i64,
    /// Number of the site.
    pub site: i64,
    /// The day.
    pub day: Day,
    /// Number of the source.
    pub source: i64,
    /// Bit *d*: whether it was counted for dimension *d*.
    pub dimensions: u64,
    /// Distinct visitors.
    pub visitors: u32,
    /// Pages that have facts.
    pub items: u32,
    /// Distinct (page, visitor, minute).
    pub facts: u32,
}

const SELECT: &str = "SELECT block.id, share, site, day, source, dimensions, visitors, items, facts \
                      FROM share JOIN block ON block.share = share.id";

impl BlockRow {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get::<_, i64>(0)?.cast_unsigned(),
            share: row.get(1)?,
            site: row.get(2)?,
            day: Day(row.get(3)?),
            source: row.get(4)?,
            dimensions: row.get::<_, i64>(5)?.cast_unsigned(),
            visitors: row.get(6)?,
            items: row.get(7)?,
            facts: row.get(8)?,
        })
    }

    pub(super) fn counts(&self) -> BlockCounts {
        BlockCounts { visitors: self.visitors, items: self.items, facts: self.facts }
    }

    /// A blob of the block, or a range of its bytes.
    pub(super) fn bytes(
        &self,
        store: Store<'_>,
        kind: Kind,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        pieces::get(store, kind, PAGE, self.id, self.share, range)
    }

    /// The numbers of its visitors, which ascend; a visitor's rank is its index.
    pub(super) fn visitors(
        &self,
        store: Store<'_>,
        decoder: &mut BlockDecoder,
    ) -> Result<Vec<u32>> {
        let bytes = self.bytes(store, Kind::Visitors, None)?;
        decoder.visitors(&bytes, self.counts()).map_err(|damaged| store.damaged(damaged.0))
    }

    /// Its sets of visitors.
    pub(super) fn groups(&self, store: Store<'_>, decoder: &mut BlockDecoder) -> Result<Groups> {
        let bytes = self.bytes(store, Kind::Groups, None)?;
        decoder.groups(&bytes, self.counts()).map_err(|damaged| store.damaged(damaged.0))
    }

    /// The counts of its pages; `sections` are its own.
    pub(super) fn items(
        &self,
        store: Store<'_>,
        sections: &[SectionGroup],
        decoder: &mut BlockDecoder,
    ) -> Result<Items> {
        let bytes = self.bytes(store, Kind::Items, None)?;
        decoder.items(&bytes, self.counts(), sections).map_err(|damaged| store.damaged(damaged.0))
    }
}

fn rows(store: Store<'_>, rest: &str, parameters: impl Params) -> Result<Vec<BlockRow>> {
    let mut statement = store.prepare(&format!("{SELECT} {rest}"))?;
    let rows = statement.query_map(parameters, BlockRow::of).and_then(Iterator::collect);
    rows.map_err(|error| store.fail(&error))
}

/// The blocks of some days of a site, by day, then by source.
pub(super) fn blocks(
    store: Store<'_>,
    site: i64,
    days: RangeInclusive<Day>,
) -> Result<Vec<BlockRow>> {
    rows(
        store,
        "WHERE site = ? AND day BETWEEN ? AND ? ORDER BY day, source, block.id",
        params![site, days.start().0, days.end().0],
    )
}

/// The blocks of a source, by site, then by day.
pub(super) fn blocks_of_source(store: Store<'_>, source: i64) -> Result<Vec<BlockRow>> {
    rows(store, "WHERE source = ? ORDER BY site, day, block.id", [source])
}

/// The blocks of a share, those of the fewest facts first.
pub(super) fn blocks_of_share(store: Store<'_>, share: i64) -> Result<Vec<BlockRow>> {
    rows(store, "WHERE share.id = ? ORDER BY facts, block.id", [share])
}

/// All blocks, by number.
pub(super) fn all_blocks(store: Store<'_>) -> Result<Vec<BlockRow>> {
    rows(store, "ORDER BY block.id", [])
}

/// Chunks that are closer than this are read together: about what a row has.
const NEAR_BYTES: u64 = 64 * 1024;

/// Whether a chunk follows another so closely that they are read together; chunks of one page always are.
fn are_near(one: &ChunkBytes, next: &ChunkBytes) -> bool {
    next.who.start - one.who.end < NEAR_BYTES && next.when.start - one.when.end < NEAR_BYTES
}

/// Numbers of places that are closer than this are read together.
const NEAR: u32 = 16;

fn page_names(store: Store<'_>, places: &[u32]) -> Result<Vec<String>> {
    let mut statement =
        store.prepare("SELECT id, page FROM place WHERE id BETWEEN ? AND ? ORDER BY id")?;
    let mut names = Vec::with_capacity(places.len());
    for near in places.chunk_by(|one, next| next - one < NEAR) {
        let mut rows =
            statement.query([near[0], near[near.len() - 1]]).map_err(|error| store.fail(&error))?;
        let mut left = near;
        while let Some(row) = rows.next().map_err(|error| store.fail(&error))?
            && let [place, after @ ..] = left
        {
            if row.get::<_, i64>(0).is_ok_and(|found| found == i64::from(*place)) {
                names.push(row.get(1).map_err(|error| store.fail(&error))?);
                left = after;
            }
        }
        if let [place, ..] = left {
            return Err(store.damaged(&format!("there is no place {place}")));
        }
    }
    Ok(names)
}

/// Every day.
pub const ALL_DAYS: RangeInclusive<Day> = Day(i32::MIN)..=Day(i32::MAX);

/// Reads days, from several threads.
#[derive(Debug)]
pub struct Reader<'d> {
    connection: Mutex<&'d mut Connection>,
    path: &'d Path,
}

impl Database {
    /// Reads its days.
    pub fn reader(&mut self) -> Reader<'_> {
        Reader { connection: Mutex::new(&mut self.connection), path: &self.path }
    }

    /// The blocks of some days of a site, by day, then by source.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn blocks(&self, site: i64, days: RangeInclusive<Day>) -> Result<Vec<BlockRow>> {
        blocks(self.store(), site, days)
    }

    /// What is not as it was written, in words.
    pub(crate) fn damaged(&self, what: &str) -> Error {
        self.store().damaged(what)
    }

    /// The blocks of a source, by site, then by day.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn blocks_of_source(&self, source: i64) -> Result<Vec<BlockRow>> {
        blocks_of_source(self.store(), source)
    }
}

impl Reader<'_> {
    fn read<T>(&self, read: impl FnOnce(Store<'_>) -> Result<T>) -> Result<T> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        read(Store { connection: &connection, path: self.path })
    }

    fn bytes(&self, block: &BlockRow, kind: Kind, range: Option<Range<u64>>) -> Result<Vec<u8>> {
        self.read(|store| block.bytes(store, kind, range))
    }

    /// What was decoded, or the sentence that it is damaged.
    fn check<T>(&self, result: std::result::Result<T, Damaged>) -> Result<T> {
        result.or_else(|damaged| self.read(|store| Err(store.damaged(damaged.0))))
    }

    /// The numbers of a block's visitors, which ascend; a visitor's rank is its index.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn visitors(&self, block: &BlockRow, decoder: &mut BlockDecoder) -> Result<Vec<u32>> {
        let bytes = self.bytes(block, Kind::Visitors, None)?;
        self.check(decoder.visitors(&bytes, block.counts()))
    }

    /// The sets of visitors of a block.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn groups(&self, block: &BlockRow, decoder: &mut BlockDecoder) -> Result<Groups> {
        let bytes = self.bytes(block, Kind::Groups, None)?;
        self.check(decoder.groups(&bytes, block.counts()))
    }

    /// The sections of a block without their sets.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn sections(
        &self,
        block: &BlockRow,
        decoder: &mut BlockDecoder,
    ) -> Result<Vec<SectionGroup>> {
        let bytes = self.bytes(block, Kind::Groups, None)?;
        self.check(decoder.sections(&bytes, block.counts()))
    }

    /// The counts of a block's pages; `sections` are the block's own.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn items(
        &self,
        block: &BlockRow,
        sections: &[SectionGroup],
        decoder: &mut BlockDecoder,
    ) -> Result<Items> {
        let bytes = self.bytes(block, Kind::Items, None)?;
        self.check(decoder.items(&bytes, block.counts(), sections))
    }

    /// The place and the page views of each of a block's pages, section by section; `sections` are the block's own.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn views(
        &self,
        block: &BlockRow,
        sections: &[SectionGroup],
        decoder: &mut BlockDecoder,
    ) -> Result<(Vec<u32>, Vec<u64>)> {
        let bytes = self.bytes(block, Kind::Items, None)?;
        self.check(decoder.views(&bytes, block.counts(), sections))
    }

    /// Calls `each` with the ranks of the facts of some pages, page by page; those of a large page in several calls. A
    /// visitor of several minutes is there several times. `is_wanted` is asked about indices of `items`.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn who(
        &self,
        block: &BlockRow,
        items: &Items,
        is_wanted: impl Fn(usize) -> bool,
        decoder: &mut BlockDecoder,
        mut each: impl FnMut(usize, &[u32]),
    ) -> Result<()> {
        let chunks = items.chunks(&is_wanted);
        let mut ranks = Vec::new();
        for near in chunks.chunk_by(are_near) {
            let start = near[0].who.start;
            let who = self.bytes(block, Kind::Who, Some(start..near[near.len() - 1].who.end))?;
            for ChunkBytes { chunk, who: range, .. } in near {
                ranks.clear();
                let bytes = bytes_of(&who, range, start).unwrap_or_default();
                self.check(decoder.who(bytes, chunk, items, block.visitors, &mut ranks))?;
                for (index, of_page) in items.pages_of(chunk) {
                    if is_wanted(index) {
                        each(index, &ranks[of_page]);
                    }
                }
            }
        }
        Ok(())
    }

    /// Calls `each` with the index of the page, the rank, the minute of the day and the views of each fact of some pages,
    /// page by page; of a page they ascend by rank and minute. `is_wanted` is asked about indices of `items`.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn facts_of_items(
        &self,
        block: &BlockRow,
        items: &Items,
        is_wanted: impl Fn(usize) -> bool,
        decoder: &mut BlockDecoder,
        mut each: impl FnMut(usize, u32, u16, u64),
    ) -> Result<()> {
        let chunks = items.chunks(&is_wanted);
        for near in chunks.chunk_by(are_near) {
            let (first, last) = (&near[0], &near[near.len() - 1]);
            let who = self.bytes(block, Kind::Who, Some(first.who.start..last.who.end))?;
            let when = self.bytes(block, Kind::When, Some(first.when.start..last.when.end))?;
            let mut reader = ItemFactsReader::new(items, block.visitors, near, &who, &when);
            for index in near.iter().flat_map(ChunkBytes::first_items) {
                if is_wanted(index) {
                    let each = |rank, minute, views| each(index, rank, minute, views);
                    self.check(reader.read_item(index, decoder, each))?;
                }
            }
        }
        Ok(())
    }

    /// What numbers of places mean.
    ///
    /// # Errors
    /// [`Error::Database`], also if there is no such place.
    pub fn places(&self, numbers: &[u32]) -> Result<Vec<Place>> {
        self.read(|store| places::places(store, numbers))
    }

    /// The names of pages, given by ascending places.
    ///
    /// # Errors
    /// [`Error::Database`], also if there is no such place.
    pub fn page_names(&self, places: &[u32]) -> Result<Vec<String>> {
        self.read(|store| page_names(store, places))
    }

    /// The place of a section of a site; `None` if nothing of it was ever counted.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn section_place(&self, site: i64, section: &str) -> Result<Option<u32>> {
        self.place(site, (places::SECTION, section, ""))
    }

    /// The place of a page of a site; `None` if it was never counted.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn page_place(&self, site: i64, section: &str, page: &str) -> Result<Option<u32>> {
        self.place(site, (places::PAGE, section, page))
    }

    fn place(&self, site: i64, name: places::PlaceName<'_>) -> Result<Option<u32>> {
        let numbers = self.read(|store| places::place_numbers(store, site, PAGE, &[name]))?;
        Ok(numbers.into_iter().flatten().next())
    }
}
