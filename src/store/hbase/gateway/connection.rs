//! An open connection on which a gateway has answered, with a limit on every wait and every answer.
//!
//! Owns: [`Connection`] and the limits. May import: the crate `thrift`, `thrift_api`, `wire`, `failure`, `address`.
//! Must not know: which calls there are, besides the first.

use std::sync::Arc;
use std::time::{Duration, Instant};

use thrift::TConfiguration;
use thrift::protocol::{TBinaryInputProtocol, TBinaryOutputProtocol};

use crate::store::hbase::address::{Address, Transport};
use crate::store::hbase::failure::{Failure, GatewayResult};
use crate::store::hbase::thrift_api::{HbaseSyncClient, THbaseSyncClient, TThriftServerType};
use crate::store::hbase::wire::{Incoming, Outgoing, Wire};

/// The longest answer that is read.
pub(super) const MAX_ANSWER_BYTES: usize = 64 << 20;
/// The longest value, key or text that is read. HBase takes no value over 10 MiB.
const MAX_TEXT_BYTES: usize = 16 << 20;
/// The most items that a list or a map of an answer may announce, because memory is reserved for that many. A cell takes
/// more than 16 bytes of an answer.
const MAX_LIST_ITEMS: usize = MAX_ANSWER_BYTES / 16;

/// The most that is waited for the answer to the first call. The gateway gives it without asking HBase.
const GREETING_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that was idle for this long is looked at before it is used: a gateway closes those idle for a minute.
const IDLE: Duration = Duration::from_secs(1);

pub(super) type Client =
    HbaseSyncClient<TBinaryInputProtocol<Incoming>, TBinaryOutputProtocol<Outgoing>>;

pub(super) struct Connection {
    wire: Arc<Wire>,
    client: Client,
    last_used: Instant,
}

impl Connection {
    /// Connects, and asks what the other side is. If `gives_advice`, a failure says what could be wrong with the URL.
    pub(super) fn open(
        address: &Address,
        timeout: Duration,
        gives_advice: bool,
    ) -> GatewayResult<Self> {
        let wire = Wire::connect(address, timeout)?;
        let limits = TConfiguration::builder()
            .max_message_size(Some(MAX_ANSWER_BYTES))
            .max_container_size(Some(MAX_LIST_ITEMS))
            .max_string_size(Some(MAX_TEXT_BYTES))
            .build()?;
        let client = HbaseSyncClient::new(
            TBinaryInputProtocol::with_config(
                Incoming::new(&wire, address.transport),
                true,
                limits,
            ),
            TBinaryOutputProtocol::new(Outgoing::new(&wire, address.transport), true),
        );
        let mut connection = Self { wire, client, last_used: Instant::now() };
        let timeout = timeout.min(GREETING_TIMEOUT);
        connection.wire.set_timeout(timeout)?;
        connection.greet().map_err(|failure| {
            let failure = match failure {
                // Nothing was asked that could be carried out later.
                Failure::TimedOut => Failure::Unreachable(format!(
                    "it accepted a connection and did not answer within {timeout:?}"
                )),
                other => other,
            };
            if gives_advice { advised(failure, address.transport) } else { failure }
        })?;
        Ok(connection)
    }

    /// Limits the wait for each part of an answer.
    pub(super) fn set_timeout(&self, timeout: Duration) -> GatewayResult<()> {
        self.wire.set_timeout(timeout)
    }

    /// Makes a first call, which needs no HBase.
    fn greet(&mut self) -> GatewayResult<()> {
        match self.call(|client| client.get_thrift_server_type()) {
            Ok(TThriftServerType::TWO) => {
                Err(Failure::Protocol("it speaks Thrift2, the other of HBase's two".to_owned()))
            }
            // Rejected: by a gateway older than the call.
            Ok(_) | Err(Failure::Rejected(_)) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Makes a call.
    pub(super) fn call<T>(
        &mut self,
        call: impl FnOnce(&mut Client) -> thrift::Result<T>,
    ) -> GatewayResult<T> {
        self.wire.expect_answer(MAX_ANSWER_BYTES);
        let result = call(&mut self.client)
            .map_err(|error| self.wire.failure().unwrap_or_else(|| error.into()));
        self.last_used = Instant::now();
        result
    }

    /// Whether the gateway has closed the connection while it was idle.
    pub(super) fn is_closed(&self) -> bool {
        self.last_used.elapsed() >= IDLE && self.wire.is_closed()
    }
}

/// The failure of a first call, and what to do about it. A gateway with frames closes a connection without; one without
/// does not answer a call in a frame.
fn advised(failure: Failure, transport: Transport) -> Failure {
    let advice = match transport {
        Transport::Buffered => {
            "if the URL names the gateway's port and the gateway uses framed transport, add ?transport=framed to the URL"
        }
        Transport::Framed => {
            "if the gateway does not use framed transport, leave transport=framed out of the URL"
        }
    };
    match failure {
        Failure::Unreachable(reason) => Failure::Unreachable(format!("{reason}; {advice}")),
        Failure::Protocol(what) if transport == Transport::Framed => {
            Failure::Protocol(format!("{what}; {advice}"))
        }
        other => other,
    }
}
