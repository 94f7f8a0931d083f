//! Every way of parsing that the machine has (AVX-512, AVX2, portable), through a whole analysis: the cells are the
//! oracle's, over the fixtures, odd lines, generated and random logs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hitmap::cube::{CellFormat, Cube, rows};
use hitmap::generate::{Format, GeneratorOptions, Size};
use hitmap::parse::{Grammar, Way};
use hitmap::pipeline::{self, FormatChoice};
use hitmap::source::Input;
use hitmap::system::progress::Progress;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::contract::check_cells;
use crate::harness::Folder;
use crate::logs::log_of;
use crate::oracle::{self, Rules};
use crate::random;

/// The cells of a log of a format, analyzed by this process. The format is named: random lines often make no sense, and
/// detection would refuse them.
fn cells(path: &Path, format: oracle::Format) -> Vec<u8> {
    let grammar = match format {
        oracle::Format::Combined => Grammar::Combined,
        oracle::Format::Common => Grammar::Common,
        oracle::Format::Dig => Grammar::Dig,
    };
    let options = pipeline::CountingOptions {
        inputs: vec![Input::Path(path.to_owned())],
        format: FormatChoice::Named(Arc::new(grammar.into())),
        threads: 2,
        ..pipeline::CountingOptions::default()
    };
    let pool = pipeline::thread_pool(options.threads).unwrap();
    pool.install(|| {
        let analysis = pipeline::analyze(&options, &Progress::default()).unwrap();
        let cube = Cube::new(&analysis.facts, vec!["default".to_owned()], &[]);
        let mut cells = Vec::new();
        rows::write(&cube, CellFormat::Ndjson, &mut cells).unwrap();
        cells
    })
}

/// Logs of every format, with usual, long, odd and damaged lines.
fn logs() -> Vec<Vec<u8>> {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let folders = ["parse/combined", "parse/common", "parse/dig"];
    let mut paths: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| fs::read_dir(testdata.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.push(testdata.join("access.log"));
    let mut logs: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(logs.len() >= 5, "{paths:?}");
    for format in [Format::Combined, Format::Common, Format::Dig] {
        logs.push(log_of(GeneratorOptions {
            bad_permille: 50,
            visitors: 2_000,
            ..GeneratorOptions::new(Size::Lines(8_000), format)
        }));
    }
    let mut runner = TestRunner::deterministic();
    logs.extend((0..100).map(|_| random::file().new_tree(&mut runner).unwrap().current()));
    logs
}

#[test]
fn every_way_counts_as_the_oracle_does() {
    let folder = Folder::new();
    let logs = logs();
    let paths: Vec<PathBuf> = (0..logs.len())
        .map(|number| folder.write(format!("{number}.log"), &logs[number]))
        .collect();
    let answers: Vec<_> = logs
        .iter()
        .map(|log| oracle::analyze(&[log], &Rules::default().with_format_of(log)))
        .collect();
    let ways: Vec<Way> = Way::ALL.into_iter().filter(|way| way.is_available()).collect();
    assert!(ways.contains(&Way::Portable) && ways.contains(&Way::best()), "{ways:?}");
    for way in ways {
        way.choose();
        for (path, answer) in paths.iter().zip(&answers) {
            println!("{way:?}, log {}", path.display());
            check_cells(answer, &cells(path, answer.files[0].1.unwrap()));
        }
    }
    Way::best().choose();
}
