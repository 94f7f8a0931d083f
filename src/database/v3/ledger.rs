//! The sources, and what an input is to them.
