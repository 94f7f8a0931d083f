//! What every store promises, checked on each of them.
//!
//! Owns: the checks. May import: `subjects`, `content`, `hitmap::store`, `harness`. Must not know: how a store keeps cells.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hitmap::store::{Edition, Ledger, Outcome, Slot, Source, Store, Visibility};
use hitmap::time::{Day, Granularity, Period, Span};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use super::content::{Content, View, assert_same, batches, day, key, union};
use super::subjects::{Subject, new_site};

/// One test of a check for each store.
macro_rules! on_every_store {
    ($check:ident) => {
        on_every_store!($check, HBase::shared());
    };
    ($check:ident, $hbase:expr) => {
        mod $check {
            use hitmap::store::Visibility;

            use crate::harness::needs;
            use crate::hbase::server::hbase as needed_hbase;
            use crate::redis::server::redis_server;
            use crate::stores::memory::Memory;
            use crate::stores::subjects::{HBase, Redis};

            #[test]
            fn memory_by_span() {
                super::$check(&Memory::new(Visibility::Span));
            }

            #[test]
            fn memory_by_row() {
                super::$check(&Memory::new(Visibility::Row));
            }

            #[test]
            fn redis() {
                needs!(redis_server());
                super::$check(&Redis::start());
            }

            #[test]
            fn hbase() {
                needs!(needed_hbase());
                super::$check(&$hbase);
            }
        }
    };
}

on_every_store!(an_empty_store_has_no_ledger);
on_every_store!(cells_come_back_as_they_were_put);
on_every_store!(a_second_edition_replaces_the_first);
on_every_store!(the_same_again_changes_nothing);
on_every_store!(versions_only_go_up);
on_every_store!(an_edition_of_something_else_is_a_conflict);
on_every_store!(of_two_editions_at_the_same_time_one_is_published);
on_every_store!(an_edition_that_is_dropped_is_put_right);
on_every_store!(sites_do_not_touch_each_other);
on_every_store!(pages_of_minutes_are_kept_or_left_out);
on_every_store!(closing_and_opening_changes_nothing);
on_every_store!(errors_lose_nothing_that_was_committed);
on_every_store!(random_editions_end_as_a_model_says);
on_every_store!(many_cells_in_many_batches, HBase::with_tables("conformance_many"));

const DAY: Day = Day(17_595);
/// Few cells, so that editions have several batches.
const BATCH: usize = 7;

const FIRST: &[View<'_>] = &[
    (0, "/a/", "/a/1", 3),
    (0, "/a/", "/a/2", 2),
    (61, "/a/", "/a/1", 1),
    (1439, "/b/", "/b/1", 5),
    (845, "/c/", "/c/", 1),
];

