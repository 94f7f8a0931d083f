//! Exact counting: page views in, day facts out.
//!
//! Owns: [`Counter`] (a run's counts while it reads) and [`Facts`] (what it knows in the end). May import:
//! `calendar`, `select` (visitor hashes), rayon. Must not know: formats, files, options, stores, reports.
//!
//! How it works, and why it is exact:
//! 1. Each worker turns the page views it parses into 24-byte records (visitor hash, local page number, day and
//!    minute) and appends each to one of 256 partitions chosen by the visitor's hash (`exchange`).
//! 2. At the end of a window the workers' page names become run-wide page numbers (`names`).
//! 3. Each partition owns its visitors, so it alone gives them run-wide numbers (`visitors`), and deals its records
//!    out to buckets of a day and some of its pages (`window`).
//! 4. Each bucket owns its (day, page)s: sorted, it *is* their facts (`day_facts`).
//! 5. Every cell of a day is a walk over its sorted facts (`cells`): pages as they stand, sections and the site
//!    after sorting the facts of their pages by visitor. Nothing is ever added up that is not disjoint.

pub mod cells;
pub mod columns;
pub mod day_facts;
mod exchange;
mod kept;
mod local;
mod names;
mod radix;
mod visitors;
mod window;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::calendar::{CivilTime, Day};
use crate::error::{Error, Result};
use crate::select::VisitorHash;
pub use day_facts::{DayFacts, Fact};
use exchange::Exchange;
use kept::Kept;
pub use local::{FactsBuilder, LocalDay, Texts};
pub use names::Names;
use names::{BATCH, LocalNames, NameHasher};
pub use visitors::Visitors;

/// Wall-clock time that the end of a window took.
#[derive(Clone, Copy, Debug, Default)]
pub struct WindowTimes {
    /// Numbering names and visitors, and dealing records out to days.
    pub visitors: Duration,
    /// Sorting them into day facts.
    pub facts: Duration,
}

/// Which facts belong together: those of one site and day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DayKey {
    /// The site's number in the run.
    pub site: u32,
    /// The day.
    pub day: Day,
}

/// Most distinct pages of a run unless the caller says otherwise.
pub const DEFAULT_PAGE_LIMIT: u64 = 50_000_000;

/// A run's counts while it reads: give page views to its workers, end each window, then finish.
#[derive(Debug)]
pub struct Counter {
    workers: Vec<Worker>,
    names: Names,
    visitors: Visitors,
    kept: Kept,
    page_limit: u64,
}

/// One thread's share of a window.
///
/// Workers stand side by side and are written with every page view: a cache line that two of them shared (or two lines,
/// which the processor fetches together) took two threads a quarter of their time.
#[derive(Debug)]
#[repr(align(128))]
pub struct Worker {
    names: LocalNames,
    exchange: Exchange,
    waiting: Waiting,
    /// The (site, day)s met in this window and their page views.
    days: Vec<(DayKey, u64)>,
    day_numbers: BTreeMap<DayKey, u32>,
    /// Number of the day met last, which is mostly the next one too.
    last_day: u32,
    /// A limit was reached; nothing is counted any more.
    too_many_days: bool,
}

/// Page views whose pages are numbered together.
#[derive(Debug, Default)]
struct Waiting {
    hashes: Vec<u64>,
    /// Visitor, day and minute, end of the page in `pages`.
    views: Vec<(VisitorHash, u32, usize)>,
    pages: Vec<u8>,
}

impl Waiting {
    #[inline]
    fn push(&mut self, hash: u64, page: &[u8], visitor: VisitorHash, when: u32) {
        self.hashes.push(hash);
        self.pages.extend_from_slice(page);
        self.views.push((visitor, when, self.pages.len()));
    }
}

/// How much a worker had counted at some moment of a window.
#[derive(Debug)]
pub struct Mark {
    records: Vec<usize>,
    days: usize,
}

/// Bits of a minute of the day in a record.
const MINUTE_BITS: u32 = 11;
/// Most (site, day)s that a worker can meet in a window.
const MAX_DAYS: usize = 1 << (32 - MINUTE_BITS);

