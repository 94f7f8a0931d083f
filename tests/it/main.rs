//! The tests: one binary, a folder a subject.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "tests")]

mod cli;
mod contract;
mod counting;
mod database;
mod files;
mod formats;
mod harness;
mod logs;
mod oracle;
mod random;
mod redis;
