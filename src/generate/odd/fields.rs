//! Odd fields: requests, paths, sizes, statuses, hosts, users, dates, user agents.
//!
//! Owns: kinds that look at one field. May import: `draft`, `random`, `text`. Must not know: other kinds.

use super::super::Format;
use super::super::random::Random;
use super::draft::{Class, Draft};
use crate::time::{CivilTime, Day};

/// A hit without a page, in every format.
pub(super) fn unreadable_request(draft: &mut Draft, random: &mut Random) {
    let (request, status) = random.pick(&[
        ("-", 408),
        ("", 400),
        ("GET /", 400),
        ("GET", 400),
        ("get / HTTP/1.1", 400),
        ("Get / HTTP/1.1", 200),
        ("GET / http/1.1", 400),
        ("GET / HTTP/11", 505),
        ("GET / HTTP/1.", 505),
        ("GET / HTTP/1.1 ", 200),
        (" GET / HTTP/1.1", 200),
        ("GET\t/ HTTP/1.1", 200),
        ("GET /\tHTTP/1.1", 200),
        ("GET / HTTP/1.1 HTTP/x", 400),
        ("GET /HTTP/1.1", 400),
        ("quit", 400),
        ("{\\x22id\\x22: 1, \\x22method\\x22: \\x22login\\x22}", 400),
        ("\u{1b}[31mGET / HTTP/1.1", 400),
    ]);
    draft.set_request(request);
    draft.set_status(&status.to_string(), status);
}

/// TLS handshakes as nginx escapes them, and as older servers wrote them.
pub(super) fn tls_handshake(draft: &mut Draft, random: &mut Random) {
    let request: &[u8] = random.pick::<&[u8]>(&[
        b"\\x16\\x03\\x01\\x02\\x00\\x01\\x00\\x01\\xFC\\x03\\x03\\xE1]\\x22\\x5C",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\xe1]\\\"\\\\[\x80",
        b"\\x03\\x00\\x00/*\\xE0\\x00\\x00\\x00\\x00\\x00Cookie: mstshash=Administr",
    ]);
    draft.set_request(request);
    draft.set_status("400", 400);
    draft.set_size("150", 150);
}

/// Readable requests that are not page views, unless they are beacons.
pub(super) fn odd_method(draft: &mut Draft, random: &mut Random) {
    draft.method = match random.below(8) {
        0 => vec![b'M'; 1000],
        choice => {
            let methods = ["HEAD", "OPTIONS", "QUERY", "PROPFIND", "DELETE", "GETX", "G"];
            methods[choice as usize - 1].as_bytes().to_vec()
        }
    };
    draft.counts = false;
}

/// A readable request whose target is not a path. In a beacon log it is not a beacon.
pub(super) fn http2_preface(draft: &mut Draft, _: &mut Random) {
    draft.set_request("PRI * HTTP/2.0");
    draft.set_status("400", 400);
    if draft.is_beacon() {
        draft.class = Class::Other;
    }
}

pub(super) fn blanks_in_path(draft: &mut Draft, random: &mut Random) {
    let path = random.pick(&["/with blanks/1.html", "/old HTTP/1.0 twice", "/trailing ", "/  "]);
    draft.set_path(path);
}

pub(super) fn escaped_quote(draft: &mut Draft, random: &mut Random) {
    let path =
        random.pick(&["/say/\\\"hi\\\"", "/say/\\x22hi\\x22", "/backslashes\\\\", "/say/\\\\\\\""]);
    draft.set_path(path);
    draft.referrer = b"http://search.example/?q=\\\"new movies\\\" \\\\".to_vec();
    if draft.format != Format::Common {
        draft.set_agent("Agent \\\"quoted\\\"");
    }
}

/// A quote without a backslash before it ends its field early.
pub(super) fn raw_quote(draft: &mut Draft, random: &mut Random) {
    draft.class = Class::Malformed;
    match random.below(3) {
        0 if draft.format != Format::Common => draft.agent = b"Agent \"quoted\" words".to_vec(),
        1 if draft.format != Format::Common => {
            draft.referrer = b"http://search.example/?q=\"movies\"".to_vec()
        }
        _ => draft.set_request("GET /say/\"hi\" HTTP/1.1"),
    }
}

