//! The moment a span becomes visible.
//!
//! Owns: the transaction. May import: `connection`, `command`, `keys`, `ledger`, `live` (expiry). Must not know: how keys
//! were staged, what they hold.
//!
//! The version is watched, then compared with the one that the edition replaces, and the staged keys are counted. If
//! another run publishes the span in between, or somebody empties the server, EXEC does nothing. Every publisher changes
//! the version, so an equal version means that nothing else of the span has changed.

use super::command::Commands;
use super::connection::{Connection, Failure, RedisResult, Reply, Response};
use super::keys::KeyNames;
use super::{ledger, live};
use crate::source::full_id;
use crate::store::Source;

/// Keys named by one command.
const BATCH_KEYS: usize = 1000;
/// From this many values on, an old key is freed in the background rather than while the transaction runs.
pub(super) const MANY_VALUES: usize = 1000;

/// All that a transaction does.
#[derive(Debug)]
pub(super) struct Transaction<'t> {
    pub(super) names: &'t KeyNames,
    /// The version that the server must still have.
    pub(super) replaces: Option<u64>,
    pub(super) version: u64,
    pub(super) changed: &'t [Changed],
    /// Keys to delete.
    pub(super) obsolete: &'t [String],
    pub(super) sources: &'t [Source],
    /// When ledger and version expire; `None` for never.
    pub(super) expires: Option<i64>,
}

/// A key that was staged.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) staged: String,
    pub(super) name: String,
    pub(super) expires: Option<i64>,
    /// Number of values.
    pub(super) values: usize,
}

/// What became of a transaction.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Committed {
    Done,
    /// Another run published the span.
    Stale,
    /// Staged keys are missing.
    Vanished,
}

impl Transaction<'_> {
    pub(super) fn run(&self, connection: &mut Connection) -> RedisResult<Committed> {
        let version = self.names.version();
        let mut commands = Commands::default();
        commands.push(&[b"WATCH", version.as_bytes()]);
        commands.push(&[b"GET", version.as_bytes()]);
        for batch in self.changed.chunks(BATCH_KEYS) {
            commands.begin(1 + batch.len());
            commands.argument(b"EXISTS");
            batch.iter().for_each(|changed| commands.argument(changed.staged.as_bytes()));
        }
        let mut replies = connection.replies(&commands)?.into_iter().skip(1);
        let found = match replies.next() {
            Some(Reply::Text(text)) => Some(ledger::parse_version(&Reply::Text(text), self.names)?),
            _ => None,
        };
        let staged = replies.try_fold(0, |sum, reply| Ok::<_, Failure>(sum + reply.integer()?))?;
        let mismatch = if found != self.replaces {
            Some(Committed::Stale)
        } else if usize::try_from(staged) != Ok(self.changed.len()) {
            Some(Committed::Vanished)
        } else {
            None
        };
        commands.clear();
        if let Some(mismatch) = mismatch {
            commands.push(&[b"UNWATCH"]);
            connection.replies(&commands)?;
            return Ok(mismatch);
        }
        self.append(&mut commands);
        let responses = connection.exchange(&commands)?;
        executed(responses)
    }

    fn append(&self, commands: &mut Commands) {
        commands.push(&[b"MULTI"]);
        for changed in self.changed {
            let name = changed.name.as_bytes();
            if changed.values >= MANY_VALUES && self.replaces.is_some() {
                // RENAME would free the old values on the spot.
                commands.push(&[b"UNLINK", name]);
            }
            commands.push(&[b"RENAME", changed.staged.as_bytes(), name]);
            if changed.expires.is_some() {
                live::push_expiry(&changed.name, changed.expires, commands);
            }
        }
        for batch in self.obsolete.chunks(BATCH_KEYS) {
            commands.begin(1 + batch.len());
            commands.argument(b"UNLINK");
            batch.iter().for_each(|name| commands.argument(name.as_bytes()));
        }
        let (ledger, version) = (self.names.ledger(), self.names.version());
        commands.push(&[b"DEL", ledger.as_bytes()]);
        if !self.sources.is_empty() {
            commands.begin(2 + 2 * self.sources.len());
            commands.argument(b"HSET");
            commands.argument(ledger.as_bytes());
            for source in self.sources {
                commands.argument(full_id(source.id).as_bytes());
                commands.argument(ledger::entry_text(source).as_bytes());
            }
        }
        commands.push(&[b"SET", version.as_bytes(), self.version.to_string().as_bytes()]);
        if self.expires.is_some() {
            live::push_expiry(&ledger, self.expires, commands);
            live::push_expiry(&version, self.expires, commands);
        }
        commands.push(&[b"EXEC"]);
    }
}

/// Checks the responses to MULTI, what was queued, and EXEC.
fn executed(responses: Vec<Response>) -> RedisResult<Committed> {
    let mut refused = None;
    let mut last = None;
    for response in responses {
        match response {
            // The command that was not queued carries the reason; EXEC only says that there was one.
            Err(error) if refused.is_none() => refused = Some(error),
            Err(_) => {}
            Ok(reply) => last = Some(reply),
        }
    }
    if let Some(error) = refused {
        return Err(error.into());
    }
    match last {
        Some(Reply::Nil) => Ok(Committed::Stale),
        Some(Reply::List(done)) => {
            done.into_iter().collect::<std::result::Result<Vec<_>, _>>()?;
            Ok(Committed::Done)
        }
        Some(other) => Err(other.unexpected()),
        None => Err(Reply::Nil.unexpected()),
    }
}
