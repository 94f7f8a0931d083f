//! `hitmap analyze`: run, report.
//!
//! Owns: the order of the subcommand's outputs. May import: every public stage.
//! Must not know: how stages work.

mod arguments;

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::database::open_to_write;
use super::output::{self, complain};
use super::progress::Bar;
use super::publish;
use super::signals;
use crate::cube::{CellFormat, Cube};
use crate::database::Database;
use crate::database::ingest;
use crate::database::ingest::{Request, Update};
use crate::error::{Error, Result};
use crate::facts::tally::{MALFORMED_SAMPLES, Tally};
use crate::parse::LogFormat;
use crate::pipeline;
use crate::pipeline::{Analysis, Options, Stages};
use crate::query::summary::{Definition, InputSummary, MalformedSample, Summary, Timing};
use crate::report;
use crate::report::terminal;
use crate::store;
use crate::system::new_file::NewFile;
use crate::system::progress::{Phase, Progress};
use crate::text;
use crate::time::Zone;
use crate::{cube, query};
pub(super) use arguments::AnalyzeArgs;
use arguments::options;

/// Runs the subcommand.
pub(super) fn run(arguments: &AnalyzeArgs) -> Result<()> {
    let start = Instant::now();
    let cells_on_stdout = arguments.cells.as_deref() == Some(Path::new("-"));
    if cells_on_stdout && arguments.json {
        return Err(Error::Usage(
            "--json and --cells - both want standard output; give --cells a file name".to_owned(),
        ));
    }
    if arguments.replace && arguments.db.is_none() && arguments.to.is_empty() {
        return Err(Error::Usage("--replace goes with --db or --to".to_owned()));
    }
    let mut options = options(arguments)?;
    let targets = publish::targets(&arguments.to)?;
    let progress = Arc::new(Progress::default());
    let interrupted = Arc::clone(&progress);
    signals::watch(move || interrupted.interrupted.store(true, Ordering::Relaxed))?;
    let pool = pipeline::thread_pool(options.threads)?;
    // Taken before the work, so that a folder that cannot be written is known at once.
    let cells = match &arguments.cells {
        Some(path) if !cells_on_stdout => Some((NewFile::create(path)?, CellFormat::of_path(path))),
        _ => None,
    };
    let is_direct = !targets.is_empty() && arguments.db.is_none();
    let mut rereadable = None;
    if is_direct {
        // The same for stores: a wrong password should not cost an hour of counting.
        for target in &targets {
            let opened = store::open(target).and_then(|mut store| store.close());
            progress.check()?;
            opened?;
        }
        options.tracking.identify = true;
        rereadable = Some(publish::Rereadable::new(&mut options.inputs, &progress)?);
    }
    let mut bar = (output::wants_progress(arguments.progress) && !arguments.quiet)
        .then(|| Bar::start(Arc::clone(&progress), options.inputs.len() as u64));
    let analysis = match &arguments.db {
        None => pool.install(|| pipeline::analyze(&options, &progress)).map(|analysis| {
            let tally = total_tally(&analysis);
            (analysis, tally, None)
        }),
        Some(path) => pool.install(|| analyze_into(path, arguments, &options, &progress)),
    };
    let (mut analysis, tally, database) = analysis?;
    if let Some(rereadable) = &rereadable {
        rereadable.restore_names(&mut analysis);
    }
    let limit = arguments.max_invalid.map_or(Ok(()), |limit| limit.check(&tally));
    if limit.is_err() || analysis.inputs.is_empty() {
        drop(bar);
        complain_about_inputs(&analysis, arguments.quiet);
        return limit.and_then(|()| Err(unreadable(&analysis)));
    }
    let is_nothing_parsed =
        tally.lines > tally.empty_lines && tally.lines == tally.empty_lines + tally.malformed_lines;
    // What would be stored then is at most that --replace dropped everything.
    if let Some(database) = database.filter(|_| !is_nothing_parsed) {
        progress.check()?;
        pool.install(|| database.commit())?;
    }
    let counted = Instant::now();
    let groups = &options.rules.groups;
    progress.enter(Phase::Reporting);
    let cube =
        pool.install(|| Cube::new(&analysis.facts, vec![options.rules.site.clone()], groups));
    // Part of a day must not look like a day.
    let is_complete = analysis.unreadable.is_empty() && !is_nothing_parsed;
    let mut published = Ok(Vec::new());
    if !targets.is_empty() && (is_complete || !is_direct) {
        progress.enter(Phase::Publishing);
        published = pool.install(|| match &arguments.db {
            None => {
                let (inputs, replace) = (&options.inputs, arguments.replace);
                publish::from_inputs(&targets, inputs, &analysis, &cube, replace, &progress)
            }
            Some(path) => {
                let mut database = Database::open_to_read(path)?;
                let sites = database.sites()?;
                publish::from_database(&targets, &mut database, &sites, false, &progress)
            }
        });
    }
    if let Err(Error::Interrupted) = published {
        return Err(Error::Interrupted);
    }
    if cells_on_stdout {
        // The bar would stand among the cells if both are on a terminal.
        bar = bar.filter(|_| !io::stdout().is_terminal());
        progress.enter(Phase::WritingCells);
        pool.install(|| cube::rows::write(&cube, CellFormat::Ndjson, &mut io::stdout()))?;
        drop(bar);
        complain_about_inputs(&analysis, arguments.quiet);
    } else {
        let mut unfinished = None;
        if let Some((mut file, format)) = cells {
            progress.enter(Phase::WritingCells);
            let path = arguments.cells.clone().unwrap_or_default();
            pool.install(|| cube::rows::write(&cube, format, &mut file)).map_err(|error| {
                match error {
                    Error::Output(error) => Error::Write { path, error },
                    error => error,
                }
            })?;
            unfinished = Some(file);
        }
        progress.enter(Phase::Reporting);
        let mut summary =
            pool.install(|| query::summarize::summarize(&cube, &tally, arguments.top))?;
        complete(&mut summary, &analysis, &options, start.elapsed());
        drop(bar);
        progress.check()?;
        unfinished.map_or(Ok(()), NewFile::finish)?;
        complain_about_inputs(&analysis, arguments.quiet);
        print(&summary, arguments)?;
    }
    if arguments.stats {
        complain_stats(&analysis, &tally, start.elapsed(), counted.elapsed());
    }
    if is_nothing_parsed {
        return Err(Error::NothingParsed(nothing_parsed(&analysis)));
    }
    if !analysis.unreadable.is_empty() {
        if is_direct {
            complain(
                "hitmap: nothing was published, because an input could not be read to its end",
            );
        }
        return Err(unreadable(&analysis));
    }
    published?.iter().filter(|_| !arguments.quiet).for_each(|note| complain(note));
    Ok(())
}

