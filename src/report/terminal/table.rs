//! Tables with a head: a label and numbers in columns.
//!
//! Owns: [`Table`], and what becomes of it where there is no room. May import: `chart`, `layout`. Must not know: what is
//! counted.

use super::chart::bar;
use super::layout::{Line, Look, Tone, display_width, wrap};

/// A column of numbers.
pub(super) struct Column {
    pub(super) head: &'static str,
    pub(super) tone: Tone,
}

/// A row.
#[derive(Default)]
pub(super) struct Row {
    /// What stands above the row, if it is not what stands above the row before: a site.
    pub(super) group: Option<String>,
    /// What the row is about; made safe here.
    pub(super) label: String,
    /// A cell for each column; of plain ASCII.
    pub(super) cells: Vec<String>,
    /// The value of its bar.
    pub(super) value: u64,
    /// What must be known of the row.
    pub(super) mark: Option<&'static str>,
}

/// Where labels stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Labels {
    /// Before the numbers, under this head.
    First(&'static str),
    /// After the numbers, without a head.
    Last,
}

/// Rows under the heads of their columns.
pub(super) struct Table {
    pub(super) labels: Labels,
    pub(super) columns: Vec<Column>,
    /// The column after which bars stand.
    pub(super) bar_after: Option<usize>,
    pub(super) rows: Vec<Row>,
}

/// Between columns.
const GAP: usize = 2;
/// Least columns for labels that are longer.
const LEAST_LABEL: usize = 18;
/// Least and greatest columns of bars.
const BAR: std::ops::RangeInclusive<usize> = 6..=40;

impl Table {
    /// The lines of the table.
    pub(super) fn lines(&self, look: Look) -> Vec<Line> {
        let head = match self.labels {
            Labels::First(head) => head.len(),
            Labels::Last => 0,
        };
        let labels = self.rows.iter().map(|row| display_width(&look.safe(&row.label)));
        let longest = labels.max().unwrap_or(0).max(head);
        let widths: Vec<usize> = (0..self.columns.len()).map(|index| self.width(index)).collect();
        let numbers: usize = widths.iter().map(|width| width + GAP).sum();
        let marks = self.rows.iter().filter_map(|row| row.mark).map(|mark| mark.len() + GAP);
        let taken = numbers + marks.max().unwrap_or(0);
        if look.room() < taken + longest.min(LEAST_LABEL) {
            return self.narrow_lines(look);
        }
        let label = longest.min(look.room() - taken);
        let mut bar = 0;
        if self.bar_after.is_some() && self.rows.len() > 1 {
            bar = (look.room() - taken - label).saturating_sub(GAP).min(*BAR.end());
            if bar < *BAR.start() {
                bar = 0;
            }
        }
        let mut lines = vec![self.heads(look, label, &widths, bar)];
        let max = self.rows.iter().map(|row| row.value).max().unwrap_or(0);
        let mut group = None;
        for row in &self.rows {
            lines.extend(group_line(look, &mut group, row));
            lines.push(self.line(look, row, label, &widths, (bar, max)));
        }
        lines
    }

