//! The wiring of a run: inputs through parsing and selection into the counter, window by window.
//!
//! Owns: [`analyze`], its [`CountingOptions`] and what it returns. May import: every stage's `mod.rs`, rayon.
//! Must not know: clap, indicatif, reports, stores.

mod feed;
mod intake;
mod invalid;
mod scan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rayon::prelude::*;

pub use crate::count::DEFAULT_PAGE_LIMIT;
use crate::count::{Counter, Facts};
use crate::error::{Error, Result};
use crate::facts::tally::Tally;
use crate::parse::LogFormat;
use crate::select::Rules;
use crate::source::{BLOCK_BYTES, Input, SourceIdentity};
use crate::system::progress::{Phase, Progress};
use intake::Intake;
use scan::Scanner;

/// What to analyze and how, checked and ready.
#[derive(Clone, Debug)]
pub struct CountingOptions {
    /// The inputs; each distinct file once.
    pub inputs: Vec<Input>,
    /// The format of all inputs; `None` to detect each one's.
    pub format: Option<LogFormat>,
    /// What counts.
    pub rules: Rules,
    /// Worker threads, at least 1.
    pub threads: usize,
    /// Whether regular files are mapped into memory.
    pub map: bool,
    /// About how many bytes of log are held as records before they become day facts.
    pub window_bytes: u64,
    /// Most distinct pages.
    pub page_limit: u64,
    /// Where to write malformed lines. With it inputs are read one after the other.
    pub invalid_lines: Option<PathBuf>,
    /// What is to be known of the inputs as sources.
    pub tracking: Tracking,
}

/// How a run tells its inputs from those of other runs; by default it does not.
#[derive(Clone, Debug, Default)]
pub struct Tracking {
    /// Whether to hash what is counted: [`InputReport::identity`].
    pub identify: bool,
    /// Whether a plain file is counted up to its last line end only: what follows may be a line that is still being
    /// written, and is [`InputReport::pending_bytes`]. Compressed files and pipes count to their end.
    pub whole_lines: bool,
    /// What was counted of inputs before, by their number among [`CountingOptions::inputs`]: only the rest counts now.
    pub counted: BTreeMap<usize, Counted>,
}

/// What was counted of an input before.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Its bytes. Lines that start behind them count now; a line that starts within and ends behind was counted,
    /// torn. Nothing is checked: see [`Input::relations`].
    pub identity: SourceIdentity,
    /// Its lines, so that samples of malformed lines carry their numbers in the whole input; with 0 they are counted
    /// from the first new line. Offsets are always those in the whole input.
    pub lines: u64,
}

/// No inputs, and everything else as the command line has it by default.
impl Default for CountingOptions {
    fn default() -> Self {
        Self {
            inputs: Vec::new(),
            format: None,
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

/// What a run found.
#[derive(Debug)]
pub struct Analysis {
    /// The facts of every day.
    pub facts: Facts,
    /// Each input that could be opened, in the order given.
    pub inputs: Vec<InputReport>,
    /// What could not be read, in words; the rest was.
    pub unreadable: Vec<String>,
    /// What is worth telling about inputs that were read, in words.
    pub notes: Vec<String>,
    /// How the time was spent.
    pub stages: Stages,
}

/// One input as it was read.
#[derive(Debug)]
pub struct InputReport {
    /// Its name.
    pub name: String,
    /// Bytes of log read; of a compressed input after decoding.
    pub bytes: u64,
    /// Its format; `None` where no line of any known format was found.
    pub format: Option<LogFormat>,
    /// All that is counted of it now, with what was counted before; if [`Tracking::identify`] asked for it and the
    /// input could be read to its end.
    pub identity: Option<SourceIdentity>,
    /// Bytes behind the last line end that were left for another time.
    pub pending_bytes: u64,
    /// Sums over its lines.
    pub tally: Tally,
}

/// Wall-clock time of the stages, for `--stats`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stages {
    /// Reading, parsing and selecting.
    pub scan: Duration,
    /// Turning windows into day facts: the next two, and what is encoded.
    pub fold: Duration,
    /// Of it: numbering names and visitors, and dealing records out to days.
    pub visitors: Duration,
    /// Of it: sorting records into facts.
    pub facts: Duration,
    /// Number of windows.
    pub windows: u64,
}

/// Reads all inputs and counts them.
///
/// Call it inside the thread pool that it may use (see [`thread_pool`]). An input that cannot be read, or not to its
/// end, is named in [`Analysis::unreadable`], and what was read of it counts.
///
/// # Errors
/// [`Error::Interrupted`], [`Error::Limit`], [`Error::Write`] for the file of malformed lines.
pub fn analyze(options: &CountingOptions, progress: &Progress) -> Result<Analysis> {
    analyze_by(options, progress, BLOCK_BYTES)
}

/// [`analyze`] with files split, and sources hashed, by blocks of `block_bytes`.
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
    let mut scanners: Vec<Scanner<'_>> =
        (0..options.threads).map(|_| Scanner::new(&options.rules)).collect();
    let mut stages = Stages::default();
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
        progress.check()?;
        stages.fold += start.elapsed();
        stages.visitors += times.visitors;
        stages.facts += times.facts;
        stages.windows += 1;
    }
    let read = intake.finish()?;
    Ok(Analysis {
        facts: counter.finish(),
        inputs: read.inputs,
        unreadable: read.unreadable,
        notes: read.notes,
        stages,
    })
}

/// The window that cuts `total` bytes into equal windows nearest to `window_bytes`: a small rest would cost a whole
/// window's end. Never more than half as large again.
fn even_windows(total: u64, window_bytes: u64) -> u64 {
    let windows = (total.saturating_add(window_bytes / 2) / window_bytes).max(1);
    // One byte more, so that the last window is open until it is known to be the last.
    (total.div_ceil(windows) + 1)
        .clamp(window_bytes / 2 + 1, window_bytes.saturating_add(window_bytes / 2))
}

/// A pool of `threads` threads for [`analyze`] and what follows it.
///
/// # Errors
/// [`Error::Threads`] if the system gives none.
pub fn thread_pool(threads: usize) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| Error::Threads(error.to_string()))
}
