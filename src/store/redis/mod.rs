//! Redis: the keys of a span, all replaced in one step.
//!
//! Owns: [`RedisStore`], the path of an edition through the modules here. May import: `store`, its own modules.
//! Must not know: where cells come from, the command line.
//!
//! `arrange` makes keys from cells. If the span is new in Redis, all keys are staged; else they are compared with those
//! on the server (`live`), and only those that differ are staged. `flow` sends their values in batches; `commit` renames
//! the staged keys.

mod address;
mod arrange;
mod command;
mod commit;
mod connection;
mod flow;
mod keys;
mod ledger;
mod live;
mod nodes;
mod staging;

use std::collections::HashSet;

pub(super) use address::Address;
pub use address::OPTIONS_HELP;

use crate::error::{Error, Result};
use crate::store::{Cells, Edition, Ledger, Outcome, Store, Visibility, source_ids};
use crate::time::{Granularity, Period, Span};
use arrange::{Arranger, Expiry, KeyType, SpanKey};
use command::Commands;
use commit::{Changed, Committed, Transaction};
use connection::{Failure, RedisResult};
use flow::Flow;
use keys::KeyNames;
use live::KeyBatch;
use nodes::Nodes;
use staging::{MOST_KEYS, Run, now_millis};

/// A connected Redis, or Redis Cluster.
pub(super) struct RedisStore {
    address: Address,
    place: String,
    run: Run,
    nodes: Nodes,
    begun: Option<Begun>,
}

/// An edition that was begun.
struct Begun {
    edition: Edition,
    /// What the server held of the span when the edition was begun.
    held: Ledger,
    /// `None` once all cells have come.
    arranger: Option<Arranger>,
    expiry: Expiry,
    work: Work,
    /// The outcome, if it is known before the commit: then the rest is skipped.
    ended: Option<Outcome>,
}

/// The keys of an edition, and which of them are written.
struct Work {
    names: KeyNames,
    node: usize,
    /// The server has nothing of the span, so there is nothing to compare with.
    is_new: bool,
    is_registered: bool,
    flow: Flow,
    batch: KeyBatch,
    changed: Vec<Changed>,
    /// The names of all keys; empty for a new span.
    wanted: HashSet<String>,
    keys: u64,
    /// The name of the first ambiguous key.
    ambiguous: Option<String>,
}

impl RedisStore {
    /// Connects, and deletes what killed runs left behind.
    pub(super) fn open(address: &Address) -> Result<Self> {
        let place = address.to_string();
        let run = Run::new(&address.prefix);
        let connect = || {
            let mut nodes = Nodes::connect(address, &run.client_name())?;
            run.sweep(&mut nodes)?;
            Ok(nodes)
        };
        let nodes = connect().map_err(|failure| failed(&place, address, &failure))?;
        Ok(Self { address: address.clone(), place, run, nodes, begun: None })
    }

    fn fail(&self, failure: &Failure) -> Error {
        failed(&self.place, &self.address, failure)
    }

    /// Ends the edition after a failure: with an outcome if it can be tried again, else with an error.
    fn end(&mut self, failure: Failure) -> Result<()> {
        if let Failure::Moving(reason) = failure {
            return self.end_with(Outcome::Conflict { reason, wait: true });
        }
        let error = self.fail(&failure);
        let begun = self.begun.take();
        if let (Failure::Server(_), Some(mut begun)) = (failure, begun) {
            // The connection still works. Staged keys take memory, which may be what the server lacks. If they cannot be
            // deleted now, the next run does it.
            let _ = begun.work.abandon(&self.run, &mut self.nodes);
        }
        Err(error)
    }

    fn end_with(&mut self, outcome: Outcome) -> Result<()> {
        let Some(begun) = &mut self.begun else { return Ok(()) };
        begun.ended = Some(outcome);
        match begun.work.abandon(&self.run, &mut self.nodes) {
            // Keys that are being moved between nodes are swept later.
            Err(Failure::Moving(_)) | Ok(()) => Ok(()),
            Err(failure) => Err(self.fail(&failure)),
        }
    }

    fn start(&mut self, edition: Edition) -> RedisResult<Begun> {
        let period = edition.span.period;
        let names = KeyNames::new(&self.address.prefix, &edition.span);
        let node = self.nodes.locate(names.tag(), &names.version())?;
        let held = ledger::read(&names, &mut self.nodes)?;
        let is_new = held.version.is_none() && !live::has_any(&names, period, self.nodes.at(node))?;
        let content = self.address.content;
        let now = i64::try_from(now_millis() / 1000).unwrap_or(i64::MAX);
        let ended = if held.version != edition.replaces {
            Some(Outcome::Conflict { reason: PUBLISHED_BY_ANOTHER.to_owned(), wait: false })
        } else if edition.version.is_some() && edition.version <= held.version {
            Some(Outcome::Refused(format!(
                "the store already has this or a later version of {period}"
            )))
        } else {
            None
        };
        Ok(Begun {
            held,
            arranger: Some(Arranger::new(content, period, names.clone(), now)),
            expiry: Expiry { content, period, now },
            work: Work {
                names,
                node,
                is_new,
                is_registered: false,
                flow: Flow::default(),
                batch: KeyBatch::default(),
                changed: Vec::new(),
                wanted: HashSet::new(),
                keys: 0,
                ambiguous: None,
            },
            ended,
            edition,
        })
    }

