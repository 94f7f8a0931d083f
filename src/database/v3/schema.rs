//! The tables of version 3, and whether a file has them.
