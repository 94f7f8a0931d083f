//! How single lines of a log are read, as text and as JSON.
//!
//! Owns: [`ExplainedLine`] and how it is written. May import: `text`, its siblings. Must not know: how lines are read.

use std::io::{self, Write};

use serde_json::{Map, Value};

use super::json::write_harmless;
use crate::text::escape_terminal;

/// A line of a log, field by field. All text is UTF-8, with foreign bytes as `\xNN`.
#[derive(Clone, Debug, Default)]
pub struct ExplainedLine {
    /// Its number in the log, from 1.
    pub number: u64,
    /// `hit`, `malformed`, `empty`, or `other` (a line of a beacon log that is no beacon).
    pub kind: &'static str,
    /// The fields by their names, in the order in which they are shown.
    pub fields: Vec<(&'static str, Value)>,
    /// Whether it counts.
    pub is_page_view: bool,
    /// Why it does not count, or why it is malformed; empty where it counts.
    pub reason: String,
    /// The line as it stands in the log.
    pub text: String,
}

/// Columns of the names of fields.
const NAME_COLUMNS: usize = 12;

/// Writes a line for people.
///
/// # Errors
/// Those of `output`.
pub fn write_text(line: &ExplainedLine, output: &mut dyn Write) -> io::Result<()> {
    let ExplainedLine { number, kind, fields, is_page_view, reason, text } = line;
    writeln!(output, "Line {number}: {}", escape_terminal(text))?;
    for (name, value) in fields {
        let value = match value {
            Value::String(text) => escape_terminal(text).into_owned(),
            value => value.to_string(),
        };
        let name = name.replace('_', " ");
        let shown = if value.is_empty() { "(empty)" } else { &value };
        writeln!(output, "  {name:NAME_COLUMNS$}{shown}")?;
    }
    match (*kind, *is_page_view) {
        ("hit", true) => writeln!(output, "  A hit, and a page view."),
        ("hit", false) => writeln!(output, "  A hit, but not a page view: {reason}."),
        (kind, _) if reason.is_empty() => writeln!(output, "  Not a hit: {kind}."),
        (kind, _) => writeln!(output, "  Not a hit: {kind}, {reason}."),
    }
}

/// Writes a line as one JSON object and a line end.
///
/// # Errors
/// Those of `output`.
pub fn write_json(line: &ExplainedLine, output: &mut dyn Write) -> io::Result<()> {
    let ExplainedLine { number, kind, fields, is_page_view, reason, text } = line;
    let mut object = Map::new();
    object.insert("line".to_owned(), (*number).into());
    object.insert("kind".to_owned(), (*kind).into());
    for (name, value) in fields {
        object.insert((*name).to_owned(), value.clone());
    }
    object.insert("page_view".to_owned(), (*is_page_view).into());
    let reason = if reason.is_empty() { Value::Null } else { reason.as_str().into() };
    object.insert("reason".to_owned(), reason);
    object.insert("text".to_owned(), text.as_str().into());
    write_harmless(&Value::Object(object), output)?;
    writeln!(output)
}
