//! HBase: tables by granularity, a row for each group and bucket, written and read through its Thrift gateway.
//!
//! Owns: [`HBaseStore`], the path of an edition through the modules here. May import: `store`, `system` (processes), its own
//! modules. Must not know: where cells come from, the command line.
//!
//! HBase changes a row at once, and nothing larger. So an edition's cells are put under its version as their time stamp: of
//! two cells the one of the later version is read, in whatever order they arrive, and putting a cell twice changes nothing.
//! What a row held and the edition does not have becomes zero rather than being deleted, because what a delete hides
//! depends on compactions. Before its first cell an edition claims its span in the ledger, by a compare-and-set; with the
//! last one it replaces the claim by its version. A run that finds the claim of one that is alive waits; the claim of a dead
//! one it replaces by its own, with a later version, and then puts all cells, because the dead run's last call may still
//! be on its way. The groups that a span ever had stand in the ledger before their first cell, so that rows of groups that
//! went away are found.

mod address;
mod begun;
mod failure;
mod gateway;
mod keys;
mod lanes;
mod ledger;
mod patience;
mod rows;
mod tables;
#[rustfmt::skip]
#[allow(dead_code, unreachable_pub, reason = "generated")]
#[allow(clippy::all, clippy::cast_possible_truncation, clippy::unwrap_used, reason = "generated")]
mod thrift_api;
mod wire;

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(super) use address::Address;
pub use address::OPTIONS_HELP;

use crate::error::{Error, Result};
use crate::store::{Cells, Edition, Ledger, Outcome, Slot, Store, Visibility, source_ids};
use crate::system::process::{has_ended, this_process};
use crate::time::{Granularity, Span};
use begun::{Begun, row_hash};
use failure::{Failure, GatewayResult};
use gateway::{Gateway, RowPut, Scan};
use keys::{FAMILY, Place, Table, ledger_row};
use lanes::{Lanes, Stamp};
use ledger::{Claim, State};
use patience::persist;
use rows::{Job, Row};

/// A claim that nobody renewed for so long is dead.
const LEASE: Duration = Duration::from_secs(10);
/// Jobs that are written together; each is about one call.
const MOST_JOBS: usize = 16;
/// The column of a ledger row that has the state; the others are named after groups.
const STATE: &[u8] = b"";

/// Stores that this process opened.
static STORES: AtomicU64 = AtomicU64::new(0);

/// A connected HBase.
pub(super) struct HBaseStore {
    address: Address,
    place: String,
    lanes: Lanes,
    process: String,
    /// Tells the stores of this process apart.
    number: u64,
    notes: Vec<String>,
    /// Claims of others, and when this store first saw each as it is.
    others: HashMap<Span, (Claim, Instant)>,
    begun: Option<Begun>,
}

/// Why something cannot be done.
enum Trouble {
    Gateway(Failure),
    /// What HBase holds is not as it should be: a sentence.
    Content(String),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Gateway(failure)
    }
}

impl HBaseStore {
    /// Connects, makes the tables if they are missing and checks them if not.
    pub(super) fn open(address: &Address) -> Result<Self> {
        let connect = || {
            let mut gateway = Gateway::connect(address)?;
            let note = tables::prepare(&mut gateway, address)?;
            Ok((Lanes::new(address, gateway), note))
        };
        let (lanes, note) = connect().map_err(|trouble| failed(address, trouble))?;
        Ok(Self {
            place: address.to_string(),
            address: address.clone(),
            lanes,
            process: this_process(),
            number: STORES.fetch_add(1, Ordering::Relaxed),
            notes: note.into_iter().collect(),
            others: HashMap::new(),
            begun: None,
        })
    }

    fn fail(&mut self, trouble: impl Into<Trouble>) -> Error {
        let mut trouble = trouble.into();
        if matches!(trouble, Trouble::Gateway(Failure::Rejected(_)))
            && let Some(fault) = tables::find_fault(self.lanes.first(), &self.address)
        {
            trouble = Trouble::Content(fault);
        }
        failed(&self.address, trouble)
    }

