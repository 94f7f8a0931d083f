//! Periods that numbers are published for: a day, an ISO week, a month, all time.
//!
//! Owns: [`Period`], [`Span`] and their text. May import: its siblings. Must not know: where numbers are published.

use std::fmt;

use super::Day;

/// A stretch of a site's time that becomes visible at once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The site's name.
    pub site: String,
    /// When.
    pub period: Period,
}

/// When a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// A day, with its hours and minutes.
    Day(Day),
    /// An ISO 8601 week, as a whole.
    Week {
        /// The year it belongs to.
        year: i32,
        /// 1 to 53.
        week: u32,
    },
    /// A month, as a whole.
    Month {
        /// The year.
        year: i32,
        /// 1 to 12.
        month: u32,
    },
    /// Everything that was ever counted.
    All,
}

impl Period {
    /// The ISO 8601 week of a day.
    #[must_use]
    pub fn week_of(day: Day) -> Self {
        let (year, week) = day.iso_week();
        Self::Week { year, week }
    }

    /// The month of a day.
    #[must_use]
    pub fn month_of(day: Day) -> Self {
        let (year, month, _) = day.date();
        Self::Month { year, month }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => day.fmt(f),
            Self::Week { year, week } => write!(f, "{year:04}-W{week:02}"),
            Self::Month { year, month } => write!(f, "{year:04}-{month:02}"),
            Self::All => f.write_str("all"),
        }
    }
}
