//! A store in memory that stops the test where the protocol of [`Store`] is broken.
//!
//! Owns: [`Memory`]. May import: `hitmap::store`, `content`. Must not know: who publishes what.
//!
//! It promises no more than its [`Visibility`] does: with [`Visibility::Row`] readers see each batch when it is put.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use hitmap::error::{Error, Result};
use hitmap::store::{
    Cell, Cells, Edition, Ledger, Outcome, Slot, Source, Store, Visibility, source_ids,
};
use hitmap::time::{Granularity, Period, Span};

use super::content::{Content, key};

/// What outlives the stores that are opened on it, as a server does.
#[derive(Clone)]
pub(crate) struct Memory(Arc<Mutex<State>>);

struct State {
    visibility: Visibility,
    spans: BTreeMap<Span, Held>,
    /// The numbers of open stores.
    open: BTreeSet<u64>,
    /// Number of stores that were ever opened.
    opened: u64,
    /// Calls of stores opened before this one fail.
    cut: u64,
}

/// What is held of a span.
#[derive(Clone, Default)]
struct Held {
    content: Content,
    version: Option<u64>,
    sources: Vec<Source>,
    /// The store whose edition is visible in part, and the edition's version.
    claim: Option<(u64, u64)>,
}

impl Memory {
    pub(crate) fn new(visibility: Visibility) -> Self {
        let spans = BTreeMap::new();
        let state = State { visibility, spans, open: BTreeSet::new(), opened: 0, cut: 0 };
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn open(&self, minute_pages: bool) -> Box<dyn Store> {
        self.with(|state| {
            let number = state.opened;
            state.opened += 1;
            state.open.insert(number);
            let finest = if minute_pages { Granularity::Minute } else { Granularity::Hour };
            let visibility = state.visibility;
            Box::new(MemoryStore {
                memory: self.clone(),
                number,
                visibility,
                finest,
                begun: None,
                is_over: false,
            })
        })
    }

    /// What a reader sees.
    pub(crate) fn content(&self, span: &Span) -> Content {
        self.with(|state| {
            state.spans.get(span).map_or_else(Content::new, |held| held.content.clone())
        })
    }

    /// The spans that have cells.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.with(|state| {
            let spans = state.spans.iter().filter(|(_, held)| !held.content.is_empty());
            spans.map(|(span, _)| span.clone()).collect()
        })
    }

    /// Lets every call of the stores that are open now fail.
    pub(crate) fn cut(&self) {
        self.with(|state| state.cut = state.opened);
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct MemoryStore {
    memory: Memory,
    number: u64,
    visibility: Visibility,
    finest: Granularity,
    begun: Option<Begun>,
    /// Whether it was closed, or has failed.
    is_over: bool,
}

struct Begun {
    edition: Edition,
    order: Order,
    /// The cells that the store keeps.
    content: Content,
    /// The state before, if readers see the new cells already.
    before: Held,
    ended: Option<Outcome>,
}

impl MemoryStore {
    /// Does a call's work, unless the connection is cut.
    fn call<T>(&mut self, work: impl FnOnce(&mut Self, &mut State) -> T) -> Result<T> {
        assert!(!self.is_over, "a store is not used after it was closed or has failed");
        let memory = self.memory.clone();
        memory.with(|state| {
            if self.number < state.cut {
                self.is_over = true;
                let (place, reason) = ("memory".to_owned(), "it was cut".to_owned());
                return Err(Error::Store { place, reason });
            }
            Ok(work(self, state))
        })
    }
}

impl Store for MemoryStore {
    fn place(&self) -> &'static str {
        "memory"
    }

    fn visibility(&self) -> Visibility {
        self.visibility
    }

    fn finest_pages(&self) -> Granularity {
        self.finest
    }

    fn unit(&self) -> (&'static str, &'static str) {
        ("cell", "cells")
    }

    fn ledger(&mut self, span: &Span) -> Result<Ledger> {
        self.call(|_, state| {
            let held = state.spans.get(span).cloned().unwrap_or_default();
            let is_unfinished = held.claim.is_some();
            Ledger { version: held.version, sources: held.sources, is_unfinished }
        })
    }

    fn begin(&mut self, edition: Edition) -> Result<()> {
        assert_eq!(
            source_ids(&edition.sources).len(),
            edition.sources.len(),
            "the sources of an edition are distinct: {edition:?}"
        );
        self.call(|store, state| {
            let held = state.spans.entry(edition.span.clone()).or_default();
            let before = held.clone();
            let is_of_another =
                |&(number, _): &(u64, u64)| number != store.number && state.open.contains(&number);
            let ended = if held.version != edition.replaces {
                Some(conflict("another run published it", false))
            } else if edition.version.is_some() && edition.version <= held.version {
                Some(Outcome::Refused("it has this version or a later one".to_owned()))
            } else if held.claim.as_ref().is_some_and(is_of_another) {
                Some(conflict("another run is publishing it", true))
            } else {
                None
            };
            if store.visibility == Visibility::Row && ended.is_none() {
                held.claim = Some((store.number, next_version(&before, edition.version)));
            }
            let order = Order::new(edition.span.period);
            store.begun = Some(Begun { edition, order, content: Content::new(), before, ended });
        })
    }

    fn put(&mut self, cells: &Cells) -> Result<()> {
        self.call(|store, state| {
            let begun = store.begun.as_mut().expect("cells come after `begin`");
            for cell in cells.iter() {
                begun.order.take(&cell);
                let is_minute = matches!(cell.slot, Slot::Minute(_));
                if is_minute && cell.page.is_some() && store.finest != Granularity::Minute {
                    continue;
                }
                let (key, value) = (key(cell.slot, cell.section, cell.page), (cell.pv, cell.uv));
                if store.visibility == Visibility::Row && begun.ended.is_none() {
                    let held = state.spans.get_mut(&begun.edition.span).expect("it was begun");
                    held.content.insert(key.clone(), value);
                }
                begun.content.insert(key, value);
            }
        })
    }

    fn commit(&mut self) -> Result<Outcome> {
        self.call(|store, state| {
            let begun = store.begun.take().expect("`commit` comes after `begin`, and once");
            if let Some(outcome) = begun.ended {
                return outcome;
            }
            let held = state.spans.get_mut(&begun.edition.span).expect("it was begun");
            if held.version != begun.before.version {
                return conflict("another run published it", false);
            }
            let before = begun.before;
            let cells = begun.content.len() as u64;
            let keys: BTreeSet<_> = before.content.keys().chain(begun.content.keys()).collect();
            let differs = |key: &&_| before.content.get(*key) != begun.content.get(*key);
            let changed = keys.into_iter().filter(differs).count() as u64;
            held.content = begun.content;
            let edition = begun.edition;
            if before.version.is_some()
                && before.claim.is_none()
                && edition.version.is_none()
                && changed == 0
                && source_ids(&before.sources) == source_ids(&edition.sources)
            {
                held.claim = None;
                return Outcome::Unchanged;
            }
            let version = next_version(&before, edition.version);
            assert!(Some(version) > before.version, "versions go up");
            held.version = Some(version);
            held.sources = edition.sources;
            held.claim = None;
            Outcome::Published { version, cells, changed }
        })
    }

    fn close(&mut self) -> Result<()> {
        self.call(|store, state| {
            state.open.remove(&store.number);
            store.is_over = true;
        })
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        self.memory.with(|state| state.open.remove(&self.number));
    }
}

