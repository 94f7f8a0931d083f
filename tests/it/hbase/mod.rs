//! A real HBase.
//!
//! May import: `harness`. Must not know: how hitmap makes rows; `read_back.py` decodes them by the contract alone.

mod content;
mod harness_tests;
mod kills;
mod publishing;
pub(crate) mod server;
