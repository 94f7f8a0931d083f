//! Random log lines and files: mostly good, with every odd piece that has broken a tool like this one.
//!
//! Owns: the strategies [`combined_line`], [`common_line`], [`beacon_line`] and [`file`], and [`Random`], which needs
//! none. May import: proptest.
//! Must not know: which of its lines are well-formed.

mod rules;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::Union;

pub(crate) use rules::rules;

type Text = Vec<u8>;

/// Numbers that look random and are the same in every run (Knuth's MMIX).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// A place in something of `length` items.
    pub(crate) fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }
}

/// One of the `good` pieces, in one case of 40 one of the `odd` ones.
fn piece(
    good: &'static [&'static str],
    odd: &'static [&'static [u8]],
) -> impl Strategy<Value = Text> {
    prop_oneof![
        39 => select(good).prop_map(|text| text.as_bytes().to_vec()),
        1 => select(odd).prop_map(<[u8]>::to_vec),
    ]
}

fn host() -> impl Strategy<Value = Text> {
    piece(
        &["1.1.1.1", "1.1.1.2", "10.0.0.3", "::1", "2001:db8::7", "host.example"],
        &[
            b"",
            b"-",
            b"a\tb",
            b"a b",
            b"fe80::1%eth0",
            b"[::1]",
            b"unix:",
            b"1.1.1.1,",
            b"\xff\xfa", // not the byte order mark of UTF-16, which is refused at a file's start
            b"h\0st",
            b"a\x0bb",
        ],
    )
}

fn ident() -> impl Strategy<Value = Text> {
    piece(&["-", "id"], &[b"", b"\t", b"i\td", b"[", b"\"-\""])
}

fn user() -> impl Strategy<Value = Text> {
    piece(
        &["-", "frank", "Jane Doe"],
        &[b"", b" ", b"  two  ", b"a[b", b"[", b"\"quoted\"", b"\t", b"M\xfcller", b"]"],
    )
}

/// What stands in the brackets: few minutes of few days, so that cells have company.
fn time() -> impl Strategy<Value = Text> {
    let good = (
        select(&["05/Mar/2018", "06/Mar/2018", "31/Dec/2018", "01/Jan/2019", "29/Feb/2020"][..]),
        select(&["00:00", "00:01", "14:05", "14:06", "23:59"][..]),
        select(&["00", "07", "59", "60"][..]),
        Union::new_weighted(vec![
            (30, select(&["+0800"][..]).boxed()),
            (1, select(&["-0330", "+0000", "-0000", "+1400", "+9999", "-9999"][..]).boxed()),
        ]),
    )
        .prop_map(|(date, minute, second, offset)| {
            format!("{date}:{minute}:{second} {offset}").into_bytes()
        });
    let odd = select(
        &[
            "",
            "-",
            "05/Mar/2018:14:05:09",
            "05/Mar/2018:14:05:09 0800",
            "05/Mar/2018:14:05:09 +080",
            "05/Mar/2018:14:05:09 +08:00",
            "05/Mar/2018:24:00:00 +0800",
            "05/Mar/2018:14:60:09 +0800",
            "05/Mar/2018:14:05:61 +0800",
            "5/Mar/2018:14:05:09 +0800",
            "05/mar/2018:14:05:09 +0800",
            "05/Mai/2018:14:05:09 +0800",
            "00/Mar/2018:14:05:09 +0800",
            "32/Mar/2018:14:05:09 +0800",
            "31/Apr/2018:14:05:09 +0800",
            "29/Feb/2019:14:05:09 +0800",
            "29/Feb/1900:14:05:09 +0800",
            "29/Feb/2000:14:05:09 +0800",
            "29/Feb/0000:00:00:00 +0000",
            "01/Jan/0000:00:00:00 +0000",
            "31/Dec/1969:23:59:60 -0100",
            "19/Jan/2038:03:14:08 +0000",
            "31/Dec/9999:23:59:59 +0000",
            "05-Mar-2018:14:05:09 +0800",
            "05/Mar/2018 14:05:09 +0800",
            "05/Mar/2018:14:05:09  +0800",
            "05/Mar/2018:14:05:09 *0800",
            "05/Mar/2018:14:05:0: +0800",
            "2018-03-05T14:05:09+08:00",
            "05/Mar/20 8:14:05:09 +0800",
            "05/Mar/2018:14:05:09 +0800 ",
            "1520258709",
        ][..],
    )
    .prop_map(|text: &str| text.as_bytes().to_vec());
    prop_oneof![39 => good, 1 => odd]
}

