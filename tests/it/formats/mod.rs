//! Log formats: fixtures, odd lines, logs of other people.

mod bad_lines;
mod fixtures;
mod real_logs;
