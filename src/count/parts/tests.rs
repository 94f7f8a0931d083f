//! Parts keep facts, in any split and order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Scanned, load, write};
use crate::count::{Counter, Facts};
use crate::cube::Cube;
use crate::cube::walk::{CellGroup, CellSink, Walk};
use crate::facts::part::{Kind, Part, PartError, SourceRange, merge};
use crate::facts::sums::{Sums, of_hits, of_lines};
use crate::facts::{DayKey, Fact, ShareSums};
use crate::select::{StoredRules, VisitorHash};
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

fn range(source: u8) -> SourceRange {
    let time = |day, second| CivilTime::new(Day(day), 1439, second);
    let mut lines = Sums::default();
    lines.add(of_lines::LINES, 7);
    lines.add(of_lines::EMPTY, 2);
    SourceRange {
        lines,
        span: Some((time(-800_000 + i32::from(source), 0), time(17_600, 60))),
        offsets_minutes: BTreeSet::from([-720, i16::from(source)]),
        repeated_hour_days: BTreeSet::from([Day(17_000)]),
        ..SourceRange::whole(30, vec![source.into()], Vec::new())
    }
}

/// The hits of each day: as many as page views, with status 200 or 404.
fn days(views: &[View]) -> BTreeMap<DayKey, ShareSums> {
    let mut days: BTreeMap<DayKey, ShareSums> = BTreeMap::new();
    for &(site, day, page, ..) in views {
        let sums = days.entry(DayKey { site, day: Day(day) }).or_default();
        sums.hits.add(of_hits::HITS, 1);
        sums.hits.add(of_hits::STATUS + if page < 4 { 200 } else { 404 }, 1);
        sums.sample.offer(u64::from(page) << 16 | u64::from(page));
    }
    days
}

fn encode(range: &SourceRange, facts: &Facts, days: &BTreeMap<DayKey, ShareSums>) -> Vec<u8> {
    let scanned = Scanned { range, facts, sites: &sites(), days };
    write(Vec::new(), &StoredRules::default(), &[scanned]).unwrap()
}

fn merged(parts: &[&[u8]]) -> Vec<u8> {
    let parts: Vec<Part<'_>> = parts.iter().map(|bytes| Part::decode(bytes).unwrap()).collect();
    merge(&parts, Vec::new()).unwrap()
}

/// (site, day, group, granularity, minute) to (PV, UV).
type Cells = BTreeMap<(String, i32, String, u8, u16), (u64, u64)>;

#[derive(Default)]
struct Collect(Vec<(CellGroup, u8, u16, u64, u64)>);

impl CellSink for Collect {
    fn groups(&mut self, groups: &[CellGroup], facts: &[Fact], walk: &mut Walk) {
        assert!(facts.is_sorted());
        let cells = walk.cells(facts);
        for &group in groups {
            let rows = cells
                .iter()
                .map(|cell| (group, cell.granularity as u8, cell.minute_of_day, cell.pv, cell.uv));
            self.0.extend(rows);
        }
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
        let split: Vec<Vec<View>> = (0..4)
            .map(|source| views.iter().filter(|view| view.1 == source).map(|view| view.0).collect())
            .collect();
        let counted: Vec<Facts> = split.iter().map(|views| count(views, window)).collect();
        let parts: Vec<Vec<u8>> = (0..4_u8)
            .zip(counted.iter().zip(&split))
            .map(|(source, (facts, views))| encode(&range(source), facts, &days(views)))
            .collect();
        // Each part at least once, some again.
        let given: Vec<&[u8]> = order.into_iter().chain(0..4).map(|index| &parts[index][..]).collect();
        let part = merged(&given);
        let loaded = load(&Part::decode(&part).unwrap(), |_, _| true).unwrap();
        prop_assert_eq!(cells(&loaded.facts, &loaded.sites), cells(&count(&all, 1000), &sites()));
        prop_assert_eq!((loaded.tally.lines, loaded.tally.empty_lines), (4 * 7, 4 * 2));
        prop_assert_eq!(loaded.tally.hits, all.len() as u64);
        let missing = all.iter().filter(|view| view.2 >= 4).count() as u64;
        prop_assert_eq!(loaded.tally.not_found, missing);
        prop_assert_eq!(loaded.tally.offsets_minutes, BTreeSet::from([-720, 0, 1, 2, 3]));
        // All sources written at once, in any order, are the same part.
        let (ranges, sites) = ([2_u8, 0, 3, 1].map(range), sites());
        let sums: Vec<_> = split.iter().map(|views| days(views)).collect();
        let scanned: Vec<Scanned<'_>> = [2, 0, 3, 1]
            .into_iter()
            .zip(&ranges)
            .map(|(index, range)| Scanned { range, facts: &counted[index], sites: &sites, days: &sums[index] })
            .collect();
        prop_assert_eq!(write(Vec::new(), &StoredRules::default(), &scanned).unwrap(), part);
        // Facts that were loaded and saved again are the same part.
        let (sums, one) = (days(&all), Scanned { range: &range(9), facts: &loaded.facts, sites: &loaded.sites, days: &BTreeMap::new() });
        let again = write(Vec::new(), &StoredRules::default(), &[one]).unwrap();
        prop_assert_eq!(again, encode(&range(9), &count(&all, window), &BTreeMap::new()));
        prop_assert_eq!(sums.len(), Part::decode(&encode(&range(9), &count(&[], 1), &sums)).unwrap().blocks().len());
    }
}

#[test]
fn a_reader_gets_the_days_it_asks_for() {
    let views: Vec<View> = (0..300_u32)
        .map(|number| (number % 2, 17_000 + (number % 5).cast_signed(), number % 9, number % 11, 3))
        .collect();
    let bytes = encode(&range(1), &count(&views, 100), &days(&views));
    let part = Part::decode(&bytes).unwrap();
    assert_eq!(part.header().ranges, [range(1)]);
    assert_eq!(part.blocks().len(), 10);
    let loaded = load(&part, |site, day| site == SITES[1] && day.0 > 17_002).unwrap();
    let hits = views.iter().filter(|view| view.0 == 1 && view.1 > 17_002).count();
    assert_eq!((loaded.tally.lines, loaded.tally.hits), (7, hits as u64));
    let expected: Vec<View> =
        views.into_iter().filter(|view| view.0 == 1 && view.1 > 17_002).collect();
    assert_eq!(cells(&loaded.facts, &loaded.sites), cells(&count(&expected, 1000), &sites()));
}

#[test]
fn copies_count_once_and_incomplete_sources_are_refused() {
    let views: Vec<View> = (0..40).map(|number| (0, 17_000, number % 5, number, 9)).collect();
    let (facts, sums) = (count(&views, 100), days(&views));
    let whole = encode(&range(1), &facts, &sums);
    let planned = SourceRange { kind: Kind::Planned, ..range(1) };
    let part = merged(&[&encode(&planned, &facts, &sums), &whole]);
    let part = Part::decode(&part).unwrap();
    assert_eq!(part.blocks().len(), 2);
    let loaded = load(&part, |_, _| true).unwrap();
    assert_eq!((loaded.tally.lines, loaded.tally.hits), (7, 40));
    assert_eq!(cells(&loaded.facts, &loaded.sites), cells(&facts, &sites()));
    let cut = SourceRange { log_bytes: None, ..planned };
    let part = encode(&cut, &facts, &sums);
    let error = load(&Part::decode(&part).unwrap(), |_, _| true).unwrap_err();
    assert!(matches!(error, PartError::Incomplete(_)), "{error}");
}
