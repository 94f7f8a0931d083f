//! What a user should know about inputs whose numbers may not mean what they seem to.
//!
//! Owns: inputs that nothing could be read of, inputs that are mostly malformed, visitors that never come back. May import:
//! `pipeline` (what was read), `parse` (other formats). Must not know: where the sentences go.

use crate::parse::Reason;
use crate::parse::recognize::describe;
use crate::pipeline::{Analysis, FormatChoice, InputReport};
use crate::text::grouped;

/// Lines from which on a share of malformed lines means something.
const LEAST_LINES: u64 = 100;
/// One malformed line in so many is worth a warning.
const FEW_MALFORMED: u64 = 20;
/// Page views from which on it cannot be chance that each has a visitor of its own.
const LEAST_VIEWS: u64 = 1_000;

/// A sentence about each input that has lines, none of which could be parsed.
pub(super) fn unparsed_inputs(analysis: &Analysis, choice: &FormatChoice) -> Vec<String> {
    let unparsed = analysis.inputs.iter().filter(|input| is_unparsed(input));
    unparsed.map(|input| unparsed_sentence(input, choice)).collect()
}

fn is_unparsed(input: &InputReport) -> bool {
    let tally = &input.tally;
    tally.malformed_lines > 0 && tally.hits + tally.other_lines == 0
}

fn unparsed_sentence(input: &InputReport, choice: &FormatChoice) -> String {
    let lines: Vec<&[u8]> = input.tally.samples.iter().map(|sample| &sample.bytes[..]).collect();
    if input.tally.reasons.keys().eq([&Reason::TooLong]) {
        let reason = Reason::TooLong.text();
        return format!("{:?}: no line could be parsed: {reason}", input.name);
    }
    let named = match choice {
        FormatChoice::Named(format) => format!(" as {format}"),
        FormatChoice::Detect | FormatChoice::Kept(_) => String::new(),
    };
    format!("{:?}: no line could be parsed{named}; {}", input.name, describe(&lines))
}

/// A sentence about each input of which many lines are malformed, if some were read in this run.
pub(super) fn mostly_malformed_inputs(analysis: &Analysis) -> Vec<String> {
    let inputs = analysis.inputs.iter().filter(|input| !is_unparsed(input));
    inputs.filter_map(mostly_malformed).collect()
}

fn mostly_malformed(input: &InputReport) -> Option<String> {
    let tally = &input.tally;
    // Of equally common reasons the first in the order of fields.
    let (reason, _) = tally.reasons.iter().rev().max_by_key(|&(_, lines)| lines)?;
    let is_much = tally.lines >= LEAST_LINES
        && tally.malformed_lines.saturating_mul(FEW_MALFORMED) > tally.lines;
    is_much.then(|| {
        format!(
            "{:?}: {} % of its {} lines are malformed and not counted, most of them because: {}. hitmap explain shows how \
             lines are read, --invalid-lines FILE collects them",
            input.name,
            tally.malformed_lines * 100 / tally.lines,
            grouped(tally.lines),
            reason.text()
        )
    })
}

/// A sentence about visitors that never come back, if there are only such.
pub(super) fn visitors_of_one_view(visitors: u64, page_views: u64, fields: &str) -> Option<String> {
    (page_views >= LEAST_VIEWS && visitors == page_views).then(|| {
        format!(
            "each of the {} page views has a visitor of its own: one of the fields {fields} is probably not what it should \
             be. hitmap explain shows what stands in them",
            grouped(page_views)
        )
    })
}
