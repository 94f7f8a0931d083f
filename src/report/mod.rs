//! Reports: a finished [`Summary`](crate::query::Summary) as text for a terminal or as JSON.
//!
//! Owns: what a report shows and how it is written. May import: `text`, `time`, `query` (summaries).
//! Must not know: how the numbers were made, or whether a terminal is there.

pub mod explanation;
pub mod json;
pub mod terminal;
