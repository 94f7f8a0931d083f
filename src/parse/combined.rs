//! The common and combined formats, strictly and one line at a time.
//!
//! Owns: the grammar of both (Apache `mod_log_config`, nginx `ngx_http_log_module`): this parser is what
//! well-formed means, and every faster path must agree with it. May import: `record`. Must not know: other formats.

use memchr::{memchr, memchr2, memrchr};

use super::Reason;
use super::time::{Clock, TIME_BYTES};
use crate::parse::record::{Method, Record, Request};

/// Parses one line without its line end: `with_agent` combined, else common.
pub(super) fn parse<'a>(
    line: &'a [u8],
    with_agent: bool,
    clock: &mut Clock,
) -> Result<Record<'a>, Reason> {
    fields(line, with_agent, clock).map(|fields| fields.record)
}

/// A line's record, and what a record leaves out.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    pub(super) record: Record<'a>,
    /// The second field.
    pub(super) identity: &'a [u8],
    /// The request between its quotes, readable or not.
    pub(super) request: &'a [u8],
    /// What follows the last field.
    pub(super) rest: &'a [u8],
}

/// Parses one line as [`parse`] does.
pub(super) fn fields<'a>(
    line: &'a [u8],
    with_agent: bool,
    clock: &mut Clock,
) -> Result<Fields<'a>, Reason> {
    let (host, rest) = word(line).ok_or(Reason::Host)?;
    let (identity, rest) = word(rest).ok_or(Reason::Identity)?;
    let bracket = memchr(b'[', rest).ok_or(Reason::User)?;
    let user =
        rest[..bracket].strip_suffix(b" ").filter(|user| !user.is_empty()).ok_or(Reason::User)?;
    let (time, rest) = rest[bracket + 1..].split_first_chunk::<TIME_BYTES>().ok_or(Reason::Time)?;
    let (time, offset_minutes) = clock.read(time)?;
    let rest = rest.strip_prefix(b"] \"").ok_or(if rest.first() == Some(&b']') {
        Reason::Request
    } else {
        Reason::Time
    })?;
    let (request, rest) = quoted(rest).ok_or(Reason::Request)?;
    let (status, rest) = status(rest).ok_or(Reason::Status)?;
    let (bytes_sent, rest) = size(rest).ok_or(Reason::Size)?;
    let (referrer, user_agent, rest) = if with_agent {
        let rest = rest.strip_prefix(b" \"").ok_or(Reason::Referrer)?;
        let (referrer, rest) = quoted(rest).ok_or(Reason::Referrer)?;
        let rest = rest.strip_prefix(b" \"").ok_or(Reason::UserAgent)?;
        let (user_agent, rest) = quoted(rest).ok_or(Reason::UserAgent)?;
        if rest.first().is_some_and(|&byte| !is_blank(byte)) {
            return Err(Reason::Rest);
        }
        (referrer, user_agent, rest)
    } else {
        if !rest.iter().all(|&byte| is_blank(byte)) {
            return Err(Reason::Rest);
        }
        (&[][..], &[][..], rest)
    };
    let record = Record {
        host,
        user,
        time,
        offset_minutes,
        request: readable(request),
        status,
        bytes_sent,
        referrer,
        user_agent,
    };
    Ok(Fields { record, identity, request, rest })
}

/// A blank is what C's `isspace` calls one.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// A field without blanks and the rest after the one space behind it.
fn word(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = line.iter().position(|&byte| is_blank(byte))?;
    (end > 0 && line[end] == b' ').then(|| (&line[..end], &line[end + 1..]))
}

/// The quoted texts in what follows a line's last field; text between them is passed over.
pub(super) fn quoted_texts(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let open = memchr(b'"', rest)?;
        let (text, after) = quoted(&rest[open + 1..])?;
        rest = after;
        Some(text)
    })
}

/// The text up to the closing quote, in which a backslash takes the next byte with it, and what follows the quote.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    loop {
        let at = from + memchr2(b'"', b'\\', text.get(from..)?)?;
        if text[at] == b'"' {
            return Some((&text[..at], &text[at + 1..]));
        }
        from = at + 2;
    }
}

