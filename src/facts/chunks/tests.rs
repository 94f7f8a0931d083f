//! Chunks keep facts, and are cut as a naive cutter cuts them; damaged ones are refused or read as other facts.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Chunk, ChunkDecoder, ChunkEncoder, EncodedChunks, Times, cut};
use crate::facts::DayFacts;
use crate::facts::column::ColumnEncoder;
use crate::facts::day_facts::MAX_VIEWS;
use crate::facts::varint;

/// (item, rank, minute) to views.
type Facts = BTreeMap<(u32, u32, u16), u64>;

const VISITORS: u32 = 1 << 20;

fn encode(facts: &Facts) -> EncodedChunks {
    let mut day = DayFacts::default();
    for (&(item, rank, minute), &views) in facts {
        day.push(item, rank, minute, views);
    }
    let mut column = ColumnEncoder::default();
    let mut encoder = ChunkEncoder::new(&mut column);
    day.pages().for_each(|(_, facts)| encoder.push_item(facts));
    encoder.finish()
}

/// The chunks read back, each fact as (index of its item, rank, minute, views).
fn decode(chunks: &EncodedChunks) -> Vec<(usize, u32, u16, u64)> {
    let EncodedChunks { who, when, counts } = chunks;
    let (mut who, mut when) = (&who[..], &when[..]);
    let (mut ranks, mut times, mut items) = (Vec::new(), Times::default(), Vec::new());
    let mut decoder = ChunkDecoder::default();
    assert_eq!(cut(&counts.facts).count(), counts.who.len());
    for (chunk, (&who_bytes, &when_bytes)) in
        cut(&counts.facts).zip(counts.who.iter().zip(&counts.when))
    {
        let take = |from: &mut &[u8], bytes: u64| {
            varint::take_bytes(from, usize::try_from(bytes).unwrap()).unwrap().to_vec()
        };
        let of_chunk = chunk.of(&counts.facts);
        decoder.who(&take(&mut who, who_bytes), of_chunk, VISITORS, &mut ranks).unwrap();
        decoder.when(&take(&mut when, when_bytes), chunk.facts, &mut times).unwrap();
        for (item, count) in chunk.items.clone().zip(of_chunk.counts()) {
            items.extend(std::iter::repeat_n(item, count));
        }
        assert_eq!((ranks.len(), times.minutes.len()), (items.len(), items.len()));
    }
    assert!(who.is_empty() && when.is_empty());
    let times = times.minutes.into_iter().zip(times.views);
    items.into_iter().zip(ranks).zip(times).map(|((i, r), (m, v))| (i, r, m, v)).collect()
}

/// The facts of each chunk as (item, index of the fact in its item), cut one by one as the guide says it.
fn naive_cut(facts_of_items: &[u64]) -> Vec<Vec<(usize, u64)>> {
    let (mut chunks, mut open) = (Vec::new(), Vec::new());
    for (item, &facts) in facts_of_items.iter().enumerate() {
        let all: Vec<(usize, u64)> = (0..facts).map(|fact| (item, fact)).collect();
        if facts >= 128 {
            chunks.push(std::mem::take(&mut open));
            chunks.extend(all.chunks(4096).map(<[_]>::to_vec));
        } else {
            open.extend(all);
            if open.len() >= 1024 {
                chunks.push(std::mem::take(&mut open));
            }
        }
    }
    chunks.push(open);
    chunks.retain(|chunk| !chunk.is_empty());
    chunks
}

