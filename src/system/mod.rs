//! What the program asks of the operating system apart from reading inputs.
//!
//! Owns: files that appear whole, signals, the allocator's settings, the state of a run that others may look at. May
//! import: `error`, libc, tempfile, signal-hook. Must not know: logs, counting, reports.

pub(crate) mod allocator;
pub(crate) mod new_file;
pub mod progress;
pub(crate) mod signals;
