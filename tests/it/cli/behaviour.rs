//! The command line's contract: exit codes, what goes to which stream, options that change the output.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{
    Folder, Outcome, PROGRAM, as_nobody, assert_harmless, command, end_of, full_device, hitmap,
    hitmap_reading, needs, run, start,
};

const LINE: &str =
    "1.1.1.1 - - [05/Mar/2018:14:05:09 +0800] \"GET /a/1.html HTTP/1.1\" 200 43 \"-\" \"UA/1\"\n";
const BAD: &str = "not a log line\n";

/// Runs `hitmap analyze OPTIONS PATHS` and compares the exit code.
#[track_caller]
fn check(options: &[&str], paths: &[&Path], exit_code: i32) -> Outcome {
    let mut arguments: Vec<OsString> = vec!["analyze".into()];
    arguments.extend(options.iter().map(OsString::from));
    arguments.extend(paths.iter().map(OsString::from));
    hitmap(&arguments).expect_exit(exit_code)
}

/// The same with `--json`: the totals.
#[track_caller]
fn check_totals(options: &[&str], paths: &[&Path], exit_code: i32, totals: Value) -> Outcome {
    let outcome = check(&[options, &["--json"]].concat(), paths, exit_code);
    let report = outcome.json();
    for (name, value) in totals.as_object().unwrap() {
        assert_eq!(report["totals"][name], *value, "{name}; stderr: {}", outcome.stderr_text());
    }
    outcome
}

#[test]
fn a_log_is_fine() {
    let folder = Folder::new();
    let log = folder.write("a.log", LINE.repeat(3));
    let outcome = check(&[], &[&log], 0);
    let text = outcome.stdout_text();
    assert!(text.contains("/a/1.html"), "{text}");
    assert_eq!(outcome.stderr_text(), "");
    check_totals(&[], &[&log], 0, json!({"lines": 3, "page_views": 3, "unique_visitors": 1}));
}

