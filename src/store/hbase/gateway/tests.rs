//! A server that answers what a test tells it, byte by byte.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::connection::MAX_ANSWER_BYTES;
use super::{Creation, Family, Gateway, Row, RowCell, Scan};
use crate::store::hbase::address::{Address, Transport};
use crate::store::hbase::failure::Failure;

/// The timeout where nothing comes.
const SHORT: Duration = Duration::from_millis(500);

/// What the server does when a call has come.
enum Act {
    /// Answers the first call as a gateway does.
    Greet,
    /// Answers with a header that fits the call, and this.
    Reply(Vec<u8>),
    /// Answers with a header of the kind `exception`, and this.
    Exception(Vec<u8>),
    /// Sends this.
    Raw(Vec<u8>),
    /// As [`Reply`](Act::Reply), and then sends the second again and again.
    Forever(Vec<u8>, Vec<u8>),
    /// Waits for the end of the connection.
    Silence,
    /// Closes the connection.
    Close,
    /// Closes the connection without waiting for a call.
    Shut,
}

/// The names of the calls that came.
type Calls = Vec<String>;

/// Serves one connection after the other, by the acts of each.
fn serve(transport: Transport, connections: Vec<Vec<Act>>) -> (Address, JoinHandle<Calls>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    let mut address = Address::parse(&format!("hbase://{place}?timeout=60s")).unwrap();
    address.transport = transport;
    let server = thread::spawn(move || {
        let mut calls = Vec::new();
        for acts in connections {
            let (stream, _) = listener.accept().unwrap();
            let framed = transport == Transport::Framed;
            // A client that gives up closes the connection in the middle.
            let _ = serve_connection(stream, framed, acts, &mut calls);
        }
        calls
    });
    (address, server)
}

fn serve_connection(
    mut stream: TcpStream,
    framed: bool,
    acts: Vec<Act>,
    calls: &mut Calls,
) -> io::Result<()> {
    for act in acts {
        if matches!(act, Act::Shut) {
            return Ok(());
        }
        // Each call is sent whole and is short.
        let mut call = vec![0; 64 * 1024];
        let length = stream.read(&mut call)?;
        call.truncate(length);
        let header = call.get(if framed { 4 } else { 0 }..).unwrap_or_default();
        let name_end = 8 + header.get(7).map_or(0, |&length| usize::from(length)).min(header.len());
        let header = header.get(..name_end + 4).unwrap_or_default().to_vec();
        calls.push(String::from_utf8_lossy(header.get(8..name_end).unwrap_or_default()).into());
        let answer = |kind: u8, body: &[u8]| {
            let mut answer = header.clone();
            answer[3] = kind;
            answer.extend_from_slice(body);
            let frame = i32::try_from(answer.len()).unwrap().to_be_bytes();
            [if framed { &frame[..] } else { &[] }, &answer].concat()
        };
        match act {
            Act::Greet => stream.write_all(&answer(2, &[8, 0, 0, 0, 0, 0, 1, 0]))?,
            Act::Reply(body) => stream.write_all(&answer(2, &body))?,
            Act::Exception(body) => stream.write_all(&answer(3, &body))?,
            Act::Raw(bytes) => stream.write_all(&bytes)?,
            Act::Forever(body, more) => {
                stream.write_all(&answer(2, &body))?;
                loop {
                    stream.write_all(&more)?;
                }
            }
            Act::Silence => {
                io::copy(&mut stream, &mut io::sink())?;
            }
            Act::Close | Act::Shut => return Ok(()),
        }
    }
    // What is read is nothing: the client closes the connection.
    io::copy(&mut stream, &mut io::sink())?;
    Ok(())
}

fn text(text: &[u8]) -> Vec<u8> {
    [&i32::try_from(text.len()).unwrap().to_be_bytes()[..], text].concat()
}

/// A list of texts as a call's result.
fn names(names: &[&str]) -> Vec<u8> {
    let mut bytes = vec![15, 0, 0, 11];
    bytes.extend(i32::try_from(names.len()).unwrap().to_be_bytes());
    names.iter().for_each(|name| bytes.extend(text(name.as_bytes())));
    bytes.push(0);
    bytes
}

/// An exception that the call declares in its field `id`.
fn declared(id: u8, message: &str) -> Vec<u8> {
    [&[12, 0, id, 11, 0, 1][..], &text(message.as_bytes()), &[0, 0]].concat()
}

fn connect(address: &Address) -> Gateway {
    Gateway::connect(address).unwrap_or_else(|failure| panic!("{failure:?}"))
}

