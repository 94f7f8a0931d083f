//! Where the quotes and line ends of some bytes are.
//!
//! Owns: the scan for structural bytes, by AVX-512 or AVX2 where the machine has it. May import: memchr, `std::arch`, `way`.
//! Must not know: what stands between them.
//!
//! One pass over the bytes answers all later questions of "where does this field end": 2.8 times as fast as looking
//! for each delimiter with memchr (parse alone, easy log, one thread). Quotes and line ends are two lists: with one, a
//! line's end had to be looked for among its marks, and each mark's byte looked at.

#![allow(unsafe_code, reason = "calls of what the machine was asked for")]

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;

use memchr::memchr2_iter;

use super::way::Way;

/// Where the quotes and the line ends of a window are, each ascending.
#[derive(Debug)]
pub(super) struct Marks {
    quotes: List,
    line_ends: List,
    /// An available one.
    way: Way,
}

/// Most bytes indexed at once: they stay in the first-level cache until they are parsed.
pub(super) const WINDOW_BYTES: usize = 16 * 1024;
/// Bytes that one step of the scan looks at.
const STEP: usize = 64;
/// How many positions behind any stand behind the quotes: who reads a few need not ask how many there are.
const SENTINELS: usize = 8;

/// Ascending positions; room for those of a whole window and a step.
#[derive(Debug)]
struct List {
    positions: Vec<u32>,
    len: usize,
}

impl List {
    fn new() -> Self {
        // Each step may write a whole step's worth of positions.
        Self { positions: vec![0; WINDOW_BYTES + STEP + SENTINELS], len: 0 }
    }

    fn push(&mut self, position: usize) {
        self.positions[self.len] = u32::try_from(position).unwrap_or(u32::MAX);
        self.len += 1;
    }

    /// Appends the places of the bits of `mask`, counted from `base`.
    ///
    /// The first `USUAL` are written without a branch, since a wrong guess costs more than all of them; what is
    /// written too much is overwritten next.
    #[inline(always)]
    fn push_bits<const USUAL: usize>(&mut self, mut mask: u64, base: u32) {
        let count = mask.count_ones() as usize;
        let room = &mut self.positions[self.len..self.len + STEP];
        for place in &mut room[..USUAL] {
            *place = base + mask.trailing_zeros();
            mask &= mask.wrapping_sub(1);
        }
        if count > USUAL {
            for place in &mut room[USUAL..count] {
                *place = base + mask.trailing_zeros();
                mask &= mask.wrapping_sub(1);
            }
        }
        self.len += count;
    }
}

/// Writes the places of the bits of `mask`, counted from `base`.
#[cold]
fn write_bits(room: &mut [u32], mut mask: u64, base: u32) {
    for place in room.iter_mut().take(mask.count_ones() as usize) {
        *place = base + mask.trailing_zeros();
        mask &= mask.wrapping_sub(1);
    }
}

impl Default for Marks {
    fn default() -> Self {
        Self { quotes: List::new(), line_ends: List::new(), way: Way::current() }
    }
}

impl Marks {
    /// Finds the marks of `bytes`, of which there are at most [`WINDOW_BYTES`].
    pub(super) fn find(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= WINDOW_BYTES, "windows are cut before they are indexed");
        self.clear();
        let done = self.find_fast(bytes);
        self.find_portable(bytes, done);
        self.seal();
    }

    fn clear(&mut self) {
        (self.quotes.len, self.line_ends.len) = (0, 0);
    }

    /// Puts the sentinels behind the quotes.
    fn seal(&mut self) {
        self.quotes.positions[self.quotes.len..][..SENTINELS].fill(u32::MAX);
    }

    /// The quotes, and behind them some positions behind any.
    pub(super) fn quotes(&self) -> &[u32] {
        &self.quotes.positions[..self.quotes.len + SENTINELS]
    }

    /// The line ends.
    pub(super) fn line_ends(&self) -> &[u32] {
        &self.line_ends.positions[..self.line_ends.len]
    }

    /// Indexes whole steps, if the way has steps, and returns how many bytes they are.
    fn find_fast(&mut self, bytes: &[u8]) -> usize {
        #[cfg(target_arch = "x86_64")]
        match self.way {
            // SAFETY: the way is available: the machine has what the function is compiled for.
            Way::Avx512 => return unsafe { avx512::find(self, bytes) },
            // SAFETY: the same.
            Way::Avx2 => return unsafe { avx2::find(self, bytes) },
            Way::Portable => {}
        }
        let _ = bytes;
        0
    }

    /// The same by memchr, from `start` on: the tail of what was done so, or everything.
    fn find_portable(&mut self, bytes: &[u8], start: usize) {
        for at in memchr2_iter(b'"', b'\n', &bytes[start..]) {
            let at = start + at;
            if bytes[at] == b'"' { self.quotes.push(at) } else { self.line_ends.push(at) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Marks, SENTINELS, WINDOW_BYTES};

    #[test]
    fn every_way_finds_the_same_marks() {
        let mut state = 7_u64;
        for (length, share) in
            [(0, 2), (63, 2), (64, 1), (65, 30), (1000, 5), (WINDOW_BYTES, 1), (WINDOW_BYTES, 40)]
        {
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    match state >> 33 {
                        random if random % share != 0 => random.to_le_bytes()[1],
                        random if random >> 20 & 1 == 0 => b'"',
                        _ => b'\n',
                    }
                })
                .collect();
            let expected = |mark: u8| -> Vec<u32> {
                (0..).zip(&bytes).filter(|(_, byte)| **byte == mark).map(|(at, _)| at).collect()
            };
            let (quotes, line_ends) = (expected(b'"'), expected(b'\n'));
            let mut marks = Marks::default();
            let mut check = |find: &dyn Fn(&mut Marks)| {
                for _ in 0..2 {
                    marks.clear();
                    find(&mut marks);
                    marks.seal();
                    let (found, behind) = marks.quotes().split_at(quotes.len());
                    assert_eq!((found, marks.line_ends()), (&quotes[..], &line_ends[..]));
                    assert_eq!(behind, [u32::MAX; SENTINELS]);
                }
            };
            check(&|marks| marks.find(&bytes));
            check(&|marks| marks.find_portable(&bytes, 0));
            #[cfg(target_arch = "x86_64")]
            if super::avx2::is_available() {
                check(&|marks| {
                    // SAFETY: it is available.
                    let done = unsafe { super::avx2::find(marks, &bytes) };
                    marks.find_portable(&bytes, done);
                });
            }
            #[cfg(target_arch = "x86_64")]
            if super::avx512::is_available() {
                check(&|marks| {
                    // SAFETY: it is available.
                    let done = unsafe { super::avx512::find(marks, &bytes) };
                    marks.find_portable(&bytes, done);
                });
            }
        }
    }
}
