//! Reports: one finished [`Summary`] (or a stream of cells) as text.
//!
//! Owns: what a report shows and how it is written. May import: `calendar`.
//! Must not know: sources, formats, counting, stores, or whether a terminal is there.

pub mod cells;
pub mod json;
pub mod summary;
pub mod terminal;
mod text;

pub use cells::{CellFormat, CellRow, CellWriter};
pub use summary::Summary;
pub use text::escape_terminal;
