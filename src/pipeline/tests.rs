//! Runs over files, streams and compressed files: the same bytes give the same counts and the same source.

use std::io::Write;
use std::path::PathBuf;

use flate2::write::GzEncoder;
use proptest::prelude::*;
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_128;

use super::{
    Analysis, Counted, CountingOptions, FormatChoice, TrackedInput, Tracking, analyze_by,
    thread_pool,
};
use crate::facts::sums::{Sums, of_hits};
use crate::facts::{DayKey, ShareKey, ShareSums};
use crate::select::{Count, Rules, VisitorDefinition};
use crate::source::{Input, SourceIdentity};
use crate::system::progress::Progress;

fn options(inputs: Vec<PathBuf>, threads: usize) -> CountingOptions {
    CountingOptions {
        inputs: inputs.into_iter().map(Input::Path).collect(),
        format: FormatChoice::Detect,
        rules: Rules {
            count: Count::PageViews,
            visitor: "ip+ua".parse::<VisitorDefinition>().unwrap(),
            visitor_key: None,
            keep_query: false,
            groups: Vec::new(),
            zone: None,
            site: "default".to_owned(),
        },
        threads,
        map: true,
        window_bytes: 1 << 30,
        page_limit: 1 << 20,
        invalid_lines: None,
        tracking: Tracking { identify: true, ..Tracking::default() },
    }
}

fn run(options: &CountingOptions, block_bytes: u64) -> (Analysis, Progress) {
    let progress = Progress::default();
    let pool = thread_pool(options.threads).unwrap();
    let analysis = pool.install(|| analyze_by(options, &progress, block_bytes)).unwrap();
    (analysis, progress)
}

