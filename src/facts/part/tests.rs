//! The guide's example byte by byte; damage and hostile bytes; what a newer program may add.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::fuzzing::{seal, seal_block};
use super::section::{self, Sections, Tag};
use super::{Block, Part, PartError, Partition, SourceRange, Writer, merge};
use crate::facts::chunks::ChunkDecoder;
use crate::facts::column::ColumnEncoder;
use crate::facts::sample::{Sample, sample_value};
use crate::facts::sums::{Sums, of_hits, of_lines};
use crate::facts::{DayFacts, LocalDay, Texts};
use crate::select::{StoredRules, VisitorHash};
use crate::time::{CivilTime, Day};

/// A file of `testdata/part`. With `HITMAP_UPDATE` set, `bytes` are written there first.
fn saved(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/part").join(name);
    if std::env::var_os("HITMAP_UPDATE").is_some() {
        std::fs::write(&path, bytes).unwrap();
    }
    std::fs::read(path).unwrap()
}

/// The log of the guide's example.
const LOG: &[u8] =
    br#"192.0.2.7 - - [05/Mar/2018:14:05:09 +0800] "GET /list/1.html HTTP/1.1" 200 512 "-" "UA"
"#;

fn sums(pairs: &[(u64, u64)]) -> Sums {
    let mut sums = Sums::default();
    pairs.iter().for_each(|&(number, sum)| sums.add(number, sum));
    sums
}

/// What hitmap counts of [`LOG`].
fn example() -> (SourceRange, Block) {
    let hash = xxhash_rust::xxh3::xxh3_128;
    let time = CivilTime::new(Day(17_595), 14 * 60 + 5, 9);
    let range = SourceRange {
        lines: sums(&[(of_lines::LINES, 1)]),
        span: Some((time, time)),
        offsets_minutes: BTreeSet::from([480]),
        format: Some("combined".to_owned()),
        name: Some("a.log".to_owned()),
        ..SourceRange::whole(88, vec![hash(LOG)], vec![hash(&LOG[..64])])
    };
    let visitor = VisitorHash(0x900e_1a03_a423_69bb_3029_68d9_f307_51a8);
    let (mut pages, mut facts, mut sample) =
        (Texts::default(), DayFacts::default(), Sample::default());
    pages.push("/list/1.html");
    facts.push(0, 0, time.minute_of_day(), 1);
    sample.offer(sample_value(visitor, time.seconds(), 200, 512, b"/list/1.html"));
    let hits =
        [(of_hits::HITS, 1), (of_hits::PAGE_VIEWS, 1), (of_hits::BYTES, 512), (1200, 1), (2001, 1)];
    let day = LocalDay { visitors: vec![visitor], pages, facts };
    (range, Block { hits: sums(&hits), sample, day })
}

fn part_of(range: &SourceRange, blocks: &[(&str, Day, &Block)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), Partition::WHOLE).unwrap();
    for (site, day, block) in blocks {
        writer.push(0, site, *day, &block.encode(&mut ColumnEncoder::default()).unwrap()).unwrap();
    }
    writer.finish(&StoredRules::default(), std::slice::from_ref(range)).unwrap()
}

fn example_part() -> Vec<u8> {
    let (range, block) = example();
    part_of(&range, &[("default", Day(17_595), &block)])
}

