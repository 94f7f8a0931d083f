//! Several connections that write rows at the same time.
//!
//! Owns: [`Lanes`]: reading what HBase holds of rows, and putting what differs. May import: `gateway`, `patience`, `rows`,
//! `tables`. Must not know: spans, versions' meaning, the ledger.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use super::address::Address;
use super::failure::{Failure, GatewayResult};
use super::gateway::{self, Gateway, RowCell, RowPut, Scan};
use super::keys::FAMILY;
use super::patience::persist;
use super::rows::{Cell, Job, MOST_CELLS, Row, batches};

/// Connections: with more of them a small HBase takes hardly more cells.
const LANES: usize = 2;
/// Keys of one question.
const BATCH_KEYS: usize = 500;

/// How rows are put.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    /// The time stamp of all cells: the version of their edition.
    pub(super) version: i64,
    /// Also what HBase already holds is put, because calls of an earlier run may still be under way, whose older cells
    /// would else win over those that were left out.
    pub(super) puts_all: bool,
}

/// The connections.
pub(super) struct Lanes {
    gateways: Vec<Gateway>,
    address: Address,
}

impl Lanes {
    pub(super) fn new(address: &Address, first: Gateway) -> Self {
        let mut gateways = vec![first];
        gateways.resize_with(LANES, || Gateway::unconnected(address));
        Self { gateways, address: address.clone() }
    }

    /// The first connection, for single questions.
    pub(super) fn first(&mut self) -> &mut Gateway {
        &mut self.gateways[0]
    }

    /// Makes HBase hold the cells of these rows and zeros in their other columns. Returns the number of cells put.
    pub(super) fn write(&mut self, jobs: Vec<Job>, stamp: Stamp) -> GatewayResult<u64> {
        let address = &self.address;
        let open = Mutex::new(jobs.into_iter());
        let next = || open.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = |gateway: &mut Gateway| {
            let mut put = 0;
            while let Some(job) = next() {
                match write(job, stamp, gateway, address) {
                    Ok(cells) => put += cells,
                    Err(failure) => {
                        // The other lane need not go on.
                        while next().is_some() {}
                        return Err(failure);
                    }
                }
            }
            Ok(put)
        };
        std::thread::scope(|scope| {
            let lanes: Vec<_> =
                self.gateways.iter_mut().map(|gateway| scope.spawn(|| work(gateway))).collect();
            let mut put = Ok(0);
            for lane in lanes {
                let done = lane.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                put = put.and_then(|sum| Ok(sum + done?));
            }
            put
        })
    }
}

/// Puts what differs of a job's rows.
fn write(
    mut job: Job,
    stamp: Stamp,
    gateway: &mut Gateway,
    address: &Address,
) -> GatewayResult<u64> {
    let table = address.table(job.table.suffix());
    if job.may_exist {
        let mut held = held(&table, &job.rows, gateway, address)?;
        for row in &mut job.rows {
            if let Some(held) = held.remove(&row.key) {
                keep_differences(row, held, stamp.puts_all);
            }
        }
    }
    let mut cells = 0;
    for batch in batches(job.rows) {
        cells += batch.iter().map(|row| row.cells.len() as u64).sum::<u64>();
        let batch: Vec<RowPut> = batch.into_iter().map(to_put).collect();
        persist(gateway, address, |gateway| put(&table, &batch, stamp.version, gateway))?;
    }
    Ok(cells)
}

/// Puts a batch. What a gateway says of one that failed does not tell a table that was dropped or disabled from an HBase
/// that recovers, so it is asked.
fn put(table: &str, batch: &[RowPut], version: i64, gateway: &mut Gateway) -> GatewayResult<()> {
    let Err(failure) = gateway.put(table, FAMILY, batch, version) else { return Ok(()) };
    if matches!(failure, Failure::Rejected(_) | Failure::TimedOut) {
        match gateway.is_enabled(table) {
            Ok(false) => {
                return Err(Failure::Rejected(format!("TableNotEnabledException: {table}")));
            }
            Err(refusal) if refusal.is_lasting() => return Err(refusal),
            _ => {}
        }
    }
    Err(failure)
}

/// Leaves out the cells that HBase holds, and adds zeros in columns of other pages.
fn keep_differences(row: &mut Row, mut held: HashMap<Vec<u8>, Vec<u8>>, puts_all: bool) {
    row.cells.retain(|cell| {
        let value = held.remove(&cell.page);
        puts_all || value.as_deref() != Some(&cell.value)
    });
    let gone = held.into_iter().filter(|(_, value)| *value != [0; 16]);
    row.cells.extend(gone.map(|(page, _)| Cell { page, value: [0; 16] }));
}

