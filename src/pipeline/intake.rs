//! What is to be read next, and what has been: the only state that workers share while they scan.
//!
//! Owns: the order of inputs and blocks, windows, format detection, the inputs' tallies and the file of malformed
//! lines. May import: `source`, `parse` (detection), `tally`, `new_file`. Must not know: what is counted.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{InputReport, Options, Progress};
use crate::error::{Error, Result};
use crate::new_file::NewFile;
use crate::parse::LogFormat;
use crate::source::{BLOCK_BYTES, FileSource, Opened, Stream, StreamBlock, refuse_compressed};
use crate::tally::Tally;

/// Lines for one worker.
pub(super) struct Task {
    /// Number of the input among those given.
    input: usize,
    /// Number of the block in the input.
    block: usize,
    /// Bytes of the input that are done with when this is.
    pub(super) bytes: u64,
    pub(super) format: Option<LogFormat>,
    pub(super) lines: Lines,
}

/// Where a task's lines are.
pub(super) enum Lines {
    /// The lines of a file that start in a range of it.
    File(Arc<FileSource>, Range<u64>),
    /// Lines that were read already.
    Block(StreamBlock),
}

/// Shared by all workers.
pub(super) struct Intake<'o> {
    options: &'o Options,
    window_bytes: u64,
    progress: &'o Progress,
    queue: Mutex<Queue>,
    ledger: Mutex<Ledger>,
}

/// What is to be read.
struct Queue {
    next_input: usize,
    current: Option<Current>,
    /// Bytes the window still takes.
    window_left: u64,
    done: bool,
}

/// The input being handed out.
struct Current {
    input: usize,
    next_block: usize,
    /// Bytes of a stream that were handed out or skipped, and how many were skipped at its end.
    stream_bytes: u64,
    skipped_bytes: u64,
    format: Option<LogFormat>,
    kind: CurrentKind,
}

enum CurrentKind {
    File(Arc<FileSource>),
    Stream(Stream),
}

/// What has been read.
#[derive(Default)]
struct Ledger {
    inputs: BTreeMap<usize, InputState>,
    unreadable: BTreeMap<usize, String>,
    invalid: Option<InvalidLines>,
}

#[derive(Default)]
struct InputState {
    bytes: u64,
    format: Option<LogFormat>,
    tally: Tally,
    /// Lines of each block that is done; turns a sample's place in its block into a line number.
    block_lines: Vec<u64>,
    /// Samples by block, with places still counted from the block's first line.
    samples: BTreeMap<(usize, u64), crate::tally::Sample>,
}

