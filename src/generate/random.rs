//! Random numbers that are the same on every machine.
//!
//! Owns: [`Random`], [`Weighted`]. May import: std. Must not know: what is drawn.

/// Scrambles 64 bits; a bijection, so different inputs give different outputs.
///
/// Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", `SplitMix64`.
pub(super) const fn scramble(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

/// A stream of random numbers.
///
/// Source: Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", xoshiro256++ 1.0.
#[derive(Clone, Debug)]
pub(super) struct Random([u64; 4]);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        let mut state = [0; 4];
        let mut value = seed;
        for word in &mut state {
            value = scramble(value);
            *word = value;
        }
        Self(state)
    }

    /// The next 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        let state = &mut self.0;
        let result = state[0].wrapping_add(state[3]).rotate_left(23).wrapping_add(state[0]);
        let shifted = state[1] << 17;
        state[2] ^= state[0];
        state[3] ^= state[1];
        state[1] ^= state[2];
        state[0] ^= state[3];
        state[2] ^= shifted;
        state[3] = state[3].rotate_left(45);
        result
    }

    /// A number below `limit`, which must not be 0; the bias is below `limit` in 2^32.
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        part(high(self.bits()), limit)
    }

    /// One of `choices`, which must not be empty.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        let index = self.below(u32::try_from(choices.len()).unwrap_or(u32::MAX));
        choices[index as usize]
    }

    /// True in one of `times` cases on average.
    pub(super) fn one_in(&mut self, times: u32) -> bool {
        self.below(times) == 0
    }

    /// Puts `items` into random order (Fisher and Yates).
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let limit = u32::try_from(last + 1).unwrap_or(u32::MAX);
            items.swap(last, self.below(limit) as usize);
        }
    }
}

/// The upper 32 bits.
const fn high(bits: u64) -> u32 {
    (bits >> 32) as u32
}

/// Maps 32 random bits to `0..limit`.
pub(super) const fn part(bits: u32, limit: u32) -> u32 {
    high(bits as u64 * limit as u64)
}

/// Numbers drawn with given weights, in constant time.
///
/// Source: Walker's alias method in Vose's form. The weights are summed in order with IEEE operations only, so the
/// table does not depend on a machine's mathematics library.
#[derive(Debug)]
pub(super) struct Weighted(Vec<AliasSlot>);

#[derive(Clone, Copy, Debug)]
struct AliasSlot {
    /// Of 2^32 draws that hit the slot, the number that keep its own value.
    stay: u32,
    alias: u32,
}

impl Weighted {
    /// Number `i` is drawn with a share of `weights[i]`; at least one weight, all above 0.
    pub(super) fn new(weights: &[f64]) -> Self {
        let total: f64 = weights.iter().sum();
        let scale = f64::from(Self::count(weights.len())) / total;
        let mut scaled: Vec<f64> = weights.iter().map(|weight| weight * scale).collect();
        let mut slots = Vec::with_capacity(weights.len());
        let (mut small, mut large) = (Vec::new(), Vec::new());
        for (index, &share) in (0..Self::count(weights.len())).zip(&scaled) {
            slots.push(AliasSlot { stay: u32::MAX, alias: index });
            if share < 1.0 { &mut small } else { &mut large }.push(index);
        }
        while let (Some(poor), Some(&rich)) = (small.pop(), large.last()) {
            slots[poor as usize] =
                AliasSlot { stay: share_of_2_32(scaled[poor as usize]), alias: rich };
            scaled[rich as usize] -= 1.0 - scaled[poor as usize];
            if scaled[rich as usize] < 1.0 {
                large.pop();
                small.push(rich);
            }
        }
        Self(slots)
    }

    /// Zipf's law with exponent 1: number `i` has the weight 1 / (i + 1).
    pub(super) fn zipf(count: u32) -> Self {
        let weights: Vec<f64> = (0..count).map(|index| 1.0 / (f64::from(index) + 1.0)).collect();
        Self::new(&weights)
    }

    fn count(length: usize) -> u32 {
        u32::try_from(length).unwrap_or(u32::MAX)
    }

    /// The number that 64 random bits stand for.
    #[expect(clippy::cast_possible_truncation, reason = "the lower 32 bits are wanted")]
    pub(super) fn draw(&self, bits: u64) -> u32 {
        let index = part(high(bits), Self::count(self.0.len()));
        let slot = self.0[index as usize];
        if bits as u32 <= slot.stay { index } else { slot.alias }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of 0 to 1 of 2^32; saturates"
)]
fn share_of_2_32(share: f64) -> u32 {
    (share * 4_294_967_296.0) as u32
}

#[cfg(test)]
mod tests {
    use super::{Random, Weighted};

    #[test]
    fn the_stream_is_the_published_one() {
        // xoshiro256++ from the state 1, 2, 3, 4: the reference code's first numbers.
        let mut random = Random([1, 2, 3, 4]);
        assert_eq!(
            [random.bits(), random.bits(), random.bits()],
            [41_943_041, 58_720_359, 3_588_806_011_781_223]
        );
    }

    #[test]
    fn weights_are_kept() {
        let weighted = Weighted::new(&[1.0, 5.0, 2.0, 0.5, 1.5]);
        let mut random = Random::new(7);
        let mut drawn = [0_u32; 5];
        for _ in 0..100_000 {
            drawn[weighted.draw(random.bits()) as usize] += 1;
        }
        for (found, expected) in drawn.iter().zip([10_000, 50_000, 20_000, 5_000, 15_000]) {
            assert!(found.abs_diff(expected) < 600, "{drawn:?}");
        }
    }
}
