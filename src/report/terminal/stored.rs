//! The blocks that only a database can fill: what was asked, the buckets of `--by`, new visitors.
//!
//! Owns: their wording. May import: `text`, `query::summary`, its siblings. Must not know: how the database stores them.

use super::figures::labelled;
use super::layout::{Line, Look, Tone, display_width};
use super::numbers::seconds;
use crate::query::summary::{Stored, Summary};
use crate::text::{counted, grouped};

/// Most days of new visitors that are listed.
const SHOWN_DAYS: usize = 31;

/// The database, what was asked, and how long the answer took.
pub(super) fn question(stored: &Stored, summary: &Summary, look: Look) -> Vec<Line> {
    let mut lines = look.heading("Database", "");
    let name = look.safe(&stored.database);
    let rows = [
        ("File", format!("{name}, {}", counted(stored.sources, "source", "sources"))),
        ("Asked for", look.safe(&stored.question)),
        ("Took", seconds(summary.timing.seconds)),
    ];
    for (label, text) in rows {
        lines.extend(labelled(look, label, Tone::Plain, &text));
    }
    lines
}

/// PV and UV of each bucket of `--by`.
pub(super) fn by(stored: &Stored, look: Look) -> Vec<Line> {
    let Some(name) = stored.by_name else { return Vec::new() };
    let has_sites = stored.by.iter().any(|row| row.0 != stored.by[0].0);
    let rows = stored.by.iter().map(|(site, bucket, pv, uv)| {
        let mut label = bucket.replace('T', " ");
        if has_sites {
            label = format!("{} {label}", look.safe(site));
        }
        [label, grouped(*pv), grouped(*uv)]
    });
    table(&format!("By {name}"), "page views, unique visitors", rows.collect(), look)
}

/// New and returning visitors of each day.
pub(super) fn new_visitors(stored: &Stored, look: Look) -> Vec<Line> {
    let Some(first) = stored.first_day else { return Vec::new() };
    if stored.new_visitors.is_empty() {
        return Vec::new();
    }
    let has_sites = stored.new_visitors.iter().any(|row| row.site != stored.new_visitors[0].site);
    let skipped = stored.new_visitors.len().saturating_sub(SHOWN_DAYS);
    let rows = stored.new_visitors.iter().skip(skipped).map(|row| {
        let label = match has_sites {
            true => format!("{} {}", look.safe(&row.site), row.day),
            false => row.day.to_string(),
        };
        [label, grouped(row.new), grouped(row.returning)]
    });
    let mut note = format!("new, returning; new since the database began, {first}");
    if skipped > 0 {
        note.push_str(&format!("; the last {SHOWN_DAYS} of {} days", stored.new_visitors.len()));
    }
    table("Visitors", &note, rows.collect(), look)
}

fn table(title: &str, note: &str, rows: Vec<[String; 3]>, look: Look) -> Vec<Line> {
    let width =
        |column: usize| rows.iter().map(|row| display_width(&row[column])).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let mut lines = look.heading(title, note);
    for [label, one, other] in &rows {
        let mut line = look.line(Tone::Plain, "");
        line.left(Tone::Plain, label, widths[0]);
        line.right(Tone::Views, one, widths[1] + 2);
        line.right(Tone::Visitors, other, widths[2] + 2);
        if line.width() <= look.width {
            lines.push(line);
            continue;
        }
        lines.push(look.line(Tone::Plain, look.shorten_end(label, look.room())));
        lines.push(
            look.line(Tone::Views, look.shorten_end(&format!(" {one} {other}"), look.room())),
        );
    }
    lines
}
