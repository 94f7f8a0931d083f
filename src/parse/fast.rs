//! The usual line of the combined and common formats, parsed from the marks of its quotes.
//!
//! Owns: a shortcut through `combined`: what it accepts it reads exactly as `combined` does (a property test holds it
//! to that), and everything unusual it leaves to it. May import: `record`. Must not know: other formats.

use super::blank::{AT_ONCE, first_low};
use super::combined::readable;
use super::time::{Clock, TIME_BYTES};
use crate::parse::record::{Method, Record, Request};

/// What stands between host and time on the usual line.
const NO_IDENTITY_NO_USER: &[u8; 6] = b" - - [";
/// Bytes between the host's end and the request's quote: the above, the time, `] `.
const HOST_TO_REQUEST: usize = NO_IDENTITY_NO_USER.len() + TIME_BYTES + 2;

/// How many quotes [`parse`] has to be told of.
pub(super) const QUOTES: usize = 7;

/// Parses the line `window[start..end]`, behind which its line end stands, if it is a usual one.
///
/// `quotes` are the positions of the first quotes from the line's start on; those behind its end are not looked at.
/// Usual is: no identity, no user, no backslash before a quote, and for combined lines (`WITH_AGENT`) at least six
/// quotes, for common lines two and no more.
///
/// Checks that hold for almost every line are gathered before one branch, and no branch depends on how long a field
/// is: wrong guesses took half of the time.
///
/// Inlined by force: a record is large, and moving it from call to call took a fifth of the parser's time.
#[inline(always)]
pub(super) fn parse<'a, const WITH_AGENT: bool>(
    window: &'a [u8],
    start: usize,
    end: usize,
    quotes: &[u32; QUOTES],
    clock: &mut Clock,
) -> Option<Record<'a>> {
    let [open, close, referrer_open, referrer_close, agent_open, agent_close, _] =
        quotes.map(|at| at as usize);
    if if WITH_AGENT { agent_close >= end } else { close >= end || referrer_open <= end } {
        return None;
    }
    let host_end = open.wrapping_sub(HOST_TO_REQUEST);
    let (between, rest) =
        window.get(host_end..)?.first_chunk::<HOST_TO_REQUEST>()?.split_first_chunk::<6>()?;
    let (time, rest) = rest.split_first_chunk::<TIME_BYTES>()?;
    if between != NO_IDENTITY_NO_USER || rest != b"] " || !is_plain(window, start, host_end) {
        return None;
    }
    let (time, offset_minutes) = clock.read(time).ok()?;
    // The request's last byte, its quote, and the status.
    let &[last, _, ref after @ ..] = window.get(close - 1..)?.first_chunk::<7>()?;
    if last == b'\\' {
        return None;
    }
    let status = status(after)?;
    let size_start = close + 6;
    let (size_end, referrer, user_agent) = if WITH_AGENT {
        let &[last, _, space, quote] = window.get(referrer_close - 1..)?.first_chunk::<4>()?;
        let &[agent_last, _, after] = window.get(agent_close - 1..)?.first_chunk::<3>()?;
        let is_usual = (last != b'\\')
            & (space == b' ')
            & (quote == b'"')
            & (agent_last != b'\\')
            & (window[referrer_open - 1] == b' ');
        if !is_usual || (agent_close + 1 != end && !is_blank(after)) {
            return None;
        }
        (
            referrer_open - 1,
            &window[referrer_open + 1..referrer_close],
            &window[agent_open + 1..agent_close],
        )
    } else {
        let carriage_return = usize::from(window[end - 1] == b'\r');
        (end - carriage_return, &[][..], &[][..])
    };
    Some(Record {
        host: window.get(start..host_end)?,
        user: b"-",
        time,
        offset_minutes,
        request: request(&window[open + 1..close]),
        status,
        bytes_sent: size(window, size_start, size_end)?,
        referrer,
        user_agent,
    })
}

/// What may stand behind the user agent's quote: as in `combined`.
#[inline]
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// A word whose every byte is `byte`.
const fn every(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Whether `window[start..end]` is something and holds no byte up to the space; `window[end]` is one. At least
/// [`AT_ONCE`] bytes must follow.
#[inline]
fn is_plain(window: &[u8], start: usize, end: usize) -> bool {
    let mut at = start;
    loop {
        let Some(bytes) = window.get(at..).and_then(|rest| rest.first_chunk()) else {
            return false;
        };
        let first = first_low(bytes);
        if first < AT_ONCE {
            return (at + first == end) & (end > start);
        }
        at += AT_ONCE;
    }
}

/// The usual requests at once, others by [`readable`].
#[inline]
fn request(request: &[u8]) -> Option<Request<'_>> {
    const PROTOCOL_BYTES: usize = b" HTTP/1.1".len();
    let (head, protocol) = request.split_last_chunk::<PROTOCOL_BYTES>()?;
    let [name @ .., minor] = *protocol;
    // The major version is taken out of the comparison: it is as good as random.
    let major = name[6];
    let is_usual = u64::from_le_bytes(name) ^ u64::from(major ^ b'0') << 48
        == u64::from_le_bytes(*b" HTTP/0.")
        && is_digit(major) & is_digit(minor);
    match head.strip_prefix(b"GET ") {
        Some(target) if is_usual => {
            Some(Request { method: Method::Get, target, logged_target: target })
        }
        _ => readable(request),
    }
}

#[inline]
fn is_digit(byte: u8) -> bool {
    byte.wrapping_sub(b'0') < 10
}

