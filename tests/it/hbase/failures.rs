//! What a run does when HBase or its gateway does not do its part: exit code 4 and a sentence within the timeout; and the
//! next run publishes everything.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use hitmap::store::{Edition, Ledger, Outcome, StoreUrl, open};
use hitmap::time::{Period, Span};

use crate::harness::{Folder, assert_harmless, command, end_of, hitmap, needs, wait_until};
use crate::hbase::bridge::Bridge;
use crate::hbase::server::{Hbase, hbase};
use crate::hbase::trial::{
    DAY, MIDWAY, check, day, expect_failure, grown, nothing, publish, publishing, url,
};
use crate::redis::publishing::line;
use crate::redis::server::free_port;

#[test]
fn a_gateway_that_is_down_is_known_before_anything_is_read() {
    let url = url(free_port(), "");
    // A pipe that never ends: reading it first would never come to HBase.
    let mut command = command(&["analyze", "-", "--to", &url]);
    command.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    wait_until("it gives up", || child.try_wait().unwrap().is_some());
    let outcome = end_of(child);
    expect_failure(outcome, &["no connection to the gateway: Connection refused (os error 111)\n"]);
}

#[test]
fn a_gateway_that_dies_is_waited_for_as_long_as_the_url_says() {
    needs!(hbase());
    let (folder, hbase) = (Folder::new(), Hbase::shared());
    let log = day(&folder);
    let mut gateway = hbase.new_gateway(&[]);
    let bridge = Bridge::to(gateway.port());
    // The tables are made before: that may take longer than the short timeout.
    publish(hbase, "dies", &nothing(&folder));
    bridge.hold_after(MIDWAY);
    let run = publishing(&log, bridge.port(), "prefix=dies&timeout=3s");
    bridge.wait_until_held();
    gateway.kill();
    bridge.release();
    let said = expect_failure(end_of(run), &["no connection to the gateway", "did not answer"]);
    println!("{said}");
    gateway.start(&[]);
    end_of(publishing(&log, bridge.port(), "prefix=dies&timeout=120s")).expect_exit(0);
    check(hbase, "dies", &log);
    // Back in time.
    bridge.hold_after(MIDWAY);
    let run = publishing(&log, bridge.port(), "prefix=returns&timeout=120s");
    bridge.wait_until_held();
    gateway.kill();
    bridge.release();
    gateway.start(&[]);
    end_of(run).expect_exit(0);
    check(hbase, "returns", &log);
}

#[test]
fn an_idle_connection_that_the_gateway_closes_is_made_again() {
    needs!(hbase());
    let hbase = Hbase::shared();
    let gateway = hbase.new_gateway(&["hbase.thrift.server.socket.read.timeout=1000"]);
    let bridge = Bridge::to(gateway.port());
    let url = StoreUrl::parse(&url(bridge.port(), "prefix=idle&timeout=60s")).unwrap();
    let mut store = open(&url).unwrap();
    let span = Span { site: "a".to_owned(), period: Period::Day(DAY) };
    assert_eq!(store.ledger(&span).unwrap(), Ledger::default());
    bridge.wait_until_closed();
    let edition = Edition { span: span.clone(), replaces: None, version: Some(7), sources: vec![] };
    store.begin(edition).unwrap();
    bridge.wait_until_closed();
    let outcome = store.commit().unwrap();
    assert_eq!(outcome, Outcome::Published { version: 7, cells: 0, changed: 0 });
    bridge.wait_until_closed();
    assert_eq!(store.ledger(&span).unwrap().version, Some(7));
}

