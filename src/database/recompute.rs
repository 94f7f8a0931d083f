//! The cells of the days that a run touched, made again from all their blocks.
//!
//! Owns: which days, weeks and months change. May import: `count`, `cube`, roaring, its siblings.
//! Must not know: why a day was touched.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use roaring::RoaringBitmap;
use rusqlite::{OptionalExtension, params};

use super::blocks::StoredBlock;
use super::cells::{self, Places, SlotCell};
use super::day_sums::DaySums;
use super::month_week::MonthWeek;
use super::sets::VisitorSets;
use super::{Database, Touched, now_millis};
use crate::count::Visitors;
use crate::cube::Cube;
use crate::cube::walk::{BucketCount, CellGroup, CellSink};
use crate::error::Result;
use crate::facts::{DayKey, Fact};
use crate::time::{Bucket, Day, Granularity};

/// What one task found in one day: cells that are stored, and who was on the site and its sections.
struct DaySink {
    has_minute_pages: bool,
    sums: DaySums,
    cells: Vec<(CellGroup, BucketCount)>,
    visitors: Vec<(CellGroup, u64, RoaringBitmap)>,
}

impl CellSink for DaySink {
    fn group(&mut self, group: CellGroup, cells: &[BucketCount], facts: &[Fact]) {
        self.sums.add(group, cells);
        let is_page = matches!(group, CellGroup::Page(_));
        let is_kept = |cell: &&BucketCount| {
            !is_page || self.has_minute_pages || cell.granularity != Granularity::Minute
        };
        self.cells.extend(cells.iter().filter(is_kept).map(|cell| (group, *cell)));
        if !is_page {
            let runs = facts.chunk_by(|one, other| one.visitor() == other.visitor());
            let visitors = RoaringBitmap::from_sorted_iter(runs.map(|run| run[0].visitor()))
                .expect("facts are sorted by visitor");
            // The first cell is the day's.
            self.visitors.push((group, cells.first().map_or(0, |day| day.pv), visitors));
        }
    }
}

impl Database {
    /// Makes the cells of all touched days; says whether there were any.
    pub(super) fn recompute_touched(&mut self) -> Result<bool> {
        let touched = std::mem::take(&mut self.touched);
        let is_any = touched.values().any(|touched| !touched.days.is_empty());
        if is_any {
            let version = self.next_version()?;
            for (site, touched) in touched {
                self.recompute_site(site, touched, version)?;
            }
        }
        Ok(is_any)
    }

    /// Whether cells of pages a minute are kept.
    fn has_minute_pages(&self) -> Result<bool> {
        let rows = self.rows("SELECT value FROM meta WHERE name = 'minute_pages'", |row| {
            row.get::<_, i64>(0)
        })?;
        Ok(rows == [1])
    }

