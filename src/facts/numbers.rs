//! Ascending lists of numbers as columns: by a byte for each where they are dense.
//!
//! Owns: the list of visitors in a database's blocks ("The database format", *Visitors*). May import:
//! `facts::{column, varint}`. Must not know: what is numbered, where lists are kept.

use super::column::{ColumnDecoder, ColumnEncoder, Damaged};
use super::varint;

/// Differences as bytes: 255 means "255 more", any other byte ends the difference.
const BY_BYTES: u8 = 0;
/// Differences as varints.
const BY_VARINTS: u8 = 1;
/// Mean difference below which bytes are written.
const DENSE: u64 = 256;
/// Most bytes of the first number.
const FIRST_BYTES: usize = 5;

/// Appends `numbers`, which must ascend strictly.
pub fn put_numbers(to: &mut Vec<u8>, numbers: &[u32], encoder: &mut ColumnEncoder) {
    debug_assert!(numbers.is_sorted_by(|one, other| one < other));
    let mut column = Vec::with_capacity(2 * numbers.len() + FIRST_BYTES);
    let is_dense = match *numbers {
        [first, .., last] => u64::from(last - first) / (numbers.len() as u64) < DENSE,
        _ => true,
    };
    if let [first, ..] = *numbers {
        varint::put(&mut column, first.into());
    }
    for pair in numbers.windows(2) {
        let mut step = pair[1] - pair[0] - 1;
        if is_dense {
            while step >= 255 {
                column.push(255);
                step -= 255;
            }
            column.push(step.to_le_bytes()[0]);
        } else {
            varint::put(&mut column, step.into());
        }
    }
    to.push(if is_dense { BY_BYTES } else { BY_VARINTS });
    encoder.put(to, &column);
}

/// Takes the `count` numbers that [`put_numbers`] wrote off the front of `from`. `room` is a buffer.
///
/// # Errors
/// [`Damaged`]; before memory is taken for more numbers than there are bytes.
pub fn take_numbers(
    from: &mut &[u8],
    count: usize,
    decoder: &mut ColumnDecoder,
    room: &mut Vec<u8>,
) -> Result<Vec<u32>, Damaged> {
    const DAMAGED: Damaged = Damaged("a list of numbers");
    let is_dense = match varint::take_bytes(from, 1).ok_or(DAMAGED)?[0] {
        BY_BYTES => true,
        BY_VARINTS => false,
        _ => return Err(DAMAGED),
    };
    let most =
        if is_dense { count.saturating_mul(2).saturating_add(10) } else { count.saturating_mul(5) };
    let mut column = decoder.take(from, room, most)?;
    if column.len() < count {
        return Err(DAMAGED);
    }
    let Some(others) = count.checked_sub(1) else {
        return if column.is_empty() { Ok(Vec::new()) } else { Err(DAMAGED) };
    };
    let first = varint::take(&mut column).ok_or(DAMAGED)?;
    let first = u32::try_from(first).map_err(|_| DAMAGED)?;
    let mut numbers = vec![0; others + 1];
    numbers[0] = first;
    let last = if is_dense {
        add_bytes(column, first, &mut numbers[1..])
    } else {
        add_varints(column, first, &mut numbers[1..])
    };
    // They ascend, so that all have 32 bits if the last has.
    if last.is_some_and(|last| u32::try_from(last).is_ok()) { Ok(numbers) } else { Err(DAMAGED) }
}

/// Fills in the numbers after `first`, and returns the last one; `None` unless there are as many.
#[expect(clippy::cast_possible_truncation, reason = "the caller checks the last number")]
fn add_bytes(column: &[u8], first: u32, numbers: &mut [u32]) -> Option<u64> {
    let (mut last, mut index) = (u64::from(first), 0);
    for &byte in column {
        last += u64::from(byte);
        if byte < 255 {
            last += 1;
            *numbers.get_mut(index)? = last as u32;
            index += 1;
        }
    }
    let is_ended = column.last().is_none_or(|&byte| byte < 255);
    (index == numbers.len() && is_ended).then_some(last)
}

/// As [`add_bytes`].
#[expect(clippy::cast_possible_truncation, reason = "the caller checks the last number")]
fn add_varints(mut column: &[u8], first: u32, numbers: &mut [u32]) -> Option<u64> {
    let mut last = u64::from(first);
    for number in numbers {
        last = last.checked_add(varint::take_short(&mut column)?)?.checked_add(1)?;
        *number = last as u32;
    }
    column.is_empty().then_some(last)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{put_numbers, take_numbers};
    use crate::facts::column::{ColumnDecoder, ColumnEncoder, Damaged};

    fn take(mut bytes: &[u8], count: usize) -> Result<Vec<u32>, Damaged> {
        let numbers =
            take_numbers(&mut bytes, count, &mut ColumnDecoder::default(), &mut Vec::new())?;
        if bytes.is_empty() { Ok(numbers) } else { Err(Damaged("bytes left")) }
    }

    fn round_trip(numbers: &[u32]) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_numbers(&mut bytes, numbers, &mut ColumnEncoder::default());
        assert_eq!(take(&bytes, numbers.len()).as_deref(), Ok(numbers));
        bytes
    }

    proptest! {
        #[test]
        fn any_numbers_come_back(
            numbers in prop::collection::btree_set(
                prop_oneof![0..300_u32, 0..70_000_u32, any::<u32>()], 0..300,
            ),
            start in any::<u32>(),
        ) {
            round_trip(&numbers.iter().copied().collect::<Vec<_>>());
            // A dense list anywhere.
            let moved: BTreeSet<u32> = numbers.iter().map(|number| start.saturating_add(number % 900)).collect();
            round_trip(&moved.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_refused_or_ascend(
            bytes in prop::collection::vec(any::<u8>(), 0..40),
            count in 0..50_usize,
        ) {
            if let Ok(numbers) = take(&bytes, count) {
                prop_assert!(numbers.len() == count && numbers.is_sorted_by(|one, other| one < other));
            }
        }
    }

    #[test]
    fn dense_numbers_take_a_byte_each_and_others_more() {
        let dense: Vec<u32> = (0..40).map(|number| number * 200 + number % 7).collect();
        assert_eq!(round_trip(&dense), [&[0, 80, 0][..], &round_trip(&dense)[3..]].concat());
        assert_eq!(round_trip(&[0, 255, 510, 766]), [0, 10, 0, 254, 254, 255, 0]);
        assert_eq!(round_trip(&[5, 1_000_000]), [1, 8, 5, 186, 132, 61]);
        assert_eq!(round_trip(&[u32::MAX]), [0, 10, 255, 255, 255, 255, 15]);
        // The most bytes of either way to write them.
        let gap = |gap: u32| (0..30).map(|number| number * gap).collect::<Vec<_>>();
        round_trip(&gap(264));
        round_trip(&gap(1 << 27));
        assert!(take(&[0], usize::MAX).is_err() && take(&[0, 0], usize::MAX).is_err());
        assert!(take(&[2, 2, 7], 1).is_err() && take(&[1, 2, 7], 2).is_err());
    }
}