#[test]
fn tables_that_are_missing_are_made_and_others_are_refused_with_a_cure() {
    needs!(hbase());
    let (folder, hbase) = (Folder::new(), Hbase::shared());
    let log = day(&folder);
    let failing = |place: &str, options: &str, parts: &[&str]| {
        let url = format!("hbase://127.0.0.1:{}{place}?{options}", hbase.gateway_port());
        let run = hitmap(&["analyze", "-q", &log, "--to", &url]);
        let said = expect_failure(run, &parts[..1]);
        assert!(parts.iter().all(|part| said.contains(part)), "{parts:?} in {said}");
    };
    // Dropped between two runs. What a database has published before is published again by --replace.
    let (database, url) = (folder.path("stats.db"), url(hbase.gateway_port(), "prefix=tables"));
    let to = ["--db", database.to_str().unwrap(), "--to", &url];
    hitmap(&[&["analyze", "-q", &log], &to[..]].concat()).expect_exit(0);
    hbase.drop_table("tables_minute");
    let said = hitmap(&[&["publish"], &to[..]].concat()).expect_exit(0).stderr_text();
    assert!(said.contains("made the tables tables_minute, which were missing"), "{said}");
    assert!(said.contains("hitmap publish --replace"), "{said}");
    hitmap(&[&["publish", "-q", "--replace"], &to[..]].concat()).expect_exit(0);
    check(hbase, "tables", &log);
    hbase.drop_table("tables_minute");
    publish(hbase, "tables", &log);
    check(hbase, "tables", &log);
    // Dropped while a run publishes.
    let bridge = Bridge::to(hbase.gateway_port());
    bridge.hold_after(MIDWAY);
    let run = publishing(&log, bridge.port(), "prefix=dropped&timeout=120s");
    bridge.wait_until_held();
    hbase.drop_table("dropped_minute");
    bridge.release();
    let said = expect_failure(end_of(run), &["the next run makes it again"]);
    assert!(said.contains("dropped_minute"), "{said}");
    let next = hitmap(&["analyze", &log, "--to", &url.replace("tables", "dropped")]).expect_exit(0);
    let said = next.stderr_text();
    assert!(said.contains("made the tables dropped_minute, which were missing"), "{said}");
    check(hbase, "dropped", &log);
    // Of somebody else.
    hbase.create_table("alien_day", "f", &[]);
    failing("", "prefix=alien", &["\"alien_day\" is not hitmap's", "\"c\"", "prefix="]);
    hbase.disable_table("tables_hour");
    failing(
        "",
        "prefix=tables&timeout=2s",
        &["\"tables_hour\" is disabled", "enable 'tables_hour'"],
    );
    hbase.enable_table("tables_hour");
    publish(hbase, "tables", &log);
    failing(
        "",
        "prefix=tables&ttl_day=400d",
        &[
            "\"tables_day\" keeps cells for ever",
            "alter 'tables_day', {NAME => 'c', TTL => 34560000}",
        ],
    );
    failing("/nowhere", "", &["no namespace \"nowhere\"", "create_namespace 'nowhere'"]);
    hbase.create_namespace("nowhere");
    let there = format!("hbase://127.0.0.1:{}/nowhere", hbase.gateway_port());
    hitmap(&["analyze", "-q", &log, "--to", &there]).expect_exit(0);
    check(hbase, "nowhere:hitmap", &log);
}

#[test]
fn the_other_transport_is_named() {
    needs!(hbase());
    let (folder, hbase) = (Folder::new(), Hbase::shared());
    let log = folder.write("a.log", line(1, 1, 1, "/a/1"));
    let log = log.to_str().unwrap();
    let gateway = hbase.new_gateway(&["hbase.regionserver.thrift.framed=true"]);
    for (port, transport) in [(gateway.port(), "buffered"), (hbase.gateway_port(), "framed")] {
        let options = format!("prefix=framed&timeout=2s&transport={transport}");
        let start = Instant::now();
        let outcome = end_of(publishing(log, port, &options));
        println!("{:?}: {}", start.elapsed(), outcome.stderr_text());
        expect_failure(outcome, &["transport=framed"]);
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    }
    end_of(publishing(log, gateway.port(), "prefix=framed&transport=framed&timeout=120s"))
        .expect_exit(0);
    check(hbase, "framed", log);
}

#[test]
fn a_call_that_is_carried_out_late_changes_nothing() {
    needs!(hbase());
    let (folder, hbase) = (Folder::new(), Hbase::shared());
    let log = day(&folder);
    let grown = grown(&folder, &log);
    publish(hbase, "late", &nothing(&folder));
    let bridge = Bridge::to(hbase.gateway_port());
    bridge.hold_after(MIDWAY);
    let run = publishing(&log, bridge.port(), "prefix=late&timeout=2s");
    bridge.wait_until_held();
    let said = expect_failure(end_of(run), &["the gateway did not answer for 2s"]);
    println!("{said}");
    publish(hbase, "late", &grown);
    check(hbase, "late", &grown);
    bridge.release();
    bridge.wait_until_closed();
    check(hbase, "late", &grown);
    publish(hbase, "late", &grown);
    check(hbase, "late", &grown);
}

