//! The new facts of a run, day by day: blocks, cells, sums, weeks, months and all time.
//!
//! Owns: [`Days`]. May import: `count`, `change`, `periods`, `stored`, `merge`, `pieces`, `cells`, `levels`, rayon. Must not
//! know: sources, the ledger.
//!
//! Days that have no facts yet are worked out in parallel, many at a time, while those before them are written. A day that
//! has facts is read, and worked out on its own.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use rusqlite::{OptionalExtension, params};

use super::content::content;
use super::fates::Accepted;
use super::numbers::Numbers;
use super::{Batch, Site, finest};
use crate::count::Facts;
use crate::database::block::{BlockContent, EncodedBlock, encode};
use crate::database::cells::{self, CellChange};
use crate::database::change::content::merge;
use crate::database::change::{DayChange, SiteDay, StoredDay, change_day};
use crate::database::day_sums::{self, DaySums};
use crate::database::ledger::shares;
use crate::database::merge::BlockMerger;
use crate::database::periods::{AllTime, Periods};
use crate::database::stored::{StoredBlocks, StoredPeriods};
use crate::database::{Store, levels, meta, pieces, read};
use crate::error::Result;
use crate::facts::column::ColumnEncoder;
use crate::facts::{DayFacts, DayKey, ShareKey, ShareSums};
use crate::time::{Day, Granularity};

/// Number of facts of the days that are worked out together.
const BATCH_FACTS: usize = 512 * 1024;
/// Number of pairs of places and visitors that are looked up together in all time.
const BATCH_PAIRS: u64 = 8 * 1024 * 1024;

/// Stores the facts of accepted sources.
pub(super) struct Days<'b> {
    computation: Computation<'b>,
    writer: Writer<'b>,
    /// The shares that have facts.
    keys: Vec<ShareKey>,
}

impl<'b> Days<'b> {
    /// Writes the rows of all shares. `version` is that of the transaction.
    pub(super) fn new(
        store: Store<'b>,
        batch: &'b Batch<'b>,
        accepted: &[Accepted<'_>],
        sites: &'b BTreeMap<u32, Site>,
        numbers: &'b Numbers,
        version: i64,
    ) -> Result<Self> {
        let source = |number: u32| {
            let found = accepted.binary_search_by_key(&number, |one| one.scanned.number);
            found.ok().map(|index| accepted[index].source.number)
        };
        let has_site = |key: &ShareKey| sites.contains_key(&key.site);
        let keys: Vec<ShareKey> = batch.facts.shares().filter(has_site).collect();
        let all: BTreeSet<ShareKey> =
            batch.shares.keys().copied().filter(has_site).chain(keys.iter().copied()).collect();
        let none = ShareSums::default();
        let mut rows = BTreeMap::new();
        for key in all {
            let Some(source) = source(key.source) else { continue };
            let ShareSums { hits, sample } = batch.shares.get(&key).unwrap_or(&none);
            let site = sites[&key.site].number;
            rows.insert(key, shares::add(store, (site, key.day, source), hits, sample)?);
        }
        let keys = keys.into_iter().filter(|key| rows.contains_key(key)).collect();
        let first_new_block = meta::get(store, meta::NEXT_BLOCK)?.unwrap_or(1).cast_unsigned();
        let writer = Writer {
            store,
            sites,
            numbers,
            version,
            first_new_block,
            rows,
            merger: BlockMerger::default(),
            grown: Vec::new(),
            periods: None,
            all_time: Vec::new(),
        };
        let finest = finest::get(store)?;
        Ok(Self { computation: Computation { batch, sites, numbers, finest }, writer, keys })
    }

    /// Stores all facts.
    pub(super) fn store_all(self) -> Result<()> {
        let Self { computation, mut writer, keys } = self;
        let first_days = writer.first_days(&keys)?;
        let is_new =
            |key: &ShareKey| first_days.contains(&(writer.sites[&key.site].number, key.day));
        let mut steps = steps(&keys, computation.batch.facts, is_new).into_iter().peekable();
        let mut next: Option<Result<WorkedOut>> = None;
        while let Some(step) = steps.next() {
            let worked_out = match (next.take(), step) {
                (Some(worked_out), _) => worked_out?,
                (None, Step::New(keys)) => computation.new_days(keys)?,
                (None, Step::Stored(keys)) => writer.stored_day(&computation, keys)?,
            };
            rayon::in_place_scope(|scope| {
                if let Some(&Step::New(keys)) = steps.peek() {
                    let (next, computation) = (&mut next, &computation);
                    scope.spawn(move |_| *next = Some(computation.new_days(keys)));
                }
                writer.write(worked_out)
            })?;
        }
        writer.finish()?;
        first_days.into_iter().try_for_each(|(site, day)| writer.settle_before(site, day))
    }
}

/// The shares `keys` by what is worked out together.
fn steps<'k>(
    keys: &'k [ShareKey],
    facts: &Facts,
    is_new: impl Fn(&ShareKey) -> bool,
) -> Vec<Step<'k>> {
    let mut steps = Vec::new();
    let (mut start, mut end, mut batch) = (0, 0, 0);
    for of_day in keys.chunk_by(|one, other| one.of_day() == other.of_day()) {
        let is_new = is_new(&of_day[0]);
        let more: usize = of_day.iter().map(|key| facts.share_len(*key)).sum();
        if (!is_new || batch + more > BATCH_FACTS) && start < end {
            steps.push(Step::New(&keys[start..end]));
            (start, batch) = (end, 0);
        }
        end += of_day.len();
        batch += more;
        if !is_new {
            steps.push(Step::Stored(of_day));
            (start, batch) = (end, 0);
        }
    }
    if start < end {
        steps.push(Step::New(&keys[start..end]));
    }
    steps
}

