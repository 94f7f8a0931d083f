//! The whole analyzer once more, as plainly as the rules can be written: what every other test compares with.
//!
//! Owns: [`analyze`]. May import: std, and jiff for the offsets of zones. Must not know: the library, not even its
//! calendar; and no trick that makes it faster. A visitor is the list of its real fields, a cell is the set of its real
//! visitors.

#![allow(dead_code, reason = "a fuzz target that uses a part of the oracle includes it, too")]

mod time;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

pub(crate) use time::Time;
use time::{civil, days_in_month, in_zone};

/// Granularity (0 day, 1 hour, 2 minute, 3 the whole range), bucket, section, page.
pub(crate) type CellKey = (u8, Time, Option<String>, Option<String>);

/// The fields that tell visitors apart, as written, in the order of `--visitor`.
pub(crate) type Visitor = Vec<Vec<u8>>;

/// PV and UV.
pub(crate) type PvUv = (u64, u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Combined,
    Common,
    Dig,
}

/// What a run was asked to do. The default is the program's default.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// `--count hits`.
    pub(crate) count_hits: bool,
    /// `--keep-query`.
    pub(crate) keep_query: bool,
    /// `--log-format`, or detected in every file.
    pub(crate) format: Option<Format>,
    /// `--visitor`.
    pub(crate) visitor: Vec<Field>,
    /// `--group NAME=PATTERN`, name and pattern, in order.
    pub(crate) groups: Vec<(String, String)>,
    /// `--tz`.
    pub(crate) zone: Option<String>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            count_hits: false,
            keep_query: false,
            format: None,
            visitor: vec![Field::Ip, Field::UserAgent],
            groups: Vec::new(),
            zone: None,
        }
    }
}

impl Rules {
    /// The same rules with a format: the one given, else that of most lines of `file`, whether they make sense or not.
    pub(crate) fn with_format_of(self, file: &[u8]) -> Self {
        let format = self.format.or_else(|| detect(file)).unwrap_or(Format::Combined);
        Self { format: Some(format), ..self }
    }

    /// The program's options that ask for the same.
    pub(crate) fn options(&self) -> Vec<String> {
        let mut options = Vec::new();
        if self.visitor != Self::default().visitor {
            let names: Vec<String> = self.visitor.iter().map(Field::name).collect();
            options.push(format!("--visitor={}", names.join("+")));
        }
        options.extend(self.count_hits.then(|| "--count=hits".to_owned()));
        options.extend(self.keep_query.then(|| "--keep-query".to_owned()));
        options.extend(self.format.map(|format| format!("--log-format={format:?}").to_lowercase()));
        options
            .extend(self.groups.iter().map(|(name, pattern)| format!("--group={name}={pattern}")));
        options.extend(self.zone.as_ref().map(|zone| format!("--tz={zone}")));
        options
    }
}

/// What a visitor is told by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Ip,
    UserAgent,
    User,
    Referrer,
    /// A query argument by name.
    Argument(String),
}

impl Field {
    /// The name in `--visitor`.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Ip => "ip".to_owned(),
            Self::UserAgent => "ua".to_owned(),
            Self::User => "user".to_owned(),
            Self::Referrer => "referrer".to_owned(),
            Self::Argument(name) => format!("arg:{name}"),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// Lines and format of every file.
    pub(crate) files: Vec<(u64, Option<Format>)>,
    pub(crate) lines: u64,
    pub(crate) hits: u64,
    pub(crate) malformed: u64,
    pub(crate) empty: u64,
    pub(crate) other: u64,
    pub(crate) page_views: u64,
    pub(crate) readable_requests: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) statuses: BTreeMap<u64, u64>,
    /// `2018-03-05T14:05:09` of every hit: the first and the last one are asked for.
    pub(crate) times: BTreeSet<Time>,
    /// Offsets from UTC in minutes.
    pub(crate) offsets: BTreeSet<i64>,
    /// Day, hour and minute cells, in the order of `--cells`.
    pub(crate) cells: BTreeMap<CellKey, PvUv>,
    /// Site, sections and pages over the whole range.
    pub(crate) range: BTreeMap<CellKey, PvUv>,
}

