//! Whatever is asked of whatever was stored, the answer is what naive code finds, and what the walk over all facts finds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use super::summarize::summarize;
use super::summary::{BucketRow, CellSum, PageRow, SectionRow};
use super::{By, Minute, Question, Summary, answer, summary};
use crate::count::Counter;
use crate::database::Database;
use crate::database::ingest::{Batch, CountedFrom, IngestOptions, ScannedSource, SiteOfRun};
use crate::facts::tally::Tally;
use crate::facts::{ShareKey, ShareSums};
use crate::query::summary::NewVisitors;
use crate::select::page::section;
use crate::select::{StoredRules, VisitorHash};
use crate::source::SourceIdentity;
use crate::time::{Bucket, CivilTime, Day, Granularity};

const SITES: [&str; 2] = ["b.example", "a.example"];
const PAGES: [&str; 6] = ["/", "/list/1", "/list/2", "/movie/ü", "-", ""];
const FIRST_DAY: i32 = 17_592;

#[derive(Clone, Copy, Debug)]
struct View {
    source: u32,
    site: u32,
    day: i32,
    page: usize,
    visitor: u32,
    minute: u16,
}

impl View {
    fn day(&self) -> Day {
        Day(FIRST_DAY + self.day)
    }

    fn time(&self) -> Minute {
        Minute::from(self.day().0) * 1440 + Minute::from(self.minute)
    }
}

fn views() -> impl Strategy<Value = Vec<View>> {
    let minute = prop_oneof![Just(600_u16), 590..610_u16, 0..1440_u16];
    let view = (0..4_u32, 0..2_u32, 0..12_i32, 0..6_usize, 0..9_u32, minute).prop_map(
        |(source, site, day, page, visitor, minute)| View {
            source,
            site,
            day,
            page,
            visitor,
            minute,
        },
    );
    // A crowd makes chunks of its own.
    let crowd = (0..12_i32, 0..6_usize, 0..300_u32).prop_map(|(day, page, visitors)| {
        let view = move |visitor: u32| View {
            source: visitor % 2,
            site: 0,
            day,
            page,
            visitor,
            minute: 595,
        };
        (0..visitors).map(view).collect::<Vec<_>>()
    });
    (prop::collection::vec(view, 1..60), prop::option::of(crowd))
        .prop_map(|(views, crowd)| views.into_iter().chain(crowd.into_iter().flatten()).collect())
}

fn questions() -> impl Strategy<Value = Question> {
    let time = || {
        let minute = prop_oneof![Just(0_i64), Just(600), 0..1440_i64];
        prop::option::of(
            (-1..13_i64, minute)
                .prop_map(|(day, minute)| (i64::from(FIRST_DAY) + day) * 1440 + minute),
        )
    };
    let by = prop_oneof![
        Just(None),
        Just(Some(By::Week)),
        Just(Some(By::Month)),
        Just(Some(By::Cells(Granularity::Day))),
        Just(Some(By::Cells(Granularity::Hour))),
        Just(Some(By::Cells(Granularity::Minute))),
    ];
    let one_of = |names: &'static [&'static str]| prop_oneof![3 => Just(None), 1 => prop::sample::select(names).prop_map(|name| Some(name.to_owned()))];
    (time(), time(), one_of(&SITES), one_of(&["/list/", "/", "-", "/none/"]), one_of(&PAGES), by)
        .prop_map(|(one, other, site, section, page, by)| {
            let (since, until) = match (one, other) {
                (Some(one), Some(other)) => (Some(one.min(other)), Some(one.max(other) + 1)),
                times => times,
            };
            Question { since, until, site, section, page, by }
        })
}

/// The section and the page of a view's cell at a level.
type GroupOf = dyn Fn(&View) -> (String, String);

