//! The program killed at random moments while a reader looks on: never a half day.
//!
//! `HITMAP_TEST_KILLS` is how many kills (15), `HITMAP_TEST_SEED` the seed of their moments, which is printed.

use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{Folder, command, needs};
use crate::redis::content::{Content, Kept, cells, check, content, expected};
use crate::redis::publishing::{generated, line, publish};
use crate::redis::server::{Reply, Server, redis_server};

const KEPT: Kept = Kept { minute_pages: 127, top_sections: 100 };

pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// xorshift64*
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }
}

#[test]
fn killed_runs_leave_whole_days() {
    needs!(redis_server());
    let kills = number("HITMAP_TEST_KILLS").unwrap_or(15);
    let seed =
        number("HITMAP_TEST_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 20 | 1);
    println!("HITMAP_TEST_SEED={seed}");
    let mut random = Random(seed);
    let (folder, server) = (Folder::new(), Server::start());
    // Two states of one day that have most keys in common, and values in few of them.
    let one = generated(&folder, 30_000, 1, 400);
    let text = std::fs::read_to_string(&one).unwrap();
    let date = text.split('[').nth(1).unwrap().split(':').next().unwrap();
    let mut other: String = text.lines().step_by(3).flat_map(|line| [line, "\n"]).collect();
    for minute in 0..60 {
        other += &line(7, 23, minute, "/only/here").replace("05/Mar/2018", date);
    }
    let other = folder.write("other.log", other);
    let logs = [&*one, other.to_str().unwrap()];
    let states = logs.map(|log| expected(&cells(&[log]), "hitmap:", KEPT));
    publish(&server.url(""), &[logs[0]]).expect_exit(0);
    let start = Instant::now();
    publish(&server.url(""), &[logs[1], "--replace"]).expect_exit(0);
    let usual = start.elapsed();

    let poller = Poller::new(&states);
    let (mut killed, mut in_staging, mut runs, mut committed) = (0, 0, 0_usize, 0);
    std::thread::scope(|scope| {
        let polling = scope.spawn(|| poller.run(&server));
        let mut client = server.client();
        let mut last_version = String::new();
        while killed < kills {
            runs += 1;
            let state = runs % 2;
            let mut command =
                command(&["analyze", logs[state], "--replace", "--to", &server.url("")]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let moment = u64::try_from(usual.as_micros()).unwrap();
            if random.below(4) == 0 {
                std::thread::sleep(Duration::from_micros(random.below(moment * 5 / 4)));
            } else {
                while client.call(&["HLEN", "hitmap:staging"]).text() == "0"
                    && child.try_wait().unwrap().is_none()
                {}
                std::thread::sleep(Duration::from_micros(random.below(moment * 3 / 4)));
            }
            child.kill().unwrap();
            let was_killed = child.wait().unwrap().code().is_none();
            killed += u64::from(was_killed);
            let version = client.call(&["GET", &poller.version_key]).text();
            committed += u64::from(was_killed && version != last_version);
            last_version = version;
            in_staging += u64::from(client.call(&["HLEN", "hitmap:staging"]).text() != "0");
            if runs % 5 == 0 {
                publish(&server.url(""), &[logs[state], "--replace"]).expect_exit(0);
                check(&mut client, &states[state]);
            }
        }
        poller.is_over.store(true, Ordering::Relaxed);
        polling.join().unwrap();
    });
    println!(
        "{killed} kills in {runs} runs: {in_staging} left something staged, {committed} had committed; {} snapshots, {} \
         of them new",
        poller.snapshots.load(Ordering::Relaxed),
        poller.changes.load(Ordering::Relaxed),
    );
    assert!(poller.changes.load(Ordering::Relaxed) > 1, "the poller never saw the day change");
    assert!(in_staging > 0, "no kill hit a run that had staged something");
    for (log, state) in logs.iter().zip(&states) {
        publish(&server.url(""), &[log, "--replace"]).expect_exit(0);
        check(&mut server.client(), state);
        assert!(content(&mut server.client(), "*staging*").is_empty());
    }
}

/// Reads all keys of the day at one moment, again and again.
struct Poller<'s> {
    states: &'s [Content; 2],
    version_key: String,
    reads: Vec<Vec<String>>,
    is_over: AtomicBool,
    snapshots: AtomicU64,
    changes: AtomicU64,
    last: Mutex<Option<(String, usize)>>,
}

impl<'s> Poller<'s> {
    fn new(states: &'s [Content; 2]) -> Self {
        let mut keys: Vec<&String> = states.iter().flat_map(Content::keys).collect();
        keys.retain(|key| !key.ends_with(":days"));
        keys.sort();
        keys.dedup();
        let base = keys.iter().find_map(|key| key.strip_suffix("totals")).unwrap();
        let version_key = format!("{base}version");
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let mut reads: Vec<Vec<String>> = vec![words(&["MULTI"]), words(&["GET", &version_key])];
        for key in keys {
            reads.push(if key.ends_with("totals") {
                words(&["HGETALL", key])
            } else {
                words(&["ZRANGE", key, "0", "-1", "WITHSCORES"])
            });
        }
        reads.push(words(&["EXEC"]));
        Self {
            states,
            version_key,
            reads,
            is_over: AtomicBool::new(false),
            snapshots: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            last: Mutex::new(None),
        }
    }

    fn run(&self, server: &Server) {
        let mut client = server.client();
        while !self.is_over.load(Ordering::Relaxed) {
            let Reply::List(found) = client.try_call_all(&self.reads).unwrap().pop().unwrap()
            else {
                panic!("no snapshot");
            };
            self.look(&found);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn look(&self, found: &[Reply]) {
        let version = found[0].text();
        let keys = self.reads[2..].iter().map(|words| &words[1]);
        let mut differs = [None, None];
        for (key, reply) in keys.zip(&found[1..]) {
            let texts = reply.texts();
            for (state, differs) in self.states.iter().zip(&mut differs) {
                let expected = state.get(key);
                let is_same = texts.len() == expected.map_or(0, |values| 2 * values.len())
                    && texts.chunks(2).all(|pair| {
                        expected.is_some_and(|values| values.get(&pair[0]) == Some(&pair[1]))
                    });
                if !is_same {
                    differs.get_or_insert(key);
                }
            }
        }
        let state = differs.iter().position(Option::is_none);
        let state = state
            .unwrap_or_else(|| panic!("half a day: neither state has these values of {differs:?}"));
        self.snapshots.fetch_add(1, Ordering::Relaxed);
        let mut last = self.last.lock().unwrap();
        let now = (version, state);
        if last.as_ref() != Some(&now) {
            if let Some((version, _)) = &*last {
                let number = |text: &str| text.parse::<u64>().unwrap();
                assert!(number(&now.0) > number(version), "a version went back");
            }
            self.changes.fetch_add(1, Ordering::Relaxed);
            *last = Some(now);
        }
    }
}
