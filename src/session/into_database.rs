//! A run into a database: look what it has, scan what is new without any lock, store it in one short transaction.
//!
//! Owns: these steps. May import: `database`, `pipeline`, its siblings. Must not know: SQL, how inputs are compared, what
//! the run reports in the end.
//!
//! An input that could not be read to its end, or of which no line could be parsed, is reported but not stored: it counts
//! when it is given again, whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use super::Output;
use super::copies::copies;
use super::doubts::visitors_of_one_view;
use super::gathered::Gathered;
use super::lock;
use super::options::{AnalyzeOptions, CountedLogs, StoreInDatabase, is_nothing_parsed};
use super::relations::{self, Ledger, NamedInput, Plan, ToCount};
use super::rereadable::Rereadable;
use super::scanned::{ScannedInput, number, only_one_of_a_source};
use crate::database::ingest::{Batch, Fate, IngestOptions, Look, SiteOfRun};
use crate::database::{Database, Recorded, Site};
use crate::error::{Error, Result};
use crate::pipeline::{self, Analysis, CountingOptions, Tracking};
use crate::select::StoredRules;
use crate::source::Input;
use crate::system::progress::Progress;

/// How often a source is scanned again because other runs stored it meanwhile.
const MOST_ROUNDS: usize = 5;

/// Counts what is new in the inputs and stores it. Uses the thread pool it is called in. Sets the rules in `counting`.
///
/// # Errors
/// Those of [`pipeline::analyze`]; [`Error::Database`], [`Error::OtherRules`]: what the sentence says is stored then.
pub(super) fn count_into_database(
    options: &AnalyzeOptions,
    store: &StoreInDatabase,
    counting: &mut CountingOptions,
    progress: &Progress,
    output: &mut dyn Output,
) -> Result<CountedLogs> {
    let database = lock::open_to_write(&store.path, store.lock_timeout, progress, output)?;
    let names = counting.inputs.iter().map(Input::display).collect();
    let may_grow = counting.inputs.iter().map(|input| !input.is_one_shot()).collect();
    let (rereadable, failed) = Rereadable::new(&mut counting.inputs, progress)?;
    let mut run = Run {
        options,
        store,
        progress,
        database,
        counting,
        names,
        may_grow,
        rereadable,
        site: None,
        gathered: Gathered::new(
            options.has_report || options.cells.is_some(),
            failed.values().cloned().collect(),
        ),
    };
    let mut scanned = None;
    let mut open: Vec<usize> =
        (0..run.names.len()).filter(|input| !failed.contains_key(input)).collect();
    for round in 0.. {
        if round == MOST_ROUNDS {
            let sentences = open.iter().map(|&input| relations::not_settled(&run.names[input]));
            run.gathered.unreadable.extend(sentences);
            break;
        }
        let done = run.round(&open, round == 0, output)?;
        open = done.again;
        scanned = Some(done.analysis);
        if open.is_empty() {
            break;
        }
    }
    run.finish(scanned)
}

/// A run that is under way. Inputs are named by their index.
struct Run<'r> {
    options: &'r AnalyzeOptions,
    store: &'r StoreInDatabase,
    progress: &'r Progress,
    database: Database,
    counting: &'r mut CountingOptions,
    names: Vec<String>,
    /// Whether an input is a file that may be written to.
    may_grow: Vec<bool>,
    rereadable: Rereadable,
    /// The site in the database, if it was there and is not replaced.
    site: Option<Site>,
    /// What the report is made from.
    gathered: Gathered,
}

/// What a round has left.
struct Round {
    /// What was scanned, without sources that were left out.
    analysis: Analysis,
    /// Inputs that are to be looked at again.
    again: Vec<usize>,
}

