//! URL decoding of a beacon's arguments (WHATWG URL, application/x-www-form-urlencoded).
//!
//! Owns: [`Unescaped`]. May import: `std::arch`. Must not know: what the arguments mean.
//! `unsafe`, because AVX2 loads take pointers.
//!
//! In beacons an escape comes every few bytes, at places as good as random. A loop that asks each byte what it is guesses
//! wrong at most of them; 32 bytes at once, whatever they are, made the scan of a dig log 1.25 times as fast.

#![allow(unsafe_code, reason = "AVX2 loads")]

/// Decoded text. Its room is used again and again.
#[derive(Debug, Default)]
pub(super) struct Unescaped {
    room: Vec<u8>,
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
        let written = decode(bytes, length, &mut self.room).ok_or(BadEscape)?;
        Ok(&self.room[..written])
    }
}

/// By how much the room must be longer than the text.
const SPARE: usize = 64;

/// Decodes the first `length` of `bytes` into `room` and returns their length there, `None` where an escape is bad.
fn decode(bytes: &[u8], length: usize, room: &mut [u8]) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    if avx2::is_available() {
        // SAFETY: the machine has what the function is compiled for.
        return unsafe { avx2::decode(bytes, length, room) };
    }
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

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m128i, __m256i, _mm_bsrli_si128, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_shuffle_epi8,
        _mm256_add_epi8, _mm256_and_si256, _mm256_blendv_epi8, _mm256_castsi256_si128,
        _mm256_cmpeq_epi8, _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_min_epu8,
        _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_slli_epi16,
        _mm256_sub_epi8,
    };

    /// Bytes decoded at once.
    const BLOCK: usize = 32;
    /// A block and what an escape in its last byte needs.
    const SEEN: usize = BLOCK + 2;

    /// Whether [`decode`] can run here.
    pub(super) fn is_available() -> bool {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt")
    }

    #[target_feature(enable = "avx2,popcnt")]
    pub(super) fn decode(bytes: &[u8], length: usize, room: &mut [u8]) -> Option<usize> {
        let (mut at, mut written) = (0, 0);
        // Which first bytes of the block are digits of an escape before it.
        let mut dropped_before = 0;
        let mut padded = [0; SEEN];
        while at < length {
            let rest = &bytes[at..];
            let seen = rest.first_chunk().unwrap_or_else(|| {
                padded.fill(0);
                padded[..rest.len()].copy_from_slice(rest);
                &padded
            });
            let left = length - at;
            let (decoded, escapes, whole) = decode_block(seen);
            let escapes = escapes & lowest(left);
            if escapes & !(whole & lowest(left.saturating_sub(2))) != 0 {
                return None;
            }
            // No escape stands within another, since `%` is no digit.
            let digits = escapes << 1 | escapes << 2;
            let drop = dropped_before | digits | !lowest(left);
            let (first, second) =
                (_mm256_castsi256_si128(decoded), _mm256_extracti128_si256::<1>(decoded));
            let eights = [first, _mm_bsrli_si128::<8>(first), second, _mm_bsrli_si128::<8>(second)];
            for (eight, drop) in eights.into_iter().zip(drop.to_le_bytes()) {
                let kept = compress(eight, drop);
                room[written..written + 8].copy_from_slice(&kept.to_le_bytes());
                written += drop.count_zeros() as usize;
            }
            dropped_before = digits >> BLOCK;
            at += BLOCK;
        }
        Some(written)
    }

    /// The lowest `count` bits of those that stand for a block and what is seen behind it.
    #[inline]
    fn lowest(count: usize) -> u64 {
        (1 << count.min(63)) - 1
    }

    /// Each byte of the block that `seen` begins with, decoded as if an escape began there if it is a `%`; where those
    /// are; and where two digits follow.
    #[inline]
    #[target_feature(enable = "avx2,popcnt")]
    fn decode_block(seen: &[u8; SEEN]) -> (__m256i, u64, u64) {
        let load = |at: usize| {
            // SAFETY: `at` is at most 2, and `seen` has 2 bytes more than the 32 that are loaded; no alignment is
            // needed.
            unsafe { _mm256_loadu_si256(seen.as_ptr().add(at).cast()) }
        };
        let bytes = load(0);
        let (high, is_high) = hexadecimal(load(1));
        let (low, is_low) = hexadecimal(load(2));
        // Sixteen bits are shifted together: what comes from the lower byte is masked away.
        let high = _mm256_and_si256(_mm256_slli_epi16::<4>(high), every(0xf0));
        let is_escape = _mm256_cmpeq_epi8(bytes, every(b'%'));
        let is_plus = _mm256_cmpeq_epi8(bytes, every(b'+'));
        let plain = _mm256_blendv_epi8(bytes, every(b' '), is_plus);
        let decoded = _mm256_blendv_epi8(plain, _mm256_or_si256(high, low), is_escape);
        (decoded, bits(is_escape), bits(_mm256_and_si256(is_high, is_low)))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn bits(bytes: __m256i) -> u64 {
        u64::from(_mm256_movemask_epi8(bytes).cast_unsigned())
    }

    /// The value of each byte as a hexadecimal digit, and which are digits; the others' values mean nothing.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn hexadecimal(bytes: __m256i) -> (__m256i, __m256i) {
        let decimal = _mm256_sub_epi8(bytes, every(b'0'));
        let is_decimal = _mm256_cmpeq_epi8(_mm256_min_epu8(decimal, every(9)), decimal);
        let letter = _mm256_sub_epi8(_mm256_or_si256(bytes, every(0x20)), every(b'a'));
        let is_letter = _mm256_cmpeq_epi8(_mm256_min_epu8(letter, every(5)), letter);
        let letter = _mm256_add_epi8(letter, every(10));
        (_mm256_blendv_epi8(letter, decimal, is_decimal), _mm256_or_si256(is_decimal, is_letter))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn every(byte: u8) -> __m256i {
        _mm256_set1_epi8(byte.cast_signed())
    }

    /// The lower 8 bytes without those whose bit is set in `drop`; behind them is anything.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn compress(bytes: __m128i, drop: u8) -> i64 {
        let order = _mm_cvtsi64_si128(i64::from_le_bytes(KEPT[usize::from(drop)]));
        _mm_cvtsi128_si64(_mm_shuffle_epi8(bytes, order))
    }

    /// For each set of bytes to drop out of eight: where those that stay are.
    const KEPT: [[u8; 8]; 256] = {
        let mut kept = [[0; 8]; 256];
        let mut drop = 0;
        while drop < 256 {
            let (mut from, mut to) = (0_u8, 0);
            while from < 8 {
                if drop >> from & 1 == 0 {
                    kept[drop][to] = from;
                    to += 1;
                }
                from += 1;
            }
            drop += 1;
        }
        kept
    };
}

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
