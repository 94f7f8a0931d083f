//! Blocks keep their content, groups and counts are what naive code finds, and damaged blocks are refused or read as others.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::item_facts::push_fact;
use super::{
    BlockContent, BlockDecoder, ChunkBytes, EncodedBlock, ItemFacts, ItemFactsReader, SectionFacts,
    bytes_of, encode,
};
use crate::facts::column::{ColumnEncoder, Damaged};
use crate::facts::day_facts::MAX_VIEWS;

/// (section, page, visitor's number, minute) to views.
pub(in crate::database) type Model = BTreeMap<(u32, u32, u32, u16), u64>;

/// The content of a block of those facts, and of `others` without any.
pub(in crate::database) fn content(model: &Model, others: &[u32]) -> BlockContent {
    let numbers: BTreeSet<u32> =
        model.keys().map(|&(_, _, visitor, _)| visitor).chain(others.iter().copied()).collect();
    let visitors: Vec<u32> = numbers.into_iter().collect();
    let mut sections: Vec<SectionFacts> = Vec::new();
    for (&(section, page, visitor, minute), &views) in model {
        if sections.last().is_none_or(|last| last.place != section) {
            sections.push(SectionFacts { place: section, items: Vec::new() });
        }
        let items = &mut sections.last_mut().unwrap().items;
        if items.last().is_none_or(|last| last.place != page) {
            items.push(ItemFacts { place: page, facts: Vec::new() });
        }
        let rank = u32::try_from(visitors.binary_search(&visitor).unwrap()).unwrap();
        push_fact(&mut items.last_mut().unwrap().facts, rank, minute, views);
    }
    BlockContent { visitors, sections }
}

pub(in crate::database) fn encoded(model: &Model, others: &[u32]) -> EncodedBlock {
    encode(&content(model, others), &mut ColumnEncoder::default()).unwrap()
}

/// The visitors and the facts of a block; groups and counts are compared with what naive code finds.
pub(in crate::database) fn decoded(block: &EncodedBlock) -> (Vec<u32>, Model) {
    let (visitors, model) = try_decode(block).unwrap();
    let mut decoder = BlockDecoder::default();
    let groups = decoder.groups(&block.groups, block.counts).unwrap();
    let items = decoder.items(&block.items, block.counts, &groups.sections).unwrap();
    assert_eq!(decoder.sections(&block.groups, block.counts).as_ref(), Ok(&groups.sections));
    let views = decoder.views(&block.items, block.counts, &groups.sections).unwrap();
    assert_eq!((&views.0, &views.1), (&items.places, &items.counts.views));
    let distinct = |of: &dyn Fn(u32, u32) -> bool| {
        let facts = model.iter().filter(|((section, page, ..), _)| of(*section, *page));
        let (mut pv, mut set) = (0_u64, BTreeSet::new());
        for (&(_, _, visitor, _), &views) in facts {
            pv += views;
            set.insert(visitor);
        }
        (pv, set)
    };
    let numbers = |ranks: &[u32]| -> BTreeSet<u32> {
        ranks.iter().map(|&rank| visitors[rank as usize]).collect()
    };
    let (pv, set) = distinct(&|_, _| true);
    assert_eq!((groups.pv, groups.uv as usize), (pv, set.len()));
    match &groups.site_ranks {
        Some(ranks) => assert!(numbers(ranks) == set && set.len() < visitors.len()),
        None => assert_eq!(set.len(), visitors.len()),
    }
    let places: BTreeSet<(u32, u32)> =
        model.keys().map(|&(section, page, ..)| (section, page)).collect();
    let sections: BTreeSet<u32> = places.iter().map(|place| place.0).collect();
    assert!(groups.sections.iter().map(|section| section.place).eq(sections));
    for (section, ranks) in groups.sections() {
        let (pv, set) = distinct(&|of, _| of == section.place);
        assert_eq!((section.pv, section.uv as usize), (pv, set.len()));
        assert_eq!((numbers(ranks), ranks.len()), (set.clone(), set.len()));
        let items = places.iter().filter(|place| place.0 == section.place).count();
        assert_eq!(section.items as usize, items);
    }
    assert!(items.places.iter().eq(places.iter().map(|(_, page)| page)));
    for (index, &(section, page)) in places.iter().enumerate() {
        let (pv, set) = distinct(&|one, other| (one, other) == (section, page));
        let facts = model.range((section, page, 0, 0)..=(section, page, u32::MAX, u16::MAX));
        let counts = &items.counts;
        assert_eq!(counts.views[index], pv);
        assert_eq!(counts.visitors[index], set.len() as u64);
        assert_eq!(counts.facts[index], facts.count() as u64);
    }
    (visitors, model)
}

