//! Version 3 of the database, as the guide's page "The database format" specifies it. It replaces the rest of this room.

#![allow(dead_code, reason = "until the switch")]

mod block;
mod cells;
mod change;
mod checked;
mod day_sums;
mod ingest;
mod ledger;
mod levels;
mod merge;
mod migrate;
mod periods;
mod pieces;
mod places;
mod read;
mod remove;
mod rewrite;
mod schema;
