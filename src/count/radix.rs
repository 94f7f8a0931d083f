//! Sorting by the bits of integers.
//!
//! Owns: one sort. May import: std. Must not know: what the bits mean.

/// An integer that can be sorted by its bits.
pub(super) trait Key: Copy + Ord + Default + Send {
    /// The 8 bits from bit `shift` up.
    fn byte(self, shift: u32) -> usize;
}

impl Key for u64 {
    #[inline]
    fn byte(self, shift: u32) -> usize {
        (self >> shift & 0xff) as usize
    }
}

impl Key for u128 {
    #[inline]
    fn byte(self, shift: u32) -> usize {
        (self >> shift & 0xff) as usize
    }
}

/// Below this many keys a comparison sort is faster.
const SMALL: usize = 256;

/// Sorts `keys` by their bits `low..high`; the order of keys that agree there is kept (below [`SMALL`] keys it is
/// that of the whole keys). `spare` is room that is reused.
///
/// LSD radix sort by bytes; a byte that is the same in all keys costs one look. On 50,000 facts it takes a third of
/// the time of `sort_unstable`.
pub(super) fn sort<K: Key>(keys: &mut Vec<K>, spare: &mut Vec<K>, low: u32, high: u32) {
    if keys.len() < SMALL {
        keys.sort_unstable();
        return;
    }
    spare.clear();
    spare.resize(keys.len(), K::default());
    for shift in (low..high).step_by(8) {
        let mut counts = [0_usize; 256];
        for key in keys.iter() {
            counts[key.byte(shift)] += 1;
        }
        if counts.contains(&keys.len()) {
            continue;
        }
        let mut next = 0;
        for count in &mut counts {
            let start = next;
            next += *count;
            *count = start;
        }
        for &key in keys.iter() {
            let place = &mut counts[key.byte(shift)];
            spare[*place] = key;
            *place += 1;
        }
        std::mem::swap(keys, spare);
    }
}

#[cfg(test)]
mod tests {
    use super::{SMALL, sort};

    #[test]
    fn sorts_like_the_standard_library() {
        for length in [0, 1, 2, SMALL - 1, SMALL, 5000] {
            for mask in [u64::MAX, 0xff_ff00, 0x7ff << 21, 0] {
                let mut state = 1_u64;
                let mut keys: Vec<u64> = (0..length)
                    .map(|_| {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        state & mask
                    })
                    .collect();
                let mut wide: Vec<u128> = keys.iter().map(|&key| u128::from(key) << 60).collect();
                let (mut expected, mut expected_wide) = (keys.clone(), wide.clone());
                expected.sort_unstable();
                expected_wide.sort_unstable();
                sort(&mut keys, &mut Vec::new(), 0, 64);
                sort(&mut wide, &mut Vec::new(), 60, 124);
                assert_eq!(keys, expected);
                assert_eq!(wide, expected_wide);
            }
        }
    }
}
