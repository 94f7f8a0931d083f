//! URL decoding of a beacon's arguments (WHATWG URL, application/x-www-form-urlencoded).
//!
//! Owns: [`Unescaped`]. May import: `std::arch`, `way`. Must not know: what the arguments mean.
//!
//! In beacons an escape comes every few bytes, at places as good as random. A loop that asks each byte what it is guesses
//! wrong at most of them; 32 bytes at once, whatever they are, made the scan of a dig log 1.25 times as fast.

#![allow(unsafe_code, reason = "calls of what the machine was asked for")]

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;

use super::way::Way;

/// Decoded text. Its room is used again and again.
#[derive(Debug)]
pub(super) struct Unescaped {
    room: Vec<u8>,
    /// An available one.
    way: Way,
}

impl Default for Unescaped {
    fn default() -> Self {
        Self { room: Vec::new(), way: Way::current() }
    }
}

/// A `%` that two hexadecimal digits do not follow.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadEscape;

impl Unescaped {
    /// Decodes the first `length` of `bytes`: `+` is a blank, `%XX` a byte. It is faster where bytes follow.
    ///
    /// # Panics
    /// If there are fewer bytes.
    #[inline]
    pub(super) fn decode(&mut self, bytes: &[u8], length: usize) -> Result<&[u8], BadEscape> {
        if self.room.len() < length + SPARE {
            self.room.resize(length + SPARE, 0);
        }
        let written = decode(self.way, bytes, length, &mut self.room).ok_or(BadEscape)?;
        Ok(&self.room[..written])
    }
}

/// By how much the room must be longer than the text.
const SPARE: usize = 64;

/// Decodes the first `length` of `bytes` into `room` and returns their length there, `None` where an escape is bad.
/// The way is an available one.
fn decode(way: Way, bytes: &[u8], length: usize, room: &mut [u8]) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    if way != Way::Portable {
        // SAFETY: the way is available: the machine has what the function is compiled for.
        return unsafe { avx2::decode(bytes, length, room) };
    }
    let _ = way;
    decode_portable(&bytes[..length], room)
}

/// The same byte by byte.
fn decode_portable(text: &[u8], room: &mut [u8]) -> Option<usize> {
    let (mut read, mut written) = (0, 0);
    while let Some(&byte) = text.get(read) {
        room[written] = match byte {
            b'+' => b' ',
            b'%' => {
                let &[_, high, low] = text[read..].first_chunk()?;
                let (high, low) = (HEX[usize::from(high)], HEX[usize::from(low)]);
                if high > 15 || low > 15 {
                    return None;
                }
                read += 2;
                high << 4 | low
            }
            _ => byte,
        };
        read += 1;
        written += 1;
    }
    Some(written)
}

/// The value of each hexadecimal digit, 255 for other bytes.
const HEX: [u8; 256] = {
    let mut values = [255; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value] as usize] = value.to_le_bytes()[0];
        values[b"0123456789ABCDEF"[value] as usize] = value.to_le_bytes()[0];
        value += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BadEscape, SPARE, Unescaped, decode_portable};

    /// What every way makes of a text, whatever stands behind it.
    fn check(text: &[u8]) -> Option<Vec<u8>> {
        let mut room = vec![b'x'; text.len() + SPARE];
        let portable = decode_portable(text, &mut room).map(|written| room[..written].to_vec());
        #[cfg(target_arch = "x86_64")]
        if super::avx2::is_available() {
            for behind in ["", "&", "0", "00", "%41", &"4%41+".repeat(20)] {
                let mut room = vec![b'x'; text.len() + SPARE];
                let bytes = [text, behind.as_bytes()].concat();
                // SAFETY: it is available.
                let written = unsafe { super::avx2::decode(&bytes, text.len(), &mut room) };
                let found = written.map(|written| room[..written].to_vec());
                assert_eq!(found, portable, "{} {behind}", text.escape_ascii());
            }
        }
        portable
    }

    #[test]
    fn escapes_at_every_place() {
        for length in 0..100 {
            for at in 0..length {
                let mut text = vec![b'a'; length];
                text[at] = b'%';
                let is_whole = at + 2 < length;
                let decoded = is_whole.then(|| [&text[..at], b"\xaa", &text[at + 3..]].concat());
                assert_eq!(check(&text), decoded, "{length} {at}");
                text[at] = b'+';
                text[length - 1] = b'+';
                let mut decoded = text.clone();
                (decoded[at], decoded[length - 1]) = (b' ', b' ');
                assert_eq!(check(&text), Some(decoded));
            }
        }
    }

    #[test]
    fn digits_are_hexadecimal() {
        for high in 0..=255 {
            for low in 0..=255 {
                let digits = String::from_utf8(vec![high, low]).ok();
                let value = digits.and_then(|digits| {
                    let all = digits.chars().all(|digit| digit.is_ascii_hexdigit());
                    all.then(|| u8::from_str_radix(&digits, 16).unwrap())
                });
                assert_eq!(check(&[b'%', high, low]), value.map(|value| vec![value]));
            }
        }
    }

    #[test]
    fn room_is_used_again() {
        let mut unescaped = Unescaped::default();
        let mut check = |text: &[u8], length, decoded: Result<&[u8], _>| {
            assert_eq!(unescaped.decode(text, length), decoded);
        };
        check(&b"%41+".repeat(50), 200, Ok(&b"A ".repeat(50)));
        check(b"%41", 2, Err(BadEscape));
        check(b"b", 1, Ok(b"b"));
        check(b"b", 0, Ok(b""));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]
        #[test]
        fn every_way_decodes_the_same(text in "(%[0-9a-fA-F]{2}|[a-z%+\\PC]|%[0-9g]{1,2}|[a-z]{9}){0,60}") {
            check(text.as_bytes());
        }

        #[test]
        fn good_escapes_decode(bytes in prop::collection::vec(any::<u8>(), 0..200), plain in any::<u64>()) {
            let text: String = bytes
                .iter()
                .enumerate()
                .map(|(index, &byte)| match byte {
                    b' ' => "+".to_owned(),
                    byte if byte.is_ascii_alphanumeric() && plain >> (index % 64) & 1 == 0 => {
                        char::from(byte).to_string()
                    }
                    byte => format!("%{byte:02x}"),
                })
                .collect();
            prop_assert_eq!(check(text.as_bytes()), Some(bytes));
        }
    }
}
