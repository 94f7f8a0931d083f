//! Questions to a database: any range, to the minute, of sites, a section or a page, answered exactly from the parts.
//!
//! Owns: [`Question`], [`answer`] (all facts, for cells), [`summary()`] (a report), [`Request`] (a question as users write
//! it, and what a report shows besides its answer). May import: `database`, `cube`, `count`, `facts`, roaring. Must not know:
//! clap, SQL.
//!
//! There are two ways to a report. `facts` loads the facts and walks them, as a run over logs does; it can answer
//! everything. `sums` takes the sums of whole days as they are stored, and unites the sets of visitors that are stored
//! for each day; it looks at facts only of pages that are shown, and of days that are cut. It is many times as fast, and
//! for reports of whole sites. Both are compared with the oracle, and so with each other.

pub mod buckets;
mod changes;
pub mod clock;
pub mod comparison;
pub mod counted;
pub mod earlier;
mod facts;
mod numbers;
mod range;
mod request;
mod similar;
pub mod summarize;
pub mod summary;
mod sums;
mod visits;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::database::{ALL_DAYS, BlockRow, Database, Site};
use crate::error::{Error, Result};
use crate::facts::tally::Tally;
pub use crate::query::summary::Summary;
use crate::query::summary::{Definition, Stored};
use crate::select::SectionPattern;
use crate::select::StoredRules;
pub use crate::time::Minute;
use crate::time::{Bucket, Day, Granularity, MINUTES_A_DAY};

pub use earlier::Compare;
pub use facts::Answer;
pub use request::{ReadyRequest, Request, minute_text};

/// How long the buckets of an answer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// As cells are.
    Cells(Granularity),
    /// ISO weeks.
    Week,
    /// Calendar months.
    Month,
}

impl By {
    /// The word used in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cells(granularity) => granularity.name(),
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    fn bucket(self, day: Day, minute_of_day: u16) -> String {
        match self {
            Self::Cells(granularity) => Bucket { day, minute_of_day, granularity }.to_string(),
            Self::Week => day.week_text(),
            Self::Month => day.month_text(),
        }
    }
}

/// What has a row each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// Buckets of time.
    Time(By),
    /// All sections.
    Section,
    /// All pages.
    Page,
}

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The first minute; `None` from the beginning.
    pub since: Option<Minute>,
    /// The minute behind the last one; `None` to the end.
    pub until: Option<Minute>,
    /// The only site.
    pub site: Option<String>,
    /// The only section.
    pub section: Option<String>,
    /// The only page.
    pub page: Option<String>,
    /// Buckets that are wanted besides.
    pub by: Option<By>,
}

impl Question {
    /// The minutes of a day that are asked for.
    fn minutes(&self, day: Day) -> Range<u16> {
        let start = Minute::from(day.0) * Minute::from(MINUTES_A_DAY);
        let place = |minute: Minute| {
            u16::try_from((minute - start).clamp(0, MINUTES_A_DAY.into())).unwrap_or_default()
        };
        self.since.map_or(0, place)..self.until.map_or(MINUTES_A_DAY, place)
    }

    fn has_whole(&self, day: Day) -> bool {
        self.minutes(day) == (0..MINUTES_A_DAY)
    }

    /// Whether only some pages are asked for.
    fn has_filter(&self) -> bool {
        self.page.is_some() || self.section.is_some()
    }
}

/// Loads all facts that answer the question. Uses the thread pool it is called in.
///
/// # Errors
/// [`Error::Database`]; [`Error::Usage`] for a site that is not there, or sites of different rules.
pub fn answer(database: &mut Database, question: &Question) -> Result<Answer> {
    facts::answer(database, question, Scope::new(database, question)?)
}

/// The report that answers the question, but for its timing; sections and pages have at most `top` rows. Uses the
/// thread pool it is called in.
///
/// # Errors
/// As for [`answer`].
pub fn summary(database: &mut Database, question: &Question, top: usize) -> Result<Summary> {
    let scope = Scope::new(database, question)?;
    if question.has_filter() || question.by == Some(By::Cells(Granularity::Minute)) {
        let answer = facts::answer(database, question, scope)?;
        answer.summary(&answer.cube(), top)
    } else {
        sums::summary(database, question, scope, top)
    }
}

/// What of a database a question is about.
struct Scope {
    /// Their places here are their numbers in the answer.
    sites: Vec<Site>,
    /// The rules that all of them are counted by.
    rules: StoredRules,
    groups: Vec<SectionPattern>,
    /// The sites' blocks, by site, then by day.
    all: Vec<BlockRow>,
    /// Those of days of which something is asked for.
    wanted: Vec<BlockRow>,
}

