//! The report on a terminal.
//!
//! Owns: what the report shows and in which order. May import: `text`, `time`, `query::summary`.
//! Must not know: whether a terminal is there, how wide it is, or how the numbers were made. Nothing here moves
//! the cursor; all text from logs, file names and options goes through [`escape_terminal`](crate::text::escape_terminal).

mod chart;
mod days;
mod figures;
mod hours;
mod layout;
mod numbers;
mod ranking;
mod site_days;
mod stored;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use self::layout::{Line, Look, Tone, side_by_side};
use crate::query::summary::{Definition, Summary};

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
    let mut blocks = match &summary.stored {
        None => beside(look, WIDE, summary, figures::read, figures::totals),
        Some(stored) => {
            vec![stored::question(stored, summary, look), figures::totals(summary, look)]
        }
    };
    if totals.lines > 0 || totals.hits > 0 {
        blocks.extend(beside(look, 72, summary, figures::lines, figures::responses));
    }
    if totals.page_views > 0 {
        if let Some(stored) = &summary.stored {
            blocks.push(stored::by(stored, look));
        }
        blocks.extend(days::blocks(summary, look));
        if let Some(stored) = &summary.stored {
            blocks.push(stored::new_visitors(stored, look));
        }
        blocks.extend(beside(look, WIDE, summary, ranking::sections, ranking::pages));
    } else {
        let sentence = if summary.stored.is_some() {
            "The database has no page views there."
        } else if totals.lines == 0 {
            "There are no lines, so there is nothing to count."
        } else if totals.hits == 0 {
            "No line could be read as a line of its file's log format."
        } else {
            "No hit counts as a page view."
        };
        blocks.push(look.paragraph(Tone::Plain, sentence));
    }
    blocks.push(figures::malformed(summary, look));
    blocks
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
