//! A question together with what a report shows besides its answer.
//!
//! Owns: [`Request`], and what is added to an answer: buckets without gaps, a comparison, the clock, names that
//! may have been meant. May import: what its parent may. Must not know: how answers are computed, how they are shown.

use super::buckets::Buckets;
use super::changes::Compared;
use super::clock::Clock;
use super::counted::Counted;
use super::earlier::{Compare, ComparedRanges};
use super::similar::Similar;
use super::summary::{Summary, Today};
use super::{By, Grouping, Question, chosen_sites, summary_of_range};
use crate::database::{Database, Recorded, Site};
use crate::error::{Error, Result};
use crate::time::{Granularity, Minute, MinuteRange, WrittenTime};

/// What is asked, as a user writes it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The beginning; `None` from the first line on.
    pub since: Option<WrittenTime>,
    /// The end, inclusive; `None` to the last line.
    pub until: Option<WrittenTime>,
    /// The only site.
    pub site: Option<String>,
    /// The only section.
    pub section: Option<String>,
    /// The only page.
    pub page: Option<String>,
    /// What has a row each.
    pub grouping: Option<Grouping>,
    /// What to compare with.
    pub compare: Option<Compare>,
    /// Number of sections and of pages to list.
    pub top: usize,
    /// The present instant, in Unix seconds.
    pub now: i64,
}

/// A question that is ready to be asked.
#[derive(Clone, Debug)]
pub struct ReadyRequest {
    /// The question.
    pub question: Question,
    /// Number of sections and of pages that the answer must list for [`ReadyRequest::complete`].
    pub needed_top: usize,
    request: Request,
    counted: Counted,
    clock: Clock,
    sites: Vec<Site>,
    ranges: Option<ComparedRanges>,
}

impl Request {
    /// Looks at the database's clock, and works out the range.
    ///
    /// # Errors
    /// [`Error::Database`]; [`Error::Usage`] for an empty range, a range that cannot be compared, a site that is not there,
    /// or sites of different rules.
    pub fn ready(self, database: &Database) -> Result<ReadyRequest> {
        let mut question = Question {
            site: self.site.clone(),
            section: self.section.clone(),
            page: self.page.clone(),
            by: match self.grouping {
                Some(Grouping::Time(by)) => Some(by),
                _ => None,
            },
            ..Question::default()
        };
        let sites = chosen_sites(database, &question)?;
        let sources = database.sources()?;
        let sources = sources_of_sites(database, &sites, &sources)?;
        let of_sites: Vec<&Recorded> = sources.iter().map(|&(source, _)| source).collect();
        let clock = Clock::new(&sites, &of_sites, self.now)?;
        let minutes = |time: WrittenTime| time.minutes(clock.today());
        question.since = self.since.map(|time| minutes(time).start);
        question.until = self.until.map(|time| minutes(time).end);
        if let Some((since, until)) = question.since.zip(question.until)
            && since >= until
        {
            return Err(Error::Usage(format!(
                "--until is before --since: the range begins at {} and ends at {}",
                minute_text(since),
                minute_text(until - 1)
            )));
        }
        let with_sites = sources.iter().map(|(source, sites)| (*source, &sites[..]));
        let counted = Counted {
            sites: Counted::of_sites(&sites, with_sites),
            since: question.since,
            until: question.until,
            now: clock.minute(),
        };
        let ranges = match self.compare {
            Some(compare) => compared_ranges(compare, &question, &counted)?,
            None => None,
        };
        // A shorter range is asked for by itself.
        let is_compared = ranges.is_some_and(|ranges| question.since == Some(ranges.now.start));
        let needs_all =
            is_compared || matches!(self.grouping, Some(Grouping::Section | Grouping::Page));
        Ok(ReadyRequest {
            question,
            needed_top: if needs_all { usize::MAX } else { self.top },
            counted,
            clock,
            sites,
            ranges,
            request: self,
        })
    }
}

/// The ranges that are compared; `None` if the database has counted nothing.
fn compared_ranges(
    compare: Compare,
    question: &Question,
    counted: &Counted,
) -> Result<Option<ComparedRanges>> {
    let Some(start) = question.since else {
        return Err(Error::Usage(
            "--compare needs a range; say where it begins with --since, as in --since this-week --until this-week"
                .to_owned(),
        ));
    };
    let Some(whole) = counted.whole() else { return Ok(None) };
    // Without an end, what there is from then on.
    let end = question.until.unwrap_or(whole.end).max(start + 1);
    Ok(Some(ComparedRanges::new(compare, MinuteRange { start, end }, whole)))
}

