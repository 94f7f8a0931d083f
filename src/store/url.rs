//! What the URLs of all stores have in common: host and port, options behind the `?`.
//!
//! Owns: [`Syntax`], [`HostAndPort`], [`UrlOption`]. May import: std. Must not know: what options there are, stores.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// `Result` with a sentence for the user.
type Parsed<T> = std::result::Result<T, String>;

/// The parts in which the URLs of stores differ.
pub(super) struct Syntax {
    /// What messages call it: `a Redis URL`.
    pub(super) kind: &'static str,
    pub(super) scheme: &'static str,
    pub(super) default_port: u16,
}

impl Syntax {
    /// Parses `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`. Messages do not repeat it, as it could hold a password.
    pub(super) fn host_and_port(&self, authority: &str) -> Parsed<(String, u16)> {
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, port) =
                    rest.split_once(']').ok_or("the ] of an IPv6 address is missing")?;
                (host, port.strip_prefix(':').or(port.is_empty().then_some("")))
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, Some("")),
            },
        };
        let Self { kind, scheme, default_port } = *self;
        if host.is_empty() {
            return Err(format!("{kind} must name a host: {scheme}://HOST:PORT"));
        }
        let port = match port {
            Some("") => default_port,
            port => port
                .and_then(|port| u16::from_str(port).ok())
                .filter(|&port| port > 0)
                .ok_or_else(|| {
                    format!(
                        "the port of {kind} must be a number from 1 to 65535; write an IPv6 address in [ ]"
                    )
                })?,
        };
        Ok((host.to_owned(), port))
    }

    /// The options of a URL, in its order: `NAME=VALUE&NAME=VALUE…`, the values percent-encoded.
    pub(super) fn options(&self, query: &str) -> impl Iterator<Item = Parsed<UrlOption>> {
        query.split('&').filter(|option| !option.is_empty()).map(|option| {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let value = percent_decoded(value).ok_or_else(|| {
                format!("{value:?} in {} is not percent-encoded UTF-8", self.kind)
            })?;
            Ok(UrlOption { kind: self.kind, name: name.to_owned(), value })
        })
    }
}

/// Shown as `HOST:PORT`, an IPv6 address in brackets.
pub(super) struct HostAndPort<'a>(pub(super) &'a str, pub(super) u16);

impl fmt::Display for HostAndPort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(host, port) = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// An option of a URL.
pub(super) struct UrlOption {
    kind: &'static str,
    pub(super) name: String,
    /// Decoded.
    pub(super) value: String,
}

impl UrlOption {
    /// The refusal of a value that is not what is `wanted`.
    pub(super) fn wrong(&self, wanted: &str) -> String {
        let Self { kind, name, value } = self;
        format!("{name} in {kind} must be {wanted}, and {value:?} is not")
    }

    /// A number, or `usize::MAX` for `all`.
    pub(super) fn count(&self) -> Parsed<usize> {
        if self.value == "all" {
            return Ok(usize::MAX);
        }
        self.value.parse().map_err(|_| self.wrong("a number, or all"))
    }

    /// A time that is more than zero.
    pub(super) fn time(&self) -> Parsed<Duration> {
        parse_time(&self.value).ok_or_else(|| self.wrong("a time such as 400d, 36h, 90m or 30s"))
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = after;
            continue;
        }
        let digits = after.get(..2).and_then(|digits| str::from_utf8(digits).ok())?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).ok()
}

/// `400d`, `36h`, `90m`, `30s` or `500ms`; more than zero.
fn parse_time(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let number: u32 = digits.parse().ok().filter(|&number| number > 0)?;
    let unit = match &text[digits.len()..] {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3600),
        "d" => Duration::from_secs(86_400),
        _ => return None,
    };
    unit.checked_mul(number)
}