/// ` ddd` and the rest.
fn status(text: &[u8]) -> Option<(u16, &[u8])> {
    let (&[space, a, b, c], rest) = text.split_first_chunk::<4>()?;
    if space != b' ' || rest.first() != Some(&b' ') || ![a, b, c].iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some((u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'), rest))
}

/// ` digits` or ` -` and the rest. More than a `u64` holds is `u64::MAX`.
fn size(text: &[u8]) -> Option<(u64, &[u8])> {
    let text = text.strip_prefix(b" ")?;
    if let Some(rest) = text.strip_prefix(b"-") {
        return Some((0, rest));
    }
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = text[..digits].iter().fold(0_u64, |value, digit| {
        value.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    });
    (digits > 0).then(|| (value, &text[digits..]))
}

/// `METHOD SP TARGET SP HTTP/d[.d]`: the target is everything up to the last ` HTTP/`.
pub(super) fn readable(request: &[u8]) -> Option<Request<'_>> {
    let method_end = request.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let (method, rest) = request.split_at(method_end);
    let rest = rest.strip_prefix(b" ").filter(|_| method_end > 0)?;
    let slash = memrchr(b'/', rest)?;
    let target = rest[..slash].strip_suffix(b" HTTP")?;
    match rest[slash + 1..] {
        [major] if major.is_ascii_digit() => {}
        [major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {}
        _ => return None,
    }
    let method = Method::of(method);
    Some(Request { method, target, logged_target: target })
}

#[cfg(test)]
mod tests {
    use super::super::Reason;
    use super::{Clock, Method, parse, readable};

    const GOOD: &str =
        r#"1.2.3.4 - - [05/Mar/2018:00:00:01 +0800] "GET /a HTTP/1.1" 200 5 "-" "agent""#;

    fn check(line: &str, expected: Result<(), Reason>) {
        let found = parse(line.as_bytes(), true, &mut Clock::default());
        assert_eq!(found.map(|_| ()), expected, "{line}");
    }

    #[test]
    fn a_combined_line_gives_its_fields() {
        let line = r#"h i u v [05/Mar/2018:00:00:01 +0800] "GET /a \"b\" HTTP/1.1" 404 18446744073709551616 "r\\" "a\"" tail"#;
        let record = parse(line.as_bytes(), true, &mut Clock::default()).unwrap();
        assert_eq!(record.host, b"h");
        assert_eq!(record.user, b"u v");
        assert_eq!(record.time.to_string(), "2018-03-05T00:00:01");
        assert_eq!(record.request.unwrap().target, br#"/a \"b\""#);
        assert_eq!((record.status, record.bytes_sent), (404, u64::MAX));
        assert_eq!((record.referrer, record.user_agent), (&br"r\\"[..], &br#"a\""#[..]));
    }

    #[test]
    fn every_cut_of_a_good_line_is_malformed() {
        check(GOOD, Ok(()));
        for cut in 0..GOOD.len() {
            assert!(parse(&GOOD.as_bytes()[..cut], true, &mut Clock::default()).is_err(), "{cut}");
        }
    }

    #[test]
    fn each_field_is_checked() {
        check(&GOOD.replacen("1.2.3.4", "", 1), Err(Reason::Host));
        check(&GOOD.replacen("1.2.3.4 ", "1.2.3.4\t", 1), Err(Reason::Host));
        check(&GOOD.replacen(" - - ", "  - ", 1), Err(Reason::Identity));
        check(&GOOD.replacen(" - - ", " - ", 1), Err(Reason::User));
        check(&GOOD.replacen("+0800]", "+0800}", 1), Err(Reason::Time));
        check(&GOOD.replacen("05/Mar", "32/Mar", 1), Err(Reason::Date));
        check(&GOOD.replacen("] \"", "] ", 1), Err(Reason::Request));
        for status in ["20", "2000", "-", "abc", "0"] {
            check(&GOOD.replacen("200", status, 1), Err(Reason::Status));
        }
        check(&GOOD.replacen(" 5 ", " -1 ", 1), Err(Reason::Referrer));
        check(&GOOD.replacen(" 5 ", " x ", 1), Err(Reason::Size));
        check(&GOOD.replacen(" 5 ", " - ", 1), Ok(()));
        check(&GOOD.replacen("\"-\" ", "", 1), Err(Reason::UserAgent));
        check(&GOOD.replacen("\"-\" \"agent\"", "", 1), Err(Reason::Referrer));
        check(&format!("{GOOD} \"xff\""), Ok(()));
        check(&format!("{GOOD}x"), Err(Reason::Rest));
    }

    #[test]
    fn common_takes_nothing_but_blanks_behind_the_size() {
        let common = &GOOD[..GOOD.find(" \"-\"").unwrap()];
        for (line, good) in [(common, true), (&format!("{common} \t "), true), (GOOD, false)] {
            assert_eq!(
                parse(line.as_bytes(), false, &mut Clock::default()).is_ok(),
                good,
                "{line}"
            );
        }
    }

    #[test]
    fn requests_are_readable_or_not() {
        for (request, target) in [
            ("GET / HTTP/1.1", Some("/")),
            ("GET /a b HTTP/x HTTP/2", Some("/a b HTTP/x")),
            ("PRI * HTTP/2.0", Some("*")),
            ("QUERY /q HTTP/3", Some("/q")),
            ("GET /", None),
            ("GET", None),
            ("-", None),
            ("", None),
            ("get / HTTP/1.1", None),
            ("GET / HTTP/1.1\r", None),
            ("GET / HTTP/11", None),
            ("GET / HTTP/1.", None),
            ("GET / http/1.1", None),
            ("\\x16\\x03\\x01", None),
        ] {
            let found = readable(request.as_bytes()).map(|request| request.target);
            assert_eq!(found, target.map(str::as_bytes), "{request}");
        }
        assert_eq!(readable(b"POST / HTTP/1.0").unwrap().method, Method::Post);
        assert_eq!(readable(b"HEAD / HTTP/1.0").unwrap().method, Method::Head);
        assert_eq!(readable(b"HEADS / HTTP/1.0").unwrap().method, Method::Other);
    }
}
