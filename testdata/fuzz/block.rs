//! Any bytes are refused or read as a block, even if their checksums are right; what was read, and any block, is the same
//! when written and read again.

#![no_main]

use hitmap::count::Counter;
use hitmap::facts::DayKey;
use hitmap::facts::chunks::ChunkDecoder;
use hitmap::facts::column::ColumnEncoder;
use hitmap::facts::part::fuzzing::seal_block;
use hitmap::facts::part::{Block, Partition};
use hitmap::facts::sample::sample_value;
use hitmap::select::VisitorHash;
use hitmap::time::{CivilTime, Day};
use libfuzzer_sys::fuzz_target;
use xxhash_rust::xxh3::xxh3_128;

fuzz_target!(|bytes: &[u8]| {
    read(&seal_block(bytes));
    let [place, change, views @ ..] = bytes else { return };
    let block = block(views);
    let mut written = block.encode(&mut ColumnEncoder::default()).expect("no limit is near");
    if written.is_empty() {
        return;
    }
    assert_eq!(decode(&written), Some(block));
    let place = usize::from(*place) % written.len();
    written[place] ^= change;
    assert!(*change == 0 || decode(&written).is_none());
    read(&seal_block(&written));
});

fn decode(bytes: &[u8]) -> Option<Block> {
    Block::decode(bytes, Partition::WHOLE, &mut ChunkDecoder::default()).ok()
}

fn read(bytes: &[u8]) {
    let Some(block) = decode(bytes) else { return };
    let again = block.encode(&mut ColumnEncoder::default()).expect("no limit is near");
    if !again.is_empty() {
        assert_eq!(decode(&again), Some(block));
    }
}

/// Four bytes are a page view.
fn block(views: &[u8]) -> Block {
    let mut counter = Counter::new(1, 1000);
    let mut block = Block::default();
    counter.begin_window();
    for view in views.chunks_exact(4) {
        let [hit, page, visitor, minute] = *view else { unreachable!("four bytes") };
        block.hits.add(u64::from(hit) * 8, u64::from(page));
        let time = CivilTime::new(Day(17_000), u16::from(minute) * 5, 0);
        let page = format!("/{}/{page}", page % 4);
        let visitor = VisitorHash(xxh3_128(&[visitor]));
        counter.workers_mut()[0].add(0, time, page.as_bytes(), visitor);
        block.sample.offer(sample_value(visitor, time.seconds(), 200, 5, page.as_bytes()));
    }
    counter.end_window().expect("no limit is near");
    block.day = counter.finish().local_day(DayKey { site: 0, day: Day(17_000) });
    block
}
