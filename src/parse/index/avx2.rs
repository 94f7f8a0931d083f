//! The scan for marks by AVX2: 32 bytes a comparison.
//!
//! Owns: one scan, to be chosen where the machine has AVX2. `unsafe`, because loads take pointers.

#![allow(unsafe_code, reason = "AVX2 loads")]

use std::arch::x86_64::{
    _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8,
};

use super::{Marks, STEP};

/// Whether [`find`] can run here.
pub(in super::super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("popcnt")
}

/// Indexes whole steps and returns how many bytes they are.
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
pub(super) fn find(marks: &mut Marks, bytes: &[u8]) -> usize {
    let (quote, line_end) =
        (_mm256_set1_epi8(b'"'.cast_signed()), _mm256_set1_epi8(b'\n'.cast_signed()));
    let mut base = 0_u32;
    let Marks { quotes, line_ends, .. } = marks;
    for step in bytes.chunks_exact(STEP) {
        // SAFETY: `step` has 64 bytes, two loads of 32 are within, and they need no alignment.
        let (low, high) = unsafe {
            (
                _mm256_loadu_si256(step.as_ptr().cast()),
                _mm256_loadu_si256(step.as_ptr().add(32).cast()),
            )
        };
        let found = |byte| {
            let half = |bytes| {
                u64::from(_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, byte)).cast_unsigned())
            };
            half(low) | half(high) << 32
        };
        quotes.push_bits::<4>(found(quote), base);
        line_ends.push_bits::<1>(found(line_end), base);
        base += 64;
    }
    base as usize
}
