//! Whatever comes in whatever batches, the database has the numbers of all its lines together.

mod fates;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::{Batch, CountedFrom, Fate, IngestOptions, Ingested, Look, ScannedSource, SiteOfRun};
use crate::count::{Counter, Facts};
use crate::database::change::content;
use crate::database::ledger::tests::identity;
use crate::database::stored::StoredBlocks;
use crate::database::testing::TestDatabase;
use crate::database::{Store, read};
use crate::error::Result;
use crate::facts::sample::sample_value;
use crate::facts::sums::of_hits;
use crate::facts::tally::Tally;
use crate::facts::{ShareKey, ShareSums};
use crate::select::{StoredRules, VisitorHash, page};
use crate::time::{Bucket, CivilTime, Day, Granularity};

/// (site, day, page, visitor, minute).
pub(in crate::database) type View = (u32, i32, u32, u32, u16);

pub(in crate::database) const SITES: [&str; 2] = ["a.example", "b.example"];

pub(in crate::database) fn hash(visitor: u32) -> VisitorHash {
    VisitorHash(xxhash_rust::xxh3::xxh3_128(&visitor.to_le_bytes()))
}

pub(in crate::database) fn page(page: u32) -> String {
    ["/", "/list/1.html", "/list/2.html", "/movie/ü.html", "-"]
        .get(page as usize)
        .map_or_else(|| format!("/movie/{page}.html"), |&name| name.to_owned())
}

/// A log: its views, in order.
#[derive(Clone, Debug, Default)]
pub(in crate::database) struct Log {
    /// Logs of different kinds begin differently.
    pub(in crate::database) kind: u64,
    pub(in crate::database) views: Vec<View>,
}

impl Log {
    pub(in crate::database) fn bytes(&self, views: usize) -> u64 {
        5000 + 100 * views as u64
    }

    /// The source that the log is from its view `from` on, counted so.
    pub(in crate::database) fn scanned(
        &self,
        number: u32,
        counted_from: CountedFrom,
    ) -> ScannedSource {
        let from = self.counted_views(counted_from);
        let lines = (self.views.len() - from) as u64;
        let time = |view: &View| CivilTime::new(Day(view.1), view.4, 0);
        let times = || self.views[from..].iter().map(time);
        ScannedSource {
            number,
            identity: identity(self.kind, self.bytes(self.views.len())),
            counted_from,
            name: format!("log {}", self.kind),
            format: Some("combined".to_owned()),
            lines: Tally {
                lines,
                hits: lines,
                page_views: lines,
                span: times().min().zip(times().max()),
                ..Tally::default()
            },
            as_new: false,
            is_named: true,
        }
    }

    fn counted_views(&self, counted_from: CountedFrom) -> usize {
        match counted_from {
            CountedFrom::Ledger { bytes, .. } => usize::try_from((bytes - 5000) / 100).unwrap(),
            _ => 0,
        }
    }
}

/// What a run counted.
pub(in crate::database) struct Scan {
    pub(in crate::database) facts: Facts,
    shares: BTreeMap<ShareKey, ShareSums>,
    pub(in crate::database) sources: Vec<ScannedSource>,
    pub(in crate::database) rules: StoredRules,
}

impl Scan {
    pub(in crate::database) fn new(logs: &[(&Log, CountedFrom)]) -> Self {
        let mut counter = Counter::new(2, 1000);
        let mut shares: BTreeMap<ShareKey, ShareSums> = BTreeMap::new();
        let mut sources = Vec::new();
        counter.begin_window();
        for (&(log, counted_from), number) in logs.iter().zip(3_u32..) {
            sources.push(log.scanned(number, counted_from));
            counter.workers_mut().iter_mut().for_each(|worker| worker.set_source(number));
            let views = &log.views[log.counted_views(counted_from)..];
            for (index, &(site, day, name, visitor, minute)) in views.iter().enumerate() {
                let time = CivilTime::new(Day(day), minute, 0);
                let (visitor, name) = (hash(visitor), page(name));
                counter.workers_mut()[index % 2].add(site, time, name.as_bytes(), visitor);
                let sums = shares.entry(ShareKey { site, day: Day(day), source: number });
                let sums = sums.or_default();
                sums.hits.add(of_hits::HITS, 1);
                let seconds = time.seconds();
                sums.sample.offer(sample_value(visitor, seconds, 200, 9, name.as_bytes()));
            }
        }
        counter.end_window().unwrap();
        Self { facts: counter.finish(), shares, sources, rules: StoredRules::default() }
    }

