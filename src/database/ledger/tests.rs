//! Rows of the ledger come back, and tell what an input is.

use super::relation::{Relation, relation};
use super::shares::{self, Added};
use super::{
    Recorded, SourceRecord, add, candidates, grow, read_again, source, sources, with_content,
};
use crate::database::Store;
use crate::database::testing::with_store;
use crate::facts::sample::Sample;
use crate::facts::sums::{Sums, of_hits};
use crate::facts::tally::Tally;
use crate::source::{BLOCK_BYTES, SourceIdentity};
use crate::time::Day;

/// The identity of a log of `bytes` bytes that begins as all logs of that `kind` do. Block hashes are made up.
pub(in crate::database) fn identity(kind: u64, bytes: u64) -> SourceIdentity {
    let hash = |part: u64, length: u64| {
        xxhash_rust::xxh3::xxh3_128(&[kind, part, length].map(u64::to_le_bytes).concat())
    };
    let blocks = bytes.div_ceil(BLOCK_BYTES);
    let end = |block: u64| bytes.min((block + 1) * BLOCK_BYTES);
    let ladder = (0..18).map(|doublings| 64 << doublings).take_while(|&length| length <= bytes);
    SourceIdentity::new(
        bytes,
        (0..blocks).map(|block| hash(block, end(block))).collect(),
        ladder.map(|length| hash(99, length)).collect(),
    )
}

fn record<'s>(identity: &'s SourceIdentity, tally: &'s Tally) -> SourceRecord<'s> {
    SourceRecord {
        identity,
        name: "access.log",
        format: Some("combined"),
        is_named: true,
        as_new: false,
        tally,
    }
}

fn add_log(store: Store<'_>, kind: u64, bytes: u64) -> Recorded {
    add(store, &record(&identity(kind, bytes), &Tally::default())).unwrap()
}

#[test]
fn rows_come_back_and_numbers_are_given_once() {
    with_store(|store| {
        let tally = Tally { lines: 7, nul_lines: 3, ..Tally::default() };
        let of_log = identity(1, 20 << 20);
        let recorded = add(store, &record(&of_log, &tally)).unwrap();
        assert_eq!(recorded.tally, Tally { lines: 7, ..Tally::default() });
        assert_eq!(source(store, recorded.number).unwrap().as_ref(), Some(&recorded));
        let short = add_log(store, 2, 30);
        assert_eq!(sources(store).unwrap(), [recorded.clone(), short.clone()]);
        let found = with_content(store, of_log.id).unwrap();
        assert_eq!(found, Some(recorded));
        assert_eq!(with_content(store, 5).unwrap(), None);
        store.execute("DELETE FROM source WHERE id = ?", [short.number]).unwrap();
        assert!(add_log(store, 3, 99).number > short.number);
    });
}

#[test]
fn growth_changes_the_row_and_keeps_32_states() {
    with_store(|store| {
        let mut recorded = add_log(store, 1, 40);
        let first = recorded.clone();
        for bytes in 100..140 {
            let (identity, tally) =
                (identity(1, bytes), Tally { lines: bytes, ..Tally::default() });
            let grown = SourceRecord {
                name: "later",
                format: Some("other"),
                is_named: false,
                as_new: bytes == 120,
                ..record(&identity, &tally)
            };
            recorded = grow(store, recorded, &grown).unwrap();
        }
        assert_eq!(sources(store).unwrap(), [recorded.clone()]);
        assert_eq!(
            (recorded.number, &recorded.short_id, recorded.added),
            (first.number, &first.short_id, first.added)
        );
        assert_eq!((recorded.format.as_deref(), recorded.is_named), (Some("combined"), true));
        assert_eq!(
            (&recorded.name[..], recorded.as_new, recorded.tally.lines),
            ("later", true, 139)
        );
        let lengths: Vec<u64> = recorded.states.iter().map(|state| state.bytes).collect();
        assert_eq!(lengths, (107..139).collect::<Vec<u64>>());
        let again = read_again(store, recorded, &record(&identity(1, 200), &Tally::default()));
        assert_eq!(again.unwrap().format.as_deref(), Some("combined"));
        // A log that begins as the grown one did has another short id.
        let other = add_log(store, 1, 40);
        assert!(other.short_id.len() > 6 && other.short_id.starts_with(&first.short_id));
    });
}

#[test]
fn candidates_are_those_that_may_begin_alike() {
    with_store(|store| {
        let numbers: Vec<i64> = [(1, 5000), (2, 5000), (1, 70), (4, 20), (1, 30 << 20)]
            .map(|(kind, bytes)| add_log(store, kind, bytes).number)
            .into();
        let found = |kind, bytes| -> Vec<i64> {
            let found = candidates(store, &identity(kind, bytes).beginnings).unwrap();
            found.iter().map(|one| one.number).collect()
        };
        assert_eq!(found(1, 9000), [numbers[0], numbers[2], numbers[3], numbers[4]]);
        assert_eq!(found(3, 9000), [numbers[3]]);
        assert_eq!(found(1, 20), [numbers[3]]);
        // The same first 64 bytes, but not the same 128.
        let mut w3c = identity(1, 5000);
        w3c.beginnings[1..].fill(7);
        let found = candidates(store, &w3c.beginnings).unwrap();
        let found: Vec<i64> = found.iter().map(|one| one.number).collect();
        assert_eq!(found, [numbers[2], numbers[3]]);
    });
}

