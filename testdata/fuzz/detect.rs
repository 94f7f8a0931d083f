//! Detection never panics, names what it finds in words it reads back, and is not fooled by what stands around lines:
//! wrapped lines are read as the same hits as plain ones, or refused, and never as others.

#![no_main]

use hitmap::parse::detect::detect;
use hitmap::parse::recognize::{describe, refuse_beginning};
use hitmap::parse::record::Record;
use hitmap::parse::{Format, LineSink, Parser, Reason};
use libfuzzer_sys::fuzz_target;

/// Prefixes of every wrapping that has one.
const PREFIXES: [&str; 9] = [
    "  ",
    "2026-11-24T06:00:00.1Z stdout F ",
    "Nov 24 06:00:00 web1 nginx[1]: ",
    "<190>1 2026-11-24T06:00:00Z web1 nginx 1 - [a b=\"c\"] ",
    "2026-11-24T06:00:00.123456789Z ",
    "[pod/web-1/nginx] ",
    "web-1  | ",
    "access.log:",
    "www.example.com:443 ",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, sample)) = bytes.split_last() else { return };
    let lines: Vec<&[u8]> = sample.split(|&byte| byte == b'\n').collect();
    let _ = describe(&lines);
    let _ = refuse_beginning(sample);
    let Some(Ok(plain)) = detect(sample) else { return };
    assert_eq!(plain.format.to_string().parse(), Ok(plain.format.clone()));
    // NUL bytes at the start of a line are passed over, but not behind a prefix.
    if !plain.format.is_plain() || sample.contains(&0) {
        return;
    }
    let prefix = PREFIXES[usize::from(choice) % PREFIXES.len()].as_bytes();
    let wrapped: Vec<u8> = lines.iter().flat_map(|line| [prefix, line, b"\n"].concat()).collect();
    let (plain_hits, malformed) = hits(&plain.format, sample);
    // Of torn lines more may be readable behind a prefix: a host, where there was none.
    if malformed > 0 {
        return;
    }
    if let Some(Ok(found)) = detect(&wrapped) {
        let (found_hits, _) = hits(&found.format, &wrapped);
        assert_eq!(plain_hits, found_hits, "{}", String::from_utf8_lossy(prefix));
    }
});

/// Client, user agent, request and time of each hit, and how many lines are malformed.
fn hits(format: &Format, bytes: &[u8]) -> (Vec<[String; 4]>, u64) {
    let mut lines = Lines { hits: Vec::new(), malformed: 0 };
    Parser::new(format).lines(bytes, &mut lines);
    (lines.hits, lines.malformed)
}

struct Lines {
    hits: Vec<[String; 4]>,
    malformed: u64,
}

impl LineSink for Lines {
    fn hit(&mut self, record: &Record<'_>) {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        let request = record.request.map_or("-".to_owned(), |request| text(request.target));
        self.hits.push([
            text(record.host),
            text(record.user_agent),
            request,
            record.time.to_string(),
        ]);
    }

    fn malformed(&mut self, _: usize, _: u64, _: &[u8], _: Reason) {
        self.malformed += 1;
    }

    fn empty(&mut self) {}

    fn other(&mut self) {}

    fn nul_bytes(&mut self) {}
}
