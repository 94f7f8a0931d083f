//! Wall-clock time: days, minutes, buckets, periods, ranges as users write them, and time zones.
//!
//! Owns: every calendar computation of the program. May import: std, jiff. Must not know: log formats, counting, options.

mod calendar;
mod period;
mod range;
mod zone;

pub use calendar::{Bucket, CivilTime, Day, Granularity, MINUTES_A_DAY};
pub use period::{Period, Span};
pub use range::{Minute, MinuteRange, RangeName, WrittenTime};
pub(crate) use zone::Converter;
pub use zone::{Zone, offset_text};
