//! Publishing to real Redis servers.
//!
//! May import: `harness`. Must not know: how hitmap makes keys; `content` makes them from `--cells`.
//!
//! Redis 6.2 is the oldest that is promised; these tests run with what Debian has (7.0).

mod cluster;
pub(crate) mod content;
mod database;
mod failures;
pub(crate) mod kills;
pub(crate) mod publishing;
pub(crate) mod server;
mod tls;