impl Worker {
    fn new(hasher: NameHasher) -> Self {
        Self {
            names: LocalNames::new(hasher),
            exchange: Exchange::default(),
            waiting: Waiting::default(),
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
        self.waiting.push(self.names.hash(page), page, visitor, when);
        if self.waiting.hashes.len() == BATCH {
            self.flush();
        }
    }

    /// Numbers the pages of the waiting page views and passes them on.
    fn flush(&mut self) {
        let Waiting { hashes, views, pages } = &mut self.waiting;
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

    /// Remembers how much is counted, for [`undo`](Self::undo) in the same window.
    #[must_use]
    pub fn mark(&mut self) -> Mark {
        self.flush();
        Mark { records: self.exchange.lengths(), days: self.days.len() }
    }

    /// Takes back everything counted since `mark`. Names of pages stay, without a fact: they are in no result.
    pub fn undo(&mut self, mark: &Mark) {
        self.flush();
        let Self { exchange, days, day_numbers, last_day, .. } = self;
        exchange.truncate(&mark.records, |record| {
            days[(record.when >> MINUTE_BITS) as usize].1 -= 1;
        });
        days.truncate(mark.days);
        day_numbers.retain(|_, &mut number| (number as usize) < mark.days);
        *last_day = 0;
    }

    /// Makes `key` the last day; false if there are too many.
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

impl Counter {
    /// A counter for `threads` workers that ends with an error above `page_limit` distinct pages.
    #[must_use]
    pub fn new(threads: usize, page_limit: u64) -> Self {
        let hasher = NameHasher::default();
        Self {
            workers: (0..threads).map(|_| Worker::new(hasher.clone())).collect(),
            names: Names::new(hasher),
            visitors: Visitors::default(),
            kept: Kept::default(),
            page_limit,
        }
    }

    /// The workers, one a thread.
    pub fn workers_mut(&mut self) -> &mut [Worker] {
        &mut self.workers
    }

    /// Makes room for a window: what earlier ones left is encoded, where it is much. Call it before each window, in
    /// the pool that may be used.
    pub fn begin_window(&mut self) {
        self.kept.begin_window();
    }

    /// Turns what the workers hold into day facts. Call it between windows, in the pool that may be used.
    ///
    /// # Errors
    /// [`Error::Limit`] where a number that keeps counts exact would not fit.
    pub fn end_window(&mut self) -> Result<WindowTimes> {
        let start = Instant::now();
        if self.workers.iter().any(|worker| worker.too_many_days) {
            return Err(Error::Limit(format!(
                "more than {MAX_DAYS} days in one window; use a smaller --window"
            )));
        }
        self.workers.par_iter_mut().for_each(Worker::flush);
        self.names.absorb(&mut self.workers)?;
        if self.names.len() > self.page_limit {
            return Err(Error::Limit(format!(
                "more than {} distinct pages. If pages carry their query (--keep-query), leave it off; if the site \
                 really has that many, raise --max-pages",
                self.page_limit
            )));
        }
        let (window, dealt) = window::fold(&mut self.workers, &mut self.visitors, &self.names)?;
        self.kept.add_window(window);
        Ok(WindowTimes { visitors: dealt.duration_since(start), facts: dealt.elapsed() })
    }

    /// Everything counted. What is in an unfinished window is not.
    #[must_use]
    pub fn finish(self) -> Facts {
        Facts { names: self.names, visitors: self.visitors, kept: self.kept }
    }
}

/// Everything a run knows: the facts of every day, and what their numbers mean.
#[derive(Debug)]
pub struct Facts {
    names: Names,
    visitors: Visitors,
    kept: Kept,
}

impl Facts {
    /// The pages by number.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The visitors by number.
    #[must_use]
    pub fn visitors(&self) -> &Visitors {
        &self.visitors
    }

    /// The (site, day)s that have facts, by site, then by day.
    pub fn days(&self) -> impl ExactSizeIterator<Item = DayKey> {
        self.kept.days().keys().copied()
    }

    /// About how many facts a day has: those of a (page, visitor, minute) that is in several windows count again.
    #[must_use]
    pub fn day_len(&self, key: DayKey) -> usize {
        self.kept.days().get(&key).copied().unwrap_or(0)
    }

    /// A day's facts in pieces that have no page in common; empty for a day without facts.
    #[must_use]
    pub fn day(&self, key: DayKey) -> Cow<'_, [DayFacts]> {
        self.load(&[key]).pop().unwrap_or_default()
    }

    /// The facts of some days, by ascending key, as [`Facts::day`] has them; days that are near each other cost less
    /// together. Decodes what is encoded, in parallel: 8 bytes a fact.
    #[must_use]
    pub fn load(&self, keys: &[DayKey]) -> Vec<Cow<'_, [DayFacts]>> {
        self.kept.load(keys)
    }

    /// Folds over all facts in parallel, in no order, with little memory: `add` is given pieces of days, and a
    /// (page, visitor, minute) may be in several of them.
    pub fn fold_pieces<T: Send>(
        &self,
        new: impl Fn() -> T + Send + Sync,
        add: impl Fn(&mut T, DayKey, &DayFacts) + Send + Sync,
        join: impl Fn(T, T) -> T + Send + Sync,
    ) -> T {
        self.kept.fold(new, add, join)
    }

    /// Bytes of the facts that are kept encoded.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        self.kept.encoded_bytes()
    }
}