    /// A row of the ledger: the text of the state, and the names of groups.
    fn read_ledger(&mut self, row: &[u8]) -> GatewayResult<(Option<Vec<u8>>, HashSet<String>)> {
        let table = self.address.table(Table::Ledger.suffix());
        let found =
            persist(self.lanes.first(), &self.address, |gateway| gateway.row(&table, row, FAMILY))?;
        let (mut text, mut groups) = (None, HashSet::new());
        for cell in found.into_iter().flat_map(|row| row.cells) {
            if cell.qualifier == STATE {
                text = Some(cell.value);
            } else {
                groups.insert(String::from_utf8_lossy(&cell.qualifier).into_owned());
            }
        }
        Ok((text, groups))
    }

    fn parse(&mut self, text: Option<&[u8]>, span: &Span) -> Result<State> {
        let state = text.map_or_else(|| Ok(State::empty()), State::parse);
        state.map_err(|reason| self.fail(strange_ledger(&self.address, span, &reason)))
    }

    /// Replaces the state of a ledger row if it is still `before`; says whether it did.
    fn swap(&mut self, row: &[u8], before: Option<&[u8]>, after: &[u8]) -> GatewayResult<bool> {
        let table = self.address.table(Table::Ledger.suffix());
        persist(self.lanes.first(), &self.address, |gateway| {
            if gateway.check_and_put(&table, row, (FAMILY, STATE), before, after)? {
                return Ok(true);
            }
            // An earlier try may have got through although its answer did not.
            let found = gateway.row(&table, row, FAMILY)?;
            let text =
                found.and_then(|row| row.cells.into_iter().find(|cell| cell.qualifier == STATE));
            Ok(text.is_some_and(|cell| cell.value == after))
        })
    }

    /// Whether the run that made a claim puts no more cells.
    fn is_dead(&mut self, span: &Span, claim: &Claim) -> bool {
        let is_ours = claim.process == self.process && claim.store == self.number;
        if is_ours || has_ended(&claim.process) {
            return true;
        }
        match self.others.get(span) {
            Some((seen, since)) if seen == claim => since.elapsed() > LEASE,
            _ => {
                self.others.insert(span.clone(), (claim.clone(), Instant::now()));
                false
            }
        }
    }

    fn start(&mut self, edition: Edition) -> Result<Begun> {
        let row = ledger_row(&edition.span);
        let (before, groups) = self.read_ledger(&row).map_err(|failure| self.fail(failure))?;
        let state = self.parse(before.as_deref(), &edition.span)?;
        let period = edition.span.period;
        let highest = state.highest_version();
        let ended = if state.version != edition.replaces {
            Some(conflict(PUBLISHED_BY_ANOTHER, false))
        } else if edition.version.is_some() && edition.version <= state.version {
            Some(Outcome::Refused(format!(
                "the store already has this or a later version of {period}"
            )))
        } else if state.claim.as_ref().is_some_and(|claim| !self.is_dead(&edition.span, claim)) {
            Some(conflict("another run is publishing it", true))
        } else {
            None
        };
        let next = highest.map_or(0, |version| version.saturating_add(1));
        let version = match edition.version {
            Some(version) => version.max(next),
            None => next.max(now_millis()),
        };
        let puts_all = state.claim.is_some();
        let mut held_groups = groups.clone();
        if before.is_some() {
            held_groups.insert(String::new());
        }
        let mut begun = Begun {
            ledger_row: row,
            state,
            before,
            renewed: Instant::now(),
            stamp: Stamp { version: i64::try_from(version).unwrap_or(i64::MAX), puts_all },
            held_groups,
            listed_groups: groups,
            unlisted_groups: Vec::new(),
            row: None,
            jobs: Vec::new(),
            visited: HashSet::new(),
            cells: 0,
            changed: 0,
            ended,
            edition,
        };
        if begun.ended.is_none() {
            let (process, store) = (self.process.clone(), self.number);
            let claim = Claim { version, process, store, renewals: 0 };
            let claimed = begun.state.claimed(claim);
            let is_ours = self.swap(&begun.ledger_row, begun.before.as_deref(), &claimed.text());
            if is_ours.map_err(|failure| self.fail(failure))? {
                begun.state = claimed;
            } else {
                begun.ended = Some(conflict(PUBLISHED_BY_ANOTHER, false));
            }
        }
        Ok(begun)
    }