/// What is worked out together.
#[derive(Clone, Copy, Debug)]
enum Step<'k> {
    /// Days that have no facts yet.
    New(&'k [ShareKey]),
    /// A day that has facts.
    Stored(&'k [ShareKey]),
}

/// What new facts of some days become.
struct WorkedOut {
    /// The rises of cells, sorted.
    cells: Vec<CellChange>,
    blocks: Vec<(ShareKey, EncodedBlock)>,
    sums: Vec<(DayKey, DaySums)>,
    /// By the run's number of the site: the first day, and the weeks and months of all.
    sites: Vec<(u32, Day, Periods)>,
}

/// What new facts of a day become.
struct WorkedOutDay {
    key: DayKey,
    blocks: Vec<(ShareKey, EncodedBlock)>,
    change: DayChange,
}

/// What is worked out without the database.
struct Computation<'b> {
    batch: &'b Batch<'b>,
    sites: &'b BTreeMap<u32, Site>,
    numbers: &'b Numbers,
    finest: Granularity,
}

impl Computation<'_> {
    /// Works out days that have no facts yet; `keys` are all their shares.
    fn new_days(&self, keys: &[ShareKey]) -> Result<WorkedOut> {
        let loaded = self.batch.facts.load(keys);
        let mut rest = &loaded[..];
        let days: Vec<(&[ShareKey], &[_])> = keys
            .chunk_by(|one, other| one.of_day() == other.of_day())
            .map(|keys| {
                let (now, later) = rest.split_at(keys.len());
                rest = later;
                (keys, now)
            })
            .collect();
        let days = days.par_iter().map_init(ColumnEncoder::default, |encoder, (keys, pieces)| {
            let pieces: Vec<&[DayFacts]> = pieces.iter().map(|pieces| &pieces[..]).collect();
            let (blocks, content) = self.blocks(keys, &pieces, encoder)?;
            let change = self.change(keys[0].of_day(), &content, None)?;
            Ok(WorkedOutDay { key: keys[0].of_day(), blocks, change })
        });
        Ok(self.together(days.collect::<Result<_>>()?))
    }

    /// What some days become together.
    fn together(&self, mut days: Vec<WorkedOutDay>) -> WorkedOut {
        let cells = days.iter_mut().flat_map(|day| std::mem::take(&mut day.change.cells));
        let mut cells: Vec<CellChange> = cells.collect();
        cells.par_sort_unstable_by_key(CellChange::key);
        let sites = days.chunk_by(|one, other| one.key.site == other.key.site).map(|days| {
            let DayKey { site, day } = days[0].key;
            let groups = days.iter().map(|day| (day.key.day, &day.change.groups[..]));
            let pruned_before = self.sites[&site].pruned_before;
            (site, day, Periods::of(self.numbers.sites[&site].site, pruned_before, groups))
        });
        let sites = sites.collect();
        let (mut blocks, mut sums) = (Vec::new(), Vec::new());
        for day in days {
            blocks.extend(day.blocks);
            sums.push((day.key, day.change.sums));
        }
        WorkedOut { cells, blocks, sums, sites }
    }

    /// The blocks of some shares of a day, and the facts of all together.
    fn blocks(
        &self,
        keys: &[ShareKey],
        pieces: &[&[DayFacts]],
        encoder: &mut ColumnEncoder,
    ) -> Result<(Vec<(ShareKey, EncodedBlock)>, BlockContent)> {
        let places = &self.numbers.sites[&keys[0].site];
        let make = |encoder: &mut ColumnEncoder, pieces: &&[DayFacts]| {
            let content = content(pieces, &self.numbers.visitors, places);
            Ok((encode(&content, encoder)?, content))
        };
        let made: Vec<(EncodedBlock, BlockContent)> = match pieces {
            [pieces] => vec![make(encoder, pieces)?],
            _ => {
                let made = pieces.par_iter().map_init(ColumnEncoder::default, make);
                made.collect::<Result<_>>()?
            }
        };
        let (blocks, contents): (Vec<_>, Vec<_>) = made.into_iter().unzip();
        Ok((keys.iter().copied().zip(blocks).collect(), merge(contents)))
    }

    fn change(
        &self,
        key: DayKey,
        content: &BlockContent,
        stored: Option<StoredDay<'_>>,
    ) -> Result<DayChange> {
        let site = SiteDay { day: key.day, place: self.numbers.sites[&key.site].site };
        let is_stored = |level, granularity| finest::is_stored(self.finest, level, granularity);
        change_day(site, content, stored, &is_stored)
    }
}