/// Counts the views of some sources into a database.
fn ingest(database: &mut Database, views: &[View], sources: std::ops::Range<u32>) {
    let mut counter = Counter::new(1, 1000);
    counter.begin_window();
    let mut shares: BTreeMap<ShareKey, ShareSums> = BTreeMap::new();
    for source in sources.clone() {
        let worker = &mut counter.workers_mut()[0];
        worker.set_source(source);
        for view in views.iter().filter(|view| view.source == source) {
            // Hashes in another order than numbers.
            let hash = VisitorHash(xxhash_rust::xxh3::xxh3_128(&view.visitor.to_le_bytes()));
            let time = CivilTime::new(view.day(), view.minute, 0);
            worker.add(view.site, time, PAGES[view.page].as_bytes(), hash);
            shares.entry(ShareKey { site: view.site, day: view.day(), source }).or_default();
        }
    }
    counter.end_window().unwrap();
    let scanned = |number: u32| ScannedSource {
        number,
        identity: SourceIdentity::new(5000, vec![number.into()], vec![number.into()]),
        counted_from: CountedFrom::Start,
        name: number.to_string(),
        format: None,
        lines: Tally { lines: 1, ..Tally::default() },
        as_new: true,
        is_named: true,
    };
    let batch = Batch {
        facts: &counter.finish(),
        shares: &shares,
        sites: SITES.map(|name| SiteOfRun { name: name.to_owned(), is_named: true }).into(),
        rules: &StoredRules::default(),
        sources: sources.map(scanned).collect(),
    };
    let look = database.look_at_ledger(&[]).unwrap();
    database.begin(Duration::ZERO, &mut |_| Ok(())).unwrap();
    database.ingest(&batch, IngestOptions::default(), &look).unwrap();
    database.commit().unwrap();
}

/// PV and visitors.
type Counts = (u64, BTreeSet<u32>);

fn grouped<'v, K: Ord>(
    views: impl IntoIterator<Item = &'v View>,
    key: impl Fn(&View) -> K,
) -> BTreeMap<K, (u64, u64)> {
    let mut groups: BTreeMap<K, Counts> = BTreeMap::new();
    for view in views {
        let group = groups.entry(key(view)).or_default();
        group.0 += 1;
        group.1.insert(view.visitor);
    }
    groups.into_iter().map(|(key, (pv, visitors))| (key, (pv, visitors.len() as u64))).collect()
}

fn site(view: &View) -> String {
    SITES[view.site as usize].to_owned()
}

fn section_of(view: &View) -> String {
    section(PAGES[view.page], &[]).to_owned()
}

fn bucket(view: &View, granularity: Granularity) -> Bucket {
    let length = [1440, 60, 1][granularity as usize];
    Bucket { day: view.day(), minute_of_day: view.minute / length * length, granularity }
}

