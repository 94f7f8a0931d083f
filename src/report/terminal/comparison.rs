//! The blocks of a comparison: totals, buckets, sections and pages now and before.
//!
//! Owns: their wording. May import: `text`, `query` (comparisons), its siblings. Must not know: how the numbers were made.

use super::WIDE;
use super::figures::labelled;
use super::layout::{Line, Look, Tone, side_by_side};
use super::stored::{label, minutes};
use super::table::{Column, Labels, Row, Table};
use crate::query::Compare;
use crate::query::comparison::{BucketChange, Change, Comparison, PlaceChange};
use crate::text::{group_digits, grouped};

/// Most days that are compared one by one, unless they are asked for.
const SHOWN_DAYS: usize = 31;

/// What was compared, and the totals.
pub(super) fn totals(comparison: &Comparison, views: &str, look: Look) -> Vec<Line> {
    let note = match comparison.with {
        Compare::Previous => "with the range before",
        Compare::Year => "with 364 days before",
    };
    let mut lines = look.heading("Compared", note);
    let ranges = &comparison.ranges;
    lines.extend(labelled(look, "Now", Tone::Plain, &minutes(look, ranges.now)));
    lines.extend(labelled(look, "Before", Tone::Plain, &minutes(look, ranges.before)));
    if ranges.is_partial {
        let text = "only what was counted of both ranges is compared";
        lines.extend(labelled(look, "", Tone::Warning, text));
    }
    if comparison.page_views.before.is_none() {
        let text = "nothing was counted in the earlier range";
        lines.extend(labelled(look, "", Tone::Warning, text));
    }
    let row = |label: &str, change: Change| Row {
        label: label.to_owned(),
        cells: vec![number(change.now), number(change.before), difference(change), percent(change)],
        ..Row::default()
    };
    let table = Table {
        labels: Labels::First(""),
        columns: [
            ("now", Tone::Strong),
            ("before", Tone::Plain),
            ("change", Tone::Plain),
            ("", Tone::Plain),
        ]
        .map(|(head, tone)| Column { head, tone })
        .into(),
        bar_after: None,
        rows: vec![
            row(if views == "hits" { "Hits" } else { "Page views" }, comparison.page_views),
            row("Unique visitors", comparison.unique_visitors),
            row("Sum of daily UV", comparison.sum_of_daily_unique_visitors),
        ],
    };
    lines.extend(table.lines(look));
    lines
}

/// The columns of PV and UV, each now, before, and by how much it changed.
fn columns() -> Vec<Column> {
    ["PV", "before", "change", "UV", "before", "change"]
        .map(|head| Column { head, tone: Tone::Plain })
        .into()
}

fn cells(pv: Change, uv: Change) -> Vec<String> {
    [pv, uv]
        .into_iter()
        .flat_map(|change| [number(change.now), number(change.before), percent(change)])
        .collect()
}

/// The buckets, now and before; if nobody asked for them, only a few.
pub(super) fn buckets(comparison: &Comparison, is_asked: bool, look: Look) -> Vec<Line> {
    let rows = &comparison.buckets;
    if rows.is_empty() || !is_asked && !(2..=SHOWN_DAYS).contains(&rows.len()) {
        return Vec::new();
    }
    let has_sites = rows.iter().any(|row| row.site != rows[0].site);
    let row = |row: &BucketChange| Row {
        group: has_sites.then(|| row.site.clone()),
        label: label(comparison.by, row.start),
        cells: cells(row.pv, row.uv),
        mark: row.is_partial.then_some("partial"),
        ..Row::default()
    };
    let table = Table {
        labels: Labels::First(comparison.by.name()),
        columns: columns(),
        bar_after: None,
        rows: rows.iter().map(row).collect(),
    };
    let unit = comparison.by.name();
    let mut lines = look.heading(
        &format!("By {unit}"),
        "before: the same time in the earlier range; -: nothing was counted",
    );
    lines.extend(table.lines(look));
    lines
}

/// Sections and pages now and before, then the pages that grew and fell most.
pub(super) fn places(comparison: &Comparison, views: &str, look: Look) -> Vec<Vec<Line>> {
    let note = format!("pages by the difference of their {views}");
    let sections = &comparison.sections;
    let pages = &comparison.pages;
    let note_of_most = "the most viewed ones now";
    let mut blocks = beside(look, |look| {
        [
            block("Sections, now and before", note_of_most, sections, look),
            block("Pages, now and before", note_of_most, pages, look),
        ]
    });
    let (grown, fallen) = (&comparison.grown, &comparison.fallen);
    blocks.extend(beside(look, |look| {
        [changes("Grew most", &note, grown, look), changes("Fell most", &note, fallen, look)]
    }));
    blocks
}