/// A well-formed line.
struct Hit {
    host: Vec<u8>,
    user: Vec<u8>,
    referrer: Vec<u8>,
    ua: Vec<u8>,
    request: Vec<u8>,
    status: u64,
    size: u64,
    time: Time,
    offset_minutes: i64,
}

/// Counts `files`, all of one site.
pub(crate) fn analyze(files: &[&[u8]], rules: &Rules) -> Answer {
    let mut answer = Answer::default();
    let mut cells: HashMap<CellKey, (u64, HashSet<Visitor>)> = HashMap::new();
    for file in files {
        let file = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file);
        let format = rules.format.or_else(|| detect(file));
        let lines = lines_of(file);
        answer.files.push((lines.len() as u64, format));
        for line in lines {
            answer.lines += 1;
            if line.is_empty() {
                answer.empty += 1;
                continue;
            }
            let Some(mut hit) = read_line(line, format.unwrap_or(Format::Combined)) else {
                answer.malformed += 1;
                continue;
            };
            let request = read_request(&hit.request);
            let mut page = request.and_then(|(_, target)| page_of(target, rules.keep_query));
            let mut is_page_view = page.is_some()
                && matches!(request, Some((b"GET" | b"POST", _)))
                && (matches!(hit.status, 200..=299) || hit.status == 304)
                && !request.is_some_and(|(_, target)| is_static(target));
            if let (Some(Format::Dig), Some((_, target))) = (format, request) {
                if path_of(target) != b"/dig" {
                    answer.other += 1;
                    continue;
                }
                let Some(beacon) = read_beacon(target) else {
                    answer.malformed += 1;
                    continue;
                };
                hit.ua = beacon.ua;
                hit.referrer = beacon.referrer;
                page = page_of(&beacon.url, rules.keep_query);
                is_page_view = page.is_some();
                if let Some(unix_seconds) = beacon.unix_seconds {
                    hit.time = civil(unix_seconds + hit.offset_minutes * 60);
                }
            }
            let time = match &rules.zone {
                Some(zone) => in_zone(&hit.time, hit.offset_minutes, zone),
                None => hit.time.clone(),
            };
            answer.hits += 1;
            answer.readable_requests += u64::from(request.is_some());
            answer.bytes_sent = answer.bytes_sent.saturating_add(hit.size);
            *answer.statuses.entry(hit.status).or_default() += 1;
            answer.times.insert(time.clone());
            answer.offsets.insert(hit.offset_minutes);
            if !is_page_view && !rules.count_hits {
                continue;
            }
            answer.page_views += 1;
            let page = page.unwrap_or_else(|| "-".to_owned());
            let section = section_of(&page, &rules.groups);
            let visitor = visitor_of(&hit, &rules.visitor);
            for granularity in 0..4 {
                for (section, page) in
                    [(None, None), (Some(&section), None), (Some(&section), Some(&page))]
                {
                    let key =
                        (granularity, time.bucket(granularity), section.cloned(), page.cloned());
                    let cell = cells.entry(key).or_default();
                    cell.0 += 1;
                    cell.1.insert(visitor.clone());
                }
            }
        }
    }
    for (key, (pv, visitors)) in cells {
        let table = if key.0 == 3 { &mut answer.range } else { &mut answer.cells };
        table.insert(key, (pv, visitors.len() as u64));
    }
    answer
}

/// Lines without their LF, one CR before it, and NUL bytes at their start. What follows the last LF is a line too.
pub(crate) fn lines_of(file: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = file.split(|&byte| byte == b'\n').collect();
    if lines.last().is_some_and(|tail| tail.is_empty()) {
        lines.pop();
    }
    let without_end = lines.into_iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    without_end.map(|line| &line[line.iter().take_while(|byte| **byte == 0).count()..]).collect()
}

