//! Levels against a map, and how much they write.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rusqlite::params;

use super::super::Store;
use super::super::testing::with_store;
use super::{
    insert_seen, insert_visitors, limit, retain_seen, retain_visitors, seen, start, visitor_numbers,
};
use crate::select::VisitorHash;

/// Pseudo-random numbers, the same each time.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ mixed >> 32
}

fn hash(number: u32) -> VisitorHash {
    let number = u64::from(number);
    VisitorHash(u128::from(mix(number)) << 64 | u128::from(mix(!number)))
}

/// Visitors whose hashes come from their numbers.
fn visitors(numbers: std::ops::Range<u32>) -> Vec<(VisitorHash, u32)> {
    let mut visitors: Vec<_> = numbers.map(|number| (hash(number), number)).collect();
    visitors.sort_unstable();
    visitors
}

#[derive(Clone, Debug)]
enum Step {
    /// That many entries, after that seed.
    Insert(u32, u32),
    /// Keeps numbers that leave another remainder.
    Retain(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let insert = prop_oneof![3 => 1..40_u32, 2 => 500..1_100_u32, 1 => 3_000..6_000_u32];
    let step = prop_oneof![
        8 => (insert, any::<u32>()).prop_map(|(count, seed)| Step::Insert(count, seed)),
        1 => (2..7_u32).prop_map(Step::Retain),
    ];
    prop::collection::vec(step, 1..12)
}

/// Each level holds what `level` says, and no more than it may.
fn check_levels(store: Store<'_>, table: &str, entry_counts: impl Fn(&[u8]) -> u64) -> u64 {
    let mut statement =
        store.connection.prepare("SELECT level, entries FROM level WHERE structure = ?").unwrap();
    let rows = statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let mut all = 0;
    for row in rows {
        let (level, entries): (i64, i64) = row.unwrap();
        let (level, entries) = (usize::try_from(level).unwrap(), entries.cast_unsigned());
        let sql = format!("SELECT bytes FROM {table} WHERE key >= ? AND key < ?");
        let mut pieces = store.connection.prepare(&sql).unwrap();
        let pieces = pieces.query_map([start(level), start(level + 1)], |row| row.get(0)).unwrap();
        let counted: u64 =
            pieces.map(|bytes: rusqlite::Result<Vec<u8>>| entry_counts(&bytes.unwrap())).sum();
        assert_eq!(counted, entries, "level {level}");
        assert!(counted <= limit(level), "level {level}");
        all += counted;
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_dictionary_is_a_map(steps in steps(), few_prefixes in any::<bool>()) {
        with_store(|store| {
            let mut map = BTreeMap::new();
            let mut next = 1;
            for step in &steps {
                match *step {
                    Step::Insert(count, seed) => {
                        let mut new = BTreeMap::new();
                        for number in 0..count {
                            let mut hash = hash(seed.wrapping_add(number));
                            if few_prefixes {
                                // All in a few keys, of which some hold more than a piece.
                                hash.0 = ((hash.0 >> 120) % 3) << 72 | hash.0 & 0xff_ffff_ffff;
                            }
                            if !map.contains_key(&hash) && new.insert(hash, next).is_none() {
                                next += 1;
                            }
                        }
                        let new: Vec<_> = new.into_iter().collect();
                        insert_visitors(store, &new).unwrap();
                        map.extend(new);
                    }
                    Step::Retain(divisor) => {
                        retain_visitors(store, |number| number % divisor > 0).unwrap();
                        map.retain(|_, number| *number % divisor > 0);
                    }
                }
                let count = check_levels(store, "visitor", |bytes| (bytes.len() as u64 - 8) / 20);
                assert_eq!(count, map.len() as u64);
                let wanted: BTreeMap<_, _> = map
                    .iter()
                    .map(|(hash, number)| (*hash, Some(*number)))
                    .chain((0..50).map(|number| (hash(number), map.get(&hash(number)).copied())))
                    .collect();
                let hashes: Vec<_> = wanted.keys().copied().collect();
                let numbers: Vec<_> = wanted.into_values().collect();
                assert_eq!(visitor_numbers(store, &hashes).unwrap(), numbers);
            }
        });
    }

    #[test]
    fn seen_is_a_set(steps in steps(), places in 1..50_u64) {
        with_store(|store| {
            let mut set = BTreeMap::new();
            for step in &steps {
                match *step {
                    Step::Insert(count, seed) => {
                        let first = seed % 10_000;
                        let new: BTreeMap<u64, ()> = (first..first + count)
                            .map(|visitor| (u64::from(visitor), mix((visitor ^ seed).into()) % places))
                            .map(|(visitor, place)| (place << 32 | visitor, ()))
                            .filter(|(pair, ())| !set.contains_key(pair))
                            .collect();
                        let pairs: Vec<u64> = new.keys().copied().collect();
                        insert_seen(store, &pairs).unwrap();
                        set.extend(new);
                    }
                    Step::Retain(divisor) => {
                        retain_seen(store, |pair| pair % u64::from(divisor) > 0).unwrap();
                        set.retain(|pair, ()| *pair % u64::from(divisor) > 0);
                    }
                }
                let mut wanted: Vec<u64> = set.keys().map(|pair| pair ^ 1).chain(set.keys().copied()).collect();
                wanted.sort_unstable();
                wanted.dedup();
                let expected: Vec<bool> = wanted.iter().map(|pair| set.contains_key(pair)).collect();
                assert_eq!(seen(store, &wanted).unwrap(), expected);
            }
        });
    }
}

/// Nothing of what was taken out is left in keys, bytes or cursors.
#[test]
fn hashes_taken_out_leave_nothing() {
    with_store(|store| {
        for batch in 0..40 {
            insert_visitors(store, &visitors(batch * 200..(batch + 1) * 200)).unwrap();
        }
        retain_visitors(store, |number| number % 3 > 0).unwrap();
        let mut statement = store.connection.prepare("SELECT key, bytes FROM visitor").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let rows: Vec<(i64, Vec<u8>)> = rows.map(Result::unwrap).collect();
        let keys: Vec<[u8; 7]> =
            rows.iter().map(|(key, _)| *key.to_be_bytes().last_chunk().unwrap()).collect();
        for number in (0..8000).step_by(3) {
            let prefix: [u8; 7] = *hash(number).0.to_be_bytes().first_chunk().unwrap();
            assert!(!keys.contains(&prefix));
            assert!(!rows.iter().any(|(_, bytes)| bytes.windows(7).any(|window| window == prefix)));
        }
        let cursors: i64 = store
            .connection
            .query_row("SELECT max(cursor) FROM level", [], |row| row.get(0))
            .unwrap();
        assert_eq!(cursors, 0);
    });
}

/// A commit writes a few pieces of each level, however many entries there are.
#[test]
fn small_commits_write_little() {
    with_store(|store| {
        store
            .connection
            .execute_batch(
                "CREATE TEMP TABLE written(bytes INTEGER); CREATE TEMP TRIGGER writes AFTER INSERT ON main.visitor
                 BEGIN INSERT INTO written VALUES (length(new.bytes)); END",
            )
            .unwrap();
        let (mut commits, mut all, mut most) = (0, 0, 0);
        for batch in 0..3000 {
            insert_visitors(store, &visitors(batch * 30..(batch + 1) * 30)).unwrap();
            let written: i64 = store
                .connection
                .query_row("SELECT ifnull(sum(bytes), 0) FROM written", [], |row| row.get(0))
                .unwrap();
            store.connection.execute("DELETE FROM written", params![]).unwrap();
            if batch >= 100 {
                (commits, all, most) = (commits + 1, all + written, most.max(written));
            }
        }
        let mean = all / commits;
        assert!(mean < 30_000 && most < 200_000, "{mean} bytes a commit, at most {most}");
    });
}

#[test]
fn damage_is_found() {
    let damages = [
        "UPDATE visitor SET bytes = zeroblob(length(bytes))",
        "UPDATE visitor SET bytes = substr(bytes, 2)",
        "UPDATE visitor SET bytes = 'text'",
        "UPDATE visitor SET key = key + 1",
        "UPDATE level SET cursor = -1",
        "UPDATE level SET entries = 'many'",
        "UPDATE level SET level = 99",
    ];
    for damage in damages {
        with_store(|store| {
            let new = visitors(0..900);
            insert_visitors(store, &new).unwrap();
            store.connection.execute_batch(damage).unwrap();
            let hashes: Vec<_> = new.iter().map(|entry| entry.0).collect();
            let error = visitor_numbers(store, &hashes).unwrap_err().to_string();
            assert!(error.contains("it is damaged"), "{damage}: {error}");
        });
    }
}