/// Paths that other programs might decode, resolve or take for a formula. Each is a page exactly as written.
pub(super) fn odd_path(draft: &mut Draft, random: &mut Random) {
    let (target, page) = random.pick(&[
        ("/%", "/%"),
        ("/%zz", "/%zz"),
        ("/nul/%00", "/nul/%00"),
        ("/tab/%09", "/tab/%09"),
        ("/line/%0a", "/line/%0a"),
        ("/twice/%252e%252e", "/twice/%252e%252e"),
        ("/..%2f..%2fetc/passwd", "/..%2f..%2fetc/passwd"),
        ("/../../etc/passwd", "/../../etc/passwd"),
        ("/a/./b/../c", "/a/./b/../c"),
        ("//double//slash", "//double//slash"),
        ("//", "//"),
        ("/?", "/"),
        ("/?a=1?b=2", "/"),
        ("/a?b/c/d", "/a"),
        ("/a#b?c", "/a"),
        ("/Case/A", "/Case/A"),
        ("/case/a", "/case/a"),
        ("/list/", "/list/"),
        ("/list", "/list"),
        ("/;jsessionid=1/x", "/;jsessionid=1/x"),
        ("/csv/a,b;c", "/csv/a,b;c"),
        ("/=1+1", "/=1+1"),
        ("/json/{'a':[1]}", "/json/{'a':[1]}"),
        ("/-", "/-"),
        ("/\u{7535}\u{5f71}/\u{202e}1", "/\u{7535}\u{5f71}/\u{202e}1"),
        ("/terminal/\u{1b}[31m", "/terminal/\u{1b}[31m"),
        ("/tab\there", "/tab\there"),
        ("/http://other/site", "/http://other/site"),
    ]);
    draft.set_page(target, page);
}

pub(super) fn fragment(draft: &mut Draft, random: &mut Random) {
    let more: &[u8] = random.pick::<&[u8]>(&[b"#top", b"?a#b", b"#a?b", b"?", b"#"]);
    draft.append_to_target(more);
}

/// Static files, and pages that only look like them.
pub(super) fn nearly_static(draft: &mut Draft, random: &mut Random) {
    let (target, page, counts) = random.pick(&[
        ("/style.CSS", "/style.CSS", false),
        ("/style.css?page=1", "/style.css", false),
        ("/.png", "/.png", false),
        ("/a/b.min.js", "/a/b.min.js", false),
        ("/font.Woff2", "/font.Woff2", false),
        ("/film.mp4?start=5.html", "/film.mp4", false),
        ("/show?style=a.css", "/show", true),
        ("/style.css/", "/style.css/", true),
        ("/style.css/page", "/style.css/page", true),
        ("/style.cssx", "/style.cssx", true),
        ("/style.css;v=1", "/style.css;v=1", true),
        ("/archive.tar.gz", "/archive.tar.gz", true),
        ("/style.css%20", "/style.css%20", true),
    ]);
    draft.set_page(target, page);
    draft.counts = counts;
}

/// A readable request whose target is not a path.
pub(super) fn no_path(draft: &mut Draft, random: &mut Random) {
    let request = random.pick(&[
        "GET * HTTP/1.1",
        "GET movie/1.html HTTP/1.1",
        "CONNECT www.example.com:443 HTTP/1.1",
        "GET ?page=1 HTTP/1.1",
        "GET ftp://example.com/a HTTP/1.1",
        "POST \\x00 HTTP/1.0",
    ]);
    draft.set_request(request);
}

/// Requests as sent to proxies: the host is dropped, the page stays.
pub(super) fn absolute_target(draft: &mut Draft, random: &mut Random) {
    match random.below(5) {
        0 => draft.set_page("https://www.example.com", "/"),
        1 => draft.set_page("http://www.example.com:8080/absolute/1?a=b", "/absolute/1"),
        2 => draft.set_page("http://user@[2001:db8::1]:80/absolute/2", "/absolute/2"),
        _ => {
            let target = std::mem::take(&mut draft.target);
            draft.target = [b"http://www.example.com", target.as_slice()].concat();
        }
    }
}

