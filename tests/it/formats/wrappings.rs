//! Lines inside what other programs put around them: read with the true numbers, or refused; never misread.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::database::stored::{analyze as analyze_into, report as report_of, traffic};
use crate::harness::{Folder, Outcome, hitmap, hitmap_reading};
use crate::logs::gzip;
use crate::logs::wrapped::{VIEWS, VISITORS, WRAPPINGS, Wrapping, twelve_lines};

/// Page views, unique visitors and malformed lines of a report, and its first input's format.
fn numbers(outcome: Outcome, context: &str) -> (u64, u64, u64, String) {
    assert_eq!(outcome.exit_code, Some(0), "{context}: {}", outcome.stderr_text());
    let format = outcome.json()["inputs"][0]["format"].as_str().unwrap().to_owned();
    let total = |key| outcome.total(key);
    (total("page_views"), total("unique_visitors"), total("malformed_lines"), format)
}

fn path_text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The twelve lines inside `wrapping` are read right, however they are given.
#[track_caller]
fn check_read(name: &str) {
    let wrapping = Wrapping::named(name);
    for with_ipv6 in [false, true] {
        let lines = twelve_lines(with_ipv6);
        let log = wrapping.log(&lines);
        let context = format!("{name}, IPv6 {with_ipv6}: {}", String::from_utf8_lossy(&log));
        let expected = (VIEWS, VISITORS, 0, format!("combined{}", wrapping.format));
        let folder = Folder::new();
        let path = folder.write("access.log", &log);
        let zipped = folder.write("access.log.gz", gzip(&log));
        let plain = folder.write("plain.log", lines.join("\n"));
        for options in [&[][..], &["--no-mmap"], &["-j1"], &["-j3", "--window", "1KiB"]] {
            for path in [&path, &zipped] {
                let arguments = [&["analyze", "--json", path_text(path)][..], options].concat();
                assert_eq!(numbers(hitmap(&arguments), &context), expected, "{context}");
            }
            let arguments = [&["analyze", "--json", "-"][..], options].concat();
            let piped = hitmap_reading(&arguments, &log);
            assert_eq!(numbers(piped, &context), expected, "{context}");
        }
        let cells = |path| hitmap(&["analyze", "--cells", "-", path_text(path)]).expect_exit(0);
        assert_eq!(cells(&path).stdout_text(), cells(&plain).stdout_text(), "{context}");
    }
}

/// One test for each kind of line that was once read as another visitor's, or might be.
macro_rules! are_read {
    ($($test:ident: $($name:literal),+;)+) => {
        $(
            #[test]
            fn $test() {
                $(check_read($name);)+
            }
        )+

        /// No wrapping is without a test.
        #[test]
        fn every_wrapping_is_tested() {
            let tested = [$($($name),+),+];
            for Wrapping { name, .. } in WRAPPINGS {
                assert!(tested.contains(name), "{name}");
            }
        }
    };
}

are_read! {
    plain_lines: "plain";
    fields_after_the_user_agent: "fields after the user agent";
    indented_lines: "a blank in front", "tabs in front";
    cri: "CRI", "CRI with an offset", "CRI with tags";
    docker_json_file: "docker json-file", "docker json-file with attributes";
    docker_logs_with_times: "docker logs -t", "an export with times";
    kubectl_prefix: "kubectl --prefix";
    docker_compose: "compose", "compose of old";
    syslog_of_rfc_3164: "RFC 3164", "RFC 3164 with a process id", "RFC 3164 with a priority", "RFC 3164 without a host",
        "RFC 3164, a day of one digit";
    syslog_with_iso_times: "ISO time", "ISO time with a priority";
    syslog_of_rfc_5424: "RFC 5424", "RFC 5424 with structured data", "RFC 5424 with a BOM";
    journald: "journald short-precise", "journald short-iso", "journald short-iso-precise", "journald short-full",
        "journald short-monotonic", "journald short-delta", "journald short-unix", "journald without a host";
    grep_with_line_numbers: "grep -n";
    grep_over_several_files: "grep -H", "grep -H, whole paths", "grep -Hn";
    a_virtual_host_in_front: "a virtual host", "a virtual host with a port", "localhost with a port";
    a_port_after_the_address: "a port after addresses";
    a_list_of_addresses_as_host: "X-Forwarded-For";
    lists_of_addresses_and_single_ones: "X-Forwarded-For, some of one";
    virtual_hosts_inside_others: "a virtual host in syslog", "a virtual host in CRI";
    times_inside_others: "compose with times", "kubectl with times";
    others_inside_grep: "CRI under grep", "syslog under grep -n", "docker json-file under grep";
    syslog_inside_docker_json_file: "syslog in docker json-file";
}

