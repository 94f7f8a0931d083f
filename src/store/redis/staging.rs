//! Staged keys: new keys wait under temporary names until their span is committed, and are deleted if it never is.
//!
//! Owns: [`Run`], the register of what is being staged, sweeping. May import: `nodes`, `command`, `keys`. Must not know: what keys
//! hold.
//!
//! The name of a staged key holds the random id of its run and a number. Before its first key of a span, a run adds the
//! field `<run>:<tag>` to the hash `<prefix>staging`; it removes the field when no key is staged any more. A run that
//! finds the field of a dead run deletes its keys. A run is alive as long as the server lists a client under its name,
//! which ends with its process. Where the user may not list clients, a run counts as dead after an hour.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use super::command::Commands;
use super::connection::{Failure, RedisResult, Reply};
use super::keys::{self, KeyNames};
use super::nodes::Nodes;

/// Most keys of a span: renaming a key stops the server for about 1.3 µs.
pub(super) const MOST_KEYS: u64 = 100_000;
/// Keys deleted by one command.
const BATCH_KEYS: u64 = 1000;
/// Age from which a run counts as dead if the list of clients cannot be read.
const OLD_MILLIS: u64 = 3_600_000;

/// One publishing process, as Redis sees it.
#[derive(Clone, Debug)]
pub(super) struct Run {
    id: String,
    prefix: String,
}

impl Run {
    pub(super) fn new(prefix: &str) -> Self {
        // Seeded by the system for each process.
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(std::process::id());
        hasher.write_u64(now_millis());
        Self { id: format!("{:016x}", hasher.finish()), prefix: prefix.to_owned() }
    }

    /// The name of its connections in the server's list of clients.
    pub(super) fn client_name(&self) -> String {
        format!("hitmap:{}", self.id)
    }

    pub(super) fn staged(&self, names: &KeyNames, number: u64) -> String {
        names.staged(&self.id, number)
    }

    /// Registers that keys of the span are about to be staged.
    pub(super) fn register(&self, names: &KeyNames, nodes: &mut Nodes) -> RedisResult<()> {
        let key = keys::staging(&self.prefix);
        let mut command = Commands::default();
        let (entry, now) = (self.entry(names), now_millis().to_string());
        command.push(&[b"HSET", key.as_bytes(), entry.as_bytes(), now.as_bytes()]);
        nodes.ask(&key, &command).map(drop)
    }

    /// Registers that no key of the span is staged any more.
    pub(super) fn unregister(&self, names: &KeyNames, nodes: &mut Nodes) -> RedisResult<()> {
        remove_entry(&self.prefix, &self.entry(names), nodes)
    }

    fn entry(&self, names: &KeyNames) -> String {
        format!("{}:{}", self.id, names.tag())
    }

    /// Deletes the first `count` keys that this run staged of a span, and unregisters the span.
    pub(super) fn drop_staged(
        &self,
        names: &KeyNames,
        count: u64,
        nodes: &mut Nodes,
    ) -> RedisResult<()> {
        delete_staged(&self.id, names, count, nodes)?;
        self.unregister(names, nodes)
    }

    /// Deletes the staged keys of dead runs and of this one.
    pub(super) fn sweep(&self, nodes: &mut Nodes) -> RedisResult<()> {
        let key = keys::staging(&self.prefix);
        let mut command = Commands::default();
        command.push(&[b"HGETALL", key.as_bytes()]);
        let texts = nodes.ask(&key, &command)?.texts()?;
        let mut clients = HashMap::new();
        for [entry, began] in texts.as_chunks::<2>().0 {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let (entry, began) = (text(entry), text(began).parse().unwrap_or(0));
            let Some((run, tag)) = entry.split_once(':') else { continue };
            let names = KeyNames::of_tag(&self.prefix, tag.to_owned());
            if run != self.id && is_alive(run, began, &names, &mut clients, nodes)? {
                continue;
            }
            delete_staged(run, &names, MOST_KEYS, nodes)?;
            remove_entry(&self.prefix, &entry, nodes)?;
        }
        Ok(())
    }
}

/// Whether the server that has the span lists a client of the run. `clients` caches the lists, by node.
fn is_alive(
    run: &str,
    began: u64,
    names: &KeyNames,
    clients: &mut HashMap<usize, Option<Vec<u8>>>,
    nodes: &mut Nodes,
) -> RedisResult<bool> {
    let node = nodes.locate(names.tag(), &names.version())?;
    let list = match clients.entry(node) {
        std::collections::hash_map::Entry::Occupied(list) => list.into_mut(),
        std::collections::hash_map::Entry::Vacant(place) => {
            let mut command = Commands::default();
            command.push(&[b"CLIENT", b"LIST"]);
            place.insert(match nodes.at(node).replies(&command) {
                Ok(replies) => match replies.into_iter().next() {
                    Some(Reply::Text(list)) => Some(list),
                    _ => None,
                },
                Err(Failure::Server(_)) => None,
                Err(failure) => return Err(failure),
            })
        }
    };
    Ok(match list {
        None => now_millis().saturating_sub(began) < OLD_MILLIS,
        Some(list) => {
            let name = format!(" name=hitmap:{run} ");
            memchr::memmem::find(list, name.as_bytes()).is_some()
        }
    })
}

fn delete_staged(run: &str, names: &KeyNames, count: u64, nodes: &mut Nodes) -> RedisResult<()> {
    let mut command = Commands::default();
    for start in (0..count).step_by(usize::try_from(BATCH_KEYS).unwrap_or(usize::MAX)) {
        let end = count.min(start + BATCH_KEYS);
        command.clear();
        command.begin(1 + usize::try_from(end - start).unwrap_or(0));
        command.argument(b"UNLINK");
        (start..end).for_each(|number| command.argument(names.staged(run, number).as_bytes()));
        nodes.ask(names.tag(), &command)?;
    }
    Ok(())
}

fn remove_entry(prefix: &str, entry: &str, nodes: &mut Nodes) -> RedisResult<()> {
    let key = keys::staging(prefix);
    let mut command = Commands::default();
    command.push(&[b"HDEL", key.as_bytes(), entry.as_bytes()]);
    nodes.ask(&key, &command).map(drop)
}

/// Now, in unix milliseconds.
pub(super) fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
