//! Days, site by site.
//!
//! Owns: the table of days, and which days it shows. May import: `time`, `text`, `query::summary`, its siblings.
//! Must not know: rankings.

use super::chart::{HourScale, bar, heat_row};
use super::hours::{heat_map, legend, one_day, weekdays};
use super::layout::{Line, Look, Tone};
use super::site_days::{DayRow, SiteDays, day_label, label_width, site_line, sites};
use super::{WIDE, has_several_sites, views, visitor_note};
use crate::query::summary::Summary;
use crate::text::{counted, grouped};
use crate::time::Day;

/// Most rows in the table of days, all sites together.
const SHOWN_DAYS: usize = 31;

/// Most sites that are shown with their days.
const SHOWN_SITES: usize = 8;

/// Most days in the heat map; more days are added up by weekday.
const HEAT_DAYS: usize = 14;

/// The table of days, unless other rows have its numbers, then the hours, unless the table shows them.
pub(super) fn blocks(summary: &Summary, has_table: bool, look: Look) -> Vec<Vec<Line>> {
    let sites = sites(summary);
    let mut rows = sites.iter().flat_map(|site| &site.rows);
    let (Some(first), second) = (rows.next(), rows.next()) else { return Vec::new() };
    let mut blocks = Vec::new();
    if has_table {
        blocks.push(table(summary, look, &sites));
    }
    let has_hours_in_table = has_table && look.width >= WIDE;
    let all_rows = sites.iter().map(|site| site.rows.len()).sum::<usize>();
    if second.is_none() {
        blocks.push(one_day(look, first));
    } else if !has_hours_in_table && all_rows <= HEAT_DAYS {
        blocks.push(heat_map(look, views(summary), &sites));
    } else if !has_hours_in_table || all_rows > SHOWN_DAYS {
        blocks.push(weekdays(look, views(summary), &sites));
    }
    blocks
}

/// Widths of the table's columns.
struct TableColumns {
    label: usize,
    pv: usize,
    uv: usize,
    pv_bar: usize,
    uv_bar: usize,
    heat: Option<HourScale>,
    /// Width of `until 20:10`; 0 if there is no room for it.
    cut_off: usize,
    max_pv: u64,
    max_uv: u64,
    max_hour: u64,
}

impl TableColumns {
    /// `None` if not even the numbers fit side by side.
    fn fit(look: Look, rows: &[&DayRow]) -> Option<Self> {
        let max = |value: fn(&DayRow) -> u64| rows.iter().map(|row| value(row)).max().unwrap_or(0);
        let (max_pv, max_uv) = (max(|row| row.pv), max(|row| row.uv));
        let label = label_width(look);
        let pv = grouped(max_pv).len().max(2);
        let uv = grouped(max_uv).len().max(2);
        let mut left = look.room().checked_sub(label + 2 + pv + 2 + uv)?;
        let heat = (look.width >= WIDE && rows.len() > 1).then(|| {
            let widest = if look.width >= 180 { 3 } else { 2 };
            HourScale::fit(72, widest)
        });
        if let Some(heat) = heat {
            left = left.saturating_sub(3 + heat.width());
        }
        let cut_off = rows.iter().filter_map(|row| row.coverage.part.as_ref());
        let mut cut_off = cut_off.map(String::len).max().unwrap_or(0);
        if cut_off > 0 && left < 2 + cut_off {
            cut_off = 0;
        }
        if cut_off > 0 {
            left -= 2 + cut_off;
        }
        let (pv_bar, uv_bar) = match left {
            // A single bar has nothing to be compared with.
            _ if rows.len() < 2 => (0, 0),
            16.. => ((left - 4) / 2, (left - 4) / 2),
            6.. => (left - 2, 0),
            _ => (0, 0),
        };
        let max_hour = heat.map_or(0, |heat| heat.max(rows.iter().map(|row| &row.hour_pv)));
        Some(Self { label, pv, uv, pv_bar, uv_bar, heat, cut_off, max_pv, max_uv, max_hour })
    }

    /// The column in which the hours start.
    fn heat_column(&self, look: Look) -> usize {
        let bar = |columns| if columns > 0 { 2 + columns } else { 0 };
        look.indent
            + self.label
            + 2
            + self.pv
            + bar(self.pv_bar)
            + 2
            + self.uv
            + bar(self.uv_bar)
            + 3
    }