    pub(in crate::database) fn ingest(
        &self,
        database: &mut TestDatabase,
        options: IngestOptions,
        seen: &Look,
    ) -> Result<Ingested> {
        let sites = SITES.map(|name| SiteOfRun { name: name.to_owned(), is_named: true });
        let batch = Batch {
            facts: &self.facts,
            shares: &self.shares,
            sites: sites.into(),
            rules: &self.rules,
            sources: self.sources.clone(),
        };
        database.database.ingest(&batch, options, seen)
    }
}

/// What a run sees first.
pub(in crate::database) fn look(database: &mut TestDatabase, logs: &[&Log]) -> Look {
    database.commit();
    database.database.roll_back().unwrap();
    let beginnings: Vec<_> =
        logs.iter().map(|log| identity(log.kind, log.bytes(log.views.len())).beginnings).collect();
    let look = database.database.look_at_ledger(&beginnings).unwrap();
    database.database.begin(Duration::ZERO, &mut |_| Ok(())).unwrap();
    look
}

/// Looks, as a run does that knows the logs' bytes, and counts what is new.
pub(in crate::database) fn run(database: &mut TestDatabase, logs: &[&Log]) -> Ingested {
    let look = look(database, logs);
    let scan = Scan::new(&counted(logs, &look));
    scan.ingest(database, IngestOptions::default(), &look).unwrap()
}

/// The logs, and from where on they are to be counted.
pub(in crate::database) fn counted<'l>(
    logs: &[&'l Log],
    look: &Look,
) -> Vec<(&'l Log, CountedFrom)> {
    let counted_from = |(log, candidates): (&&'l Log, &Vec<_>)| {
        let known = candidates
            .iter()
            .find(|one: &&super::Recorded| one.name == format!("log {}", log.kind));
        let counted_from = known.map_or(CountedFrom::Start, |known| CountedFrom::Ledger {
            source: known.number,
            bytes: known.identity.bytes,
            id: known.identity.id,
        });
        (*log, counted_from)
    };
    logs.iter().zip(&look.candidates).map(counted_from).collect()
}

/// PV and UV by site, granularity, bucket, section and page.
pub(in crate::database) type Cells = BTreeMap<(String, String, String, String, String), (u64, u64)>;

/// The cells of views, by the definition.
pub(in crate::database) fn brute_force<'v>(
    views: impl Iterator<Item = &'v View>,
    finest: Granularity,
) -> Cells {
    let mut cells: BTreeMap<_, (u64, BTreeSet<u32>)> = BTreeMap::new();
    for &(site, day, name, visitor, minute) in views {
        let (day, name) = (Day(day), page(name));
        let section = page::section(&name, &[]).to_owned();
        let bucket = |granularity, of: u16| {
            Bucket { day, minute_of_day: minute / of * of, granularity }.to_string()
        };
        let buckets = [
            ("day", bucket(Granularity::Day, 1440)),
            ("hour", bucket(Granularity::Hour, 60)),
            ("minute", bucket(Granularity::Minute, 1)),
            ("week", day.week_text()),
            ("month", day.month_text()),
            ("all", String::new()),
        ];
        let none = String::new();
        for (section, page) in [(&none, &none), (&section, &none), (&section, &name)] {
            for (granularity, bucket) in &buckets {
                let is_page = !page.is_empty();
                let is_stored = match *granularity {
                    "hour" => !is_page || finest >= Granularity::Hour,
                    "minute" if is_page => finest == Granularity::Minute,
                    "minute" => finest >= Granularity::Hour,
                    "day" => true,
                    _ => !is_page,
                };
                if is_stored {
                    let site = SITES[site as usize].to_owned();
                    let key =
                        [(*granularity).to_owned(), bucket.clone(), section.clone(), page.clone()];
                    let [granularity, bucket, section, page] = key;
                    let cell = cells.entry((site, granularity, bucket, section, page)).or_default();
                    cell.0 += 1;
                    cell.1.insert(visitor);
                }
            }
        }
    }
    cells.into_iter().map(|(key, (pv, visitors))| (key, (pv, visitors.len() as u64))).collect()
}

