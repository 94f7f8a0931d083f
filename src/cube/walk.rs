//! The walk from the facts of a day to its cells. Every report, store and sum is made by it.
//!
//! Owns: PV and exact UV of the site, its sections and its pages, by day, hour and minute. May import: `facts`, `time`,
//! rayon. Must not know: what cells are used for, names of any kind.

use rayon::prelude::*;

use crate::facts::day_facts::{DayFacts, Fact, ORDER_SHIFT};
use crate::facts::radix;
use crate::time::{Granularity, MINUTES_A_DAY};

/// What a cell counts: the whole site, a section, or a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CellGroup {
    /// The whole site.
    Site,
    /// A section, by the caller's number.
    Section(u32),
    /// A page, by its run-wide number.
    Page(u32),
}

/// PV and UV of one group in one bucket of a day: a cell without its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketCount {
    /// Day, hour or minute.
    pub granularity: Granularity,
    /// The bucket's first minute of the day, 0–1439.
    pub minute_of_day: u16,
    /// Page views, at least 1.
    pub pv: u64,
    /// Distinct visitors, at least 1.
    pub uv: u64,
}

/// How many cells there are, and the sums of their page views and of their unique visitors.
pub type CellSum = [u64; 3];

/// Receives the groups of a day. Each parallel task makes its own.
pub trait CellSink: Send {
    /// Receives the facts of a group of the day, sorted by visitor and minute, and what makes cells, or sums over cells, of
    /// them. Groups that have the same facts come together; each comes once.
    fn groups(&mut self, groups: &[CellGroup], facts: &[Fact], walk: &mut Walk);
}

/// Walks one day of a site, and returns the sinks with its cells.
///
/// `pieces` are the facts of the day and have no page in common; `section_of_page` is the section of each page number.
pub fn walk_day<S: CellSink>(
    pieces: &[DayFacts],
    section_of_page: &[u32],
    new_sink: impl Fn() -> S + Sync,
) -> Vec<S> {
    let by_page = || -> Vec<S> {
        pieces
            .par_iter()
            .map(|piece| {
                let mut sink = new_sink();
                let mut walk = Walk::default();
                for (page, facts) in piece.pages() {
                    sink.groups(&[CellGroup::Page(page)], facts, &mut walk);
                }
                sink
            })
            .collect()
    };
    let by_sum = || -> Vec<S> {
        sums(pieces, section_of_page)
            .into_par_iter()
            .map_init(Gathered::default, |gathered, (groups, runs)| {
                let mut sink = new_sink();
                gathered.gather(&runs);
                sink.groups(&groups, &gathered.facts, &mut gathered.walk);
                sink
            })
            .collect()
    };
    let (mut sinks, sums) = rayon::join(by_sum, by_page);
    sinks.extend(sums);
    sinks
}

/// The site and each section, with the facts of their pages; the only section has those of the site.
fn sums<'a>(
    pieces: &'a [DayFacts],
    section_of_page: &[u32],
) -> Vec<(Vec<CellGroup>, Vec<&'a [Fact]>)> {
    let mut pages: Vec<(u32, &[Fact])> = pieces
        .iter()
        .flat_map(DayFacts::pages)
        .map(|(page, facts)| (section_of_page[page as usize], facts))
        .collect();
    let runs = |pages: &[(u32, &'a [Fact])]| pages.iter().map(|&(_, facts)| facts).collect();
    pages.sort_by_key(|&(section, _)| section);
    let sections = pages.chunk_by(|a, b| a.0 == b.0);
    let sections: Vec<_> =
        sections.map(|pages| (vec![CellGroup::Section(pages[0].0)], runs(pages))).collect();
    match <[_; 1]>::try_from(sections) {
        Ok([(section, runs)]) => vec![([&[CellGroup::Site], &section[..]].concat(), runs)],
        Err(sections) => {
            let site = (vec![CellGroup::Site], runs(&pages));
            std::iter::once(site).chain(sections).collect()
        }
    }
}

/// Buffers for the facts of a section or a site.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) facts: Vec<Fact>,
    spare: Vec<Fact>,
    walk: Walk,
}

impl Gathered {
    /// The cells of the group with the gathered facts.
    pub(crate) fn cells(&mut self) -> &[BucketCount] {
        self.walk.cells(&self.facts)
    }

    /// The cells of the group with other facts, sorted by visitor and minute; the gathered ones stay.
    pub(crate) fn cells_of(&mut self, facts: &[Fact]) -> &[BucketCount] {
        self.walk.cells(facts)
    }

    /// Merges the facts of several pages, sorted by visitor and minute.
    pub(crate) fn gather(&mut self, runs: &[&[Fact]]) {
        self.facts.clear();
        for run in runs {
            self.facts.extend_from_slice(run);
        }
        if runs.len() > 1 {
            radix::sort(&mut self.facts, &mut self.spare, ORDER_SHIFT, u64::BITS);
        }
    }
}

impl radix::SortKey for Fact {
    #[inline]
    fn bits(self, shift: u32) -> usize {
        self.0.bits(shift)
    }
}

/// Counts one group at a time. Its arrays, one entry for each minute of a day, stay in the first-level cache.
#[derive(Debug)]
pub struct Walk {
    minutes: Box<[PvUv; MINUTES_A_DAY as usize]>,
    /// Bit `i`: whether minute `i` has page views.
    touched: [u64; MINUTES_A_DAY.div_ceil(64) as usize],
    hours: [PvUv; 24],
    cells: Vec<BucketCount>,
}

#[derive(Clone, Copy, Debug, Default)]
struct PvUv {
    pv: u64,
    uv: u64,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            minutes: Box::new([PvUv::default(); MINUTES_A_DAY as usize]),
            touched: Default::default(),
            hours: Default::default(),
            cells: Vec::new(),
        }
    }
}

