//! Making cells again from the facts that are left.
//!
//! Owns: [`days_and_periods`], [`all_time`]. May import: what its parent may. Must not know: what went, and why.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use roaring::RoaringBitmap;

use super::super::block::{BlockDecoder, Groups};
use super::super::cells::{self, CellChange};
use super::super::change::{GroupChange, SiteDay, walk_day};
use super::super::ingest::finest;
use super::super::periods::Period;
use super::super::pieces::Kind;
use super::super::read::{self, BlockRow, PAGE};
use super::super::stored::StoredBlocks;
use super::super::{Store, day_sums, levels, places};
use super::{BATCH_BLOCKS, Days};
use crate::error::Result;
use crate::facts::chunks::Damaged;
use crate::time::{Day, MINUTES_A_DAY};

/// Makes the cells of a site's days that lost facts again, and those of their weeks and months. `version` is that of the
/// transaction.
pub(super) fn days_and_periods(
    store: Store<'_>,
    site: i64,
    days: &BTreeSet<Day>,
    version: i64,
) -> Result<()> {
    let Some(place) = site_place(store, site)? else { return Ok(()) };
    for &day in days {
        remake_day(store, site, SiteDay { day, place }, version)?;
    }
    remake_periods(store, site, place, days)
}

fn remake_day(store: Store<'_>, site: i64, of: SiteDay, version: i64) -> Result<()> {
    for granularity in [cells::DAY, cells::HOUR, cells::MINUTE] {
        let first = cells::bucket_of(granularity, of.day, 0);
        let last = cells::bucket_of(granularity, of.day, MINUTES_A_DAY - 1);
        cells::delete(store, site, granularity, first..=last)?;
    }
    let rows = read::blocks(store, site, of.day..=of.day)?;
    if rows.is_empty() {
        return day_sums::empty(store, site, of.day, version);
    }
    let finest = finest::get(store)?;
    let is_stored = |level, granularity| finest::is_stored(finest, level, granularity);
    let change = walk_day(of, &mut StoredBlocks::new(store, rows), &is_stored)?;
    cells::add_cells(store, &change.cells)?;
    day_sums::put(store, site, of.day, version, &change.sums)
}

/// The weeks and months of some days become unions of the sets that are left.
fn remake_periods(store: Store<'_>, site: i64, place: u32, days: &BTreeSet<Day>) -> Result<()> {
    let pruned_before = pruned_before(store, site)?;
    let mut periods: Vec<Period> =
        days.iter().flat_map(|&day| [Period::week(day), Period::month(day)]).collect();
    periods.sort_unstable_by(|one, other| (one.first, one).cmp(&(other.first, other)));
    periods.dedup();
    for period in &periods {
        cells::delete(store, site, period.granularity, period.bucket..=period.bucket)?;
    }
    periods.retain(|period| !period.is_cut(pruned_before));
    let mut rest = &periods[..];
    while let [first, ..] = rest {
        // Those that overlap are made together, so that a block is read once.
        let (mut end, mut count) = (first.end, 0);
        while let Some(period) = rest.get(count).filter(|period| period.first < end) {
            end = end.max(period.end);
            count += 1;
        }
        let (now, later) = rest.split_at(count);
        let blocks = read::blocks(store, site, first.first..=Day(end.0.saturating_sub(1)))?;
        let mut unions = vec![Union::new(); count];
        add_groups(store, place, &blocks, |day, groups| {
            for (_, union) in now.iter().zip(&mut unions).filter(|(period, _)| period.has(day)) {
                add(union, &groups);
            }
        })?;
        for (period, union) in now.iter().zip(&unions) {
            cells::add_cells(store, &cells_of(union, period.granularity, period.bucket, place))?;
        }
        rest = later;
    }
    Ok(())
}

