//! The pipeline of a run: inputs through parsing and selection into the counter, window by window.
//!
//! Owns: [`analyze`], its [`CountingOptions`] and its result, [`Analysis`]. May import: `error`, `text`, `time`, `system`,
//! `source`, `parse`, `select`, `facts`, `count`, rayon. Must not know: command line, cells, databases, reports, stores.

mod feed;
mod input_state;
mod intake;
mod invalid;
mod judge;
mod scan;
mod shares;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rayon::prelude::*;

pub use crate::count::DEFAULT_PAGE_LIMIT;
use crate::count::{Counter, Facts};
use crate::error::{Error, Result};
use crate::facts::tally::Tally;
use crate::facts::{ShareKey, ShareSums};
use crate::parse::Format;
use crate::select::Rules;
use crate::source::{BLOCK_BYTES, Input, SourceIdentity};
use crate::system::progress::{Phase, Progress};
use intake::Intake;
pub(crate) use judge::Judge;
use scan::Scanner;

/// Which format inputs have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FormatChoice {
    /// The one that each input's first lines are of. An input that is of none for certain is left out.
    #[default]
    Detect,
    /// The one that the user named: obeyed, with a warning if the lines look otherwise.
    Named(Arc<Format>),
    /// The one that was found when the input's first lines were counted, in another run.
    Kept(Arc<Format>),
}

/// The inputs and options of a run, already checked.
#[derive(Clone, Debug)]
pub struct CountingOptions {
    /// The inputs, each distinct file once.
    pub inputs: Vec<Input>,
    /// The format of the inputs.
    pub format: FormatChoice,
    /// The counting rules.
    pub rules: Rules,
    /// Number of worker threads, at least 1.
    pub threads: usize,
    /// Whether regular files are mapped into memory.
    pub map: bool,
    /// Approximate number of bytes of the log per window. The page views of a window are held as records until they become
    /// day facts.
    pub window_bytes: u64,
    /// Most distinct pages; more are an error.
    pub page_limit: u64,
    /// File to write malformed lines to. If it is set, inputs are read one after the other.
    pub invalid_lines: Option<PathBuf>,
    /// Whether and how inputs are followed as sources.
    pub tracking: Tracking,
}

/// Which inputs are followed as sources. The default is none: each input is counted as a whole, unidentified, and the facts
/// of all are kept together.
#[derive(Clone, Debug, Default)]
pub struct Tracking {
    /// Whether to compute [`InputReport::identity`] of all inputs.
    pub identify: bool,
    /// The inputs that are identified and whose facts are kept apart, by index in [`CountingOptions::inputs`].
    pub sources: BTreeMap<usize, TrackedInput>,
    /// Whether to compute [`Analysis::shares`].
    pub shares: bool,
}

impl Tracking {
    /// Number in [`ShareKey::source`] of input `input`: of those kept apart their index, of all others one that no input
    /// has for its index, and 0 if none is kept apart.
    fn source(&self, input: usize, inputs: usize) -> u32 {
        let number = match (self.sources.is_empty(), self.sources.contains_key(&input)) {
            (true, _) => 0,
            (false, true) => input,
            (false, false) => inputs,
        };
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    fn identifies(&self, input: usize) -> bool {
        self.identify || self.sources.contains_key(&input)
    }

    fn has_whole_lines(&self, input: usize) -> bool {
        self.sources.get(&input).is_some_and(|tracked| tracked.whole_lines)
    }

    fn counted(&self, input: usize) -> Option<&Counted> {
        self.sources.get(&input)?.counted.as_ref()
    }
}

/// How an input is followed as a source.
#[derive(Clone, Debug, Default)]
pub struct TrackedInput {
    /// Whether a plain file is counted only up to its last line end. The rest may be a line that is still being written:
    /// it is counted in [`InputReport::pending_bytes`]. Compressed files and pipes are counted to their end.
    pub whole_lines: bool,
    /// The part that was counted before. Only the rest is counted.
    pub counted: Option<Counted>,
    /// The format that was found when the input's first lines were counted; `None` for that of [`CountingOptions`].
    pub kept_format: Option<Arc<Format>>,
}

/// The part of an input that was counted before: its first bytes.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Identity of that part. Lines that start after it are counted now; a line that starts in it counts as counted, even
    /// if it has grown. The identity is not checked against the input: see [`Input::relations`].
    pub identity: SourceIdentity,
    /// Number of lines of that part, which is added to the line numbers of malformed samples. With 0 they start at the
    /// first new line. Byte offsets are always those in the whole log.
    pub lines: u64,
}

