//! What the inputs of a run into a database hold, gathered for the report while the run goes on.
//!
//! Owns: [`Gathered`]. May import: `database` (facts of sources that are stored), `count` (facts of inputs that are not),
//! `pipeline` (what was read), its siblings. Must not know: the order of a run's steps, what is stored when.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::relations;
use super::scanned::{ScannedInput, number};
use crate::count::{Facts, FactsBuilder};
use crate::database::{Database, Recorded, Wanted};
use crate::error::Result;
use crate::facts::tally::Tally;
use crate::facts::{LocalDay, ShareKey};
use crate::pipeline::{Analysis, InputReport, Stages};
use crate::time::MINUTES_A_DAY;

/// What is known of the inputs so far. Inputs are named by their index.
pub(super) struct Gathered {
    /// Sentences about inputs that could not be read, or are left out.
    pub(super) unreadable: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) warnings: Vec<String>,
    /// Whether the last scan has read all that is to be reported.
    pub(super) is_all_scanned: bool,
    /// Whether facts are asked for in the end.
    needs_facts: bool,
    reports: BTreeMap<usize, InputReport>,
    /// The sources that the inputs are, and the sums over all their lines.
    sources: BTreeMap<i64, Tally>,
    /// Facts and sums of inputs that are not stored.
    unstored: Vec<(ShareKey, LocalDay)>,
    unstored_tally: Tally,
    stages: Stages,
}

impl Gathered {
    /// Knows only what could not be read. `needs_facts`: whether facts are asked for in the end.
    pub(super) fn new(needs_facts: bool, unreadable: Vec<String>) -> Self {
        Self {
            unreadable,
            notes: Vec::new(),
            warnings: Vec::new(),
            is_all_scanned: true,
            needs_facts,
            reports: BTreeMap::new(),
            sources: BTreeMap::new(),
            unstored: Vec::new(),
            unstored_tally: Tally::default(),
            stages: Stages::default(),
        }
    }

    /// Whether any input has a report.
    pub(super) fn has_reports(&self) -> bool {
        !self.reports.is_empty()
    }

    /// Takes the messages and times of a scan.
    pub(super) fn take_messages(&mut self, analysis: &mut Analysis) {
        self.stages.add(&analysis.stages);
        self.unreadable.append(&mut analysis.unreadable);
        self.notes.append(&mut analysis.notes);
        self.warnings.append(&mut analysis.warnings);
    }

    /// Takes an input of a scan that is not stored.
    pub(super) fn take_unstored(&mut self, one: ScannedInput, analysis: &Analysis) {
        let tally = one.tally();
        let ScannedInput { input, to_count, mut report } = one;
        self.unstored_tally.merge(report.tally.without_samples());
        if let Some(before) = to_count.resumed() {
            self.sources.insert(before.number, before.tally.clone());
            self.is_all_scanned = false;
            report.bytes += before.identity.bytes;
        }
        if self.needs_facts {
            let source = number(report.index);
            let keys: Vec<ShareKey> =
                analysis.facts.shares().filter(|key| key.source == source).collect();
            self.unstored.extend(keys.iter().map(|&key| (key, analysis.facts.local_share(key))));
        }
        self.report(InputReport { index: input, tally, ..report });
    }

    /// Takes an input that was stored as a source.
    pub(super) fn take_stored(&mut self, one: ScannedInput, source: i64) {
        let tally = one.tally();
        let ScannedInput { input, to_count, mut report } = one;
        if to_count.resumed().is_some() {
            self.is_all_scanned = false;
        }
        if let Some(identity) = &report.identity {
            report.bytes = identity.bytes;
        }
        self.sources.insert(source, tally.without_samples());
        self.report(InputReport { index: input, tally, ..report });
    }

    /// Takes an input that is in the database already, but for bytes at its end that are `pending`.
    pub(super) fn take_counted(
        &mut self,
        input: usize,
        name: String,
        pending_bytes: u64,
        known: &Recorded,
    ) {
        self.is_all_scanned = false;
        self.sources.insert(known.number, known.tally.clone());
        let format = known.format.as_deref().and_then(|name| name.parse().ok()).map(Arc::new);
        self.report(InputReport {
            index: input,
            name,
            bytes: known.identity.bytes,
            format,
            identity: Some(known.identity.clone()),
            pending_bytes,
            tally: known.tally.clone(),
        });
    }

    fn report(&mut self, report: InputReport) {
        if report.pending_bytes > 0 {
            self.notes.push(relations::pending(&report.name, report.pending_bytes));
        }
        self.reports.insert(report.index, report);
    }

    /// Sums over the lines of all inputs, those that were `scanned` but not taken yet included; each source once.
    pub(super) fn tally(&self, scanned: &[ScannedInput]) -> Tally {
        let mut all = self.unstored_tally.clone();
        for (source, tally) in &self.sources {
            let is_grown = |one: &ScannedInput| {
                one.to_count.before.as_ref().is_some_and(|before| before.number == *source)
            };
            if !scanned.iter().any(is_grown) {
                all.merge(tally.clone());
            }
        }
        for one in scanned {
            all.merge(one.tally().without_samples());
        }
        all
    }

    /// What the inputs hold, with the sums over all their lines: from the last scan if it has read all of it, else from the
    /// database.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database).
    pub(super) fn finish(
        self,
        database: &Path,
        scanned: Option<Analysis>,
    ) -> Result<(Analysis, Tally)> {
        let tally = self.tally(&[]);
        let facts = match scanned {
            Some(analysis) if self.is_all_scanned || !self.needs_facts => analysis.facts,
            _ if self.sources.is_empty() => {
                let mut builder = FactsBuilder::default();
                builder.add(&self.unstored)?;
                builder.finish()
            }
            _ => self.stored_facts(database)?,
        };
        let analysis = Analysis {
            facts,
            shares: BTreeMap::new(),
            inputs: self.reports.into_values().collect(),
            unreadable: self.unreadable,
            notes: self.notes,
            warnings: self.warnings,
            stages: self.stages,
        };
        Ok((analysis, tally))
    }

    /// The facts of the sources that the inputs are, and of what is not stored.
    fn stored_facts(&self, path: &Path) -> Result<Facts> {
        let mut database = Database::open_to_read(path)?;
        let mut blocks = Vec::new();
        for &source in self.sources.keys() {
            blocks.extend(database.blocks_of_source(source)?);
        }
        blocks.sort_by_key(|block| (block.site, block.day));
        let numbers = blocks.iter().map(|block| (block.site, 0)).collect();
        let wanted = Wanted { minutes: |_| 0..MINUTES_A_DAY, page: |_, _| true };
        let reader = database.reader();
        let facts = reader.facts(&blocks, &numbers, &wanted)?;
        let facts = reader.and_unstored(facts, &self.unstored)?;
        database.finish_reading()?;
        Ok(facts)
    }
}
