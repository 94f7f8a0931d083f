//! Dates as people type them.
//!
//! Owns: [`read_date`]. May import: `time`. Must not know: what a date is for.

use crate::time::Day;

/// The day that `2018-03-05` names; `None` for any other form, and for a day that does not exist.
pub(super) fn read_date(text: &str) -> Option<Day> {
    let number = |text: &str, digits: usize| -> Option<u32> {
        let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| is_number)
    };
    let mut parts = text.split('-');
    let year = number(parts.next()?, 4)?;
    let (month, day) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    if parts.next().is_some() {
        return None;
    }
    Day::from_date(year.cast_signed(), month, day)
}

/// A number of exactly two digits that is less than `limit`.
pub(super) fn read_two_digits(text: &str, limit: u16) -> Option<u16> {
    let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&number| is_number && number < limit)
}
