//! Questions to a database: any range, to the minute, of sites, a section or a page, answered exactly from the parts.
//!
//! Owns: [`Question`], [`answer`] (all facts, for cells), [`summary()`] (a report), [`Request`] (a question as users write
//! it, and what a report shows besides its answer). May import: `database`, `cube`, `count`, `facts`, hashbrown, rayon. Must
//! not know: clap, SQL.
//!
//! Every report is made by `engine`, day by day from what is stored of each. `facts` loads facts for their cells, whose
//! order is that of a cube; a test compares the engine with the walk over them, and both with naive code.

pub mod buckets;
mod changes;
pub mod clock;
pub mod comparison;
pub mod counted;
mod days;
pub mod earlier;
mod engine;
mod facts;
mod numbers;
mod request;
mod similar;
pub mod summarize;
pub mod summary;
mod top;
mod walked;

use std::ops::{Range, RangeInclusive};

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

    /// The days that are asked for; `None` if one of them is cut.
    fn whole_days(&self) -> Option<RangeInclusive<Day>> {
        let minutes = Minute::from(MINUTES_A_DAY);
        let is_midnight = |minute: &Minute| minute.rem_euclid(minutes) == 0;
        let are_whole = self.since.iter().chain(&self.until).all(is_midnight);
        let first = self.since.map_or(Day(i32::MIN), Day::of_minute);
        let last = self.until.map_or(Day(i32::MAX), |until| Day::of_minute(until - 1));
        are_whole.then_some(first..=last)
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
    engine::summary(database, question, &Scope::new(database, question)?, top, NewVisitors::Known)
}

/// As [`summary()`], without new visitors. They need the visitors of all earlier days; nothing else does.
fn summary_of_range(database: &mut Database, question: &Question, top: usize) -> Result<Summary> {
    engine::summary(database, question, &Scope::new(database, question)?, top, NewVisitors::Unknown)
}

/// Whether new visitors are told from returning ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NewVisitors {
    Known,
    Unknown,
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

    /// A site's blocks of the range, by day.
    fn wanted_blocks(&self, site: &Site) -> &[BlockRow] {
        of_site(&self.wanted, site)
    }

    /// A site's blocks up to the last day of which something is asked for, by day: all that tells who is new.
    fn blocks_to_last_day(&self, site: &Site) -> &[BlockRow] {
        let last = self.wanted_blocks(site).last().map(|block| block.day);
        let of_site = of_site(&self.all, site);
        &of_site[..of_site.partition_point(|block| Some(block.day) <= last)]
    }

    /// What a report says about the question; and sums over lines if it is about everything, over hits if it is about whole
    /// days.
    fn about(&self, database: &Database, question: &Question) -> Result<(Stored, Tally)> {
        let has_all_sites = self.sites.len() == database.sites()?.len();
        let is_everything = !question.has_filter()
            && question.since.is_none()
            && question.until.is_none()
            && has_all_sites
            && self.sites.iter().all(|site| site.pruned_before.is_none());
        let mut tally = Tally::default();
        let days = question.whole_days().filter(|_| !question.has_filter());
        if is_everything {
            database.sources()?.into_iter().for_each(|source| tally.merge(source.tally));
        } else if let Some(days) = &days {
            // Lines that are no hits are of no day.
            for site in &self.sites {
                let first = site.pruned_before.map_or(*days.start(), |day| day.max(*days.start()));
                tally.add_hits(&database.hits(site.number, first..=*days.end())?);
            }
        }
        let only_site = match &self.sites[..] {
            [site] if !has_all_sites => Some(site.number),
            _ => None,
        };
        let stored = Stored {
            database: database.path().display().to_string(),
            sources: database.source_count(only_site)?,
            question: words(question),
            is_everything,
            has_hits: days.is_some(),
            first_day: self.all.iter().map(|block| block.day).min(),
            pruned_before: self.sites.iter().filter_map(|site| site.pruned_before).max(),
            by_name: question.by.map(By::name),
            ..Stored::default()
        };
        Ok((stored, tally))
    }
}

/// A site's blocks, which lie together.
fn of_site<'b>(blocks: &'b [BlockRow], site: &Site) -> &'b [BlockRow] {
    let mut by_site = blocks.chunk_by(|one, next| one.site == next.site);
    by_site.find(|blocks| blocks[0].site == site.number).unwrap_or_default()
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
    let time = |minute: Minute| request::minute_text(minute).replace('T', " ");
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
