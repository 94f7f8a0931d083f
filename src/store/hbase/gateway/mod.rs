//! A client of HBase's Thrift1 gateway: one call after the other, in bytes.
//!
//! Owns: [`Gateway`] and what its calls take and return. May import: the crate `thrift`, `thrift_api`, `failure`,
//! `address`, its own modules. Must not know: what tables hold, row keys, versions, when to try again.

mod connection;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::address::Address;
use super::failure::{Failure, GatewayResult};
use super::thrift_api::{
    AlreadyExists, BatchMutation, ColumnDescriptor, Mutation, TCell, THbaseSyncClient, TRowResult,
    TScan,
};
use connection::{Client, Connection};

/// The most that is waited for the answer to one call, and the least, where the timeout of the address is not shorter.
const CALL_TIMEOUT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// Rows, or parts of rows, that a scan asks for at once.
const SCAN_ROWS: i32 = 100;
/// Cells of a row that come as one part in a scan. 10,000 cells in all leave 6 KiB of an answer to each.
const SCAN_CELLS: i32 = 100;
/// Rows that a scan for keys asks for at once.
const SCAN_KEYS: i32 = 2000;

/// A gateway. Connects again by itself, on the first call after a failure that broke the connection, or after the gateway
/// has closed it because it was idle. No call is made twice.
///
/// Answers of more than 64 MiB are refused. Long rows are for [`scan`](Gateway::scan), which reads them in parts.
pub(super) struct Gateway {
    address: Address,
    connection: Option<Connection>,
    deadline: Option<Instant>,
}

/// A column family of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Family {
    pub(super) name: String,
    /// Number of versions of a cell that are kept.
    pub(super) max_versions: i32,
    /// Seconds after its time stamp until a cell expires; `None` for never.
    pub(super) ttl_seconds: Option<u32>,
}

/// What [`Gateway::create_table`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Creation {
    Created,
    /// There already is a table of the name, with the same families or others.
    Existed,
}

/// A row, or in a scan a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) key: Vec<u8>,
    /// In the order of qualifiers.
    pub(super) cells: Vec<RowCell>,
}

/// A cell of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RowCell {
    /// The column without its family.
    pub(super) qualifier: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) timestamp: i64,
}

/// Values to put into the columns of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RowPut {
    pub(super) key: Vec<u8>,
    /// Qualifiers and values.
    pub(super) cells: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The rows that a scan visits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan<'a> {
    pub(super) table: &'a str,
    pub(super) family: &'a str,
    /// The first key; empty for the first row.
    pub(super) start: &'a [u8],
    /// The key behind the last; empty for no end.
    pub(super) stop: &'a [u8],
    /// Whether to leave out all cells but the first of each row, and its value.
    pub(super) keys_only: bool,
}

impl Gateway {
    /// Connects. The timeout of the address limits the wait for the connection.
    pub(super) fn connect(address: &Address) -> GatewayResult<Self> {
        let connection = Some(Connection::open(address, address.timeout, true)?);
        Ok(Self { connection, ..Self::unconnected(address) })
    }

    /// One that connects on its first call.
    pub(super) fn unconnected(address: &Address) -> Self {
        Self { address: address.clone(), connection: None, deadline: None }
    }

    /// Limits the waits of all later calls, until there is another deadline.
    pub(super) fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    /// The most that a call waits for each part of its answer. That is less than the timeout of the address, because a
    /// gateway may never answer a call although it answers the next one: that of HBase 2.6 loses the thread that puts a
    /// batch if it does not find the regions in time.
    fn call_timeout(&self) -> Duration {
        let (least, most) = CALL_TIMEOUT;
        let timeout = (self.address.timeout / 4).clamp(least, most).min(self.address.timeout);
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        timeout.min(left.unwrap_or(timeout)).max(Duration::from_millis(1))
    }

    /// The names of all tables, those of the default namespace without it.
    pub(super) fn table_names(&mut self) -> GatewayResult<Vec<String>> {
        let names = self.call(|client| client.get_table_names())?;
        Ok(names.into_iter().map(|name| String::from_utf8_lossy(&name).into_owned()).collect())
    }

