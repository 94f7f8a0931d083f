//! Days whose visitors and pages have numbers of their own, so that their facts mean the same in every run.
//!
//! Owns: [`LocalDay`], [`Texts`]. May import: `day_facts`, `select` (visitor hashes). Must not know: how runs number
//! visitors and pages, bytes, files.

use super::DayFacts;
use crate::select::VisitorHash;

/// Texts in ascending order, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    pub(crate) text: String,
    /// Where each ends.
    pub(crate) ends: Vec<usize>,
}

impl Texts {
    /// Each text, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |&end| &self.text[std::mem::replace(&mut start, end)..end])
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Appends a text.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }
}

/// The facts of one site's day that mean the same anywhere: visitors and pages are numbered by their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalDay {
    /// The day's visitors, strictly ascending.
    pub visitors: Vec<VisitorHash>,
    /// The day's pages, strictly ascending.
    pub pages: Texts,
    /// The facts; a page's or visitor's number is its place above.
    pub facts: DayFacts,
}

impl LocalDay {
    /// The day with the facts of those pages in those minutes alone. Pages and visitors without facts keep their
    /// numbers.
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
