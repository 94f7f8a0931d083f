//! Publishing to real Redis servers.
//!
//! Redis 6.2 is the oldest that is promised; these tests run with what Debian has (7.0).

#![allow(clippy::unwrap_used, reason = "a test that cannot run its program fails")]
#![allow(
    clippy::print_stdout,
    reason = "what a test met by chance is for whoever reads its output"
)]

#[path = "../program/mod.rs"]
mod program;

mod cluster;
mod content;
mod database;
mod failures;
mod kills;
mod publishing;
mod server;
mod tls;
