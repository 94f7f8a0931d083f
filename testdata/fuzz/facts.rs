//! The whole path, from files to cells and report: every number is the tests' oracle's, whatever the bytes, threads,
//! windows and options.

#![no_main]

#[path = "../../tests/it/contract/mod.rs"]
mod contract;
#[path = "../../tests/it/oracle/mod.rs"]
mod oracle;

use std::sync::{Arc, LazyLock};

use hitmap::cube::{CellFormat, Cube, rows};
use hitmap::facts::tally::Tally;
use hitmap::parse::Grammar;
use hitmap::parse::recognize::refuse_beginning;
use hitmap::pipeline;
use hitmap::pipeline::{Analysis, CountingOptions, FormatChoice};
use hitmap::query::summarize;
use hitmap::query::summary::InputSummary;
use hitmap::report::json;
use hitmap::select::{Count, Rules};
use hitmap::source::Input;
use hitmap::system::progress::Progress;
use libfuzzer_sys::fuzz_target;
use rayon::ThreadPool;
use tempfile::TempDir;

static POOLS: LazyLock<[ThreadPool; 3]> =
    LazyLock::new(|| [1, 2, 3].map(|threads| pipeline::thread_pool(threads).unwrap()));
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

fuzz_target!(|bytes: &[u8]| {
    // How to read the bytes is up to the last two, so that logs are seeds as they are.
    let [.., low, high] = *bytes else { return };
    let mut choice = usize::from(u16::from_le_bytes([low, high]));
    let mut choose = |ways: usize| {
        let chosen = choice % ways;
        choice /= ways;
        chosen
    };
    let number_of_files = 1 + choose(3);
    let threads = 1 + choose(3);
    let map = choose(2) == 0;
    let window_bytes = [1 << 30, 1][choose(2)];
    let visitor = [
        vec![oracle::Field::Ip, oracle::Field::UserAgent],
        vec![oracle::Field::User, oracle::Field::Referrer],
        vec![oracle::Field::Argument("x".to_owned()), oracle::Field::Ip],
    ];
    let groups: [&[(&str, &str)]; 3] =
        [&[], &[("list", "/a/{}.html"), ("all", "/{}")], &[("one", "/{}/{}{}"), ("one", "/")]];
    let zones = [None, Some("UTC"), Some("-03:30"), Some("Australia/Lord_Howe")];
    // Detection has a target of its own.
    let (format, grammar) = [
        (oracle::Format::Combined, Grammar::Combined),
        (oracle::Format::Common, Grammar::Common),
        (oracle::Format::Dig, Grammar::Dig),
    ][choose(3)];
    let rules = oracle::Rules {
        count_hits: choose(2) == 1,
        keep_query: choose(2) == 1,
        format: Some(format),
        visitor: visitor[choose(3)].clone(),
        groups: groups[choose(3)]
            .iter()
            .map(|&(name, pattern)| (name.to_owned(), pattern.to_owned()))
            .collect(),
        zone: zones[choose(4)].map(str::to_owned),
    };
    let visitor: Vec<String> = rules.visitor.iter().map(oracle::Field::name).collect();
    let groups = rules.groups.iter();
    let files: Vec<&[u8]> = bytes.chunks(bytes.len().div_ceil(number_of_files)).collect();
    let options = CountingOptions {
        inputs: inputs(&files),
        format: FormatChoice::Named(Arc::new(grammar.into())),
        rules: Rules {
            count: if rules.count_hits { Count::Hits } else { Count::PageViews },
            keep_query: rules.keep_query,
            visitor: visitor.join("+").parse().unwrap(),
            groups: groups
                .map(|(name, pattern)| format!("{name}={pattern}").parse().unwrap())
                .collect(),
            zone: rules.zone.as_ref().map(|zone| zone.parse().unwrap()),
            site: "default".to_owned(),
            ..Rules::default()
        },
        threads,
        map,
        window_bytes,
        ..CountingOptions::default()
    };
    // What begins like a compressed file is decoded or refused, which the oracle does not.
    let is_compressed = |input: &Input| input.bytes() > Some(0) && input.log_bytes().is_none();
    // Archives and other text encodings are refused, which the oracle does not.
    let is_refused = |file: &&[u8]| refuse_beginning(file).is_err();
    if options.inputs.iter().any(is_compressed) || files.iter().any(is_refused) {
        return;
    }
    let expected = oracle::analyze(&files, &rules);
    let (cells, report) = POOLS[threads - 1].install(|| run(&options));
    contract::check_cells(&expected, &cells);
    contract::check_report(&expected, &serde_json::from_slice(&report).unwrap());
});

/// Writes the files where the last run's were.
fn inputs(files: &[&[u8]]) -> Vec<Input> {
    let write = |(number, bytes): (usize, &&[u8])| {
        let path = FOLDER.path().join(number.to_string());
        std::fs::write(&path, bytes).unwrap();
        Input::Path(path)
    };
    files.iter().enumerate().map(write).collect()
}

/// What `hitmap analyze` would write with `--cells` and with `--json --top 1000000`.
fn run(options: &CountingOptions) -> (Vec<u8>, Vec<u8>) {
    let Analysis { facts, inputs, unreadable, .. } =
        pipeline::analyze(options, &Progress::default()).unwrap();
    assert_eq!(unreadable, [""; 0]);
    let cube = Cube::new(&facts, vec![options.rules.site.clone()], &options.rules.groups);
    let (mut cells, mut report) = (Vec::new(), Vec::new());
    rows::write(&cube, CellFormat::Ndjson, &mut cells).unwrap();
    let mut tally = Tally::default();
    inputs.iter().for_each(|input| tally.merge(input.tally.clone()));
    let mut summary = summarize::summarize(&cube, &tally, 1_000_000).unwrap();
    let inputs = inputs.into_iter().map(|input| InputSummary {
        path: input.name,
        bytes: input.bytes,
        lines: input.tally.lines,
        format: input.format.map_or_else(|| "unknown".to_owned(), |format| format.to_string()),
    });
    summary.inputs = inputs.collect();
    json::write(&summary, &mut report).unwrap();
    (cells, report)
}
