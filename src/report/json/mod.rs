//! The `--json` report: one object, schema version 1.
//!
//! Owns: the layout of the JSON. It is stable: keys may be added, and none changes its meaning. May import: `text`, `time`,
//! `query` (summaries). Must not know: how the numbers were made.

mod comparison;
mod stored;

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use serde_json::{Map, Value, json};

use self::comparison::comparison;
use self::stored::JsonStored;
use crate::query::By;
use crate::query::counted::Counted;
use crate::query::summary::{BucketRow, CellSum, Stored, Summary};
use crate::text::is_hostile;
use crate::time::{Granularity, MINUTES_A_DAY, Minute, offset_text};

const LEVELS: [&str; 3] = ["site", "section", "page"];
const STATUS_CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "other"];

/// Writes `summary` as one JSON object and a line end.
///
/// # Errors
/// Whatever the output says.
pub fn write(summary: &Summary, output: &mut dyn Write) -> io::Result<()> {
    let totals = &summary.totals;
    let time = |time: Option<crate::time::CivilTime>| time.map(|time| time.to_string());
    let status: Map<String, Value> = STATUS_CLASSES
        .iter()
        .zip(totals.status)
        .map(|(class, count)| ((*class).to_owned(), count.into()))
        .collect();
    let bytes: u64 = summary.inputs.iter().map(|input| input.bytes).sum();
    let seconds = summary.timing.seconds.max(1e-9);
    let stored = summary.stored.as_ref();
    let counted = stored.map(|stored| &stored.counted);
    // An answer from a database reads no lines.
    let read_lines = stored.is_none();
    let report = Report {
        schema_version: 1,
        inputs: summary.inputs.iter().map(|input| json!({
            "path": input.path, "bytes": input.bytes, "lines": input.lines, "format": input.format,
        })).collect::<Vec<_>>(),
        definition: json!({
            "count": summary.definition.count,
            "visitor": summary.definition.visitor,
            "tz": summary.definition.tz,
            "page": summary.definition.page,
            "section": summary.definition.section,
        }),
        totals: known(json!({
            "lines": totals.lines,
            "hits": totals.hits,
            "page_views": totals.page_views,
            "unique_visitors": totals.unique_visitors,
            "sum_of_daily_unique_visitors": totals.sum_of_daily_unique_visitors,
            "bytes_sent": totals.bytes_sent,
            "status": status,
            "not_found": totals.not_found,
            "malformed_lines": totals.malformed_lines,
            "empty_lines": totals.empty_lines,
            "other_lines": totals.other_lines,
            "first": time(totals.first),
            "last": time(totals.last),
            "offsets": totals.offsets_minutes.iter().map(|&minutes| offset_text(minutes)).collect::<Vec<_>>(),
        }), stored),
        cells: by_level(&summary.cells, |sum| sum.cells.into()),
        cell_sums: by_level(&summary.cells, |sum| json!({"pv": sum.pv, "uv": sum.uv})),
        days: JsonBuckets { rows: &summary.days, counted },
        hours: JsonBuckets { rows: &summary.hours, counted },
        busiest_minute: summary.busiest_minute.as_ref().map(|row| JsonBucket::new(row, None)),
        section_count: summary.section_count,
        page_count: summary.page_count,
        sections: summary.sections.iter().map(|row| json!({
            "site": row.site, "section": row.section, "pv": row.pv, "uv": row.uv,
        })).collect::<Vec<_>>(),
        pages: summary.pages.iter().map(|row| json!({
            "site": row.site, "page": row.page, "section": row.section, "pv": row.pv, "uv": row.uv,
        })).collect::<Vec<_>>(),
        malformed_samples: summary.malformed_samples.iter().map(|sample| json!({
            "path": sample.path, "line": sample.line, "offset": sample.offset,
            "reason": sample.reason, "text": sample.text,
        })).collect::<Vec<_>>(),
        timing: json!({
            "seconds": summary.timing.seconds,
            "bytes_per_second": read_lines.then(|| bytes as f64 / seconds),
            "lines_per_second": read_lines.then(|| totals.lines as f64 / seconds),
            "threads": summary.timing.threads,
        }),
        database: stored.map(JsonStored::new),
        comparison: stored.and_then(|stored| stored.comparison.as_ref()).map(comparison),
    };
    write_harmless(&report, output)?;
    output.write_all(b"\n")
}

