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

mod exchange;
mod fact_store;
mod names;
pub mod parts;
mod renumber;
mod visitors;
mod window;
mod worker;

use std::borrow::Cow;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::facts::{DayFacts, DayKey};
use fact_store::FactStore;
use names::NameHasher;
pub use names::PageNames;
pub use renumber::FactsBuilder;
pub use visitors::Visitors;
use worker::MAX_DAYS;
pub use worker::{Checkpoint, Worker};

/// Wall-clock time that the end of a window took.
#[derive(Clone, Copy, Debug, Default)]
pub struct WindowTimes {
    /// Numbering names and visitors, and dealing records out to days.
    pub visitors: Duration,
    /// Sorting them into day facts.
    pub facts: Duration,
}

/// Most distinct pages of a run unless the caller says otherwise.
pub const DEFAULT_PAGE_LIMIT: u64 = 50_000_000;

/// A run's counts while it reads: give page views to its workers, end each window, then finish.
#[derive(Debug)]
pub struct Counter {
    workers: Vec<Worker>,
    names: PageNames,
    visitors: Visitors,
    store: FactStore,
    page_limit: u64,
}

impl Counter {
    /// A counter for `threads` workers that ends with an error above `page_limit` distinct pages.
    #[must_use]
    pub fn new(threads: usize, page_limit: u64) -> Self {
        let hasher = NameHasher::default();
        Self {
            workers: (0..threads).map(|_| Worker::new(hasher.clone())).collect(),
            names: PageNames::new(hasher),
            visitors: Visitors::default(),
            store: FactStore::default(),
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
        self.store.begin_window();
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
        self.names.absorb(
            &mut self.workers.iter_mut().map(|worker| &mut worker.names).collect::<Vec<_>>(),
        )?;
        if self.names.len() > self.page_limit {
            return Err(Error::Limit(format!(
                "more than {} distinct pages. If pages carry their query (--keep-query), leave it off; if the site \
                 really has that many, raise --max-pages",
                self.page_limit
            )));
        }
        let (window, dealt) = window::fold(&mut self.workers, &mut self.visitors, &self.names)?;
        self.store.add_window(window);
        Ok(WindowTimes { visitors: dealt.duration_since(start), facts: dealt.elapsed() })
    }

    /// Everything counted. What is in an unfinished window is not.
    #[must_use]
    pub fn finish(self) -> Facts {
        Facts { names: self.names, visitors: self.visitors, store: self.store }
    }
}

/// Everything a run knows: the facts of every day, and what their numbers mean.
#[derive(Debug)]
pub struct Facts {
    names: PageNames,
    visitors: Visitors,
    store: FactStore,
}

impl Facts {
    /// The pages by number.
    #[must_use]
    pub fn names(&self) -> &PageNames {
        &self.names
    }

    /// The visitors by number.
    #[must_use]
    pub fn visitors(&self) -> &Visitors {
        &self.visitors
    }

    /// The (site, day)s that have facts, by site, then by day.
    pub fn days(&self) -> impl ExactSizeIterator<Item = DayKey> {
        self.store.days().keys().copied()
    }

    /// About how many facts a day has: those of a (page, visitor, minute) that is in several windows count again.
    #[must_use]
    pub fn day_len(&self, key: DayKey) -> usize {
        self.store.days().get(&key).copied().unwrap_or(0)
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
        self.store.load(keys)
    }

    /// Folds over all facts in parallel, in no order, with little memory: `add` is given pieces of days, and a
    /// (page, visitor, minute) may be in several of them.
    pub fn fold_pieces<T: Send>(
        &self,
        new: impl Fn() -> T + Send + Sync,
        add: impl Fn(&mut T, DayKey, &DayFacts) + Send + Sync,
        join: impl Fn(T, T) -> T + Send + Sync,
    ) -> T {
        self.store.fold(new, add, join)
    }
}
