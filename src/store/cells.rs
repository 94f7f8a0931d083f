//! Cells on their way to a store: owned, so that another thread can take them.
//!
//! Owns: [`Cell`], [`Cells`], [`Slot`], the order of cells. May import: std. Must not know: where cells come from or go.

use std::ops::Range;

/// A part of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// All of it.
    Whole,
    /// An hour of a day.
    Hour(u8),
    /// A minute of a day.
    Minute(u16),
}

/// PV and UV of one cell of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell<'c> {
    /// The part of the span.
    pub slot: Slot,
    /// `None` in the cell of the whole site.
    pub section: Option<&'c str>,
    /// `None` in the cells of the site and of a section.
    pub page: Option<&'c str>,
    /// Page views, at least 1: a store may read 0 as "not there".
    pub pv: u64,
    /// Unique visitors, at least 1.
    pub uv: u64,
}

/// A batch of a span's cells. Over all batches of a span, cells are grouped by slot; that of the whole span comes first.
/// Within a slot the site's cell comes first, then each section's, followed by those of its pages. A page is in one
/// section. Only days have other slots than the whole.
#[derive(Clone, Debug, Default)]
pub struct Cells {
    rows: Vec<Row>,
    text: String,
    /// Where the name of the last section is in `text`.
    section: Option<Range<usize>>,
}

#[derive(Clone, Debug)]
struct Row {
    slot: Slot,
    section: Option<Range<usize>>,
    page: Option<Range<usize>>,
    pv: u64,
    uv: u64,
}

impl Cells {
    /// Appends a cell.
    pub fn push(&mut self, cell: &Cell<'_>) {
        let section = cell.section.map(|section| match &self.section {
            Some(range) if self.text[range.clone()] == *section => range.clone(),
            _ => {
                let range = self.append(section);
                self.section = Some(range.clone());
                range
            }
        });
        let page = cell.page.map(|page| self.append(page));
        self.rows.push(Row { slot: cell.slot, section, page, pv: cell.pv, uv: cell.uv });
    }

    fn append(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    /// The cells, in order.
    pub fn iter(&self) -> impl Iterator<Item = Cell<'_>> {
        let text = |range: &Option<Range<usize>>| range.clone().map(|range| &self.text[range]);
        self.rows.iter().map(move |row| Cell {
            slot: row.slot,
            section: text(&row.section),
            page: text(&row.page),
            pv: row.pv,
            uv: row.uv,
        })
    }

    /// Number of cells.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no cell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{Cell, Cells, Slot};

    #[test]
    fn cells_come_out_as_they_went_in() {
        let cell = |slot, section, page, pv| Cell { slot, section, page, pv, uv: pv / 2 };
        let all = [
            cell(Slot::Whole, None, None, 9),
            cell(Slot::Whole, Some("/a/"), None, 8),
            cell(Slot::Whole, Some("/a/"), Some("/a/ü"), 7),
            cell(Slot::Whole, Some("/b/"), None, 6),
            cell(Slot::Minute(1439), Some(""), Some(""), 5),
        ];
        let mut cells = Cells::default();
        all.iter().for_each(|cell| cells.push(cell));
        assert!(cells.iter().eq(all));
        assert_eq!(cells.len(), 5);
    }
}
