//! What targets were sent, and what they are sent of weeks, months and all time.
//!
//! Owns: the table `published`; versions of days that are to be sent again. May import: `cells`, `meta`, `places`, `time`
//! (periods), rusqlite. Must not know: what targets are.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};

use super::{Database, cells, meta};
use crate::error::Result;
use crate::time::{Day, Period, Span};

/// A site or one of its sections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its place.
    pub place: u32,
    /// The section's name; empty for the site, as for the section of the empty name.
    pub section: String,
    /// Whether it is the site.
    pub is_site: bool,
}

impl Database {
    /// The version of each span of a site that a target was sent last, by the period's name.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn published(&self, target: &str, site: &str) -> Result<BTreeMap<String, u64>> {
        let store = self.store();
        let sql = "SELECT period, version FROM published WHERE target = ? AND site = ?";
        let rows = store
            .prepare(sql)?
            .query_map([target, site], |row| {
                Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
            })
            .and_then(Iterator::collect);
        rows.map_err(|error| store.fail(&error))
    }

    /// Notes which versions a target was sent, within the transaction that was begun.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn note_published(&mut self, target: &str, spans: &[(Span, u64)]) -> Result<()> {
        let sql =
            "INSERT OR REPLACE INTO published(target, site, period, version) VALUES (?, ?, ?, ?)";
        for (span, version) in spans {
            let period = span.period.to_string();
            self.store().execute(sql, params![target, span.site, period, version.cast_signed()])?;
        }
        Ok(())
    }

    /// The version of the last commit that changed anything; 0 before the first.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn last_version(&self) -> Result<u64> {
        Ok(meta::version(self.store())?.cast_unsigned())
    }

    /// Gives all days of a site, or of all sites, the version of the transaction that was begun, so that they are published
    /// again.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn renew_days(&mut self, site: Option<&str>) -> Result<()> {
        let store = self.store();
        let version = meta::next_version(store)?;
        let sql = "UPDATE day SET version = ?1 WHERE ?2 IS NULL OR site IN (SELECT id FROM site WHERE name = ?2)";
        store.execute(sql, params![version, site])?;
        Ok(())
    }

    /// Each site with its own place and those of its sections, by site; of a site by section.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn groups(&self) -> Result<BTreeMap<i64, Vec<Group>>> {
        let store = self.store();
        // The index of places begins with the page, which none of these has.
        let sql = "SELECT site, id, section, level = 0 FROM place WHERE page = '' AND level < 2 AND dimension = 0 \
                   ORDER BY section, level";
        let mut statement = store.prepare(sql)?;
        let fail = |error| store.fail(&error);
        let mut rows = statement.query([]).map_err(fail)?;
        let mut groups: BTreeMap<i64, Vec<Group>> = BTreeMap::new();
        while let Some(row) = rows.next().map_err(fail)? {
            let group = || -> rusqlite::Result<_> {
                let (site, place) = (row.get(0)?, row.get(1)?);
                Ok((site, Group { place, section: row.get(2)?, is_site: row.get(3)? }))
            };
            let (site, group) = group().map_err(fail)?;
            groups.entry(site).or_default().push(group);
        }
        Ok(groups)
    }

    /// PV and UV of groups in the week, the month or all time that `day` is in; those without cells are left out.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub fn cells_of_period<'g>(
        &self,
        period: Period,
        day: Day,
        groups: &'g [Group],
    ) -> Result<Vec<(&'g Group, u64, u64)>> {
        let granularity = match period {
            Period::Day(_) => cells::DAY,
            Period::Week { .. } => cells::WEEK,
            Period::Month { .. } => cells::MONTH,
            Period::All => cells::ALL,
        };
        let bucket = cells::bucket_of(granularity, day, 0);
        let store = self.store();
        let mut statement = store
            .prepare("SELECT pv, uv FROM cell WHERE class = ? AND bucket = ? AND place = ?")?;
        let mut found = Vec::new();
        for group in groups {
            let class = granularity * cells::LEVELS + u8::from(!group.is_site);
            let numbers = statement
                .query_row(params![class, bucket, group.place], |row| {
                    let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
                    Ok((number(0)?, number(1)?))
                })
                .optional()
                .map_err(|error| store.fail(&error))?;
            found.extend(numbers.map(|(pv, uv)| (group, pv, uv)));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::cells::{CellChange, MONTH, WEEK, add_cells, bucket_of};
    use super::super::places::{PAGE, SECTION, SITE, number_places};
    use super::super::testing::TestDatabase;
    use super::Group;
    use crate::time::{Day, Period, Span};

    #[test]
    fn a_target_is_sent_each_version_once() {
        let mut test = TestDatabase::new();
        let span = |period| Span { site: "a".to_owned(), period };
        let (week, day) = (Period::week_of(Day(17_000)), Period::Day(Day(17_000)));
        let spans = [(span(week), 5), (span(day), u64::MAX)];
        test.database.note_published("one", &spans).unwrap();
        test.database.note_published("one", &[(span(week), 6)]).unwrap();
        test.database.note_published("other", &[(span(week), 7)]).unwrap();
        let expected = BTreeMap::from([(week.to_string(), 6), (day.to_string(), u64::MAX)]);
        assert_eq!(test.database.published("one", "a").unwrap(), expected);
        assert_eq!(test.database.published("one", "b").unwrap(), BTreeMap::new());
    }

    #[test]
    fn days_are_renewed_by_site() {
        let mut test = TestDatabase::new();
        let sql = "INSERT INTO site(id, name, rules, is_named) VALUES (1, 'a', '{}', 1), (2, 'b', '{}', 1); \
                   INSERT INTO day(site, day, version, sums) VALUES (1, 5, 1, ''), (2, 5, 1, '')";
        test.store().connection.execute_batch(sql).unwrap();
        let version =
            |test: &TestDatabase, site| test.database.day_versions(site).unwrap()[&Day(5)].version;
        test.database.renew_days(Some("b")).unwrap();
        let last = test.database.last_version().unwrap();
        assert_eq!((version(&test, 1), version(&test, 2)), (1, last));
        test.database.renew_days(None).unwrap();
        assert!(version(&test, 1) > last && version(&test, 2) == version(&test, 1));
    }

    #[test]
    fn periods_have_their_cells() {
        let test = TestDatabase::new();
        // A page and a section can have no name.
        let names = [(SITE, "", ""), (SECTION, "", ""), (SECTION, "/a/", ""), (PAGE, "", "")];
        let places = number_places(test.store(), 1, 0, &names).unwrap();
        let others = number_places(test.store(), 2, 0, &names[..2]).unwrap();
        let day = Day(17_000);
        let cell = |granularity, level, place: u32, pv| CellChange {
            granularity,
            level,
            bucket: bucket_of(granularity, day, 0),
            place,
            pv,
            uv: 1,
        };
        let cells = [
            cell(WEEK, 0, places[0], 9),
            cell(WEEK, 1, places[2], 4),
            cell(MONTH, 1, places[1], 7),
            cell(WEEK, 0, others[0], 3),
        ];
        add_cells(test.store(), &cells).unwrap();
        let groups = test.database.groups().unwrap();
        let group =
            |place, section: &str, is_site| Group { place, section: section.to_owned(), is_site };
        let of_site = [
            group(places[0], "", true),
            group(places[1], "", false),
            group(places[2], "/a/", false),
        ];
        assert_eq!(groups[&1], of_site);
        let cells =
            |period| test.database.cells_of_period(period, Day(17_001), &groups[&1]).unwrap();
        assert_eq!(cells(Period::week_of(day)), [(&of_site[0], 9, 1), (&of_site[2], 4, 1)]);
        assert_eq!(cells(Period::month_of(day)), [(&of_site[1], 7, 1)]);
        assert_eq!(cells(Period::All), []);
    }
}
