//! Which format a file is taken for, by its lines: itself and nothing else, or refused with a sentence that works.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use hitmap::parse::detect::{Detected, Refusal, detect};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;

use crate::harness::{Folder, Outcome, assert_harmless, hitmap, hitmap_reading};
use crate::logs::wrapped::{VIEWS, VISITORS, WRAPPINGS, twelve_lines};
use crate::logs::{gzip, line, lines, log};
use crate::random;

/// A combined line of a visitor.
fn view(host: &str, agent: &str) -> String {
    format!("{host} - - [05/Mar/2018:14:05:09 +0800] \"GET /a HTTP/1.1\" 200 5 \"-\" \"{agent}\"\n")
}

/// `count` combined lines, two a visitor.
fn views(count: usize) -> String {
    let host = |number: usize| format!("10.0.{}.{}", number / 2 / 250, number / 2 % 250);
    (0..count).map(|number| view(&host(number), "curl/8.1")).collect()
}

fn analyze(bytes: impl AsRef<[u8]>, options: &[&str]) -> Outcome {
    let folder = Folder::new();
    let path = folder.write("access.log", bytes);
    let outcome = hitmap(&[&["analyze", path.to_str().unwrap()], options].concat());
    assert_harmless(&outcome.stderr, false);
    outcome
}

#[track_caller]
fn says(outcome: &Outcome, words: &[&str]) {
    for word in words {
        assert!(outcome.stderr_text().contains(word), "no {word:?} in {}", outcome.stderr_text());
    }
}

fn name_of(bytes: &[u8]) -> String {
    match detect(bytes) {
        None => "nothing".to_owned(),
        Some(Ok(Detected { format, .. })) => format.to_string(),
        Some(Err(Refusal(_))) => "refused".to_owned(),
    }
}

#[test]
fn every_fixture_is_of_its_format() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/parse");
    let mut found = 0;
    for format in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        for log in fs::read_dir(format.path()).unwrap().map(|entry| entry.unwrap()) {
            let detected = name_of(&fs::read(log.path()).unwrap());
            assert_eq!(detected, *format.file_name().to_str().unwrap(), "{log:?}");
            found += 1;
        }
    }
    assert!(found >= 4);
}

/// Each wrapping around logs of each grammar, a line and many.
#[test]
fn every_wrapping_is_itself_and_nothing_else() {
    let combined = twelve_lines(true);
    let common: Vec<String> =
        combined.iter().map(|line| line[..line.find(" 512 ").unwrap() + 4].to_owned()).collect();
    let dig: Vec<String> =
        combined.iter().map(|line| line.replace("/list/", "/dig?ua=a&url=%2F&x=")).collect();
    let mut names = HashSet::new();
    for wrapping in WRAPPINGS {
        names.insert(wrapping.format);
        for (grammar, lines) in [("combined", &combined), ("common", &common), ("dig", &dig)] {
            if grammar == "common" && wrapping.name == "fields after the user agent" {
                continue;
            }
            let expected = format!("{grammar}{}", wrapping.format);
            let log = wrapping.log(lines);
            assert_eq!(name_of(&log), expected, "{}", wrapping.name);
            let one = wrapping.log(&lines[..2]);
            assert_eq!(name_of(&one), expected, "two lines of {}", wrapping.name);
            assert_eq!(
                expected.parse().map(|format: hitmap::parse::Format| format.to_string()),
                Ok(expected)
            );
        }
    }
    assert_eq!(names.len(), 22, "{names:?}");
}

