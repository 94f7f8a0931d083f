//! The sums over a source's lines as JSON, which any SQL tool can look into.
//!
//! Owns: the JSON. May import: `time`, `facts` (tallies), serde. Must not know: SQL.

use serde::{Deserialize, Serialize};

use crate::facts::tally::Tally;
use crate::time::{CivilTime, Day};

/// A [`Tally`] without samples: they are lines of the log. Times are seconds of the wall clock since 1970.
#[derive(Serialize, Deserialize)]
struct Totals {
    lines: u64,
    hits: u64,
    page_views: u64,
    malformed_lines: u64,
    empty_lines: u64,
    other_lines: u64,
    bytes_sent: u64,
    status: [u64; 6],
    not_found: u64,
    span: Option<[(i32, u16, u8); 2]>,
    offsets_minutes: Vec<i16>,
    repeated_hour_days: Vec<i32>,
}

/// The tally as text.
pub(super) fn text(tally: &Tally) -> String {
    // Every field by name, so that a new one cannot be forgotten.
    let Tally {
        lines,
        hits,
        page_views,
        malformed_lines,
        empty_lines,
        other_lines,
        bytes_sent,
        status,
        not_found,
        span,
        offsets_minutes,
        repeated_hour_days,
        nul_lines: _,
        reasons: _,
        samples: _,
    } = tally;
    let time = |time: CivilTime| (time.day().0, time.minute_of_day(), time.second());
    let totals = Totals {
        lines: *lines,
        hits: *hits,
        page_views: *page_views,
        malformed_lines: *malformed_lines,
        empty_lines: *empty_lines,
        other_lines: *other_lines,
        bytes_sent: *bytes_sent,
        status: *status,
        not_found: *not_found,
        span: span.map(|(first, last)| [time(first), time(last)]),
        offsets_minutes: offsets_minutes.iter().copied().collect(),
        repeated_hour_days: repeated_hour_days.iter().map(|day| day.0).collect(),
    };
    serde_json::to_string(&totals).unwrap_or_default()
}

/// The tally of a text; `None` if it is none.
pub(super) fn parse(text: &str) -> Option<Tally> {
    let totals: Totals = serde_json::from_str(text).ok()?;
    let time = |(day, minute, second): (i32, u16, u8)| {
        (minute < 1440 && second <= 60).then(|| CivilTime::new(Day(day), minute, second))
    };
    let span = match totals.span {
        Some([first, last]) => Some((time(first)?, time(last)?)),
        None => None,
    };
    Some(Tally {
        lines: totals.lines,
        hits: totals.hits,
        page_views: totals.page_views,
        malformed_lines: totals.malformed_lines,
        empty_lines: totals.empty_lines,
        other_lines: totals.other_lines,
        bytes_sent: totals.bytes_sent,
        status: totals.status,
        not_found: totals.not_found,
        span,
        offsets_minutes: totals.offsets_minutes.into_iter().collect(),
        repeated_hour_days: totals.repeated_hour_days.into_iter().map(Day).collect(),
        nul_lines: 0,
        reasons: Default::default(),
        samples: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use crate::facts::tally::Tally;
    use crate::time::{CivilTime, Day};

    #[test]
    fn a_tally_comes_back() {
        let tally = Tally {
            lines: 10,
            bytes_sent: u64::MAX,
            status: [1, 2, 3, 4, 5, 6],
            span: Some((CivilTime::new(Day(-5), 0, 0), CivilTime::new(Day(17_000), 1439, 60))),
            offsets_minutes: [-30, 480].into(),
            repeated_hour_days: [Day(4)].into(),
            ..Tally::default()
        };
        assert_eq!(super::parse(&super::text(&tally)), Some(tally));
        assert_eq!(super::parse("{}"), None);
    }
}
