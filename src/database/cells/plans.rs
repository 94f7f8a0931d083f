//! How SQLite answers the questions of the page "The database format": the view leans on its planner.

use super::super::Store;
use super::super::places::{PAGE, SECTION, SITE, number_places};
use super::super::testing::with_store;
use super::{ALL, CellChange, DAY, HOUR, MONTH, WEEK, add_cells, bucket_of};
use crate::time::Day;

/// A year of three sites, with sections and pages.
fn fill(store: Store<'_>) {
    let start = Day::from_date(2018, 1, 1).unwrap().0;
    let texts: Vec<_> = (0..40)
        .map(|page| (format!("/s{}/", page % 4), format!("/s{}/{page}.html", page % 4)))
        .collect();
    let mut names = vec![(SITE, "", "")];
    names.extend(texts[..4].iter().map(|(section, _)| (SECTION, section.as_str(), "")));
    names.extend(texts.iter().map(|(section, page)| (PAGE, section.as_str(), page.as_str())));
    for site in 1..4 {
        let name = format!("site{site}.example");
        store
            .execute(
                "INSERT INTO site(id, name, rules, is_named) VALUES (?, ?, '{}', 0)",
                rusqlite::params![site, name],
            )
            .unwrap();
        let places = number_places(store, site, 0, &names).unwrap();
        let mut changes = Vec::new();
        for (&place, name) in places.iter().zip(&names) {
            for (granularity, days) in [(DAY, 1), (HOUR, 1), (WEEK, 7), (MONTH, 31), (ALL, 365)] {
                if name.0 == PAGE && granularity != DAY {
                    continue;
                }
                for day in (start..start + 365).step_by(days) {
                    let bucket = bucket_of(granularity, Day(day), 0);
                    let level = name.0;
                    changes.push(CellChange { granularity, level, bucket, place, pv: 2, uv: 1 });
                }
            }
        }
        changes.sort_unstable();
        changes.dedup_by_key(|change| change.key());
        add_cells(store, &changes).unwrap();
    }
}

/// Questions, and the beginnings of steps that their plans must have in this order.
const QUESTIONS: [(&str, &str, &[&str]); 12] = [
    (
        "a year of site rows",
        "SELECT bucket, pv, uv FROM traffic WHERE granularity = 'day' AND level = 'site'",
        BY_CELL,
    ),
    (
        "a year of site rows of one site",
        "SELECT bucket, pv, uv FROM traffic \
         WHERE site = 'site2.example' AND granularity = 'day' AND level = 'site'",
        BY_CELL,
    ),
    (
        "the ten top pages of a day",
        "SELECT page, pv, uv FROM traffic \
         WHERE granularity = 'day' AND bucket = '2018-03-05' AND level = 'page' ORDER BY pv DESC LIMIT 10",
        BY_BUCKET,
    ),
    (
        "the ten top pages of a day of one site",
        "SELECT page, pv, uv FROM traffic WHERE site = 'site2.example' AND granularity = 'day' \
         AND bucket = '2018-03-05' AND level = 'page' ORDER BY pv DESC LIMIT 10",
        BY_BUCKET,
    ),
    (
        "the sections of a month, by day",
        "SELECT bucket, section, pv FROM traffic WHERE granularity = 'day' AND level = 'section' \
         AND bucket BETWEEN '2018-03-01' AND '2018-03-31'",
        BY_CELL,
    ),
    (
        "a section by day for a year, with level",
        "SELECT bucket, pv, uv FROM traffic WHERE granularity = 'day' AND level = 'section' AND section = '/s3/'",
        BY_CELL,
    ),
    (
        "a page by day for a year",
        "SELECT bucket, pv, uv FROM traffic WHERE granularity = 'day' AND page = '/s1/1.html'",
        BY_PLACE,
    ),
    (
        "a page by day for a year, of one site, with level",
        "SELECT bucket, pv, uv FROM traffic WHERE site = 'site2.example' AND granularity = 'day' \
         AND level = 'page' AND page = '/s1/1.html'",
        BY_PLACE,
    ),
    (
        "the top pages of a month, summed up",
        "SELECT page, sum(pv) FROM traffic WHERE granularity = 'day' AND level = 'page' \
         AND bucket BETWEEN '2018-03-01' AND '2018-03-31' GROUP BY page ORDER BY 2 DESC LIMIT 10",
        BY_CELL,
    ),
    (
        "the sections of each week",
        "SELECT bucket, section, uv FROM traffic WHERE granularity = 'week' AND level = 'section'",
        BY_CELL,
    ),
    (
        "the hours of a day",
        "SELECT bucket, pv FROM traffic \
         WHERE granularity = 'hour' AND level = 'site' AND bucket BETWEEN '2018-03-05' AND '2018-03-06'",
        BY_CELL,
    ),
    ("all time", "SELECT * FROM traffic WHERE granularity = 'all'", BY_CELL),
];

/// Through few classes and buckets to the cells, which lie together.
const BY_CELL: &[&str] = &[
    "SEARCH class USING INTEGER PRIMARY KEY",
    "SEARCH calendar",
    "SEARCH cell USING PRIMARY KEY (class=? AND bucket=?)",
    "SEARCH place USING INTEGER PRIMARY KEY",
    "SEARCH site USING INTEGER PRIMARY KEY",
];

/// The same for one bucket, which is found by its text.
const BY_BUCKET: &[&str] = &[
    "SEARCH class USING INTEGER PRIMARY KEY",
    "SEARCH calendar USING INDEX sqlite_autoindex_calendar_1 (text=? AND granularity=?)",
    "SEARCH cell USING PRIMARY KEY (class=? AND bucket=?)",
    "SEARCH place USING INTEGER PRIMARY KEY",
    "SEARCH site USING INTEGER PRIMARY KEY",
];

/// One look into the cells for each bucket.
const BY_PLACE: &[&str] = &[
    "SEARCH place USING COVERING INDEX sqlite_autoindex_place_1 (page=?)",
    "SEARCH cell USING PRIMARY KEY (class=? AND bucket=? AND place=?)",
];

#[test]
fn questions_are_answered_by_keys() {
    with_store(|store| {
        fill(store);
        for analyzed in [false, true] {
            if analyzed {
                store.connection.execute_batch("ANALYZE").unwrap();
            }
            for (name, sql, expected) in QUESTIONS {
                let mut statement =
                    store.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
                let plan = statement.query_map([], |row| row.get(3)).unwrap();
                let plan: Vec<String> = plan.map(Result::unwrap).collect();
                let mut rest = plan.iter();
                for step in expected {
                    assert!(rest.any(|line| line.starts_with(step)), "{name}: {plan:#?}");
                }
                let is_slow = |line: &String| line.contains("SCAN") || line.contains("AUTOMATIC");
                assert!(!plan.iter().any(is_slow), "{name}: {plan:#?}");
                let mut statement = store.connection.prepare(sql).unwrap();
                assert!(statement.query([]).unwrap().next().unwrap().is_some(), "{name}");
            }
        }
    });
}
