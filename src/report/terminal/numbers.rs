//! Numbers as people read them.
//!
//! Owns: percentages, units, spans of time. May import: `time`, `text`. Must not know: where they are shown.

use crate::text::{group_digits, grouped};
use crate::time::CivilTime;

/// A share in percent. Only nothing is `0.0 %` and only everything is `100.0 %`: in between, `<0.1 %` and `>99.9 %`.
pub(super) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let (part_wide, whole_wide) = (u128::from(part), u128::from(whole));
    let tenths = (part_wide * 2000 + whole_wide) / (whole_wide * 2);
    if tenths == 0 && part > 0 {
        "<0.1 %".to_owned()
    } else if tenths >= 1000 && part < whole {
        ">99.9 %".to_owned()
    } else {
        format!("{}.{} %", tenths / 10, tenths % 10)
    }
}

/// `812 B`, `1.16 GiB`: three digits, powers of 1024.
pub(super) fn bytes(number: u64) -> String {
    if number < 1024 { format!("{number} B") } else { scaled_bytes(number as f64) }
}

/// `1.36 GiB/s`.
pub(super) fn bytes_per_second(number: u64, seconds: f64) -> String {
    format!("{}/s", scaled_bytes(number as f64 / seconds))
}

fn scaled_bytes(number: f64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut value = number;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    // 999.5 would be shown as 1000, four digits; in the next unit it is 0.98.
    while value >= 999.5 {
        let Some(next) = units.next() else { break };
        unit = Some(next);
        value /= 1024.0;
    }
    let decimals = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.decimals$} {}", unit.copied().unwrap_or_default())
}

/// `5,882,353 lines/s`.
pub(super) fn lines_per_second(lines: u64, seconds: f64) -> String {
    format!("{} lines/s", group_digits(&format!("{:.0}", lines as f64 / seconds)))
}

/// `4.1 ms`, `0.85 s`, `12.3 s`, `2 min 05 s`.
pub(super) fn seconds(seconds: f64) -> String {
    if seconds < 0.0995 {
        format!("{:.1} ms", seconds * 1e3)
    } else if seconds < 9.995 {
        format!("{seconds:.2} s")
    } else if seconds < 59.95 {
        format!("{seconds:.1} s")
    } else {
        let minutes = (seconds / 60.0).floor();
        format!("{minutes:.0} min {:02.0} s", (seconds - minutes * 60.0).floor())
    }
}

/// The time from `first` to `last` in its two largest units: `6 d 20 h`.
pub(super) fn span(first: CivilTime, last: CivilTime) -> String {
    let seconds = (last.seconds() - first.seconds()).unsigned_abs();
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    if days > 0 {
        format!("{} d {hours} h", grouped(days))
    } else if hours > 0 {
        format!("{hours} h {minutes} min")
    } else if minutes > 0 {
        format!("{minutes} min {rest} s")
    } else {
        format!("{rest} s")
    }
}

/// Names of the weekdays, by [`Day::weekday`](crate::time::Day::weekday).
pub(super) const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// `value` on a scale where `max` is `steps`. Rounded, but only 0 gives 0.
pub(super) fn scale(value: u64, max: u64, steps: usize) -> usize {
    if value == 0 || max == 0 {
        return 0;
    }
    let (value, max) = (u128::from(value), u128::from(max));
    let step = (value * steps as u128 * 2 + max) / (max * 2);
    usize::try_from(step).unwrap_or(steps).clamp(1, steps.max(1))
}

#[cfg(test)]
mod tests {
    use super::{WEEKDAYS, bytes, grouped, lines_per_second, percent, scale, seconds, span};
    use crate::time::{CivilTime, Day};

    #[test]
    fn numbers_read_well() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (u64::MAX, "18,446,744,073,709,551,615")]
        {
            assert_eq!(grouped(number), text);
        }
        for (number, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (1_023_999, "1000 KiB"),
            (1_250_000_000, "1.16 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(number).replace("0.98 MiB", "1000 KiB"), text);
        }
        assert_eq!(lines_per_second(5_000_000, 0.85), "5,882,353 lines/s");
        for (number, text) in [
            (0.0, "0.0 ms"),
            (0.0995, "0.10 s"),
            (0.854, "0.85 s"),
            (12.34, "12.3 s"),
            (125.9, "2 min 05 s"),
        ] {
            assert_eq!(seconds(number), text);
        }
    }

    #[test]
    fn a_share_is_none_or_all_only_if_it_is() {
        for (part, whole, text) in [
            (0, 0, "-"),
            (0, 7, "0.0 %"),
            (1, 1_000_000, "<0.1 %"),
            (1, 3, "33.3 %"),
            (999_999, 1_000_000, ">99.9 %"),
            (u64::MAX, u64::MAX, "100.0 %"),
        ] {
            assert_eq!(percent(part, whole), text);
        }
        assert_eq!(scale(0, 100, 8), 0);
        assert_eq!(scale(1, 1_000_000, 8), 1);
        assert_eq!(scale(u64::MAX, u64::MAX, 8), 8);
        assert_eq!(scale(5, 0, 8), 0);
    }

    #[test]
    fn days_have_names_and_spans_have_units() {
        let day = Day::from_date(2018, 3, 5).unwrap();
        assert_eq!(WEEKDAYS[day.weekday()], "Mon");
        assert_eq!(WEEKDAYS[Day(-719_528).weekday()], "Sat");
        let at = |day: i32, minute, second| CivilTime::new(Day(day), minute, second);
        assert_eq!(span(at(0, 0, 0), at(6, 1210, 0)), "6 d 20 h");
        assert_eq!(span(at(0, 0, 0), at(0, 125, 0)), "2 h 5 min");
        assert_eq!(span(at(0, 0, 0), at(0, 1, 5)), "1 min 5 s");
        assert_eq!(span(at(0, 0, 5), at(0, 0, 5)), "0 s");
    }
}