fn method() -> impl Strategy<Value = Text> {
    piece(
        &["GET", "GET", "GET", "POST", "HEAD", "OPTIONS"],
        &[b"", b"get", b"QUERY", b"PRI", b"G T", b"GET ", b"M-SEARCH", b"GE\\T", b"\x16\x03\x01"],
    )
}

fn target() -> impl Strategy<Value = Text> {
    prop_oneof![
        6 => piece(
            &["/", "/a", "/a/", "/a/1.html", "/a/2.html", "/b/1.html", "/b/1.html?x=1", "/b/1.html?y=/2#z", "/a/1.html?y&x=2&x=1", "/style.css"],
            &[
                b"", b"*", b"-", b"a", b"?", b"/?", b"/#", b"//", b"//x", b"///", b"/a b/c", b"/a//b", b"/ HTTP/1.1",
                b"/a HTTP/1.0 b", b"/x.CSS", b"/x.css?v", b"/x?v.css", b"/css", b"/.css", b"/x.cssx", b"/x.woff2#a",
                b"/x.jpg/", b"/x.html;a.png", b"/\xff/\xfe", b"/\\xff/\\xfe", b"/\xe2\x82", b"/\xed\xa0\x80/",
                b"/\xf0\x9f\x98\x80", b"/\xc0\xaf", b"/%2F%zz", b"/\\\"q\\\"/", b"/\x1b]0;x\x07/", b"/\0", b"/a\tb", b"/a\rb",
                b"/\xe2\x80\xae/", b"/\x85/", b"/\xc2\x85/", b"/a,b/\x09", b"/dig", b"/dig?", b"/dig#", b"/dig/?x",
                b"/digx?url=%2F&ua=u", b"/dig?url=%2Fx&ua=u",
            ],
        ),
        1 => piece(
            &["http://h/a/1.html", "https://h/b/1.html", "http://h", "https://h:80/?x", "http://h?x=/1", "http://h#/a"],
            &[b"http://", b"http:///a/1.html", b"http:/a", b"HTTP://h/a", b"ftp://h/a", b"http://h/x.css", b"http://http://h/a",
              b"https://u:p@h/a/?q#f", b"http://h/dig?url=%2Fx&ua=u", b"http://?/a", b"http://h?.css", b"//h/a"],
        ),
    ]
}

fn version() -> impl Strategy<Value = Text> {
    piece(
        &[" HTTP/1.1", " HTTP/1.0", " HTTP/2", " HTTP/2.0"],
        &[
            b"",
            b" ",
            b" HTTP/",
            b" HTTP/1.",
            b" HTTP/1.1 ",
            b" HTTP/1.12",
            b" HTTP/11",
            b" HTTP/x",
            b" http/1.1",
            b" HTTP/1.1\r",
            b" RTSP/1.0",
            b"  HTTP/1.1",
            b"HTTP/1.1",
            b" HTTP/1.1 HTTP/1.1",
            b" HTTP/1,1",
            b" HTTP/ HTTP/1.1",
        ],
    )
}

fn request() -> impl Strategy<Value = Text> {
    let odd: &[&[u8]] = &[
        b"",
        b"-",
        b" ",
        b"GET",
        b"GET ",
        b"GET /",
        b"GET HTTP/1.1",
        b"GET  HTTP/1.1",
        b"\\x16\\x03\\x01",
        b"\x16\x03\x01\x02",
        b"PRI * HTTP/2.0",
        b"CONNECT h:443 HTTP/1.1",
        b"\\",
        b"\\\\",
        b"HTTP/1.1",
        b" / HTTP/1.1",
    ];
    let good = (method(), target(), version());
    prop_oneof![
        30 => good.prop_map(|(method, target, version)| [&method, &b" "[..], &target, &version].concat()),
        1 => select(odd).prop_map(<[u8]>::to_vec),
    ]
}

fn status() -> impl Strategy<Value = Text> {
    piece(
        &["200", "200", "200", "206", "304", "301", "404", "500"],
        &[
            b"",
            b"-",
            b"0",
            b"000",
            b"099",
            b"100",
            b"199",
            b"299",
            b"300",
            b"305",
            b"499",
            b"600",
            b"999",
            b"1000",
            b"20",
            b"20x",
            b" 200",
            b"+20",
            b"\xb2\xb2\xb2",
        ],
    )
}

