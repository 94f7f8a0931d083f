//! Facts: which visitor saw which page in which minute, and how often; and sums over lines.
//!
//! Owns: [`Fact`], the facts of a day in memory ([`DayFacts`], [`LocalDay`]) and as bytes ([`columns`], [`chunks`],
//! [`day_block`], [`part`]), overlaps of sources ([`sample`], [`overlap`]), sums over lines and hits ([`sums`],
//! [`tally`]). May import: `error`, `time`, `parse` (reasons, records), `select` (visitor hashes, rules), rayon, zstd.
//! Must not know: how a run counts, where bytes are kept.

pub mod chunks;
pub mod column;
pub mod columns;
pub mod day_block;
pub mod day_facts;
mod local_day;
pub mod numbers;
pub mod overlap;
pub mod part;
pub(crate) mod radix;
pub mod sample;
pub mod sums;
pub mod tally;
pub(crate) mod varint;

use crate::time::Day;
pub use day_facts::{DayFacts, Fact};
pub use local_day::{LocalDay, Texts};

/// What a source has of a day of a site: the unit by which facts are kept. The shares of a day are neighbours in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareKey {
    /// The site's number in the run.
    pub site: u32,
    /// The day.
    pub day: Day,
    /// The source's number in the run; 0 where sources are not told apart.
    pub source: u32,
}

impl ShareKey {
    /// The day of the site.
    #[must_use]
    pub fn of_day(self) -> DayKey {
        DayKey { site: self.site, day: self.day }
    }
}

/// A day of a site, of all its sources together: the unit of cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DayKey {
    /// The site's number in the run.
    pub site: u32,
    /// The day.
    pub day: Day,
}

impl DayKey {
    /// The share of that day that belongs to source number `source`.
    #[must_use]
    pub fn of_source(self, source: u32) -> ShareKey {
        ShareKey { site: self.site, day: self.day, source }
    }
}