impl Scope {
    fn new(database: &Database, question: &Question) -> Result<Self> {
        let sites = chosen_sites(database, question)?;
        let rules = sites[0].rules.clone();
        let mut all: Vec<BlockRow> = Vec::new();
        for site in &sites {
            all.extend(database.blocks(site.number, ALL_DAYS)?);
        }
        let is_wanted = |block: &&BlockRow| !question.minutes(block.day).is_empty();
        let wanted = all.iter().filter(is_wanted).copied().collect();
        Ok(Self { groups: rules.groups(), sites, rules, all, wanted })
    }

    fn site_names(&self) -> Vec<String> {
        self.sites.iter().map(|site| site.name.clone()).collect()
    }

    /// The sites' numbers in the answer by those in the database.
    fn site_numbers(&self) -> BTreeMap<i64, u32> {
        self.sites.iter().map(|site| site.number).zip(0..).collect()
    }

    /// A site's blocks up to the last day of which something is asked for, by day: all that tells who is new.
    fn blocks_to_last_day(&self, site: &Site) -> &[BlockRow] {
        let is_of_site = |block: &BlockRow| block.site == site.number;
        let wanted = self.wanted.iter().filter(|block| is_of_site(block));
        let last = wanted.map(|block| block.day).max();
        let start = self.all.iter().position(is_of_site).unwrap_or(self.all.len());
        let of_site = &self.all[start..];
        let end = of_site.partition_point(|block| is_of_site(block) && Some(block.day) <= last);
        &of_site[..end]
    }

    /// What a report says about the question, and sums over lines if it is about everything.
    fn about(&self, database: &Database, question: &Question) -> Result<(Stored, Tally)> {
        let has_all_sites = self.sites.len() == database.sites()?.len();
        let is_everything = !question.has_filter()
            && question.since.is_none()
            && question.until.is_none()
            && has_all_sites
            && self.sites.iter().all(|site| site.pruned_before.is_none());
        let sources = database.sources()?;
        let mut tally = Tally::default();
        if is_everything {
            sources.iter().for_each(|source| tally.merge(source.tally.clone()));
        }
        let source_count = match &self.sites[..] {
            [site] if !has_all_sites => database.source_count(site.number)?,
            _ => sources.len() as u64,
        };
        let stored = Stored {
            database: database.path().display().to_string(),
            sources: source_count,
            question: words(question),
            is_everything,
            first_day: self.all.iter().map(|block| block.day).min(),
            pruned_before: self.sites.iter().filter_map(|site| site.pruned_before).max(),
            by_name: question.by.map(By::name),
            ..Stored::default()
        };
        Ok((stored, tally))
    }
}

/// Counting rules in the words of a report.
#[must_use]
pub fn definition(rules: &StoredRules) -> Definition {
    Definition {
        count: rules.count.clone(),
        visitor: rules.visitor.clone(),
        tz: rules.clock().to_owned(),
        page: if rules.keep_query { "path with query" } else { "path without query" }.to_owned(),
        section: if rules.groups.is_empty() {
            "first path segment".to_owned()
        } else {
            rules.groups.join(", ")
        },
    }
}

fn chosen_sites(database: &Database, question: &Question) -> Result<Vec<Site>> {
    let mut sites = database.sites()?;
    if sites.is_empty() {
        return Err(Error::Usage("the database has counted nothing yet".to_owned()));
    }
    if let Some(name) = &question.site {
        if !sites.iter().any(|site| site.name == *name) {
            return Err(request::no_such_site(name, &sites));
        }
        sites.retain(|site| site.name == *name);
    }
    let first = &sites[0];
    if sites.iter().any(|site| site.rules != first.rules) {
        let names: Vec<&str> = sites.iter().map(|site| site.name.as_str()).collect();
        return Err(Error::Usage(format!(
            "the database counts its sites by different rules, which do not add up; choose one with --site: {}",
            names.join(", ")
        )));
    }
    Ok(sites)
}

fn words(question: &Question) -> String {
    let time = |minute: Minute| {
        let minutes = Minute::from(MINUTES_A_DAY);
        let day = Day(i32::try_from(minute.div_euclid(minutes)).unwrap_or_default());
        let minute = minute.rem_euclid(minutes);
        format!("{day} {:02}:{:02}", minute / 60, minute % 60)
    };
    let mut words = match (question.since, question.until) {
        (None, None) => vec!["everything".to_owned()],
        (Some(since), None) => vec![format!("from {} on", time(since))],
        (None, Some(until)) => vec![format!("before {}", time(until))],
        (Some(since), Some(until)) => {
            vec![format!("from {} to before {}", time(since), time(until))]
        }
    };
    for (name, value) in
        [("site", &question.site), ("section", &question.section), ("page", &question.page)]
    {
        words.extend(value.as_ref().map(|value| format!("{name} {value}")));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests;
