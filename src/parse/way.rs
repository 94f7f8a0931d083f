//! Which instructions of the machine the parsers use.
//!
//! Owns: [`Way`]. May import: the modules that have a way of their own. Must not know: what they do.
//!
//! A parser takes the best way when it is made. Tests choose another one, so that every way runs on any machine.

use std::sync::atomic::{AtomicU8, Ordering};

#[cfg(target_arch = "x86_64")]
use super::{escape, index};

/// A set of instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Way {
    /// What every machine has.
    Portable = 1,
    /// AVX2.
    Avx2,
    /// AVX-512 for the scan for quotes and line ends, AVX2 for the rest.
    Avx512,
}

/// The way of parsers made from now on; 0 until the machine was asked.
static CURRENT: AtomicU8 = AtomicU8::new(0);

impl Way {
    /// From the slowest to the fastest.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// Whether the machine has these instructions.
    #[must_use]
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            let has_avx2 = index::avx2::is_available() && escape::avx2::is_available();
            match self {
                Self::Portable => true,
                Self::Avx2 => has_avx2,
                Self::Avx512 => has_avx2 && index::avx512::is_available(),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Self::Portable
        }
    }

    /// The fastest way of the machine.
    #[must_use]
    pub fn best() -> Self {
        let available = Self::ALL.into_iter().rev().find(|way| way.is_available());
        available.unwrap_or(Self::Portable)
    }

    /// Makes all parsers of this process that are made from now on use this way.
    ///
    /// # Panics
    /// If the machine does not have it.
    pub fn choose(self) {
        assert!(self.is_available(), "{self:?} is not available on this machine");
        CURRENT.store(self as u8, Ordering::Relaxed);
    }

    /// The way of a parser that is made now. It is available.
    pub(super) fn current() -> Self {
        let current = CURRENT.load(Ordering::Relaxed);
        Self::ALL.into_iter().find(|way| *way as u8 == current).unwrap_or_else(Self::best)
    }
}
