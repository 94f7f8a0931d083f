//! Which part of a day was counted and asked for.
//!
//! Owns: [`Coverage`]. May import: `time`, `query` (summaries). Must not know: how days and hours are drawn.

use crate::query::counted::QUIET_MINUTES;
use crate::query::summary::Summary;
use crate::time::{Day, Minute, MinuteRange};

/// What of a site's day was counted and asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Coverage {
    /// The hours of which anything was: an hour without traffic looks different from one that was not counted.
    pub(super) hours: [bool; 24],
    /// Which part of the day it was: `until 20:10`; `None` for a whole day.
    pub(super) part: Option<String>,
}

impl Coverage {
    /// The coverage of a day that has page views.
    pub(super) fn new(summary: &Summary, site: &str, day: Day) -> Self {
        let whole = MinuteRange::of_days(day, Day(day.0 + 1));
        let Some(stored) = &summary.stored else {
            let minute = |minute: u16| whole.start + Minute::from(minute);
            let first = summary.totals.first.filter(|first| first.day() == day);
            let last = summary.totals.last.filter(|last| last.day() == day);
            let start = first.map_or(whole.start, |first| minute(first.minute_of_day()));
            let end = last.map_or(whole.end, |last| minute(last.minute_of_day()) + 1);
            return Self::of_part(whole, MinuteRange { start, end }, QUIET_MINUTES);
        };
        let counted = &stored.counted;
        let part = counted.asked(site).and_then(|asked| asked.intersection(whole)).unwrap_or(whole);
        let is_cut = counted.since.is_some_and(|since| since > whole.start);
        let mut coverage = Self::of_part(whole, part, if is_cut { 1 } else { QUIET_MINUTES });
        if coverage.part.is_none() && counted.is_partial(site, whole) {
            coverage.part = Some("partial".to_owned());
        }
        coverage
    }

    /// The coverage of a part of a day; what begins less than `quiet` minutes after midnight is not cut there.
    fn of_part(day: MinuteRange, part: MinuteRange, quiet: Minute) -> Self {
        let time = |minute: Minute| {
            let minute = minute - day.start;
            format!("{:02}:{:02}", minute / 60, minute % 60)
        };
        let first = (part.start - day.start >= quiet).then(|| time(part.start));
        let last = (part.end < day.end).then(|| time(part.end - 1));
        let text = match (first, last) {
            (None, None) => None,
            (Some(first), None) => Some(format!("from {first}")),
            (None, Some(last)) => Some(format!("until {last}")),
            (Some(first), Some(last)) => Some(format!("{first} to {last}")),
        };
        let hour = |hour: usize| {
            let start = day.start + 60 * Minute::try_from(hour).unwrap_or_default();
            part.intersection(MinuteRange { start, end: start + 60 }).is_some()
        };
        Self { hours: std::array::from_fn(hour), part: text }
    }
}

#[cfg(test)]
mod tests {
    use super::Coverage;
    use crate::time::MinuteRange;

    #[test]
    fn parts_of_days_are_named() {
        let day = MinuteRange { start: 14_400, end: 15_840 };
        let coverage = |from: i64, to: i64| {
            let part = MinuteRange { start: day.start + from, end: day.start + to };
            let Coverage { hours, part } = Coverage::of_part(day, part, 60);
            (hours.iter().filter(|&&is_covered| is_covered).count(), part)
        };
        let named = |text: &str| Some(text.to_owned());
        assert_eq!(coverage(0, 1440), (24, None));
        assert_eq!(coverage(59, 1440), (24, None));
        assert_eq!(coverage(60, 1440), (23, named("from 01:00")));
        assert_eq!(coverage(5, 1211), (21, named("until 20:10")));
        assert_eq!(coverage(845, 961), (3, named("14:05 to 16:00")));
    }
}
