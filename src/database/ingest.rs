//! A run into a database: what of each input is new, counted once.
//!
//! Owns: [`ingest`], the decision what an input is to the database, and the sentences about it. May import:
//! `pipeline`, `source`, `count`, `facts` (parts), its siblings. Must not know: clap, reports, SQL.
//!
//! Inputs are taken one after the other, each against all that the database holds by then, so that copies among the
//! inputs count once as well. An input that could not be read to its end, or of which no line could be parsed, is
//! reported but not recorded: it counts when it is given again, whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::count::{Facts, FactsBuilder};
use crate::database::{Database, NewSource, Recorded, Site};
use crate::error::{Error, Result};
use crate::facts::columns::{Decoder, Encoder};
use crate::facts::tally::Tally;
use crate::facts::{DayKey, LocalDay, day_block};
use crate::pipeline;
use crate::pipeline::{
    Analysis, Counted, CountingOptions, FormatChoice, InputReport, Stages, TrackedInput, Tracking,
};
use crate::select::StoredRules;
use crate::source::{Input, Opened, Opening, Relation, Spooled};
use crate::system::progress::Progress;
use crate::text::{counted, grouped};
use crate::time::{CivilTime, Day};

/// How a run into a database treats what the database has.
#[derive(Clone, Copy, Debug, Default)]
pub struct IngestOptions {
    /// Drop all that is stored of the site first.
    pub replace: bool,
    /// A file that is shorter than when it was counted is another source.
    pub as_new: bool,
    /// Store the cells of pages by the minute.
    pub minute_pages: bool,
}

/// What a run into a database found.
#[derive(Debug)]
pub struct Ingested {
    /// All that the inputs hold, whenever it was counted.
    pub analysis: Analysis,
    /// Sums over the lines of all inputs; copies are in it once. Without samples.
    pub tally: Tally,
}

/// The known source that an input has grown from.
#[derive(Clone, Copy)]
struct Grown {
    /// Its place among the known ones.
    index: usize,
    /// Whether it is read from its beginning again, its facts replaced, since what was read of it would count
    /// otherwise now: its last line was torn, or its lines look like another format.
    is_counted_anew: bool,
}

/// A run that is under way.
struct Run<'r> {
    database: &'r mut Database,
    options: &'r CountingOptions,
    progress: &'r Progress,
    ingest: IngestOptions,
    site: Site,
    known: Vec<Recorded>,
    /// Numbers of the inputs' sources.
    sources: BTreeSet<i64>,
    /// Facts of inputs that are not recorded.
    unrecorded: Vec<(DayKey, Vec<u8>)>,
    analysis: Analysis,
    tally: Tally,
}

/// Counts what is new in the inputs and puts it into the database, which then has to be committed. Uses the thread
/// pool it is called in.
///
/// # Errors
/// Those of [`pipeline::analyze`]; [`Error::Database`], [`Error::OtherRules`]: nothing must be committed then.
pub fn ingest(
    database: &mut Database,
    options: &CountingOptions,
    ingest: IngestOptions,
    progress: &Progress,
) -> Result<Ingested> {
    let rules = StoredRules::from(&options.rules);
    let removed =
        if ingest.replace { database.remove_site(&options.rules.site)? } else { Vec::new() };
    let site = database.site(&options.rules.site, &rules)?;
    // A target that has them learns that they are gone.
    removed.into_iter().for_each(|day| database.touch(site.number, day));
    if ingest.minute_pages {
        database.keep_minute_pages()?;
    }
    let known = database.sources()?;
    let mut run = Run {
        database,
        options,
        progress,
        ingest,
        site,
        known,
        sources: BTreeSet::new(),
        unrecorded: Vec::new(),
        analysis: Analysis {
            facts: FactsBuilder::default().finish(),
            shares: BTreeMap::new(),
            inputs: Vec::new(),
            unreadable: Vec::new(),
            notes: Vec::new(),
            warnings: Vec::new(),
            stages: Stages::default(),
        },
        tally: Tally::default(),
    };
    for input in &options.inputs {
        run.take(input)?;
    }
    run.finish()
}

