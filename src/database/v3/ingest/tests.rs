//! Whatever comes in whatever batches, the database has the numbers of all its lines together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::{Batch, CountedFrom, Fate, IngestOptions, Ingested, Look, ScannedSource, SiteOfRun};
use crate::count::{Counter, Facts};
use crate::database::v3::change::content;
use crate::database::v3::ledger::tests::identity;
use crate::database::v3::stored::StoredBlocks;
use crate::database::v3::testing::TestDatabase;
use crate::database::v3::{Store, read};
use crate::error::Result;
use crate::facts::sample::sample_value;
use crate::facts::sums::of_hits;
use crate::facts::tally::Tally;
use crate::facts::{ShareKey, ShareSums};
use crate::select::{StoredRules, VisitorHash, page};
use crate::time::{Bucket, CivilTime, Day, Granularity};

/// (site, day, page, visitor, minute).
type View = (u32, i32, u32, u32, u16);

const SITES: [&str; 2] = ["a.example", "b.example"];

fn hash(visitor: u32) -> VisitorHash {
    VisitorHash(xxhash_rust::xxh3::xxh3_128(&visitor.to_le_bytes()))
}

fn page(page: u32) -> String {
    ["/", "/list/1.html", "/list/2.html", "/movie/ü.html", "-"]
        .get(page as usize)
        .map_or_else(|| format!("/movie/{page}.html"), |&name| name.to_owned())
}

/// A log: its views, in order.
#[derive(Clone, Debug, Default)]
struct Log {
    /// Logs of different kinds begin differently.
    kind: u64,
    views: Vec<View>,
}

impl Log {
    fn bytes(&self, views: usize) -> u64 {
        5000 + 100 * views as u64
    }

