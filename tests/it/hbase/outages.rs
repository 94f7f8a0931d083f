//! HBase killed and frozen while its gateway lives.

use std::time::Instant;

use crate::harness::{Folder, end_of, needs};
use crate::hbase::bridge::Bridge;
use crate::hbase::server::{Hbase, SHORT_FAILURES, hbase};
use crate::hbase::trial::{MIDWAY, check, day, expect_failure, nothing, publish, publishing};

/// Parts of the sentences about an HBase that fails.
const FAILED: [&str; 2] = ["HBase refuses. It said: ", "the gateway did not answer for "];

/// What a gateway has by default: it tries for minutes.
const PATIENT: [&str; 8] = [
    "hbase.client.pause=100",
    "hbase.client.retries.number=15",
    "hbase.rpc.timeout=60000",
    "hbase.client.operation.timeout=1200000",
    "hbase.client.meta.operation.timeout=1200000",
    "hbase.client.scanner.timeout.period=60000",
    "hbase.ipc.client.connect.timeout=10000",
    "zookeeper.session.timeout=90000",
];

#[test]
fn an_hbase_that_fails_behind_its_gateway_is_waited_for_as_long_as_the_url_says() {
    needs!(hbase());
    let (folder, mut hbase) = (Folder::new(), Hbase::exclusive(SHORT_FAILURES));
    let (log, nothing) = (day(&folder), nothing(&folder));
    let patient = hbase.new_gateway(&PATIENT);
    ["short", "long", "frozen"].iter().for_each(|prefix| publish(&hbase, prefix, &nothing));
    let (gateway, patient) = (hbase.gateway_port(), patient.port());

    // Killed while two runs publish.
    let bridges = [Bridge::to(gateway), Bridge::to(gateway)];
    bridges.iter().for_each(|bridge| bridge.hold_after(MIDWAY));
    let short = publishing(&log, bridges[0].port(), "prefix=short&timeout=3s");
    let long = publishing(&log, bridges[1].port(), "prefix=long&timeout=3m");
    bridges.iter().for_each(Bridge::wait_until_held);
    let killed = Instant::now();
    hbase.kill_hbase();
    bridges.iter().for_each(Bridge::release);
    expect_in_time(end_of(short), killed);
    // Dead when a run begins.
    for port in [gateway, patient] {
        let start = Instant::now();
        expect_in_time(end_of(publishing(&log, port, "prefix=short&timeout=2s")), start);
    }
    hbase.start_hbase();
    end_of(long).expect_exit(0);
    println!("goes through {:?} after HBase was killed", killed.elapsed());
    check(&hbase, "long", &log);
    publish(&hbase, "short", &log);
    check(&hbase, "short", &log);

    // Frozen while a run publishes, and when others begin.
    let bridge = Bridge::to(gateway);
    bridge.hold_after(MIDWAY);
    let midway = publishing(&log, bridge.port(), "prefix=frozen&timeout=3s");
    bridge.wait_until_held();
    let frozen = Instant::now();
    hbase.freeze_hbase();
    bridge.release();
    let others = [gateway, patient].map(|port| publishing(&log, port, "prefix=short&timeout=2s"));
    let others = others.map(end_of);
    let midway = end_of(midway);
    hbase.thaw_hbase();
    for outcome in others {
        expect_in_time(outcome, frozen);
    }
    expect_in_time(midway, frozen);
    hbase.recover();
    publish(&hbase, "frozen", &log);
    check(&hbase, "frozen", &log);
    // Once the calls of the run that gave up are over.
    bridge.wait_until_closed();
    check(&hbase, "frozen", &log);
    check(&hbase, "short", &log);
}

/// Fails unless a run of a short timeout has failed, in much less time than the gateway would take by default.
#[track_caller]
fn expect_in_time(outcome: crate::harness::Outcome, start: Instant) {
    let elapsed = start.elapsed();
    println!("{elapsed:?}: {}", outcome.stderr_text());
    expect_failure(outcome, &FAILED);
    assert!(elapsed.as_secs() < 60, "{elapsed:?}");
}
