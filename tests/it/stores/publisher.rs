//! The program's publisher keeps the protocol: it writes to the strict store, and readers see what was counted.
//!
//! Owns: the tests. May import: `memory`, `subjects` (buckets), `hitmap::publish`, `harness`, `logs`. Must not know: other
//! stores.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use hitmap::cube::Cube;
use hitmap::database::Database;
use hitmap::pipeline::{CountingOptions, Tracking, analyze, thread_pool};
use hitmap::publish::{Publication, database, inputs};
use hitmap::select::Rules;
use hitmap::source::Input;
use hitmap::store::{Cell, Cells, Edition, Slot, Visibility};
use hitmap::system::progress::Progress;
use hitmap::time::{Period, Span};

use super::content::{Content, assert_same, key};
use super::memory::Memory;
use super::subjects::parse_slot;
use crate::harness::{Folder, hitmap};
use crate::logs;
use crate::redis::content::cells;

const BOTH: [Visibility; 2] = [Visibility::Span, Visibility::Row];

fn publish_inputs(memory: &Memory, minute_pages: bool, log: &Path) -> Publication {
    let inputs = vec![Input::Path(log.to_owned())];
    let rules = Rules { site: "default".to_owned(), ..Rules::default() };
    let tracking = Tracking { identify: true, ..Tracking::default() };
    let options =
        CountingOptions { inputs, rules, threads: 2, tracking, ..CountingOptions::default() };
    thread_pool(2).unwrap().install(|| {
        let analysis = analyze(&options, &Progress::default()).unwrap();
        let counted = inputs::counted_inputs(&options.inputs, &analysis).unwrap();
        let cube = Cube::new(&analysis.facts, vec!["default".to_owned()], &[]);
        let store = memory.open(minute_pages);
        inputs::publish(&cube, &counted, store, false, &Progress::default()).unwrap()
    })
}

fn publish_database(memory: &Memory, path: &Path) -> Publication {
    let mut database = Database::open_to_read(path).unwrap();
    let sites = database.sites().unwrap();
    let store = memory.open(true);
    thread_pool(2).unwrap().install(|| {
        let target = ("memory", store);
        database::publish(&mut database, &sites, target, false, &Progress::default()).unwrap()
    })
}

/// The cells of the days of `hitmap analyze LOG --cells`, by the day's text.
fn days(log: &Path) -> BTreeMap<String, Content> {
    let mut days: BTreeMap<String, Content> = BTreeMap::new();
    for row in cells(&[log.to_str().unwrap()]) {
        let bucket = row["bucket"].as_str().unwrap();
        let (day, slot) = bucket.split_once('T').unwrap_or((bucket, ""));
        let key = key(parse_slot(slot), row["section"].as_str(), row["page"].as_str());
        let value = ["pv", "uv"].map(|name| row[name].as_u64().unwrap()).into();
        days.entry(day.to_owned()).or_default().insert(key, value);
    }
    days
}

/// Fails unless the days in memory are those of the log; returns the spans that are no days.
#[track_caller]
fn assert_days(memory: &Memory, log: &Path, minute_pages: bool) -> Vec<Span> {
    let mut expected = days(log);
    let is_day = |span: &Span| matches!(span.period, Period::Day(_));
    let (found, others): (Vec<Span>, Vec<Span>) = memory.spans().into_iter().partition(is_day);
    for span in found {
        let mut content = expected.remove(&span.period.to_string()).expect("it was counted");
        if !minute_pages {
            content.retain(|(slot, _, page), _| !matches!(slot, Slot::Minute(_)) || page.is_none());
        }
        assert_same(&memory.content(&span), &content, &span.period.to_string());
    }
    assert!(expected.is_empty(), "days without cells: {:?}", expected.keys());
    others
}

#[test]
fn days_of_inputs() {
    let folder = Folder::new();
    let log = folder.write("access.log", logs::log(20_000, 1));
    let count = days(&log).len() as u64;
    for visibility in BOTH {
        for minute_pages in [true, false] {
            let memory = Memory::new(visibility);
            let first = publish_inputs(&memory, minute_pages, &log);
            assert_eq!((first.days, first.unchanged_days, first.refused.len()), (count, 0, 0));
            assert!(assert_days(&memory, &log, minute_pages).is_empty());
            let again = publish_inputs(&memory, minute_pages, &log);
            assert_eq!((again.days, again.unchanged_days, again.cells), (count, count, 0));
            assert_eq!(again.seen, first.seen);
        }
    }
}

