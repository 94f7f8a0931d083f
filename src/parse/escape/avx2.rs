//! URL decoding by AVX2: 32 bytes at once.
//!
//! Owns: one way to decode, to be chosen where the machine has AVX2. `unsafe`, because loads take pointers.

#![allow(unsafe_code, reason = "AVX2 loads")]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_bsrli_si128, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_shuffle_epi8,
    _mm256_add_epi8, _mm256_and_si256, _mm256_blendv_epi8, _mm256_castsi256_si128,
    _mm256_cmpeq_epi8, _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_min_epu8,
    _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_slli_epi16, _mm256_sub_epi8,
};

/// Bytes decoded at once.
const BLOCK: usize = 32;
/// A block and what an escape in its last byte needs.
const SEEN: usize = BLOCK + 2;

/// Whether [`decode`] can run here.
pub(in super::super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt")
}

/// Decodes the first `length` of `bytes` into `room`, as the function above does.
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
