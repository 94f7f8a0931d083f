//! What Redis should hold, made from `--cells`, and what it holds.
//!
//! Owns: [`expected`], [`content`], [`check`]. May import: `server`, serde_json. Must not know: how hitmap makes keys.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::harness::hitmap;
use crate::redis::server::{Client, Reply};

/// Keys with their values by name; a string's value has the empty name.
pub(crate) type Content = BTreeMap<String, BTreeMap<String, String>>;

/// How many of what is kept.
#[derive(Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) minute_pages: usize,
    pub(crate) top_sections: usize,
}

pub(crate) const ALL: Kept = Kept { minute_pages: usize::MAX, top_sections: usize::MAX };

/// The rows of `hitmap analyze ARGUMENTS --cells -`.
pub(crate) fn cells(arguments: &[&str]) -> Vec<Value> {
    let mut all = vec!["analyze"];
    all.extend(arguments);
    all.extend(["--cells", "-"]);
    let outcome = hitmap(&all).expect_exit(0);
    let text = outcome.stdout_text();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// All keys that the contract has for the rows, but ledgers and versions.
pub(crate) fn expected(rows: &[Value], prefix: &str, kept: Kept) -> Content {
    let mut content = Content::new();
    let top_pages = tops(rows, "page", kept.minute_pages, |row| {
        let is_it = row["granularity"] == "minute" && row["page"].is_string();
        is_it.then(|| texts(row, ["site", "bucket"]))
    });
    let top_sections = tops(rows, "section", kept.top_sections, |row| {
        let is_it =
            row["granularity"] == "day" && row["section"].is_string() && row["page"].is_null();
        is_it.then(|| texts(row, ["site", "bucket"]))
    });
    for row in rows {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let (site, bucket, section, page) =
            (text("site"), text("bucket"), text("section"), text("page"));
        let raw_site = site.clone();
        let site = site.replace('%', "%25").replace('{', "%7b").replace('}', "%7d");
        let (day, time) = bucket.split_once('T').unwrap_or((&bucket, ""));
        let (day_bucket, day) = (day, day.replace('-', ""));
        let base = format!("{prefix}{{{site}:{day}}}:");
        let time = if time.is_empty() { String::new() } else { format!(":{time}") };
        let is_minute = text("granularity") == "minute";
        if is_minute
            && row["page"].is_string()
            && !top_pages.contains(&[&*raw_site, &*bucket, &*page])
        {
            continue;
        }
        content.entry(format!("{prefix}{site}:days")).or_default().insert(day.clone(), day.clone());
        for metric in ["pv", "uv"] {
            let value = row[metric].to_string();
            let mut put = |key: String, name: &str| {
                let before =
                    content.entry(key.clone()).or_default().insert(name.to_owned(), value.clone());
                assert_eq!(before, None, "{name:?} twice in {key:?}");
            };
            if row["section"].is_null() {
                put(format!("{base}totals"), &format!("{metric}{time}"));
            } else if row["page"].is_null() {
                put(format!("{base}{metric}:sections{time}"), &section);
            } else {
                put(format!("{base}{metric}:pages{time}"), &page);
                if !is_minute && top_sections.contains(&[&*raw_site, day_bucket, &*section]) {
                    put(format!("{base}{metric}:pages@{section}{time}"), &page);
                }
            }
        }
    }
    content
}

/// The rows that are among the first `count` of those with the same key: by PV, then by name.
fn tops<'r>(
    rows: &'r [Value],
    name: &str,
    count: usize,
    key: impl Fn(&'r Value) -> Option<[&'r str; 2]>,
) -> BTreeSet<[&'r str; 3]> {
    let mut groups: BTreeMap<[&str; 2], Vec<(u64, &str)>> = BTreeMap::new();
    for row in rows {
        if let Some(key) = key(row) {
            let rank = (u64::MAX - row["pv"].as_u64().unwrap(), row[name].as_str().unwrap());
            groups.entry(key).or_default().push(rank);
        }
    }
    let first = |([site, bucket], mut rows): ([&'r str; 2], Vec<(u64, &'r str)>)| {
        rows.sort_unstable();
        rows.into_iter().take(count).map(move |(_, name)| [site, bucket, name])
    };
    groups.into_iter().flat_map(first).collect()
}

fn texts<'r>(row: &'r Value, names: [&str; 2]) -> [&'r str; 2] {
    names.map(|name| row[name].as_str().unwrap())
}

/// Everything that the server holds of the keys `pattern`.
pub(crate) fn content(client: &mut Client, pattern: &str) -> Content {
    let keys = client.call(&["KEYS", pattern]).texts();
    let types: Vec<[String; 2]> = keys.iter().map(|key| ["TYPE".to_owned(), key.clone()]).collect();
    let types = client.try_call_all(&types).unwrap();
    let reads: Vec<Vec<String>> = keys
        .iter()
        .zip(types)
        .map(|(key, kind)| {
            let words: &[&str] = match kind.text().as_str() {
                "string" => &["GET", key],
                "hash" => &["HGETALL", key],
                "zset" => &["ZRANGE", key, "0", "-1", "WITHSCORES"],
                other => panic!("{key:?} is a {other}"),
            };
            words.iter().map(|&word| word.to_owned()).collect()
        })
        .collect();
    let replies = client.try_call_all(&reads).unwrap();
    keys.into_iter().zip(replies).map(|(key, reply)| (key, values(&reply))).collect()
}

fn values(reply: &Reply) -> BTreeMap<String, String> {
    match reply {
        Reply::List(_) => {
            let texts = reply.texts();
            texts.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
        }
        other => BTreeMap::from([(String::new(), other.text())]),
    }
}

/// Fails unless the server holds exactly the expected keys, and a ledger and a version of each day.
#[track_caller]
pub(crate) fn check(client: &mut Client, expected: &Content) {
    let mut found = content(client, "*");
    let mut bases: Vec<&str> =
        expected.keys().filter_map(|key| key.strip_suffix("totals")).collect();
    bases.dedup();
    for base in bases {
        let version = found.remove(&format!("{base}version")).expect("a day has a version");
        assert!(version[""].parse::<u64>().unwrap() > 1_500_000_000_000, "{version:?}");
        let ledger = found.remove(&format!("{base}ledger")).expect("a day has a ledger");
        assert!(ledger.keys().all(|id| id.len() == 32), "{ledger:?}");
    }
    for (key, values) in expected {
        assert_eq!(found.get(key), Some(values), "{key}");
    }
    let others: Vec<&String> = found.keys().filter(|key| !expected.contains_key(*key)).collect();
    assert!(others.is_empty(), "keys that nobody ordered: {others:?}");
}
