//! Which earlier range a range is compared with.
//!
//! Owns: [`Compare`], [`ComparedRanges`]. May import: `time`, `counted` (quiet nights). Must not know: answers, databases.

use super::counted::QUIET_MINUTES;
use crate::time::{Day, MINUTES_A_DAY, Minute, MinuteRange};

/// What a range is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// The calendar unit before, if the range is one (a day, an ISO week, a month); else the same length moved back by whole
    /// weeks, the fewest that keep both apart.
    Previous,
    /// 364 days back: the same days of the week.
    Year,
}

impl Compare {
    /// The word used in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Previous => "previous",
            Self::Year => "year",
        }
    }
}

/// Two ranges that are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ComparedRanges {
    /// What of the range that is asked for is compared.
    pub now: MinuteRange,
    /// The earlier range.
    pub before: MinuteRange,
    /// Whether this is not all that is asked for.
    pub is_partial: bool,
}

const DAY: Minute = MINUTES_A_DAY as Minute;
const WEEK: Minute = 7 * DAY;

/// The calendar unit before a range that is one itself.
fn unit_before(range: MinuteRange) -> Option<MinuteRange> {
    let (first, end) = (Day::of_minute(range.start), Day::of_minute(range.end));
    if range != MinuteRange::of_days(first, end) {
        return None;
    }
    if end.0 - first.0 == 1 {
        return Some(range.earlier_by(DAY));
    }
    if first == first.first_of_month() && end == first.first_of_next_month() {
        return Some(MinuteRange::of_days(Day(first.0 - 1).first_of_month(), first));
    }
    (end.0 - first.0 == 7 && first == first.monday()).then(|| range.earlier_by(WEEK))
}

impl ComparedRanges {
    /// What is compared if `asked` is asked for and `counted` was counted.
    ///
    /// Like is compared with like: of a range that is not over, only the time up to the newest minute is compared, with as
    /// much of the earlier range; and if counting began within the earlier range, what lies behind that.
    #[must_use]
    pub fn new(compare: Compare, asked: MinuteRange, counted: MinuteRange) -> Self {
        let mut before = match compare {
            Compare::Year => asked.earlier_by(364 * DAY),
            Compare::Previous => unit_before(asked).unwrap_or_else(|| {
                let weeks = (asked.len() + WEEK - 1).div_euclid(WEEK);
                asked.earlier_by(weeks * WEEK)
            }),
        };
        let mut now = asked;
        let is_open = asked.start < counted.end && counted.end < asked.end;
        if is_open {
            now.end = counted.end;
            before.end = before.end.min(before.start + now.len());
        }
        let missing = counted.start - before.start;
        if missing >= QUIET_MINUTES && counted.start < before.end && now.start + missing < now.end {
            now.start += missing;
            before.start += missing;
        }
        Self { now, before, is_partial: now != asked }
    }