#[test]
fn help_and_version_are_fine() {
    for arguments in [&["--help"][..], &["--version"], &["analyze", "--help"], &["analyze", "-h"]] {
        let outcome = hitmap(arguments).expect_exit(0);
        assert!(!outcome.stdout.is_empty() && outcome.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn nothing_parsed_is_1_and_3_beside_others() {
    let folder = Folder::new();
    let log = folder.write("a.log", BAD.repeat(2));
    let outcome =
        check_totals(&[], &[&log], 1, json!({"lines": 2, "malformed_lines": 2, "page_views": 0}));
    assert!(!outcome.stderr.is_empty());
    let good = folder.write("b.log", LINE);
    let outcome = check_totals(
        &[],
        &[&log, &good],
        3,
        json!({"lines": 3, "malformed_lines": 2, "page_views": 1}),
    );
    assert!(outcome.stderr_text().contains("a.log"), "{}", outcome.stderr_text());
}

#[test]
fn wrong_usage_is_2() {
    let folder = Folder::new();
    let log = folder.write("a.log", LINE);
    for options in [
        &["--no-such-option"][..],
        &["--json", "--cells", "-"],
        &["--log-format", "nonsense"],
        &["--count", "everything"],
        &["--threads", "many"],
        &["--window", "big"],
        &["--max-invalid", "-1"],
        &["--max-invalid", "some"],
        &["--color", "blue"],
        &["--top", "x"],
    ] {
        let outcome = check(options, &[&log], 2);
        assert!(outcome.stdout.is_empty() && !outcome.stderr.is_empty(), "{options:?}");
    }
    hitmap(&["no-such-command"]).expect_exit(2);
    hitmap::<&str>(&[]).expect_exit(2);
}

#[test]
fn an_unreadable_input_is_3_and_the_rest_is_counted() {
    let folder = Folder::new();
    let log = folder.write("a.log", LINE);
    let below_a_file = log.join("b.log");
    for bad in [folder.path("missing.log"), folder.path(""), below_a_file, "/proc/self/mem".into()]
    {
        for paths in [[&*bad, &*log], [&*log, &*bad]] {
            let outcome = check_totals(&[], &paths, 3, json!({"lines": 1, "page_views": 1}));
            let name = bad.file_name().unwrap().to_string_lossy().into_owned();
            assert!(outcome.stderr_text().contains(&name), "{name}: {}", outcome.stderr_text());
        }
        let outcome = check(&[], &[&bad], 3);
        assert!(!outcome.stderr.is_empty());
    }
}

#[test]
fn a_forbidden_file_is_3() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let folder = Folder::new();
    mode(&folder.path(""), 0o755);
    let log = folder.write("a.log", LINE);
    let forbidden = folder.write("b.log", LINE);
    mode(&forbidden, 0o000);
    let [log, forbidden] = [&log, &forbidden].map(|path| path.to_str().unwrap());
    let outcome = needs!(as_nobody(&folder, &["analyze", "--json", forbidden, log]));
    let outcome = outcome.expect_exit(3);
    assert_eq!(outcome.total("lines"), 1);
    assert!(outcome.stderr_text().contains("b.log"), "{}", outcome.stderr_text());
}

#[test]
fn an_output_that_cannot_be_written_is_4() {
    let folder = Folder::new();
    let log = folder.write("a.log", LINE);
    let nowhere = folder.path("no/such/folder/out");
    let nowhere = nowhere.to_str().unwrap();
    check(&["--cells", nowhere], &[&log], 4);
    check(&["--invalid-lines", nowhere], &[&log], 4);
    let full = needs!(full_device());
    let mut command = command(&[OsStr::new("analyze"), log.as_os_str()]);
    let status = command.stdout(full).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(4));
}

#[test]
fn empty_files_are_fine() {
    let folder = Folder::new();
    let (empty, log) = (folder.write("empty.log", ""), folder.write("a.log", LINE));
    let other = folder.write("b.log", LINE.replace(" 200 ", " 304 "));
    check_totals(&[], &[&empty], 0, json!({"lines": 0, "first": null}));
    check(&[], &[&empty], 0);
    check_totals(&[], &[&log, &empty, &other], 0, json!({"lines": 2, "page_views": 2}));
    let blank = folder.write("blank.log", "\n\r\n");
    check_totals(&[], &[&blank], 0, json!({"lines": 2, "empty_lines": 2}));
}

#[test]
fn the_last_line_needs_no_end() {
    let folder = Folder::new();
    let log = folder.write("a.log", format!("{LINE}{}", LINE.trim_end()));
    check_totals(&[], &[&log], 0, json!({"lines": 2, "page_views": 2}));
    // A file's tail and the next file's head are two lines.
    let other = folder.write("b.log", LINE.replace(" 200 ", " 304 "));
    check_totals(
        &[],
        &[&log, &other],
        0,
        json!({"lines": 3, "page_views": 3, "malformed_lines": 0}),
    );
}

#[test]
fn a_file_given_twice_is_counted_once() {
    let folder = Folder::new();
    let log = folder.write("a.log", LINE);
    let (hard, soft) = (folder.path("hard.log"), folder.path("soft.log"));
    fs::hard_link(&log, &hard).unwrap();
    std::os::unix::fs::symlink(&log, &soft).unwrap();
    for paths in [[&*log, &log], [&*log, &hard], [&*soft, &log]] {
        let outcome = check_totals(&[], &paths, 0, json!({"lines": 1, "page_views": 1}));
        assert!(!outcome.stderr.is_empty(), "{paths:?}: a word about it");
    }
    let copy = folder.write("copy.log", LINE);
    check_totals(&[], &[&log, &copy], 0, json!({"lines": 1, "unique_visitors": 1}));
}

#[test]
fn standard_input_is_an_input() {
    let folder = Folder::new();
    let log = folder.write("a.log", LINE.replace(" 200 ", " 304 "));
    let log = log.to_str().unwrap();
    for (arguments, lines) in [(&["-"][..], 2), (&[], 2), (&["-", log], 3), (&[log, "-"], 3)] {
        let arguments = [&["analyze", "--json"], arguments].concat();
        let report = hitmap_reading(&arguments, LINE.repeat(2).as_bytes()).expect_exit(0).json();
        assert_eq!(report["totals"]["lines"], lines, "{arguments:?}");
    }
    let report = hitmap_reading(&["analyze", "--json", "-"], LINE.as_bytes()).json();
    assert_eq!(report["inputs"][0]["path"], "-");
    hitmap_reading(&["analyze", "-"], b"").expect_exit(0);
}

#[test]
fn a_named_pipe_is_an_input() {
    let folder = Folder::new();
    let pipe = needs!(folder.fifo("pipe"));
    std::thread::scope(|scope| {
        scope.spawn(|| fs::write(&pipe, LINE.repeat(5)).unwrap());
        check_totals(&[], &[&pipe], 0, json!({"lines": 5, "page_views": 5}));
    });
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let folder = Folder::new();
    let log: String = (0..20_000).map(|n| LINE.replace("/a/1", &format!("/{n}/x"))).collect();
    let log = folder.write("a.log", log);
    let mut child = start(&mut command(&["analyze", "--cells", "-", log.to_str().unwrap()]));
    let mut first = String::new();
    BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("{\"site\":\"default\",\"granularity\":\"day\""), "{first}");
    assert_eq!(end_of(child).expect_exit(0).stderr_text(), "");
}

