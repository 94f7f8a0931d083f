//! Where the first blank or control byte is.
//!
//! Owns: one comparison of 32 bytes. May import: `std::arch`. Must not know: what they are part of. `unsafe`, because
//! the intrinsics of x86-64 are.
//!
//! A host is 7 to 39 bytes long: byte by byte or word by word, how often the loop runs is as good as random, and a
//! wrong guess costs as much as reading a field.

#![allow(unsafe_code, reason = "SSE2")]

/// Bytes looked at together.
pub(super) const AT_ONCE: usize = 32;

/// Index of the first byte up to the space, [`AT_ONCE`] if there is none.
#[inline(always)]
pub(super) fn first_low(bytes: &[u8; AT_ONCE]) -> usize {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 machine has SSE2.
    return unsafe { first_low_sse2(bytes) };
    #[cfg(not(target_arch = "x86_64"))]
    first_low_portable(bytes)
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn first_low_portable(bytes: &[u8; AT_ONCE]) -> usize {
    bytes.iter().position(|&byte| byte <= b' ').unwrap_or(AT_ONCE)
}

#[inline]
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
fn first_low_sse2(bytes: &[u8; AT_ONCE]) -> usize {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_set1_epi8,
    };
    let half = |at: usize| {
        // SAFETY: `at` is 0 or 16, and there are 32 bytes; no alignment is needed.
        let bytes = unsafe { _mm_loadu_si128(bytes.as_ptr().add(at).cast()) };
        let low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(b' '.cast_signed())), bytes);
        _mm_movemask_epi8(low).cast_unsigned()
    };
    (half(0) | half(16) << 16).trailing_zeros() as usize
}

#[cfg(test)]
mod tests {
    use super::{AT_ONCE, first_low, first_low_portable};

    #[test]
    fn both_ways_find_the_same_byte() {
        for at in 0..=AT_ONCE {
            for byte in [0, 1, 0x1f, b' ', b'!', 0x7f, 0x80, 0xa0, 0xff] {
                for behind in [0, b' ', b'a', 0x80, 0xff] {
                    let mut bytes = [b'a'; AT_ONCE];
                    bytes[at..].fill(behind);
                    if let Some(place) = bytes.get_mut(at) {
                        *place = byte;
                    }
                    let expected = (0..AT_ONCE).find(|&at| bytes[at] <= 0x20).unwrap_or(AT_ONCE);
                    assert_eq!(first_low(&bytes), expected);
                    assert_eq!(first_low_portable(&bytes), expected);
                }
            }
        }
    }
}
