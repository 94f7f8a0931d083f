//! Reports: one finished [`Summary`] (or a stream of cells) as text.
//!
//! Owns: what a report shows and how it is written. May import: `calendar`, `count`, `tally`.
//! Must not know: sources, formats' grammar, stores, or whether a terminal is there.

pub mod json;
pub mod terminal;
