//! How the lines of a log are read, for people who check it before they count.
//!
//! Owns: the steps of [`explain`]. May import: `source`, `pipeline` (the judgement of formats), `parse`, `select`,
//! `report` (explained lines). Must not know: how lines are shown.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::parse::explain::{Explained, FurtherFields};
use crate::parse::record::Record;
use crate::parse::{Format, Grammar, without_byte_order_mark};
use crate::pipeline::{FormatChoice, Judge};
use crate::report::explanation::ExplainedLine;
use crate::select::{Rules, Selector, page};
use crate::source::{Input, Opened, Opening, Stream};
use crate::text::{counted, from_bytes};

use super::Output;

/// Options of [`explain`].
#[derive(Clone, Debug)]
pub struct ExplainOptions {
    /// The log.
    pub input: Input,
    /// Its format.
    pub format: FormatChoice,
    /// What counts.
    pub rules: Rules,
    /// Which lines.
    pub lines: LineChoice,
}

/// Which lines are explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineChoice {
    /// So many from the first on.
    First(u64),
    /// The one with this number, from 1.
    Only(u64),
}

impl LineChoice {
    fn last(self) -> u64 {
        match self {
            Self::First(lines) => lines,
            Self::Only(number) => number,
        }
    }

    fn has(self, number: u64) -> bool {
        match self {
            Self::First(lines) => number <= lines,
            Self::Only(only) => number == only,
        }
    }
}

/// The lines that were asked for, and in which format they are.
struct Lines {
    format: Option<Arc<Format>>,
    lines: Vec<(u64, Vec<u8>)>,
    /// Why the log would be left out.
    refusal: Option<String>,
    /// Lines that were read.
    read: u64,
}

/// Reads lines of a log as a run would, hands `heading` what its format is and `each` what every line says.
///
/// # Errors
/// [`Error::Unreadable`] if the log cannot be read, or would be left out, after its lines; [`Error::Usage`] if it has no
/// such line; those of `heading` and `each`.
pub fn explain(
    options: &ExplainOptions,
    output: &mut dyn Output,
    heading: &mut dyn FnMut(&str) -> Result<()>,
    each: &mut dyn FnMut(&ExplainedLine) -> Result<()>,
) -> Result<()> {
    let name = options.input.display();
    let unreadable = |error: std::io::Error| Error::Unreadable(format!("{name:?}: {error}"));
    let opening = Opening { map: false, whole_lines: false };
    let stream = match options.input.open(opening).map_err(unreadable)? {
        Opened::Stream(stream) => stream,
        Opened::File(file) => Stream::of_file(Arc::new(file)),
    };
    let mut judge = Judge::new(&options.format);
    let read = read(stream, &mut judge, options.lines).map_err(unreadable)?;
    for warning in judge.take_warnings() {
        output.warn(&format!("{name:?}: {warning}"));
    }
    let found = match &options.format {
        FormatChoice::Detect => "detected",
        FormatChoice::Named(_) | FormatChoice::Kept(_) => "as named",
    };
    heading(&match &read.format {
        Some(format) => format!("{format}, {found}"),
        None => "unknown format, read as combined".to_owned(),
    })?;
    let format = read.format.unwrap_or_else(|| Arc::new(Grammar::Combined.into()));
    let mut selector = Selector::new(&options.rules);
    for (number, line) in &read.lines {
        each(&explained(*number, line, &format, &options.rules, &mut selector))?;
    }
    if let Some(refusal) = read.refusal {
        return Err(Error::Unreadable(format!("{name:?} would be left out: {refusal}")));
    }
    match options.lines {
        LineChoice::Only(number) if read.lines.is_empty() => Err(Error::Usage(format!(
            "{name:?} has {}, so there is no line {number}",
            counted(read.read, "line", "lines")
        ))),
        _ => Ok(()),
    }
}