#[test]
fn a_pipe_gets_no_colour() {
    let folder = Folder::new();
    let log = folder.write("a.log", [LINE, BAD].concat());
    let outcome = check(&[], &[&log], 0);
    assert_harmless(&outcome.stdout, false);
    assert_harmless(&outcome.stderr, false);
    assert!(check(&["--color=always"], &[&log], 0).stdout.contains(&0x1b));
    assert!(!check(&["--color=never"], &[&log], 0).stdout.contains(&0x1b));
}

/// With `script` standing in for a terminal.
#[test]
fn a_terminal_gets_colour_unless_it_says_no() {
    let folder = Folder::new();
    let log = folder.write("a.log", [LINE, BAD].concat());
    let shown = |variable: &str, value: &str| {
        let line = format!("{} analyze --progress never {}", PROGRAM, log.display());
        let mut script = Command::new("script");
        script
            .args(["-qec", &line, "/dev/null"])
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR");
        script.env(variable, value).stdin(Stdio::null());
        let output = script.output().map_err(|error| format!("no script(1) here: {error}"))?;
        Ok::<_, String>(output.stdout)
    };
    let colourful = needs!(shown("LC_ALL", "C.UTF-8"));
    assert!(colourful.contains(&0x1b), "{}", String::from_utf8_lossy(&colourful));
    for (variable, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let plain = shown(variable, value).unwrap();
        assert!(!plain.contains(&0x1b), "{variable}: {}", String::from_utf8_lossy(&plain));
    }
}

#[test]
fn file_names_are_only_text() {
    let folder = Folder::new();
    let names: [&[u8]; 5] = [
        b"-x.log",
        b"\x1b]0;owned\x07\n.log",
        b"a b\t.log",
        b"\xff\x9b31m.log",
        "\u{202e}gol.a".as_bytes(),
    ];
    for name in names {
        let path = folder.write(OsStr::from_bytes(name), [LINE, BAD].concat());
        let missing = folder.path(OsStr::from_bytes(&[b"missing", name].concat()));
        for options in [&[][..], &["--stats"], &["--color=always"]] {
            let outcome = check(options, &[&path, &missing, &path], 3);
            assert_harmless(&outcome.stdout, options == ["--color=always"]);
            assert_harmless(&outcome.stderr, options == ["--color=always"]);
        }
        check_totals(&[], &[&path], 0, json!({"lines": 2}));
    }
    let mut dashed = command(&["analyze", "--json", "--", "-x.log"]);
    dashed.current_dir(folder.path(""));
    let report = run(&mut dashed).expect_exit(0).json();
    assert_eq!(report["inputs"][0]["path"], "-x.log");
}

#[test]
fn max_invalid_is_a_limit() {
    let folder = Folder::new();
    let log = folder.write("a.log", [LINE, LINE, LINE, BAD].concat());
    for (limit, exit_code) in
        [("1", 0), ("0", 1), ("25%", 0), ("24%", 1), ("100%", 0), ("0%", 1), ("1000000", 0)]
    {
        let outcome = check(&["--max-invalid", limit], &[&log], exit_code);
        assert_eq!(outcome.stderr.is_empty(), exit_code == 0, "{limit}: {}", outcome.stderr_text());
    }
    let good = folder.write("b.log", LINE);
    check(&["--max-invalid", "0"], &[&good], 0);

    let cells = folder.path("cells.csv"); // beyond the limit nothing is written
    let outcome = check(&["--max-invalid=0", "--cells", cells.to_str().unwrap()], &[&log], 1);
    assert!(outcome.stdout.is_empty() && !cells.exists());
}

