//! The blobs of blocks as rows: segments with a checksum each.
//!
//! Owns: the table `piece` and its keys; making and deleting rows of `block`. May import: `checked`, `block`, rusqlite.
//! Must not know: what blobs hold.
//!
//! A segment is a row of at most 64 KiB, so a chunk of a large blob is read from one row or two.

use std::ops::Range;

use rusqlite::{OptionalExtension, params};

use super::block::EncodedBlock;
use super::{Store, checked};
use crate::error::{Error, Result};

/// Bytes of each segment of a blob but the last, without its checksum.
const SEGMENT_BYTES: u64 = 65_528;
/// Number of segments of a blob that keys can tell apart.
const MOST_SEGMENTS: u64 = 1 << 16;
/// Number of dimensions that keys and `block.dimensions` can tell apart.
const DIMENSIONS: u32 = 63;

/// What a blob of a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Numbers of the block's visitors, for all dimensions.
    Visitors = 1,
    /// Sets of visitors.
    Groups,
    /// Counts of items.
    Items,
    /// The visitors of the facts.
    Who,
    /// Minutes and views of the facts.
    When,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Visitors, Self::Groups, Self::Items, Self::Who, Self::When];

    /// What is damaged if a blob cannot be read.
    fn in_words(self) -> &'static str {
        match self {
            Self::Visitors => "visitors of a day",
            Self::Groups => "visitors of sections",
            Self::Items => "counts of pages",
            Self::Who => "visitors of pages",
            Self::When => "times of page views",
        }
    }

    fn key(self, dimension: u32, block: u64, segment: u64) -> i64 {
        debug_assert!(dimension < DIMENSIONS && block < 1 << 38 && segment < MOST_SEGMENTS);
        ((self as u64) << 60 | u64::from(dimension) << 54 | block << 16 | segment).cast_signed()
    }
}

/// Stores a block of a share under a number that no block has had, counted for one dimension.
///
/// # Errors
/// [`Error::Limit`] if a blob is longer than can be stored; [`Error::Database`].
pub(super) fn put(
    store: Store<'_>,
    share: i64,
    dimension: u32,
    block: u64,
    encoded: &EncodedBlock,
) -> Result<()> {
    let EncodedBlock { visitors, groups, items, who, when, counts } = encoded;
    store.execute(
        "INSERT INTO block(id, share, dimensions, visitors, items, facts) VALUES (?, ?, ?, ?, ?, ?)",
        params![
            block.cast_signed(),
            share,
            1_i64 << dimension,
            counts.visitors,
            counts.items,
            counts.facts
        ],
    )?;
    for (kind, bytes) in Kind::ALL.into_iter().zip([visitors, groups, items, who, when]) {
        put_blob(store, share, kind, dimension, block, bytes)?;
    }
    Ok(())
}

fn put_blob(
    store: Store<'_>,
    share: i64,
    kind: Kind,
    dimension: u32,
    block: u64,
    bytes: &[u8],
) -> Result<()> {
    if bytes.len() as u64 > SEGMENT_BYTES * MOST_SEGMENTS {
        let message = "one log has more than 4 GiB of facts of a site's day, which is more than a database holds";
        return Err(Error::Limit(message.to_owned()));
    }
    let mut insert = store.prepare("INSERT INTO piece(key, bytes) VALUES (?, ?)")?;
    let mut sealed = Vec::new();
    let mut put_segment = |segment: u64, bytes: &[u8]| {
        let key = kind.key(dimension, block, segment);
        sealed.clear();
        sealed.extend_from_slice(bytes);
        checked::seal(&mut sealed, &[key, share]);
        insert.execute(params![key, sealed]).map_err(|error| store.fail(&error))
    };
    if bytes.is_empty() {
        put_segment(0, bytes)?;
    }
    for (segment, bytes) in (0..).zip(bytes.chunks(index(SEGMENT_BYTES))) {
        put_segment(segment, bytes)?;
    }
    Ok(())
}