impl Walk {
    /// The cells of the group with these facts, which are sorted by visitor and minute: by granularity (day, hour, minute),
    /// then by time.
    ///
    /// Each distinct (visitor, minute) adds one visitor to its minute. It adds one to its hour, or to the day, if the
    /// previous fact is not of the same visitor and hour, or of the same visitor.
    pub fn cells(&mut self, facts: &[Fact]) -> &[BucketCount] {
        self.cells.clear();
        if facts.is_empty() {
            return &self.cells;
        }
        let mut day = PvUv::default();
        // Equal to no fact: its minute would be 2047.
        let mut last = u64::MAX >> ORDER_SHIFT;
        let (mut last_visitor, mut last_hour) = (None, usize::MAX);
        for fact in facts {
            let minute = usize::from(fact.minute_of_day());
            let count = &mut self.minutes[minute];
            count.pv += fact.views();
            if fact.0 >> ORDER_SHIFT == last {
                continue;
            }
            last = fact.0 >> ORDER_SHIFT;
            count.uv += 1;
            self.touched[minute / 64] |= 1 << (minute % 64);
            let hour = minute / 60;
            if last_visitor != Some(fact.visitor()) {
                last_visitor = Some(fact.visitor());
                day.uv += 1;
                self.hours[hour].uv += 1;
            } else if hour != last_hour {
                self.hours[hour].uv += 1;
            }
            last_hour = hour;
        }
        self.emit(day);
        &self.cells
    }

    /// The sums over these cells, by granularity; faster than making them where there are few facts.
    pub fn sums(&mut self, facts: &[Fact]) -> [CellSum; 3] {
        if facts.is_empty() {
            return Default::default();
        }
        let (mut pv, mut hours, mut minutes) = (0, 0_u32, 0);
        let (mut day_uv, mut hour_uv, mut minute_uv) = (0, 0, 0);
        let mut last = u64::MAX >> ORDER_SHIFT;
        let (mut last_visitor, mut last_hour) = (None, u16::MAX);
        for fact in facts {
            pv += fact.views();
            if fact.0 >> ORDER_SHIFT == last {
                continue;
            }
            last = fact.0 >> ORDER_SHIFT;
            let minute = fact.minute_of_day();
            let (word, bit) = (&mut self.touched[usize::from(minute / 64)], minute % 64);
            minutes += (!*word >> bit) & 1;
            *word |= 1 << bit;
            minute_uv += 1;
            let hour = minute / 60;
            let is_other = last_visitor != Some(fact.visitor());
            day_uv += u64::from(is_other);
            hour_uv += u64::from(is_other || hour != last_hour);
            (last_visitor, last_hour) = (Some(fact.visitor()), hour);
            hours |= 1 << hour;
        }
        if facts.len() < self.touched.len() {
            for fact in facts {
                self.touched[usize::from(fact.minute_of_day() / 64)] = 0;
            }
        } else {
            self.touched.fill(0);
        }
        [[1, pv, day_uv], [hours.count_ones().into(), pv, hour_uv], [minutes, pv, minute_uv]]
    }

