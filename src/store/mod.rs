//! Stores: where a run's numbers go to stay, or to be read by others.
//!
//! Owns: [`Database`] (SQLite, the store of record) and counting rules as text; [`Store`], what is handed to one
//! ([`Edition`], [`Cells`]), [`open`]. May import: `calendar`, `count`, `part`, `select`, `source` (identities), `tally`,
//! `report::cube`, rusqlite, its own stores. Must not know: how sources are read, options, how reports look.
//!
//! A database is a function of the set of its sources: each is in it once, with the facts of each of its days (part
//! blocks, [`crate::part`]). Cells are made from the blocks and are absolute values. A run is one transaction.
//!
//! Other stores hold what readers want of it, by days, weeks, months and all time. Values are absolute: publishing a
//! span again changes nothing. Adding a store is one file and one line in [`open`].

mod cells;
mod redis;
mod rules;
mod sqlite;
mod writer;

pub use cells::{Cell, Cells, Slot};
pub use redis::OPTIONS_HELP as REDIS_OPTIONS_HELP;
pub use rules::StoredRules;
pub use sqlite::{Database, DaySums, DayVersion, NewSource, Recorded, Site, StoredBlock, Waiting};
pub use writer::Writer;

use std::fmt;

use crate::calendar::Day;
use crate::error::{Error, Result};

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

/// A stretch of a site's time that becomes visible at once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The site's name.
    pub site: String,
    /// When.
    pub period: Period,
}

/// When a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// A day, with its hours and minutes.
    Day(Day),
    /// An ISO 8601 week, as a whole.
    Week {
        /// The year it belongs to.
        year: i32,
        /// 1 to 53.
        week: u32,
    },
    /// A month, as a whole.
    Month {
        /// The year.
        year: i32,
        /// 1 to 12.
        month: u32,
    },
    /// Everything that was ever counted.
    All,
}

impl Period {
    /// The ISO 8601 week of a day.
    #[must_use]
    pub fn week_of(day: Day) -> Self {
        let (year, week) = day.iso_week();
        Self::Week { year, week }
    }

    /// The month of a day.
    #[must_use]
    pub fn month_of(day: Day) -> Self {
        let (year, month, _) = day.date();
        Self::Month { year, month }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => day.fmt(f),
            Self::Week { year, week } => write!(f, "{year:04}-W{week:02}"),
            Self::Month { year, month } => write!(f, "{year:04}-{month:02}"),
            Self::All => f.write_str("all"),
        }
    }
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
        /// All that it has.
        keys: u64,
    },
    /// Readers saw the same already.
    Unchanged,
    /// Something came between, and nothing was published: ask [`Store::ledger`] again, and decide again.
    Outrun {
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