    /// Whether a table can be read and written.
    pub(super) fn is_enabled(&mut self, table: &str) -> GatewayResult<bool> {
        self.call(|client| client.is_table_enabled(table.into()))
    }

    /// The column families of a table.
    pub(super) fn families(&mut self, table: &str) -> GatewayResult<Vec<Family>> {
        let families = self.call(|client| client.get_column_descriptors(table.into()))?;
        Ok(families.into_values().map(Family::from).collect())
    }

    /// Creates a table with one column family. If another run creates it at the same moment, it exists and may not be
    /// enabled yet.
    pub(super) fn create_table(&mut self, table: &str, family: &Family) -> GatewayResult<Creation> {
        let created =
            self.call(|client| match client.create_table(table.into(), vec![family.into()]) {
                Ok(()) => Ok(Creation::Created),
                Err(thrift::Error::User(error)) if error.is::<AlreadyExists>() => {
                    Ok(Creation::Existed)
                }
                Err(error) => Err(error),
            });
        match created {
            Err(failure) if failure.names("TableExistsException") => Ok(Creation::Existed),
            other => other,
        }
    }

    /// Rows by key, in the order of `keys`; those that do not exist are left out.
    pub(super) fn rows(
        &mut self,
        table: &str,
        keys: &[Vec<u8>],
        family: &str,
    ) -> GatewayResult<Vec<Row>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.call(|client| {
            client.get_rows_with_columns(
                table.into(),
                keys.to_vec(),
                vec![family.into()],
                BTreeMap::new(),
            )
        })?;
        Ok(rows.into_iter().map(|row| Row::new(row, family)).collect())
    }

    /// A row by key, if it exists.
    pub(super) fn row(
        &mut self,
        table: &str,
        key: &[u8],
        family: &str,
    ) -> GatewayResult<Option<Row>> {
        Ok(self.rows(table, &[key.to_vec()], family)?.into_iter().next())
    }

    /// Puts values into cells, all with one time stamp. What is put into one row is atomic, what is put into several is not:
    /// after any failure, some rows may have it.
    pub(super) fn put(
        &mut self,
        table: &str,
        family: &str,
        batch: &[RowPut],
        timestamp: i64,
    ) -> GatewayResult<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let mutations = |row: &RowPut| BatchMutation {
            row: Some(row.key.clone()),
            mutations: Some(
                row.cells
                    .iter()
                    .map(|(qualifier, value)| mutation(column(family, qualifier), value))
                    .collect(),
            ),
        };
        let batch = batch.iter().map(mutations).collect();
        self.call(|client| client.mutate_rows_ts(table.into(), batch, timestamp, BTreeMap::new()))
    }

    /// Puts a value into a cell if its value is `expected`; `None`: if it does not exist, or is empty. Says whether it did.
    ///
    /// The new time stamp is the server's time, or that of the cell it replaces if that is later, so the new value is always
    /// the one that is read. After a failure that broke the connection, it may have been put.
    pub(super) fn check_and_put(
        &mut self,
        table: &str,
        row: &[u8],
        (family, qualifier): (&str, &[u8]),
        expected: Option<&[u8]>,
        value: &[u8],
    ) -> GatewayResult<bool> {
        let column = column(family, qualifier);
        let put = mutation(column.clone(), value);
        let expected = expected.unwrap_or_default().to_vec();
        self.call(|client| {
            client.check_and_put(table.into(), row.to_vec(), column, expected, put, BTreeMap::new())
        })
    }

    /// Gives the rows of a scan to `visit`, in the order of keys, until it breaks. A row of more than 100 cells comes in
    /// parts, which follow each other and have the same key. HBase drops a scanner that is not asked for a minute.
    pub(super) fn scan(
        &mut self,
        scan: &Scan<'_>,
        mut visit: impl FnMut(Row) -> ControlFlow<()>,
    ) -> GatewayResult<()> {
        let at_once = if scan.keys_only { SCAN_KEYS } else { SCAN_ROWS };
        let request = scan.request(at_once);
        let scanner = self.call(|client| {
            client.scanner_open_with_scan(scan.table.into(), request, BTreeMap::new())
        })?;
        let visited = loop {
            match self.call(|client| client.scanner_get_list(scanner, at_once)) {
                Err(failure) => break Err(failure),
                Ok(rows) if rows.is_empty() => break Ok(()),
                Ok(rows) => {
                    if rows
                        .into_iter()
                        .try_for_each(|row| visit(Row::new(row, scan.family)))
                        .is_break()
                    {
                        break Ok(());
                    }
                }
            }
        };
        if self.connection.is_some() {
            // The gateway forgets a scanner that is not closed after a while, so a failure does no harm.
            let _ = self.call(|client| client.scanner_close(scanner));
        }
        visited
    }

    /// Makes a call. Connects before, if there is no connection, and drops the connection after a failure of it.
    fn call<T>(&mut self, call: impl FnOnce(&mut Client) -> thrift::Result<T>) -> GatewayResult<T> {
        let open = self.connection.take().filter(|connection| !connection.is_closed());
        let mut connection = match open {
            Some(connection) => connection,
            None => Connection::open(&self.address, self.call_timeout(), false)?,
        };
        connection.set_timeout(self.call_timeout())?;
        let result = connection.call(call);
        if result.as_ref().err().is_none_or(Failure::keeps_connection) {
            self.connection = Some(connection);
        }
        result
    }
}

