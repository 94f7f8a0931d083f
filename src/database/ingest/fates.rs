//! What becomes of each source of a run: whether it is in the ledger already, has changed there meanwhile, or holds what
//! others hold.
//!
//! Owns: [`decide`]. May import: `facts::overlap`, the ledger. Must not know: facts, cells.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};

use super::{Batch, CountedFrom, Fate, Look, ScannedSource};
use crate::database::Store;
use crate::database::ledger::relation::{Relation, relation};
use crate::database::ledger::sites::Site;
use crate::database::ledger::{self, Recorded, SourceRecord, shares};
use crate::error::Result;
use crate::facts::overlap::{DaySamples, Overlap};
use crate::facts::tally::Tally;
use crate::facts::{ShareKey, ShareSums};
use crate::time::Day;

/// A source that is stored. Its row in the ledger is written.
pub(super) struct Accepted<'b> {
    /// The source as it was read.
    pub(super) scanned: &'b ScannedSource,
    /// The source as it is recorded now.
    pub(super) source: Recorded,
    /// Whether the facts that it had are to go.
    pub(super) is_counted_anew: bool,
}

/// What becomes of all sources.
pub(super) struct Fates<'b> {
    /// In the order of the batch.
    pub(super) fates: Vec<Fate>,
    /// Those to be stored, by number in the run.
    pub(super) accepted: Vec<Accepted<'b>>,
}

/// How a source that is not left out changes the ledger.
enum Change {
    Add,
    Grow(Recorded),
    Anew(Recorded),
}

impl Change {
    fn before(&self) -> Option<&Recorded> {
        match self {
            Self::Add => None,
            Self::Grow(before) | Self::Anew(before) => Some(before),
        }
    }
}

/// Decides what becomes of each source, and writes the rows of those that are to be stored. `known` are the sites that were
/// there before.
pub(super) fn decide<'b>(
    store: Store<'_>,
    batch: &'b Batch<'_>,
    known: &[Site],
    seen: &Look,
) -> Result<Fates<'b>> {
    let mut in_order: Vec<(usize, &ScannedSource)> = batch.sources.iter().enumerate().collect();
    // The longest first: a source that contains others is accepted before those are compared with it.
    in_order
        .sort_by_key(|(_, source)| (std::cmp::Reverse(source.identity.bytes), source.identity.id));
    let mut shares: BTreeMap<u32, Vec<(ShareKey, &ShareSums)>> = BTreeMap::new();
    for (&key, sums) in batch.shares {
        shares.entry(key.source).or_default().push((key, sums));
    }
    let mut overlaps = Overlaps { store, batch, known, days: BTreeMap::new() };
    let compared = seen.compared();
    let mut fates: Vec<Fate> = batch.sources.iter().map(|_| Fate::ScanAgain).collect();
    let mut accepted = Vec::new();
    for (index, scanned) in in_order {
        let change = match look_again(store, scanned, &compared)? {
            Ok(change) => change,
            Err(fate) => {
                fates[index] = fate;
                continue;
            }
        };
        let shares = shares.get(&scanned.number).map_or(&[][..], |shares| &shares[..]);
        let is_exempt = scanned.as_new || change.before().is_some_and(|before| before.as_new);
        if !is_exempt && let Some(fate) = overlaps.find(&change, shares)? {
            fates[index] = fate;
            continue;
        }
        let is_counted_anew = matches!(change, Change::Anew(_));
        let source = write(store, scanned, change)?;
        if !is_exempt {
            overlaps.add(source.number, is_counted_anew, shares)?;
        }
        fates[index] = Fate::Stored(source.number);
        accepted.push(Accepted { scanned, source, is_counted_anew });
    }
    accepted.sort_by_key(|one| one.scanned.number);
    Ok(Fates { fates, accepted })
}

