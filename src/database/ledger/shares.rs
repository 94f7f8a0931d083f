//! What a source has of a site's day: sums over its hits, and the sample by which overlaps are found.
//!
//! Owns: the table `share`. May import: `facts` (sums, samples), serde, rusqlite, its sibling `checked`. Must not know:
//! blocks, facts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::super::{Database, Store, checked};
use crate::error::Result;
use crate::facts::sample::{MOST_VALUES, Sample};
use crate::facts::sums::{Sums, of_hits};
use crate::facts::varint;
use crate::time::Day;

/// Names of the methods that have numbers.
const METHODS: [&str; 10] =
    ["other", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// Sums over hits as JSON, which any SQL tool can look into. Every member has a default, so that members can be added.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct ShareTotals {
    hits: u64,
    page_views: u64,
    bytes_sent: u64,
    /// Hits by status code.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    status: BTreeMap<u64, u64>,
    /// Hits by method.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    method: BTreeMap<String, u64>,
    /// Sums of other numbers, from parts of a newer hitmap.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    other: BTreeMap<u64, u64>,
}

impl From<&Sums> for ShareTotals {
    fn from(sums: &Sums) -> Self {
        let mut totals = Self::default();
        for (number, sum) in sums.iter() {
            let method = number
                .checked_sub(of_hits::METHOD)
                .and_then(|method| METHODS.get(usize::try_from(method).ok()?));
            match (number, method) {
                (of_hits::HITS, _) => totals.hits = sum,
                (of_hits::PAGE_VIEWS, _) => totals.page_views = sum,
                (of_hits::BYTES, _) => totals.bytes_sent = sum,
                (of_hits::STATUS..of_hits::METHOD, _) => {
                    totals.status.insert(number - of_hits::STATUS, sum);
                }
                (_, Some(&method)) => {
                    totals.method.insert(method.to_owned(), sum);
                }
                _ => {
                    totals.other.insert(number, sum);
                }
            }
        }
        totals
    }
}

impl ShareTotals {
    /// `None` for a method that there is not.
    fn sums(&self) -> Option<Sums> {
        let mut sums = Sums::default();
        sums.add(of_hits::HITS, self.hits);
        sums.add(of_hits::PAGE_VIEWS, self.page_views);
        sums.add(of_hits::BYTES, self.bytes_sent);
        for (&status, &sum) in &self.status {
            sums.add(of_hits::STATUS.saturating_add(status), sum);
        }
        for (method, &sum) in &self.method {
            let number = METHODS.iter().position(|name| name == method)?;
            sums.add(of_hits::METHOD + number as u64, sum);
        }
        for (&number, &sum) in &self.other {
            sums.add(number, sum);
        }
        Some(sums)
    }
}

/// A share that is stored.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::database) struct Share {
    /// Its number, by which its blocks are found.
    pub number: i64,
    /// Sums over its hits.
    pub hits: Sums,
    /// The overlap sample of its page views.
    pub sample: Sample,
}

fn belongs_to(site: i64, day: Day, source: i64) -> [i64; 3] {
    [site, day.0.into(), source]
}

fn sample(sealed: &[u8], belongs_to: &[i64]) -> Option<Sample> {
    let mut bytes = checked::open(sealed, belongs_to)?;
    let count = varint::take_usize(&mut bytes).filter(|count| *count <= MOST_VALUES)?;
    let (values, []) = bytes.as_chunks() else { return None };
    let values: Vec<u64> = values.iter().map(|value| u64::from_le_bytes(*value)).collect();
    if values.len() == count { Sample::from_values(values) } else { None }
}

fn sealed_sample(sample: &Sample, belongs_to: &[i64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + 8 * sample.values().len());
    varint::put(&mut bytes, sample.values().len() as u64);
    bytes.extend(sample.values().iter().flat_map(|value| value.to_le_bytes()));
    checked::seal(&mut bytes, belongs_to);
    bytes
}

/// The share of a source in a site's day, if it has one.
pub(in crate::database) fn find(
    store: Store<'_>,
    site: i64,
    day: Day,
    source: i64,
) -> Result<Option<Share>> {
    let row = store
        .prepare("SELECT id, totals, sample FROM share WHERE site = ? AND day = ? AND source = ?")?
        .query_row(params![site, day.0, source], |row| {
            Ok((row.get(0)?, row.get::<_, String>(1)?, row.get::<_, Vec<u8>>(2)?))
        })
        .optional()
        .map_err(|error| store.fail(&error))?;
    let Some((number, totals, bytes)) = row else { return Ok(None) };
    let belongs_to = belongs_to(site, day, source);
    let hits = sums(store, &totals, &belongs_to)?;
    let sample = sample(&bytes, &belongs_to).ok_or_else(|| store.damaged("sample of a day"))?;
    Ok(Some(Share { number, hits, sample }))
}

/// Stored sums.
fn sums(store: Store<'_>, totals: &str, belongs_to: &[i64]) -> Result<Sums> {
    let totals = checked::open_json::<ShareTotals>(totals, belongs_to);
    let sums = totals.and_then(|totals| totals.sums());
    sums.ok_or_else(|| store.damaged("sums of a day's hits"))
}

/// The row of a share to which something was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::database) struct Added {
    /// Its number.
    pub share: i64,
    /// Whether it was made.
    pub is_new: bool,
}

