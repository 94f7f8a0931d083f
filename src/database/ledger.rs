//! The ledger: which sources a database holds, and by which rules.
//!
//! Owns: sites and sources as rows. May import: `source` (identities), `facts` (tallies), rusqlite.
//! Must not know: how cells are made.

use rusqlite::{OptionalExtension, Row, params};

use super::{Database, now_millis, sealed, totals};
use crate::error::{Error, Result};
use crate::facts::tally::Tally;
use crate::select::StoredRules;
use crate::source::{SHORT_ID_DIGITS, SourceIdentity};
use crate::time::Day;

/// A site and the rules it is counted by.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its number in the database.
    pub number: i64,
    /// Its name.
    pub name: String,
    /// The counting rules.
    pub rules: StoredRules,
    /// Days before this one have lost their parts.
    pub pruned_before: Option<Day>,
}

/// A source that the database holds.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its number in the database.
    pub number: i64,
    /// The number of the site whose log it is.
    pub site: i64,
    /// Its name for the user; stays as it is when the source grows.
    pub short_id: String,
    /// All bytes that were counted.
    pub identity: SourceIdentity,
    /// What the input was called when it was counted last.
    pub name: String,
    /// The log format's name.
    pub format: Option<String>,
    /// Sums over its lines, without samples.
    pub tally: Tally,
    /// When it came, in unix milliseconds.
    pub added: i64,
    /// When it grew last, in unix milliseconds.
    pub changed: i64,
}

/// What is to be recorded of a source.
#[derive(Clone, Debug)]
pub struct NewSource<'s> {
    /// The number of the site whose log it is.
    pub site: i64,
    /// All bytes that were counted, now and before.
    pub identity: &'s SourceIdentity,
    /// What the input is called.
    pub name: &'s str,
    /// The log format's name.
    pub format: Option<&'s str>,
    /// Sums over its lines, those counted before included.
    pub tally: &'s Tally,
}

