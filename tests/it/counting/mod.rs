//! Every number against the oracle, over random, generated and large logs.

mod generated;
mod large;
mod properties;
mod ways;