#[test]
fn invalid_lines_are_kept_as_they_are() {
    let folder = Folder::new();
    let bad = ["first\u{1b}[2J\n", "second\r\n", "third"];
    let a = folder.write("a.log", [LINE, bad[0], LINE, "\n", bad[1]].concat());
    let b = folder.write("b.log", [LINE, bad[2]].concat());
    let kept = folder.path("bad.txt");
    for threads in ["1", "5"] {
        check(&["--invalid-lines", kept.to_str().unwrap(), "-j", threads], &[&a, &b], 0);
        let text = fs::read_to_string(&kept).unwrap().replace('\r', "");
        assert_eq!(text.trim_end(), "first\u{1b}[2J\nsecond\nthird");
    }
}

#[test]
fn malformed_samples_say_where_and_why() {
    let folder = Folder::new();
    let log = folder.write("a.log", [LINE, "\n", BAD, LINE, &BAD.repeat(20)].concat());
    let report = check(&["--json"], &[&log], 0).json();
    let samples = report["malformed_samples"].as_array().unwrap();
    assert_eq!(samples.len(), 10);
    assert_eq!(samples[0]["path"], log.to_str().unwrap());
    assert_eq!(samples[0]["line"], 3);
    assert_eq!(samples[0]["offset"], LINE.len() + 1);
    assert_eq!(samples[0]["text"], BAD.trim_end());
    assert_eq!(samples[1]["line"], 5);
    assert!(samples.iter().all(|sample| !sample["reason"].as_str().unwrap().is_empty()));
}

#[test]
fn stats_and_quiet() {
    let folder = Folder::new();
    let log = folder.write("a.log", LINE);
    let plain = check(&[], &[&log], 0);
    let stats = check(&["--stats"], &[&log], 0);
    assert!(!stats.stderr.is_empty());
    assert_eq!(stats.stdout_text().lines().count(), plain.stdout_text().lines().count());
    let report: Value = check(&["--json", "--stats"], &[&log], 0).json();
    assert_eq!(report["totals"]["lines"], 1);
    for option in ["-q", "--quiet"] {
        let outcome = check(&[option], &[&log, &log], 0);
        assert_eq!(outcome.stderr_text(), "", "{option}");
    }
}

#[test]
fn the_json_has_every_promised_key() {
    let folder = Folder::new();
    let log = folder.write("a.log", [LINE, BAD].concat());
    let report = check(&["--json", "--site", "shop", "--top", "1"], &[&log], 0).json();
    assert_eq!(report["schema_version"], 1);
    let bytes = LINE.len() + BAD.len();
    let inputs =
        json!([{"path": log.to_str().unwrap(), "bytes": bytes, "lines": 2, "format": "combined"}]);
    assert_eq!(report["inputs"], inputs);
    let definition = &report["definition"];
    assert_eq!(definition["count"], "page-views");
    assert_eq!(definition["visitor"], "ip+ua");
    assert_eq!(definition["tz"], "as written");
    assert_eq!(definition["page"], "path without query");
    assert_eq!(report["totals"]["first"], "2018-03-05T14:05:09");
    assert_eq!(report["days"], json!([{"site": "shop", "bucket": "2018-03-05", "pv": 1, "uv": 1}]));
    assert_eq!(
        report["hours"],
        json!([{"site": "shop", "bucket": "2018-03-05T14", "pv": 1, "uv": 1}])
    );
    assert_eq!(report["sections"], json!([{"site": "shop", "section": "/a/", "pv": 1, "uv": 1}]));
    let page = json!([{"site": "shop", "page": "/a/1.html", "section": "/a/", "pv": 1, "uv": 1}]);
    assert_eq!(report["pages"], page);
    for key in ["seconds", "bytes_per_second", "lines_per_second", "threads"] {
        assert!(report["timing"][key].is_number(), "{key}");
    }
}

#[test]
fn top_limits_the_rankings_only() {
    let folder = Folder::new();
    let log: String = (0..30).map(|n| LINE.replace("/a/1", &format!("/s{n:02}/x"))).collect();
    let log = folder.write("a.log", log);
    for (options, rows) in [(&[][..], 10), (&["--top", "3"], 3), (&["--top", "100"], 30)] {
        let report = check(&[options, &["--json"]].concat(), &[&log], 0).json();
        assert_eq!(report["sections"].as_array().unwrap().len(), rows);
        assert_eq!(report["pages"].as_array().unwrap().len(), rows);
        assert_eq!(report["page_count"], 30);
        assert_eq!(report["cells"]["day"]["page"], 30);
    }
}

