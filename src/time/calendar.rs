//! Wall-clock time: days, minutes, buckets and their text.
//!
//! Owns: [`Day`], [`CivilTime`], [`Granularity`], [`Bucket`]. May import: std. Must not know: log formats, time zones,
//! counting.

use std::fmt;
use std::str::FromStr;

/// Minutes of a calendar day on the wall clock, whatever the zone does to its length.
pub const MINUTES_A_DAY: u16 = 1440;

/// A calendar day of the proleptic Gregorian calendar, as days since 1970-01-01.
///
/// A log line can write years 0 to 9999; `--tz` can move a time just beyond them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

impl Day {
    /// The day `year`-`month`-`day`, or `None` where the calendar has no such day.
    ///
    /// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
    #[must_use]
    pub const fn from_date(year: i32, month: u32, day: u32) -> Option<Self> {
        if month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) {
            return None;
        }
        let shifted_year = if month <= 2 { year - 1 } else { year };
        let era = shifted_year.div_euclid(400);
        let year_of_era = shifted_year.rem_euclid(400);
        let shifted_month = (month as i32 + 9) % 12;
        let day_of_year = (153 * shifted_month + 2) / 5 + day as i32 - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Some(Self(era * 146_097 + day_of_era - 719_468))
    }

    /// Year, month (1–12) and day of month (1–31).
    ///
    /// Source: the same paper, `civil_from_days`.
    #[must_use]
    pub const fn date(self) -> (i32, u32, u32) {
        let shifted = self.0 + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + (month <= 2) as i32;
        (year, month as u32, day as u32)
    }
}

impl Day {
    /// The day of the week, from Monday (0).
    #[must_use]
    pub const fn weekday(self) -> usize {
        // 1970-01-01 was a Thursday.
        ((self.0.rem_euclid(7) + 3) % 7).cast_unsigned() as usize
    }

    /// The Monday of the day's week.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "0 to 6")]
    pub const fn monday(self) -> Self {
        Self(self.0 - self.weekday() as i32)
    }

    /// The day's ISO 8601 week, as in `2018-W10`; see [`iso_week`](Self::iso_week).
    #[must_use]
    pub fn week_text(self) -> String {
        let (year, week) = self.iso_week();
        let width = if year < 0 { 5 } else { 4 };
        format!("{year:0width$}-W{week:02}")
    }

    /// The first day of the day's month.
    #[must_use]
    pub fn first_of_month(self) -> Self {
        let (_, _, day_of_month) = self.date();
        Self(self.0 + 1 - day_of_month.cast_signed())
    }

    /// The first day of the month after the day's.
    #[must_use]
    pub fn first_of_next_month(self) -> Self {
        // 31 days after the first of a month it is the next month, at the latest on its fourth day.
        Self(self.first_of_month().0 + 31).first_of_month()
    }

    /// Year and number (1–53) of the day's ISO 8601 week. A week belongs to the year of its Thursday.
    #[must_use]
    pub fn iso_week(self) -> (i32, u32) {
        let thursday = Self(self.monday().0 + 3);
        let (year, _, _) = thursday.date();
        let new_year = Self::from_date(year, 1, 1).unwrap_or(thursday);
        (year, ((thursday.0 - new_year.0) / 7 + 1).cast_unsigned())
    }

    /// The day's month, as in `2018-03`.
    #[must_use]
    pub fn month_text(self) -> String {
        let (year, month, _) = self.date();
        let width = if year < 0 { 5 } else { 4 };
        format!("{year:0width$}-{month:02}")
    }
}

/// Days in a month, 0 for a month outside 1–12.
const fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        1..=12 => 31,
        _ => 0,
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        // Only `--tz` makes a year before 0. ISO 8601 writes it with a sign and four digits.
        let width = if year < 0 { 5 } else { 4 };
        write!(f, "{year:0width$}-{month:02}-{day:02}")
    }
}

/// Reads a day as [`Day`] is displayed, in years 0 to 9999: `2018-03-05`.
impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str, digits: usize| {
            let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u32>().ok().filter(|_| is_number)
        };
        let read = || {
            let mut parts = text.splitn(3, '-');
            let year = number(parts.next()?, 4)?;
            let month = number(parts.next()?, 2)?;
            Self::from_date(year.cast_signed(), month, number(parts.next()?, 2)?)
        };
        read().ok_or_else(|| format!("{text:?} is not a date; write it as 2018-03-05"))
    }
}

/// A wall-clock second, without an offset from UTC. Ordered by time.
///
/// A leap second (60) is kept as written, in the minute it is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CivilTime(i64);

impl CivilTime {
    /// The given second (0–60) of a minute of a day (0–1439).
    #[must_use]
    pub const fn new(day: Day, minute_of_day: u16, second: u8) -> Self {
        Self((day.0 as i64) << 17 | (minute_of_day as i64) << 6 | second as i64)
    }

    /// The wall-clock time `unix_seconds` after 1970-01-01T00:00:00 on the same clock.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "days of any i64 read from 13 digits fit")]
    pub const fn from_seconds(unix_seconds: i64) -> Self {
        let day = unix_seconds.div_euclid(86_400) as i32;
        let second_of_day = unix_seconds.rem_euclid(86_400);
        Self::new(Day(day), (second_of_day / 60) as u16, (second_of_day % 60) as u8)
    }

