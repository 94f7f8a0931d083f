//! Where a Redis is and what it is to keep: URL, options, credentials.
//!
//! Owns: [`Address`] and its text form. May import: std, `store::url`. Must not know: connections.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::store::url::{HostAndPort, Syntax, UrlOption};

const SYNTAX: Syntax = Syntax { kind: "a Redis URL", scheme: "redis", default_port: 6379 };

/// Whether this build can speak TLS.
const HAS_TLS: bool = cfg!(feature = "redis-tls");

/// The help of the URL and its options.
pub const OPTIONS_HELP: &str = "\
Redis (6.2 or newer): redis://HOST[:PORT][/DATABASE][?OPTION=VALUE&OPTION=VALUE…]
rediss:// is TLS, if the build includes it. For a cluster, name any one node.
User and password come from HITMAP_REDIS_USERNAME and HITMAP_REDIS_PASSWORD.
Options:
  prefix=TEXT     prefix of all keys (hitmap:)
  minute_pages=N  keep only the N most viewed pages of each minute: a number
                  or all (127; above 128 a key takes ten times the memory)
  top_sections=N  keep separate keys for the pages of the N most viewed
                  sections of a day: a number or all (100)
  ttl_day=TIME, ttl_hour=TIME, ttl_minute=TIME
                  let keys expire this long after their day, hour or minute,
                  taken as UTC: 400d, 36h, 90m or 30s (never)
  timeout=TIME    give up if the server is silent for this long (30s)";

/// The address of a Redis, credentials, and options.
#[derive(Clone)]
pub(in crate::store) struct Address {
    /// Name, IPv4 or IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: u32,
    pub(super) is_tls: bool,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) timeout: Duration,
    /// Prefix of all keys.
    pub(super) prefix: String,
    pub(super) content: Content,
}

/// What is kept of a span, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    /// Pages kept of each minute; `usize::MAX` for all.
    pub(super) minute_pages: usize,
    /// Sections whose pages have separate keys; `usize::MAX` for all.
    pub(super) top_sections: usize,
    /// Seconds from the end of a bucket until its keys expire; `None` for never.
    pub(super) ttl_day: Option<u64>,
    pub(super) ttl_hour: Option<u64>,
    pub(super) ttl_minute: Option<u64>,
}

impl Default for Content {
    fn default() -> Self {
        Self {
            minute_pages: 127,
            top_sections: 100,
            ttl_day: None,
            ttl_hour: None,
            ttl_minute: None,
        }
    }
}

/// Without credentials and options.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "rediss" } else { "redis" };
        let (host, port, database) = (&self.host, self.port, self.database);
        write!(f, "{scheme}://{}", HostAndPort(host, port))?;
        if database > 0 { write!(f, "/{database}") } else { Ok(()) }
    }
}

