//! From the cells of a span to its keys: which keys there are, and what they hold.
//!
//! Owns: [`Arranger`], the choice of top pages and top sections, when keys expire. May import: `store` (cells), `keys`.
//! Must not know: connections, what the server holds.

use std::collections::HashSet;
use std::ops::Range;

use super::address::Content;
use super::keys::{self, KeyNames, Level, Metric, total_field};
use crate::store::{Cell, Slot};
use crate::time::Period;

/// A key of a span, with all the values it is to hold.
#[derive(Debug)]
pub(super) struct SpanKey<'k> {
    pub(super) name: String,
    pub(super) key_type: KeyType,
    /// Values by name; each name occurs once.
    pub(super) values: &'k [(&'k str, u64)],
    /// When it expires, in unix seconds.
    pub(super) expires: Option<i64>,
    /// Whether the name could also be that of another section's hour; see [`keys::is_ambiguous`].
    pub(super) is_ambiguous: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyType {
    SortedSet,
    Hash,
}

/// Takes the cells of a span in order and hands out its keys. Holds the cells of one slot at a time.
#[derive(Debug)]
pub(super) struct Arranger {
    content: Content,
    expiry: Expiry,
    names: KeyNames,
    slot: Option<SlotCells>,
    /// Sections whose pages have separate keys; known after the slot of the whole span.
    top_sections: HashSet<String>,
    totals: Vec<(String, u64)>,
    cells: u64,
}

/// Cells of one slot.
#[derive(Debug)]
struct SlotCells {
    slot: Slot,
    text: String,
    sections: Vec<SectionCells>,
    pages: Vec<NamedCell>,
}

#[derive(Debug)]
struct SectionCells {
    cell: NamedCell,
    /// Index of its first page.
    first_page: usize,
}

#[derive(Clone, Debug)]
struct NamedCell {
    name: Range<usize>,
    pv: u64,
    uv: u64,
}

impl NamedCell {
    fn value(&self, metric: Metric) -> u64 {
        match metric {
            Metric::Pv => self.pv,
            Metric::Uv => self.uv,
        }
    }
}

impl Arranger {
    pub(super) fn new(content: Content, period: Period, names: KeyNames, now: i64) -> Self {
        let expiry = Expiry { content, period, now };
        let (top_sections, totals) = (HashSet::new(), Vec::new());
        Self { content, expiry, names, slot: None, top_sections, totals, cells: 0 }
    }