pub(in crate::database) fn stored_cells(store: Store<'_>) -> Cells {
    let mut statement = store
        .connection
        .prepare("SELECT site, granularity, bucket, section, page, pv, uv FROM traffic")
        .unwrap();
    let rows = statement.query_map([], |row| {
        let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
        let key = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        Ok((key, (number(5)?, number(6)?)))
    });
    rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

/// The database has exactly these views.
pub(in crate::database) fn check(database: &TestDatabase, logs: &[&Log], finest: Granularity) {
    let views: Vec<View> = logs.iter().flat_map(|log| &log.views).copied().collect();
    let store = database.store();
    assert_eq!(stored_cells(store), brute_force(views.iter(), finest));
    let mut facts: BTreeMap<(String, String, i32, String, u32, u16), u64> = BTreeMap::new();
    for log in logs {
        for &(site, day, name, visitor, minute) in &log.views {
            let site = SITES[site as usize].to_owned();
            *facts
                .entry((format!("log {}", log.kind), site, day, page(name), visitor, minute))
                .or_default() += 1;
        }
    }
    assert_eq!(stored_facts(database, &views), facts);
    let all = brute_force(views.iter(), Granularity::Minute);
    for site in database.database.sites().unwrap() {
        let sums = database.database.day_sums(site.number, read::ALL_DAYS).unwrap();
        let cells = all.iter().filter(|((name, ..), _)| *name == site.name);
        let days: BTreeSet<String> = cells
            .clone()
            .filter(|((_, granularity, ..), _)| granularity == "day")
            .map(|((_, _, bucket, ..), _)| bucket.clone())
            .collect();
        assert!(sums.keys().map(ToString::to_string).eq(days));
        for (day, sums) in sums {
            for (granularity, of_granularity) in sums.cells.0.iter().enumerate() {
                let name = Granularity::ALL[granularity].name();
                let mut expected = [[0; 3]; 3];
                for ((_, granularity, bucket, section, page), (pv, uv)) in cells.clone() {
                    if granularity == name && bucket.starts_with(&day.to_string()) {
                        let level =
                            usize::from(!section.is_empty()) + usize::from(!page.is_empty());
                        let sum = &mut expected[level];
                        *sum = [sum[0] + 1, sum[1] + pv, sum[2] + uv];
                    }
                }
                assert_eq!(*of_granularity, expected);
            }
        }
    }
}

/// All facts of all blocks, with the names that their numbers stand for.
pub(in crate::database) fn stored_facts(
    database: &TestDatabase,
    views: &[View],
) -> BTreeMap<(String, String, i32, String, u32, u16), u64> {
    let store = database.store();
    let visitors: BTreeSet<u32> = views.iter().map(|view| view.3).collect();
    let mut hashes: Vec<(VisitorHash, u32)> =
        visitors.into_iter().map(|visitor| (hash(visitor), visitor)).collect();
    hashes.sort_unstable();
    let sorted: Vec<VisitorHash> = hashes.iter().map(|one| one.0).collect();
    let numbers = crate::database::levels::visitor_numbers(store, &sorted).unwrap();
    let by_number: BTreeMap<u32, u32> = numbers
        .iter()
        .zip(&hashes)
        .map(|(number, (_, visitor))| (number.expect("a visitor has a number"), *visitor))
        .collect();
    assert_eq!(by_number.len(), hashes.len());
    let sources = database.database.sources().unwrap();
    let sites = database.database.sites().unwrap();
    let mut facts = BTreeMap::new();
    for row in read::all_blocks(store).unwrap() {
        let source = sources.iter().find(|source| source.number == row.source).unwrap();
        let site = sites.iter().find(|site| site.number == row.site).unwrap();
        let content = content::read(&mut StoredBlocks::new(store, vec![row])).unwrap();
        for item in content.sections.iter().flat_map(|section| &section.items) {
            let place = crate::database::places::places(store, &[item.place]).unwrap();
            assert_eq!(place[0].site, row.site);
            for fact in &item.facts {
                let visitor = by_number[&content.visitors[fact.visitor() as usize]];
                let names = (source.name.clone(), site.name.clone());
                let page = place[0].page.clone();
                let key = (names.0, names.1, row.day.0, page, visitor, fact.minute_of_day());
                *facts.entry(key).or_default() += fact.views();
            }
        }
    }
    facts
}

pub(in crate::database) fn views(most: usize) -> impl Strategy<Value = Vec<View>> {
    let minute = prop::sample::select(vec![0, 1, 59, 60, 700, 1439_u16]);
    let view = (0..2_u32, 17_590..17_600_i32, 0..7_u32, 0..40_u32, minute);
    prop::collection::vec(view, 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Logs come and grow in any order, several in a run. Now and then those that have grown are counted anew, with other
    /// pages, or replace all there was.
    #[test]
    fn cells_sums_and_facts_are_those_of_all_lines(
        runs in prop::collection::vec(
            (prop::collection::btree_map(0..4_u64, views(60), 0..4), 0..10_u8), 1..7,
        ),
    ) {
        let mut database = TestDatabase::new();
        let mut logs: BTreeMap<u64, Log> = BTreeMap::new();
        for (run_views, way) in runs {
            let (is_anew, replace) = (way == 8, way == 9);
            if replace {
                logs.retain(|kind, _| run_views.contains_key(kind));
            }
            for (&kind, views) in &run_views {
                let log = logs.entry(kind).or_default();
                log.kind = kind;
                log.views.extend(views);
                if is_anew && !views.is_empty() {
                    log.views.iter_mut().for_each(|view| view.2 += 1);
                }
            }
            let given: Vec<&Log> = run_views.keys().map(|kind| &logs[kind]).collect();
            let look = look(&mut database, &given);
            let mut counted = counted(&given, &look);
            for (_, counted_from) in &mut counted {
                match *counted_from {
                    _ if replace => *counted_from = CountedFrom::Start,
                    CountedFrom::Ledger { source, .. } if is_anew => {
                        *counted_from = CountedFrom::Anew { source };
                    }
                    _ => {}
                }
            }
            let scan = Scan::new(&counted);
            let options = IngestOptions { replace, ..IngestOptions::default() };
            let ingested = scan.ingest(&mut database, options, &look).unwrap();
            for ((_, views), fate) in run_views.iter().zip(&ingested.fates) {
                let is_new = matches!(fate, Fate::Stored(_));
                prop_assert!(is_new || views.is_empty(), "{fate:?}");
            }
            // Twice is once.
            let again = scan.ingest(&mut database, IngestOptions::default(), &look).unwrap();
            prop_assert!(!again.is_changed);
            prop_assert!(again.fates.iter().all(|fate| matches!(fate, Fate::CountedMeanwhile(_))));
            check(&database, &logs.values().collect::<Vec<_>>(), Granularity::Day);
        }
    }

    /// Cells of other granularities come and go with their options.
    #[test]
    fn finer_cells_are_made_later_and_coarser_ones_are_left(
        one in views(60), other in views(60), finest in prop::collection::vec(0..3_usize, 1..5),
    ) {
        let mut database = TestDatabase::new();
        let log = Log { kind: 1, views: one };
        run(&mut database, &[&log]);
        let mut stored = Granularity::Day;
        for finest in finest {
            let finest = Granularity::ALL[finest];
            let options = IngestOptions { cells: Some(finest), ..IngestOptions::default() };
            let look = look(&mut database, &[]);
            let ingested = Scan::new(&[]).ingest(&mut database, options, &look).unwrap();
            prop_assert_eq!(ingested.is_changed, finest != stored);
            stored = finest;
            check(&database, &[&log], finest);
            let calendar: i64 = database.store().connection.query_row(
                "SELECT count(*) FROM calendar WHERE granularity = 2", [], |row| row.get(0),
            ).unwrap();
            prop_assert_eq!(calendar > 0, finest > Granularity::Day && !log.views.is_empty());
        }
        let second = Log { kind: 2, views: other };
        run(&mut database, &[&second]);
        check(&database, &[&log, &second], stored);
    }
}

/// A few lines more on a day of many: old facts are read, and stay as they are.
#[test]
fn a_fat_day_is_read_and_not_written() {
    let mut database = TestDatabase::new();
    let day = 17_595;
    let mut log = Log { kind: 1, views: Vec::new() };
    for number in 0..200_000_u32 {
        let visitor = if number % 3 == 0 { number % 7 } else { number % 9_000 };
        let minute = u16::try_from(number % 1_440).unwrap();
        log.views.push((0, day, number % 61, visitor, minute));
    }
    run(&mut database, &[&log]);
    let pieces = |database: &TestDatabase| -> BTreeMap<i64, Vec<u8>> {
        let store = database.store();
        let mut statement = store.connection.prepare("SELECT key, bytes FROM piece").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
    };
    let before = pieces(&database);
    log.views.extend((0..50_u32).map(|number| (0, day, number % 61, number * 3, 1439)));
    let changes = database.store().connection.total_changes();
    run(&mut database, &[&log]);
    let changes = database.store().connection.total_changes() - changes;
    assert!(changes < 400, "{changes} rows written");
    let after = pieces(&database);
    assert!(before.iter().all(|(key, bytes)| after.get(key) == Some(bytes)));
    assert_eq!(after.len() - before.len(), 5);
    check(&database, &[&log], Granularity::Day);
    // The first facts of a later day make one block of it.
    let next = fates::log_of_day(2, day + 1, 0..9);
    run(&mut database, &[&next]);
    let blocks = read::all_blocks(database.store()).unwrap();
    assert_eq!(blocks.len(), 2);
    check(&database, &[&log, &next], Granularity::Day);
}
