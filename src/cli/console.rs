//! A run's output on standard output and standard error.
//!
//! Owns: [`Console`]: when the progress bar is shown, what `-q` silences, how a report is printed. May import: `session`,
//! `report`, its siblings. Must not know: which subcommand runs.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use super::output::{self, When, eprint_line, eprint_message};
use super::progress::{self, Bar};
use crate::error::{Error, Result};
use crate::query::Summary;
use crate::report::{json, terminal};
use crate::session::{Output, Statistics};
use crate::system::progress::Progress;
use crate::system::signals;

/// What a [`Console`] shows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ConsoleOptions {
    /// Whether to show a progress bar.
    pub(super) shows_progress: bool,
    /// Whether to leave out notes.
    pub(super) is_quiet: bool,
    /// Whether reports are JSON.
    pub(super) is_json: bool,
    /// Whether to print statistics.
    pub(super) shows_statistics: bool,
    /// When reports have colours.
    pub(super) color: When,
}

/// Prints what a run says; interrupts it on a signal.
#[derive(Debug)]
pub(super) struct Console {
    options: ConsoleOptions,
    progress: Arc<Progress>,
    /// The bar, while it is shown.
    bar: Option<Bar>,
}

impl Console {
    pub(super) fn new(options: ConsoleOptions) -> Self {
        Self { options, progress: Arc::default(), bar: None }
    }

    /// The progress of the run, which the bar shows and signals interrupt.
    pub(super) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Lets SIGINT, SIGTERM and SIGHUP interrupt the run.
    ///
    /// # Errors
    /// [`Error::Threads`].
    pub(super) fn watch_signals(&self) -> Result<()> {
        signals::watch(Arc::clone(&self.progress), || {
            progress::clear();
            eprint_message(&Error::Interrupted.to_string());
        })
    }
}

impl Output for Console {
    fn start_progress(&mut self, inputs: u64) {
        if self.options.shows_progress {
            self.bar = Some(Bar::start(Arc::clone(&self.progress), inputs));
        }
    }

    fn stop_progress(&mut self) {
        self.bar = None;
    }

    fn warn(&mut self, sentence: &str) {
        eprint_message(sentence);
    }

    fn note(&mut self, sentence: &str) {
        if !self.options.is_quiet {
            eprint_message(sentence);
        }
    }

    fn report(&mut self, summary: &Summary) -> Result<()> {
        let mut stdout = io::BufWriter::new(io::stdout().lock());
        let written = if self.options.is_json {
            json::write(summary, &mut stdout)
        } else {
            let style = terminal::Style {
                width: output::columns(),
                color: output::wants_color(self.options.color),
                unicode: output::is_unicode(),
            };
            terminal::write(summary, &style, &mut stdout)
        };
        written.and_then(|()| stdout.flush()).map_err(Error::Output)
    }

    fn cells(
        &mut self,
        write: &mut dyn FnMut(&mut (dyn Write + Send)) -> Result<()>,
    ) -> Result<()> {
        if io::stdout().is_terminal() {
            // The bar would be drawn among the cells.
            self.bar = None;
        }
        write(&mut io::stdout())
    }

    fn statistics(&mut self, statistics: &Statistics) {
        if !self.options.shows_statistics {
            return;
        }
        let Statistics {
            stages,
            report_seconds,
            seconds,
            lines,
            page_views,
            facts,
            pages,
            visitors,
        } = statistics;
        let (scan, fold) = (stages.scan.as_secs_f64(), stages.fold.as_secs_f64());
        let windows = stages.windows;
        eprint_line(&format!("scan       {scan:.3} s  (read, parse, select; {windows} windows)"));
        eprint_line(&format!("fold       {fold:.3} s  (records to day facts)"));
        eprint_line(&format!("report     {report_seconds:.3} s  (day facts to cells, output)"));
        eprint_line(&format!("total      {seconds:.3} s"));
        eprint_line(&format!("lines      {lines}"));
        eprint_line(&format!("page views {page_views}"));
        eprint_line(&format!("facts      {facts}  (page, visitor, minute)"));
        eprint_line(&format!("pages      {pages}"));
        eprint_line(&format!("visitors   {visitors}"));
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        for (name, key) in [("memory", "VmHWM:"), ("anonymous", "RssAnon:")] {
            if let Some(value) = status.lines().find_map(|line| line.strip_prefix(key)) {
                eprint_line(&format!("{name:<10} {}", value.trim()));
            }
        }
    }
}
