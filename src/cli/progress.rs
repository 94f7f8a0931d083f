//! The progress bar, drawn on standard error from counters that the run keeps anyway.
//!
//! Owns: the bar and its thread. May import: indicatif. Must not know: stages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::pipeline::Progress;

/// A bar that follows a run until it is dropped; then it is gone from the screen.
#[derive(Debug)]
pub(super) struct Bar {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Ten times a second is often enough for an eye.
const REDRAW: Duration = Duration::from_millis(100);

impl Bar {
    /// Draws `progress` of `inputs` inputs.
    pub(super) fn start(progress: Arc<Progress>, inputs: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(move || {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            while !stopped.load(Ordering::Relaxed) {
                draw(&bar, &progress, inputs);
                std::thread::park_timeout(REDRAW);
            }
            bar.finish_and_clear();
        });
        Self { stop, thread: thread.ok() }
    }
}

fn draw(bar: &ProgressBar, progress: &Progress, inputs: u64) {
    let total = progress.total_bytes.load(Ordering::Relaxed);
    let bytes = progress.bytes.load(Ordering::Relaxed);
    let files = if inputs > 1 {
        format!(
            "  file {}/{inputs}",
            (progress.inputs_done.load(Ordering::Relaxed) + 1).min(inputs)
        )
    } else {
        String::new()
    };
    let template = if total > 0 {
        bar.set_length(total.max(bytes));
        "{bar:30.cyan/dim} {percent:>3} %  {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left{msg}"
    } else {
        "{spinner} {bytes}  {bytes_per_sec}  {elapsed}{msg}"
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(files);
    bar.set_position(bytes);
    bar.tick();
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
