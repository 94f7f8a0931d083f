//! Sites and the rules they are counted by.
//!
//! Owns: the table `site`. May import: `select` (rules), rusqlite. Must not know: sources.

use rusqlite::params;

use super::super::{Database, Store};
use crate::error::{Error, Result};
use crate::select::StoredRules;
use crate::time::Day;

/// A site and the rules it is counted by.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Its number in the database.
    pub number: i64,
    /// Its name.
    pub name: String,
    /// The counting rules.
    pub rules: StoredRules,
    /// Whether its name was given, and not taken from lines.
    pub is_named: bool,
    /// Days before this one have lost their facts.
    pub pruned_before: Option<Day>,
}

/// All sites, by name.
pub(in crate::database) fn sites(store: Store<'_>) -> Result<Vec<Site>> {
    let mut statement =
        store.prepare("SELECT id, name, rules, is_named, pruned_before FROM site ORDER BY name")?;
    let rows = statement.query_map([], |row| {
        let rules: String = row.get(2)?;
        let pruned_before: Option<i32> = row.get(4)?;
        Ok((row.get(0)?, row.get(1)?, rules, row.get(3)?, pruned_before.map(Day)))
    });
    let rows: rusqlite::Result<Vec<_>> = rows.and_then(Iterator::collect);
    let site = |(number, name, rules, is_named, pruned_before): (i64, String, String, bool, _)| {
        let rules = parse(store, &name, &rules)?;
        Ok(Site { number, name, rules, is_named, pruned_before })
    };
    rows.map_err(|error| store.fail(&error))?.into_iter().map(site).collect()
}

fn parse(store: Store<'_>, name: &str, text: &str) -> Result<StoredRules> {
    if let Some(rules) = StoredRules::parse(text) {
        return Ok(rules);
    }
    match StoredRules::unknown_rule(text) {
        Some(rule) => Err(Error::OtherRules(format!(
            "{:?} counts site {name:?} by the rule {rule:?}, which this hitmap does not know; a newer hitmap does. \
             Nothing was changed",
            store.path
        ))),
        None => Err(store.damaged("rules")),
    }
}

/// The site of that name among `known`, made if there is none.
///
/// # Errors
/// [`Error::OtherRules`] if it is counted by other rules.
pub(in crate::database) fn find_or_make(
    store: Store<'_>,
    known: &[Site],
    name: &str,
    rules: &StoredRules,
    is_named: bool,
) -> Result<Site> {
    if let Some(site) = known.iter().find(|site| site.name == name) {
        check(store, site, rules)?;
        return Ok(site.clone());
    }
    store.execute(
        "INSERT INTO site(name, rules, is_named) VALUES (?, ?, ?)",
        params![name, rules.text(), is_named],
    )?;
    Ok(Site {
        number: store.connection.last_insert_rowid(),
        name: name.to_owned(),
        rules: rules.clone(),
        is_named,
        pruned_before: None,
    })
}

/// # Errors
/// [`Error::OtherRules`] if the site is counted by other rules.
pub(in crate::database) fn check(store: Store<'_>, site: &Site, rules: &StoredRules) -> Result<()> {
    if site.rules == *rules {
        return Ok(());
    }
    Err(Error::OtherRules(format!(
        "{:?} counts site {:?} by other rules: {}. Use the same options, another database, or --replace, which drops all \
         that is stored of the site; nothing was changed",
        store.path,
        site.name,
        site.rules.differences(rules)
    )))
}

impl Database {
    /// All sites, by name.
    ///
    /// # Errors
    /// [`Error::Database`]; [`Error::OtherRules`] for a rule of a newer hitmap.
    pub fn sites(&self) -> Result<Vec<Site>> {
        sites(self.store())
    }

    /// Whether a run with these rules may count for the site.
    ///
    /// # Errors
    /// [`Error::OtherRules`] if the site is counted by other rules.
    pub fn check_rules(&self, site: &Site, rules: &StoredRules) -> Result<()> {
        check(self.store(), site, rules)
    }
}
