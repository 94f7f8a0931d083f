//! The command line as a user meets it: exit codes, streams, options, signals.
//!
//! May import: `harness`, `logs`. Must not know: how lines are parsed or counted.

mod behaviour;
mod copies;
mod explain;
mod interrupts;