/// A blob of a block of a share, or the bytes of it that `range` names; only the segments that have them are read.
///
/// # Errors
/// [`Error::Database`], also if there are fewer bytes.
pub(super) fn get(
    store: Store<'_>,
    kind: Kind,
    dimension: u32,
    block: u64,
    share: i64,
    range: Option<Range<u64>>,
) -> Result<Vec<u8>> {
    let damaged = || store.damaged(kind.in_words());
    let segments = match &range {
        None => 0..MOST_SEGMENTS,
        Some(range) if range.is_empty() => return Ok(Vec::new()),
        Some(range) => range.start / SEGMENT_BYTES..range.end.div_ceil(SEGMENT_BYTES),
    };
    if segments.end > MOST_SEGMENTS {
        return Err(damaged());
    }
    let sql = "SELECT key, bytes FROM piece WHERE key BETWEEN ? AND ? ORDER BY key";
    let mut select = store.prepare(sql)?;
    let key = |segment| kind.key(dimension, block, segment);
    let fail = |error| store.fail(&error);
    let mut rows = select.query([key(segments.start), key(segments.end - 1)]).map_err(fail)?;
    let (mut blob, mut segment, mut is_last) = (Vec::new(), segments.start, false);
    while let Some(row) = rows.next().map_err(fail)? {
        let found: i64 = row.get(0).map_err(fail)?;
        let sealed = row.get_ref(1).map_err(fail)?.as_blob().map_err(|_| damaged())?;
        if is_last || found != key(segment) {
            return Err(damaged());
        }
        let bytes = checked::open(sealed, &[found, share]).ok_or_else(damaged)?;
        is_last = bytes.len() as u64 != SEGMENT_BYTES;
        blob.extend_from_slice(bytes);
        segment += 1;
    }
    if segment == segments.start {
        return Err(damaged());
    }
    let Some(range) = range else { return Ok(blob) };
    let start = index(range.start % SEGMENT_BYTES);
    let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    if blob.len() < start.saturating_add(length) {
        return Err(damaged());
    }
    blob.truncate(start + length);
    blob.drain(..start);
    Ok(blob)
}

/// Deletes a block with all that it holds, in all dimensions; nothing if there is none of that number.
///
/// # Errors
/// [`Error::Database`].
pub(super) fn delete(store: Store<'_>, block: u64) -> Result<()> {
    let dimensions: Option<i64> = store
        .prepare("SELECT dimensions FROM block WHERE id = ?")?
        .query_row([block.cast_signed()], |row| row.get(0))
        .optional()
        .map_err(|error| store.fail(&error))?;
    let Some(dimensions) = dimensions else { return Ok(()) };
    // The visitors are kept with dimension 0, whether it was counted or not.
    let counted = |dimension: &u32| *dimension == 0 || dimensions >> dimension & 1 == 1;
    for dimension in (0..DIMENSIONS).filter(counted) {
        for kind in Kind::ALL {
            let keys =
                [kind.key(dimension, block, 0), kind.key(dimension, block, MOST_SEGMENTS - 1)];
            store.execute("DELETE FROM piece WHERE key BETWEEN ? AND ?", keys)?;
        }
    }
    store.execute("DELETE FROM block WHERE id = ?", [block.cast_signed()])?;
    Ok(())
}