impl Run<'_> {
    /// Looks at some inputs, scans what is new of them and stores it.
    fn round(
        &mut self,
        inputs: &[usize],
        is_first: bool,
        output: &mut dyn Output,
    ) -> Result<Round> {
        // What cannot be read has no beginning; scanning it says why.
        let beginnings: Vec<Vec<u128>> = inputs
            .iter()
            .map(|&input| self.counting.inputs[input].beginnings().unwrap_or_default())
            .collect();
        let look = self.database.look_at_ledger(&beginnings)?;
        let known = look.sites.iter().find(|site| site.name == self.options.rules.site);
        let replaced = known.filter(|_| self.options.replace && is_first).cloned();
        self.site = if replaced.is_some() { None } else { known.cloned() };
        if is_first {
            self.set_rules()?;
        }
        let mut to_scan = Vec::new();
        for (&input, candidates) in inputs.iter().zip(&look.candidates) {
            match self.plan(input, candidates, replaced.as_ref())? {
                Plan::Counted(known) => {
                    self.progress.inputs_done.fetch_add(1, Ordering::Relaxed);
                    self.take_counted(input, &known);
                }
                Plan::LeftOut(sentence) => self.gathered.unreadable.push(sentence),
                Plan::Count(to_count) => to_scan.push((input, to_count)),
            }
        }
        let mut analysis = self.scan(&to_scan, is_first)?;
        let (mut scanned, mut again) = self.sort_out(to_scan, &mut analysis);
        self.gathered.warnings.extend(visitors_of_one_view(
            analysis.facts.visitors().len(),
            scanned.iter().map(|one| one.report.tally.page_views).sum(),
            self.counting.rules.visitor.text(),
        ));
        if self.is_stored(&scanned) {
            let fates = self.store(&analysis, &scanned, &look, replaced.is_some(), output)?;
            let mut left_out = BTreeSet::new();
            for (one, fate) in scanned.drain(..).zip(fates) {
                let source = one.number();
                let input = one.input;
                match self.settle(one, fate)? {
                    Settled::Stored => {}
                    Settled::LeftOut => {
                        left_out.insert(source);
                    }
                    Settled::Again => {
                        left_out.insert(source);
                        again.push(input);
                    }
                }
            }
            analysis.facts.drop_sources(&left_out);
        } else {
            for one in scanned {
                // It counts for --max-invalid and the report all the same.
                self.gathered.take_unstored(one, &analysis);
            }
            again.clear();
        }
        if !again.is_empty() {
            self.gathered.is_all_scanned = false;
        }
        Ok(Round { analysis, again })
    }

    /// The rules of the run: those that were given, and for the rest those of the site.
    fn set_rules(&mut self) -> Result<()> {
        if let Some(site) = &self.site {
            self.counting.rules = self.options.rules.with_stored(&site.rules).ok_or_else(|| {
                let reason = "it counts the site by rules that this hitmap does not know; a newer one does; nothing was \
                              changed";
                Error::Database { path: self.store.path.clone(), reason: reason.to_owned() }
            })?;
            self.database.check_rules(site, &StoredRules::from(&self.counting.rules))?;
        }
        Ok(())
    }

    /// What is to be done with an input. The sources of a site that is `replaced` are to go, and none of the run's.
    fn plan(&self, input: usize, candidates: &[Recorded], replaced: Option<&Site>) -> Result<Plan> {
        let number = self.site.as_ref().map(|site| site.number);
        let sites = |known: &Recorded| -> Result<Vec<i64>> {
            let sites = self.database.sites_of_source(known.number)?;
            Ok(sites.into_iter().map(|(site, _)| site).collect())
        };
        let mut kept = Vec::new();
        for known in candidates {
            let is_replaced = match replaced {
                Some(site) => sites(known)?.contains(&site.number),
                None => false,
            };
            if !is_replaced {
                kept.push(known.clone());
            }
        }
        let is_elsewhere = |known: &Recorded| -> Result<bool> {
            Ok(sites(known)?.into_iter().any(|site| Some(site) != number))
        };
        let ledger = Ledger {
            candidates: &kept,
            is_elsewhere: &is_elsewhere,
            site: &self.counting.rules.site,
            format: &self.counting.format,
            as_new: self.store.as_new,
            map: self.counting.map,
        };
        ledger.plan(NamedInput {
            input: &self.counting.inputs[input],
            name: &self.names[input],
            may_grow: self.may_grow[input],
        })
    }

    /// Scans what is to be counted, all in one pipeline.
    fn scan(&mut self, to_scan: &[(usize, ToCount)], is_first: bool) -> Result<Analysis> {
        let inputs = to_scan.iter().map(|&(input, _)| self.counting.inputs[input].clone());
        let tracked = to_scan.iter().map(|(_, to_count)| to_count.tracked.clone());
        let tracking =
            Tracking { identify: false, sources: tracked.enumerate().collect(), shares: true };
        let mut counting =
            CountingOptions { inputs: inputs.collect(), tracking, ..self.counting.clone() };
        if !is_first {
            // The bar shows one round after the other.
            self.progress.bytes.store(0, Ordering::Relaxed);
            // Malformed lines were written in the first round.
            counting.invalid_lines = None;
        }
        let mut analysis = pipeline::analyze(&counting, self.progress)?;
        self.rereadable.restore_names(&mut analysis);
        self.gathered.take_messages(&mut analysis);
        Ok(analysis)
    }

    /// Which of the scanned inputs are to be stored; and those that are to be looked at again.
    fn sort_out(
        &mut self,
        to_scan: Vec<(usize, ToCount)>,
        analysis: &mut Analysis,
    ) -> (Vec<ScannedInput>, Vec<usize>) {
        let inputs: Vec<Input> =
            to_scan.iter().map(|&(input, _)| self.counting.inputs[input].clone()).collect();
        let copies = copies(&inputs, &analysis.inputs);
        let mut dropped: BTreeSet<u32> = copies.keys().map(|&copy| number(copy)).collect();
        let names: BTreeMap<usize, String> =
            analysis.inputs.iter().map(|report| (report.index, report.name.clone())).collect();
        let mut scanned: Vec<ScannedInput> = Vec::new();
        let mut plans: BTreeMap<usize, (usize, ToCount)> =
            to_scan.into_iter().enumerate().collect();
        for report in std::mem::take(&mut analysis.inputs) {
            let Some((input, to_count)) = plans.remove(&report.index) else { continue };
            if let Some(copy) = copies.get(&report.index) {
                self.gathered.notes.push(copy.sentence(&report.name, &names[&copy.of]));
                continue;
            }
            let one = ScannedInput { input, to_count, report };
            match one.reason_not_to_store() {
                Some(sentence) => {
                    // Beside an error that says what is wrong with it, this says what that means.
                    let is_whole = one.report.identity.is_some();
                    let messages = if is_whole {
                        &mut self.gathered.notes
                    } else {
                        &mut self.gathered.warnings
                    };
                    messages.extend(sentence);
                    self.gathered.take_unstored(one, analysis);
                }
                None => scanned.push(one),
            }
        }
        let again = only_one_of_a_source(&mut scanned, &mut dropped);
        analysis.facts.drop_sources(&dropped);
        (scanned, again)
    }

    /// Whether the run stores anything at all: not if an input of the wrong kind could only drop what --replace drops, or if
    /// there are too many malformed lines.
    fn is_stored(&self, scanned: &[ScannedInput]) -> bool {
        let tally = self.gathered.tally(scanned);
        let is_within_limit =
            self.options.max_invalid.is_none_or(|limit| limit.check(&tally).is_ok());
        let is_anything_read = !scanned.is_empty() || self.gathered.has_reports();
        is_within_limit && is_anything_read && !is_nothing_parsed(&tally)
    }

    /// Stores what was scanned, in one transaction. Returns what became of each source.
    fn store(
        &mut self,
        analysis: &Analysis,
        scanned: &[ScannedInput],
        look: &Look,
        is_replaced: bool,
        output: &mut dyn Output,
    ) -> Result<Vec<Fate>> {
        let is_anything_to_do = !scanned.is_empty()
            || is_replaced
            || self.store.cells.is_some()
            || self.database.is_rewrite_due()?;
        if !is_anything_to_do {
            return Ok(Vec::new());
        }
        let rules = StoredRules::from(&self.counting.rules);
        let batch = Batch {
            facts: &analysis.facts,
            shares: &analysis.shares,
            sites: vec![SiteOfRun { name: self.counting.rules.site.clone(), is_named: true }],
            rules: &rules,
            sources: scanned.iter().map(|one| one.source(self.store.as_new)).collect(),
        };
        let options = IngestOptions { replace: is_replaced, cells: self.store.cells };
        lock::begin(&self.database, self.store.lock_timeout, self.progress, output)?;
        let ingested = self.database.ingest(&batch, options, look)?;
        self.progress.check()?;
        if ingested.is_changed {
            self.database.commit()?;
        } else {
            self.database.roll_back()?;
        }
        lock::rewrite_if_due(&mut self.database, self.store.lock_timeout, self.progress, output)?;
        Ok(ingested.fates)
    }

    /// Takes what became of a source.
    fn settle(&mut self, one: ScannedInput, fate: Fate) -> Result<Settled> {
        match fate {
            Fate::Stored(source) => {
                if let (Some(before), Some(identity)) = (&one.to_count.before, &one.report.identity)
                {
                    let lines = one.tally().lines;
                    let name = &one.report.name;
                    let sentence = relations::has_grown(name, before, lines, identity.bytes);
                    self.gathered.notes.push(sentence);
                }
                self.gathered.take_stored(one, source);
                Ok(Settled::Stored)
            }
            Fate::CountedMeanwhile(source) => {
                let known = self.database.source(source)?;
                let known = known.ok_or(Error::Database {
                    path: self.store.path.clone(),
                    reason: format!("source {source} went while it was looked at; run it again"),
                })?;
                self.take_counted(one.input, &known);
                Ok(Settled::LeftOut)
            }
            Fate::ScanAgain => Ok(Settled::Again),
            Fate::Overlaps { day, site: _, share, other } => {
                let is_grown = one.to_count.resumed().is_some();
                let name = &one.report.name;
                let sentence = relations::overlaps(name, is_grown, day, share, &other);
                self.gathered.unreadable.push(sentence);
                Ok(Settled::LeftOut)
            }
        }
    }

    /// Takes an input into the report that is in the database already.
    fn take_counted(&mut self, input: usize, known: &Recorded) {
        let name = self.names[input].clone();
        let first_day = known.tally.span.map(|(first, _)| first.day());
        let pruned_before = self.site.as_ref().and_then(|site| site.pruned_before);
        if let (Some(first), Some(pruned)) = (first_day, pruned_before)
            && first < pruned
        {
            self.gathered.notes.push(relations::days_pruned(&name, pruned));
        }
        self.gathered.notes.push(relations::already_counted(&name, known));
        let file = &self.counting.inputs[input];
        let file_bytes = if self.may_grow[input] { file.log_bytes() } else { None };
        let pending_bytes =
            file_bytes.map_or(0, |bytes| bytes.saturating_sub(known.identity.bytes));
        self.gathered.take_counted(input, name, pending_bytes, known);
    }

    /// What the inputs hold.
    fn finish(self, scanned: Option<Analysis>) -> Result<CountedLogs> {
        let has_content = self.database.last_version()? > 0;
        let (analysis, tally) = self.gathered.finish(&self.store.path, scanned)?;
        Ok(CountedLogs { analysis, tally, has_content })
    }
}

/// What became of a scanned input.
enum Settled {
    Stored,
    LeftOut,
    Again,
}
