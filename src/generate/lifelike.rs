//! Ordinary lines, as a movie site's server or its beacon writes them.
//!
//! Owns: [`World`] and how a lifelike request is drawn and written. May import: `truth`, `pages`, `random`,
//! `text`, `visitors`. Must not know: odd lines, when requests come, where bytes go.

use super::pages::{LISTS, Pages};
use super::random::{Random, part};
use super::text::{TimeText, push_number};
use super::truth::{LineTruth, View};
use super::visitors::VisitorPool;
use super::{Format, GeneratorOptions};
use crate::time::CivilTime;

/// The site's address as referrers show it, plain and URL-encoded.
pub(super) const BASE: &[u8] = b"http://localhost:8888";
pub(super) const ENCODED_BASE: &[u8] = b"http%3A%2F%2Flocalhost%3A8888";

/// Offset of the site's clock from UTC, `+0800`.
pub(super) const OFFSET_SECONDS: i64 = 8 * 3600;

/// The first second that has ten digits as Unix time, and so thirteen in milliseconds.
pub(super) const FIRST_TEN_DIGITS: i64 = 1_000_000_000;

const SEARCHES: [&[u8]; 5] = [
    b"https://www.google.com/",
    b"https://www.baidu.com/s?wd=%E7%94%B5%E5%BD%B1&rsv_spt=1",
    b"http://www.bing.com/search?q=new+movies&form=QBLH",
    b"https://search.yahoo.com/search?p=movie+reviews",
    b"https://duckduckgo.com/",
];

/// Paths of static files; `#` stands for a number.
const STATIC_FILES: [&[u8]; 16] = [
    b"/images/poster/#.jpg",
    b"/css/main.css",
    b"/js/jquery.min.js",
    b"/images/poster/#.webp",
    b"/js/app.js?v=#",
    b"/images/star.png",
    b"/images/poster/#.jpg",
    b"/images/logo.svg",
    b"/favicon.ico",
    b"/fonts/text.woff2",
    b"/images/banner/#.JPG",
    b"/trailer/#.mp4",
    b"/images/poster/#.png",
    b"/js/app.js.map",
    b"/images/loading.gif",
    b"/css/print.CSS?theme=#",
];

/// Requests that lead nowhere; `#` stands for a number.
const MISSING: [&[u8]; 6] = [
    b"/wp-login.php",
    b"/movie/#000000.html",
    b"/robots.txt",
    b"/.env",
    b"/phpmyadmin/index.php",
    b"/list/#000.html",
];

/// Queries on pages; `#` stands for a number. One ends like a static file, which a query must not decide.
const QUERIES: [&[u8]; 6] = [
    b"?utm_source=newsletter&utm_campaign=#",
    b"?page=#",
    b"?from=list&position=#",
    b"?q=new+movies&start=#",
    b"?theme=dark-#.css",
    b"?id=#",
];

const USERS: [&[u8]; 6] =
    [b"alice", b"bob", b"admin", b"wei.zhang", b"editor@example.com", b"m\xc3\xbcller"];

/// Statuses of pages and of static files, one of 256 each.
const PAGE_STATUSES: [(u16, u32); 10] = [
    (200, 225),
    (304, 12),
    (404, 8),
    (301, 4),
    (302, 2),
    (206, 1),
    (500, 1),
    (403, 1),
    (499, 1),
    (502, 1),
];
const STATIC_STATUSES: [(u16, u32); 4] = [(200, 200), (304, 48), (404, 5), (206, 3)];

/// The visitors and pages that lines are drawn from.
#[derive(Debug)]
pub(super) struct World {
    pub(super) format: Format,
    pub(super) pages: Pages,
    pub(super) visitors: VisitorPool,
    /// Midnight of the first day.
    first_second: i64,
    query_permille: u32,
    page_statuses: [u16; 256],
    static_statuses: [u16; 256],
}

/// A visitor at a time, about to request something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) visitor: u32,
    /// Seconds since 1970 on the wall clock.
    pub(super) seconds: i64,
}

