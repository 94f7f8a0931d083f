//! Questions to a database: any range, to the minute, of sites, a section or a page, answered exactly from the parts.
//!
//! Owns: [`Question`], [`answer`]. May import: `store`, `part`, `count`, `report`, roaring. Must not know: clap, SQL.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::calendar::{Bucket, Day, Granularity, MINUTES_A_DAY};
use crate::count::columns::Decoder;
use crate::count::{DayKey, Facts};
use crate::error::{Error, Result};
use crate::part::block;
use crate::report::Cube;
use crate::report::summarize::summarize;
use crate::report::summary::{Definition, NewVisitors, Stored, Summary};
use crate::select::page::section;
use crate::store::{Database, Site, StoredBlock, StoredRules};
use crate::tally::Tally;

/// A minute of the wall clock, counted from 1970.
pub type Minute = i64;

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

/// The facts that answer a question.
#[derive(Debug)]
pub struct Answer {
    /// The facts.
    pub facts: Facts,
    /// Site names by the facts' numbers.
    pub sites: Vec<String>,
    /// The rules that all of them are counted by.
    pub rules: StoredRules,
    tally: Tally,
    stored: Stored,
}

/// Loads what answers the question. Uses the thread pool it is called in.
///
/// # Errors
/// [`Error::Database`]; [`Error::Usage`] for a site that is not there, or sites of different rules.
pub fn answer(database: &mut Database, question: &Question) -> Result<Answer> {
    let sites = chosen_sites(database, question)?;
    let rules = sites[0].rules.clone();
    let groups = rules.groups();
    let mut all: Vec<StoredBlock> = Vec::new();
    for site in &sites {
        all.extend(database.blocks_of_site(site.number)?);
    }
    let minutes = |day: Day| -> Range<u16> {
        let start = Minute::from(day.0) * Minute::from(MINUTES_A_DAY);
        let place = |minute: Minute| {
            u16::try_from((minute - start).clamp(0, MINUTES_A_DAY.into())).unwrap_or_default()
        };
        question.since.map_or(0, place)..question.until.map_or(MINUTES_A_DAY, place)
    };
    let wanted: Vec<StoredBlock> =
        all.iter().copied().filter(|block| !minutes(block.day).is_empty()).collect();
    let numbers: BTreeMap<i64, u32> = sites.iter().map(|site| site.number).zip(0..).collect();
    let is_page = |page: &str| {
        question.page.as_deref().is_none_or(|wanted| page == wanted)
            && question.section.as_deref().is_none_or(|wanted| section(page, &groups) == wanted)
    };
    let has_filter = question.page.is_some() || question.section.is_some();
    let facts = database.load(&wanted, &[], &numbers, |block, day| {
        let minutes = minutes(block.day);
        let is_whole = minutes == (0..MINUTES_A_DAY) && !has_filter;
        if is_whole { day } else { day.only(is_page, &minutes) }
    })?;
    let is_everything = !has_filter
        && question.since.is_none()
        && question.until.is_none()
        && sites.len() == database.sites()?.len()
        && sites.iter().all(|site| site.pruned_before.is_none());
    let sources = database.sources()?;
    let mut tally = Tally::default();
    if is_everything {
        sources.iter().for_each(|source| tally.merge(source.tally.clone()));
    }
    let names: Vec<String> = sites.iter().map(|site| site.name.clone()).collect();
    let stored = Stored {
        database: String::new(),
        sources: sources.len() as u64,
        question: words(question),
        is_everything,
        first_day: all.iter().map(|block| block.day).min(),
        new_visitors: new_visitors(database, &facts, &all, &sites)?,
        by_name: question.by.map(By::name),
        by: question.by.map(|by| buckets(&facts, &names, by)).unwrap_or_default(),
    };
    Ok(Answer { facts, sites: names, rules, tally, stored })
}

impl Answer {
    /// The cube of the facts.
    #[must_use]
    pub fn cube(&self) -> Cube<'_> {
        Cube::new(&self.facts, self.sites.clone(), &self.rules.groups())
    }

    /// The report, but for its timing.
    ///
    /// # Errors
    /// None of its own.
    pub fn summary(&self, cube: &Cube<'_>, top: usize, database: &str) -> Result<Summary> {
        let mut summary = summarize(cube, &self.tally, top)?;
        // Of a range only what is made from facts is known.
        summary.totals.page_views = summary.cells[0][0].pv;
        let rules = &self.rules;
        summary.definition = Definition {
            count: rules.count.clone(),
            visitor: rules.visitor.clone(),
            tz: rules.clock().to_owned(),
            page: if rules.keep_query { "path with query" } else { "path without query" }
                .to_owned(),
            section: if rules.groups.is_empty() {
                "first path segment".to_owned()
            } else {
                rules.groups.join(", ")
            },
        };
        summary.stored = Some(Stored { database: database.to_owned(), ..self.stored.clone() });
        Ok(summary)
    }
}

