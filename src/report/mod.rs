//! Reports: one finished [`Summary`] (or a stream of cells) as text.
//!
//! Owns: what a report shows and how it is written. May import: `calendar`, `count`, `tally`.
//! Must not know: sources, formats' grammar, stores, or whether a terminal is there.

pub mod cells;
pub mod cube;
pub mod json;
pub mod rows;
pub mod summarize;
pub mod summary;
pub mod terminal;

pub use crate::text::escape_terminal;
pub use cells::{CellFormat, CellRow, CellWriter};
pub use cube::Cube;
pub use summary::Summary;
