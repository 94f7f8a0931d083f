//! Publishing to a real HBase: cells a second against a bare Thrift client that makes the same puts over as many
//! connections, to tables as fresh, on the same server in the same run.
//!
//! The bare client is a replay: the puts of one run of the publisher are recorded by a relay, and sent again as they are,
//! one after the answer to the other. It makes no cells, encodes nothing and reads nothing but answers.
//!
//! Takes a fifth of the log by default; `HITMAP_BENCH_SCALE=1 cargo bench --bench hbase` takes all of it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench may stop, and prints")]

#[path = "logs/mod.rs"]
mod logs;
#[path = "../tests/it/hbase/server/mod.rs"]
mod server;

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use hitmap::cube::Cube;
use hitmap::pipeline::{Analysis, CountingOptions, Tracking, analyze, thread_pool};
use hitmap::publish::Publication;
use hitmap::publish::inputs::{CountedInput, counted_inputs, publish};
use hitmap::select::Rules;
use hitmap::source::Input;
use hitmap::store::{Store, StoreUrl, open};
use hitmap::system::progress::Progress;

use server::Hbase;

/// Measured in turns so often, after rounds that warm up the servers: a fresh one is several times slower.
const ROUNDS: usize = 3;
const WARM_UPS: usize = 2;
/// Share of the log's lines, unless the environment names another.
const SCALE: f64 = 0.2;
/// The store's connections, and the replay's.
const CONNECTIONS: usize = 2;
const TABLES: [&str; 3] = ["day", "hour", "minute"];

fn main() {
    if let Err(reason) = server::hbase() {
        println!("{reason}");
        return;
    }
    let log = logs::easy_or(SCALE);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let grown = folder.path().join("grown.log");
    let more_lines = grow(&log.path, &grown);
    let compiler = ["-XX:TieredStopAtLevel=4"];
    let mut hbase = Hbase::start_with(&compiler, &compiler);
    thread_pool(2).unwrap().install(|| {
        let (before, after) = (Counted::new(&log.path), Counted::new(&grown));
        let cube = before.cube();
        let days = before.analysis.facts.days().count();
        println!("log: easy, {} lines, {days} days", log.lines);
        let port = hbase.gateway_port();
        let recording = Recording::of(port, folder.path(), |port| {
            before.publish(&cube, open_store(port, "r0")).cells
        });
        let cells = recording.cells;
        println!("{cells} cells in {} calls", recording.calls.len());
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for round in 0..WARM_UPS + ROUNDS {
            let store = open_store(port, &format!("p{round}"));
            let start = Instant::now();
            assert_eq!(before.publish(&cube, store).cells, cells);
            ours.push(start.elapsed().as_secs_f64());
            let prefix = format!("b{round}");
            drop(open_store(port, &prefix));
            let start = Instant::now();
            recording.replay(port, &prefix);
            bare.push(start.elapsed().as_secs_f64());
            println!("round {round}: {:.2} s, bare client {:.2} s", ours[round], bare[round]);
        }
        let last = WARM_UPS + ROUNDS - 1;
        let page_views = log.page_views;
        check(&mut hbase, &format!("b{last}"), cells, page_views);
        let published = format!("p{last}");
        check(&mut hbase, &published, cells, page_views);
        let (ours, bare) = (median(&mut ours[WARM_UPS..]), median(&mut bare[WARM_UPS..]));
        let rate = |seconds: f64| cells as f64 / seconds / 1000.0;
        println!(
            "new: {:.0} k cells/s; bare client {:.0} k cells/s; ratio {:.0} %",
            rate(ours),
            rate(bare),
            bare / ours * 100.0
        );
        let again = |what: &str, counted: &Counted| {
            let (cube, store) = (counted.cube(), open_store(port, &published));
            let start = Instant::now();
            let done = counted.publish(&cube, store);
            let seconds = start.elapsed().as_secs_f64();
            println!(
                "{what}: {seconds:.2} s, {:.0} k cells/s; {} put",
                rate(seconds),
                done.changed
            );
            done
        };
        // Reading warms up, too.
        for _ in 0..=WARM_UPS {
            assert_eq!(again("again, nothing changed", &before).changed, 0);
        }
        let done = again(&format!("again, {more_lines} lines more"), &after);
        check(&mut hbase, &published, done.cells, after.page_views());
    });
}

/// Appends every hundredth line of a log to a copy of it; says how many.
fn grow(log: &Path, grown: &Path) -> u64 {
    std::fs::copy(log, grown).unwrap();
    let mut copy = BufWriter::new(File::options().append(true).open(grown).unwrap());
    let mut lines = 0;
    for line in BufReader::new(File::open(log).unwrap()).split(b'\n').step_by(100) {
        copy.write_all(&line.unwrap()).unwrap();
        copy.write_all(b"\n").unwrap();
        lines += 1;
    }
    lines
}

/// A log that was counted.
struct Counted {
    analysis: Analysis,
    inputs: Vec<CountedInput>,
}

impl Counted {
    fn new(path: &Path) -> Self {
        let inputs = vec![Input::Path(path.to_owned())];
        let rules = Rules { site: "default".to_owned(), ..Rules::default() };
        let tracking = Tracking { identify: true, ..Tracking::default() };
        let options =
            CountingOptions { inputs, rules, threads: 2, tracking, ..CountingOptions::default() };
        let analysis = analyze(&options, &Progress::default()).unwrap();
        let inputs = counted_inputs(&options.inputs, &analysis).unwrap();
        Self { analysis, inputs }
    }