    fn width(&self, index: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.cells.get(index));
        cells.map(String::len).max().unwrap_or(0).max(self.columns[index].head.len())
    }

    /// Columns before the first number.
    fn gap_before(&self, index: usize) -> usize {
        if index == 0 && self.labels == Labels::Last { 0 } else { GAP }
    }

    fn heads(&self, look: Look, label: usize, widths: &[usize], bar: usize) -> Line {
        let mut line = look.line(Tone::Plain, "");
        if let Labels::First(head) = self.labels {
            line.left(Tone::Quiet, head, label);
        }
        for (index, (column, width)) in self.columns.iter().zip(widths).enumerate() {
            line.right(Tone::Quiet, column.head, self.gap_before(index) + width);
            if bar > 0 && self.bar_after == Some(index) {
                line.space(GAP + bar);
            }
        }
        line
    }

    fn line(
        &self,
        look: Look,
        row: &Row,
        label: usize,
        widths: &[usize],
        (bar_width, max): (usize, u64),
    ) -> Line {
        let mut line = look.line(Tone::Plain, "");
        let text = look.shorten_middle(&row.label, label);
        if self.labels != Labels::Last {
            line.left(Tone::Plain, &text, label);
        }
        let columns = self.columns.iter().zip(&row.cells).zip(widths).enumerate();
        for (index, ((column, cell), width)) in columns {
            line.right(column.tone, cell, self.gap_before(index) + width);
            if bar_width > 0 && self.bar_after == Some(index) {
                line.space(GAP);
                line.left(Tone::Views, &bar(look, row.value, max, bar_width), bar_width);
            }
        }
        if self.labels == Labels::Last {
            line.space(GAP);
            line.push(Tone::Plain, text);
        }
        if let Some(mark) = row.mark {
            line.space(GAP);
            line.push(Tone::Warning, mark);
        }
        line
    }

    /// Each row in lines of its own: the label, then what would stand in the columns.
    fn narrow_lines(&self, look: Look) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut group = None;
        for row in &self.rows {
            lines.extend(group_line(look, &mut group, row));
            lines.push(look.line(Tone::Plain, look.shorten_middle(&row.label, look.room())));
            let cells = self.columns.iter().zip(&row.cells);
            let mut words: Vec<String> = cells
                .map(|(column, cell)| format!("{} {cell}", column.head).trim().to_owned())
                .collect();
            words.extend(row.mark.map(str::to_owned));
            for part in wrap(&words.join(", "), look.room().saturating_sub(1)) {
                lines.push(look.line(Tone::Quiet, format!(" {part}")));
            }
        }
        lines
    }
}

/// The line above the first row of a group.
fn group_line<'r>(look: Look, group: &mut Option<&'r String>, row: &'r Row) -> Option<Line> {
    if row.group.is_none() || *group == row.group.as_ref() {
        return None;
    }
    *group = row.group.as_ref();
    let name = row.group.as_deref().unwrap_or_default();
    Some(look.line(Tone::Strong, look.shorten_end(name, look.room())))
}

#[cfg(test)]
mod tests {
    use super::{Column, Labels, Row, Table};
    use crate::report::terminal::layout::{Look, Tone};

    fn column(head: &'static str) -> Column {
        Column { head, tone: Tone::Plain }
    }

    fn row(group: Option<&str>, label: &str, cells: [&str; 2], value: u64) -> Row {
        Row {
            group: group.map(str::to_owned),
            label: label.to_owned(),
            cells: cells.map(str::to_owned).to_vec(),
            value,
            mark: (value == 5).then_some("partial"),
        }
    }

    fn written(table: &Table, width: usize) -> String {
        let look = Look::new(width, false);
        let mut text = Vec::new();
        for line in table.lines(look) {
            line.write(look, false, &mut text).unwrap();
        }
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn rows_stand_under_their_heads() {
        let table = Table {
            labels: Labels::First("week"),
            columns: vec![column("PV"), column("UV")],
            bar_after: Some(0),
            rows: vec![
                row(Some("a"), "2018-W10", ["1,000", "9"], 10),
                row(Some("b"), "2018-W11", ["5", "3"], 5),
            ],
        };
        assert_eq!(
            written(&table, 40),
            "  week         PV            UV\n  a\n  2018-W10  1,000  ########   9\n  b\n  \
             2018-W11      5  ####       3  partial\n"
        );
        assert_eq!(
            written(&table, 20),
            "a\n2018-W10\n PV 1,000, UV 9\nb\n2018-W11\n PV 5, UV 3, partial\n"
        );
    }

    #[test]
    fn names_stand_last_and_are_shortened() {
        let table = Table {
            labels: Labels::Last,
            columns: vec![column("PV"), column("change")],
            bar_after: None,
            rows: vec![row(None, "/movie/2018/03/05/12.html", ["12", "+5"], 0)],
        };
        assert_eq!(written(&table, 80), "  PV  change\n  12      +5  /movie/2018/03/05/12.html\n");
        assert_eq!(written(&table, 34), "PV  change\n12      +5  /movie...03/05/12.html\n");
    }
}
