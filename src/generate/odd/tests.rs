use std::fmt::Write as _;

use super::super::text::written;
use super::super::{Format, GeneratorOptions, Size};
use super::{KINDS, LineTruth, Moment, OddLines, Random, Truth, World};

/// Two lines of every kind in every format below what they are, as `testdata/generate/odd-lines.txt` has them.
/// `HITMAP_UPDATE=1` rewrites that file. It is there to be read: a difference is right only if each line in it is
/// what stands above it by the rules of counting.
#[test]
fn every_kind_is_what_it_says() {
    let mut found = String::new();
    for format in [Format::Combined, Format::Common, Format::Dig] {
        for (index, kind) in KINDS.iter().enumerate().filter(|(_, kind)| kind.occurs_in(format)) {
            writeln!(found, "# {format:?}: {}", kind.name).unwrap();
            for line in lines_of(format, index) {
                writeln!(found, "{line}").unwrap();
            }
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/generate/odd-lines.txt");
    if std::env::var_os("HITMAP_UPDATE").is_some() {
        std::fs::write(path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap();
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.lines().count(), expected.lines().count());
}

fn lines_of(format: Format, kind: usize) -> Vec<String> {
    let options = GeneratorOptions {
        visitors: 50,
        pages: 50,
        ..GeneratorOptions::new(Size::Lines(0), format)
    };
    let mut random = Random::new(kind as u64);
    let world = World::new(&options, &mut random);
    let mut odd =
        OddLines { kinds: vec![(kind, 0)], ..OddLines::new(format, 50, world.pages.count()) };
    let mut truth = Truth::new(true);
    truth.paths = (0..world.pages.count()).map(|page| world.pages.path(page)).collect();
    (0..2)
        .map(|_| {
            let moment =
                Moment { visitor: world.visitors.draw(0, &mut random), seconds: 1_520_260_000 };
            let mut line = Vec::new();
            let line_truth = odd.write(&world, moment, &mut random, &mut line, &mut truth);
            assert_eq!(
                line.iter().position(|&byte| byte == b'\n'),
                Some(line.len() - 1),
                "one line each"
            );
            let text = shown(&line[..line.len() - 1]);
            let what = match line_truth {
                LineTruth::Malformed => "malformed".to_owned(),
                LineTruth::Empty => "empty".to_owned(),
                LineTruth::Other => "other".to_owned(),
                LineTruth::Hit { status, bytes_sent, view: None } => {
                    format!("hit {status} {bytes_sent}")
                }
                LineTruth::Hit { status, bytes_sent, view: Some(view) } => {
                    let page = written(&truth.paths[view.page as usize]);
                    let visitor = if view.visitor < 50 { "own" } else { "odd" };
                    format!("view {status} {bytes_sent} {} {page:?} {visitor} visitor", view.time)
                }
            };
            format!("{what}\n    {text}")
        })
        .collect()
}

/// A line in ASCII, without the middle of a long one.
fn shown(line: &[u8]) -> String {
    let text = line.escape_ascii().to_string();
    if text.len() < 700 {
        return text;
    }
    format!("{} … {} bytes … {}", &text[..160], line.len(), &text[text.len() - 160..])
}
