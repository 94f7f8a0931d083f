//! Whatever the lines, however they are read: the program's numbers are the oracle's.

use std::ffi::OsString;
use std::fs;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::contract::{check_cells, check_report};
use crate::harness::{Folder, Outcome, hitmap, hitmap_reading};
use crate::oracle::{self, Format, Rules};
use crate::random::{self, rules};

/// How the same input is read.
#[derive(Clone, Debug)]
struct Reading {
    threads: usize,
    window: Option<&'static str>,
    is_mapped: bool,
}

fn reading() -> impl Strategy<Value = Reading> {
    let window = select(&[None, Some("1KiB"), Some("4KiB"), Some("64KiB")][..]);
    (1..=7_usize, window, any::<bool>()).prop_map(|(threads, window, is_mapped)| Reading {
        threads,
        window,
        is_mapped,
    })
}

fn arguments(rules: &Rules, reading: &Reading) -> Vec<OsString> {
    let mut arguments = vec!["analyze".to_owned(), "--top=1000000".to_owned()];
    arguments.push(format!("--threads={}", reading.threads));
    arguments.extend(reading.window.map(|size| format!("--window={size}")));
    arguments.extend((!reading.is_mapped).then(|| "--no-mmap".to_owned()));
    arguments.extend(rules.options());
    arguments.into_iter().map(OsString::from).collect()
}

/// Runs the program on the files and compares every cell and every number with the oracle. The format is named: random
/// lines often make no sense, and detection would refuse them.
#[track_caller]
fn check(files: &[&[u8]], rules: &Rules, reading: &Reading) {
    let rules = &rules.clone().with_format_of(files[0]);
    let folder = Folder::new();
    let cells = folder.path("cells.ndjson");
    let mut arguments = arguments(rules, reading);
    arguments.extend(["--json".into(), "--cells".into(), cells.clone().into()]);
    for (number, file) in files.iter().enumerate() {
        arguments.push(folder.write(format!("{number}.log"), file).into());
    }
    let outcome = hitmap(&arguments);
    check_outcome(files, rules, outcome, |_| fs::read(cells).unwrap());
}

/// The same with the one file in a pipe; the cells come in a second run, on standard output.
#[track_caller]
fn check_piped(file: &[u8], rules: &Rules, reading: &Reading) {
    let rules = &rules.clone().with_format_of(file);
    let arguments = arguments(rules, reading);
    let mut with_json = arguments.clone();
    with_json.push("--json".into());
    let outcome = hitmap_reading(&with_json, file);
    check_outcome(&[file], rules, outcome, |exit_code| {
        let mut with_cells = arguments;
        with_cells.extend(["--cells", "-", "-"].map(OsString::from));
        hitmap_reading(&with_cells, file).expect_exit(exit_code).stdout
    });
}

#[track_caller]
fn check_outcome(
    files: &[&[u8]],
    rules: &Rules,
    outcome: Outcome,
    cells: impl FnOnce(i32) -> Vec<u8>,
) {
    let answer = oracle::analyze(files, rules);
    let exit_code = exit_code(files, rules);
    let report = outcome.expect_exit(exit_code).json();
    check_report(&answer, &report);
    check_cells(&answer, &cells(exit_code));
}

/// 1 if there are lines and none can be parsed, 3 if that is so for some of the files.
fn exit_code(files: &[&[u8]], rules: &Rules) -> i32 {
    let is_unparsed =
        |answer: &oracle::Answer| answer.hits + answer.other == 0 && answer.malformed > 0;
    if is_unparsed(&oracle::analyze(files, rules)) {
        return 1;
    }
    let is_any_unparsed = files.iter().any(|file| is_unparsed(&oracle::analyze(&[file], rules)));
    if is_any_unparsed { 3 } else { 0 }
}

/// The files without those that another one begins with, whose lines count once; of equal ones the first is kept.
fn without_copies(files: &[Vec<u8>]) -> Vec<&[u8]> {
    let is_copy = |index: usize| {
        let mut others = files.iter().enumerate().filter(|&(other, _)| other != index);
        others.any(|(other, bytes)| {
            bytes.starts_with(&files[index]) && (bytes.len() > files[index].len() || other < index)
        })
    };
    let kept = (0..files.len()).filter(|&index| !is_copy(index));
    kept.map(|index| &files[index][..]).collect()
}

