// The README links to the guide by path. In these docs the first definition of a link wins, and leads to a module.
#![doc = "[counting]: guide::counting\n[database]: guide::database\n[formats]: guide::formats\n[cron]: guide::cron"]
#![doc = "[redis]: guide::redis\n[hbase]: guide::hbase\n[speed]: guide::speed\n[testing]: guide::testing\n"]
#![doc = "[database_format]: guide::database_format\n[part_format]: guide::part_format"]
#![doc = include_str!("../README.md")]

// In the order of imports: a module uses only modules above it. `EDGES` in tests holds the table of allowed imports.
pub mod error;
pub mod text;
pub mod time;

pub mod system;

pub mod source;

pub mod parse;

pub mod select;

pub mod facts;

pub mod count;

pub mod cube;

pub mod pipeline;

pub mod database;

pub mod query;

pub mod store;

pub mod publish;

pub mod report;

pub mod generate;

pub mod session;

#[doc(hidden)]
pub mod cli;

pub mod guide;
