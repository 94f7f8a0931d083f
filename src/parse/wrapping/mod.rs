//! What other programs put around log lines: syslog, container runtimes, kubectl, grep, a virtual host in front.
//!
//! Owns: [`Wrapping`]: how each is taken off a line. May import: `json_text`. Must not know: the grammar of what is inside,
//! which wrapping a file has.
//!
//! Every wrapping but `docker json-file` is a prefix, so what is inside is the end of the line and nothing is copied.
//! To add one: a variant, its name, its arm in [`Wrapping::strip`], lines for the tests below.

mod syslog;

use std::net::IpAddr;

pub(super) use syslog::is_month;

/// What stands around each line of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wrapping {
    /// Blanks at the start of the line.
    Indentation,
    /// `/var/log/pods` and `/var/log/containers`: `TIME stdout F LINE` (Kubernetes container runtime interface).
    Cri,
    /// Docker's json-file driver: `{"log":"LINE\n","stream":"stdout","time":"…"}`.
    DockerJson,
    /// RFC 3164 and RFC 5424, with or without priority, host and process id, and journald's `short` formats.
    Syslog,
    /// `docker logs -t`, `kubectl logs --timestamps`: `TIME LINE`, the time as in RFC 3339.
    Timestamps,
    /// `kubectl logs --prefix`: `[pod/NAME/CONTAINER] LINE`.
    KubectlPrefix,
    /// `docker compose logs`: `NAME  | LINE`.
    Compose,
    /// `grep` over several files: `FILE:LINE`.
    GrepFile,
    /// `grep -n`: `NUMBER:LINE`.
    GrepNumber,
    /// `grep -n` over several files: `FILE:NUMBER:LINE`.
    GrepFileNumber,
    /// A virtual host in front of a line, `%v`, `%v:%p` or `$host`: `www.example.com:443 LINE`.
    VirtualHost,
}

/// A line is a piece of a longer one that its wrapping cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IsPiece;

impl Wrapping {
    /// Every wrapping, in the order in which they are tried: those that say more about the line first.
    pub const ALL: [Self; 11] = [
        Self::Indentation,
        Self::Cri,
        Self::DockerJson,
        Self::Syslog,
        Self::Timestamps,
        Self::KubectlPrefix,
        Self::Compose,
        Self::VirtualHost,
        Self::GrepNumber,
        // `a.log:2001:db8::1` is an address after a file's name, not after a line's number.
        Self::GrepFile,
        Self::GrepFileNumber,
    ];

    /// The name in reports, as in "combined inside CRI".
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Indentation => "indented lines",
            Self::Cri => "CRI",
            Self::DockerJson => "docker json-file",
            Self::Syslog => "syslog",
            Self::Timestamps => "docker logs -t",
            Self::KubectlPrefix => "kubectl logs --prefix",
            Self::Compose => "docker compose logs",
            Self::GrepFile => "grep -H",
            Self::GrepNumber => "grep -n",
            Self::GrepFileNumber => "grep -Hn",
            Self::VirtualHost => "a virtual host prefix",
        }
    }

    /// Whether lines of this wrapping can hold lines of `inner`: nothing stands around lines twice, `grep` is one program, and
    /// a virtual host is the line's own first word.
    pub(super) fn can_hold(self, inner: Self) -> bool {
        let is_grep = |wrapping: Self| {
            matches!(wrapping, Self::GrepFile | Self::GrepNumber | Self::GrepFileNumber)
        };
        self != inner && self != Self::VirtualHost && !(is_grep(self) && is_grep(inner))
    }

    /// Whether a line that has it cannot be anything else. The others are words that any line may begin with.
    pub(super) fn is_distinctive(self) -> bool {
        !matches!(
            self,
            Self::VirtualHost | Self::GrepFile | Self::GrepNumber | Self::GrepFileNumber
        )
    }

    /// What is inside, for every wrapping that is a prefix; `None` where the line has no such prefix.
    ///
    /// # Panics
    /// For [`Wrapping::DockerJson`], whose text has to be decoded: see [`unescape_docker_json`].
    pub(super) fn strip(self, line: &[u8]) -> Option<Result<&[u8], IsPiece>> {
        let inside = match self {
            Self::Indentation => {
                let blanks = line.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                (blanks > 0).then(|| &line[blanks..])
            }
            Self::Cri => return strip_cri(line),
            Self::DockerJson => unreachable!("decoded by unescape_docker_json"),
            Self::Syslog => syslog::strip(line),
            Self::Timestamps => strip_time(line),
            Self::KubectlPrefix => {
                let rest = line.strip_prefix(b"[pod/")?;
                let end = position(rest, b']')?;
                rest[..end].contains(&b'/').then(|| &rest[end + 1..])?.strip_prefix(b" ")
            }
            Self::Compose => {
                let name = line.iter().take_while(|&&byte| is_container_byte(byte)).count();
                let blanks = line[name..].iter().take_while(|&&byte| byte == b' ').count();
                let rest = line[name + blanks..].strip_prefix(b"|")?;
                (name > 0).then(|| rest.strip_prefix(b" ").unwrap_or(rest))
            }
            Self::GrepFile => strip_file(line),
            Self::GrepNumber => strip_number(line),
            Self::GrepFileNumber => strip_file(line).and_then(strip_number),
            Self::VirtualHost => {
                let (host, rest) = split_word(line)?;
                is_virtual_host(host).then_some(rest)
            }
        };
        inside.map(Ok)
    }
}

