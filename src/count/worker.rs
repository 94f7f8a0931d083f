//! One thread's page views of a window.
//!
//! Owns: [`Worker`]. May import: `count::{exchange, names}`, `facts`, `select` (visitor hashes), `time`. Must not know:
//! earlier windows, files, formats.

use std::collections::BTreeMap;

use super::exchange::Exchange;
use super::names::{BATCH, LocalNames, NameHasher};
use crate::facts::ShareKey;
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
    /// Number of the source whose page views are added.
    source: u32,
    /// The shares of this window and the number of their page views.
    pub(super) shares: Vec<(ShareKey, u64)>,
    share_numbers: BTreeMap<ShareKey, u32>,
    /// Number of the last page view's share, which is mostly that of the next one, too. It is of the present source, or
    /// [`NO_SHARE`].
    last_share: u32,
    /// Whether there were more than [`MAX_SHARES`] shares; then nothing more is counted.
    pub(super) too_many_shares: bool,
}

/// Page views that wait until their pages are numbered, [`BATCH`] at a time.
#[derive(Debug, Default)]
struct PendingViews {
    hashes: Vec<u64>,
    /// Visitor, share and minute, and the index in `pages` at which the page ends.
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
    shares: usize,
}

/// Number of bits of a minute of the day in a record.
pub(super) const MINUTE_BITS: u32 = 11;
/// Most shares, over all sites, days and sources, of one worker in a window.
pub(super) const MAX_SHARES: usize = 1 << (32 - MINUTE_BITS);
/// Stands for the number of a share, and is none.
const NO_SHARE: u32 = u32::MAX;

impl Worker {
    pub(super) fn new(hasher: NameHasher) -> Self {
        Self {
            names: LocalNames::new(hasher),
            exchange: Exchange::default(),
            pending: PendingViews::default(),
            source: 0,
            shares: Vec::new(),
            share_numbers: BTreeMap::new(),
            last_share: NO_SHARE,
            too_many_shares: false,
        }
    }

    /// Page views that are added from now on are of source number `source`; before the first call they are of source 0.
    pub fn set_source(&mut self, source: u32) {
        if self.source != source {
            self.source = source;
            self.last_share = NO_SHARE;
        }
    }

    /// Counts a page view of `page` on site number `site`.
    #[inline]
    pub fn add(&mut self, site: u32, time: CivilTime, page: &[u8], visitor: VisitorHash) {
        let day = time.day();
        let is_last = |(last, _): &(ShareKey, u64)| last.day == day && last.site == site;
        if !self.shares.get(self.last_share as usize).is_some_and(is_last)
            && !self.find_share(ShareKey { site, day, source: self.source })
        {
            return;
        }
        self.shares[self.last_share as usize].1 += 1;
        let when = self.last_share << MINUTE_BITS | u32::from(time.minute_of_day());
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
        Checkpoint { records: self.exchange.lengths(), shares: self.shares.len() }
    }

    /// Undoes everything counted since `checkpoint`. Page names stay, but without a fact they are in no result.
    pub fn roll_back(&mut self, checkpoint: &Checkpoint) {
        self.flush();
        let Self { exchange, shares, share_numbers, last_share, .. } = self;
        exchange.truncate(&checkpoint.records, |record| {
            shares[(record.when >> MINUTE_BITS) as usize].1 -= 1;
        });
        shares.truncate(checkpoint.shares);
        share_numbers.retain(|_, &mut number| (number as usize) < checkpoint.shares);
        *last_share = NO_SHARE;
    }

    /// Forgets the shares of the window, which has ended, and returns them.
    pub(super) fn take_shares(&mut self) -> Vec<(ShareKey, u64)> {
        self.share_numbers.clear();
        self.last_share = NO_SHARE;
        std::mem::take(&mut self.shares)
    }

    /// Makes `key` the last share; false if there are too many.
    fn find_share(&mut self, key: ShareKey) -> bool {
        if let Some(&number) = self.share_numbers.get(&key) {
            self.last_share = number;
        } else if self.shares.len() < MAX_SHARES {
            self.last_share = u32::try_from(self.shares.len()).unwrap_or(NO_SHARE);
            self.share_numbers.insert(key, self.last_share);
            self.shares.push((key, 0));
        } else {
            self.too_many_shares = true;
        }
        !self.too_many_shares
    }
}