    /// Turns the counts into cells, and resets them.
    fn emit(&mut self, mut day: PvUv) {
        let cell = |granularity, minute: usize, count: PvUv| BucketCount {
            granularity,
            minute_of_day: u16::try_from(minute).unwrap_or(u16::MAX),
            pv: count.pv,
            uv: count.uv,
        };
        // The day and the hours come before the minutes, but their page views are known only after them.
        let hours = self.hours.iter().filter(|hour| hour.uv > 0).count();
        self.cells.resize(1 + hours, cell(Granularity::Day, 0, day));
        for (word, touched) in self.touched.iter_mut().enumerate() {
            while *touched != 0 {
                let minute = word * 64 + touched.trailing_zeros() as usize;
                *touched &= *touched - 1;
                let count = std::mem::take(&mut self.minutes[minute]);
                self.hours[minute / 60].pv += count.pv;
                day.pv += count.pv;
                self.cells.push(cell(Granularity::Minute, minute, count));
            }
        }
        self.cells[0].pv = day.pv;
        let hours = self.hours.iter_mut().enumerate().filter(|(_, count)| count.uv > 0);
        for (place, (hour, count)) in self.cells[1..].iter_mut().zip(hours) {
            *place = cell(Granularity::Hour, hour * 60, std::mem::take(count));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BucketCount, CellGroup, CellSink, CellSum, Walk, walk_day};
    use crate::facts::day_facts::MAX_VIEWS;
    use crate::facts::{DayFacts, Fact};
    use crate::time::Granularity;

    #[derive(Default)]
    struct Collect(Vec<(CellGroup, Vec<BucketCount>)>);

    impl CellSink for Collect {
        fn groups(&mut self, groups: &[CellGroup], facts: &[Fact], walk: &mut Walk) {
            assert!(facts.is_sorted());
            let cells = walk.cells(facts).to_vec();
            self.0.extend(groups.iter().map(|&group| (group, cells.clone())));
        }
    }

    fn sums_of(cells: &[BucketCount]) -> [CellSum; 3] {
        let mut sums = [[0; 3]; 3];
        for cell in cells {
            let sum = &mut sums[cell.granularity as usize];
            *sum = [sum[0] + 1, sum[1] + cell.pv, sum[2] + cell.uv];
        }
        sums
    }

    proptest! {
        #[test]
        fn sums_are_those_of_the_cells(
            groups in prop::collection::vec(
                prop::collection::vec((0..30_u32, 0..1440_u16, prop_oneof![Just(1), 1..=MAX_VIEWS]), 0..60), 1..5,
            ),
        ) {
            let mut walk = Walk::default();
            for group in groups {
                let facts = group.into_iter().map(|(visitor, minute, views)| Fact::new(visitor, minute, views));
                let mut facts: Vec<Fact> = facts.collect();
                facts.sort_unstable();
                let sums = walk.sums(&facts);
                prop_assert_eq!(sums, sums_of(walk.cells(&facts)));
            }
        }
    }

    #[test]
    fn the_only_section_is_walked_with_the_site() {
        struct Sets(Vec<Vec<CellGroup>>);
        impl CellSink for Sets {
            fn groups(&mut self, groups: &[CellGroup], _: &[Fact], _: &mut Walk) {
                self.0.push(groups.to_vec());
            }
        }
        let mut facts = DayFacts::default();
        facts.push(0, 7, 5, 2);
        facts.push(1, 7, 5, 2);
        let sinks = walk_day(&[facts.clone()], &[3, 3], || Sets(Vec::new()));
        let found: Vec<_> = sinks.into_iter().flat_map(|sink| sink.0).collect();
        let (site, section) = (CellGroup::Site, CellGroup::Section(3));
        let pages = [0, 1].map(|page| vec![CellGroup::Page(page)]);
        assert_eq!(found, [&[vec![site, section]], &pages[..]].concat());
        let sinks = walk_day(&[facts], &[3, 4], || Sets(Vec::new()));
        assert_eq!(sinks.into_iter().map(|sink| sink.0.len()).sum::<usize>(), 5);
    }

    #[test]
    fn sections_and_site_count_each_visitor_once() {
        let (mut first, mut second) = (DayFacts::default(), DayFacts::default());
        // Visitor 7 sees pages 0 and 1 of section 3 in one minute, and page 2 of section 4 an hour later.
        first.push(0, 7, 5, 2);
        first.push(0, 7, 59, 1);
        first.push(2, 7, 65, 1);
        second.push(1, 7, 5, 1);
        second.push(1, 8, 5, 1);
        let sinks = walk_day(&[first, second], &[3, 3, 4], Collect::default);
        let mut found: Vec<_> = sinks.into_iter().flat_map(|sink| sink.0).collect();
        found.sort_by_key(|(group, _)| *group);
        let cell =
            |granularity, minute_of_day, pv, uv| BucketCount { granularity, minute_of_day, pv, uv };
        let (day, hour, minute) = (Granularity::Day, Granularity::Hour, Granularity::Minute);
        let expected = [
            (
                CellGroup::Site,
                vec![
                    cell(day, 0, 6, 2),
                    cell(hour, 0, 5, 2),
                    cell(hour, 60, 1, 1),
                    cell(minute, 5, 4, 2),
                    cell(minute, 59, 1, 1),
                    cell(minute, 65, 1, 1),
                ],
            ),
            (
                CellGroup::Section(3),
                vec![
                    cell(day, 0, 5, 2),
                    cell(hour, 0, 5, 2),
                    cell(minute, 5, 4, 2),
                    cell(minute, 59, 1, 1),
                ],
            ),
            (
                CellGroup::Section(4),
                vec![cell(day, 0, 1, 1), cell(hour, 60, 1, 1), cell(minute, 65, 1, 1)],
            ),
            (
                CellGroup::Page(0),
                vec![
                    cell(day, 0, 3, 1),
                    cell(hour, 0, 3, 1),
                    cell(minute, 5, 2, 1),
                    cell(minute, 59, 1, 1),
                ],
            ),
            (
                CellGroup::Page(1),
                vec![cell(day, 0, 2, 2), cell(hour, 0, 2, 2), cell(minute, 5, 2, 2)],
            ),
            (
                CellGroup::Page(2),
                vec![cell(day, 0, 1, 1), cell(hour, 60, 1, 1), cell(minute, 65, 1, 1)],
            ),
        ];
        assert_eq!(found, expected);
    }
}
