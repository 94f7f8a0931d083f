//! `hitmap explain`: how lines are read, and why one does not count.

use serde_json::{Value, json};

use crate::harness::{Folder, assert_harmless, hitmap, hitmap_reading};

const CRI: &str = "\
2026-11-24T06:00:00.1Z stdout F 1.2.3.4 - bob [24/Nov/2026:06:00:00 -0330] \"GET /list/1.html?x HTTP/1.1\" 200 5 \"-\" \"Mozilla/5.0\" 0.003\n\
2026-11-24T06:00:00.1Z stdout F 1.2.3.4 - - [24/Nov/2026:06:00:01 -0330] \"HEAD /a.html HTTP/1.1\" 200 5 \"-\" \"Mozilla/5.0\"\n\
2026-11-24T06:00:00.1Z stdout F 1.2.3.4 - - [24/Nov/2026:06:00:01 -0330] \"GET /a.css HTTP/2.0\" 304 - \"-\" \"Mozilla/5.0\"\n\
2026-11-24T06:00:00.1Z stdout F 1.2.3.4 - - [24/Nov/2026:06:00:01 -0330] \"\\x16\\x03\" 400 5 \"-\" \"\u{202e}\x1b[2J\"\n\
2026-11-24T06:00:00.1Z stdout P 1.2.3.4 - - [24/Nov\n\
2026-11-24T06:00:00.1Z stdout F \n";

fn lines(arguments: &[&str]) -> Vec<Value> {
    let outcome = hitmap_reading(arguments, CRI.as_bytes()).expect_exit(0);
    outcome.stdout_text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_field_has_its_name() {
    let lines = lines(&["explain", "--json", "-n", "9"]);
    assert_eq!(lines.len(), 6);
    let mut first = lines[0].clone();
    first.as_object_mut().unwrap().remove("text");
    assert_eq!(
        first,
        json!({
            "line": 1, "kind": "hit", "host": "1.2.3.4", "identity": "-", "user": "bob",
            "time": "2026-11-24T06:00:00-03:30", "method": "GET", "target": "/list/1.html?x",
            "protocol": "HTTP/1.1", "status": 200, "bytes": 5, "referrer": "-",
            "user_agent": "Mozilla/5.0", "rest": "0.003", "page": "/list/1.html", "section": "/list/",
            "page_view": true, "reason": null,
        })
    );
    let reasons: Vec<&Value> = lines.iter().map(|line| &line["reason"]).collect();
    for (reason, words) in reasons[1..].iter().zip([
        "GET nor POST",
        "static file",
        "not readable",
        "a piece",
        "no host",
    ]) {
        assert!(reason.as_str().unwrap().contains(words), "{reason} {words}");
    }
    let kinds: Vec<&Value> = lines.iter().map(|line| &line["kind"]).collect();
    assert_eq!(kinds, ["hit", "hit", "hit", "hit", "malformed", "malformed"]);
}

#[test]
fn one_line_can_be_asked_for() {
    assert_eq!(lines(&["explain", "--json", "--line", "3"])[0]["target"], "/a.css");
    let outcome = hitmap_reading(&["explain", "--line", "7", "-"], CRI.as_bytes()).expect_exit(2);
    assert!(outcome.stderr_text().contains("has 6 lines, so there is no line 7"));
    let all = lines(&["explain", "--json", "--count", "hits"]);
    assert!(all[..4].iter().all(|line| line["page_view"] == true), "{all:?}");
}

#[test]
fn text_is_harmless_and_names_the_format() {
    let folder = Folder::new();
    let path = folder.write("a\u{1b}.log", CRI);
    let outcome = hitmap(&["explain".as_ref(), path.as_os_str()]).expect_exit(0);
    assert_harmless(&outcome.stdout, false);
    let text = outcome.stdout_text();
    for words in ["combined inside CRI, detected", "user agent", "A hit, and a page view."] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn a_log_that_would_be_left_out_is_explained_all_the_same() {
    let line = "1.2.3.4 - - [24/Nov/2026:06:00:00 +0000] \"GET / HTTP/1.1\" 200 5 \"h\" \"-\" \"Mozilla/5.0\"\n";
    let outcome = hitmap_reading(&["explain"], line.as_bytes()).expect_exit(3);
    assert!(outcome.stdout_text().contains("referrer    h\n"), "{}", outcome.stdout_text());
    assert!(outcome.stderr_text().contains("would be left out"), "{}", outcome.stderr_text());
    let tar = [&[b'a'; 257][..], b"ustar", &[0; 250]].concat();
    assert!(
        hitmap_reading(&["explain"], &tar).expect_exit(3).stderr_text().contains("tar archive")
    );
}