/// The quoted field of a line, by the number of the line.
type Field = fn(usize) -> String;

/// What stands in a field that is neither the referrer nor the user agent.
const FIELDS: &[(&str, Field)] = &[
    ("a time", |n| format!("0.{:03}", n + 1)),
    ("times", |n| format!("0.{:03}, 0.{:03}", n, n + 1)),
    ("a host", |n| ["www.example.com", "shop.example.com"][n % 2].to_owned()),
    ("an upstream", |n| format!("10.0.0.{}:8080", n % 3)),
    ("a hexadecimal id", |n| format!("5f0c1e2d3b4a596877665544332211{n:02x}")),
    ("a UUID", |n| format!("0a1b2c3d-0000-4000-8000-0000000000{n:02x}")),
    ("a TLS version", |n| ["TLSv1.3", "TLSv1.2"][n % 2].to_owned()),
    ("a cipher", |n| ["TLS_AES_256_GCM_SHA384", "ECDHE-RSA-AES128-GCM-SHA256"][n % 2].to_owned()),
    ("a cache status", |n| ["HIT", "MISS", "-"][n % 3].to_owned()),
    ("a scheme", |n| ["https", "http"][n % 2].to_owned()),
    ("an address", |n| format!("198.51.100.{n}")),
    ("a date", |n| format!("2026-11-24T06:00:{n:02}+08:00")),
    ("a country", |n| ["DE", "CN", "US"][n % 3].to_owned()),
    ("a currency", |n| ["EUR", "USD"][n % 2].to_owned()),
    ("a language", |n| ["en-US", "de-DE", "fr"][n % 3].to_owned()),
    ("languages", |n| ["en-US,en;q=0.9", "de;q=0.9, en"][n % 2].to_owned()),
    ("an encoding", |n| ["gzip", "br", "gzip, deflate, br"][n % 3].to_owned()),
    ("a content type", |n| ["text/html", "application/json; charset=utf-8"][n % 2].to_owned()),
    ("a method", |n| ["GET", "POST"][n % 2].to_owned()),
    ("a protocol", |n| ["HTTP/1.1", "HTTP/2.0"][n % 2].to_owned()),
    ("a protocol of TLS", |n| ["h2", "http/1.1"][n % 2].to_owned()),
    ("a device", |n| ["desktop", "mobile", "tablet", "bot"][n % 4].to_owned()),
    ("true or false", |n| (n % 2 == 0).to_string()),
    ("on or off", |n| ["on", "off"][n % 2].to_owned()),
    ("0 or 1", |n| (n % 2).to_string()),
    ("pipelined or not", |n| ["p", "."][n % 2].to_owned()),
    ("cookies", |n| format!("sid={n}; theme=dark")),
    ("nothing", |_| "-".to_owned()),
];

/// Line `number` up to its size, then referrer and user agent with their quotes.
fn halves(line: &str) -> (&str, &str) {
    let end = line.find(" 512 ").unwrap() + 4;
    (&line[..end], &line[end..])
}

/// How a log is misread: it is neither refused with a sentence that shows its first line, nor does it have this UV.
fn misreading(log: &str, visitors: u64, context: &str) -> Option<String> {
    let outcome = hitmap_reading(&["analyze", "--json", "-"], log.as_bytes());
    let words = outcome.stderr_text();
    match outcome.exit_code {
        Some(3) => {
            let is_shown =
                words.contains("For instance: \"") && words.contains("[24/Nov/2026:06:00:");
            (!is_shown).then(|| format!("{context}: {words}"))
        }
        Some(0) => {
            let found = (outcome.total("page_views"), outcome.total("unique_visitors"));
            let first = log.lines().next().unwrap_or_default();
            (found != (VIEWS, visitors)).then(|| format!("{context}: {found:?} {words} {first}"))
        }
        code => panic!("{context}: exit {code:?}: {words}"),
    }
}

#[track_caller]
fn check_never_misread(logs: impl IntoIterator<Item = (String, String)>, visitors: u64) {
    let found = logs.into_iter().filter_map(|(context, log)| misreading(&log, visitors, &context));
    let found: Vec<String> = found.collect();
    assert!(found.is_empty(), "{} are misread:\n{}", found.len(), found.join("\n"));
}