/// The failure of the first call, to a server that speaks `Transport::Buffered`.
fn first_failure(act: Act) -> (Failure, String) {
    let is_silent = matches!(act, Act::Silence);
    let (mut address, server) = serve(Transport::Buffered, vec![vec![act]]);
    if is_silent {
        address.timeout = SHORT;
    }
    let failure = Gateway::connect(&address).err().expect("this is no gateway");
    server.join().unwrap();
    let sentence = failure.sentence(&address);
    (failure, sentence)
}

#[test]
fn nobody_listens() {
    let place = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = Address::parse(&format!("hbase://{place}")).unwrap();
    let failure = Gateway::connect(&address).err();
    assert!(matches!(failure, Some(Failure::Unreachable(reason)) if reason.contains("refused")));
}

#[test]
fn what_is_no_buffered_gateway_is_told_at_the_first_call() {
    let (failure, sentence) = first_failure(Act::Close);
    assert!(matches!(failure, Failure::Unreachable(_)), "{failure:?}");
    assert!(sentence.contains("transport=framed"), "{sentence}");

    let start = Instant::now();
    let (failure, sentence) = first_failure(Act::Silence);
    assert!(matches!(failure, Failure::Unreachable(_)), "{failure:?}");
    assert!(sentence.contains("500ms") && sentence.contains("transport=framed"), "{sentence}");
    assert!(start.elapsed() < Duration::from_secs(5));

    let (failure, sentence) = first_failure(Act::Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n".into()));
    assert!(matches!(failure, Failure::Protocol(_)), "{failure:?}");
    assert!(!sentence.contains("transport"), "{sentence}");

    let (failure, sentence) = first_failure(Act::Raw(b"-ERR unknown command\r\n".into()));
    assert!(matches!(failure, Failure::Protocol(_)), "{failure:?} {sentence}");

    let (failure, sentence) = first_failure(Act::Reply(vec![8, 0, 0, 0, 0, 0, 2, 0]));
    assert!(matches!(failure, Failure::Protocol(_)), "{failure:?}");
    assert!(sentence.contains("Thrift2"), "{sentence}");
}

#[test]
fn a_buffered_gateway_is_told_from_a_framed_one() {
    let version = vec![0x80, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0];
    for act in [Act::Silence, Act::Raw(version)] {
        let (mut address, server) = serve(Transport::Buffered, vec![vec![act]]);
        address.transport = Transport::Framed;
        address.timeout = SHORT;
        let sentence = Gateway::connect(&address).err().unwrap().sentence(&address);
        assert!(sentence.contains("leave transport=framed out"), "{sentence}");
        server.join().unwrap();
    }
}

#[test]
fn an_old_gateway_does_not_know_the_first_call() {
    let unknown =
        [&[11, 0, 1][..], &text(b"Invalid method name"), &[8, 0, 2, 0, 0, 0, 1, 0]].concat();
    let acts = vec![Act::Exception(unknown), Act::Reply(names(&["a"]))];
    let (address, _server) = serve(Transport::Buffered, vec![acts]);
    assert_eq!(connect(&address).table_names(), Ok(vec!["a".to_owned()]));
}

#[test]
fn frames() {
    let (one, two) = ("a".repeat(70_000), "b".repeat(100));
    let acts = vec![Act::Greet, Act::Reply(names(&[&one, &two])), Act::Reply(names(&[]))];
    let (address, server) = serve(Transport::Framed, vec![acts]);
    let mut gateway = connect(&address);
    assert_eq!(gateway.table_names(), Ok(vec![one, two]));
    assert_eq!(gateway.table_names(), Ok(vec![]));
    drop(gateway);
    assert_eq!(server.join().unwrap(), ["getThriftServerType", "getTableNames", "getTableNames"]);
}

#[test]
fn a_connection_that_failed_is_replaced() {
    let recovers = || vec![Act::Greet, Act::Reply(names(&["a"]))];
    let sequence = [&[0x80, 1, 0, 2][..], &text(b"getTableNames"), &[0, 0, 0, 9, 0]].concat();
    let method = [&[0x80, 1, 0, 2][..], &text(b"getRows"), &[0, 0, 0, 2, 0]].concat();
    let huge_list = vec![15, 0, 0, 11, 0x7f, 0xff, 0xff, 0xff];
    let huge_text = vec![15, 0, 0, 11, 0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff];
    let negative = vec![15, 0, 0, 11, 0xff, 0xff, 0xff, 0xff];
    let long_list = [&[15, 0, 0, 11, 0, 0x3f, 0xff, 0xff][..], &text(&[0; 1000])].concat();
    type IsExpected = fn(&Failure) -> bool;
    let is_protocol: IsExpected = |failure| matches!(failure, Failure::Protocol(_));
    let is_lost: IsExpected = |failure| matches!(failure, Failure::Unreachable(_));
    let is_silent: IsExpected = |failure| *failure == Failure::TimedOut;
    for (name, act, is_expected) in [
        ("closed", Act::Close, is_lost),
        ("silent", Act::Silence, is_silent),
        ("silent in an answer", Act::Reply(long_list), is_silent),
        ("another sequence number", Act::Raw(sequence), is_protocol),
        ("another method", Act::Raw(method), is_protocol),
        ("no result", Act::Reply(vec![0]), is_protocol),
        ("a list of 2^31-1", Act::Reply(huge_list), is_protocol),
        ("a text of 2^31-1", Act::Reply(huge_text), is_protocol),
        ("a list of -1", Act::Reply(negative), is_protocol),
        ("a type that there is not", Act::Reply(vec![99, 0, 0]), is_protocol),
        ("another protocol", Act::Raw(b"HTTP/1.1 200 OK\r\n".into()), is_protocol),
    ] {
        let (mut address, server) =
            serve(Transport::Buffered, vec![vec![Act::Greet, act], recovers()]);
        if name.starts_with("silent") {
            address.timeout = SHORT;
        }
        let mut gateway = connect(&address);
        let failure = gateway.table_names().unwrap_err();
        assert!(is_expected(&failure), "{name}: {failure:?}");
        assert!(!failure.sentence(&address).contains("transport="), "{name}: {failure:?}");
        assert_eq!(gateway.table_names(), Ok(vec!["a".to_owned()]), "{name}");
        drop(gateway);
        server.join().unwrap();
    }
}

#[test]
fn an_answer_without_end_is_refused() {
    let piece = text(&[b'a'; 100_000]);
    let list = vec![15, 0, 0, 11, 0, 0x3f, 0xff, 0xff];
    let unknown_field = vec![15, 0, 77, 11, 0, 0x3f, 0xff, 0xff];
    let empty_frames = vec![0; 100_000];
    for (transport, begin, more) in [
        (Transport::Buffered, list.clone(), piece.clone()),
        (Transport::Buffered, unknown_field, piece),
        (Transport::Framed, list, empty_frames),
    ] {
        let acts = vec![Act::Greet, Act::Forever(begin, more)];
        let (address, server) = serve(transport, vec![acts]);
        let failure = connect(&address).table_names().unwrap_err();
        assert_eq!(failure, Failure::TooLong);
        server.join().unwrap();
    }
}

#[test]
fn an_answer_of_almost_the_limit_is_read() {
    let long = "a".repeat((16 << 20) - 100);
    let list = [&*long; MAX_ANSWER_BYTES / (16 << 20)];
    let acts = vec![Act::Greet, Act::Reply(names(&list)), Act::Reply(names(&["b"]))];
    let (address, _server) = serve(Transport::Buffered, vec![acts]);
    let mut gateway = connect(&address);
    assert_eq!(gateway.table_names().unwrap(), list);
    assert_eq!(gateway.table_names().unwrap(), ["b"]);
}

#[test]
fn a_rejection_keeps_the_connection() {
    let internal =
        [&[11, 0, 1][..], &text(b"Internal error processing x"), &[8, 0, 2, 0, 0, 0, 6, 0]];
    let acts = vec![
        Act::Greet,
        Act::Reply(declared(1, "org.apache.hadoop.hbase.TableNotFoundException: t\n\tat x.y(z)\n")),
        Act::Exception(internal.concat()),
        Act::Reply(declared(3, "table name already in use")),
        Act::Reply(declared(1, "org.apache.hadoop.hbase.TableExistsException: t")),
        Act::Reply(declared(2, "a\u{1b}[31mb")),
    ];
    let (address, server) = serve(Transport::Buffered, vec![acts]);
    let mut gateway = connect(&address);
    let failure = gateway.is_enabled("t").unwrap_err();
    assert_eq!(failure, Failure::Rejected("TableNotFoundException: t".to_owned()));
    assert_eq!(
        failure.sentence(&address),
        "a table has gone; the next run makes it again. It said: TableNotFoundException: t"
    );
    let failure = gateway.is_enabled("t").unwrap_err();
    assert_eq!(failure, Failure::Rejected("Internal error processing x".to_owned()));
    let family = Family { name: "c".to_owned(), max_versions: 1, ttl_seconds: Some(7) };
    assert_eq!(gateway.create_table("t", &family), Ok(Creation::Existed));
    assert_eq!(gateway.create_table("t", &family), Ok(Creation::Existed));
    let failure = gateway.create_table("t", &family).unwrap_err();
    assert_eq!(failure, Failure::Rejected("a\\x1b[31mb".to_owned()));
    drop(gateway);
    assert_eq!(server.join().unwrap().len(), 6);
}

#[test]
fn a_connection_closed_while_idle_is_replaced_without_a_failure() {
    let acts = vec![Act::Greet, Act::Reply(names(&["b"]))];
    let (address, server) = serve(Transport::Buffered, vec![vec![Act::Greet, Act::Shut], acts]);
    let mut gateway = connect(&address);
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(gateway.table_names(), Ok(vec!["b".to_owned()]));
    drop(gateway);
    assert_eq!(server.join().unwrap().len(), 3);
}

/// Rows of one cell, `c:q` = `v` at time 7, as a call's result.
fn rows(keys: &[&str]) -> Vec<u8> {
    let mut bytes = vec![15, 0, 0, 12];
    bytes.extend(i32::try_from(keys.len()).unwrap().to_be_bytes());
    for key in keys {
        bytes.extend(
            [&[11, 0, 1][..], &text(key.as_bytes()), &[13, 0, 2, 11, 12, 0, 0, 0, 1]].concat(),
        );
        bytes.extend([&text(b"c:q")[..], &[11, 0, 1], &text(b"v"), &[10, 0, 2]].concat());
        bytes.extend([&7i64.to_be_bytes()[..], &[0, 0]].concat());
    }
    bytes.push(0);
    bytes
}

fn row(key: &str) -> Row {
    let cell = RowCell { qualifier: b"q".to_vec(), value: b"v".to_vec(), timestamp: 7 };
    Row { key: key.as_bytes().to_vec(), cells: vec![cell] }
}

#[test]
fn a_scanner_is_closed() {
    let opened = || Act::Reply(vec![8, 0, 0, 0, 0, 0, 5, 0]);
    let done = || Act::Reply(vec![0]);
    let all = vec![
        opened(),
        Act::Reply(rows(&["a", "b"])),
        Act::Reply(rows(&["c"])),
        Act::Reply(rows(&[])),
        done(),
    ];
    let broken = vec![opened(), Act::Reply(rows(&["a", "b"])), done()];
    let refused = vec![opened(), Act::Reply(rows(&["a"])), Act::Reply(declared(1, "no")), done()];
    let lost = vec![opened(), Act::Close];
    let acts = [vec![Act::Greet], all, broken, refused, lost].into_iter().flatten().collect();
    let (address, server) = serve(Transport::Buffered, vec![acts]);
    let mut gateway = connect(&address);
    let scan = Scan { table: "t", family: "c", start: b"", stop: b"", keys_only: false };
    let mut visit = |most: usize| {
        let mut seen = Vec::new();
        let done = gateway.scan(&scan, |row| {
            seen.push(row);
            if seen.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        (done, seen)
    };
    assert_eq!(visit(9), (Ok(()), vec![row("a"), row("b"), row("c")]));
    assert_eq!(visit(1), (Ok(()), vec![row("a")]));
    assert_eq!(visit(9), (Err(Failure::Rejected("no".to_owned())), vec![row("a")]));
    assert!(matches!(visit(9), (Err(Failure::Unreachable(_)), seen) if seen.is_empty()));
    let calls = server.join().unwrap();
    let (open, get, close) = ("scannerOpenWithScan", "scannerGetList", "scannerClose");
    let all = [open, get, get, get, close];
    let expected = [
        &["getThriftServerType"][..],
        &all,
        &[open, get, close],
        &[open, get, get, close],
        &[open, get],
    ];
    assert_eq!(calls, expected.concat());
}

#[test]
fn nothing_to_do_needs_no_call() {
    let (address, server) = serve(Transport::Buffered, vec![vec![Act::Greet]]);
    let mut gateway = connect(&address);
    assert_eq!(gateway.rows("t", &[], "c"), Ok(vec![]));
    assert_eq!(gateway.put("t", "c", &[], 1), Ok(()));
    drop(gateway);
    assert_eq!(server.join().unwrap().len(), 1);
}