    /// Takes the next cell; calls `each` for the keys that are complete.
    pub(super) fn take<E>(
        &mut self,
        cell: &Cell<'_>,
        each: &mut dyn FnMut(SpanKey<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.slot.as_ref().is_none_or(|held| held.slot != cell.slot) {
            self.end_slot(each)?;
        }
        let held = self.slot.get_or_insert_with(|| SlotCells {
            slot: cell.slot,
            text: String::new(),
            sections: Vec::new(),
            pages: Vec::new(),
        });
        let mut named = |name: &str| {
            let start = held.text.len();
            held.text.push_str(name);
            NamedCell { name: start..held.text.len(), pv: cell.pv, uv: cell.uv }
        };
        match (cell.section, cell.page) {
            (_, Some(page)) => {
                let page = named(page);
                held.pages.push(page);
            }
            (Some(section), None) => {
                let cell = named(section);
                held.sections.push(SectionCells { cell, first_page: held.pages.len() });
            }
            (None, None) => {
                self.totals.push((total_field(Metric::Pv, cell.slot), cell.pv));
                self.totals.push((total_field(Metric::Uv, cell.slot), cell.uv));
                self.cells += 1;
            }
        }
        Ok(())
    }

    /// Hands out the remaining keys. Returns how many cells all keys hold.
    pub(super) fn finish<E>(
        mut self,
        each: &mut dyn FnMut(SpanKey<'_>) -> Result<(), E>,
    ) -> Result<u64, E> {
        self.end_slot(each)?;
        let expires = self.expiry.of(Slot::Whole);
        if !self.expiry.is_over(expires) && !self.totals.is_empty() {
            let values: Vec<(&str, u64)> =
                self.totals.iter().map(|(field, value)| (&**field, *value)).collect();
            let name = self.names.totals();
            each(SpanKey {
                name,
                key_type: KeyType::Hash,
                values: &values,
                expires,
                is_ambiguous: false,
            })?;
        }
        Ok(self.cells)
    }

    fn end_slot<E>(&mut self, each: &mut dyn FnMut(SpanKey<'_>) -> Result<(), E>) -> Result<(), E> {
        let Some(mut held) = self.slot.take() else { return Ok(()) };
        let expires = self.expiry.of(held.slot);
        if held.slot == Slot::Whole {
            self.top_sections = held.top_sections(self.content.top_sections);
        }
        if self.expiry.is_over(expires) {
            return Ok(());
        }
        if let Slot::Minute(_) = held.slot {
            held.keep_top_pages(self.content.minute_pages);
        }
        let mut emit = |level: Level<'_>, cells: &[&NamedCell]| {
            let is_ambiguous =
                matches!(level, Level::PagesOf(section) if keys::is_ambiguous(section));
            for metric in Metric::ALL {
                let values: Vec<(&str, u64)> = cells
                    .iter()
                    .map(|cell| (&held.text[cell.name.clone()], cell.value(metric)))
                    .collect();
                if values.is_empty() {
                    continue;
                }
                let name = self.names.values(metric, level, held.slot);
                each(SpanKey {
                    name,
                    key_type: KeyType::SortedSet,
                    values: &values,
                    expires,
                    is_ambiguous,
                })?;
            }
            Ok(())
        };
        let sections: Vec<&NamedCell> = held.sections.iter().map(|section| &section.cell).collect();
        emit(Level::Sections, &sections)?;
        self.cells += sections.len() as u64;
        if !matches!(held.slot, Slot::Minute(_)) {
            for (number, section) in held.sections.iter().enumerate() {
                let name = &held.text[section.cell.name.clone()];
                if self.top_sections.contains(name) {
                    let end =
                        held.sections.get(number + 1).map_or(held.pages.len(), |s| s.first_page);
                    let pages: Vec<&NamedCell> =
                        held.pages[section.first_page..end].iter().collect();
                    emit(Level::PagesOf(name), &pages)?;
                }
            }
        }
        let pages: Vec<&NamedCell> = held.pages.iter().collect();
        self.cells += pages.len() as u64;
        emit(Level::Pages, &pages)
    }
}

impl SlotCells {
    /// The names of the `count` sections with the most page views.
    fn top_sections(&self, count: usize) -> HashSet<String> {
        let mut sections: Vec<&NamedCell> =
            self.sections.iter().map(|section| &section.cell).collect();
        sections.sort_unstable_by_key(|cell| self.rank(cell));
        sections.truncate(count);
        sections.into_iter().map(|cell| self.text[cell.name.clone()].to_owned()).collect()
    }

    /// Drops all but the `count` pages with the most page views, for PV and UV alike.
    fn keep_top_pages(&mut self, count: usize) {
        if count == 0 {
            self.pages.clear();
        } else if self.pages.len() > count {
            let mut pages = std::mem::take(&mut self.pages);
            pages.select_nth_unstable_by(count - 1, |a, b| self.rank(a).cmp(&self.rank(b)));
            pages.truncate(count);
            self.pages = pages;
        }
    }

    /// By PV, then by name.
    fn rank(&self, cell: &NamedCell) -> (u64, &str) {
        (u64::MAX - cell.pv, &self.text[cell.name.clone()])
    }
}

/// When the keys of a span expire: their time to live after the end of their bucket, whose clock is taken as UTC.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expiry {
    pub(super) content: Content,
    pub(super) period: Period,
    /// In unix seconds.
    pub(super) now: i64,
}

impl Expiry {
    pub(super) fn of(self, slot: Slot) -> Option<i64> {
        let Period::Day(day) = self.period else { return None };
        let (ttl, minutes) = match slot {
            Slot::Whole => (self.content.ttl_day, 24 * 60),
            Slot::Hour(hour) => (self.content.ttl_hour, (i64::from(hour) + 1) * 60),
            Slot::Minute(minute) => (self.content.ttl_minute, i64::from(minute) + 1),
        };
        let end = i64::from(day.0) * 86_400 + minutes * 60;
        Some(end.saturating_add(i64::try_from(ttl?).unwrap_or(i64::MAX)))
    }

