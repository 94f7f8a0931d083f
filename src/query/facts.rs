//! Answers from all facts of the range: what can answer every question, and the cells of any range.
//!
//! Owns: [`Answer`]. May import: what its parent may. Must not know: what is stored besides blocks.

use std::collections::{BTreeMap, HashMap};

use roaring::RoaringBitmap;

use super::numbers::NumberBits;
use super::range::read_visitors;
use super::visits::{BlockVisitors, Visits};
use super::{By, Question, Scope, definition};
use crate::count::Facts;
use crate::cube::Cube;
use crate::database::{Database, Reader, Wanted};
use crate::error::Result;
use crate::facts::tally::Tally;
use crate::facts::{DayKey, ShareKey};
use crate::query::summarize::summarize;
use crate::query::summary::{NewVisitors, Stored, Summary};
use crate::select::StoredRules;
use crate::select::page::section;
use crate::time::{Day, Granularity, MINUTES_A_DAY};

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

pub(super) fn answer(database: &mut Database, question: &Question, scope: Scope) -> Result<Answer> {
    let (mut stored, tally) = scope.about(database, question)?;
    let reader = database.reader();
    let wanted_places = WantedPlaces::new(&reader, question, &scope)?;
    let wanted = Wanted {
        minutes: |day| question.minutes(day),
        page: |section, page| wanted_places.has(section, page),
    };
    let facts = reader.facts(&scope.wanted, &scope.site_numbers(), &wanted)?;
    let sites = scope.site_names();
    let knows_all = |day| question.has_whole(day) && !question.has_filter();
    stored.new_visitors = new_visitors(&reader, &scope, &facts, knows_all)?;
    stored.by = question.by.map(|by| buckets(&facts, &sites, by)).unwrap_or_default();
    Ok(Answer { facts, sites, rules: scope.rules, tally, stored })
}

/// The section and the page that are asked for, of each site that has them; `None` if all are.
struct WantedPlaces {
    sections: Option<Vec<u32>>,
    pages: Option<Vec<u32>>,
}

impl WantedPlaces {
    fn new(reader: &Reader<'_>, question: &Question, scope: &Scope) -> Result<Self> {
        let of_sites = |find: &dyn Fn(i64) -> Result<Option<u32>>| {
            let places = scope.sites.iter().filter_map(|site| find(site.number).transpose());
            places.collect::<Result<Vec<u32>>>()
        };
        let name = question.section.as_deref();
        let sections = name
            .map(|section| of_sites(&|site| reader.section_place(site, section)))
            .transpose()?;
        let page = question.page.as_deref();
        let pages = page.map(|page| {
            of_sites(&|site| reader.page_place(site, section(page, &scope.groups), page))
        });
        Ok(Self { sections, pages: pages.transpose()? })
    }

    fn has(&self, section: u32, page: u32) -> bool {
        let has = |places: &Option<Vec<u32>>, place| {
            places.as_ref().is_none_or(|places| places.contains(&place))
        };
        has(&self.sections, section) && has(&self.pages, page)
    }
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
    pub fn summary(&self, cube: &Cube<'_>, top: usize) -> Result<Summary> {
        let mut summary = summarize(cube, &self.tally, top)?;
        // Of a range only what is made from facts is known.
        summary.totals.page_views = summary.cells[0][0].pv;
        summary.definition = definition(&self.rules);
        summary.stored = Some(self.stored.clone());
        Ok(summary)
    }
}

/// How many visitors of each day were on the site on no earlier day of the database. `knows_all` tells of which days
/// all visitors are in `facts`; the others that come before are read.
fn new_visitors(
    reader: &Reader<'_>,
    scope: &Scope,
    facts: &Facts,
    knows_all: impl Fn(Day) -> bool + Sync,
) -> Result<Vec<NewVisitors>> {
    let mut days = visitors_of_days(facts);
    let (mut rows, mut all) = (Vec::new(), NumberBits::default());
    for (site, number) in scope.sites.iter().zip(0..) {
        let mut visits = Visits::new(&site.name, None);
        let is_read = |day| !knows_all(day);
        read_visitors(reader, scope.blocks_to_last_day(site), is_read, |day, lists| {
            let of_block = |others| BlockVisitors { asked: Vec::new(), others };
            let mut blocks: Vec<BlockVisitors> = lists.into_iter().map(of_block).collect();
            // Without the facts of days that are not asked for.
            blocks[0].asked = days.remove(&DayKey { site: number, day }).unwrap_or_default();
            visits.add(day, &blocks, &mut all);
        })?;
        rows.extend(visits.days);
    }
    Ok(rows)
}

/// Who was on a site on each day, each visitor once.
fn visitors_of_days(facts: &Facts) -> BTreeMap<DayKey, Vec<u32>> {
    let mut days = facts.fold_pieces(
        BTreeMap::new,
        |days: &mut BTreeMap<DayKey, Vec<u32>>, key, piece| {
            let mut visitors: Vec<u32> = piece.facts().iter().map(|fact| fact.visitor()).collect();
            visitors.sort_unstable();
            visitors.dedup();
            days.entry(key.of_day()).or_default().extend(visitors);
        },
        |mut one, other| {
            for (key, visitors) in other {
                one.entry(key).or_default().extend(visitors);
            }
            one
        },
    );
    for visitors in days.values_mut() {
        visitors.sort_unstable();
        visitors.dedup();
    }
    days
}

/// PV and visitors of each bucket, by site and name.
fn buckets(facts: &Facts, sites: &[String], by: By) -> Vec<(String, String, u64, u64)> {
    type Buckets = BTreeMap<(u32, String), (u64, RoaringBitmap)>;
    let found = facts.fold_pieces(
        Buckets::new,
        |buckets: &mut Buckets, key: ShareKey, piece| {
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
