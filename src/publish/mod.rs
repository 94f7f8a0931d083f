//! Bringing a store up to date.
//!
//! Owns: the way of spans into a store, again and again where another run comes between. Its two sources are
//! [`inputs`], what a run counted without a database, and [`database`]. May import: `report` (cube, rows), `pipeline`
//! (progress), `source`, `store`. Must not know: clap, which store it is.

pub mod database;
pub mod inputs;

use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;

use crate::cube::CellRow;
use crate::cube::rows::{DayRows, Rows};
use crate::error::Result;
use crate::facts::DayKey;
use crate::store::{Cell, Cells, Edition, Ledger, Outcome, Slot, Store, Writer};
use crate::system::progress::Progress;
use crate::time::Granularity;
use crate::time::{Period, Span};

/// What publishing to one store did.
#[derive(Debug, Default)]
pub struct Publication {
    /// Days that readers now see as they were counted.
    pub days: u64,
    /// Of these, days of which nothing had changed.
    pub unchanged_days: u64,
    /// Cells of the days, weeks, months that changed.
    pub cells: u64,
    /// Keys that were written or deleted.
    pub changed_keys: u64,
    /// Which version of each span readers see now.
    pub seen: Vec<(Span, u64)>,
    /// Why days, weeks or months were not published, in words.
    pub refused: Vec<String>,
}

/// How often a day is tried again when another run publishes it at the same time.
const MOST_TRIES: u32 = 8;
/// Before a day is tried again that the store could not take at the moment; doubles each time.
const PAUSE: Duration = Duration::from_millis(100);
/// Cells that are handed to a store at once.
const BATCH_CELLS: usize = 10_000;
/// Batches made at once.
const PARALLEL_BATCHES: usize = 8;

/// What is to become of a span, its ledger known.
enum Decision {
    Publish(Edition),
    /// The store has it as it is.
    Skip,
    /// In words.
    Refuse(String),
}

/// A store being brought up to date.
struct Publisher<'p> {
    /// `None` only while the writer has it.
    store: Option<Box<dyn Store>>,
    progress: &'p Progress,
    publication: Publication,
}

impl<'p> Publisher<'p> {
    fn new(store: Box<dyn Store>, progress: &'p Progress) -> Self {
        Self { store: Some(store), progress, publication: Publication::default() }
    }

    /// Publishes spans: `decide` says what of a span's ledger follows; `write` begins, puts and commits the editions that
    /// are to be published, in order. What another run came between is decided and written again.
    fn publish_spans(
        &mut self,
        spans: Vec<Span>,
        decide: &mut dyn FnMut(Span, &Ledger) -> Result<Decision>,
        write: &mut dyn FnMut(&mut Writer, &[Edition]) -> Result<()>,
    ) -> Result<()> {
        let mut left = spans;
        let mut pause = PAUSE;
        for attempt in 1.. {
            let mut editions = Vec::new();
            for span in std::mem::take(&mut left) {
                self.progress.check()?;
                let Some(store) = &mut self.store else { return Ok(()) };
                let ledger = store.ledger(&span)?;
                match decide(span.clone(), &ledger)? {
                    Decision::Publish(edition) => editions.push(edition),
                    Decision::Skip => self.count_unchanged(span, ledger.version),
                    Decision::Refuse(reason) => self.publication.refused.push(reason),
                }
            }
            if editions.is_empty() {
                return Ok(());
            }
            let Some(store) = self.store.take() else { return Ok(()) };
            let mut writer = Writer::start(store)?;
            write(&mut writer, &editions)?;
            let (store, outcomes) = writer.finish()?;
            self.store = Some(store);
            let mut must_wait = false;
            for (edition, outcome) in editions.into_iter().zip(outcomes) {
                let period = edition.span.period;
                match outcome {
                    Outcome::Published { version, cells, changed_keys } => {
                        self.publication.days += u64::from(is_day(&edition.span));
                        self.publication.seen.push((edition.span, version));
                        self.publication.cells += cells;
                        self.publication.changed_keys += changed_keys;
                    }
                    Outcome::Unchanged => self.count_unchanged(edition.span, edition.replaces),
                    Outcome::Refused(reason) => self.publication.refused.push(reason),
                    Outcome::Conflict { reason, .. } if attempt == MOST_TRIES => {
                        self.publication.refused.push(format!(
                            "{period} was not published, tried {MOST_TRIES} times: {reason}; run again"
                        ));
                    }
                    Outcome::Conflict { wait, .. } => {
                        must_wait |= wait;
                        left.push(edition.span);
                    }
                }
            }
            if left.is_empty() {
                return Ok(());
            }
            if must_wait {
                std::thread::sleep(pause);
                pause *= 2;
            }
        }
        Ok(())
    }

    fn count_unchanged(&mut self, span: Span, version: Option<u64>) {
        let Some(version) = version else { return };
        let days = u64::from(is_day(&span));
        self.publication.days += days;
        self.publication.unchanged_days += days;
        self.publication.seen.push((span, version));
    }

    fn wants_minute_pages(&self) -> bool {
        self.store.as_ref().is_some_and(|store| store.wants_minute_pages())
    }

    fn finish(self) -> Result<Publication> {
        if let Some(mut store) = self.store {
            store.close()?;
        }
        Ok(self.publication)
    }
}

fn is_day(span: &Span) -> bool {
    matches!(span.period, Period::Day(_))
}

/// Writes editions of days, which ascend as `keys` do; those are their days in the cube.
fn write_days(
    rows: &Rows<'_>,
    keys: impl Iterator<Item = DayKey>,
    minute_pages: bool,
    editions: &[Edition],
    writer: &mut Writer,
    progress: &Progress,
) -> Result<()> {
    let mut next = editions.iter();
    rows.of_days(keys, minute_pages, |_, day| {
        if let Some(edition) = next.next() {
            writer.begin(edition.clone())?;
            put_day(writer, day, progress)?;
            writer.commit()?;
        }
        Ok(())
    })
}

fn put_day(writer: &mut Writer, day: &DayRows<'_>, progress: &Progress) -> Result<()> {
    for chunks in day.chunks(BATCH_CELLS).chunks(PARALLEL_BATCHES) {
        progress.check()?;
        let batches: Vec<Cells> = chunks
            .par_iter()
            .map(|chunk| {
                let mut cells = Cells::default();
                chunk.iter().for_each(|row| cells.push(&cell(&row)));
                cells
            })
            .collect();
        for batch in batches {
            writer.put(Arc::new(batch))?;
        }
    }
    Ok(())
}

/// A day's row as a cell of the span that the day is.
fn cell<'r>(row: &CellRow<'r>) -> Cell<'r> {
    let minute = row.bucket.minute_of_day;
    let slot = match row.bucket.granularity {
        Granularity::Day => Slot::Whole,
        Granularity::Hour => Slot::Hour(u8::try_from(minute / 60).unwrap_or(u8::MAX)),
        Granularity::Minute => Slot::Minute(minute),
    };
    Cell { slot, section: row.section, page: row.page, pv: row.pv, uv: row.uv }
}