/// Makes who was seen at some sites, and their cells of all time, again.
pub(super) fn all_time(store: Store<'_>, sites: &Days) -> Result<()> {
    let places = places::of_sites(store, sites.keys().copied())?;
    let is_kept = |pair: u64| u32::try_from(pair >> 32).is_ok_and(|place| !places.contains(place));
    levels::retain_seen(store, is_kept)?;
    for &site in sites.keys() {
        cells::delete(store, site, cells::ALL, 0..=0)?;
        let Some(place) = site_place(store, site)? else { continue };
        let mut union = Union::new();
        let blocks = read::blocks(store, site, read::ALL_DAYS)?;
        add_groups(store, place, &blocks, |_, groups| add(&mut union, &groups))?;
        cells::add_cells(store, &cells_of(&union, cells::ALL, 0, place))?;
        let pairs = union.iter().flat_map(|(&place, (_, visitors))| {
            visitors.iter().map(move |visitor| u64::from(place) << 32 | u64::from(visitor))
        });
        levels::insert_seen(store, &pairs.collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Views and visitors of the site and its sections, by place.
type Union = BTreeMap<u32, (u64, RoaringBitmap)>;

fn add(union: &mut Union, groups: &[GroupChange]) {
    for group in groups {
        let (pv, visitors) = union.entry(group.place).or_default();
        *pv = pv.saturating_add(group.pv);
        *visitors |= &group.visitors;
    }
}

fn cells_of(union: &Union, granularity: u8, bucket: i64, site_place: u32) -> Vec<CellChange> {
    let cell = |(&place, (pv, visitors)): (&u32, &(u64, RoaringBitmap))| {
        let level = if place == site_place { places::SITE } else { places::SECTION };
        CellChange { granularity, level, bucket, place, pv: *pv, uv: visitors.len() }
    };
    union.iter().map(cell).collect()
}

/// Calls `add` with the day of each block, in order, and who was on the site and in its sections.
fn add_groups(
    store: Store<'_>,
    site_place: u32,
    blocks: &[BlockRow],
    mut add: impl FnMut(Day, Vec<GroupChange>),
) -> Result<()> {
    for blocks in blocks.chunks(BATCH_BLOCKS) {
        let bytes = blocks.iter().map(|block| {
            let visitors = block.bytes(store, Kind::Visitors, None)?;
            Ok((visitors, block.bytes(store, Kind::Groups, None)?))
        });
        let bytes: Vec<(Vec<u8>, Vec<u8>)> = bytes.collect::<Result<_>>()?;
        let groups = blocks.par_iter().zip(&bytes).map_init(
            BlockDecoder::default,
            |decoder, (block, (visitors, groups))| {
                let visitors = decoder.visitors(visitors, block.counts())?;
                let groups = decoder.groups(groups, block.counts())?;
                group_changes(site_place, &visitors, &groups)
            },
        );
        let groups: std::result::Result<Vec<_>, Damaged> = groups.collect();
        let groups = groups.map_err(|damaged| store.damaged(damaged.0))?;
        for (block, groups) in blocks.iter().zip(groups) {
            add(block.day, groups);
        }
    }
    Ok(())
}

/// The sets of a block with numbers of visitors.
fn group_changes(
    site_place: u32,
    visitors: &[u32],
    groups: &Groups,
) -> std::result::Result<Vec<GroupChange>, Damaged> {
    let set = |ranks: &[u32]| {
        let numbers = ranks.iter().map(|&rank| visitors[rank as usize]);
        RoaringBitmap::from_sorted_iter(numbers).map_err(|_| Damaged("visitors of sections"))
    };
    let site = match &groups.site_ranks {
        Some(ranks) => set(ranks)?,
        None => RoaringBitmap::from_sorted_iter(visitors.iter().copied())
            .map_err(|_| Damaged("visitors of a day"))?,
    };
    let site = GroupChange { place: site_place, pv: groups.pv, visitors: site };
    let sections = groups.sections().map(|(section, ranks)| {
        Ok(GroupChange { place: section.place, pv: section.pv, visitors: set(ranks)? })
    });
    std::iter::once(Ok(site)).chain(sections).collect()
}

/// The place of a site; `None` if it has no cell.
fn site_place(store: Store<'_>, site: i64) -> Result<Option<u32>> {
    let places = places::place_numbers(store, site, PAGE, &[(places::SITE, "", "")])?;
    Ok(places.into_iter().flatten().next())
}

fn pruned_before(store: Store<'_>, site: i64) -> Result<Option<Day>> {
    let mut statement = store.prepare("SELECT pruned_before FROM site WHERE id = ?")?;
    let day = statement.query_row([site], |row| row.get::<_, Option<i32>>(0));
    Ok(day.map_err(|error| store.fail(&error))?.map(Day))
}