fn log(lines: usize) -> Vec<u8> {
    let line = |i: usize| match i % 50 {
        7 => format!("no log line {i}\n"),
        8 => "\n".to_owned(),
        _ => format!(
            "10.0.{}.{} - - [05/Mar/2018:{:02}:{:02}:00 +0800] \"GET /movie/{}.html HTTP/1.1\" 200 {i} \"-\" \"UA {}\"\n",
            i % 7,
            i % 250,
            i / 3600 % 24,
            i / 60 % 60,
            i % 13,
            i % 3
        ),
    };
    (0..lines).flat_map(|i| line(i).into_bytes()).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn write(directory: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn identify(bytes: &[u8], block_bytes: u64) -> SourceIdentity {
    let block_bytes = usize::try_from(block_bytes).unwrap();
    let hashes = bytes.chunks(block_bytes).map(xxh3_128).collect();
    let lengths = std::iter::successors(Some(64), |length| Some(length * 2));
    let beginnings = lengths.take_while(|&length| length <= block_bytes.min(bytes.len()));
    let beginnings = beginnings.map(|length| xxh3_128(&bytes[..length])).collect();
    SourceIdentity::new(bytes.len() as u64, hashes, beginnings)
}

/// Facts in a form that does not depend on how pages and visitors were numbered.
fn figures(analysis: &Analysis) -> Vec<(crate::facts::tally::Tally, u64)> {
    let figures = analysis.inputs.iter().map(|input| (input.tally.clone(), input.bytes));
    figures.collect()
}

fn facts(analysis: &Analysis) -> (Vec<usize>, u64, u64) {
    let facts = &analysis.facts;
    (
        facts.days().map(|key| facts.day_len(key)).collect(),
        facts.names().len(),
        facts.visitors().len(),
    )
}

#[test]
fn plain_and_compressed_and_in_three_members() {
    let directory = TempDir::new().unwrap();
    let text = log(20_000);
    let cuts = [&text[..100_001], &text[100_001..1_000_000], &text[1_000_000..]];
    let plain = write(&directory, "a.log", &text);
    let forms = [
        (write(&directory, "a.log.gz", &gzip(&text)), false),
        (write(&directory, "named.log", &gzip(&text)), false),
        (write(&directory, "three.gz", &cuts.map(gzip).concat()), false),
        (write(&directory, "garbage.gz", &[&gzip(&text)[..], b"garbage"].concat()), true),
    ];
    let block_bytes = 256 * 1024;
    let (expected, _) = run(&options(vec![plain], 2), block_bytes);
    assert_eq!(expected.inputs[0].identity, Some(identify(&text, block_bytes)));
    assert!(expected.inputs[0].tally.malformed_lines > 0);
    for (path, has_note) in forms {
        for threads in 1..=3 {
            let (analysis, progress) = run(&options(vec![path.clone()], threads), block_bytes);
            assert_eq!(figures(&analysis), figures(&expected));
            assert_eq!(facts(&analysis), facts(&expected));
            assert_eq!(analysis.inputs[0].identity, expected.inputs[0].identity);
            assert_eq!(analysis.inputs[0].format, expected.inputs[0].format);
            assert!(analysis.unreadable.is_empty());
            assert_eq!(analysis.notes.len(), usize::from(has_note));
            let (bytes, total) = (progress.bytes.into_inner(), progress.total_bytes.into_inner());
            assert_eq!(bytes, total, "compressed bytes are the progress");
            assert_eq!(progress.inputs_done.into_inner(), 1);
        }
    }
}

#[test]
fn many_inputs_of_every_kind() {
    let directory = TempDir::new().unwrap();
    let text = log(30_000);
    let mut paths = Vec::new();
    let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    for (number, lines) in lines.chunks(2_500).enumerate() {
        let lines = lines.concat();
        let bytes = if number % 3 == 1 { lines } else { gzip(&lines) };
        paths.push(write(&directory, &format!("{number}"), &bytes));
    }
    paths.push(write(&directory, "empty", b""));
    paths.push(write(&directory, "empty.gz", &gzip(b"")));
    let (expected, _) = run(&options(vec![write(&directory, "all", &text)], 1), 1 << 20);
    for threads in 1..=4 {
        let mut options = options(paths.clone(), threads);
        options.window_bytes = 300_000;
        let (analysis, progress) = run(&options, 1 << 16);
        assert_eq!(facts(&analysis), facts(&expected));
        assert_eq!(analysis.inputs.len(), paths.len());
        let lines: u64 = analysis.inputs.iter().map(|input| input.tally.lines).sum();
        assert_eq!(lines, 30_000);
        assert!(analysis.unreadable.is_empty(), "{:?}", analysis.unreadable);
        assert_eq!(progress.inputs_done.into_inner(), paths.len() as u64);
        // In the inputs' order, although several are read at once.
        options.invalid_lines = Some(directory.path().join("invalid"));
        run(&options, 1 << 16);
        let invalid = std::fs::read_to_string(directory.path().join("invalid")).unwrap();
        let numbers = invalid.lines().map(|line| line.rsplit(' ').next().unwrap());
        assert!(numbers.map(|number| number.parse::<u32>().unwrap()).is_sorted());
        assert_eq!(invalid.lines().count(), 600);
    }
}

/// The facts and sums of each share, by day and source, in a form that does not depend on how pages and visitors were
/// numbered.
fn shares(analysis: &Analysis) -> Vec<(ShareKey, usize, u64, ShareSums)> {
    let keys = analysis.shares.iter();
    keys.map(|(&key, sums)| {
        let pieces = analysis.facts.load(&[key]).pop().unwrap();
        let facts = pieces.iter().flat_map(|piece| piece.facts());
        let views = facts.clone().map(|fact| fact.views()).sum();
        (key, facts.count(), views, sums.clone())
    })
    .collect()
}

#[test]
fn facts_and_sums_of_inputs_are_kept_apart() {
    let directory = TempDir::new().unwrap();
    let text = log(30_000);
    let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    // The second input overlaps the first and the third, each of the same day.
    let cuts = [0..9_000, 5_000..16_000, 15_000..30_000, 100..100];
    let paths: Vec<PathBuf> = cuts
        .into_iter()
        .enumerate()
        .map(|(number, range)| {
            let bytes = lines[range].concat();
            let bytes = if number == 1 { gzip(&bytes) } else { bytes };
            write(&directory, &number.to_string(), &bytes)
        })
        .collect();
    let apart = |inputs: &[usize]| Tracking {
        sources: inputs.iter().map(|&input| (input, TrackedInput::default())).collect(),
        shares: true,
        ..Tracking::default()
    };
    let mut expected = Vec::new();
    for (number, path) in (0..).zip(&paths) {
        let tracking = apart(&[0]);
        let (alone, _) =
            run(&CountingOptions { tracking, ..options(vec![path.clone()], 1) }, 1 << 20);
        let of_input = shares(&alone).into_iter();
        expected.extend(of_input.map(|(key, facts, views, sums)| {
            (ShareKey { source: number, ..key }, facts, views, sums)
        }));
        let hits: u64 = alone.shares.values().map(|share| share.hits.get(of_hits::HITS)).sum();
        assert_eq!(hits, alone.inputs[0].tally.hits);
    }
    expected.sort_by_key(|share| share.0);
    assert_eq!(expected.len(), 3);
    assert!(expected.iter().all(|share| share.3.sample.values().len() == 256));
    for (threads, window_bytes) in [(1, 1 << 30), (2, 1 << 30), (3, 300_000)] {
        let tracking = apart(&[0, 1, 2, 3]);
        let options = CountingOptions { tracking, window_bytes, ..options(paths.clone(), threads) };
        let (together, _) = run(&options, 1 << 16);
        assert_eq!(shares(&together), expected);
        let identities = together.inputs.iter().map(|input| input.identity.is_some());
        assert!(identities.eq([true; 4]));
        // What is left without the second is what is counted without it.
        let mut rest = together.facts;
        rest.drop_sources(&[1].into());
        let kept = [paths[0].clone(), paths[2].clone()];
        let (expected, _) = run(&super::tests::options(kept.to_vec(), 1), 1 << 20);
        let day = expected.facts.days().next().unwrap();
        assert_eq!(facts_of_day(&rest, day), facts_of_day(&expected.facts, day));
        assert_eq!(rest.shares().map(|key| key.source).collect::<Vec<_>>(), [0, 2]);
        let fold = |facts: &crate::count::Facts| {
            facts.fold_pieces(
                || 0,
                |views: &mut u64, _, piece| {
                    *views += piece.facts().iter().map(|fact| fact.views()).sum::<u64>();
                },
                |one, other| one + other,
            )
        };
        assert_eq!(fold(&rest), fold(&expected.facts));
    }
    // All inputs that are not kept apart are one source, with a number that no input has.
    let tracking = apart(&[1]);
    let (some, _) = run(&CountingOptions { tracking, ..options(paths, 2) }, 1 << 20);
    assert_eq!(some.facts.shares().map(|key| key.source).collect::<Vec<_>>(), [1, 4]);
    let sum = |sources: &[u32]| {
        let mut hits = Sums::default();
        let shares = expected.iter().filter(|share| sources.contains(&share.0.source));
        shares.for_each(|share| hits.merge(&share.3.hits));
        hits
    };
    let sums: Vec<&Sums> = some.shares.values().map(|share| &share.hits).collect();
    assert_eq!(sums, [&sum(&[1]), &sum(&[0, 2])]);
}

/// Page, visitor and minute of each fact of a day, with its views.
fn facts_of_day(
    facts: &crate::count::Facts,
    day: DayKey,
) -> std::collections::BTreeMap<(String, u128, u16), u64> {
    let pieces = facts.day(day.site, day.day);
    let facts_of_pages = pieces.iter().flat_map(|piece| piece.pages());
    let each = facts_of_pages.flat_map(|(page, of_page)| {
        of_page.iter().map(move |fact| {
            let visitor = facts.visitors().hash(fact.visitor()).0;
            let page = facts.names().get(page).to_owned();
            ((page, visitor, fact.minute_of_day()), fact.views())
        })
    });
    each.collect()
}

#[test]
fn what_was_decoded_before_damage_counts() {
    let directory = TempDir::new().unwrap();
    let text = log(20_000);
    let compressed = gzip(&text);
    let mut wrong_sum = compressed.clone();
    let at = compressed.len() - 6;
    wrong_sum[at] ^= 1;
    let cut = write(&directory, "cut", &compressed[..compressed.len() / 2]);
    let sum = write(&directory, "sum", &wrong_sum);
    let zstd = write(&directory, "zstd", &[0x28, 0xb5, 0x2f, 0xfd, 4, 0]);
    let twice = write(&directory, "twice", &gzip(&compressed));
    let good = write(&directory, "good", &compressed);
    let (analysis, _) = run(&options(vec![cut, sum, zstd, twice, good], 2), 1 << 20);
    assert_eq!(analysis.unreadable.len(), 4);
    for (reason, word) in
        analysis.unreadable.iter().zip(["truncated", "corrupt", "zstdcat", "twice"])
    {
        assert!(reason.contains(word), "{reason}");
    }
    let tally = |index: usize| &analysis.inputs[index].tally;
    assert!(tally(0).lines > 5_000 && tally(0).lines < 19_000);
    // No torn line is counted as malformed.
    let malformed = tally(0).samples.iter().all(|sample| sample.bytes.starts_with(b"no log"));
    assert!(malformed);
    assert_eq!(tally(0).lines, tally(0).hits + tally(0).malformed_lines + tally(0).empty_lines);
    assert_eq!(tally(1).lines, 20_000);
    assert!(analysis.inputs[..2].iter().all(|input| input.identity.is_none()));
    assert_eq!(analysis.inputs.last().unwrap().identity, Some(identify(&text, 1 << 20)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A file that is counted up to its last line end, grows, and is counted on, is the file counted at once; and its
    /// identity is that of its bytes.
    #[test]
    fn a_growing_file(
        lines in 1..60_usize,
        block_bytes in 1..3_000_u64,
        cut in 0..9_000_usize,
        tail in 0..20_usize,
        threads in 1..4_usize,
        map: bool,
    ) {
        let directory = TempDir::new().unwrap();
        let mut text = log(lines);
        text.extend(std::iter::repeat_n(b'x', tail));
        let cut = cut.min(text.len());
        let line_end = |bytes: &[u8]| bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let path = write(&directory, "a.log", &text[..cut]);
        let mut options = options(vec![path.clone()], threads);
        options.map = map;
        let whole_lines = TrackedInput { whole_lines: true, ..TrackedInput::default() };
        options.tracking.sources.insert(0, whole_lines);
        let (first, _) = run(&options, block_bytes);
        let first = &first.inputs[0];
        let counted = line_end(&text[..cut]);
        prop_assert_eq!(first.bytes, counted as u64);
        prop_assert_eq!(first.pending_bytes, (cut - counted) as u64);
        let identity = first.identity.clone().unwrap();
        prop_assert_eq!(&identity, &identify(&text[..counted], block_bytes));

        std::fs::write(&path, &text).unwrap();
        let end = line_end(&text);
        for compressed in [false, true] {
            // A compressed file counts its tail.
            let end = if compressed { text.len() } else { end };
            if compressed {
                std::fs::write(&path, gzip(&text)).unwrap();
            }
            let lines = first.tally.lines;
            options.tracking.sources.get_mut(&0).unwrap().counted =
                Some(Counted { identity: identity.clone(), lines });
            let (second, _) = run(&options, block_bytes);
            let second = &second.inputs[0];
            prop_assert_eq!(second.identity.clone().unwrap(), identify(&text[..end], block_bytes));
            prop_assert_eq!(second.bytes, (end - counted) as u64);
            options.tracking.sources.get_mut(&0).unwrap().counted = None;
            let (whole, _) = run(&options, block_bytes);
            let whole = &whole.inputs[0].tally;
            let mut sum = first.tally.clone();
            sum.merge(second.tally.clone());
            prop_assert_eq!(&sum, whole);
        }
    }
}
