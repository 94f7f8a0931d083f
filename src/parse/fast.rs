//! The usual line of the combined and common formats, parsed from the marks of its quotes.
//!
//! Owns: a shortcut through `combined`: what it accepts it reads exactly as `combined` does (a property test holds it
//! to that), and everything unusual it leaves to it. May import: `record`. Must not know: other formats.

use super::combined::readable;
use super::time::{Clock, TIME_BYTES};
use crate::record::{Method, Record, Request};

/// What stands between host and time on the usual line.
const NO_IDENTITY_NO_USER: &[u8; 6] = b" - - [";
/// Bytes between the host's end and the request's quote: the above, the time, `] `.
const HOST_TO_REQUEST: usize = NO_IDENTITY_NO_USER.len() + TIME_BYTES + 2;

/// Parses the line that starts at `start` of `window`, if it is a usual one, and says which of the marks is its line
/// end.
///
/// `marks` are the positions of quotes and line ends from the line's start on. Usual is: no identity, no user, no
/// backslash before a quote, and for combined lines (`WITH_AGENT`) at least six quotes, for common lines two.
///
/// Inlined by force: a record is large, and moving it from call to call took a fifth of the parser's time.
#[inline(always)]
pub(super) fn parse<'a, const WITH_AGENT: bool>(
    window: &'a [u8],
    start: usize,
    marks: &[u32],
    clock: &mut Clock,
) -> Option<(Record<'a>, usize)> {
    let quotes = if WITH_AGENT { 6 } else { 2 };
    let all_marks = marks;
    let marks = marks.get(..=quotes)?;
    let mark = |index: usize| marks[index] as usize;
    // A line end among them would be the line's own: then there are too few quotes.
    if marks[..quotes].iter().any(|&at| window[at as usize] != b'"') {
        return None;
    }
    let (open, close) = (mark(0), mark(1));
    let host_end = open.checked_sub(HOST_TO_REQUEST).filter(|&end| end > start)?;
    let (between, rest) = window[host_end..].split_first_chunk::<6>()?;
    let (time, rest) = rest.split_first_chunk::<TIME_BYTES>()?;
    if between != NO_IDENTITY_NO_USER
        || rest.first_chunk::<2>()? != b"] "
        || !is_plain(window, start, host_end)
    {
        return None;
    }
    let (time, offset_minutes) = clock.read(time).ok()?;
    if window[close - 1] == b'\\' {
        return None;
    }
    let &[space, a, b, c, other_space] = window[close + 1..].first_chunk::<5>()?;
    let digits = [a, b, c].map(|digit| digit.wrapping_sub(b'0'));
    if space != b' ' || other_space != b' ' || digits.iter().any(|&digit| digit > 9) {
        return None;
    }
    let status = u16::from(digits[0]) * 100 + u16::from(digits[1]) * 10 + u16::from(digits[2]);
    let size_start = close + 6;
    let (size_end, referrer, user_agent) = if WITH_AGENT {
        let (referrer_open, referrer_close, agent_open, agent_close) =
            (mark(2), mark(3), mark(4), mark(5));
        let is_usual = window[referrer_open - 1] == b' '
            && agent_open == referrer_close + 2
            && window[referrer_close + 1] == b' '
            && window[referrer_close - 1] != b'\\'
            && window[agent_close - 1] != b'\\'
            && ends_after(window, agent_close);
        if !is_usual {
            return None;
        }
        (
            referrer_open - 1,
            &window[referrer_open + 1..referrer_close],
            &window[agent_open + 1..agent_close],
        )
    } else {
        let line_end = mark(2);
        if window[line_end] != b'\n' {
            return None;
        }
        let carriage_return = usize::from(window[line_end - 1] == b'\r');
        (line_end - carriage_return, &[][..], &[][..])
    };
    let line_end_mark = if window[mark(quotes)] == b'\n' {
        quotes
    } else {
        all_marks.iter().position(|&at| window[at as usize] == b'\n')?
    };
    let record = Record {
        host: &window[start..host_end],
        user: b"-",
        time,
        offset_minutes,
        request: request(&window[open + 1..close]),
        status,
        bytes_sent: size(window.get(size_start..size_end)?)?,
        referrer,
        user_agent,
    };
    Some((record, line_end_mark))
}

/// Whether the line goes on as it may behind the user agent's quote: with its end, or with a blank.
#[inline]
fn ends_after(window: &[u8], agent_close: usize) -> bool {
    matches!(window[agent_close + 1..], [b'\n' | b' ' | b'\t', ..] | [b'\r', b'\n', ..])
}

/// Whether `window[start..end]` holds no byte up to the space. At least 8 bytes must follow `end`.
#[inline]
fn is_plain(window: &[u8], start: usize, end: usize) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let mut at = start;
    while at < end {
        let Some(word) = window[at..].first_chunk::<8>() else { return false };
        let beyond = 8_usize.saturating_sub(end - at) * 8;
        let word = u64::from_le_bytes(*word);
        let word = if beyond == 0 { word } else { word | u64::MAX << (64 - beyond) };
        // "Is any byte less than n", Bit Twiddling Hacks (S. E. Anderson).
        if word.wrapping_sub(ONES * 0x21) & !word & (ONES * 0x80) != 0 {
            return false;
        }
        at += 8;
    }
    true
}

/// The usual requests at once, others by [`readable`].
#[inline]
fn request(request: &[u8]) -> Option<Request<'_>> {
    const PROTOCOL_BYTES: usize = b" HTTP/1.1".len();
    let (head, protocol) = request.split_at_checked(request.len().checked_sub(PROTOCOL_BYTES)?)?;
    let is_usual = matches!(protocol.first_chunk::<8>(), Some(b" HTTP/1." | b" HTTP/2."))
        && protocol.last().is_some_and(u8::is_ascii_digit);
    match head.strip_prefix(b"GET ") {
        Some(target) if is_usual => {
            Some(Request { method: Method::Get, target, logged_target: target })
        }
        _ => readable(request),
    }
}

/// Up to 18 digits or `-`; more digits are left to the careful parser.
#[inline]
fn size(text: &[u8]) -> Option<u64> {
    if text == b"-" {
        return Some(0);
    }
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    let mut value = 0;
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    Some(value)
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
        let Some((record, line_end_mark)) =
            parse::<WITH_AGENT>(text, 0, marks.positions(), &mut Clock::default())
        else {
            return false;
        };
        let end = text.iter().position(|&byte| byte == b'\n').unwrap();
        let careful =
            combined::parse(trim_carriage_return(&text[..end]), WITH_AGENT, &mut Clock::default());
        assert_eq!(marks.positions()[line_end_mark] as usize, end);
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
        for length in 0..20 {
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
                    text.extend_from_slice(b"        ");
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