fn position(text: &[u8], byte: u8) -> Option<usize> {
    memchr::memchr(byte, text)
}

/// The text up to the first blank, and what follows that one blank.
fn split_word(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = position(line, b' ')?;
    Some((&line[..end], &line[end + 1..]))
}

/// `FILE:`, the name up to the first colon. Digits alone are a line's number; behind a bracket the first colon is the time's;
/// and a blank, but in a path, or `=` may be anything before an address of IPv6.
fn strip_file(line: &[u8]) -> Option<&[u8]> {
    let end = position(line, b':')?;
    let name = &line[..end];
    let is_name = !name.iter().any(|byte| b"[=|".contains(byte))
        && (!name.contains(&b' ') || name.contains(&b'/'))
        && !is_number(name);
    (end > 0 && is_name).then(|| &line[end + 1..])
}

/// `NUMBER:`
fn strip_number(line: &[u8]) -> Option<&[u8]> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
    line[digits..].strip_prefix(b":").filter(|_| digits > 0)
}

/// A byte of a container's or service's name, as in `web-1` and `web.1.abc@node`.
fn is_container_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@')
}

/// Whether a word is what servers log for `%v`, `%v:%p`, `$host` and `$host:$server_port`.
fn is_virtual_host(word: &[u8]) -> bool {
    // An address alone could as well be the client's, before a proxy's.
    if address(word).is_some() {
        return false;
    }
    let name = match memchr::memrchr(b':', word) {
        Some(colon) if is_number(&word[colon + 1..]) => &word[..colon],
        _ => word,
    };
    let is_name = name.iter().all(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') || !byte.is_ascii()
    });
    // A request id is no name.
    let is_hexadecimal = name.len() >= 16 && name.iter().all(u8::is_ascii_hexdigit);
    (is_name && !is_hexadecimal && name.iter().any(u8::is_ascii_alphabetic))
        || address(name).is_some()
}

/// Whether a text is digits and nothing else.
pub(super) fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// The IPv4 or IPv6 address that a text is, its zone (`%eth0`) left out.
pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    if text.len() < 2 || text.len() > 64 {
        return None;
    }
    let end = position(text, b'%').unwrap_or(text.len());
    std::str::from_utf8(&text[..end]).ok()?.parse().ok()
}

