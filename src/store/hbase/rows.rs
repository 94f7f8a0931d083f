//! From cells to rows.
//!
//! Owns: [`Row`], [`Job`] and its size. May import: `keys`, `store` (cells). Must not know: connections, what HBase holds.

use super::keys::{Table, value};

/// Cells of one call: enough that the call costs little beside them, few enough that a lost one is soon sent again.
pub(super) const MOST_CELLS: usize = 2_000;
/// Bytes of one call.
pub(super) const MOST_BYTES: usize = 1 << 20;

/// The cells of one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) key: Vec<u8>,
    pub(super) cells: Vec<Cell>,
    bytes: usize,
}

/// A column's name without its family, and the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) page: Vec<u8>,
    pub(super) value: [u8; 16],
}

impl Row {
    pub(super) fn new(key: Vec<u8>) -> Self {
        Self { bytes: key.len(), key, cells: Vec::new() }
    }

    /// Appends the cell of a page, or, with an empty name, of the row's group.
    pub(super) fn push(&mut self, page: &str, pv: u64, uv: u64) {
        let page = page.as_bytes().to_vec();
        self.bytes += page.len() + 16;
        self.cells.push(Cell { page, value: value(pv, uv) });
    }
}

/// Rows of one table that one connection writes.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) table: Table,
    pub(super) rows: Vec<Row>,
    /// Whether HBase may hold something of these rows.
    pub(super) may_exist: bool,
    cells: usize,
    bytes: usize,
}

impl Job {
    pub(super) const fn new(table: Table, may_exist: bool) -> Self {
        Self { table, rows: Vec::new(), may_exist, cells: 0, bytes: 0 }
    }

    pub(super) fn push(&mut self, row: Row) {
        self.cells += row.cells.len();
        self.bytes += row.bytes;
        self.rows.push(row);
    }

    /// Whether a row fits in, so that one call takes the whole job. A row that is longer than a call has a job of its own.
    pub(super) const fn has_room_for(&self, row: &Row) -> bool {
        self.cells + row.cells.len() <= MOST_CELLS && self.bytes + row.bytes <= MOST_BYTES
    }
}

/// Rows cut into pieces of at most [`MOST_CELLS`] and [`MOST_BYTES`] in all; a row that is longer stands in several.
pub(super) fn batches(rows: Vec<Row>) -> Vec<Vec<Row>> {
    let mut batches = Vec::new();
    let (mut batch, mut cells, mut bytes) = (Vec::new(), 0, 0);
    for row in rows {
        let mut piece = Row::new(row.key.clone());
        for cell in row.cells {
            let size = cell.page.len() + cell.value.len();
            let is_full = cells == MOST_CELLS || bytes + piece.key.len() + size > MOST_BYTES;
            if is_full && cells > 0 {
                if !piece.cells.is_empty() {
                    batch.push(std::mem::replace(&mut piece, Row::new(row.key.clone())));
                }
                batches.push(std::mem::take(&mut batch));
                (cells, bytes) = (0, 0);
            }
            cells += 1;
            bytes += size;
            piece.cells.push(cell);
        }
        bytes += piece.key.len();
        if !piece.cells.is_empty() {
            batch.push(piece);
        }
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::{Job, MOST_BYTES, MOST_CELLS, Row, batches};
    use crate::store::hbase::keys::Table;

    fn row(key: &str, cells: usize, length: usize) -> Row {
        let mut row = Row::new(key.into());
        for number in 0..cells {
            let number = number.to_string();
            let page = "0".repeat(length.saturating_sub(number.len())) + &number;
            row.push(&page, 1, 1);
        }
        row
    }

    #[test]
    fn batches_hold_all_cells_in_order_and_are_bounded() {
        for rows in [
            vec![],
            vec![row("a", 1, 1)],
            (0..3_000).map(|number| row(&number.to_string(), 2, 9)).collect(),
            vec![row("a", 5_000, 9), row("b", 0, 1), row("c", 10, 9), row("d", MOST_CELLS, 9)],
            vec![row("a", 30, 100_000), row("b", 1, MOST_BYTES + 1), row("c", 3, 9)],
        ] {
            let flat = |rows: &[Row]| {
                let cells = rows
                    .iter()
                    .flat_map(|row| row.cells.iter().map(|cell| (row.key.clone(), cell.clone())));
                cells.collect::<Vec<_>>()
            };
            let batches = batches(rows.clone());
            let joined: Vec<Row> = batches.iter().flatten().cloned().collect();
            assert_eq!(flat(&joined), flat(&rows));
            for batch in batches {
                let cells = batch.iter().map(|row| row.cells.len()).sum::<usize>();
                let bytes =
                    flat(&batch).iter().map(|(_, cell)| cell.page.len() + 16).sum::<usize>();
                assert!((1..=MOST_CELLS).contains(&cells), "{cells}");
                assert!(bytes <= MOST_BYTES || cells == 1, "{bytes}");
                assert!(batch.iter().all(|row| !row.cells.is_empty()));
            }
        }
    }

    #[test]
    fn a_job_has_room_for_what_one_call_takes() {
        for (first, second, fits) in [
            (row("a", MOST_CELLS - 5, 9), row("b", 5, 9), true),
            (row("a", MOST_CELLS - 5, 9), row("b", 6, 9), false),
            (row("a", 5, 100_000), row("b", 5, 100_000), true),
            (row("a", 5, 100_000), row("b", 6, 100_000), false),
        ] {
            let mut job = Job::new(Table::Day, false);
            job.push(first);
            assert_eq!(job.has_room_for(&second), fits);
            job.push(second);
            assert_eq!(batches(job.rows).len() == 1, fits);
        }
    }
}
