//! What has broken tools like this one, each case with the numbers written by hand. The oracle has to agree as well,
//! and so has a terminal: whatever a line holds, the report shows no byte that a terminal would act on.

use serde_json::Value;

use crate::contract::check_report;
use crate::harness::{Folder, assert_harmless, hitmap, hitmap_reading};
use crate::oracle::{self, Format, Rules};

/// The numbers of a log, by hand: `[hits, page views, malformed, empty]`, and `(page, PV, UV)` by PV, then by name.
#[track_caller]
fn check(log: impl AsRef<[u8]>, counts: [u64; 4], pages: &[(&str, u64, u64)]) -> Value {
    check_with(&[], Rules::default(), log, counts, pages)
}

/// The same with options of the program, and what they are to the oracle.
#[track_caller]
fn check_with(
    options: &[&str],
    rules: Rules,
    log: impl AsRef<[u8]>,
    counts: [u64; 4],
    pages: &[(&str, u64, u64)],
) -> Value {
    let log = log.as_ref();
    let answer = oracle::analyze(&[log], &rules);
    let found = [answer.hits, answer.page_views, answer.malformed, answer.empty];
    assert_eq!(found, counts, "the oracle's hits, page views, malformed, empty");
    let exit_code = i32::from(counts[0] == 0 && counts[2] > 0);
    let folder = Folder::new();
    let path = folder.write("access.log", log);
    let run = |more: &[&str]| {
        let arguments = [&["analyze", path.to_str().unwrap()], options, more].concat();
        hitmap(&arguments).expect_exit(exit_code)
    };
    let report = run(&["--json", "--top=1000000"]).json();
    let totals = &report["totals"];
    let found = ["hits", "page_views", "malformed_lines", "empty_lines"]
        .map(|name| totals[name].as_u64().unwrap());
    assert_eq!(found, counts, "hits, page views, malformed, empty: {totals:#}");
    let rows = report["pages"].as_array().unwrap().iter();
    let rows: Vec<(&str, u64, u64)> = rows
        .map(|row| {
            (
                row["page"].as_str().unwrap(),
                row["pv"].as_u64().unwrap(),
                row["uv"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(rows, pages);
    check_report(&answer, &report);
    for (colour, is_colour_allowed) in [("auto", false), ("always", true)] {
        let outcome = run(&["--color", colour]);
        assert_harmless(&outcome.stdout, is_colour_allowed);
        assert_harmless(&outcome.stderr, is_colour_allowed);
    }
    report
}

/// A combined line with its end, whose fields are all harmless but the one given.
fn line(field: &str, text: impl AsRef<[u8]>) -> Vec<u8> {
    let fields = [
        ("host", "", "1.1.1.1"),
        ("user", " - ", "-"),
        ("time", " [", "05/Mar/2018:14:05:09 +0800"),
        ("request", "] \"", "GET /a/1.html HTTP/1.1"),
        ("status", "\" ", "200"),
        ("size", " ", "43"),
        ("referrer", " \"", "-"),
        ("agent", "\" \"", "UA/1"),
        ("end", "\"", "\n"),
    ];
    assert!(fields.iter().any(|(name, ..)| *name == field), "{field}");
    let mut line = Vec::new();
    for (name, before, usual) in fields {
        line.extend_from_slice(before.as_bytes());
        line.extend_from_slice(if name == field { text.as_ref() } else { usual.as_bytes() });
    }
    line
}

fn good() -> Vec<u8> {
    line("end", "\n")
}

/// One line for each text.
fn lines<T: AsRef<[u8]>>(field: &str, texts: &[T]) -> Vec<u8> {
    texts.iter().flat_map(|text| line(field, text)).collect()
}

const PAGE: &str = "/a/1.html";

#[test]
fn lines_longer_than_any_buffer() {
    let agents = [4_096, 4_097, 65_536, 1 << 20, 17 << 20].map(|length| vec![b'x'; length]);
    let log = lines("agent", &agents);
    check(&log, [5, 5, 0, 0], &[(PAGE, 5, 5)]);
    check_with(&["--no-mmap"], Rules::default(), &log, [5, 5, 0, 0], &[(PAGE, 5, 5)]);
    let report = hitmap_reading(&["analyze", "--json"], &log).expect_exit(0).json();
    check_report(&oracle::analyze(&[&log], &Rules::default()), &report);
}

#[test]
fn a_file_without_any_line_end() {
    let report = check(vec![b'x'; 40 << 20], [0, 0, 1, 0], &[]);
    assert_eq!(report["totals"]["lines"], 1);
    assert!(report["malformed_samples"][0]["text"].as_str().unwrap().len() < 10_000);
}

#[test]
fn nul_bytes_and_holes() {
    let hole = [&vec![0; 5_000][..], b"\n"].concat();
    check([good(), hole, good()].concat(), [2, 2, 0, 1], &[(PAGE, 2, 1)]);
    let hole_before_a_line = [vec![0; 100], good()].concat(); // passed over: the same visitor
    check([good(), hole_before_a_line].concat(), [2, 2, 0, 0], &[(PAGE, 2, 1)]);
    let elsewhere = lines("host", &["1.1.1.1", "1.1.1.1", "1.1.1.1\0", "1\0.1.1.1"]); // only at the start
    check(elsewhere, [4, 4, 0, 0], &[(PAGE, 4, 3)]);
    check(lines("request", &["GET /a\0b HTTP/1.1"]), [1, 1, 0, 0], &[("/a\0b", 1, 1)]);
    check(lines("agent", &["a\0", "a"]), [2, 2, 0, 0], &[(PAGE, 2, 2)]);
}

#[test]
fn bytes_that_are_not_utf8() {
    let requests: [&[u8]; 6] = [
        b"GET /caf\xe9/x HTTP/1.1",           // Latin-1
        b"GET /\xc0\xaf HTTP/1.1",            // overlong
        b"GET /\xe2\x82 HTTP/1.1",            // cut
        b"GET /\xed\xa0\x80 HTTP/1.1",        // a surrogate
        "GET /caf\u{e9} HTTP/1.1".as_bytes(), // UTF-8 stays
        b"GET /\\xc0\\xaf HTTP/1.1",          // the text of the second: the same page
    ];
    let pages = [
        ("/\\xc0\\xaf", 2, 1),
        ("/\\xe2\\x82", 1, 1),
        ("/\\xed\\xa0\\x80", 1, 1),
        ("/caf\\xe9/x", 1, 1),
        ("/caf\u{e9}", 1, 1),
    ];
    check(lines("request", &requests), [6, 6, 0, 0], &pages);
    check(lines("agent", &[b"\xe9", b"\xe8", b"\xe9"]), [3, 3, 0, 0], &[(PAGE, 3, 2)]);
}

#[test]
fn a_byte_order_mark() {
    let marked = [b"\xef\xbb\xbf", &good()[..]].concat();
    check([&marked[..], &good()].concat(), [2, 2, 0, 0], &[(PAGE, 2, 1)]);
    check([good(), marked].concat(), [2, 2, 0, 0], &[(PAGE, 2, 2)]); // only the file's first bytes are a mark
    check("\u{feff}", [0, 0, 0, 0], &[]);
    check("\u{feff}\n", [0, 0, 0, 1], &[]);
}

#[test]
fn line_ends() {
    check(lines("end", &["\r\n", "\r\n"]), [2, 2, 0, 0], &[(PAGE, 2, 1)]);
    check([good(), b"\r\n\n".to_vec(), good()].concat(), [2, 2, 0, 2], &[(PAGE, 2, 1)]);
    check(line("end", "\r\r\n"), [1, 1, 0, 0], &[(PAGE, 1, 1)]); // one CR goes; the other is a blank
    check(line("end", " \r\r\n"), [1, 1, 0, 0], &[(PAGE, 1, 1)]);
    check(line("end", ""), [1, 1, 0, 0], &[(PAGE, 1, 1)]);
    check(line("request", "GET /a HTTP/1.1\r"), [1, 0, 0, 0], &[]);
    check(line("request", "GET /a\rb HTTP/1.1"), [1, 1, 0, 0], &[("/a\rb", 1, 1)]);
    let separators = ["GET /\u{2028}\u{b}\u{85} HTTP/1.1", "GET /\u{c} HTTP/1.1"]; // none of them ends a line
    let pages = [("/\u{c}", 1, 1), ("/\u{2028}\u{b}\u{85}", 1, 1)];
    check(lines("request", &separators), [2, 2, 0, 0], &pages);
}

#[test]
fn tiny_files() {
    check("", [0, 0, 0, 0], &[]);
    check("\n", [0, 0, 0, 1], &[]);
    check("\r\n\r\n", [0, 0, 0, 2], &[]);
    check("x", [0, 0, 1, 0], &[]);
    check(" \n", [0, 0, 1, 0], &[]); // blanks are not an empty line
}

#[test]
fn a_torn_last_line() {
    let whole = good();
    for length in [1, 10, 30, 60, whole.len() - 2] {
        let torn = [&whole[..], &whole[..length]].concat();
        check(torn, [1, 1, 1, 0], &[(PAGE, 1, 1)]);
    }
}

#[test]
fn lines_of_other_programs() {
    let other =
        "2018-03-05T00:00:00 host newsyslog[123]: logfile turned over\n#Fields: date time c-ip\n";
    check([other.as_bytes(), &good()].concat(), [1, 1, 2, 0], &[(PAGE, 1, 1)]);
}

#[test]
fn two_formats_in_one_file() {
    let common = b"1.1.1.1 - - [05/Mar/2018:14:05:09 +0800] \"GET /c HTTP/1.1\" 200 43\n";
    check([&good()[..], common].concat(), [1, 1, 1, 0], &[(PAGE, 1, 1)]); // a tie is combined
    let report = check([&common[..], &good(), common].concat(), [2, 2, 1, 0], &[("/c", 2, 1)]);
    assert_eq!(report["inputs"][0]["format"], "common");
}

#[test]
fn overwritten_glued_and_doubled_lines() {
    let line = good();
    let body = line.strip_suffix(b"\n").unwrap();
    check([body, &line].concat(), [0, 0, 1, 0], &[]); // glued behind the user agent
    check([&body[..body.len() - 2], &line].concat(), [0, 0, 1, 0], &[]); // glued inside it
    check([&body[..40], &line].concat(), [0, 0, 1, 0], &[]); // glued inside the date
    check([&line[..], &line].concat(), [2, 2, 0, 0], &[(PAGE, 2, 1)]);
}

#[test]
fn requests() {
    let method = "A".repeat(1_000) + " / HTTP/1.1";
    let unreadable = [
        "-",
        "",
        "GET",
        "GET /",
        "GET  /a",
        "get / HTTP/1.1",
        "\u{16}\u{3}\u{1}",
        "\\x16\\x03\\x01",
        "GET / HTTP/1.1 ",
        "GET / HTTP/1.12",
        "GET / HTTP/",
        "GET / http/1.1",
        "GET HTTP/1.1",
        "VERSION-CONTROL / HTTP/1.1",
    ];
    check(lines("request", &unreadable), [14, 0, 0, 0], &[]);
    let no_page_view = [
        "PRI * HTTP/2.0",
        "QUERY / HTTP/1.1",
        "HEAD / HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET a HTTP/1.1",
        "GET * HTTP/1.1",
        "CONNECT h:443 HTTP/1.1",
        "GET ?a HTTP/1.1",
        "GET //a/b.CSS?x HTTP/1.1",
        &method,
    ];
    check(lines("request", &no_page_view), [10, 0, 0, 0], &[]);
    let page_views = [
        "GET /a b HTTP/1.1",
        "GET /a b HTTP/1.0 HTTP/2",
        "POST /q\\\"u\\\" HTTP/1.1",
        "GET /q\\x22 HTTP/1.1",
        "GET http://h?x HTTP/1.1",
        "GET HTTPS://h/a/?x HTTP/1.1",
        "GET  /two HTTP/1.1", // the target begins with a blank: no page
    ];
    let pages = [
        ("/", 1, 1),
        ("/a b", 1, 1),
        ("/a b HTTP/1.0", 1, 1),
        ("/a/", 1, 1),
        ("/q\\\"u\\\"", 1, 1),
        ("/q\\x22", 1, 1),
    ];
    check(lines("request", &page_views), [7, 6, 0, 0], &pages);
    check(line("request", "GET /a\"b HTTP/1.1"), [0, 0, 1, 0], &[]); // a raw quote ends the request
    check(line("request", "GET /a HTTP/1.1\\"), [0, 0, 1, 0], &[]); // the closing quote is escaped
}

#[test]
fn static_files() {
    let extensions = "css js mjs map gif jpg jpeg png webp avif svg ico bmp tif tiff woff woff2 ttf otf eot \
                      mp3 mp4 m4a ogg wav webm mov avi flv swf";
    let mut requests = Vec::new();
    for extension in extensions.split(' ') {
        requests.push(format!("GET /a.{extension} HTTP/1.1"));
        requests.push(format!("GET /a.b.{}?x=/y HTTP/1.1", extension.to_uppercase()));
    }
    check(lines("request", &requests), [60, 0, 0, 0], &[]);
    let pages = ["/.csss", "/a.css/", "/a.css;b", "/a.j", "/a.xcss", "/a?b.css", "/acss", "/css"];
    let requests = pages.map(|page| format!("GET {page} HTTP/1.1"));
    let pages = ["/.csss", "/a", "/a.css/", "/a.css;b", "/a.j", "/a.xcss", "/acss", "/css"];
    check(lines("request", &requests), [8, 8, 0, 0], &pages.map(|page| (page, 1, 1)));
}

#[test]
fn sizes() {
    let good =
        ["-", "0", "00017", "9223372036854775808", "18446744073709551615", "18446744073709551616"];
    let report = check(lines("size", &good), [6, 6, 0, 0], &[(PAGE, 6, 1)]);
    assert_eq!(report["totals"]["bytes_sent"], u64::MAX);
    let bad = ["", "-1", "+1", "--", "1.5", "1e3", "0x1", "43\"", "4 3"];
    check(lines("size", &bad), [0, 0, 9, 0], &[]);
}

#[test]
fn statuses() {
    let good = ["200", "299", "304", "199", "300", "000", "099", "404", "444", "499", "600", "999"];
    let report = check(lines("status", &good), [12, 3, 0, 0], &[(PAGE, 3, 1)]);
    let status = serde_json::json!({"1xx": 1, "2xx": 2, "3xx": 2, "4xx": 3, "5xx": 0, "other": 4});
    assert_eq!(report["totals"]["status"], status);
    assert_eq!(report["totals"]["not_found"], 1);
    check(lines("status", &["-", "0", "99", "1000", "", "2 0", "20x"]), [0, 0, 7, 0], &[]);
}

#[test]
fn hosts_and_users() {
    let hosts = [
        "::1",
        "fe80::1%eth0",
        "[::1]",
        "::ffff:1.2.3.4",
        "1.2.3.4",
        "unix:",
        "h.example",
        "-",
        "1.1.1.1,2.2.2.2",
    ];
    check(lines("host", &hosts), [9, 9, 0, 0], &[(PAGE, 9, 9)]); // as written: two ways to write one are two
    check(lines("host", &["", " ", "a\tb"]), [0, 0, 3, 0], &[]);
    let list = line("host", "1.1.1.1, 2.2.2.2"); // to combined the USER is `- -`, which a USER may be
    let rules = Rules { format: Some(Format::Combined), ..Rules::default() };
    check_with(&["--log-format=combined"], rules, list, [1, 1, 0, 0], &[(PAGE, 1, 1)]);
    check(lines("user", &["frank", "Jane Doe", "\"\"", "]", " "]), [5, 5, 0, 0], &[(PAGE, 5, 1)]);
    check(lines("user", &["", "a[b", "["]), [0, 0, 3, 0], &[]);
}

#[test]
fn dates_that_exist() {
    let times = [
        ("29/Feb/2020:00:00:00 +0000", "2020-02-29"),
        ("29/Feb/2000:23:59:59 -0000", "2000-02-29"),
        ("31/Dec/2016:23:59:60 +0530", "2016-12-31"),
        ("01/Jan/0000:00:00:00 +0000", "0000-01-01"),
        ("31/Dec/1969:23:59:59 -0330", "1969-12-31"),
        ("19/Jan/2038:03:14:08 +1400", "2038-01-19"),
        ("31/Dec/9999:23:59:59 +9999", "9999-12-31"),
        ("25/Mar/2018:02:30:00 +0100", "2018-03-25"), // skipped by clocks in Berlin: as written all the same
    ];
    for (time, day) in times {
        let report = check(line("time", time), [1, 1, 0, 0], &[(PAGE, 1, 1)]);
        assert_eq!(report["days"][0]["bucket"], day, "{time}");
    }
    let report = check(lines("time", &times.map(|(time, _)| time)), [8, 8, 0, 0], &[(PAGE, 8, 1)]);
    assert_eq!(report["totals"]["first"], "0000-01-01T00:00:00");
    assert_eq!(report["totals"]["last"], "9999-12-31T23:59:59");
    assert_eq!(report["days"].as_array().unwrap().len(), 8);
}

#[test]
fn dates_that_do_not_exist() {
    let times = [
        "29/Feb/2018:00:00:00 +0000",
        "29/Feb/1900:00:00:00 +0000",
        "31/Apr/2018:00:00:00 +0000",
        "00/Mar/2018:00:00:00 +0000",
        "32/Mar/2018:00:00:00 +0000",
        "05/Mar/2018:24:00:00 +0000",
        "05/Mar/2018:23:60:00 +0000",
        "05/Mar/2018:23:59:61 +0000",
        "05/M\u{e4}r/2018:00:00:00 +0000",
        "05/MAR/2018:00:00:00 +0000",
        "05/Mar/2018:00:00:00",
        "05/Mar/2018:00:00:00 ",
        "05/Mar/2018:00:00:00 +05:30",
        "05/Mar/2018:00:00:00 0530",
        "05/Mar/2018:00:00:00 UTC",
        "5/Mar/2018:00:00:00 +0000",
        "05/Mar/18:00:00:00 +0000",
        "05/03/2018:00:00:00 +0000",
        "2018-03-05T00:00:00+00:00",
        "1520208000",
        "1520208000123",
        "",
    ];
    check(lines("time", &times), [0, 0, times.len() as u64, 0], &[]);
}

#[test]
fn time_going_back() {
    let times = [
        "06/Mar/2018:00:00:00 +0800",
        "05/Mar/2018:23:59:59 +0800",
        "05/Mar/1998:14:05:08 +0800",
        "06/Mar/2018:00:00:01 +0800",
        "05/Mar/2018:23:59:58 -0700",
    ];
    let report = check(lines("time", &times), [5, 5, 0, 0], &[(PAGE, 5, 1)]);
    let days: Vec<&Value> =
        report["days"].as_array().unwrap().iter().map(|day| &day["bucket"]).collect();
    assert_eq!(days, ["1998-03-05", "2018-03-05", "2018-03-06"]);
    assert_eq!(report["cells"]["minute"]["site"], 3);
    assert_eq!(report["totals"]["sum_of_daily_unique_visitors"], 3);
    assert_eq!(report["totals"]["unique_visitors"], 1);
    assert_eq!(report["totals"]["offsets"], serde_json::json!(["-0700", "+0800"]));
}

#[test]
fn user_agents() {
    let long = "x".repeat(100_000);
    let agents = ["", "-", "%s%n%x", "(a+)+$", "Opera", "Opera/", "\\\"", "\\\\", "a b", &long];
    check(lines("agent", &agents), [10, 10, 0, 0], &[(PAGE, 10, 10)]);
    let torn = ["\\", "a\\", "a\"b", "\"", "\\\\\\"];
    check(lines("agent", &torn), [0, 0, 5, 0], &[]);
    check(lines("end", &[" \"-\" 0.001\n", " \n", "\t\n", " \"\n"]), [4, 4, 0, 0], &[(PAGE, 4, 1)]);
    check(lines("end", &["x\n", ",\n", "\"\n"]), [0, 0, 3, 0], &[]);
}

#[test]
fn percent_signs_are_not_decoded() {
    let pages = ["/%", "/%00", "/%09", "/%0a", "/%2541", "/..%2f", "/A", "/a", "/%41", "/%zz"];
    let requests = pages.map(|page| format!("GET {page} HTTP/1.1"));
    let mut expected = pages.map(|page| (page, 1, 1));
    expected.sort_unstable();
    check(lines("request", &requests), [10, 10, 0, 0], &expected);
}

#[test]
fn queries_are_not_pages_unless_asked_for() {
    let requests: Vec<String> = (0..5_000).map(|n| format!("GET /a?q={n:04} HTTP/1.1")).collect();
    let log = lines("request", &requests);
    check(&log, [5_000, 5_000, 0, 0], &[("/a", 5_000, 1)]);
    let pages: Vec<String> = (0..5_000).map(|n| format!("/a?q={n:04}")).collect();
    let pages: Vec<(&str, u64, u64)> = pages.iter().map(|page| (page.as_str(), 1, 1)).collect();
    let rules = Rules { keep_query: true, ..Rules::default() };
    let report = check_with(&["--keep-query"], rules, &log, [5_000, 5_000, 0, 0], &pages);
    assert_eq!(report["section_count"], 1);
}

#[test]
fn hits_without_a_page() {
    let rules = Rules { count_hits: true, ..Rules::default() };
    let requests = ["-", "GET /a/x.css HTTP/1.1", "GET * HTTP/1.1"];
    let pages = [("-", 2, 1), ("/a/x.css", 1, 1)];
    let report =
        check_with(&["--count=hits"], rules, lines("request", &requests), [3, 3, 0, 0], &pages);
    assert_eq!(report["sections"][0]["section"], "-");
}

/// Hostile text in every field: window title, link, clipboard, screen clearing, device control, bell, overwriting,
/// C1 as UTF-8 and raw, right-to-left override, zero-width characters.
#[test]
fn terminal_escapes() {
    let hostile: &[u8] = b"\x1b]0;owned\x07\x1b]8;;http://e\x1b\\\x1b]52;c;ZQ==\x07\x1b[2J\x1b[1A\x1bPq\x1b\\\x07\r\x08\x7f\xc2\x9b\x9b31m\xe2\x80\xae\xe2\x80\x8b\xef\xbb\xbf\xc2\xad";
    let mut log = Vec::new();
    for field in ["host", "referrer", "agent"] {
        log.extend(line(field, hostile).repeat(2));
    }
    let requests = [&b"GET /"[..], hostile, b"/", hostile, b" HTTP/1.1"].concat();
    log.extend(line("request", requests).repeat(2));
    log.extend(line("user", hostile)); // the rest is malformed (a host holds no CR): it is shown as samples
    log.extend(line("time", hostile));
    log.extend(line("end", [hostile, b"\n"].concat()));
    let folder = Folder::new();
    let path = folder.write("access.log", &log);
    let report = hitmap(&["analyze", "--json", path.to_str().unwrap()]).expect_exit(0).json();
    assert_eq!(report["totals"]["malformed_lines"], 5);
    assert_eq!(report["malformed_samples"].as_array().unwrap().len(), 5);
    assert_eq!(report["page_count"], 2);
    check_report(&oracle::analyze(&[&log], &Rules::default()), &report);
    for colour in ["never", "always"] {
        for more in [&[][..], &["--stats"], &["--quiet"], &["--top=1"]] {
            let arguments =
                [&["analyze", "--color", colour, path.to_str().unwrap()], more].concat();
            let outcome = hitmap(&arguments).expect_exit(0);
            assert_harmless(&outcome.stdout, colour == "always");
            assert_harmless(&outcome.stderr, colour == "always");
        }
    }
    let cells = hitmap(&["analyze", "--cells", "-", path.to_str().unwrap()]).expect_exit(0);
    assert!(
        cells.stdout_text().chars().all(|character| character == '\n' || !character.is_control())
    );
}
