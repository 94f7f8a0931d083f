//! Unique visitors of weeks, months and all time: how much they rise by new facts.
//!
//! Owns: [`Periods`], [`StoredSets`], which period a day is in. May import: `time`, roaring, rayon, its siblings' sets.
//! Must not know: facts, how cells are written.
//!
//! Let A be the visitors of new facts in a period, at the site or in a section. The visitors of the blocks that were there
//! are taken out of A; what is left is new. Which blocks were there before does not change while a commit adds others, so
//! a period can be finished as soon as all its new days are known.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;
use roaring::{MultiOps, RoaringBitmap};

use super::block::{BlockCounts, BlockDecoder, Groups};
use super::cells::{ALL, CellChange, MONTH, WEEK, bucket_of};
use super::change::GroupChange;
use super::places;
use super::sorted::common;
use crate::error::{Error, Result};
use crate::facts::chunks::Damaged;
use crate::time::Day;

/// Number of blocks whose sets are decoded together.
const BATCH_BLOCKS: usize = 32;

/// The sets of the blocks that a site had before. Bytes are handed over by one thread, and decoded by all.
pub(super) trait StoredSets {
    /// The blocks of some days: each with its day, in any order.
    ///
    /// # Errors
    /// Those of the place where they are kept.
    fn blocks(&mut self, days: Range<Day>) -> Result<Vec<(Day, u64)>>;

    /// The sets of a block, by the number that [`blocks`](Self::blocks) gave.
    ///
    /// # Errors
    /// Those of the place where they are kept.
    fn sets(&mut self, block: u64) -> Result<SetBytes>;

    /// The error for bytes that make no sense.
    fn damaged(&self, damaged: Damaged) -> Error;
}

/// Who is in a block, as bytes.
#[derive(Clone, Debug)]
pub(super) struct SetBytes {
    /// Numbers of the visitors.
    pub visitors: Vec<u8>,
    /// Sets of the site and the sections.
    pub groups: Vec<u8>,
    /// Bounds of both.
    pub counts: BlockCounts,
}

/// A week or a month.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Period {
    /// Granularity of its cells.
    pub granularity: u8,
    /// Bucket of its cells.
    pub bucket: i64,
    /// Its first day.
    pub first: Day,
    /// The day after its last.
    pub end: Day,
}

impl Period {
    /// The week of a day.
    pub(super) fn week(day: Day) -> Self {
        let first = day.monday();
        let end = Day(first.0.saturating_add(7));
        Self { granularity: WEEK, bucket: bucket_of(WEEK, day, 0), first, end }
    }

    /// The month of a day.
    pub(super) fn month(day: Day) -> Self {
        let (first, end) = (day.first_of_month(), day.first_of_next_month());
        Self { granularity: MONTH, bucket: bucket_of(MONTH, day, 0), first, end }
    }

    /// Whether a day is in it.
    pub(super) fn has(&self, day: Day) -> bool {
        self.first <= day && day < self.end
    }

    /// Whether the period has no cells, because only some of its days have facts any more.
    pub(super) fn is_cut(&self, pruned_before: Option<Day>) -> bool {
        pruned_before.is_some_and(|pruned| self.first < pruned && pruned < self.end)
    }
}

/// New views and visitors of the site and its sections, by place.
type Places = BTreeMap<u32, (u64, RoaringBitmap)>;

/// The new facts of some days of a site in their weeks and months, and in all time.
#[derive(Debug)]
pub(super) struct Periods {
    site_place: u32,
    open: BTreeMap<Period, Places>,
    all: Places,
}

