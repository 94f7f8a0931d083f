//! Bars, heat rows and columns made of characters.
//!
//! Owns: how a value becomes blocks. May import: its siblings, `text`. Must not know: what is counted.

use super::layout::{Line, Look, Tone};
use super::numbers::scale;
use crate::text::grouped;

const LEFT_EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
const LOWER_EIGHTHS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const SHADES: [char; 4] = ['░', '▒', '▓', '█'];
const ASCII_SHADES: [char; 4] = ['.', ':', '+', '#'];

/// Rows of the column chart.
const CHART_ROWS: usize = 5;

/// A bar of at most `columns` columns; every value above 0 is visible.
pub(super) fn bar(look: Look, value: u64, max: u64, columns: usize) -> String {
    if !look.unicode {
        return "#".repeat(scale(value, max, columns));
    }
    let eighths = scale(value, max, columns * 8);
    let mut bar = "█".repeat(eighths / 8);
    if let Some(index) = (eighths % 8).checked_sub(1) {
        bar.push(LEFT_EIGHTHS[index]);
    }
    bar
}

/// How the 24 hours of a day are spread over columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HourScale {
    /// Hours per cell: a divisor of 24.
    pub(super) hours: usize,
    /// Columns per cell.
    pub(super) columns: usize,
}

impl HourScale {
    /// The widest cells, up to `widest` columns, that fit into `room`.
    pub(super) fn fit(room: usize, widest: usize) -> Self {
        if room >= 24 {
            return Self { hours: 1, columns: (room / 24).min(widest) };
        }
        let hours = [2, 3, 4, 6, 12].into_iter().find(|hours| 24 / hours <= room).unwrap_or(24);
        Self { hours, columns: 1 }
    }

    /// Columns that a day takes.
    pub(super) fn width(self) -> usize {
        24 / self.hours * self.columns
    }

    /// The hours' sums by cell.
    fn cells(self, hours: &[u64; 24]) -> Vec<u64> {
        hours.chunks(self.hours).map(|cell| cell.iter().sum()).collect()
    }

    /// Whether any hour of a cell was counted.
    fn is_covered(self, cell: usize, covered: &Covered) -> bool {
        covered.iter().skip(cell * self.hours).take(self.hours).any(|&is_covered| is_covered)
    }

    /// The largest cell.
    pub(super) fn max<'a>(self, rows: impl IntoIterator<Item = &'a [u64; 24]>) -> u64 {
        rows.into_iter().flat_map(|hours| self.cells(hours)).max().unwrap_or(0)
    }

    /// `00    03    06` above or below the cells.
    pub(super) fn labels(self) -> Line {
        let step = [1, 2, 3, 6, 12, 24]
            .into_iter()
            .find(|step| step % self.hours == 0 && step / self.hours * self.columns >= 5)
            .unwrap_or(24);
        let mut labels = Line::default();
        for hour in (0..24).step_by(step) {
            let columns = step / self.hours * self.columns;
            labels.left(Tone::Quiet, &format!("{hour:02}"), columns);
        }
        labels
    }
}

/// The hours of a day that were counted: an hour without traffic looks different from one that was not counted.
pub(super) type Covered = [bool; 24];

/// One day of a heat map.
pub(super) fn heat_row(
    look: Look,
    hours: &[u64; 24],
    max: u64,
    scale_of: HourScale,
    covered: &Covered,
) -> Line {
    let shades = if look.unicode { SHADES } else { ASCII_SHADES };
    let mut line = Line::default();
    for (index, value) in scale_of.cells(hours).into_iter().enumerate() {
        match shade(value, max) {
            Some(level) => {
                line.push(Tone::Views, shades[level].to_string().repeat(scale_of.columns));
            }
            None => {
                let is_covered = scale_of.is_covered(index, covered);
                line.push(Tone::Quiet, if is_covered { quiet(look) } else { " " });
                line.space(scale_of.columns - 1);
            }
        }
    }
    line
}

/// Stands for an hour that was counted and has nothing.
const fn quiet(look: Look) -> &'static str {
    if look.unicode { "·" } else { "-" }
}

/// The quarter of `max` that `value` lies in, 0 to 3; `None` for 0.
fn shade(value: u64, max: u64) -> Option<usize> {
    let quarters = (u128::from(value) * 4).div_ceil(u128::from(max.max(1)));
    usize::try_from(quarters).ok()?.checked_sub(1).map(|level| level.min(3))
}

