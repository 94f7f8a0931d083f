//! Visitors: who made a page view.
//!
//! Owns: [`VisitorDefinition`] and the 128-bit hash that stands for a visitor. May import: `parse::record`, memchr,
//! xxhash-rust. Must not know: pages, time, how visitors are counted.

use std::str::FromStr;

use memchr::memchr;
use xxhash_rust::xxh3::{xxh3_128, xxh3_128_with_secret};

use crate::parse::record::Record;

/// A visitor, as the xxh3-128 of the fields that define it. The same visitor has the same hash in every run with the
/// same key.
///
/// Hashed are the fields in the order of the definition, each after its length as 4 bytes, least significant first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VisitorHash(pub u128);

/// A field of a record that can be a part of the definition of a visitor.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    Ip,
    UserAgent,
    User,
    Referrer,
    /// A query argument by name.
    Argument(String),
}

/// The fields that must agree for two hits to come from the same visitor: a list of `ip`, `ua`, `user`, `referrer` and
/// `arg:NAME`, joined by `+`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisitorDefinition {
    fields: Vec<Field>,
    text: String,
}

impl VisitorDefinition {
    /// The list, as it was parsed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Default for VisitorDefinition {
    fn default() -> Self {
        Self { fields: vec![Field::Ip, Field::UserAgent], text: "ip+ua".to_owned() }
    }
}

impl FromStr for VisitorDefinition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let field = |name: &str| match name {
            "ip" => Ok(Field::Ip),
            "ua" => Ok(Field::UserAgent),
            "user" => Ok(Field::User),
            "referrer" => Ok(Field::Referrer),
            _ => match name.strip_prefix("arg:") {
                Some(argument) if !argument.is_empty() => Ok(Field::Argument(argument.to_owned())),
                _ => Err(format!(
                    "{name:?} is none of ip, ua, user, referrer, arg:NAME (join several with +)"
                )),
            },
        };
        let fields = text.split('+').map(field).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { fields, text: text.to_owned() })
    }
}

/// A secret key of visitor hashes. With it, stored hashes mean nothing to others, and nobody can craft collisions.
#[derive(Clone)]
pub struct VisitorKey {
    secret: [u8; 192],
}

impl VisitorKey {
    /// A key from the bytes of a key file. Block `i` of the secret (16 bytes) is the xxh3-128 of `i` (8 bytes, least
    /// significant first) and the bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let mut secret = [0; 192];
        for (index, block) in (0_u64..).zip(secret.chunks_exact_mut(16)) {
            let mut numbered = index.to_le_bytes().to_vec();
            numbered.extend_from_slice(bytes);
            block.copy_from_slice(&xxh3_128(&numbered).to_le_bytes());
        }
        Self { secret }
    }

    /// 64 bits of the key's hash, as 16 hexadecimal digits: tells keys apart without revealing them.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        format!("{:016x}", xxh3_128(&self.secret) >> 64)
    }
}

/// Does not show the key.
impl std::fmt::Debug for VisitorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VisitorKey")
    }
}

/// Hashes visitors. It reuses the buffer in which it joins their fields.
#[derive(Debug)]
pub(super) struct Hasher<'r> {
    definition: &'r VisitorDefinition,
    key: Option<&'r VisitorKey>,
    buffer: Vec<u8>,
}

impl<'r> Hasher<'r> {
    pub(super) fn new(definition: &'r VisitorDefinition, key: Option<&'r VisitorKey>) -> Self {
        Self { definition, key, buffer: Vec::with_capacity(1024) }
    }

    /// The record's visitor.
    #[inline]
    pub(super) fn hash(&mut self, record: &Record<'_>) -> VisitorHash {
        self.buffer.clear();
        for field in &self.definition.fields {
            let bytes = match field {
                Field::Ip => record.host,
                Field::UserAgent => record.user_agent,
                Field::User => record.user,
                Field::Referrer => record.referrer,
                Field::Argument(name) => argument(record, name.as_bytes()),
            };
            // Lines are shorter than 4 GiB, so every length fits.
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            self.buffer.extend_from_slice(&length.to_le_bytes());
            self.buffer.extend_from_slice(bytes);
        }
        VisitorHash(match self.key {
            None => xxh3_128(&self.buffer),
            Some(key) => xxh3_128_with_secret(&self.buffer, &key.secret),
        })
    }
}

/// The value of the first query argument called `name`, as logged; empty if there is none.
fn argument<'a>(record: &Record<'a>, name: &[u8]) -> &'a [u8] {
    let target = record.request.map(|request| request.logged_target).unwrap_or_default();
    let target = &target[..memchr(b'#', target).unwrap_or(target.len())];
    let Some(query) = memchr(b'?', target) else { return &[] };
    target[query + 1..]
        .split(|&byte| byte == b'&')
        .find_map(|argument| argument.strip_prefix(name)?.strip_prefix(b"="))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Hasher, VisitorDefinition, VisitorHash, VisitorKey, argument};
    use crate::parse::record::{Method, Record, Request};
    use crate::time::{CivilTime, Day};

    const RECORD: Record<'static> = Record {
        host: b"1.2.3.4",
        user: b"-",
        time: CivilTime::new(Day(0), 0, 0),
        offset_minutes: 0,
        request: Some(Request {
            method: Method::Get,
            target: b"/a",
            logged_target: b"/a?x=1&id=7&id=8#id=9",
        }),
        status: 200,
        bytes_sent: 0,
        referrer: b"",
        user_agent: b"agent",
    };

    fn hash(definition: &str, key: Option<&VisitorKey>, record: &Record<'_>) -> VisitorHash {
        let definition: VisitorDefinition = definition.parse().unwrap();
        Hasher::new(&definition, key).hash(record)
    }

    #[test]
    fn a_visitor_is_the_hash_of_its_fields() {
        let plain = hash("ip+ua", None, &RECORD);
        let bytes = b"\x07\x00\x00\x001.2.3.4\x05\x00\x00\x00agent";
        assert_eq!(plain, VisitorHash(xxhash_rust::xxh3::xxh3_128(bytes)));
        // Fields do not run into one another.
        let shifted = Record { host: b"1.2.3.4a", user_agent: b"gent", ..RECORD };
        assert_ne!(plain, hash("ip+ua", None, &shifted));
        assert_ne!(plain, hash("ip", None, &RECORD));
        let key = VisitorKey::new(b"secret");
        assert_ne!(plain, hash("ip+ua", Some(&key), &RECORD));
        assert_eq!(hash("ip+ua", Some(&key), &RECORD), hash("ip+ua", Some(&key), &RECORD));
        assert_eq!(format!("{key:?}"), "VisitorKey");
    }

    #[test]
    fn arguments_are_found_by_name() {
        for (name, value) in [("x", "1"), ("id", "7"), ("i", ""), ("y", "")] {
            assert_eq!(argument(&RECORD, name.as_bytes()), value.as_bytes(), "{name}");
        }
        for wrong in ["", "ip+", "IP", "arg:", "xff"] {
            assert!(wrong.parse::<VisitorDefinition>().is_err(), "{wrong}");
        }
    }
}
