//! The outputs of a run on standard output and standard error.
//!
//! Owns: [`Console`]: when the progress bar is there, what `-q` silences, how a report is printed. May import: `session`,
//! `report`, its siblings. Must not know: which command runs.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use super::output::{self, When, eprint_line};
use super::progress::{self, Bar};
use crate::error::{Error, Result};
use crate::query::Summary;
use crate::report::{json, terminal};
use crate::session::{Output, Statistics};
use crate::system::progress::Progress;
use crate::system::signals;

/// Where a run's outputs go.
#[derive(Debug)]
pub(super) struct Console {
    /// Interrupted by signals.
    pub(super) progress: Arc<Progress>,
    /// Whether there is to be a bar.
    pub(super) shows_progress: bool,
    /// Whether notes are left out.
    pub(super) is_quiet: bool,
    /// Whether reports are JSON.
    pub(super) is_json: bool,
    /// Whether statistics are printed.
    pub(super) shows_statistics: bool,
    /// Colours of reports.
    pub(super) color: When,
    /// The bar, while it is shown.
    pub(super) bar: Option<Bar>,
}

impl Console {
    /// A console that prints notes and plain reports, without a bar.
    pub(super) fn new() -> Self {
        Self {
            progress: Arc::default(),
            shows_progress: false,
            is_quiet: false,
            is_json: false,
            shows_statistics: false,
            color: When::Auto,
            bar: None,
        }
    }

    /// Has signals interrupt the run.
    ///
    /// # Errors
    /// [`Error::Threads`].
    pub(super) fn watch_signals(&self) -> Result<()> {
        signals::watch(Arc::clone(&self.progress), || {
            progress::clear();
            eprint_line(&format!("hitmap: {}", Error::Interrupted));
        })
    }
}

impl Output for Console {
    fn begin(&mut self, inputs: u64) {
        if self.shows_progress {
            self.bar = Some(Bar::start(Arc::clone(&self.progress), inputs));
        }
    }

    fn end(&mut self) {
        self.bar = None;
    }

    fn warn(&mut self, sentence: &str) {
        eprint_line(sentence);
    }

    fn note(&mut self, sentence: &str) {
        if !self.is_quiet {
            eprint_line(sentence);
        }
    }

    fn report(&mut self, summary: &Summary) -> Result<()> {
        let mut stdout = io::BufWriter::new(io::stdout().lock());
        let written = if self.is_json {
            json::write(summary, &mut stdout)
        } else {
            let style = terminal::Style {
                width: output::columns(),
                color: output::wants_color(self.color),
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
            // The bar would stand among the cells.
            self.bar = None;
        }
        write(&mut io::stdout())
    }

    fn statistics(&mut self, statistics: &Statistics) {
        if !self.shows_statistics {
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
