//! The report on a terminal.
//!
//! Owns: what the report shows and in which order. May import: `text`, `time`, `query`.
//! Must not know: whether a terminal is there, how wide it is, or how the numbers were made. Nothing here moves
//! the cursor; all text from logs, file names and options goes through [`escape_terminal`](crate::text::escape_terminal).

mod chart;
mod comparison;
mod coverage;
mod days;
mod figures;
mod hours;
mod layout;
mod numbers;
mod ranking;
mod site_days;
mod stored;
mod table;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use self::layout::{Line, Look, Tone, side_by_side};
use crate::query::summary::{Definition, Stored, Summary};
use crate::query::{By, Grouping};
use crate::time::Granularity;

/// How the report may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns of the terminal, or 0 if unknown, which is taken as 80. No line is wider, unless this is less than 20.
    pub width: usize,
    /// Whether colours (plain SGR codes) may be written.
    pub color: bool,
    /// Whether characters other than ASCII may be written.
    pub unicode: bool,
}

/// Width that is assumed if it is unknown.
const DEFAULT_WIDTH: usize = 80;

/// Least width that the layout supports.
const MIN_WIDTH: usize = 20;

/// Greatest width that the report uses: wider lines are hard to read.
const MAX_WIDTH: usize = 200;

/// From this width on, blocks stand beside each other and days show their hours.
const WIDE: usize = 140;

/// Writes `summary` as a report.
///
/// # Errors
/// Whatever the output says.
pub fn write(summary: &Summary, style: &Style, output: &mut dyn Write) -> io::Result<()> {
    let width = if style.width == 0 { DEFAULT_WIDTH } else { style.width };
    let look = Look::new(width.clamp(MIN_WIDTH, MAX_WIDTH), style.unicode);
    let mut first = true;
    for block in blocks(summary, look) {
        if block.is_empty() {
            continue;
        }
        if !first {
            output.write_all(b"\n")?;
        }
        first = false;
        for line in block {
            line.write(look, style.color, output)?;
        }
    }
    Ok(())
}

/// The parts of the report, top to bottom; empty ones are left out.
fn blocks(summary: &Summary, look: Look) -> Vec<Vec<Line>> {
    let totals = &summary.totals;
    let stored = summary.stored.as_ref();
    let mut blocks = match stored {
        None => beside(look, WIDE, summary, figures::read, figures::totals),
        Some(stored) => {
            vec![stored::question(stored, summary, look), figures::totals(summary, look)]
        }
    };
    let comparison = stored.and_then(|stored| stored.comparison.as_ref());
    if let Some(comparison) = comparison {
        blocks.push(comparison::totals(comparison, views(summary), look));
    }
    if totals.lines > 0 || totals.hits > 0 {
        blocks.extend(beside(look, 72, summary, figures::lines, figures::responses));
    }
    if totals.page_views > 0 {
        let mut has_days = false;
        if let Some(stored) = stored {
            let rows = rows_of_time(stored, summary, look);
            has_days = rows.has_days;
            blocks.extend(rows.blocks);
        }
        blocks.extend(days::blocks(summary, !has_days, look));
        if let Some(stored) = stored {
            blocks.push(stored::new_visitors(stored, look));
        }
        // A comparison of the whole range has the numbers of these tables, too.
        match stored.filter(|stored| compares_all(stored)).map(|stored| stored.grouping) {
            None => blocks.extend(beside(look, WIDE, summary, ranking::sections, ranking::pages)),
            Some(Some(Grouping::Section)) => blocks.push(ranking::sections(summary, look)),
            Some(Some(Grouping::Page)) => blocks.push(ranking::pages(summary, look)),
            Some(_) => {}
        }
    } else {
        let sentence = match stored {
            Some(stored) => nothing_stored(stored, views(summary), look),
            None if totals.lines == 0 => {
                "There are no lines, so there is nothing to count.".to_owned()
            }
            None if totals.hits == 0 => {
                "No line could be read as a line of its file's log format.".to_owned()
            }
            None => "No hit counts as a page view.".to_owned(),
        };
        blocks.push(look.paragraph(Tone::Plain, &sentence));
    }
    if let Some(comparison) = comparison {
        blocks.extend(comparison::places(comparison, views(summary), look));
    }
    blocks.push(figures::malformed(summary, look));
    blocks
}

/// The rows of buckets.
struct RowsOfTime {
    blocks: Vec<Vec<Line>>,
    /// Whether they have the numbers of each day.
    has_days: bool,
}

/// The buckets of `--by`, and those of a comparison.
fn rows_of_time(stored: &Stored, summary: &Summary, look: Look) -> RowsOfTime {
    let days = By::Cells(Granularity::Day);
    let by = stored.buckets.as_ref().map(|buckets| buckets.by);
    let Some(comparison) = &stored.comparison else {
        let blocks = vec![stored::by(stored, summary, look)];
        return RowsOfTime { blocks, has_days: by == Some(days) };
    };
    let compared = comparison::buckets(comparison, by.is_some(), look);
    if compares_all(stored) {
        // Compared buckets have the numbers of now, too.
        let has_days = comparison.by == days && !compared.is_empty();
        return RowsOfTime { blocks: vec![compared], has_days };
    }
    let blocks = vec![stored::by(stored, summary, look), compared];
    RowsOfTime { blocks, has_days: by == Some(days) }
}

/// Whether all of the range is compared that has page views.
fn compares_all(stored: &Stored) -> bool {
    let first = stored.comparison.as_ref().map(|comparison| comparison.ranges.now.start);
    first.is_some() && stored.counted.since == first
}

/// Why a database has no answer.
fn nothing_stored(stored: &Stored, views: &str, look: Look) -> String {
    let sentence = format!("The database has no {views} there.");
    match stored.counted.whole() {
        Some(range) => format!("{sentence} It has counted {}.", stored::minutes(look, range)),
        None => format!("{sentence} Nothing is left of what it has counted."),
    }
}

type Block = fn(&Summary, Look) -> Vec<Line>;

/// Two blocks beside each other from a width of `from` on, else one below the other.
fn beside(look: Look, from: usize, summary: &Summary, left: Block, right: Block) -> Vec<Vec<Line>> {
    if look.width < from {
        return vec![left(summary, look), right(summary, look)];
    }
    const GAP: usize = 4;
    let width = (look.width - GAP) / 2;
    let left = left(summary, look.with_width(width));
    let right = right(summary, look.with_width(look.width - GAP - width));
    vec![side_by_side(left, right, width + GAP)]
}

/// What is counted, in words.
fn views(summary: &Summary) -> &'static str {
    if summary.definition.count == "hits" { "hits" } else { "page views" }
}

/// The definition of a visitor, shown beside every table of UV.
fn visitor_note(look: Look, definition: &Definition) -> String {
    format!("UV: distinct {}", look.safe(&definition.visitor))
}

/// Whether rows must name their site.
fn has_several_sites(summary: &Summary) -> bool {
    let mut sites = summary
        .days
        .iter()
        .map(|row| &row.site)
        .chain(summary.sections.iter().map(|row| &row.site))
        .chain(summary.pages.iter().map(|row| &row.site));
    sites.next().is_some_and(|first| sites.any(|site| site != first))
}
