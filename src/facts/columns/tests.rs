//! Columns keep facts; damaged ones are refused or read as other facts in order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Bounds, Damaged, Decoder, Encoder, FRAME_FACTS};
use crate::facts::DayFacts;
use crate::facts::day_facts::MAX_VIEWS;

const BOUNDS: Bounds = Bounds { pages: 1 << 32, visitors: 1 << 32 };

fn day(facts: &BTreeMap<(u32, u32, u16), u64>) -> DayFacts {
    let mut day = DayFacts::default();
    for (&(page, visitor, minute), &views) in facts {
        day.push(page, visitor, minute, views);
    }
    day
}

fn round_trip(day: &DayFacts) -> Vec<u8> {
    let bytes = Encoder::default().encode(day);
    assert_eq!(Decoder::default().decode(&bytes, BOUNDS).as_ref(), Ok(day));
    bytes
}

fn numbers() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0..20_u32, 2 => 0..70_000_u32, 1 => any::<u32>()]
}

proptest! {
    #[test]
    fn any_facts_come_back(
        facts in prop::collection::btree_map(
            (numbers(), numbers(), 0..1440_u16),
            prop_oneof![5 => Just(1), 1 => 1..5_u64, 1 => 1..4 * MAX_VIEWS],
            0..400,
        ),
    ) {
        round_trip(&day(&facts));
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Decoder::default().decode(&bytes, BOUNDS);
    }
}

/// Raw columns as well as compressed ones, and a fact of several.
fn sample(pages: u32) -> DayFacts {
    let mut day = DayFacts::default();
    for page in 0..pages {
        for visitor in 0..3 {
            let minute = u16::try_from(page * 7 % 1440).unwrap();
            day.push(page * 3, visitor * 300, minute, u64::from(visitor % 2) + 1);
        }
    }
    day.push(u32::MAX, u32::MAX, 1439, 2 * MAX_VIEWS + 5);
    day
}

#[test]
fn cut_or_changed_bytes_never_panic_and_cut_ones_are_refused() {
    for pages in [0, 2, 60] {
        let bytes = round_trip(&sample(pages));
        let mut decoder = Decoder::default();
        for end in 0..bytes.len() {
            assert!(decoder.decode(&bytes[..end], BOUNDS).is_err(), "{pages} {end}");
        }
        for index in 0..bytes.len() {
            for change in [1, 0x80, 0xff] {
                let mut bytes = bytes.clone();
                bytes[index] ^= change;
                if let Ok(day) = decoder.decode(&bytes, BOUNDS) {
                    // Another valid value: it is in order, so it comes back as well.
                    round_trip(&day);
                }
            }
        }
        let more = [&bytes[..], &[0]].concat();
        assert!(decoder.decode(&more, BOUNDS).is_err());
    }
}

#[test]
fn days_of_several_frames_come_back() {
    let frame = u32::try_from(FRAME_FACTS).unwrap();
    for first in [0, 1, frame - 1, frame, frame + 1] {
        let mut day = DayFacts::default();
        for visitor in 0..first {
            day.push(3, visitor / 2, u16::try_from(visitor % 2).unwrap(), 1);
        }
        // A fact of three, over a frame's end in one of the cases.
        day.push(3, frame, 9, 2 * MAX_VIEWS + 7);
        for visitor in frame + 1..2 * frame + 100 {
            day.push(3, visitor, 1439, u64::from(visitor % 1000 / 999) + 1);
        }
        day.push(4, 0, 0, 1);
        round_trip(&day);
    }
}

#[test]
fn numbers_out_of_bounds_are_refused() {
    let bytes = round_trip(&sample(20));
    let decode = |pages, visitors| Decoder::default().decode(&bytes, Bounds { pages, visitors });
    assert!(decode(1 << 32, 1 << 32).is_ok());
    assert_eq!(decode((1 << 32) - 1, 1 << 32), Err(Damaged("a page without a name")));
    assert!(decode(1 << 32, (1 << 32) - 1).is_err());
}

#[test]
fn hostile_claims_reserve_nothing() {
    // 2^60 facts in 2^60 frames; a frame of 2^40 facts; a column of 2^40 bytes.
    let claims: [&[u64]; 3] = [
        &[1 << 60, 1 << 60],
        &[5, 1, 12, 1 << 40, 1 << 40],
        &[5, 1, 20, 5, 5, 9, 1 << 40, 0, 0, 0],
    ];
    for claim in claims {
        let mut bytes = Vec::new();
        for &integer in claim {
            crate::facts::varint::put(&mut bytes, integer);
        }
        assert!(Decoder::default().decode(&bytes, BOUNDS).is_err());
    }
}