/// The header of a tar archive, and the file in it.
fn tar(content: &[u8]) -> Vec<u8> {
    let mut header = vec![0_u8; 512];
    header[..10].copy_from_slice(b"access.log");
    header[100..108].copy_from_slice(b"0000644\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[148..156].fill(b' ');
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let padding = vec![0; content.len().next_multiple_of(512) - content.len() + 1_024];
    [&header, content, &padding].concat()
}

fn utf16(text: &str, unit: fn(u16) -> [u8; 2], mark: &[u8]) -> Vec<u8> {
    [mark, &text.encode_utf16().flat_map(unit).collect::<Vec<u8>>()].concat()
}

/// A file that is no text of lines is left out, whatever is in it, plain, packed, or in a pipe.
#[track_caller]
fn check_refused(bytes: &[u8], words: &[&str]) {
    for packed in [bytes.to_vec(), gzip(bytes)] {
        for options in [&["--json"][..], &["--json", "-q"], &["--json", "-f", "combined"]] {
            let outcome = analyze(&packed, options).expect_exit(3);
            says(&outcome, &["is left out: ", "hitmap analyze"]);
            says(&outcome, words);
            assert!(
                !outcome.stderr_text().contains("name the format"),
                "{}",
                outcome.stderr_text()
            );
            assert!(outcome.stdout.is_empty());
        }
        says(&hitmap_reading(&["analyze", "-"], &packed).expect_exit(3), words);
    }
    // Beside a good log, which is counted.
    let folder = Folder::new();
    let (bad, good) = (folder.write("bad.log", bytes), folder.write("good.log", views(10)));
    let paths = [bad.to_str().unwrap(), good.to_str().unwrap()];
    let outcome = hitmap(&[&["analyze", "--json", "-q"][..], &paths].concat()).expect_exit(3);
    assert_eq!(outcome.total("hits"), 10);
    says(&outcome, words);
    says(&outcome, &["bad.log", "the rest was counted"]);
}

#[test]
fn tar_archives_are_refused_also_compressed() {
    check_refused(&tar(views(100).as_bytes()), &["it is a tar archive", "tar -xOf FILE"]);
}

#[test]
fn zip_archives_are_refused() {
    let zip = [b"PK\x03\x04\x14\0\0\0\x08\0", views(10).as_bytes()].concat();
    for options in [&["-q"][..], &["-f", "combined"]] {
        let outcome = analyze(&zip, options).expect_exit(3);
        says(&outcome, &["it is compressed by zip", "unzip -p FILE | hitmap analyze -"]);
    }
}

#[test]
fn seven_zip_archives_are_refused() {
    let archive = [b"7z\xbc\xaf\x27\x1c\0\x04", views(10).as_bytes()].concat();
    check_refused(&archive, &["it is a 7z archive", "7z x -so FILE"]);
}

#[test]
fn parquet_is_refused() {
    let parquet = [b"PAR1\x15\x04\n", views(10).as_bytes(), b"PAR1"].concat();
    let outcome = analyze(&parquet, &["-q"]).expect_exit(3);
    says(&outcome, &["is left out: it is a Parquet file"]);
}

#[test]
fn utf16_is_refused_with_and_without_a_byte_order_mark() {
    let text = views(20);
    let words = &["its text is UTF-16", "iconv -f UTF-16"];
    check_refused(&utf16(&text, u16::to_le_bytes, b"\xff\xfe"), words);
    check_refused(&utf16(&text, u16::to_be_bytes, b"\xfe\xff"), words);
    check_refused(&utf16(&text, u16::to_le_bytes, b""), words);
    check_refused(&utf16(&text, u16::to_be_bytes, b""), words);
    let windows = text.replace('\n', "\r\n");
    check_refused(&utf16(&windows, u16::to_le_bytes, b""), words);
}

#[test]
fn line_ends_of_cr_alone_are_refused() {
    let text = views(12).replace('\n', "\r");
    check_refused(text.as_bytes(), &["end with CR alone", "tr '\\r' '\\n'"]);
}

/// Lines of other formats: exit code 1, what they look like, and their first telling line.
#[test]
fn other_formats_are_named() {
    for (text, looks_like, first) in [
        ("{\"time\":\"2026-11-24\",\"ip\":\"1.2.3.4\"}\n", "JSON lines", "{\\\"time\\\""),
        (
            "#Software: IIS\n#Fields: date time c-ip\n2026-11-24 06:00:00 1.2.3.4\n",
            "a W3C extended log",
            "#Software",
        ),
        ("#separator \\x09\n#fields\tts\tuid\n1\ta\tb\n", "a Zeek log", "#separator"),
        (
            "Nov 24 06:00:00 lb haproxy[1]: 1.2.3.4:5 [24/Nov/2026:06:00:00.1] f b/s 0/0 200\n",
            "a log of HAProxy",
            "Nov 24",
        ),
        ("2026/11/24 06:00:00 [error] 12#12: *1 open() failed\n", "an error log", "2026/11/24"),
        ("[Tue Nov 24 06:00:00 2026] [core:error] [pid 1] x\n", "an error log", "[Tue"),
        ("# a comment\n\nhello world\n", "no access log that hitmap knows", "hello world"),
    ] {
        for options in [
            &["--json"][..],
            &["--json", "-q"],
            &["--json", "-f", "combined"],
            &["--json", "-f", "dig"],
        ] {
            let outcome = analyze(text, options).expect_exit(1);
            let is_named = options.contains(&"-f");
            let start =
                if is_named { "no line could be parsed as " } else { "no line could be parsed; " };
            says(
                &outcome,
                &[start, "it looks like ", looks_like, &format!("For instance: \"{first}")],
            );
            assert!(
                !outcome.stderr_text().contains("name the format"),
                "{}",
                outcome.stderr_text()
            );
            assert_eq!(outcome.stderr_text().lines().count(), 1, "{}", outcome.stderr_text());
        }
    }
}

/// Once a server writes JSON, its log is missed, not passed over: exit code 3 and its name, `-q` or not.
#[test]
fn an_input_without_a_readable_line_is_said_beside_good_ones() {
    let folder = Folder::new();
    let json = folder.write("json.log", "{\"ip\":\"1.2.3.4\"}\n".repeat(5));
    let good = folder.write("good.log", views(10));
    let empty = folder.write("empty.log", "");
    for options in [&[][..], &["-q"]] {
        let paths = [json.to_str().unwrap(), good.to_str().unwrap(), empty.to_str().unwrap()];
        let outcome = hitmap(&[&["analyze", "--json"][..], options, &paths].concat());
        let outcome = outcome.expect_exit(3);
        says(&outcome, &["json.log\": no line could be parsed", "JSON lines"]);
        assert_eq!(outcome.counts(), (15, 10, 5));
        assert!(!outcome.stderr_text().contains("empty.log"));
    }
    let database = folder.path("stats.db");
    let paths = [json.to_str().unwrap(), good.to_str().unwrap()];
    let options = ["analyze", "--json", "-q", "--db", database.to_str().unwrap()];
    says(&hitmap(&[&options[..], &paths].concat()).expect_exit(3), &["json.log"]);
    let report = hitmap(&["report", "--json", "--db", database.to_str().unwrap()]).expect_exit(0);
    assert_eq!(report.total("hits"), 10);
}

#[test]
fn leading_junk_comments_blank_lines_and_a_mark_do_not_matter() {
    let text = views(20);
    for (start, empty, malformed) in [
        ("\u{feff}", 0, 0),
        ("\n\r\n\n", 3, 0),
        ("# the access log\n#\n", 0, 2),
        ("Nov 24 06:00:00 web1 newsyslog[1]: logfile turned over\n", 0, 1),
        ("\u{feff}# written by hand\n\n", 1, 1),
        ("\x1b[2Jjunk\n\u{1}\u{2}\u{3}\n", 0, 2),
    ] {
        let outcome = analyze(format!("{start}{text}"), &["--json"]).expect_exit(0);
        assert_eq!(outcome.counts(), (20 + empty + malformed, 20, malformed), "{start:?}");
        assert_eq!(outcome.total("empty_lines"), empty, "{start:?}");
        assert_eq!(outcome.total("unique_visitors"), 10, "{start:?}");
        assert_eq!(outcome.json()["inputs"][0]["format"], "combined");
    }
}

/// What copytruncate leaves: a hole, then lines. They are counted with their own hosts, which is said.
#[test]
fn nul_bytes_before_lines_are_passed_over_and_said() {
    for hole in [1, 100, 300_000, 9 << 20] {
        let text = [&vec![0; hole], views(20).as_bytes()].concat();
        for options in
            [&["--json"][..], &["--json", "--no-mmap"], &["--json", "-j3", "--window", "1KiB"]]
        {
            let outcome = analyze(&text, options).expect_exit(0);
            assert_eq!(outcome.counts(), (20, 20, 0), "{hole}");
            assert_eq!(outcome.total("unique_visitors"), 10, "{hole}");
            says(&outcome, &["NUL bytes"]);
        }
        let quiet = analyze(&text, &["--json", "-q"]).expect_exit(0);
        assert_eq!(quiet.stderr_text(), "", "a note");
    }
    let between: String = views(20).lines().map(|line| format!("\0\0{line}\n\0\n")).collect();
    let outcome = analyze(between, &["--json"]).expect_exit(0);
    assert_eq!((outcome.counts(), outcome.total("empty_lines")), ((40, 20, 0), 20));
}

#[test]
fn a_named_format_is_obeyed_with_a_warning() {
    let wrapped = "2026-11-24T06:00:00.1Z stdout F ";
    let text: String = views(20).lines().map(|line| format!("{wrapped}{line}\n")).collect();
    for options in [&["--json", "-f", "combined"][..], &["--json", "-q", "-f", "combined"]] {
        let outcome = analyze(&text, options).expect_exit(0);
        says(
            &outcome,
            &[
                "read as combined, as --log-format says, but",
                "combined inside CRI",
                "For instance: \"2026",
            ],
        );
        assert_eq!(outcome.json()["inputs"][0]["format"], "combined");
        assert_eq!(outcome.total("hits"), 20);
    }
    let odd: String = (0..20)
        .map(|n| format!("1.2.3.{n} - - [05/Mar/2018:14:05:09 +0800] \"GET / HTTP/1.1\" 200 5 \"0.{n}\" \"-\" \"curl/8.1\"\n"))
        .collect();
    let outcome = analyze(&odd, &["--json", "-q", "-f", "combined"]).expect_exit(0);
    says(&outcome, &["read as combined, as --log-format says, but", "visitors may be wrong"]);
    // What is named right is not talked about.
    let outcome = analyze(views(20), &["--json", "-f", "combined"]).expect_exit(0);
    assert_eq!(outcome.stderr_text(), "");
}

/// A combined log has no beacons, so nothing of it counts as `dig`: that is said, and that it is combined.
#[test]
fn other_lines_read_as_beacons_are_said() {
    let beacon = view("1.2.3.4", "curl/8.1").replace("/a", "/dig?ua=a&url=%2F");
    let log = |beacons: usize, others: usize| beacon.repeat(beacons) + &views(others);
    for (log, share) in [
        (log(0, 1), Some("only 0 of its first 1 request target /dig")),
        (log(0, 20), Some("only 0 of its first 20 requests target /dig")),
        (log(2, 18), Some("only 2 of its first 20 requests target /dig")),
        (log(3, 17), None),
        (log(20, 0), None),
    ] {
        for options in [&["--json", "-f", "dig"][..], &["--json", "-q", "-f", "dig"]] {
            let outcome = analyze(&log, options).expect_exit(0);
            let Some(share) = share else {
                assert_eq!(outcome.stderr_text(), "");
                continue;
            };
            let start = format!("read as dig, as --log-format says, but {share}");
            let instance =
                "For instance: \"10.0.0.0 - - [05/Mar/2018:14:05:09 +0800] \\\"GET /a HTTP";
            says(&outcome, &[&start, "its lines look like combined. Without", instance]);
            assert_eq!(outcome.json()["inputs"][0]["format"], "dig");
            assert_eq!(outcome.stderr_text().lines().count(), 1);
        }
        let piped = hitmap_reading(&["analyze", "-q", "-f", "dig", "-"], log.as_bytes());
        assert_eq!(piped.stderr_text().contains("target /dig"), share.is_some());
        let wrapped: String = log.lines().map(|line| format!("web-1  | {line}\n")).collect();
        let name = "dig inside docker compose logs";
        let outcome = analyze(wrapped, &["--json", "-f", name]).expect_exit(0);
        assert_eq!(outcome.stderr_text().contains("target /dig"), share.is_some());
    }
}

/// An empty input has the format that was named, and none otherwise, whether it is a file, compressed, or in a pipe.
#[test]
fn empty_inputs_are_of_the_format_that_is_named() {
    for (options, expected) in [
        (&[][..], "unknown"),
        (&["-f", "combined"], "combined"),
        (&["-f", "common"], "common"),
        (&["-f", "dig"], "dig"),
        (&["-f", "combined inside syslog"], "combined inside syslog"),
    ] {
        let options = [&["--json"], options].concat();
        let piped = hitmap_reading(&[&["analyze", "-"], &options[..]].concat(), b"");
        for outcome in [analyze("", &options), analyze(gzip(b""), &options), piped] {
            let report = outcome.expect_exit(0).json();
            assert_eq!(report["inputs"][0]["format"], expected, "{options:?}");
        }
    }
}

#[test]
fn mostly_malformed_logs_are_said_even_with_quiet() {
    let bad = |count: usize| "torn\n".repeat(count);
    for (text, is_said) in [
        (views(94) + &bad(6), true),
        (views(95) + &bad(5), false),
        (views(50) + &bad(49), false), // less than 100 lines
        (views(2) + &bad(98), true),
    ] {
        for options in [&["--json"][..], &["--json", "-q"]] {
            let outcome = analyze(&text, options).expect_exit(0);
            let words = outcome.stderr_text();
            assert_eq!(words.contains("% of its 100 lines are malformed"), is_said, "{words}");
            assert!(!is_said || words.contains("no host at the start of the line"), "{words}");
        }
    }
    // Common lines in a combined log.
    let common = "1.1.1.1 - - [05/Mar/2018:14:05:09 +0800] \"GET /c HTTP/1.1\" 200 43\n";
    let text = views(60) + &common.repeat(50);
    let outcome = analyze(text, &["--json", "-q"]).expect_exit(0);
    says(&outcome, &["45 % of its 110 lines are malformed"]);
    assert_eq!(outcome.counts(), (110, 60, 50));
}

#[test]
fn proxies_are_said() {
    let text = |proxies: usize, field: &str, count: usize| -> String {
        let line = |n: usize| {
            view(&format!("10.0.0.{}", n % proxies), &format!("curl/{}", n / 2)).replace('\n', "")
                + &field.replace('N', &(n % 250).to_string())
                + "\n"
        };
        (0..count).map(line).collect()
    };
    for (proxies, field, count, is_said) in [
        (3, " \"198.51.100.N\"", 1_000, true),
        (1, " \"198.51.100.N, 10.0.0.1\"", 1_500, true),
        (3, " \"198.51.100.N\"", 999, false),
        (3, " \"-\"", 1_000, false),
        (3, "", 1_000, false),
        (100, " \"198.51.100.N\"", 1_000, false),
    ] {
        let outcome = analyze(text(proxies, field, count), &["--json"]).expect_exit(0);
        let words = outcome.stderr_text();
        assert_eq!(
            words.contains("probably proxies"),
            is_said,
            "{proxies} {field} {count}: {words}"
        );
    }
}

#[test]
fn visitors_of_one_view_are_said_from_a_thousand_on() {
    for (count, is_said) in [(999, false), (1_000, true)] {
        let outcome = analyze(lines(count), &["--json", "-q"]).expect_exit(0);
        assert_eq!(outcome.stderr_text().contains("has a visitor of its own"), is_said);
    }
    let text = [lines(1_000), line(7).into_bytes()].concat();
    assert_eq!(analyze(text, &["--json"]).expect_exit(0).stderr_text(), "");
    // By users alone, all `-`, each page has one visitor.
    assert_eq!(
        analyze(lines(1_000), &["--json", "--visitor", "user"]).expect_exit(0).stderr_text(),
        ""
    );
}

/// Two in five lines are hostile: the log keeps its format, and its good lines count.
#[test]
fn hostile_lines_do_not_stop_a_log() {
    let hostile: [fn(usize) -> String; 8] = [
        |n| view(&format!("<190>{n}"), "x"),
        |n| view("1.2.3.4", "-").replace(" - - ", &format!(" 10.0.0.{n} - ")),
        |n| view("1.2.3.4", "-").replace(" - - ", &format!(" - 10.0.0.{n} ")),
        |n| view("1.2.3.4", &n.to_string()),
        |n| view("1.2.3.4", &format!("http://spam{n}.example/")),
        |_| view("1.2.3.4", "-").replace("\"-\" \"-\"", "\"Mozilla/5.0\" \"-\""),
        |n| view(&format!("2026-11-24T06:00:00.{n}Z"), "curl/8.1"),
        |n| view(&format!("access.log:1.2.3.{n}"), "curl/8.1"),
    ];
    for hostile in hostile {
        for number in 0..40 {
            assert!(!hostile(number).is_empty());
        }
        // Spread, first, last.
        let good: Vec<String> = views(60).lines().map(|line| format!("{line}\n")).collect();
        let bad: Vec<String> = (0..40).map(hostile).collect();
        let first = bad.concat() + &good.concat();
        let last = good.concat() + &bad.concat();
        for log in [first, last] {
            assert_eq!(name_of(log.as_bytes()), "combined", "{}", bad[0]);
            let outcome = analyze(&log, &["--json"]).expect_exit(0);
            assert!(outcome.total("hits") >= 60, "{}", bad[0]);
        }
    }
}

fn format_of(outcome: &Outcome) -> (Option<i32>, Option<String>, Vec<u64>) {
    if outcome.stdout.is_empty() {
        return (outcome.exit_code, None, Vec::new());
    }
    let format = outcome.json()["inputs"][0]["format"].as_str().map(str::to_owned);
    let totals = ["lines", "hits", "page_views", "unique_visitors", "malformed_lines"];
    (outcome.exit_code, format, totals.iter().map(|key| outcome.total(key)).collect())
}

/// Lines of many formats and wrappings, cut anywhere.
fn mixture() -> impl Strategy<Value = Vec<u8>> {
    let wrapped = (any::<Index>(), any::<Index>()).prop_map(|(wrapping, line)| {
        let lines = twelve_lines(true);
        (wrapping.get(WRAPPINGS).wrap)(line.index(99), &lines[line.index(lines.len())]).into_bytes()
    });
    let line = prop_oneof![
        4 => wrapped,
        2 => random::combined_line(),
        1 => random::common_line(),
        1 => random::beacon_line(),
        1 => vec(any::<u8>(), 0..60),
        1 => select(&["", "\0\0", "{\"log\":\"", "<1>1 - ", "[pod/a/b] ", "#Fields: a", "{}"][..])
            .prop_map(|text: &str| text.as_bytes().to_vec()),
    ];
    (vec(line, 0..30), any::<Index>()).prop_map(|(lines, end)| {
        let mut log = lines.join(&b'\n');
        log.truncate(end.index(log.len() + 1));
        log
    })
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").map_or(cases, |cases| cases.parse().unwrap()),
        failure_persistence: None,
        max_shrink_iters: 300,
        ..ProptestConfig::default()
    })
}