/// Without the section `/b/`, some pages and the last hour; with other numbers and a new section.
const SECOND: &[View<'_>] =
    &[(0, "/a/", "/a/1", 4), (845, "/c/", "/c/", 1), (846, "/d/", "/d/1", 9)];

fn span(site: &str, period: Period) -> Span {
    Span { site: site.to_owned(), period }
}

/// The day of a site that no other check uses.
fn new_day() -> Span {
    span(&new_site(), Period::Day(DAY))
}

fn source(id: u128) -> Source {
    Source { id, name: format!("access.log.{id}"), bytes: 1000, lines: 10 }
}

fn edition(span: &Span, replaces: Option<u64>) -> Edition {
    Edition { span: span.clone(), replaces, version: None, sources: vec![source(1)] }
}

fn publish(store: &mut dyn Store, edition: Edition, content: &Content) -> Outcome {
    store.begin(edition).unwrap();
    for batch in batches(content, BATCH) {
        store.put(&batch).unwrap();
    }
    store.commit().unwrap()
}

/// The version that the edition got.
#[track_caller]
fn published(store: &mut dyn Store, edition: Edition, content: &Content) -> u64 {
    match publish(store, edition, content) {
        Outcome::Published { version, cells, .. } => {
            assert_eq!(cells, content.len() as u64);
            version
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_held(store: &mut dyn Store, span: &Span, version: u64, sources: &[Source]) {
    let mut held = store.ledger(span).unwrap();
    held.sources.sort_by_key(|source| source.id);
    let (version, sources) = (Some(version), sources.to_vec());
    assert_eq!(held, Ledger { version, sources, is_unfinished: false });
}

#[track_caller]
fn assert_read(subject: &dyn Subject, expected: &[(&Span, &Content)], what: &str) {
    let spans: Vec<Span> = expected.iter().map(|&(span, _)| span.clone()).collect();
    for (found, (span, content)) in subject.read(&spans).iter().zip(expected) {
        assert_same(found, content, &format!("{what}, {span:?}"));
    }
}

fn an_empty_store_has_no_ledger(subject: &dyn Subject) {
    let site = new_site();
    let periods = [Period::Day(DAY), Period::week_of(DAY), Period::month_of(DAY), Period::All];
    let spans = periods.map(|period| span(&site, period));
    let mut store = subject.open();
    for span in &spans {
        assert_eq!(store.ledger(span).unwrap(), Ledger::default());
    }
    store.close().unwrap();
    assert!(subject.read(&spans).iter().all(Content::is_empty));
}

fn cells_come_back_as_they_were_put(subject: &dyn Subject) {
    let long_section = format!("/{}/", "s".repeat(8_000));
    let long_page = format!("{long_section}{}", "p".repeat(20_000));
    let views: Vec<View<'_>> = vec![
        (0, "/", "/", 1),
        (0, "/a/", "/a/", 2),
        (59, "/a/", "/a/\"quoted\" 'too' \\ `x`", 3),
        (60, "/a/", "/a/%00%25%", 4),
        (60, "/%/", "/%/\0", 5),
        (719, "/\0/", "/\0/\0\0", 6),
        (720, "/{}/", "/{}/{x}", 7),
        (720, "/{a", "/{a:b", 8),
        (1000, "/ü/", "/ü/\u{1f600}\u{200d}\u{1f3fd}", 9),
        (1001, "/\u{1b}[31m/", "/\u{1b}[31m/\r\n\t", 10),
        (1002, "/%00/", "/%00/x y", 11),
        (1439, "/none/*?[a]/", "/none/*?[a]/c:x", 1 << 40),
        (1439, &long_section, &long_page, 13),
    ];
    let mut content = day(&views);
    // Sections need not have pages, and sites no sections.
    content.insert(key(Slot::Whole, Some("/no pages/"), None), (4, 1));
    content.insert(key(Slot::Hour(5), None, None), (4, 1));
    let site = format!("{}\0 %7d{{}}:\"\u{1f600}", new_site());
    let spans = [Period::Day(DAY), Period::week_of(DAY), Period::month_of(DAY), Period::All]
        .map(|period| span(&site, period));
    let contents: Vec<Content> = (0..spans.len())
        .map(|number| if number == 0 { content.clone() } else { union(&views[number..]) })
        .collect();
    let odd_name = "logs/\"a\" {b}\\\n\u{1f600}\u{1b}.gz";
    let sources = vec![
        Source { id: 0, name: String::new(), bytes: 0, lines: 0 },
        Source { id: 7, name: odd_name.to_owned(), bytes: 1 << 60, lines: 1 << 50 },
        Source { id: u128::MAX, ..source(3) },
    ];
    let mut store = subject.open();
    for (span, content) in spans.iter().zip(&contents) {
        let edition = Edition { sources: sources.clone(), ..edition(span, None) };
        let version = published(&mut *store, edition, content);
        assert_held(&mut *store, span, version, &sources);
    }
    store.close().unwrap();
    let expected: Vec<(&Span, &Content)> = spans.iter().zip(&contents).collect();
    assert_read(subject, &expected, "odd texts");
}

fn a_second_edition_replaces_the_first(subject: &dyn Subject) {
    let site = new_site();
    let [day_span, week] =
        [Period::Day(DAY), Period::week_of(DAY)].map(|period| span(&site, period));
    let mut store = subject.open();
    let mut versions = [None, None];
    for (what, views) in
        [("first", FIRST), ("second", SECOND), ("no cells", &[]), ("first again", FIRST)]
    {
        let contents = [day(views), union(views)];
        for ((span, content), version) in
            [&day_span, &week].into_iter().zip(&contents).zip(&mut versions)
        {
            let next = published(&mut *store, edition(span, *version), content);
            assert!(Some(next) > *version, "{next} after {version:?}");
            *version = Some(next);
            assert_held(&mut *store, span, next, &[source(1)]);
        }
        assert_read(subject, &[(&day_span, &contents[0]), (&week, &contents[1])], what);
    }
}

fn the_same_again_changes_nothing(subject: &dyn Subject) {
    let (span, content) = (new_day(), day(FIRST));
    let mut store = subject.open();
    let first = published(&mut *store, edition(&span, None), &content);
    // A file that was renamed is the same source.
    let renamed = Source { name: "renamed.log".to_owned(), ..source(1) };
    for sources in [vec![source(1)], vec![renamed]] {
        let same = Edition { sources, ..edition(&span, Some(first)) };
        assert_eq!(publish(&mut *store, same, &content), Outcome::Unchanged);
        assert_held(&mut *store, &span, first, &[source(1)]);
    }
    // A new version or other sources are worth noting, though no cell changes.
    let expect_no_change = |outcome| match outcome {
        Outcome::Published { version, cells, changed: 0 } if cells == content.len() as u64 => {
            version
        }
        other => panic!("{other:?}"),
    };
    let later = Edition { version: Some(first + 1), ..edition(&span, Some(first)) };
    let second = expect_no_change(publish(&mut *store, later, &content));
    assert_eq!(second, first + 1);
    let sources = vec![source(1), source(2)];
    let more = Edition { sources: sources.clone(), ..edition(&span, Some(second)) };
    let third = expect_no_change(publish(&mut *store, more, &content));
    assert!(third > second, "{third}");
    assert_held(&mut *store, &span, third, &sources);
    assert_read(subject, &[(&span, &content)], "the same");
}

fn versions_only_go_up(subject: &dyn Subject) {
    let (span, content) = (new_day(), day(SECOND));
    let mut store = subject.open();
    let given = |replaces: Option<u64>, version| Edition {
        version: Some(version),
        ..edition(&span, replaces)
    };
    assert_eq!(published(&mut *store, given(None, 7), &day(FIRST)), 7);
    assert_eq!(published(&mut *store, given(Some(7), 8), &content), 8);
    for old in [8, 7, 0] {
        let outcome = publish(&mut *store, given(Some(8), old), &day(FIRST));
        assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
        assert_held(&mut *store, &span, 8, &[source(1)]);
    }
    assert_read(subject, &[(&span, &content)], "older versions");
    // Without a given version it is the time, or the one after the last.
    let start = now_millis();
    let timed = published(&mut *store, edition(&span, Some(8)), &day(FIRST));
    assert!((start..=now_millis()).contains(&timed), "{timed}");
    let later = timed + 1_000_000_000;
    assert_eq!(published(&mut *store, given(Some(timed), later), &content), later);
    let next = published(&mut *store, edition(&span, Some(later)), &day(FIRST));
    assert_eq!(next, later + 1);
    assert_held(&mut *store, &span, next, &[source(1)]);
    assert_read(subject, &[(&span, &day(FIRST))], "versions of later than now");
}

fn now_millis() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

fn an_edition_of_something_else_is_a_conflict(subject: &dyn Subject) {
    let (span, other, content) = (new_day(), new_day(), day(FIRST));
    let mut store = subject.open();
    let version = published(&mut *store, edition(&span, None), &content);
    for (span, replaces) in [
        (&span, None),
        (&span, Some(version - 1)),
        (&span, Some(version + 1)),
        (&other, Some(version)),
    ] {
        let outcome = publish(&mut *store, edition(span, replaces), &day(SECOND));
        assert!(matches!(outcome, Outcome::Conflict { wait: false, .. }), "{outcome:?}");
    }
    assert_held(&mut *store, &span, version, &[source(1)]);
    assert_eq!(store.ledger(&other).unwrap(), Ledger::default());
    assert_read(subject, &[(&span, &content), (&other, &Content::new())], "after conflicts");
}

fn of_two_editions_at_the_same_time_one_is_published(subject: &dyn Subject) {
    let span = new_day();
    let (mut one, mut other) = (subject.open(), subject.open());
    let version = published(&mut *one, edition(&span, None), &day(&FIRST[..1]));
    let (of_one, of_other) = (day(FIRST), day(SECOND));
    one.begin(edition(&span, Some(version))).unwrap();
    let mut rest = batches(&of_one, BATCH).into_iter();
    one.put(&rest.next().unwrap()).unwrap();
    let outcome_of_other = publish(&mut *other, edition(&span, Some(version)), &of_other);
    rest.for_each(|batch| one.put(&batch).unwrap());
    let outcome_of_one = one.commit().unwrap();
    let (winner, content) = match (outcome_of_one, outcome_of_other) {
        (Outcome::Published { version, .. }, Outcome::Conflict { .. }) => (version, &of_one),
        (Outcome::Conflict { .. }, Outcome::Published { version, .. }) => (version, &of_other),
        others => panic!("{others:?}"),
    };
    assert_held(&mut *one, &span, winner, &[source(1)]);
    assert_held(&mut *other, &span, winner, &[source(1)]);
    assert_read(subject, &[(&span, content)], "after two at a time");
}

fn an_edition_that_is_dropped_is_put_right(subject: &dyn Subject) {
    let (span, new, other) = (new_day(), new_day(), new_day());
    let (first, dropped) = (day(FIRST), day(SECOND));
    let mut store = subject.open();
    let version = published(&mut *store, edition(&span, None), &first);
    for (span, replaces) in [(&span, Some(version)), (&new, None)] {
        store.begin(edition(span, replaces)).unwrap();
        batches(&dropped, BATCH).iter().for_each(|batch| store.put(batch).unwrap());
    }
    published(&mut *store, edition(&other, None), &first);
    // What is there now.
    let spans = [span.clone(), new.clone()];
    let seen = subject.read(&spans);
    let by_row = store.visibility() == Visibility::Row;
    for ((span, version), seen) in spans.iter().zip([Some(version), None]).zip(&seen) {
        let ledger = store.ledger(span).unwrap();
        assert_eq!((ledger.version, ledger.is_unfinished), (version, by_row));
        let before = if version.is_some() { first.clone() } else { Content::new() };
        if by_row {
            assert_is_between(seen, &before, &dropped);
        } else {
            assert_same(seen, &before, "an edition that is not committed");
        }
    }
    // The edition before, again, and another one where there was none.
    let again = publish(&mut *store, edition(&span, Some(version)), &first);
    match again {
        Outcome::Published { version: next, .. } => assert!(by_row && next > version, "{next}"),
        Outcome::Unchanged => assert!(!by_row),
        other => panic!("{other:?}"),
    }
    let small = day(&FIRST[..2]);
    let after = published(&mut *store, edition(&new, None), &small);
    assert_held(&mut *store, &new, after, &[source(1)]);
    assert!(!store.ledger(&span).unwrap().is_unfinished);
    assert_read(subject, &[(&span, &first), (&new, &small), (&other, &first)], "put right");
}

/// Fails unless each cell is that of one of two editions, or missing in one of them and not there.
#[track_caller]
fn assert_is_between(seen: &Content, before: &Content, after: &Content) {
    for key in seen.keys().chain(before.keys()).chain(after.keys()) {
        let cell = seen.get(key);
        assert!(cell == before.get(key) || cell == after.get(key), "{key:?}: {cell:?}");
    }
}

fn sites_do_not_touch_each_other(subject: &dyn Subject) {
    let base = new_site();
    let spans: Vec<Span> =
        ["", "x", "\0", "\0page", "%", "%00", "%25", "{", "}", "{}", "}:20180305", ":all", "/"]
            .iter()
            .map(|end| span(&format!("{base}{end}"), Period::Day(DAY)))
            .collect();
    let mut store = subject.open();
    let mut contents = Vec::new();
    for (number, span) in (1..).zip(&spans) {
        let content = day(&[(5, "/a/", "/a/1", number), (6, "/b/", "/b/1", 1)]);
        published(&mut *store, edition(span, None), &content);
        contents.push(content);
    }
    // Half of them lose their cells.
    for (span, content) in spans.iter().zip(&mut contents).step_by(2) {
        let version = store.ledger(span).unwrap().version;
        content.clear();
        published(&mut *store, edition(span, version), content);
    }
    let expected: Vec<(&Span, &Content)> = spans.iter().zip(&contents).collect();
    assert_read(subject, &expected, "sites");
}

fn pages_of_minutes_are_kept_or_left_out(subject: &dyn Subject) {
    let span = new_day();
    let all = day(FIRST);
    let mut without = all.clone();
    without.retain(|(slot, _, page), _| !matches!(slot, Slot::Minute(_)) || page.is_none());
    let mut replaces = None;
    for minute_pages in [false, true, false] {
        let mut store = subject.open_keeping(minute_pages);
        let (finest, kept) = match minute_pages {
            true => (Granularity::Minute, &all),
            false => (Granularity::Hour, &without),
        };
        assert_eq!(store.finest_pages(), finest);
        // The pages of minutes are put in any case.
        let outcome = publish(&mut *store, edition(&span, replaces), &all);
        let Outcome::Published { version, cells, changed } = outcome else { panic!("{outcome:?}") };
        assert_eq!(cells, kept.len() as u64);
        assert!(changed > 0, "{outcome:?}");
        replaces = Some(version);
        store.close().unwrap();
        assert_read(subject, &[(&span, kept)], &format!("minute pages: {minute_pages}"));
    }
}

fn closing_and_opening_changes_nothing(subject: &dyn Subject) {
    let (span, content) = (new_day(), day(FIRST));
    let mut store = subject.open();
    let version = published(&mut *store, edition(&span, None), &content);
    store.close().unwrap();
    drop(store);
    let mut store = subject.open();
    assert_held(&mut *store, &span, version, &[source(1)]);
    assert_eq!(publish(&mut *store, edition(&span, Some(version)), &content), Outcome::Unchanged);
    let mut second = subject.open();
    let next = published(&mut *second, edition(&span, Some(version)), &day(SECOND));
    assert_held(&mut *store, &span, next, &[source(1)]);
    store.close().unwrap();
    second.close().unwrap();
    assert_read(subject, &[(&span, &day(SECOND))], "opened again");
}

/// As long as a store takes to believe that another one is dead, and more.
const PATIENCE: Duration = Duration::from_secs(30);

fn errors_lose_nothing_that_was_committed(subject: &dyn Subject) {
    let (span, safe) = (new_day(), new_day());
    let (first, second) = (day(FIRST), day(SECOND));
    let mut store = subject.open();
    let version = published(&mut *store, edition(&span, None), &first);
    let version_of_safe = published(&mut *store, edition(&safe, None), &second);
    store.begin(edition(&span, Some(version))).unwrap();
    let mut batches = batches(&second, BATCH).into_iter();
    store.put(&batches.next().unwrap()).unwrap();
    subject.cut();
    let failed = batches.try_for_each(|batch| store.put(&batch)).and_then(|()| store.commit());
    assert!(failed.is_err(), "{failed:?}");
    let by_row = store.visibility() == Visibility::Row;
    drop(store);
    subject.mend();
    let mut store = subject.open();
    assert_held(&mut *store, &safe, version_of_safe, &[source(1)]);
    let ledger = store.ledger(&span).unwrap();
    assert_eq!((ledger.version, ledger.is_unfinished), (Some(version), by_row));
    if by_row {
        assert_is_between(&subject.read(std::slice::from_ref(&span))[0], &first, &second);
    } else {
        assert_read(subject, &[(&span, &first)], "after an error");
    }
    // The next run publishes the edition; it may have to wait until the store knows that the first run is dead.
    let start = Instant::now();
    let next = loop {
        match publish(&mut *store, edition(&span, Some(version)), &second) {
            Outcome::Published { version, .. } => break version,
            Outcome::Conflict { wait: true, .. } if start.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(500));
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(next > version);
    assert_held(&mut *store, &span, next, &[source(1)]);
    assert_read(subject, &[(&span, &second), (&safe, &second)], "after the next run");
}

/// Something that happens to one of a few spans.
#[derive(Clone, Debug)]
enum Step {
    /// An edition with a given version, so far above or below the last one.
    Given(usize, Views, i64),
    /// An edition without a version, of this source.
    Next(usize, Views, u128),
    /// An edition that replaces another version than the last.
    Stale(usize, Views),
    /// An edition that is begun, and not committed.
    Dropped(usize, Views),
    /// The last edition again.
    Again(usize),
    /// The store is closed and opened.
    Reopened,
}

type Views = Vec<(u16, usize, usize, u64)>;

const SPANS: usize = 2;

fn step() -> impl Strategy<Value = Step> {
    let views = || {
        let minute = select(&[0_u16, 1, 60, 1439][..]);
        vec((minute, 0..3_usize, 0..3_usize, 1..4_u64), 0..8)
    };
    prop_oneof![
        3 => (0..SPANS, views(), -1..3_i64).prop_map(|(span, views, by)| Step::Given(span, views, by)),
        5 => (0..SPANS, views(), 0..2_u128).prop_map(|(span, views, id)| Step::Next(span, views, id)),
        1 => (0..SPANS, views()).prop_map(|(span, views)| Step::Stale(span, views)),
        2 => (0..SPANS, views()).prop_map(|(span, views)| Step::Dropped(span, views)),
        3 => (0..SPANS).prop_map(Step::Again),
        1 => Just(Step::Reopened),
    ]
}

fn day_of(views: &Views) -> Content {
    let sections = ["/a/", "/%\0/", "/ü/"];
    let names: Vec<String> = (0..9).map(|at| format!("{}{}", sections[at / 3], at % 3)).collect();
    let views: Vec<View<'_>> = views
        .iter()
        .map(|&(minute, section, page, pv)| {
            (minute, sections[section], &*names[section * 3 + page], pv)
        })
        .collect();
    day(&views)
}

/// What a span should hold.
#[derive(Clone, Default)]
struct Expected {
    content: Content,
    version: Option<u64>,
    sources: Vec<Source>,
    is_unfinished: bool,
}

fn random_editions_end_as_a_model_says(subject: &dyn Subject) {
    let config = Config {
        cases: subject.random_cases(),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let ran = runner.run(&vec(step(), 1..14), |steps| {
        run(subject, &steps);
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
}

fn run(subject: &dyn Subject, steps: &[Step]) {
    let site = new_site();
    // One day after the other, so that ranges of keys are close.
    let spans: [Span; SPANS] = [0, 1].map(|number| span(&site, Period::Day(Day(DAY.0 + number))));
    let mut model: [Expected; SPANS] = Default::default();
    let mut store = subject.open();
    for step in steps {
        match step {
            Step::Given(at, views, by) => {
                let last = model[*at].version.unwrap_or(1000);
                let version = Some(last.checked_add_signed(*by).unwrap());
                let edition = Edition { version, ..edition(&spans[*at], model[*at].version) };
                model[*at].publish(&mut *store, edition, day_of(views));
            }
            Step::Next(at, views, id) => {
                let sources = vec![source(*id)];
                let edition = Edition { sources, ..edition(&spans[*at], model[*at].version) };
                model[*at].publish(&mut *store, edition, day_of(views));
            }
            Step::Again(at) => {
                let Expected { sources, content, version, .. } = model[*at].clone();
                let edition = Edition { sources, ..edition(&spans[*at], version) };
                model[*at].publish(&mut *store, edition, content);
            }
            Step::Stale(at, views) => {
                let stale = Some(model[*at].version.map_or(1, |version| version + 1));
                let outcome = publish(&mut *store, edition(&spans[*at], stale), &day_of(views));
                assert!(matches!(outcome, Outcome::Conflict { .. }), "{outcome:?}");
            }
            Step::Dropped(at, views) => {
                store.begin(edition(&spans[*at], model[*at].version)).unwrap();
                for batch in batches(&day_of(views), BATCH) {
                    store.put(&batch).unwrap();
                }
                model[*at].is_unfinished = store.visibility() == Visibility::Row;
            }
            Step::Reopened => {
                // Another store would have to wait for what this one did not finish.
                for (span, expected) in spans.iter().zip(&mut model) {
                    expected.finish(&mut *store, span);
                }
                store.close().unwrap();
                store = subject.open();
            }
        }
    }
    for (span, expected) in spans.iter().zip(&mut model) {
        expected.finish(&mut *store, span);
        let Expected { version, sources, .. } = expected.clone();
        let held = store.ledger(span).unwrap();
        assert_eq!(held, Ledger { version, sources, is_unfinished: false });
    }
    store.close().unwrap();
    let expected: Vec<(&Span, &Content)> =
        spans.iter().zip(model.iter().map(|expected| &expected.content)).collect();
    assert_read(subject, &expected, "after all steps");
}

impl Expected {
    /// Publishes, and compares the outcome with what it should be.
    fn publish(&mut self, store: &mut dyn Store, edition: Edition, content: Content) {
        let is_same = self.version.is_some()
            && edition.version.is_none()
            && edition.sources == self.sources
            && content == self.content
            && !self.is_unfinished;
        let is_old = edition.version.is_some() && edition.version <= self.version;
        let outcome = publish(store, edition.clone(), &content);
        match outcome {
            Outcome::Unchanged => assert!(is_same, "an edition was lost"),
            Outcome::Refused(reason) => assert!(is_old, "{reason}"),
            Outcome::Published { version, cells, .. } => {
                assert!(!is_same && !is_old, "version {version} after {:?}", self.version);
                assert!(Some(version) > self.version);
                let is_given = edition.version.is_none_or(|given| given == version);
                assert!(is_given || self.is_unfinished, "{version} for {:?}", edition.version);
                assert_eq!(cells, content.len() as u64);
                let (version, sources) = (Some(version), edition.sources);
                *self = Self { content, version, sources, is_unfinished: false };
            }
            Outcome::Conflict { reason, .. } => panic!("{reason}"),
        }
    }

    /// Publishes again what is unfinished.
    fn finish(&mut self, store: &mut dyn Store, span: &Span) {
        if self.is_unfinished {
            let Self { sources, content, version, .. } = self.clone();
            self.publish(store, Edition { sources, ..edition(span, version) }, content);
        }
    }
}

fn many_cells_in_many_batches(subject: &dyn Subject) {
    // A section with more pages than a store sends at once, and many small ones.
    let names: Vec<(String, String)> = (0..16_000)
        .map(|number| {
            let section =
                if number < 6_000 { "/large/".to_owned() } else { format!("/{}/", number / 50) };
            let page = format!("{section}{number}.html");
            (section, page)
        })
        .collect();
    let views = |step: usize| -> Content {
        let views: Vec<View<'_>> = (0_u16..)
            .zip(&names)
            .filter(|(number, _)| step == 0 || number % 4_000 != 7)
            .map(|(number, (section, page))| {
                let changed = u64::from(step == 1 && number % 100 == 0);
                (number % 3 * 60, &**section, &**page, 1 + u64::from(number % 7) + changed)
            })
            .collect();
        day(&views)
    };
    let span = new_day();
    let mut store = subject.open();
    let mut replaces = None;
    let mut changes = BTreeMap::new();
    for step in 0..2 {
        let content = views(step);
        assert!(content.len() > 48_000, "{}", content.len());
        store.begin(edition(&span, replaces)).unwrap();
        batches(&content, 10_000).iter().for_each(|batch| store.put(batch).unwrap());
        let outcome = store.commit().unwrap();
        let Outcome::Published { version, cells, changed } = outcome else { panic!("{outcome:?}") };
        assert_eq!(cells, content.len() as u64);
        replaces = Some(version);
        changes.insert(step, changed);
        assert_read(subject, &[(&span, &content)], "many cells");
    }
    assert!(changes[&1] < changes[&0] / 2, "only what differs is written: {changes:?}");
}
