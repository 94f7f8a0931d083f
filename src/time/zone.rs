//! Conversion of log times to another zone (`--tz`).
//!
//! Owns: [`Zone`] and its conversion of wall-clock times, the text of offsets. May import: `time::calendar`, jiff. Must not know: records,
//! buckets, the zone of the machine it runs on.

use std::collections::BTreeSet;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use crate::time::{CivilTime, Day};

/// A time zone to convert to: `UTC`, `±HH:MM` or `Area/City`.
#[derive(Clone, Debug)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

impl Zone {
    /// The text shown in place of a zone's name when times are not converted.
    pub const AS_WRITTEN: &'static str = "as written";

    /// The name, as it was parsed.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the zone's clocks show at an instant, given in Unix seconds.
    #[must_use]
    pub fn time_at(&self, unix_seconds: i64) -> CivilTime {
        Converter::new(self).convert(CivilTime::from_seconds(unix_seconds), 0)
    }
}

/// An offset from UTC as a log line writes it: `+0800`.
#[must_use]
pub fn offset_text(minutes: i16) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.unsigned_abs();
    // Lines may carry an offset of up to 99 hours and 99 minutes.
    let hours = (minutes / 60).min(99);
    format!("{sign}{hours:02}{:02}", minutes - hours * 60)
}

impl FromStr for Zone {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let wrong =
            || format!("{name:?} is neither UTC, nor ±HH:MM, nor a zone such as Europe/Berlin");
        let zone = match name.as_bytes() {
            b"UTC" => TimeZone::UTC,
            [sign @ (b'+' | b'-'), rest @ ..] => {
                let &[a, b, b':', c, d] = rest else { return Err(wrong()) };
                if ![a, b, c, d].iter().all(u8::is_ascii_digit) || c > b'5' {
                    return Err(wrong());
                }
                let digit = |digit: u8| i32::from(digit - b'0');
                let seconds = (digit(a) * 10 + digit(b)) * 3600 + (digit(c) * 10 + digit(d)) * 60;
                let seconds = if *sign == b'-' { -seconds } else { seconds };
                TimeZone::fixed(Offset::from_seconds(seconds).map_err(|_| wrong())?)
            }
            _ => TimeZone::get(name).map_err(|_| wrong())?,
        };
        Ok(Self { name: name.to_owned(), zone })
    }
}

/// Converts times to a zone. Remembers the last interval between two changes of the zone's offset, since the next time
/// mostly lies in it, too.
#[derive(Debug)]
pub(crate) struct Converter {
    zone: TimeZone,
    /// The offset holds for instants in `from..until`, in Unix seconds.
    from: i64,
    until: i64,
    offset_seconds: i64,
    /// Ranges of wall-clock seconds that the zone's clock shows twice, at either end of this interval.
    repeated: Vec<std::ops::Range<i64>>,
    repeated_hour_days: BTreeSet<Day>,
}

impl Converter {
    pub(crate) fn new(zone: &Zone) -> Self {
        Self {
            zone: zone.zone.clone(),
            from: 0,
            until: 0,
            offset_seconds: 0,
            repeated: Vec::new(),
            repeated_hour_days: BTreeSet::new(),
        }
    }

    /// The zone's wall-clock time at the instant written as `time` with the offset `offset_minutes` from UTC.
    ///
    /// Beyond the years that jiff knows (-9999 to 9999) the offset of the nearest known instant holds.
    pub(crate) fn convert(&mut self, time: CivilTime, offset_minutes: i16) -> CivilTime {
        let unix_seconds = time.seconds() - i64::from(offset_minutes) * 60;
        if !(self.from..self.until).contains(&unix_seconds) {
            self.move_to(unix_seconds);
        }
        let local_seconds = unix_seconds + self.offset_seconds;
        let converted = CivilTime::from_seconds(local_seconds);
        if self.repeated.iter().any(|range| range.contains(&local_seconds)) {
            self.repeated_hour_days.insert(converted.day());
        }
        converted
    }

    /// The days, ascending, on which a converted time fell into an hour that the zone's clock shows twice.
    pub(crate) fn repeated_hour_days(&self) -> Vec<Day> {
        self.repeated_hour_days.iter().copied().collect()
    }

