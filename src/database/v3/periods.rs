//! What new facts change in weeks, months and all time.