/// Two blocks, beside each other if there is room.
fn beside(look: Look, blocks: impl Fn(Look) -> [Vec<Line>; 2]) -> Vec<Vec<Line>> {
    const GAP: usize = 4;
    if look.width < WIDE {
        return blocks(look).into();
    }
    let width = (look.width - GAP) / 2;
    let [left, right] = blocks(look.with_width(width));
    vec![side_by_side(left, right, width + GAP)]
}

fn name(row: &PlaceChange, has_sites: bool) -> String {
    let name = if row.page.is_empty() { &row.section } else { &row.page };
    if has_sites { format!("{} {name}", row.site) } else { name.clone() }
}

fn has_sites(rows: &[PlaceChange]) -> bool {
    rows.iter().any(|row| row.site != rows[0].site)
}

fn block(title: &str, note: &str, rows: &[PlaceChange], look: Look) -> Vec<Line> {
    if rows.is_empty() {
        return Vec::new();
    }
    let has_sites = has_sites(rows);
    let row = |row: &PlaceChange| Row {
        label: name(row, has_sites),
        cells: cells(row.pv, row.uv),
        ..Row::default()
    };
    let table = Table {
        labels: Labels::Last,
        columns: columns(),
        bar_after: None,
        rows: rows.iter().map(row).collect(),
    };
    let mut lines = look.heading(title, note);
    lines.extend(table.lines(look));
    lines
}

fn changes(title: &str, note: &str, rows: &[PlaceChange], look: Look) -> Vec<Line> {
    if rows.is_empty() {
        return Vec::new();
    }
    let has_sites = has_sites(rows);
    let row = |row: &PlaceChange| Row {
        label: name(row, has_sites),
        cells: vec![
            difference(row.pv),
            number(row.pv.now),
            number(row.pv.before),
            number(row.uv.now),
            number(row.uv.before),
        ],
        ..Row::default()
    };
    let table = Table {
        labels: Labels::Last,
        columns: ["change", "PV", "before", "UV", "before"]
            .map(|head| Column { head, tone: Tone::Plain })
            .into(),
        bar_after: None,
        rows: rows.iter().map(row).collect(),
    };
    let mut lines = look.heading(title, note);
    lines.extend(table.lines(look));
    lines
}

/// A number; `-` where nothing was counted.
fn number(value: Option<u64>) -> String {
    value.map_or_else(|| "-".to_owned(), grouped)
}

/// `+12`, `-3`, `0`; `-` where nothing was counted.
fn difference(change: Change) -> String {
    match change.difference() {
        None => "-".to_owned(),
        Some(0) => "0".to_owned(),
        Some(difference) => {
            let sign = if difference < 0 { '-' } else { '+' };
            format!("{sign}{}", grouped(difference.unsigned_abs()))
        }
    }
}

/// `+12.5 %`; `new` where there was nothing before, `-` where nothing was counted.
fn percent(change: Change) -> String {
    let Some(percent) = change.percent() else {
        let is_new = change.difference().is_some_and(|difference| difference > 0);
        return if is_new { "new" } else { "-" }.to_owned();
    };
    if percent >= 999.95 {
        return format!("+{} %", group_digits(&format!("{percent:.0}")));
    }
    // Neither -0.0 nor a change of nothing where there is one.
    match (change.difference(), format!("{percent:+.1} %")) {
        (Some(0), _) => "0.0 %".to_owned(),
        (Some(1..), text) if text == "+0.0 %" => "<+0.1 %".to_owned(),
        (_, text) if text == "-0.0 %" => ">-0.1 %".to_owned(),
        (_, text) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::{difference, number, percent};
    use crate::query::comparison::Change;

    #[test]
    fn changes_read_well() {
        let change = |now, before| Change { now, before };
        for (change, texts) in [
            (change(Some(1_125), Some(1_000)), ["1,125", "+125", "+12.5 %"]),
            (change(Some(0), Some(4)), ["0", "-4", "-100.0 %"]),
            (change(Some(4), Some(0)), ["4", "+4", "new"]),
            (change(Some(0), Some(0)), ["0", "0", "-"]),
            (change(Some(7), Some(7)), ["7", "0", "0.0 %"]),
            (change(Some(7), None), ["7", "-", "-"]),
            (change(None, Some(7)), ["-", "-", "-"]),
            (change(Some(100_001), Some(100_000)), ["100,001", "+1", "<+0.1 %"]),
            (change(Some(99_999), Some(100_000)), ["99,999", "-1", ">-0.1 %"]),
            (change(Some(25_000), Some(1_000)), ["25,000", "+24,000", "+2,400 %"]),
        ] {
            assert_eq!([number(change.now), difference(change), percent(change)], texts);
        }
    }
}