#[test]
fn cells_as_csv_are_the_cells_as_ndjson() {
    let folder = Folder::new();
    let pages = ["/a", "/a,b/c", "/q\\\"u\\\"/", "/\u{fc}/\u{1b}", "/=1+1", "/a\rb"];
    let log: String = pages.iter().map(|page| LINE.replace("/a/1.html", page)).collect();
    let log = folder.write("a.log", log);
    let csv = folder.path("cells.csv");
    check(&["--cells", csv.to_str().unwrap()], &[&log], 0);
    let csv = fs::read_to_string(csv).unwrap();
    let mut rows = csv.split_terminator('\n').map(csv_fields);
    assert_eq!(rows.next().unwrap().join(","), "site,granularity,bucket,section,page,pv,uv");
    let ndjson = check(&["--cells", "-"], &[&log], 0).stdout_text();
    let expected = ndjson.lines().map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| {
            value.as_str().map_or_else(|| value.to_string().replace("null", ""), str::to_owned)
        };
        row.as_object().unwrap().values().map(text).collect::<Vec<String>>()
    });
    assert!(rows.eq(expected), "{csv}\n{ndjson}");
}

/// The fields of a record without a line end in a field (RFC 4180 section 2).
fn csv_fields(record: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut is_quoted = false;
    let mut characters = record.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.next_if_eq(&'"').is_some() => {
                fields.last_mut().unwrap().push('"')
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(String::new()),
            _ => fields.last_mut().unwrap().push(character),
        }
    }
    fields
}

#[test]
fn options_that_change_what_is_counted() {
    let folder = Folder::new();
    let other = LINE
        .replace("\"UA/1\"", "\"UB/1\"")
        .replace("/a/1.html", "/list/7.html")
        .replace("200", "404");
    let log = folder.write("a.log", [LINE, &other].concat());
    check_totals(
        &[],
        &[&log],
        0,
        json!({"hits": 2, "page_views": 1, "unique_visitors": 1, "not_found": 1}),
    );
    check_totals(&["--count=hits"], &[&log], 0, json!({"page_views": 2, "unique_visitors": 2}));
    check_totals(
        &["--count=hits", "--visitor=ip"],
        &[&log],
        0,
        json!({"page_views": 2, "unique_visitors": 1}),
    );
    check_totals(&["-f", "common"], &[&log], 1, json!({"hits": 0, "malformed_lines": 2}));
    check_totals(&["--tz=UTC"], &[&log], 0, json!({"first": "2018-03-05T06:05:09"}));
    check_totals(&["--tz=-03:30"], &[&log], 0, json!({"first": "2018-03-05T02:35:09"}));
    check_totals(&["--tz=Europe/Berlin"], &[&log], 0, json!({"first": "2018-03-05T07:05:09"}));
    let options = ["--json", "--count=hits", "--group", "list=/list/{}.html"];
    let report = check(&options, &[&log], 0).json();
    let sections: Vec<&Value> =
        report["sections"].as_array().unwrap().iter().map(|row| &row["section"]).collect();
    assert_eq!(sections, ["-", "list"]);
}

/// Compressions that are not read are refused by name, not counted as malformed lines, and the rest is counted.
#[test]
fn compressed_inputs_are_refused_by_name() {
    let folder = Folder::new();
    let good = folder.write("good.log", fs::read("testdata/parse/combined/everyday.log").unwrap());
    for (magic, name) in [
        (&b"\x28\xb5\x2f\xfd\0"[..], "zstd"),
        (b"\x50\x2a\x4d\x18\0\0\0\0", "zstd"),
        (b"\xfd7zXZ\0\n", "xz"),
        (b"BZh91AY&SY\n", "bzip2"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"PK\x03\x04", "zip"),
    ] {
        let packed = folder.write("packed", magic);
        for more in [&[][..], &["--no-mmap"]] {
            let arguments =
                [&["analyze", "--json", packed.to_str().unwrap(), good.to_str().unwrap()], more]
                    .concat();
            let outcome = hitmap(&arguments).expect_exit(3);
            assert!(outcome.stderr_text().contains(name), "{}", outcome.stderr_text());
            assert_eq!(
                outcome.json()["totals"]["malformed_lines"].as_u64(),
                clean_malformed(&good)
            );
        }
        let outcome = hitmap_reading(&["analyze", "-"], magic).expect_exit(3);
        assert!(outcome.stderr_text().contains(name), "{}", outcome.stderr_text());
    }
}

fn clean_malformed(path: &std::path::Path) -> Option<u64> {
    let report = hitmap(&["analyze", "--json", path.to_str().unwrap()]).expect_exit(0).json();
    report["totals"]["malformed_lines"].as_u64()
}
