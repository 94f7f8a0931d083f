//! The oracle's calendar: texts of times, and clocks of other zones.
//!
//! Owns: [`Time`], [`civil`], [`in_zone`]. May import: std, jiff for the offsets of zones. Must not know: the library.

use std::cmp::Ordering;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// A wall-clock time as text, `2018-03-05T14:05:09`, or the beginning of one: `2018-03-05`, or nothing. In the order of
/// time, also where `--tz` leads to the years -0001 and 10000.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Time(pub(crate) String);

impl Time {
    /// The day (0), hour (1) or minute (2) of a time, or the whole range (3).
    pub(crate) fn bucket(&self, granularity: u8) -> Self {
        let rest = ["T00:00:00", ":00:00", ":00", &self.0][usize::from(granularity)];
        Self(self.0[..self.0.len() - rest.len()].to_owned())
    }

    /// The year and what follows it.
    fn parts(&self) -> (i64, &str) {
        let Some(end) = self.0.rfind("-").and_then(|day| self.0[..day].rfind("-")) else {
            return (0, &self.0);
        };
        (self.0[..end].parse().expect("a year is a number"), &self.0[end..])
    }
}

impl Ord for Time {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.len() == other.len() && !self.starts_with('-') && !other.starts_with('-') {
            return self.0.cmp(&other.0);
        }
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for Time {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl std::ops::Deref for Time {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// The same instant on the clock of a zone: `UTC`, `+05:30` or `Europe/Berlin`.
pub(super) fn in_zone(time: &Time, offset_minutes: i64, zone: &str) -> Time {
    let unix_seconds = seconds_of(time) - offset_minutes * 60;
    let ends = if unix_seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    // jiff knows no instant outside of some years; the last one before has the offset.
    let instant = Timestamp::from_second(unix_seconds).unwrap_or(ends);
    let zone = match zone.as_bytes() {
        b"UTC" => TimeZone::UTC,
        [sign @ (b'+' | b'-'), ..] => {
            let (hours, minutes) = zone[1..].split_once(':').unwrap();
            let seconds =
                hours.parse::<i32>().unwrap() * 3600 + minutes.parse::<i32>().unwrap() * 60;
            let seconds = if *sign == b'-' { -seconds } else { seconds };
            TimeZone::fixed(Offset::from_seconds(seconds).unwrap())
        }
        _ => TimeZone::get(zone).unwrap(),
    };
    civil(unix_seconds + i64::from(zone.to_offset(instant).seconds()))
}

/// Seconds from 1970 to a time, as if in UTC, by counting years and months. A second 60 is the next minute's first.
fn seconds_of(time: &Time) -> i64 {
    let (year, rest) = time.parts();
    let numbers: Vec<i64> =
        rest[1..].split(['-', 'T', ':']).map(|number| number.parse().unwrap()).collect();
    let [month, day, hour, minute, second] = numbers[..] else { panic!("{time:?} is no time") };
    let years =
        (1970..year).map(days_in_year).sum::<i64>() - (year..1970).map(days_in_year).sum::<i64>();
    let months: i64 = (1..month).map(|month| days_in_month(year, month as u64) as i64).sum();
    (years + months + day - 1) * 86_400 + hour * 3600 + minute * 60 + second
}

/// Seconds since 1970 as `2018-03-05T14:05:09`, by counting years and months.
pub(super) fn civil(unix_seconds: i64) -> Time {
    let (mut day, second) = (unix_seconds.div_euclid(86_400), unix_seconds.rem_euclid(86_400));
    let (mut year, mut month) = (1970, 1);
    while day < 0 {
        year -= 1;
        day += days_in_year(year);
    }
    while day >= days_in_year(year) {
        day -= days_in_year(year);
        year += 1;
    }
    while day >= days_in_month(year, month) as i64 {
        day -= days_in_month(year, month) as i64;
        month += 1;
    }
    let year = if year < 0 { format!("-{:04}", -year) } else { format!("{year:04}") };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    Time(format!("{year}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}", day + 1))
}

fn days_in_year(year: i64) -> i64 {
    if days_in_month(year, 2) == 29 { 366 } else { 365 }
}

pub(super) fn days_in_month(year: i64, month: u64) -> u64 {
    let is_leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap_year => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