impl Run<'_> {
    /// Counts what is new of an input.
    fn take(&mut self, input: &Input) -> Result<()> {
        let name = input.display();
        if input.is_one_shot() {
            // What comes once can only be compared with what is known after it came: so it is put somewhere first.
            let spooled = match Spooled::new(input, &|| self.progress.is_interrupted()) {
                Ok(spooled) => spooled,
                Err(error) => {
                    self.analysis.unreadable.push(format!("{name:?}: {error}"));
                    return Ok(());
                }
            };
            return self.take_file(&spooled.input(), &name, false);
        }
        self.take_file(input, &name, true)
    }

    fn take_file(&mut self, input: &Input, name: &str, whole_lines: bool) -> Result<()> {
        // All its bytes: what was counted of it may end in a last line without its end, if it came compressed.
        let opening = Opening { map: self.options.map, whole_lines: false };
        let identities: Vec<_> = self.known.iter().map(|known| known.identity.clone()).collect();
        // What cannot be compared cannot be read either; reading it says why.
        let relations = input.relations(opening, &identities).ok().flatten().unwrap_or_default();
        let mut grown: Option<Grown> = None;
        let mut truncated = None;
        for (index, relation) in relations.into_iter().enumerate() {
            match relation {
                Relation::Same => {
                    self.counted_before(index, name);
                    self.note_pending(input, index, name, whole_lines);
                    return Ok(());
                }
                Relation::GrownFrom { counted_bytes, is_at_line_end } => {
                    let is_longer = grown
                        .is_none_or(|best| counted_bytes > self.known[best.index].identity.bytes);
                    if is_longer {
                        grown = Some(Grown { index, is_counted_anew: !is_at_line_end });
                    }
                }
                Relation::Truncated => truncated = Some(index),
                Relation::Different => {}
            }
        }
        match (grown, truncated) {
            (None, Some(index)) if !self.ingest.as_new => {
                if let Some(index) = self.earlier_state(input, opening)? {
                    self.counted_before(index, name);
                    return Ok(());
                }
                if self.is_elsewhere(index, name) {
                    return Ok(());
                }
                let known = &self.known[index];
                let sentence = format!(
                    "{name:?} is shorter than when it was counted as {} ({} bytes): it was cut, or is an older copy. \
                     It is left out; --as-new counts it as another source",
                    known.short_id, known.identity.bytes
                );
                self.analysis.unreadable.push(sentence);
                Ok(())
            }
            (Some(grown), _) if self.is_elsewhere(grown.index, name) => Ok(()),
            (Some(grown), _)
                if whole_lines
                    && whole_line_bytes(input)
                        .is_some_and(|bytes| bytes <= self.known[grown.index].identity.bytes) =>
            {
                self.counted_before(grown.index, name);
                self.note_pending(input, grown.index, name, whole_lines);
                Ok(())
            }
            (grown, _) => self.count(input, name, whole_lines, grown),
        }
    }

    /// The known source that was the input before it grew, whether it was counted up to its last line end then or, from
    /// a pipe, to its end. Reads all of the input.
    fn earlier_state(&self, input: &Input, opening: Opening) -> Result<Option<usize>> {
        for whole_lines in [true, false] {
            let Ok(identity) = input.identify(Opening { whole_lines, ..opening }) else {
                break;
            };
            if let Some(index) = self.find(identity.id)? {
                return Ok(Some(index));
            }
            let has_torn_line = input.log_bytes().is_some_and(|bytes| bytes != identity.bytes);
            if !has_torn_line {
                break;
            }
        }
        Ok(None)
    }

    /// Whether a known source is another site's log, which is left out and told then: one log's views count for one
    /// site, or what grew would be torn between two.
    fn is_elsewhere(&mut self, index: usize, name: &str) -> bool {
        let known = &self.known[index];
        if known.site == self.site.number {
            return false;
        }
        self.analysis.unreadable.push(format!(
            "{name:?} is left out: it is counted for another site than {:?} already, as {}. hitmap forget takes it \
             out there; a database of its own can count it again",
            self.site.name, known.short_id
        ));
        true
    }

    /// Reads an input, or what is new of it.
    fn count(
        &mut self,
        input: &Input,
        name: &str,
        whole_lines: bool,
        grown: Option<Grown>,
    ) -> Result<()> {
        let before = grown.map(|grown| self.known[grown.index].clone());
        let is_counted_anew = grown.is_some_and(|grown| grown.is_counted_anew);
        let mut start = before.iter().filter(|_| !is_counted_anew).map(|before| {
            let lines = before.tally.lines;
            Counted { identity: before.identity.clone(), lines }
        });
        let tracked = TrackedInput { whole_lines, counted: start.next(), kept_format: None };
        let tracking = Tracking { sources: BTreeMap::from([(0, tracked)]), ..Tracking::default() };
        let kept = before.as_ref().and_then(|before| before.format.as_deref()?.parse().ok());
        let format = match (&self.options.format, kept) {
            (FormatChoice::Detect, Some(kept)) => FormatChoice::Kept(Arc::new(kept)),
            (choice, _) => choice.clone(),
        };
        let inputs = vec![input.clone()];
        let options = CountingOptions { inputs, format, tracking, ..self.options.clone() };
        // The bar shows one input after the other.
        self.progress.bytes.store(0, Ordering::Relaxed);
        let analysis = pipeline::analyze(&options, self.progress)?;
        let Analysis { facts, inputs, unreadable, notes, warnings, stages, .. } = analysis;
        let format = inputs.first().and_then(|input| Some(input.format.as_ref()?.to_string()));
        if let Some(grown) = grown.filter(|_| !is_counted_anew)
            && format.as_deref() != before.as_ref().and_then(|before| before.format.as_deref())
        {
            // What decided the format was not there when its first lines were read.
            let grown = Grown { is_counted_anew: true, ..grown };
            return self.count(input, name, whole_lines, Some(grown));
        }
        self.analysis.stages.scan += stages.scan;
        self.analysis.stages.fold += stages.fold;
        self.analysis.stages.windows += stages.windows;
        let is_whole = unreadable.is_empty();
        self.analysis.unreadable.extend(unreadable);
        self.analysis.notes.extend(notes);
        self.analysis.warnings.extend(warnings);
        let Some(mut report) = inputs.into_iter().next() else { return Ok(()) };
        name.clone_into(&mut report.name);
        let identity = report.identity.clone().filter(|identity| is_whole && identity.bytes > 0);
        let Some(identity) = identity else {
            if report.tally.lines > 0 {
                self.analysis.notes.push(format!(
                    "{name:?} is not stored, because it could not be read to its end; give it again when it is whole"
                ));
            }
            let before = before.as_ref().filter(|_| !is_counted_anew);
            return self.report_unrecorded(report, before, &facts);
        };
        if let Some(index) = self.find(identity.id)? {
            self.counted_before(index, name);
            return Ok(());
        }
        let tally = &report.tally;
        if before.is_none() && tally.hits + tally.other_lines == 0 {
            if tally.malformed_lines > 0 {
                self.analysis
                    .notes
                    .push(format!("{name:?} is not stored, because no line of it could be parsed"));
                return self.report_unrecorded(report, None, &facts);
            }
            if tally.empty_lines == 0 {
                self.analysis.inputs.push(report);
                return Ok(());
            }
        }
        let resumed = before.as_ref().filter(|_| !is_counted_anew);
        let mut all = resumed.map(|before| before.tally.clone()).unwrap_or_default();
        all.merge(report.tally.clone());
        let site = self.site.number;
        let source =
            NewSource { site, identity: &identity, name, format: format.as_deref(), tally: &all };
        let recorded = match &before {
            None => self.database.add_source(&source)?,
            Some(before) => {
                let lines = all.lines.saturating_sub(before.tally.lines);
                let lines = counted(lines, "line", "lines");
                let grown_by = identity.bytes - before.identity.bytes;
                self.analysis.notes.push(format!(
                    "{name:?} is {}, grown by {lines} ({grown_by} bytes)",
                    before.short_id
                ));
                if is_counted_anew {
                    self.database.remove_blocks(before.number)?;
                }
                self.database.grow_source(before, &source)?
            }
        };
        if report.pending_bytes > 0 {
            self.note_pending_bytes(name, report.pending_bytes);
        }
        self.put_facts(&facts, recorded.number, before.is_some())?;
        self.sources.insert(recorded.number);
        match grown {
            None => self.known.push(recorded),
            Some(grown) => self.known[grown.index] = recorded,
        }
        report.tally = all;
        report.bytes = identity.bytes;
        self.analysis.inputs.push(report);
        Ok(())
    }

    /// The known source with that content, now or before it grew.
    fn find(&self, id: u128) -> Result<Option<usize>> {
        let is_it = |number: i64| self.known.iter().position(|known| known.number == number);
        match self.known.iter().position(|known| known.identity.id == id) {
            Some(index) => Ok(Some(index)),
            None => Ok(self.database.grown_since(id)?.and_then(is_it)),
        }
    }

    /// Encodes the facts of a source and merges them into those that the source has.
    fn put_facts(&mut self, facts: &Facts, source: i64, is_grown: bool) -> Result<()> {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        let old: BTreeMap<Day, _> = if is_grown {
            let blocks = self.database.blocks_of(source)?.into_iter();
            blocks.map(|block| (block.day, block)).collect()
        } else {
            BTreeMap::new()
        };
        for key in facts.days() {
            self.refuse_pruned(key.day)?;
            let mut day = facts.local_day(key);
            if let Some(old) = old.get(&key.day) {
                let old = self.database.local_day(old, &mut decoder)?;
                day = merged(key, old, day)?;
            }
            let bytes = day_block::encode(&day, &mut encoder);
            self.database.put_block(self.site.number, source, key.day, &bytes)?;
        }
        Ok(())
    }

    fn refuse_pruned(&self, day: Day) -> Result<()> {
        match self.site.pruned_before {
            Some(first) if day < first => Err(Error::Limit(format!(
                "the input has page views of {day}, and the database was pruned before {first}: what was counted of \
                 that day is gone, so its unique visitors could no longer be exact. Nothing was stored"
            ))),
            _ => Ok(()),
        }
    }

    /// An input that the database holds already.
    fn counted_before(&mut self, index: usize, name: &str) {
        if self.is_elsewhere(index, name) {
            return;
        }
        let known = &self.known[index];
        let first_day = known.tally.span.map(|(first, _)| first.day());
        if let (Some(first), Some(pruned)) = (first_day, self.site.pruned_before)
            && first < pruned
        {
            self.analysis.notes.push(format!(
                "{name:?}: its days before {pruned} were pruned, and are not in this report"
            ));
        }
        let day = CivilTime::from_seconds(known.changed.div_euclid(1000)).day();
        self.analysis.notes.push(format!(
            "{name:?} is already counted as {}, {} on {day}",
            known.short_id,
            megabytes(known.identity.bytes)
        ));
        self.sources.insert(known.number);
        let format = known.format.as_deref().and_then(|name| name.parse().ok()).map(Arc::new);
        self.analysis.inputs.push(InputReport {
            index: 0,
            name: name.to_owned(),
            bytes: known.identity.bytes,
            format,
            identity: Some(known.identity.clone()),
            pending_bytes: 0,
            tally: known.tally.clone(),
        });
    }

    fn note_pending(&mut self, input: &Input, index: usize, name: &str, whole_lines: bool) {
        let Some(bytes) = input.log_bytes().filter(|_| whole_lines) else { return };
        let pending = bytes.saturating_sub(self.known[index].identity.bytes);
        if pending > 0 {
            self.note_pending_bytes(name, pending);
        }
    }

    fn note_pending_bytes(&mut self, name: &str, pending: u64) {
        self.analysis.notes.push(format!(
            "{name:?}: {} pending, a last line without its end, which counts when it is whole",
            counted(pending, "byte", "bytes")
        ));
    }

    /// Keeps the facts of an input that is not recorded, for the report.
    fn report_unrecorded(
        &mut self,
        mut report: InputReport,
        before: Option<&Recorded>,
        facts: &Facts,
    ) -> Result<()> {
        self.tally.merge(Tally { samples: Vec::new(), ..report.tally.clone() });
        if let Some(before) = before {
            self.sources.insert(before.number);
            let new = std::mem::replace(&mut report.tally, before.tally.clone());
            report.tally.merge(new);
            report.bytes += before.identity.bytes;
        }
        let mut encoder = Encoder::default();
        for key in facts.days() {
            let bytes = day_block::encode(&facts.local_day(key), &mut encoder);
            self.unrecorded.push((key, bytes));
        }
        self.analysis.inputs.push(report);
        Ok(())
    }

    /// Makes the cells, and puts together what the inputs hold.
    fn finish(mut self) -> Result<Ingested> {
        if self.progress.is_interrupted() {
            return Err(Error::Interrupted);
        }
        self.database.make_cells()?;
        let mut blocks = Vec::new();
        for &source in &self.sources {
            if let Some(known) = self.known.iter().find(|known| known.number == source) {
                self.tally.merge(known.tally.clone());
            }
            blocks.extend(self.database.blocks_of(source)?);
        }
        blocks.sort_by_key(|block| block.day);
        let numbers = BTreeMap::from([(self.site.number, 0)]);
        self.analysis.facts =
            self.database.load(&blocks, &self.unrecorded, &numbers, |_, day| day)?;
        Ok(Ingested { analysis: self.analysis, tally: self.tally })
    }
}

/// Two shares of one source's day together.
fn merged(key: DayKey, one: LocalDay, other: LocalDay) -> Result<LocalDay> {
    let mut builder = FactsBuilder::default();
    builder.add(&[(key.of_source(0), one)])?;
    builder.add(&[(key.of_source(0), other)])?;
    Ok(builder.finish().local_day(key))
}

/// Bytes of a plain file up to its last line end.
fn whole_line_bytes(input: &Input) -> Option<u64> {
    match input.open(Opening { map: false, whole_lines: true }).ok()? {
        Opened::File(file) => Some(file.bytes()),
        Opened::Stream(_) => None,
    }
}

/// `1,204 MB`; less than one in kB or bytes.
fn megabytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => counted(bytes, "byte", "bytes"),
        10_000..10_000_000 => format!("{} kB", grouped((bytes + 500) / 1000)),
        _ => format!("{} MB", grouped((bytes + 500_000) / 1_000_000)),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_read_well() {
        let sizes = [1, 9_999, 10_000, 10_000_000, 1_204_400_000].map(super::megabytes);
        assert_eq!(sizes, ["1 byte", "9,999 bytes", "10 kB", "10 MB", "1,204 MB"]);
    }
}
