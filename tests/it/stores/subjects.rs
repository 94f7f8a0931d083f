//! The stores that the suite runs on, each read back without its own code.
//!
//! Owns: [`Subject`] and one for each store. May import: `memory`, `relay`, the servers of `redis` and `hbase`. Must not
//! know: what is checked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use hitmap::store::{Slot, Store, StoreUrl, open};
use hitmap::time::{Period, Span};

use super::content::{Content, key};
use super::memory::Memory;
use super::relay::Relay;
use crate::hbase::server::Hbase;
use crate::redis::content::content as redis_content;
use crate::redis::server::Server;

/// A store as its users see it.
pub(crate) trait Subject {
    /// Opens it, with or without the pages of minutes.
    fn open_keeping(&self, minute_pages: bool) -> Box<dyn Store>;

    /// What a reader sees of each span, now.
    fn read(&self, spans: &[Span]) -> Vec<Content>;

    /// Breaks the connections of the stores that are open. Those that are opened after [`mend`](Self::mend) work.
    fn cut(&self);

    fn mend(&self);

    fn open(&self) -> Box<dyn Store> {
        self.open_keeping(true)
    }

    /// How many random cases it gets.
    fn random_cases(&self) -> u32;
}

/// The name of a site that no other check uses.
pub(crate) fn new_site() -> String {
    static SITES: AtomicU32 = AtomicU32::new(0);
    format!("site-{}", SITES.fetch_add(1, Ordering::Relaxed))
}

impl Subject for Memory {
    fn open_keeping(&self, minute_pages: bool) -> Box<dyn Store> {
        Self::open(self, minute_pages)
    }

    fn read(&self, spans: &[Span]) -> Vec<Content> {
        spans.iter().map(|span| self.content(span)).collect()
    }

    fn cut(&self) {
        Self::cut(self);
    }

    fn mend(&self) {}

    fn random_cases(&self) -> u32 {
        100
    }
}

/// A Redis of its own, through a relay.
pub(crate) struct Redis {
    server: Server,
    relay: Relay,
}

impl Redis {
    pub(crate) fn start() -> Self {
        let server = Server::start();
        let relay = Relay::to(server.port);
        Self { server, relay }
    }
}

impl Subject for Redis {
    fn open_keeping(&self, minute_pages: bool) -> Box<dyn Store> {
        let minute_pages = if minute_pages { "all" } else { "0" };
        let port = self.relay.port;
        open_url(&format!(
            "redis://127.0.0.1:{port}?timeout=5s&top_sections=all&minute_pages={minute_pages}"
        ))
    }

    fn read(&self, spans: &[Span]) -> Vec<Content> {
        let keys = redis_content(&mut self.server.client(), "*");
        spans.iter().map(|span| redis_cells(&keys, span)).collect()
    }

    fn cut(&self) {
        self.relay.cut();
    }

    fn mend(&self) {
        self.relay.mend();
    }

    fn random_cases(&self) -> u32 {
        30
    }
}

type Values = BTreeMap<String, String>;

/// The cells of a span by the contract of keys, which the guide has.
fn redis_cells(keys: &BTreeMap<String, Values>, span: &Span) -> Content {
    let site = span.site.replace('%', "%25").replace('{', "%7b").replace('}', "%7d");
    let period = match span.period {
        Period::Day(day) => day.to_string().replace('-', ""),
        other => other.to_string(),
    };
    let base = format!("hitmap:{{{site}:{period}}}:");
    let of_span =
        || keys.iter().filter_map(|(key, values)| Some((key.strip_prefix(&base)?, values)));
    // Sections by page.
    let mut sections: BTreeMap<&str, &str> = BTreeMap::new();
    let mut pages_by_section = BTreeSet::new();
    for (key, values) in of_span() {
        if let Some((metric, rest)) = key.split_once(":pages@") {
            let (section, slot) = split_hour(rest);
            for (page, value) in values {
                let earlier = sections.insert(page, section);
                assert!(
                    earlier.is_none_or(|earlier| earlier == section),
                    "{page:?} in two sections"
                );
                pages_by_section.insert((metric, slot, page, value));
            }
        }
    }
    let mut pages = BTreeSet::new();
    let [mut pv, mut uv] = [BTreeMap::new(), BTreeMap::new()];
    let mut add = |metric: &str, key, value: &str| {
        let values = if metric == "pv" { &mut pv } else { &mut uv };
        assert_eq!(values.insert(key, value.parse::<u64>().unwrap()), None);
    };
    for (name, values) in of_span() {
        let (metric, rest) = name.split_once(':').unwrap_or((name, ""));
        let (level, slot) = rest.split_once(':').unwrap_or((rest, ""));
        for (item, value) in values {
            match (metric, level) {
                ("totals", _) => {
                    let (metric, slot) = item.split_once(':').unwrap_or((item, ""));
                    add(metric, key(parse_slot(slot), None, None), value);
                }
                ("pv" | "uv", "sections") => {
                    add(metric, key(parse_slot(slot), Some(item), None), value);
                }
                ("pv" | "uv", "pages") => {
                    let section = sections.get(&**item).expect("a page has a section");
                    add(metric, key(parse_slot(slot), Some(section), Some(item)), value);
                    if slot.len() < "14:05".len() {
                        pages.insert((metric, parse_slot(slot), item, value));
                    }
                }
                ("pv" | "uv", _) => assert!(rest.starts_with("pages@"), "a strange key: {name:?}"),
                ("ledger" | "version" | "staging", _) => {}
                _ => panic!("a strange key: {name:?}"),
            }
        }
    }
    assert_eq!(pages, pages_by_section, "the pages of {span:?} and those of its sections");
    let cells = pv.into_iter().map(|(key, pv)| {
        let uv = uv.remove(&key).unwrap_or_else(|| panic!("no visitors of {key:?}"));
        (key, (pv, uv))
    });
    let content = cells.collect();
    assert!(uv.is_empty(), "visitors without page views: {uv:?}");
    content
}

