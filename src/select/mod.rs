//! What counts: which hits are page views, of which page, by which visitor, and when.
//!
//! Owns: [`Rules`] (the counting options) and their application to one record. May import: `calendar`, `record`.
//! Must not know: formats' grammar, files, threads, how things are counted.

pub mod page;
pub mod visitor;

use crate::parse::record::{Method, Record};
use crate::time::{CivilTime, Converter, Zone};
pub use page::Group;
pub use visitor::{VisitorDefinition, VisitorHash, VisitorKey};
mod stored_rules;
pub use stored_rules::StoredRules;

/// Which hits count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Count {
    /// Readable GET and POST requests of pages, answered by 2xx or 304, that are not static files.
    #[default]
    PageViews,
    /// Every hit.
    Hits,
}

impl Count {
    /// The name on the command line and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PageViews => "page-views",
            Self::Hits => "hits",
        }
    }
}

/// The counting rules of a run.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Which hits count.
    pub count: Count,
    /// Who a visitor is.
    pub visitor: VisitorDefinition,
    /// Makes visitor hashes secret.
    pub visitor_key: Option<VisitorKey>,
    /// Whether a page keeps its query.
    pub keep_query: bool,
    /// Sections by pattern, in order; empty for the first path segment.
    pub groups: Vec<Group>,
    /// The zone times are converted to; `None` for the clock as written.
    pub zone: Option<Zone>,
    /// The name of the site that everything belongs to.
    pub site: String,
}

/// The page of hits without one, and its section, under `--count hits`.
pub const NO_PAGE: &str = "-";

/// One page view: the page as text from the log, and who saw it.
#[derive(Clone, Copy, Debug)]
pub struct PageView<'a> {
    /// The page's bytes as logged.
    pub page: &'a [u8],
    /// The visitor.
    pub visitor: VisitorHash,
}

/// Applies [`Rules`] to records. Keeps buffers, so make one a thread.
#[derive(Debug)]
pub struct Selector<'r> {
    rules: &'r Rules,
    visitors: visitor::Hasher<'r>,
    zone: Option<Converter>,
}

impl<'r> Selector<'r> {
    /// A selector for one thread.
    #[must_use]
    pub fn new(rules: &'r Rules) -> Self {
        Self {
            rules,
            visitors: visitor::Hasher::new(&rules.visitor, rules.visitor_key.as_ref()),
            zone: rules.zone.as_ref().map(Converter::new),
        }
    }

    /// The wall-clock time the record is bucketed by.
    pub fn time(&mut self, record: &Record<'_>) -> CivilTime {
        match &mut self.zone {
            None => record.time,
            Some(zone) => zone.convert(record.time, record.offset_minutes),
        }
    }

    /// Whether a repeated hour of `--tz` was met, by day.
    #[must_use]
    pub fn repeated_hour_days(&self) -> Vec<crate::time::Day> {
        self.zone.as_ref().map(Converter::repeated_hour_days).unwrap_or_default()
    }

    /// The record as a page view, if it counts as one. `is_beacon` frees it from the rules on method, status and
    /// static files.
    #[inline]
    pub fn page_view<'a>(&mut self, record: &Record<'a>, is_beacon: bool) -> Option<PageView<'a>> {
        let request = record.request.as_ref();
        let page = request.and_then(|request| page::page(request.target, self.rules.keep_query));
        let page = match (self.rules.count, page) {
            (Count::Hits, page) => page.unwrap_or(NO_PAGE.as_bytes()),
            (Count::PageViews, None) => return None,
            (Count::PageViews, Some(page)) => {
                let counts = is_beacon
                    || (matches!(record.status, 200..=299 | 304)
                        && request.is_some_and(|request| request.method != Method::Other)
                        && !page::is_static(page));
                if !counts {
                    return None;
                }
                page
            }
        };
        Some(PageView { page, visitor: self.visitors.hash(record) })
    }
}