/// The pages and values that HBase holds, by the key of the row.
type Held = HashMap<Vec<u8>, HashMap<Vec<u8>, Vec<u8>>>;

fn held(
    table: &str,
    rows: &[Row],
    gateway: &mut Gateway,
    address: &Address,
) -> GatewayResult<Held> {
    // A row that is long now was probably long before.
    let (long, short): (Vec<&Row>, Vec<&Row>) =
        rows.iter().partition(|row| row.cells.len() > MOST_CELLS);
    let mut held = Held::new();
    for row in long {
        add_long_row(table, &row.key, gateway, address, &mut held)?;
    }
    let keys: Vec<Vec<u8>> = short.iter().map(|row| row.key.clone()).collect();
    for keys in keys.chunks(BATCH_KEYS) {
        add_rows(table, keys, gateway, address, &mut held)?;
    }
    Ok(held)
}

/// Adds rows that HBase holds; asks for fewer at once where the answer is too long.
fn add_rows(
    table: &str,
    keys: &[Vec<u8>],
    gateway: &mut Gateway,
    address: &Address,
    held: &mut Held,
) -> GatewayResult<()> {
    match persist(gateway, address, |gateway| gateway.rows(table, keys, FAMILY)) {
        Ok(rows) => {
            let content =
                |row: gateway::Row| (row.key, row.cells.into_iter().map(content).collect());
            held.extend(rows.into_iter().map(content));
            Ok(())
        }
        Err(Failure::TooLong) if keys.len() == 1 => {
            add_long_row(table, &keys[0], gateway, address, held)
        }
        Err(Failure::TooLong) => {
            let (first, second) = keys.split_at(keys.len() / 2);
            add_rows(table, first, gateway, address, held)?;
            add_rows(table, second, gateway, address, held)
        }
        Err(failure) => Err(failure),
    }
}

/// Adds a row that HBase may hold, which is read piece by piece.
fn add_long_row(
    table: &str,
    key: &[u8],
    gateway: &mut Gateway,
    address: &Address,
    held: &mut Held,
) -> GatewayResult<()> {
    let stop = [key, b"\0"].concat();
    let scan = Scan { table, family: FAMILY, start: key, stop: &stop, keys_only: false };
    let cells = persist(gateway, address, |gateway| {
        let mut cells = HashMap::new();
        gateway.scan(&scan, |part| {
            cells.extend(part.cells.into_iter().map(content));
            ControlFlow::Continue(())
        })?;
        Ok(cells)
    })?;
    held.insert(key.to_vec(), cells);
    Ok(())
}

fn content(cell: RowCell) -> (Vec<u8>, Vec<u8>) {
    (cell.qualifier, cell.value)
}

fn to_put(row: Row) -> RowPut {
    let cells = row.cells.into_iter().map(|cell| (cell.page, cell.value.to_vec()));
    RowPut { key: row.key, cells: cells.collect() }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{Row, keep_differences};
    use crate::store::hbase::keys::value;

    #[test]
    fn what_is_held_is_left_out_and_what_went_away_becomes_zero() {
        let held: HashMap<Vec<u8>, Vec<u8>> =
            [("a", (1, 1)), ("b", (2, 1)), ("c", (3, 1)), ("d", (0, 0))]
                .map(|(column, (pv, uv))| (column.into(), value(pv, uv).to_vec()))
                .into();
        let mut row = Row::new(b"key".to_vec());
        row.push("a", 1, 1);
        row.push("b", 5, 1);
        row.push("e", 7, 1);
        let cells = |row: &Row| {
            let mut cells: Vec<(String, [u8; 16])> = row
                .cells
                .iter()
                .map(|cell| (String::from_utf8(cell.page.clone()).unwrap(), cell.value))
                .collect();
            cells.sort();
            cells
        };
        let mut differences = row.clone();
        keep_differences(&mut differences, held.clone(), false);
        let expect = |cells: &[(&str, (u64, u64))]| {
            cells
                .iter()
                .map(|&(column, (pv, uv))| (column.to_owned(), value(pv, uv)))
                .collect::<Vec<_>>()
        };
        assert_eq!(cells(&differences), expect(&[("b", (5, 1)), ("c", (0, 0)), ("e", (7, 1))]));
        keep_differences(&mut row, held, true);
        assert_eq!(
            cells(&row),
            expect(&[("a", (1, 1)), ("b", (5, 1)), ("c", (0, 0)), ("e", (7, 1))])
        );
    }
}
