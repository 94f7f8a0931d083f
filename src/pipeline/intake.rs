//! The intake of a run: what is to be read next, when a window ends, and what has been read. Workers share no other state
//! while they scan.
//!
//! Owns: the order of inputs and blocks, windows, format detection of files. May import: `error`, `source`, `parse`
//! (detection), `facts::tally`, `system::progress`, `pipeline::{feed, input_state, invalid}`. Must not know: what is
//! counted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::feed::{Event, Feed, Feeds};
use super::input_state::InputState;
use super::invalid::InvalidLines;
use super::judge::Judge;
use super::{CountingOptions, FormatChoice, InputReport};
use crate::error::Result;
use crate::facts::tally::Tally;
use crate::parse::Format;
use crate::parse::detect::Refusal;
use crate::source::{BlockHash, FileSource, Opened, Opening, Stream, StreamBlock};
use crate::system::progress::Progress;

/// Time that a worker waits for a stream before it checks whether the run was interrupted.
const STREAM_WAIT: Duration = Duration::from_millis(50);

/// Lines for one worker.
pub(super) struct Task {
    /// Index of the input among those given.
    input: usize,
    /// Number of the block in the input, from 0.
    block: usize,
    /// Number of the source that the lines are of.
    pub(super) source: u32,
    pub(super) format: Option<Arc<Format>>,
    pub(super) lines: Lines,
}

impl Task {
    /// Number of bytes of the log that the task accounts for.
    pub(super) fn bytes(&self) -> u64 {
        match &self.lines {
            Lines::File { range, .. } => range.end - range.start,
            Lines::Block(block) => block.log_bytes,
        }
    }
}

/// The lines of a task.
pub(super) enum Lines {
    /// The lines of a file that start in a range of it.
    File {
        file: Arc<FileSource>,
        range: Range<u64>,
        /// The range to hash: the whole block that ends with `range`. `None` not to hash.
        hashed: Option<Range<u64>>,
    },
    /// Lines that a reading thread has read.
    Block(StreamBlock),
}

/// The result of a task.
#[derive(Default)]
pub(super) struct TaskOutcome {
    /// Number of bytes of the log that were scanned or skipped.
    pub(super) bytes: u64,
    pub(super) tally: Tally,
    /// The malformed lines; empty unless they are kept.
    pub(super) invalid: Vec<u8>,
    /// Hash of the task's block, if it was to be hashed and could be read.
    pub(super) hash: Option<BlockHash>,
    /// Why lines are missing.
    pub(super) error: Option<io::Error>,
}

/// The state that all workers share.
pub(super) struct Intake<'o> {
    options: &'o CountingOptions,
    block_bytes: u64,
    window_bytes: u64,
    progress: &'o Progress,
    queue: Mutex<Queue>,
    results: Mutex<Results>,
}

/// What is still to be read.
struct Queue {
    next_input: usize,
    /// Opened plain files; the first one is being handed out.
    files: VecDeque<CurrentFile>,
    /// All other opened inputs.
    feeds: Feeds,
    /// Number of bytes that the window still takes.
    window_left: u64,
    done: bool,
}

/// A file being handed out.
struct CurrentFile {
    input: usize,
    /// Offset at which the next task starts.
    offset: u64,
    format: Option<Arc<Format>>,
    file: Arc<FileSource>,
}

/// What has been read so far.
#[derive(Default)]
struct Results {
    inputs: BTreeMap<usize, InputState>,
    unreadable: BTreeMap<usize, String>,
    notes: BTreeMap<usize, String>,
    warnings: BTreeMap<usize, Vec<String>>,
    /// Inputs that are left out whole.
    refused: BTreeSet<usize>,
    invalid: Option<InvalidLines>,
}

