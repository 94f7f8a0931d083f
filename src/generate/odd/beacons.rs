//! Odd arguments of beacons.
//!
//! Owns: kinds that only a dig log has. May import: `draft`, `lifelike`, `random`, `text`.
//! Must not know: other kinds.

use super::super::lifelike::{FIRST_TEN_DIGITS, OFFSET_SECONDS};
use super::super::random::Random;
use super::super::text::push_number;
use super::draft::{Class, Draft};
use crate::time::CivilTime;

/// Escapes that no browser writes but that can be decoded; the path is decoded only once.
pub(super) fn odd_escapes(draft: &mut Draft, random: &mut Random) {
    let (url, path): (&[u8], &[u8]) = random.pick::<(&[u8], &[u8])>(&[
        (b"http%3a%2f%2flocalhost%2flower%2f1", b"/lower/1"),
        (b"http://localhost/plain/1", b"/plain/1"),
        (b"https%3A%2F%2Flocalhost", b"/"),
        (b"%2Fwithout%2Fhost", b"/without/host"),
        (b"/twice/%2541", b"/twice/%41"),
        (b"/escaped/%2E%2e/%41", b"/escaped/../A"),
        (b"/nul/%00", b"/nul/\0"),
        (b"/blank/+%20%09", b"/blank/  \t"),
        (b"/line/%0A%0d", b"/line/\n\r"),
        (b"/latin/%E9", b"/latin/\xe9"),
        (b"/quote/%22%5C", b"/quote/\"\\"),
        (b"/plus/%2B%26%3D", b"/plus/+&="),
        (b"/cut%3Fq%3D1%23top", b"/cut"),
        (b"/equals/=a=b", b"/equals/=a=b"),
    ]);
    draft.set_page(path, path);
    draft.url_argument = url.to_vec();
}

/// A needed argument that cannot be decoded.
pub(super) fn bad_escape(draft: &mut Draft, random: &mut Random) {
    let escape: &[u8] = random.pick::<&[u8]>(&[b"%", b"%4", b"%zz", b"%u7535", b"%%", b"%2+"]);
    let argument =
        if random.one_in(2) { &mut draft.url_argument } else { &mut draft.agent_argument };
    argument.extend_from_slice(escape);
    draft.class = Class::Malformed;
}

pub(super) fn bad_unused_escape(draft: &mut Draft, _: &mut Random) {
    draft.arguments =
        Some([b"extra=%zz&".to_vec(), draft.argument_text(), b"&x=%".to_vec()].concat());
}

pub(super) fn missing_argument(draft: &mut Draft, random: &mut Random) {
    let arguments: &[u8] = random.pick::<&[u8]>(&[
        b"refer=&time=1&ua=Agent",
        b"refer=&time=1&url=%2Fmovie%2F1.html",
        b"",
        b"refer",
        b"URL=%2F&UA=Agent",
        b"xurl=%2F&ua=Agent",
    ]);
    draft.arguments = Some(arguments.to_vec());
    draft.class = Class::Malformed;
}

/// The first argument of a name counts.
pub(super) fn repeated_argument(draft: &mut Draft, _: &mut Random) {
    let more: &[u8] = b"&url=%2Fsecond&ua=second&time=1520000000&url=%zz";
    draft.arguments = Some([&draft.argument_text(), more].concat());
}

/// Unescaped blanks and brackets: the target ends at the last ` HTTP/`.
pub(super) fn unescaped_argument(draft: &mut Draft, _: &mut Random) {
    draft.set_agent(&b"Agent (one; two) like/3.0"[..]);
    draft.agent_argument = draft.agent.clone();
}

/// A time argument that is not a Unix time, so that the time in brackets counts, or one that is.
pub(super) fn odd_time(draft: &mut Draft, random: &mut Random) {
    let written: &[&[u8]] = &[
        b"",
        b"0",
        b"-",
        b"NaN",
        b"15202981",
        b"15202981690",
        b"152029816900",
        b"15202981690000",
        b"1520298169.5",
        b"2018%2F5%2F2+%E4%B8%8B%E5%8D%8810%3A30%3A51",
        b"2018-05-03+10%3A02%3A58+%2B0000",
        b"152029816x",
        b"-1520298169",
    ];
    let choice = random.below(18) as usize;
    if let Some(text) = written.get(choice) {
        draft.time_argument = text.to_vec();
        return;
    }
    // Hours before the line was written, in seconds or milliseconds, shown by the line's own offset.
    let seconds = draft.time.seconds() - i64::from(random.below(40_000));
    let (offset, offset_seconds) = random.pick(&[
        ("+0800", OFFSET_SECONDS),
        ("-0330", -12_600),
        ("+0530", 19_800),
        ("+1400", 50_400),
    ]);
    let unix = seconds - offset_seconds;
    if unix < FIRST_TEN_DIGITS {
        return;
    }
    draft.offset = offset;
    draft.time_argument.clear();
    push_number(&mut draft.time_argument, unix.unsigned_abs());
    if random.one_in(2) {
        draft.time_argument.extend_from_slice(b"999");
    }
    draft.time_of_argument = Some(CivilTime::from_seconds(seconds));
}

/// Requests for other paths.
pub(super) fn not_a_beacon(draft: &mut Draft, random: &mut Random) {
    let request = random.pick(&[
        "GET / HTTP/1.1",
        "GET /dig.html?ua=x&url=%2F HTTP/1.1",
        "GET /digs?ua=x&url=%2F HTTP/1.1",
        "GET /dig/?ua=x&url=%2F HTTP/1.1",
        "GET /DIG?ua=x&url=%2F HTTP/1.1",
        "GET /a/dig?ua=x&url=%2F HTTP/1.1",
        "GET /?/dig?ua=x&url=%2F HTTP/1.1",
        "POST * HTTP/1.1",
    ]);
    draft.set_request(request);
    draft.class = Class::Other;
}
