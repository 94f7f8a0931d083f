//! The hours of days: heat maps, and the chart of one day.
//!
//! Owns: which hours are shown and how many days fit. May import: `time`, `text`, its siblings.
//! Must not know: the table of days.

use super::WIDE;
use super::chart::{Covered, HourScale, columns, heat_legend, heat_row};
use super::layout::{Line, Look, Tone, side_by_side};
use super::numbers::WEEKDAYS;
use super::site_days::{DayRow, SiteDays, day_label, label_width, site_line};
use crate::text::{counted, grouped};
use crate::time::Day;

/// The chart of a single day: page views, and with enough room also visitors.
pub(super) fn one_day(look: Look, row: &DayRow) -> Vec<Line> {
    let note = |hours: &[u64; 24]| {
        let peak = busiest(hours);
        format!("busiest hour {peak:02}:00, {}", grouped(hours[peak]))
    };
    let chart = |look: Look, title: &str, tone: Tone, hours: &[u64; 24]| {
        let mut lines = look.heading(title, &note(hours));
        let scale = HourScale::fit(look.room(), 4);
        lines.extend(columns(look, tone, hours, scale, &row.coverage.hours));
        lines
    };
    let half = look.with_width((look.width - 4) / 2);
    if look.width < WIDE {
        return chart(look, "PV by hour", Tone::Views, &row.hour_pv);
    }
    let left = chart(half, "PV by hour", Tone::Views, &row.hour_pv);
    let right = chart(half, "UV by hour", Tone::Visitors, &row.hour_uv);
    side_by_side(left, right, half.width + 4)
}

/// The hour with the largest value, the first of equals.
fn busiest(hours: &[u64; 24]) -> usize {
    (0..24).max_by_key(|&hour| (hours[hour], 24 - hour)).unwrap_or(0)
}

/// Widths in a row of hours, which ends with the busiest hour if there is room.
struct HeatColumns {
    label: usize,
    scale: HourScale,
    max: u64,
    /// Width of the busiest hour's page views; 0 if there is no room for them.
    peak: usize,
}

impl HeatColumns {
    fn fit(look: Look, label: usize, widest: usize, rows: &[&[u64; 24]]) -> Self {
        let scale = HourScale::fit(look.room().saturating_sub(label + 2), widest);
        let max = scale.max(rows.iter().copied());
        let mut peak = grouped(max).len();
        if scale.hours > 1 || label + 2 + scale.width() + 2 + 5 + peak > look.room() {
            peak = 0;
        }
        Self { label, scale, max, peak }
    }

    fn header(&self, look: Look) -> Line {
        let mut line = look.line(Tone::Plain, "");
        line.space(self.label + 2);
        line.append(self.scale.labels());
        if self.peak > 0 {
            line.right(Tone::Quiet, "busiest", 2 + 5 + self.peak);
        }
        line
    }

    fn row(&self, look: Look, label: &str, hours: &[u64; 24], covered: &Covered) -> Line {
        let mut line = look.line(Tone::Plain, "");
        line.left(Tone::Plain, label, self.label + 2);
        line.append(heat_row(look, hours, self.max, self.scale, covered));
        let hour = busiest(hours);
        if self.peak > 0 && hours[hour] > 0 {
            line.space(2);
            line.push(Tone::Quiet, format!("{hour:02}h  "));
            line.right(Tone::Plain, &grouped(hours[hour]), self.peak);
        }
        line
    }

    fn legend(&self, look: Look) -> Vec<Line> {
        let unit = match self.scale.hours {
            1 => String::new(),
            hours => format!("{hours} hours: "),
        };
        let column = look.indent + self.label + 2;
        legend(look, if look.width >= 60 { column } else { look.indent }, &unit, self.max)
    }
}

/// The meaning of the shades, from `column` on, in as many lines as needed.
pub(super) fn legend(look: Look, column: usize, unit: &str, max: u64) -> Vec<Line> {
    let start = || {
        let mut line = Line::default();
        line.space(column);
        line
    };
    let mut lines = Vec::new();
    let mut line = start();
    line.push(Tone::Quiet, unit);
    for step in heat_legend(look, max) {
        if line.width() > column && line.width() + step.width() > look.width {
            lines.push(std::mem::replace(&mut line, start()));
        }
        line.append(step);
        line.space(2);
    }
    lines.push(line);
    lines
}

/// A heat map with a row of 24 hours for each day.
pub(super) fn heat_map(look: Look, views: &str, sites: &[SiteDays<'_>]) -> Vec<Line> {
    let rows: Vec<_> = sites.iter().flat_map(|site| &site.rows).map(|row| &row.hour_pv).collect();
    let columns = HeatColumns::fit(look, label_width(look), 2, &rows);
    let mut lines = look.heading("Hours", &format!("{views} of each hour"));
    lines.push(columns.header(look));
    for site in sites {
        if sites.len() > 1 {
            lines.push(site_line(look, site));
        }
        for row in &site.rows {
            let label = day_label(look, row.day);
            lines.push(columns.row(look, &label, &row.hour_pv, &row.coverage.hours));
        }
    }
    lines.extend(columns.legend(look));
    lines
}

/// A heat map with a row of 24 hours for each weekday, added up over all days: readable even for hundreds of days.
pub(super) fn weekdays(look: Look, views: &str, sites: &[SiteDays<'_>]) -> Vec<Line> {
    let mut sums = [[0u64; 24]; 7];
    let mut covered = [[false; 24]; 7];
    let mut days: Vec<Day> = Vec::new();
    for row in sites.iter().flat_map(|site| &site.rows) {
        days.push(row.day);
        for (sum, pv) in sums[row.day.weekday()].iter_mut().zip(row.hour_pv) {
            *sum += pv;
        }
        let of_weekday = covered[row.day.weekday()].iter_mut();
        for (covered, is_covered) in of_weekday.zip(row.coverage.hours) {
            *covered |= is_covered;
        }
    }
    days.sort_unstable();
    days.dedup();
    let widest = if look.width >= WIDE { 4 } else { 2 };
    let columns = HeatColumns::fit(look, 3, widest, &sums.each_ref());
    let together = if sites.len() > 1 { ", all sites" } else { "" };
    let note = format!(
        "{views} of each hour{together}, added up by weekday over all {}",
        counted(days.len() as u64, "day", "days")
    );
    let mut lines = look.heading("Hours", &note);
    lines.push(columns.header(look));
    for ((name, hours), covered) in WEEKDAYS.iter().zip(&sums).zip(&covered) {
        lines.push(columns.row(look, name, hours, covered));
    }
    lines.extend(columns.legend(look));
    lines
}