    /// The earlier range that a part of the compared range is compared with: the whole earlier range for all of it, else
    /// the same time, moved back; `None` if that is not in the earlier range.
    #[must_use]
    pub fn before(&self, part: MinuteRange) -> Option<MinuteRange> {
        if part == self.now {
            return Some(self.before);
        }
        let moved = part.earlier_by(self.now.start - self.before.start);
        (self.before.start <= moved.start && moved.end <= self.before.end).then_some(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::{Compare, ComparedRanges};
    use crate::time::{MinuteRange, WrittenTime};

    /// From the beginning of a written time to the end of another.
    fn range(text: &str) -> MinuteRange {
        let (since, until) = text.split_once(' ').unwrap();
        let minutes = |text: &str| match text.parse().unwrap() {
            WrittenTime::Range(range) => range,
            WrittenTime::Name(_) => panic!("{text}"),
        };
        MinuteRange { start: minutes(since).start, end: minutes(until).end }
    }

    #[track_caller]
    fn check(compare: Compare, asked: &str, counted: &str, now: &str, before: &str) {
        let found = ComparedRanges::new(compare, range(asked), range(counted));
        assert_eq!((found.now, found.before), (range(now), range(before)), "{asked}");
        assert_eq!(found.is_partial, now != asked);
    }

    const LONG: &str = "2010-01-01 2029-12-31";

    #[test]
    fn a_range_that_begins_where_counting_ends_is_compared_whole() {
        let yesterday = "2018-03-04 2018-03-04";
        let counted = "2018-01-01 2018-03-04";
        check(
            Compare::Previous,
            "2018-03-05 2018-03-05",
            counted,
            "2018-03-05 2018-03-05",
            yesterday,
        );
    }

    #[test]
    fn a_calendar_unit_is_compared_with_the_one_before() {
        for (asked, before) in [
            ("2018-03-05 2018-03-05", "2018-03-04 2018-03-04"),
            ("2018-03-01 2018-03-01", "2018-02-28 2018-02-28"),
            ("2018-03-05 2018-03-11", "2018-02-26 2018-03-04"),
            ("2018-12-31 2019-01-06", "2018-12-24 2018-12-30"),
            ("2018-03-01 2018-03-31", "2018-02-01 2018-02-28"),
            ("2018-01-01 2018-01-31", "2017-12-01 2017-12-31"),
            // A month that is four weeks, too.
            ("2027-02-01 2027-02-28", "2027-01-01 2027-01-31"),
        ] {
            check(Compare::Previous, asked, LONG, asked, before);
        }
    }

    #[test]
    fn any_other_range_is_moved_back_by_whole_weeks() {
        for (asked, before) in [
            // Seven days, but no week.
            ("2018-03-06 2018-03-12", "2018-02-27 2018-03-05"),
            ("2018-03-05 2018-03-12", "2018-02-19 2018-02-26"),
            ("2018-03-05 2018-03-06", "2018-02-26 2018-02-27"),
            ("2018-03-05T10 2018-03-05T11", "2018-02-26T10 2018-02-26T11"),
            ("2018-03-05T10:30 2018-03-12T10:29", "2018-02-26T10:30 2018-03-05T10:29"),
            ("2018-03-05T10:30 2018-03-12T10:30", "2018-02-19T10:30 2018-02-26T10:30"),
            ("2018-02-01 2018-03-31", "2017-11-30 2018-01-27"),
        ] {
            check(Compare::Previous, asked, LONG, asked, before);
        }
        let year = "2017-03-06 2017-03-12";
        check(Compare::Year, "2018-03-05 2018-03-11", LONG, "2018-03-05 2018-03-11", year);
    }

    #[test]
    fn like_is_compared_with_like() {
        let open = "2018-03-05 2018-03-07T15:29";
        check(
            Compare::Previous,
            "2018-03-05 2018-03-11",
            "2018-01-01 2018-03-07T15:29",
            open,
            "2018-02-26 2018-02-28T15:29",
        );
        // Counting began in the earlier range: the same part of both.
        check(
            Compare::Previous,
            "2018-03-05 2018-03-11",
            "2018-02-28T12 2018-03-20",
            "2018-03-07T12 2018-03-11",
            "2018-02-28T12 2018-03-04",
        );
        // A quiet night, and an earlier range that was not counted at all.
        check(
            Compare::Previous,
            "2018-03-05 2018-03-11",
            "2018-02-26T00:59 2018-03-20",
            "2018-03-05 2018-03-11",
            "2018-02-26 2018-03-04",
        );
        check(
            Compare::Previous,
            "2018-03-05 2018-03-11",
            "2018-03-05 2018-03-20",
            "2018-03-05 2018-03-11",
            "2018-02-26 2018-03-04",
        );
        // The 30th of March has no day of February that is like it.
        check(
            Compare::Previous,
            "2018-03-01 2018-03-31",
            "2018-01-01 2018-03-30T12",
            "2018-03-01 2018-03-30T12",
            "2018-02-01 2018-02-28",
        );
    }

    #[test]
    fn parts_are_compared_with_the_same_time_before() {
        let ranges = |asked| ComparedRanges::new(Compare::Previous, range(asked), range(LONG));
        let march = ranges("2018-03-01 2018-03-31");
        let before = |part: &str| march.before(range(part));
        assert_eq!(before("2018-03-01 2018-03-31"), Some(range("2018-02-01 2018-02-28")));
        assert_eq!(before("2018-03-28 2018-03-28"), Some(range("2018-02-28 2018-02-28")));
        assert_eq!(before("2018-03-29 2018-03-29"), None);
        // The last week has days that February lacks.
        assert_eq!(before("2018-03-26 2018-03-31"), None);
        let week = ranges("2018-03-05 2018-03-11");
        let noon = week.before(range("2018-03-07T12 2018-03-07T12"));
        assert_eq!(noon, Some(range("2018-02-28T12 2018-02-28T12")));
    }
}