    fn page_views(&self) -> u64 {
        self.analysis.inputs[0].tally.page_views
    }

    fn cube(&self) -> Cube<'_> {
        Cube::new(&self.analysis.facts, vec!["default".to_owned()], &[])
    }

    fn publish(&self, cube: &Cube<'_>, store: Box<dyn Store>) -> Publication {
        let done = publish(cube, &self.inputs, store, false, &Progress::default()).unwrap();
        assert!(done.refused.is_empty(), "{:?}", done.refused);
        done
    }
}

/// Opens the store, which makes the tables.
fn open_store(port: u16, prefix: &str) -> Box<dyn Store> {
    open(&StoreUrl::parse(&format!("hbase://127.0.0.1:{port}?prefix={prefix}")).unwrap()).unwrap()
}

/// Fails unless the tables hold so many cells and each page view nine times: by day, hour and minute, in the site, a section
/// and a page.
fn check(hbase: &mut Hbase, prefix: &str, cells: u64, page_views: u64) {
    let tables = TABLES.iter().map(|table| format!("{prefix}_{table}")).collect::<Vec<_>>();
    let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
    let counted = String::from_utf8(hbase.gateway().python("count.py", &tables)).unwrap();
    let counted: Vec<u64> = counted.split_whitespace().map(|text| text.parse().unwrap()).collect();
    assert_eq!(counted[..2], [cells, 9 * page_views], "{prefix}");
}

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// A connection that sends calls as they are, and takes answers without a value.
struct Bare(TcpStream);

impl Bare {
    fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    /// Sends a call and waits for its answer: version and type, name, number, and an end where an exception would be.
    fn call(&mut self, call: &[u8]) {
        self.0.write_all(call).unwrap();
        let name = u32::from_be_bytes(call[4..8].try_into().unwrap()) as usize;
        let mut answer = vec![0; 8 + name + 4 + 1];
        self.0.read_exact(&mut answer).unwrap();
        assert!(answer[..4] == [0x80, 1, 0, 2] && answer.last() == Some(&0), "{answer:?}");
    }
}

/// Puts as the gateway got them, in a file.
struct Recording {
    file: File,
    calls: Vec<Call>,
    cells: u64,
}

struct Call {
    start: u64,
    bytes: usize,
}

/// Where the name of the table begins in a call of `mutateRowsTs`.
const TABLE: usize = 8 + PUT.len() + 4 + 3 + 4;
const PUT: &[u8] = b"mutateRowsTs";

fn is_put_of_cells(call: &[u8]) -> bool {
    let is_put = call.get(8..8 + PUT.len()) == Some(PUT);
    is_put && {
        let length = u32::from_be_bytes(call[TABLE - 4..TABLE].try_into().unwrap());
        !call[TABLE..TABLE + length as usize].ends_with(b"_ledger")
    }
}

impl Recording {
    /// Keeps the puts of cells that `publish` makes, which takes the port of a relay to the gateway and returns the number
    /// of cells.
    fn of(port: u16, folder: &Path, publish: impl FnOnce(u16) -> u64) -> Self {
        let path = folder.join("calls");
        let file = File::create(&path).unwrap();
        let recorded = Arc::new(Mutex::new((file, Vec::new(), 0)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = listener.local_addr().unwrap().port();
        let keep = {
            let recorded = recorded.clone();
            move |call: Vec<u8>| {
                if is_put_of_cells(&call) {
                    let (file, calls, end) = &mut *recorded.lock().unwrap();
                    file.write_all(&call).unwrap();
                    calls.push(Call { start: *end, bytes: call.len() });
                    *end += call.len() as u64;
                }
            }
        };
        let cells = std::thread::scope(|scope| {
            scope.spawn(move || {
                let connections = (0..CONNECTIONS).map(|_| {
                    let client = listener.accept().unwrap().0;
                    let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
                    let keep = keep.clone();
                    std::thread::spawn(move || relay_calls(client, server, keep))
                });
                connections.collect::<Vec<_>>().into_iter().for_each(|relay| relay.join().unwrap());
            });
            publish(relay)
        });
        let (_, calls, _) = std::mem::replace(
            &mut *recorded.lock().unwrap(),
            (File::open(&path).unwrap(), Vec::new(), 0),
        );
        Self { file: File::open(&path).unwrap(), calls, cells }
    }

    /// Sends the puts to the tables of another prefix of the same length.
    fn replay(&self, port: u16, prefix: &str) {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..CONNECTIONS {
                scope.spawn(|| {
                    let mut gateway = Bare::connect(port);
                    let mut bytes = Vec::new();
                    while let Some(call) = self.calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                        bytes.resize(call.bytes, 0);
                        self.file.read_exact_at(&mut bytes, call.start).unwrap();
                        bytes[TABLE..TABLE + prefix.len()].copy_from_slice(prefix.as_bytes());
                        gateway.call(&bytes);
                    }
                });
            }
        });
    }
}

/// Passes a connection on; gives each call to `keep` once its answer comes.
fn relay_calls(client: TcpStream, server: TcpStream, keep: impl Fn(Vec<u8>)) {
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    let call = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pass(&client, &server, |bytes| call.lock().unwrap().extend_from_slice(bytes));
        });
        pass(&server, &client, |_| {
            let call = std::mem::take(&mut *call.lock().unwrap());
            if !call.is_empty() {
                keep(call);
            }
        });
    });
}

fn pass(mut from: &TcpStream, mut to: &TcpStream, see: impl Fn(&[u8])) {
    let mut buffer = vec![0; 256 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        see(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
