//! Whatever the bytes and wherever a window ends: the parser says of every line what the careful parser says.

#![no_main]

use hitmap::parse::fuzzing::parse_carefully;
use hitmap::parse::record::Record;
use hitmap::parse::{LineSink, LogFormat, Parser, Reason};
use libfuzzer_sys::fuzz_target;

/// How many bytes the parser looks at together.
const WINDOW_BYTES: usize = 16 * 1024;

fuzz_target!(|bytes: &[u8]| {
    for format in LogFormat::ALL {
        check(format, bytes);
    }
    // Once more, behind a line so long that the first window ends somewhere in the bytes. Where is up to their last
    // two, so that logs are seeds as they are.
    if let [.., low, high] = *bytes {
        let cut = usize::from(u16::from_le_bytes([low, high]));
        let format = LogFormat::ALL[cut % 3];
        let mut padded = vec![b'x'; WINDOW_BYTES - cut / 3 % (bytes.len() + 1)];
        padded[0] = b' ';
        padded.extend_from_slice(b"\n");
        padded.extend_from_slice(bytes);
        check(format, &padded);
    }
});

fn check(format: LogFormat, bytes: &[u8]) {
    let mut compare = Compare {
        format,
        lines: bytes.split_inclusive(|&byte| byte == b'\n'),
        offset: 0,
        index: 0,
    };
    let lines = Parser::new(format).lines(bytes, &mut compare);
    assert_eq!(lines, compare.index);
    assert_eq!(compare.lines.next(), None);
}

/// Reads each line once more when the parser has read it.
struct Compare<L> {
    format: LogFormat,
    lines: L,
    /// Where the next line starts.
    offset: usize,
    /// Its number.
    index: u64,
}

impl<'b, L: Iterator<Item = &'b [u8]>> Compare<L> {
    fn next(&mut self) -> &'b [u8] {
        let line = self.lines.next().expect("no more lines than there are");
        self.offset += line.len();
        self.index += 1;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    }
}

impl<'b, L: Iterator<Item = &'b [u8]>> LineSink for Compare<L> {
    fn hit(&mut self, record: &Record<'_>) {
        let line = self.next();
        parse_carefully(self.format, line, |careful| assert_eq!(Ok(Some(record)), careful));
    }

    fn malformed(&mut self, offset: usize, line_index: u64, line: &[u8], reason: Reason) {
        assert_eq!((offset, line_index), (self.offset, self.index));
        assert_eq!(line, self.next());
        assert!(!line.is_empty());
        parse_carefully(self.format, line, |careful| assert_eq!(Err(reason), careful));
    }

    fn empty(&mut self) {
        assert_eq!(self.next(), b"");
    }

    fn other(&mut self) {
        let line = self.next();
        parse_carefully(self.format, line, |careful| assert_eq!(Ok(None), careful));
    }
}
