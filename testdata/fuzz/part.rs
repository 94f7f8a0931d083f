//! Any bytes are refused or read as a part, even if their checksums are right. What was read has one form: merged with
//! itself it is the same bytes.

#![no_main]

use hitmap::count::parts::load;
use hitmap::facts::chunks::ChunkDecoder;
use hitmap::facts::part::fuzzing::seal;
use hitmap::facts::part::{Part, PartError, merge};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    check(&seal(bytes));
});

fn check(bytes: &[u8]) {
    let Ok(part) = Part::decode(bytes) else { return };
    let mut decoder = ChunkDecoder::default();
    let blocks = part.blocks().iter().map(|entry| part.block(entry, &mut decoder));
    let blocks: Result<Vec<_>, PartError> = blocks.collect();
    match merge(&[part.clone(), part.clone()], Vec::new()) {
        Ok(merged) => assert_eq!(merged, bytes),
        Err(_) => assert!(blocks.is_err()),
    }
    if let Ok(loaded) = load(&part, |_, _| true) {
        assert!(loaded.facts.days().len() <= part.blocks().len());
    }
}