/// `SECTION` or `SECTION:HH`, at the end of a key.
fn split_hour(text: &str) -> (&str, Slot) {
    let hour = text.rsplit_once(':').filter(|(_, hour)| hour.len() == 2);
    let hour = hour.and_then(|(section, hour)| Some((section, Slot::Hour(hour.parse().ok()?))));
    hour.unwrap_or((text, Slot::Whole))
}

/// A part of a day: nothing, `14` or `14:05`.
pub(crate) fn parse_slot(text: &str) -> Slot {
    match text.split_once(':') {
        None if text.is_empty() => Slot::Whole,
        None => Slot::Hour(text.parse().unwrap()),
        Some((hour, minute)) => {
            Slot::Minute(hour.parse::<u16>().unwrap() * 60 + minute.parse::<u16>().unwrap())
        }
    }
}

/// Tables of the shared HBase, through a relay.
pub(crate) struct HBase {
    relay: Relay,
    prefix: &'static str,
}

impl HBase {
    /// The tables that most checks share, since it takes a while to make them.
    pub(crate) fn shared() -> Self {
        static RELAYED: OnceLock<()> = OnceLock::new();
        let subject = Self::with_tables("conformance");
        // Made once, before checks run at the same time.
        RELAYED.get_or_init(|| drop(subject.open()));
        subject
    }

    pub(crate) fn with_tables(prefix: &'static str) -> Self {
        Self { relay: Relay::to(Hbase::shared().gateway_port()), prefix }
    }
}

impl Subject for HBase {
    fn open_keeping(&self, minute_pages: bool) -> Box<dyn Store> {
        let minute_pages = if minute_pages { "all" } else { "none" };
        let Self { relay, prefix } = self;
        open_url(&format!(
            "hbase://127.0.0.1:{}?prefix={prefix}&timeout=5s&minute_pages={minute_pages}",
            relay.port
        ))
    }

    fn read(&self, spans: &[Span]) -> Vec<Content> {
        let granularities = ["day", "hour", "minute", "week", "month", "all"];
        let tables = granularities.map(|granularity| format!("{}_{granularity}", self.prefix));
        let rows = Hbase::shared().cells(&tables.each_ref().map(String::as_str));
        let mut contents: Vec<Content> = spans.iter().map(|_| Content::new()).collect();
        for row in rows {
            let text = |name: &str| row[name].as_str();
            let bucket = text("bucket").unwrap();
            let (period, slot) = bucket.split_once('T').unwrap_or((bucket, ""));
            let is_it =
                |span: &Span| text("site") == Some(&span.site) && span.period.to_string() == period;
            if let Some(place) = spans.iter().position(is_it) {
                let key = key(parse_slot(slot), text("section"), text("page"));
                let value = ["pv", "uv"].map(|name| row[name].as_u64().unwrap()).into();
                assert_eq!(contents[place].insert(key, value), None, "twice: {row}");
            }
        }
        contents
    }

    fn cut(&self) {
        self.relay.cut();
    }

    fn mend(&self) {
        self.relay.mend();
    }

    fn random_cases(&self) -> u32 {
        6
    }
}

fn open_url(url: &str) -> Box<dyn Store> {
    let opened = open(&StoreUrl::parse(url).unwrap());
    opened.unwrap_or_else(|error| panic!("{url}: {error}"))
}