#[test]
fn spans_of_a_database_that_grows() {
    let folder = Folder::new();
    let (log, database) = (folder.path("access.log"), folder.path("stats.db"));
    let whole = logs::log(20_000, 2);
    let memories = BOTH.map(Memory::new);
    for lines in [5_000, 12_000, 20_000] {
        fs::write(&log, logs::head(&whole, lines)).unwrap();
        let [log_text, database_text] = [&log, &database].map(|path| path.to_str().unwrap());
        hitmap(&["analyze", "-q", "--db", database_text, log_text]).expect_exit(0);
        for memory in &memories {
            let done = publish_database(memory, &database);
            assert!(done.refused.is_empty(), "{:?}", done.refused);
            let unions = assert_days(memory, &log, true);
            assert_unions(memory, &log, &unions);
            let again = publish_database(memory, &database);
            assert_eq!((again.days, again.cells, again.changed), (done.days, 0, 0));
        }
    }
}

/// Fails unless the page views of weeks, months and all time are those of their days.
fn assert_unions(memory: &Memory, log: &Path, spans: &[Span]) {
    let days = days(log);
    let mut expected: BTreeMap<Period, BTreeMap<Option<String>, u64>> = BTreeMap::new();
    for (text, content) in &days {
        let numbers: Vec<i32> = text.split('-').map(|number| number.parse().unwrap()).collect();
        let date = [numbers[1], numbers[2]].map(|number| u32::try_from(number).unwrap());
        let day = hitmap::time::Day::from_date(numbers[0], date[0], date[1]).unwrap();
        for period in [Period::week_of(day), Period::month_of(day), Period::All] {
            for ((slot, section, page), (pv, _)) in content {
                if *slot == Slot::Whole && page.is_none() {
                    let sections = expected.entry(period).or_default();
                    *sections.entry(section.clone()).or_default() += pv;
                }
            }
        }
    }
    for span in spans {
        let content = memory.content(span).into_iter();
        let page_views = content.map(|((_, section, _), (pv, _))| (section, pv)).collect();
        assert_eq!(expected.remove(&span.period), Some(page_views), "{span:?}");
    }
    assert!(expected.is_empty(), "{:?}", expected.keys());
}

/// Leaves a wrong cell and an edition that is not committed.
fn leave_unfinished(memory: &Memory, span: &Span) {
    let mut store = memory.open(true);
    let replaces = store.ledger(span).unwrap().version;
    let sources = Vec::new();
    store.begin(Edition { span: span.clone(), replaces, version: None, sources }).unwrap();
    let mut batch = Cells::default();
    batch.push(&Cell { slot: Slot::Whole, section: None, page: None, pv: 77, uv: 7 });
    batch.push(&Cell { slot: Slot::Whole, section: Some("/wrong/"), page: None, pv: 77, uv: 7 });
    store.put(&batch).unwrap();
}

#[test]
fn what_another_run_left_unfinished_is_published_again() {
    let folder = Folder::new();
    let (log, database) =
        (folder.write("access.log", logs::log(5_000, 3)), folder.path("stats.db"));
    let [log_text, database_text] = [&log, &database].map(|path| path.to_str().unwrap());
    hitmap(&["analyze", "-q", "--db", database_text, log_text]).expect_exit(0);
    for visibility in BOTH {
        let memory = Memory::new(visibility);
        let publish_all: [&dyn Fn() -> Publication; 2] =
            [&|| publish_database(&memory, &database), &|| publish_inputs(&memory, true, &log)];
        publish_all[0]();
        for publish in publish_all {
            let day = memory.spans().into_iter().find(|span| matches!(span.period, Period::Day(_)));
            leave_unfinished(&memory, &day.unwrap());
            publish();
            assert_days(&memory, &log, true);
        }
        // A database also has weeks.
        let week =
            memory.spans().into_iter().find(|span| matches!(span.period, Period::Week { .. }));
        leave_unfinished(&memory, &week.unwrap());
        publish_database(&memory, &database);
        assert_unions(&memory, &log, &assert_days(&memory, &log, true));
    }
}

#[test]
fn a_span_that_another_run_is_publishing_is_waited_for() {
    let folder = Folder::new();
    let log = folder.write("access.log", logs::log(2_000, 4));
    let memory = Memory::new(Visibility::Row);
    let first = publish_inputs(&memory, true, &log);
    let span = memory.spans().swap_remove(3);
    let mut other = memory.open(true);
    let replaces = other.ledger(&span).unwrap().version;
    let edition = Edition { span, replaces, version: None, sources: Vec::new() };
    other.begin(edition).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(400));
            drop(other);
        });
        let done = publish_inputs(&memory, true, &log);
        assert_eq!((done.days, done.refused.len()), (first.days, 0));
    });
    assert_days(&memory, &log, true);
}
