//! Stores: where counts are published for other programs to read.
//!
//! Owns: [`Store`] and what it is given ([`Edition`], [`Cells`]), [`StoreUrl`], [`open`]. May import: `time`, `source`
//! (ids), its own stores. Must not know: where cells come from, the database, the command line.
//!
//! A store holds the cells of spans: of each day, week and month, and of all time. Values are absolute, so publishing a
//! span again changes nothing. To add a store: a module here, a variant of `Kind`, and its arms in [`StoreUrl`] and
//! [`open`].

mod cells;
mod hbase;
mod redis;
mod url;
mod writer;

pub use cells::{Cell, Cells, Slot};
pub use hbase::OPTIONS_HELP as HBASE_OPTIONS_HELP;
pub use redis::OPTIONS_HELP as REDIS_OPTIONS_HELP;
pub use writer::Writer;

use std::collections::BTreeSet;
use std::fmt;

use crate::error::{Error, Result};
use crate::time::{Granularity, Span};

/// A place that takes the cells of spans, one span after the other: [`begin`](Store::begin), any number of
/// [`put`](Store::put), [`commit`](Store::commit).
pub trait Store: Send {
    /// The store's address, without credentials.
    fn place(&self) -> &str;

    /// What readers can rely on.
    fn visibility(&self) -> Visibility;

    /// The finest granularity at which the store keeps pages. Cells of pages of finer ones need not be put; if they are, the
    /// store leaves them out.
    fn finest_pages(&self) -> Granularity;

    /// What [`Outcome::Published`] counts as changed: one of them, and several.
    fn unit(&self) -> (&'static str, &'static str);

    /// What the user should know about opening the store, once.
    fn take_notes(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// What the store holds of a span.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn ledger(&mut self, span: &Span) -> Result<Ledger>;

    /// Begins an edition of a span. An edition that this store began and did not commit is dropped; where readers see rows
    /// one by one, its rows stay until the span's next edition is committed.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn begin(&mut self, edition: Edition) -> Result<()>;

    /// Takes the next cells of the edition, in the order that [`Cells`] describes.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn put(&mut self, cells: &Cells) -> Result<()>;

    /// Ends an edition: from now on readers of the span see the cells that were put, and no others.
    ///
    /// # Errors
    /// [`Error::Store`]; readers still see what they saw before, as far as [`Visibility`] promises it.
    fn commit(&mut self) -> Result<Outcome>;

    /// Drops an edition that was begun and not committed, and what killed runs left behind.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn close(&mut self) -> Result<()>;
}

/// What readers of a store can rely on while an edition is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// A span changes at once: readers see all of an edition or nothing of it.
    Span,
    /// Rows change one after the other: readers see some rows of the new edition beside others of the old one until it is
    /// committed, and after a run that failed until the span is published again.
    Row,
}

/// A source that a span was made from, as a ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The hash of its bytes ([`SourceIdentity`](crate::source::SourceIdentity)).
    pub id: u128,
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its number of lines.
    pub lines: u64,
}

/// The ids of sources. Spans with equal ids were made from the same bytes, whatever the files are called.
#[must_use]
pub fn source_ids(sources: &[Source]) -> BTreeSet<u128> {
    sources.iter().map(|source| source.id).collect()
}

/// What a store holds of a span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The version of the edition it holds; `None` if it holds none.
    pub version: Option<u64>,
    /// The sources it was made from.
    pub sources: Vec<Source>,
    /// An edition was begun and not committed, so rows of it may be visible ([`Visibility::Row`]). The span has to be
    /// published again, whatever the version says.
    pub is_unfinished: bool,
}

/// What is published of a span, besides its cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edition {
    /// The span.
    pub span: Span,
    /// The version that this edition replaces: what [`Store::ledger`] said before the decision to publish.
    pub replaces: Option<u64>,
    /// Its version, if a database gives one. If not, the store chooses the next: the last one plus 1, or the time in unix
    /// milliseconds if that is more. With [`Visibility::Row`] the version is above that of an edition that was begun and
    /// not committed, so it may be later than the given one.
    pub version: Option<u64>,
    /// The sources it was made from.
    pub sources: Vec<Source>,
}

/// What became of an edition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Readers see it.
    Published {
        /// Its version.
        version: u64,
        /// Number of cells in the store.
        cells: u64,
        /// Number of keys, cells or the like that were written or deleted ([`Store::unit`]).
        changed: u64,
    },
    /// The store already held the same.
    Unchanged,
    /// Another run got in between, and nothing was published. Ask [`Store::ledger`] and decide again.
    Conflict {
        /// What happened, in words.
        reason: String,
        /// Whether to pause before the next try.
        wait: bool,
    },
    /// The store refuses the edition, and nothing was published: why, and what to do.
    Refused(String),
}

/// Opens the store that a URL names.
///
/// # Errors
/// [`Error::Store`] if the store cannot be reached.
pub fn open(url: &StoreUrl) -> Result<Box<dyn Store>> {
    match &url.0 {
        Kind::HBase(address) => Ok(Box::new(hbase::HBaseStore::open(address)?)),
        Kind::Redis(address) => Ok(Box::new(redis::RedisStore::open(address)?)),
    }
}

/// The address of a store, with credentials from the environment. `Display` and `Debug` show it without them.
#[derive(Clone)]
pub struct StoreUrl(Kind);

#[derive(Clone)]
enum Kind {
    HBase(hbase::Address),
    Redis(redis::Address),
}

impl StoreUrl {
    /// Parses a URL; user and password come from the environment.
    ///
    /// # Errors
    /// [`Error::Usage`]; the message does not repeat what could be a password.
    pub fn parse(url: &str) -> Result<Self> {
        match url.split_once("://").map(|(scheme, _)| scheme) {
            Some("redis" | "rediss") => redis::Address::parse(url).map(Kind::Redis).map(Self),
            Some("hbase") => hbase::Address::parse(url).map(Kind::HBase).map(Self),
            _ => Err(Error::Usage(
                "--to takes a URL such as redis://HOST:PORT, rediss://HOST:PORT or hbase://HOST:PORT"
                    .to_owned(),
            )),
        }
    }

    /// A name that distinguishes the store from others, without credentials: its address and the prefix of its keys or
    /// tables.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.0 {
            Kind::HBase(address) => format!("{address} {}", address.prefix()),
            Kind::Redis(address) => format!("{address} {}", address.prefix()),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::HBase(address) => address.fmt(f),
            Kind::Redis(address) => address.fmt(f),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
