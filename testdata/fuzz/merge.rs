//! Merging is associative, commutative and idempotent, or refused, whatever the parts say.

#![no_main]

use hitmap::facts::part::fuzzing::seal;
use hitmap::facts::part::{Kind, Part, Partition, SourceRange, Writer, merge};
use hitmap::facts::sums::Sums;
use hitmap::facts::{column::ColumnEncoder, part::Block};
use hitmap::select::StoredRules;
use hitmap::time::Day;
use libfuzzer_sys::fuzz_target;

const BLOCK: u64 = 8 << 20;

fuzz_target!(|bytes: &[u8]| {
    let thirds: Vec<&[u8]> = bytes.chunks(bytes.len().div_ceil(3).max(1)).collect();
    let [a, b, c] = thirds[..] else { return };
    let (a, b, c) = (part(a), part(b), part(c));
    let both = |one: &Option<Vec<u8>>, other: &Option<Vec<u8>>| {
        let (one, other) = (one.as_ref()?, other.as_ref()?);
        let parts = [Part::decode(one).ok()?, Part::decode(other).ok()?];
        let merged = merge(&parts, Vec::new()).ok()?;
        Part::decode(&merged).expect("what was merged is a part");
        Some(merged)
    };
    assert_eq!(both(&a, &b), both(&b, &a));
    assert_eq!(both(&a, &a), a);
    let all = both(&both(&a, &b), &c);
    assert_eq!(all, both(&a, &both(&b, &c)));
    if all.is_some() {
        assert_eq!(both(&all, &b), all);
    }
});

/// Three bytes are an entry; then some bytes of the part are changed, with the checksums made right.
fn part(bytes: &[u8]) -> Option<Vec<u8>> {
    let (entries, changes) = bytes.split_at_checked(9).unwrap_or((bytes, &[]));
    let mut ranges: Vec<(SourceRange, u8)> = entries
        .chunks_exact(3)
        .map(|entry| {
            let [place, variant, day] = *entry else { unreachable!("three bytes") };
            let mut range = range(place, variant);
            range.name = Some(format!("{}", variant / 8 % 4));
            (range, day)
        })
        .collect();
    let order = |range: &SourceRange| (range.kind, range.key, range.start);
    ranges.sort_by_key(|(range, _)| order(range));
    ranges.dedup_by_key(|(range, _)| order(range));
    let mut writer = Writer::new(Vec::new(), Partition::WHOLE).ok()?;
    for (number, (_, day)) in ranges.iter().enumerate() {
        let mut hits = Sums::default();
        hits.add(1, u64::from(day / 16));
        let block = Block { hits, ..Block::default() };
        let block = block.encode(&mut ColumnEncoder::default()).ok()?;
        let site = ["a", "b"][usize::from(day % 2)];
        writer.push(number, site, Day(i32::from(day / 2 % 3)), &block).ok()?;
    }
    let ranges: Vec<SourceRange> = ranges.into_iter().map(|(range, _)| range).collect();
    if ranges.is_empty() {
        return None;
    }
    let mut part = writer.finish(&StoredRules::default(), &ranges).ok()?;
    for change in changes.chunks_exact(3) {
        let [low, high, change] = *change else { unreachable!("three bytes") };
        let place = usize::from(u16::from_le_bytes([low, high])) % part.len();
        part[place] ^= change;
    }
    let part = seal(&part);
    Part::decode(&part).ok()?.check().ok()?;
    Some(part)
}

fn range(place: u8, variant: u8) -> SourceRange {
    if place % 4 == 0 {
        return SourceRange::whole(9, vec![u128::from(place / 4 % 4)], Vec::new());
    }
    let blocks = u64::from(place / 4 % 4)..u64::from(place / 4 % 4 + 1 + place / 16 % 2);
    SourceRange {
        kind: Kind::Planned,
        key: u128::from(place % 4),
        log_bytes: [None, None, Some(5 * BLOCK), Some(6 * BLOCK)][usize::from(variant % 4)],
        start: blocks.start * BLOCK,
        end: blocks.end * BLOCK,
        block_hashes: blocks
            .clone()
            .map(|block| u128::from(block) + u128::from(variant / 128))
            .collect(),
        beginnings: if blocks.start == 0 { vec![7; 18] } else { Vec::new() },
        ..SourceRange::default()
    }
}
