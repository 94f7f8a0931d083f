//! Any bytes are refused or read as a part or a block, even if their checksums are right; what was read, and any
//! facts, are the same when written and read again.

#![no_main]

use hitmap::count::parts::{encode, load};
use hitmap::count::{Counter, Facts};
use hitmap::facts::columns::{Decoder, Encoder};
use hitmap::facts::part::{Header, Part, block};
use hitmap::facts::tally::Tally;
use hitmap::select::VisitorHash;
use hitmap::time::{CivilTime, Day};
use libfuzzer_sys::fuzz_target;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

fuzz_target!(|bytes: &[u8]| {
    let mut codec = Codec::default();
    match bytes {
        [0x89, ..] => {
            codec.read_part(bytes);
            if let Some(repaired) = with_checksums(bytes) {
                codec.read_part(&repaired);
            }
        }
        [1, ..] => codec.read_block(bytes),
        [place, change, views @ ..] => codec.write_part(*place, *change, views),
        _ => {}
    }
});

/// The part with the checksums of its header put right; none if it is too short for them.
fn with_checksums(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut part = bytes.to_vec();
    let length = usize::try_from(u32::from_le_bytes(*part.get(10..)?.first_chunk()?)).ok()?;
    // Behind the source stand the rules, here of up to 127 bytes, and their checksum.
    let rules_end = 31 + usize::from(*part.get(30)?);
    let checksum = xxh3_128(part.get(31..rules_end)?).to_le_bytes();
    part.get_mut(rules_end..rules_end + 16)?.copy_from_slice(&checksum);
    let end = length.checked_add(14)?;
    let checksum = xxh3_64(part.get(..end)?).to_le_bytes();
    part.get_mut(end..end + 8)?.copy_from_slice(&checksum);
    Some(part)
}

#[derive(Default)]
struct Codec {
    encoder: Encoder,
    decoder: Decoder,
}

impl Codec {
    /// Reads everything of a part; its blocks also as if their checksums were right.
    fn read_part(&mut self, bytes: &[u8]) {
        let Ok(part) = Part::decode(bytes) else { return };
        for entry in part.blocks() {
            self.read_block(part.block_bytes(entry));
        }
        if let Ok(loaded) = load(std::slice::from_ref(&part), |_, _| true) {
            let header = Header { sites: loaded.sites.clone(), ..part.header().clone() };
            self.check_part(&header, &loaded.facts);
        }
    }

    fn read_block(&mut self, bytes: &[u8]) {
        let _ = block::decode(bytes, &mut self.decoder);
        let Some(body) = bytes.len().checked_sub(8).map(|end| &bytes[..end]) else { return };
        let bytes = [body, &xxh3_64(body).to_le_bytes()].concat();
        if let Ok(day) = block::decode(&bytes, &mut self.decoder) {
            let again = block::encode(&day, &mut self.encoder);
            assert_eq!(block::decode(&again, &mut self.decoder).ok(), Some(day));
        }
    }

    /// Takes four bytes as a page view; `place` and `change` say how each block is then damaged.
    fn write_part(&mut self, place: u8, change: u8, views: &[u8]) {
        let mut counter = Counter::new(1, 1000);
        counter.begin_window();
        for view in views.chunks_exact(4) {
            let [when, page, visitor, minute] = *view else { unreachable!("four bytes") };
            let time = CivilTime::new(Day(17_000 + i32::from(when % 3)), u16::from(minute) * 5, 0);
            let page = format!("/{}/{page}", page % 4);
            let visitor = VisitorHash(xxh3_128(&[visitor]));
            counter.workers_mut()[0].add(u32::from(when / 3 % 2), time, page.as_bytes(), visitor);
        }
        counter.end_window().expect("no limit is near");
        let header = Header {
            rules: "rules".to_owned(),
            tally: Tally { lines: u64::MAX, ..Tally::default() },
            sites: vec!["a".to_owned(), "b".to_owned()],
            ..Header::default()
        };
        let part = self.check_part(&header, &counter.finish());
        let part = Part::decode(&part).expect("it was just written");
        for entry in part.blocks() {
            let mut block = part.block_bytes(entry).to_vec();
            let place = usize::from(place) % block.len();
            block[place] ^= change;
            self.read_block(&block);
        }
    }

    /// The facts come back from the part written, which is returned.
    fn check_part(&mut self, header: &Header, facts: &Facts) -> Vec<u8> {
        let bytes = encode(header, facts);
        let part = Part::decode(&bytes).expect("it was just written");
        assert_eq!(part.header(), header);
        assert_eq!(facts.days().len(), part.blocks().len());
        for (key, entry) in facts.days().zip(part.blocks()) {
            assert_eq!((key.site as usize, key.day), (entry.site, entry.day));
            let day = part.block(entry, &mut self.decoder).expect("it was just written");
            assert_eq!(day, facts.local_day(key));
        }
        let loaded = load(&[part], |_, _| true).expect("it was just written");
        assert_eq!(encode(header, &loaded.facts), bytes);
        bytes
    }
}
