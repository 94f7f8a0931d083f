//! Weeks, months and all time by the definition, whatever the order in which facts came.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;

use proptest::prelude::*;

use super::{Period, Periods, SetBytes, StoredSets};
use crate::database::block::encode;
use crate::database::change::tests::{self, content};
use crate::database::change::{SiteDay, change_day};
use crate::error::{Error, Result};
use crate::facts::chunks::Damaged;
use crate::facts::column::ColumnEncoder;
use crate::time::Day;

const SITE: u32 = 7;

/// Views by day, section and visitor.
type Views = BTreeMap<(i32, u32, u32), u64>;

#[derive(Default)]
struct Kept(Vec<(Day, SetBytes)>);

impl Kept {
    fn push(&mut self, day: i32, views: &tests::Views) {
        let block = encode(&content(views), &mut ColumnEncoder::default()).unwrap();
        let bytes =
            SetBytes { visitors: block.visitors, groups: block.groups, counts: block.counts };
        self.0.push((Day(day), bytes));
    }
}

impl StoredSets for Kept {
    fn blocks(&mut self, days: Range<Day>) -> Result<Vec<(Day, u64)>> {
        let blocks = self.0.iter().zip(0..).map(|((day, _), number)| (*day, number));
        Ok(blocks.filter(|(day, _)| days.contains(day)).collect())
    }

    fn sets(&mut self, block: u64) -> Result<SetBytes> {
        Ok(self.0[usize::try_from(block).unwrap()].1.clone())
    }

    fn damaged(&self, damaged: Damaged) -> Error {
        Error::Database { path: PathBuf::new(), reason: damaged.0.to_owned() }
    }
}

/// PV and UV by granularity, bucket and place.
type Cells = BTreeMap<(u8, i64, u32), (u64, u64)>;

fn brute_force(all: &Views, pruned_before: Option<Day>) -> Cells {
    let mut cells: BTreeMap<(u8, i64, u32), (u64, BTreeSet<u32>)> = BTreeMap::new();
    for (&(day, section, visitor), &views) in all {
        let day = Day(day);
        let (year, month, _) = day.date();
        let month = i64::from(year) * 12 + i64::from(month) - 1;
        let days = |is_in: &dyn Fn(Day) -> bool| {
            let days = (day.0 - 40..day.0 + 40).map(Day).filter(|day| is_in(*day));
            let days: Vec<Day> = days.collect();
            pruned_before.is_some_and(|pruned| {
                days.iter().any(|day| *day < pruned) && days.iter().any(|day| *day >= pruned)
            })
        };
        let is_week_cut = days(&|other| other.monday() == day.monday());
        let is_month_cut = days(&|other| other.month_text() == day.month_text());
        let mut buckets = vec![(5, 0)];
        if !is_week_cut {
            buckets.push((3, i64::from(day.monday().0)));
        }
        if !is_month_cut {
            buckets.push((4, month));
        }
        for (granularity, bucket) in buckets {
            for place in [SITE, section] {
                let cell = cells.entry((granularity, bucket, place)).or_default();
                cell.0 += views;
                cell.1.insert(visitor);
            }
        }
    }
    cells.into_iter().map(|(key, (pv, visitors))| (key, (pv, visitors.len() as u64))).collect()
}

/// Adds batches; periods are finished while days come, or all at the end.
fn check(batches: &[(Views, bool)], pruned_before: Option<Day>) {
    let (mut all, mut kept, mut cells, mut seen) =
        (Views::new(), Kept::default(), Cells::new(), BTreeSet::new());
    for (new, is_early) in batches {
        let mut periods = Periods::of(SITE, pruned_before, std::iter::empty());
        let mut by_day: BTreeMap<i32, tests::Views> = BTreeMap::new();
        for (&(day, section, visitor), &views) in new {
            by_day.entry(day).or_default().insert((section, section + 50, visitor, 9), views);
        }
        let mut changes = Vec::new();
        for (&day, views) in &by_day {
            if *is_early {
                changes.extend(periods.finish_before(Some(Day(day)), &mut kept).unwrap());
            }
            let site = SiteDay { day: Day(day), place: SITE };
            let day_change = change_day(site, &content(views), None, &|_, _| false).unwrap();
            let groups = std::iter::once((Day(day), &day_change.groups[..]));
            periods.add(Periods::of(SITE, pruned_before, groups));
        }
        changes.extend(periods.finish_before(None, &mut kept).unwrap());
        let all_time = periods.finish_all();
        let new_pairs: Vec<u64> = all_time.pairs().filter(|pair| !seen.contains(pair)).collect();
        assert!(all_time.pairs().is_sorted_by(|one, other| one < other));
        changes.extend(all_time.changes(&new_pairs));
        seen.extend(new_pairs);
        for change in changes {
            assert_eq!(change.level, u8::from(change.place != SITE));
            let cell = cells.entry((change.granularity, change.bucket, change.place)).or_default();
            *cell = (cell.0 + change.pv, cell.1 + change.uv);
        }
        by_day.iter().for_each(|(day, views)| kept.push(*day, views));
        for (key, views) in new {
            *all.entry(*key).or_default() += views;
        }
        assert_eq!(cells, brute_force(&all, pruned_before));
    }
}

fn views(first: i32) -> impl Strategy<Value = Views> {
    let key = (first..first + 45, 10..13_u32, 0..30_u32)
        .prop_map(|(day, section, visitor)| (day, section, visitor * visitor * 90));
    prop::collection::btree_map(key, 1..3_u64, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn periods_rise_by_who_is_new(
        batches in prop::collection::vec((views(17_590), any::<bool>()), 1..5),
        is_pruned in any::<bool>(),
    ) {
        check(&batches, is_pruned.then_some(Day(17_590)));
    }
}

#[test]
fn periods_are_those_of_the_calendar() {
    for day in (-1000..1000).chain(17_000..18_000).map(Day) {
        let (week, month) = (Period::week(day), Period::month(day));
        assert_eq!(week.bucket, i64::from(day.monday().0));
        for period in [&week, &month] {
            assert!(period.has(day));
            for (other, is_in) in [
                (period.first, true),
                (Day(period.end.0 - 1), true),
                (Day(period.first.0 - 1), false),
                (period.end, false),
            ] {
                let is_same = match period.granularity {
                    super::WEEK => other.week_text() == day.week_text(),
                    _ => other.month_text() == day.month_text(),
                };
                assert_eq!((is_same, period.has(other)), (is_in, is_in));
            }
        }
    }
    let month = Period::month(Day::from_date(2018, 3, 5).unwrap());
    assert_eq!(month.bucket, 12 * 2018 + 3 - 1);
    assert!(month.is_cut(Some(Day(month.first.0 + 1))) && !month.is_cut(Some(month.first)));
    assert!(!month.is_cut(Some(month.end)) && !month.is_cut(None));
}

#[test]
fn damaged_sets_are_refused() {
    let mut kept = Kept::default();
    let views = [((10, 60, 4, 9), 1)].into();
    kept.push(5, &views);
    kept.0[0].1.visitors.push(0);
    let site = SiteDay { day: Day(5), place: SITE };
    let change = change_day(site, &content(&views), None, &|_, _| false).unwrap();
    let days = std::iter::once((Day(5), &change.groups[..]));
    let mut periods = Periods::of(SITE, None, days);
    assert!(periods.finish_before(None, &mut kept).is_err());
}
