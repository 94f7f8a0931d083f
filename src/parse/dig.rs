//! Beacon ("dig") logs: combined lines whose request is `/dig?refer=…&time=…&ua=…&url=…`.
//!
//! Owns: the beacon's arguments. May import: `time`, `record`. Must not know: other formats, what counts.

use std::ops::Range;

use memchr::memchr;

use super::escape::{BadEscape, Unescaped};
use super::{Line, Reason};
use crate::parse::record::{Record, Request};
use crate::time::CivilTime;

/// Room for the decoded arguments of one beacon.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    url: Unescaped,
    user_agent: Unescaped,
    referrer: Unescaped,
    time: Unescaped,
}

/// Whether a request target is a beacon's: path `/dig`.
pub(super) fn is_beacon(target: &[u8]) -> bool {
    beacon_query(target).is_some()
}

/// The query of a target whose path is `/dig`, empty where it has none.
fn beacon_query(target: &[u8]) -> Option<&[u8]> {
    let path = crate::parse::record::without_host(target);
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
    // Where the value of each argument stands in the query.
    let [mut url, mut user_agent, mut referrer, mut time] = [const { None::<Range<usize>> }; 4];
    let mut next = 0;
    while next < query.len() {
        let start = next;
        let rest = &query[start..];
        let argument = &rest[..memchr(b'&', rest).unwrap_or(rest.len())];
        let end = start + argument.len();
        next = end + 1;
        let (slot, name_bytes) = match argument {
            [b'u', b'r', b'l', ..] => (&mut url, 3),
            [b'u', b'a', ..] => (&mut user_agent, 2),
            [b'r', b'e', b'f', b'e', b'r', ..] => (&mut referrer, 5),
            [b't', b'i', b'm', b'e', ..] => (&mut time, 4),
            _ => continue,
        };
        match argument[name_bytes..] {
            [] => slot.get_or_insert(end..end),
            [b'=', ..] => slot.get_or_insert(start + name_bytes + 1..end),
            // A longer name.
            _ => continue,
        };
    }
    let url = decode(query, url.ok_or(Reason::BeaconArgument)?, &mut decoded.url)?;
    let user_agent =
        decode(query, user_agent.ok_or(Reason::BeaconArgument)?, &mut decoded.user_agent)?;
    let referrer = decode(query, referrer.unwrap_or_default(), &mut decoded.referrer)?;
    let time = decode(query, time.unwrap_or_default(), &mut decoded.time)?;
    let time = unix_seconds(time).map_or(record.time, |unix_seconds| {
        CivilTime::from_seconds(unix_seconds + i64::from(record.offset_minutes) * 60)
    });
    let request = Some(Request { target: url, ..request });
    Ok(Line::Hit(Record { time, request, referrer, user_agent, ..record }))
}

/// The text that a place of the query stands for.
fn decode<'a>(
    query: &[u8],
    place: Range<usize>,
    unescaped: &'a mut Unescaped,
) -> Result<&'a [u8], Reason> {
    unescaped.decode(&query[place.start..], place.len()).map_err(|BadEscape| Reason::BeaconEscape)
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
