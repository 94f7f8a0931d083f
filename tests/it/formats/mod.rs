//! Log formats: fixtures, odd lines, logs of other people.
//!
//! May import: `harness`, `oracle`, `contract`. Must not know: how a file is read.

mod bad_lines;
mod detection;
mod fixtures;
mod real_logs;
mod wrappings;
