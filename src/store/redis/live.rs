//! What readers see of a span now, read back to find what has changed, so that nothing else is written.
//!
//! Owns: comparing keys with their values ([`KeyBatch`]), finding keys to delete. May import: `connection`,
//! `command`, `arrange`, `keys`. Must not know: staging.
//!
//! The values themselves are compared, on the client. Redis keeps no digest that could go stale, and a key that somebody
//! else changed is corrected.

use std::collections::HashSet;

use super::arrange::{KeyType, SpanKey};
use super::command::Commands;
use super::connection::{Connection, RedisResult, Reply};
use super::keys::{KeyNames, Level, Metric};
use crate::store::Slot;
use crate::time::Period;

/// Number of values read back per batch.
const BATCH_VALUES: usize = 10_000;
/// Number of keys per EXISTS command.
const BATCH_KEYS: usize = 500;
/// Number of sections looked up per batch.
const BATCH_SECTIONS: usize = 50;

/// Keys collected to be compared with the server together.
#[derive(Debug, Default)]
pub(super) struct KeyBatch {
    keys: Vec<OwnedKey>,
    values: usize,
}

/// A [`SpanKey`] that owns its values.
#[derive(Debug)]
pub(super) struct OwnedKey {
    pub(super) name: String,
    pub(super) key_type: KeyType,
    pub(super) expires: Option<i64>,
    values: Vec<(String, u64)>,
}

impl OwnedKey {
    fn new(key: &SpanKey<'_>) -> Self {
        let values = key.values.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
        Self { name: key.name.clone(), key_type: key.key_type, expires: key.expires, values }
    }

    pub(super) fn values(&self) -> Vec<(&str, u64)> {
        self.values.iter().map(|(name, value)| (&**name, *value)).collect()
    }

    /// Sorts the values as the server orders a sorted set, by value and then by name; those of a hash by name.
    fn sort(&mut self) {
        match self.key_type {
            KeyType::SortedSet => {
                self.values.sort_unstable_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)))
            }
            KeyType::Hash => self.values.sort_unstable(),
        }
    }
}

impl KeyBatch {
    pub(super) fn push(&mut self, key: &SpanKey<'_>) {
        self.values += key.values.len();
        self.keys.push(OwnedKey::new(key));
    }

    pub(super) fn is_full(&self) -> bool {
        self.values >= BATCH_VALUES
    }

    /// Takes all keys out, each with whether the server has exactly its values. Those keys also get their expiry.
    pub(super) fn compare(
        &mut self,
        connection: &mut Connection,
    ) -> RedisResult<Vec<(OwnedKey, bool)>> {
        self.values = 0;
        let mut keys = std::mem::take(&mut self.keys);
        keys.iter_mut().for_each(OwnedKey::sort);
        let mut are_same = vec![true; keys.len()];
        // Small keys in one exchange; keys with several batches of values one after the other.
        let (mut small, mut commands) = (Vec::new(), Commands::default());
        for (number, key) in keys.iter().enumerate() {
            if key.values.len() < BATCH_VALUES {
                small.push(number);
                ask_for(key, 0, &mut commands);
            } else {
                are_same[number] = is_same_in_batches(key, connection)?;
            }
        }
        for (&number, reply) in small.iter().zip(connection.replies(&commands)?) {
            are_same[number] = is_same(&keys[number], 0, reply)?;
        }
        commands.clear();
        for (key, _) in keys.iter().zip(&are_same).filter(|(_, is_same)| **is_same) {
            push_expiry(&key.name, key.expires, &mut commands);
        }
        connection.replies(&commands)?;
        Ok(keys.into_iter().zip(are_same).collect())
    }
}

/// Appends the command that sets the expiry of an existing key.
pub(super) fn push_expiry(name: &str, expires: Option<i64>, commands: &mut Commands) {
    match expires {
        Some(at) => commands.push(&[b"EXPIREAT", name.as_bytes(), at.to_string().as_bytes()]),
        None => commands.push(&[b"PERSIST", name.as_bytes()]),
    }
}

fn ask_for(key: &OwnedKey, start: usize, commands: &mut Commands) {
    match key.key_type {
        KeyType::Hash => commands.push(&[b"HGETALL", key.name.as_bytes()]),
        KeyType::SortedSet => {
            commands.begin(5);
            commands.argument(b"ZRANGE");
            commands.argument(key.name.as_bytes());
            commands.integer(start as u64);
            // At the end, one value more than expected, to see whether there is one.
            commands.integer((start + BATCH_VALUES - 1).min(key.values.len()) as u64);
            commands.argument(b"WITHSCORES");
        }
    }
}

fn is_same_in_batches(key: &OwnedKey, connection: &mut Connection) -> RedisResult<bool> {
    let mut commands = Commands::default();
    let mut start = 0;
    loop {
        commands.clear();
        ask_for(key, start, &mut commands);
        let reply = connection.replies(&commands)?.pop().unwrap_or(Reply::Nil);
        if !is_same(key, start, reply)? {
            return Ok(false);
        }
        start += BATCH_VALUES;
        if key.key_type == KeyType::Hash || start > key.values.len() {
            return Ok(true);
        }
    }
}

