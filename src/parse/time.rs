//! Timestamps of log lines.
//!
//! Owns: the text form `DD/Mon/YYYY:HH:MM:SS ±ZZZZ` (Apache `%t`, nginx `$time_local`). May import: the top-level module `time`.
//! Must not know: formats, buckets.

use super::Reason;
use crate::time::{CivilTime, Day};

/// Length of `05/Mar/2018:00:00:01 +0800`.
pub(super) const TIME_BYTES: usize = 26;

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// Reads timestamps. Remembers the last minute, since the next line mostly lies in the same.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// The text last decoded but its seconds, all zeros at first.
    text: [u64; 4],
    minute: Option<(Day, u16)>,
    offset_minutes: i16,
}

impl Clock {
    /// The wall-clock time and its offset from UTC in minutes.
    #[inline]
    pub(super) fn read(&mut self, text: &[u8; TIME_BYTES]) -> Result<(CivilTime, i16), Reason> {
        let second = two_digits(text[18], text[19]).ok_or(Reason::Time)?;
        if second > 60 {
            return Err(Reason::Date);
        }
        let words = but_seconds(text);
        let [a, b, c, d] = self.text;
        // Word by word: a comparison of arrays goes through memory, and waits there for what was just written.
        if (words[0] ^ a) | (words[1] ^ b) | (words[2] ^ c) | (words[3] ^ d) != 0 {
            self.turn(text)?;
        }
        let (day, minute_of_day) = self.minute.ok_or(Reason::Time)?;
        Ok((CivilTime::new(day, minute_of_day, second), self.offset_minutes))
    }

    /// Remembers another minute.
    #[cold]
    fn turn(&mut self, text: &[u8; TIME_BYTES]) -> Result<(), Reason> {
        let (day, minute_of_day, offset_minutes) = decode(text)?;
        self.text = but_seconds(text);
        self.minute = Some((day, minute_of_day));
        self.offset_minutes = offset_minutes;
        Ok(())
    }
}

/// A timestamp's bytes but the two of its seconds, in words that compare fast.
#[inline]
fn but_seconds(text: &[u8; TIME_BYTES]) -> [u64; 4] {
    let word = |at: usize| text[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    // Bytes 0–17, and from the two behind the seconds on the last six.
    [word(0), word(8), word(10), word(18) & !0xffff]
}

/// Day, minute of the day, and offset of a timestamp; its seconds are not looked at.
fn decode(text: &[u8; TIME_BYTES]) -> Result<(Day, u16, i16), Reason> {
    let pair = |at: usize| two_digits(text[at], text[at + 1]).ok_or(Reason::Time);
    let separators = [(2, b'/'), (6, b'/'), (11, b':'), (14, b':'), (17, b':'), (20, b' ')];
    if separators.iter().any(|&(at, separator)| text[at] != separator) {
        return Err(Reason::Time);
    }
    let month = MONTHS.iter().position(|month| text[3..6] == month[..]).ok_or(Reason::Time)?;
    let year = i32::from(pair(7)?) * 100 + i32::from(pair(9)?);
    let month = u32::try_from(month + 1).map_err(|_| Reason::Time)?;
    let day = Day::from_date(year, month, u32::from(pair(0)?)).ok_or(Reason::Date)?;
    let (hour, minute) = (u16::from(pair(12)?), u16::from(pair(15)?));
    if hour > 23 || minute > 59 {
        return Err(Reason::Date);
    }
    let offset = i16::from(pair(22)?) * 60 + i16::from(pair(24)?);
    let offset = match text[21] {
        b'+' => offset,
        b'-' => -offset,
        _ => return Err(Reason::Time),
    };
    Ok((day, hour * 60 + minute, offset))
}

/// The value of two ASCII digits.
fn two_digits(tens: u8, ones: u8) -> Option<u8> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| tens * 10 + ones)
}

#[cfg(test)]
mod tests {
    use super::{Clock, Reason};

    fn check(text: &str, expected: Result<(&str, i16), Reason>) {
        let text: &[u8; 26] = text.as_bytes().try_into().unwrap();
        // A clock that has seen another minute before must say the same as a new one.
        let mut warm = Clock::default();
        warm.read(b"01/Jan/1970:00:00:00 +0000").unwrap();
        for mut clock in [Clock::default(), warm] {
            for _ in 0..2 {
                let found = clock.read(text).map(|(time, offset)| (time.to_string(), offset));
                assert_eq!(found, expected.map(|(time, offset)| (time.to_owned(), offset)));
            }
        }
    }

    #[test]
    fn reads_what_the_calendar_has() {
        check("05/Mar/2018:14:05:09 +0800", Ok(("2018-03-05T14:05:09", 480)));
        check("31/Dec/2016:23:59:60 -0330", Ok(("2016-12-31T23:59:60", -210)));
        check("29/Feb/0000:00:00:00 +9999", Ok(("0000-02-29T00:00:00", 6039)));
        check("31/Dec/9999:23:59:59 -0000", Ok(("9999-12-31T23:59:59", 0)));
    }

    #[test]
    fn refuses_what_it_has_not() {
        for text in [
            "32/Mar/2018:00:00:00 +0800",
            "00/Mar/2018:00:00:00 +0800",
            "31/Apr/2018:00:00:00 +0800",
            "29/Feb/2018:00:00:00 +0800",
            "05/Mar/2018:24:00:00 +0800",
            "05/Mar/2018:00:60:00 +0800",
            "05/Mar/2018:00:00:61 +0800",
        ] {
            check(text, Err(Reason::Date));
        }
        for text in [
            "05/Mrz/2018:00:00:00 +0800",
            "05/mar/2018:00:00:00 +0800",
            " 5/Mar/2018:00:00:00 +0800",
            "05/Mar/2018 00:00:00 +0800",
            "05/Mar/2018:00:00:0a +0800",
            "05/Mar/2018:00:00:00 00800",
            "05/Mar/2018:00:00:00 +080x",
            "05-Mar-2018:00:00:00 +0800",
        ] {
            check(text, Err(Reason::Time));
        }
    }
}
