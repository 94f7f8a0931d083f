//! The days that an ISO week and a month share.
//!
//! Owns: [`MonthWeek`]. May import: `time`. Must not know: SQL.

use crate::time::Day;

/// The days that an ISO week and a month have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct MonthWeek {
    /// 12 × year + month − 1.
    pub(super) month: i32,
    pub(super) monday: Day,
}

impl MonthWeek {
    pub(super) fn of(day: Day) -> Self {
        let (year, month, _) = day.date();
        Self { month: year * 12 + month.cast_signed() - 1, monday: day.monday() }
    }

    /// Its first and last day.
    pub(super) fn days(self) -> (Day, Day) {
        let (year, month) = (self.month.div_euclid(12), self.month.rem_euclid(12) + 1);
        let month = month.cast_unsigned();
        let first = Day::from_date(year, month, 1).unwrap_or(self.monday);
        let last = (28..=31).rev().find_map(|day| Day::from_date(year, month, day));
        let last = last.unwrap_or(first);
        (first.max(self.monday), last.min(Day(self.monday.0 + 6)))
    }
}

#[cfg(test)]
mod tests {
    use super::MonthWeek;
    use crate::time::Day;

    #[test]
    fn every_day_is_in_its_span_and_in_no_other() {
        let mut last = None;
        for day in -800_000..800_000 {
            let span = MonthWeek::of(Day(day));
            let (first, end) = span.days();
            assert!((first..=end).contains(&Day(day)), "{day}");
            match last {
                Some((span_before, end_before)) if span_before != span => {
                    assert_eq!((Day(day - 1), Day(day)), (end_before, first));
                }
                _ => {}
            }
            last = Some((span, end));
        }
    }
}