#[test]
fn detection_never_panics() {
    let check = |log: Vec<u8>| {
        for end in (0..log.len()).step_by(7) {
            let _ = detect(&log[..end]);
        }
        prop_assert_eq!(detect(&log), detect(&log));
        Ok(())
    };
    runner(100).run(&mixture(), check).unwrap();
}

#[test]
fn files_pipes_and_windows_agree_on_the_format() {
    let check = |log: Vec<u8>| {
        let folder = Folder::new();
        let (path, zipped) = (folder.write("a.log", &log), folder.write("a.gz", gzip(&log)));
        let (path, zipped) = (path.to_str().unwrap(), zipped.to_str().unwrap());
        let expected = format_of(&hitmap(&["analyze", "--json", path]));
        prop_assert!(matches!(expected.0, Some(0 | 1 | 3)));
        for arguments in [
            &["--no-mmap", path][..],
            &["-j1", "--window", "1", path],
            &["-j3", "--window", "1KiB", path],
            &[zipped],
            &["-j3", zipped],
        ] {
            let found = format_of(&hitmap(&[&["analyze", "--json"], arguments].concat()));
            prop_assert_eq!(&found, &expected, "{:?}\n{}", arguments, log.escape_ascii());
        }
        let piped = format_of(&hitmap_reading(&["analyze", "--json", "-"], &log));
        prop_assert_eq!(&piped, &expected, "{}", log.escape_ascii());
        Ok(())
    };
    runner(50).run(&mixture(), check).unwrap();
}

