//! All stores keep the same promises.
//!
//! `conformance` has the checks and runs each on every store: Redis, HBase, and a strict one in `memory` of both kinds of
//! visibility. `subjects` opens them and reads them back without their own code. `publisher` lets the program's own
//! publisher write to the strict store. May import: `harness`, `redis` and `hbase` (servers). Must not know: how a store
//! keeps cells; only `subjects` does.

mod conformance;
mod content;
mod memory;
mod publisher;
mod relay;
mod subjects;
