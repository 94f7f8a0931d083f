//! The cube: the facts of a run with the names of its sites and sections, and every cell that follows from them.
//!
//! Owns: [`Cube`], sections by number, the walk over all days, cells as rows. May import: `error`, `text`, `time`,
//! `select` (section rule), `facts`, `count`, hashbrown, rayon. Must not know: what a report shows, where rows go.

mod cell_row;
pub mod rows;
pub mod walk;

pub use cell_row::{CellFormat, CellRow, CellWriter};

use hashbrown::{HashMap, HashSet};
use rayon::prelude::*;

use crate::count::{Facts, PageNames};
use crate::cube::walk::{CellSink, walk_day};
use crate::error::Result;
use crate::facts::DayKey;
use crate::select::{SectionPattern, page};

/// Facts, and the names of their sites and sections.
#[derive(Debug)]
pub struct Cube<'f> {
    /// The facts.
    pub facts: &'f Facts,
    /// Site names by number.
    pub sites: Vec<String>,
    /// The sections.
    pub sections: Sections,
}

/// The sections of all pages, numbered in the order of their names.
#[derive(Debug)]
pub struct Sections {
    names: Vec<String>,
    /// Section by page number.
    of_page: Vec<u32>,
}

impl Sections {
    /// The sections of `pages`, by the patterns `groups`; see [`page::section`].
    #[must_use]
    pub fn new(pages: &PageNames, groups: &[SectionPattern]) -> Self {
        let numbers: Vec<u32> = pages.numbers().collect();
        let distinct: HashSet<&str> = numbers
            .par_chunks(16 * 1024)
            .map(|numbers| {
                numbers.iter().map(|&number| page::section(pages.get(number), groups)).collect()
            })
            .reduce(HashSet::new, |mut one, other: HashSet<&str>| {
                one.extend(other);
                one
            });
        let mut names: Vec<&str> = distinct.into_iter().collect();
        names.par_sort_unstable();
        let by_name: HashMap<&str, u32> = names.iter().copied().zip(0..).collect();
        let mut of_page = vec![0; pages.number_bound()];
        let sections: Vec<u32> = numbers
            .par_iter()
            .map(|&number| by_name[page::section(pages.get(number), groups)])
            .collect();
        for (&number, section) in numbers.iter().zip(sections) {
            of_page[number as usize] = section;
        }
        Self { names: names.into_iter().map(str::to_owned).collect(), of_page }
    }

    /// Number of sections.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The name of section number `section`.
    #[must_use]
    pub fn name(&self, section: u32) -> &str {
        &self.names[section as usize]
    }

    /// The section of page number `page`.
    #[must_use]
    pub fn of_page(&self, page: u32) -> u32 {
        self.of_page[page as usize]
    }
}

/// Number of facts per batch of days: days are walked in batches, so that days of few facts keep all threads busy.
const BATCH_FACTS: usize = 256 * 1024;

impl<'f> Cube<'f> {
    /// The cube of `facts`. `sites` are names by number; sections follow from the patterns `groups`.
    #[must_use]
    pub fn new(facts: &'f Facts, sites: Vec<String>, groups: &[SectionPattern]) -> Self {
        Self { facts, sites, sections: Sections::new(facts.names(), groups) }
    }

    /// Walks all days in order, and hands the sinks of each day to `absorb`. At most a batch of days is in memory.
    ///
    /// # Errors
    /// The first error of `absorb`.
    pub fn walk<S: CellSink>(
        &self,
        new_sink: impl Fn() -> S + Sync,
        absorb: impl FnMut(DayKey, Vec<S>) -> Result<()>,
    ) -> Result<()> {
        self.walk_days(self.facts.days(), new_sink, absorb)
    }

    /// Walks the days `keys`, which ascend, as [`Cube::walk`] walks all days.
    ///
    /// # Errors
    /// The first error of `absorb`.
    pub fn walk_days<S: CellSink>(
        &self,
        keys: impl Iterator<Item = DayKey>,
        new_sink: impl Fn() -> S + Sync,
        mut absorb: impl FnMut(DayKey, Vec<S>) -> Result<()>,
    ) -> Result<()> {
        let mut keys = keys.peekable();
        while keys.peek().is_some() {
            let (mut batch, mut facts) = (Vec::new(), 0);
            while let Some(key) = keys
                .next_if(|&key| batch.is_empty() || facts + self.facts.day_len(key) <= BATCH_FACTS)
            {
                facts += self.facts.day_len(key);
                batch.push(key);
            }
            let walked: Vec<Vec<S>> = self
                .facts
                .load_days(&batch)
                .into_par_iter()
                .map(|pieces| walk_day(&pieces, &self.sections.of_page, &new_sink))
                .collect();
            for (key, sinks) in batch.into_iter().zip(walked) {
                absorb(key, sinks)?;
            }
        }
        Ok(())
    }
}
