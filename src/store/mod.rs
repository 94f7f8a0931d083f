//! Stores: where a run's numbers go to stay, or to be read by others.
//!
//! Owns: [`Database`] (SQLite, the store of record) and counting rules as text; [`Store`], what is handed to one
//! ([`Edition`], [`Cells`]), [`open`]. May import: `calendar`, `count`, `part`, `select`, `source` (identities), `tally`,
//! `report::cube`, rusqlite, its own stores. Must not know: how sources are read, options, how reports look.
//!
//! A database is a function of the set of its sources: each is in it once, with the facts of each of its days (part
//! blocks, [`crate::facts::part`]). Cells are made from the blocks and are absolute values. A run is one transaction.
//!
//! Other stores hold what readers want of it, by days, weeks, months and all time. Values are absolute: publishing a
//! span again changes nothing. Adding a store is one file and one line in [`open`].

mod cells;
mod redis;
mod writer;

pub use cells::{Cell, Cells, Slot};
pub use redis::OPTIONS_HELP as REDIS_OPTIONS_HELP;
pub use writer::Writer;

use std::collections::BTreeSet;
use std::fmt;

use crate::error::{Error, Result};
use crate::time::Span;

/// A place that takes the cells of spans, one span after the other: [`begin`](Store::begin), [`put`](Store::put) as
/// often as wanted, [`commit`](Store::commit). What is not committed is never seen by a reader.
pub trait Store: Send {
    /// Where it is, without credentials.
    fn place(&self) -> &str;

    /// What the store holds of a span.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn ledger(&mut self, span: &Span) -> Result<Ledger>;

    /// Whether cells of pages by the minute are of any use to it.
    fn wants_minute_pages(&self) -> bool;

    /// Begins a span; one that was begun and not committed is dropped.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn begin(&mut self, edition: Edition) -> Result<()>;

    /// Takes the next cells of the span. All cells of a span come in the order of [`Cells`].
    ///
    /// # Errors
    /// [`Error::Store`].
    fn put(&mut self, cells: &Cells) -> Result<()>;

    /// Makes the span's cells, and nothing else, what readers see of it.
    ///
    /// # Errors
    /// [`Error::Store`]; readers still see what they saw.
    fn commit(&mut self) -> Result<Outcome>;

    /// Drops what was begun and not committed, and what runs that were killed left behind.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn close(&mut self) -> Result<()>;
}

/// A source behind a span, as ledgers keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The hash of its bytes ([`SourceIdentity`](crate::source::SourceIdentity)).
    pub id: u128,
    /// What it was called.
    pub name: String,
    /// How long it is.
    pub bytes: u64,
    /// How many lines it has.
    pub lines: u64,
}

/// The ids of sources: what tells whether two spans were made from the same bytes, whatever the files are called.
#[must_use]
pub fn source_ids(sources: &[Source]) -> BTreeSet<u128> {
    sources.iter().map(|source| source.id).collect()
}

/// What a store holds of a span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Which edition; `None` where there is none.
    pub version: Option<u64>,
    /// What it was made from.
    pub sources: Vec<Source>,
}

/// What is to be published of a span, besides its cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edition {
    /// Of what.
    pub span: Span,
    /// The version that this edition replaces: what [`Store::ledger`] said when it was decided to publish.
    pub replaces: Option<u64>,
    /// Its version, where a database gives one. Without, it is the next: one more than the last, or the time in unix
    /// milliseconds if that is more.
    pub version: Option<u64>,
    /// What it was made from.
    pub sources: Vec<Source>,
}

/// What became of an edition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Readers see it.
    Published {
        /// Its version.
        version: u64,
        /// Cells that it has in the store.
        cells: u64,
        /// Keys, rows or the like that had to be written.
        changed_keys: u64,
    },
    /// Readers saw the same already.
    Unchanged,
    /// Something came between, and nothing was published: ask [`Store::ledger`] again, and decide again.
    Conflict {
        /// What, in words.
        reason: String,
        /// Whether it may take a moment to pass.
        wait: bool,
    },
    /// The store does not take it, and nothing was published: why, and what to do.
    Refused(String),
}

/// Opens the store that a URL names.
///
/// # Errors
/// [`Error::Store`] if the store cannot be reached.
pub fn open(url: &StoreUrl) -> Result<Box<dyn Store>> {
    match &url.0 {
        Kind::Redis(address) => Ok(Box::new(redis::RedisStore::open(address)?)),
    }
}

/// A URL that was understood, with the credentials of the environment. Shown without them.
#[derive(Clone)]
pub struct StoreUrl(Kind);

#[derive(Clone)]
enum Kind {
    Redis(redis::Address),
}

impl StoreUrl {
    /// Reads a URL; user and password come from the environment.
    ///
    /// # Errors
    /// [`Error::Usage`], which does not repeat what could be a password.
    pub fn parse(url: &str) -> Result<Self> {
        match url.split_once("://").map(|(scheme, _)| scheme) {
            Some("redis" | "rediss") => redis::Address::parse(url).map(Kind::Redis).map(Self),
            _ => Err(Error::Usage(
                "--to wants a URL of a known kind: redis://HOST:PORT or rediss://HOST:PORT"
                    .to_owned(),
            )),
        }
    }

    /// What tells the store from others, without credentials: the address, and what all keys begin with.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.0 {
            Kind::Redis(address) => format!("{address} {}", address.prefix()),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Redis(address) => address.fmt(f),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