/// The sources of some sites, each with the numbers of those sites that have hits of it.
fn sources_of_sites<'s>(
    database: &Database,
    sites: &[Site],
    sources: &'s [Recorded],
) -> Result<Vec<(&'s Recorded, Vec<i64>)>> {
    let mut of_sites = Vec::new();
    for site in sites {
        of_sites.push((site.number, database.sources_of_site(site.number)?));
    }
    let sites_of = |source: &Recorded| {
        let sites = of_sites.iter().filter(|(_, sources)| sources.contains(&source.number));
        sites.map(|&(site, _)| site).collect::<Vec<i64>>()
    };
    let with_sites = sources.iter().map(|source| (source, sites_of(source)));
    Ok(with_sites.filter(|(_, sites)| !sites.is_empty()).collect())
}

impl ReadyRequest {
    /// Completes the answer to [`ReadyRequest::question`], which lists at least [`ReadyRequest::needed_top`] sections and
    /// pages. Uses the thread pool it is called in.
    ///
    /// # Errors
    /// [`Error::Database`]; [`Error::Usage`] if there would be too many buckets.
    pub fn complete(&self, database: &mut Database, mut answer: Summary) -> Result<Summary> {
        let Some(mut stored) = answer.stored.take() else { return Ok(answer) };
        stored.buckets = match self.question.by {
            Some(by) => Some(Buckets::new(by, &stored.by, &self.counted)?),
            None => None,
        };
        stored.counted = self.counted.clone();
        let is_name = |time: Option<WrittenTime>| matches!(time, Some(WrittenTime::Name(_)));
        if is_name(self.request.since) || is_name(self.request.until) {
            stored.today = Some(Today { day: self.clock.today(), zone: self.clock.zone.clone() });
        }
        stored.grouping = self.request.grouping;
        answer.stored = Some(stored);
        let comparison = match (self.request.compare, self.ranges) {
            (Some(with), Some(ranges)) => {
                let compared = Compared {
                    with,
                    ranges,
                    by: self.question.by.unwrap_or(By::Cells(Granularity::Day)),
                    top: self.request.top,
                    counted: &self.counted,
                };
                let mut ask = |question: &Question, top| summary_of_range(database, question, top);
                Some(compared.compare(&self.question, &answer, &mut ask)?)
            }
            _ => None,
        };
        if let Some(stored) = &mut answer.stored {
            stored.comparison = comparison;
        }
        if self.request.grouping != Some(Grouping::Section) {
            answer.sections.truncate(self.request.top);
        }
        if self.request.grouping != Some(Grouping::Page) {
            answer.pages.truncate(self.request.top);
        }
        Ok(answer)
    }

    /// Sentences about a section or a page that is asked for and was never counted, with the names that may have been meant.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn doubts(&self, database: &mut Database) -> Result<Vec<String>> {
        let mut doubts = Vec::new();
        if let Some(section) = &self.question.section {
            let (mut is_there, mut similar) = (false, Similar::new(section));
            for site in &self.sites {
                is_there |= database.reader().section_place(site.number, section)?.is_some();
            }
            for site in self.sites.iter().filter(|_| !is_there) {
                database.each_section(site.number, |name| similar.add(name))?;
            }
            doubts.extend((!is_there).then(|| doubt("section", section, &similar.into_names())));
        }
        if let Some(page) = &self.question.page {
            let (mut is_there, mut similar) = (false, Similar::new(page));
            for site in &self.sites {
                let section = crate::select::page::section(page, &site.rules.groups()).to_owned();
                is_there |= database.reader().page_place(site.number, &section, page)?.is_some();
            }
            for site in self.sites.iter().filter(|_| !is_there) {
                database.each_page(site.number, |name| similar.add(name))?;
            }
            doubts.extend((!is_there).then(|| doubt("page", page, &similar.into_names())));
        }
        Ok(doubts)
    }
}

/// `the database has no section "blog"; did you mean "/blog/"?`
fn doubt(kind: &str, name: &str, similar: &[String]) -> String {
    let mut sentence = format!("the database has no {kind} {name:?}");
    if !similar.is_empty() {
        let names: Vec<String> = similar.iter().map(|name| format!("{name:?}")).collect();
        sentence.push_str(&format!("; did you mean {}?", names.join(" or ")));
    }
    sentence
}

/// That there is no such site, and which there are.
pub(super) fn no_such_site(name: &str, sites: &[Site]) -> Error {
    const NAMED: usize = 10;
    let mut similar = Similar::new(name);
    sites.iter().for_each(|site| similar.add(&site.name));
    let similar = similar.into_names();
    let mut sentence = doubt("site", name, &similar);
    if similar.is_empty() {
        let names: Vec<String> =
            sites.iter().take(NAMED).map(|site| format!("{:?}", site.name)).collect();
        sentence.push_str(&format!("; it has {}", names.join(", ")));
        if let Some(rest @ 1..) = sites.len().checked_sub(NAMED) {
            sentence.push_str(&format!(" and {rest} more"));
        }
    }
    Error::Usage(sentence)
}

/// A minute as `2018-03-05T14:05`.
#[must_use]
pub fn minute_text(minute: Minute) -> String {
    By::Cells(Granularity::Minute).name_of(minute)
}