/// What is read and written.
struct Writer<'b> {
    store: Store<'b>,
    sites: &'b BTreeMap<u32, Site>,
    numbers: &'b Numbers,
    version: i64,
    first_new_block: u64,
    /// The rows of the shares.
    rows: BTreeMap<ShareKey, shares::Added>,
    merger: BlockMerger,
    /// Blocks of shares that have others. Those are needed as they are until the weeks and months are finished.
    grown: Vec<(i64, EncodedBlock)>,
    /// The run's number of the site at hand, and its periods.
    periods: Option<(u32, Periods)>,
    all_time: Vec<AllTime>,
}

impl Writer<'_> {
    /// The days that have no facts yet, by the database's number of the site.
    fn first_days(&self, keys: &[ShareKey]) -> Result<BTreeSet<(i64, Day)>> {
        let mut has_facts = self.store.prepare(
            "SELECT EXISTS (SELECT 1 FROM share JOIN block ON block.share = share.id WHERE site = ? AND day = ?)",
        )?;
        let mut days = BTreeSet::new();
        for keys in keys.chunk_by(|one, other| one.of_day() == other.of_day()) {
            let (site, day) = (self.sites[&keys[0].site].number, keys[0].day);
            let has_facts = has_facts.query_row(params![site, day.0], |row| row.get(0));
            if !has_facts.map_err(|error| self.store.fail(&error))? {
                days.insert((site, day));
            }
        }
        Ok(days)
    }

    /// Works out a day that has facts; `keys` are its shares.
    fn stored_day(&self, computation: &Computation<'_>, keys: &[ShareKey]) -> Result<WorkedOut> {
        let key = keys[0].of_day();
        let loaded = computation.batch.facts.load(keys);
        let pieces: Vec<&[DayFacts]> = loaded.iter().map(|pieces| &pieces[..]).collect();
        let (blocks, content) = computation.blocks(keys, &pieces, &mut ColumnEncoder::default())?;
        drop(loaded);
        let site = self.sites[&key.site].number;
        let rows = read::blocks(self.store, site, key.day..=key.day)?;
        let sums = day_sums::get(self.store, site, key.day)?;
        let sums = sums.ok_or_else(|| self.store.damaged("sums of a day"))?;
        let mut stored = StoredBlocks::new(self.store, rows);
        let stored = StoredDay { sums, blocks: &mut stored };
        let change = computation.change(key, &content, Some(stored))?;
        Ok(computation.together(vec![WorkedOutDay { key, blocks, change }]))
    }

    /// Writes days; those of a site come in order.
    fn write(&mut self, worked_out: WorkedOut) -> Result<()> {
        let WorkedOut { cells, blocks, sums, sites } = worked_out;
        cells::add_cells(self.store, &cells)?;
        drop(cells);
        for (key, block) in blocks {
            let row = self.rows[&key];
            if row.is_new {
                let number = meta::take_next(self.store, meta::NEXT_BLOCK, 1)?;
                pieces::put(self.store, row.share, read::PAGE, number, &block)?;
            } else {
                self.grown.push((row.share, block));
            }
        }
        for (key, sums) in sums {
            let site = self.sites[&key.site].number;
            day_sums::put(self.store, site, key.day, self.version, &sums)?;
        }
        for (site, first, more) in sites {
            if self.periods.as_ref().is_some_and(|(before, _)| *before != site) {
                self.finish_site()?;
            }
            self.finish_periods(Some(first))?;
            match &mut self.periods {
                Some((_, periods)) => periods.add(more),
                None => self.periods = Some((site, more)),
            }
        }
        Ok(())
    }

    /// Writes the cells of the weeks and months that are over on `day`.
    fn finish_periods(&mut self, day: Option<Day>) -> Result<()> {
        let Some((site, periods)) = &mut self.periods else { return Ok(()) };
        let number = self.sites[site].number;
        let mut stored = StoredPeriods::new(self.store, number, self.first_new_block);
        let changes = periods.finish_before(day, &mut stored)?;
        cells::add_cells(self.store, &changes)
    }

    /// Writes the cells of all weeks and months of the site at hand.
    fn finish_site(&mut self) -> Result<()> {
        self.finish_periods(None)?;
        if let Some((_, periods)) = self.periods.take() {
            self.all_time.push(periods.finish_all());
        }
        if self.all_time.iter().map(AllTime::pair_count).sum::<u64>() >= BATCH_PAIRS {
            self.finish_all_time()?;
        }
        Ok(())
    }

    /// Writes the cells of all time, and who was seen.
    fn finish_all_time(&mut self) -> Result<()> {
        let all_time = std::mem::take(&mut self.all_time);
        let mut pairs: Vec<u64> = all_time.iter().flat_map(AllTime::pairs).collect();
        pairs.par_sort_unstable();
        // Whoever is new to the database was never seen anywhere.
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is the visitor")]
        let is_known = |pair: &u64| (*pair as u32) < self.numbers.first_new_visitor;
        let known: Vec<u64> = pairs.iter().copied().filter(is_known).collect();
        let mut seen = levels::seen(self.store, &known)?.into_iter();
        drop(known);
        pairs.retain(|pair| !is_known(pair) || seen.next() == Some(false));
        levels::insert_seen(self.store, &pairs)?;
        let mut changes: Vec<CellChange> =
            all_time.iter().flat_map(|site| site.changes(&pairs)).collect();
        changes.sort_unstable_by_key(CellChange::key);
        cells::add_cells(self.store, &changes)
    }

    /// Writes what had to wait for all days.
    fn finish(&mut self) -> Result<()> {
        self.finish_site()?;
        self.finish_all_time()?;
        for (share, block) in std::mem::take(&mut self.grown) {
            let number = meta::take_next(self.store, meta::NEXT_BLOCK, 1)?;
            self.merger.settle(self.store, share, block, number)?;
        }
        Ok(())
    }

    /// Merges the blocks of the latest day that the site had before its day `day` got its first facts: it is over.
    fn settle_before(&mut self, site: i64, day: Day) -> Result<()> {
        let sql = "SELECT day, id FROM share WHERE site = ? AND day < ? \
                   AND EXISTS (SELECT 1 FROM block WHERE block.share = share.id) ORDER BY day DESC LIMIT 1";
        let before: Option<i32> = self
            .store
            .prepare(sql)?
            .query_row(params![site, day.0], |row| row.get(0))
            .optional()
            .map_err(|error| self.store.fail(&error))?;
        match before {
            Some(before) => self.merger.settle_day(self.store, site, Day(before)),
            None => Ok(()),
        }
    }
}
