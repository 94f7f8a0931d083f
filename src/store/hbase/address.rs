//! Where an HBase gateway is and which tables it is to keep: URL, options.
//!
//! Owns: [`Address`] and its text form. May import: std, `store::url`. Must not know: connections, what tables hold.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::store::url::{HostAndPort, Syntax, UrlOption};

const SYNTAX: Syntax = Syntax { kind: "an HBase URL", scheme: "hbase", default_port: 9090 };

/// The help of the URL and its options.
pub const OPTIONS_HELP: &str = "\
HBase (2.0 or newer): hbase://HOST[:PORT][/NAMESPACE][?OPTION=VALUE&OPTION=VALUE…]
HOST runs the Thrift gateway, which takes no password: hbase thrift start
Options:
  prefix=TEXT     the tables are TEXT_day, TEXT_hour and so on (hitmap)
  minute_pages=WHICH
                  keep the pages of each minute: all or none (all)
  ttl_day=TIME, ttl_hour=TIME, ttl_minute=TIME, ttl_week=TIME, ttl_month=TIME
                  let the cells of new tables expire this long after they were
                  counted (without --db: published): 400d, 36h, 90m or 30s
                  (never)
  transport=KIND  framed or buffered, as the gateway is configured (buffered)
  timeout=TIME    give up if HBase fails or is silent for this long (30s)";

/// The longest time to live that HBase takes: 2^31 - 1 seconds mean forever.
const MAX_TTL_SECONDS: u64 = i32::MAX as u64 - 1;

/// The address of a gateway, and options.
#[derive(Clone)]
pub(in crate::store) struct Address {
    /// Name, IPv4 or IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// `None` for HBase's default namespace.
    pub(super) namespace: Option<String>,
    /// The beginning of the names of all tables.
    pub(super) prefix: String,
    pub(super) transport: Transport,
    pub(super) timeout: Duration,
    /// Whether pages of each minute are kept.
    pub(super) minute_pages: bool,
    pub(super) ttl: Ttl,
}

/// How messages travel: what a gateway is configured for, and cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// One message behind the other.
    Buffered,
    /// The length in front of each message.
    Framed,
}

/// Seconds from publishing until cells expire, by table; `None` for never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ttl {
    pub(super) day: Option<u32>,
    pub(super) hour: Option<u32>,
    pub(super) minute: Option<u32>,
    pub(super) week: Option<u32>,
    pub(super) month: Option<u32>,
}

/// Without options.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hbase://{}", HostAndPort(&self.host, self.port))?;
        self.namespace.as_ref().map_or(Ok(()), |namespace| write!(f, "/{namespace}"))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Address {
    /// The beginning of the names of all tables.
    pub(in crate::store) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The name of a table, such as `NAMESPACE:PREFIX_day` for `day`, as HBase lists it.
    pub(super) fn table(&self, kind: &str) -> String {
        let namespace = self.namespace.as_ref().map(|namespace| format!("{namespace}:"));
        format!("{}{}_{kind}", namespace.unwrap_or_default(), self.prefix)
    }

    /// Parses a URL.
    ///
    /// # Errors
    /// [`Error::Usage`]; the message does not repeat what could be a password.
    pub(in crate::store) fn parse(url: &str) -> Result<Self> {
        Self::parse_url(url).map_err(Error::Usage)
    }

    fn parse_url(url: &str) -> std::result::Result<Self, String> {
        let (_, rest) = url.split_once("://").unwrap_or_default();
        if rest.contains('@') {
            return Err(
                "HBase's Thrift gateway takes no user and password, so an HBase URL has none; \
                        the gateway belongs in a network that only your servers can reach"
                    .to_owned(),
            );
        }
        if rest.contains('#') {
            return Err("an HBase URL has no #".to_owned());
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, namespace) = place.split_once('/').unwrap_or((place, ""));
        let (host, port) = SYNTAX.host_and_port(authority)?;
        let mut address = Self {
            host,
            port,
            namespace: parse_namespace(namespace)?,
            prefix: "hitmap".to_owned(),
            transport: Transport::Buffered,
            timeout: Duration::from_secs(30),
            minute_pages: true,
            ttl: Ttl::default(),
        };
        for option in SYNTAX.options(query) {
            address.set(&option?)?;
        }
        Ok(address)
    }

    fn set(&mut self, option: &UrlOption) -> std::result::Result<(), String> {
        match &*option.name {
            "prefix" if !is_table_name(&option.value) => {
                return Err(option.wrong(
                    "letters, digits, _, - and . (not - or . in front), of which names of tables are made",
                ));
            }
            "prefix" => option.value.clone_into(&mut self.prefix),
            "minute_pages" => {
                self.minute_pages = match &*option.value {
                    "all" => true,
                    "none" => false,
                    _ => return Err(option.wrong("all or none")),
                }
            }
            "ttl_day" => self.ttl.day = Some(ttl_seconds(option)?),
            "ttl_hour" => self.ttl.hour = Some(ttl_seconds(option)?),
            "ttl_minute" => self.ttl.minute = Some(ttl_seconds(option)?),
            "ttl_week" => self.ttl.week = Some(ttl_seconds(option)?),
            "ttl_month" => self.ttl.month = Some(ttl_seconds(option)?),
            "timeout" => self.timeout = option.time()?,
            "transport" => {
                self.transport = match &*option.value {
                    "buffered" => Transport::Buffered,
                    "framed" => Transport::Framed,
                    _ => return Err(option.wrong("framed or buffered")),
                }
            }
            name => {
                return Err(format!(
                    "an HBase URL has no option {name:?}; its options are prefix, minute_pages, ttl_day, ttl_hour, \
                     ttl_minute, ttl_week, ttl_month, transport and timeout"
                ));
            }
        }
        Ok(())
    }
}