proptest! {
    #[test]
    fn facts_are_cut_as_the_naive_cutter_cuts_them(
        facts in prop::collection::vec(
            prop_oneof![8 => 1..100_u64, 2 => 120..140_u64, 1 => 4000..9000_u64], 0..80,
        ),
    ) {
        let chunks: Vec<Vec<(usize, u64)>> = cut(&facts)
            .map(|chunk: Chunk| {
                let items = chunk.items.clone().zip(chunk.of(&facts).counts());
                let of_item = |(item, count): (usize, usize)| {
                    (chunk.first_fact..).take(count).map(move |fact| (item, fact))
                };
                let all: Vec<(usize, u64)> = items.flat_map(of_item).collect();
                assert_eq!(all.len(), chunk.facts);
                all
            })
            .collect();
        prop_assert_eq!(chunks, naive_cut(&facts));
    }

    #[test]
    fn any_facts_come_back(
        facts in prop::collection::btree_map(
            (0..9_u32, prop_oneof![3 => 0..20_u32, 1 => 0..VISITORS], 0..1440_u16),
            prop_oneof![5 => Just(1), 1 => 1..5_u64, 1 => 1..4 * MAX_VIEWS],
            0..600,
        ),
    ) {
        let chunks = encode(&facts);
        let items: Vec<u32> =
            facts.keys().map(|key| key.0).collect::<BTreeSet<_>>().into_iter().collect();
        let read = decode(&chunks);
        let expected: Vec<(u32, u32, u16, u64)> =
            facts.iter().map(|(&(item, rank, minute), &views)| (item, rank, minute, views)).collect();
        let named: Vec<_> = read.into_iter().map(|(item, r, m, v)| (items[item], r, m, v)).collect();
        prop_assert_eq!(&named, &expected);
        for (index, &item) in items.iter().enumerate() {
            let of_item = || expected.iter().filter(|fact| fact.0 == item);
            let visitors: BTreeSet<u32> = of_item().map(|fact| fact.1).collect();
            prop_assert_eq!(chunks.counts.facts[index], of_item().count() as u64);
            prop_assert_eq!(chunks.counts.views[index], of_item().map(|fact| fact.3).sum::<u64>());
            prop_assert_eq!(chunks.counts.visitors[index], visitors.len() as u64);
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read(
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        facts in prop::collection::vec(1..200_u64, 1..4),
    ) {
        let mut decoder = ChunkDecoder::default();
        for chunk in cut(&facts) {
            let _ = decoder.who(&bytes, chunk.of(&facts), 9, &mut Vec::new());
            let _ = decoder.when(&bytes, chunk.facts, &mut Times::default());
        }
    }
}

#[test]
fn large_items_are_cut_and_come_back() {
    let mut facts = Facts::new();
    for number in 0..10_000_u32 {
        facts.insert(
            (1, number / 3, u16::try_from(number % 3).unwrap() * 100),
            1 + u64::from(number % 97 / 96),
        );
        facts.insert((2 + number / 5, number % 7, u16::try_from(number % 1440).unwrap()), 1);
    }
    let chunks = encode(&facts);
    assert_eq!(chunks.counts.facts[0], 10_000);
    assert_eq!(chunks.counts.who.len(), 3 + 10_000_usize.div_ceil(1025));
    let read = decode(&chunks);
    let expected = facts.iter().map(|(key, &views)| (key.0 as usize - 1, key.1, key.2, views));
    assert!(read.into_iter().eq(expected));
}

#[test]
fn numbers_out_of_bounds_are_refused() {
    let chunks = encode(&Facts::from([((0, 5, 7), 1), ((0, 9, 1439), 3)]));
    let mut decoder = ChunkDecoder::default();
    let chunk = cut(&chunks.counts.facts).next().unwrap();
    let items = chunk.of(&chunks.counts.facts);
    assert!(decoder.who(&chunks.who, items, 10, &mut Vec::new()).is_ok());
    assert!(decoder.who(&chunks.who, items, 9, &mut Vec::new()).is_err());
    // Hours, minutes and views: 24 o'clock, minute 60, views of a third fact, views beyond 64 bits.
    let mut good = Times::default();
    decoder.when(&[4, 0, 23, 4, 7, 59, 4, 1, 1], 2, &mut good).unwrap();
    assert_eq!(good, Times { minutes: vec![7, 1439], views: vec![1, 3] });
    let most = [0xfe_u8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let views = [&[4, 0, 23, 4, 7, 59, 22, 1][..], &most].concat();
    for bytes in [
        &[4, 0, 24, 4, 7, 59, 0][..],
        &[4, 0, 23, 4, 7, 60, 0],
        &[4, 0, 23, 4, 7, 59, 4, 2, 1],
        &[4, 0, 23, 4, 7, 59, 8, 0, 1, 0, 1],
        &[4, 0, 23, 4, 7, 59, 0, 0],
        &views,
    ] {
        assert!(decoder.when(bytes, 2, &mut Times::default()).is_err(), "{bytes:?}");
    }
    decoder.limit_columns(1);
    assert!(decoder.who(&chunks.who, items, 10, &mut Vec::new()).is_err());
}