/// Length of the date and time of RFC 3339 that a text begins with. Its zone may be missing, and written without a colon.
fn time_length(text: &[u8]) -> Option<usize> {
    let form = b"dddd-dd-ddTdd:dd:dd";
    let start = text.get(..form.len())?;
    let fits = start.iter().zip(form).all(|(byte, form)| match form {
        b'd' => byte.is_ascii_digit(),
        form => byte == form,
    });
    if !fits {
        return None;
    }
    let digits = |at: usize| text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = form.len();
    if matches!(text.get(at), Some(b'.' | b',')) {
        at += 1 + digits(at + 1);
    }
    match text.get(at) {
        Some(b'Z') => at += 1,
        Some(b'+' | b'-') => {
            let hours = at + 1;
            at = hours + digits(hours);
            if text.get(at) == Some(&b':') {
                at += 1 + digits(at + 1);
            }
        }
        _ => {}
    }
    Some(at)
}

/// `TIME LINE`
fn strip_time(line: &[u8]) -> Option<&[u8]> {
    line[time_length(line)?..].strip_prefix(b" ")
}

/// `TIME stdout F LINE`. `P` instead of `F` is a piece of a longer line; tags may follow either.
fn strip_cri(line: &[u8]) -> Option<Result<&[u8], IsPiece>> {
    let rest = strip_time(line)?;
    let rest = rest.strip_prefix(b"stdout ").or_else(|| rest.strip_prefix(b"stderr "))?;
    let (tags, inside) = split_word(rest)?;
    match tags {
        [b'F'] | [b'F', b':', ..] => Some(Ok(inside)),
        [b'P'] | [b'P', b':', ..] => Some(Err(IsPiece)),
        _ => None,
    }
}