/// Logs of several blocks: what comes later changes nothing.
#[test]
fn the_first_lines_decide_in_every_way_of_reading() {
    let folder = Folder::new();
    let plain = log(90_000, 3);
    let wrapped: Vec<u8> = plain
        .split_inclusive(|&byte| byte == b'\n')
        .flat_map(|line| [b"web-1  | ", line].concat())
        .collect();
    assert!(plain.len() > 9 << 20, "more than a block");
    for log in [[&plain[..], &wrapped].concat(), [&wrapped[..], &plain].concat()] {
        let (path, zipped) = (folder.write("a.log", &log), folder.write("a.gz", gzip(&log)));
        let (path, zipped) = (path.to_str().unwrap(), zipped.to_str().unwrap());
        let expected = format_of(&hitmap(&["analyze", "--json", path]));
        assert_eq!(expected.0, Some(0));
        for arguments in [&["--no-mmap", path][..], &["--window", "1MiB", path], &[zipped]] {
            let found = format_of(&hitmap(&[&["analyze", "--json"], arguments].concat()));
            assert_eq!(found, expected, "{arguments:?}");
        }
        assert_eq!(format_of(&hitmap_reading(&["analyze", "--json", "-"], &log)), expected);
    }
    assert_eq!((VIEWS, VISITORS), (12, 8));
}

