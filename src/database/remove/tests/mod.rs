//! What is left is what would have been counted without that which was taken out, and nothing else.

mod traces;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::super::ingest::tests::{
    Cells, Log, SITES, Scan, View, brute_force, check, look, run, stored_cells, stored_facts, views,
};
use super::super::ingest::{CountedFrom, Fate, IngestOptions};
use super::super::periods::Period;
use super::super::stored::StoredBlocks;
use super::super::testing::TestDatabase;
use super::super::{Store, levels, meta, places, read};
use super::take_out_sites;
use crate::database::change::content;
use crate::select::StoredRules;
use crate::time::{Day, Granularity};

const NOW: Duration = Duration::ZERO;

/// The database's number of a log.
fn number(database: &TestDatabase, log: &Log) -> i64 {
    let name = format!("log {}", log.kind);
    let sources = database.database.sources().unwrap();
    sources.iter().find(|source| source.name == name).unwrap().number
}

fn numbers(store: Store<'_>, sql: &str) -> BTreeSet<i64> {
    let mut statement = store.connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(|row| row.unwrap()).collect()
}

/// Nobody and nothing is kept without a fact or a cell, and who has one is.
fn check_nothing_else(store: Store<'_>) {
    let (mut visitors, mut pairs) = (BTreeSet::new(), BTreeSet::new());
    for row in read::all_blocks(store).unwrap() {
        let names = [(places::SITE, "", "")];
        let site = places::place_numbers(store, row.site, read::PAGE, &names).unwrap()[0].unwrap();
        let content = content::read(&mut StoredBlocks::new(store, vec![row])).unwrap();
        visitors.extend(content.visitors.iter().copied());
        for section in &content.sections {
            for fact in section.items.iter().flat_map(|item| &item.facts) {
                let visitor = content.visitors[fact.visitor() as usize];
                for place in [site, section.place] {
                    pairs.insert(u64::from(place) << 32 | u64::from(visitor));
                }
            }
        }
    }
    let pairs: Vec<u64> = pairs.into_iter().collect();
    assert!(levels::seen(store, &pairs).unwrap().into_iter().all(|seen| seen));
    let entries = |structure: &str| {
        let sql = format!("SELECT sum(entries) FROM level WHERE structure = '{structure}'");
        store.connection.query_row(&sql, [], |row| row.get::<_, Option<i64>>(0)).unwrap()
    };
    assert_eq!(entries("seen").unwrap_or(0), pairs.len() as i64);
    assert_eq!(entries("visitor").unwrap_or(0), visitors.len() as i64);
    let of_cells = numbers(store, "SELECT DISTINCT place FROM cell");
    assert_eq!(numbers(store, "SELECT id FROM place"), of_cells);
    let buckets = "SELECT DISTINCT (class >> 2) * 1000000000 + bucket FROM cell";
    let calendar = "SELECT granularity * 1000000000 + bucket FROM calendar";
    assert_eq!(numbers(store, calendar), numbers(store, buckets));
    let shares = numbers(store, "SELECT id FROM share");
    assert!(numbers(store, "SELECT share FROM block").is_subset(&shares));
    let sources = numbers(store, "SELECT id FROM source");
    assert!(numbers(store, "SELECT source FROM share").is_subset(&sources));
    let blocks = numbers(store, "SELECT id FROM block");
    assert_eq!(numbers(store, "SELECT DISTINCT key >> 16 & 0x3fffffffff FROM piece"), blocks);
}

/// Some logs, each in a run or two.
fn filled(logs: &BTreeMap<u64, Vec<View>>) -> (TestDatabase, Vec<Log>) {
    let mut database = TestDatabase::new();
    let mut all = Vec::new();
    for (&kind, views) in logs {
        let mut log = Log { kind, views: views[..views.len() / 2].to_vec() };
        run(&mut database, &[&log]);
        log.views.clone_from(views);
        run(&mut database, &[&log]);
        all.push(log);
    }
    (database, all)
}

