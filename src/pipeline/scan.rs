//! One worker's way through one block: parse, select, count.
//!
//! Owns: [`Scanner`]. May import: `parse`, `select`, `count`, `tally`. Must not know: which files there are.

use crate::calendar::{CivilTime, Day};
use crate::count::Worker;
use crate::error::Result;
use crate::parse::{LineSink, LogFormat, Parser, Reason};
use crate::record::Record;
use crate::select::{Rules, Selector};
use crate::source::ReadBuffer;
use crate::tally::Tally;

use super::intake::{Intake, Lines, Outcome, Task};

/// The number of the one site, until formats with virtual hosts come.
const SITE: u32 = 0;

/// A worker's parser, selector and buffers.
pub(super) struct Scanner<'r> {
    selector: Selector<'r>,
    parser: Option<(LogFormat, Parser)>,
    buffer: ReadBuffer,
    /// Days already told to a tally.
    repeated_hour_days: Vec<Day>,
}

impl<'r> Scanner<'r> {
    pub(super) fn new(rules: &'r Rules) -> Self {
        Self {
            selector: Selector::new(rules),
            parser: None,
            buffer: ReadBuffer::default(),
            repeated_hour_days: Vec::new(),
        }
    }

    /// Counts the lines of `task` and tells the intake what they were.
    pub(super) fn scan(
        &mut self,
        task: &Task,
        worker: &mut Worker,
        intake: &Intake<'_>,
    ) -> Result<()> {
        // Without a known format every line that is not empty is malformed in all of them.
        let format = task.format.unwrap_or(LogFormat::Combined);
        let parser = match &mut self.parser {
            Some((last, parser)) if *last == format => parser,
            other => &mut other.insert((format, Parser::new(format))).1,
        };
        let mut sink = Sink {
            selector: &mut self.selector,
            worker,
            is_beacon: format.is_beacon(),
            tally: Tally::default(),
            invalid: intake.keeps_invalid_lines().then(Vec::new),
            base_offset: 0,
            last_offset_minutes: None,
        };
        let mut bytes_read = 0;
        let (mut hash, mut error) = (None, None);
        let mut each = |offset: u64, lines: &[u8]| {
            bytes_read += lines.len() as u64;
            sink.base_offset = offset;
            let lines = strip_byte_order_mark(offset, lines);
            sink.base_offset += if offset == 0 { bytes_read - lines.len() as u64 } else { 0 };
            sink.tally.lines += parser.lines(lines, &mut sink);
        };
        match &task.lines {
            Lines::File { file, range, hashed: None } => {
                error = file.lines(range.clone(), &mut self.buffer, &mut each).err();
            }
            Lines::File { file, range, hashed: Some(hashed) } => {
                let (hashed, range) = (hashed.clone(), range.clone());
                match file.hashed_lines(hashed, range, &mut self.buffer, &mut each) {
                    Ok(found) => hash = Some(found),
                    Err(found) => error = Some(found),
                }
            }
            Lines::Block(block) => each(block.offset, &block.bytes),
        }
        let Sink { mut tally, invalid, .. } = sink;
        let days = self.selector.repeated_hour_days();
        if days.len() > self.repeated_hour_days.len() {
            tally.repeated_hour_days.extend(&days);
            self.repeated_hour_days = days;
        }
        let invalid = invalid.unwrap_or_default();
        intake.done(task, Outcome { bytes: bytes_read, tally, invalid, hash, error })
    }
}

/// Takes the UTF-8 byte order mark off the beginning of an input.
fn strip_byte_order_mark(offset: u64, lines: &[u8]) -> &[u8] {
    if offset == 0 { lines.strip_prefix(b"\xef\xbb\xbf").unwrap_or(lines) } else { lines }
}

/// Takes the parser's lines.
struct Sink<'s, 'r> {
    selector: &'s mut Selector<'r>,
    worker: &'s mut Worker,
    is_beacon: bool,
    tally: Tally,
    /// The malformed lines, where they are wanted.
    invalid: Option<Vec<u8>>,
    /// Offset in the input of the bytes being parsed.
    base_offset: u64,
    last_offset_minutes: Option<i16>,
}

impl Sink<'_, '_> {
    fn note_offset(&mut self, offset_minutes: i16) {
        if self.last_offset_minutes != Some(offset_minutes) {
            self.last_offset_minutes = Some(offset_minutes);
            self.tally.offsets_minutes.insert(offset_minutes);
        }
    }
}

impl LineSink for Sink<'_, '_> {
    #[inline]
    fn hit(&mut self, record: &Record<'_>) {
        let time: CivilTime = self.selector.time(record);
        self.tally.hit(record, time);
        self.note_offset(record.offset_minutes);
        if let Some(view) = self.selector.page_view(record, self.is_beacon) {
            self.tally.page_views += 1;
            self.worker.add(SITE, time, view.page, view.visitor);
        }
    }

    #[cold]
    fn malformed(&mut self, offset: usize, line_index: u64, line: &[u8], reason: Reason) {
        let offset = self.base_offset + offset as u64;
        // `lines` holds the pieces before this one; it is brought up to date after each.
        let line_index = self.tally.lines + line_index;
        self.tally.malformed(offset, line_index, line, reason);
        if let Some(invalid) = &mut self.invalid {
            invalid.extend_from_slice(line);
            invalid.push(b'\n');
        }
    }

    fn empty(&mut self) {
        self.tally.empty_lines += 1;
    }

    fn other(&mut self) {
        self.tally.other_lines += 1;
    }
}
