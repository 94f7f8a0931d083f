//! Which cells there are rows of: `--db-cells`, now and later.
//!
//! Owns: [`set`], [`is_stored`]. May import: `change`, its siblings. Must not know: sources, facts that are new.

use rusqlite::params;

use crate::database::change::{SiteDay, walk_day};
use crate::database::stored::StoredBlocks;
use crate::database::{Store, cells, meta, places, read};
use crate::error::Result;
use crate::time::{Day, Granularity};

/// Whether cells of a level and granularity have rows, if `finest` is the finest granularity of those of pages.
pub(in crate::database) fn is_stored(
    finest: Granularity,
    level: u8,
    granularity: Granularity,
) -> bool {
    let most = match (level, finest) {
        (places::PAGE, _) => finest,
        (_, Granularity::Day) => Granularity::Hour,
        _ => Granularity::Minute,
    };
    granularity <= most
}

/// The finest granularity of cells of pages.
pub(in crate::database) fn get(store: Store<'_>) -> Result<Granularity> {
    let number = meta::get(store, meta::CELLS)?.unwrap_or_default();
    let granularity = usize::try_from(number).ok().and_then(|number| Granularity::ALL.get(number));
    granularity.copied().ok_or_else(|| store.damaged("finest granularity of cells"))
}

/// Makes `wanted` the finest granularity of cells of pages: finer cells are made from the facts of those days that still
/// have them, and what is finer than wanted is deleted. Says whether anything changed.
pub(super) fn set(store: Store<'_>, wanted: Option<Granularity>) -> Result<bool> {
    let before = get(store)?;
    let Some(wanted) = wanted.filter(|&wanted| wanted != before) else { return Ok(false) };
    meta::set(store, meta::CELLS, wanted as i64)?;
    if wanted < before {
        delete(store, wanted)?;
    } else {
        make(store, before, wanted)?;
    }
    Ok(true)
}

fn delete(store: Store<'_>, wanted: Granularity) -> Result<()> {
    for granularity in Granularity::ALL {
        for level in [places::SITE, places::SECTION, places::PAGE] {
            if !is_stored(wanted, level, granularity) {
                store.execute(
                    "DELETE FROM cell WHERE class = ? * 4 + ?",
                    params![granularity as u8, level],
                )?;
            }
        }
    }
    // A calendar row without a cell is no harm, but says which minutes had page views.
    store.execute(
        "DELETE FROM calendar WHERE granularity = ?1 AND NOT EXISTS \
         (SELECT 1 FROM class CROSS JOIN cell ON cell.class = class.id AND cell.bucket = calendar.bucket \
          WHERE class.granularity = ?1)",
        params![cells::MINUTE],
    )?;
    Ok(())
}

fn make(store: Store<'_>, before: Granularity, wanted: Granularity) -> Result<()> {
    let is_missing = |level, granularity| {
        is_stored(wanted, level, granularity) && !is_stored(before, level, granularity)
    };
    for (site, day) in days(store)? {
        let place = places::place_numbers(store, site, read::PAGE, &[(places::SITE, "", "")])?;
        let [Some(place)] = place[..] else { return Err(store.damaged("places")) };
        let rows = read::blocks(store, site, day..=day)?;
        let mut blocks = StoredBlocks::new(store, rows);
        let change = walk_day(SiteDay { day, place }, &mut blocks, &is_missing)?;
        cells::add_cells(store, &change.cells)?;
    }
    Ok(())
}

/// The days that have facts, by site.
fn days(store: Store<'_>) -> Result<Vec<(i64, Day)>> {
    let mut statement = store.prepare(
        "SELECT DISTINCT site, day FROM block JOIN share ON share.id = block.share ORDER BY site, day",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, Day(row.get(1)?))));
    rows.and_then(Iterator::collect).map_err(|error| store.fail(&error))
}
