//! New visitors against returning ones.
//!
//! Owns: [`new_visitors`]. May import: what its parent may. Must not know: how the days' visitors were found.

use std::collections::{BTreeMap, BTreeSet};

use roaring::RoaringBitmap;

use super::Scope;
use crate::count::Visitors;
use crate::database::{Database, StoredBlock};
use crate::error::Result;
use crate::facts::{DayKey, day_block};
use crate::query::summary::NewVisitors;
use crate::time::Day;

/// So many blocks' visitors are held at once.
const BATCH: usize = 32;

/// How many of each day's visitors were on the site on no earlier day of the database. `knows_all` tells of which days
/// all visitors are in `days`; the others that come before are read.
pub(super) fn new_visitors(
    database: &mut Database,
    scope: &Scope,
    days: &BTreeMap<DayKey, RoaringBitmap>,
    knows_all: impl Fn(Day) -> bool,
    visitors: &Visitors,
) -> Result<Vec<NewVisitors>> {
    let mut rows = Vec::new();
    for (site, number) in scope.sites.iter().zip(0_u32..) {
        let of_site = |day: Day| days.get(&DayKey { site: number, day });
        let Some(last) = days.keys().filter(|key| key.site == number).map(|key| key.day).max()
        else {
            continue;
        };
        let is_known = |day: Day| knows_all(day) && of_site(day).is_some();
        let is_unread = |block: &&StoredBlock| {
            block.site == site.number && block.day < last && !is_known(block.day)
        };
        let unread: Vec<StoredBlock> = scope.all.iter().filter(is_unread).copied().collect();
        let mut others: BTreeMap<Day, RoaringBitmap> = BTreeMap::new();
        for blocks in unread.chunks(BATCH) {
            let found = database.map_blocks(blocks, |block, bytes, decoder| {
                let hashes = day_block::visitors(bytes, decoder)?;
                let mut known: Vec<u32> =
                    hashes.into_iter().filter_map(|hash| visitors.find(hash)).collect();
                known.sort_unstable();
                let set = RoaringBitmap::from_sorted_iter(known);
                Ok((block.day, set.expect("sorted, and each visitor once")))
            })?;
            for (day, found) in found {
                *others.entry(day).or_default() |= found;
            }
        }
        let mut seen = RoaringBitmap::new();
        let known = days.keys().filter(|key| key.site == number).map(|key| key.day);
        for day in known.chain(others.keys().copied()).collect::<BTreeSet<Day>>() {
            if let Some(visitors) = of_site(day).filter(|visitors| !visitors.is_empty()) {
                let new = visitors.difference_len(&seen);
                let returning = visitors.len() - new;
                rows.push(NewVisitors { site: site.name.clone(), day, new, returning });
                seen |= visitors;
            }
            if let Some(visitors) = others.get(&day) {
                seen |= visitors;
            }
        }
    }
    Ok(rows)
}
