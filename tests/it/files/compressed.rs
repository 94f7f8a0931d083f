//! Compressed logs, told by their content: whole, in many members, cut, damaged, mislabelled, enormous. What was
//! decoded counts, and what could not be is said.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;

use crate::contract::{self, check_cells, check_totals_only};
use crate::database::stored::oracle;
use crate::harness::{Folder, Outcome, hitmap, hitmap_reading};
use crate::logs::{self, gzip, log};

fn analyze(inputs: &[&Path]) -> Outcome {
    let mut arguments: Vec<&OsStr> = vec!["analyze".as_ref(), "--json".as_ref()];
    arguments.extend(inputs.iter().map(|path| path.as_os_str()));
    hitmap(&arguments)
}

#[track_caller]
fn check(expected: &[&[u8]], outcome: &Outcome) {
    check_totals_only(&oracle(expected), &outcome.json());
}

/// A member as bgzip writes them: its length in an extra field.
fn bgzip_member(bytes: &[u8]) -> Vec<u8> {
    let pack = |length: [u8; 2]| {
        let extra = [b'B', b'C', 2, 0, length[0], length[1]];
        let mut encoder =
            flate2::GzBuilder::new().extra(extra).write(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let length = u16::try_from(pack([0, 0]).len() - 1).unwrap();
    pack(length.to_le_bytes())
}

#[test]
fn content_decides_and_names_do_not() {
    let folder = Folder::new();
    let whole = log(1_500, 1);
    let (one, two) = whole.split_at(100_001);
    let bgzip: Vec<u8> = whole.chunks(30_000).chain([&[][..]]).flat_map(bgzip_member).collect();
    let with = |tail: &[u8]| [&gzip(&whole)[..], tail].concat();
    for (name, bytes, note) in [
        ("plain.gz", whole.clone(), false),
        ("zipped.log", gzip(&whole), false),
        ("zipped", gzip(&whole), false),
        ("members.gz", [gzip(one), gzip(b""), gzip(two), gzip(b"")].concat(), false),
        ("bgzip.gz", bgzip, false),
        ("zeros.gz", with(&[0; 5_000]), false),
        ("garbage.gz", with(b"garbage"), true),
        ("log behind.gz", with(&log(10, 9)), true),
        ("zeros, garbage.gz", with(&[&[0; 512][..], b"garbage"].concat()), true),
    ] {
        let path = folder.write(name, &bytes);
        let outcome = analyze(&[&path]).expect_exit(0);
        check(&[&whole], &outcome);
        let is_said = outcome.stderr_text().contains("ignored");
        assert_eq!(is_said, note, "{name}: {}", outcome.stderr_text());
        if note {
            assert!(outcome.stderr_text().contains(name), "{}", outcome.stderr_text());
        }
        let piped = hitmap_reading(&["analyze", "--json", "-"], &bytes).expect_exit(0);
        check(&[&whole], &piped);
        for threads in ["1", "3"] {
            let path = path.to_str().unwrap();
            let options = ["analyze", "-j", threads, "--window", "64KiB", "--cells", "-", path];
            check_cells(&oracle(&[&whole]), &hitmap(&options).expect_exit(0).stdout);
        }
    }
    // No lines are no error.
    for bytes in [gzip(b""), [gzip(b""), gzip(b"")].concat(), Vec::new()] {
        let outcome = analyze(&[&folder.write("empty.gz", bytes)]).expect_exit(0);
        assert_eq!(outcome.json()["totals"]["lines"], 0);
    }
}

#[test]
fn several_at_once_are_one_log_after_the_other() {
    let folder = Folder::new();
    let logs: Vec<Vec<u8>> = (0..7).map(|seed| log(300 + 40 * seed, seed)).collect();
    let paths: Vec<_> = logs
        .iter()
        .enumerate()
        .map(|(number, log)| {
            let bytes = if number % 3 == 2 { log.clone() } else { gzip(log) };
            folder.write(format!("{number}"), bytes)
        })
        .collect();
    let logs: Vec<&[u8]> = logs.iter().map(Vec::as_slice).collect();
    for threads in ["1", "2", "5"] {
        let mut arguments = vec!["analyze", "--json", "--top", "1000000", "-j", threads];
        arguments.extend(paths.iter().map(|path| path.to_str().unwrap()));
        let outcome = hitmap(&arguments).expect_exit(0);
        contract::check_report(&oracle(&logs), &outcome.json());
    }
}

/// Whole lines of `log` that all lie in its first `bytes` bytes.
fn lines_within(log: &[u8], bytes: usize) -> usize {
    log[..bytes].iter().filter(|&&byte| byte == b'\n').count()
}

/// The file is named, exit code 3, and what the report counts is a beginning of the log, of at least `least` lines.
#[track_caller]
fn check_beginning(outcome: Outcome, name: &str, words: &str, log: &[u8], least: usize) {
    let outcome = outcome.expect_exit(3);
    let text = outcome.stderr_text();
    assert!(text.contains(name) && text.contains(words), "{text}");
    if outcome.stdout.is_empty() {
        assert!(least == 0, "{text}");
        return;
    }
    let json = outcome.json();
    let lines = usize::try_from(json["totals"]["lines"].as_u64().unwrap()).unwrap();
    assert!(lines >= least, "{lines} lines of at least {least}");
    let beginning = if lines == 0 { b"" } else { logs::head(log, lines) };
    check_totals_only(&oracle(&[beginning]), &json);
}

#[test]
fn a_cut_file_counts_as_far_as_it_goes() {
    let folder = Folder::new();
    let whole = log(400, 3);
    let (one, two) = whole.split_at(logs::head(&whole, 150).len());
    let first = gzip(one);
    let bytes = [&first[..], &gzip(two)].concat();
    let second = first.len();
    let cuts = [
        1,
        2,
        3,
        9,
        10,
        11,
        40,
        second / 2,
        second - 9,
        second - 8,
        second - 4,
        second - 1,
        second + 1,
        second + 2,
        second + 9,
        second + 10,
        second + 11,
        (second + bytes.len()) / 2,
        bytes.len() - 9,
        bytes.len() - 8,
        bytes.len() - 5,
        bytes.len() - 4,
        bytes.len() - 1,
    ];
    for cut in cuts {
        let path = folder.write("cut.gz", &bytes[..cut]);
        let least = if cut > second { 150 } else { 0 };
        if cut < 3 {
            // Not enough to be told from a text.
            assert_ne!(analyze(&[&path]).exit_code, Some(0), "{cut}");
            continue;
        }
        check_beginning(analyze(&[&path]), "cut.gz", "truncated", &whole, least);
        let piped = hitmap_reading(&["analyze", "--json"], &bytes[..cut]);
        check_beginning(piped, "-", "truncated", &whole, least);
    }
    // At a member's end it is whole, as far as anybody can know.
    check(&[one], &analyze(&[&folder.write("first.gz", &first)]).expect_exit(0));
}

#[test]
fn damage_is_found_and_the_rest_counts() {
    let folder = Folder::new();
    let whole = log(3_000, 4);
    let bytes = gzip(&whole);
    let other = log(200, 5);
    let other_path = folder.write("other.gz", gzip(&other));
    let end = bytes.len();
    for (at, least) in [
        // Length, CRC, data near the end, in the middle, at the beginning.
        (end - 1, 3_000),
        (end - 4, 3_000),
        (end - 5, 3_000),
        (end - 8, 3_000),
        (end * 3 / 4, 1_000),
        (end / 2, 500),
        (30, 0),
        (12, 0),
    ] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x5a;
        let path = folder.write("damaged.gz", &damaged);
        let outcome = analyze(&[&path]);
        if at >= end - 8 {
            check_beginning(outcome, "damaged.gz", "corrupt", &whole, least);
            let both = analyze(&[&path, &other_path]).expect_exit(3);
            check(&[&whole, &other], &both);
            assert!(!both.stderr_text().contains("other.gz"), "{}", both.stderr_text());
            continue;
        }
        // What the damage lets through may be other bytes; the CRC says so at the end.
        let outcome = outcome.expect_exit(3);
        assert!(outcome.stderr_text().contains("damaged.gz"), "{}", outcome.stderr_text());
        let lines = outcome.json()["totals"]["lines"].as_u64().unwrap_or(0);
        assert!(lines >= least as u64, "{lines} lines, damaged at {at} of {end}");
    }
    assert!(lines_within(&whole, whole.len()) == 3_000);
}

#[test]
fn twice_compressed_and_other_compressions_are_named() {
    let folder = Folder::new();
    let whole = log(50, 6);
    let other = folder.write("other.log", &whole);
    for (name, bytes, words) in [
        ("twice.gz", gzip(&gzip(&whole)), "compressed twice"),
        ("xz.log", b"\xfd7zXZ\0\0\0more of it".to_vec(), "xzcat"),
        ("zst in.gz", gzip(b"\x28\xb5\x2f\xfdmore of it"), "zstdcat"),
        ("a.zip", b"PK\x03\x04more of it".to_vec(), "unzip"),
    ] {
        let path = folder.write(name, bytes);
        let outcome = analyze(&[&path, &other]).expect_exit(3);
        assert!(outcome.stderr_text().contains(words), "{}", outcome.stderr_text());
        assert!(outcome.stderr_text().contains(name), "{}", outcome.stderr_text());
        assert_eq!(outcome.json()["totals"]["lines"], 50);
    }
}

/// Peak memory of a run with `input` on standard input, in KiB.
fn memory_kib(input: &[u8]) -> (Outcome, u64) {
    let outcome = hitmap_reading(&["analyze", "--json", "--stats", "-j", "2"], input);
    let text = outcome.stderr_text();
    let line =
        text.lines().find(|line| line.starts_with("memory")).unwrap_or_else(|| panic!("{text}"));
    let kib = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    (outcome, kib)
}

/// `mib` MiB of one byte.
fn bomb(byte: u8, mib: u32) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let piece = vec![byte; 1 << 20];
    for _ in 0..mib {
        encoder.write_all(&piece).unwrap();
    }
    encoder.finish().unwrap()
}

/// A little file that becomes a large one is never whole in memory; of a line only so much as a line may be long.
#[test]
fn a_bomb_takes_time_and_no_memory() {
    let (outcome, kib) = memory_kib(&bomb(b'x', 480));
    let outcome = outcome.expect_exit(1);
    let report = outcome.json();
    assert_eq!(report["totals"]["malformed_lines"], 1);
    assert_eq!(report["malformed_samples"][0]["reason"], "longer than 256 MiB");
    assert!(kib < 400 << 10, "{kib} KiB for one line");
    let (outcome, kib) = memory_kib(&bomb(b'\n', 200));
    assert_eq!(outcome.expect_exit(0).json()["totals"]["empty_lines"], 200 << 20);
    assert!(kib < 100 << 10, "{kib} KiB for empty lines");
}