#[test]
fn a_killed_run_holds_up_nobody() {
    needs!(hbase());
    let (folder, hbase) = (Folder::new(), Hbase::shared());
    let log = day(&folder);
    publish(hbase, "killed", &nothing(&folder));
    let bridge = Bridge::to(hbase.gateway_port());
    bridge.hold_after(MIDWAY);
    let mut run = publishing(&log, bridge.port(), "prefix=killed&timeout=120s");
    bridge.wait_until_held();
    let url = url(hbase.gateway_port(), "prefix=killed&timeout=120s");
    let mut store = open(&StoreUrl::parse(&url).unwrap()).unwrap();
    let span = Span { site: "default".to_owned(), period: Period::Day(DAY) };
    let edition = Edition { span, replaces: None, version: None, sources: vec![] };
    store.begin(edition.clone()).unwrap();
    let outcome = store.commit().unwrap();
    assert!(matches!(outcome, Outcome::Conflict { wait: true, .. }), "{outcome:?}");
    run.kill().unwrap();
    run.wait().unwrap();
    // A lease that ends by time would still hold.
    store.begin(edition).unwrap();
    let outcome = store.commit().unwrap();
    assert!(matches!(outcome, Outcome::Published { .. }), "{outcome:?}");
    assert_eq!(hbase.cells(&["killed_day", "killed_hour", "killed_minute"]).len(), 0);
    publish(hbase, "killed", &log);
    check(hbase, "killed", &log);
    // What the killed run had sent.
    bridge.release();
    bridge.wait_until_closed();
    check(hbase, "killed", &log);
}

/// What is at the other end of a port instead of a gateway.
enum Stranger {
    /// Sends this as its answer and waits.
    Says(Vec<u8>),
    Hangs,
    HangsUp,
}

/// Starts it; its port. It ends with the test process.
fn listen(stranger: Stranger) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            match &stranger {
                Stranger::Says(words) => drop(stream.write_all(words)),
                Stranger::Hangs => {}
                Stranger::HangsUp => continue,
            }
            open.push(stream);
        }
    });
    port
}

#[test]
fn strangers_are_known_as_such() {
    let folder = Folder::new();
    let log = folder.write("a.log", line(1, 1, 1, "/a/1"));
    let log = log.to_str().unwrap();
    let says = |parts: &[&[u8]]| Stranger::Says(parts.concat());
    // An answer to the first call, up to its result.
    let answer =
        [b"\x80\x01\0\x02\0\0\0\x13getThriftServerType\0\0\0".as_slice(), b"\x01"].concat();
    let framed = |answer: &[u8]| {
        Stranger::Says([&u32::try_from(answer.len()).unwrap().to_be_bytes()[..], answer].concat())
    };
    let no_gateway = "this is not HBase's Thrift gateway";
    for (stranger, options, part) in [
        (says(&[b"HTTP/1.1 400 Bad Request\r\n\r\n"]), "", no_gateway),
        (says(&[b"\x1b[31m\n\r\0\x80"]), "", no_gateway),
        (says(&[&[0; 100_000]]), "", no_gateway),
        (says(&[b"\x80\x01\0\x02\x7f\xff\xff\xff"]), "", no_gateway),
        (says(&[b"\x80\x01\0\x02\xff\xff\xff\xff"]), "", no_gateway),
        (says(&[&answer, b"\x0f\0\0\x0b\x7f\xff\xff\xff"]), "", no_gateway),
        (says(&[&answer, b"\x0d\0\0\x0b\x0b\xff\xff\xff\xff"]), "", no_gateway),
        (says(&[&answer, b"\x08\0\0\0\0\0\0\x09\0"]), "", no_gateway),
        (says(&[&answer, b"\0"]), "", no_gateway),
        (says(&[b"\x7f\xff\xff\xff", &[0x7f; 100_000]]), "transport=framed", no_gateway),
        (says(&[b"\xff\xff\xff\xff"]), "transport=framed", no_gateway),
        (framed(&[]), "transport=framed", "did not answer"),
        (framed(&answer), "transport=framed", "did not answer"),
        (says(&[&answer, b"\x08\0\0\0\0\0"]), "", "did not answer"),
        (Stranger::Hangs, "", "did not answer"),
        (Stranger::HangsUp, "", "closed the connection"),
    ] {
        let start = Instant::now();
        let outcome = end_of(publishing(log, listen(stranger), &format!("timeout=1s&{options}")));
        println!("{:?}: {}", start.elapsed(), outcome.stderr_text());
        assert_harmless(&outcome.stderr, false);
        expect_failure(outcome, &[part]);
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    }
}
