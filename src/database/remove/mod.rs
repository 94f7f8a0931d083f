//! Taking facts out: forget, prune, replace, read again.
//!
//! Owns: the steps of *Taking facts out* ("The database format"), within the transaction that the caller has begun. May
//! import: rusqlite, rayon, roaring, its siblings. Must not know: why facts go, when the file is written anew.
//!
//! Numbers are exact afterwards: those of counting without what went. Nothing is left of it in any row; what is left in
//! unused bytes of the file, `rewrite` removes.

mod remake;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Params, params};

use super::block::BlockDecoder;
use super::cells;
use super::ledger::relation::{Relation, relation};
use super::ledger::{self, shares};
use super::periods::Period;
use super::pieces::Kind;
use super::read::{self, BlockRow};
use super::{Database, Store, day_sums, levels, meta, pieces, rewrite};
use crate::error::{Error, Result};
use crate::select::StoredRules;
use crate::source::SourceIdentity;
use crate::time::Day;
use rayon::prelude::*;
use roaring::RoaringBitmap;

/// Days that lose facts, by site.
type Days = BTreeMap<i64, BTreeSet<Day>>;

impl Database {
    /// Takes a source out of all numbers, within the transaction that was begun. Uses the thread pool it is called in.
    ///
    /// # Errors
    /// [`Error::Database`], also if the source has a day that was pruned: nothing must be committed then.
    pub fn forget(&mut self, source: i64) -> Result<()> {
        forget(self.store(), source)
    }

    /// Takes the facts of all days before one out, within the transaction that was begun; their cells stay. Returns the
    /// number of days that had any: if there is none, there is nothing to commit. Uses the thread pool it is called in.
    ///
    /// # Errors
    /// [`Error::Database`]: nothing must be committed then.
    pub fn prune(&mut self, before: Day) -> Result<u64> {
        prune(self.store(), before)
    }
}

fn forget(store: Store<'_>, source: i64) -> Result<()> {
    let version = meta::next_version(store)?;
    let days = delete_shares(store, source)?;
    store.execute("DELETE FROM source WHERE id = ?", [source])?;
    for (&site, days) in &days {
        remake::days_and_periods(store, site, days, version)?;
    }
    remake::all_time(store, &days)?;
    finish(store)
}

/// Takes the facts of a source out that is counted anew in the same transaction, whose version is known. Its row stays, and
/// so do visitors and places that only these facts had.
pub(super) fn take_out_facts(store: Store<'_>, source: i64, version: i64) -> Result<()> {
    let days = delete_shares(store, source)?;
    for (&site, days) in &days {
        remake::days_and_periods(store, site, days, version)?;
    }
    remake::all_time(store, &days)
}

/// Takes all of some sites out: their facts, their sources, their cells. They keep their numbers. Returns their days, which
/// are to get the version of the transaction, so that stores learn that they are empty.
///
/// # Errors
/// [`Error::Database`], also if a source has facts of another site, too.
pub(super) fn take_out_sites(store: Store<'_>, sites: &BTreeSet<i64>) -> Result<Vec<(i64, Day)>> {
    let mut sources = BTreeSet::new();
    for &site in sites {
        let of_site = "SELECT DISTINCT source FROM share WHERE site = ?";
        sources.extend(column(store, of_site, [site])?);
    }
    for &source in &sources {
        refuse_other_sites(store, source, sites)?;
        for block in read::blocks_of_source(store, source)? {
            pieces::delete(store, block.id)?;
        }
        store.execute("DELETE FROM share WHERE source = ?", [source])?;
        store.execute("DELETE FROM source WHERE id = ?", [source])?;
    }
    let all_sites = column(store, "SELECT id FROM site", [])?;
    if all_sites.iter().all(|site| sites.contains(site)) {
        // SQLite empties a table at once, and deletes millions of rows in seconds.
        store.execute("DELETE FROM cell", [])?;
    }
    let mut days = Vec::new();
    for &site in sites {
        let of_site = column(store, "SELECT day FROM day WHERE site = ? ORDER BY day", [site])?;
        days.extend(of_site.into_iter().map(|day| (site, day_of(day))));
        for granularity in cells::DAY..=cells::ALL {
            cells::delete(store, site, granularity, i64::MIN..=i64::MAX)?;
        }
        store.execute("UPDATE day SET sums = '' WHERE site = ?", [site])?;
        store.execute("UPDATE site SET pruned_before = NULL WHERE id = ?", [site])?;
    }
    remake::all_time(store, &sites.iter().map(|&site| (site, BTreeSet::new())).collect())?;
    finish(store)?;
    Ok(days)
}

/// Takes a source out of the ledger that has no line of any site, because all of them were left out: other rules may keep
/// them. Says whether there was one.
pub(super) fn take_out_empty_source(store: Store<'_>, identity: &SourceIdentity) -> Result<bool> {
    let mut is_changed = false;
    for source in ledger::candidates(store, &identity.beginnings)? {
        let is_it = relation(&source, identity) != Relation::Different;
        if is_it && shares::of_source(store, source.number)?.is_empty() {
            store.execute("DELETE FROM source WHERE id = ?", [source.number])?;
            is_changed = true;
        }
    }
    Ok(is_changed)
}

/// Gives a site that was taken out the rules of the run.
pub(super) fn set_rules(
    store: Store<'_>,
    site: i64,
    rules: &StoredRules,
    is_named: bool,
) -> Result<()> {
    store.execute(
        "UPDATE site SET rules = ?, is_named = ? WHERE id = ?",
        params![rules.text(), is_named, site],
    )?;
    Ok(())
}

