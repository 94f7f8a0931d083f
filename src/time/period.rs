//! Periods that numbers are published for: a day, an ISO week, a month, all time.
//!
//! Owns: [`Period`], [`Span`] and their text. May import: `time::calendar`. Must not know: where numbers are published.

use std::fmt;

use super::Day;

/// A period of one site. All its numbers are published together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The site's name.
    pub site: String,
    /// The period.
    pub period: Period,
}

/// A day, a week, a month, or all time. Displayed as `2018-03-05`, `2018-W10`, `2018-03` or `all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// A day, with its hours and minutes.
    Day(Day),
    /// An ISO 8601 week, as a whole.
    Week {
        /// The year that the week belongs to: that of its Thursday.
        year: i32,
        /// 1 to 53.
        week: u32,
    },
    /// A calendar month, as a whole.
    Month {
        /// The year.
        year: i32,
        /// 1 to 12.
        month: u32,
    },
    /// All time: everything that was ever counted.
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