fn try_decode(block: &EncodedBlock) -> Result<(Vec<u32>, Model), Damaged> {
    let mut decoder = BlockDecoder::default();
    let visitors = decoder.visitors(&block.visitors, block.counts)?;
    let groups = decoder.groups(&block.groups, block.counts)?;
    let items = decoder.items(&block.items, block.counts, &groups.sections)?;
    let (chunks, visitor_count) = (items.chunks(|_| true), block.counts.visitors);
    let mut reader = ItemFactsReader::new(&items, visitor_count, &chunks, &block.who, &block.when);
    let (mut model, mut index) = (Model::new(), 0);
    for section in &groups.sections {
        for _ in 0..section.items {
            let page = items.places[index];
            reader.read_item(index, &mut decoder, |rank, minute, views| {
                let key = (section.place, page, visitors[rank as usize], minute);
                assert_eq!(model.insert(key, views), None);
            })?;
            index += 1;
        }
    }
    assert!(reader.read_item(index, &mut decoder, |_, _, _| {}).is_err());
    Ok((visitors, model))
}

pub(in crate::database) fn models() -> impl Strategy<Value = Model> {
    let visitor = prop_oneof![0..40_u32, 0..3000_u32, any::<u32>()];
    let views = prop_oneof![4 => Just(1_u64), 2 => 1..9_u64, 1 => Just(2 * MAX_VIEWS + 3)];
    let fact = (0..4_u32, 0..9_u32, visitor, 0..1440_u16);
    // Some pages have chunks of their own.
    let crowd = (0..4_u32, 0..9_u32, 0..700_u32, 0..1300_u16).prop_map(
        |(section, page, visitors, minute)| {
            (0..visitors).map(move |visitor| {
                (
                    (
                        section * 7,
                        page * 300 + section,
                        visitor / 2,
                        minute + u16::try_from(visitor % 2).unwrap(),
                    ),
                    1,
                )
            })
        },
    );
    let sparse = prop::collection::vec((fact, views), 0..80).prop_map(|facts| {
        facts.into_iter().map(|((section, page, visitor, minute), views)| {
            ((section * 7, page * 300 + section, visitor, minute), views)
        })
    });
    (sparse, prop::collection::vec(crowd, 0..3))
        .prop_map(|(sparse, crowds)| crowds.into_iter().flatten().chain(sparse).collect())
}

