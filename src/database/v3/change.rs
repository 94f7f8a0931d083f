//! What new facts change in the cells of a day.