/// Counts what is new into a database, which is still to be committed; the analysis is of all that the inputs hold.
fn analyze_into(
    path: &Path,
    arguments: &AnalyzeArgs,
    options: &Options,
    progress: &Progress,
) -> Result<(Analysis, Tally, Option<Database>)> {
    let mut database = open_to_write(path, progress, arguments.quiet)?;
    let request = Request {
        replace: arguments.replace,
        as_new: arguments.as_new,
        minute_pages: arguments.db_minute_pages,
    };
    let Update { facts, inputs, tally, unreadable, notes, stages } =
        ingest::ingest(&mut database, options, request, progress)?;
    let analysis = Analysis { facts, inputs, unreadable, notes, stages };
    Ok((analysis, tally, Some(database)))
}

/// Names the inputs that could not be read, or not to their end, and tells what is worth telling of the others.
fn complain_about_inputs(analysis: &Analysis, quiet: bool) {
    let notes = analysis.notes.iter().filter(|_| !quiet);
    for sentence in analysis.unreadable.iter().chain(notes) {
        complain(&format!("hitmap: {sentence}"));
    }
}

fn total_tally(analysis: &Analysis) -> Tally {
    let mut total = Tally::default();
    for input in &analysis.inputs {
        let mut tally = input.tally.clone();
        tally.samples.clear();
        total.merge(tally);
    }
    total
}

