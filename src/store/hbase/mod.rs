//! HBase: tables by granularity, written and read through its Thrift gateway.
//!
//! Owns: the modules here. May import: `store`, its own modules. Must not know: where cells come from, the command line.

mod address;
mod failure;
mod gateway;
#[rustfmt::skip]
#[allow(dead_code, unreachable_pub, reason = "generated")]
#[allow(clippy::all, clippy::cast_possible_truncation, clippy::unwrap_used, reason = "generated")]
mod thrift_api;
mod wire;

pub use address::OPTIONS_HELP;
