//! A span's ledger and version, to and from Redis.
//!
//! Owns: the text of an entry. May import: `store` (ledgers), `nodes`, `keys`, serde_json. Must not know: what the
//! entries mean for publishing.

use serde_json::{Value, json};

use super::command::Commands;
use super::connection::{Failure, RedisResult, Reply, ServerError};
use super::keys::KeyNames;
use super::nodes::Nodes;
use crate::source::full_id;
use crate::store::{Ledger, Source};

/// What the server holds of a span.
pub(super) fn read(names: &KeyNames, nodes: &mut Nodes) -> RedisResult<Ledger> {
    let mut command = Commands::default();
    command.push(&[b"GET", names.version().as_bytes()]);
    let version = match nodes.ask(names.tag(), &command)? {
        Reply::Nil => None,
        reply => Some(parse_version(&reply, names)?),
    };
    command.clear();
    command.push(&[b"HGETALL", names.ledger().as_bytes()]);
    let texts = nodes.ask(names.tag(), &command)?.texts()?;
    let entries = texts.as_chunks::<2>().0.iter().map(|[id, text]| parse_entry(id, text));
    let sources = entries.collect::<Option<Vec<_>>>().ok_or_else(|| foreign(&names.ledger()))?;
    Ok(Ledger { version, sources, is_unfinished: false })
}

/// The version in a reply.
pub(super) fn parse_version(reply: &Reply, names: &KeyNames) -> RedisResult<u64> {
    let Reply::Text(text) = reply else { return Err(reply.unexpected()) };
    let version = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    version.ok_or_else(|| foreign(&names.version()))
}

/// The failure of a key that holds what hitmap does not write.
fn foreign(name: &str) -> Failure {
    Failure::Server(ServerError {
        code: "WRONGTYPE".to_owned(),
        detail: format!("{name:?} is not hitmap's"),
    })
}

/// The text of a ledger entry.
pub(super) fn entry_text(source: &Source) -> String {
    json!({"name": source.name, "bytes": source.bytes, "lines": source.lines}).to_string()
}

fn parse_entry(id: &[u8], text: &[u8]) -> Option<Source> {
    let id = str::from_utf8(id).ok().filter(|id| id.len() == full_id(0).len())?;
    let entry: Value = serde_json::from_slice(text).ok()?;
    Some(Source {
        id: u128::from_str_radix(id, 16).ok()?,
        name: entry["name"].as_str()?.to_owned(),
        bytes: entry["bytes"].as_u64()?,
        lines: entry["lines"].as_u64()?,
    })
}

#[cfg(test)]
mod tests {
    use super::{entry_text, parse_entry};
    use crate::source::full_id;
    use crate::store::Source;

    #[test]
    fn entries_come_back_as_they_were() {
        let source = Source {
            id: 7 << 90,
            name: "a\"\\\n\u{1b}ü.log".to_owned(),
            bytes: u64::MAX,
            lines: 0,
        };
        let text = entry_text(&source);
        assert_eq!(parse_entry(full_id(source.id).as_bytes(), text.as_bytes()), Some(source));
        for (id, text) in [("", "{}"), ("7", &*text), (&full_id(7), "{}"), (&full_id(7), "x")] {
            assert_eq!(parse_entry(id.as_bytes(), text.as_bytes()), None);
        }
    }
}