/// Who made a combined line's request.
pub(crate) fn visitor_of_line(line: &[u8], rules: &Rules) -> Option<Visitor> {
    read_line(line, Format::Combined).map(|hit| visitor_of(&hit, &rules.visitor))
}

fn visitor_of(hit: &Hit, fields: &[Field]) -> Visitor {
    let field = |field: &Field| match field {
        Field::Ip => hit.host.clone(),
        Field::UserAgent => hit.ua.clone(),
        Field::User => hit.user.clone(),
        Field::Referrer => hit.referrer.clone(),
        Field::Argument(name) => argument_of(&hit.request, name),
    };
    fields.iter().map(field).collect()
}

/// The value of the first argument `NAME=VALUE` of the request's query, as written; empty where there is none.
fn argument_of(request: &[u8], name: &str) -> Vec<u8> {
    let target = read_request(request).map_or(&b""[..], |(_, target)| target);
    let target = cut(target, b"#").map_or(target, |(target, _fragment)| target);
    let query = cut(target, b"?").map_or(&b""[..], |(_, query)| query);
    for argument in query.split(|&byte| byte == b'&') {
        if let Some((found, value)) = cut(argument, b"=")
            && found == name.as_bytes()
        {
            return value.to_vec();
        }
    }
    Vec::new()
}

/// The format of most lines of a file, by its first MiB that holds a line of any format. The program also asks whether
/// the lines make sense; where that matters, tests name the format ([`Rules::with_format_of`]).
fn detect(file: &[u8]) -> Option<Format> {
    for piece in file.chunks(1 << 20) {
        let of =
            |format| lines_of(piece).into_iter().filter_map(move |line| read_line(line, format));
        let (combined, common) = (of(Format::Combined).count(), of(Format::Common).count());
        if combined + common == 0 {
            continue;
        }
        if common > combined {
            return Some(Format::Common);
        }
        let (mut readable, mut dig) = (0, 0);
        for hit in of(Format::Combined) {
            if let Some((_, target)) = read_request(&hit.request) {
                readable += 1;
                dig += u32::from(path_of(target) == b"/dig");
            }
        }
        let is_dig = readable > 0 && dig * 10 >= readable * 9;
        return Some(if is_dig { Format::Dig } else { Format::Combined });
    }
    None
}

/// What C's `isspace` calls a blank.
const BLANKS: &[u8] = b" \t\n\x0b\x0c\r";

/// `HOST IDENT USER [DD/Mon/YYYY:HH:MM:SS ±ZZZZ] "REQUEST" STATUS SIZE`, and in a combined or dig file
/// ` "REFERRER" "USER AGENT"`.
fn read_line(line: &[u8], format: Format) -> Option<Hit> {
    let (host, rest) = cut(line, b" ")?;
    let (ident, rest) = cut(rest, b" ")?;
    let (user, rest) = cut(rest, b" [")?;
    let (time, rest) = cut(rest, b"] ")?;
    let (request, rest) = quoted(rest)?;
    let (status, rest) = cut(rest.strip_prefix(b" ")?, b" ")?;
    let size_length = rest.iter().position(|byte| BLANKS.contains(byte)).unwrap_or(rest.len());
    let (size, rest) = rest.split_at(size_length);
    let names_ok = [host, ident, user].iter().all(|name| !name.is_empty())
        && ![host, ident].iter().any(|name| name.iter().any(|byte| BLANKS.contains(byte)))
        && !user.contains(&b'[');
    if !names_ok || status.len() != 3 {
        return None;
    }
    let (mut referrer, mut ua): (&[u8], &[u8]) = (b"", b"");
    if format == Format::Common {
        if !rest.iter().all(|byte| BLANKS.contains(byte)) {
            return None;
        }
    } else {
        let (referrer_text, rest) = quoted(rest.strip_prefix(b" ")?)?;
        let (user_agent, rest) = quoted(rest.strip_prefix(b" ")?)?;
        if rest.first().is_some_and(|byte| !BLANKS.contains(byte)) {
            return None;
        }
        (referrer, ua) = (referrer_text, user_agent);
    }
    let (time, offset_minutes) = read_time(time)?;
    Some(Hit {
        host: host.to_vec(),
        user: user.to_vec(),
        referrer: referrer.to_vec(),
        ua: ua.to_vec(),
        request: request.to_vec(),
        status: number(status)?,
        size: if size == b"-" { 0 } else { number(size)? },
        time,
        offset_minutes,
    })
}