fn cases(number: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { number };
    ProptestConfig { cases, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn any_file_counts_as_the_oracle_does(file in random::file(), rules in rules(), reading in reading()) {
        check(&[&file], &rules, &reading);
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn a_pipe_counts_like_a_file(file in random::file(), rules in rules(), reading in reading()) {
        check_piped(&file, &rules, &reading);
    }

    #[test]
    fn a_format_given_is_not_detected(
        file in random::file(),
        format in select(&[Format::Combined, Format::Common, Format::Dig][..]),
        rules in rules(),
        reading in reading(),
    ) {
        check(&[&file], &Rules { format: Some(format), ..rules }, &reading);
    }

    #[test]
    fn several_files_count_together_in_any_order(
        files in proptest::collection::vec(random::file(), 2..5),
        rules in rules(),
        reading in reading(),
    ) {
        let mut files = without_copies(&files);
        prop_assume!(!files.is_empty());
        check(&files, &rules, &reading);
        files.reverse();
        check(&files, &rules, &reading);
    }

    #[test]
    fn the_order_of_lines_does_not_matter(
        (file, shuffled) in random::file().prop_flat_map(|file| {
            let lines: Vec<Vec<u8>> = oracle::lines_of(&file).iter().map(|line| line.to_vec()).collect();
            (Just(lines.clone()), Just(lines).prop_shuffle())
        }),
        rules in rules(),
        reading in reading(),
    ) {
        check(&[&file.join(&b'\n')], &rules, &reading);
        check(&[&shuffled.join(&b'\n')], &rules, &reading);
    }
}

proptest! {
    #![proptest_config(cases(30))]

    /// Every file is a window of its own, so that days meet again and again when windows are merged.
    #[test]
    fn a_log_cut_into_many_files_counts_like_many_windows(
        file in random::file(),
        lines_a_file in 1..8_usize,
        format in select(&[Format::Combined, Format::Common, Format::Dig][..]),
        rules in rules(),
        reading in reading(),
    ) {
        let lines: Vec<&[u8]> = file.split_inclusive(|&byte| byte == b'\n').collect();
        let files: Vec<Vec<u8>> = lines.chunks(lines_a_file).map(<[&[u8]]>::concat).collect();
        let files = without_copies(&files);
        let rules = Rules { format: Some(format), ..rules };
        prop_assume!(!files.is_empty());
        check(&files, &rules, &Reading { window: Some("1"), ..reading });
    }
}

/// The random rules count otherwise than the default ones often enough, each kind by itself.
#[test]
fn the_random_rules_matter() {
    let mut runner = TestRunner::deterministic();
    let mut differ = [0; 3];
    for _ in 0..200 {
        let file = random::file().new_tree(&mut runner).unwrap().current();
        let rules = rules().new_tree(&mut runner).unwrap().current();
        let usual = oracle::analyze(&[&file], &Rules::default());
        let kinds = [
            Rules { visitor: rules.visitor, ..Rules::default() },
            Rules { groups: rules.groups, ..Rules::default() },
            Rules { zone: rules.zone, ..Rules::default() },
        ];
        for (differ, rules) in differ.iter_mut().zip(kinds) {
            *differ += u32::from(oracle::analyze(&[&file], &rules).cells != usual.cells);
        }
    }
    assert!(differ.iter().all(|differ| *differ > 70), "{differ:?} of 200");
}

/// The random files hold enough of everything to be worth comparing.
#[test]
fn the_random_files_are_mixed_well() {
    let mut runner = TestRunner::deterministic();
    let mut share = [0.0; 6];
    for _ in 0..300 {
        let file = random::file().new_tree(&mut runner).unwrap().current();
        let answer = oracle::analyze(&[&file], &Rules::default());
        let lines = answer.lines.max(1) as f64;
        let counts = [answer.hits, answer.page_views, answer.malformed, answer.other];
        for (share, count) in share.iter_mut().zip(counts) {
            *share += count as f64 / lines / 300.0;
        }
        share[4] += f64::from(u8::from(answer.files[0].1 == Some(Format::Dig))) / 300.0;
        share[5] += f64::from(u8::from(answer.files[0].1 == Some(Format::Common))) / 300.0;
    }
    let enough = [0.6, 0.3, 0.1, 0.005, 0.2, 0.2];
    assert!(share.iter().zip(enough).all(|(share, enough)| *share > enough), "{share:?}");
}
