//! Histories of a day in any pieces have the cells of all its facts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;

use proptest::prelude::*;

use super::{ChunkBytes, DayChange, OldBlock, OldBlocks, SiteDay, StoredDay, change_day, walk_day};
use crate::database::block::{BlockContent, ItemFacts, SectionFacts};
use crate::database::cells::CellChange;
use crate::database::day_sums::DaySums;
use crate::error::{Error, Result};
use crate::facts::Fact;
use crate::facts::chunks::{ChunkEncoder, Damaged, EncodedChunks};
use crate::facts::column::ColumnEncoder;
use crate::time::{Day, Granularity};

const SITE: SiteDay = SiteDay { day: Day(-3), place: 7 };

/// Views by section, page, visitor and minute.
pub(in crate::database) type Views = BTreeMap<(u32, u32, u32, u16), u64>;

/// The content of a block with these facts.
pub(in crate::database) fn content(views: &Views) -> BlockContent {
    let visitors: BTreeSet<u32> = views.keys().map(|key| key.2).collect();
    let visitors: Vec<u32> = visitors.into_iter().collect();
    let mut content = BlockContent { visitors, sections: Vec::new() };
    for (&(section, page, visitor, minute), &views) in views {
        let sections = &mut content.sections;
        if sections.last().is_none_or(|last: &SectionFacts| last.place != section) {
            sections.push(SectionFacts { place: section, items: Vec::new() });
        }
        let items = &mut sections.last_mut().unwrap().items;
        if items.last().is_none_or(|last| last.place != page) {
            items.push(ItemFacts { place: page, facts: Vec::new() });
        }
        let rank = content.visitors.binary_search(&visitor).unwrap();
        let fact = Fact::new(u32::try_from(rank).unwrap(), minute, views);
        items.last_mut().unwrap().facts.push(fact);
    }
    content
}

/// Blocks in memory.
#[derive(Default)]
struct Kept {
    blocks: Vec<(BlockContent, EncodedChunks)>,
    /// Number of chunks that were read together.
    reads: usize,
}

impl Kept {
    fn push(&mut self, content: BlockContent) {
        let mut column = ColumnEncoder::default();
        let mut encoder = ChunkEncoder::new(&mut column);
        let items = content.sections.iter().flat_map(|section| &section.items);
        items.for_each(|item| encoder.push_item(&item.facts));
        let chunks = encoder.finish();
        self.blocks.push((content, chunks));
    }
}

impl OldBlocks for Kept {
    fn count(&self) -> usize {
        self.blocks.len()
    }

    fn open(&mut self, block: usize) -> Result<OldBlock> {
        let (content, chunks) = &self.blocks[block];
        let sections = &content.sections;
        Ok(OldBlock {
            visitors: content.visitors.clone(),
            sections: sections.iter().map(|one| (one.place, one.items.len())).collect(),
            items: sections.iter().flat_map(|one| &one.items).map(|item| item.place).collect(),
            counts: chunks.counts.clone(),
        })
    }

    fn chunks(&mut self, block: usize, who: Range<u64>, when: Range<u64>) -> Result<ChunkBytes> {
        self.reads += 1;
        let chunks = &self.blocks[block].1;
        let take = |bytes: &[u8], range: Range<u64>| {
            let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            bytes.get(range).unwrap_or_default().to_vec()
        };
        Ok(ChunkBytes { who: take(&chunks.who, who), when: take(&chunks.when, when) })
    }

    fn damaged(&self, damaged: Damaged) -> Error {
        Error::Database { path: PathBuf::new(), reason: damaged.0.to_owned() }
    }
}

/// PV and UV by granularity, level, bucket and place.
type Cells = BTreeMap<(u8, u8, i64, u32), (u64, u64)>;