/// `05/Mar/2018:14:05:09 +0800` as `2018-03-05T14:05:09` and 480 minutes.
fn read_time(text: &[u8]) -> Option<(Time, i64)> {
    const MONTHS: [&[u8]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    let marks = [(2, b'/'), (6, b'/'), (11, b':'), (14, b':'), (17, b':'), (20, b' ')];
    if text.len() != 26 || !marks.iter().all(|&(at, mark)| text[at] == mark) {
        return None;
    }
    let month = MONTHS.iter().position(|month| *month == &text[3..6])? as u64 + 1;
    let (day, year) = (number(&text[0..2])?, number(&text[7..11])?);
    let (hour, minute, second) =
        (number(&text[12..14])?, number(&text[15..17])?, number(&text[18..20])?);
    let offset = (number(&text[22..24])? * 60 + number(&text[24..26])?) as i64;
    let offset_minutes = match text[21] {
        b'+' => offset,
        b'-' => -offset,
        _ => return None,
    };
    let exists = day >= 1
        && day <= days_in_month(year as i64, month)
        && hour <= 23
        && minute <= 59
        && second <= 60;
    let time = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    exists.then_some((Time(time), offset_minutes))
}

/// Method and target of `METHOD SP TARGET SP HTTP/d[.d]`.
fn read_request(request: &[u8]) -> Option<(&[u8], &[u8])> {
    let (method, rest) = cut(request, b" ")?;
    let last = (0..rest.len()).rev().find(|&at| rest[at..].starts_with(b" HTTP/"))?;
    let (target, version) = (&rest[..last], &rest[last + 6..]);
    let is_version = match version {
        [major] => major.is_ascii_digit(),
        [major, b'.', minor] => major.is_ascii_digit() && minor.is_ascii_digit(),
        _ => false,
    };
    let is_method = !method.is_empty() && method.iter().all(u8::is_ascii_uppercase);
    (is_method && is_version).then_some((method, target))
}

/// A target without a leading `http(s)://host`, in any case. A host that no `/` follows leaves `/` alone.
fn without_host(target: &[u8]) -> Vec<u8> {
    for scheme in ["http://", "https://"] {
        if target.to_ascii_lowercase().starts_with(scheme.as_bytes()) {
            let rest = &target[scheme.len()..];
            let host_length = rest.iter().position(|byte| b"/?#".contains(byte));
            let rest = &rest[host_length.unwrap_or(rest.len())..];
            return if rest.starts_with(b"/") { rest.to_vec() } else { b"/".to_vec() };
        }
    }
    target.to_vec()
}

fn path_of(target: &[u8]) -> Vec<u8> {
    without_host(target).into_iter().take_while(|byte| !b"?#".contains(byte)).collect()
}

fn page_of(target: &[u8], keep_query: bool) -> Option<String> {
    let page = match keep_query {
        true => without_host(target).into_iter().take_while(|&byte| byte != b'#').collect(),
        false => path_of(target),
    };
    page.starts_with(b"/").then(|| escape_bytes(&page))
}

/// Bytes that are not UTF-8 as `\xNN`.
pub(crate) fn escape_bytes(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text += chunk.valid();
        for byte in chunk.invalid() {
            text += &format!("\\x{byte:02x}");
        }
    }
    text
}

