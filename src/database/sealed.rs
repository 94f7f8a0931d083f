//! JSON in a row with a checksum of itself and of what it belongs to: SQLite has none, and a flipped digit is JSON, too.
//!
//! Owns: [`seal`], [`open`]. May import: xxhash-rust. Must not know: what the JSON says.

use xxhash_rust::xxh3::xxh3_64;

const CHECK: &str = ",\"check\":\"";

fn checksum(json: &str, key: &[i64]) -> u64 {
    let mut bytes = json.as_bytes().to_vec();
    bytes.extend(key.iter().flat_map(|part| part.to_le_bytes()));
    xxh3_64(&bytes)
}

/// A JSON object with one more member, `check`; `key` is what it belongs to.
pub(super) fn seal(json: &str, key: &[i64]) -> String {
    let members = json.strip_suffix('}').unwrap_or(json);
    format!("{members}{CHECK}{:016x}\"}}", checksum(json, key))
}

/// The object that was sealed; `None` if it is another one, or belongs to another key.
pub(super) fn open(text: &str, key: &[i64]) -> Option<String> {
    let (members, check) = text.strip_suffix("\"}")?.rsplit_once(CHECK)?;
    let json = format!("{members}}}");
    (check == format!("{:016x}", checksum(&json, key))).then_some(json)
}

#[cfg(test)]
mod tests {
    use super::{open, seal};

    #[test]
    fn any_change_is_seen() {
        let json = r#"{"lines":10,"status":[1,2]}"#;
        let sealed = seal(json, &[1, -7]);
        assert_eq!(open(&sealed, &[1, -7]).as_deref(), Some(json));
        assert!(serde_json::from_str::<serde_json::Value>(&sealed).is_ok());
        assert_eq!(open(&sealed, &[1, 7]), None);
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone().into_bytes();
            damaged[at] ^= 1;
            let damaged = String::from_utf8(damaged).unwrap();
            assert_eq!(open(&damaged, &[1, -7]), None, "{damaged}");
        }
    }
}