    /// Seconds since 1970-01-01T00:00:00 on the same clock. Second 60 counts as second 0 of the next minute.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.day().0 as i64 * 86_400 + self.minute_of_day() as i64 * 60 + self.second() as i64
    }

    /// The calendar day.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "`new` shifted an i32 up by 17")]
    pub const fn day(self) -> Day {
        Day((self.0 >> 17) as i32)
    }

    /// The minute of the day, 0–1439.
    #[must_use]
    pub const fn minute_of_day(self) -> u16 {
        (self.0 >> 6 & 0x7ff) as u16
    }

    /// The second, 0–60.
    #[must_use]
    pub const fn second(self) -> u8 {
        (self.0 & 0x3f) as u8
    }
}

impl fmt::Display for CivilTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minute = self.minute_of_day();
        write!(f, "{}T{:02}:{:02}:{:02}", self.day(), minute / 60, minute % 60, self.second())
    }
}

/// The length of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Granularity {
    /// A calendar day.
    Day,
    /// An hour of the wall clock.
    Hour,
    /// A minute of the wall clock.
    Minute,
}

impl Granularity {
    /// All granularities, in the order of reports.
    pub const ALL: [Self; 3] = [Self::Day, Self::Hour, Self::Minute];

    /// The word used in every output: `day`, `hour`, `minute`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Minute => "minute",
        }
    }
}

/// A calendar day, hour or minute of the wall clock, ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    /// The day that holds the bucket.
    pub day: Day,
    /// The first minute of the bucket, as a minute of the day (0–1439).
    pub minute_of_day: u16,
    /// The length of the bucket.
    pub granularity: Granularity,
}

/// `2018-03-05`, `2018-03-05T14` or `2018-03-05T14:05`.
impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.day.fmt(f)?;
        match self.granularity {
            Granularity::Day => Ok(()),
            Granularity::Hour => write!(f, "T{:02}", self.minute_of_day / 60),
            Granularity::Minute => {
                write!(f, "T{:02}:{:02}", self.minute_of_day / 60, self.minute_of_day % 60)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bucket, CivilTime, Day, Granularity};

    #[test]
    fn every_day_of_years_0_to_9999_round_trips() {
        let mut expected = Day::from_date(0, 1, 1).unwrap();
        for year in 0..=9999 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if let Some(found) = Day::from_date(year, month, day) {
                        assert_eq!(found, expected);
                        assert_eq!(found.date(), (year, month, day));
                        expected.0 += 1;
                    }
                }
            }
        }
        assert_eq!(Day::from_date(1970, 1, 1), Some(Day(0)));
        assert_eq!(Day::from_date(2018, 3, 32), None);
        assert_eq!(Day::from_date(2019, 2, 29), None);
        assert_eq!(Day::from_date(2020, 2, 29).unwrap().to_string(), "2020-02-29");
    }

    #[test]
    fn days_are_read_as_they_are_written() {
        for text in ["0000-01-01", "1970-01-02", "2020-02-29", "9999-12-31"] {
            assert_eq!(text.parse::<Day>().map(|day| day.to_string()), Ok(text.to_owned()));
        }
        for text in
            ["", "2018", "2018-02-29", "2018-3-5", "+018-03-05", "2018-03-05-01", "2018-03-05 "]
        {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
    }

    #[test]
    fn weeks_are_those_of_iso_8601() {
        for (date, week, weekday) in [
            ((2018, 3, 5), "2018-W10", 0),
            ((2018, 3, 11), "2018-W10", 6),
            ((2005, 1, 1), "2004-W53", 5),
            ((2007, 12, 31), "2008-W01", 0),
            ((2020, 12, 31), "2020-W53", 3),
            ((1970, 1, 1), "1970-W01", 3),
            ((1969, 12, 28), "1969-W52", 6),
        ] {
            let day = Day::from_date(date.0, date.1, date.2).unwrap();
            assert_eq!((day.week_text().as_str(), day.weekday()), (week, weekday));
        }
        assert_eq!(Day(0).month_text(), "1970-01");
    }

    #[test]
    fn months_follow_each_other() {
        let date = |year, month, day| Day::from_date(year, month, day).unwrap();
        for (day, first, next) in [
            (date(2018, 1, 31), date(2018, 1, 1), date(2018, 2, 1)),
            (date(2018, 2, 1), date(2018, 2, 1), date(2018, 3, 1)),
            (date(2020, 2, 29), date(2020, 2, 1), date(2020, 3, 1)),
            (date(2019, 12, 31), date(2019, 12, 1), date(2020, 1, 1)),
        ] {
            assert_eq!((day.first_of_month(), day.first_of_next_month()), (first, next));
        }
    }

    #[test]
    fn times_order_and_print_as_written() {
        let day = Day::from_date(2016, 12, 31).unwrap();
        let leap = CivilTime::new(day, 1439, 60);
        assert_eq!(leap.to_string(), "2016-12-31T23:59:60");
        assert!(leap > CivilTime::new(day, 1439, 59));
        assert!(leap < CivilTime::new(Day(day.0 + 1), 0, 0));
        assert_eq!(CivilTime::from_seconds(leap.seconds()).to_string(), "2017-01-01T00:00:00");
        assert_eq!(CivilTime::from_seconds(-1).to_string(), "1969-12-31T23:59:59");
    }

    #[test]
    fn buckets_print_their_unit() {
        let bucket = |granularity| Bucket { day: Day(0), minute_of_day: 845, granularity };
        assert_eq!(bucket(Granularity::Day).to_string(), "1970-01-01");
        assert_eq!(bucket(Granularity::Hour).to_string(), "1970-01-01T14");
        assert_eq!(bucket(Granularity::Minute).to_string(), "1970-01-01T14:05");
    }
}
