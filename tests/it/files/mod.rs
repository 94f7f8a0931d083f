//! Files of every kind, and files that change while they are read.
//!
//! May import: `harness`, `logs`, `oracle`, `contract`, `hitmap::source`. Must not know: databases, stores.

mod compressed;
mod hostile;
mod truncated;
