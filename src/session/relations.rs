//! What an input is to the sources of a database, and what is said about it.
//!
//! Owns: [`Plan`] and how it is made, the sentences about sources. May import: `source` (relations), `pipeline` (tracking),
//! `database` (recorded sources). Must not know: how inputs are scanned, how counts are stored.

use std::sync::Arc;

use crate::database::ingest::CountedFrom;
use crate::database::{Recorded, SourceState};
use crate::error::Result;
use crate::parse::Format;
use crate::pipeline::{Counted, FormatChoice, TrackedInput};
use crate::source::{Input, Opened, Opening, Relation};
use crate::text::{counted, grouped};
use crate::time::{CivilTime, Day};

/// What is to be done with an input.
#[derive(Debug)]
pub(super) enum Plan {
    /// It is this source, all of which is counted.
    Counted(Recorded),
    /// It is left out, for the reason in the sentence.
    LeftOut(String),
    /// It is to be counted, or what is new of it.
    Count(ToCount),
}

/// An input that is to be counted, or its new lines.
#[derive(Clone, Debug)]
pub(super) struct ToCount {
    /// From where on.
    pub(super) from: CountedFrom,
    /// The source that it has grown from.
    pub(super) before: Option<Recorded>,
    /// How the pipeline follows it.
    pub(super) tracked: TrackedInput,
}

impl ToCount {
    /// The source whose lines are counted already, and not read again.
    pub(super) fn resumed(&self) -> Option<&Recorded> {
        self.before.as_ref().filter(|_| matches!(self.from, CountedFrom::Ledger { .. }))
    }
}

/// An input that can be read more than once.
#[derive(Clone, Copy, Debug)]
pub(super) struct NamedInput<'i> {
    pub(super) input: &'i Input,
    /// What the user calls it.
    pub(super) name: &'i str,
    /// Whether it is a file that may be written to: a last line without its end is not counted then.
    pub(super) may_grow: bool,
}

/// What inputs are compared with.
pub(super) struct Ledger<'l> {
    /// The sources that the input may be.
    pub(super) candidates: &'l [Recorded],
    /// Whether a source has lines of another site than the run's.
    pub(super) is_elsewhere: &'l dyn Fn(&Recorded) -> Result<bool>,
    /// Name of the site.
    pub(super) site: &'l str,
    /// The format that the run was given.
    pub(super) format: &'l FormatChoice,
    /// Whether inputs that are shorter than when they were counted, or that overlap others, are counted as new sources.
    pub(super) as_new: bool,
    /// Whether files are mapped into memory.
    pub(super) map: bool,
}

impl Ledger<'_> {
    /// What is to be done with an input.
    ///
    /// # Errors
    /// Those of `is_elsewhere`. An input that cannot be read is to be counted: that says why.
    pub(super) fn plan(&self, input: NamedInput<'_>) -> Result<Plan> {
        if self.candidates.is_empty() {
            return Ok(Plan::Count(new(input)));
        }
        // All its bytes: what was counted of it may end in a last line without its end, if it came compressed.
        let opening = Opening { map: self.map, whole_lines: false };
        let identities: Vec<_> =
            self.candidates.iter().map(|known| known.identity.clone()).collect();
        let relations = input.input.relations(opening, &identities).ok().flatten();
        let mut grown: Option<(&Recorded, bool)> = None;
        let mut truncated = None;
        for (known, relation) in self.candidates.iter().zip(relations.unwrap_or_default()) {
            match relation {
                Relation::Same => return self.if_here(input.name, known, Plan::Counted),
                Relation::GrownFrom { counted_bytes, is_at_line_end } => {
                    if grown.is_none_or(|(best, _)| counted_bytes > best.identity.bytes) {
                        grown = Some((known, is_at_line_end));
                    }
                }
                Relation::Truncated => truncated = Some(known),
                Relation::Different => {}
            }
        }
        match (grown, truncated) {
            (None, Some(known)) if !self.as_new => {
                if let Some(known) = self.earlier_state(input.input) {
                    return self.if_here(input.name, known, Plan::Counted);
                }
                self.if_here(input.name, known, |known| Plan::LeftOut(shorter(input.name, &known)))
            }
            (Some((known, is_at_line_end)), _) => self.if_here(input.name, known, |known| {
                let is_all_counted = input.may_grow
                    && whole_line_bytes(input.input)
                        .is_some_and(|bytes| bytes <= known.identity.bytes);
                if is_all_counted {
                    Plan::Counted(known)
                } else {
                    Plan::Count(self.grown(input.may_grow, known, is_at_line_end))
                }
            }),
            (None, _) => Ok(Plan::Count(new(input))),
        }
    }

    /// What `plan` makes of a source, unless that is another site's: one log's views count for one site, or what grew would
    /// be torn between two.
    fn if_here(
        &self,
        name: &str,
        known: &Recorded,
        plan: impl FnOnce(Recorded) -> Plan,
    ) -> Result<Plan> {
        if (self.is_elsewhere)(known)? {
            return Ok(Plan::LeftOut(elsewhere(name, self.site, known)));
        }
        Ok(plan(known.clone()))
    }

    /// How to count an input that has grown from `known`. What would count otherwise now is read again from the beginning:
    /// a last line that was torn, or all lines, if the format is another.
    fn grown(&self, may_grow: bool, known: Recorded, is_at_line_end: bool) -> ToCount {
        let kept: Option<Format> = known.format.as_deref().and_then(|name| name.parse().ok());
        let is_same_format = match (self.format, &kept) {
            (_, None) => false,
            (FormatChoice::Named(named), Some(kept)) => **named == *kept,
            (FormatChoice::Detect | FormatChoice::Kept(_), Some(_)) => true,
        };
        let kept_format = kept.filter(|_| is_same_format).map(Arc::new);
        let tracked = TrackedInput { whole_lines: may_grow, counted: None, kept_format };
        if !is_at_line_end || !is_same_format {
            let from = CountedFrom::Anew { source: known.number };
            return ToCount { from, before: Some(known), tracked };
        }
        let (bytes, id) = (known.identity.bytes, known.identity.id);
        let counted = Counted { identity: known.identity.clone(), lines: known.tally.lines };
        ToCount {
            from: CountedFrom::Ledger { source: known.number, bytes, id },
            before: Some(known),
            tracked: TrackedInput { counted: Some(counted), ..tracked },
        }
    }

    /// The source that was the input before it grew, whether it was counted up to its last line end then or, from a pipe,
    /// to its end. Reads all of the input.
    fn earlier_state(&self, input: &Input) -> Option<&Recorded> {
        for whole_lines in [true, false] {
            let identity = input.identify(Opening { map: self.map, whole_lines }).ok()?;
            let is_state = |state: &SourceState| state.id == identity.id;
            let is_it = |known: &&Recorded| {
                known.identity.id == identity.id || known.states.iter().any(is_state)
            };
            let found = self.candidates.iter().find(is_it);
            let has_torn_line = input.log_bytes().is_some_and(|bytes| bytes != identity.bytes);
            if found.is_some() || !has_torn_line {
                return found;
            }
        }
        None
    }
}