/// `/list/` of `/list/3.html?a/b`, `/` of `/index.html`, `-` of `-`; with groups the name of the first one whose
/// pattern the path has, `-` where none has it.
fn section_of(page: &str, groups: &[(String, String)]) -> String {
    let path = page.split('?').next().unwrap_or_default();
    if !groups.is_empty() {
        let group =
            groups.iter().find(|(_, pattern)| has_pattern(path.as_bytes(), pattern.as_bytes()));
        return group.map_or("-", |(name, _)| name).to_owned();
    }
    match path.split('/').collect::<Vec<_>>()[..] {
        [_] => "-".to_owned(),
        [_, _] => "/".to_owned(),
        [_, segment, ..] => format!("/{segment}/"),
        [] => unreachable!("a split has a first piece"),
    }
}

/// Whether a path is of a pattern, in which `{}` stands for any bytes but slashes, at least one.
fn has_pattern(path: &[u8], pattern: &[u8]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        ([b'{', b'}', ..], [b'/', ..] | []) => false,
        // The hole goes on, or ends with this byte.
        ([b'{', b'}', rest @ ..], [_, path @ ..]) => {
            has_pattern(path, pattern) || has_pattern(path, rest)
        }
        ([one, pattern @ ..], [other, path @ ..]) => one == other && has_pattern(path, pattern),
        _ => false,
    }
}

fn is_static(target: &[u8]) -> bool {
    const EXTENSIONS: &str = "css js mjs map gif jpg jpeg png webp avif svg ico bmp tif tiff woff woff2 ttf otf eot \
                              mp3 mp4 m4a ogg wav webm mov avi flv swf";
    let path = path_of(target).to_ascii_lowercase();
    EXTENSIONS.split(' ').any(|extension| path.ends_with(format!(".{extension}").as_bytes()))
}

struct Beacon {
    url: Vec<u8>,
    ua: Vec<u8>,
    referrer: Vec<u8>,
    unix_seconds: Option<i64>,
}

/// The arguments of a beacon; `None` when one that is used is missing or not decodable.
fn read_beacon(target: &[u8]) -> Option<Beacon> {
    let target = cut(target, b"#").map_or(target, |(target, _fragment)| target);
    let (_, arguments) = cut(target, b"?").unwrap_or((target, b""));
    let mut first: HashMap<&[u8], &[u8]> = HashMap::new();
    for argument in arguments.split(|&byte| byte == b'&') {
        let (name, value) = cut(argument, b"=").unwrap_or((argument, b""));
        first.entry(name).or_insert(value);
    }
    let decoded = |name: &str| first.get(name.as_bytes()).map(|value| decode(value));
    let (url, ua) = (decoded("url")??, decoded("ua")??);
    if decoded("refer") == Some(None) || decoded("time") == Some(None) {
        return None;
    }
    let referrer = decoded("refer").flatten().unwrap_or_default();
    let time = decoded("time").flatten().unwrap_or_default();
    let unix_seconds = match (time.len(), number(&time)) {
        (10, Some(seconds)) => Some(seconds as i64),
        (13, Some(milliseconds)) => Some(milliseconds as i64 / 1000),
        _ => None,
    };
    Some(Beacon { url, ua, referrer, unix_seconds })
}

/// `+` is a blank, `%41` is `A`.
fn decode(value: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < value.len() {
        if value[at] == b'%' {
            let digits = str::from_utf8(value.get(at + 1..at + 3)?).ok()?;
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            decoded.push(u8::from_str_radix(digits, 16).ok()?);
            at += 3;
        } else {
            decoded.push(if value[at] == b'+' { b' ' } else { value[at] });
            at += 1;
        }
    }
    Some(decoded)
}

/// Decimal digits and nothing else, at most `u64::MAX`.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |value: u64, digit| {
        value.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    }))
}

/// The text between quotes, backslash pairs kept, and what follows the closing quote.
fn quoted(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = rest.strip_prefix(b"\"")?;
    let mut at = 0;
    while *text.get(at)? != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    Some((&text[..at], &text[at + 1..]))
}

/// What stands before and after the first `separator`.
fn cut<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = (0..text.len()).find(|&at| text[at..].starts_with(separator))?;
    Some((&text[..at], &text[at + separator.len()..]))
}
