//! What becomes of sources that others know, hold or have counted meanwhile.

use std::time::Duration;

use super::super::{CountedFrom, Fate, IngestOptions, Look};
use super::{Log, SITES, Scan, check, counted, look, run};
use crate::database::testing::TestDatabase;
use crate::time::{Day, Granularity};

/// A log of views of one day, each by another visitor.
pub(super) fn log_of_day(kind: u64, day: i32, visitors: std::ops::Range<u32>) -> Log {
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
            Some((other.name.clone(), format!("{share:.2}")))
        }
        _ => None,
    };
    let ingested = run(&mut database, &[&hours[2], &whole]);
    let found: Vec<_> = ingested.fates.iter().map(overlap).collect();
    // The first of those that came, the shortest id of equal ones.
    let first = database.database.sources().unwrap()[0].name.clone();
    assert_eq!(found, [None, Some((first, "0.67".to_owned()))]);
    check(&database, &[&hours[0], &hours[1], &hours[2]], Granularity::Day);
    // A log that grows by what others hold: `cat a b >> c`.
    let mut grown = log_of_day(9, day, 1000..1040);
    run(&mut database, &[&grown]);
    let before = grown.clone();
    grown.views.extend(&of_hours[1]);
    let ingested = run(&mut database, &[&grown]);
    assert_eq!(overlap(&ingested.fates[0]), Some(("log 2".to_owned(), "1.00".to_owned())));
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
