//! What has changed since an earlier range.
//!
//! Owns: [`Comparison`], [`Change`]. May import: `time`, types of its siblings. Must not know: how it is made or shown.

use super::By;
use super::earlier::{Compare, ComparedRanges};
use crate::time::{Minute, MinuteRange};

/// A range compared with an earlier one.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What was asked for.
    pub with: Compare,
    /// What was compared.
    pub ranges: ComparedRanges,
    /// Page views.
    pub page_views: Change,
    /// Distinct visitors, all sites together.
    pub unique_visitors: Change,
    /// The sum of the unique visitors of each day.
    pub sum_of_daily_unique_visitors: Change,
    /// How long the buckets are: as `--by` says, else days.
    pub by: By,
    /// The buckets of each site, by site, then by time.
    pub buckets: Vec<BucketChange>,
    /// The sections with the most page views now.
    pub sections: Vec<PlaceChange>,
    /// The pages with the most page views now.
    pub pages: Vec<PlaceChange>,
    /// The pages that gained the most page views, most first, then by site and page.
    pub grown: Vec<PlaceChange>,
    /// The pages that lost the most page views, most first, then by site and page.
    pub fallen: Vec<PlaceChange>,
}

/// A number now and before; `None` where nothing was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// In the range that is asked for.
    pub now: Option<u64>,
    /// In the earlier range.
    pub before: Option<u64>,
}

impl Change {
    /// How much more it is now.
    #[must_use]
    pub fn difference(self) -> Option<i64> {
        let (now, before) = (i128::from(self.now?), i128::from(self.before?));
        let bound = if now < before { i64::MIN } else { i64::MAX };
        Some(i64::try_from(now - before).unwrap_or(bound))
    }

    /// The difference in percent of the number before, which is more than 0.
    #[must_use]
    pub fn percent(self) -> Option<f64> {
        let before = self.before.filter(|&before| before > 0)?;
        Some(self.difference()? as f64 / before as f64 * 100.0)
    }
}

/// A bucket of a site, and the same time in the earlier range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketChange {
    /// The site's name.
    pub site: String,
    /// The bucket's first minute.
    pub start: Minute,
    /// What of the bucket is compared.
    pub now: MinuteRange,
    /// With what it is compared; `None` if the earlier range does not have that time.
    pub before: Option<MinuteRange>,
    /// Whether not all of the bucket is compared.
    pub is_partial: bool,
    /// Page views.
    pub pv: Change,
    /// Unique visitors.
    pub uv: Change,
}

/// A section or a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceChange {
    /// The site's name.
    pub site: String,
    /// The section.
    pub section: String,
    /// The page; empty for a section.
    pub page: String,
    /// Page views.
    pub pv: Change,
    /// Unique visitors.
    pub uv: Change,
}

impl PlaceChange {
    /// The order of equals in rankings: site, page, section.
    pub(super) fn name(&self) -> (&str, &str, &str) {
        (&self.site, &self.page, &self.section)
    }
}

#[cfg(test)]
mod tests {
    use super::Change;

    #[test]
    fn nothing_counted_is_not_nothing() {
        let change = |now, before| Change { now, before };
        let of = |change: Change| (change.difference(), change.percent());
        assert_eq!(of(change(Some(150), Some(100))), (Some(50), Some(50.0)));
        assert_eq!(of(change(Some(0), Some(8))), (Some(-8), Some(-100.0)));
        assert_eq!(of(change(Some(8), Some(0))), (Some(8), None));
        assert_eq!(of(change(Some(8), None)), (None, None));
        assert_eq!(of(change(None, Some(8))), (None, None));
        assert_eq!(change(Some(u64::MAX), Some(0)).difference(), Some(i64::MAX));
    }
}
