//! A run into a database: what of each scanned source is new, counted once.
//!
//! Owns: [`Batch`], [`Look`], the steps of [`Database::ingest`]. May import: `count`, `facts`, `select` (rules), `source`
//! (identities), its siblings. Must not know: the pipeline, the command line, sentences about inputs.
//!
//! All of it happens within one transaction, which the caller has begun and ends. What the run read before that without a
//! lock ([`Look`]) is looked at again.

mod content;
mod days;
mod fates;
pub(super) mod finest;
mod numbers;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::ledger::sites::{self, Site};
use super::ledger::{self, Recorded};
use super::{Database, Store, day_sums, meta, remove};
use crate::count::Facts;
use crate::error::{Error, Result};
use crate::facts::tally::Tally;
use crate::facts::{ShareKey, ShareSums};
use crate::select::StoredRules;
use crate::source::SourceIdentity;
use crate::time::{Day, Granularity};
use days::Days;
use fates::{Accepted, Fates};
use numbers::Numbers;

/// What a run counted.
#[derive(Clone, Debug)]
pub struct Batch<'f> {
    /// The facts. Those of sources that are not among `sources` are left alone.
    pub facts: &'f Facts,
    /// What else is known of each share, also of those without facts.
    pub shares: &'f BTreeMap<ShareKey, ShareSums>,
    /// The sites, by [`ShareKey::site`].
    pub sites: Vec<SiteOfRun>,
    /// The rules that all was counted by.
    pub rules: &'f StoredRules,
    /// The sources that could be read to their end.
    pub sources: Vec<ScannedSource>,
}

/// A site of a run.
#[derive(Clone, Debug)]
pub struct SiteOfRun {
    /// Its name.
    pub name: String,
    /// Whether the name was given, and not taken from the lines.
    pub is_named: bool,
}

/// A source as it was read.
#[derive(Clone, Debug)]
pub struct ScannedSource {
    /// Its number in [`ShareKey::source`].
    pub number: u32,
    /// All its bytes, those counted before included.
    pub identity: SourceIdentity,
    /// From where on it was counted.
    pub counted_from: CountedFrom,
    /// What the input is called.
    pub name: String,
    /// The log format's canonical text.
    pub format: Option<String>,
    /// Sums over the lines that were counted, and the time that they span.
    pub lines: Tally,
    /// Whether it is to be counted although it overlaps others or begins as another one.
    pub as_new: bool,
    /// Whether its sites were named, and not taken from its lines.
    pub is_named: bool,
}

/// From where on a source was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountedFrom {
    /// From its beginning: it is not in the ledger.
    Start,
    /// From where the ledger ended: it has grown from the source of that number, which had that length and id then.
    Ledger {
        /// The source's number in the database.
        source: i64,
        /// Number of bytes that were counted.
        bytes: u64,
        /// Their id.
        id: u128,
    },
    /// From its beginning again, although it has grown from the source of that number: what that has goes.
    Anew {
        /// The source's number in the database.
        source: i64,
    },
}

/// What became of a source.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// It is stored as the source of that number.
    Stored(i64),
    /// It is in the ledger already, from another run or another input of this one, as the source of that number.
    CountedMeanwhile(i64),
    /// The ledger has changed since it was looked at, so that the source has to be looked at again, and counted from
    /// wherever it is to be counted then. (The input, not only a length: whether a source has grown is told by its bytes.)
    ScanAgain,
    /// It holds page views of other sources, and is left out whole; of a source that has grown, the new lines.
    Overlaps {
        /// The first day on which it does.
        day: Day,
        /// The site.
        site: String,
        /// The share of its page views of that day that are found elsewhere, by its sample.
        share: f32,
        /// The source that has the most of them.
        other: Box<Recorded>,
    },
}

/// How a run treats what the database has.
#[derive(Clone, Copy, Debug, Default)]
pub struct IngestOptions {
    /// Drop all that is stored of the sites of the run first.
    pub replace: bool,
    /// The finest granularity of cells of pages; `None` for the database's.
    pub cells: Option<Granularity>,
}

/// What a run read of a database before it scanned.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Version of the last commit; 0 before the first.
    pub version: i64,
    /// All sites, by name.
    pub sites: Vec<Site>,
    /// For each input the sources that it may be, in the order they came.
    pub candidates: Vec<Vec<Recorded>>,
}

impl Look {
    /// The ids of the sources that inputs were compared with, by number.
    fn compared(&self) -> HashMap<i64, u128> {
        let all = self.candidates.iter().flatten();
        all.map(|source| (source.number, source.identity.id)).collect()
    }
}

/// What a run stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ingested {
    /// What became of each source, in the order of [`Batch::sources`].
    pub fates: Vec<Fate>,
    /// Whether anything was changed. If not, there is nothing to commit.
    pub is_changed: bool,
}