impl World {
    pub(super) fn new(options: &GeneratorOptions, random: &mut Random) -> Self {
        Self {
            format: options.format,
            pages: Pages::new(options.pages, options.sections, random),
            visitors: VisitorPool::new(options.visitors, options.user_agents, random),
            first_second: i64::from(options.start.0) * 86_400,
            query_permille: options.query_permille,
            page_statuses: spread(&PAGE_STATUSES),
            static_statuses: spread(&STATIC_STATUSES),
        }
    }

    /// The visitor that a log of this format counts for `visitor`.
    pub(super) fn counted_visitor(&self, visitor: u32) -> u32 {
        match self.format {
            Format::Common => self.visitors.household(visitor),
            Format::Combined | Format::Dig => visitor,
        }
    }

    /// Appends one line.
    pub(super) fn write(
        &self,
        time: &mut TimeText,
        moment: Moment,
        random: &mut Random,
        output: &mut Vec<u8>,
    ) -> LineTruth {
        self.visitors.write_host(moment.visitor, output);
        if random.one_in(64) {
            output.extend_from_slice(b" - ");
            output.extend_from_slice(random.pick(&USERS));
            output.push(b' ');
        } else {
            output.extend_from_slice(b" - - ");
        }
        output.extend_from_slice(time.show(moment.seconds));
        match self.format {
            Format::Dig => self.write_beacon(moment, random, output),
            Format::Combined | Format::Common => self.write_request(moment, random, output),
        }
    }

    /// The rest of a common or combined line, from the method on.
    #[expect(clippy::cast_possible_truncation, reason = "random bits are cut into pieces")]
    fn write_request(
        &self,
        moment: Moment,
        random: &mut Random,
        output: &mut Vec<u8>,
    ) -> LineTruth {
        let bits = random.bits();
        let [status, method, detail, protocol, ..] = bits.to_le_bytes();
        let (kind, number) = ((bits >> 32) as u16, (bits >> 48) as u32);
        let (method, counts): (&[u8], bool) = match method {
            0..=248 => (b"GET ", true),
            249..=252 => (b"POST ", true),
            253..=254 => (b"HEAD ", false),
            255 => (b"OPTIONS ", false),
        };
        output.extend_from_slice(method);
        let mut page = None;
        let status = if part(u32::from(kind) << 16, 100) < 30 {
            push_template(output, STATIC_FILES[usize::from(detail) % STATIC_FILES.len()], number);
            self.static_statuses[usize::from(status)]
        } else {
            let status = self.page_statuses[usize::from(status)];
            if status == 404 {
                push_template(output, MISSING[usize::from(detail) % MISSING.len()], number);
            } else {
                let drawn = self.pages.draw(random);
                self.pages.write(drawn, b"/", output);
                if part(number << 16, 1000) < self.query_permille {
                    push_template(output, random.pick(&QUERIES), random.below(100_000));
                }
                page = Some(drawn);
            }
            status
        };
        output.extend_from_slice(if protocol < 160 { b" HTTP/1.1\" " } else { b" HTTP/2.0\" " });
        push_number(output, u64::from(status));
        output.push(b' ');
        let bytes_sent = match status {
            304 | 499 => 0,
            301 | 302 => 178,
            403 | 404 | 500 | 502 => 571,
            _ => 800 + u64::from(number),
        };
        push_number(output, bytes_sent);
        if self.format == Format::Combined {
            output.extend_from_slice(b" \"");
            self.write_referrer(random, output);
            output.extend_from_slice(b"\" \"");
            output.extend_from_slice(self.visitors.agent(moment.visitor).0);
            output.push(b'"');
        }
        output.push(b'\n');
        let counts = counts && matches!(status, 200..=299 | 304);
        let view = page.filter(|_| counts).map(|page| self.view(moment, page, moment.seconds));
        LineTruth::Hit { status, bytes_sent, view }
    }

    fn view(&self, moment: Moment, page: u32, seconds: i64) -> View {
        View {
            visitor: self.counted_visitor(moment.visitor),
            page,
            time: CivilTime::from_seconds(seconds),
        }
    }