    /// The source that the log is from its view `from` on, counted so.
    fn scanned(&self, number: u32, counted_from: CountedFrom) -> ScannedSource {
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
struct Scan {
    facts: Facts,
    shares: BTreeMap<ShareKey, ShareSums>,
    sources: Vec<ScannedSource>,
    rules: StoredRules,
}

impl Scan {
    fn new(logs: &[(&Log, CountedFrom)]) -> Self {
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

    fn ingest(
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
fn look(database: &mut TestDatabase, logs: &[&Log]) -> Look {
    database.commit();
    database.database.roll_back().unwrap();
    let beginnings: Vec<_> =
        logs.iter().map(|log| identity(log.kind, log.bytes(log.views.len())).beginnings).collect();
    let look = database.database.look_at_ledger(&beginnings).unwrap();
    database.database.begin(Duration::ZERO, &mut |_| Ok(())).unwrap();
    look
}

/// Looks, as a run does that knows the logs' bytes, and counts what is new.
fn run(database: &mut TestDatabase, logs: &[&Log]) -> Ingested {
    let look = look(database, logs);
    let scan = Scan::new(&counted(logs, &look));
    scan.ingest(database, IngestOptions::default(), &look).unwrap()
}

/// The logs, and from where on they are to be counted.
fn counted<'l>(logs: &[&'l Log], look: &Look) -> Vec<(&'l Log, CountedFrom)> {
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
type Cells = BTreeMap<(String, String, String, String, String), (u64, u64)>;

/// The cells of views, by the definition.
fn brute_force<'v>(views: impl Iterator<Item = &'v View>, finest: Granularity) -> Cells {
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

fn stored_cells(store: Store<'_>) -> Cells {
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
fn check(database: &TestDatabase, logs: &[&Log], finest: Granularity) {
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
fn stored_facts(
    database: &TestDatabase,
    views: &[View],
) -> BTreeMap<(String, String, i32, String, u32, u16), u64> {
    let store = database.store();
    let visitors: BTreeSet<u32> = views.iter().map(|view| view.3).collect();
    let mut hashes: Vec<(VisitorHash, u32)> =
        visitors.into_iter().map(|visitor| (hash(visitor), visitor)).collect();
    hashes.sort_unstable();
    let sorted: Vec<VisitorHash> = hashes.iter().map(|one| one.0).collect();
    let numbers = crate::database::v3::levels::visitor_numbers(store, &sorted).unwrap();
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
            let place = crate::database::v3::places::places(store, &[item.place]).unwrap();
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

fn views(most: usize) -> impl Strategy<Value = Vec<View>> {
    let minute = prop::sample::select(vec![0, 1, 59, 60, 700, 1439_u16]);
    let view = (0..2_u32, 17_590..17_600_i32, 0..7_u32, 0..40_u32, minute);
    prop::collection::vec(view, 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Logs come and grow in any order, several in a run.
    #[test]
    fn cells_sums_and_facts_are_those_of_all_lines(
        runs in prop::collection::vec(
            prop::collection::btree_map(0..4_u64, views(60), 0..4), 1..7,
        ),
    ) {
        let mut database = TestDatabase::new();
        let mut logs: BTreeMap<u64, Log> = BTreeMap::new();
        for run_views in runs {
            for (&kind, views) in &run_views {
                let log = logs.entry(kind).or_default();
                log.kind = kind;
                log.views.extend(views);
            }
            let given: Vec<&Log> = run_views.keys().map(|kind| &logs[kind]).collect();
            let look = look(&mut database, &given);
            let scan = Scan::new(&counted(&given, &look));
            let ingested = scan.ingest(&mut database, IngestOptions::default(), &look).unwrap();
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

/// A log of `count` views of one day, by as many visitors.
fn log_of_day(kind: u64, day: i32, visitors: std::ops::Range<u32>) -> Log {
    let view = |visitor: u32| {
        let minute = u16::try_from(visitor * 7 % 1440).unwrap();
        (0, day, visitor % 5, visitor, minute)
    };
    Log { kind, views: visitors.map(view).collect() }
}

fn fates(database: &mut TestDatabase, scan: &Scan, seen: &Look) -> Vec<Fate> {
    scan.ingest(database, IngestOptions::default(), seen).unwrap().fates
}

#[test]
fn two_runs_at_once_count_each_log_once() {
    let mut database = TestDatabase::new();
    let day = 17_595;
    let [mut one, two] = [log_of_day(1, day, 0..9), log_of_day(2, day, 50..59)];
    let first_look = look(&mut database, &[&one, &two]);
    let start = CountedFrom::Start;
    let scan = Scan::new(&[(&one, start), (&two, start)]);
    // Another run was faster with one of the two, and the log has grown since.
    let short = Log { views: one.views[..5].to_vec(), ..one.clone() };
    let other_run = run(&mut database, &[&short]);
    let Fate::Stored(number) = other_run.fates[0] else { panic!("{other_run:?}") };
    assert_eq!(fates(&mut database, &scan, &first_look)[0], Fate::ScanAgain);
    check(&database, &[&short, &two], Granularity::Day);
    // Looked at again, it is counted from where the ledger ends.
    let second_look = look(&mut database, &[&one]);
    let again = Scan::new(&counted(&[&one], &second_look));
    assert_eq!(again.sources[0].lines.lines, 4);
    assert_eq!(fates(&mut database, &again, &second_look), [Fate::Stored(number)]);
    check(&database, &[&one, &two], Granularity::Day);
    // The run that was first is given what grew meanwhile, and what it holds is known.
    assert_eq!(fates(&mut database, &again, &second_look), [Fate::CountedMeanwhile(number)]);
    assert_eq!(
        fates(&mut database, &scan, &first_look),
        [Fate::CountedMeanwhile(number), Fate::CountedMeanwhile(number + 1)]
    );
    let before = Scan::new(&[(&short, start)]);
    assert_eq!(fates(&mut database, &before, &first_look), [Fate::CountedMeanwhile(number)]);
    // Another run has counted the log further, or taken it out.
    one.views.extend(log_of_day(1, day, 20..25).views);
    let third_look = look(&mut database, &[&one]);
    let mut longer = one.clone();
    longer.views.extend(log_of_day(1, day, 30..35).views);
    let scan = Scan::new(&counted(&[&one], &third_look));
    let scan_longer = Scan::new(&counted(&[&longer], &third_look));
    assert_eq!(fates(&mut database, &scan, &third_look), [Fate::Stored(number)]);
    assert_eq!(fates(&mut database, &scan_longer, &third_look), [Fate::ScanAgain]);
    database.store().execute("DELETE FROM source WHERE id = ?", [number]).unwrap();
    assert_eq!(fates(&mut database, &scan_longer, &third_look), [Fate::ScanAgain]);
}

#[test]
fn a_log_and_its_copies_in_one_run_count_once() {
    let mut database = TestDatabase::new();
    let log = log_of_day(1, 17_595, 0..9);
    let cut = Log { views: log.views[..4].to_vec(), ..log.clone() };
    let look = look(&mut database, &[]);
    let start = CountedFrom::Start;
    let scan = Scan::new(&[(&cut, start), (&log, start), (&log.clone(), start)]);
    let fates = fates(&mut database, &scan, &look);
    assert_eq!(fates, [Fate::ScanAgain, Fate::Stored(1), Fate::CountedMeanwhile(1)]);
    check(&database, &[&log], Granularity::Day);
}

#[test]
fn sources_that_hold_others_are_left_out() {
    let mut database = TestDatabase::new();
    let day = 17_595;
    let of_hours = [0..40, 40..80, 80..120].map(|visitors| log_of_day(0, day, visitors).views);
    let hours: Vec<Log> =
        (1..).zip(of_hours.clone()).map(|(kind, views)| Log { kind, views }).collect();
    run(&mut database, &[&hours[0], &hours[1]]);
    // The day holds its hours. The largest comes first, so its third hour is found in it, too.
    let whole = Log { kind: 8, views: of_hours.concat() };
    let overlap = |fate: &Fate| match fate {
        Fate::Overlaps { day, site, share, other } => {
            assert_eq!((*day, &site[..]), (Day(17_595), SITES[0]));
            Some((other.name.clone(), (share * 100.0).round() as u32))
        }
        _ => None,
    };
    let ingested = run(&mut database, &[&hours[2], &whole]);
    let found: Vec<_> = ingested.fates.iter().map(overlap).collect();
    // The first of those that came, the shortest id of equal ones.
    let first = database.database.sources().unwrap()[0].name.clone();
    assert_eq!(found, [None, Some((first, 67))]);
    check(&database, &[&hours[0], &hours[1], &hours[2]], Granularity::Day);
    // A log that grows by what others hold: `cat a b >> c`.
    let mut grown = log_of_day(9, day, 1000..1040);
    run(&mut database, &[&grown]);
    let before = grown.clone();
    grown.views.extend(&of_hours[1]);
    let ingested = run(&mut database, &[&grown]);
    assert_eq!(overlap(&ingested.fates[0]), Some(("log 2".to_owned(), 100)));
    assert!(!ingested.is_changed);
    check(&database, &[&hours[0], &hours[1], &hours[2], &before], Granularity::Day);
    // In small steps, each of too few visitors to be seen alone.
    let mut steps = Log { kind: 10, views: Vec::new() };
    let mut stored = 0;
    for views in of_hours[0].chunks(10) {
        steps.views.extend(views);
        match &run(&mut database, &[&steps]).fates[0] {
            Fate::Stored(_) => stored += 1,
            fate => assert_eq!(overlap(fate).unwrap().0, "log 1"),
        }
    }
    assert_eq!(stored, 1);
    // Counted all the same, it disturbs nobody any more.
    let look = look(&mut database, &[&whole]);
    let mut scan = Scan::new(&[(&whole, CountedFrom::Start)]);
    scan.sources[0].as_new = true;
    let fates = fates(&mut database, &scan, &look);
    assert!(matches!(fates[0], Fate::Stored(_)), "{fates:?}");
    let mut whole = whole;
    whole.views.extend(log_of_day(0, day, 500..540).views);
    let ingested = run(&mut database, &[&whole]);
    assert!(matches!(ingested.fates[0], Fate::Stored(_)), "{ingested:?}");
    let later = log_of_day(11, day, 500..540);
    assert!(matches!(run(&mut database, &[&later]).fates[0], Fate::Stored(_)));
}

#[test]
fn what_cannot_be_exact_is_refused() {
    let mut database = TestDatabase::new();
    let log = log_of_day(1, 17_595, 0..9);
    run(&mut database, &[&log]);
    let late = log_of_day(2, 17_590, 0..9);
    let seen = look(&mut database, &[&late]);
    let mut scan = Scan::new(&[(&late, CountedFrom::Start)]);
    database.store().execute("UPDATE site SET pruned_before = 17591", []).unwrap();
    let refused = |database: &mut TestDatabase, scan: &Scan| {
        scan.ingest(database, IngestOptions::default(), &seen).unwrap_err().to_string()
    };
    let error = refused(&mut database, &scan);
    assert!(
        error.contains("page views of 2018-02-28, and the database was pruned before"),
        "{error}"
    );
    database.database.roll_back().unwrap();
    database.database.begin(Duration::ZERO, &mut |_| Ok(())).unwrap();
    scan.rules.keep_query = true;
    let error = refused(&mut database, &scan);
    assert!(error.contains("counts site \"a.example\" by other rules"), "{error}");
    check(&database, &[&log], Granularity::Day);
    // A rule of a newer hitmap is named.
    database.store().execute("UPDATE site SET rules = '{\"hours\":3}'", []).unwrap();
    let error = refused(&mut database, &scan);
    assert!(error.contains("the rule \"hours\""), "{error}");
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
    let next = log_of_day(2, day + 1, 0..9);
    run(&mut database, &[&next]);
    let blocks = read::all_blocks(database.store()).unwrap();
    assert_eq!(blocks.len(), 2);
    check(&database, &[&log, &next], Granularity::Day);
}
