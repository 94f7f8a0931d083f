//! The laws of merging, against a model of sets; what is refused.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::merge;
use crate::facts::column::ColumnEncoder;
use crate::facts::part::range::{self, Kind, SourceRange};
use crate::facts::part::section::{self, Section, Sections, Tag};
use crate::facts::part::{Block, Part, PartError, Partition, Writer};
use crate::facts::sums::Sums;
use crate::facts::{DayFacts, LocalDay, Texts};
use crate::select::{StoredRules, VisitorHash};
use crate::time::Day;

const BLOCK: u64 = 8 << 20;

/// What a part may say about a range, in the order in which entries are compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Content {
    data: Vec<(String, String)>,
    payload: Vec<u8>,
    blocks: Vec<(String, Day, Vec<u8>)>,
}

/// Six ranges: two whole sources, and four of two planned ones.
const RANGES: usize = 6;

fn range(number: usize) -> SourceRange {
    let planned = |key, block: u64, log_bytes| SourceRange {
        kind: Kind::Planned,
        key,
        log_bytes,
        start: block * BLOCK,
        end: (block + 1) * BLOCK,
        block_hashes: vec![block.into()],
        beginnings: if block == 0 { (0..18).collect() } else { Vec::new() },
        ..SourceRange::default()
    };
    match number {
        0 => SourceRange::whole(30, vec![30], Vec::new()),
        1 => SourceRange::whole(130, vec![31], vec![1, 2]),
        2 | 3 => planned(7, number as u64 - 2, None),
        _ => planned(1 << 127, number as u64 - 4, Some(2 * BLOCK)),
    }
}

fn block(number: u32) -> Vec<u8> {
    let (mut facts, mut pages, mut hits) = (DayFacts::default(), Texts::default(), Sums::default());
    for page in 0..number % 3 + 1 {
        pages.push(&format!("/{page}"));
        facts.push(page, 0, 100, u64::from(number) + 1);
    }
    hits.add(1, number.into());
    let day = LocalDay { visitors: vec![VisitorHash(number.into())], pages, facts };
    let block = Block { hits, day, ..Block::default() };
    let mut bytes = block.encode(&mut ColumnEncoder::default()).unwrap();
    if number.is_multiple_of(4) {
        section::put(&mut bytes, *b"attr", &[5]);
    }
    bytes
}

/// One of the things that a part may say about range `number`.
fn content(number: usize, variant: u32) -> Content {
    let mut range = range(number);
    range.name = (variant & 1 == 0).then(|| format!("log {}", variant / 2 % 2));
    if variant & 4 == 0 {
        range.data.insert("bots".to_owned(), format!("2026-11-0{}", variant / 8 % 2 + 1));
    }
    let mut payload = range::encode(&range, true);
    if variant & 16 == 0 {
        section::put(&mut payload, *b"note", &[number.to_le_bytes()[0]]);
    }
    let sites = ["a.example", "b.example", "c.example"];
    let blocks = (0..variant / 32 % 3).map(|day| {
        let site = sites[(number + day as usize) % 3].to_owned();
        (site, Day(day.cast_signed() * 100 - 50), block(variant % 5 + day))
    });
    let blocks: BTreeMap<(String, Day), Vec<u8>> =
        blocks.map(|(site, day, bytes)| ((site, day), bytes)).collect();
    Content {
        data: range.data.into_iter().collect(),
        payload,
        blocks: blocks.into_iter().map(|((site, day), bytes)| (site, day, bytes)).collect(),
    }
}

/// The ranges and unknown sections of a part.
type Model = (BTreeMap<usize, Content>, BTreeSet<(Tag, Vec<u8>)>);

/// Writes a model. The order of [`range`]'s numbers is that of keys, but for the whole sources.
fn part(model: &Model) -> Vec<u8> {
    let (entries, other) = model;
    let mut entries: Vec<(&usize, &Content)> = entries.iter().collect();
    entries.sort_by_key(|&(&number, _)| range(number).order());
    let mut writer = Writer::new(Vec::new(), Partition::WHOLE).unwrap();
    for (number, (_, content)) in entries.iter().enumerate() {
        for (site, day, bytes) in &content.blocks {
            writer.push(number, site, *day, bytes).unwrap();
        }
    }
    let mut sections = Vec::new();
    other.iter().for_each(|(tag, payload)| section::put(&mut sections, *tag, payload));
    let other: Vec<Section<'_>> = Sections::read(&sections, &[]).unwrap().finish().unwrap();
    let payloads: Vec<&Vec<u8>> = entries.iter().map(|(_, content)| &content.payload).collect();
    writer.finish_encoded("{}", &payloads, &other).unwrap()
}

fn merged(parts: &[&[u8]]) -> Result<Vec<u8>, PartError> {
    let parts: Vec<Part<'_>> = parts.iter().map(|bytes| Part::decode(bytes).unwrap()).collect();
    merge(&parts, Vec::new())
}