impl Database {
    /// All sites, by name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn sites(&self) -> Result<Vec<Site>> {
        let rows =
            self.rows("SELECT id, name, rules, pruned_before FROM site ORDER BY name", |row| {
                let rules: String = row.get(2)?;
                let pruned_before: Option<i32> = row.get(3)?;
                Ok((row.get(0)?, row.get(1)?, rules, pruned_before.map(Day)))
            })?;
        rows.into_iter()
            .map(|(number, name, rules, pruned_before)| {
                let rules = StoredRules::parse(&rules).ok_or_else(|| self.damaged("rules"))?;
                Ok(Site { number, name, rules, pruned_before })
            })
            .collect()
    }

    /// The site of that name, made if there is none.
    ///
    /// # Errors
    /// [`Error::OtherRules`] if it is counted by other rules.
    pub fn site(&mut self, name: &str, rules: &StoredRules) -> Result<Site> {
        if let Some(site) = self.sites()?.into_iter().find(|site| site.name == name) {
            if site.rules == *rules {
                return Ok(site);
            }
            return Err(Error::OtherRules(format!(
                "{:?} counts site {name:?} by other rules: {}. Use the same options, another database, or --replace, \
                 which drops all that is stored of the site; nothing was changed",
                self.path,
                site.rules.differences(rules)
            )));
        }
        self.execute("INSERT INTO site(name, rules) VALUES (?, ?)", params![name, rules.text()])?;
        let number = self.connection.last_insert_rowid();
        Ok(Site { number, name: name.to_owned(), rules: rules.clone(), pruned_before: None })
    }

    /// Drops the parts of days before `first`, and what is stored of their visitors; their cells stay. Says of how
    /// many days.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn prune(&mut self, first: Day) -> Result<u64> {
        let days = self.rows(
            &format!("SELECT DISTINCT site, day FROM part WHERE day < {}", first.0),
            |row| Ok((row.get::<_, i64>(0)?, Day(row.get(1)?))),
        )?;
        self.execute("DELETE FROM part WHERE day < ?", [first.0])?;
        let sites: std::collections::BTreeSet<i64> = days.iter().map(|(site, _)| *site).collect();
        for site in sites {
            self.execute(
                "UPDATE site SET pruned_before = max(coalesce(pruned_before, ?1), ?1) WHERE id = ?2",
                params![first.0, site],
            )?;
            self.prune_spans(site, first)?;
        }
        if !days.is_empty() {
            // All time has changed, though no day has.
            self.next_version()?;
        }
        Ok(days.len() as u64)
    }

    /// All sources, in the order they came.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn sources(&self) -> Result<Vec<Recorded>> {
        let rows = self.rows(
            "SELECT number, short_id, id, name, bytes, blocks, format, totals, added, changed, site, beginnings FROM source \
             ORDER BY number",
            recorded,
        )?;
        let sources: Option<Vec<Recorded>> = rows.into_iter().collect();
        sources.ok_or_else(|| self.damaged("ledger"))
    }

    /// Records a source that was not in the database.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn add_source(&mut self, source: &NewSource<'_>) -> Result<Recorded> {
        let NewSource { site, identity, name, format, tally } = source;
        let now = now_millis();
        let short_id = self.free_short_id(identity)?;
        self.execute(
            "INSERT INTO source(site, short_id, id, name, bytes, blocks, beginnings, format, totals, added, changed) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                site,
                short_id,
                identity.id.to_be_bytes(),
                name,
                stored(identity.bytes),
                list(&identity.block_hashes),
                list(&identity.beginnings),
                format,
                sealed_totals(source),
                now,
                now
            ],
        )?;
        Ok(Recorded {
            number: self.connection.last_insert_rowid(),
            site: *site,
            short_id,
            identity: (*identity).clone(),
            name: (*name).to_owned(),
            format: format.map(str::to_owned),
            tally: Tally { samples: Vec::new(), ..(*tally).clone() },
            added: now,
            changed: now,
        })
    }

    /// Changes what is recorded of a source that grew.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn grow_source(&mut self, recorded: &Recorded, source: &NewSource<'_>) -> Result<Recorded> {
        let NewSource { site: _, identity, name, format, tally } = source;
        let now = now_millis();
        self.execute(
            "INSERT OR REPLACE INTO former(id, source) VALUES (?, ?)",
            params![recorded.identity.id.to_be_bytes(), recorded.number],
        )?;
        self.execute(
            "UPDATE source SET id = ?, name = ?, bytes = ?, blocks = ?, beginnings = ?, format = ?, totals = ?, changed = ? \
             WHERE number = ?",
            params![
                identity.id.to_be_bytes(),
                name,
                stored(identity.bytes),
                list(&identity.block_hashes),
                list(&identity.beginnings),
                format,
                sealed_totals(source),
                now,
                recorded.number
            ],
        )?;
        Ok(Recorded {
            identity: (*identity).clone(),
            name: (*name).to_owned(),
            format: format.map(str::to_owned),
            tally: Tally { samples: Vec::new(), ..(*tally).clone() },
            changed: now,
            ..recorded.clone()
        })
    }

    /// The source whose content was once that of `id`, and has grown since.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn grown_since(&self, id: u128) -> Result<Option<i64>> {
        self.connection
            .query_row("SELECT source FROM former WHERE id = ?", [id.to_be_bytes()], |row| {
                row.get(0)
            })
            .optional()
            .map_err(|error| self.fail(&error))
    }

    /// The fewest digits of the id, but at least six, that are no other source's.
    fn free_short_id(&self, identity: &SourceIdentity) -> Result<String> {
        for digits in SHORT_ID_DIGITS..=32 {
            let short_id = identity.short_id(digits);
            let taken: bool = self
                .connection
                .query_row(
                    "SELECT EXISTS (SELECT 1 FROM source WHERE short_id = ?)",
                    [&short_id],
                    |row| row.get(0),
                )
                .map_err(|error| self.fail(&error))?;
            if !taken {
                return Ok(short_id);
            }
        }
        // A source that grew keeps the short id of what it was; the same content came back.
        Ok(format!("{}-{}", identity.full_id(), now_millis()))
    }

    /// Takes a source out again; its days are touched.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn remove_source(&mut self, number: i64) -> Result<()> {
        self.remove_blocks(number)?;
        self.execute("DELETE FROM former WHERE source = ?", [number])?;
        self.execute("DELETE FROM source WHERE number = ?", [number])
    }

    /// Takes the facts of a source out; its days are touched.
    ///
    /// # Errors
    /// [`Error::Database`], also where some of them were pruned.
    pub fn remove_blocks(&mut self, source: i64) -> Result<()> {
        self.refuse_pruned_source(source)?;
        for block in self.blocks_of(source)? {
            let touched = self.touched.entry(block.site).or_default();
            touched.days.insert(block.day);
            touched.is_less = true;
        }
        self.execute("DELETE FROM part WHERE source = ?", [source])
    }

    /// A source some of whose days were pruned cannot be taken out of their cells.
    fn refuse_pruned_source(&self, number: i64) -> Result<()> {
        let source = self.sources()?.into_iter().find(|source| source.number == number);
        let is_its = |site: &Site| source.as_ref().is_some_and(|source| source.site == site.number);
        let pruned_before =
            self.sites()?.into_iter().find(is_its).and_then(|site| site.pruned_before);
        let first = source.and_then(|source| source.tally.span).map(|(first, _)| first.day());
        match (first, pruned_before) {
            (Some(first), Some(pruned)) if first < pruned => {
                let reason = format!(
                    "the source has days before {pruned}, whose parts were pruned, so it cannot be taken out of their \
                     numbers any more; nothing was changed"
                );
                Err(Error::Database { path: self.path.clone(), reason })
            }
            _ => Ok(()),
        }
    }

    /// Takes all of a site out: its sources, rules and cells. Returns the days that it had.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn remove_site(&mut self, name: &str) -> Result<Vec<Day>> {
        let site: Option<i64> = self
            .connection
            .query_row("SELECT id FROM site WHERE name = ?", [name], |row| row.get(0))
            .optional()
            .map_err(|error| self.fail(&error))?;
        let Some(site) = site else { return Ok(Vec::new()) };
        self.touched.remove(&site);
        let days = self.day_versions(site)?.into_keys().collect();
        for statement in [
            "DELETE FROM part WHERE site = ?",
            "DELETE FROM cell WHERE slot IN (SELECT id FROM slot WHERE site = ?)",
            "DELETE FROM slot WHERE site = ?",
            "DELETE FROM place WHERE site = ?",
            "DELETE FROM span WHERE site = ?",
            "DELETE FROM day WHERE site = ?",
            "DELETE FROM former WHERE source IN (SELECT number FROM source WHERE site = ?)",
            "DELETE FROM source WHERE site = ?",
            "DELETE FROM site WHERE id = ?",
        ] {
            self.execute(statement, [site])?;
        }
        Ok(days)
    }

    pub(super) fn execute(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<()> {
        let run = || self.connection.prepare_cached(sql)?.execute(parameters);
        run().map(|_| ()).map_err(|error| self.fail(&error))
    }

    pub(super) fn rows<T>(
        &self,
        sql: &str,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement =
            self.connection.prepare_cached(sql).map_err(|error| self.fail(&error))?;
        let rows = statement.query_map([], read).and_then(Iterator::collect);
        rows.map_err(|error| self.fail(&error))
    }
}