/// Every pair of fields in quotes, as `line` puts them into lines.
fn pairs(line: fn(&str, &str) -> String) -> Vec<(String, String)> {
    let mut logs = Vec::new();
    for (one, first) in FIELDS {
        for (other, second) in FIELDS {
            let lines = twelve_lines(false).into_iter().enumerate();
            let log = lines.map(|(number, text)| {
                line(&text, &format!("\"{}\" \"{}\"", first(number), second(number))) + "\n"
            });
            logs.push((format!("{one}, {other}"), log.collect()));
        }
    }
    logs
}

#[test]
fn a_quoted_field_before_the_referrer_is_never_misread() {
    let logs = FIELDS.iter().map(|(what, field)| {
        let lines = twelve_lines(true).into_iter().enumerate();
        let log = lines.map(|(number, line)| {
            let (start, quoted) = halves(&line);
            format!("{start} \"{}\"{quoted}\n", field(number))
        });
        ((*what).to_owned(), log.collect())
    });
    check_never_misread(logs, VISITORS);
}

#[test]
fn two_quoted_fields_before_the_referrer_are_never_misread() {
    let logs = pairs(|line, fields| {
        let (start, quoted) = halves(line);
        format!("{start} {fields}{quoted}")
    });
    check_never_misread(logs, VISITORS);
}

/// Common lines know no user agent: their visitors are their seven addresses.
#[test]
fn common_with_two_quoted_fields_is_never_misread() {
    check_never_misread(pairs(|line, fields| format!("{} {fields}", halves(line).0)), VISITORS - 1);
}

/// Two addresses in front: which one is the client nobody can say.
#[test]
fn two_addresses_in_front_are_never_misread() {
    let log = |wrap: fn(usize, &str) -> String| -> String {
        let lines = twelve_lines(false);
        lines.iter().enumerate().map(|(number, line)| wrap(number, line) + "\n").collect()
    };
    let proxy_first = log(|number, line| format!("10.0.0.{} {line}", number % 2));
    let client_first = log(|number, line| {
        let (client, rest) = line.split_once(' ').unwrap();
        format!("{client} 10.0.0.{} {rest}", number % 2)
    });
    let logs = [("the proxy first", proxy_first), ("the client first", client_first)];
    check_never_misread(logs.map(|(what, log)| (what.to_owned(), log)), VISITORS);
}

/// The database keeps a wrapped log as it keeps a plain one: known again, grown in its format.
#[test]
fn a_database_keeps_wrapped_logs() {
    let lines = twelve_lines(true);
    for name in ["CRI", "docker json-file", "RFC 5424", "grep -Hn", "a virtual host in syslog"] {
        let wrapping = Wrapping::named(name);
        let folder = Folder::new();
        let database = folder.path("stats.db");
        let path = folder.write("0.log", wrapping.log(&lines));
        analyze_into(&database, &[&path]).expect_exit(0);
        let again = analyze_into(&database, &[&path]).expect_exit(0);
        assert!(again.stderr_text().contains("already counted"), "{}", again.stderr_text());
        assert_eq!(again.total("unique_visitors"), VISITORS);
        // A day later, and a line that lost its wrapping: growth does not ask what most of the new lines are.
        let later: Vec<String> =
            lines.iter().map(|line| line.replace("24/Nov", "25/Nov")).collect();
        let torn = format!("{}\n", lines[0]).repeat(20);
        let grown = [wrapping.log(&lines), wrapping.log(&later), torn.into_bytes()].concat();
        fs::write(&path, grown).unwrap();
        let outcome = analyze_into(&database, &[&path]).expect_exit(0);
        assert_eq!(outcome.total("page_views"), 2 * VIEWS, "{name}");
        assert_eq!(outcome.total("malformed_lines"), 20, "{name}");
        let report = report_of(&database, &["--json"]).expect_exit(0);
        assert_eq!(report.total("unique_visitors"), VISITORS, "{name}");
        assert_eq!(report.total("sum_of_daily_unique_visitors"), 2 * VISITORS, "{name}");
        // The cells of the plain lines.
        let plain_database = folder.path("plain.db");
        let plain = folder.write("plain.log", [&lines[..], &later].concat().join("\n") + "\n");
        analyze_into(&plain_database, &[&plain]).expect_exit(0);
        assert_eq!(traffic(&database), traffic(&plain_database), "{name}");
    }
}

