//! The hitmap program.
fn main() {}
