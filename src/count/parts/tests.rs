//! Parts keep facts, in any split and order; damage is seen.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{encode, load};
use crate::count::{Counter, Facts};
use crate::cube::Cube;
use crate::cube::walk::{CellGroup, CellSink};
use crate::facts::columns::{Decoder, Encoder};
use crate::facts::part::{Header, Part, PartError, SourceId, block};
use crate::facts::tally::Tally;
use crate::facts::{Fact, LocalDay};
use crate::select::VisitorHash;
use crate::time::{CivilTime, Day};

/// (site, day, page, visitor, minute).
type View = (u32, i32, u32, u32, u16);

fn hash(visitor: u32) -> VisitorHash {
    VisitorHash(xxhash_rust::xxh3::xxh3_128(&visitor.to_le_bytes()))
}

fn page(page: u32) -> String {
    ["/", "/list/1.html", "/list/2.html", "/movie/ü.html", "-"]
        .get(page as usize)
        .map_or_else(|| format!("/movie/{page}.html"), |&name| name.to_owned())
}

/// The facts of some views, counted in windows of `window` views.
fn count(views: &[View], window: usize) -> Facts {
    let mut counter = Counter::new(2, 1000);
    for views in views.chunks(window.max(1)) {
        counter.begin_window();
        for (index, &(site, day, name, visitor, minute)) in views.iter().enumerate() {
            let time = CivilTime::new(Day(day), minute, 0);
            let worker = &mut counter.workers_mut()[index % 2];
            worker.add(site, time, page(name).as_bytes(), hash(visitor));
        }
        counter.end_window().unwrap();
    }
    counter.finish()
}

const SITES: [&str; 2] = ["a.example", "b.example"];

fn header(source: u8) -> Header {
    let mut tally = Tally { lines: 7, hits: 5, page_views: 4, empty_lines: 2, ..Tally::default() };
    tally.bytes_sent = u64::MAX;
    tally.status = [1, 2, 3, 4, 5, 6];
    tally.not_found = 1 << 40;
    let time = |day, second| CivilTime::new(Day(day), 1439, second);
    tally.span = Some((time(-800_000, 0), time(17_600, 60)));
    tally.offsets_minutes = BTreeSet::from([-720, 0, 480]);
    tally.repeated_hour_days = BTreeSet::from([Day(17_000)]);
    Header {
        source: SourceId([source; 16]),
        rules: "count=page-views\nvisitor=ip+ua\n".to_owned(),
        tally,
        sites: SITES.map(str::to_owned).to_vec(),
    }
}

/// (site, day, group, granularity, minute) to (PV, UV).
type Cells = BTreeMap<(String, i32, String, u8, u16), (u64, u64)>;

#[derive(Default)]
struct Collect(Vec<(CellGroup, u8, u16, u64, u64)>);

impl CellSink for Collect {
    fn group(
        &mut self,
        group: CellGroup,
        cells: &[crate::cube::walk::BucketCount],
        facts: &[Fact],
    ) {
        assert!(facts.is_sorted());
        let rows = cells
            .iter()
            .map(|cell| (group, cell.granularity as u8, cell.minute_of_day, cell.pv, cell.uv));
        self.0.extend(rows);
    }
}

fn cells(facts: &Facts, sites: &[String]) -> Cells {
    let cube = Cube::new(facts, sites.to_vec(), &[]);
    let mut cells = Cells::new();
    cube.walk(Collect::default, |key, sinks| {
        for (group, granularity, minute, pv, uv) in sinks.into_iter().flat_map(|sink| sink.0) {
            let group = match group {
                CellGroup::Site => "site".to_owned(),
                CellGroup::Section(section) => format!("section {}", cube.sections.name(section)),
                CellGroup::Page(page) => format!("page {}", facts.names().get(page)),
            };
            let site = sites[key.site as usize].clone();
            let before = cells.insert((site, key.day.0, group, granularity, minute), (pv, uv));
            assert_eq!(before, None);
        }
        Ok(())
    })
    .unwrap();
    cells
}

fn sites() -> Vec<String> {
    SITES.map(str::to_owned).to_vec()
}

fn a_view() -> impl Strategy<Value = View> {
    (0..2_u32, 17_000..17_003_i32, 0..8_u32, 0..12_u32, 0..1440_u16)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_into_parts_in_any_order_gives_the_same_cells(
        views in prop::collection::vec((a_view(), 0..4_usize), 0..120),
        order in prop::collection::vec(0..4_usize, 0..9),
        window in 1..200_usize,
    ) {
        let all: Vec<View> = views.iter().map(|&(view, _)| view).collect();
        let parts: Vec<Vec<u8>> = (0..4)
            .map(|source| {
                let views: Vec<View> =
                    views.iter().filter(|&&(_, of)| of == source).map(|&(view, _)| view).collect();
                encode(&header(u8::try_from(source).unwrap()), &count(&views, window))
            })
            .collect();
        // Each part at least once, some again.
        let given: Vec<Part<'_>> = order
            .into_iter()
            .chain(0..4)
            .map(|index| Part::decode(&parts[index]).unwrap())
            .collect();
        let loaded = load(&given, |_, _| true).unwrap();
        prop_assert_eq!(cells(&loaded.facts, &loaded.sites), cells(&count(&all, 1000), &sites()));
        prop_assert_eq!(loaded.tally.lines, 4 * 7);
        // Facts that were loaded and saved again are the same part.
        let again = encode(&header(9), &loaded.facts);
        prop_assert_eq!(again, encode(&header(9), &count(&all, window)));
    }
}

