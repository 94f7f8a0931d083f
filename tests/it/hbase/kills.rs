//! The program killed at random moments while it publishes: the next run that is not killed puts everything right.
//!
//! `HITMAP_TEST_KILLS` is how many kills (30), `HITMAP_TEST_SEED` the seed of their moments, which is printed.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::harness::{Folder, command, hitmap, needs};
use crate::hbase::content::{Tables, cells};
use crate::hbase::server::{Hbase, hbase};
use crate::redis::kills::{Random, number};
use crate::redis::publishing::{generated, line};

#[test]
fn killed_runs_leave_nothing_that_the_next_run_does_not_put_right() {
    needs!(hbase());
    let kills = number("HITMAP_TEST_KILLS").unwrap_or(30);
    let seed =
        number("HITMAP_TEST_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 20 | 1);
    println!("HITMAP_TEST_SEED={seed}");
    let mut random = Random(seed);
    let tables = Tables::new(Hbase::shared());
    let folder = Folder::new();
    let url = tables.url("");
    // Two states of one day that have most cells in common; each has pages, sections and hours that the other lacks.
    let one = generated(&folder, 8_000, 1, 200);
    let text = std::fs::read_to_string(&one).unwrap();
    let date = text.split('[').nth(1).unwrap().split(':').next().unwrap();
    let mut other: String = text.lines().step_by(3).flat_map(|line| [line, "\n"]).collect();
    for minute in 0..60 {
        other += &line(7, 23, minute, "/only/here").replace("05/Mar/2018", date);
    }
    let other = folder.write("other.log", other);
    let logs = [&*one, other.to_str().unwrap()];
    let states = logs.map(|log| cells(&[log]));
    let publish =
        |log: &str| hitmap(&["analyze", "-q", "--to", &url, "--replace", log]).expect_exit(0);
    publish(logs[0]);
    let start = Instant::now();
    publish(logs[1]);
    let mut usual = u64::try_from(start.elapsed().as_micros()).unwrap();
    let (mut killed, mut runs) = (0, 0_usize);
    while killed < kills {
        runs += 1;
        let state = runs % 2;
        let mut command = command(&["analyze", logs[state], "--replace", "--to", &url]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(random.below(usual)));
        child.kill().unwrap();
        let was_killed = child.wait().unwrap().code().is_none();
        killed += u64::from(was_killed);
        if !was_killed {
            usual = usual * 9 / 10;
        }
        if runs % 6 == 0 {
            let state = usize::try_from(random.below(2)).unwrap();
            publish(logs[state]);
            tables.check(&states[state]);
        }
    }
    println!("{killed} kills in {runs} runs; a whole run takes {usual} µs");
    for (log, state) in logs.iter().zip(&states) {
        publish(log);
        tables.check(state);
    }
    // A run that is not told to replace anything: the log that is there has grown.
    let grown = folder.write("grown.log", std::fs::read(logs[1]).unwrap());
    let more = line(8, 22, 1, "/grown/").replace("05/Mar/2018", date);
    let grown_text = [std::fs::read(&grown).unwrap(), more.into_bytes()].concat();
    std::fs::write(&grown, grown_text).unwrap();
    let grown = grown.to_str().unwrap();
    hitmap(&["analyze", "-q", "--to", &url, grown]).expect_exit(0);
    tables.check(&cells(&[grown]));
}