impl Database {
    /// Reads what a run has to know before it scans. `beginnings` are the [`SourceIdentity::beginnings`] of each input, or
    /// as many of them as are known.
    ///
    /// # Errors
    /// [`Error::Database`]; [`Error::OtherRules`] for a rule of a newer hitmap.
    pub fn look_at_ledger(&self, beginnings: &[Vec<u128>]) -> Result<Look> {
        self.look(|store| {
            let candidates =
                beginnings.iter().map(|beginnings| ledger::candidates(store, beginnings));
            Ok(Look {
                version: meta::version(store)?,
                sites: sites::sites(store)?,
                candidates: candidates.collect::<Result<_>>()?,
            })
        })
    }

    /// Counts what is new in the batch, within the transaction that was begun. Uses the thread pool it is called in.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::OtherRules`], [`Error::Limit`]: nothing must be committed then.
    pub fn ingest(
        &mut self,
        batch: &Batch<'_>,
        options: IngestOptions,
        seen: &Look,
    ) -> Result<Ingested> {
        ingest(self.store(), batch, options, seen)
    }
}

fn ingest(
    store: Store<'_>,
    batch: &Batch<'_>,
    options: IngestOptions,
    seen: &Look,
) -> Result<Ingested> {
    let mut known = sites::sites(store)?;
    let mut replaced = None;
    if options.replace {
        replaced = replace_sites(store, batch, &known)?;
        known = sites::sites(store)?;
    }
    let mut is_changed = replaced.is_some();
    for site in known.iter().filter(|site| batch.sites.iter().any(|one| one.name == site.name)) {
        sites::check(store, site, batch.rules)?;
    }
    is_changed |= finest::set(store, options.cells)?;
    let Fates { fates, accepted } = fates::decide(store, batch, &known, seen)?;
    is_changed |= !accepted.is_empty();
    if is_changed {
        let version = meta::next_version(store)?;
        refuse_pruned(batch, &accepted, &known)?;
        for (site, day) in replaced.into_iter().flatten() {
            day_sums::empty(store, site, day, version)?;
        }
        for one in &accepted {
            if one.is_counted_anew {
                remove::take_out_facts(store, one.source.number, version)?;
            }
        }
        let sites = make_sites(store, batch, &accepted, &known)?;
        let numbers = Numbers::new(store, batch, &accepted, &sites)?;
        Days::new(store, batch, &accepted, &sites, &numbers, version)?.store_all()?;
    }
    Ok(Ingested { fates, is_changed })
}

/// Takes out all that is stored of the sites of the batch, and gives them the rules of the run. Returns the days that they
/// had; `None` if nothing was there.
fn replace_sites(
    store: Store<'_>,
    batch: &Batch<'_>,
    known: &[Site],
) -> Result<Option<Vec<(i64, Day)>>> {
    let mut is_changed = false;
    for scanned in &batch.sources {
        is_changed |= remove::take_out_empty_source(store, &scanned.identity)?;
    }
    let of_run = |site: &Site| batch.sites.iter().find(|of_run| of_run.name == site.name);
    let sites: BTreeSet<i64> =
        known.iter().filter(|site| of_run(site).is_some()).map(|site| site.number).collect();
    if sites.is_empty() {
        return Ok(is_changed.then(Vec::new));
    }
    let days = remove::take_out_sites(store, &sites)?;
    for site in known {
        if let Some(of_run) = of_run(site) {
            remove::set_rules(store, site.number, batch.rules, of_run.is_named)?;
        }
    }
    Ok(Some(days))
}

/// # Errors
/// [`Error::Limit`] if there are page views of a day that was pruned.
fn refuse_pruned(batch: &Batch<'_>, accepted: &[Accepted<'_>], known: &[Site]) -> Result<()> {
    for key in batch.facts.shares() {
        let Some(site) = batch.sites.get(key.site as usize) else { continue };
        let pruned_before = known.iter().find(|one| one.name == site.name);
        let pruned_before = pruned_before.and_then(|site| site.pruned_before);
        let is_accepted = || accepted.iter().any(|one| one.scanned.number == key.source);
        if let Some(first) = pruned_before.filter(|first| key.day < *first && is_accepted()) {
            return Err(Error::Limit(format!(
                "the input has page views of {}, and the database was pruned before {first}: what was counted of that \
                 day is gone, so its unique visitors could no longer be exact. Nothing was stored",
                key.day
            )));
        }
    }
    Ok(())
}

/// The sites of which accepted sources have shares, by their number in the run.
fn make_sites(
    store: Store<'_>,
    batch: &Batch<'_>,
    accepted: &[Accepted<'_>],
    known: &[Site],
) -> Result<BTreeMap<u32, Site>> {
    let is_accepted: BTreeSet<u32> = accepted.iter().map(|one| one.scanned.number).collect();
    let keys = batch.facts.shares().chain(batch.shares.keys().copied());
    let mut sites = BTreeMap::new();
    for key in keys.filter(|key| is_accepted.contains(&key.source)) {
        if sites.contains_key(&key.site) {
            continue;
        }
        let Some(SiteOfRun { name, is_named }) = batch.sites.get(key.site as usize) else {
            continue;
        };
        let site = sites::find_or_make(store, known, name, batch.rules, *is_named)?;
        sites.insert(key.site, site);
    }
    Ok(sites)
}

#[cfg(test)]
pub(super) mod tests;