#[test]
fn hashes_tell_the_relation() {
    with_store(|store| {
        let recorded = add_log(store, 1, 20 << 20);
        let recorded =
            grow(store, recorded, &record(&identity(1, 30 << 20), &Tally::default())).unwrap();
        let is = |kind, bytes| relation(&recorded, &identity(kind, bytes));
        assert_eq!(is(1, 30 << 20), Relation::Same);
        assert_eq!(is(1, 20 << 20), Relation::EarlierState);
        for cut in [64, 5000, 8 << 20, 17 << 20, (30 << 20) - 1] {
            assert_eq!(is(1, cut), Relation::Cut);
            assert_eq!(is(2, cut), Relation::Different);
        }
        assert_eq!(is(1, 63), Relation::Different);
        assert_eq!(is(1, 31 << 20), Relation::MayHaveGrown);
        assert_eq!(is(2, 31 << 20), Relation::Different);
        let mut other = identity(1, 31 << 20);
        other.block_hashes[2] ^= 1;
        let other = SourceIdentity::new(other.bytes, other.block_hashes, other.beginnings);
        assert_eq!(relation(&recorded, &other), Relation::Different);
        let short = add_log(store, 1, 40);
        assert_eq!(relation(&short, &identity(1, 5000)), Relation::MayHaveGrown);
        assert_eq!(relation(&short, &identity(1, 30)), Relation::Different);
    });
}

#[test]
fn damaged_rows_are_refused() {
    for damage in [
        "blocks = x''",
        "content = x'00'",
        "content = 'text'",
        "states = x'0102'",
        "totals = replace(totals, '7', '8')",
        "id = id + 1",
    ] {
        with_store(|store| {
            let tally = Tally { lines: 7, ..Tally::default() };
            add(store, &record(&identity(1, 5000), &tally)).unwrap();
            store.execute(&format!("UPDATE source SET {damage}"), []).unwrap();
            let error = sources(store).unwrap_err().to_string();
            assert!(error.contains("it is damaged (ledger)"), "{error}");
        });
    }
}

#[test]
fn shares_add_up() {
    with_store(|store| {
        let source = add_log(store, 1, 5000).number;
        let as_new = SourceRecord { as_new: true, ..record(&identity(2, 90), &Tally::default()) }
            .identity
            .clone();
        let tally = Tally::default();
        let as_new =
            add(store, &SourceRecord { as_new: true, ..record(&as_new, &tally) }).unwrap().number;
        let mut hits = Sums::default();
        for (number, sum) in [
            (of_hits::HITS, 9),
            (of_hits::BYTES, u64::MAX),
            (of_hits::STATUS, 1),
            (of_hits::STATUS + 404, 3),
            (of_hits::METHOD, 4),
            (of_hits::METHOD + 9, 5),
            (of_hits::METHOD + 10, 6),
            (77, 8),
        ] {
            hits.add(number, sum);
        }
        let [mut one, mut other] = [Sample::default(), Sample::default()];
        [5, 70_000, 9].into_iter().for_each(|value| one.offer(value));
        [6, 9].into_iter().for_each(|value| other.offer(value));
        let day = Day(-9);
        let Added { share: number, is_new } =
            shares::add(store, (3, day, source), &hits, &one).unwrap();
        assert!(is_new);
        let again = shares::add(store, (3, day, source), &hits, &other).unwrap();
        assert_eq!(again, Added { share: number, is_new: false });
        shares::add(store, (3, day, as_new), &hits, &one).unwrap();
        shares::add(store, (4, Day(7), source), &hits, &one).unwrap();
        let mut twice = hits.clone();
        hits.iter().for_each(|(number, sum)| twice.add(number, sum));
        let share = shares::find(store, 3, day, source).unwrap().unwrap();
        one.merge(&other);
        assert_eq!((share.number, &share.hits, &share.sample), (number, &twice, &one));
        assert_eq!(shares::samples(store, 3, day).unwrap(), [(source, one)]);
        assert_eq!(shares::hits(store, 4, Day(0)..=Day(9)).unwrap(), hits);
        hits.iter().for_each(|(number, sum)| twice.add(number, sum));
        assert_eq!(shares::hits(store, 3, day..=day).unwrap(), twice);
        assert_eq!(
            shares::of_source(store, source).unwrap(),
            [(3, day..=day), (4, Day(7)..=Day(7))]
        );
        let totals: String = store
            .connection
            .query_row("SELECT totals FROM share WHERE site = 4", [], |row| row.get(0))
            .unwrap();
        assert!(
            totals.contains(r#""status":{"0":1,"404":3},"method":{"PATCH":5,"other":4}"#),
            "{totals}"
        );
        store.execute("UPDATE share SET day = day + 1 WHERE site = 3", []).unwrap();
        assert!(shares::find(store, 3, Day(-8), source).is_err());
        assert!(shares::samples(store, 3, Day(-8)).is_err());
        assert!(shares::hits(store, 3, Day(-8)..=Day(-8)).is_err());
    });
}