/// Compares a source with what the ledger is now. `compared` are the sources that it was compared with before, byte by byte.
fn look_again(
    store: Store<'_>,
    scanned: &ScannedSource,
    compared: &HashMap<i64, u128>,
) -> Result<std::result::Result<Change, Fate>> {
    let identity = &scanned.identity;
    if let Some(same) = ledger::with_content(store, identity.id)? {
        return Ok(Err(Fate::CountedMeanwhile(same.number)));
    }
    if let CountedFrom::Ledger { source, .. } | CountedFrom::Anew { source } = scanned.counted_from
    {
        let Some(row) = ledger::source(store, source)? else { return Ok(Err(Fate::ScanAgain)) };
        if relation(&row, identity) == Relation::EarlierState {
            return Ok(Err(Fate::CountedMeanwhile(source)));
        }
        let is_as_it_was = match scanned.counted_from {
            CountedFrom::Ledger { bytes, id, .. } => {
                (row.identity.bytes, row.identity.id) == (bytes, id)
            }
            _ => compared.get(&source) == Some(&row.identity.id),
        };
        return Ok(match (is_as_it_was, scanned.counted_from) {
            (false, _) => Err(Fate::ScanAgain),
            (true, CountedFrom::Anew { .. }) => Ok(Change::Anew(row)),
            (true, _) => Ok(Change::Grow(row)),
        });
    }
    for other in ledger::candidates(store, &identity.beginnings)? {
        if compared.get(&other.number) == Some(&other.identity.id) {
            continue;
        }
        match relation(&other, identity) {
            Relation::Same | Relation::EarlierState => {
                return Ok(Err(Fate::CountedMeanwhile(other.number)));
            }
            Relation::Cut if scanned.as_new => {}
            Relation::Cut | Relation::MayHaveGrown => return Ok(Err(Fate::ScanAgain)),
            Relation::Different => {}
        }
    }
    Ok(Ok(Change::Add))
}

/// Writes the row of a source.
fn write(store: Store<'_>, scanned: &ScannedSource, change: Change) -> Result<Recorded> {
    let mut tally = Tally::default();
    if let Change::Grow(before) = &change {
        tally = before.tally.clone();
    }
    tally.merge(scanned.lines.clone());
    let record = SourceRecord {
        identity: &scanned.identity,
        name: &scanned.name,
        format: scanned.format.as_deref(),
        is_named: scanned.is_named,
        as_new: scanned.as_new,
        tally: &tally,
    };
    match change {
        Change::Add => ledger::add(store, &record),
        Change::Grow(before) => ledger::grow(store, before, &record),
        Change::Anew(before) => ledger::read_again(store, before, &record),
    }
}

/// The samples of the days that sources of the run have.
struct Overlaps<'b> {
    store: Store<'b>,
    batch: &'b Batch<'b>,
    known: &'b [Site],
    /// By site of the run and day.
    days: BTreeMap<(u32, Day), DaySamples>,
}

impl Overlaps<'_> {
    /// The number of a site in the database, if it was there before.
    fn site(&self, site: u32) -> Option<i64> {
        let name = &self.batch.sites.get(site as usize)?.name;
        Some(self.known.iter().find(|known| known.name == *name)?.number)
    }

    fn day(&mut self, key: ShareKey) -> Result<&mut DaySamples> {
        let site = self.site(key.site);
        match self.days.entry((key.site, key.day)) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let mut samples = DaySamples::default();
                if let Some(site) = site {
                    for (source, sample) in shares::samples(self.store, site, key.day)? {
                        samples.add(in_samples(source), &sample);
                    }
                }
                Ok(entry.insert(samples))
            }
        }
    }

    /// Whether the source overlaps others on any of its days.
    fn find(&mut self, change: &Change, shares: &[(ShareKey, &ShareSums)]) -> Result<Option<Fate>> {
        let own = change.before().map(|before| in_samples(before.number));
        let is_grown = matches!(change, Change::Grow(_));
        for (key, sums) in shares {
            let samples = self.day(*key)?;
            // A copy that comes at the end of a large log is seen in the new lines, one that comes in small steps in all.
            let mut found = samples.overlap(own, &sums.sample);
            let before = own.filter(|_| is_grown).and_then(|own| samples.get(own));
            if let (None, Some(before)) = (found, before) {
                let mut all = before.clone();
                all.merge(&sums.sample);
                found = samples.overlap(own, &all);
            }
            let Some(Overlap { other, share }) = found else { continue };
            let other = ledger::source(self.store, other.into())?;
            let other = other.ok_or_else(|| self.store.damaged("ledger"))?;
            let site = self.batch.sites.get(key.site as usize);
            let site = site.map_or_else(String::new, |site| site.name.clone());
            return Ok(Some(Fate::Overlaps { day: key.day, site, share, other: Box::new(other) }));
        }
        Ok(None)
    }

    /// Adds the page views of a source that is stored.
    fn add(
        &mut self,
        source: i64,
        is_counted_anew: bool,
        shares: &[(ShareKey, &ShareSums)],
    ) -> Result<()> {
        let number = in_samples(source);
        if is_counted_anew {
            self.days.values_mut().for_each(|samples| drop(samples.remove(number)));
        }
        for (key, sums) in shares {
            let samples = self.day(*key)?;
            if is_counted_anew {
                samples.remove(number);
            }
            samples.add(number, &sums.sample);
        }
        Ok(())
    }
}

/// The number of a source among samples.
fn in_samples(source: i64) -> u32 {
    // Numbers of sources have 32 bits.
    u32::try_from(source).unwrap_or(u32::MAX)
}