impl Scan<'_> {
    /// The request. Its `default()` would ask for an empty filter.
    fn request(&self, caching: i32) -> TScan {
        let filter = self.keys_only.then(|| b"FirstKeyOnlyFilter() AND KeyOnlyFilter()".to_vec());
        TScan {
            start_row: Some(self.start.to_vec()),
            stop_row: Some(self.stop.to_vec()),
            timestamp: None,
            columns: Some(vec![self.family.into()]),
            caching: Some(caching),
            filter_string: filter,
            batch_size: (!self.keys_only).then_some(SCAN_CELLS),
            sort_columns: Some(false),
            reversed: Some(false),
            cache_blocks: Some(false),
        }
    }
}

impl Row {
    fn new(row: TRowResult, family: &str) -> Self {
        let cell = |(mut column, cell): (Vec<u8>, TCell)| RowCell {
            qualifier: {
                column.drain(..column.len().min(family.len() + 1));
                column
            },
            value: cell.value.unwrap_or_default(),
            timestamp: cell.timestamp.unwrap_or_default(),
        };
        Self {
            key: row.row.unwrap_or_default(),
            cells: row.columns.unwrap_or_default().into_iter().map(cell).collect(),
        }
    }
}

impl From<ColumnDescriptor> for Family {
    fn from(family: ColumnDescriptor) -> Self {
        let name = family.name.unwrap_or_default();
        let name = String::from_utf8_lossy(name.strip_suffix(b":").unwrap_or(&name)).into_owned();
        let ttl = family.time_to_live.filter(|&seconds| seconds != i32::MAX);
        Self {
            name,
            max_versions: family.max_versions.unwrap_or_default(),
            ttl_seconds: ttl.and_then(|seconds| u32::try_from(seconds).ok()),
        }
    }
}

impl From<&Family> for ColumnDescriptor {
    /// What Thrift does not ask for is what HBase's own shell would choose.
    fn from(family: &Family) -> Self {
        let ttl = family.ttl_seconds.and_then(|seconds| i32::try_from(seconds).ok());
        Self {
            name: Some(format!("{}:", family.name).into_bytes()),
            max_versions: Some(family.max_versions),
            compression: Some("NONE".to_owned()),
            in_memory: Some(false),
            bloom_filter_type: Some("ROW".to_owned()),
            bloom_filter_vector_size: Some(0),
            bloom_filter_nb_hashes: Some(0),
            block_cache_enabled: Some(true),
            time_to_live: Some(ttl.unwrap_or(i32::MAX)),
        }
    }
}

fn column(family: &str, qualifier: &[u8]) -> Vec<u8> {
    [family.as_bytes(), b":", qualifier].concat()
}

fn mutation(column: Vec<u8>, value: &[u8]) -> Mutation {
    Mutation {
        is_delete: Some(false),
        column: Some(column),
        value: Some(value.to_vec()),
        write_to_w_a_l: Some(true),
    }
}
