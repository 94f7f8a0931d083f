//! The text of JSON strings (RFC 8259, section 7).
//!
//! Owns: undoing their escapes. May import: memchr. Must not know: what a string is for.

use memchr::memchr2;

/// Appends to `text` the string whose first byte after the opening quote `json` begins with, and returns how many bytes of
/// `json` it takes, its closing quote included. `None` where it does not end, or has an escape that JSON does not know.
///
/// A surrogate without its other half becomes U+FFFD, as in Go's and Python's decoders. Bytes that are not UTF-8 stay.
pub(super) fn unescape(json: &[u8], text: &mut Vec<u8>) -> Option<usize> {
    let mut at = 0;
    loop {
        let plain = memchr2(b'"', b'\\', &json[at..])?;
        text.extend_from_slice(&json[at..at + plain]);
        at += plain;
        if json[at] == b'"' {
            return Some(at + 1);
        }
        let escape = *json.get(at + 1)?;
        at += 2;
        let byte = match escape {
            b'"' | b'\\' | b'/' => escape,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let (character, length) = code_point(&json[at..])?;
                at += length;
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return None,
        };
        text.push(byte);
    }
}

/// The character of `XXXX` or `XXXX\uXXXX`, behind `\u`, and how many bytes it takes.
fn code_point(json: &[u8]) -> Option<(char, usize)> {
    let first = unit(json)?;
    if !(0xd800..0xe000).contains(&first) {
        return Some((char::from_u32(first)?, 4));
    }
    let second = json[4..].strip_prefix(b"\\u").and_then(unit);
    match second {
        Some(second @ 0xdc00..0xe000) if first < 0xdc00 => {
            let character = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            Some((char::from_u32(character)?, 10))
        }
        _ => Some((char::REPLACEMENT_CHARACTER, 4)),
    }
}

/// Four hexadecimal digits.
fn unit(json: &[u8]) -> Option<u32> {
    let digits = json.get(..4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::unescape;

    proptest! {
        /// What serde_json makes of the same bytes.
        #[test]
        fn agrees_with_serde_json(json in "(\\\\[\"\\\\/bfnrtux]|\\\\u[0-9a-fA-F]{3,4}|[a-z \"ü😀]){0,12}\"?") {
            let mut text = Vec::new();
            let taken = unescape(json.as_bytes(), &mut text);
            let end = taken.unwrap_or(json.len());
            let expected: Option<String> =
                serde_json::from_str(&format!("\"{}", &json[..end])).ok();
            match (taken, expected) {
                (Some(_), Some(expected)) => prop_assert_eq!(text, expected.into_bytes()),
                // serde_json refuses lone surrogates.
                (Some(_), None) => prop_assert!(json.contains("\\u")),
                (None, expected) => prop_assert_eq!(expected, None),
            }
        }
    }
}