/// A combined line of each of these hosts.
fn views_of(hosts: &[&str]) -> String {
    hosts.iter().map(|host| view(host, "curl/8.1")).collect()
}

/// `17:2001:db8::1` is an address by its letters, but no client's: it is a line's number, also on two lines.
#[test]
fn line_numbers_before_addresses_of_ipv6_are_no_part_of_them() {
    for (hosts, expected, visitors) in [
        (&["1:fe80::1", "18:fe80::1"][..], "combined inside grep -n", 1),
        (&["1:2001:db8::1", "2:2001:db8::2", "3:2001:db8::1"], "combined inside grep -n", 2),
        (&["a.log:1:fe80::1", "a.log:18:fe80::1"], "combined inside grep -Hn", 1),
        (&["a.log:1:fe80::1", "b.log:1:fe80::1"], "combined inside grep -Hn", 1),
        (
            &["1:fe80::1, 10.0.0.1", "2:fe80::1, 10.0.0.2"],
            "combined with lists of addresses inside grep -n",
            1,
        ),
        // Numbers that begin addresses, too, stand among others that do not.
        (&["2399:fe80::1", "2400:fe80::1", "2401:fe80::1"], "combined inside grep -n", 1),
        (&["2400:fe80::1", "2401:fe80::1", "2402:1.2.3.4"], "combined inside grep -n", 2),
        (
            &["a.log:2001:fe80::1", "a.log:2400:fe80::1", "b.log:9:fe80::1", "b.log:64:fe80::1"],
            "combined inside grep -Hn",
            1,
        ),
    ] {
        let outcome = analyze(views_of(hosts), &["--json"]).expect_exit(0);
        assert_eq!(outcome.json()["inputs"][0]["format"], expected, "{hosts:?}");
        assert_eq!(outcome.total("unique_visitors"), visitors, "{hosts:?}");
        assert!(!outcome.stderr_text().contains("can be read"), "{}", outcome.stderr_text());
    }
}

