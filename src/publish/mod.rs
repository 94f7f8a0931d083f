//! Bringing a store up to date.
//!
//! Owns: publishing spans, and trying again after a conflict with another run. What is published comes from a database
//! ([`database`]), or without one from the inputs of a run ([`inputs`]). May import: `cube`, `database`, `pipeline`
//! (analyses), `source`, `store`, `system` (progress). Must not know: which store it is.

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

/// What was published to one store.
#[derive(Debug, Default)]
pub struct Publication {
    /// Days that are up to date in the store now.
    pub days: u64,
    /// Those of the days that had not changed.
    pub unchanged_days: u64,
    /// Cells of the spans that changed.
    pub cells: u64,
    /// Keys, cells or the like that were written or deleted ([`Store::unit`]).
    pub changed: u64,
    /// What `changed` counts: one of them, and several.
    pub unit: (&'static str, &'static str),
    /// What the user should know about opening the store.
    pub notes: Vec<String>,
    /// The version of each span that readers see now.
    pub seen: Vec<(Span, u64)>,
    /// A sentence about each span that was not published.
    pub refused: Vec<String>,
}

/// How often a span is tried while other runs publish it at the same time.
const MOST_TRIES: u32 = 8;
/// First pause before a span that the store could not take is tried again; doubles each time.
const PAUSE: Duration = Duration::from_millis(100);
/// Cells per batch.
const BATCH_CELLS: usize = 10_000;
/// Batches made in parallel.
const PARALLEL_BATCHES: usize = 8;

/// What to do with a span, given what the store holds of it.
enum Decision {
    Publish(Edition),
    /// The store is up to date, or there is nothing to publish.
    Skip,
    /// Why the span cannot be published.
    Refuse(String),
}

/// A store being brought up to date.
struct Publisher<'p> {
    /// `None` while the writer owns it.
    store: Option<Box<dyn Store>>,
    progress: &'p Progress,
    publication: Publication,
}

impl<'p> Publisher<'p> {
    fn new(mut store: Box<dyn Store>, progress: &'p Progress) -> Self {
        let (unit, notes) = (store.unit(), store.take_notes());
        let publication = Publication { unit, notes, ..Publication::default() };
        Self { store: Some(store), progress, publication }
    }

    /// Publishes spans. `decide` says what to do with a span, given its ledger; `write` begins, puts and commits the given
    /// editions, in order. After a conflict with another run, both are called again for the span.
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
                    Outcome::Published { version, cells, changed } => {
                        self.publication.days += u64::from(is_day(&edition.span));
                        self.publication.seen.push((edition.span, version));
                        self.publication.cells += cells;
                        self.publication.changed += changed;
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
        self.store.as_ref().is_some_and(|store| store.finest_pages() == Granularity::Minute)
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

/// Writes editions of days; `keys` are their days in the cube. Both are in ascending order.
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

/// A row of a day as a cell of the day's span.
fn cell<'r>(row: &CellRow<'r>) -> Cell<'r> {
    let minute = row.bucket.minute_of_day;
    let slot = match row.bucket.granularity {
        Granularity::Day => Slot::Whole,
        Granularity::Hour => Slot::Hour(u8::try_from(minute / 60).unwrap_or(u8::MAX)),
        Granularity::Minute => Slot::Minute(minute),
    };
    Cell { slot, section: row.section, page: row.page, pv: row.pv, uv: row.uv }
}