fn chosen_sites(database: &Database, question: &Question) -> Result<Vec<Site>> {
    let mut sites = database.sites()?;
    if let Some(name) = &question.site {
        sites.retain(|site| site.name == *name);
    }
    let Some(first) = sites.first() else {
        return Err(Error::Usage(match &question.site {
            Some(name) => format!("the database has no site {name:?}"),
            None => "the database has counted nothing yet".to_owned(),
        }));
    };
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

/// PV and visitors of each bucket, by site and name.
fn buckets(facts: &Facts, sites: &[String], by: By) -> Vec<(String, String, u64, u64)> {
    type Buckets = BTreeMap<(u32, String), (u64, RoaringBitmap)>;
    let found = facts.fold_pieces(
        Buckets::new,
        |buckets: &mut Buckets, key: DayKey, piece| {
            // A bucket's name is made once a piece, not once a fact.
            let mut names: HashMap<u16, (u64, RoaringBitmap)> = HashMap::new();
            let length = match by {
                By::Cells(Granularity::Minute) => 1,
                By::Cells(Granularity::Hour) => 60,
                _ => MINUTES_A_DAY,
            };
            for fact in piece.pages().flat_map(|(_, facts)| facts) {
                let bucket = names.entry(fact.minute_of_day() / length).or_default();
                bucket.0 += fact.views();
                bucket.1.insert(fact.visitor());
            }
            for (number, (pv, visitors)) in names {
                let name = by.bucket(key.day, number * length);
                let bucket = buckets.entry((key.site, name)).or_default();
                bucket.0 += pv;
                bucket.1 |= visitors;
            }
        },
        |mut one, other| {
            for (name, (pv, visitors)) in other {
                let bucket = one.entry(name).or_default();
                bucket.0 += pv;
                bucket.1 |= visitors;
            }
            one
        },
    );
    found
        .into_iter()
        .map(|((site, name), (pv, visitors))| {
            (sites[site as usize].clone(), name, pv, visitors.len())
        })
        .collect()
}

/// How many of each day's visitors were on the site on no earlier day of the database.
fn new_visitors(
    database: &Database,
    facts: &Facts,
    all: &[StoredBlock],
    sites: &[Site],
) -> Result<Vec<NewVisitors>> {
    type Days = BTreeMap<DayKey, RoaringBitmap>;
    let days = facts.fold_pieces(
        Days::new,
        |days: &mut Days, key, piece| {
            let visitors = days.entry(key).or_default();
            for (_, facts) in piece.pages() {
                visitors.extend(facts.iter().map(|fact| fact.visitor()));
            }
        },
        |mut one, other| {
            for (key, visitors) in other {
                *one.entry(key).or_default() |= visitors;
            }
            one
        },
    );
    let Some(last) = days.keys().map(|key| key.day).max() else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    for (site, number) in sites.iter().zip(0_u32..) {
        let of_site = days.iter().filter(|(key, _)| key.site == number);
        let everyone =
            of_site.clone().fold(RoaringBitmap::new(), |all, (_, visitors)| all | visitors);
        let numbers: HashMap<u128, u32> =
            everyone.iter().map(|number| (facts.visitors().hash(number).0, number)).collect();
        let first_days = first_days(database, all, site.number, last, &numbers)?;
        for (key, visitors) in of_site.filter(|(_, visitors)| !visitors.is_empty()) {
            let is_new =
                |number: &u32| first_days.get(number).is_none_or(|first| *first >= key.day);
            let new = visitors.iter().filter(is_new).count() as u64;
            let returning = visitors.len() - new;
            rows.push(NewVisitors { site: site.name.clone(), day: key.day, new, returning });
        }
    }
    Ok(rows)
}

/// The first day of each visitor in the database.
fn first_days(
    database: &Database,
    all: &[StoredBlock],
    site: i64,
    last: Day,
    numbers: &HashMap<u128, u32>,
) -> Result<HashMap<u32, Day>> {
    const BATCH: usize = 32;
    let blocks: Vec<&StoredBlock> =
        all.iter().filter(|block| block.site == site && block.day <= last).collect();
    let mut first_days: HashMap<u32, Day> = HashMap::with_capacity(numbers.len());
    // Blocks come by day, so the first day that is found is the first.
    for blocks in blocks.chunks(BATCH) {
        let bytes = blocks
            .iter()
            .map(|block| Ok((block.day, database.block_bytes(block)?)))
            .collect::<Result<Vec<_>>>()?;
        let found: Vec<(Day, Vec<u32>)> = bytes
            .par_iter()
            .map_init(Decoder::default, |decoder, (day, bytes)| {
                let visitors = block::visitors(bytes, decoder)?;
                let known = visitors.iter().filter_map(|visitor| numbers.get(&visitor.0).copied());
                Ok((*day, known.collect()))
            })
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| database.part_error(error))?;
        for (day, visitors) in found {
            for visitor in visitors {
                first_days.entry(visitor).or_insert(day);
            }
        }
    }
    Ok(first_days)
}
