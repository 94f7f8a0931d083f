//! Cells as rows: where and when they are, and how they are written.
//!
//! Owns: places, slots, the writing of cells. May import: rusqlite. Must not know: what cells are made from.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

/// A cell's slot, place, PV and UV.
pub(super) type SlotCell = [i64; 4];

/// Rows of one statement: fewer calls, and still far below SQLite's limit of variables.
const ROWS: usize = 64;

/// The number of the place `section`, `page` of a site, a new one where there is none.
pub(super) fn place(
    connection: &Connection,
    site: i64,
    section: &str,
    page: &str,
) -> rusqlite::Result<i64> {
    let known = connection
        .prepare_cached("SELECT id FROM place WHERE page = ? AND section = ? AND site = ?")?
        .query_row(params![page, section, site], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    connection
        .prepare_cached("INSERT INTO place(site, section, page) VALUES (?, ?, ?)")?
        .execute(params![site, section, page])?;
    Ok(connection.last_insert_rowid())
}

/// The number of the slot, a new one where there is none.
pub(super) fn slot(
    connection: &Connection,
    site: i64,
    granularity: &str,
    bucket: &str,
) -> rusqlite::Result<i64> {
    let known = connection
        .prepare_cached("SELECT id FROM slot WHERE granularity = ? AND bucket = ? AND site = ?")?
        .query_row(params![granularity, bucket, site], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    connection
        .prepare_cached("INSERT INTO slot(site, granularity, bucket) VALUES (?, ?, ?)")?
        .execute(params![site, granularity, bucket])?;
    Ok(connection.last_insert_rowid())
}

/// Takes all cells of the buckets `first..=last` of a granularity away; of one bucket if both are the same.
pub(super) fn remove(
    connection: &Connection,
    site: i64,
    granularity: &str,
    first: &str,
    last: &str,
) -> rusqlite::Result<()> {
    let range = params![granularity, first, last, site];
    connection
        .prepare_cached(
            "DELETE FROM cell WHERE slot IN \
             (SELECT id FROM slot WHERE granularity = ? AND bucket BETWEEN ? AND ? AND site = ?)",
        )?
        .execute(range)?;
    connection
        .prepare_cached(
            "DELETE FROM slot WHERE granularity = ? AND bucket BETWEEN ? AND ? AND site = ?",
        )?
        .execute(range)?;
    Ok(())
}

/// Writes cells, over those that are there; what is as it was is not written again. Sorted by slot and place they
/// cost least.
pub(super) fn write(connection: &Connection, cells: &[SlotCell]) -> rusqlite::Result<()> {
    let (many, rest) = cells.as_chunks::<ROWS>();
    if !many.is_empty() {
        let mut statement = connection.prepare_cached(&statement(ROWS))?;
        for cells in many {
            statement.execute(params_from_iter(cells.iter().flatten()))?;
        }
    }
    let mut statement = connection.prepare_cached(&statement(1))?;
    for cell in rest {
        statement.execute(params_from_iter(cell))?;
    }
    Ok(())
}

fn statement(rows: usize) -> String {
    let values = vec!["(?,?,?,?)"; rows].join(",");
    format!(
        "INSERT INTO cell(slot, place, pv, uv) VALUES {values} \
         ON CONFLICT(slot, place) DO UPDATE SET pv = excluded.pv, uv = excluded.uv \
         WHERE pv <> excluded.pv OR uv <> excluded.uv"
    )
}

/// Places of a site that were looked up.
#[derive(Default)]
pub(super) struct Places {
    pages: HashMap<u32, i64>,
    sections: HashMap<u32, i64>,
    site: Option<i64>,
}

impl Places {
    pub(super) fn of_site(&mut self, connection: &Connection, site: i64) -> rusqlite::Result<i64> {
        match self.site {
            Some(id) => Ok(id),
            None => Ok(*self.site.insert(place(connection, site, "", "")?)),
        }
    }

    pub(super) fn of_section(
        &mut self,
        connection: &Connection,
        site: i64,
        number: u32,
        section: &str,
    ) -> rusqlite::Result<i64> {
        if let Some(&id) = self.sections.get(&number) {
            return Ok(id);
        }
        let id = place(connection, site, section, "")?;
        self.sections.insert(number, id);
        Ok(id)
    }

    pub(super) fn of_page(
        &mut self,
        connection: &Connection,
        site: i64,
        number: u32,
        names: (&str, &str),
    ) -> rusqlite::Result<i64> {
        if let Some(&id) = self.pages.get(&number) {
            return Ok(id);
        }
        let id = place(connection, site, names.0, names.1)?;
        self.pages.insert(number, id);
        Ok(id)
    }
}
