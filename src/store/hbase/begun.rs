//! An edition on its way: its cells become rows, and rows become jobs.
//!
//! Owns: [`Begun`]: what an edition has sent and still has to send. May import: `store`, its siblings. Must not know: the
//! gateway, how a span is claimed and committed.

use std::collections::HashSet;
use std::time::Instant;

use super::keys::{Place, Table};
use super::lanes::Stamp;
use super::ledger::State;
use super::rows::{Job, Row};
use crate::store::{Cell, Edition, Ledger, Outcome, Slot};

/// An edition that was begun.
pub(super) struct Begun {
    pub(super) edition: Edition,
    /// The key of its row in the ledger.
    pub(super) ledger_row: Vec<u8>,
    /// The ledger's text before the claim; `None` if there was none.
    pub(super) before: Option<Vec<u8>>,
    /// What the ledger says since the claim.
    pub(super) state: State,
    /// When the claim was made or renewed.
    pub(super) renewed: Instant,
    pub(super) stamp: Stamp,
    /// The groups of which HBase may hold rows; that of the site has no name.
    pub(super) held_groups: HashSet<String>,
    /// The groups that have a place in the ledger, or will have one before their first cell.
    pub(super) listed_groups: HashSet<String>,
    pub(super) unlisted_groups: Vec<String>,
    /// The row that the last cell belongs to.
    pub(super) row: Option<OpenRow>,
    pub(super) jobs: Vec<Job>,
    /// Hashes of table and key of the rows of held groups that the edition has.
    pub(super) visited: HashSet<u128>,
    pub(super) cells: u64,
    pub(super) changed: u64,
    /// The outcome, if it is known before the commit: then the rest is skipped.
    pub(super) ended: Option<Outcome>,
}

/// A row that may get more cells.
pub(super) struct OpenRow {
    slot: Slot,
    group: Option<String>,
    row: Row,
}

impl Begun {
    /// What the ledger said before the claim.
    pub(super) fn held(&self) -> Ledger {
        self.state.ledger().unwrap_or_default()
    }

    /// Takes a cell; rows that are complete become part of jobs.
    pub(super) fn take(&mut self, cell: &Cell<'_>) {
        let is_same = self
            .row
            .as_ref()
            .is_some_and(|row| row.slot == cell.slot && row.group.as_deref() == cell.section);
        if !is_same {
            self.finish_row();
            let place = Place::new(&self.edition.span.site, cell.section);
            if !place.fits() {
                let start: String = cell.section.unwrap_or_default().chars().take(40).collect();
                self.ended = Some(Outcome::Refused(format!(
                    "the name of the section that begins with {start:?} is longer than the key of a row in HBase may be; \
                     group pages (--group)"
                )));
                return;
            }
            let row = Row::new(place.row(self.edition.span.period, cell.slot));
            self.row =
                Some(OpenRow { slot: cell.slot, group: cell.section.map(str::to_owned), row });
        }
        if let Some(open) = &mut self.row {
            open.row.push(cell.page.unwrap_or_default(), cell.pv, cell.uv);
            self.cells += 1;
        }
    }

    pub(super) fn finish_row(&mut self) {
        let Some(OpenRow { slot, group, row }) = self.row.take() else { return };
        let table = Table::of_slot(self.edition.span.period, slot);
        let group = group.unwrap_or_default();
        let may_exist = self.held_groups.contains(&group);
        if may_exist {
            self.visited.insert(row_hash(table, &row.key));
        }
        if !group.is_empty() && !self.listed_groups.contains(&group) {
            self.listed_groups.insert(group.clone());
            self.unlisted_groups.push(group);
        }
        let has_room = |job: &&mut Job| {
            job.table == table && job.may_exist == may_exist && job.has_room_for(&row)
        };
        match self.jobs.last_mut().filter(has_room) {
            Some(job) => job.push(row),
            None => {
                let mut job = Job::new(table, may_exist);
                job.push(row);
                self.jobs.push(job);
            }
        }
    }
}

/// Stands for a row among those of all tables.
pub(super) fn row_hash(table: Table, key: &[u8]) -> u128 {
    xxhash_rust::xxh3::xxh3_128_with_seed(key, table as u64)
}
