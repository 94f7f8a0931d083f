//! Days that number their own visitors and pages, so that their facts mean the same in every run.
//!
//! Owns: [`LocalDay`], [`Texts`]. May import: `facts::day_facts`, `select` (visitor hashes). Must not know: how a run
//! numbers visitors and pages, bytes, files.

use super::DayFacts;
use crate::select::VisitorHash;

/// A list of texts in ascending order, in one allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    pub(crate) text: String,
    /// Index in `text` at which each ends.
    pub(crate) ends: Vec<usize>,
}

impl Texts {
    /// Each text, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |&end| &self.text[std::mem::replace(&mut start, end)..end])
    }

    /// Number of texts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Appends a text, which must not be less than the last one.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }
}

/// The facts of one day of a site, with the visitors and pages that their numbers stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalDay {
    /// The day's visitors, strictly ascending.
    pub visitors: Vec<VisitorHash>,
    /// The day's pages, strictly ascending.
    pub pages: Texts,
    /// The facts. The number of a visitor or page is its index in the lists above.
    pub facts: DayFacts,
}

impl LocalDay {
    /// The day with only the facts of pages for which `is_page` is true, in the given minutes of the day. Pages and
    /// visitors are not renumbered, even if they have no facts left.
    #[must_use]
    pub fn only(self, is_page: impl Fn(&str) -> bool, minutes: &std::ops::Range<u16>) -> Self {
        let is_wanted: Vec<bool> = self.pages.iter().map(is_page).collect();
        let (mut ends, mut facts) = (Vec::new(), Vec::new());
        for (page, old) in self.facts.pages() {
            if is_wanted[page as usize] {
                let start = facts.len();
                facts.extend(old.iter().filter(|fact| minutes.contains(&fact.minute_of_day())));
                if facts.len() > start {
                    ends.push((page, facts.len()));
                }
            }
        }
        Self { facts: DayFacts::from_columns(ends, facts), ..self }
    }
}