/// Adds hits and page views to the share of a source in a site's day, which is made if there is none.
pub(in crate::database) fn add(
    store: Store<'_>,
    (site, day, source): (i64, Day, i64),
    hits: &Sums,
    sample: &Sample,
) -> Result<Added> {
    let belongs_to = belongs_to(site, day, source);
    let before = find(store, site, day, source)?;
    let (mut all_hits, mut all_values) = (hits.clone(), sample.clone());
    if let Some(before) = &before {
        all_hits.merge(&before.hits);
        all_values.merge(&before.sample);
    }
    let totals = checked::seal_json(&ShareTotals::from(&all_hits), &belongs_to);
    let sample = sealed_sample(&all_values, &belongs_to);
    match before {
        Some(Share { number, .. }) => {
            store.execute(
                "UPDATE share SET totals = ?, sample = ? WHERE id = ?",
                params![totals, sample, number],
            )?;
            Ok(Added { share: number, is_new: false })
        }
        None => {
            store.execute(
                "INSERT INTO share(site, day, source, totals, sample) VALUES (?, ?, ?, ?, ?)",
                params![site, day.0, source, totals, sample],
            )?;
            Ok(Added { share: store.connection.last_insert_rowid(), is_new: true })
        }
    }
}

/// The samples of all shares of a site's day, by source; those of sources that were counted although they overlap are not
/// among them.
pub(in crate::database) fn samples(
    store: Store<'_>,
    site: i64,
    day: Day,
) -> Result<Vec<(i64, Sample)>> {
    let mut statement = store.prepare(
        "SELECT source, sample FROM share JOIN source ON source.id = share.source \
         WHERE site = ? AND day = ? AND NOT as_new ORDER BY source",
    )?;
    let rows = statement
        .query_map(params![site, day.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .and_then(Iterator::collect);
    let rows: Vec<(i64, Vec<u8>)> = rows.map_err(|error| store.fail(&error))?;
    let read = |(source, bytes): (i64, Vec<u8>)| {
        let sample = sample(&bytes, &belongs_to(site, day, source));
        Ok((source, sample.ok_or_else(|| store.damaged("sample of a day"))?))
    };
    rows.into_iter().map(read).collect()
}

/// Empties the samples of a site's shares of all days before one, which tell page views of visitors.
pub(in crate::database) fn empty_samples(store: Store<'_>, site: i64, before: Day) -> Result<()> {
    let mut statement =
        store.prepare("SELECT id, day, source FROM share WHERE site = ? AND day < ?")?;
    let rows = statement
        .query_map(params![site, before.0], |row| Ok((row.get(0)?, Day(row.get(1)?), row.get(2)?)))
        .and_then(Iterator::collect);
    let rows: Vec<(i64, Day, i64)> = rows.map_err(|error| store.fail(&error))?;
    for (number, day, source) in rows {
        let sample = sealed_sample(&Sample::default(), &belongs_to(site, day, source));
        store.execute("UPDATE share SET sample = ? WHERE id = ?", params![sample, number])?;
    }
    Ok(())
}

/// The sums over the hits of some days of a site, of all sources together.
pub(in crate::database) fn hits(
    store: Store<'_>,
    site: i64,
    days: RangeInclusive<Day>,
) -> Result<Sums> {
    let mut statement = store
        .prepare("SELECT day, source, totals FROM share WHERE site = ? AND day BETWEEN ? AND ?")?;
    let rows = statement
        .query_map(params![site, days.start().0, days.end().0], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .and_then(Iterator::collect);
    let rows: Vec<(i32, i64, String)> = rows.map_err(|error| store.fail(&error))?;
    let mut all = Sums::default();
    for (day, source, totals) in rows {
        let belongs_to = belongs_to(site, Day(day), source);
        all.merge(&sums(store, &totals, &belongs_to)?);
    }
    Ok(all)
}

/// The sites and days of which a source has shares: each site with its first and last day, by site.
pub(in crate::database) fn of_source(
    store: Store<'_>,
    source: i64,
) -> Result<Vec<(i64, RangeInclusive<Day>)>> {
    let mut statement = store.prepare(
        "SELECT site, min(day), max(day) FROM share WHERE source = ? GROUP BY site ORDER BY site",
    )?;
    let rows = statement
        .query_map([source], |row| Ok((row.get(0)?, Day(row.get(1)?)..=Day(row.get(2)?))))
        .and_then(Iterator::collect);
    rows.map_err(|error| store.fail(&error))
}

impl Database {
    /// The sums over the hits of some days of a site, of all sources together.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn hits(&self, site: i64, days: RangeInclusive<Day>) -> Result<Sums> {
        hits(self.store(), site, days)
    }

    /// Number of sources; of a site, of those that have hits on it.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn source_count(&self, site: Option<i64>) -> Result<u64> {
        let store = self.store();
        let mut statement = store.prepare(match site {
            Some(_) => "SELECT count(DISTINCT source) FROM share WHERE site = ?",
            None => "SELECT count(*) FROM source WHERE ? IS NULL",
        })?;
        let count = statement.query_row([site], |row| row.get(0).map(i64::cast_unsigned));
        count.map_err(|error| store.fail(&error))
    }

    /// The sources that have hits on a site, by number.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn sources_of_site(&self, site: i64) -> Result<BTreeSet<i64>> {
        let store = self.store();
        // The index of `share` has both, so no sample is read.
        let mut statement = store.prepare("SELECT DISTINCT source FROM share WHERE site = ?")?;
        let sources = statement.query_map([site], |row| row.get(0)).and_then(Iterator::collect);
        sources.map_err(|error| store.fail(&error))
    }

    /// The sites of which a source has hits, by number, each with their first and last day.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn sites_of_source(&self, source: i64) -> Result<Vec<(i64, RangeInclusive<Day>)>> {
        of_source(self.store(), source)
    }
}