/// The shades, each with the largest value it stands for; a line must not break within one.
pub(super) fn heat_legend(look: Look, max: u64) -> Vec<Line> {
    let shades = if look.unicode { SHADES } else { ASCII_SHADES };
    let mut previous = 0;
    let mut steps = Vec::new();
    for (quarter, shade) in (1u64..).zip(shades) {
        let bound = u64::try_from(u128::from(max) * u128::from(quarter) / 4).unwrap_or(max);
        if bound > previous {
            let mut step = Line::new(Tone::Views, shade);
            step.push(Tone::Quiet, format!(" to {}", grouped(bound)));
            steps.push(step);
        }
        previous = bound;
    }
    steps
}

/// A chart of vertical bars, one per cell, with the hours below.
pub(super) fn columns(
    look: Look,
    tone: Tone,
    hours: &[u64; 24],
    scale_of: HourScale,
    covered: &Covered,
) -> Vec<Line> {
    let cells = scale_of.cells(hours);
    let max = cells.iter().copied().max().unwrap_or(0);
    let gap = usize::from(scale_of.columns > 1);
    let mut lines = Vec::new();
    for row in (0..CHART_ROWS).rev() {
        let mut text = String::new();
        for (index, &value) in cells.iter().enumerate() {
            let eighths = scale(value, max, CHART_ROWS * 8).saturating_sub(row * 8).min(8);
            let block = match (look.unicode, eighths) {
                (_, 0) if row == 0 && value == 0 && scale_of.is_covered(index, covered) => {
                    text.push_str(quiet(look));
                    text.extend(std::iter::repeat_n(' ', scale_of.columns - 1));
                    continue;
                }
                (_, 0) => ' ',
                (true, eighths) => LOWER_EIGHTHS[eighths - 1],
                (false, 5..) => '#',
                (false, _) if row == 0 => '.',
                (false, _) => ' ',
            };
            text.extend(std::iter::repeat_n(block, scale_of.columns - gap));
            text.extend(std::iter::repeat_n(' ', gap));
        }
        let mut line = Line::default();
        line.space(look.indent);
        line.push(tone, text);
        lines.push(line);
    }
    let mut labels = Line::default();
    labels.space(look.indent);
    labels.append(scale_of.labels());
    lines.push(labels);
    lines
}

#[cfg(test)]
mod tests {
    use super::{HourScale, bar, heat_legend, shade};
    use crate::report::terminal::layout::Look;

    #[test]
    fn bars_show_every_value_but_nothing() {
        let unicode = Look::new(80, true);
        let ascii = Look::new(80, false);
        for (value, long, short) in [
            (0, "", ""),
            (1, "▏", "#"),
            (50, "█████", "#####"),
            (53, "█████▎", "#####"),
            (100, "██████████", "##########"),
        ] {
            assert_eq!(bar(unicode, value, 100, 10), long);
            assert_eq!(bar(ascii, value, 100, 10), short);
        }
    }

    #[test]
    fn a_shade_stands_for_what_the_legend_says() {
        let look = Look::new(80, true);
        let legend = |max| {
            let mut text = Vec::new();
            for step in heat_legend(look, max) {
                step.write(look, false, &mut text).unwrap();
            }
            String::from_utf8(text).unwrap()
        };
        assert_eq!(legend(10), "░ to 2\n▒ to 5\n▓ to 7\n█ to 10\n");
        assert_eq!(legend(1), "█ to 1\n");
        let levels: Vec<_> =
            [0, 1, 2, 3, 5, 6, 7, 8, 10].into_iter().map(|value| shade(value, 10)).collect();
        assert_eq!(
            levels,
            [None, Some(0), Some(0), Some(1), Some(1), Some(2), Some(2), Some(3), Some(3)]
        );
        assert_eq!(shade(1, 1), Some(3));
    }

    #[test]
    fn a_day_fits_any_room() {
        assert_eq!(HourScale::fit(80, 3), HourScale { hours: 1, columns: 3 });
        for room in 1..100 {
            let scale = HourScale::fit(room, 3);
            assert!(scale.width() <= room);
            assert!(scale.labels().width() <= room.max(2));
        }
    }
}