    fn header(&self, look: Look) -> Line {
        let mut line = look.line(Tone::Plain, "");
        line.space(self.label);
        line.right(Tone::Quiet, "PV", 2 + self.pv);
        line.space(if self.pv_bar > 0 { 2 + self.pv_bar } else { 0 });
        line.right(Tone::Quiet, "UV", 2 + self.uv);
        line.space(if self.uv_bar > 0 { 2 + self.uv_bar } else { 0 });
        if let Some(heat) = self.heat {
            line.space(3);
            line.append(heat.labels());
        }
        line
    }

    fn row(&self, look: Look, row: &DayRow) -> Line {
        let mut line = look.line(Tone::Plain, "");
        line.left(Tone::Plain, &day_label(look, row.day), self.label);
        line.right(Tone::Plain, &grouped(row.pv), 2 + self.pv);
        if self.pv_bar > 0 {
            line.space(2);
            line.left(Tone::Views, &bar(look, row.pv, self.max_pv, self.pv_bar), self.pv_bar);
        }
        line.right(Tone::Plain, &grouped(row.uv), 2 + self.uv);
        if self.uv_bar > 0 {
            line.space(2);
            line.left(Tone::Visitors, &bar(look, row.uv, self.max_uv, self.uv_bar), self.uv_bar);
        }
        if let Some(heat) = self.heat {
            line.space(3);
            let hours = &row.coverage.hours;
            line.append(heat_row(look, &row.hour_pv, self.max_hour, heat, hours));
        }
        if self.cut_off > 0
            && let Some(text) = &row.coverage.part
        {
            line.space(2);
            line.push(Tone::Warning, text.clone());
        }
        line
    }
}

/// PV and UV of each day; if there are too many, of the last days of each site.
fn table(summary: &Summary, look: Look, sites: &[SiteDays<'_>]) -> Vec<Line> {
    let several_sites = has_several_sites(summary);
    let shown_sites = &sites[..sites.len().min(SHOWN_SITES)];
    let quota = (SHOWN_DAYS / shown_sites.len().max(1)).max(3);
    let rows: Vec<_> = shown_sites.iter().flat_map(|site| site.shown(quota)).collect();
    let columns = TableColumns::fit(look, &rows);

    let mut note = vec![visitor_note(look, &summary.definition)];
    if !several_sites && let [site] = sites {
        note.insert(0, counted(site.rows.len() as u64, "day", "days"));
    }
    if columns.as_ref().is_some_and(|columns| columns.heat.is_some()) {
        note.push("on the right: PV by hour".to_owned());
    }
    let mut lines = look.heading("Days", &note.join(look.dot()));
    if let Some(columns) = &columns {
        lines.push(columns.header(look));
    }
    for site in shown_sites {
        if several_sites {
            lines.push(site_line(look, site));
        }
        let shown = site.shown(quota);
        let left_out = site.rows.len() - shown.len();
        if left_out > 0 {
            let days = counted(left_out as u64, "earlier day", "earlier days");
            let text = format!("{} {days} left out, --json has all", look.ellipsis());
            lines.extend(look.paragraph(Tone::Quiet, &text));
        }
        let mut previous: Option<Day> = None;
        for row in shown {
            if let Some(previous) = previous {
                lines.extend(gap(look, views(summary), previous, row.day));
            }
            previous = Some(row.day);
            match &columns {
                Some(columns) => lines.push(columns.row(look, row)),
                None => {
                    lines.push(look.line(Tone::Plain, row.day.to_string()));
                    lines.push(look.line(Tone::Plain, format!(" {} PV", grouped(row.pv))));
                    lines.push(look.line(Tone::Plain, format!(" {} UV", grouped(row.uv))));
                }
            }
            if columns.as_ref().is_none_or(|columns| columns.cut_off == 0)
                && let Some(text) = &row.coverage.part
            {
                lines.push(look.line(Tone::Warning, format!(" {text}")));
            }
        }
    }
    if let Some(columns) = columns.filter(|columns| columns.heat.is_some()) {
        lines.extend(legend(look, columns.heat_column(look), "", columns.max_hour));
    }
    if sites.len() > shown_sites.len() {
        let more = counted((sites.len() - shown_sites.len()) as u64, "more site", "more sites");
        let text = format!("{} {more} left out, --json has all", look.ellipsis());
        lines.extend(look.paragraph(Tone::Quiet, &text));
    }
    lines
}

/// A line about the days without page views between two rows.
fn gap(look: Look, views: &str, previous: Day, next: Day) -> Vec<Line> {
    let missing = i64::from(next.0) - i64::from(previous.0) - 1;
    match u64::try_from(missing) {
        Ok(missing @ 1..) => {
            let text = format!("{} without {views}", counted(missing, "day", "days"));
            look.paragraph(Tone::Quiet, &format!("{} {text}", look.ellipsis()))
        }
        _ => Vec::new(),
    }
}
