//! The sums over a source's lines as JSON, which any SQL tool can look into.
//!
//! Owns: the JSON. May import: `time`, `facts` (tallies), serde. Must not know: SQL.

use serde::{Deserialize, Serialize};

use crate::facts::tally::Tally;
use crate::time::{CivilTime, Day};

/// A [`Tally`] without samples: they are lines of the log. A time is a day, a minute of the day and a second. Every member
/// has a default, so that members can be added.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Totals {
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

impl From<&Tally> for Totals {
    fn from(tally: &Tally) -> Self {
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
        Self {
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
        }
    }
}

impl Totals {
    /// The tally; `None` if its times are none.
    pub(super) fn tally(self) -> Option<Tally> {
        let time = |(day, minute, second): (i32, u16, u8)| {
            (minute < 1440 && second <= 60).then(|| CivilTime::new(Day(day), minute, second))
        };
        let span = match self.span {
            Some([first, last]) => Some((time(first)?, time(last)?)),
            None => None,
        };
        Some(Tally {
            lines: self.lines,
            hits: self.hits,
            page_views: self.page_views,
            malformed_lines: self.malformed_lines,
            empty_lines: self.empty_lines,
            other_lines: self.other_lines,
            bytes_sent: self.bytes_sent,
            status: self.status,
            not_found: self.not_found,
            span,
            offsets_minutes: self.offsets_minutes.into_iter().collect(),
            repeated_hour_days: self.repeated_hour_days.into_iter().map(Day).collect(),
            ..Tally::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Totals;
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
        let text = serde_json::to_string(&Totals::from(&tally)).unwrap();
        let parse = |text: &str| serde_json::from_str::<Totals>(text).unwrap().tally();
        assert_eq!(parse(&text), Some(tally));
        assert_eq!(parse("{}"), Some(Tally::default()));
        assert_eq!(parse(r#"{"span":[[0,1440,0],[0,0,0]]}"#), None);
    }
}
