//! A connection to HBase's Thrift1 gateway: one call after the other, in bytes.
//!
//! Owns: [`Gateway`] and what its calls take and return. May import: the crate `thrift`, `thrift_api`, `wire`,
//! `failure`, `address`. Must not know: what tables hold, row keys, versions, when to try again.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use thrift::TConfiguration;
use thrift::protocol::{TBinaryInputProtocol, TBinaryOutputProtocol};

use super::address::{Address, Transport};
use super::failure::{Failure, GatewayResult};
use super::thrift_api::{
    AlreadyExists, BatchMutation, ColumnDescriptor, HbaseSyncClient, Mutation, TCell,
    THbaseSyncClient, TRowResult, TScan, TThriftServerType,
};
use super::wire::{Incoming, Outgoing, Wire};

/// The longest answer that is read. Read long rows by [`Gateway::scan`], which asks for parts of them.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// The longest value, key or text that is read. HBase takes no value over 10 MiB.
const MAX_TEXT_BYTES: usize = 16 << 20;
/// The most items that a list or a map of an answer may announce: memory is reserved for that many. A cell takes more
/// than 16 bytes of an answer.
const MAX_LIST_ITEMS: usize = MAX_ANSWER_BYTES / 16;

/// The most that is waited for the answer to the first call. The gateway gives it without asking HBase.
const GREETING_TIMEOUT: Duration = Duration::from_secs(10);

/// Rows, or parts of rows, that a scan asks for at once.
const SCAN_ROWS: i32 = 100;
/// Cells of a row that come at once in a scan.
const SCAN_CELLS: i32 = 1000;
/// Rows that a scan for keys asks for at once.
const SCAN_KEYS: i32 = 2000;

type Client = HbaseSyncClient<TBinaryInputProtocol<Incoming>, TBinaryOutputProtocol<Outgoing>>;

/// A gateway. Connects again by itself on the first call after a failure that broke the connection.
pub(super) struct Gateway {
    address: Address,
    connection: Option<Connection>,
}

struct Connection {
    wire: Arc<Wire>,
    client: Client,
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
    /// Connects. The timeout of the address limits the wait for the connection, and later for each part of an answer.
    pub(super) fn connect(address: &Address) -> GatewayResult<Self> {
        let connection = Some(Connection::open(address)?);
        Ok(Self { address: address.clone(), connection })
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

    /// Creates a table with one column family.
    pub(super) fn create_table(&mut self, table: &str, family: &Family) -> GatewayResult<Creation> {
        self.call(|client| match client.create_table(table.into(), vec![family.into()]) {
            Ok(()) => Ok(Creation::Created),
            Err(thrift::Error::User(error)) if error.is::<AlreadyExists>() => Ok(Creation::Existed),
            Err(error) => Err(error),
        })
    }

    /// Rows by key, in the order of keys; those that do not exist are left out.
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

    /// Puts values into cells, all with one time stamp. Puts to one row are atomic, those to several are not.
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

    /// Puts a value into a cell of which the value is `expected`, or that does not exist or is empty if that is `None`;
    /// says whether. The cell's time stamp is the server's time.
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

    /// Gives the rows of a scan to `visit`, in the order of keys, until it breaks. A row of many cells comes in parts, which
    /// follow each other and have the same key.
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
            // A scanner that is not closed is forgotten by the gateway after a while.
            let closed = self.call(|client| client.scanner_close(scanner));
            return visited.and(closed);
        }
        visited
    }

    /// Makes a call. Connects before, if there is no connection, and drops the connection after a failure of it.
    fn call<T>(&mut self, call: impl FnOnce(&mut Client) -> thrift::Result<T>) -> GatewayResult<T> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Connection::open(&self.address)?),
        };
        let result = connection.call(call);
        if result.as_ref().is_err_and(|failure| !failure.keeps_connection()) {
            self.connection = None;
        }
        result
    }
}

impl Connection {
    /// Connects, and asks what the other side is.
    fn open(address: &Address) -> GatewayResult<Self> {
        let wire = Wire::connect(address)?;
        let limits = TConfiguration::builder()
            .max_message_size(Some(MAX_ANSWER_BYTES))
            .max_container_size(Some(MAX_LIST_ITEMS))
            .max_string_size(Some(MAX_TEXT_BYTES))
            .build()
            .map_err(Failure::from)?;
        let client = HbaseSyncClient::new(
            TBinaryInputProtocol::with_config(
                Incoming::new(&wire, address.transport),
                true,
                limits,
            ),
            TBinaryOutputProtocol::new(Outgoing::new(&wire, address.transport), true),
        );
        let mut connection = Self { wire, client };
        connection.greet(address)?;
        Ok(connection)
    }

    /// Makes a first call, which needs no HBase. A gateway that frames messages otherwise does not answer it.
    fn greet(&mut self, address: &Address) -> GatewayResult<()> {
        let timeout = address.timeout.min(GREETING_TIMEOUT);
        self.wire.set_timeout(timeout)?;
        let advice = match address.transport {
            Transport::Buffered => {
                "if the gateway uses framed transport, add ?transport=framed to the URL"
            }
            Transport::Framed => {
                "if the gateway does not use framed transport, leave transport=framed out of the URL"
            }
        };
        match self.call(|client| client.get_thrift_server_type()) {
            Ok(TThriftServerType::TWO) => {
                return Err(Failure::Protocol(
                    "it speaks Thrift2; start the gateway with: hbase thrift start".to_owned(),
                ));
            }
            // A gateway older than the call.
            Ok(_) | Err(Failure::Rejected(_)) => {}
            Err(Failure::TimedOut) => {
                return Err(Failure::Unreachable(format!(
                    "it did not answer a first call within {timeout:?}; {advice}"
                )));
            }
            Err(Failure::Unreachable(reason)) => {
                return Err(Failure::Unreachable(format!("{reason}; {advice}")));
            }
            Err(Failure::Protocol(what)) => {
                return Err(Failure::Protocol(format!("{what}; {advice}")));
            }
        }
        self.wire.set_timeout(address.timeout)
    }

    fn call<T>(&mut self, call: impl FnOnce(&mut Client) -> thrift::Result<T>) -> GatewayResult<T> {
        self.wire.expect_answer(MAX_ANSWER_BYTES);
        call(&mut self.client).map_err(|error| self.wire.failure().unwrap_or_else(|| error.into()))
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
