//! The names of all sections and pages, for questions about names that are not there.
//!
//! Owns: reading them. May import: `places`, rusqlite. Must not know: who asks, and what for.

use rusqlite::params;

use super::{Database, places};
use crate::error::Result;

impl Database {
    /// Calls `each` with the name of every section of a site, in no order.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn each_section(&self, site: i64, each: impl FnMut(&str)) -> Result<()> {
        self.each_name(site, places::SECTION, each)
    }

    /// Calls `each` with the name of every page of a site, in no order.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn each_page(&self, site: i64, each: impl FnMut(&str)) -> Result<()> {
        self.each_name(site, places::PAGE, each)
    }

    fn each_name(&self, site: i64, level: u8, mut each: impl FnMut(&str)) -> Result<()> {
        let store = self.store();
        let column = if level == places::SECTION { "section" } else { "page" };
        let mut statement =
            store.prepare(&format!("SELECT {column} FROM place WHERE site = ? AND level = ?"))?;
        let mut rows = statement.query(params![site, level]).map_err(|error| store.fail(&error))?;
        while let Some(row) = rows.next().map_err(|error| store.fail(&error))? {
            let name: String = row.get(0).map_err(|error| store.fail(&error))?;
            each(&name);
        }
        Ok(())
    }
}
