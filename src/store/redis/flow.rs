//! Values on their way to the server: packed into batches, two of them in flight, every response checked.
//!
//! Owns: [`Flow`]. May import: `connection`, `command`, `arrange` (keys). Must not know: which keys, and why.

use std::collections::VecDeque;

use super::arrange::KeyType;
use super::command::Commands;
use super::connection::{Connection, Failure, RedisResult};

/// A batch is sent when it has this many values or bytes.
const BATCH_VALUES: usize = 10_000;
const BATCH_BYTES: usize = 512 * 1024;
/// Batches that may be sent before the responses to the first have come.
const IN_FLIGHT: usize = 2;

/// Writes values of keys that do not exist yet.
#[derive(Debug, Default)]
pub(super) struct Flow {
    commands: Commands,
    values: usize,
    /// Number of values that each command of the batch adds.
    added: Vec<i64>,
    in_flight: VecDeque<Vec<i64>>,
}

impl Flow {
    /// Adds `values` to the key `name`.
    pub(super) fn write(
        &mut self,
        connection: &mut Connection,
        name: &str,
        key_type: KeyType,
        values: &[(&str, u64)],
    ) -> RedisResult<()> {
        let mut rest = values;
        while !rest.is_empty() {
            let room = BATCH_VALUES - self.values;
            let mut bytes = self.commands.bytes().len();
            let fits = |(name, _): &&(&str, u64)| {
                bytes += name.len() + 32;
                bytes < BATCH_BYTES
            };
            // At least one value, however long it is.
            let count = rest.iter().take(room).take_while(fits).count().max(1);
            let (now, later) = rest.split_at(count);
            self.append(name, key_type, now);
            rest = later;
            if self.values >= BATCH_VALUES || self.commands.bytes().len() >= BATCH_BYTES - 64 {
                self.send(connection)?;
            } else if !rest.is_empty() {
                // The next value would make the batch too large.
                self.send(connection)?;
            }
        }
        Ok(())
    }

    fn append(&mut self, name: &str, key_type: KeyType, values: &[(&str, u64)]) {
        self.commands.begin(2 + 2 * values.len());
        self.commands.argument(if key_type == KeyType::Hash { b"HSET" } else { b"ZADD" });
        self.commands.argument(name.as_bytes());
        for (name, value) in values {
            match key_type {
                KeyType::SortedSet => {
                    self.commands.integer(*value);
                    self.commands.argument(name.as_bytes());
                }
                KeyType::Hash => {
                    self.commands.argument(name.as_bytes());
                    self.commands.integer(*value);
                }
            }
        }
        self.values += values.len();
        self.added.push(i64::try_from(values.len()).unwrap_or(i64::MAX));
    }

    /// Sends the batch, first waiting for an older one if enough are in flight.
    fn send(&mut self, connection: &mut Connection) -> RedisResult<()> {
        if self.in_flight.len() >= IN_FLIGHT {
            self.receive(connection)?;
        }
        connection.send(&self.commands)?;
        self.commands.clear();
        self.values = 0;
        self.in_flight.push_back(std::mem::take(&mut self.added));
        Ok(())
    }

    /// Waits for all responses to the oldest batch and checks them.
    fn receive(&mut self, connection: &mut Connection) -> RedisResult<()> {
        let Some(expected) = self.in_flight.pop_front() else { return Ok(()) };
        let mut result = Ok(());
        for expected in expected {
            let response = connection.receive()?.map_err(Failure::from);
            let checked = response.and_then(|reply| match reply.integer()? {
                added if added == expected => Ok(()),
                added => Err(Failure::Strange(format!(
                    "it added {added} of {expected} values to a new key"
                ))),
            });
            result = result.and(checked);
        }
        result
    }

    /// Sends the rest and waits for all responses.
    pub(super) fn finish(&mut self, connection: &mut Connection) -> RedisResult<()> {
        if self.commands.count() > 0 {
            self.send(connection)?;
        }
        let mut result = Ok(());
        while !self.in_flight.is_empty() {
            match self.receive(connection) {
                Err(failure @ (Failure::Server(_) | Failure::Moving(_))) => {
                    result = result.and(Err(failure));
                }
                other => other?,
            }
        }
        result
    }

    /// Drops what was not sent, and waits for the responses to what was, without checking them.
    pub(super) fn abandon(&mut self, connection: &mut Connection) -> RedisResult<()> {
        self.commands.clear();
        self.added.clear();
        self.values = 0;
        while !self.in_flight.is_empty() {
            match self.receive(connection) {
                Err(Failure::Silent) => return Err(Failure::Silent),
                Err(failure @ Failure::Lost(_)) => return Err(failure),
                _ => {}
            }
        }
        Ok(())
    }
}