/// Lines of context have `-` where hits have `:`. They are no hosts of their own.
#[test]
fn context_lines_of_grep_are_no_other_clients() {
    for hosts in [
        &["16-1.2.3.4", "17:1.2.3.4", "18-1.2.3.4"][..],
        &["16-1.2.3.4", "17:fe80::1", "18-fe80::1"],
        &["a.log-1.2.3.4", "a.log:1.2.3.4", "a.log-1.2.3.4"],
        &["a.log-16-1.2.3.4", "a.log:17:1.2.3.4", "a.log-18-1.2.3.4"],
    ] {
        let outcome = analyze(views_of(hosts), &[]).expect_exit(3);
        says(&outcome, &["neither an address nor a host name"]);
    }
    // A hit and one line of context each: hits count, the others are malformed.
    let outcome = analyze(views_of(&["17:1.2.3.4", "18-1.2.3.4"]), &["--json"]).expect_exit(0);
    assert_eq!(outcome.counts(), (2, 1, 1));
}

/// `2410:2a02::1` is an address of a client, with and without the number.
#[test]
fn numbers_that_ascend_before_addresses_of_ipv6_are_doubted() {
    for (hosts, numbered) in [
        (&["2400:fe80::1", "2401:fe80::1"][..], "grep -n"),
        (&["2001:2001:db8::1", "2002:2001:db8::2", "2899:fd00::1"], "grep -n"),
        (&["a.log:2001:fe80::1", "a.log:2400:fe80::1"], "grep -Hn"),
        (&["a.log:2400:fe80::1", "b.log:2001:fe80::1"], "grep -Hn"),
    ] {
        let log = views_of(hosts);
        let outcome = analyze(&log, &["--json"]).expect_exit(3);
        let cure = format!("Name the format with --log-format: 'combined inside {numbered}' if");
        says(&outcome, &["those of grep -n", &cure, "For instance: \""]);
        // Both cures work; the one that may be wrong warns.
        let named = format!("combined inside {numbered}");
        let outcome = analyze(&log, &["--json", "-f", &named]).expect_exit(0);
        assert_eq!(outcome.stderr_text(), "");
        let plain = if numbered == "grep -n" { "combined" } else { "combined inside grep -H" };
        let outcome = analyze(&log, &["--json", "-q", "-f", plain]).expect_exit(0);
        says(&outcome, &["visitors may be wrong", "name 'combined inside grep"]);
        assert_eq!(outcome.total("unique_visitors"), hosts.len() as u64);
    }
}