/// All cells and sums of a day, by the definition.
fn brute_force(all: &Views) -> (Cells, DaySums) {
    let mut pv: BTreeMap<(u8, u8, i64, u32), u64> = BTreeMap::new();
    let mut uv: BTreeMap<(u8, u8, i64, u32), BTreeSet<u32>> = BTreeMap::new();
    let day = i64::from(SITE.day.0);
    for (&(section, page, visitor, minute), &views) in all {
        for (level, place) in [(0, SITE.place), (1, section), (2, page)] {
            let minute = i64::from(minute);
            for (granularity, bucket) in
                [(0, day), (1, day * 24 + minute / 60), (2, day * 1440 + minute)]
            {
                *pv.entry((granularity, level, bucket, place)).or_default() += views;
                uv.entry((granularity, level, bucket, place)).or_default().insert(visitor);
            }
        }
    }
    let cells: Cells = pv.into_iter().map(|(key, pv)| (key, (pv, uv[&key].len() as u64))).collect();
    let mut sums = DaySums::default();
    for (&(granularity, level, bucket, _), &(pv, uv)) in &cells {
        let sum = &mut sums.cells.0[usize::from(granularity)][usize::from(level)];
        *sum = [sum[0] + 1, sum[1] + pv, sum[2] + uv];
        let minute = |of: i64| u16::try_from(bucket - day * of).unwrap();
        match (level, granularity) {
            (0, 0) => sums.day = (pv, uv),
            (0, 1) => sums.hours.push((minute(24) * 60, pv, uv)),
            (0, 2) if pv > sums.busiest_minute.1 => sums.busiest_minute = (minute(1440), pv, uv),
            _ => {}
        }
    }
    (cells, sums)
}

fn everything(_: u8, _: Granularity) -> bool {
    true
}

/// Adds batches, each of some sources, and compares after each. Blocks are merged into one if `merges` says so.
fn check(batches: &[Vec<Views>], merges: &[bool]) {
    let (mut kept, mut all, mut cells, mut sums) =
        (Kept::default(), Views::new(), Cells::new(), DaySums::default());
    for (number, sources) in batches.iter().enumerate() {
        let mut new = Views::new();
        for (key, views) in sources.iter().flatten() {
            *new.entry(*key).or_default() += views;
        }
        let stored = (number > 0).then(|| StoredDay { sums: sums.clone(), blocks: &mut kept });
        let change = change_day(SITE, &content(&new), stored, &everything).unwrap();
        for change in &change.cells {
            assert!(change.pv > 0);
            let key = (change.granularity, change.level, change.bucket, change.place);
            let cell = cells.entry(key).or_default();
            *cell = (cell.0 + change.pv, cell.1 + change.uv);
        }
        let DayChange { sums: new_sums, groups, .. } = change;
        sums = new_sums;
        for (key, views) in &new {
            *all.entry(*key).or_default() += views;
        }
        let (expected_cells, expected_sums) = brute_force(&all);
        assert_eq!(cells, expected_cells);
        assert_eq!(sums, expected_sums);
        for (group, place) in groups
            .iter()
            .zip([SITE.place].into_iter().chain(content(&new).sections.iter().map(|one| one.place)))
        {
            assert_eq!(group.place, place);
            let is_there = |key: &&(u32, u32, u32, u16)| place == SITE.place || key.0 == place;
            let there: BTreeSet<u32> = new.keys().filter(is_there).map(|key| key.2).collect();
            assert!(group.visitors.iter().eq(there));
            let pv: u64 = new.iter().filter(|(key, _)| is_there(key)).map(|(_, pv)| pv).sum();
            assert_eq!(group.pv, pv);
        }
        if merges.get(number) == Some(&true) {
            kept.blocks.clear();
            kept.push(content(&all));
        } else {
            sources
                .iter()
                .filter(|views| !views.is_empty())
                .for_each(|one| kept.push(content(one)));
        }
    }
    // The same from the blocks alone.
    let change = walk_day(SITE, &mut kept, &everything).unwrap();
    let cell = |change: &CellChange| {
        let CellChange { granularity, level, bucket, place, pv, uv } = *change;
        ((granularity, level, bucket, place), (pv, uv))
    };
    assert_eq!(change.cells.iter().map(cell).collect::<Cells>(), cells);
    assert_eq!(change.sums, sums);
}