    fn write_referrer(&self, random: &mut Random, output: &mut Vec<u8>) {
        match random.below(100) {
            0..=29 => output.push(b'-'),
            30..=41 => output.extend_from_slice(random.pick(&SEARCHES)),
            42..=64 => {
                output.extend_from_slice(BASE);
                self.pages.write(self.pages.draw(random), b"/", output);
            }
            _ => {
                output.extend_from_slice(BASE);
                self.pages.write(random.below(LISTS + 1), b"/", output);
            }
        }
    }

    /// The rest of a beacon line, from the method on; one in 200 is no beacon.
    fn write_beacon(&self, moment: Moment, random: &mut Random, output: &mut Vec<u8>) -> LineTruth {
        let agent = self.visitors.agent(moment.visitor);
        if random.one_in(200) {
            output.extend_from_slice(b"GET ");
            let path = random.pick::<&[u8]>(&[
                b"/",
                b"/favicon.ico",
                b"/nginx_status",
                b"/digest?url=%2F&ua=x",
            ]);
            output.extend_from_slice(path);
            output.extend_from_slice(b" HTTP/1.1\" 404 571 \"-\" \"");
            output.extend_from_slice(agent.0);
            output.extend_from_slice(b"\" \"-\"\n");
            return LineTruth::Other;
        }
        let page = self.pages.draw(random);
        let mut seconds = moment.seconds;
        output.extend_from_slice(if random.one_in(2) { b"GET /dig?" } else { b"OPTIONS /dig?" });
        let order: &[u8; 4] = match random.below(8) {
            0..=4 => b"rtau",
            5 => b"utar",
            6 => b"atur",
            _ => b"tuar",
        };
        for (index, argument) in order.iter().enumerate() {
            if index > 0 {
                output.push(b'&');
            }
            match argument {
                b'r' => {
                    output.extend_from_slice(b"refer=");
                    if !random.one_in(4) {
                        output.extend_from_slice(ENCODED_BASE);
                        self.pages.write(self.pages.draw(random), b"%2F", output);
                    }
                }
                b't' => {
                    output.extend_from_slice(b"time=");
                    // The page was shown up to three seconds before its beacon arrived.
                    let shown =
                        (moment.seconds - i64::from(random.below(4))).max(self.first_second);
                    let unix = shown - OFFSET_SECONDS;
                    match random.below(5) {
                        0 if unix >= FIRST_TEN_DIGITS => {
                            push_number(output, unix.unsigned_abs());
                            seconds = shown;
                        }
                        1 if unix >= FIRST_TEN_DIGITS => {
                            push_number(
                                output,
                                unix.unsigned_abs() * 1000 + u64::from(random.below(1000)),
                            );
                            seconds = shown;
                        }
                        _ => output.push(b'1'),
                    }
                }
                b'a' => {
                    output.extend_from_slice(b"ua=");
                    output.extend_from_slice(agent.1);
                }
                _ => {
                    output.extend_from_slice(b"url=");
                    output.extend_from_slice(ENCODED_BASE);
                    self.pages.write(page, b"%2F", output);
                }
            }
        }
        output.extend_from_slice(b" HTTP/1.1\" 200 43 \"-\" \"");
        output.extend_from_slice(agent.0);
        output.extend_from_slice(b"\" \"-\"\n");
        LineTruth::Hit { status: 200, bytes_sent: 43, view: Some(self.view(moment, page, seconds)) }
    }
}

/// Appends a template with the number in place of its `#`.
fn push_template(output: &mut Vec<u8>, template: &[u8], number: u32) {
    match template.iter().position(|&byte| byte == b'#') {
        Some(at) => {
            output.extend_from_slice(&template[..at]);
            push_number(output, u64::from(number));
            output.extend_from_slice(&template[at + 1..]);
        }
        None => output.extend_from_slice(template),
    }
}

/// Values repeated by their shares of 256.
fn spread(shares: &[(u16, u32)]) -> [u16; 256] {
    let mut values = shares.iter().flat_map(|&(value, share)| (0..share).map(move |_| value));
    std::array::from_fn(|_| values.next().unwrap_or(shares[0].0))
}
