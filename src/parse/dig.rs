//! Beacon ("dig") logs: combined lines whose request is `/dig?refer=…&time=…&ua=…&url=…`.
//!
//! Owns: the beacon's arguments and their URL decoding (WHATWG URL, application/x-www-form-urlencoded).
//! May import: `calendar`, `record`. Must not know: other formats, what counts.

use memchr::{memchr, memchr2};

use super::{Line, Reason};
use crate::calendar::CivilTime;
use crate::record::{Record, Request};

/// Room for the decoded arguments of one beacon.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    url: Vec<u8>,
    user_agent: Vec<u8>,
    referrer: Vec<u8>,
    time: Vec<u8>,
}

/// Whether a request target is a beacon's: path `/dig`.
pub(super) fn is_beacon(target: &[u8]) -> bool {
    beacon_query(target).is_some()
}

/// The query of a target whose path is `/dig`, empty where it has none.
fn beacon_query(target: &[u8]) -> Option<&[u8]> {
    let path = crate::record::without_host(target);
    let rest = path.strip_prefix(b"/dig")?;
    match rest.first() {
        None | Some(b'#') => Some(&[]),
        Some(b'?') => {
            let query = &rest[1..];
            Some(&query[..memchr(b'#', query).unwrap_or(query.len())])
        }
        Some(_) => None,
    }
}

/// Turns a combined record into the beacon's: page, user agent, referrer and time come from its arguments.
pub(super) fn read<'a>(record: Record<'a>, decoded: &'a mut Decoded) -> Result<Line<'a>, Reason> {
    let Some(request) = record.request else { return Ok(Line::Hit(record)) };
    let Some(query) = beacon_query(request.target) else { return Ok(Line::Other) };
    let [mut url, mut user_agent, mut referrer, mut time] = [None; 4];
    for argument in query.split(|&byte| byte == b'&') {
        let (name, value) = match memchr(b'=', argument) {
            Some(at) => (&argument[..at], &argument[at + 1..]),
            None => (argument, &[][..]),
        };
        let slot = match name {
            b"url" => &mut url,
            b"ua" => &mut user_agent,
            b"refer" => &mut referrer,
            b"time" => &mut time,
            _ => continue,
        };
        slot.get_or_insert(value);
    }
    decode(url.ok_or(Reason::BeaconArgument)?, &mut decoded.url)?;
    decode(user_agent.ok_or(Reason::BeaconArgument)?, &mut decoded.user_agent)?;
    decode(referrer.unwrap_or_default(), &mut decoded.referrer)?;
    decode(time.unwrap_or_default(), &mut decoded.time)?;
    let decoded = &*decoded;
    let time = unix_seconds(&decoded.time).map_or(record.time, |unix_seconds| {
        CivilTime::from_seconds(unix_seconds + i64::from(record.offset_minutes) * 60)
    });
    Ok(Line::Hit(Record {
        time,
        request: Some(Request { target: &decoded.url, ..request }),
        referrer: &decoded.referrer,
        user_agent: &decoded.user_agent,
        ..record
    }))
}

/// The instant that 10 digits (seconds) or 13 digits (milliseconds) write.
fn unix_seconds(text: &[u8]) -> Option<i64> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value =
        text.iter().take(13).fold(0_i64, |value, digit| value * 10 + i64::from(digit - b'0'));
    match text.len() {
        10 => Some(value),
        13 => Some(value / 1000),
        _ => None,
    }
}

/// Replaces `output` by the decoded `text`: `+` is a blank, `%XX` a byte.
pub(super) fn decode(mut text: &[u8], output: &mut Vec<u8>) -> Result<(), Reason> {
    output.clear();
    while let Some(at) = memchr2(b'%', b'+', text) {
        output.extend_from_slice(&text[..at]);
        if text[at] == b'+' {
            output.push(b' ');
            text = &text[at + 1..];
        } else {
            let [high, low] = *text
                .get(at + 1..at + 3)
                .and_then(|pair| pair.first_chunk())
                .ok_or(Reason::BeaconEscape)?;
            output.push(
                hex(high).ok_or(Reason::BeaconEscape)? << 4
                    | hex(low).ok_or(Reason::BeaconEscape)?,
            );
            text = &text[at + 3..];
        }
    }
    output.extend_from_slice(text);
    Ok(())
}

/// The value of a hexadecimal digit.
fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::combined::parse;
    use super::super::time::Clock;
    use super::{Decoded, Line, Reason, read};

    /// What a beacon log's line with this target is: (page url, user agent, referrer, time), "other", or malformed.
    fn check(target: &str, expected: Result<Option<[&str; 4]>, Reason>) {
        let line = format!(
            "h - - [08/Mar/2018:00:29:58 +0800] \"OPTIONS {target} HTTP/1.1\" 200 43 \"-\" \"UA\""
        );
        let record = parse(line.as_bytes(), true, &mut Clock::default()).unwrap();
        let mut decoded = Decoded::default();
        let found = read(record, &mut decoded).map(|line| match line {
            Line::Other => None,
            Line::Hit(record) => Some([
                String::from_utf8(record.request.unwrap().target.to_vec()).unwrap(),
                String::from_utf8(record.user_agent.to_vec()).unwrap(),
                String::from_utf8(record.referrer.to_vec()).unwrap(),
                record.time.to_string(),
            ]),
        });
        assert_eq!(
            found,
            expected.map(|fields| fields.map(|fields| fields.map(str::to_owned))),
            "{target}"
        );
    }

    #[test]
    fn arguments_are_decoded() {
        let written = "2018-03-08T00:29:58";
        check(
            "/dig?refer=r&time=1&ua=a+b%2Fc&url=%2Fx%c3%bc",
            Ok(Some(["/xü", "a b/c", "r", written])),
        );
        check("/dig?url=/1&ua=&url=/2", Ok(Some(["/1", "", "", written])));
        check(
            "http://h/dig?ua=x&url=/&time=1520440198",
            Ok(Some(["/", "x", "", "2018-03-08T00:29:58"])),
        );
        check(
            "/dig?ua=x&url=/&time=1520440199999",
            Ok(Some(["/", "x", "", "2018-03-08T00:29:59"])),
        );
        check("/dig?ua=x&url=/&time=15204401990", Ok(Some(["/", "x", "", written])));
    }

    #[test]
    fn what_is_no_beacon_is_other_or_malformed() {
        check("/", Ok(None));
        check("/digs?ua=x&url=/", Ok(None));
        check("/dig", Err(Reason::BeaconArgument));
        check("/dig?ua=x", Err(Reason::BeaconArgument));
        check("/dig?url=/", Err(Reason::BeaconArgument));
        for escape in ["%", "%2", "%zz", "%2+"] {
            check(&format!("/dig?ua=x&url=/{escape}"), Err(Reason::BeaconEscape));
            check(&format!("/dig?ua=x&url=/&refer={escape}"), Err(Reason::BeaconEscape));
            check(
                &format!("/dig?ua=x&url=/&extra={escape}"),
                Ok(Some(["/", "x", "", "2018-03-08T00:29:58"])),
            );
        }
    }
}
