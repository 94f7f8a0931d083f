//! Numbers of the database for the visitors and pages of a run.
//!
//! Owns: [`Numbers`]. May import: `count`, `cube` (sections), `levels`, `places`, hashbrown, rayon, roaring. Must not know:
//! blocks, cells.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI32, Ordering};

use hashbrown::HashMap;
use rayon::prelude::*;
use roaring::RoaringBitmap;

use super::fates::Accepted;
use super::{Batch, Site};
use crate::cube::Sections;
use crate::database::places::{self, PlaceName};
use crate::database::{Store, levels, meta, read};
use crate::error::Result;
use crate::select::VisitorHash;

/// Stands for the first day of a visitor who has none. No line has it: it is in the year 5,881,580.
const NEVER: i32 = i32::MAX;

/// What the numbers of a run are in the database.
pub(super) struct Numbers {
    /// By the run's number of a visitor; 0 for those whom no stored source has.
    pub(super) visitors: Vec<u32>,
    /// The first number of a visitor that was given in this run.
    pub(super) first_new_visitor: u32,
    /// By the run's number of a site.
    pub(super) sites: BTreeMap<u32, SitePlaces>,
}

/// The places of a site.
pub(super) struct SitePlaces {
    /// The site's own.
    pub(super) site: u32,
    /// Places of a page's section and of the page, by the run's number of the page.
    pub(super) pages: HashMap<u32, (u32, u32)>,
}

/// Which visitors and pages the stored sources have.
struct Found {
    /// By the run's number of a visitor.
    first_days: Vec<AtomicI32>,
    /// Numbers of pages, by the run's number of a site.
    pages: HashMap<u32, RoaringBitmap>,
}

impl Numbers {
    /// Finds the numbers of all that the accepted sources have, and gives numbers to what is new.
    pub(super) fn new(
        store: Store<'_>,
        batch: &Batch<'_>,
        accepted: &[Accepted<'_>],
        sites: &BTreeMap<u32, Site>,
    ) -> Result<Self> {
        let found = Found::new(batch, accepted);
        let (visitors, first_new_visitor) = number_visitors(store, batch, &found.first_days)?;
        let sections = Sections::new(batch.facts.names(), &batch.rules.groups());
        let mut of_sites = BTreeMap::new();
        for (&number, site) in sites {
            let Some(pages) = found.pages.get(&number) else { continue };
            of_sites.insert(number, SitePlaces::new(store, site.number, batch, &sections, pages)?);
        }
        Ok(Self { visitors, first_new_visitor, sites: of_sites })
    }
}

impl Found {
    fn new(batch: &Batch<'_>, accepted: &[Accepted<'_>]) -> Self {
        let bound = usize::try_from(batch.facts.visitors().number_bound()).unwrap_or(usize::MAX);
        let first_days: Vec<AtomicI32> =
            (0..bound).into_par_iter().map(|_| AtomicI32::new(NEVER)).collect();
        let is_accepted =
            |source: u32| accepted.binary_search_by_key(&source, |one| one.scanned.number).is_ok();
        let pages = batch.facts.fold_pieces(
            HashMap::new,
            |pages: &mut HashMap<u32, RoaringBitmap>, key, piece| {
                if !is_accepted(key.source) {
                    return;
                }
                pages.entry(key.site).or_default().extend(piece.pages().map(|(page, _)| page));
                for fact in piece.facts() {
                    let first = &first_days[fact.visitor() as usize];
                    // Mostly it is not less, and reading is cheaper than writing.
                    if key.day.0 < first.load(Ordering::Relaxed) {
                        first.fetch_min(key.day.0, Ordering::Relaxed);
                    }
                }
            },
            |mut one, other| {
                for (site, pages) in other {
                    *one.entry(site).or_default() |= pages;
                }
                one
            },
        );
        Self { first_days, pages }
    }
}

/// The numbers of the visitors who have a first day, by the run's numbers, and the first number that is new.
fn number_visitors(
    store: Store<'_>,
    batch: &Batch<'_>,
    first_days: &[AtomicI32],
) -> Result<(Vec<u32>, u32)> {
    let first_day = |number: u32| first_days[number as usize].load(Ordering::Relaxed);
    let (hashes, in_run) = batch.facts.visitors().sorted(|number| first_day(number) != NEVER);
    let found = levels::visitor_numbers(store, &hashes)?;
    let mut numbers = vec![0; first_days.len()];
    let mut new: Vec<(VisitorHash, u32)> = Vec::new();
    for ((&hash, &in_run), found) in hashes.iter().zip(&in_run).zip(found) {
        match found {
            Some(number) => numbers[in_run as usize] = number,
            None => new.push((hash, in_run)),
        }
    }
    drop((hashes, in_run));
    let first = meta::take_next(store, meta::NEXT_VISITOR, new.len() as u64)?;
    // A number beyond 32 bits is not given.
    let number = |index: u64| u32::try_from(first + index).unwrap_or(u32::MAX);
    // By first day, then by hash: visitors of a day get close numbers.
    let mut by_day: BTreeMap<i32, Vec<u32>> = BTreeMap::new();
    for &(_, in_run) in &new {
        by_day.entry(first_day(in_run)).or_default().push(in_run);
    }
    for (in_run, index) in by_day.into_values().flatten().zip(0..) {
        numbers[in_run as usize] = number(index);
    }
    for (_, visitor) in &mut new {
        *visitor = numbers[*visitor as usize];
    }
    levels::insert_visitors(store, &new)?;
    Ok((numbers, number(0)))
}

impl SitePlaces {
    fn new(
        store: Store<'_>,
        site: i64,
        batch: &Batch<'_>,
        sections: &Sections,
        pages: &RoaringBitmap,
    ) -> Result<Self> {
        let of_pages: RoaringBitmap = pages.iter().map(|page| sections.of_page(page)).collect();
        let mut names: Vec<(PlaceName<'_>, u32)> = vec![((places::SITE, "", ""), 0)];
        names.extend(
            of_pages.iter().map(|section| ((places::SECTION, sections.name(section), ""), section)),
        );
        names.extend(pages.iter().map(|page| {
            let section = sections.name(sections.of_page(page));
            ((places::PAGE, section, batch.facts.names().get(page)), page)
        }));
        names.par_sort_unstable();
        let texts: Vec<PlaceName<'_>> = names.iter().map(|&(name, _)| name).collect();
        let numbers = places::number_places(store, site, read::PAGE, &texts)?;
        let (mut of_site, mut of_sections) = (0, HashMap::new());
        let mut of_pages = HashMap::with_capacity(names.len());
        // Sections come before pages.
        for (&((level, ..), number), &place) in names.iter().zip(&numbers) {
            match level {
                places::SITE => of_site = place,
                places::SECTION => drop(of_sections.insert(number, place)),
                _ => {
                    let section = of_sections.get(&sections.of_page(number)).copied();
                    of_pages.insert(number, (section.unwrap_or_default(), place));
                }
            }
        }
        Ok(Self { site: of_site, pages: of_pages })
    }
}