fn logs() -> impl Strategy<Value = BTreeMap<u64, Vec<View>>> {
    prop::collection::btree_map(0..5_u64, views(60), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn forgotten_sources_might_never_have_been_there(
        given in logs(),
        forgotten in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        more in views(60),
        finest in 0..3_usize,
    ) {
        let (mut database, mut logs) = filled(&given);
        let finest = Granularity::ALL[finest];
        let options = IngestOptions { cells: Some(finest), ..IngestOptions::default() };
        let seen = look(&mut database, &[]);
        Scan::new(&[]).ingest(&mut database, options, &seen).unwrap();
        for log in forgotten {
            if logs.is_empty() {
                break;
            }
            let log = logs.remove(log.index(logs.len()));
            let source = number(&database, &log);
            let before = meta::version(database.store()).unwrap();
            database.database.forget(source).unwrap();
            let version = meta::version(database.store()).unwrap();
            prop_assert!(version > before);
            // A store learns which days changed, even if nothing is left of them.
            for site in database.database.sites().unwrap() {
                let versions = database.database.day_versions(site.number).unwrap();
                for view in log.views.iter().filter(|view| SITES[view.0 as usize] == site.name) {
                    prop_assert_eq!(versions[&Day(view.1)].version, version.cast_unsigned());
                }
            }
            check(&database, &logs.iter().collect::<Vec<_>>(), finest);
            check_nothing_else(database.store());
        }
        // Others come, and the forgotten ones again.
        for (kind, views) in given.into_iter().chain([(9, more)]) {
            let log = Log { kind, views };
            run(&mut database, &[&log]);
            logs.retain(|other| other.kind != kind);
            logs.push(log);
        }
        check(&database, &logs.iter().collect::<Vec<_>>(), finest);
        check_nothing_else(database.store());
    }

    #[test]
    fn pruned_days_keep_their_cells(
        mut given in logs(),
        days in prop::collection::vec(17_588..17_602_i32, 1..4),
        late in views(30),
        more in views(60),
    ) {
        // Of the same weeks and months, and never pruned.
        given.insert(8, late.into_iter().map(|view| (view.0, 17_602 + view.1 % 4, view.2, view.3, view.4)).collect());
        let (mut database, mut logs) = filled(&given);
        let mut model = Model::default();
        for day in days {
            let all: Vec<View> = logs.iter().flat_map(|log| &log.views).copied().collect();
            let lost = model.prune(&all, Day(day));
            let sites: BTreeSet<(u32, i32)> = lost.iter().map(|view| (view.0, view.1)).collect();
            prop_assert_eq!(database.database.prune(Day(day)).unwrap(), sites.len() as u64);
            model.check(&database, &logs);
            check_nothing_else(database.store());
        }
        // A source that has a pruned day cannot go, and others can.
        for log in logs.clone() {
            let source = number(&database, &log);
            let pruned = |view: &View| model.pruned[view.0 as usize].is_some_and(|day| view.1 < day.0);
            if log.views.iter().any(pruned) {
                let version = meta::version(database.store()).unwrap();
                database.commit();
                let error = database.database.forget(source).unwrap_err().to_string();
                prop_assert!(error.contains("were pruned") && error.contains("nothing was changed"), "{}", error);
                database.database.roll_back().unwrap();
                database.database.begin(NOW, &mut |_| Ok(())).unwrap();
                prop_assert_eq!(meta::version(database.store()).unwrap(), version);
            } else {
                database.database.forget(source).unwrap();
                logs.retain(|other| other.kind != log.kind);
            }
            model.check(&database, &logs);
        }
        // What comes later adds to the days that are left.
        let first = model.pruned.iter().flatten().max().copied().unwrap_or(Day(0));
        let views = more.into_iter().filter(|view| view.1 >= first.0).collect();
        let log = Log { kind: 9, views };
        run(&mut database, &[&log]);
        logs.push(log);
        model.check(&database, &logs);
    }

    #[test]
    fn replaced_sites_begin_anew(given in logs(), new in views(60), rules in any::<bool>()) {
        let (mut database, logs) = filled(&given);
        let sites: BTreeSet<i64> =
            database.database.sites().unwrap().iter().map(|site| site.number).collect();
        let log = Log { kind: 0, views: new };
        let seen = look(&mut database, &[&log]);
        let mut scan = Scan::new(&[(&log, CountedFrom::Start)]);
        if rules {
            scan.rules = other_rules();
        }
        let options = IngestOptions { replace: true, ..IngestOptions::default() };
        let ingested = scan.ingest(&mut database, options, &seen).unwrap();
        prop_assert!(ingested.is_changed && matches!(ingested.fates[..], [Fate::Stored(_)]));
        check(&database, &[&log], Granularity::Day);
        check_nothing_else(database.store());
        prop_assert!(database.database.is_rewrite_due().unwrap() || sites.is_empty());
        let version = meta::version(database.store()).unwrap().cast_unsigned();
        for site in database.database.sites().unwrap() {
            prop_assert!(sites.contains(&site.number) || log.views.iter().any(|view| SITES[view.0 as usize] == site.name));
            prop_assert_eq!(&site.rules, &scan.rules);
            let versions = database.database.day_versions(site.number).unwrap();
            prop_assert!(versions.values().all(|day| day.version == version));
            let had = |view: &&View| SITES[view.0 as usize] == site.name;
            for view in logs.iter().flat_map(|log| &log.views).filter(had) {
                prop_assert!(versions.contains_key(&Day(view.1)));
            }
        }
    }

    #[test]
    fn what_is_read_again_counts_once(given in logs(), again in views(60), more in views(20)) {
        let (mut database, mut logs) = filled(&given);
        let before = logs.remove(0);
        let mut log = Log { kind: before.kind, views: again };
        // It has grown, and is another one in its beginning: the test's logs differ by their lengths only.
        log.views.resize(log.views.len().max(before.views.len() + 1), (0, 17_595, 1, 1, 1));
        let source = number(&database, &before);
        let seen = look(&mut database, &[&log]);
        let scan = Scan::new(&[(&log, CountedFrom::Anew { source })]);
        let ingested = scan.ingest(&mut database, IngestOptions::default(), &seen).unwrap();
        prop_assert_eq!(&ingested.fates[..], [Fate::Stored(source)]);
        prop_assert!(!database.database.is_rewrite_due().unwrap());
        logs.push(log);
        check(&database, &logs.iter().collect::<Vec<_>>(), Granularity::Day);
        let log = Log { kind: 9, views: more };
        run(&mut database, &[&log]);
        logs.push(log);
        check(&database, &logs.iter().collect::<Vec<_>>(), Granularity::Day);
    }
}

fn other_rules() -> StoredRules {
    StoredRules { keep_query: true, ..StoredRules::default() }
}

/// What a database with pruned days shows.
#[derive(Default)]
struct Model {
    pruned: [Option<Day>; 2],
    /// Weeks and months without cells: site, granularity, bucket.
    cut: BTreeSet<(String, String, String)>,
}

impl Model {
    /// Prunes; the views whose facts go.
    fn prune(&mut self, all: &[View], before: Day) -> Vec<View> {
        let mut lost = all.to_vec();
        lost.retain(|view| view.1 < before.0 && self.has_facts(view));
        for site in [0, 1] {
            if lost.iter().any(|view| view.0 == site) {
                let name = SITES[site as usize].to_owned();
                let periods = [
                    (Period::week(before), "week", before.week_text()),
                    (Period::month(before), "month", before.month_text()),
                ];
                for (_, granularity, text) in
                    periods.into_iter().filter(|(period, ..)| period.is_cut(Some(before)))
                {
                    self.cut.insert((name.clone(), granularity.to_owned(), text));
                }
                self.pruned[site as usize] = Some(before);
            }
        }
        lost
    }

    fn has_facts(&self, view: &View) -> bool {
        self.pruned[view.0 as usize].is_none_or(|day| view.1 >= day.0)
    }

    fn check(&self, database: &TestDatabase, logs: &[Log]) {
        let all: Vec<View> = logs.iter().flat_map(|log| &log.views).copied().collect();
        let left: Vec<View> = all.iter().filter(|view| self.has_facts(view)).copied().collect();
        let is_of_all = |key: &(String, String, String, String, String)| key.1 == "all";
        let mut expected: Cells = brute_force(all.iter(), Granularity::Day);
        expected.retain(|key, _| {
            let (site, granularity, bucket, ..) = key;
            let bucket = (site.clone(), granularity.clone(), bucket.clone());
            !is_of_all(key) && !self.cut.contains(&bucket)
        });
        let of_left = brute_force(left.iter(), Granularity::Day);
        expected.extend(of_left.into_iter().filter(|(key, _)| is_of_all(key)));
        assert_eq!(stored_cells(database.store()), expected);
        let facts: u64 = stored_facts(database, &left).values().sum();
        assert_eq!(facts, left.len() as u64);
        for site in database.database.sites().unwrap() {
            let index = SITES.iter().position(|name| *name == site.name).unwrap();
            assert_eq!(site.pruned_before, self.pruned[index]);
            let days: BTreeSet<Day> = left
                .iter()
                .filter(|view| view.0 as usize == index)
                .map(|view| Day(view.1))
                .collect();
            let sums = database.database.day_sums(site.number, read::ALL_DAYS).unwrap();
            assert!(sums.keys().eq(&days));
        }
    }
}

#[test]
fn a_source_of_two_sites_is_replaced_with_both() {
    let mut database = TestDatabase::new();
    let log = Log { kind: 1, views: vec![(0, 17_590, 1, 1, 1), (1, 17_590, 1, 1, 1)] };
    run(&mut database, &[&log]);
    database.commit();
    let sites: Vec<i64> =
        database.database.sites().unwrap().iter().map(|site| site.number).collect();
    let error = take_out_sites(database.store(), &BTreeSet::from([sites[0]])).unwrap_err();
    assert!(error.to_string().contains("has lines of site \"b.example\", too"), "{error}");
    database.database.roll_back().unwrap();
    database.database.begin(NOW, &mut |_| Ok(())).unwrap();
    check(&database, &[&log], Granularity::Day);
    let days = take_out_sites(database.store(), &sites.iter().copied().collect()).unwrap();
    assert_eq!(days, [(sites[0], Day(17_590)), (sites[1], Day(17_590))]);
    check(&database, &[], Granularity::Day);
    check_nothing_else(database.store());
}

#[test]
fn a_source_without_lines_is_counted_again_by_other_rules() {
    let mut database = TestDatabase::new();
    let log = Log { kind: 1, views: Vec::new() };
    run(&mut database, &[&log]);
    let seen = look(&mut database, &[&log]);
    for (replace, is_stored) in [(false, false), (true, true)] {
        let options = IngestOptions { replace, ..IngestOptions::default() };
        let mut scan = Scan::new(&[(&log, CountedFrom::Start)]);
        scan.rules = other_rules();
        let ingested = scan.ingest(&mut database, options, &seen).unwrap();
        assert_eq!(matches!(ingested.fates[..], [Fate::Stored(_)]), is_stored);
    }
    assert_eq!(database.database.sources().unwrap().len(), 1);
}

#[test]
fn a_replaced_site_leaves_the_others() {
    let mut database = TestDatabase::new();
    let of_site = |site, kind| {
        let views =
            (0..40_i32).map(|view| (site, 17_590 + view % 9, 1, view.cast_unsigned() % 7, 1));
        Log { kind, views: views.collect() }
    };
    let logs = [of_site(0, 1), of_site(1, 2)];
    run(&mut database, &[&logs[0], &logs[1]]);
    let sites = database.database.sites().unwrap();
    let site = sites.iter().find(|site| site.name == SITES[0]).unwrap().number;
    assert_eq!(take_out_sites(database.store(), &BTreeSet::from([site])).unwrap().len(), 9);
    check(&database, &[&logs[1]], Granularity::Day);
    check_nothing_else(database.store());
    run(&mut database, &[&logs[0]]);
    check(&database, &[&logs[0], &logs[1]], Granularity::Day);
}