proptest! {
    #[test]
    fn blocks_keep_their_content(model in models(), others in prop::collection::vec(any::<u32>(), 0..3)) {
        let block = encoded(&model, &others);
        let (visitors, found) = decoded(&block);
        prop_assert_eq!(visitors, content(&model, &others).visitors);
        prop_assert_eq!(found, model);
    }

    #[test]
    fn damaged_blocks_do_no_harm(
        model in models(),
        damages in prop::collection::vec((0..5_usize, any::<prop::sample::Index>(), 0..8_u8, any::<bool>()), 1..4),
        fewer in 0..3_u32,
    ) {
        let mut block = encoded(&model, &[]);
        for (kind, at, bit, is_cut) in damages {
            let EncodedBlock { visitors, groups, items, who, when, counts } = &mut block;
            let bytes: &mut Vec<u8> = [visitors, groups, items, who, when][kind];
            if bytes.is_empty() {
                continue;
            }
            let at = at.index(bytes.len());
            if is_cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
            counts.visitors = counts.visitors.saturating_sub(fewer);
        }
        let _ = try_decode(&block);
    }

    #[test]
    fn any_bytes_do_no_harm(
        bytes in prop::collection::vec(prop_oneof![0..8_u8, any::<u8>()], 0..60),
        counts in (0..5_u32, 0..5_u32, 0..9_u32),
    ) {
        let (visitors, items, facts) = counts;
        let counts = super::BlockCounts { visitors, items, facts };
        let bytes = || bytes.clone();
        let all = EncodedBlock {
            visitors: bytes(), groups: bytes(), items: bytes(), who: bytes(), when: bytes(), counts,
        };
        let mut decoder = BlockDecoder::default();
        let _ = decoder.visitors(&all.visitors, counts);
        if let Ok(groups) = decoder.groups(&all.groups, counts) {
            prop_assert!(groups.sections().all(|(_, ranks)| ranks.iter().all(|&rank| rank < visitors)));
            let _ = decoder.items(&all.items, counts, &groups.sections);
            let _ = decoder.views(&all.items, counts, &groups.sections);
            prop_assert_eq!(decoder.sections(&all.groups, counts), Ok(groups.sections));
        }
        let good = encoded(&BTreeMap::from([((1, 2, 3, 4), 5), ((1, 2, 7, 4), 5)]), &[]);
        let _ = try_decode(&EncodedBlock { who: bytes(), ..good.clone() });
        let _ = try_decode(&EncodedBlock { when: bytes(), ..good.clone() });
        let _ = try_decode(&EncodedBlock { items: bytes(), ..good });
    }
}

#[test]
fn a_block_reads_as_the_guide_says() {
    // Section 5 with pages 9 and 300, section 6 with page 8; visitors 70, 72 and 400.
    let model = Model::from([
        ((5, 9, 70, 61), 1),
        ((5, 9, 72, 845), 3),
        ((5, 300, 72, 845), 1),
        ((6, 8, 400, 0), 1),
        ((6, 8, 400, 1439), 1),
    ]);
    let block = encoded(&model, &[]);
    // Mode 0; 70, then 1 and 327 (255 and 72) between them.
    assert_eq!(block.visitors, [0, 8, 70, 1, 255, 72]);
    let groups = [
        &[7, 3, 2][..], // PV and UV of the site, sections
        &[4, 5, 1],     // places
        &[4, 5, 2],     // PV
        &[4, 2, 1],     // UV
        &[4, 2, 1],     // pages
        &[6, 0, 1, 2],  // ranks 0 and 1, and 2
    ];
    assert_eq!(block.groups, groups.concat());
    let items = [
        &[8, 9, 163, 2, 8][..], // 9, 291 more; 8
        &[6, 2, 1, 2],          // facts
        &[6, 2, 0, 0],          // PV less facts
        &[6, 0, 0, 1],          // facts less UV
        &[2, 6],                // bytes in who
        &[2, 15],               // bytes in when
    ];
    assert_eq!(block.items, items.concat());
    assert_eq!(block.who, [10, 0, 1, 1, 2, 0]);
    assert_eq!(block.when, [10, 1, 14, 14, 0, 23, 10, 1, 5, 5, 0, 59, 4, 1, 1]);
    // A visitor without a page view: the site's ranks are written.
    let more = encoded(&model, &[71]);
    assert_eq!(more.groups[..6], [7, 3, 6, 0, 2, 1]);
    decoded(&more);
}

#[test]
fn views_beyond_what_is_held_are_refused() {
    let model = Model::from([((0, 1, 2, 3), 100 * MAX_VIEWS)]);
    decoded(&encoded(&model, &[]));
    // As many more facts as a reader may hold for each byte, and more.
    let block = encoded(&Model::from([((0, 1, 2, 3), 2_000 * MAX_VIEWS)]), &[]);
    assert!(try_decode(&block).is_err());
}

