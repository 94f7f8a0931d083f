//! The heads of syslog lines and of journald's `short` formats.
//!
//! Owns: RFC 3164 and RFC 5424 as they stand before a log line, the names of months. May import: what all wrappings share
//! in `wrapping`. Must not know: other wrappings.

use super::{is_number, position, split_word, strip_time, time_length};

const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// Whether a text is the abbreviated English name of a month.
pub(in crate::parse) fn is_month(text: &[u8]) -> bool {
    MONTHS.contains(&text)
}

/// `[<PRI>]TIME [HOST] TAG: LINE` (RFC 3164, journald's short formats) or `<PRI>1 TIME HOST APP PROCID MSGID SD LINE`
/// (RFC 5424).
pub(super) fn strip(line: &[u8]) -> Option<&[u8]> {
    let priority = line.strip_prefix(b"<").and_then(|rest| {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        rest[digits..].strip_prefix(b">").filter(|_| (1..=3).contains(&digits))
    });
    let rest = priority.unwrap_or(line);
    if let (Some(_), Some(rest)) = (priority, rest.strip_prefix(b"1 ")) {
        return strip_rfc5424(rest);
    }
    let rest = strip_head_time(rest)?;
    let (first, rest) = split_word(rest)?;
    if first.ends_with(b":") {
        return Some(rest);
    }
    let (tag, rest) = split_word(rest)?;
    tag.ends_with(b":").then_some(rest)
}

/// The time at the start of a syslog or journald line and the blank after it.
fn strip_head_time(line: &[u8]) -> Option<&[u8]> {
    let number = |text: &[u8]| {
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (digits > 0).then_some(digits)
    };
    // 2026-11-24T06:00:00.123456+08:00
    if let Some(rest) = strip_time(line) {
        return Some(rest);
    }
    // [ 1234.567890]
    if let Some(rest) = line.strip_prefix(b"[") {
        let end = position(rest, b']')?;
        let is_time =
            rest[..end].iter().all(|byte| byte.is_ascii_digit() || b" .<>".contains(byte));
        return rest[end + 1..].strip_prefix(b" ").filter(|_| is_time && end > 0);
    }
    let (first, rest) = split_word(line)?;
    // 1732428000.123456
    if let Some(digits) = number(first)
        && first[digits..].strip_prefix(b".").is_some_and(is_number)
        && digits >= 9
    {
        return Some(rest);
    }
    // Nov 24 06:00:00, Nov 24 06:00:00.123456, Nov  4 06:00:00
    if is_month(first) {
        let rest = rest.strip_prefix(b" ").unwrap_or(rest);
        let (day, rest) = split_word(rest)?;
        let (time, rest) = split_word(rest)?;
        return (is_number(day) && is_clock(time)).then_some(rest);
    }
    // Tue 2026-11-24 06:00:00 UTC
    if first.len() == 3 && first.iter().all(u8::is_ascii_alphabetic) {
        let (date, rest) = split_word(rest)?;
        let (time, rest) = split_word(rest)?;
        let (zone, rest) = split_word(rest)?;
        let is_date = date.len() == 10 && date[4] == b'-' && date[7] == b'-' && is_clock(time);
        let is_zone = zone.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-:".contains(byte));
        return (is_date && is_zone).then_some(rest);
    }
    None
}

/// `06:00:00`, with a fraction of a second or without.
fn is_clock(text: &[u8]) -> bool {
    let time = text.get(..8).filter(|time| time[2] == b':' && time[5] == b':');
    let is_time =
        time.is_some_and(|time| [0, 1, 3, 4, 6, 7].iter().all(|&at| time[at].is_ascii_digit()));
    is_time && (text.len() == 8 || text[8] == b'.' && is_number(&text[9..]))
}

/// `TIME HOST APP PROCID MSGID SD LINE`, behind `<PRI>1 `.
fn strip_rfc5424(line: &[u8]) -> Option<&[u8]> {
    let mut rest = line;
    let (time, after) = split_word(rest)?;
    if time != b"-" && time_length(time) != Some(time.len()) {
        return None;
    }
    rest = after;
    for _ in 0..4 {
        rest = split_word(rest)?.1;
    }
    // Structured data: `-`, or elements in brackets whose values quote with backslashes.
    if let Some(after) = rest.strip_prefix(b"-") {
        rest = after;
    } else {
        while rest.first() == Some(&b'[') {
            rest = &rest[element_length(rest)?..];
        }
    }
    let inside = rest.strip_prefix(b" ")?;
    Some(inside.strip_prefix(b"\xef\xbb\xbf").unwrap_or(inside))
}

/// Length of the structured data element that a text begins with, both brackets included.
fn element_length(text: &[u8]) -> Option<usize> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b']' if !is_quoted => return Some(at + 1),
            _ => {}
        }
    }
    None
}
