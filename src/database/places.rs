//! Numbers of places: sites, their sections and pages.
//!
//! Owns: the table `place`. May import: rusqlite, `meta` (numbers). Must not know: what is counted there.

use std::collections::HashSet;

use roaring::RoaringBitmap;
use rusqlite::{OptionalExtension, params};

use super::{Store, meta};
use crate::error::Result;

/// Level of a site.
pub(super) const SITE: u8 = 0;
/// Level of a section.
pub(super) const SECTION: u8 = 1;
/// Level of a page.
pub(super) const PAGE: u8 = 2;

/// Level, section and page. Both texts are empty for a site, and that of the page for a section.
pub(super) type PlaceName<'n> = (u8, &'n str, &'n str);

/// What a number of a place means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the site.
    pub site: i64,
    /// The dimension that it is an item or a group of.
    pub dimension: u32,
    /// 0 for a site, 1 for a section, 2 for a page.
    pub level: u8,
    /// The section's name, also of a page; empty for a site.
    pub section: String,
    /// The page; empty for a site and a section.
    pub page: String,
}

/// The numbers of places of a site; `None` for those that have none.
pub(super) fn place_numbers(
    store: Store<'_>,
    site: i64,
    dimension: u32,
    names: &[PlaceName<'_>],
) -> Result<Vec<Option<u32>>> {
    let mut statement = store.prepare(
        // All columns of the index, in its order.
        "SELECT id FROM place WHERE page = ? AND section = ? AND level = ? AND site = ? AND dimension = ?",
    )?;
    let mut number = |&(level, section, page): &PlaceName<'_>| {
        let found = statement
            .query_row(params![page, section, level, site, dimension], |row| row.get(0))
            .optional();
        found.map_err(|error| store.fail(&error))
    };
    names.iter().map(&mut number).collect()
}

/// The numbers of distinct places of a site. Those that have none get one: in the order of levels and texts, so that pages
/// of a section have close numbers.
///
/// # Errors
/// [`Error::Limit`](crate::error::Error::Limit) if there are no more numbers; [`Error::Database`](crate::error::Error).
pub(super) fn number_places(
    store: Store<'_>,
    site: i64,
    dimension: u32,
    names: &[PlaceName<'_>],
) -> Result<Vec<u32>> {
    let mut numbers = place_numbers(store, site, dimension, names)?;
    let mut new: Vec<usize> = (0..names.len()).filter(|&index| numbers[index].is_none()).collect();
    new.sort_unstable_by_key(|&index| names[index]);
    let first = meta::take_next(store, meta::NEXT_PLACE, new.len() as u64)?;
    let mut statement = store.prepare(
        "INSERT INTO place(id, site, dimension, level, section, page) VALUES (?, ?, ?, ?, ?, ?)",
    )?;
    for (&index, number) in new.iter().zip(first..) {
        let (level, section, page) = names[index];
        statement
            .execute(params![number.cast_signed(), site, dimension, level, section, page])
            .map_err(|error| store.fail(&error))?;
        numbers[index] = u32::try_from(number).ok();
    }
    Ok(numbers.into_iter().flatten().collect())
}

/// What numbers of places mean.
///
/// # Errors
/// [`Error::Database`](crate::error::Error), also if there is no such place.
pub(super) fn places(store: Store<'_>, numbers: &[u32]) -> Result<Vec<Place>> {
    let mut statement =
        store.prepare("SELECT site, dimension, level, section, page FROM place WHERE id = ?")?;
    let mut place = |number: &u32| {
        let place = statement.query_row([number], |row| {
            let (site, dimension, level) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Place { site, dimension, level, section: row.get(3)?, page: row.get(4)? })
        });
        let place = place.optional().map_err(|error| store.fail(&error))?;
        place.ok_or_else(|| store.damaged(&format!("there is no place {number}")))
    };
    numbers.iter().map(&mut place).collect()
}

/// The numbers of all places of some sites.
pub(super) fn of_sites(
    store: Store<'_>,
    sites: impl Iterator<Item = i64>,
) -> Result<RoaringBitmap> {
    let sites: HashSet<i64> = sites.collect();
    let mut numbers = RoaringBitmap::new();
    let mut statement = store.prepare("SELECT id, site FROM place ORDER BY id")?;
    let mut rows = statement.query([]).map_err(|error| store.fail(&error))?;
    while let Some(row) = rows.next().map_err(|error| store.fail(&error))? {
        if sites.contains(&row.get(1).map_err(|error| store.fail(&error))?) {
            numbers.insert(row.get(0).map_err(|error| store.fail(&error))?);
        }
    }
    Ok(numbers)
}

/// Deletes the places that are not to be kept.
pub(super) fn retain(store: Store<'_>, keep: impl Fn(u32) -> bool) -> Result<()> {
    let mut gone: Vec<u32> = Vec::new();
    let mut statement = store.prepare("SELECT id FROM place ORDER BY id")?;
    let mut rows = statement.query([]).map_err(|error| store.fail(&error))?;
    while let Some(row) = rows.next().map_err(|error| store.fail(&error))? {
        let number = row.get(0).map_err(|error| store.fail(&error))?;
        if !keep(number) {
            gone.push(number);
        }
    }
    for number in gone {
        store.execute("DELETE FROM place WHERE id = ?", [number])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::with_store;
    use super::{PAGE, Place, SECTION, SITE, number_places, place_numbers, places, retain};

    #[test]
    fn places_keep_their_numbers() {
        with_store(|store| {
            let names =
                [(PAGE, "/b/", "/b/1"), (SITE, "", ""), (PAGE, "", ""), (SECTION, "/b/", "")];
            assert_eq!(place_numbers(store, 1, 0, &names).unwrap(), [None; 4]);
            // By levels, then sections, then pages. A page can have no name.
            assert_eq!(number_places(store, 1, 0, &names).unwrap(), [4, 1, 3, 2]);
            assert_eq!(number_places(store, 2, 0, &names[..2]).unwrap(), [6, 5]);
            assert_eq!(number_places(store, 1, 1, &names[..1]).unwrap(), [7]);
            let more = [(PAGE, "/b/", "/b/0"), (PAGE, "/b/", "/b/1")];
            assert_eq!(number_places(store, 1, 0, &more).unwrap(), [8, 4]);
            assert_eq!(place_numbers(store, 2, 0, &more).unwrap(), [None, Some(6)]);
            let place = |site, dimension, level, section: &str, page: &str| Place {
                site,
                dimension,
                level,
                section: section.to_owned(),
                page: page.to_owned(),
            };
            assert_eq!(
                places(store, &[7, 3, 5]).unwrap(),
                [
                    place(1, 1, PAGE, "/b/", "/b/1"),
                    place(1, 0, PAGE, "", ""),
                    place(2, 0, SITE, "", "")
                ]
            );
            assert!(places(store, &[9]).unwrap_err().to_string().contains("there is no place 9"));
            // A number is never given again.
            retain(store, |number| number != 8).unwrap();
            assert_eq!(number_places(store, 1, 0, &more).unwrap(), [9, 4]);
        });
    }

    #[test]
    fn places_are_found_by_their_index() {
        with_store(|store| {
            let plan: String = store
                .connection
                .query_row(
                    "EXPLAIN QUERY PLAN SELECT id FROM place \
                     WHERE page = ? AND section = ? AND level = ? AND site = ? AND dimension = ?",
                    ["", "", "", "", ""],
                    |row| row.get(3),
                )
                .unwrap();
            assert!(plan.contains("COVERING INDEX") && plan.contains("dimension=?"), "{plan}");
        });
    }
}
