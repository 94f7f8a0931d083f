//! How far a run is, and whether it is to end.
//!
//! Owns: [`Progress`], [`Phase`]. May import: `error`. Must not know: who shows it, what is run.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use crate::error::{Error, Result};

/// How a run stands; shared with whoever shows or ends it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of all inputs together as they lie there, compressed or not; 0 unless all are known.
    pub total_bytes: AtomicU64,
    /// Bytes read so far; of compressed inputs the compressed ones.
    pub bytes: AtomicU64,
    /// Inputs all of which has been handed to a worker.
    pub inputs_done: AtomicU64,
    /// Set it to end the run soon, with [`Error::Interrupted`].
    pub interrupted: AtomicBool,
    phase: AtomicU8,
}

/// What a run is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading a window of the inputs.
    Reading,
    /// Turning a window into day facts.
    Counting,
    /// Making the report.
    Reporting,
    /// Writing every cell.
    WritingCells,
    /// Bringing a store up to date.
    Publishing,
}

impl Phase {
    const ALL: [Self; 5] =
        [Self::Reading, Self::Counting, Self::Reporting, Self::WritingCells, Self::Publishing];
}

impl Progress {
    /// Whether the run is to end.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// What the run is at.
    #[must_use]
    pub fn phase(&self) -> Phase {
        let phase = self.phase.load(Ordering::Relaxed);
        Phase::ALL.get(usize::from(phase)).copied().unwrap_or(Phase::Reading)
    }

    /// Says what the run is at.
    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// # Errors
    /// [`Error::Interrupted`] if the run is to end.
    pub fn check(&self) -> Result<()> {
        if self.is_interrupted() { Err(Error::Interrupted) } else { Ok(()) }
    }
}
