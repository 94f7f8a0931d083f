//! Parsing alone: all fields of all lines, one thread, over a fresh mapping, against the newline count over one.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

mod logs;

use hitmap::parse::record::Record;
use hitmap::parse::{Grammar, LineSink, Parser, Reason};
use hitmap::source::{BLOCK_BYTES, Input, Opened, Opening, ReadBuffer};
use logs::{Log, Variant, compare, dig, easy, hard};

/// Adds the fields up, so that none can be left out.
#[derive(Default)]
struct Sum {
    hits: u64,
    malformed: u64,
    other: u64,
    fields: u64,
}

impl LineSink for Sum {
    #[inline]
    fn hit(&mut self, record: &Record<'_>) {
        self.hits += 1;
        self.fields += record.bytes_sent
            + u64::from(record.status)
            + record.time.minute_of_day() as u64
            + (record.host.len() + record.referrer.len() + record.user_agent.len()) as u64
            + record.request.map_or(0, |request| request.target.len()) as u64;
    }

    fn malformed(&mut self, _offset: usize, _line_index: u64, _line: &[u8], _reason: Reason) {
        self.malformed += 1;
    }

    fn empty(&mut self) {}

    fn other(&mut self) {
        self.other += 1;
    }

    fn nul_bytes(&mut self) {}
}

/// Parses the log block by block as a worker does.
fn parse(log: &Log, grammar: Grammar, map: bool) {
    let Opened::File(file) =
        Input::Path(log.path.clone()).open(Opening { map, whole_lines: false }).unwrap()
    else {
        unreachable!("a file")
    };
    let (mut parser, mut sum, mut lines, mut start) =
        (Parser::new(&grammar.into()), Sum::default(), 0, 0);
    let mut buffer = ReadBuffer::default();
    while start < file.bytes() {
        let end = (start + BLOCK_BYTES).min(file.bytes());
        file.lines(start..end, &mut buffer, &mut |_, bytes| lines += parser.lines(bytes, &mut sum))
            .unwrap();
        start = end;
    }
    assert_eq!((lines, sum.hits + sum.other, sum.malformed), (log.lines, log.lines, 0));
    std::hint::black_box(sum.fields);
}

fn main() {
    for (log, grammar) in
        [(easy(), Grammar::Combined), (hard(), Grammar::Combined), (dig(), Grammar::Dig)]
    {
        let mut variants = [
            Variant::new("newline count, fresh mapping, 1 thread", || {
                assert_eq!(log.count_newlines_mapped(), log.lines)
            }),
            Variant::new("newline count, pread, 1 thread", || {
                assert_eq!(log.count_newlines(1), log.lines)
            }),
            Variant::new("parse, fresh mapping, 1 thread", || parse(&log, grammar, true)),
            Variant::new("parse, pread, 1 thread", || parse(&log, grammar, false)),
        ];
        let medians = compare(&log, &mut variants);
        println!(
            "parse alone reaches {:.2} of the newline count (aim: 0.60)",
            medians[0] / medians[2]
        );
    }
}