    /// When the last key of the span expires, and its ledger with it; `None` for never.
    pub(super) fn of_all(self) -> Option<i64> {
        let last = [Slot::Whole, Slot::Hour(23), Slot::Minute(24 * 60 - 1)];
        last.into_iter().map(|slot| self.of(slot)).collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    pub(super) fn is_over(self, expires: Option<i64>) -> bool {
        expires.is_some_and(|expires| expires <= self.now)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Arranger, Content, SpanKey};
    use crate::store::redis::keys::KeyNames;
    use crate::store::{Cell, Slot};
    use crate::time::Day;
    use crate::time::{Period, Span};

    const DAY: Day = Day(17_595);

    type Keys = BTreeMap<String, (Option<i64>, Vec<(String, u64)>)>;

    fn arranged(content: Content, now: i64, cells: &[Cell<'_>]) -> (Keys, u64) {
        let period = Period::Day(DAY);
        let names = KeyNames::new("", &Span { site: "s".to_owned(), period });
        let mut arranger = Arranger::new(content, period, names, now);
        let mut keys = Keys::new();
        let mut each = |key: SpanKey<'_>| -> Result<(), ()> {
            let mut values: Vec<_> =
                key.values.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
            values.sort();
            let name = key.name.strip_prefix("{s:20180305}:").unwrap().to_owned();
            assert!(keys.insert(name, (key.expires, values)).is_none(), "a key twice");
            Ok(())
        };
        cells.iter().try_for_each(|cell| arranger.take(cell, &mut each)).unwrap();
        let count = arranger.finish(&mut each).unwrap();
        (keys, count)
    }

    fn cell<'c>(slot: Slot, section: &'c str, page: &'c str, pv: u64, uv: u64) -> Cell<'c> {
        let some = |text: &'c str| (!text.is_empty()).then_some(text);
        Cell { slot, section: some(section), page: some(page), pv, uv }
    }

    fn sample() -> Vec<Cell<'static>> {
        let mut cells = Vec::new();
        for slot in [Slot::Whole, Slot::Hour(14), Slot::Minute(845)] {
            cells.extend([
                cell(slot, "", "", 10, 4),
                cell(slot, "/a/", "", 4, 3),
                cell(slot, "/a/", "/a/1", 2, 1),
                cell(slot, "/a/", "/a/2", 2, 2),
                cell(slot, "/b/", "", 6, 2),
                cell(slot, "/b/", "/b/1", 6, 2),
            ]);
        }
        cells
    }

    #[test]
    fn every_cell_has_its_place() {
        let content = Content { minute_pages: usize::MAX, ..Content::default() };
        let (keys, cells) = arranged(content, 0, &sample());
        assert_eq!(cells, 18);
        let names: Vec<&str> = keys.keys().map(String::as_str).collect();
        let mut expected = vec!["totals".to_owned()];
        for metric in ["pv", "uv"] {
            for slot in ["", ":14"] {
                for level in ["sections", "pages", "pages@/a/", "pages@/b/"] {
                    expected.push(format!("{metric}:{level}{slot}"));
                }
            }
            expected.extend([format!("{metric}:sections:14:05"), format!("{metric}:pages:14:05")]);
        }
        expected.sort();
        assert_eq!(names, expected);
        let values = |name: &str| -> Vec<(&str, u64)> {
            keys[name].1.iter().map(|(name, value)| (&**name, *value)).collect()
        };
        assert_eq!(values("uv:sections:14:05"), [("/a/", 3), ("/b/", 2)]);
        assert_eq!(values("uv:pages@/a/:14"), [("/a/1", 1), ("/a/2", 2)]);
        assert_eq!(values("pv:pages"), [("/a/1", 2), ("/a/2", 2), ("/b/1", 6)]);
        let totals =
            [("pv", 10), ("pv:14", 10), ("pv:14:05", 10), ("uv", 4), ("uv:14", 4), ("uv:14:05", 4)];
        assert_eq!(values("totals"), totals);
    }

    #[test]
    fn top_pages_of_minutes_and_top_sections_by_page_views_then_name() {
        let content = Content { minute_pages: 2, top_sections: 1, ..Content::default() };
        let (keys, cells) = arranged(content, 0, &sample());
        assert_eq!(cells, 17);
        let names =
            |key: &str| -> Vec<&str> { keys[key].1.iter().map(|(name, _)| &**name).collect() };
        assert_eq!(names("pv:pages:14:05"), ["/a/1", "/b/1"]);
        assert_eq!(names("uv:pages:14:05"), ["/a/1", "/b/1"]);
        assert_eq!(names("pv:pages:14"), ["/a/1", "/a/2", "/b/1"]);
        assert!(keys.contains_key("pv:pages@/b/:14") && !keys.contains_key("pv:pages@/a/"));
        let none = Content { minute_pages: 0, top_sections: 0, ..Content::default() };
        let (keys, _) = arranged(none, 0, &sample());
        assert!(!keys.keys().any(|key| key.contains('@') || key == "pv:pages:14:05"));
        assert!(keys.contains_key("pv:sections:14:05"));
    }

    #[test]
    fn keys_expire_after_their_own_bucket_and_are_not_written_when_that_is_over() {
        let midnight = i64::from(DAY.0) * 86_400;
        let content = Content { ttl_hour: Some(100), ttl_minute: Some(10), ..Content::default() };
        let minute_end = midnight + 846 * 60 + 10;
        let (keys, _) = arranged(content, minute_end - 1, &sample());
        assert_eq!(keys["pv:pages:14:05"].0, Some(minute_end));
        assert_eq!(keys["pv:pages@/a/:14"].0, Some(midnight + 15 * 3600 + 100));
        assert_eq!((keys["pv:pages"].0, keys["totals"].0), (None, None));
        let (keys, _) = arranged(content, minute_end, &sample());
        assert!(!keys.contains_key("pv:pages:14:05") && !keys.contains_key("uv:sections:14:05"));
        assert!(keys.contains_key("uv:sections:14"));
    }
}
