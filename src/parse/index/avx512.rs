//! The scan for marks by AVX-512: 64 bytes a comparison, and up to 8 positions written at once.
//!
//! Owns: one scan, to be chosen where the machine has VBMI2 (Intel since Ice Lake, AMD since Zen 4). Takes half the
//! time of the one by AVX2. `unsafe`, because loads and stores take pointers.

#![allow(unsafe_code, reason = "AVX-512 loads and stores")]

use std::arch::x86_64::{
    _mm256_add_epi32, _mm256_cvtepu8_epi32, _mm256_set1_epi32, _mm256_storeu_si256,
    _mm512_castsi512_si128, _mm512_cmpeq_epi8_mask, _mm512_loadu_epi8, _mm512_maskz_compress_epi8,
    _mm512_set1_epi8,
};

use super::{Marks, STEP, write_bits};

/// Whether [`find`] can run here.
pub(in super::super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("popcnt")
}

/// The numbers from 0 on.
const COUNT: [u8; STEP] = {
    let mut count = [0; STEP];
    let mut at = 0;
    while at < STEP {
        #[expect(clippy::cast_possible_truncation, reason = "64 is the bound")]
        {
            count[at] = at as u8;
        }
        at += 1;
    }
    count
};
/// Positions written at once.
const AT_ONCE: usize = 8;

/// Indexes whole steps and returns how many bytes they are.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi1,popcnt")]
pub(super) fn find(marks: &mut Marks, bytes: &[u8]) -> usize {
    let (quote, line_end) =
        (_mm512_set1_epi8(b'"'.cast_signed()), _mm512_set1_epi8(b'\n'.cast_signed()));
    // SAFETY: COUNT has the 64 bytes that are loaded; no alignment is needed.
    let count = unsafe { _mm512_loadu_epi8(COUNT.as_ptr().cast()) };
    let Marks { quotes, line_ends, .. } = marks;
    let mut base = 0_u32;
    for step in bytes.chunks_exact(STEP) {
        // SAFETY: a step has the 64 bytes that are loaded; no alignment is needed.
        let bytes = unsafe { _mm512_loadu_epi8(step.as_ptr().cast()) };
        let mask = _mm512_cmpeq_epi8_mask(bytes, quote);
        let found = _mm512_castsi512_si128(_mm512_maskz_compress_epi8(mask, count));
        let positions =
            _mm256_add_epi32(_mm256_cvtepu8_epi32(found), _mm256_set1_epi32(base.cast_signed()));
        let room = &mut quotes.positions[quotes.len..quotes.len + STEP];
        // SAFETY: there is room for the 8 positions stored; no alignment is needed.
        unsafe { _mm256_storeu_si256(room.as_mut_ptr().cast(), positions) };
        if mask.count_ones() as usize > AT_ONCE {
            write_bits(room, mask, base);
        }
        quotes.len += mask.count_ones() as usize;
        line_ends.push_bits::<1>(_mm512_cmpeq_epi8_mask(bytes, line_end), base);
        base += 64;
    }
    base as usize
}