/// The facts of the pages for whose index `is_wanted` is true, read from their chunks alone.
fn some_facts(
    block: &EncodedBlock,
    is_wanted: impl Fn(usize) -> bool,
) -> Vec<(usize, u32, u16, u64)> {
    let mut decoder = BlockDecoder::default();
    let groups = decoder.groups(&block.groups, block.counts).unwrap();
    let items = decoder.items(&block.items, block.counts, &groups.sections).unwrap();
    assert_eq!(decoder.sections(&block.groups, block.counts).as_ref(), Ok(&groups.sections));
    let views = decoder.views(&block.items, block.counts, &groups.sections).unwrap();
    assert_eq!((&views.0, &views.1), (&items.places, &items.counts.views));
    let chunks = items.chunks(&is_wanted);
    let mut ranks = Vec::new();
    for ChunkBytes { chunk, who, .. } in &chunks {
        let bytes = bytes_of(&block.who, who, 0).unwrap();
        decoder.who(bytes, chunk, &items, block.counts.visitors, &mut ranks).unwrap();
    }
    // The bytes from the first chunk to the last.
    let (who, when) = match (chunks.first(), chunks.last()) {
        (Some(first), Some(last)) => (
            bytes_of(&block.who, &(first.who.start..last.who.end), 0).unwrap(),
            bytes_of(&block.when, &(first.when.start..last.when.end), 0).unwrap(),
        ),
        _ => Default::default(),
    };
    let of_pages = chunks.iter().flat_map(|chunk| items.pages_of(&chunk.chunk));
    let pages: Vec<usize> = of_pages.flat_map(|(index, facts)| facts.map(move |_| index)).collect();
    let mut reader = ItemFactsReader::new(&items, block.counts.visitors, &chunks, who, when);
    let mut facts = Vec::new();
    for index in (0..items.places.len()).filter(|&index| is_wanted(index)) {
        let each = |rank, minute, views| facts.push((index, rank, minute, views));
        reader.read_item(index, &mut decoder, each).unwrap();
    }
    let by_who = pages.into_iter().zip(ranks).filter(|&(index, _)| is_wanted(index));
    assert!(by_who.eq(facts.iter().map(|&(index, rank, ..)| (index, rank))));
    facts
}

proptest! {
    #[test]
    fn some_pages_are_read_without_the_others(model in models(), wanted in any::<u64>()) {
        let block = encoded(&model, &[]);
        let is_wanted = |index: usize| wanted >> (index % 64) & 1 == 1;
        let all = some_facts(&block, |_| true);
        prop_assert_eq!(all.len(), model.len());
        let some: Vec<_> = all.into_iter().filter(|&(index, ..)| is_wanted(index)).collect();
        prop_assert_eq!(some_facts(&block, is_wanted), some);
    }
}

#[test]
fn chunks_of_other_pages_are_not_read() {
    let page = |visitor| u32::from(visitor > 8000);
    let model: Model = (0..9000).map(|visitor| ((0, page(visitor), visitor, 7), 1)).collect();
    let block = encoded(&model, &[]);
    let mut decoder = BlockDecoder::default();
    let groups = decoder.groups(&block.groups, block.counts).unwrap();
    let items = decoder.items(&block.items, block.counts, &groups.sections).unwrap();
    assert_eq!(decoder.sections(&block.groups, block.counts).as_ref(), Ok(&groups.sections));
    let views = decoder.views(&block.items, block.counts, &groups.sections).unwrap();
    assert_eq!((&views.0, &views.1), (&items.places, &items.counts.views));
    let facts = |chunks: Vec<ChunkBytes>| -> Vec<usize> {
        chunks.into_iter().map(|chunk| chunk.chunk.facts).collect()
    };
    assert_eq!(facts(items.chunks(|index| index == 0)), [4096, 3905]);
    assert_eq!(facts(items.chunks(|index| index == 1)), [999]);
    assert_eq!(some_facts(&block, |index| index == 1).len(), 999);
}
