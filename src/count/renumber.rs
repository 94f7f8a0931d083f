//! Renumbering: from the facts of a run to days that number their own visitors and pages ([`LocalDay`]), and back.
//!
//! Owns: the translation of numbers both ways, [`FactsBuilder`]. May import: the rest of `count`, `facts`, `select` (visitor
//! hashes), rayon. Must not know: bytes, files, sources.

use rayon::prelude::*;

use super::Facts;
use super::fact_store::FactStore;
use super::names::{LocalNames, NameHasher, PageNames};
use super::visitors::Visitors;
use crate::error::Result;
use crate::facts::day_facts::{Fact, VISITOR_SHIFT};
use crate::facts::{DayFacts, DayKey, LocalDay, ShareKey, Texts, radix};
use crate::select::VisitorHash;

/// A set of numbers that knows the rank of each: how many of its numbers are smaller.
struct NumberSet {
    words: Vec<u64>,
    /// By word: number of members in the words before it.
    below: Vec<u32>,
}

impl NumberSet {
    fn new(bound: usize, numbers: impl Iterator<Item = u32>) -> Self {
        let mut words = vec![0_u64; bound.div_ceil(64)];
        for number in numbers {
            words[number as usize / 64] |= 1 << (number % 64);
        }
        let mut sum = 0;
        let below = words.iter().map(|word| {
            let below = sum;
            sum += word.count_ones();
            below
        });
        Self { below: below.collect(), words }
    }

    #[inline]
    fn rank(&self, number: u32) -> usize {
        let index = number as usize / 64;
        let lower = self.words[index] & ((1 << (number % 64)) - 1);
        (self.below[index] + lower.count_ones()) as usize
    }

    fn iter(&self) -> impl Iterator<Item = u32> {
        self.words.iter().zip(0_u32..).flat_map(|(&word, index)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(index * 64 + bit)
            })
        })
    }
}

impl Facts {
    /// The facts of a day, of all sources together, with its own numbers of visitors and pages.
    #[must_use]
    pub fn local_day(&self, key: DayKey) -> LocalDay {
        self.local(&self.day(key.site, key.day))
    }

    /// The facts of a share, with its own numbers of visitors and pages.
    #[must_use]
    pub fn local_share(&self, key: ShareKey) -> LocalDay {
        self.local(&self.load(&[key]).pop().unwrap_or_default())
    }

    /// The facts of pieces that have no page in common.
    fn local(&self, pieces: &[DayFacts]) -> LocalDay {
        let numbers = pieces.iter().flat_map(|piece| piece.facts()).map(|fact| fact.visitor());
        let bound = usize::try_from(self.visitors.number_bound()).unwrap_or(usize::MAX);
        let set = NumberSet::new(bound, numbers);
        let mut visitors: Vec<(VisitorHash, u32)> =
            set.iter().map(|number| self.visitors.hash(number)).zip(0..).collect();
        visitors.par_sort_unstable();
        let mut ranks = vec![0_u32; visitors.len()];
        for (&(_, place), rank) in visitors.iter().zip(0..) {
            ranks[place as usize] = rank;
        }
        let mut pages: Vec<(&str, &[Fact])> = pieces
            .iter()
            .flat_map(DayFacts::pages)
            .map(|(page, facts)| (self.names.get(page), facts))
            .collect();
        pages.par_sort_unstable_by_key(|&(name, _)| name);
        let mut names = Texts::default();
        for (name, _) in &pages {
            names.push(name);
        }
        let runs: Vec<(u32, &[Fact])> = (0..).zip(pages.iter().map(|&(_, facts)| facts)).collect();
        LocalDay {
            facts: renumber(&runs, |visitor| ranks[set.rank(visitor)]),
            visitors: visitors.into_iter().map(|(hash, _)| hash).collect(),
            pages: names,
        }
    }
}

impl Facts {
    /// The facts in a builder, to add others.
    #[must_use]
    pub fn into_builder(self) -> FactsBuilder {
        let Self { names, visitors, store } = self;
        FactsBuilder { hasher: names.hasher().clone(), names, visitors, store }
    }
}

/// The facts of some pages, which ascend, with the numbers that `visitor` gives to their visitors.
fn renumber(pages: &[(u32, &[Fact])], visitor: impl Fn(u32) -> u32) -> DayFacts {
    let all: usize = pages.iter().map(|(_, facts)| facts.len()).sum();
    let (mut ends, mut facts) = (Vec::with_capacity(pages.len()), Vec::with_capacity(all));
    let (mut page_facts, mut spare) = (Vec::new(), Vec::new());
    for &(page, old) in pages {
        page_facts.clear();
        page_facts.extend(old.iter().map(|fact| fact.with_visitor(visitor(fact.visitor()))));
        if page_facts.len() > 1 {
            // The minutes of each visitor are in order already, and the sort is stable.
            radix::sort(&mut page_facts, &mut spare, VISITOR_SHIFT, u64::BITS);
        }
        facts.extend_from_slice(&page_facts);
        ends.push((page, facts.len()));
    }
    DayFacts::from_columns(ends, facts)
}

