//! Every number against the oracle, over random, generated and large logs.
//!
//! May import: `harness`, `logs`, `random`, `oracle`, `contract`. Must not know: databases, stores.

mod generated;
mod large;
mod properties;
mod ways;