/// A number of bytes in memory.
#[expect(clippy::cast_possible_truncation, reason = "within a segment")]
const fn index(bytes: u64) -> usize {
    bytes as usize
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use proptest::prelude::*;

    use super::super::testing::with_store;
    use super::{Kind, SEGMENT_BYTES, delete, get, put};
    use crate::database::Store;
    use crate::database::block::{BlockCounts, EncodedBlock};

    fn bytes(length: u64, first: u8) -> Vec<u8> {
        (0..length).map(|at| first.wrapping_add((at % 251).to_le_bytes()[0])).collect()
    }

    fn block(lengths: [u64; 5]) -> EncodedBlock {
        let [visitors, groups, items, who, when] = lengths;
        EncodedBlock {
            visitors: bytes(visitors, 1),
            groups: bytes(groups, 2),
            items: bytes(items, 3),
            who: bytes(who, 4),
            when: bytes(when, 5),
            counts: BlockCounts { visitors: 7, items: 8, facts: u32::MAX },
        }
    }

    fn count(store: Store<'_>, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        store.connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn keys_are_those_of_the_page() {
        assert_eq!(Kind::Visitors.key(0, 1, 0), 1 << 60 | 1 << 16);
        let all = Kind::When.key(62, (1 << 38) - 1, 65_535);
        assert_eq!(all, 5 << 60 | 62 << 54 | ((1 << 38) - 1) << 16 | 65_535);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_range_of_a_blob_comes_back(
            length in prop_oneof![0..9_u64, Just(SEGMENT_BYTES), Just(2 * SEGMENT_BYTES), 60_000..300_000_u64],
            ranges in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 8),
        ) {
            with_store(|store| {
                let encoded = block([5, 5, 5, length, 5]);
                put(store, -3, 0, 9, &encoded).unwrap();
                put(store, -3, 0, 10, &block([1, 2, 3, 4, 5])).unwrap();
                let read = |range: Option<Range<u64>>| get(store, Kind::Who, 0, 9, -3, range);
                assert_eq!(read(None).unwrap(), encoded.who);
                for (one, other) in ranges {
                    let (one, other) = (one.index(encoded.who.len() + 1), other.index(encoded.who.len() + 1));
                    let range = one.min(other)..one.max(other);
                    let found = read(Some(range.start as u64..range.end as u64)).unwrap();
                    assert_eq!(found, encoded.who[range]);
                }
                assert!(read(Some(length..length + 1)).is_err() && read(Some(u64::MAX - 1..u64::MAX)).is_err());
            });
        }
    }

    #[test]
    fn a_deleted_block_leaves_the_others() {
        with_store(|store| {
            for (number, share) in [(1, 4), (2, 5), (3, 4)] {
                put(store, share, 0, number, &block([100_000, 0, 70_000, 5, 5])).unwrap();
            }
            delete(store, 2).unwrap();
            delete(store, 77).unwrap();
            assert_eq!((count(store, "piece"), count(store, "block")), (14, 2));
            for number in [1, 3] {
                assert_eq!(get(store, Kind::Items, 0, number, 4, None).unwrap(), bytes(70_000, 3));
                assert!(get(store, Kind::Groups, 0, number, 4, None).unwrap().is_empty());
            }
            assert!(get(store, Kind::Visitors, 0, 2, 5, None).is_err());
        });
    }

    #[test]
    fn what_is_not_as_it_was_stored_is_damaged() {
        let damages = [
            "DELETE FROM piece WHERE key % 65536 = 0",
            "DELETE FROM piece WHERE key % 65536 = 1",
            "UPDATE piece SET key = key + 5 WHERE key % 65536 = 2",
            "UPDATE piece SET bytes = (SELECT bytes FROM piece ORDER BY key LIMIT 1) WHERE key % 65536 = 1",
            "UPDATE piece SET bytes = substr(bytes, 2) WHERE key % 65536 = 1",
            "UPDATE piece SET bytes = 'text' WHERE key % 65536 = 1",
            "UPDATE piece SET bytes = x'' WHERE key % 65536 = 1",
        ];
        for damage in damages {
            with_store(|store| {
                put(store, 4, 0, 1, &block([200_000; 5])).unwrap();
                assert!(get(store, Kind::When, 0, 1, 4, None).is_ok());
                // In another share it would be another day's.
                assert!(get(store, Kind::When, 0, 1, 5, None).is_err());
                store.connection.execute_batch(damage).unwrap();
                let error = get(store, Kind::When, 0, 1, 4, None).unwrap_err().to_string();
                assert!(error.contains("damaged (times of page views)"), "{error}");
            });
        }
    }
}
