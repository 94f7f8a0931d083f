//! Selection: which hits are page views, of which page, by which visitor, and when.
//!
//! Owns: [`Rules`] (the counting rules), their stored form, and their application to one record. May import: `time`,
//! `parse::record`. Must not know: the grammar of formats, files, threads, how page views are counted.

mod given_rules;
pub mod page;
mod stored_rules;
pub mod visitor;

use crate::parse::record::Record;
use crate::time::{CivilTime, Converter, Zone};
pub use given_rules::GivenRules;
pub use page::SectionPattern;
pub use stored_rules::StoredRules;
pub use visitor::{VisitorDefinition, VisitorHash, VisitorKey};

/// Which hits count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Count {
    /// GET and POST requests of a page, answered by 2xx or 304. Static files are not pages.
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
    /// What makes two hits the same visitor's.
    pub visitor: VisitorDefinition,
    /// The key of visitor hashes, if they are to be secret.
    pub visitor_key: Option<VisitorKey>,
    /// Whether the query is a part of the page.
    pub keep_query: bool,
    /// Patterns of sections, the first match wins; if empty, a section is the first segment of the path.
    pub groups: Vec<SectionPattern>,
    /// The zone that times are converted to; `None` to leave them as written.
    pub zone: Option<Zone>,
    /// Name of the site that all hits belong to.
    pub site: String,
}

/// The page of hits that have none, under `--count hits`, and the section of pages that match no pattern.
pub const NO_PAGE: &str = "-";

/// One page view.
#[derive(Clone, Copy, Debug)]
pub struct PageView<'a> {
    /// The page's bytes as logged.
    pub page: &'a [u8],
    /// The visitor.
    pub visitor: VisitorHash,
}

/// Why a hit is no page view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objection {
    /// The request is not of the form `METHOD TARGET HTTP/x`.
    Request,
    /// The target has no path.
    Page,
    /// The method is neither GET nor POST.
    Method,
    /// The status is neither 2xx nor 304.
    Status,
    /// The path has the extension of a static file.
    StaticFile,
}

impl Objection {
    /// The objection as the end of a sentence.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Request => "its request is not readable",
            Self::Page => "its target is not a path",
            Self::Method => "its method is neither GET nor POST",
            Self::Status => "its status is neither 2xx nor 304",
            Self::StaticFile => "its page is a static file",
        }
    }
}

/// Applies [`Rules`] to records. It reuses buffers: make one for each thread.
#[derive(Debug)]
pub struct Selector<'r> {
    rules: &'r Rules,
    visitors: visitor::Hasher<'r>,
    zone: Option<Converter>,
}

impl<'r> Selector<'r> {
    /// A selector by `rules`.
    #[must_use]
    pub fn new(rules: &'r Rules) -> Self {
        Self {
            rules,
            visitors: visitor::Hasher::new(&rules.visitor, rules.visitor_key.as_ref()),
            zone: rules.zone.as_ref().map(Converter::new),
        }
    }

    /// The wall-clock time by which the record is counted: as written, or in the zone of the rules.
    pub fn time(&mut self, record: &Record<'_>) -> CivilTime {
        match &mut self.zone {
            None => record.time,
            Some(zone) => zone.convert(record.time, record.offset_minutes),
        }
    }

    /// The days, ascending, on which a record fell into an hour that the clock of `--tz` shows twice.
    #[must_use]
    pub fn repeated_hour_days(&self) -> Vec<crate::time::Day> {
        self.zone.as_ref().map(Converter::repeated_hour_days).unwrap_or_default()
    }

    /// The record as a page view, or `None` if it does not count. For a beacon the method, the status and the page's
    /// extension do not matter.
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
                        && request.is_some_and(|request| request.method.asks_for_page())
                        && !page::is_static(page));
                if !counts {
                    return None;
                }
                page
            }
        };
        Some(PageView { page, visitor: self.visitors.hash(record) })
    }

    /// Why the record is no page view; `None` for those that [`Selector::page_view`] returns.
    #[must_use]
    pub fn objection(&self, record: &Record<'_>, is_beacon: bool) -> Option<Objection> {
        if self.rules.count == Count::Hits {
            return None;
        }
        let Some(request) = &record.request else { return Some(Objection::Request) };
        let Some(page) = page::page(request.target, self.rules.keep_query) else {
            return Some(Objection::Page);
        };
        if is_beacon {
            None
        } else if !request.method.asks_for_page() {
            Some(Objection::Method)
        } else if !matches!(record.status, 200..=299 | 304) {
            Some(Objection::Status)
        } else {
            page::is_static(page).then_some(Objection::StaticFile)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::{Count, Rules, Selector};
    use crate::parse::record::{Method, Record, Request};
    use crate::time::{CivilTime, Day};

    proptest! {
        #[test]
        fn what_is_no_page_view_has_an_objection(
            target in select(vec!["/", "/a.html", "/a.css", "/a.CSS?x", "*", "http://h/a.js", ""]),
            method in select(vec![Method::Get, Method::Head, Method::Post, Method::Other]),
            is_readable in any::<bool>(),
            status in select(vec![200, 204, 301, 304, 404]),
            is_beacon in any::<bool>(),
            count in select(vec![Count::PageViews, Count::Hits]),
        ) {
            let target = target.as_bytes();
            let request = Request { method, target, logged_target: target };
            let record = Record {
                host: b"h",
                user: b"-",
                time: CivilTime::new(Day(0), 0, 0),
                offset_minutes: 0,
                request: is_readable.then_some(request),
                status,
                bytes_sent: 0,
                referrer: b"",
                user_agent: b"",
            };
            let rules = Rules { count, ..Rules::default() };
            let mut selector = Selector::new(&rules);
            let is_page_view = selector.page_view(&record, is_beacon).is_some();
            prop_assert_eq!(is_page_view, selector.objection(&record, is_beacon).is_none());
        }
    }
}
