#![doc = include_str!("../README.md")]

pub mod calendar;
pub mod error;
mod memory;
mod new_file;
pub mod text;
mod varint;

pub mod source;

pub mod record;

pub mod parse;

pub mod select;

pub mod count;

pub mod tally;

pub mod part;

pub mod pipeline;

pub mod report;

pub mod store;

pub mod update;

pub mod question;

pub mod publish;

pub mod generate;

#[doc(hidden)]
pub mod cli;
