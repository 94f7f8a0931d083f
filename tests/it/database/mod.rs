//! `--db`, and the commands that read and change a database.
//!
//! May import: everything but `redis`. Must not know: the tables behind the view `traffic`, but where they are damaged
//! or searched on purpose.

mod damage;
mod growth;
mod kills;
mod options;
mod overlaps;
mod prune;
mod questions;
mod ranges;
mod runs;
mod saved;
mod sentences;
pub(crate) mod stored;
