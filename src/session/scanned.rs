//! Inputs that a run into a database has scanned.
//!
//! Owns: [`ScannedInput`]: whether it is stored, and as what. May import: `database` (what is ingested), `pipeline` (what was
//! read), `session::relations`. Must not know: the order of a run's steps.

use std::collections::{BTreeMap, BTreeSet};

use super::relations::{self, ToCount};
use crate::database::ingest::ScannedSource;
use crate::facts::tally::Tally;
use crate::pipeline::InputReport;

/// An input that was scanned, to be stored.
#[derive(Debug)]
pub(super) struct ScannedInput {
    /// Its index among the inputs of the run.
    pub(super) input: usize,
    pub(super) to_count: ToCount,
    pub(super) report: InputReport,
}

impl ScannedInput {
    /// Sums over all lines of the input's, those counted before included.
    pub(super) fn tally(&self) -> Tally {
        let resumed = self.to_count.resumed();
        let mut tally = resumed.map(|before| before.tally.clone()).unwrap_or_default();
        tally.merge(self.report.tally.clone());
        tally
    }

    /// The number of its source in the facts of the scan.
    pub(super) fn number(&self) -> u32 {
        number(self.report.index)
    }

    /// The source that is stored; `as_new`, although it overlaps others.
    pub(super) fn source(&self, as_new: bool) -> ScannedSource {
        let Self { to_count, report, .. } = self;
        ScannedSource {
            number: self.number(),
            identity: report.identity.clone().unwrap_or_else(|| unreachable!("it is whole")),
            counted_from: to_count.from,
            name: report.name.clone(),
            format: report.format.as_ref().map(ToString::to_string),
            lines: report.tally.clone(),
            as_new,
            is_named: true,
        }
    }

    /// Why an input is not stored, if it is not: in words if there is something to say.
    pub(super) fn reason_not_to_store(&self) -> Option<Option<String>> {
        let Self { report, to_count, .. } = self;
        let tally = &report.tally;
        let Some(identity) = &report.identity else {
            return Some((tally.lines > 0).then(|| relations::not_whole(&report.name)));
        };
        if identity.bytes == 0 {
            return Some(None);
        }
        if to_count.before.is_none() && tally.hits + tally.other_lines == 0 {
            if tally.malformed_lines > 0 {
                return Some(Some(relations::not_parsed(&report.name)));
            }
            if tally.empty_lines == 0 {
                return Some(None);
            }
        }
        None
    }
}

/// Of inputs that have grown from the same source, the longest; the others are to be compared with what that becomes.
pub(super) fn only_one_of_a_source(
    scanned: &mut Vec<ScannedInput>,
    dropped: &mut BTreeSet<u32>,
) -> Vec<usize> {
    let bytes = |one: &ScannedInput| one.report.identity.as_ref().map(|identity| identity.bytes);
    let mut longest: BTreeMap<i64, (Option<u64>, usize)> = BTreeMap::new();
    for one in scanned.iter() {
        let Some(before) = &one.to_count.before else { continue };
        let found = longest.entry(before.number).or_insert((bytes(one), one.input));
        if bytes(one) > found.0 {
            *found = (bytes(one), one.input);
        }
    }
    let mut again = Vec::new();
    scanned.retain(|one| {
        let before = one.to_count.before.as_ref();
        let is_kept = before.is_none_or(|before| longest[&before.number].1 == one.input);
        if !is_kept {
            dropped.insert(one.number());
            again.push(one.input);
        }
        is_kept
    });
    again
}

/// The number of an input's source in the facts of a round.
pub(super) fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
