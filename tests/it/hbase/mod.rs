//! A real HBase.
//!
//! May import: `harness`. Must not know: how hitmap makes rows; `read_back.py` decodes them by the contract alone.

mod bridge;
mod content;
mod failures;
mod harness_tests;
mod kills;
mod outages;
mod publishing;
mod rivals;
pub(crate) mod server;
mod trial;
