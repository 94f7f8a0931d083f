//! Facts: which visitor saw which page in which minute, and how often; and sums over lines.
//!
//! Owns: [`Fact`], the facts of a day in memory ([`DayFacts`], [`LocalDay`]) and as bytes ([`columns`], [`chunks`],
//! [`part`]), overlaps of sources ([`sample`], [`overlap`]), sums over lines and hits ([`sums`], [`tally`],
//! [`hit_tally`]). May import: `error`, `time`, `parse` (reasons, records), `select` (visitor hashes, rules), rayon, zstd.
//! Must not know: how a run counts, where bytes are kept.

pub mod chunks;
pub mod column;
pub mod columns;
pub mod day_facts;
pub mod hit_tally;
mod local_day;
pub mod numbers;
pub mod overlap;
pub mod part;
pub(crate) mod radix;
pub mod sample;
mod share;
pub mod sums;
pub mod tally;
pub(crate) mod varint;

pub use day_facts::{DayFacts, Fact};
pub use local_day::{LocalDay, Texts};
pub use share::{DayKey, ShareKey, ShareSums};
