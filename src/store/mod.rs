//! Stores: where a run's numbers go to stay.
//!
//! Owns: [`Database`] (SQLite, the store of record), counting rules as text. May import: `calendar`, `count`, `part`,
//! `select`, `source` (identities), `tally`, `report::cube`, rusqlite. Must not know: how sources are read, options,
//! how reports look.
//!
//! A database is a function of the set of its sources: each is in it once, with the facts of each of its days (part
//! blocks, [`crate::part`]). Cells are made from the blocks and are absolute values. A run is one transaction.

mod rules;
mod sqlite;

pub use rules::StoredRules;
pub use sqlite::{Database, DaySums, NewSource, Recorded, Site, StoredBlock, Waiting};
