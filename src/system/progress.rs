//! The progress of a run, and the request to end it.
//!
//! Owns: [`Progress`], [`Phase`]. May import: `error`. Must not know: who shows the progress, how a run works.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use crate::error::{Error, Result};

/// The state of a run, shared with the threads that show it or end it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Size of all inputs together, in bytes; compressed files by their compressed size. 0 unless all sizes are known.
    pub total_bytes: AtomicU64,
    /// Bytes of the inputs read so far; of compressed files, compressed bytes.
    pub bytes: AtomicU64,
    /// Number of inputs whose last line was handed to a worker.
    pub inputs_done: AtomicU64,
    /// Set this to end the run soon, with [`Error::Interrupted`].
    pub interrupted: AtomicBool,
    phase: AtomicU8,
}

/// A phase of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading a window of the inputs.
    Reading,
    /// Turning a window into day facts.
    Counting,
    /// Making the report.
    Reporting,
    /// Writing all cells (`--cells`).
    WritingCells,
    /// Bringing a store up to date.
    Publishing,
}

impl Phase {
    const ALL: [Self; 5] =
        [Self::Reading, Self::Counting, Self::Reporting, Self::WritingCells, Self::Publishing];
}

impl Progress {
    /// Whether the run was asked to end.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// The current phase.
    #[must_use]
    pub fn phase(&self) -> Phase {
        let phase = self.phase.load(Ordering::Relaxed);
        Phase::ALL.get(usize::from(phase)).copied().unwrap_or(Phase::Reading)
    }

    /// Sets the current phase.
    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Fails if the run was asked to end.
    ///
    /// # Errors
    /// [`Error::Interrupted`] if it was.
    pub fn check(&self) -> Result<()> {
        if self.is_interrupted() { Err(Error::Interrupted) } else { Ok(()) }
    }
}