/// How to count an input that no source is known of.
fn new(input: NamedInput<'_>) -> ToCount {
    ToCount {
        from: CountedFrom::Start,
        before: None,
        tracked: TrackedInput { whole_lines: input.may_grow, ..TrackedInput::default() },
    }
}

/// Bytes of a plain file up to its last line end.
fn whole_line_bytes(input: &Input) -> Option<u64> {
    match input.open(Opening { map: false, whole_lines: true }).ok()? {
        Opened::File(file) => Some(file.bytes()),
        Opened::Stream(_) => None,
    }
}

/// Of an input that is in the database already.
pub(super) fn already_counted(name: &str, known: &Recorded) -> String {
    let day = CivilTime::from_seconds(known.changed.div_euclid(1000)).day();
    let size = megabytes(known.identity.bytes);
    format!("{name:?} is already counted as {}, {size} on {day}", known.short_id)
}

/// Of a source whose first days were pruned.
pub(super) fn days_pruned(name: &str, first: Day) -> String {
    format!("{name:?}: its days before {first} were pruned, and are not in this report")
}

/// Of a source that has grown and is stored.
pub(super) fn has_grown(name: &str, before: &Recorded, lines: u64, bytes: u64) -> String {
    let lines = counted(lines.saturating_sub(before.tally.lines), "line", "lines");
    let grown_by = bytes.saturating_sub(before.identity.bytes);
    format!("{name:?} is {}, grown by {lines} ({grown_by} bytes)", before.short_id)
}

/// Of bytes after a last line end.
pub(super) fn pending(name: &str, bytes: u64) -> String {
    format!(
        "{name:?}: {} pending, a last line without its end, which counts when it is whole",
        counted(bytes, "byte", "bytes")
    )
}

/// Of an input that could not be read to its end.
pub(super) fn not_whole(name: &str) -> String {
    format!(
        "{name:?} is not stored, because it could not be read to its end; give it again when it is whole"
    )
}

/// Of an input with lines none of which could be parsed.
pub(super) fn not_parsed(name: &str) -> String {
    format!("{name:?} is not stored, because no line of it could be parsed")
}

/// Of an input that the ledger knew otherwise each time that it was counted.
pub(super) fn not_settled(name: &str) -> String {
    format!(
        "{name:?} is left out: other runs counted it each time that this one was about to store it; give it again"
    )
}

/// Of an input with page views that are counted already, of another source.
pub(super) fn overlaps(
    name: &str,
    is_grown: bool,
    day: Day,
    share: f32,
    other: &Recorded,
) -> String {
    let what = if is_grown { ", or rather its new lines" } else { "" };
    format!(
        "{name:?} is left out{what}: of its page views of {day}, about {:.0} % are counted already, most of them with \
         {:?} ({}). --as-new counts it all the same",
        share * 100.0,
        other.name,
        other.short_id
    )
}

fn shorter(name: &str, known: &Recorded) -> String {
    format!(
        "{name:?} is shorter than when it was counted as {} ({} bytes): it was cut, or is an older copy. It is left out; \
         --as-new counts it as another source",
        known.short_id, known.identity.bytes
    )
}

fn elsewhere(name: &str, site: &str, known: &Recorded) -> String {
    format!(
        "{name:?} is left out: it is counted for another site than {site:?} already, as {}. hitmap forget takes it out \
         there; a database of its own can count it again",
        known.short_id
    )
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
