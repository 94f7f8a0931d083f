//! Any bytes are refused or read as chunks and lists of numbers; any facts and numbers come back, cut by the rule.

#![no_main]

use std::collections::BTreeMap;

use hitmap::facts::Fact;
use hitmap::facts::chunks::{ChunkDecoder, ChunkEncoder, Times, cut};
use hitmap::facts::column::{ColumnDecoder, ColumnEncoder};
use hitmap::facts::numbers::{put_numbers, take_numbers};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    write_facts(bytes);
    write_numbers(bytes);
});

/// The first bytes say how many facts the items have.
fn read(bytes: &[u8]) {
    let Some((&[first, second, third], bytes)) = bytes.split_first_chunk() else { return };
    let facts = [first, second, third].map(|facts| u64::from(facts) * 20 + 1);
    let mut decoder = ChunkDecoder::default();
    for chunk in cut(&facts) {
        let mut ranks = Vec::new();
        if decoder.who(bytes, chunk.of(&facts), 1000, &mut ranks).is_ok() {
            assert!(ranks.len() == chunk.facts && ranks.iter().all(|&rank| rank < 1000));
        }
        let mut times = Times::default();
        if decoder.when(bytes, chunk.facts, &mut times).is_ok() {
            assert!(times.minutes.len() == chunk.facts && times.views.len() == chunk.facts);
            assert!(times.minutes.iter().all(|&minute| minute < 1440) && !times.views.contains(&0));
        }
    }
    let (mut column, mut room) = (ColumnDecoder::default(), Vec::new());
    let mut rest = bytes;
    if let Ok(numbers) = take_numbers(&mut rest, usize::from(first), &mut column, &mut room) {
        assert!(numbers.len() == usize::from(first) && numbers.is_sorted_by(|a, b| a < b));
    }
}

/// Facts of some items, each byte repeated so that there are large items, too.
fn write_facts(bytes: &[u8]) {
    let mut items: BTreeMap<u8, BTreeMap<(u32, u16), u64>> = BTreeMap::new();
    for fact in bytes.chunks_exact(4) {
        let [item, visitor, minute, more] = *fact else { unreachable!("four bytes") };
        for copy in 0..u32::from(more) {
            let key = (u32::from(visitor) + copy, u16::from(minute) * 5);
            *items.entry(item % 8).or_default().entry(key).or_default() += u64::from(more % 3) + 1;
        }
    }
    let mut column = ColumnEncoder::default();
    let mut encoder = ChunkEncoder::new(&mut column);
    for facts in items.values() {
        let facts: Vec<Fact> = facts
            .iter()
            .map(|(&(visitor, minute), &views)| Fact::new(visitor, minute, views))
            .collect();
        encoder.push_item(&facts);
    }
    let chunks = encoder.finish();
    let counts = &chunks.counts;
    let (mut decoder, mut ranks, mut times) =
        (ChunkDecoder::default(), Vec::new(), Times::default());
    let (mut who, mut when) = (&chunks.who[..], &chunks.when[..]);
    for (chunk, (&who_bytes, &when_bytes)) in
        cut(&counts.facts).zip(counts.who.iter().zip(&counts.when))
    {
        let (bytes, rest) = who.split_at(who_bytes as usize);
        decoder.who(bytes, chunk.of(&counts.facts), u32::MAX, &mut ranks).expect("just written");
        who = rest;
        let (bytes, rest) = when.split_at(when_bytes as usize);
        decoder.when(bytes, chunk.facts, &mut times).expect("just written");
        when = rest;
    }
    assert!(who.is_empty() && when.is_empty());
    let read = ranks.into_iter().zip(times.minutes).zip(times.views);
    let written = items.values().flatten().map(|(&key, &views)| (key, views));
    assert!(read.eq(written));
}

fn write_numbers(bytes: &[u8]) {
    let mut numbers: Vec<u32> = bytes
        .chunks_exact(4)
        .map(|number| u32::from_le_bytes(number.try_into().expect("four bytes")))
        .collect();
    if let Some(&shift) = bytes.first() {
        numbers.iter_mut().for_each(|number| *number >>= shift % 32);
    }
    numbers.sort_unstable();
    numbers.dedup();
    let mut written = Vec::new();
    put_numbers(&mut written, &numbers, &mut ColumnEncoder::default());
    let (mut rest, mut column) = (&written[..], ColumnDecoder::default());
    let read = take_numbers(&mut rest, numbers.len(), &mut column, &mut Vec::new());
    assert_eq!(read.as_deref(), Ok(&numbers[..]));
    assert!(rest.is_empty());
}