    /// Looks up the interval around an instant.
    fn move_to(&mut self, unix_seconds: i64) {
        let instant = Timestamp::from_second(unix_seconds).unwrap_or(if unix_seconds < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        });
        // `preceding` excludes the instant it is asked from, so ask from just after this one.
        let after_instant =
            instant.checked_add(jiff::SignedDuration::from_nanos(1)).unwrap_or(instant);
        let before =
            self.zone.preceding(after_instant).next().map(|transition| transition.timestamp());
        let after = self.zone.following(instant).next().map(|transition| transition.timestamp());
        let offset_at = |instant: Timestamp| i64::from(self.zone.to_offset(instant).seconds());
        self.offset_seconds = offset_at(instant);
        self.from = before.map_or(i64::MIN, Timestamp::as_second);
        self.until = after.map_or(i64::MAX, Timestamp::as_second);
        self.repeated.clear();
        for change in [before, after].into_iter().flatten() {
            let at = change.as_second();
            let Ok(earlier) = change.checked_sub(jiff::SignedDuration::from_secs(1)) else {
                continue;
            };
            let (old, new) = (offset_at(earlier), offset_at(change));
            if new < old {
                self.repeated.push(at + new..at + old);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Converter, Zone, offset_text};
    use crate::time::{CivilTime, Day};

    fn check(zone: &str, written: (i32, u32, u32, u16, i16), expected: &str, repeated: bool) {
        let zone: Zone = zone.parse().unwrap();
        let (year, month, day, minute, offset) = written;
        let time = CivilTime::new(Day::from_date(year, month, day).unwrap(), minute, 30);
        let mut converter = Converter::new(&zone);
        assert_eq!(converter.convert(time, offset).to_string(), expected);
        assert_eq!(!converter.repeated_hour_days().is_empty(), repeated);
    }

    #[test]
    fn instants_are_shown_in_the_zone() {
        check("UTC", (2018, 3, 5, 60, 480), "2018-03-04T17:00:30", false);
        check("+05:30", (2018, 3, 5, 60, 0), "2018-03-05T06:30:30", false);
        check("-03:30", (2018, 3, 5, 60, 0), "2018-03-04T21:30:30", false);
        check("Asia/Shanghai", (2018, 3, 5, 0, 0), "2018-03-05T08:00:30", false);
        check("Europe/Berlin", (2018, 7, 1, 0, 0), "2018-07-01T02:00:30", false);
        check("UTC", (0, 1, 1, 0, 840), "-0001-12-31T10:00:30", false);
    }

    #[test]
    fn the_repeated_hour_is_noticed() {
        // Berlin, 2018-10-28: 03:00 summer time became 02:00 at 01:00 UTC.
        check("Europe/Berlin", (2018, 10, 28, 0, 0), "2018-10-28T02:00:30", true);
        check("Europe/Berlin", (2018, 10, 28, 60, 0), "2018-10-28T02:00:30", true);
        check("Europe/Berlin", (2018, 10, 28, 120, 0), "2018-10-28T03:00:30", false);
        check("Europe/Berlin", (2018, 10, 27, 1439, 0), "2018-10-28T01:59:30", false);
    }

    #[test]
    fn a_clock_shows_an_instant() {
        // 2018-03-25, when Berlin went from 02:00 to 03:00 at 01:00 UTC.
        let midnight = i64::from(Day::from_date(2018, 3, 25).unwrap().0) * 86_400;
        for (zone, second, expected) in [
            ("UTC", 0, "2018-03-25T00:00:00"),
            ("Europe/Berlin", 3_599, "2018-03-25T01:59:59"),
            ("Europe/Berlin", 3_600, "2018-03-25T03:00:00"),
            ("-03:30", 60, "2018-03-24T20:31:00"),
        ] {
            let zone: Zone = zone.parse().unwrap();
            assert_eq!(zone.time_at(midnight + second).to_string(), expected);
        }
    }

    #[test]
    fn offsets_read_as_written() {
        assert_eq!([0, 480, -210, 6039].map(offset_text), ["+0000", "+0800", "-0330", "+9999"]);
    }

    #[test]
    fn unknown_zones_are_refused() {
        for name in ["", "Nowhere", "+5:30", "+05:99", "+99:00", "08:00"] {
            assert!(name.parse::<Zone>().is_err(), "{name}");
        }
    }
}