    /// Sends what was collected, if the claim still holds.
    fn send(&mut self, begun: &mut Begun) -> GatewayResult<()> {
        if begun.renewed.elapsed() > LEASE / 3 {
            let mut renewed = begun.state.clone();
            if let Some(claim) = &mut renewed.claim {
                claim.renewals += 1;
            }
            if !self.swap(&begun.ledger_row, Some(&begun.state.text()), &renewed.text())? {
                begun.ended = Some(conflict(PUBLISHED_BY_ANOTHER, true));
                return Ok(());
            }
            begun.state = renewed;
            begun.renewed = Instant::now();
        }
        self.list_groups(begun)?;
        begun.changed += self.lanes.write(std::mem::take(&mut begun.jobs), begun.stamp)?;
        Ok(())
    }

    /// Notes in the ledger the groups that get their first cells.
    fn list_groups(&mut self, begun: &mut Begun) -> GatewayResult<()> {
        let table = self.address.table(Table::Ledger.suffix());
        let groups = std::mem::take(&mut begun.unlisted_groups);
        for groups in groups.chunks(rows::MOST_CELLS) {
            let cells =
                groups.iter().map(|group| (group.clone().into_bytes(), b"1".to_vec())).collect();
            let put = [RowPut { key: begun.ledger_row.clone(), cells }];
            persist(self.lanes.first(), &self.address, |gateway| {
                gateway.put(&table, FAMILY, &put, begun.stamp.version)
            })?;
        }
        Ok(())
    }

    fn take(&mut self, cells: &Cells) -> GatewayResult<()> {
        let Some(mut begun) = self.begun.take() else { return Ok(()) };
        let mut taken = Ok(());
        let keeps_minute_pages = self.finest_pages() == Granularity::Minute;
        for cell in cells.iter() {
            if begun.ended.is_some() || taken.is_err() {
                break;
            }
            if !keeps_minute_pages && cell.page.is_some() && matches!(cell.slot, Slot::Minute(_)) {
                continue;
            }
            begun.take(&cell);
            if begun.jobs.len() > MOST_JOBS {
                taken = self.send(&mut begun);
            }
        }
        self.begun = Some(begun);
        taken
    }

    /// Rows that HBase may hold of the span and the edition does not have, as rows without cells.
    fn vanished(&mut self, begun: &Begun) -> GatewayResult<Vec<Job>> {
        let span = &begun.edition.span;
        let mut jobs = Vec::new();
        for &table in Table::of_period(span.period) {
            let name = self.address.table(table.suffix());
            for group in &begun.held_groups {
                let place = Place::new(
                    &span.site,
                    Some(group).filter(|group| !group.is_empty()).map(|group| &**group),
                );
                let range = place.rows(span.period);
                let (start, stop) = (&*range.start, &*range.end);
                let scan = Scan { table: &name, family: FAMILY, start, stop, keys_only: true };
                let keys = persist(self.lanes.first(), &self.address, |gateway| {
                    let mut keys = Vec::new();
                    gateway.scan(&scan, |row| {
                        if !begun.visited.contains(&row_hash(table, &row.key)) {
                            keys.push(row.key);
                        }
                        ControlFlow::Continue(())
                    })?;
                    Ok(keys)
                })?;
                for keys in keys.chunks(rows::MOST_CELLS / 4) {
                    let mut job = Job::new(table, true);
                    keys.iter().for_each(|key| job.push(Row::new(key.clone())));
                    jobs.push(job);
                }
            }
        }
        Ok(jobs)
    }