impl Periods {
    /// The new facts of some days. Periods that are cut by `pruned_before` have no cells. Works in parallel.
    pub(super) fn of<'d>(
        site_place: u32,
        pruned_before: Option<Day>,
        days: impl Iterator<Item = (Day, &'d [GroupChange])>,
    ) -> Self {
        // Groups by period, where all time is `None`, and by place.
        let mut groups: BTreeMap<(Option<Period>, u32), Vec<&GroupChange>> = BTreeMap::new();
        for (day, of_day) in days {
            let weeks_and_months = [Period::week(day), Period::month(day)].map(Some);
            let is_cut = |period: &Option<Period>| {
                period.as_ref().is_some_and(|period| period.is_cut(pruned_before))
            };
            for period in weeks_and_months.into_iter().chain([None]) {
                if is_cut(&period) {
                    continue;
                }
                for group in of_day {
                    groups.entry((period.clone(), group.place)).or_default().push(group);
                }
            }
        }
        let groups: Vec<_> = groups.into_iter().collect();
        let united = groups.into_par_iter().map(|((period, place), groups)| {
            let pv = groups.iter().fold(0_u64, |sum, group| sum.saturating_add(group.pv));
            let visitors = groups.iter().map(|group| &group.visitors).union();
            (period, place, pv, visitors)
        });
        let mut periods = Self { site_place, open: BTreeMap::new(), all: Places::new() };
        for (period, place, pv, visitors) in united.collect::<Vec<_>>() {
            let places = match period {
                Some(period) => periods.open.entry(period).or_default(),
                None => &mut periods.all,
            };
            places.insert(place, (pv, visitors));
        }
        periods
    }

    /// Adds the new facts of other days of the site.
    pub(super) fn add(&mut self, other: Self) {
        let add = |places: &mut Places, others: Places| {
            for (place, (more, others)) in others {
                let (pv, visitors) = places.entry(place).or_default();
                *pv = pv.saturating_add(more);
                *visitors |= others;
            }
        };
        for (period, others) in other.open {
            add(self.open.entry(period).or_default(), others);
        }
        add(&mut self.all, other.all);
    }

    /// The rises of the cells of those weeks and months that are over on `day`; of all if it is `None`. No facts of earlier
    /// days may be added afterwards.
    ///
    /// # Errors
    /// Those of the stored sets.
    pub(super) fn finish_before(
        &mut self,
        day: Option<Day>,
        stored: &mut dyn StoredSets,
    ) -> Result<Vec<CellChange>> {
        let is_over = |period: &Period| day.is_none_or(|day| period.end <= day);
        let mut over: Vec<(Period, Places)> =
            self.open.extract_if(.., |period, _| is_over(period)).collect();
        over.sort_by_key(|(period, _)| period.first);
        take_out_stored(&mut over, self.site_place, stored)?;
        let mut changes = Vec::new();
        for (Period { granularity, bucket, .. }, places) in over {
            changes.extend(places.into_iter().map(|(place, (pv, visitors))| {
                let level = level_of(place, self.site_place);
                CellChange { granularity, level, bucket, place, pv, uv: visitors.len() }
            }));
        }
        Ok(changes)
    }

    /// The new views and visitors of all time, by place.
    pub(super) fn finish_all(self) -> AllTime {
        debug_assert!(self.open.is_empty());
        AllTime { site_place: self.site_place, places: self.all }
    }
}

fn level_of(place: u32, site_place: u32) -> u8 {
    if place == site_place { places::SITE } else { places::SECTION }
}

/// New views and visitors of a site in all time.
#[derive(Debug)]
pub(super) struct AllTime {
    site_place: u32,
    places: Places,
}

impl AllTime {
    /// Each pair of place and visitor, as `place << 32 | visitor`, ascending.
    pub(super) fn pairs(&self) -> impl Iterator<Item = u64> {
        self.places.iter().flat_map(|(&place, (_, visitors))| {
            visitors.iter().map(move |visitor| u64::from(place) << 32 | u64::from(visitor))
        })
    }

    /// Number of pairs.
    pub(super) fn pair_count(&self) -> u64 {
        self.places.values().map(|(_, visitors)| visitors.len()).sum()
    }

