//! What a run does when Redis does not do its part: exit code 4, a sentence, no credentials, no half day; and the next
//! run publishes everything.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::{Folder, Outcome, command, needs, run};
use crate::redis::content::{Content, Kept, cells, check, content, expected};
use crate::redis::publishing::{generated, line, publish};
use crate::redis::server::{Client, Server, free_port, redis_server};

const KEPT: Kept = Kept { minute_pages: 127, top_sections: 100 };

/// Publishes with user and password; fails if either is shown.
fn publish_as(user: &str, password: &str, url: &str, log: &str) -> Outcome {
    let mut command = command(&["analyze", log, "--to", url]);
    command.env("HITMAP_REDIS_PASSWORD", password);
    if !user.is_empty() {
        command.env("HITMAP_REDIS_USERNAME", user);
    }
    let outcome = run(&mut command);
    // Every sentence begins with the program's name.
    let said = outcome.stderr_text().replace("hitmap: ", "");
    for secret in [user, password] {
        let shown = said.contains(secret) && !secret.is_empty();
        assert!(!shown, "{secret:?} in {}", outcome.stderr_text());
    }
    outcome
}

#[track_caller]
fn expect_failure(outcome: Outcome, part: &str) {
    let outcome = outcome.expect_exit(4);
    let said = outcome.stderr_text();
    assert!(said.contains(part) && said.contains("redis://127.0.0.1:"), "{part:?} in {said}");
    assert!(said.ends_with('\n') && !said.contains("panicked"), "{said}");
}

/// A log of one day, and what Redis should hold of it.
fn one_day(folder: &Folder) -> (String, Content) {
    let log = generated(folder, 40_000, 1, 300);
    let expected = expected(&cells(&[&log]), "hitmap:", KEPT);
    (log, expected)
}

#[test]
fn a_server_that_is_down_is_known_before_anything_is_read() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    // A pipe that never ends: reading it first would never come to Redis.
    let mut command = command(&["analyze", "-", "--to", &url]);
    command.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(20), "it reads on");
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no connection to the server: ") && said.contains(&url), "{said}");
}

#[test]
fn a_server_that_dies_comes_back_with_the_former_day() {
    needs!(redis_server());
    let (folder, mut server) = (
        Folder::new(),
        Server::start_with(&["--appendonly", "yes", "--appendfsync", "always", "--save", ""]),
    );
    let log = generated(&folder, 150_000, 1, 2_000);
    let first = folder.write("first.log", line(1, 1, 1, "/a/1"));
    let day = line(1, 1, 1, "/a/1");
    let text = std::fs::read_to_string(&log).unwrap();
    let date = text.split('[').nth(1).unwrap().split(':').next().unwrap();
    std::fs::write(&first, day.replace("05/Mar/2018", date)).unwrap();
    publish(&server.url(""), &[first.to_str().unwrap()]).expect_exit(0);
    let before = content(&mut server.client(), "*");
    let all = expected(&cells(&[&log]), "hitmap:", KEPT);
    let mut failed = 0;
    for attempt in 0..6_u64 {
        let mut child =
            command(&["analyze", &log, "--replace", "--to", &server.url("?timeout=5s")]);
        child.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
        let child = child.spawn().unwrap();
        // Until something is staged, and then a little more.
        let mut client = server.client();
        let start = Instant::now();
        while client.call(&["EXISTS", "hitmap:staging"]).text() == "0" {
            if start.elapsed() > Duration::from_secs(20) {
                break;
            }
        }
        std::thread::sleep(Duration::from_millis(attempt * 13));
        server.kill();
        let output = child.wait_with_output().unwrap();
        server.restart();
        if output.status.code() == Some(0) {
            break;
        }
        failed += 1;
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("no connection to the server"), "{said}");
        let mut found = content(&mut server.client(), "*");
        found.retain(|key, _| !key.contains("staging"));
        if found != before {
            // The transaction was the last thing the server saved; its answer was lost.
            found.retain(|key, _| !key.ends_with(":ledger") && !key.ends_with(":version"));
            assert!(found == all, "neither the day before nor the day after");
            break;
        }
    }
    assert!(failed > 0, "the server never died in the middle");
    publish(&server.url(""), &[&log, "--replace"]).expect_exit(0);
    check(&mut server.client(), &all);
}

