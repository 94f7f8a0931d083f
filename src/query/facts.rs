//! All facts that a question is about: the cells of any range.
//!
//! Owns: [`Answer`]. May import: what its parent may. Must not know: what is stored besides blocks.

use std::collections::BTreeMap;

use super::engine::pages::Pages;
use super::{Question, Scope};
use crate::count::Facts;
use crate::cube::Cube;
use crate::database::{Database, Wanted};
use crate::error::Result;
use crate::select::StoredRules;

/// The facts that answer a question.
#[derive(Debug)]
pub struct Answer {
    /// The facts.
    pub facts: Facts,
    /// Site names by the facts' numbers.
    pub sites: Vec<String>,
    /// The rules that all of them are counted by.
    pub rules: StoredRules,
}

pub(super) fn answer(database: &mut Database, question: &Question, scope: Scope) -> Result<Answer> {
    let reader = database.reader();
    let mut pages: Vec<Pages> = Vec::new();
    for site in &scope.sites {
        pages.push(Pages::of_site(&reader, question, &scope, site.number)?);
    }
    // A place is of one site.
    pages.retain(|pages| *pages != Pages::None);
    let wanted = Wanted {
        minutes: |day| question.minutes(day),
        page: |section, page| pages.iter().any(|pages| pages.has(section, page)),
    };
    let numbers: BTreeMap<i64, u32> = scope.sites.iter().map(|site| site.number).zip(0..).collect();
    let facts = reader.facts(&scope.wanted, &numbers, &wanted)?;
    let sites = scope.sites.into_iter().map(|site| site.name).collect();
    Ok(Answer { facts, sites, rules: scope.rules })
}

impl Answer {
    /// The cube of the facts.
    #[must_use]
    pub fn cube(&self) -> Cube<'_> {
        Cube::new(&self.facts, self.sites.clone(), &self.rules.groups())
    }
}