fn prune(store: Store<'_>, before: Day) -> Result<u64> {
    let mut lost = Days::new();
    for block in old_blocks(store, before)? {
        lost.entry(block.site).or_default().insert(block.day);
        pieces::delete(store, block.id)?;
    }
    if lost.is_empty() {
        return Ok(0);
    }
    let version = meta::next_version(store)?;
    for (&site, days) in &lost {
        for &day in days {
            day_sums::empty(store, site, day, version)?;
        }
        shares::empty_samples(store, site, before)?;
        store.execute(
            "UPDATE site SET pruned_before = max(ifnull(pruned_before, ?1), ?1) WHERE id = ?2",
            params![before.0, site],
        )?;
        // Those that are over keep their cells. Of these two the unique visitors can no longer be told.
        for period in [Period::week(before), Period::month(before)] {
            if period.is_cut(Some(before)) {
                cells::delete(store, site, period.granularity, period.bucket..=period.bucket)?;
            }
        }
    }
    remake::all_time(store, &lost)?;
    finish(store)?;
    Ok(lost.values().map(|days| days.len() as u64).sum())
}

/// What all have in common that take facts out for good: nobody and nothing stays who has no fact and no cell any more.
fn finish(store: Store<'_>) -> Result<()> {
    let visitors = all_visitors(store)?;
    levels::retain_visitors(store, |number| visitors.contains(number))?;
    cells::delete_names_without_cells(store)?;
    rewrite::set_due(store)
}

/// Deletes the shares of a source with their facts. Returns the days that had facts or hits of it.
fn delete_shares(store: Store<'_>, source: i64) -> Result<Days> {
    refuse_pruned_days(store, source)?;
    let mut days = Days::new();
    for block in read::blocks_of_source(store, source)? {
        days.entry(block.site).or_default().insert(block.day);
        pieces::delete(store, block.id)?;
    }
    store.execute("DELETE FROM share WHERE source = ?", [source])?;
    Ok(days)
}

/// A source some of whose days were pruned cannot be taken out of their cells.
fn refuse_pruned_days(store: Store<'_>, source: i64) -> Result<()> {
    let pruned = store
        .prepare(
            "SELECT pruned_before FROM share JOIN site ON site.id = share.site \
             WHERE source = ? AND day < pruned_before LIMIT 1",
        )?
        .query_row([source], |row| row.get(0).map(Day))
        .optional()
        .map_err(|error| store.fail(&error))?;
    let Some(pruned) = pruned else { return Ok(()) };
    Err(refuse(
        store,
        format!(
            "the source has days before {pruned}, whose facts were pruned, so it cannot be taken out of their numbers any \
             more; nothing was changed"
        ),
    ))
}

/// A source of several sites cannot be taken out of one of them: what is left would be another source.
fn refuse_other_sites(store: Store<'_>, source: i64, sites: &BTreeSet<i64>) -> Result<()> {
    for (other, _) in shares::of_source(store, source)? {
        if sites.contains(&other) {
            continue;
        }
        let name: String = store
            .prepare("SELECT name FROM site WHERE id = ?")?
            .query_row([other], |row| row.get(0))
            .map_err(|error| store.fail(&error))?;
        let source = ledger::source(store, source)?.ok_or_else(|| store.damaged("ledger"))?;
        return Err(refuse(
            store,
            format!(
                "source {} ({:?}) has lines of site {name:?}, too, which is not among the sites of this run; replace both \
                 in one run, or forget the source first. Nothing was changed",
                source.short_id, source.name
            ),
        ));
    }
    Ok(())
}

fn refuse(store: Store<'_>, reason: String) -> Error {
    Error::Database { path: store.path.to_owned(), reason }
}

/// The numbers of all who have a fact, anywhere. This is the question that needs all sets of the database.
fn all_visitors(store: Store<'_>) -> Result<RoaringBitmap> {
    let mut all = RoaringBitmap::new();
    for blocks in read::all_blocks(store)?.chunks(BATCH_BLOCKS) {
        let bytes =
            blocks.iter().map(|block| Ok((block, block.bytes(store, Kind::Visitors, None)?)));
        let bytes: Vec<(&BlockRow, Vec<u8>)> = bytes.collect::<Result<_>>()?;
        let sets = bytes.par_iter().map_init(BlockDecoder::default, |decoder, (block, bytes)| {
            let numbers = decoder.visitors(bytes, block.counts()).ok()?;
            RoaringBitmap::from_sorted_iter(numbers).ok()
        });
        let sets: Option<Vec<RoaringBitmap>> = sets.collect();
        for set in sets.ok_or_else(|| store.damaged("visitors of a day"))? {
            all |= set;
        }
    }
    Ok(all)
}

/// Number of blocks that are decoded together.
const BATCH_BLOCKS: usize = 32;

/// The blocks of all days before one.
fn old_blocks(store: Store<'_>, before: Day) -> Result<Vec<BlockRow>> {
    let mut blocks = read::all_blocks(store)?;
    blocks.retain(|block| block.day < before);
    Ok(blocks)
}

fn column(store: Store<'_>, sql: &str, parameters: impl Params) -> Result<Vec<i64>> {
    let mut statement = store.prepare(sql)?;
    let rows = statement.query_map(parameters, |row| row.get(0)).and_then(Iterator::collect);
    rows.map_err(|error| store.fail(&error))
}

fn day_of(number: i64) -> Day {
    // Days have 32 bits.
    Day(i32::try_from(number).unwrap_or_default())
}
