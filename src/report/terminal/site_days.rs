//! The days of each site, as the tables of days and hours show them.
//!
//! Owns: [`SiteDays`], [`DayRow`], how a day and a site are labelled. May import: `time`, `text`, `query::summary`,
//! `coverage`, `layout`, `numbers`. Must not know: tables, charts.

use std::collections::BTreeMap;

use super::coverage::Coverage;
use super::layout::{Line, Look, Tone};
use super::numbers::WEEKDAYS;
use crate::query::summary::Summary;
use crate::text::grouped;
use crate::time::Day;

/// A day of a site.
pub(super) struct DayRow {
    pub(super) day: Day,
    pub(super) pv: u64,
    pub(super) uv: u64,
    pub(super) hour_pv: [u64; 24],
    pub(super) hour_uv: [u64; 24],
    pub(super) coverage: Coverage,
}

/// A site and its days, in order of time.
pub(super) struct SiteDays<'a> {
    pub(super) name: &'a str,
    pub(super) pv: u64,
    pub(super) rows: Vec<DayRow>,
}

impl SiteDays<'_> {
    /// The last `quota` days.
    pub(super) fn shown(&self, quota: usize) -> &[DayRow] {
        &self.rows[self.rows.len().saturating_sub(quota)..]
    }
}

/// The sites with their days and hours, the most viewed site first.
pub(super) fn sites(summary: &Summary) -> Vec<SiteDays<'_>> {
    type Hours = [u64; 24];
    let mut hours: BTreeMap<(&str, Day), (Hours, Hours)> = BTreeMap::new();
    for row in &summary.hours {
        let (pv, uv) = hours.entry((&row.site, row.bucket.day)).or_default();
        let hour = usize::from(row.bucket.minute_of_day / 60).min(23);
        pv[hour] += row.pv;
        uv[hour] += row.uv;
    }
    let mut sites: Vec<SiteDays<'_>> = Vec::new();
    for row in &summary.days {
        let (hour_pv, hour_uv) =
            hours.get(&(row.site.as_str(), row.bucket.day)).copied().unwrap_or_default();
        let coverage = Coverage::new(summary, &row.site, row.bucket.day);
        let day =
            DayRow { day: row.bucket.day, pv: row.pv, uv: row.uv, hour_pv, hour_uv, coverage };
        match sites.last_mut() {
            Some(site) if site.name == row.site => {
                site.pv += day.pv;
                site.rows.push(day);
            }
            _ => sites.push(SiteDays { name: &row.site, pv: day.pv, rows: vec![day] }),
        }
    }
    sites.sort_by(|a, b| b.pv.cmp(&a.pv).then_with(|| a.name.cmp(b.name)));
    sites
}

/// A day, as long as there is room for: with weekday, as a date, or without the year.
pub(super) fn day_label(look: Look, day: Day) -> String {
    let date = day.to_string();
    if look.width >= 60 {
        format!("{date} {}", WEEKDAYS[day.weekday()])
    } else if look.width >= 34 {
        date
    } else {
        date.get(date.len().saturating_sub(5)..).unwrap_or_default().to_owned()
    }
}

pub(super) fn label_width(look: Look) -> usize {
    day_label(look, Day(0)).len()
}

/// A site's name and its page views.
pub(super) fn site_line(look: Look, site: &SiteDays<'_>) -> Line {
    let mut line = look.line(Tone::Strong, look.shorten_end(site.name, look.room()));
    let text = format!("{} PV", grouped(site.pv));
    if line.width() + 2 + text.len() <= look.width {
        line.space(2);
        line.push(Tone::Quiet, text);
    }
    line
}