/// A line that makes sense: host, user, page, referrer, user agent.
fn sensible_line() -> impl Strategy<Value = String> {
    let hosts = ["1.1.1.1", "1.1.1.2", "10.0.0.3", "192.0.2.200", "2001:db8::7", "fe80::1"];
    let agents = [
        "Mozilla/5.0 (X11; Linux x86_64)",
        "curl/8.1",
        "-",
        r#"Odd/2 \"x\" <y>"#,
        "Googlebot/2.1 (+http://www.google.com/bot.html)",
    ];
    let referrers = ["-", "", "https://h.example/a?b=c", "android-app://x.y"];
    (
        select(hosts.to_vec()),
        select(&["-", "alice"][..]),
        0..60_u32,
        0..5_u32,
        select(referrers.to_vec()),
        select(agents.to_vec()),
    )
        .prop_map(|(host, user, second, page, referrer, agent)| {
            format!(
                "{host} - {user} [05/Mar/2018:14:05:{second:02} +0800] \"GET /a/{page}.html HTTP/1.1\" 200 43 \
                 \"{referrer}\" \"{agent}\""
            )
        })
}

/// Addresses of clients; all but the first two can follow a number so that both are an address.
const CLIENTS: &[&str] = &[
    "203.0.113.7",
    "fd00:1:2:3:4:5:6:7",
    "2001:db8::7",
    "2a02:8109::1",
    "2400:cb00::1",
    "fe80::1",
    "fd00::1",
];

fn cells_of(log: &[u8]) -> Outcome {
    hitmap_reading(&["analyze", "--cells", "-", "-"], log)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").map_or(80, |cases| cases.parse().unwrap()),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever stands around the lines, once or twice: the numbers are those of the plain lines, or there are none.
    #[test]
    fn any_wrapping_gives_the_plain_numbers_or_none(
        lines in proptest::collection::vec(sensible_line(), 1..40),
        inner in any::<Index>(),
        outer in any::<Index>(),
    ) {
        let (inner, outer) = (inner.get(WRAPPINGS), outer.get(WRAPPINGS));
        let wrapped: Vec<String> =
            lines.iter().enumerate().map(|(number, line)| (inner.wrap)(number, line)).collect();
        let plain = cells_of(lines.join("\n").as_bytes()).expect_exit(0);
        for (name, log) in [
            (inner.name.to_owned(), inner.log(&lines)),
            (format!("{} in {}", inner.name, outer.name), outer.log(&wrapped)),
        ] {
            let found = cells_of(&log);
            // A form of the host is none of what stands around a line, and may not be wrapped around it.
            let is_host_form = outer.format.starts_with(" with ") && name.contains(" in ");
            if is_host_form {
                continue;
            }
            if found.exit_code == Some(0) {
                prop_assert_eq!(
                    found.stdout_text(), plain.stdout_text(), "{}: {}\n{}", name, found.stderr_text(),
                    String::from_utf8_lossy(&log)
                );
            } else {
                prop_assert!(matches!(found.exit_code, Some(1 | 3)), "{}: {:?}", name, found);
            }
        }
    }

    /// The same for numbers in front of addresses of IPv6, also for those that addresses begin with.
    #[test]
    fn any_line_numbers_give_the_plain_numbers_or_none(
        hosts in proptest::collection::vec(select(CLIENTS), 1..12),
        start in select(&[1_u64, 55, 95, 1_990, 2_000, 2_395, 2_400, 2_590, 2_695, 2_800, 2_895][..]),
        steps in proptest::collection::vec(1..6_u64, 12),
        files in select(&[None, Some(1), Some(3)][..]),
    ) {
        let line = |host: &str| twelve_lines(true)[0].replacen("203.0.113.7", host, 1);
        let mut number = start;
        let mut log = String::new();
        for (index, (host, step)) in hosts.iter().zip(steps).enumerate() {
            let file = files.map(|lines| index / lines);
            // Each file has its own numbers.
            number = if files.is_some_and(|lines| index % lines == 0) { start } else { number };
            let file = file.map_or(String::new(), |file| format!("access.log.{file}:"));
            log += &format!("{file}{number}:{}\n", line(host));
            number += step;
        }
        let plain: String = hosts.iter().map(|host| line(host) + "\n").collect();
        let plain = cells_of(plain.as_bytes()).expect_exit(0);
        let found = cells_of(log.as_bytes());
        if found.exit_code == Some(0) {
            prop_assert_eq!(found.stdout_text(), plain.stdout_text(), "{}\n{}", found.stderr_text(), log);
        } else {
            prop_assert!(found.exit_code == Some(3) && found.stderr_text().contains("grep -n"), "{:?}", found);
        }
    }
}