/// The line inside a line of Docker's json-file driver, decoded into `text`; `None` where it is no such line.
///
/// Docker writes `log` first, and escapes as Go's encoding/json does.
pub(super) fn unescape_docker_json(line: &[u8], text: &mut Vec<u8>) -> Option<Result<(), IsPiece>> {
    let rest = line.strip_prefix(br#"{"log":""#)?;
    text.clear();
    let length = super::json_text::unescape(rest, text)?;
    let rest = &rest[length..];
    let is_end = rest == b"}"
        || [&br#","stream":""#[..], br#","attrs":{"#, br#","time":""#]
            .iter()
            .any(|key| rest.starts_with(key) && rest.ends_with(b"}"));
    if !is_end {
        return None;
    }
    if text.pop_if(|last| *last == b'\n').is_none() {
        return Some(Err(IsPiece));
    }
    text.pop_if(|last| *last == b'\r');
    Some(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::{IsPiece, Wrapping, unescape_docker_json};

    const LINE: &str =
        "1.2.3.4 - - [05/Mar/2018:00:00:01 +0800] \"GET / HTTP/1.1\" 200 5 \"-\" \"agent\"";

    #[test]
    fn prefixes_are_taken_off() {
        for (wrapping, prefixes) in [
            (Wrapping::Indentation, &[" ", "\t  "][..]),
            (
                Wrapping::Cri,
                &[
                    "2026-11-24T06:00:00.1Z stdout F ",
                    "2026-11-24T06:00:00.123456789+08:00 stderr F ",
                    "2026-11-24T06:00:00Z stdout F:tag ",
                ],
            ),
            (
                Wrapping::Syslog,
                &[
                    "Nov 24 06:00:00 web1 nginx: ",
                    "Nov  4 06:00:00 web1 nginx[123]: ",
                    "Nov 24 06:00:00 nginx: ",
                    "<190>Nov 24 06:00:00 web1 nginx: ",
                    "<190>Nov 24 06:00:00 nginx[7]: ",
                    "2026-11-24T06:00:00.123456+08:00 web1 nginx: ",
                    "2026-11-24T06:00:00+0800 web1 nginx[123]: ",
                    "<14>2026-11-24T06:00:00Z web1 nginx[1]: ",
                    "<190>1 2026-11-24T06:00:00.123Z web1 nginx 123 - - ",
                    "<190>1 - web1 nginx - ID47 [a@1 b=\"c ]\\\" d\"][e] ",
                    "<190>1 2026-11-24T06:00:00Z web1 nginx 123 - - \u{feff}",
                    "Nov 24 06:00:00.123456 web1 nginx[123]: ",
                    "Tue 2026-11-24 06:00:00 UTC web1 nginx.service[123]: ",
                    "Tue 2026-11-24 06:00:00.5 CET web1 nginx[123]: ",
                    "[ 1234.567890] web1 nginx[123]: ",
                    "[    5.000001 <    0.000002 >] web1 nginx[123]: ",
                    "1732428000.123456 web1 nginx[123]: ",
                ],
            ),
            (
                Wrapping::Timestamps,
                &["2026-11-24T06:00:00.123456789Z ", "2026-11-24T06:00:00+08:00 "],
            ),
            (Wrapping::KubectlPrefix, &["[pod/web-1-abc/nginx] "]),
            (Wrapping::Compose, &["web-1  | ", "web_1    | ", "web.1.abc@node    | ", "web-1  |"]),
            (Wrapping::GrepFile, &["access.log:", "/var/log/a b.log.1:"]),
            (Wrapping::GrepNumber, &["1:", "1234567:"]),
            (Wrapping::GrepFileNumber, &["access.log:12:"]),
            (
                Wrapping::VirtualHost,
                &["www.example.com ", "www.example.com:443 ", "localhost:8080 ", "10.0.0.1:80 "],
            ),
        ] {
            for prefix in prefixes {
                let line = format!("{prefix}{LINE}");
                let inside = wrapping.strip(line.as_bytes());
                assert_eq!(inside, Some(Ok(LINE.as_bytes())), "{wrapping:?} {prefix}");
            }
        }
    }

    #[test]
    fn a_plain_line_has_no_prefix_that_says_much() {
        for wrapping in Wrapping::ALL {
            if !matches!(
                wrapping,
                Wrapping::DockerJson | Wrapping::GrepFile | Wrapping::VirtualHost
            ) {
                assert_eq!(wrapping.strip(LINE.as_bytes()), None, "{wrapping:?}");
            }
        }
    }

    #[test]
    fn every_cut_of_a_prefix_is_none_or_leaves_the_rest() {
        for line in [
            "<190>1 2026-11-24T06:00:00.123Z web1 nginx 123 - [a b=\"c\"] x",
            "Tue 2026-11-24 06:00:00 UTC web1 nginx.service[123]: x",
            "2026-11-24T06:00:00.1+08:00 stdout F x",
            "[pod/a/b] x",
        ] {
            for cut in 0..line.len() {
                for wrapping in Wrapping::ALL {
                    if wrapping != Wrapping::DockerJson {
                        let _ = wrapping.strip(&line.as_bytes()[..cut]);
                    }
                }
            }
        }
    }

    #[test]
    fn pieces_of_longer_lines_are_told() {
        let piece = Wrapping::Cri.strip(b"2026-11-24T06:00:00Z stdout P x");
        assert_eq!(piece, Some(Err(IsPiece)));
        let mut text = Vec::new();
        let json = br#"{"log":"x","stream":"stdout","time":"t"}"#;
        assert_eq!(unescape_docker_json(json, &mut text), Some(Err(IsPiece)));
    }

    #[test]
    fn docker_json_is_decoded() {
        let mut text = Vec::new();
        let json =
            br#"{"log":"a \"b\" \u003c\u00fc\ud83d\ude00\\\r\n","stream":"stdout","time":"t"}"#;
        assert_eq!(unescape_docker_json(json, &mut text), Some(Ok(())));
        assert_eq!(text, "a \"b\" <ü😀\\".as_bytes());
        let attrs = br#"{"log":"x\n","attrs":{"a":"b"},"stream":"stdout","time":"t"}"#;
        assert_eq!(unescape_docker_json(attrs, &mut text), Some(Ok(())));
        for other in [
            &br#"{"log":"x\n","stream":"stdout""#[..],
            br#"{"log":"x\n"#,
            br#"{"log":"x\q\n","stream":"stdout"}"#,
            br#"{"msg":"x\n"}"#,
            br#"{"log":"x\n","level":"info"}"#,
        ] {
            assert_eq!(unescape_docker_json(other, &mut text), None, "{}", other.escape_ascii());
        }
    }
}