/// The bytes that the guide's page prints.
fn printed() -> Vec<u8> {
    let page = include_str!("../../guide/part_format.md");
    let (_, example) = page.split_once("0000  preamble").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let is_byte = |word: &&str| {
        word.len() == 2 && word.bytes().all(|byte| b"0123456789abcdef".contains(&byte))
    };
    let bytes = example.split_whitespace().filter(is_byte);
    bytes.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

#[test]
fn the_example_of_the_guide_is_what_is_written() {
    let bytes = example_part();
    assert_eq!(bytes, printed());
    assert_eq!(bytes, saved("version-2-tiny.part", &bytes));
    let part = Part::decode(&bytes).unwrap();
    let (range, block) = example();
    assert_eq!(part.header().ranges, [range]);
    assert_eq!(
        (&part.header().sites[..], &part.header().rules[..]),
        (&["default".to_owned()][..], "{}")
    );
    let [entry] = part.blocks() else { panic!("one block") };
    assert_eq!((entry.range, entry.site, entry.day), (0, 0, Day(17_595)));
    assert_eq!(part.block(entry, &mut ChunkDecoder::default()).unwrap(), block);
    assert_eq!(format!("{:032x}", part.header().ranges[0].key), "8fc3383de4a1480518f6d597bc319e0f");
}

/// A day with compressed columns, large and small pages, facts of many views, and a sample.
fn large_block(seed: u64) -> Block {
    let visitors: BTreeSet<VisitorHash> = (0..300_u64)
        .map(|number| VisitorHash(xxhash_rust::xxh3::xxh3_128(&(number * 7 + seed).to_le_bytes())))
        .collect();
    let (mut facts, mut pages, mut sample) =
        (DayFacts::default(), Texts::default(), Sample::default());
    for page in 0..40_u32 {
        pages.push(&format!("/movie/{page:03}-ü.html"));
        let visitors = if page == 7 { 300 } else { 3 + page };
        for visitor in 0..visitors {
            let minute = u16::try_from((page * 31 + visitor * 17) % 1000).unwrap();
            facts.push(page, visitor, minute, 1 + u64::from(visitor % 20 / 19));
            facts.push(page, visitor, minute + 400, 1);
            sample.offer(u64::from(page * 1000 + visitor) << 16 | u64::from(visitor));
        }
    }
    facts.push(40, 299, 1439, (1 << 21) * 3 + 5);
    pages.push("/z");
    let hits = sums(&[(1, u64::MAX), (2, 5), (1404, 1 << 40), (9999, 3)]);
    Block { hits, sample, day: LocalDay { visitors: visitors.into_iter().collect(), pages, facts } }
}

/// A part with all there is: several sites and days, a day with hits alone, all sections of a range.
fn full_part() -> (SourceRange, BTreeMap<(&'static str, Day), Block>, Vec<u8>) {
    let time = |day, second| CivilTime::new(Day(day), 1439, second);
    let range = SourceRange {
        lines: sums(&[(1, 7), (2, 1), (7, u64::MAX)]),
        span: Some((time(-800_000, 0), time(17_600, 60))),
        offsets_minutes: BTreeSet::from([-720, 0, 480]),
        repeated_hour_days: BTreeSet::from([Day(17_000), Day(17_364)]),
        pending_bytes: 12,
        data: BTreeMap::from([("bots".to_owned(), "2026-11-24 abc".to_owned())]),
        ..SourceRange::whole((8 << 20) + 5, vec![3, 4], (0..18).collect())
    };
    let only_hits = Block { hits: sums(&[(1, 3)]), ..Block::default() };
    let blocks = BTreeMap::from([
        (("a.example", Day(17_595)), large_block(1)),
        (("a.example", Day(17_596)), only_hits),
        (("b.example", Day(-3)), example().1),
    ]);
    let list: Vec<_> = blocks.iter().map(|(&(site, day), block)| (site, day, block)).collect();
    let bytes = part_of(&range, &list);
    (range, blocks, bytes)
}

/// Everything that a part says.
fn read(bytes: &[u8]) -> Result<Vec<Block>, PartError> {
    let part = Part::decode(bytes)?;
    let mut decoder = ChunkDecoder::default();
    part.blocks().iter().map(|entry| part.block(entry, &mut decoder)).collect()
}

#[test]
fn what_is_written_is_read() {
    let (range, blocks, bytes) = full_part();
    let part = Part::decode(&bytes).unwrap();
    assert_eq!(part.header().ranges, [range]);
    assert_eq!(part.header().sites, ["a.example", "b.example"]);
    assert_eq!(read(&bytes).unwrap(), blocks.into_values().collect::<Vec<_>>());
    let names: Vec<String> = part.section_bytes().unwrap().into_keys().collect();
    assert_eq!(names, ["HITS", "ITEM", "SAMP", "VISI", "WHEN", "WHOS"]);
}

/// A part of each version that was ever released stays readable.
#[test]
fn the_saved_part_of_version_2_loads() {
    let (range, blocks, bytes) = full_part();
    let saved = saved("version-2.part", &bytes);
    assert_eq!(Part::decode(&saved).unwrap().header().ranges, [range]);
    assert_eq!(read(&saved).unwrap(), blocks.into_values().collect::<Vec<_>>());
}

#[test]
fn damaged_parts_are_refused() {
    for bytes in [example_part(), full_part().2] {
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err(), "{end}");
        }
        for index in (0..bytes.len()).step_by(1 + bytes.len() / 900) {
            for change in [1, 0x80, 0xff] {
                let mut bytes = bytes.clone();
                bytes[index] ^= change;
                assert!(read(&bytes).is_err(), "{index}");
            }
        }
        assert!(read(&[&bytes[..], &[0]].concat()).is_err());
    }
    let bytes = example_part();
    assert!(matches!(read(b"PK\x03\x04 something else"), Err(PartError::NotAPart)));
    let cut = read(&bytes[..bytes.len() - 1]).unwrap_err().to_string();
    assert!(cut.contains("it is cut"), "{cut}");
    for (version, words) in [
        (1, "format 1, which was never released"),
        (3, "format 3, which this hitmap does not know"),
    ] {
        let mut bytes = bytes.clone();
        bytes[8] = version;
        let error = read(&bytes).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn nothing_stands_between_the_blocks() {
    // A byte more between preamble and blocks, or between blocks and header.
    let bytes = example_part();
    let header = u64::from_le_bytes(*bytes[bytes.len() - 32..].first_chunk().unwrap());
    for at in [16, usize::try_from(header).unwrap()] {
        let mut longer = bytes.clone();
        longer.insert(at, 0);
        let place = longer.len() - 32;
        longer[place..place + 8].copy_from_slice(&(header + 1).to_le_bytes());
        assert!(read(&seal(&longer)).is_err());
    }
}

/// Whatever is changed, with all checksums right: refused, or read as something that can be written and read again.
#[test]
fn sealed_nonsense_never_panics() {
    for bytes in [example_part(), full_part().2] {
        assert_eq!(seal(&bytes), bytes);
        for index in (0..bytes.len()).step_by(1 + bytes.len() / 900) {
            for change in [1, 0x40, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[index] ^= change;
                let changed = seal(&changed);
                let Ok(part) = Part::decode(&changed) else { continue };
                let Ok(blocks) = read(&changed) else { continue };
                for block in blocks {
                    let again = block.encode(&mut ColumnEncoder::default()).unwrap();
                    let read =
                        Block::decode(&again, Partition::WHOLE, &mut ChunkDecoder::default());
                    assert_eq!(read.unwrap(), block, "{index}");
                }
                // Its header has one form only.
                assert_eq!(merge(&[part], Vec::new()).unwrap(), changed, "{index}");
            }
        }
    }
}

/// The bytes of a section.
fn section_bytes(tag: Tag, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    section::put(&mut bytes, tag, payload);
    bytes
}

/// The example's block without the given sections, and with others at its end.
fn changed_block(without: &[&Tag], more: &[(Tag, &[u8])]) -> Vec<u8> {
    let bytes = example().1.encode(&mut ColumnEncoder::default()).unwrap();
    let all = Sections::read(&bytes, &super::block::KNOWN).unwrap();
    let kept = all.known().iter().filter(|section| !without.contains(&&section.tag));
    let kept = kept.flat_map(|section| section_bytes(section.tag, section.payload));
    kept.chain(more.iter().flat_map(|&(tag, payload)| section_bytes(tag, payload))).collect()
}

fn decode_block(bytes: &[u8]) -> Result<Block, PartError> {
    Block::decode(bytes, Partition::WHOLE, &mut ChunkDecoder::default())
}

#[test]
fn unknown_optional_sections_are_skipped_and_required_ones_named() {
    let block = example().1;
    let others: [(Tag, &[u8]); 3] = [(*b"agnt", b"x"), (*b"attr", b""), (*b"attr", b"y")];
    assert_eq!(decode_block(&changed_block(&[], &others)).unwrap(), block);
    let error = decode_block(&changed_block(&[], &[(*b"VISX", b"")])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the part has a section VISX, which this hitmap does not know; a newer hitmap reads it"
    );
    // Also where it stands in the place of one that is missing.
    let error = decode_block(&changed_block(&[b"VISI"], &[(*b"VISX", b"")])).unwrap_err();
    assert!(matches!(error, PartError::Section(tag) if &tag == b"VISX"));
    for bytes in [
        changed_block(&[b"VISI"], &[]),
        changed_block(&[b"SAMP", b"ITEM", b"WHOS", b"WHEN"], &[]),
        changed_block(&[], &[others[1], others[0]]),
        changed_block(&[], &[others[2], others[2]]),
        changed_block(&[b"WHEN"], &[others[0], (*b"WHEN", b"\x04page\x02\x0e\x02\x05\x00")]),
        changed_block(&[], &[(*b"a\x001b", b"")]),
        Vec::new(),
    ] {
        assert!(matches!(decode_block(&bytes), Err(PartError::Damaged(_))));
    }
    // A day with hits alone, and facts without sums.
    let facts: [&Tag; 5] = [b"VISI", b"SAMP", b"ITEM", b"WHOS", b"WHEN"];
    let only_hits = Block { hits: block.hits.clone(), ..Block::default() };
    assert_eq!(decode_block(&changed_block(&facts, &[])).unwrap(), only_hits);
    let no_hits = Block { hits: Sums::default(), ..block };
    assert_eq!(decode_block(&changed_block(&[b"HITS"], &[])).unwrap(), no_hits);
    // Sums stand in partition 0 only, and visitors in their own.
    let decode = |bytes: &[u8], index| {
        Block::decode(bytes, Partition::new(index, 2).unwrap(), &mut ChunkDecoder::default())
    };
    assert!(decode(&changed_block(&[], &[]), 1).is_err());
    assert_eq!(decode(&changed_block(&[b"HITS"], &[]), 1).unwrap(), no_hits);
    assert!(decode(&changed_block(&[b"HITS"], &[]), 0).is_err());
}

#[test]
fn other_dimensions_are_skipped_in_their_order() {
    let of = |name: &'static [u8]| [(*b"item", name), (*b"whos", name), (*b"when", name)];
    let (a, b): (&[u8], &[u8]) = (b"\x07browser?", b"\x02os");
    assert_eq!(decode_block(&changed_block(&[], &[of(a), of(b)].concat())).unwrap(), example().1);
    for sections in [
        [of(b), of(a)].concat(),
        [of(a), of(a)].concat(),
        of(b"\x04page").to_vec(),
        of(a)[..2].to_vec(),
        [of(a)[0], of(b)[1], of(a)[2]].to_vec(),
        vec![of(a)[0], of(b)[0], of(a)[1], of(b)[1], of(a)[2], of(b)[2]],
    ] {
        assert!(matches!(decode_block(&changed_block(&[], &sections)), Err(PartError::Damaged(_))));
    }
}

#[test]
fn visitors_may_have_facts_of_other_dimensions_only() {
    let visitors = example().1.day.visitors;
    let block = Block { day: LocalDay { visitors, ..LocalDay::default() }, ..Block::default() };
    let bytes = block.encode(&mut ColumnEncoder::default()).unwrap();
    assert_eq!(decode_block(&bytes).unwrap(), block);
}

/// Claims of great numbers in few bytes.
#[test]
fn hostile_claims_take_no_memory() {
    let expanding = |length: usize| {
        let mut column = Vec::new();
        ColumnEncoder::default().put(&mut column, &vec![1; length]);
        column
    };
    let head = |count: &[u8]| [&b"\x04page\x00"[..], count].concat();
    let huge: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    // 2^32 - 1 facts of one page, without a chunk.
    let facts =
        [&head(&[1])[..], &[2, 1, 2, b'/', 10, 0xff, 0xff, 0xff, 0xff, 15, 2, 0, 2, 0, 0, 0]]
            .concat();
    let items = [
        head(huge),
        [head(huge), expanding(1 << 24)].concat(),
        [&head(&[0x80, 0x80, 0x80, 8])[..], &expanding(1 << 24), &expanding(1 << 24)].concat(),
        [&head(&[0x80, 0x80, 4])[..], &expanding(1 << 16), &expanding(1 << 16)].concat(),
        facts,
    ];
    for items in items {
        let more: [(Tag, &[u8]); 3] =
            [(*b"ITEM", &items), (*b"WHOS", b"\x04page"), (*b"WHEN", b"\x04page")];
        let bytes = changed_block(&[b"ITEM", b"WHOS", b"WHEN"], &more);
        assert!(decode_block(&bytes).is_err());
    }
    // 2^64 - 1 views of one fact would be 2^43 facts in memory.
    let views: &[u8] = &[0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let item = [
        &head(&[1])[..],
        &[2, 12, 24],
        b"/list/1.html",
        &[2, 1, 20, 0xfe],
        &views[1..],
        &[2, 0, 2, 2, 2, 16],
    ]
    .concat();
    let when = [&b"\x04page"[..], &[2, 14, 2, 5, 22, 0], views].concat();
    let whos: &[u8] = b"\x04page\x02\x00";
    let more: [(Tag, &[u8]); 3] = [(*b"ITEM", &item), (*b"WHOS", whos), (*b"WHEN", &when)];
    let error = decode_block(&changed_block(&[b"ITEM", b"WHOS", b"WHEN"], &more)).unwrap_err();
    assert!(matches!(error, PartError::Limit(_)), "{error}");
    assert!(decode_block(&seal_block(&changed_block(&[], &[]))).is_ok());
}

#[test]
fn rules_that_a_newer_hitmap_knows_are_named() {
    let rule = |text: &str| {
        let bytes = example_part();
        let place = bytes.windows(4).position(|bytes| bytes == b"RULE").unwrap();
        let end = place + 4 + 1 + 19 + 8;
        let mut payload = xxhash_rust::xxh3::xxh3_128(text.as_bytes()).to_le_bytes().to_vec();
        super::payload::put_text(&mut payload, text);
        let section = section_bytes(*b"RULE", &payload);
        let mut changed = [&bytes[..place], &section, &bytes[end..]].concat();
        let length = changed.len();
        let header = (length - 32 - place) as u64;
        changed[length - 24..length - 16].copy_from_slice(&header.to_le_bytes());
        read(&seal(&changed)).map(drop)
    };
    rule("{}").unwrap();
    rule(r#"{"count":"hits","keep_query":true}"#).unwrap();
    let error = rule(r#"{"sessions":30}"#).unwrap_err().to_string();
    assert!(error.contains("a rule \"sessions\""), "{error}");
    // Only the form without defaults, in order and without blanks is written.
    for text in
        [r#"{"keep_query":true,"count":"hits"}"#, r#"{"keep_query":false}"#, "{ }", "", "[]"]
    {
        assert!(matches!(rule(text), Err(PartError::Damaged(_))), "{text}");
    }
}

#[test]
fn ranges_that_cannot_be_are_refused() {
    let good = example().0;
    let read = |range: &SourceRange| read(&part_of(range, &[])).map(drop);
    read(&good).unwrap();
    let time = CivilTime::new(Day(0), 0, 0);
    for bad in [
        SourceRange { key: 1, ..good.clone() },
        SourceRange { end: 8 << 21, ..good.clone() },
        SourceRange { end: 63, ..good.clone() },
        SourceRange { log_bytes: Some(87), ..good.clone() },
        SourceRange { beginnings: Vec::new(), ..good.clone() },
        SourceRange { block_hashes: vec![1, 2], ..good.clone() },
        SourceRange { span: good.span.map(|(first, _)| (first, time)), ..good.clone() },
        SourceRange { start: 5, ..good.clone() },
    ] {
        assert!(matches!(read(&bad), Err(PartError::Damaged(_))), "{bad:?}");
    }
}