/// The version of the next edition: above all of which there can be cells.
fn next_version(held: &Held, given: Option<u64>) -> u64 {
    let highest = held.version.max(held.claim.map(|(_, version)| version));
    let next = highest.map_or(0, |version| version + 1);
    given.unwrap_or_else(now_millis).max(next)
}

fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

fn conflict(reason: &str, wait: bool) -> Outcome {
    Outcome::Conflict { reason: reason.to_owned(), wait }
}

/// Whether cells come in the order that [`Cells`] promises.
struct Order {
    period: Period,
    slots: BTreeSet<Slot>,
    slot: Option<Slot>,
    /// The sections of the slot.
    sections: BTreeSet<String>,
    section: Option<String>,
    /// The pages of the slot: a page is in one section.
    pages: BTreeSet<String>,
}

impl Order {
    fn new(period: Period) -> Self {
        let (slots, sections, pages) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Self { period, slots, slot: None, sections, section: None, pages }
    }

    fn take(&mut self, cell: &Cell<'_>) {
        assert!((1..=cell.pv).contains(&cell.uv), "every cell has a view and a visitor: {cell:?}");
        let is_day = matches!(self.period, Period::Day(_));
        let is_there = match cell.slot {
            Slot::Whole => true,
            Slot::Hour(hour) => is_day && hour < 24,
            Slot::Minute(minute) => is_day && minute < 1440,
        };
        assert!(is_there, "{} has no such part: {cell:?}", self.period);
        if self.slot != Some(cell.slot) {
            assert!(
                cell.section.is_none(),
                "the cell of the site comes first of a slot: {cell:?} after {:?}",
                self.slot
            );
            let is_first = self.slots.is_empty();
            assert_eq!(is_first, cell.slot == Slot::Whole, "the whole span comes first: {cell:?}");
            assert!(self.slots.insert(cell.slot), "cells are grouped by slot: {cell:?}");
            self.slot = Some(cell.slot);
            self.sections.clear();
            self.section = None;
            self.pages.clear();
            assert!(cell.page.is_none(), "a page has a section: {cell:?}");
            return;
        }
        match (cell.section, cell.page) {
            (None, None) => panic!("the site has one cell in a slot: {cell:?}"),
            (None, Some(_)) => panic!("a page has a section: {cell:?}"),
            (Some(section), None) => {
                assert!(self.sections.insert(section.to_owned()), "a section twice: {cell:?}");
                self.section = Some(section.to_owned());
            }
            (Some(section), Some(page)) => {
                assert_eq!(
                    self.section.as_deref(),
                    Some(section),
                    "pages follow the cell of their section: {cell:?}"
                );
                assert!(self.pages.insert(page.to_owned()), "a page twice: {cell:?}");
            }
        }
    }
}