    fn take(&mut self, cells: &Cells) -> RedisResult<()> {
        let Some(begun) = &mut self.begun else { return Ok(()) };
        let Begun { arranger: Some(arranger), work, ended: None, .. } = begun else {
            return Ok(());
        };
        let mut each = |key: SpanKey<'_>| work.take(&key, &self.run, &mut self.nodes);
        cells.iter().try_for_each(|cell| arranger.take(&cell, &mut each))
    }

    /// Refuses too many keys, and ambiguous ones.
    fn check(&mut self) -> Result<()> {
        let Some(Begun { work, edition, ended: None, .. }) = &self.begun else { return Ok(()) };
        let period = edition.span.period;
        let reason = match &work.ambiguous {
            Some(key) => format!(
                "the last part of key {key:?} would read as an hour; give that group (--group) another name"
            ),
            None if work.keys > MOST_KEYS => format!(
                "{period} would take more than {MOST_KEYS} keys, and making so many visible stops Redis for too long; \
                 set top_sections= in the URL to fewer sections, or group pages (--group)"
            ),
            None => return Ok(()),
        };
        self.end_with(Outcome::Refused(reason))
    }

    /// Takes the keys of the last cells.
    fn take_rest(&mut self) -> RedisResult<u64> {
        let Some(begun) = &mut self.begun else { return Ok(0) };
        let (Some(arranger), work, None) = (begun.arranger.take(), &mut begun.work, &begun.ended)
        else {
            return Ok(0);
        };
        arranger.finish(&mut |key: SpanKey<'_>| work.take(&key, &self.run, &mut self.nodes))
    }

    fn conclude(&mut self, cells: u64) -> RedisResult<Outcome> {
        let Some(begun) = &mut self.begun else { return Ok(Outcome::Unchanged) };
        let Begun { edition, held, expiry, work, .. } = begun;
        work.write_rest(&self.run, &mut self.nodes)?;
        let connection = self.nodes.at(work.node);
        let obsolete = if work.is_new {
            Vec::new()
        } else {
            live::obsolete(&work.names, edition.span.period, &work.wanted, connection)?
        };
        let is_same_ledger = held.version.is_some()
            && edition.version.is_none()
            && source_ids(&held.sources) == source_ids(&edition.sources);
        if is_same_ledger && work.changed.is_empty() && obsolete.is_empty() {
            list_day(&self.address.prefix, &edition.span, work.keys > 0, &mut self.nodes)?;
            return Ok(Outcome::Unchanged);
        }
        let next = held.version.map_or(0, |version| version.saturating_add(1)).max(now_millis());
        let transaction = Transaction {
            names: &work.names,
            replaces: edition.replaces,
            version: edition.version.unwrap_or(next),
            changed: &work.changed,
            obsolete: &obsolete,
            sources: &edition.sources,
            expires: expiry.of_all(),
        };
        let conflict = |reason: &str| Outcome::Conflict { reason: reason.to_owned(), wait: false };
        let outcome = match transaction.run(connection)? {
            Committed::Done => Outcome::Published {
                version: transaction.version,
                cells,
                changed: (work.changed.len() + obsolete.len()) as u64,
            },
            Committed::Stale => conflict(PUBLISHED_BY_ANOTHER),
            Committed::Vanished => {
                conflict("the staged keys have vanished: the server was emptied, or evicts keys")
            }
        };
        if let Outcome::Published { .. } = outcome {
            // The staged keys have been renamed.
            work.changed.clear();
            if work.is_registered {
                self.run.unregister(&work.names, &mut self.nodes)?;
            }
            list_day(&self.address.prefix, &edition.span, work.keys > 0, &mut self.nodes)?;
        } else {
            work.abandon(&self.run, &mut self.nodes)?;
        }
        Ok(outcome)
    }
}

const PUBLISHED_BY_ANOTHER: &str = "another run published it meanwhile";

impl Store for RedisStore {
    fn place(&self) -> &str {
        &self.place
    }

    fn ledger(&mut self, span: &Span) -> Result<Ledger> {
        let names = KeyNames::new(&self.address.prefix, span);
        ledger::read(&names, &mut self.nodes).map_err(|failure| self.fail(&failure))
    }

    fn visibility(&self) -> Visibility {
        Visibility::Span
    }

    fn finest_pages(&self) -> Granularity {
        if self.address.content.minute_pages > 0 { Granularity::Minute } else { Granularity::Hour }
    }

    fn unit(&self) -> (&'static str, &'static str) {
        ("key", "keys")
    }