fn views() -> impl Strategy<Value = Views> {
    let minute = prop::sample::select(vec![0, 1, 59, 60, 61, 700, 1439_u16]);
    let key =
        (10..13_u32, 20..24_u32, 0..9_u32, minute).prop_map(|(section, page, visitor, minute)| {
            (section, section * 100 + page, visitor * 70, minute)
        });
    prop::collection::btree_map(key, 1..3_u64, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn cells_and_sums_are_those_of_all_facts(
        batches in prop::collection::vec(prop::collection::vec(views(), 1..3), 1..6),
        merges in prop::collection::vec(any::<bool>(), 6),
    ) {
        check(&batches, &merges);
    }
}

/// Crawlers with facts in many minutes and on many pages, and a crowd, so that there are many chunks and tasks.
#[test]
fn large_days_with_crawlers_are_exact() {
    let mut state = 7_u64;
    let mut random = |below: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        u32::try_from((state >> 33) % u64::from(below)).unwrap()
    };
    let mut batch = |facts: u32, crawlers: u32, minutes: Range<u32>| {
        let mut views = Views::new();
        for _ in 0..facts {
            let visitor = if random(2) == 0 { random(crawlers) } else { 10 + random(5000) };
            let page = random(40) * random(40);
            let minute = minutes.start + random(minutes.len().try_into().unwrap());
            let key = (page % 5, 100 + page, visitor, u16::try_from(minute).unwrap());
            *views.entry(key).or_default() += 1 + u64::from(random(3));
        }
        views
    };
    let batches = vec![
        vec![batch(150_000, 3, 0..900), batch(30_000, 2, 0..1440)],
        vec![batch(500, 3, 890..905)],
        vec![batch(2000, 9, 100..1440), Views::new()],
        vec![batch(1, 1, 0..1)],
    ];
    check(&batches, &[false, false, true]);
}

#[test]
fn damaged_blocks_are_refused() {
    let new: Views = [((10, 11, 4, 5), 1)].into();
    let mut old: Views = (0..300).map(|visitor| ((10, 11, visitor, 5), 1)).collect();
    old.insert((10, 12, 4, 5), 2);
    type Damage<'d> = &'d dyn Fn(&mut OldBlock, &mut Kept);
    let damage: [Damage<'_>; 6] = [
        &|block, _| block.sections[0].1 += 1,
        &|block, _| block.sections.clear(),
        &|block, _| block.counts.who.truncate(1),
        &|block, _| block.visitors.truncate(9),
        &|_, kept| kept.blocks[0].1.who.truncate(20),
        &|block, _| block.counts.when[0] = u64::MAX,
    ];
    /// Blocks of which one says something else.
    struct Wrong(Kept, OldBlock);
    impl OldBlocks for Wrong {
        fn count(&self) -> usize {
            1
        }
        fn open(&mut self, _: usize) -> Result<OldBlock> {
            Ok(self.1.clone())
        }
        fn chunks(
            &mut self,
            block: usize,
            who: Range<u64>,
            when: Range<u64>,
        ) -> Result<ChunkBytes> {
            self.0.chunks(block, who, when)
        }
        fn damaged(&self, damaged: Damaged) -> Error {
            self.0.damaged(damaged)
        }
    }
    for damage in damage {
        let mut kept = Kept::default();
        kept.push(content(&old));
        let mut block = kept.open(0).unwrap();
        damage(&mut block, &mut kept);
        let mut wrong = Wrong(kept, block);
        let stored = StoredDay { sums: DaySums::default(), blocks: &mut wrong };
        assert!(change_day(SITE, &content(&new), Some(stored), &everything).is_err());
    }
}
