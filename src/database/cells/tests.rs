//! Cells against a map, and the calendar.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::Store;
use super::super::places::{PAGE, SECTION, SITE, number_places, place_numbers};
use super::super::testing::with_store;
use super::{
    ALL, CellChange, DAY, HOUR, MINUTE, MONTH, WEEK, add_cells, bucket_of, bucket_text, delete,
    delete_names_without_cells,
};
use crate::time::Day;

fn cells(store: Store<'_>) -> BTreeMap<(u8, i64, u32), (u64, u64)> {
    let mut statement =
        store.connection.prepare("SELECT class, bucket, place, pv, uv FROM cell").unwrap();
    let rows = statement.query_map([], |row| {
        let key = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok((key, (row.get::<_, i64>(3)?.cast_unsigned(), row.get::<_, i64>(4)?.cast_unsigned())))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn cells_add_up(
        runs in prop::collection::vec(
            prop::collection::btree_map(
                (0..6_u8, 0..3_u8, -40..40_i64, 1..9_u32), (1..100_u64, 1..100_u64), 0..150,
            ),
            1..6,
        ),
        shuffle in any::<bool>(),
    ) {
        with_store(|store| {
            let mut expected = BTreeMap::new();
            for run in &runs {
                let mut changes: Vec<_> = run
                    .iter()
                    .map(|(&(granularity, level, day, place), &(pv, uv))| {
                        let bucket = match granularity {
                            // Mondays.
                            WEEK => day * 7 - 3,
                            ALL => 0,
                            _ => day,
                        };
                        CellChange { granularity, level, bucket, place, pv, uv }
                    })
                    .collect();
                changes.sort_unstable();
                changes.dedup_by_key(|change| change.key());
                for change in &changes {
                    let sums = expected.entry(change.key()).or_insert((0, 0));
                    *sums = (sums.0 + change.pv, sums.1 + change.uv);
                }
                if shuffle {
                    changes.reverse();
                }
                add_cells(store, &changes).unwrap();
            }
            assert_eq!(cells(store), expected);
            let buckets: i64 = store
                .connection
                .query_row("SELECT count(*) FROM calendar", [], |row| row.get(0))
                .unwrap();
            let expected: BTreeSet<_> =
                expected.keys().map(|(class, bucket, _)| (class / 4, *bucket)).collect();
            assert_eq!(buckets.cast_unsigned(), expected.len() as u64);
        });
    }
}

#[test]
fn buckets_have_the_texts_of_the_page() {
    let day = Day::from_date(2018, 3, 5).unwrap();
    for (granularity, day, minute, text) in [
        (DAY, day, 845, "2018-03-05"),
        (HOUR, day, 845, "2018-03-05T14"),
        (MINUTE, day, 845, "2018-03-05T14:05"),
        (WEEK, Day(day.0 + 6), 0, "2018-W10"),
        (MONTH, day, 0, "2018-03"),
        (MONTH, Day(day.0 - 64), 0, "2017-12"),
        (ALL, day, 845, ""),
        (HOUR, Day(-1), 1439, "1969-12-31T23"),
        (MINUTE, Day(-1), 1439, "1969-12-31T23:59"),
        (MONTH, Day::from_date(0, 1, 1).unwrap(), 0, "0000-01"),
        (MONTH, Day::from_date(-1, 12, 31).unwrap(), 0, "-0001-12"),
        (WEEK, Day(-1), 0, "1970-W01"),
    ] {
        assert_eq!(bucket_text(granularity, bucket_of(granularity, day, minute)), text);
    }
    assert_eq!(bucket_of(WEEK, Day(day.0 + 6), 0), i64::from(day.0));
}

#[test]
fn sums_without_room_are_refused() {
    with_store(|store| {
        let change =
            |pv| CellChange { granularity: DAY, level: PAGE, bucket: 1, place: 1, pv, uv: 1 };
        add_cells(store, &[change(i64::MAX as u64 - 5)]).unwrap();
        add_cells(store, &[change(5)]).unwrap();
        for pv in [1, u64::MAX] {
            let error = add_cells(store, &[change(pv)]).unwrap_err().to_string();
            assert!(error.contains("2^63"), "{error}");
        }
        assert_eq!(cells(store).into_values().collect::<Vec<_>>(), [(i64::MAX as u64, 2)]);
    });
}

#[test]
fn deleted_cells_take_unused_names_along() {
    with_store(|store| {
        let names = [(SITE, "", ""), (SECTION, "/a/", ""), (PAGE, "/a/", "/a/1")];
        let mut changes = Vec::new();
        for site in [1, 2] {
            let places = number_places(store, site, 0, &names).unwrap();
            for (bucket, (&place, level)) in
                (1..4).flat_map(|day| places.iter().zip(0..).map(move |place| (day, place)))
            {
                changes.push(CellChange { granularity: DAY, level, bucket, place, pv: 2, uv: 1 });
            }
        }
        add_cells(store, &changes).unwrap();
        delete(store, 1, DAY, 2..=3).unwrap();
        delete_names_without_cells(store).unwrap();
        let left = |site: u32, bucket| bucket == 1 || site == 2;
        let site_of = |place| if place <= 3 { 1 } else { 2 };
        let expected: BTreeMap<_, _> = changes
            .iter()
            .filter(|change| left(site_of(change.place), change.bucket))
            .map(|change| (change.key(), (change.pv, change.uv)))
            .collect();
        assert_eq!(cells(store), expected);
        assert_eq!(place_numbers(store, 1, 0, &names).unwrap(), [Some(1), Some(2), Some(3)]);
        delete(store, 1, DAY, i64::MIN..=i64::MAX).unwrap();
        delete(store, 2, DAY, 1..=1).unwrap();
        delete_names_without_cells(store).unwrap();
        assert_eq!(place_numbers(store, 1, 0, &names).unwrap(), [None; 3]);
        assert_eq!(place_numbers(store, 2, 0, &names).unwrap(), [Some(4), Some(5), Some(6)]);
        let mut statement = store.connection.prepare("SELECT bucket FROM calendar").unwrap();
        let buckets = statement.query_map([], |row| row.get(0)).unwrap();
        assert_eq!(buckets.map(Result::unwrap).collect::<Vec<i64>>(), [2, 3]);
    });
}