    /// The rises of the cells. `new_pairs` are the pairs that were never seen before, ascending, and may have others among
    /// them.
    pub(super) fn changes(&self, new_pairs: &[u64]) -> Vec<CellChange> {
        let changes = self.places.iter().map(|(&place, &(pv, _))| {
            let from = new_pairs.partition_point(|pair| pair >> 32 < u64::from(place));
            let count = new_pairs[from..].partition_point(|pair| pair >> 32 == u64::from(place));
            let level = level_of(place, self.site_place);
            CellChange { granularity: ALL, level, bucket: 0, place, pv, uv: count as u64 }
        });
        changes.collect()
    }
}

/// Takes those visitors out of each period, in order of their first days, whom a stored block has in the period.
fn take_out_stored(
    periods: &mut [(Period, Places)],
    site_place: u32,
    stored: &mut dyn StoredSets,
) -> Result<()> {
    let everybody = |(_, places): &(Period, Places)| {
        places.get(&site_place).map_or_else(Vec::new, |(_, visitors)| visitors.iter().collect())
    };
    let everybody: Vec<Vec<u32>> = periods.iter().map(everybody).collect();
    let mut blocks = Vec::new();
    // Periods that overlap are looked at together, so that a block is read once.
    let mut rest = &periods[..];
    while let Some((first, _)) = rest.first() {
        let (mut end, mut count) = (first.end, 0);
        while let Some((period, _)) = rest.get(count).filter(|(period, _)| period.first < end) {
            end = end.max(period.end);
            count += 1;
        }
        blocks.extend(stored.blocks(first.first..end)?);
        rest = &rest[count..];
    }
    blocks.retain(|&(day, _)| periods.iter().any(|(period, _)| period.has(day)));
    for batch in blocks.chunks(BATCH_BLOCKS) {
        let bytes: Vec<(Day, SetBytes)> = batch
            .iter()
            .map(|&(day, block)| Ok((day, stored.sets(block)?)))
            .collect::<Result<_>>()?;
        let there = &*periods;
        let found: std::result::Result<Vec<Vec<Found>>, Damaged> = bytes
            .par_iter()
            .map_init(BlockDecoder::default, |decoder, (day, bytes)| {
                let visitors = decoder.visitors(&bytes.visitors, bytes.counts)?;
                let groups = decoder.groups(&bytes.groups, bytes.counts)?;
                Ok(find(there, &everybody, site_place, *day, &visitors, &groups))
            })
            .collect();
        for found in found.map_err(|damaged| stored.damaged(damaged))?.into_iter().flatten() {
            if let Some((_, visitors)) = periods[found.period].1.get_mut(&found.place) {
                *visitors -= found.visitors;
            }
        }
    }
    Ok(())
}

/// New visitors who are not new in a period.
struct Found {
    /// Index of the period.
    period: usize,
    place: u32,
    visitors: RoaringBitmap,
}

/// Whom a block of a day has of the visitors of each period that the day is in. `everybody` are the visitors of the site by
/// period.
fn find(
    periods: &[(Period, Places)],
    everybody: &[Vec<u32>],
    site_place: u32,
    day: Day,
    visitors: &[u32],
    groups: &Groups,
) -> Vec<Found> {
    let mut all = Vec::new();
    for (number, (period, places)) in periods.iter().enumerate() {
        if !period.has(day) {
            continue;
        }
        // Whoever is in a section is on the site.
        let mut ranks = Vec::new();
        common(visitors, &everybody[number], |rank, _| ranks.push(index(rank)));
        let sections = groups.sections().map(|(section, ranks)| (section.place, ranks));
        let site = groups.site_ranks.as_deref().unwrap_or(&ranks);
        for (place, of_place) in std::iter::once((site_place, site)).chain(sections) {
            let Some((_, new)) = places.get(&place) else { continue };
            let mut found = Vec::new();
            common(of_place, &ranks, |rank, _| found.push(visitors[of_place[rank] as usize]));
            found.retain(|&visitor| new.contains(visitor));
            if !found.is_empty() {
                let visitors = found.into_iter().collect();
                all.push(Found { period: number, place, visitors });
            }
        }
    }
    all
}

fn index(rank: usize) -> u32 {
    // A block has fewer than 2^32 visitors.
    u32::try_from(rank).unwrap_or(u32::MAX)
}
