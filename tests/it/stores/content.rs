//! The cells of one span, as text: what a check publishes, and what it reads back.
//!
//! Owns: [`Content`] and how one is made. May import: `hitmap::store`. Must not know: stores.

use std::collections::BTreeMap;

use hitmap::store::{Cell, Cells, Slot};

/// PV and UV by slot, section and page. The order of the keys is the order of [`Cells`].
pub(crate) type Content = BTreeMap<Key, (u64, u64)>;

pub(crate) type Key = (Slot, Option<String>, Option<String>);

/// A page that was viewed: its minute of the day, its section, its name, and how often.
pub(crate) type View<'v> = (u16, &'v str, &'v str, u64);

pub(crate) fn key(slot: Slot, section: Option<&str>, page: Option<&str>) -> Key {
    (slot, section.map(str::to_owned), page.map(str::to_owned))
}

/// All cells of a day with these views. Half of the page views, rounded up, stand for the visitors.
pub(crate) fn day(views: &[View<'_>]) -> Content {
    let mut content = Content::new();
    for &(minute, section, page, pv) in views {
        let hour = u8::try_from(minute / 60).unwrap();
        for slot in [Slot::Whole, Slot::Hour(hour), Slot::Minute(minute)] {
            for names in [(None, None), (Some(section), None), (Some(section), Some(page))] {
                let cell = content.entry(key(slot, names.0, names.1)).or_default();
                cell.0 += pv;
                cell.1 = cell.0.div_ceil(2);
            }
        }
    }
    content
}

/// Only the cells of the site and of its sections over the whole span, as in a week, a month or all time.
pub(crate) fn union(views: &[View<'_>]) -> Content {
    let mut content = day(views);
    content.retain(|(slot, _, page), _| *slot == Slot::Whole && page.is_none());
    content
}

/// The content in batches of at most `most` cells.
pub(crate) fn batches(content: &Content, most: usize) -> Vec<Cells> {
    let cells: Vec<Cell<'_>> = content
        .iter()
        .map(|((slot, section, page), &(pv, uv))| Cell {
            slot: *slot,
            section: section.as_deref(),
            page: page.as_deref(),
            pv,
            uv,
        })
        .collect();
    let batch = |cells: &[Cell<'_>]| {
        let mut batch = Cells::default();
        cells.iter().for_each(|cell| batch.push(cell));
        batch
    };
    cells.chunks(most).map(batch).collect()
}

/// Fails with the first few cells that differ.
#[track_caller]
pub(crate) fn assert_same(found: &Content, expected: &Content, what: &str) {
    let differs = |key: &&Key| found.get(*key) != expected.get(*key);
    let keys: Vec<&Key> = found.keys().chain(expected.keys()).filter(differs).collect();
    let first: Vec<String> = keys
        .iter()
        .take(5)
        .map(|key| {
            let (found, expected) = (found.get(*key), expected.get(*key));
            format!("{key:?}: a reader sees {found:?}, and expects {expected:?}")
        })
        .collect();
    assert!(keys.is_empty(), "{what}: {} cells differ:\n{}", keys.len(), first.join("\n"));
}