pub(super) fn odd_size(draft: &mut Draft, random: &mut Random) {
    // Sizes and sums above 2^64 - 1 count as 2^64 - 1.
    let (text, value) = random.pick(&[
        ("-", 0),
        ("-", 0),
        ("-", 0),
        ("0", 0),
        ("007", 7),
        ("4294967296", 1 << 32),
        ("9223372036854775808", 1 << 63),
        ("18446744073709551615", u64::MAX),
        ("18446744073709551616", u64::MAX),
        ("340282366920938463463374607431768211456", u64::MAX),
    ]);
    draft.set_size(text, value);
}

pub(super) fn bad_size(draft: &mut Draft, random: &mut Random) {
    let text = random.pick(&["-5", "12k", "0x10", "1.5", "+5", "", "5,000", "--", "NaN"]);
    draft.set_size(text, 0);
    draft.class = Class::Malformed;
}

pub(super) fn odd_status(draft: &mut Draft, random: &mut Random) {
    let value = random.pick(&[
        0, 99, 100, 101, 199, 200, 204, 206, 299, 300, 303, 304, 305, 404, 444, 499, 599, 600, 999,
    ]);
    draft.set_status(&format!("{value:03}"), value);
}

pub(super) fn bad_status(draft: &mut Draft, random: &mut Random) {
    let text = random.pick(&["-", "0", "99", "2000", "20x", "+200", "-200", "", "2 0"]);
    draft.set_status(text, 0);
    draft.class = Class::Malformed;
}

pub(super) fn odd_host(draft: &mut Draft, random: &mut Random) {
    let host = random.pick(&[
        "::1",
        "fe80::1%eth0",
        "[2001:db8::1]",
        "2001:db8::1",
        "2001:DB8::1",
        "2001:0db8:0000:0000:0000:0000:0000:0001",
        "::ffff:192.0.2.1",
        "192.0.2.1",
        "192.000.002.001",
        "192.0.2.1:5678",
        "192.0.2.1,198.51.100.2",
        "unix:",
        "localhost",
        "crawler.example.com",
        "-",
        "_",
        "\"192.0.2.1\"",
        "256.256.256.256",
        "999999999999999999999.1",
        "%s%n",
        "\u{4e3b}\u{673a}.example",
    ]);
    if random.one_in(20) {
        draft.set_host([b'1'; 300]);
    } else {
        draft.set_host(host);
    }
}

/// An `X-Forwarded-For` in place of the host. The first blank ends the host; the rest is identity and user.
pub(super) fn host_list(draft: &mut Draft, _: &mut Random) {
    draft.set_host("192.0.2.1,");
    draft.user = b"198.51.100.2, 203.0.113.3 - -".to_vec();
}

pub(super) fn odd_user(draft: &mut Draft, random: &mut Random) {
    draft.user = random
        .pick::<&[u8]>(&[
            b"- John Smith",
            b"ident user@example.com",
            b"- \"quoted\"",
            b"- \"",
            b"- DOMAIN\\user",
            b"- a]b",
            b"- m\xc3\xbcller",
            b"- m\xfcller",
            b"- - - -",
        ])
        .to_vec();
}

pub(super) fn bad_user(draft: &mut Draft, random: &mut Random) {
    draft.user = random.pick::<&[u8]>(&[b"- a[b", b"- [x]", b"-", b""]).to_vec();
    draft.class = Class::Malformed;
}

/// Dates that exist, but are far away or at the end of a day.
pub(super) fn odd_date(draft: &mut Draft, random: &mut Random) {
    let own_day = draft.time.day();
    if !random.one_in(16) {
        draft.time = match random.below(4) {
            0 => CivilTime::new(own_day, 0, 0),
            1 => CivilTime::new(own_day, 1439, 59),
            2 => CivilTime::new(own_day, 1439, 60),
            _ => CivilTime::new(own_day, draft.time.minute_of_day(), 60),
        };
        return;
    }
    let (year, month, day) = random.pick(&[
        (0, 1, 1),
        (0, 2, 29),
        (1900, 1, 1),
        (1969, 12, 31),
        (1970, 1, 1),
        (2000, 2, 29),
        (2016, 2, 29),
        (2028, 2, 29),
        (2038, 1, 19),
        (2106, 2, 7),
        (9999, 12, 31),
    ]);
    let day = Day::from_date(year, month, day).unwrap_or(own_day);
    draft.time = CivilTime::new(day, 194, 8);
}

