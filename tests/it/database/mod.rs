//! `--db` and the commands that read and change a database.

mod damage;
mod growth;
mod kills;
mod options;
mod prune;
mod ranges;
mod runs;
pub(crate) mod stored;
