//! One worker's way through one block: parse, select, count; and again, from what is left, if its file was truncated meanwhile.
//!
//! Owns: [`Scanner`]. May import: `error`, `time`, `source`, `parse`, `select`, `count`, `facts`,
//! `pipeline::{intake, shares}`. Must not know: the list of inputs.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::count::{Checkpoint, Worker};
use crate::error::Result;
use crate::facts::tally::Tally;
use crate::facts::{ShareKey, ShareSums};
use crate::parse::record::Record;
use crate::parse::{Format, Grammar, LineSink, Parser, Reason, without_byte_order_mark};
use crate::select::{Rules, Selector};
use crate::source::ReadBuffer;
use crate::time::{CivilTime, Day};

use super::intake::{Intake, Lines, Task, TaskOutcome};
use super::shares::ShareTallies;

/// The number of the only site, until there are formats with virtual hosts.
const SITE: u32 = 0;

/// The parser, selector and buffers of a worker. Aligned like [`Worker`], for the same reason.
#[repr(align(128))]
pub(super) struct Scanner<'r> {
    selector: Selector<'r>,
    parser: Option<(Arc<Format>, Parser)>,
    /// Stands for a format that is not known: every line that is not empty is malformed in all of them.
    unknown: Arc<Format>,
    buffer: ReadBuffer,
    /// Days that are in a tally already.
    repeated_hour_days: Vec<Day>,
    /// `None` if they are not wanted.
    shares: Option<ShareTallies>,
}

impl<'r> Scanner<'r> {
    /// A scanner that counts by `rules`, with sums and samples of shares if `has_shares`.
    pub(super) fn new(rules: &'r Rules, has_shares: bool) -> Self {
        Self {
            selector: Selector::new(rules),
            parser: None,
            unknown: Arc::new(Grammar::Combined.into()),
            buffer: ReadBuffer::default(),
            repeated_hour_days: Vec::new(),
            shares: has_shares.then(ShareTallies::default),
        }
    }

    /// Moves the sums and samples of the shares into `shares`.
    pub(super) fn move_shares_into(&mut self, shares: &mut BTreeMap<ShareKey, ShareSums>) {
        if let Some(tallies) = &mut self.shares {
            tallies.move_into(shares);
        }
    }

    /// Counts the lines of `task`, and hands the outcome to the intake.
    pub(super) fn scan(
        &mut self,
        task: &Task,
        worker: &mut Worker,
        intake: &Intake<'_>,
    ) -> Result<()> {
        // If no format was detected, the lines are malformed in every format, so any format will do.
        let format = task.format.as_ref().unwrap_or(&self.unknown);
        let parser = match &mut self.parser {
            Some((last, parser)) if Arc::ptr_eq(last, format) || last == format => parser,
            other => &mut other.insert((Arc::clone(format), Parser::new(format))).1,
        };
        worker.set_source(task.source);
        if let Some(shares) = &mut self.shares {
            shares.begin_task(task.source);
        }
        let mut sink = Sink {
            selector: &mut self.selector,
            worker,
            shares: self.shares.as_mut(),
            is_beacon: format.grammar().is_beacon(),
            tally: Tally::default(),
            invalid: intake.keeps_invalid_lines().then(Vec::new),
            base_offset: 0,
            last_offset_minutes: None,
        };
        let mut outcome = TaskOutcome { bytes: task.bytes(), ..TaskOutcome::default() };
        match &task.lines {
            Lines::File { file, range, hashed } => {
                let checkpoint = sink.worker.checkpoint();
                let buffer = &mut self.buffer;
                let mut each = |offset, lines: &[u8]| sink.count(parser, offset, lines);
                let range = range.clone();
                let read = match hashed.clone() {
                    None => file.lines(range.clone(), buffer, &mut each).map(|()| None),
                    Some(hashed) => {
                        file.hashed_lines(hashed, range.clone(), buffer, &mut each).map(Some)
                    }
                };
                match read {
                    Ok(hash) => outcome.hash = hash,
                    Err(_) => {
                        sink.forget(&checkpoint);
                        let mut end = range.start;
                        let mut each = |offset, lines: &[u8]| {
                            end = offset + lines.len() as u64;
                            sink.count(parser, offset, lines);
                        };
                        outcome.error =
                            Some(file.surviving_lines(range.clone(), buffer, &mut each));
                        outcome.bytes = end.min(range.end) - range.start;
                    }
                }
            }
            Lines::Block(block) => sink.count(parser, block.offset, &block.bytes),
        }
        let Sink { mut tally, invalid, shares, .. } = sink;
        if let Some(shares) = shares {
            shares.finish_task();
        }
        let days = self.selector.repeated_hour_days();
        if days.len() > self.repeated_hour_days.len() {
            tally.repeated_hour_days.extend(&days);
            self.repeated_hour_days = days;
        }
        intake.done(task, TaskOutcome { tally, invalid: invalid.unwrap_or_default(), ..outcome })
    }
}

/// Receives the lines that the parser has read.
struct Sink<'s, 'r> {
    selector: &'s mut Selector<'r>,
    worker: &'s mut Worker,
    shares: Option<&'s mut ShareTallies>,
    is_beacon: bool,
    tally: Tally,
    /// The malformed lines; `None` not to keep them.
    invalid: Option<Vec<u8>>,
    /// Offset in the input of the bytes being parsed.
    base_offset: u64,
    last_offset_minutes: Option<i16>,
}

impl Sink<'_, '_> {
    /// Counts `lines`, which start at `offset` of the log.
    fn count(&mut self, parser: &mut Parser, offset: u64, lines: &[u8]) {
        let end = offset + lines.len() as u64;
        let lines = if offset == 0 { without_byte_order_mark(lines) } else { lines };
        self.base_offset = end - lines.len() as u64;
        self.tally.lines += parser.lines(lines, self);
    }

    /// Undoes all that was counted since `checkpoint`, which is all of this task.
    fn forget(&mut self, checkpoint: &Checkpoint) {
        self.worker.roll_back(checkpoint);
        if let Some(shares) = &mut self.shares {
            shares.drop_task();
        }
        self.tally = Tally::default();
        self.last_offset_minutes = None;
        if let Some(invalid) = &mut self.invalid {
            invalid.clear();
        }
    }

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
        if let Some(shares) = &mut self.shares {
            shares.hit(SITE, time, record);
        }
        if let Some(view) = self.selector.page_view(record, self.is_beacon) {
            self.tally.page_views += 1;
            self.worker.add(SITE, time, view.page, view.visitor);
            if let Some(shares) = &mut self.shares {
                shares.page_view(time, record, &view);
            }
        }
    }

    #[cold]
    fn malformed(&mut self, offset: usize, line_index: u64, line: &[u8], reason: Reason) {
        let offset = self.base_offset + offset as u64;
        // `tally.lines` holds only the pieces before this one.
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

    fn nul_bytes(&mut self) {
        self.tally.nul_lines += 1;
    }
}
