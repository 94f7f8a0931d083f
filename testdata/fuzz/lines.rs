//! Whatever the bytes and wherever a window ends: the parser says of every line what the careful parser says.

#![no_main]

use hitmap::parse::fuzzing::parse_carefully;
use hitmap::parse::record::Record;
use hitmap::parse::{Grammar, LineSink, Parser, Reason};
use libfuzzer_sys::fuzz_target;

/// How many bytes the parser looks at together.
const WINDOW_BYTES: usize = 16 * 1024;

fuzz_target!(|bytes: &[u8]| {
    for grammar in Grammar::ALL {
        check(grammar, bytes);
    }
    // Once more, behind a line so long that the first window ends somewhere in the bytes. Where is up to their last
    // two, so that logs are seeds as they are.
    if let [.., low, high] = *bytes {
        let cut = usize::from(u16::from_le_bytes([low, high]));
        let grammar = Grammar::ALL[cut % 3];
        let mut padded = vec![b'x'; WINDOW_BYTES - cut / 3 % (bytes.len() + 1)];
        padded[0] = b' ';
        padded.extend_from_slice(b"\n");
        padded.extend_from_slice(bytes);
        check(grammar, &padded);
    }
});

fn check(grammar: Grammar, bytes: &[u8]) {
    let mut compare = Compare {
        grammar,
        lines: bytes.split_inclusive(|&byte| byte == b'\n'),
        offset: 0,
        index: 0,
        has_nul_bytes: false,
    };
    let lines = Parser::new(&grammar.into()).lines(bytes, &mut compare);
    assert_eq!(lines, compare.index);
    assert_eq!(compare.lines.next(), None);
}

/// Reads each line once more when the parser has read it.
struct Compare<L> {
    grammar: Grammar,
    lines: L,
    /// Where the next line starts.
    offset: usize,
    /// Its number.
    index: u64,
    /// Whether NUL bytes at its start were passed over.
    has_nul_bytes: bool,
}

impl<'b, L: Iterator<Item = &'b [u8]>> Compare<L> {
    fn next(&mut self) -> &'b [u8] {
        let line = self.lines.next().expect("no more lines than there are");
        self.offset += line.len();
        self.index += 1;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let nul_bytes = line.iter().take_while(|&&byte| byte == 0).count();
        assert_eq!(std::mem::take(&mut self.has_nul_bytes), nul_bytes > 0);
        &line[nul_bytes..]
    }
}

impl<'b, L: Iterator<Item = &'b [u8]>> LineSink for Compare<L> {
    fn hit(&mut self, record: &Record<'_>) {
        let line = self.next();
        parse_carefully(self.grammar, line, |careful| assert_eq!(Ok(Some(record)), careful));
    }

    fn malformed(&mut self, offset: usize, line_index: u64, line: &[u8], reason: Reason) {
        assert_eq!((offset, line_index), (self.offset, self.index));
        assert_eq!(line, self.next());
        assert!(!line.is_empty());
        parse_carefully(self.grammar, line, |careful| assert_eq!(Err(reason), careful));
    }

    fn empty(&mut self) {
        assert_eq!(self.next(), b"");
    }

    fn nul_bytes(&mut self) {
        self.has_nul_bytes = true;
    }

    fn other(&mut self) {
        let line = self.next();
        parse_carefully(self.grammar, line, |careful| assert_eq!(Ok(None), careful));
    }
}
