//! What the walk over the facts of a day finds: sums over its cells, the site's cells, and who came.
//!
//! Owns: [`Walked`]. May import: `cube::walk`, `facts`. Must not know: where facts come from, names.

use crate::cube::walk::{BucketCount, CellGroup, CellSink, CellSum, Walk};
use crate::facts::Fact;

/// A site's day, or what one task found of it.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Sums over cells by granularity and level.
    pub cells: [[CellSum; 3]; 3],
    /// The site's cells, by granularity, then by time.
    pub site: Vec<BucketCount>,
    /// The site's visitors, in ascending order.
    pub visitors: Vec<u32>,
    /// The sections.
    pub sections: Vec<WalkedGroup>,
    /// The pages.
    pub pages: Vec<WalkedGroup>,
}

/// A section or a page on a day.
#[derive(Debug)]
pub(super) struct WalkedGroup {
    /// Its number in the walk.
    pub number: u32,
    /// Page views.
    pub pv: u64,
    /// The visitors in ascending order; empty if they are not wanted.
    pub visitors: Vec<u32>,
}

impl Walked {
    /// What all tasks of a day found.
    pub(super) fn unite(sinks: impl IntoIterator<Item = Self>) -> Self {
        let mut day = Self::default();
        for sink in sinks {
            for (sum, more) in day.cells.iter_mut().flatten().zip(sink.cells.iter().flatten()) {
                add(sum, *more);
            }
            if !sink.site.is_empty() {
                (day.site, day.visitors) = (sink.site, sink.visitors);
            }
            day.sections.extend(sink.sections);
            day.pages.extend(sink.pages);
        }
        day
    }
}

fn add(sum: &mut CellSum, more: CellSum) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum = sum.saturating_add(more);
    }
}

/// Collects what is found; `wants_visitors` tells of which sections and pages the visitors are wanted.
pub(super) struct WalkedSink<W> {
    pub found: Walked,
    pub wants_visitors: W,
}

impl<W: Fn(CellGroup) -> bool + Send> CellSink for WalkedSink<W> {
    fn groups(&mut self, groups: &[CellGroup], facts: &[Fact], walk: &mut Walk) {
        let found = &mut self.found;
        let sums = match groups {
            // The first cell is the day's; the site has all granularities.
            [CellGroup::Site, ..] => {
                found.site = walk.cells(facts).to_vec();
                sums_of(&found.site)
            }
            _ => walk.sums(facts),
        };
        let pv = sums[0][1];
        for &group in groups {
            let level = match group {
                CellGroup::Site => 0,
                CellGroup::Section(_) => 1,
                CellGroup::Page(_) => 2,
            };
            for (of_levels, sum) in found.cells.iter_mut().zip(sums) {
                add(&mut of_levels[level], sum);
            }
            let visitors = match group {
                CellGroup::Site => visitors(facts),
                _ if (self.wants_visitors)(group) => visitors(facts),
                _ => Vec::new(),
            };
            match group {
                CellGroup::Site => found.visitors = visitors,
                CellGroup::Section(number) => {
                    found.sections.push(WalkedGroup { number, pv, visitors });
                }
                CellGroup::Page(number) => found.pages.push(WalkedGroup { number, pv, visitors }),
            }
        }
    }
}

fn sums_of(cells: &[BucketCount]) -> [CellSum; 3] {
    let mut sums = [CellSum::default(); 3];
    for cell in cells {
        add(&mut sums[cell.granularity as usize], [1, cell.pv, cell.uv]);
    }
    sums
}

/// The distinct visitors of facts that are sorted by visitor.
pub(super) fn visitors(facts: &[Fact]) -> Vec<u32> {
    let runs = facts.chunk_by(|one, next| one.visitor() == next.visitor());
    runs.map(|run| run[0].visitor()).collect()
}