    /// Lets cells of pages a minute be kept from now on, for the days that are there too.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn keep_minute_pages(&mut self) -> Result<()> {
        if self.has_minute_pages()? {
            return Ok(());
        }
        self.execute("INSERT OR REPLACE INTO meta(name, value) VALUES ('minute_pages', 1)", [])?;
        let days = self.rows("SELECT DISTINCT site, day FROM part", |row| {
            Ok((row.get::<_, i64>(0)?, Day(row.get(1)?)))
        })?;
        for (site, day) in days {
            self.touch(site, day);
        }
        Ok(())
    }

    /// The version of the last commit that changed numbers; 0 where there was none.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn last_version(&self) -> Result<u64> {
        let last = self.rows("SELECT value FROM meta WHERE name = 'last_version'", |row| {
            row.get::<_, i64>(0)
        })?;
        Ok(last.first().copied().unwrap_or_default().cast_unsigned())
    }

    /// The version of what is being stored: time, and more than the last one.
    pub(super) fn next_version(&self) -> Result<i64> {
        let version = (self.last_version()?.cast_signed() + 1).max(now_millis());
        self.execute(
            "INSERT OR REPLACE INTO meta(name, value) VALUES ('last_version', ?)",
            [version],
        )?;
        Ok(version)
    }

    /// Gives all days of a site, or of all sites, the version of this run, so that they are published again.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn renew_days(&mut self, site: Option<&str>) -> Result<()> {
        let version = self.next_version()?;
        self.execute(
            "UPDATE day SET version = ?1 WHERE ?2 IS NULL OR site IN (SELECT id FROM site WHERE name = ?2)",
            params![version, site],
        )
    }

    fn recompute_site(&mut self, site: i64, touched: Touched, version: i64) -> Result<()> {
        let Touched { days, is_less } = touched;
        if days.is_empty() {
            return Ok(());
        }
        let mut blocks = self.blocks_of_site(site)?;
        let spans: BTreeSet<MonthWeek> = days.iter().map(|day| MonthWeek::of(*day)).collect();
        // Visitors that are taken out may still be there on other days of their span: all of them are looked at.
        let is_wanted =
            |day: Day| days.contains(&day) || is_less && spans.contains(&MonthWeek::of(day));
        blocks.retain(|block| is_wanted(block.day));
        for day in &days {
            if is_less {
                self.remove_day_cells(site, *day)?;
            }
            self.execute(
                "INSERT OR REPLACE INTO day(site, day, version, sums) VALUES (?, ?, ?, '')",
                params![site, day.0, version],
            )?;
        }
        let mut sets: BTreeMap<MonthWeek, VisitorSets> = BTreeMap::new();
        for span in &spans {
            let old = if is_less { VisitorSets::default() } else { self.span(site, *span)? };
            sets.insert(*span, old);
        }
        self.write_days(site, &blocks, &days, &mut sets)?;
        for (span, sets) in &sets {
            self.put_span(site, *span, sets)?;
        }
        self.write_unions(site, &spans)?;
        if is_less {
            // The names of pages that nobody saw any more.
            self.execute(
                "DELETE FROM place WHERE site = ? AND id NOT IN (SELECT place FROM cell)",
                [site],
            )?;
        }
        Ok(())
    }

    fn remove_day_cells(&self, site: i64, day: Day) -> Result<()> {
        for granularity in Granularity::ALL {
            // All buckets of a day begin with it.
            let (first, last) = (day.to_string(), format!("{day}~"));
            cells::remove(&self.connection, site, granularity.name(), &first, &last)
                .map_err(|error| self.fail(&error))?;
        }
        Ok(())
    }

    /// Writes the cells of `days` and adds all days of the blocks to their spans' sets.
    fn write_days(
        &mut self,
        site: i64,
        blocks: &[StoredBlock],
        days: &BTreeSet<Day>,
        sets: &mut BTreeMap<MonthWeek, VisitorSets>,
    ) -> Result<()> {
        let groups = self
            .sites()?
            .into_iter()
            .find(|known| known.number == site)
            .map(|site| site.rules.groups())
            .unwrap_or_default();
        let has_minute_pages = self.has_minute_pages()?;
        let facts = self.load(blocks, &[], &BTreeMap::from([(site, 0)]), |_, day| day)?;
        let cube = Cube::new(&facts, vec![String::new()], &groups);
        let new_sink = || DaySink {
            has_minute_pages,
            sums: DaySums::default(),
            cells: Vec::new(),
            visitors: Vec::new(),
        };
        let mut places = Places::default();
        let database = &*self;
        cube.walk(new_sink, |key: DayKey, sinks: Vec<DaySink>| {
            let (mut sums, mut cells, mut visitors) = (DaySums::default(), Vec::new(), Vec::new());
            for sink in sinks {
                sums.merge(sink.sums);
                cells.extend(sink.cells);
                visitors.extend(sink.visitors);
            }
            if days.contains(&key.day) {
                database
                    .write_day(site, key.day, &cube, &mut places, cells)
                    .map_err(|error| database.fail(&error))?;
                database.put_day_sums(site, key.day, &sums)?;
            }
            let day = day_sets(&cube, facts.visitors(), key.day, visitors);
            if let Some(sets) = sets.get_mut(&MonthWeek::of(key.day)) {
                *sets = sets.with_day(&day);
            }
            Ok(())
        })
    }

    fn write_day(
        &self,
        site: i64,
        day: Day,
        cube: &Cube<'_>,
        places: &mut Places,
        mut cells: Vec<(CellGroup, BucketCount)>,
    ) -> rusqlite::Result<()> {
        let connection = &self.connection;
        // New pages get their numbers in the order of their names, so that the index grows at one end.
        let mut pages: Vec<u32> = cells
            .iter()
            .filter_map(|(group, cell)| match group {
                CellGroup::Page(page) if cell.granularity == Granularity::Day => Some(*page),
                _ => None,
            })
            .collect();
        let names = cube.facts.names();
        pages.sort_unstable_by_key(|&page| names.get(page));
        let mut place_of = |group: CellGroup| match group {
            CellGroup::Site => places.of_site(connection, site),
            CellGroup::Section(section) => {
                places.of_section(connection, site, section, cube.sections.name(section))
            }
            CellGroup::Page(page) => {
                let section = cube.sections.name(cube.sections.of_page(page));
                places.of_page(connection, site, page, (section, names.get(page)))
            }
        };
        for page in pages {
            place_of(CellGroup::Page(page))?;
        }
        cells.sort_unstable_by_key(|(_, cell)| (cell.granularity, cell.minute_of_day));
        let mut slots: HashMap<(Granularity, u16), i64> = HashMap::new();
        let mut rows: Vec<SlotCell> = Vec::with_capacity(cells.len());
        for (group, cell) in cells {
            let BucketCount { granularity, minute_of_day, pv, uv } = cell;
            let slot = match slots.get(&(granularity, minute_of_day)) {
                Some(&slot) => slot,
                None => {
                    let bucket = Bucket { day, minute_of_day, granularity }.to_string();
                    let slot = cells::slot(connection, site, granularity.name(), &bucket)?;
                    slots.insert((granularity, minute_of_day), slot);
                    slot
                }
            };
            rows.push([slot, place_of(group)?, pv.cast_signed(), uv.cast_signed()]);
        }
        rows.sort_unstable();
        cells::write(connection, &rows)
    }

    fn span(&self, site: i64, span: MonthWeek) -> Result<VisitorSets> {
        let bytes: Option<Vec<u8>> = self
            .connection
            .query_row(
                "SELECT sets FROM span WHERE site = ? AND month = ? AND monday = ?",
                params![site, span.month, span.monday.0],
                |row| row.get(0),
            )
            .optional()
            .map_err(|error| self.fail(&error))?;
        match bytes {
            None => Ok(VisitorSets::default()),
            Some(bytes) => VisitorSets::decode(&bytes).ok_or_else(|| self.damaged("visitor sets")),
        }
    }

    pub(super) fn put_span(&self, site: i64, span: MonthWeek, sets: &VisitorSets) -> Result<()> {
        let key = params![site, span.month, span.monday.0];
        if sets.sums().is_empty() {
            return self
                .execute("DELETE FROM span WHERE site = ? AND month = ? AND monday = ?", key);
        }
        self.execute(
            "INSERT INTO span(site, month, monday, sets) VALUES (?, ?, ?, ?) \
             ON CONFLICT(site, month, monday) DO UPDATE SET sets = excluded.sets",
            params![site, span.month, span.monday.0, sets.encode()],
        )
    }

    /// Writes the cells of the weeks and months of `changed` spans, and of all time.
    pub(super) fn write_unions(&self, site: i64, changed: &BTreeSet<MonthWeek>) -> Result<()> {
        let all = self.rows(
            &format!("SELECT month, monday, sets FROM span WHERE site = {site}"),
            |row| {
                let span = MonthWeek { month: row.get(0)?, monday: Day(row.get(1)?) };
                Ok((span, row.get::<_, Vec<u8>>(2)?))
            },
        )?;
        let all: Option<BTreeMap<MonthWeek, VisitorSets>> = all
            .into_iter()
            .map(|(span, bytes)| Some((span, VisitorSets::decode(&bytes)?)))
            .collect();
        let all = all.ok_or_else(|| self.damaged("visitor sets"))?;
        let pruned_before = self
            .sites()?
            .into_iter()
            .find(|known| known.number == site)
            .and_then(|site| site.pruned_before);
        // A week or month that lost days to pruning has no cells any more.
        let is_cut = |first: Day| pruned_before.is_some_and(|pruned| first < pruned);
        let write = |granularity: &str, bucket: &str, is_in: &dyn Fn(&MonthWeek) -> bool| {
            let spans: Vec<&VisitorSets> =
                all.iter().filter(|(span, _)| is_in(span)).map(|(_, sets)| sets).collect();
            self.write_union(site, granularity, bucket, &VisitorSets::union(&spans))
                .map_err(|error| self.fail(&error))
        };
        let weeks: BTreeSet<Day> = changed.iter().map(|span| span.monday).collect();
        for monday in weeks.into_iter().filter(|monday| !is_cut(*monday)) {
            write("week", &monday.week_text(), &|span| span.monday == monday)?;
        }
        let months: BTreeSet<i32> = changed.iter().map(|span| span.month).collect();
        for month in months {
            let first = MonthWeek { month, monday: Day(i32::MIN) }.days().0;
            if !is_cut(first) {
                write("month", &first.month_text(), &|span| span.month == month)?;
            }
        }
        write("all", "", &|_| true)
    }

    /// Drops the visitors of spans that begin before `first`. Weeks and months that are gone whole keep their cells;
    /// of those that lose some days only, unique visitors can no longer be told, and their cells go. All time is from
    /// then on what the parts hold.
    pub(super) fn prune_spans(&mut self, site: i64, first: Day) -> Result<()> {
        let cut = MonthWeek::of(first);
        let spans = self
            .rows(&format!("SELECT month, monday FROM span WHERE site = {site}"), |row| {
                Ok(MonthWeek { month: row.get(0)?, monday: Day(row.get(1)?) })
            })?;
        for span in spans.into_iter().filter(|span| span.days().1 < first) {
            self.put_span(site, span, &VisitorSets::default())?;
        }
        // The days of the cut span that stay are walked again, without those that go.
        let stay = self.blocks_of_site(site)?.into_iter().map(|block| block.day);
        let stay: Vec<Day> = stay.filter(|day| MonthWeek::of(*day) == cut).collect();
        if stay.is_empty() {
            self.put_span(site, cut, &VisitorSets::default())?;
        }
        let touched = self.touched.entry(site).or_default();
        touched.days.extend(stay);
        touched.is_less = true;
        for (granularity, bucket, starts_before) in [
            ("week", first.week_text(), cut.monday < first),
            ("month", first.month_text(), first.date().2 > 1),
        ] {
            if starts_before {
                cells::remove(&self.connection, site, granularity, &bucket, &bucket)
                    .map_err(|error| self.fail(&error))?;
            }
        }
        self.write_unions(site, &BTreeSet::new())
    }

    fn write_union(
        &self,
        site: i64,
        granularity: &str,
        bucket: &str,
        sets: &VisitorSets,
    ) -> rusqlite::Result<()> {
        cells::remove(&self.connection, site, granularity, bucket, bucket)?;
        let sums = sets.sums();
        if sums.is_empty() {
            return Ok(());
        }
        let slot = cells::slot(&self.connection, site, granularity, bucket)?;
        let mut rows = Vec::with_capacity(sums.len());
        for sum in sums {
            let place = cells::place(&self.connection, site, &sum.name, "")?;
            rows.push([slot, place, sum.pv.cast_signed(), sum.uv.cast_signed()]);
        }
        rows.sort_unstable();
        cells::write(&self.connection, &rows)
    }
}