/// The facts of each page, in the order of new numbers of the pages, which are `numbers` by their old ones.
fn pages_by_number<'f>(facts: &'f DayFacts, numbers: &[u32]) -> Vec<(u32, &'f [Fact])> {
    let mut pages: Vec<(u32, &[Fact])> =
        facts.pages().map(|(page, facts)| (numbers[page as usize], facts)).collect();
    pages.sort_unstable_by_key(|&(page, _)| page);
    pages
}

/// Number of facts from which on they are encoded: 128 MiB, a month of a site with half a million page views a day.
const ENCODED_FROM: usize = 16 * 1024 * 1024;

/// Merges shares of any runs. Their order, and how they are split, does not change any cell.
#[derive(Debug)]
pub struct FactsBuilder {
    names: PageNames,
    visitors: Visitors,
    store: FactStore,
    hasher: NameHasher,
}

impl Default for FactsBuilder {
    fn default() -> Self {
        let hasher = NameHasher::default();
        Self {
            names: PageNames::new(hasher.clone()),
            visitors: Visitors::default(),
            store: FactStore::default(),
            hasher,
        }
    }
}

impl FactsBuilder {
    /// Adds some shares, in parallel. The same share may be added several times, with different facts.
    ///
    /// # Errors
    /// [`Error::Limit`](crate::error::Error::Limit) if there are too many visitors or pages to number.
    pub fn add(&mut self, days: &[(ShareKey, LocalDay)]) -> Result<()> {
        self.store.encode_from(ENCODED_FROM);
        let lists: Vec<&[VisitorHash]> = days.iter().map(|(_, day)| &day.visitors[..]).collect();
        let visitors = self.visitors.numbers(&lists)?;
        let mut locals: Vec<LocalNames> = days
            .par_iter()
            .map(|(_, day)| {
                let mut names = LocalNames::new(self.hasher.clone());
                for page in day.pages.iter() {
                    names.intern(page.as_bytes());
                }
                names
            })
            .collect();
        self.names.absorb(&mut locals.iter_mut().collect::<Vec<_>>())?;
        let facts: Vec<DayFacts> = days
            .par_iter()
            .zip(&locals)
            .zip(&visitors)
            .map(|(((_, day), names), visitors)| {
                let pages = pages_by_number(&day.facts, names.run_wide());
                renumber(&pages, |visitor| visitors[visitor as usize])
            })
            .collect();
        for (&(key, _), facts) in days.iter().zip(facts) {
            self.store.add_window(vec![(key, facts)]);
        }
        Ok(())
    }

    /// The numbers of pages with these names, for [`add_numbered`](Self::add_numbered).
    ///
    /// # Errors
    /// [`Error::Limit`](crate::error::Error::Limit) if there are too many pages to number.
    pub fn page_numbers<'n>(&mut self, names: impl Iterator<Item = &'n str>) -> Result<Vec<u32>> {
        let mut local = LocalNames::new(self.hasher.clone());
        let locals: Vec<u32> = names.map(|name| local.intern(name.as_bytes())).collect();
        self.names.absorb(&mut [&mut local])?;
        let numbers = local.run_wide();
        Ok(locals.into_iter().map(|local| numbers[local as usize]).collect())
    }

    /// Adds some shares whose visitors have numbers, which they keep; a builder that is given such shares is given no
    /// others, and [`Facts::visitors`] does not know their hashes. The number of a page is an index of the list beside
    /// its facts, which holds numbers from [`page_numbers`](Self::page_numbers), none twice.
    pub fn add_numbered(&mut self, shares: Vec<(ShareKey, DayFacts, Vec<u32>)>) {
        self.store.encode_from(ENCODED_FROM);
        let numbered: Vec<(ShareKey, DayFacts)> = shares
            .into_par_iter()
            .map(|(key, facts, numbers)| {
                let pages = pages_by_number(&facts, &numbers);
                let (mut ends, mut all) = (Vec::new(), Vec::with_capacity(facts.len()));
                for (page, of_page) in pages {
                    all.extend_from_slice(of_page);
                    ends.push((page, all.len()));
                }
                (key, DayFacts::from_columns(ends, all))
            })
            .collect();
        for share in numbered {
            self.store.add_window(vec![share]);
        }
    }

    /// Adds a share whose visitors get the numbers `visitors`, by their index in the day; as [`add_numbered`](Self::add_numbered)
    /// does.
    ///
    /// # Errors
    /// [`Error::Limit`](crate::error::Error::Limit) if there are too many pages to number.
    pub fn add_day_numbered(
        &mut self,
        key: ShareKey,
        day: &LocalDay,
        visitors: &[u32],
    ) -> Result<()> {
        let pages = self.page_numbers(day.pages.iter())?;
        let runs: Vec<(u32, &[Fact])> = day.facts.pages().collect();
        let facts = renumber(&runs, |visitor| visitors[visitor as usize]);
        self.add_numbered(vec![(key, facts, pages)]);
        Ok(())
    }

    /// All facts that were added.
    #[must_use]
    pub fn finish(self) -> Facts {
        Facts { names: self.names, visitors: self.visitors, store: self.store }
    }
}
