//! A run over logs: count, store, publish, report.
//!
//! Owns: the steps of [`analyze`]. May import: `pipeline`, `database` (ingest), `cube`, `query` (summary), `store`.
//! Must not know: how a stage works.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::copies::{copies, possible_copies};
use super::doubts::{mostly_malformed_inputs, unparsed_inputs, visitors_of_one_view};
use super::into_database::count_into_database;
use super::options::{
    AnalyzeOptions, CellsTarget, CountedLogs, StoreInDatabase, is_nothing_parsed,
};
use super::publish::{publish_database, publish_inputs};
use super::rereadable::Rereadable;
use super::{CellsFile, Output, Statistics};
use crate::cube::{CellFormat, Cube, rows};
use crate::database::Database;
use crate::error::{Error, Result};
use crate::facts::tally::{MALFORMED_SAMPLES, Tally};
use crate::pipeline::{self, Analysis, CountingOptions, TrackedInput, thread_pool};
use crate::query::definition;
use crate::query::summarize::summarize;
use crate::query::summary::{InputSummary, MalformedSample, Summary, Timing};
use crate::select::StoredRules;
use crate::source::Input;
use crate::store::{self, StoreUrl};
use crate::system::progress::{Phase, Progress};
use crate::text::{self, counted};

/// Counts logs, stores and publishes the counts as the options say, and reports them.
///
/// # Errors
/// [`Error::Usage`], [`Error::Interrupted`] and [`Error::Limit`] end the run before the report.
/// [`Error::Write`], [`Error::Output`], [`Error::Database`] and [`Error::Store`] say what could not be written.
/// [`Error::TooManyInvalid`] ends the run with nothing stored. [`Error::NothingParsed`] and [`Error::Unreadable`] say
/// what was wrong with the inputs, after the report of the rest.
pub fn analyze(
    options: &AnalyzeOptions,
    progress: &Progress,
    output: &mut dyn Output,
) -> Result<()> {
    let start = Instant::now();
    let AnalyzeOptions { database, publish_to, cells, .. } = options;
    let mut counting = options.counting.clone();
    counting.rules = options.rules.with_defaults();
    let pool = thread_pool(counting.threads)?;
    // Created before counting, so that a folder that cannot be written is reported at once.
    let mut cells_file = match cells {
        Some(CellsTarget::File(path)) => Some(CellsFile::create(path)?),
        _ => None,
    };
    let is_direct = !publish_to.is_empty() && database.is_none();
    let mut rereadable = None;
    if is_direct {
        check_stores(publish_to, progress, output)?;
        counting.tracking.identify = true;
        let (copies, failed) = Rereadable::new(&mut counting.inputs, progress)?;
        if let Some(sentence) = failed.into_values().next() {
            return Err(Error::Unreadable(sentence));
        }
        rereadable = Some(copies);
    }
    output.start_progress(counting.inputs.len() as u64);
    let CountedLogs { mut analysis, tally, has_content } = match database {
        None => {
            let possible_copies = possible_copies(&counting.inputs).into_iter();
            counting.tracking.sources =
                possible_copies.map(|input| (input, TrackedInput::default())).collect();
            let mut analysis = pool.install(|| pipeline::analyze(&counting, progress))?;
            if let Some(rereadable) = &rereadable {
                rereadable.restore_names(&mut analysis);
            }
            drop_copies(&counting, &mut analysis);
            let tally = total_tally(&analysis);
            analysis.warnings.extend(visitors_of_one_view(
                analysis.facts.visitors().len(),
                tally.page_views,
                counting.rules.visitor.text(),
            ));
            CountedLogs { analysis, tally, has_content: true }
        }
        Some(store) => {
            pool.install(|| count_into_database(options, store, &mut counting, progress, output))?
        }
    };
    let limit = options.max_invalid.map_or(Ok(()), |limit| limit.check(&tally));
    if limit.is_err() || analysis.inputs.is_empty() {
        output.stop_progress();
        report_inputs(&analysis, output);
        return limit.and_then(|()| Err(unreadable(&analysis, database.is_some())));
    }
    let is_nothing_parsed = is_nothing_parsed(&tally);
    let unparsed = unparsed_inputs(&analysis, &counting.format);
    if !is_nothing_parsed {
        // Beside others that could be parsed, such an input is one that could not be read.
        analysis.unreadable.extend(unparsed.iter().cloned());
    }
    analysis.warnings.extend(mostly_malformed_inputs(&analysis));
    let counted_at = Instant::now();
    progress.enter(Phase::Reporting);
    let rules = &counting.rules;
    let cube = pool.install(|| Cube::new(&analysis.facts, vec![rules.site.clone()], &rules.groups));
    // A day counted in part must not be published as a whole day.
    let is_complete = analysis.unreadable.is_empty() && !is_nothing_parsed;
    let mut published = Ok(Vec::new());
    if !publish_to.is_empty() && if is_direct { is_complete } else { has_content } {
        progress.enter(Phase::Publishing);
        published = pool.install(|| {
            publish_counts(options, &counting.inputs, &analysis, &cube, progress, output)
        });
    }
    if let Err(Error::Interrupted) = published {
        return Err(Error::Interrupted);
    }
    if *cells == Some(CellsTarget::Output) {
        progress.enter(Phase::WritingCells);
        output
            .cells(&mut |writer| pool.install(|| rows::write(&cube, CellFormat::Ndjson, writer)))?;
        output.stop_progress();
        report_inputs(&analysis, output);
    } else {
        if let Some(file) = &mut cells_file {
            progress.enter(Phase::WritingCells);
            pool.install(|| file.write(&cube))?;
        }
        progress.enter(Phase::Reporting);
        let summary = options.has_report.then(|| {
            let mut summary = pool.install(|| summarize(&cube, &tally, options.top))?;
            complete(&mut summary, &analysis, &counting, start.elapsed());
            Ok(summary)
        });
        let summary: Option<Summary> = summary.transpose()?;
        output.stop_progress();
        progress.check()?;
        cells_file.map_or(Ok(()), CellsFile::finish)?;
        report_inputs(&analysis, output);
        if let Some(summary) = summary {
            output.report(&summary)?;
        }
    }
    output.statistics(&statistics(&analysis, &tally, start.elapsed(), counted_at.elapsed()));
    if is_nothing_parsed {
        return Err(Error::NothingParsed(unparsed.first().cloned().unwrap_or_default()));
    }
    if !analysis.unreadable.is_empty() {
        if is_direct {
            output.warn("nothing was published, because an input could not be read to its end");
        }
        return Err(unreadable(&analysis, database.is_some()));
    }
    published?.iter().for_each(|note| output.note(note));
    Ok(())
}