/// The final results.
pub(super) struct ReadInputs {
    pub(super) inputs: Vec<InputReport>,
    pub(super) unreadable: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) warnings: Vec<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'o> Intake<'o> {
    pub(super) fn new(
        options: &'o CountingOptions,
        block_bytes: u64,
        window_bytes: u64,
        progress: &'o Progress,
    ) -> Result<Self> {
        let invalid = options.invalid_lines.as_deref().map(InvalidLines::create).transpose()?;
        let queue = Queue {
            next_input: 0,
            files: VecDeque::new(),
            feeds: Feeds::new(options.threads),
            window_left: 0,
            done: false,
        };
        Ok(Self {
            options,
            block_bytes,
            window_bytes,
            progress,
            queue: Mutex::new(queue),
            results: Mutex::new(Results { invalid, ..Results::default() }),
        })
    }

    /// Whether all lines were handed out.
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

    /// The next lines of this window; `None` at its end. Lines of streams come first, so that decoders do not wait.
    pub(super) fn next(&self) -> Result<Option<Task>> {
        let mut queue = lock(&self.queue);
        loop {
            self.progress.check()?;
            if queue.window_left == 0 {
                return Ok(None);
            }
            self.open_ahead(&mut queue);
            let is_idle = queue.files.is_empty();
            if is_idle && queue.feeds.active() == 0 {
                queue.done = true;
                return Ok(None);
            }
            let task = match queue.feeds.next(if is_idle { STREAM_WAIT } else { Duration::ZERO }) {
                Some(event) => self.take(event),
                None => self.next_of_file(&mut queue.files),
            };
            if let Some(task) = task {
                queue.window_left = queue.window_left.saturating_sub(task.bytes());
                if let Some(invalid) = &mut lock(&self.results).invalid {
                    invalid.handed_out((task.input, task.block));
                }
                return Ok(Some(task));
            }
        }
    }

    /// Opens inputs, in their order, until as many are open as there are threads.
    fn open_ahead(&self, queue: &mut Queue) {
        // Malformed lines are written in the order of the inputs.
        let most = if self.keeps_invalid_lines() { 1 } else { self.options.threads };
        while queue.files.len() + queue.feeds.active() < most {
            let number = queue.next_input;
            let Some(input) = self.options.inputs.get(number) else { return };
            queue.next_input += 1;
            // Opening a pipe may block, so it is left to the reading thread.
            let opened = if input.bytes().is_some() {
                input
                    .open(self.opening(number))
                    .and_then(|opened| self.start(queue, number, opened))
            } else {
                let (input, opening) = (input.clone(), self.opening(number));
                self.feed(&mut queue.feeds, number, move || {
                    Ok(match input.open(opening)? {
                        Opened::Stream(stream) => stream,
                        Opened::File(file) => Stream::of_file(Arc::new(file)),
                    })
                })
            };
            if let Err(error) = opened {
                self.fail(number, &error);
                self.progress.inputs_done.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn opening(&self, input: usize) -> Opening {
        let whole_lines = self.options.tracking.has_whole_lines(input);
        Opening { map: self.options.map, whole_lines }
    }

    /// Number of the source that an input's lines are of.
    fn source(&self, input: usize) -> u32 {
        self.options.tracking.source(input, self.options.inputs.len())
    }

    fn judge(&self, input: usize) -> Judge {
        let tracked = self.options.tracking.sources.get(&input);
        match tracked.and_then(|tracked| tracked.kept_format.clone()) {
            Some(format) => Judge::new(&FormatChoice::Kept(format)),
            None => Judge::new(&self.options.format),
        }
    }

    /// Offset in the log of an input at which counting starts.
    fn start_offset(&self, input: usize) -> u64 {
        self.options.tracking.counted(input).map_or(0, |counted| counted.identity.bytes)
    }

    /// Puts an opened input into the queue; of a file, detects the format first.
    fn start(&self, queue: &mut Queue, input: usize, opened: Opened) -> io::Result<()> {
        let mut judge = self.judge(input);
        lock(&self.results).inputs.entry(input).or_default().format = judge.format();
        let file = match opened {
            Opened::Stream(stream) => return self.feed(&mut queue.feeds, input, || Ok(stream)),
            Opened::File(file) => Arc::new(file),
        };
        let verdict = judge_file(&mut judge, Arc::clone(&file))?;
        let is_refused = verdict.is_err();
        self.judged(input, verdict.map(|()| judge.take_warnings()));
        if is_refused {
            self.progress.bytes.fetch_add(file.bytes() + file.pending_bytes(), Ordering::Relaxed);
            self.progress.inputs_done.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let format = judge.format();
        let offset = self.start_offset(input);
        let skipped = offset.min(file.bytes()) + file.pending_bytes();
        self.progress.bytes.fetch_add(skipped, Ordering::Relaxed);
        let mut results = lock(&self.results);
        let state = results.inputs.entry(input).or_default();
        state.file_bytes = Some(file.bytes());
        state.pending_bytes = file.pending_bytes();
        queue.files.push_back(CurrentFile { input, offset, format, file });
        Ok(())
    }

    fn feed(
        &self,
        feeds: &mut Feeds,
        input: usize,
        open: impl FnOnce() -> io::Result<Stream> + Send + 'static,
    ) -> io::Result<()> {
        let feed = Feed {
            input,
            judge: self.judge(input),
            start_offset: self.start_offset(input),
            hashed_blocks: self.options.tracking.identifies(input).then_some(self.block_bytes),
        };
        feeds.start(feed, open)
    }

    /// Handles an event; returns a task if it brings lines.
    fn take(&self, event: Event) -> Option<Task> {
        match event {
            Event::Opened { input, format } => {
                lock(&self.results).inputs.entry(input).or_default().format = format;
                None
            }
            Event::Lines { input, block, format, lines } => {
                let source = self.source(input);
                Some(Task { input, block, source, format, lines: Lines::Block(lines) })
            }
            Event::Judged { input, verdict } => {
                self.judged(input, verdict);
                None
            }
            Event::Ended { input, end, error } => {
                self.progress.bytes.fetch_add(end.input_bytes, Ordering::Relaxed);
                self.progress.inputs_done.fetch_add(1, Ordering::Relaxed);
                if let Some(error) = error {
                    self.fail(input, &error);
                }
                let mut results = lock(&self.results);
                if let Some(note) = end.note {
                    let name = self.options.inputs[input].display();
                    results.notes.insert(input, format!("{name:?}: {note}"));
                }
                if let Some(state) = results.inputs.get_mut(&input) {
                    state.bytes += end.log_bytes;
                    state.identity = end.identity;
                }
                None
            }
        }
    }

    /// The next block of the first file; `None` if that file is finished or there is none.
    fn next_of_file(&self, files: &mut VecDeque<CurrentFile>) -> Option<Task> {
        let current = files.front_mut()?;
        let start = current.offset;
        if start >= current.file.bytes() {
            files.pop_front();
            self.progress.inputs_done.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let block = start / self.block_bytes;
        let end = ((block + 1) * self.block_bytes).min(current.file.bytes());
        current.offset = end;
        let hashed = block * self.block_bytes..end;
        let lines = Lines::File {
            file: Arc::clone(&current.file),
            range: start..end,
            hashed: self.options.tracking.identifies(current.input).then_some(hashed),
        };
        let block = usize::try_from(block).unwrap_or(usize::MAX);
        let (input, source) = (current.input, self.source(current.input));
        Some(Task { input, block, source, format: current.format.clone(), lines })
    }

    /// Takes what the first lines of an input say about it.
    fn judged(&self, input: usize, verdict: std::result::Result<Vec<String>, Refusal>) {
        let name = self.options.inputs[input].display();
        let mut results = lock(&self.results);
        match verdict {
            Ok(warnings) => {
                let warnings = warnings.into_iter().map(|warning| format!("{name:?}: {warning}"));
                results.warnings.entry(input).or_default().extend(warnings);
            }
            Err(Refusal(reason)) => {
                results.refused.insert(input);
                results.unreadable.insert(input, format!("{name:?} is left out: {reason}"));
            }
        }
    }

    /// Records that an input could not be read, or only in part.
    fn fail(&self, input: usize, error: &io::Error) {
        let reason = format!("{:?}: {error}", self.options.inputs[input].display());
        lock(&self.results).unreadable.entry(input).or_insert(reason);
    }

    /// Takes the outcome of a task.
    pub(super) fn done(&self, task: &Task, outcome: TaskOutcome) -> Result<()> {
        let TaskOutcome { bytes, tally, invalid, hash, error } = outcome;
        let input_bytes = match &task.lines {
            Lines::File { .. } => bytes,
            Lines::Block(block) => block.input_bytes,
        };
        self.progress.bytes.fetch_add(input_bytes, Ordering::Relaxed);
        if let Some(error) = error {
            self.fail(task.input, &error);
        }
        let mut results = lock(&self.results);
        let state = results.inputs.entry(task.input).or_default();
        state.add(task.block, bytes, tally, hash);
        if state.format.is_none() {
            state.format.clone_from(&task.format);
        }
        match &mut results.invalid {
            Some(lines) => lines.done((task.input, task.block), invalid),
            None => Ok(()),
        }
    }

    /// The final results. Finishes the file of malformed lines.
    pub(super) fn finish(self) -> Result<ReadInputs> {
        let results = self.results.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(invalid) = results.invalid {
            invalid.finish()?;
        }
        let tracking = &self.options.tracking;
        let mut notes: Vec<String> = results.notes.into_values().collect();
        let read = results.inputs.into_iter().filter(|(input, _)| !results.refused.contains(input));
        let inputs = read.map(|(input, state)| {
            let is_whole = tracking.identifies(input) && !results.unreadable.contains_key(&input);
            let name = self.options.inputs[input].display();
            notes.extend(state.reading_notes().map(|note| format!("{name:?}: {note}")));
            state.report(input, name, tracking.counted(input), is_whole.then_some(self.block_bytes))
        });
        let inputs = inputs.collect();
        Ok(ReadInputs {
            inputs,
            unreadable: results.unreadable.into_values().collect(),
            notes,
            warnings: results.warnings.into_values().flatten().collect(),
        })
    }
}

/// Judges a file by the blocks of a stream: the same that decide when its bytes come through a pipe.
fn judge_file(
    judge: &mut Judge,
    file: Arc<FileSource>,
) -> io::Result<std::result::Result<(), Refusal>> {
    let mut stream = Stream::of_file(file);
    while let Some(block) = stream.next_block()? {
        match judge.look_at(&block.bytes) {
            Ok(false) => {}
            Ok(true) => break,
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
    Ok(Ok(()))
}