fn size() -> impl Strategy<Value = Text> {
    piece(
        &["0", "-", "17", "4321"],
        &[
            b"",
            b"--",
            b"-1",
            b"+1",
            b"1.5",
            b"1k",
            b"0x1",
            b"9223372036854775808",
            b"18446744073709551615",
            b"18446744073709551616",
            b"99999999999999999999999999999999",
            b"00000000000000000000000000000000000007",
            b" 1",
        ],
    )
}

fn quotable(good: &'static [&'static str]) -> impl Strategy<Value = Text> {
    let long = prop_oneof![
        5 => Just(b"long ".repeat(20)), 1 => Just(b"longer ".repeat(900))
    ];
    let odd = piece(
        &["", "-"],
        &[
            b"\\",
            b"\\\\",
            b"\\\"",
            b"a\\\\\\\"b",
            b"\"",
            b"a\"b",
            b"\" \"",
            b"\\x22",
            b"\0\0",
            b"\xff",
            b"a\tb",
            b"a\rb",
            b"%s%n",
            b"\x1b[2J",
            b"\xef\xbb\xbf",
        ],
    );
    prop_oneof![60 => select(good).prop_map(|text| text.as_bytes().to_vec()), 3 => odd, 1 => long]
}

fn start() -> impl Strategy<Value = Text> {
    let names = (host(), ident(), user(), time());
    let names = names.prop_map(|(host, ident, user, time)| {
        [&host, &b" "[..], &ident, b" ", &user, b" [", &time, b"] "].concat()
    });
    (names, request(), status(), size()).prop_map(|(names, request, status, size)| {
        [&names, &b"\""[..], &request, b"\" ", &status, b" ", &size].concat()
    })
}

fn referrer_and_agent() -> impl Strategy<Value = Text> {
    let agents = &["Mozilla/5.0", "curl/7.62.0", "M\\\"x", "-"];
    (quotable(&["-", "", "http://h/a"]), quotable(agents))
        .prop_map(|(referrer, agent)| [&b" \""[..], &referrer, b"\" \"", &agent, b"\""].concat())
}

fn end() -> impl Strategy<Value = Text> {
    piece(
        &["", "", " ", " \"1.2.3.4\" 0.003"],
        &[b"\t", b"  \t ", b"\r", b" \r", b"x", b"\"", b" \"", b"\x0b", b"\xa0", b"\0"],
    )
}

pub(crate) fn common_line() -> impl Strategy<Value = Text> {
    let end = piece(&["", " ", "\t "], &[b" x", b"\r", b"\x0b", b" \"", b" \"-\"", b"\xc2\xa0"]);
    (start(), end).prop_map(|(start, end)| [start, end].concat())
}

pub(crate) fn combined_line() -> impl Strategy<Value = Text> {
    (start(), referrer_and_agent(), end()).prop_map(|parts| [parts.0, parts.1, parts.2].concat())
}

/// An argument of a beacon.
fn argument() -> impl Strategy<Value = Text> {
    let good = &[
        "url=http%3A%2F%2Fh%2Fa%2F1.html",
        "url=%2Fb%2F2.html%3Fx%3D1",
        "url=/a/1.html",
        "url=http%3A%2F%2Fh",
        "ua=Mozilla%2F5.0",
        "ua=curl",
        "ua=M%5C%22x",
        "ua=Mozilla/5.0",
        "time=1",
        "time=1520208000",
        "time=1520208000123",
        "refer=",
        "refer=http%3A%2F%2Fh",
        "x=%zz",
    ];
    let odd: &[&[u8]] = &[
        b"",
        b"=",
        b"url",
        b"url=",
        b"ua",
        b"ua=",
        b"url=%",
        b"url=%4",
        b"url=%zz",
        b"ua=%",
        b"ua=100%",
        b"ua=a+b",
        b"ua=a%20b",
        b"ua=a%2Bb",
        b"ua=%00",
        b"ua=%ff%FF%fF",
        b"time=%",
        b"time=%31520208000",
        b"time=0000000000",
        b"time=9999999999",
        b"time=9999999999999",
        b"time=152020800",
        b"time=15202080001",
        b"time=+152020800",
        b"time=1520208000+",
        b"time=-152020800",
        b"refer=%",
        b"refer",
        b"URL=%2F",
        b"u%72l=%2Fno",
        b"url=a",
        b"url=%2Fa%2Fb%2Fc%23d",
        b"url=%2F%FF",
        b"url=/%5Cxff",
        b"url=%2Fx.css",
        b"url=/q%0d%0a",
        b"url=/+/",
        b"url==/a",
        b"url=%+1",
        b"url=\xff",
        b"url=/a?b=c",
        b"url=//",
        b"url=%252F",
        b"ua=x#y",
    ];
    piece(good, odd)
}

