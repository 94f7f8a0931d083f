//! A cluster of three nodes: days are spread over them, each whole on one; moved slots are followed.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{Folder, command, needs};
use crate::redis::content::{Content, Kept, cells, content, expected};
use crate::redis::publishing::{generated, publish};
use crate::redis::server::{Client, Reply, Server, redis_server};

const KEPT: Kept = Kept { minute_pages: 127, top_sections: 100 };

struct Cluster {
    nodes: Vec<Server>,
}

impl Cluster {
    fn start() -> Self {
        let settings =
            ["--save", "", "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"];
        let nodes: Vec<Server> = (0..3).map(|_| Server::start_with(&settings)).collect();
        for (node, slots) in
            nodes.iter().zip([("0", "5460"), ("5461", "10922"), ("10923", "16383")])
        {
            let mut client = node.client();
            assert_eq!(client.call(&["CLUSTER", "ADDSLOTSRANGE", slots.0, slots.1]).text(), "OK");
            let port = nodes[0].port.to_string();
            assert_eq!(client.call(&["CLUSTER", "MEET", "127.0.0.1", &port]).text(), "OK");
        }
        let start = Instant::now();
        for node in &nodes {
            let is_up = || {
                let mut client = node.client();
                let info = client.call(&["CLUSTER", "INFO"]).text();
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            };
            while !is_up() {
                assert!(
                    start.elapsed() < Duration::from_secs(60),
                    "the nodes do not find each other"
                );
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Self { nodes }
    }

    fn clients(&self) -> Vec<Client> {
        self.nodes.iter().map(Server::client).collect()
    }

    /// Everything that is in it; fails if a key is on two nodes.
    fn content(&self) -> Content {
        let mut all = Content::new();
        for mut client in self.clients() {
            for (key, values) in content(&mut client, "*") {
                assert!(all.insert(key.clone(), values).is_none(), "{key} is on two nodes");
            }
        }
        all
    }

    #[track_caller]
    fn check(&self, expected: &Content) {
        let mut found = self.content();
        found.retain(|key, _| !key.ends_with(":version") && !key.ends_with(":ledger"));
        for (key, values) in expected {
            assert_eq!(found.get(key), Some(values), "{key}");
        }
        let others: Vec<&String> =
            found.keys().filter(|key| !expected.contains_key(*key)).collect();
        assert!(others.is_empty(), "keys that nobody ordered: {others:?}");
    }

    /// The slot of a key, and the number of the node that has it.
    fn place(&self, key: &str) -> (String, usize) {
        let slot = self.nodes[0].client().call(&["CLUSTER", "KEYSLOT", key]).text();
        let is_owner = |mut client: Client| match client.call(&["EXISTS", key]) {
            Reply::Error(error) => error.starts_with("ASK"),
            _ => true,
        };
        (slot, self.clients().into_iter().position(is_owner).unwrap())
    }

    fn id(&self, node: usize) -> String {
        self.nodes[node].client().call(&["CLUSTER", "MYID"]).text()
    }

    /// Tells both sides that a slot is about to move.
    fn open_slot(&self, slot: &str, from: usize, to: usize) {
        let (source, target) = (self.id(from), self.id(to));
        let [mut giving, mut taking] = [from, to].map(|node| self.nodes[node].client());
        taking.call(&["CLUSTER", "SETSLOT", slot, "IMPORTING", &source]);
        giving.call(&["CLUSTER", "SETSLOT", slot, "MIGRATING", &target]);
    }

    /// Moves the keys of a slot, and then the slot.
    fn move_slot(&self, slot: &str, from: usize, to: usize) {
        let mut giving = self.nodes[from].client();
        let port = self.nodes[to].port.to_string();
        loop {
            let keys = giving.call(&["CLUSTER", "GETKEYSINSLOT", slot, "100"]).texts();
            if keys.is_empty() {
                break;
            }
            let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            words.extend(keys.iter().map(String::as_str));
            let moved = giving.call(&words).text();
            assert!(moved == "OK" || moved == "NOKEY", "{moved}");
        }
        let target = self.id(to);
        for node in [to, from, 3 - to - from] {
            let mut client = self.nodes[node].client();
            assert_eq!(client.call(&["CLUSTER", "SETSLOT", slot, "NODE", &target]).text(), "OK");
        }
    }
}

#[test]
fn days_are_spread_and_each_is_whole_on_one_node() {
    needs!(redis_server());
    let (folder, cluster) = (Folder::new(), Cluster::start());
    let log = generated(&folder, 30_000, 7, 200);
    let all = expected(&cells(&[&log]), "hitmap:", KEPT);
    publish(&cluster.nodes[0].url(""), &[&log]).expect_exit(0);
    cluster.check(&all);
    let mut nodes_with_days = 0;
    for mut client in cluster.clients() {
        let found = content(&mut client, "*totals");
        nodes_with_days += usize::from(!found.is_empty());
        for key in found.keys() {
            let base = key.strip_suffix("totals").unwrap();
            let of_day = content(&mut client, &format!("{base}*"));
            assert_eq!(of_day.len(), 2 + all.keys().filter(|key| key.starts_with(base)).count());
        }
    }
    assert!(nodes_with_days > 1, "seven days on one node");
    let outcome = publish(&cluster.nodes[2].url(""), &[&log]).expect_exit(0);
    assert!(outcome.stderr_text().contains("7 days, nothing changed"), "{}", outcome.stderr_text());
    publish(&cluster.nodes[1].url("?minute_pages=2"), &[&log]).expect_exit(0);
    cluster.check(&expected(&cells(&[&log]), "hitmap:", Kept { minute_pages: 2, ..KEPT }));
}

#[test]
fn a_slot_that_moved_is_followed_and_one_that_moves_for_long_is_reported() {
    needs!(redis_server());
    let (folder, cluster) = (Folder::new(), Cluster::start());
    let log = generated(&folder, 20_000, 1, 200);
    let all = expected(&cells(&[&log]), "hitmap:", KEPT);
    let totals = all.keys().find(|key| key.ends_with("totals")).unwrap();
    let (slot, from) = cluster.place(totals);
    let to = (from + 1) % 3;
    // A new day in a slot that is open: its keys would be here and there.
    cluster.open_slot(&slot, from, to);
    let outcome = publish(&cluster.nodes[0].url("?timeout=1s"), &[&log]).expect_exit(4);
    assert!(
        outcome.stderr_text().contains("the cluster is moving keys"),
        "{}",
        outcome.stderr_text()
    );
    cluster.move_slot(&slot, from, to);
    for node in &cluster.nodes {
        publish(&node.url(""), &[&log]).expect_exit(0);
        cluster.check(&all);
    }
    assert_eq!(cluster.place(totals).1, to);
    // A day that is there, moved, then published from another state.
    cluster.open_slot(&slot, to, from);
    cluster.move_slot(&slot, to, from);
    publish(&cluster.nodes[to].url("?minute_pages=1"), &[&log]).expect_exit(0);
    cluster.check(&expected(&cells(&[&log]), "hitmap:", Kept { minute_pages: 1, ..KEPT }));
}

#[test]
fn a_reshard_in_the_middle_is_survived() {
    needs!(redis_server());
    let (folder, cluster) = (Folder::new(), Cluster::start());
    let log = generated(&folder, 60_000, 1, 800);
    let rows = cells(&[&log]);
    let all = expected(&rows, "hitmap:", KEPT);
    let totals = all.keys().find(|key| key.ends_with("totals")).unwrap();
    let small = Kept { minute_pages: 1, top_sections: 1 };
    let (mut survived, mut reported, mut in_the_middle) = (0, 0, 0);
    for round in 0..4 {
        let options = if round % 2 == 0 { "" } else { "?minute_pages=1&top_sections=1" };
        let (slot, from) = cluster.place(totals);
        let to = (from + 1) % 3;
        let mut child = command(&["analyze", &log, "--to", &cluster.nodes[0].url(options)]);
        let child = child.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let is_over = AtomicBool::new(false);
        let output = std::thread::scope(|scope| {
            let moving = scope.spawn(|| {
                let is_staging = || {
                    let mut clients = cluster.clients().into_iter();
                    clients.any(|mut client| {
                        client.call(&["EXISTS", "hitmap:staging"]) == Reply::Integer(1)
                    })
                };
                while !is_staging() && !is_over.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                let is_in_time = !is_over.load(Ordering::Relaxed);
                cluster.open_slot(&slot, from, to);
                cluster.move_slot(&slot, from, to);
                is_in_time
            });
            let output = child.wait_with_output().unwrap();
            is_over.store(true, Ordering::Relaxed);
            in_the_middle += u32::from(moving.join().unwrap());
            output
        });
        match output.status.code() {
            Some(0) => survived += 1,
            Some(4) => {
                reported += 1;
                let said = String::from_utf8(output.stderr).unwrap();
                assert!(said.contains("the cluster is moving keys"), "{said}");
            }
            _ => panic!("{output:?}"),
        }
        publish(&cluster.nodes[1].url(options), &[&log]).expect_exit(0);
        cluster.check(&expected(&rows, "hitmap:", if round % 2 == 0 { KEPT } else { small }));
    }
    println!(
        "{in_the_middle} reshards in the middle: {survived} runs survived, {reported} reported"
    );
    assert!(in_the_middle > 0, "no run was hit");
}
