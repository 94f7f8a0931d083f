//! One thread's page views of a window.
//!
//! Owns: [`Worker`]. May import: `count::{exchange, names}`, `facts`, `select` (visitor hashes), `time`. Must not know:
//! earlier windows, files, formats.

use std::collections::BTreeMap;

use super::exchange::Exchange;
use super::names::{BATCH, LocalNames, NameHasher};
use crate::facts::DayKey;
use crate::select::VisitorHash;
use crate::time::CivilTime;

/// One thread's share of a window.
///
/// Workers lie side by side in memory and change with every page view. Aligned to 128 bytes, they share neither a cache
/// line nor a pair of lines that the processor fetches together; sharing cost two threads a quarter of their time.
#[derive(Debug)]
#[repr(align(128))]
pub struct Worker {
    pub(super) names: LocalNames,
    pub(super) exchange: Exchange,
    pending: PendingViews,
    /// The days of this window and the number of their page views.
    pub(super) days: Vec<(DayKey, u64)>,
    pub(super) day_numbers: BTreeMap<DayKey, u32>,
    /// Number of the last page view's day, which is mostly that of the next one, too.
    last_day: u32,
    /// Whether there were more than [`MAX_DAYS`] days; then nothing more is counted.
    pub(super) too_many_days: bool,
}

/// Page views that wait until their pages are numbered, [`BATCH`] at a time.
#[derive(Debug, Default)]
struct PendingViews {
    hashes: Vec<u64>,
    /// Visitor, day and minute, and the index in `pages` at which the page ends.
    views: Vec<(VisitorHash, u32, usize)>,
    pages: Vec<u8>,
}

impl PendingViews {
    #[inline]
    fn push(&mut self, hash: u64, page: &[u8], visitor: VisitorHash, when: u32) {
        self.hashes.push(hash);
        self.pages.extend_from_slice(page);
        self.views.push((visitor, when, self.pages.len()));
    }
}

/// The amount that a worker had counted at some moment of a window.
#[derive(Debug)]
pub struct Checkpoint {
    records: Vec<usize>,
    days: usize,
}

/// Number of bits of a minute of the day in a record.
pub(super) const MINUTE_BITS: u32 = 11;
/// Most days, over all sites, of one worker in a window.
pub(super) const MAX_DAYS: usize = 1 << (32 - MINUTE_BITS);

impl Worker {
    pub(super) fn new(hasher: NameHasher) -> Self {
        Self {
            names: LocalNames::new(hasher),
            exchange: Exchange::default(),
            pending: PendingViews::default(),
            days: Vec::new(),
            day_numbers: BTreeMap::new(),
            last_day: 0,
            too_many_days: false,
        }
    }

    /// Counts a page view of `page` on site number `site`.
    #[inline]
    pub fn add(&mut self, site: u32, time: CivilTime, page: &[u8], visitor: VisitorHash) {
        let key = DayKey { site, day: time.day() };
        if self.days.get(self.last_day as usize).is_none_or(|(last, _)| *last != key)
            && !self.find_day(key)
        {
            return;
        }
        self.days[self.last_day as usize].1 += 1;
        let when = self.last_day << MINUTE_BITS | u32::from(time.minute_of_day());
        self.pending.push(self.names.hash(page), page, visitor, when);
        if self.pending.hashes.len() == BATCH {
            self.flush();
        }
    }

    /// Numbers the pages of the pending page views and passes them on.
    pub(super) fn flush(&mut self) {
        let PendingViews { hashes, views, pages } = &mut self.pending;
        let mut start = 0;
        let names = views.iter().map(|&(_, _, end)| {
            let name = &pages[start..end];
            start = end;
            name
        });
        self.names.intern_all(hashes, names, |index, page| {
            let (visitor, when, _) = views[index];
            self.exchange.push(visitor, page, when);
        });
        hashes.clear();
        views.clear();
        pages.clear();
    }

    /// The amount counted so far, for [`roll_back`](Self::roll_back) in the same window.
    #[must_use]
    pub fn checkpoint(&mut self) -> Checkpoint {
        self.flush();
        Checkpoint { records: self.exchange.lengths(), days: self.days.len() }
    }

    /// Undoes everything counted since `checkpoint`. Page names stay, but without a fact they are in no result.
    pub fn roll_back(&mut self, checkpoint: &Checkpoint) {
        self.flush();
        let Self { exchange, days, day_numbers, last_day, .. } = self;
        exchange.truncate(&checkpoint.records, |record| {
            days[(record.when >> MINUTE_BITS) as usize].1 -= 1;
        });
        days.truncate(checkpoint.days);
        day_numbers.retain(|_, &mut number| (number as usize) < checkpoint.days);
        *last_day = 0;
    }

    /// Makes `key` the last day; false if there are too many days.
    fn find_day(&mut self, key: DayKey) -> bool {
        if let Some(&number) = self.day_numbers.get(&key) {
            self.last_day = number;
        } else if self.days.len() < MAX_DAYS {
            self.last_day = u32::try_from(self.days.len()).unwrap_or(u32::MAX);
            self.day_numbers.insert(key, self.last_day);
            self.days.push((key, 0));
        } else {
            self.too_many_days = true;
        }
        !self.too_many_days
    }
}