mod strictness {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::{Cell, Cells, Edition, Memory, Period, Slot, Source, Span, Store, Visibility};

    fn edition() -> Edition {
        let span = Span { site: "s".to_owned(), period: Period::Day(hitmap::time::Day(17_595)) };
        Edition { span, replaces: None, version: None, sources: Vec::new() }
    }

    /// What the store says of steps that break the protocol.
    fn complaint(steps: impl FnOnce(&mut dyn Store)) -> String {
        let mut store = Memory::new(Visibility::Span).open(true);
        let panic = catch_unwind(AssertUnwindSafe(|| steps(&mut *store)))
            .expect_err("the store does not notice");
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap()
    }

    fn complaint_about(cells: &[(Slot, Option<&str>, Option<&str>)]) -> String {
        complaint(|store| {
            store.begin(edition()).unwrap();
            for &(slot, section, page) in cells {
                let mut batch = Cells::default();
                batch.push(&Cell { slot, section, page, pv: 1, uv: 1 });
                store.put(&batch).unwrap();
            }
        })
    }

    #[test]
    fn calls_out_of_order_are_noticed() {
        let put = |store: &mut dyn Store| drop(store.put(&Cells::default()));
        assert!(complaint(put).contains("after `begin`"));
        let commit = |store: &mut dyn Store| drop(store.commit());
        assert!(complaint(commit).contains("after `begin`"));
        let twice = complaint(|store| {
            store.begin(edition()).unwrap();
            store.commit().unwrap();
            let _ = store.commit();
        });
        assert!(twice.contains("once"), "{twice}");
        let closed = complaint(|store| {
            store.close().unwrap();
            let _ = store.begin(edition());
        });
        assert!(closed.contains("closed"), "{closed}");
        let source = Source { id: 1, name: "a".to_owned(), bytes: 1, lines: 1 };
        let sources = vec![source.clone(), source];
        let same = complaint(|store| drop(store.begin(Edition { sources, ..edition() })));
        assert!(same.contains("distinct"), "{same}");
    }

    #[test]
    fn cells_out_of_order_are_noticed() {
        let (whole, hour) = (Slot::Whole, Slot::Hour(3));
        let (a, b, page) = (Some("/a/"), Some("/b/"), Some("/a/1"));
        for (cells, words) in [
            (&[(hour, None, None)][..], "whole span comes first"),
            (&[(whole, a, None)], "site comes first"),
            (&[(whole, None, page)], "a page has a section"),
            (&[(whole, None, None), (whole, None, None)], "one cell"),
            (&[(whole, None, None), (whole, None, page)], "a page has a section"),
            (&[(whole, None, None), (whole, a, page)], "pages follow"),
            (&[(whole, None, None), (whole, a, None), (whole, b, page)], "pages follow"),
            (&[(whole, None, None), (whole, a, None), (whole, a, None)], "a section twice"),
            (
                &[(whole, None, None), (whole, a, None), (whole, a, page), (whole, a, page)],
                "a page twice",
            ),
            (&[(whole, None, None), (hour, None, None), (whole, None, None)], "comes first"),
            (
                &[
                    (whole, None, None),
                    (hour, None, None),
                    (Slot::Hour(4), None, None),
                    (hour, None, None),
                ],
                "grouped by slot",
            ),
            (&[(whole, None, None), (Slot::Hour(24), None, None)], "no such part"),
        ] {
            let complaint = complaint_about(cells);
            assert!(complaint.contains(words), "{complaint}");
        }
    }
}
