//! When requests come: quiet nights, busy evenings, different weekends.
//!
//! Owns: [`Traffic`]. May import: `time`, `random`. Must not know: what is requested or how a time is written.

use super::random::{Random, Weighted};
use crate::time::Day;

/// Requests by hour of the day, on days from Monday to Friday and on weekends.
const WORKDAY: [u32; 24] =
    [30, 18, 11, 7, 6, 8, 15, 30, 52, 68, 74, 76, 84, 80, 70, 68, 70, 74, 82, 96, 110, 112, 90, 56];
const WEEKEND: [u32; 24] = [
    48, 32, 20, 12, 9, 8, 11, 18, 34, 54, 74, 88, 96, 98, 98, 96, 96, 98, 104, 116, 128, 130, 108,
    72,
];

/// Hands out one time after the other.
#[derive(Debug)]
pub(super) struct Traffic {
    first_second: i64,
    last_second: i64,
    /// Sum of the weights of all minutes before each minute; the last element is the sum of all.
    before: Vec<u64>,
    goal: u64,
    minute: usize,
    minute_start: u64,
    minute_end: u64,
    /// For drawing minutes at random; `None` for ascending times.
    shuffled: Option<Weighted>,
}

impl Traffic {
    /// Times in `days` days from `start` on, which pass while `goal` lines or bytes are written.
    pub(super) fn new(start: Day, days: u32, goal: u64, shuffle: bool) -> Self {
        let mut before = vec![0];
        let mut weights = Vec::new();
        let mut total = 0;
        let days = i32::try_from(days).unwrap_or(i32::MAX);
        for day in start.0..start.0 + days {
            for hour in 0..24 {
                for minute in 0..60 {
                    let (this, next) =
                        (weight(day, hour), weight(day + i32::from(hour == 23), (hour + 1) % 24));
                    let weight = this * (60 - minute) + next * minute;
                    total += u64::from(weight);
                    before.push(total);
                    if shuffle {
                        weights.push(f64::from(weight));
                    }
                }
            }
        }
        let first_second = i64::from(start.0) * 86_400;
        let mut traffic = Self {
            first_second,
            last_second: first_second + i64::from(days) * 86_400 - 1,
            before,
            goal,
            minute: 0,
            minute_start: 0,
            minute_end: 0,
            shuffled: shuffle.then(|| Weighted::new(&weights)),
        };
        traffic.minute_end = traffic.end_of(0);
        traffic
    }

    /// The part of the goal that is reached at the end of a minute.
    fn end_of(&self, minute: usize) -> u64 {
        let total = self.before.last().copied().unwrap_or(1);
        let done = u128::from(self.before[minute + 1]) * u128::from(self.goal) / u128::from(total);
        u64::try_from(done).unwrap_or(u64::MAX)
    }

    /// The time of the next line, in seconds since 1970 on the wall clock, after `done` lines or bytes.
    ///
    /// Times ascend except for 3 seconds of jitter. Shuffled times are drawn from all days, with the same share for each
    /// minute. Neither needs memory for earlier lines.
    pub(super) fn next(&mut self, done: u64, random: &mut Random) -> i64 {
        if let Some(minutes) = &self.shuffled {
            let minute = minutes.draw(random.bits());
            return self.first_second + i64::from(minute) * 60 + i64::from(random.below(60));
        }
        while done >= self.minute_end && self.minute + 2 < self.before.len() {
            self.minute += 1;
            self.minute_start = self.minute_end;
            self.minute_end = self.end_of(self.minute);
        }
        let length = (self.minute_end - self.minute_start).max(1);
        let within = (done - self.minute_start).min(length - 1) * 60 + u64::from(random.below(60));
        let second = (within / length).cast_signed();
        let minute = i64::try_from(self.minute).unwrap_or(i64::MAX);
        let jitter = i64::from(random.below(7)) - 3;
        self.clamp(self.first_second + minute * 60 + second + jitter)
    }

    /// The nearest time within the days.
    pub(super) fn clamp(&self, seconds: i64) -> i64 {
        seconds.clamp(self.first_second, self.last_second)
    }
}

fn weight(day: i32, hour: usize) -> u32 {
    // Day 0, 1970-01-01, was a Thursday.
    if (day + 3).rem_euclid(7) >= 5 { WEEKEND[hour] } else { WORKDAY[hour] }
}

#[cfg(test)]
mod tests {
    use super::{Random, Traffic};
    use crate::time::{CivilTime, Day};

    #[test]
    fn every_day_has_a_night_and_an_evening() {
        let start = Day::from_date(2018, 3, 5).unwrap();
        for shuffle in [false, true] {
            let mut random = Random::new(5);
            let mut traffic = Traffic::new(start, 7, 100_000, shuffle);
            let mut hours = [[0_u32; 24]; 7];
            let mut latest = 0;
            let mut back = 0;
            for done in 0..100_000 {
                let seconds = traffic.next(done, &mut random);
                back = back.max(latest - seconds);
                latest = latest.max(seconds);
                let time = CivilTime::from_seconds(seconds);
                hours[usize::try_from(time.day().0 - start.0).unwrap()]
                    [usize::from(time.minute_of_day() / 60)] += 1;
            }
            for day in hours {
                assert!(day[4] > 0 && day[4] * 8 < day[20], "{day:?}");
            }
            assert!(hours[6][14] > hours[4][14]);
            assert_eq!(back > 6, shuffle, "{back}");
        }
    }
}
