//! Ranges of time as users write them: a day, an hour, a minute, or a name such as `last-week`.
//!
//! Owns: [`Minute`], [`MinuteRange`], [`RangeName`], [`WrittenTime`]. May import: `time::calendar`. Must not know: which
//! day it is, what is counted.

use std::str::FromStr;

use super::{Day, MINUTES_A_DAY};

/// A minute of the wall clock, counted from 1970.
pub type Minute = i64;

/// Minutes of the wall clock that follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MinuteRange {
    /// The first minute.
    pub start: Minute,
    /// The minute after the last one.
    pub end: Minute,
}

impl MinuteRange {
    /// Whole days, from `first` to before `end`.
    #[must_use]
    pub fn of_days(first: Day, end: Day) -> Self {
        let midnight = |day: Day| Minute::from(day.0) * Minute::from(MINUTES_A_DAY);
        Self { start: midnight(first), end: midnight(end) }
    }

    /// Number of minutes.
    #[must_use]
    pub const fn len(self) -> Minute {
        self.end - self.start
    }

    /// Whether there is no minute in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// Whether a minute lies in it.
    #[must_use]
    pub const fn contains(self, minute: Minute) -> bool {
        self.start <= minute && minute < self.end
    }

    /// What it shares with another range; `None` if that is nothing.
    #[must_use]
    pub fn intersection(self, other: Self) -> Option<Self> {
        let both = Self { start: self.start.max(other.start), end: self.end.min(other.end) };
        (!both.is_empty()).then_some(both)
    }

    /// The range so many minutes earlier.
    #[must_use]
    pub const fn earlier_by(self, minutes: Minute) -> Self {
        Self { start: self.start - minutes, end: self.end - minutes }
    }
}

impl Day {
    /// The day that a minute lies in. Minutes beyond what days can count lie in the last such day.
    #[must_use]
    pub fn of_minute(minute: Minute) -> Self {
        let day = minute.div_euclid(MINUTES_A_DAY.into());
        let bound = if day < 0 { i32::MIN } else { i32::MAX };
        Self(i32::try_from(day).unwrap_or(bound))
    }
}

/// A range that is named by its distance from today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeName {
    /// `today`.
    Today,
    /// `yesterday`.
    Yesterday,
    /// `7d`: so many whole days before today.
    Days(u16),
    /// `this-week`, from Monday to Sunday.
    ThisWeek,
    /// `last-week`: the week before this one.
    LastWeek,
    /// `this-month`, to its last day.
    ThisMonth,
    /// `last-month`: the month before this one.
    LastMonth,
}

impl RangeName {
    /// The days that the name means.
    #[must_use]
    pub fn minutes(self, today: Day) -> MinuteRange {
        let days =
            |before: i32, length: i32| (Day(today.0 - before), Day(today.0 - before + length));
        let (monday, first) = (today.monday(), today.first_of_month());
        let (first, end) = match self {
            Self::Today => days(0, 1),
            Self::Yesterday => days(1, 1),
            Self::Days(count) => days(count.into(), count.into()),
            Self::ThisWeek => (monday, Day(monday.0 + 7)),
            Self::LastWeek => (Day(monday.0 - 7), monday),
            Self::ThisMonth => (first, today.first_of_next_month()),
            Self::LastMonth => (Day(first.0 - 1).first_of_month(), first),
        };
        MinuteRange::of_days(first, end)
    }

    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "today" => Self::Today,
            "yesterday" => Self::Yesterday,
            "this-week" => Self::ThisWeek,
            "last-week" => Self::LastWeek,
            "this-month" => Self::ThisMonth,
            "last-month" => Self::LastMonth,
            _ => {
                let digits = text.strip_suffix('d')?;
                let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
                Self::Days(digits.parse().ok().filter(|&days| is_number && days > 0)?)
            }
        })
    }
}

/// A time as users write it: a day (`2018-03-05`), an hour (`2018-03-05T14`), a minute (`2018-03-05T14:05`; a blank may
/// stand for `T`), or the [name](RangeName) of a range. It means all minutes of what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenTime {
    /// A day, an hour or a minute.
    Range(MinuteRange),
    /// A name, whose minutes depend on the day it is.
    Name(RangeName),
}

impl WrittenTime {
    /// All minutes of it.
    #[must_use]
    pub fn minutes(self, today: Day) -> MinuteRange {
        match self {
            Self::Range(range) => range,
            Self::Name(name) => name.minutes(today),
        }
    }
}

