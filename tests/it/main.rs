//! The tests: one binary, a folder a subject.
//!
//! `oracle` says what the numbers are, `contract` compares them with the program's output, `harness` runs the program,
//! `logs` and `random` make what it reads. A test that cannot do its work on a machine is skipped by
//! `harness::needs!`, and fails under CI.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "tests")]

mod cli;
mod contract;
mod counting;
mod database;
mod files;
mod formats;
mod harness;
mod hbase;
mod imports;
mod logs;
mod oracle;
mod random;
mod redis;
mod stores;
