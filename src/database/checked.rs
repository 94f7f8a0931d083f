//! Checksums of stored blobs and JSON texts, which SQLite does not have: a flipped bit is found, and a row in another's
//! place.
//!
//! Owns: [`seal`], [`open`], [`seal_json`], [`open_json`]. May import: serde_json, xxhash-rust. Must not know: what the
//! bytes say.

use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::Xxh3;

/// Length of a blob's checksum in bytes.
pub(super) const CHECKSUM_BYTES: usize = 8;

const CHECK: &str = "\"check\":\"";

/// Appends the checksum of `bytes`, which belong to the row named by `belongs_to`.
pub(super) fn seal(bytes: &mut Vec<u8>, belongs_to: &[i64]) {
    let checksum = checksum_of_blob(bytes, belongs_to);
    bytes.extend_from_slice(&checksum.to_le_bytes());
}

/// The bytes without their checksum; `None` if they are not as they were sealed, or belong to another row.
pub(super) fn open<'b>(bytes: &'b [u8], belongs_to: &[i64]) -> Option<&'b [u8]> {
    let (bytes, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>()?;
    (checksum_of_blob(bytes, belongs_to) == u64::from_le_bytes(*checksum)).then_some(bytes)
}

/// `value`, which must become a JSON object, with one more member at its end: `check`.
pub(super) fn seal_json<T: Serialize>(value: &T, belongs_to: &[i64]) -> String {
    let json = serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned());
    let check = checksum_of_json(&json, belongs_to);
    let members = json.strip_suffix('}').unwrap_or(&json);
    let comma = if members == "{" { "" } else { "," };
    format!("{members}{comma}{CHECK}{check:016x}\"}}")
}

/// What was sealed; `None` if the text is not as it was, belongs to another row, or is no `T`.
pub(super) fn open_json<T: DeserializeOwned>(text: &str, belongs_to: &[i64]) -> Option<T> {
    let (members, check) = text.strip_suffix("\"}")?.rsplit_once(CHECK)?;
    let json = format!("{}}}", members.strip_suffix(',').unwrap_or(members));
    // Compared as text: in capitals it would be another text.
    let is_it = check == format!("{:016x}", checksum_of_json(&json, belongs_to));
    if is_it { serde_json::from_str(&json).ok() } else { None }
}

fn checksum_of_blob(bytes: &[u8], belongs_to: &[i64]) -> u64 {
    let mut hasher = Xxh3::new();
    put_row(&mut hasher, belongs_to);
    hasher.update(bytes);
    hasher.digest()
}

fn checksum_of_json(json: &str, belongs_to: &[i64]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(json.as_bytes());
    put_row(&mut hasher, belongs_to);
    hasher.digest()
}

fn put_row(hasher: &mut Xxh3, belongs_to: &[i64]) {
    for number in belongs_to {
        hasher.update(&number.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{open, open_json, seal, seal_json};

    #[test]
    fn any_change_of_a_blob_is_seen() {
        for length in [0_usize, 1, 9, 300] {
            let bytes: Vec<u8> = (0..length).map(|at| at.to_le_bytes()[0]).collect();
            let mut sealed = bytes.clone();
            seal(&mut sealed, &[1, -7]);
            assert_eq!(open(&sealed, &[1, -7]), Some(&bytes[..]));
            assert_eq!(open(&sealed, &[1, 7]), None);
            assert_eq!(open(&sealed, &[1]), None);
            for at in 0..sealed.len() {
                let mut damaged = sealed.clone();
                damaged[at] ^= 0x10;
                assert_eq!(open(&damaged, &[1, -7]), None);
                assert_eq!(open(&sealed[..at], &[1, -7]), None);
            }
        }
    }

    #[test]
    fn any_change_of_a_text_is_seen() {
        for value in [json!({}), json!({"lines": 10, "status": [1, 2], "check": "x"})] {
            let sealed = seal_json(&value, &[1, -7]);
            assert_eq!(open_json(&sealed, &[1, -7]), Some(value.clone()));
            assert!(serde_json::from_str::<Value>(&sealed).is_ok(), "{sealed}");
            assert_eq!(open_json::<Value>(&sealed, &[1, 7]), None);
            for at in 0..sealed.len() {
                let mut damaged = sealed.clone().into_bytes();
                damaged[at] ^= 1;
                let damaged = String::from_utf8(damaged).unwrap();
                assert_eq!(open_json::<Value>(&damaged, &[1, -7]), None, "{damaged}");
            }
        }
        assert_eq!(open_json::<Value>("", &[]), None);
    }

    #[test]
    fn checksums_are_those_of_the_page() {
        use xxhash_rust::xxh3::xxh3_64;
        let mut sealed = b"bytes".to_vec();
        seal(&mut sealed, &[5]);
        let expected = xxh3_64(&[&5_i64.to_le_bytes()[..], b"bytes"].concat());
        assert_eq!(sealed[5..], expected.to_le_bytes());
        let expected = xxh3_64(&[b"{\"a\":1}", &5_i64.to_le_bytes()[..]].concat());
        assert_eq!(
            seal_json(&json!({"a": 1}), &[5]),
            format!("{{\"a\":1,\"check\":\"{expected:016x}\"}}")
        );
    }
}