/// Checks an answer; `all` are the views of the sites that are asked for, `views` those that are asked for.
fn check(found: &Summary, all: &[View], views: &[View], question: &Question) {
    let rows = |granularity| -> Vec<BucketRow> {
        let found = grouped(views, |view| (site(view), bucket(view, granularity)));
        found
            .into_iter()
            .map(|((site, bucket), (pv, uv))| BucketRow { site, bucket, pv, uv })
            .collect()
    };
    assert_eq!(found.days, rows(Granularity::Day));
    assert_eq!(found.hours, rows(Granularity::Hour));
    let mut busiest: Option<BucketRow> = None;
    for row in rows(Granularity::Minute) {
        if busiest.as_ref().is_none_or(|busiest| row.pv > busiest.pv) {
            busiest = Some(row);
        }
    }
    assert_eq!(found.busiest_minute, busiest);
    let visitors: BTreeSet<u32> = views.iter().map(|view| view.visitor).collect();
    assert_eq!(found.totals.unique_visitors, visitors.len() as u64);
    assert_eq!(found.totals.page_views, views.len() as u64);
    let daily = rows(Granularity::Day).iter().map(|row| row.uv).sum::<u64>();
    assert_eq!(found.totals.sum_of_daily_unique_visitors, daily);
    for (granularity, levels) in Granularity::ALL.into_iter().zip(&found.cells) {
        let groups: [&GroupOf; 3] =
            [&|_| Default::default(), &|view| (section_of(view), String::new()), &|view| {
                (section_of(view), format!("page {}", view.page))
            }];
        for (of_level, sums) in groups.iter().zip(levels) {
            let cells =
                grouped(views, |view| (site(view), bucket(view, granularity), of_level(view)));
            let mut expected = CellSum { cells: cells.len() as u64, ..CellSum::default() };
            for (pv, uv) in cells.values() {
                (expected.pv, expected.uv) = (expected.pv + pv, expected.uv + uv);
            }
            assert_eq!(*sums, expected);
        }
    }
    let of_section = |((site, section), (pv, uv))| SectionRow { site, section, pv, uv };
    let mut sections: Vec<SectionRow> =
        grouped(views, |view| (site(view), section_of(view))).into_iter().map(of_section).collect();
    sections.sort_by_key(|row| std::cmp::Reverse(row.pv));
    assert_eq!(found.section_count, sections.len() as u64);
    assert_eq!(found.sections, sections[..sections.len().min(4)]);
    let mut pages: Vec<PageRow> = grouped(views, |view| (site(view), PAGES[view.page].to_owned()))
        .into_iter()
        .map(|((site, page), (pv, uv))| PageRow {
            site,
            section: section(&page, &[]).to_owned(),
            page,
            pv,
            uv,
        })
        .collect();
    pages.sort_by_key(|row| std::cmp::Reverse(row.pv));
    assert_eq!(found.page_count, pages.len() as u64);
    assert_eq!(found.pages, pages[..pages.len().min(4)]);
    let stored = found.stored.as_ref().unwrap();
    let mut new_visitors = Vec::new();
    for (site, day) in grouped(views, |view| (site(view), view.day())).into_keys() {
        let of = |views: &[View], is_day: &dyn Fn(Day) -> bool| -> BTreeSet<u32> {
            let on_day = |view: &&View| self::site(view) == site && is_day(view.day());
            views.iter().filter(on_day).map(|view| view.visitor).collect()
        };
        let (today, before) = (of(views, &|other| other == day), of(all, &|other| other < day));
        let new = today.difference(&before).count() as u64;
        let returning = today.len() as u64 - new;
        new_visitors.push(NewVisitors { site, day, new, returning });
    }
    assert_eq!(stored.new_visitors, new_visitors);
    let by = question.by.map_or(Vec::new(), |by| {
        let rows = grouped(views, |view| {
            let name = match by {
                By::Cells(granularity) => bucket(view, granularity).to_string(),
                By::Week => view.day().week_text(),
                By::Month => view.day().month_text(),
            };
            (site(view), name)
        });
        rows.into_iter().map(|((site, name), (pv, uv))| (site, name, pv, uv)).collect()
    });
    assert_eq!(stored.by, by);
}

/// Checks a report against the walk over all facts that the question is about.
fn compare(found: &Summary, database: &mut Database, question: &Question) {
    let answer = answer(database, question).unwrap();
    let walked = summarize(&answer.cube(), &Tally::default(), 4).unwrap();
    assert_eq!(found.cells, walked.cells);
    assert_eq!((&found.days, &found.hours), (&walked.days, &walked.hours));
    assert_eq!(found.busiest_minute, walked.busiest_minute);
    assert_eq!((&found.sections, &found.pages), (&walked.sections, &walked.pages));
    let counts = |summary: &Summary| (summary.section_count, summary.page_count);
    assert_eq!(counts(found), counts(&walked));
    let of_visitors = |summary: &Summary| {
        (summary.totals.unique_visitors, summary.totals.sum_of_daily_unique_visitors)
    };
    assert_eq!(of_visitors(found), of_visitors(&walked));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 45, max_shrink_iters: 300, ..ProptestConfig::default() })]
    #[test]
    fn answers_are_those_of_naive_code(
        views in views(), first_run in 0..5_u32, questions in prop::collection::vec(questions(), 12),
    ) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("hits.db");
        let mut database = Database::open_to_write(&path, Duration::ZERO, &mut |_| Ok(())).unwrap();
        ingest(&mut database, &views, 0..first_run);
        ingest(&mut database, &views, first_run..4);
        let mut database = Database::open_to_read(&path).unwrap();
        for question in questions {
            let is_named = |name: &Option<String>, of: &str| name.as_deref().is_none_or(|name| name == of);
            let mut all = views.clone();
            all.retain(|view| is_named(&question.site, &site(view)));
            if all.is_empty() {
                continue;
            }
            let mut asked = all.clone();
            asked.retain(|view| {
                question.since.is_none_or(|since| view.time() >= since)
                    && question.until.is_none_or(|until| view.time() < until)
                    && is_named(&question.section, &section_of(view))
                    && is_named(&question.page, PAGES[view.page])
            });
            let found = summary(&mut database, &question, 4).unwrap();
            check(&found, &all, &asked, &question);
            compare(&found, &mut database, &question);
        }
    }
}