#[test]
fn out_of_memory_leaves_the_former_day_and_no_rubbish() {
    needs!(redis_server());
    let (folder, server) = (Folder::new(), Server::start());
    let (log, all) = one_day(&folder);
    let mut client = server.client();
    let used: u64 = client
        .call(&["INFO", "memory"])
        .text()
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"))
        .unwrap()
        .parse()
        .unwrap();
    client.call(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    client.call(&["CONFIG", "SET", "maxmemory", &(used + 1_000_000).to_string()]);
    expect_failure(publish(&server.url(""), &[&log]), "no memory left");
    assert_eq!(content(&mut client, "*"), Content::new());
    client.call(&["CONFIG", "SET", "maxmemory", "0"]);
    publish(&server.url(""), &[&log]).expect_exit(0);
    check(&mut client, &all);
}

#[test]
fn a_replica_is_named_as_one() {
    needs!(redis_server());
    let (folder, master) = (Folder::new(), Server::start());
    let (log, all) = one_day(&folder);
    let replica =
        Server::start_with(&["--save", "", "--replicaof", "127.0.0.1", &master.port.to_string()]);
    let start = Instant::now();
    while !replica.client().call(&["INFO", "replication"]).text().contains("master_link_status:up")
    {
        assert!(start.elapsed() < Duration::from_secs(20), "the replica does not find its master");
        std::thread::sleep(Duration::from_millis(20));
    }
    expect_failure(publish(&replica.url(""), &[&log]), "read-only replica");
    publish(&master.url(""), &[&log]).expect_exit(0);
    check(&mut master.client(), &all);
}

#[test]
fn wrong_passwords_and_missing_permissions() {
    needs!(redis_server());
    let folder = Folder::new();
    let (log, all) = one_day(&folder);
    let server = Server::start();
    let mut client = server.client();
    client.call(&["ACL", "SETUSER", "carol", "on", ">hunter2", "~hitmap:*", "+@all"]);
    client.call(&["CONFIG", "SET", "requirepass", "swordfish"]);
    let mut client = Client::connect(server.port);
    client.call(&["AUTH", "swordfish"]);
    let url = server.url("");
    expect_failure(publish(&url, &[&log]), "set HITMAP_REDIS_PASSWORD");
    expect_failure(publish_as("", "swordfist", &url, &log), "does not accept");
    expect_failure(publish_as("carol", "hunter3", &url, &log), "does not accept");
    for (rule, allow) in [
        ("-rename", "+rename"),
        ("-watch", "+watch"),
        ("-zadd", "+zadd"),
        ("-hset", "+hset"),
        ("-exec", "+exec"),
        ("-set", "+set"),
    ] {
        client.call(&["ACL", "SETUSER", "carol", rule]);
        expect_failure(publish_as("carol", "hunter2", &url, &log), "lacks a permission");
        client.call(&["ACL", "SETUSER", "carol", allow]);
        let visible: Vec<String> =
            content(&mut client, "*").into_keys().filter(|key| !key.contains("staging")).collect();
        assert!(visible.is_empty(), "{rule}: {visible:?}");
    }
    // Without leave to see other clients it does its work all the same.
    client.call(&["ACL", "SETUSER", "carol", "-client", "-@admin"]);
    publish_as("carol", "hunter2", &url, &log).expect_exit(0);
    check(&mut client, &all);
    client.call(&["FLUSHALL"]);
    publish_as("", "swordfish", &url, &log).expect_exit(0);
    check(&mut client, &all);
}

#[test]
fn the_permissions_that_the_guide_lists_are_enough() {
    needs!(redis_server());
    let folder = Folder::new();
    let (log, all) = one_day(&folder);
    let server = Server::start();
    let mut client = server.client();
    let guide = std::fs::read_to_string("src/guide/redis.md").unwrap();
    let rule =
        guide.lines().find(|line| line.starts_with("ACL SETUSER ")).expect("a rule in the guide");
    let words: Vec<&str> = rule.split(' ').collect();
    assert_eq!(client.call(&words).text(), "OK");
    let user = words[2];
    let password = words.iter().find_map(|word| word.strip_prefix('>')).unwrap();
    for options in ["", "?minute_pages=5&ttl_minute=30000d", ""] {
        publish_as(user, password, &server.url(options), &log).expect_exit(0);
    }
    check(&mut client, &all);
}

#[test]
fn a_key_of_another_kind_is_named() {
    needs!(redis_server());
    let folder = Folder::new();
    let (log, all) = one_day(&folder);
    let server = Server::start();
    let mut client = server.client();
    let base = all.keys().find_map(|key| key.strip_suffix("totals")).unwrap();
    for (key, words) in [
        (format!("{base}pv:pages"), ["SET", "x"]),
        (format!("{base}ledger"), ["SET", "x"]),
        (format!("{base}version"), ["SADD", "x"]),
        (format!("{base}version"), ["SET", "yesterday"]),
        ("hitmap:staging".to_owned(), ["SET", "x"]),
    ] {
        client.call(&[words[0], &key, words[1]]);
        expect_failure(publish(&server.url(""), &[&log]), "holds something else");
        let left: Vec<String> = content_keys(&mut client);
        assert!(left.iter().eq([&key]), "{key}: {left:?}");
        client.call(&["DEL", &key]);
    }
    publish(&server.url(""), &[&log]).expect_exit(0);
    check(&mut client, &all);
}

fn content_keys(client: &mut Client) -> Vec<String> {
    client.call(&["KEYS", "*"]).texts()
}

#[test]
fn a_frozen_server_is_given_up_in_time() {
    needs!(redis_server());
    let (folder, server) = (Folder::new(), Server::start());
    let (log, all) = one_day(&folder);
    let url = server.url("?timeout=700ms");
    server.signal("STOP");
    let start = Instant::now();
    expect_failure(publish(&url, &[&log]), "did not answer for 700ms");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    server.signal("CONT");
    // In the middle: frozen when something is staged.
    let mut child = command(&["analyze", &log, "--to", &url]);
    child.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
    let mut client = server.client();
    let child = child.spawn().unwrap();
    let start = Instant::now();
    while client.call(&["EXISTS", "hitmap:staging"]).text() == "0" {
        assert!(start.elapsed() < Duration::from_secs(20), "nothing was staged");
    }
    server.signal("STOP");
    let output = child.wait_with_output().unwrap();
    server.signal("CONT");
    if output.status.code() != Some(0) {
        assert_eq!(output.status.code(), Some(4));
        assert!(String::from_utf8(output.stderr).unwrap().contains("did not answer for 700ms"));
    }
    publish(&server.url(""), &[&log]).expect_exit(0);
    check(&mut client, &all);
}

#[test]
fn two_publishers_at_once_leave_one_true_day() {
    needs!(redis_server());
    let (folder, server) = (Folder::new(), Server::start());
    let log = generated(&folder, 60_000, 2, 500);
    let all = expected(&cells(&[&log]), "hitmap:", KEPT);
    let more = folder.path("more.log");
    let text = std::fs::read(&log).unwrap();
    std::fs::write(&more, [&text[..], line(9, 3, 3, "/new/1").as_bytes()].concat()).unwrap();
    let more = more.to_str().unwrap();
    let all_of_more = expected(&cells(&[more]), "hitmap:", KEPT);
    let mut shorter_was_refused = 0;
    for _ in 0..6 {
        server.client().call(&["FLUSHALL"]);
        let start = |log: &str| {
            let mut command: Command = command(&["analyze", log, "--to", &server.url("")]);
            command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
            command.spawn().unwrap()
        };
        // The same content twice: both may say that it is there.
        let (one, two) = (start(&log), start(&log));
        for child in [one, two] {
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{output:?}");
        }
        check(&mut server.client(), &all);
        // A log and the same log grown: the grown one wins, whoever comes first.
        server.client().call(&["FLUSHALL"]);
        let (short, long) = (start(&log), start(more));
        let short = short.wait_with_output().unwrap();
        let long = long.wait_with_output().unwrap();
        assert_eq!(long.status.code(), Some(0), "{long:?}");
        if short.status.code() != Some(0) {
            shorter_was_refused += 1;
            assert_eq!(short.status.code(), Some(4), "{short:?}");
        }
        let mut client = server.client();
        check(&mut client, &all_of_more);
    }
    println!("the shorter log was refused {shorter_was_refused} times of 6");
}

#[test]
fn an_emptied_server_is_filled_again() {
    needs!(redis_server());
    let (folder, server) = (Folder::new(), Server::start());
    let (log, all) = one_day(&folder);
    for _ in 0..2 {
        publish(&server.url(""), &[&log]).expect_exit(0);
        check(&mut server.client(), &all);
        server.client().call(&["FLUSHALL"]);
    }
    // Some keys gone or changed by somebody else are put right, too.
    publish(&server.url(""), &[&log]).expect_exit(0);
    let base = all.keys().find_map(|key| key.strip_suffix("totals")).unwrap().to_owned();
    let mut client = server.client();
    client.call(&["DEL", &format!("{base}pv:pages")]);
    client.call(&["ZADD", &format!("{base}uv:pages"), "1", "/not/counted"]);
    client.call(&["HSET", &format!("{base}totals"), "pv", "7"]);
    publish(&server.url(""), &[&log]).expect_exit(0);
    check(&mut client, &all);
    // All but the version gone.
    for key in content_keys(&mut client).iter().filter(|key| !key.ends_with(":version")) {
        client.call(&["DEL", key]);
    }
    publish(&server.url(""), &[&log]).expect_exit(0);
    check(&mut client, &all);
    // The version alone gone.
    client.call(&["DEL", &format!("{base}version")]);
    publish(&server.url(""), &[&log]).expect_exit(0);
    check(&mut client, &all);
}

#[test]
fn leftovers_of_dead_runs_are_swept_and_those_of_living_ones_are_not() {
    needs!(redis_server());
    let (folder, server) = (Folder::new(), Server::start());
    let (log, all) = one_day(&folder);
    let mut living = server.client();
    living.call(&["CLIENT", "SETNAME", "hitmap:00000000000000aa"]);
    let mut client = server.client();
    let mut stage = |run: &str, number: &str| {
        let entry = format!("{run}:other:20180101");
        client.call(&["HSET", "hitmap:staging", &entry, "0"]);
        let key = format!("hitmap:{{other:20180101}}:staging:{run}:{number}");
        client.call(&["ZADD", &key, "1", "x"]);
        key
    };
    stage("00000000000000dd", "0");
    stage("00000000000000dd", "99999");
    let kept = stage("00000000000000aa", "0");
    publish(&server.url(""), &[&log]).expect_exit(0);
    let mut found = content_keys(&mut client);
    found.retain(|key| key.contains("staging"));
    found.sort();
    assert_eq!(found, ["hitmap:staging", &kept]);
    drop(living);
    publish(&server.url(""), &[&log]).expect_exit(0);
    check(&mut client, &all);
}
