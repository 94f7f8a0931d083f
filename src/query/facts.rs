//! Answers from all facts of the range: what can answer every question, and the cells of any range.
//!
//! Owns: [`Answer`]. May import: what its parent may. Must not know: what is stored besides blocks.

use std::collections::{BTreeMap, HashMap};

use roaring::RoaringBitmap;

use super::newcomers::new_visitors;
use super::{By, Question, Scope, definition};
use crate::count::Facts;
use crate::cube::Cube;
use crate::database::Database;
use crate::error::Result;
use crate::facts::tally::Tally;
use crate::facts::{DayKey, ShareKey};
use crate::query::summarize::summarize;
use crate::query::summary::{Stored, Summary};
use crate::select::StoredRules;
use crate::select::page::section;
use crate::time::{Granularity, MINUTES_A_DAY};

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
    let is_page = |page: &str| {
        question.page.as_deref().is_none_or(|wanted| page == wanted)
            && question
                .section
                .as_deref()
                .is_none_or(|wanted| section(page, &scope.groups) == wanted)
    };
    let facts = database.load(&scope.wanted, &[], &scope.site_numbers(), |block, day| {
        let is_whole = question.has_whole(block.day) && !question.has_filter();
        if is_whole { day } else { day.only(is_page, &question.minutes(block.day)) }
    })?;
    let (mut stored, tally) = scope.about(database, question)?;
    let sites = scope.site_names();
    let days = visitors_of_days(&facts);
    let knows_all = |day| question.has_whole(day) && !question.has_filter();
    stored.new_visitors = new_visitors(database, &scope, &days, knows_all, facts.visitors())?;
    stored.by = question.by.map(|by| buckets(&facts, &sites, by)).unwrap_or_default();
    Ok(Answer { facts, sites, rules: scope.rules, tally, stored })
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

/// Who was on a site on each day.
fn visitors_of_days(facts: &Facts) -> BTreeMap<DayKey, RoaringBitmap> {
    facts.fold_pieces(
        BTreeMap::new,
        |days: &mut BTreeMap<DayKey, RoaringBitmap>, key, piece| {
            let mut visitors: Vec<u32> = piece.facts().iter().map(|fact| fact.visitor()).collect();
            visitors.sort_unstable();
            visitors.dedup();
            let visitors =
                RoaringBitmap::from_sorted_iter(visitors).expect("sorted, and each visitor once");
            *days.entry(key.of_day()).or_default() |= visitors;
        },
        |mut one, other| {
            for (key, visitors) in other {
                *one.entry(key).or_default() |= visitors;
            }
            one
        },
    )
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