/// Reads until the format is decided and the last line that was asked for was seen.
fn read(mut stream: Stream, judge: &mut Judge, choice: LineChoice) -> std::io::Result<Lines> {
    let mut lines = Lines { format: judge.format(), lines: Vec::new(), refusal: None, read: 0 };
    let mut is_decided = false;
    while let Some(block) = stream.next_block()? {
        if !is_decided {
            is_decided = match judge.look_at(&block.bytes) {
                Ok(is_decided) => is_decided,
                Err(refusal) => {
                    lines.refusal = Some(refusal.0);
                    true
                }
            };
            lines.format = judge.format();
        }
        let is_first = block.offset == 0;
        let bytes = if is_first { without_byte_order_mark(&block.bytes) } else { &block.bytes };
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            lines.read += 1;
            if choice.has(lines.read) {
                let line = line.strip_suffix(b"\n").unwrap_or(line);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                lines.lines.push((lines.read, line.to_vec()));
            }
        }
        if is_decided && lines.read >= choice.last() {
            break;
        }
    }
    Ok(lines)
}

fn explained(
    number: u64,
    line: &[u8],
    format: &Format,
    rules: &Rules,
    selector: &mut Selector<'_>,
) -> ExplainedLine {
    let text = from_bytes(line).into_owned();
    let said = |kind, reason: &str| ExplainedLine {
        number,
        kind,
        reason: reason.to_owned(),
        text: text.clone(),
        ..ExplainedLine::default()
    };
    crate::parse::explain::explain(format, line, |explained| match explained {
        Explained::Empty => said("empty", ""),
        Explained::Other => said("other", "its path is not /dig"),
        Explained::Malformed(reason) => said("malformed", reason.text()),
        Explained::Hit(record, further) => {
            let is_beacon = format.grammar().is_beacon();
            let objection = selector.objection(&record, is_beacon);
            ExplainedLine {
                fields: fields(&record, &further, format.grammar(), rules),
                is_page_view: objection.is_none(),
                ..said("hit", objection.map_or("", |objection| objection.text()))
            }
        }
    })
}

fn fields(
    record: &Record<'_>,
    further: &FurtherFields<'_>,
    grammar: Grammar,
    rules: &Rules,
) -> Vec<(&'static str, serde_json::Value)> {
    let text = |bytes: &[u8]| from_bytes(bytes).into_owned().into();
    let offset = record.offset_minutes;
    let sign = if offset < 0 { '-' } else { '+' };
    let (hours, minutes) = (offset.abs() / 60, offset.abs() % 60);
    let mut fields = vec![
        ("host", text(record.host)),
        ("identity", text(further.identity)),
        ("user", text(record.user)),
        ("time", format!("{}{sign}{hours:02}:{minutes:02}", record.time).into()),
    ];
    match &record.request {
        None => fields.push(("request", text(further.request))),
        Some(request) => {
            let first_blank = further.request.iter().position(|&byte| byte == b' ');
            let last_blank = further.request.iter().rposition(|&byte| byte == b' ');
            let method = &further.request[..first_blank.unwrap_or(0)];
            let protocol = &further.request[last_blank.map_or(0, |at| at + 1)..];
            fields.extend([
                ("method", text(method)),
                ("target", text(request.logged_target)),
                ("protocol", text(protocol)),
            ]);
            if grammar.is_beacon() {
                fields.push(("url", text(request.target)));
            }
        }
    }
    fields.extend([("status", record.status.into()), ("bytes", record.bytes_sent.into())]);
    if grammar.has_user_agent() {
        fields
            .extend([("referrer", text(record.referrer)), ("user_agent", text(record.user_agent))]);
    }
    if !further.rest.trim_ascii().is_empty() {
        fields.push(("rest", text(further.rest.trim_ascii())));
    }
    let page = record.request.and_then(|request| page::page(request.target, rules.keep_query));
    if let Some(page) = page {
        let page = from_bytes(page).into_owned();
        let section = page::section(&page, &rules.groups).to_owned();
        fields.extend([("page", page.into()), ("section", section.into())]);
    }
    fields
}
