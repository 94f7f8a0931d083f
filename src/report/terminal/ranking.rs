//! The most viewed sections and pages.
//!
//! Owns: the ranking tables. May import: `text`, `query::summary`, its siblings. Must not know: days, lines.

use super::chart::bar;
use super::layout::{Line, Look, Tone, display_width};
use super::numbers::percent;
use super::{has_several_sites, visitor_note};
use crate::query::summary::Summary;
use crate::text::{counted, grouped};

/// Width of a share; the widest is `>99.9 %`.
const SHARE: usize = 7;

struct Row<'a> {
    site: &'a str,
    name: &'a str,
    pv: u64,
    uv: u64,
}

/// The first sections by PV.
pub(super) fn sections(summary: &Summary, look: Look) -> Vec<Line> {
    let rows: Vec<_> = summary
        .sections
        .iter()
        .map(|row| Row { site: &row.site, name: &row.section, pv: row.pv, uv: row.uv })
        .collect();
    let rule = look.safe(&summary.definition.section);
    table(summary, look, "Sections", &rows, summary.section_count, &rule)
}

/// The first pages by PV.
pub(super) fn pages(summary: &Summary, look: Look) -> Vec<Line> {
    let rows: Vec<_> = summary
        .pages
        .iter()
        .map(|row| Row { site: &row.site, name: &row.page, pv: row.pv, uv: row.uv })
        .collect();
    let rule = look.safe(&summary.definition.page);
    table(summary, look, "Pages", &rows, summary.page_count, &rule)
}

fn table(
    summary: &Summary,
    look: Look,
    title: &str,
    rows: &[Row<'_>],
    count: u64,
    rule: &str,
) -> Vec<Line> {
    if rows.is_empty() {
        return Vec::new();
    }
    let how_many = if count > rows.len() as u64 {
        format!("first {} of {}", grouped(rows.len() as u64), grouped(count))
    } else {
        counted(count, "in all", "in all")
    };
    let note = [how_many, rule.to_owned(), visitor_note(look, &summary.definition)];
    let note: Vec<_> = note.into_iter().filter(|part| !part.is_empty()).collect();
    let mut lines = look.heading(title, &note.join(look.dot()));

    let columns = Columns::fit(look, rows, has_several_sites(summary));
    let mut header = look.line(Tone::Plain, "");
    header.right(Tone::Quiet, "PV", columns.pv);
    if columns.share {
        header.right(Tone::Quiet, "share", 2 + SHARE);
    }
    if columns.bar > 0 {
        header.space(2 + columns.bar);
    }
    header.right(Tone::Quiet, "UV", 2 + columns.uv);
    lines.push(header);

    let max = rows.iter().map(|row| row.pv).max().unwrap_or(0);
    for row in rows {
        let mut line = look.line(Tone::Plain, "");
        line.right(Tone::Plain, &grouped(row.pv), columns.pv);
        if columns.share {
            line.right(Tone::Quiet, &percent(row.pv, summary.totals.page_views), 2 + SHARE);
        }
        if columns.bar > 0 {
            line.space(2);
            line.left(Tone::Views, &bar(look, row.pv, max, columns.bar), columns.bar);
        }
        line.right(Tone::Plain, &grouped(row.uv), 2 + columns.uv);
        if columns.name == 0 {
            lines.push(line);
            if columns.site > 0 {
                lines.push(look.line(Tone::Quiet, look.shorten_end(row.site, look.room())));
            }
            lines.push(look.line(Tone::Plain, look.shorten_middle(row.name, look.room())));
            continue;
        }
        line.space(2);
        if columns.site > 0 {
            line.left(Tone::Quiet, &look.shorten_end(row.site, columns.site), columns.site + 2);
        }
        line.push(Tone::Plain, look.shorten_middle(row.name, columns.name));
        lines.push(line);
    }
    lines
}

/// Widths of the columns. The name gets the rest of the line, or a line of its own if that is too short.
struct Columns {
    pv: usize,
    share: bool,
    bar: usize,
    uv: usize,
    site: usize,
    name: usize,
}

impl Columns {
    /// Least width for a name beside the numbers.
    const LEAST_NAME: usize = 18;

    fn fit(look: Look, rows: &[Row<'_>], several_sites: bool) -> Self {
        let widest = |text: &dyn Fn(&Row<'_>) -> usize| rows.iter().map(text).max().unwrap_or(0);
        let pv = widest(&|row| grouped(row.pv).len()).max(2);
        let uv = widest(&|row| grouped(row.uv).len()).max(2);
        let site = widest(&|row| display_width(&look.safe(row.site)));
        let site = if several_sites { site.min(look.room() / 4) } else { 0 };
        let taken = if site > 0 { site + 2 } else { 0 };
        let mut left = look.room().saturating_sub(pv + 2 + uv + 2 + taken);
        // Without room for names, the numbers get a line of their own.
        let alone = left < Self::LEAST_NAME;
        let share = if alone {
            look.room() >= pv + 2 + SHARE + 2 + uv
        } else {
            left >= Self::LEAST_NAME + 2 + SHARE
        };
        if share && !alone {
            left -= 2 + SHARE;
        }
        let bar = match left.saturating_sub(Self::LEAST_NAME + 2) {
            room @ 4.. if !alone => room.min(look.room() / 6),
            _ => 0,
        };
        if bar > 0 {
            left -= 2 + bar;
        }
        Self { pv, share, bar, uv, site, name: if alone { 0 } else { left } }
    }
}
