//! Log generator.
