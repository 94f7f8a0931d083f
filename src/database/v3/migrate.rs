//! From each version of the schema to the next.
