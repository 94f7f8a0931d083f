//! The progress bar, drawn on standard error from counters that the run keeps.
//!
//! Owns: the bar and its thread. May import: indicatif, `system` (progress), `output`. Must not know: what the run does.

use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;
use crate::system::progress::{Phase, Progress};

/// A bar that follows a run. Dropping it takes it off the screen.
#[derive(Debug)]
pub(super) struct Bar {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Time between two drawings of the bar.
const REDRAW: Duration = Duration::from_millis(100);
/// Time between two lines where the bar cannot be redrawn in place.
const NEW_LINE: Duration = Duration::from_secs(1);
/// The shown rate is the mean over this time.
const RATE_SPAN: Duration = Duration::from_secs(8);

/// The bar on the screen, for a signal that ends the process without dropping it.
static ON_SCREEN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Makes [`clear`] take `bar` off the screen.
pub(super) fn clear_at_end(bar: &ProgressBar) {
    *ON_SCREEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
}

/// Takes the bar off the screen, if there is one.
pub(super) fn clear() {
    if let Some(bar) = ON_SCREEN.lock().unwrap_or_else(PoisonError::into_inner).take() {
        bar.finish_and_clear();
    }
}

impl Bar {
    /// Shows the `progress` of a run over `inputs` inputs: redrawn in place on a terminal, else a line every second.
    pub(super) fn start(progress: Arc<Progress>, inputs: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let view = View { progress, inputs, start: Instant::now(), samples: VecDeque::new() };
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(move || {
            if io::stderr().is_terminal() && !output::is_dumb() {
                redraw(view, &stopped);
            } else {
                print_lines(view, &stopped);
            }
        });
        Self { stop, thread: thread.ok() }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn redraw(mut view: View, stopped: &AtomicBool) {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg}") {
        bar.set_style(style);
    }
    clear_at_end(&bar);
    // A very short run shows no bar.
    std::thread::park_timeout(REDRAW);
    while !stopped.load(Ordering::Relaxed) {
        let width = terminal_size::terminal_size_of(io::stderr());
        let width = width.map_or(80, |(width, _)| usize::from(width.0));
        let state = view.state();
        // The last column stays free: some terminals begin a new line when it is written.
        bar.set_message(state.text(width.saturating_sub(1), output::is_unicode()));
        bar.tick();
        std::thread::park_timeout(REDRAW);
    }
    clear();
}

fn print_lines(mut view: View, stopped: &AtomicBool) {
    let mut last = Instant::now();
    while !stopped.load(Ordering::Relaxed) {
        let state = view.state();
        if last.elapsed() >= NEW_LINE {
            last = Instant::now();
            output::eprint_line(&state.text(0, output::is_unicode()));
        }
        std::thread::park_timeout(REDRAW);
    }
}

/// Reads the counters and keeps their recent history.
struct View {
    progress: Arc<Progress>,
    inputs: u64,
    start: Instant,
    /// When how many bytes had been read, over the last [`RATE_SPAN`], oldest first.
    samples: VecDeque<(Instant, u64)>,
}

impl View {
    fn state(&mut self) -> State {
        let bytes = self.progress.bytes.load(Ordering::Relaxed);
        let now = Instant::now();
        self.samples.push_back((now, bytes));
        while self.samples.len() > 2 && now - self.samples[0].0 > RATE_SPAN {
            self.samples.pop_front();
        }
        let (then, bytes_then) = self.samples[0];
        let then = if bytes_then == 0 { self.start } else { then };
        let seconds = (now - then).as_secs_f64();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate for the eye"
        )]
        let rate = ((bytes - bytes_then) as f64 / seconds.max(0.001)) as u64;
        let done = self.progress.inputs_done.load(Ordering::Relaxed);
        State {
            phase: self.progress.phase(),
            bytes,
            total: self.progress.total_bytes.load(Ordering::Relaxed),
            rate,
            elapsed: now - self.start,
            input: (done + 1).min(self.inputs),
            inputs: self.inputs,
        }
    }
}

/// What the bar shows.
#[derive(Clone, Debug)]
struct State {
    phase: Phase,
    bytes: u64,
    /// 0 if unknown.
    total: u64,
    /// Bytes a second.
    rate: u64,
    elapsed: Duration,
    /// The number of the input being read, from 1.
    input: u64,
    inputs: u64,
}

const MOST_BAR_COLUMNS: usize = 30;
const LEAST_BAR_COLUMNS: usize = 5;