/// No inputs; all else as the defaults of the command line.
impl Default for CountingOptions {
    fn default() -> Self {
        Self {
            inputs: Vec::new(),
            format: FormatChoice::Detect,
            rules: Rules::default(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            map: true,
            window_bytes: 1 << 30,
            page_limit: DEFAULT_PAGE_LIMIT,
            invalid_lines: None,
            tracking: Tracking::default(),
        }
    }
}

/// The result of a run.
#[derive(Debug)]
pub struct Analysis {
    /// The facts of every day. [`Tracking::sources`] says which inputs have facts of their own.
    pub facts: Facts,
    /// What else is known of each share, also of those without facts; empty without [`Tracking::shares`].
    pub shares: BTreeMap<ShareKey, ShareSums>,
    /// The inputs that could be opened, in the order given.
    pub inputs: Vec<InputReport>,
    /// A sentence for each input that could not be read, or only in part.
    pub unreadable: Vec<String>,
    /// Remarks for the user about inputs that were read.
    pub notes: Vec<String>,
    /// Messages about inputs whose numbers may not mean what the user takes them for.
    pub warnings: Vec<String>,
    /// Wall-clock time of the stages.
    pub stages: Stages,
}

/// What was read of one input.
#[derive(Debug)]
pub struct InputReport {
    /// Index of the input in [`CountingOptions::inputs`].
    pub index: usize,
    /// Name of the input; see [`Input::display`].
    pub name: String,
    /// Number of bytes of the log read, after decoding.
    pub bytes: u64,
    /// The format; `None` if no line of a known format was found.
    pub format: Option<Arc<Format>>,
    /// Identity of all bytes counted, in this run and before, if [`Tracking`] asked for it and the input could be read to
    /// its end.
    pub identity: Option<SourceIdentity>,
    /// Number of bytes after the last line end that were not counted; see [`TrackedInput::whole_lines`].
    pub pending_bytes: u64,
    /// Sums over the lines read.
    pub tally: Tally,
}

/// Wall-clock time of the stages, for `--stats`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stages {
    /// Reading, parsing and selecting.
    pub scan: Duration,
    /// Turning windows into day facts: the two steps below, and encoding.
    pub fold: Duration,
    /// Part of `fold`: numbering names and visitors, and distributing records to buckets.
    pub visitors: Duration,
    /// Part of `fold`: sorting records into facts.
    pub facts: Duration,
    /// Number of windows.
    pub windows: u64,
}

impl Stages {
    /// Adds those of another scan.
    pub fn add(&mut self, other: &Self) {
        let Self { scan, fold, visitors, facts, windows } = other;
        self.scan += *scan;
        self.fold += *fold;
        self.visitors += *visitors;
        self.facts += *facts;
        self.windows += windows;
    }
}

/// Reads all inputs and counts them.
///
/// Runs in the current thread pool, which must have [`CountingOptions::threads`] threads; see [`thread_pool`]. An input that
/// cannot be read, or only in part, is no error: it is named in [`Analysis::unreadable`], and what was read of it counts.
///
/// # Errors
/// [`Error::Interrupted`]; [`Error::Limit`]; [`Error::Write`] for the file of malformed lines.
pub fn analyze(options: &CountingOptions, progress: &Progress) -> Result<Analysis> {
    analyze_by(options, progress, BLOCK_BYTES)
}

/// As [`analyze`], with blocks of `block_bytes` instead of [`BLOCK_BYTES`].
fn analyze_by(
    options: &CountingOptions,
    progress: &Progress,
    block_bytes: u64,
) -> Result<Analysis> {
    let total = |bytes: fn(&Input) -> Option<u64>| {
        let mut sizes = options.inputs.iter().map(bytes);
        sizes.try_fold(0, |sum: u64, size| Some(sum.saturating_add(size?)))
    };
    if let Some(total) = total(Input::bytes) {
        progress.total_bytes.store(total, Ordering::Relaxed);
    }
    let window_bytes = match total(Input::log_bytes) {
        Some(total) => even_windows(total, options.window_bytes),
        None => options.window_bytes,
    };
    let intake = Intake::new(options, block_bytes, window_bytes, progress)?;
    let mut counter = Counter::new(options.threads, options.page_limit);
    let mut scanners: Vec<Scanner<'_>> = (0..options.threads)
        .map(|_| Scanner::new(&options.rules, options.tracking.shares))
        .collect();
    let (mut stages, mut shares) = (Stages::default(), BTreeMap::new());
    while !intake.is_done() {
        let start = Instant::now();
        progress.enter(Phase::Counting);
        counter.begin_window();
        stages.fold += start.elapsed();
        let start = Instant::now();
        progress.enter(Phase::Reading);
        intake.open_window();
        counter.workers_mut().par_iter_mut().zip(&mut scanners).try_for_each(
            |(worker, scanner)| {
                while let Some(task) = intake.next()? {
                    scanner.scan(&task, worker, &intake)?;
                }
                Ok(())
            },
        )?;
        progress.check()?;
        stages.scan += start.elapsed();
        let start = Instant::now();
        progress.enter(Phase::Counting);
        let times = counter.end_window()?;
        scanners.iter_mut().for_each(|scanner| scanner.move_shares_into(&mut shares));
        progress.check()?;
        stages.fold += start.elapsed();
        stages.visitors += times.visitors;
        stages.facts += times.facts;
        stages.windows += 1;
    }
    let read = intake.finish()?;
    Ok(Analysis {
        facts: counter.finish(),
        shares,
        inputs: read.inputs,
        unreadable: read.unreadable,
        notes: read.notes,
        warnings: read.warnings,
        stages,
    })
}

/// The size, close to `window_bytes`, that cuts `total` bytes into equal windows: ending a small last window would cost as
/// much as any other. At most 1.5 times `window_bytes`.
fn even_windows(total: u64, window_bytes: u64) -> u64 {
    let windows = (total.saturating_add(window_bytes / 2) / window_bytes).max(1);
    // One byte more, so that the last window is not full before the inputs are known to have ended.
    (total.div_ceil(windows) + 1)
        .clamp(window_bytes / 2 + 1, window_bytes.saturating_add(window_bytes / 2))
}

/// A pool of `threads` threads, for [`analyze`] and the steps after it.
///
/// # Errors
/// [`Error::Threads`] if the threads could not be started.
pub fn thread_pool(threads: usize) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| Error::Threads(error.to_string()))
}