/// A day's visitors by hash, from those by number.
fn day_sets(
    cube: &Cube<'_>,
    visitors: &Visitors,
    day: Day,
    groups: Vec<(CellGroup, u64, RoaringBitmap)>,
) -> VisitorSets {
    let nobody = RoaringBitmap::new();
    let site = groups.iter().find(|(group, _, _)| *group == CellGroup::Site);
    let numbers = site.map_or(&nobody, |(_, _, numbers)| numbers);
    let mut by_hash: Vec<(u128, u32)> =
        numbers.iter().map(|number| (visitors.hash(number).0, number)).collect();
    by_hash.sort_unstable();
    let place_of: HashMap<u32, u32> =
        by_hash.iter().zip(0..).map(|(&(_, number), place)| (number, place)).collect();
    let groups = groups.into_iter().map(|(group, pv, numbers)| {
        let name = match group {
            CellGroup::Section(section) => cube.sections.name(section).to_owned(),
            _ => String::new(),
        };
        let mut places: Vec<u32> =
            numbers.iter().filter_map(|number| place_of.get(&number).copied()).collect();
        places.sort_unstable();
        let set = RoaringBitmap::from_sorted_iter(places).expect("sorted, and each visitor once");
        (name, pv, set)
    });
    let groups: Vec<(String, u64, RoaringBitmap)> = groups.collect();
    let hashes = by_hash.into_iter().map(|(hash, _)| hash).collect();
    VisitorSets::of_day(day.weekday(), hashes, groups)
}
