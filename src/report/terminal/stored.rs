//! The blocks that only a database can fill: what was asked, the buckets of `--by`, new visitors.
//!
//! Owns: their wording. May import: `text`, `query` (summaries), its siblings. Must not know: how the database stores them.

use super::figures::labelled;
use super::layout::{Line, Look, Tone};
use super::numbers::{WEEKDAYS, seconds};
use super::table::{Column, Labels, Row, Table};
use super::visitor_note;
use crate::query::buckets::BucketCounts;
use crate::query::summary::{Stored, Summary};
use crate::query::{By, minute_text};
use crate::text::{counted, grouped};
use crate::time::{Day, Granularity, Minute, MinuteRange};

/// Most days of new visitors that are listed.
const SHOWN_DAYS: usize = 31;

/// The database, what was asked, and how long the answer took.
pub(super) fn question(stored: &Stored, summary: &Summary, look: Look) -> Vec<Line> {
    let mut lines = look.heading("Database", "");
    let name = look.safe(&stored.database);
    let mut rows = vec![
        ("File", format!("{name}, {}", counted(stored.sources, "source", "sources"))),
        ("Asked for", look.safe(&stored.question)),
    ];
    if let Some(today) = &stored.today {
        let weekday = WEEKDAYS[today.day.weekday()];
        rows.push(("Today", format!("{} {weekday} ({})", today.day, look.safe(&today.zone))));
    }
    if let Some(range) = stored.counted.whole() {
        rows.push(("Counted", minutes(look, range)));
    }
    rows.push(("Took", seconds(summary.timing.seconds)));
    for (label, text) in rows {
        lines.extend(labelled(look, label, Tone::Plain, &text));
    }
    lines
}

/// The first and the last minute of a range.
pub(super) fn minutes(look: Look, range: MinuteRange) -> String {
    let text = |minute: Minute| minute_text(minute).replace('T', " ");
    format!("{}{}{}", text(range.start), look.to(), text(range.end - 1))
}

/// How a bucket is called: days with their weekdays.
pub(super) fn label(by: By, start: Minute) -> String {
    let name = by.name_of(start);
    match by {
        By::Cells(Granularity::Day) => {
            format!("{name} {}", WEEKDAYS[Day::of_minute(start).weekday()])
        }
        By::Cells(Granularity::Hour) => format!("{}:00", name.replace('T', " ")),
        _ => name.replace('T', " "),
    }
}

/// PV and UV of each bucket of `--by`.
pub(super) fn by(stored: &Stored, summary: &Summary, look: Look) -> Vec<Line> {
    let Some(buckets) = &stored.buckets else { return Vec::new() };
    let name = buckets.by.name();
    let has_sites = buckets.sites.len() > 1;
    let row = |site: &String, row: &BucketCounts| Row {
        group: has_sites.then(|| site.clone()),
        label: label(buckets.by, row.start),
        cells: vec![grouped(row.pv), grouped(row.uv)],
        value: row.pv,
        mark: row.is_partial.then_some("partial"),
    };
    let rows =
        buckets.sites.iter().flat_map(|(site, rows)| rows.iter().map(move |one| row(site, one)));
    let rows: Vec<Row> = rows.collect();
    let mut note = vec![visitor_note(look, &summary.definition)];
    if !has_sites {
        note.insert(0, counted(rows.len() as u64, name, &format!("{name}s")));
    }
    if buckets.has_partial() {
        note.push(format!("partial: not a whole {name}"));
    }
    let mut lines = look.heading(&format!("By {name}"), &note.join(look.dot()));
    let columns = ["PV", "UV"].map(|head| Column { head, tone: Tone::Plain }).into();
    let table = Table { labels: Labels::First(name), columns, bar_after: Some(0), rows };
    lines.extend(table.lines(look));
    lines
}

/// New and returning visitors of each day.
pub(super) fn new_visitors(stored: &Stored, look: Look) -> Vec<Line> {
    let Some(first) = stored.first_day else { return Vec::new() };
    if stored.new_visitors.is_empty() {
        return Vec::new();
    }
    let has_sites = stored.new_visitors.iter().any(|row| row.site != stored.new_visitors[0].site);
    let skipped = stored.new_visitors.len().saturating_sub(SHOWN_DAYS);
    let rows = stored.new_visitors.iter().skip(skipped).map(|row| Row {
        group: has_sites.then(|| row.site.clone()),
        label: row.day.to_string(),
        cells: vec![grouped(row.new), grouped(row.returning)],
        ..Row::default()
    });
    let is_pruned = stored.pruned_before.is_some();
    let since = if is_pruned { "the oldest day that is left" } else { "the database began" };
    let mut note = format!("new since {since}, {first}");
    if skipped > 0 {
        note.push_str(&format!("; the last {SHOWN_DAYS} of {} days", stored.new_visitors.len()));
    }
    let mut lines = look.heading("New and returning visitors", &note);
    let columns = ["new", "returning"].map(|head| Column { head, tone: Tone::Plain }).into();
    let table =
        Table { labels: Labels::First("day"), columns, bar_after: None, rows: rows.collect() };
    lines.extend(table.lines(look));
    lines
}
