//! Which pages of a site are asked for, and which of its sections and pages are shown.
//!
//! Owns: [`Pages`], [`Rows`]. May import: `database`, `select` (section rule), its siblings, hashbrown. Must not know: what
//! is counted there.

use hashbrown::HashMap;

use crate::database::Reader;
use crate::error::Result;
use crate::query::numbers::NumberBits;
use crate::query::{Question, Scope};
use crate::select::page::section;

/// The pages of a site that are asked for, by places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::query) enum Pages {
    All,
    OfSection(u32),
    One {
        section: u32,
        page: u32,
    },
    /// The site never had what is asked for.
    None,
}

impl Pages {
    pub(in crate::query) fn of_site(
        reader: &Reader<'_>,
        question: &Question,
        scope: &Scope,
        site: i64,
    ) -> Result<Self> {
        let Some(page) = question.page.as_deref() else {
            let Some(section) = question.section.as_deref() else { return Ok(Self::All) };
            let place = reader.section_place(site, section)?;
            return Ok(place.map_or(Self::None, Self::OfSection));
        };
        let of_page = section(page, &scope.groups);
        if question.section.as_deref().is_some_and(|section| section != of_page) {
            return Ok(Self::None);
        }
        let section = reader.section_place(site, of_page)?;
        let page = reader.page_place(site, of_page, page)?;
        let places = section.zip(page);
        Ok(places.map_or(Self::None, |(section, page)| Self::One { section, page }))
    }

    pub(in crate::query) fn has_of(self, section: u32) -> bool {
        match self {
            Self::All => true,
            Self::OfSection(asked) | Self::One { section: asked, .. } => asked == section,
            Self::None => false,
        }
    }

    pub(in crate::query) fn has(self, section: u32, page: u32) -> bool {
        match self {
            Self::One { page: asked, .. } => asked == page,
            _ => self.has_of(section),
        }
    }
}

/// Rows of a table by their places.
#[derive(Debug, Default)]
pub(in crate::query) struct Rows {
    rows: HashMap<u32, usize>,
    /// Most places have no row, and a bit says so faster.
    places: NumberBits,
}

impl Rows {
    pub(in crate::query) fn new(places: impl Iterator<Item = u32>) -> Self {
        let mut rows = Self::default();
        for place in places {
            let next = rows.rows.len();
            rows.rows.entry(place).or_insert(next);
            rows.places.insert(place);
        }
        rows
    }

    pub(in crate::query) fn len(&self) -> usize {
        self.rows.len()
    }

    #[inline]
    pub(in crate::query) fn has(&self, place: u32) -> bool {
        self.places.contains(place)
    }

    pub(in crate::query) fn row(&self, place: u32) -> Option<usize> {
        if self.has(place) { self.rows.get(&place).copied() } else { None }
    }
}
