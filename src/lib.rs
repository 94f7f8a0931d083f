//! Exact page views and unique visitors of huge web logs.

pub mod calendar;
pub mod error;
pub mod generate;
pub mod report;