/// Whether the reply holds exactly the values from index `start`, up to a batch of them.
fn is_same(key: &OwnedKey, start: usize, reply: Reply) -> RedisResult<bool> {
    let texts = reply.texts()?;
    let mut pairs: Vec<(&[u8], &[u8])> =
        texts.as_chunks::<2>().0.iter().map(|[name, value]| (&**name, &**value)).collect();
    let expected = match key.key_type {
        KeyType::SortedSet => {
            let expected = &key.values[start.min(key.values.len())..];
            &expected[..expected.len().min(BATCH_VALUES)]
        }
        KeyType::Hash => {
            pairs.sort_unstable();
            &key.values[..]
        }
    };
    let mut digits = itoa::Buffer::new();
    Ok(pairs.len() == expected.len()
        && pairs.iter().zip(expected).all(|(found, (name, value))| {
            found.0 == name.as_bytes() && found.1 == digits.format(*value).as_bytes()
        }))
}

/// Whether the server has any key of the span, other than keys of single sections.
pub(super) fn has_any(
    names: &KeyNames,
    period: Period,
    connection: &mut Connection,
) -> RedisResult<bool> {
    let mut all = plain_keys(names, period);
    all.push(names.ledger());
    Ok(!existing(&all, connection)?.is_empty())
}

/// The keys of the span on the server that are not in `wanted`.
pub(super) fn obsolete(
    names: &KeyNames,
    period: Period,
    wanted: &HashSet<String>,
    connection: &mut Connection,
) -> RedisResult<Vec<String>> {
    let mut candidates = plain_keys(names, period);
    candidates.retain(|name| !wanted.contains(name));
    let mut obsolete = existing(&candidates, connection)?;
    let (sections, is_ranked) = sections(names, period, connection)?;
    for sections in sections.chunks(BATCH_SECTIONS) {
        let mut candidates = Vec::new();
        for section in sections {
            for slot in slots(period).filter(|slot| !matches!(slot, Slot::Minute(_))) {
                for metric in Metric::ALL {
                    candidates.push(names.values(metric, Level::PagesOf(section), slot));
                }
            }
        }
        let has_wanted = candidates.iter().any(|name| wanted.contains(name));
        candidates.retain(|name| !wanted.contains(name));
        let found = existing(&candidates, connection)?;
        // Only the first sections by rank have keys, so later ones have none either.
        if is_ranked && found.is_empty() && !has_wanted {
            break;
        }
        obsolete.extend(found);
    }
    Ok(obsolete)
}

/// The sections of the span on the server, and whether they are sorted by rank.
fn sections(
    names: &KeyNames,
    period: Period,
    connection: &mut Connection,
) -> RedisResult<(Vec<String>, bool)> {
    let of = |slot: Slot, connection: &mut Connection| -> RedisResult<Vec<(u64, String)>> {
        let key = names.values(Metric::Pv, Level::Sections, slot);
        let mut found = Vec::new();
        loop {
            let (start, end) =
                (found.len().to_string(), (found.len() + BATCH_VALUES - 1).to_string());
            let mut commands = Commands::default();
            commands.push(&[
                b"ZRANGE",
                key.as_bytes(),
                start.as_bytes(),
                end.as_bytes(),
                b"WITHSCORES",
            ]);
            let reply = connection.replies(&commands)?.pop().unwrap_or(Reply::Nil);
            let texts = reply.texts()?;
            for [name, value] in texts.as_chunks::<2>().0 {
                let value = str::from_utf8(value).ok().and_then(|value| value.parse().ok());
                found.push((value.unwrap_or(0), String::from_utf8_lossy(name).into_owned()));
            }
            if texts.len() < 2 * BATCH_VALUES {
                return Ok(found);
            }
        }
    };
    let mut whole = of(Slot::Whole, connection)?;
    if !whole.is_empty() {
        whole.sort_unstable_by(|a, b| (b.0, &a.1).cmp(&(a.0, &b.1)));
        return Ok((whole.into_iter().map(|(_, section)| section).collect(), true));
    }
    // The keys of the whole day may expire before those of its hours.
    let mut all = HashSet::new();
    for slot in slots(period).filter(|slot| matches!(slot, Slot::Hour(_))) {
        all.extend(of(slot, connection)?.into_iter().map(|(_, section)| section));
    }
    Ok((all.into_iter().collect(), false))
}

/// All possible keys of a span, except those of single sections.
fn plain_keys(names: &KeyNames, period: Period) -> Vec<String> {
    let mut all = vec![names.totals()];
    for slot in slots(period) {
        for metric in Metric::ALL {
            all.push(names.values(metric, Level::Sections, slot));
            all.push(names.values(metric, Level::Pages, slot));
        }
    }
    all
}

/// All slots of a span.
fn slots(period: Period) -> impl Iterator<Item = Slot> {
    let (hours, minutes) = match period {
        Period::Day(_) => (24, 24 * 60),
        _ => (0, 0),
    };
    std::iter::once(Slot::Whole)
        .chain((0..hours).map(Slot::Hour))
        .chain((0..minutes).map(Slot::Minute))
}

/// Those of the keys that exist on the server.
fn existing(names: &[String], connection: &mut Connection) -> RedisResult<Vec<String>> {
    let batches: Vec<&[String]> = names.chunks(BATCH_KEYS).collect();
    let mut commands = Commands::default();
    for batch in &batches {
        commands.begin(1 + batch.len());
        commands.argument(b"EXISTS");
        batch.iter().for_each(|name| commands.argument(name.as_bytes()));
    }
    let mut some = Vec::new();
    for (batch, reply) in batches.into_iter().zip(connection.replies(&commands)?) {
        if reply.integer()? > 0 {
            some.extend(batch);
        }
    }
    commands.clear();
    some.iter().for_each(|name| commands.push(&[b"EXISTS", name.as_bytes()]));
    let replies = connection.replies(&commands)?;
    let mut found = Vec::new();
    for (name, reply) in some.into_iter().zip(replies) {
        if reply.integer()? > 0 {
            found.push(name.clone());
        }
    }
    Ok(found)
}
