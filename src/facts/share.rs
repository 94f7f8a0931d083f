//! Shares: what a source has of a day of a site.
//!
//! Owns: [`ShareKey`], [`DayKey`], [`ShareSums`]. May import: `facts::{sample, sums}`, `time`. Must not know: what sources
//! are, where shares are kept.

use super::sample::Sample;
use super::sums::Sums;
use crate::time::Day;

/// The key of a share: the unit by which facts are kept. The shares of a day are neighbours in order.
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

/// What is known of a share besides its facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShareSums {
    /// Sums over its hits.
    pub hits: Sums,
    /// The overlap sample of its page views.
    pub sample: Sample,
}

impl ShareSums {
    /// Adds other hits of the share. This is associative and commutative, with `ShareSums::default()` as identity.
    pub fn merge(&mut self, other: &Self) {
        self.hits.merge(&other.hits);
        self.sample.merge(&other.sample);
    }
}