/// HBase leaves out the name of its default namespace when it lists tables, and keeps its own tables in `hbase`.
fn parse_namespace(text: &str) -> std::result::Result<Option<String>, String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match text {
        "" | "default" => Ok(None),
        "hbase" => Err("the namespace hbase holds HBase's own tables; choose another".to_owned()),
        _ if text.bytes().all(is_name) => Ok(Some(text.to_owned())),
        _ => Err(format!(
            "the path of an HBase URL must be a namespace (letters, digits and _), and {text:?} is not"
        )),
    }
}

/// Whether HBase takes it as a name of a table, or as the beginning of one.
fn is_table_name(text: &str) -> bool {
    let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    !text.is_empty() && !text.starts_with(['-', '.']) && text.bytes().all(is_inside)
}

fn ttl_seconds(option: &UrlOption) -> std::result::Result<u32, String> {
    let seconds = option.time()?.as_secs();
    let is_possible = (1..=MAX_TTL_SECONDS).contains(&seconds);
    u32::try_from(seconds)
        .ok()
        .filter(|_| is_possible)
        .ok_or_else(|| option.wrong("a time from 1s to 24855d"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Address, Transport, Ttl};

    fn parsed(url: &str) -> Address {
        Address::parse_url(url).unwrap_or_else(|reason| panic!("{url}: {reason}"))
    }

    #[test]
    fn parts_and_options() {
        let address = parsed("hbase://localhost");
        assert_eq!((&*address.host, address.port), ("localhost", 9090));
        assert_eq!(address.to_string(), "hbase://localhost:9090");
        assert_eq!(address.table("day"), "hitmap_day");
        assert_eq!((address.transport, address.minute_pages), (Transport::Buffered, true));
        assert_eq!((address.timeout, address.ttl), (Duration::from_secs(30), Ttl::default()));

        let address = parsed(
            "hbase://[::1]:7000/web_1?prefix=a%2Db.c&timeout=1500ms&minute_pages=none&transport=framed&ttl_day=2d\
             &ttl_hour=1h&ttl_minute=1m&ttl_week=24855d&ttl_month=1s",
        );
        assert_eq!((&*address.host, address.port), ("::1", 7000));
        assert_eq!(address.to_string(), "hbase://[::1]:7000/web_1");
        assert_eq!(format!("{address:?}"), "hbase://[::1]:7000/web_1");
        assert_eq!((address.prefix(), &*address.table("day")), ("a-b.c", "web_1:a-b.c_day"));
        assert_eq!((address.transport, address.minute_pages), (Transport::Framed, false));
        assert_eq!(address.timeout, Duration::from_millis(1500));
        let ttl = Ttl {
            day: Some(172_800),
            hour: Some(3600),
            minute: Some(60),
            week: Some(2_147_472_000),
            month: Some(1),
        };
        assert_eq!(address.ttl, ttl);
    }

    #[test]
    fn the_default_namespace_has_no_name() {
        for url in ["hbase://h", "hbase://h/", "hbase://h/default", "hbase://h:/?"] {
            assert_eq!(parsed(url).table("day"), "hitmap_day", "{url}");
            assert_eq!(parsed(url).to_string(), "hbase://h:9090", "{url}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_without_repeating_a_password() {
        for url in [
            "hbase://",
            "hbase://:9090",
            "hbase://h:0",
            "hbase://h:70000",
            "hbase://::1",
            "hbase://[::1",
            "hbase://[::1]7",
            "hbase://h/hbase",
            "hbase://h/a:b",
            "hbase://h/a/b",
            "hbase://h/a-b",
            "hbase://h#x",
            "hbase://h?prefix=",
            "hbase://h?prefix",
            "hbase://h?prefix=a:b",
            "hbase://h?prefix=.a",
            "hbase://h?prefix=-a",
            "hbase://h?prefix=%c3%bc",
            "hbase://h?prefix=%ff",
            "hbase://h?minute_pages=127",
            "hbase://h?ttl_day=1",
            "hbase://h?ttl_day=999ms",
            "hbase://h?ttl_day=24856d",
            "hbase://h?ttl_day=4294967295d",
            "hbase://h?timeout=µs",
            "hbase://h?transport=http",
            "hbase://h?transport",
            "hbase://h?top_sections=1",
            "hbase://user:hunter2@h",
            "hbase://user:hunter2@h:hunter2/hunter2?hunter2",
            "hbase://:hun/ter2@h",
            "hbase://h:hunter2",
        ] {
            let reason = Address::parse_url(url).expect_err(url);
            assert!(!reason.contains("hun"), "{url}: {reason}");
        }
    }
}
