//! Exact counting: page views in, day facts out.
//!
//! Owns: [`Counter`] (the counts of a run while it reads) and [`Facts`] (its result). May import: `error`, `text`, `time`,
//! `system` (the allocator), `select` (visitor hashes), `facts`, rayon. Must not know: formats, files, options, stores,
//! reports.
//!
//! How it works, and why it is exact:
//! 1. Each worker turns the page views it parses into 24-byte records (visitor hash, the worker's page number, share and
//!    minute) and appends each to one of 256 partitions, chosen by the visitor's hash (`exchange`).
//! 2. At the end of a window the workers' page names get run-wide numbers (`names`).
//! 3. Each partition owns its visitors, so it can give them run-wide numbers on its own (`visitors`). It distributes its
//!    records to buckets, each of a share and some of its pages (`window`).
//! 4. Each bucket owns its (share, page)s: once sorted, it *is* their facts (`facts::day_facts`), which are kept in bounded
//!    memory (`fact_store`).
//! 5. Every cell of a day comes from a walk over its sorted facts (`cube::walk`): those of a page as they are, those of a
//!    section or the site after sorting the facts of their pages by visitor. Distinct visitors are never added up.

mod exchange;
mod fact_store;
mod names;
pub mod parts;
mod renumber;
mod visitors;
mod window;
mod worker;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::facts::{DayFacts, DayKey, ShareKey};
use crate::time::Day;
use fact_store::FactStore;
use names::NameHasher;
pub use names::PageNames;
pub use renumber::FactsBuilder;
pub use visitors::Visitors;
use worker::MAX_SHARES;
pub use worker::{Checkpoint, Worker};

/// Wall-clock time of the steps at the end of a window.
#[derive(Clone, Copy, Debug, Default)]
pub struct WindowTimes {
    /// Numbering names and visitors, and distributing records to buckets.
    pub visitors: Duration,
    /// Sorting records into day facts.
    pub facts: Duration,
}

/// Default of the most distinct pages of a run (`--max-pages`).
pub const DEFAULT_PAGE_LIMIT: u64 = 50_000_000;

/// The counts of a run while it reads. For each window call [`begin_window`](Self::begin_window), give page views to the
/// workers, and call [`end_window`](Self::end_window); then [`finish`](Self::finish).
#[derive(Debug)]
pub struct Counter {
    workers: Vec<Worker>,
    names: PageNames,
    visitors: Visitors,
    store: FactStore,
    page_limit: u64,
}

impl Counter {
    /// A counter with `threads` workers. More than `page_limit` distinct pages are an error.
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

    /// The workers, one for each thread.
    pub fn workers_mut(&mut self) -> &mut [Worker] {
        &mut self.workers
    }

    /// Makes room for a window: encodes the facts of earlier windows if there are many. Call it before each window, in the
    /// thread pool to use.
    pub fn begin_window(&mut self) {
        self.store.begin_window();
    }

    /// Turns the page views of the workers into day facts. Call it after each window, in the thread pool to use.
    ///
    /// # Errors
    /// [`Error::Limit`] if there are too many shares in the window, or too many pages or visitors in the run.
    pub fn end_window(&mut self) -> Result<WindowTimes> {
        let start = Instant::now();
        if self.workers.iter().any(|worker| worker.too_many_shares) {
            return Err(Error::Limit(format!(
                "more than {MAX_SHARES} days in one window; use a smaller --window"
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
        let (window, all_distributed) =
            window::fold(&mut self.workers, &mut self.visitors, &self.names)?;
        self.store.add_window(window);
        Ok(WindowTimes {
            visitors: all_distributed.duration_since(start),
            facts: all_distributed.elapsed(),
        })
    }

    /// All facts of the windows that were ended.
    #[must_use]
    pub fn finish(self) -> Facts {
        Facts { names: self.names, visitors: self.visitors, store: self.store }
    }
}

/// The result of a run: the facts of every day, and the pages and visitors that their numbers stand for.
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

    /// The days that have facts, by site, then by day.
    pub fn days(&self) -> impl ExactSizeIterator<Item = DayKey> {
        self.store.days().keys().copied()
    }

    /// An upper bound of the number of a day's facts: a (page, visitor, minute) counts once for each window it is in.
    #[must_use]
    pub fn day_len(&self, key: DayKey) -> usize {
        self.store.days().get(&key).copied().unwrap_or(0)
    }

    /// The facts of a day, of all sources together, in pieces that have no page in common; empty for a day without facts.
    #[must_use]
    pub fn day(&self, site: u32, day: Day) -> Cow<'_, [DayFacts]> {
        self.load_days(&[DayKey { site, day }]).pop().unwrap_or_default()
    }

    /// The facts of some days, given in ascending order, each as [`Facts::day`] returns it. Days close to each other cost
    /// less when loaded together. Decodes in parallel; decoded facts take 8 bytes each.
    #[must_use]
    pub fn load_days(&self, keys: &[DayKey]) -> Vec<Cow<'_, [DayFacts]>> {
        self.store.load_days(keys)
    }

    /// The shares that have facts, in ascending order: by site, by day, then by source.
    pub fn shares(&self) -> impl ExactSizeIterator<Item = ShareKey> {
        self.store.shares().keys().copied()
    }

    /// An upper bound of the number of a share's facts, as [`Facts::day_len`] is for a day.
    #[must_use]
    pub fn share_len(&self, key: ShareKey) -> usize {
        self.store.shares().get(&key).copied().unwrap_or(0)
    }

    /// The facts of some shares, given in ascending order, each in pieces that have no page in common. As for
    /// [`Facts::load_days`], shares close to each other cost less when loaded together.
    #[must_use]
    pub fn load(&self, keys: &[ShareKey]) -> Vec<Cow<'_, [DayFacts]>> {
        self.store.load(keys)
    }

    /// Drops the facts of some sources. Pages and visitors that only they had stay, but no fact has them.
    pub fn drop_sources(&mut self, sources: &BTreeSet<u32>) {
        self.store.drop_sources(sources);
    }

    /// Folds over all facts in parallel, in any order, with little memory. `add` gets pieces of shares; the same (page,
    /// visitor, minute) may be in several of them.
    pub fn fold_pieces<T: Send>(
        &self,
        new: impl Fn() -> T + Send + Sync,
        add: impl Fn(&mut T, ShareKey, &DayFacts) + Send + Sync,
        join: impl Fn(T, T) -> T + Send + Sync,
    ) -> T {
        self.store.fold(new, add, join)
    }
}