    fn conclude(&mut self, begun: &mut Begun) -> GatewayResult<Outcome> {
        begun.finish_row();
        self.send(begun)?;
        if begun.ended.is_none() && !begun.held_groups.is_empty() {
            begun.jobs = self.vanished(begun)?;
            self.send(begun)?;
        }
        if let Some(outcome) = begun.ended.take() {
            return Ok(outcome);
        }
        let held = begun.held();
        let is_same_ledger = held.version.is_some()
            && begun.edition.version.is_none()
            && !begun.stamp.puts_all
            && source_ids(&held.sources) == source_ids(&begun.edition.sources);
        let claimed = begun.state.text();
        if is_same_ledger && begun.changed == 0 {
            // As if nothing had been claimed.
            let before = begun.before.clone().unwrap_or_default();
            return Ok(match self.swap(&begun.ledger_row, Some(&claimed), &before)? {
                true => Outcome::Unchanged,
                false => conflict(PUBLISHED_BY_ANOTHER, true),
            });
        }
        let version = begun.stamp.version.unsigned_abs();
        let committed = State::committed(version, &begun.edition.sources).text();
        Ok(match self.swap(&begun.ledger_row, Some(&claimed), &committed)? {
            true => Outcome::Published { version, cells: begun.cells, changed: begun.changed },
            false => conflict(PUBLISHED_BY_ANOTHER, true),
        })
    }
}

impl Store for HBaseStore {
    fn place(&self) -> &str {
        &self.place
    }

    fn visibility(&self) -> Visibility {
        Visibility::Row
    }

    fn finest_pages(&self) -> Granularity {
        if self.address.minute_pages { Granularity::Minute } else { Granularity::Hour }
    }

    fn unit(&self) -> (&'static str, &'static str) {
        ("cell", "cells")
    }

    fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    fn ledger(&mut self, span: &Span) -> Result<Ledger> {
        let (text, _) =
            self.read_ledger(&ledger_row(span)).map_err(|failure| self.fail(failure))?;
        let ledger = self.parse(text.as_deref(), span)?.ledger();
        ledger.map_err(|reason| self.fail(strange_ledger(&self.address, span, &reason)))
    }

    fn begin(&mut self, edition: Edition) -> Result<()> {
        // A claim that is left stays: cells may have been put under it.
        self.begun = None;
        self.begun = Some(self.start(edition)?);
        Ok(())
    }

    fn put(&mut self, cells: &Cells) -> Result<()> {
        self.take(cells).map_err(|failure| self.fail(failure))
    }

    fn commit(&mut self) -> Result<Outcome> {
        let Some(mut begun) = self.begun.take() else { return Ok(Outcome::Unchanged) };
        if let Some(outcome) = begun.ended.take() {
            return Ok(outcome);
        }
        self.conclude(&mut begun).map_err(|failure| self.fail(failure))
    }

    fn close(&mut self) -> Result<()> {
        self.begun = None;
        Ok(())
    }
}

const PUBLISHED_BY_ANOTHER: &str = "another run published it meanwhile";

fn conflict(reason: &str, wait: bool) -> Outcome {
    Outcome::Conflict { reason: reason.to_owned(), wait }
}

fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn strange_ledger(address: &Address, span: &Span, reason: &str) -> Trouble {
    let Span { site, period } = span;
    let table = address.table(Table::Ledger.suffix());
    Trouble::Content(format!("the row of site {site:?}, {period} in table {table:?} {reason}"))
}

fn failed(address: &Address, trouble: Trouble) -> Error {
    let reason = match trouble {
        Trouble::Content(sentence) => sentence,
        Trouble::Gateway(failure) => failure.sentence(address),
    };
    Error::Store { place: address.to_string(), reason }
}