impl FromStr for WrittenTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = || RangeName::parse(text).map(Self::Name);
        read_range(text).map(Self::Range).or_else(name).ok_or_else(|| {
            "expected a time as in 2018-03-05, 2018-03-05T14 or 2018-03-05T14:05, or today, yesterday, 7d (any number of \
             days), this-week, last-week, this-month or last-month"
                .to_owned()
        })
    }
}

fn read_range(text: &str) -> Option<MinuteRange> {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let day: Day = date.parse().ok()?;
    let day = MinuteRange::of_days(day, Day(day.0 + 1));
    let (start, length) = match time.map(|time| time.split_once(':').unwrap_or((time, ""))) {
        None => return Some(day),
        Some((hour, "")) if !text.ends_with(':') => (read_two_digits(hour, 24)? * 60, 60),
        Some((hour, minute)) => (read_two_digits(hour, 24)? * 60 + read_two_digits(minute, 60)?, 1),
    };
    let start = day.start + start;
    Some(MinuteRange { start, end: start + length })
}

/// A number of exactly two digits that is less than `limit`.
fn read_two_digits(text: &str, limit: Minute) -> Option<Minute> {
    let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&number| is_number && number < limit)
}

#[cfg(test)]
mod tests {
    use super::{MinuteRange, WrittenTime};
    use crate::time::Day;

    fn read(text: &str) -> Option<WrittenTime> {
        text.parse().ok()
    }

    #[test]
    fn times_are_days_hours_and_minutes() {
        let range = |text: &str| match read(text) {
            Some(WrittenTime::Range(range)) => range,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(range("2018-03-05").len(), 1440);
        assert_eq!(range("2018-03-05T14").len(), 60);
        assert_eq!(range("2018-03-05 14:05").len(), 1);
        assert_eq!(range("1970-01-02T01:01").start, 1501);
        for wrong in [
            "",
            "2018",
            "2018-02-30",
            "2018-03-05T24",
            "2018-03-05T1",
            "2018-03-05T14:",
            "2018-3-5",
            "x-01-01",
            "0d",
            "d",
            "+7d",
            "7",
            "70000d",
            "week",
            "Today",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_are_ranges_of_whole_days() {
        let days = |text: &str, today: &str| {
            let MinuteRange { start, end } = read(text).unwrap().minutes(today.parse().unwrap());
            assert_eq!((start.rem_euclid(1440), end.rem_euclid(1440)), (0, 0));
            format!("{} {}", Day::of_minute(start), Day::of_minute(end - 1))
        };
        for (today, name, expected) in [
            // A Wednesday.
            ("2018-03-07", "today", "2018-03-07 2018-03-07"),
            ("2018-03-07", "yesterday", "2018-03-06 2018-03-06"),
            ("2018-03-07", "1d", "2018-03-06 2018-03-06"),
            ("2018-03-07", "7d", "2018-02-28 2018-03-06"),
            ("2018-03-07", "28d", "2018-02-07 2018-03-06"),
            ("2018-03-07", "this-week", "2018-03-05 2018-03-11"),
            ("2018-03-07", "last-week", "2018-02-26 2018-03-04"),
            ("2018-03-07", "this-month", "2018-03-01 2018-03-31"),
            ("2018-03-07", "last-month", "2018-02-01 2018-02-28"),
            // Weeks begin on Monday.
            ("2018-03-05", "this-week", "2018-03-05 2018-03-11"),
            ("2018-03-04", "this-week", "2018-02-26 2018-03-04"),
            ("2018-03-04", "last-week", "2018-02-19 2018-02-25"),
            // Over the end of a year, and in leap years.
            ("2019-01-01", "yesterday", "2018-12-31 2018-12-31"),
            ("2019-01-01", "this-week", "2018-12-31 2019-01-06"),
            ("2019-01-31", "last-month", "2018-12-01 2018-12-31"),
            ("2018-12-31", "this-month", "2018-12-01 2018-12-31"),
            ("2020-03-31", "last-month", "2020-02-01 2020-02-29"),
        ] {
            assert_eq!(days(name, today), expected, "{name} on {today}");
        }
    }

    #[test]
    fn ranges_meet() {
        let range = |start, end| MinuteRange { start, end };
        assert_eq!(range(0, 10).intersection(range(5, 20)), Some(range(5, 10)));
        assert_eq!(range(0, 10).intersection(range(10, 20)), None);
        assert!(range(0, 10).contains(0) && !range(0, 10).contains(10));
        assert_eq!(range(3, 10).earlier_by(5), range(-2, 5));
    }
}