pub(super) fn bad_date(draft: &mut Draft, random: &mut Random) {
    let text = random.pick(&[
        "29/Feb/2018:00:00:01 +0800",
        "29/Feb/1900:00:00:01 +0800",
        "30/Feb/2016:00:00:01 +0800",
        "31/Apr/2018:00:00:01 +0800",
        "32/Mar/2018:00:00:01 +0800",
        "00/Mar/2018:00:00:01 +0800",
        "05/Mar/2018:24:00:00 +0800",
        "05/Mar/2018:12:60:00 +0800",
        "05/Mar/2018:12:00:61 +0800",
        "05/Mar/2018:12:00:1 +0800",
        "05/Mrz/2018:12:00:01 +0800",
        "05/M\u{e4}r/2018:12:00:01 +0800",
        "05/03/2018:12:00:01 +0800",
        "05/Mar/18:12:00:01 +0800",
        "05/Mar/12018:12:00:01 +0800",
        "05/Mar/-018:12:00:01 +0800",
        "05/Mar/2018:12:00:01",
        "05/Mar/2018:12:00:01 ",
        "05/Mar/2018:12:00:01 0800",
        "05/Mar/2018:12:00:01 +08:00",
        "05/Mar/2018:12:00:01 GMT",
        "05/Mar/2018 12:00:01 +0800",
        "Mon Mar  5 12:00:01 2018",
        "2018-03-05T12:00:01+08:00",
        "1520222401",
        "1520222401.123",
        "-",
        "",
    ]);
    draft.bracketed = Some(text.as_bytes().to_vec());
    draft.class = Class::Malformed;
}

/// The offset is ignored: the time counts as written.
pub(super) fn odd_offset(draft: &mut Draft, random: &mut Random) {
    draft.offset = random.pick(&["+0530", "-0330", "+1400", "-1200", "+0000", "-0000", "+9999"]);
}

pub(super) fn clock_back(draft: &mut Draft, random: &mut Random) {
    draft.time = CivilTime::from_seconds(draft.time.seconds() - i64::from(random.below(12 * 3600)));
}

pub(super) fn odd_agent(draft: &mut Draft, random: &mut Random) {
    let agent = random.pick::<&[u8]>(&[
        b"",
        b"-",
        b" ",
        b"%s%s%s%n%x",
        b"Opera/9.80 (",
        b"Opera/",
        b"((((a+)+)+)+)$ aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
        b"<script>alert(1)</script>",
        b"() { :; }; /bin/ping -c 1 example.com",
        b"=cmd|' /C calc'!A0",
        b"\x1b[31mred\x1b[0m",
        b"\\x22escaped\\x22",
        b"\\\"",
        b"ends in backslashes\\\\",
        b"a,b;c\td",
        b"\xe6\xb5\x8f\xe8\xa7\x88\xe5\x99\xa8/1.0",
        b"1.2.3.4 - - [05/Mar/2018:00:00:01 +0800] \\\"GET / HTTP/1.1\\\" 200 5",
    ]);
    draft.set_agent(agent);
}

/// After a blank, a combined line may go on with anything that the server is configured to log.
pub(super) fn more_after_agent(draft: &mut Draft, random: &mut Random) {
    let after = random.pick(&[
        " ",
        " words\" 0.001 \"-\"",
        " \"192.0.2.1, 198.51.100.2\"",
        " rt=0.003 \"open",
        " [x] \\",
    ]);
    draft.after = after.as_bytes().to_vec();
}

/// A backslash escapes the closing quote.
pub(super) fn open_agent(draft: &mut Draft, _: &mut Random) {
    draft.agent = b"Agent\\".to_vec();
    draft.class = Class::Malformed;
}