#[test]
fn a_reader_gets_the_days_it_asks_for() {
    let views: Vec<View> = (0..300_u32)
        .map(|number| (number % 2, 17_000 + (number % 5).cast_signed(), number % 9, number % 11, 3))
        .collect();
    let bytes = encode(&header(1), &count(&views, 100));
    let part = Part::decode(&bytes).unwrap();
    assert_eq!(part.header(), &header(1));
    assert_eq!(part.blocks().len(), 10);
    let loaded = load(&[part], |site, day| site == SITES[1] && day.0 > 17_002).unwrap();
    let expected: Vec<View> =
        views.into_iter().filter(|view| view.0 == 1 && view.1 > 17_002).collect();
    assert_eq!(cells(&loaded.facts, &loaded.sites), cells(&count(&expected, 1000), &sites()));
}

#[test]
fn rules_must_agree() {
    let other = Header { rules: "count=hits\n".to_owned(), ..header(2) };
    let parts = [encode(&header(1), &count(&[], 1)), encode(&other, &count(&[], 1))];
    let parts = parts.each_ref().map(|bytes| Part::decode(bytes).unwrap());
    assert!(matches!(load(&parts, |_, _| true), Err(PartError::Rules(..))));
}

fn sample_views() -> Vec<View> {
    (0..60_u32)
        .map(|number| {
            (number % 2, 17_595 + (number % 3).cast_signed(), number % 7, number % 13, 725)
        })
        .collect()
}

#[test]
fn damaged_parts_are_refused() {
    let bytes = encode(&header(1), &count(&sample_views(), 1000));
    let read = |bytes: &[u8]| load(&[Part::decode(bytes)?], |_, _| true).map(drop);
    read(&bytes).unwrap();
    for end in 0..bytes.len() {
        assert!(read(&bytes[..end]).is_err(), "{end}");
    }
    for index in 0..bytes.len() {
        for change in [1, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[index] ^= change;
            assert!(read(&bytes).is_err(), "{index}");
        }
    }
    assert!(read(&[&bytes[..], &[0]].concat()).is_err());
    assert!(matches!(read(b"PK\x03\x04 something else"), Err(PartError::NotAPart)));
}

#[test]
fn unknown_versions_are_named() {
    let mut bytes = encode(&header(1), &count(&sample_views(), 1000));
    let part = Part::decode(&bytes).unwrap();
    let mut day = part.block_bytes(&part.blocks()[0]).to_vec();
    day[0] = 9;
    let error = block::decode(&day, &mut Decoder::default()).unwrap_err();
    assert!(error.to_string().contains("format 9"), "{error}");
    bytes[8] = 77;
    let error = Part::decode(&bytes).unwrap_err();
    assert!(error.to_string().contains("format 77"), "{error}");
}

/// The bytes with a right checksum, as a hostile writer would make them.
fn seal(body: &[u8]) -> Vec<u8> {
    [body, &xxhash_rust::xxh3::xxh3_64(body).to_le_bytes()].concat()
}

#[test]
fn sealed_nonsense_never_panics() {
    let part = encode(&header(1), &count(&sample_views(), 1000));
    let part = Part::decode(&part).unwrap();
    let bytes = part.block_bytes(&part.blocks()[0]).to_vec();
    let body = &bytes[..bytes.len() - 8];
    let (mut decoder, mut encoder) = (Decoder::default(), Encoder::default());
    let mut check = |bytes: &[u8]| {
        if let Ok(day) = block::decode(bytes, &mut decoder) {
            // What is read is in order, so it can be written.
            let again = block::encode(&day, &mut encoder);
            assert_eq!(block::decode(&again, &mut decoder).unwrap(), day);
        }
    };
    for end in 0..body.len() {
        check(&seal(&body[..end]));
    }
    for index in 0..body.len() {
        for change in [1, 0x40, 0x80, 0xff] {
            let mut body = body.to_vec();
            body[index] ^= change;
            check(&seal(&body));
        }
    }
}

#[test]
fn an_empty_day_is_a_block() {
    let bytes = block::encode(&LocalDay::default(), &mut Encoder::default());
    assert_eq!(block::decode(&bytes, &mut Decoder::default()).unwrap(), LocalDay::default());
}

/// A part of each version that was ever written stays readable.
#[test]
fn the_part_of_version_1_loads() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/part/version-1.part");
    if std::env::var_os("HITMAP_NEW_PART").is_some() {
        std::fs::write(path, encode(&header(1), &count(&sample_views(), 1000))).unwrap();
    }
    let bytes = std::fs::read(path).unwrap();
    let part = Part::decode(&bytes).unwrap();
    assert_eq!(part.header(), &header(1));
    let loaded = load(&[part], |_, _| true).unwrap();
    assert_eq!(cells(&loaded.facts, &loaded.sites), cells(&count(&sample_views(), 1000), &sites()));
}
