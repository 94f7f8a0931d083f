//! Services of the operating system, apart from reading inputs.
//!
//! Owns: output files that appear whole, signals, the identity of processes, the allocator's settings, and the progress of a run as seen by other
//! threads. May import: `error`, libc, tempfile, signal-hook. Must not know: logs, counting, reports.

pub(crate) mod allocator;
pub(crate) mod new_file;
pub(crate) mod process;
pub mod progress;
pub(crate) mod signals;