/// As `Display`: a password is never shown.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Address {
    /// Prefix of all keys.
    pub(in crate::store) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Parses a URL; takes user and password from the environment.
    ///
    /// # Errors
    /// [`Error::Usage`]; the message does not repeat what could be a password.
    pub(in crate::store) fn parse(url: &str) -> Result<Self> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut address = Self::parse_url(url).map_err(Error::Usage)?;
        address.user = variable("HITMAP_REDIS_USERNAME");
        address.password = variable("HITMAP_REDIS_PASSWORD");
        if address.user.is_some() && address.password.is_none() {
            return Err(Error::Usage(
                "HITMAP_REDIS_USERNAME is set and HITMAP_REDIS_PASSWORD is not".to_owned(),
            ));
        }
        Ok(address)
    }

    fn parse_url(url: &str) -> std::result::Result<Self, String> {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let is_tls = scheme == "rediss";
        if is_tls && !HAS_TLS {
            return Err("this build of hitmap has no TLS, so no rediss://; build it with: cargo install --path . \
                        --features redis-tls"
                .to_owned());
        }
        if rest.contains('#') {
            return Err("a Redis URL has no #; write it as %23 in an option".to_owned());
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        if place.contains('@') || rest.contains('@') {
            return Err("user and password do not belong in the URL, where everybody on the machine can see them; \
                        set HITMAP_REDIS_USERNAME and HITMAP_REDIS_PASSWORD"
                .to_owned());
        }
        let (authority, database) = place.split_once('/').unwrap_or((place, ""));
        let (host, port) = SYNTAX.host_and_port(authority)?;
        let database = match database {
            "" => 0,
            number => number.parse().map_err(|_| {
                format!(
                    "the path of a Redis URL must be the number of a database, and {number:?} is not"
                )
            })?,
        };
        let mut address = Self {
            host,
            port,
            database,
            is_tls,
            user: None,
            password: None,
            timeout: Duration::from_secs(30),
            prefix: "hitmap:".to_owned(),
            content: Content::default(),
        };
        for option in SYNTAX.options(query) {
            address.set(&option?)?;
        }
        Ok(address)
    }

    fn set(&mut self, option: &UrlOption) -> std::result::Result<(), String> {
        match &*option.name {
            "prefix" if option.value.contains(['{', '}']) => {
                return Err("the prefix of keys must not contain braces: they decide which keys a cluster keeps together"
                    .to_owned());
            }
            "prefix" => option.value.clone_into(&mut self.prefix),
            "minute_pages" => self.content.minute_pages = option.count()?,
            "top_sections" => self.content.top_sections = option.count()?,
            "ttl_day" => self.content.ttl_day = Some(option.time()?.as_secs()),
            "ttl_hour" => self.content.ttl_hour = Some(option.time()?.as_secs()),
            "ttl_minute" => self.content.ttl_minute = Some(option.time()?.as_secs()),
            "timeout" => self.timeout = option.time()?,
            name => {
                return Err(format!(
                    "a Redis URL has no option {name:?}; its options are prefix, minute_pages, top_sections, ttl_day, \
                     ttl_hour, ttl_minute and timeout"
                ));
            }
        }
        Ok(())
    }

    /// The same credentials and options at another node of the cluster.
    pub(super) fn at(&self, host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Address, Content};

    fn parsed(url: &str) -> Address {
        Address::parse_url(url).unwrap_or_else(|reason| panic!("{url}: {reason}"))
    }

    #[test]
    fn parts_and_options() {
        let address = parsed("redis://localhost");
        assert_eq!((&*address.host, address.port, address.database), ("localhost", 6379, 0));
        assert_eq!(address.to_string(), "redis://localhost:6379");
        assert_eq!(address.content, Content::default());
        let address = parsed(
            "redis://[::1]:7000/3?prefix=a%3Ab&timeout=1500ms&minute_pages=all&top_sections=5&ttl_day=2d",
        );
        assert_eq!((&*address.host, address.port, address.database), ("::1", 7000, 3));
        assert_eq!(address.to_string(), "redis://[::1]:7000/3");
        assert_eq!((&*address.prefix, address.timeout), ("a:b", Duration::from_millis(1500)));
        let content = Content {
            minute_pages: usize::MAX,
            top_sections: 5,
            ttl_day: Some(172_800),
            ..Content::default()
        };
        assert_eq!(address.content, content);
    }

    #[test]
    fn what_makes_no_sense_is_refused_without_repeating_a_password() {
        for url in [
            "redis://",
            "redis://:6379",
            "redis://h:0",
            "redis://h:70000",
            "redis://::1",
            "redis://[::1",
            "redis://[::1]7",
            "redis://h/x",
            "redis://h/-1",
            "redis://h#x",
            "redis://h?prefix={x}",
            "redis://h?prefix=%7b",
            "redis://h?prefix=%+f",
            "redis://h?prefix=%ff",
            "redis://h?prefix=%f",
            "redis://h?minute_pages=-1",
            "redis://h?minute_pages",
            "redis://h?ttl_day=1",
            "redis://h?ttl_day=0d",
            "redis://h?timeout=4294967295000d",
            "redis://h?timeout=µs",
            "redis://h?nothing=1",
            "redis://user:hunter2@h",
            "redis://user:hunter2@h:hunter2/hunter2?hunter2",
            "redis://:hun/ter2@h",
        ] {
            let reason = Address::parse_url(url).expect_err(url);
            assert!(!reason.contains("hun"), "{url}: {reason}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let address = Address {
            password: Some("hunter2".into()),
            user: Some("carol".into()),
            ..parsed("redis://h")
        };
        for text in [format!("{address}"), format!("{address:?}")] {
            assert_eq!(text, "redis://h:6379");
        }
    }
}