fn unreadable(analysis: &Analysis) -> Error {
    let count = analysis.unreadable.len();
    let rest =
        if analysis.inputs.is_empty() { "nothing was counted" } else { "the rest was counted" };
    Error::Unreadable(format!(
        "{count} input{} left out or not read to the end; {rest}",
        if count == 1 { " was" } else { "s were" }
    ))
}

fn nothing_parsed(analysis: &Analysis) -> String {
    let sample =
        analysis.inputs.iter().find_map(|input| Some((input, input.tally.samples.first()?)));
    let mut text = "no line could be parsed; name the format with --log-format".to_owned();
    if let Some((input, sample)) = sample {
        let line = sample.line_index + 1;
        let _ = write!(text, ". {:?}, line {line}: {}", input.name, sample.reason.text());
    }
    text
}

/// Adds what the lines and options say to what the cube said.
fn complete(summary: &mut Summary, analysis: &Analysis, options: &Options, elapsed: Duration) {
    let inputs = analysis.inputs.iter().map(|input| InputSummary {
        path: input.name.clone(),
        bytes: input.bytes,
        lines: input.tally.lines,
        format: input.format.map_or("unknown", LogFormat::name),
    });
    summary.inputs = inputs.collect();
    let rules = &options.rules;
    let groups: Vec<String> =
        rules.groups.iter().map(|group| format!("{}={}", group.name, group.pattern)).collect();
    summary.definition = Definition {
        count: rules.count.name().to_owned(),
        visitor: rules.visitor.text().to_owned(),
        tz: rules.zone.as_ref().map_or("as written", Zone::name).to_owned(),
        page: if rules.keep_query { "path with query" } else { "path without query" }.to_owned(),
        section: if groups.is_empty() {
            "first path segment".to_owned()
        } else {
            groups.join(", ")
        },
    };
    let samples = analysis.inputs.iter().flat_map(|input| {
        input.tally.samples.iter().map(|sample| MalformedSample {
            path: input.name.clone(),
            line: sample.line_index + 1,
            offset: sample.offset,
            reason: sample.reason.text().to_owned(),
            text: text::from_bytes(&sample.bytes).into_owned(),
        })
    });
    summary.malformed_samples = samples.take(MALFORMED_SAMPLES).collect();
    summary.timing = Timing { seconds: elapsed.as_secs_f64(), threads: options.threads };
}

/// Prints the report on standard output.
fn print(summary: &Summary, arguments: &AnalyzeArgs) -> Result<()> {
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    let written = if arguments.json {
        report::json::write(summary, &mut stdout)
    } else {
        let style = terminal::Style {
            width: output::columns(),
            color: output::wants_color(arguments.color),
            unicode: output::is_unicode(),
        };
        terminal::write(summary, &style, &mut stdout)
    };
    written.and_then(|()| stdout.flush()).map_err(Error::Output)
}

/// Says how time and memory were spent.
fn complain_stats(analysis: &Analysis, tally: &Tally, elapsed: Duration, reported: Duration) {
    let Stages { scan, fold, windows, .. } = analysis.stages;
    let seconds = |duration: Duration| format!("{:.3} s", duration.as_secs_f64());
    let facts: usize = analysis.facts.days().map(|key| analysis.facts.day_len(key)).sum();
    complain(&format!("scan       {}  (read, parse, select; {windows} windows)", seconds(scan)));
    complain(&format!("fold       {}  (records to day facts)", seconds(fold)));
    complain(&format!("report     {}  (day facts to cells, output)", seconds(reported)));
    complain(&format!("total      {}", seconds(elapsed)));
    complain(&format!("lines      {}", tally.lines));
    complain(&format!("page views {}", tally.page_views));
    complain(&format!("facts      {facts}  (page, visitor, minute)"));
    complain(&format!("pages      {}", analysis.facts.names().len()));
    complain(&format!("visitors   {}", analysis.facts.visitors().len()));
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for (name, key) in [("memory", "VmHWM:"), ("anonymous", "RssAnon:")] {
        if let Some(value) = status.lines().find_map(|line| line.strip_prefix(key)) {
            complain(&format!("{name:<10} {}", value.trim()));
        }
    }
}