fn a_model() -> impl Strategy<Value = Model> {
    let entries = prop::collection::btree_map(0..RANGES, 0..96_u32, 1..RANGES);
    let others: Vec<(Tag, Vec<u8>)> =
        vec![(*b"zone", vec![1]), (*b"zone", vec![2]), (*b"hint", vec![])];
    (entries, prop::sample::subsequence(others, 0..=3)).prop_map(|(entries, others)| {
        let entries =
            entries.into_iter().map(|(number, variant)| (number, content(number, variant)));
        (entries.collect(), others.into_iter().collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn merging_is_the_union_of_sets(models in prop::collection::vec(a_model(), 1..6)) {
        let bytes: Vec<Vec<u8>> = models.iter().map(part).collect();
        let parts: Vec<&[u8]> = bytes.iter().map(Vec::as_slice).collect();
        let (mut union, mut common) = models[0].clone();
        for (entries, others) in &models[1..] {
            for (&number, content) in entries {
                let kept = union.entry(number).or_insert_with(|| content.clone());
                if *content > *kept {
                    *kept = content.clone();
                }
            }
            common.retain(|section| others.contains(section));
        }
        prop_assert_eq!(merged(&parts).unwrap(), part(&(union, common)));
    }

    #[test]
    fn merging_is_associative_commutative_and_idempotent(
        a in a_model(), b in a_model(), c in a_model(),
    ) {
        let (a, b, c) = (part(&a), part(&b), part(&c));
        let both = |one: &[u8], other: &[u8]| merged(&[one, other]).unwrap();
        prop_assert_eq!(both(&both(&a, &b), &c), both(&a, &both(&b, &c)));
        prop_assert_eq!(both(&a, &b), both(&b, &a));
        prop_assert_eq!(&both(&a, &a), &a);
        prop_assert_eq!(&merged(&[&a]).unwrap(), &a);
        let all = merged(&[&a, &b, &c]).unwrap();
        prop_assert_eq!(&both(&all, &b), &all);
        prop_assert_eq!(merged(&[&c, &b, &a, &b, &c]).unwrap(), all);
    }
}

/// A part of some ranges, without blocks.
fn of_ranges(ranges: &[SourceRange], rules: &StoredRules, partition: Partition) -> Vec<u8> {
    Writer::new(Vec::new(), partition).unwrap().finish(rules, ranges).unwrap()
}

fn refusal(one: &SourceRange, other: &SourceRange) -> String {
    let part =
        |range| of_ranges(std::slice::from_ref(range), &StoredRules::default(), Partition::WHOLE);
    let sentence = |one: &[u8], other: &[u8]| match merged(&[one, other]) {
        Err(error @ PartError::Conflict(_)) => error.to_string(),
        merged => panic!("{merged:?}"),
    };
    let (one, other) = (part(one), part(other));
    let sentence_of_pair = sentence(&one, &other);
    // Whatever else is merged, and in whatever order.
    sentence(&other, &one);
    sentence(&merged(&[&one, &part(&range(0))]).unwrap(), &other);
    sentence_of_pair
}

#[test]
fn contradictions_are_refused() {
    let named = |range: SourceRange| SourceRange { name: Some("a.log".to_owned()), ..range };
    let first = named(range(2));
    let changed = SourceRange { block_hashes: vec![99], ..first.clone() };
    assert_eq!(
        refusal(&first, &changed),
        "\"a.log\" has changed between two scans of its bytes 0 to 8388608; scan it again"
    );
    let longer = SourceRange { log_bytes: Some(5 * BLOCK), ..first.clone() };
    assert!(refusal(&first, &longer).contains("changed"));
    let both = SourceRange { end: 2 * BLOCK, block_hashes: vec![0, 1], ..first.clone() };
    let overlap = "ranges of \"a.log\" overlap: bytes 0 to 8388608 and 0 to 16777216";
    assert_eq!(refusal(&first, &both), overlap);
    let second = named(range(3));
    let overlap = "ranges of \"a.log\" overlap: bytes 0 to 16777216 and 8388608 to 16777216";
    assert_eq!(refusal(&both, &second), overlap);
    let (five, six) = (5 * BLOCK, 6 * BLOCK);
    let second = SourceRange { log_bytes: Some(six), ..second };
    assert_eq!(
        refusal(&longer, &second),
        format!("\"a.log\" has {five} bytes in one part and {six} in another; scan it again")
    );
}

#[test]
fn other_rules_and_partitions_are_refused() {
    let hits = StoredRules { count: "hits".to_owned(), ..StoredRules::default() };
    let part = |rules, partition| of_ranges(&[range(0)], rules, partition);
    let (rules, half) = (StoredRules::default(), |index| Partition::new(index, 2).unwrap());
    let one = part(&rules, Partition::WHOLE);
    let error = merged(&[&one, &part(&hits, Partition::WHOLE)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"the parts were counted by different rules: {} and {"count":"hits"}"#
    );
    let error = merged(&[&part(&rules, half(0)), &part(&rules, half(1))]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the parts hold different visitors: partition 0 of 2 and partition 1 of 2"
    );
    assert!(matches!(merged(&[&one, &part(&rules, half(0))]), Err(PartError::Partitions(..))));
    assert_eq!(
        merged(&[&part(&rules, half(1)), &part(&rules, half(1))]).unwrap(),
        part(&rules, half(1))
    );
}

#[test]
fn nothing_is_written_of_damaged_parts() {
    let mut bytes = part(&(BTreeMap::from([(0, content(0, 90))]), BTreeSet::new()));
    let good = part(&(BTreeMap::from([(1, content(1, 90))]), BTreeSet::new()));
    bytes[40] ^= 1;
    let parts = [&good[..], &bytes].map(|bytes| Part::decode(bytes).unwrap());
    let mut written = Vec::new();
    assert!(matches!(merge(&parts, &mut written), Err(PartError::Damaged(_))));
    assert!(written.is_empty());
}