/// A size as SQLite has integers.
fn stored(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn list(hashes: &[u128]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.to_be_bytes()).collect()
}

fn hashes(list: &[u8]) -> Vec<u128> {
    list.as_chunks().0.iter().map(|hash| u128::from_be_bytes(*hash)).collect()
}

/// The sums over a source's lines, which belong to these bytes of this site.
fn sealed_totals(source: &NewSource<'_>) -> String {
    sealed::seal(&totals::text(source.tally), &totals_key(source.site, source.identity))
}

fn totals_key(site: i64, identity: &SourceIdentity) -> [i64; 3] {
    // Half of an id tells sources apart as well as the checksum does.
    [site, stored(identity.bytes), ((identity.id >> 64) as u64).cast_signed()]
}

/// A row of the ledger; `None` inside if it makes no sense.
fn recorded(row: &Row<'_>) -> rusqlite::Result<Option<Recorded>> {
    let (id, blocks, beginnings): (Vec<u8>, Vec<u8>, Vec<u8>) =
        (row.get(2)?, row.get(5)?, row.get(11)?);
    let (bytes, totals): (i64, String) = (row.get(4)?, row.get(7)?);
    let bytes = u64::try_from(bytes).unwrap_or_default();
    let identity = SourceIdentity::new(bytes, hashes(&blocks), hashes(&beginnings));
    let is_whole = identity.id.to_be_bytes() == *id;
    let key = totals_key(row.get(10)?, &identity);
    let tally = sealed::open(&totals, &key).and_then(|json| totals::parse(&json));
    let Some(tally) = tally.filter(|_| is_whole) else { return Ok(None) };
    Ok(Some(Recorded {
        number: row.get(0)?,
        short_id: row.get(1)?,
        identity,
        name: row.get(3)?,
        format: row.get(6)?,
        tally,
        added: row.get(8)?,
        changed: row.get(9)?,
        site: row.get(10)?,
    }))
}