/// Leaves out inputs that add nothing to another one.
fn drop_copies(counting: &CountingOptions, analysis: &mut Analysis) {
    let mut copies = copies(&counting.inputs, &analysis.inputs);
    copies.retain(|input, _| counting.tracking.sources.contains_key(input));
    let sources = copies.keys().filter_map(|&input| u32::try_from(input).ok());
    analysis.facts.drop_sources(&sources.collect());
    let names: BTreeMap<usize, String> =
        analysis.inputs.iter().map(|input| (input.index, input.name.clone())).collect();
    let sentences =
        copies.iter().map(|(input, copy)| copy.sentence(&names[input], &names[&copy.of]));
    analysis.notes.extend(sentences);
    analysis.inputs.retain(|input| !copies.contains_key(&input.index));
}

/// Opens and closes each store: a wrong password should not cost an hour of counting.
fn check_stores(
    publish_to: &[StoreUrl],
    progress: &Progress,
    output: &mut dyn Output,
) -> Result<()> {
    for url in publish_to {
        let opened = store::open(url);
        progress.check()?;
        let mut store = opened?;
        store.take_notes().iter().for_each(|note| output.note(&format!("{url}: {note}")));
        store.close()?;
    }
    Ok(())
}

/// Brings the stores up to date: with the database if there is one, else with what this run counted.
fn publish_counts(
    options: &AnalyzeOptions,
    inputs: &[Input],
    analysis: &Analysis,
    cube: &Cube<'_>,
    progress: &Progress,
    output: &mut dyn Output,
) -> Result<Vec<String>> {
    let AnalyzeOptions { database, publish_to, replace, .. } = options;
    match database {
        None => publish_inputs(publish_to, inputs, analysis, cube, *replace, progress, output),
        Some(StoreInDatabase { path, lock_timeout, .. }) => {
            let database = Database::open_to_read(path)?;
            let sites = database.sites()?;
            let database = (database, *lock_timeout);
            publish_database(publish_to, database, &sites, false, progress, output)
        }
    }
}

/// Warns of inputs that could not be read to their end, and prints the notes about the others.
fn report_inputs(analysis: &Analysis, output: &mut dyn Output) {
    for sentence in analysis.unreadable.iter().chain(&analysis.warnings) {
        output.warn(sentence);
    }
    for sentence in &analysis.notes {
        output.note(sentence);
    }
}

/// The tally of all inputs together, without samples of malformed lines.
fn total_tally(analysis: &Analysis) -> Tally {
    let mut total = Tally::default();
    for input in &analysis.inputs {
        total.merge(input.tally.without_samples());
    }
    total
}

/// `is_stored`: whether the run has a database, which takes only whole inputs.
fn unreadable(analysis: &Analysis, is_stored: bool) -> Error {
    let count = analysis.unreadable.len();
    let is_any_whole = analysis.inputs.iter().any(|input| input.identity.is_some());
    let rest = match (analysis.inputs.is_empty(), is_stored) {
        (true, _) => "nothing was counted",
        (false, false) => "the rest was counted",
        (false, true) if is_any_whole => "the other inputs were counted",
        (false, true) => "nothing was stored",
    };
    let inputs = counted(count as u64, "input was", "inputs were");
    Error::Unreadable(format!("{inputs} left out or not read to the end; {rest}"))
}

/// Adds to a summary what the cube does not know: inputs, definition, samples of malformed lines, timing.
fn complete(
    summary: &mut Summary,
    analysis: &Analysis,
    counting: &CountingOptions,
    elapsed: Duration,
) {
    let inputs = analysis.inputs.iter().map(|input| InputSummary {
        path: input.name.clone(),
        bytes: input.bytes,
        lines: input.tally.lines,
        format: input.format.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string),
    });
    summary.inputs = inputs.collect();
    summary.definition = definition(&StoredRules::from(&counting.rules));
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
    summary.timing = Timing { seconds: elapsed.as_secs_f64(), threads: counting.threads };
}

fn statistics(
    analysis: &Analysis,
    tally: &Tally,
    elapsed: Duration,
    reporting: Duration,
) -> Statistics {
    let facts = &analysis.facts;
    Statistics {
        stages: analysis.stages,
        report_seconds: reporting.as_secs_f64(),
        seconds: elapsed.as_secs_f64(),
        lines: tally.lines,
        page_views: tally.page_views,
        facts: facts.days().map(|key| facts.day_len(key)).sum(),
        pages: facts.names().len(),
        visitors: facts.visitors().len(),
    }
}