/// The status in ` ddd `.
#[inline]
fn status(text: &[u8; 5]) -> Option<u16> {
    let &[space, a, b, c, other_space] = text;
    let [a, b, c] = [a, b, c].map(|digit| digit.wrapping_sub(b'0'));
    ((space == b' ') & (other_space == b' ') & (a < 10) & (b < 10) & (c < 10))
        .then(|| u16::from(a) * 100 + u16::from(b) * 10 + u16::from(c))
}

/// The number or `-` that `window[start..end]` is; of more than 8 digits the careful parser takes care.
///
/// Digits at once and not one by one, since how many there are is as good as random. At least 8 bytes must stand before
/// `end`.
#[inline]
fn size(window: &[u8], start: usize, end: usize) -> Option<u64> {
    let digits = end.checked_sub(start)?;
    if digits.wrapping_sub(1) >= 8 {
        return None;
    }
    let word = u64::from_le_bytes(*window.get(..end)?.last_chunk::<8>()?);
    // The digits are the last bytes; those before them become zeros.
    let value = (word ^ every(b'0')) & u64::MAX << (64 - 8 * digits);
    if (value | value.wrapping_add(every(0x76))) & every(0x80) != 0 {
        return (window[start..end] == *b"-").then_some(0);
    }
    // Pairs, fours, eight (D. Lemire, "Quickly parsing eight digits").
    let pairs = value.wrapping_mul(10).wrapping_add(value >> 8);
    let low = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(100 + (1_000_000 << 32));
    let high = (pairs >> 16 & 0x0000_00ff_0000_00ff).wrapping_mul(1 + (10_000 << 32));
    Some(low.wrapping_add(high) >> 32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::index::Marks;
    use super::super::time::Clock;
    use super::super::{combined, trim_carriage_return};
    use super::{is_plain, parse};

    /// What the fast path accepts, the careful parser reads the same.
    fn check<const WITH_AGENT: bool>(text: &[u8]) -> bool {
        let mut marks = Marks::default();
        marks.find(text);
        let end = text.iter().position(|&byte| byte == b'\n').unwrap();
        assert_eq!(marks.line_ends()[0] as usize, end);
        let quotes = marks.quotes().first_chunk().unwrap();
        let Some(record) = parse::<WITH_AGENT>(text, 0, end, quotes, &mut Clock::default()) else {
            return false;
        };
        let careful =
            combined::parse(trim_carriage_return(&text[..end]), WITH_AGENT, &mut Clock::default());
        assert_eq!(Ok(record), careful, "{}", text.escape_ascii());
        true
    }

    #[test]
    fn usual_lines_take_the_fast_path() {
        let common = "1.2.3.4 - - [05/Mar/2018:00:00:01 +0800] \"GET /a HTTP/1.1\" 200 5";
        for end in ["\n", "\r\n"] {
            assert!(check::<true>(format!("{common} \"-\" \"agent\"{end}next").as_bytes()));
            assert!(check::<true>(format!("{common} \"-\" \"agent\" \"1.2.3.4\"{end}").as_bytes()));
            assert!(check::<false>(format!("{common}{end}next").as_bytes()));
            assert!(!check::<true>(format!("{common}{end}").as_bytes()));
            assert!(!check::<true>(format!("{common} \"-\" \"a\\\"gent\"{end}").as_bytes()));
        }
    }

    #[test]
    fn plain_means_no_byte_up_to_the_space() {
        for length in 0..80 {
            for at in 0..length {
                for (byte, plain) in [
                    (b'!', true),
                    (b' ', false),
                    (b'\t', false),
                    (0, false),
                    (0x80, true),
                    (0xff, true),
                ] {
                    let mut text = vec![b'a'; length];
                    text[at] = byte;
                    text.extend_from_slice(&[b' '; 32]);
                    assert_eq!(is_plain(&text, 0, length), plain, "{length} {at} {byte}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]
        #[test]
        fn agrees_with_the_careful_parser(
            host in "[0-9a-z.:\"\\\\ \t]{1,18}",
            user in prop::sample::select(vec![" - - [", " - u [", "- - [", " - -["]),
            time in prop::sample::select(vec!["05/Mar/2018:00:00:01 +0800", "32/Mar/2018:00:00:01 +0800", "5/Mar/2018"]),
            request in "(GET|POST|get|) ?[/a-z?\\\\\" ]{0,12}( HTTP/[0-9.\r]{1,3})?",
            status in prop::sample::select(vec!["200", "404", "20", "x00", "2000"]),
            size in prop::sample::select(vec!["0", "-", "-1", "123456789012345678", "99999999999999999999", "", "5x"]),
            referrer in "[a-z\\\\\"\n]{0,5}",
            agent in "[a-z\\\\\"\r]{0,5}",
            tail in prop::sample::select(vec!["", "\r", " x", "\t\"x\"", "x", "\""]),
            cut in 0_usize..400,
        ) {
            let common = format!("{host}{user}{time}] \"{request}\" {status} {size}");
            let combined = format!("{common} \"{referrer}\" \"{agent}\"{tail}\n");
            check::<true>(combined.as_bytes());
            check::<false>(format!("{common}{tail}\n").as_bytes());
            let mut torn = combined.into_bytes();
            torn.truncate(cut);
            torn.extend_from_slice(b"\n1.2.3.4 - - [05/Mar/2018:00:00:01 +0800] \"GET /a HTTP/1.1\" 200 5 \"-\" \"agent\"\n");
            check::<true>(&torn);
            check::<false>(&torn);
        }
    }
}
