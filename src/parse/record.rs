//! One logged request, as every format yields it.
//!
//! Owns: [`Record`], [`Request`], [`Method`]. May import: `time`.
//! Must not know: how a line was written, or what counts.

use crate::time::CivilTime;

/// A well-formed log line: a hit. Fields are borrowed from the line, or from the parser where it had to decode them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The client: an address or a host name, as written.
    pub host: &'a [u8],
    /// The authenticated user, `-` where there is none.
    pub user: &'a [u8],
    /// The wall clock as written.
    pub time: CivilTime,
    /// The offset from UTC as written, in minutes.
    pub offset_minutes: i16,
    /// The request, where it is readable.
    pub request: Option<Request<'a>>,
    /// The three digits of the status, 0–999.
    pub status: u16,
    /// Bytes sent; `-` is 0, and what does not fit is `u64::MAX`.
    pub bytes_sent: u64,
    /// The referrer; empty in formats without one.
    pub referrer: &'a [u8],
    /// The user agent; empty in formats without one.
    pub user_agent: &'a [u8],
}

/// A readable request: method, target and protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// What was asked for; of a beacon, the page it reports.
    pub target: &'a [u8],
    /// The target as logged, whose query holds the arguments. The same as `target` but for beacons.
    pub logged_target: &'a [u8],
}

/// The methods that are told apart, with the numbers that parts and databases have for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Any that has no other number.
    Other = 0,
    /// GET
    Get = 1,
    /// HEAD
    Head = 2,
    /// POST
    Post = 3,
    /// PUT
    Put = 4,
    /// DELETE
    Delete = 5,
    /// CONNECT
    Connect = 6,
    /// OPTIONS
    Options = 7,
    /// TRACE
    Trace = 8,
    /// PATCH
    Patch = 9,
}

impl Method {
    /// Number of methods: their numbers are below it.
    pub const COUNT: usize = 10;

    /// The method with that name.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"CONNECT" => Self::Connect,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"PATCH" => Self::Patch,
            _ => Self::Other,
        }
    }

    /// Whether it can ask for a page: GET and POST.
    #[must_use]
    pub const fn asks_for_page(self) -> bool {
        matches!(self, Self::Get | Self::Post)
    }
}

/// A request target without the `http://host` or `https://host` it may begin with (RFC 9112 section 3.2.2).
///
/// A host that nothing follows leaves `/`. What does not begin so is returned as it is.
#[must_use]
pub fn without_host(target: &[u8]) -> &[u8] {
    if target.first() == Some(&b'/') {
        return target;
    }
    let scheme = [&b"http://"[..], b"https://"].into_iter().find(|scheme| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let Some(scheme) = scheme else { return target };
    let host = &target[scheme.len()..];
    let end = host.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(host.len());
    let rest = &host[end..];
    if rest.first() == Some(&b'/') { rest } else { b"/" }
}

#[cfg(test)]
mod tests {
    use super::without_host;

    #[test]
    fn hosts_are_taken_off() {
        for (target, path) in [
            ("/a", "/a"),
            ("//a", "//a"),
            ("http://h/a?b", "/a?b"),
            ("HTTPS://h:1/", "/"),
            ("http://h", "/"),
            ("http://h?q", "/"),
            ("ftp://h/a", "ftp://h/a"),
            ("*", "*"),
        ] {
            assert_eq!(without_host(target.as_bytes()), path.as_bytes(), "{target}");
        }
    }
}
