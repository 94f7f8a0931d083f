//! Publishing to a real Redis: cells a second against `redis-cli --pipe` with the same commands on the same server in
//! the same run, and what a day takes in memory by setting.
//!
//! `HITMAP_BENCH_SCALE=0.2 cargo bench --bench redis` takes a fifth of the log, `HITMAP_BENCH_MINUTE_PAGES=all` one setting.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench may stop, and prints"
)]

#[path = "logs/mod.rs"]
mod logs;
#[path = "../tests/it/redis/server.rs"]
mod server;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use hitmap::cube::Cube;
use hitmap::pipeline::{Analysis, CountingOptions, Tracking, analyze, thread_pool};
use hitmap::publish::inputs::{CountedInput, counted_inputs, publish};
use hitmap::select::Rules;
use hitmap::source::Input;
use hitmap::store::{StoreUrl, open};
use hitmap::system::progress::Progress;

use server::Server;

/// Measured in turns so often.
const ROUNDS: usize = 3;

fn main() {
    let log = logs::easy();
    let server = Server::start();
    let progress = Progress::default();
    let pool = thread_pool(2).unwrap();
    pool.install(|| {
        let inputs = vec![Input::Path(log.path.clone())];
        let rules = Rules { site: "default".to_owned(), ..Rules::default() };
        let tracking = Tracking { identify: true, ..Tracking::default() };
        let options =
            CountingOptions { inputs, rules, threads: 2, tracking, ..CountingOptions::default() };
        let analysis = analyze(&options, &progress).unwrap();
        assert_eq!(analysis.inputs[0].tally.page_views, log.page_views);
        let counted = counted_inputs(&options.inputs, &analysis).unwrap();
        let cube = Cube::new(&analysis.facts, vec!["default".to_owned()], &[]);
        println!("log: easy, {} lines, {} days", log.lines, analysis.facts.days().count());
        let settings = std::env::var("HITMAP_BENCH_MINUTE_PAGES");
        for minute_pages in settings.as_deref().unwrap_or("0 127 all").split(' ') {
            let run = Run { cube: &cube, counted: &counted, server: &server, minute_pages };
            run.measure(&analysis);
        }
    });
}

struct Run<'r> {
    cube: &'r Cube<'r>,
    counted: &'r [CountedInput],
    server: &'r Server,
    minute_pages: &'r str,
}

impl Run<'_> {
    fn measure(&self, analysis: &Analysis) {
        let folder = tempfile::tempdir().unwrap();
        let recorded = folder.path().join("commands");
        let days = analysis.facts.days().count() as u64;
        let cells = self.record(&recorded);
        self.flush();
        let empty = self.used_memory();
        let (mut ours, mut pipes) = (Vec::new(), Vec::new());
        let (mut keys, mut memory) = (0, 0);
        for _ in 0..ROUNDS {
            self.flush();
            let start = Instant::now();
            assert_eq!(self.publish(self.server.port), cells);
            ours.push(start.elapsed().as_secs_f64());
            keys = self.keys();
            memory = self.used_memory() - empty;
            self.flush();
            let start = Instant::now();
            pipe(self.server.port, &recorded);
            pipes.push(start.elapsed().as_secs_f64());
            assert_eq!(self.keys(), keys, "the same commands leave the same keys");
        }
        let start = Instant::now();
        assert_eq!(self.publish(self.server.port), 0, "nothing has changed");
        let again = start.elapsed().as_secs_f64();
        let (ours, pipe) = (median(&mut ours), median(&mut pipes));
        let rate = |seconds: f64| cells as f64 / seconds / 1000.0;
        println!(
            "minute_pages={:<4} {cells} cells, {keys} keys: {:.0} k cells/s; redis-cli --pipe {:.0} k cells/s; ratio {:.0} %; \
             again, nothing changed: {:.0} k cells/s; {:.1} MB a day, {:.0} B a cell",
            self.minute_pages,
            rate(ours),
            rate(pipe),
            pipe / ours * 100.0,
            rate(again),
            memory as f64 / days as f64 / 1e6,
            memory as f64 / cells as f64,
        );
    }

    /// Publishes; says how many cells there were in days that changed.
    fn publish(&self, port: u16) -> u64 {
        let url = format!("redis://127.0.0.1:{port}?minute_pages={}", self.minute_pages);
        let store = open(&StoreUrl::parse(&url).unwrap()).unwrap();
        let done = publish(self.cube, self.counted, store, false, &Progress::default()).unwrap();
        assert!(done.refused.is_empty(), "{:?}", done.refused);
        done.cells
    }

    /// Publishes through a relay that keeps what is sent.
    fn record(&self, path: &Path) -> u64 {
        self.flush();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let client = listener.accept().unwrap().0;
                let server = TcpStream::connect(("127.0.0.1", self.server.port)).unwrap();
                let (from_server, to_client) =
                    (server.try_clone().unwrap(), client.try_clone().unwrap());
                scope.spawn(move || relay(from_server, to_client, None));
                relay(client, server, Some(File::create(path).unwrap()));
            });
            self.publish(port)
        })
    }

    fn flush(&self) {
        self.server.client().call(&["FLUSHALL", "SYNC"]);
    }

    fn keys(&self) -> u64 {
        self.server.client().call(&["DBSIZE"]).text().parse().unwrap()
    }

    fn used_memory(&self) -> u64 {
        let info = self.server.client().call(&["INFO", "memory"]).text();
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
        line.parse().unwrap()
    }
}

fn relay(mut from: TcpStream, mut to: TcpStream, mut copy: Option<File>) {
    let mut buffer = vec![0; 256 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if let Some(copy) = &mut copy {
            copy.write_all(&buffer[..read]).unwrap();
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

fn pipe(port: u16, commands: &Path) {
    let mut command = Command::new("redis-cli");
    command.args(["-p", &port.to_string(), "--pipe"]).stdin(File::open(commands).unwrap());
    let output = command.stdout(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("errors: 0,"), "{said}");
}

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}