impl State {
    /// One line of at most `width` columns, with a bar if there is room; for `width` 0, a line of any length without a bar.
    fn text(&self, width: usize, unicode: bool) -> String {
        let total = self.total.max(self.bytes);
        let knows_total = self.total > 0;
        let percent = if knows_total {
            u64::try_from(u128::from(self.bytes) * 100 / u128::from(total)).unwrap_or(100)
        } else {
            0
        };
        // The most important part first: those that do not fit are dropped from the end.
        let mut parts = Vec::new();
        match self.phase {
            Phase::Reading | Phase::Counting if knows_total => {
                parts.push(format!("{percent:>3} %"));
                if self.phase == Phase::Counting {
                    parts.push("counting".to_owned());
                } else if self.rate > 0 {
                    let left = (total - self.bytes).div_ceil(self.rate);
                    parts.push(format!("{} left", duration(left)));
                }
                parts.push(format!("{} of {}", BinaryBytes(self.bytes), BinaryBytes(total)));
            }
            Phase::Reading | Phase::Counting => {
                parts.push(BinaryBytes(self.bytes).to_string());
                let is_counting = self.phase == Phase::Counting;
                parts.push(if is_counting { "counting" } else { "read" }.to_owned());
                parts.push(duration(self.elapsed.as_secs()));
            }
            Phase::Reporting | Phase::WritingCells | Phase::Publishing => {
                let text = match self.phase {
                    Phase::WritingCells => "writing cells",
                    Phase::Publishing => "publishing",
                    _ => "making the report",
                };
                parts.push(text.to_owned());
                parts.push(duration(self.elapsed.as_secs()));
            }
        }
        if self.phase == Phase::Reading && self.rate > 0 {
            parts.push(format!("{}/s", BinaryBytes(self.rate)));
        }
        if self.inputs > 1 && matches!(self.phase, Phase::Reading | Phase::Counting) {
            parts.push(format!("file {} of {}", self.input, self.inputs));
        }
        if width == 0 {
            return parts.join("  ").trim_start().to_owned();
        }
        let mut text = String::new();
        for part in parts {
            let gap = if text.is_empty() { 0 } else { 2 };
            if text.chars().count() + gap + part.len() > width {
                break;
            }
            text.extend(std::iter::repeat_n(' ', gap));
            text.push_str(&part);
        }
        let room = width.saturating_sub(text.len() + 1).min(MOST_BAR_COLUMNS);
        let is_measured = knows_total && matches!(self.phase, Phase::Reading | Phase::Counting);
        if !is_measured || room < LEAST_BAR_COLUMNS {
            return text;
        }
        let full = usize::try_from(percent).unwrap_or(100).min(100) * room / 100;
        let (done, open) = if unicode { ("█", "░") } else { ("#", ".") };
        format!("{}{} {text}", done.repeat(full), open.repeat(room - full))
    }
}

/// Seconds as `45 s`, `2 min 05 s` or `1 h 02 min`.
fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Phase, State};

    const HALF: State = State {
        phase: Phase::Reading,
        bytes: 5 << 30,
        total: 10 << 30,
        rate: 1 << 30,
        elapsed: Duration::from_secs(5),
        input: 3,
        inputs: 7,
    };

    #[test]
    fn a_line_fits_its_width() {
        for (width, expected) in
            [(19, " 50 %  5 s left"), (40, "###..  50 %  5 s left  5.00 GiB of 10.00 GiB")]
        {
            let text = HALF.text(width, false);
            assert!(text.chars().count() <= width, "{text:?}");
            assert!(text.contains(" 50 %  5 s left"), "{text:?} {expected}");
        }
        assert_eq!(
            HALF.text(99, true),
            "███████████████░░░░░░░░░░░░░░░  50 %  5 s left  5.00 GiB of 10.00 GiB  1.00 GiB/s  file 3 of 7"
        );
        assert_eq!(
            HALF.text(0, true),
            "50 %  5 s left  5.00 GiB of 10.00 GiB  1.00 GiB/s  file 3 of 7"
        );
        let phases = [
            Phase::Reading,
            Phase::Counting,
            Phase::Reporting,
            Phase::WritingCells,
            Phase::Publishing,
        ];
        for phase in phases {
            for total in [0, 10 << 30, 1] {
                for width in 1..120 {
                    let text = State { phase, total, ..HALF }.text(width, true);
                    assert!(text.chars().count() <= width, "{width}: {text:?}");
                }
            }
        }
    }

    #[test]
    fn what_follows_the_reading_is_named() {
        let text = |phase| State { phase, ..HALF }.text(60, false);
        assert!(text(Phase::Counting).contains("counting"));
        assert_eq!(text(Phase::WritingCells), "writing cells  5 s");
        assert_eq!(text(Phase::Publishing), "publishing  5 s");
        let unknown = State { total: 0, ..HALF };
        assert_eq!(unknown.text(60, false), "5.00 GiB  read  5 s  1.00 GiB/s  file 3 of 7");
    }
}