pub(crate) fn beacon_line() -> impl Strategy<Value = Text> {
    let usual = vec(argument(), 0..4).prop_flat_map(|more| {
        let mut arguments: Vec<Text> =
            vec![b"url=http%3A%2F%2Fh%2Fm%2F7.html".to_vec(), b"ua=Opera".to_vec()];
        arguments.extend(more);
        Just(arguments).prop_shuffle()
    });
    let arguments = prop_oneof![9 => usual, 1 => vec(argument(), 0..5)];
    let path = piece(
        &["/dig?", "/dig?", "/dig?", "http://h/dig?"],
        &[b"/dig", b"/dig#?", b"/Dig?", b"/a/dig?", b"/dig/?", b"dig?"],
    );
    let names = (host(), ident(), user(), time());
    let request =
        (method(), path, arguments, version()).prop_map(|(method, path, arguments, version)| {
            [&method, &b" "[..], &path, &arguments.join(&b'&'), &version].concat()
        });
    (names, request, status(), size(), referrer_and_agent(), end()).prop_map(
        |((host, ident, user, time), request, status, size, quoted, end)| {
            let names = [&host, &b" "[..], &ident, b" ", &user, b" [", &time, b"] \""].concat();
            [&names, &request, &b"\" "[..], &status, b" ", &size, &quoted, &end].concat()
        },
    )
}

/// Lines as disks and crashes leave them: torn, overwritten, glued, empty, of NULs, of anything.
fn damaged(line: BoxedStrategy<Text>) -> impl Strategy<Value = Text> {
    prop_oneof![
        (line.clone(), any::<Index>()).prop_map(|(mut line, at)| {
            line.truncate(at.index(line.len() + 1));
            line
        }),
        (line.clone(), any::<Index>(), any::<u8>()).prop_map(|(mut line, at, byte)| {
            let at = at.index(line.len());
            line[at] = byte;
            line
        }),
        (line.clone(), any::<Index>(), select(&b"\"\\ \t\r\n[]/:\0"[..])).prop_map(
            |(mut line, at, byte)| {
                line.insert(at.index(line.len() + 1), byte);
                line
            }
        ),
        (line.clone(), any::<Index>()).prop_map(|(mut line, at)| {
            line.remove(at.index(line.len()));
            line
        }),
        (line.clone(), line).prop_map(|(a, b)| [a, b].concat()),
        select(
            &[
                "",
                "",
                " ",
                "\r",
                "\r\r",
                "\0\0\0\0",
                "#Fields: date time",
                "newsyslog[1]: logfile turned over"
            ][..]
        )
        .prop_map(|line| line.as_bytes().to_vec()),
        vec(any::<u8>(), 0..40),
    ]
}

/// A whole file: lines of one format in the main, others among them, damaged ones too; LF or CRLF, with or without
/// the last line's end, with or without a byte order mark.
pub(crate) fn file() -> impl Strategy<Value = Text> {
    let [combined, common, beacon] =
        [combined_line().boxed(), common_line().boxed(), beacon_line().boxed()];
    let of = |usual: &BoxedStrategy<Text>| {
        vec(
            prop_oneof![
                32 => usual.clone(),
                2 => damaged(usual.clone()),
                1 => combined.clone(), 1 => common.clone(), 1 => beacon.clone(),
            ],
            0..70,
        )
    };
    let lines = prop_oneof![3 => of(&combined), 2 => of(&common), 3 => of(&beacon)];
    let start = select(&["", "", "", "", "\u{feff}", "\n", "\u{feff}\u{feff}"][..]);
    let line_end = select(&["\n", "\n", "\n", "\r\n"][..]);
    (start, lines, line_end, any::<bool>()).prop_map(|(start, lines, line_end, is_ended)| {
        let mut file = start.as_bytes().to_vec();
        file.extend(lines.join(line_end.as_bytes()));
        if is_ended {
            file.extend(line_end.as_bytes());
        }
        file
    })
}
