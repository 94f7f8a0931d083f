//! Which day it is on the clock that a database counts by.
//!
//! Owns: [`Clock`]. May import: what its parent may. Must not know: where the present instant comes from, names of ranges.

use crate::database::{Recorded, Site};
use crate::error::{Error, Result};
use crate::time::{CivilTime, Day, MINUTES_A_DAY, Minute, Zone, offset_text};

/// The time on the clock that a database counts by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The time.
    pub time: CivilTime,
    /// Whose time it is: the zone of `--tz`, or an offset such as `+0800`.
    pub zone: String,
}

impl Clock {
    /// What the clock shows at an instant, given in Unix seconds. It is that of `--tz`; where times are as written, that of
    /// the source with the newest line; where nothing tells, UTC.
    ///
    /// Which of its offsets the newest line had is not stored. If there are several, the easternmost is taken: the day
    /// begins first there. So a report that is made just after midnight, when logs have been rotated, has the day that has
    /// just ended as `yesterday`.
    pub(super) fn new(sites: &[Site], sources: &[&Recorded], unix_seconds: i64) -> Result<Self> {
        if let Some(name) = sites.first().and_then(|site| site.rules.tz.as_ref()) {
            let zone: Zone = name.parse().map_err(|reason| {
                Error::Usage(format!(
                    "the day cannot be told in the zone that the database counts in: {reason}"
                ))
            })?;
            return Ok(Self { time: zone.time_at(unix_seconds), zone: name.clone() });
        }
        let newest = sources.iter().max_by_key(|source| source.tally.span.map(|(_, last)| last));
        let offset = newest.and_then(|source| source.tally.offsets_minutes.last().copied());
        let offset = offset.unwrap_or_default();
        let time = CivilTime::from_seconds(unix_seconds + i64::from(offset) * 60);
        Ok(Self { time, zone: offset_text(offset) })
    }

    /// The day.
    #[must_use]
    pub fn today(&self) -> Day {
        self.time.day()
    }

    /// The minute.
    #[must_use]
    pub fn minute(&self) -> Minute {
        Minute::from(self.time.day().0) * Minute::from(MINUTES_A_DAY)
            + Minute::from(self.time.minute_of_day())
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use crate::database::{Recorded, Site};
    use crate::facts::tally::Tally;
    use crate::select::StoredRules;
    use crate::source::SourceIdentity;
    use crate::time::{CivilTime, Day};

    fn site(tz: Option<&str>) -> Site {
        let rules = StoredRules { tz: tz.map(str::to_owned), ..StoredRules::default() };
        Site { number: 1, name: "a".to_owned(), rules, is_named: true, pruned_before: None }
    }

    fn source(last_day: i32, offsets: &[i16]) -> Recorded {
        let span = Some((CivilTime::new(Day(0), 0, 0), CivilTime::new(Day(last_day), 0, 0)));
        let offsets_minutes = offsets.iter().copied().collect();
        Recorded {
            number: 1,
            short_id: String::new(),
            identity: SourceIdentity::new(0, Vec::new(), Vec::new()),
            states: Vec::new(),
            name: String::new(),
            format: None,
            is_named: true,
            as_new: false,
            tally: Tally { span, offsets_minutes, ..Tally::default() },
            added: 0,
            changed: 0,
        }
    }

    #[test]
    fn the_day_is_that_of_the_zone_or_of_the_newest_line() {
        // 2018-03-06T23:30:00 in UTC.
        let now = i64::from(Day::from_date(2018, 3, 6).unwrap().0) * 86_400 + 84_600;
        let sources = [source(5, &[60]), source(9, &[0]), source(7, &[480])];
        let clock = |tz, sources: &[&Recorded]| {
            let clock = Clock::new(&[site(tz)], sources, now).unwrap();
            (clock.time.to_string(), clock.zone)
        };
        let named = |time: &str, zone: &str| (time.to_owned(), zone.to_owned());
        let all = sources.iter().collect::<Vec<_>>();
        assert_eq!(clock(None, &all), named("2018-03-06T23:30:00", "+0000"));
        assert_eq!(clock(None, &all[..1]), named("2018-03-07T00:30:00", "+0100"));
        assert_eq!(clock(None, &[]), named("2018-03-06T23:30:00", "+0000"));
        let berlin = named("2018-03-07T00:30:00", "Europe/Berlin");
        assert_eq!(clock(Some("Europe/Berlin"), &all), berlin);
        // Summer and winter time.
        assert_eq!(clock(None, &[&source(9, &[60, 120])]), named("2018-03-07T01:30:00", "+0200"));
        assert!(Clock::new(&[site(Some("Nowhere"))], &[], now).is_err());
    }

    #[test]
    fn minutes_are_those_of_the_clock() {
        let clock = Clock { time: CivilTime::new(Day(2), 61, 5), zone: String::new() };
        assert_eq!((clock.today(), clock.minute()), (Day(2), 2 * 1440 + 61));
    }
}