/// Addresses that begin with decimal digits are addresses, whatever their order.
#[test]
fn clients_of_ipv6_are_not_doubted() {
    for hosts in [
        &["2001:db8::1", "2003:e1::1", "2400:cb00::1"][..],
        &["2001:db8::1", "2003:e1::1", "2400:cb00::1", "2606:4700::1", "2800:3f0::1", "2a02::1"],
        &["2001:2003:f0::1"],
        &["2001:2003:f0::1", "2001:2003:f0::1", "2001:2003:f0::2"],
        &["2001:2003:f0::1", "2400:2410::1", "2001:2003:f0::1"],
        &["2001:2003:f0::1", "2400:2410::1", "2001:db8::1"],
        &["2400:2410:1:2:3:4:5:6", "2600:2600:1:2:3:4:5:6"],
        &["64:ff9b::102:304", "100::1", "::1", "::ffff:1.2.3.4", "fd00::1"],
    ] {
        let outcome = analyze(views_of(hosts), &["--json"]).expect_exit(0);
        assert_eq!(outcome.json()["inputs"][0]["format"], "combined", "{hosts:?}");
        let distinct: HashSet<&&str> = hosts.iter().collect();
        assert_eq!(outcome.total("unique_visitors"), distinct.len() as u64, "{hosts:?}");
        assert_eq!(outcome.stderr_text(), "", "{hosts:?}");
    }
}