/// Writes a value as JSON in which characters that could do something to a terminal are escaped.
pub(super) fn write_harmless(value: &impl Serialize, output: &mut dyn Write) -> io::Result<()> {
    Ok(value.serialize(&mut Serializer::with_formatter(output, Harmless))?)
}

/// Totals over lines, also those that are of no day: a database knows them only of everything.
const OF_LINES: [&str; 5] = ["lines", "malformed_lines", "empty_lines", "other_lines", "offsets"];
/// Totals over hits, which a database knows of whole days of whole sites.
const OF_HITS: [&str; 4] = ["hits", "bytes_sent", "status", "not_found"];

/// The totals; those that a database cannot answer for the question are null.
fn known(mut totals: Value, stored: Option<&Stored>) -> Value {
    if let (Value::Object(totals), Some(stored)) = (&mut totals, stored) {
        let of_lines = OF_LINES.iter().filter(|_| !stored.is_everything);
        let of_hits = OF_HITS.iter().filter(|_| !stored.has_hits);
        for name in of_lines.chain(of_hits) {
            totals.insert((*name).to_owned(), Value::Null);
        }
    }
    totals
}

/// The object, with its keys in this order. Days and hours can be many, so they are written row by row: as JSON values in
/// memory they took 1.7 KB per hour.
#[derive(Serialize)]
struct Report<'s> {
    schema_version: u32,
    inputs: Vec<Value>,
    definition: Value,
    totals: Value,
    cells: Value,
    cell_sums: Value,
    days: JsonBuckets<'s>,
    hours: JsonBuckets<'s>,
    busiest_minute: Option<JsonBucket<'s>>,
    section_count: u64,
    page_count: u64,
    sections: Vec<Value>,
    pages: Vec<Value>,
    malformed_samples: Vec<Value>,
    timing: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<JsonStored<'s>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<Value>,
}

/// Rows of days or hours; `counted` is known of what a database answers.
struct JsonBuckets<'s> {
    rows: &'s [BucketRow],
    counted: Option<&'s Counted>,
}

impl Serialize for JsonBuckets<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows.iter().map(|row| JsonBucket::new(row, self.counted)))
    }
}

#[derive(Serialize)]
struct JsonBucket<'s> {
    site: &'s str,
    bucket: String,
    pv: u64,
    uv: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    partial: Option<bool>,
}

impl<'s> JsonBucket<'s> {
    fn new(row: &'s BucketRow, counted: Option<&Counted>) -> Self {
        let midnight = Minute::from(row.bucket.day.0) * Minute::from(MINUTES_A_DAY);
        let minute = midnight + Minute::from(row.bucket.minute_of_day);
        let minutes = By::Cells(row.bucket.granularity).bucket_of(minute);
        Self {
            site: &row.site,
            bucket: row.bucket.to_string(),
            pv: row.pv,
            uv: row.uv,
            partial: counted.map(|counted| counted.is_partial(&row.site, minutes)),
        }
    }
}

/// Compact JSON that is safe to print on a terminal: characters that are [hostile](is_hostile) are written as `\uNNNN`.
struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, character)) =
            rest.char_indices().find(|&(_, character)| is_hostile(character))
        {
            writer.write_all(&rest.as_bytes()[..at])?;
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[at + character.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

fn by_level(sums: &[[CellSum; 3]; 3], value: impl Fn(&CellSum) -> Value) -> Value {
    let granularities = Granularity::ALL.iter().zip(sums).map(|(granularity, levels)| {
        let levels: Map<String, Value> = LEVELS
            .iter()
            .zip(levels)
            .map(|(level, sum)| ((*level).to_owned(), value(sum)))
            .collect();
        (granularity.name().to_owned(), levels.into())
    });
    Value::Object(granularities.collect())
}

#[cfg(test)]
mod tests {
    use super::{Summary, write};
    use crate::query::summary::PageRow;

    #[test]
    fn hostile_text_is_escaped_and_comes_back_whole() {
        let page = "/\u{1b}[31m\u{9b}\u{202e}\u{200b}\u{e0001}ü\"\\\n".to_owned();
        let row = PageRow {
            site: String::new(),
            section: String::new(),
            page: page.clone(),
            pv: 1,
            uv: 1,
        };
        let mut text = Vec::new();
        write(&Summary { pages: vec![row], ..Summary::default() }, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(!text.trim_end().chars().any(crate::text::is_hostile), "{text}");
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object["pages"][0]["page"], page);
    }
}