/// The file of malformed lines. Blocks end in any order; their lines are written in the blocks' order.
struct InvalidLines {
    path: PathBuf,
    file: io::BufWriter<NewFile>,
    /// A terminal gets escaped text.
    escape: bool,
    waiting: BTreeMap<(usize, usize), Vec<u8>>,
    /// Tasks handed out and not done, by (input, block).
    open: std::collections::BTreeSet<(usize, usize)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'o> Intake<'o> {
    pub(super) fn new(
        options: &'o Options,
        window_bytes: u64,
        progress: &'o Progress,
    ) -> Result<Self> {
        let invalid = options.invalid_lines.as_deref().map(InvalidLines::create).transpose()?;
        Ok(Self {
            options,
            window_bytes,
            progress,
            queue: Mutex::new(Queue { next_input: 0, current: None, window_left: 0, done: false }),
            ledger: Mutex::new(Ledger { invalid, ..Ledger::default() }),
        })
    }

    /// Whether everything was handed out.
    pub(super) fn is_done(&self) -> bool {
        lock(&self.queue).done
    }

    /// Starts the next window.
    pub(super) fn open_window(&self) {
        lock(&self.queue).window_left = self.window_bytes;
    }

    pub(super) fn keeps_invalid_lines(&self) -> bool {
        self.options.invalid_lines.is_some()
    }

    /// The next lines of this window, `None` at its end.
    pub(super) fn next(&self) -> Result<Option<Task>> {
        let mut queue = lock(&self.queue);
        loop {
            self.progress.check()?;
            if queue.window_left == 0 {
                return Ok(None);
            }
            let Some(current) = &mut queue.current else {
                let Some(input) = self.options.inputs.get(queue.next_input) else {
                    queue.done = true;
                    return Ok(None);
                };
                let number = queue.next_input;
                queue.next_input += 1;
                match input.open(self.options.map).and_then(|opened| self.start(number, opened)) {
                    Ok(current) => queue.current = Some(current),
                    Err(error) => self.fail(number, &error),
                }
                continue;
            };
            match current.next_lines(self.options.format.is_some()) {
                Ok(Some(task)) => {
                    queue.window_left = queue.window_left.saturating_sub(task.bytes);
                    let mut ledger = lock(&self.ledger);
                    if let Some(invalid) = &mut ledger.invalid {
                        invalid.open.insert((task.input, task.block));
                    }
                    return Ok(Some(task));
                }
                Ok(None) => {
                    self.skipped(current.input, current.skipped_bytes);
                    queue.current = None;
                    self.progress.inputs_done.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    let input = current.input;
                    queue.current = None;
                    self.fail(input, &error);
                }
            }
        }
    }

    /// Gets an opened input ready, its format included if it is a file.
    fn start(&self, input: usize, opened: Opened) -> io::Result<Current> {
        let mut format = self.options.format;
        let kind = match opened {
            Opened::Stream(stream) => CurrentKind::Stream(stream),
            Opened::File(file) => {
                let file = Arc::new(file);
                refuse_compressed(&file.beginning()?)?;
                if format.is_none() {
                    format = detect(Arc::clone(&file))?;
                }
                CurrentKind::File(file)
            }
        };
        lock(&self.ledger).inputs.entry(input).or_default().format = self.options.format;
        Ok(Current { input, next_block: 0, stream_bytes: 0, skipped_bytes: 0, format, kind })
    }

    /// Notes that an input could not be read, or not to its end.
    fn fail(&self, input: usize, error: &io::Error) {
        let reason = format!("{:?}: {error}", self.options.inputs[input].display());
        lock(&self.ledger).unreadable.entry(input).or_insert(reason);
    }

    /// Notes bytes at the end of an input that no task holds: the rest of a line that is too long.
    fn skipped(&self, input: usize, bytes: u64) {
        self.progress.bytes.fetch_add(bytes, Ordering::Relaxed);
        lock(&self.ledger).inputs.entry(input).or_default().bytes += bytes;
    }

    /// Takes what a task's lines were.
    pub(super) fn done(
        &self,
        task: &Task,
        bytes: u64,
        mut tally: Tally,
        invalid: Vec<u8>,
        error: Option<io::Error>,
    ) -> Result<()> {
        self.progress.bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some(error) = error {
            self.fail(task.input, &error);
        }
        let mut ledger = lock(&self.ledger);
        let state = ledger.inputs.entry(task.input).or_default();
        state.bytes += bytes;
        state.format = state.format.or(task.format);
        if state.block_lines.len() <= task.block {
            state.block_lines.resize(task.block + 1, 0);
        }
        state.block_lines[task.block] = tally.lines;
        for sample in std::mem::take(&mut tally.samples) {
            state.samples.insert((task.block, sample.offset), sample);
        }
        while state.samples.len() > crate::tally::MALFORMED_SAMPLES {
            state.samples.pop_last();
        }
        state.tally.merge(tally);
        match &mut ledger.invalid {
            Some(lines) => lines.done((task.input, task.block), invalid),
            None => Ok(()),
        }
    }

    /// What was read, and what could not be.
    pub(super) fn finish(self) -> Result<(Vec<InputReport>, Vec<String>)> {
        let ledger = self.ledger.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(invalid) = ledger.invalid {
            invalid.finish()?;
        }
        let inputs = ledger.inputs.into_iter().map(|(input, state)| {
            let mut tally = state.tally;
            for ((block, _), mut sample) in state.samples {
                sample.line_index += state.block_lines[..block].iter().sum::<u64>();
                tally.samples.push(sample);
            }
            let name = self.options.inputs[input].display();
            InputReport { name, bytes: state.bytes, format: state.format, tally }
        });
        Ok((inputs.collect(), ledger.unreadable.into_values().collect()))
    }
}

impl Current {
    /// The next lines.
    fn next_lines(&mut self, format_is_given: bool) -> io::Result<Option<Task>> {
        let block = self.next_block;
        let (bytes, lines) = match &mut self.kind {
            CurrentKind::File(file) => {
                let start = block as u64 * BLOCK_BYTES;
                if start >= file.bytes() {
                    return Ok(None);
                }
                let end = (start + BLOCK_BYTES).min(file.bytes());
                (end - start, Lines::File(Arc::clone(file), start..end))
            }
            CurrentKind::Stream(stream) => {
                let next = stream.next_block()?;
                let bytes = stream.position() - self.stream_bytes;
                self.stream_bytes += bytes;
                let Some(block) = next else {
                    self.skipped_bytes = bytes;
                    return Ok(None);
                };
                if block.offset == 0 {
                    refuse_compressed(&block.bytes)?;
                }
                if self.format.is_none() && !format_is_given {
                    self.format = LogFormat::detect(&block.bytes);
                }
                (bytes, Lines::Block(block))
            }
        };
        self.next_block += 1;
        Ok(Some(Task { input: self.input, block, bytes, format: self.format, lines }))
    }
}

/// The format of a file, judged by the first block of a stream that holds a line of a known format: the same blocks
/// that decide when the bytes come through a pipe.
fn detect(file: Arc<FileSource>) -> io::Result<Option<LogFormat>> {
    let mut stream = Stream::new(Box::new(FileSource::reader(file)));
    while let Some(block) = stream.next_block()? {
        if let Some(format) = LogFormat::detect(&block.bytes) {
            return Ok(Some(format));
        }
    }
    Ok(None)
}

impl InvalidLines {
    fn create(path: &Path) -> Result<Self> {
        let file = NewFile::create(path)?;
        Ok(Self {
            path: path.to_owned(),
            escape: file.is_terminal(),
            file: io::BufWriter::with_capacity(256 * 1024, file),
            waiting: BTreeMap::new(),
            open: std::collections::BTreeSet::new(),
        })
    }

    /// Takes a task's malformed lines and writes those that no earlier task can come before.
    fn done(&mut self, task: (usize, usize), lines: Vec<u8>) -> Result<()> {
        self.open.remove(&task);
        self.waiting.insert(task, lines);
        while let Some(entry) = self.waiting.first_entry() {
            if self.open.first().is_some_and(|open| open < entry.key()) {
                break;
            }
            let lines = entry.remove();
            self.write(&lines).map_err(|error| Error::Write { path: self.path.clone(), error })?;
        }
        Ok(())
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if !self.escape {
            return self.file.write_all(lines);
        }
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            let line = crate::text::from_bytes(line.strip_suffix(b"\n").unwrap_or(line));
            writeln!(self.file, "{}", crate::text::escape_terminal(&line))?;
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        let Self { path, file, .. } = self;
        let file =
            file.into_inner().map_err(|error| Error::Write { path, error: error.into_error() })?;
        file.finish()
    }
}