    fn begin(&mut self, edition: Edition) -> Result<()> {
        if let Some(mut begun) = self.begun.take() {
            begun
                .work
                .abandon(&self.run, &mut self.nodes)
                .map_err(|failure| self.fail(&failure))?;
        }
        self.begun = Some(self.start(edition).map_err(|failure| self.fail(&failure))?);
        Ok(())
    }

    fn put(&mut self, cells: &Cells) -> Result<()> {
        match self.take(cells) {
            Ok(()) => self.check(),
            Err(failure) => self.end(failure),
        }
    }

    fn commit(&mut self) -> Result<Outcome> {
        let cells = match self.take_rest() {
            Ok(cells) => {
                self.check()?;
                cells
            }
            Err(failure) => {
                self.end(failure)?;
                0
            }
        };
        if self.begun.as_ref().is_some_and(|begun| begun.ended.is_none()) {
            match self.conclude(cells) {
                Ok(outcome) => {
                    self.begun = None;
                    return Ok(outcome);
                }
                Err(failure) => self.end(failure)?,
            }
        }
        Ok(self.begun.take().and_then(|begun| begun.ended).unwrap_or(Outcome::Unchanged))
    }

    fn close(&mut self) -> Result<()> {
        let abandoned = match self.begun.take() {
            Some(mut begun) => begun.work.abandon(&self.run, &mut self.nodes),
            None => Ok(()),
        };
        // Again: to the server, a run that was killed just before this one began may still have looked alive then.
        let swept = abandoned.and_then(|()| self.run.sweep(&mut self.nodes));
        swept.map_err(|failure| self.fail(&failure))
    }
}

impl Work {
    /// Takes a key: stages it, or adds it to the batch to compare.
    fn take(&mut self, key: &SpanKey<'_>, run: &Run, nodes: &mut Nodes) -> RedisResult<()> {
        self.keys += 1;
        if key.is_ambiguous {
            self.ambiguous.get_or_insert_with(|| key.name.clone());
        }
        if self.keys > MOST_KEYS || self.ambiguous.is_some() {
            return Ok(());
        }
        if self.is_new {
            return self.stage(&key.name, key.key_type, key.values, key.expires, run, nodes);
        }
        self.wanted.insert(key.name.clone());
        self.batch.push(key);
        if self.batch.is_full() { self.compare(run, nodes) } else { Ok(()) }
    }

    fn stage(
        &mut self,
        name: &str,
        key_type: KeyType,
        values: &[(&str, u64)],
        expires: Option<i64>,
        run: &Run,
        nodes: &mut Nodes,
    ) -> RedisResult<()> {
        if !self.is_registered {
            self.is_registered = true;
            run.register(&self.names, nodes)?;
        }
        let staged = run.staged(&self.names, self.changed.len() as u64);
        let changed = Changed { staged, name: name.to_owned(), expires, values: values.len() };
        self.changed.push(changed);
        let staged = &self.changed[self.changed.len() - 1].staged;
        self.flow.write(nodes.at(self.node), staged, key_type, values)
    }

    /// Compares the batch of keys with the server, and stages those that differ.
    fn compare(&mut self, run: &Run, nodes: &mut Nodes) -> RedisResult<()> {
        self.flow.finish(nodes.at(self.node))?;
        for (key, is_same) in self.batch.compare(nodes.at(self.node))? {
            if !is_same {
                self.stage(&key.name, key.key_type, &key.values(), key.expires, run, nodes)?;
            }
        }
        Ok(())
    }

    fn write_rest(&mut self, run: &Run, nodes: &mut Nodes) -> RedisResult<()> {
        self.compare(run, nodes)?;
        self.flow.finish(nodes.at(self.node))
    }

    /// Deletes the staged keys.
    fn abandon(&mut self, run: &Run, nodes: &mut Nodes) -> RedisResult<()> {
        self.flow.abandon(nodes.at(self.node))?;
        let staged = std::mem::take(&mut self.changed);
        if self.is_registered {
            run.drop_staged(&self.names, staged.len() as u64, nodes)?;
            self.is_registered = false;
        }
        Ok(())
    }
}

/// Adds a day to the set of the site's days, or removes it if it has no keys.
fn list_day(prefix: &str, span: &Span, has_keys: bool, nodes: &mut Nodes) -> RedisResult<()> {
    let Period::Day(day) = span.period else { return Ok(()) };
    let (key, day) = (keys::days(prefix, &span.site), keys::compact(day));
    let mut command = Commands::default();
    if has_keys {
        command.push(&[b"ZADD", key.as_bytes(), day.as_bytes(), day.as_bytes()]);
    } else {
        command.push(&[b"ZREM", key.as_bytes(), day.as_bytes()]);
    }
    nodes.ask(&key, &command).map(drop)
}

fn failed(place: &str, address: &Address, failure: &Failure) -> Error {
    Error::Store { place: place.to_owned(), reason: failure.sentence(address) }
}
