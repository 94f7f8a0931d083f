//! Ascending lists of numbers: what two of them have in common.
//!
//! Owns: [`common`]. May import: std. Must not know: what the numbers are.

/// Calls `each` with the indices of the numbers that are in both lists, which ascend.
pub(super) fn common(one: &[u32], other: &[u32], mut each: impl FnMut(usize, usize)) {
    // The shorter list is looked up in the longer one, from where the last was found.
    let (short, long, is_swapped) =
        if one.len() <= other.len() { (one, other, false) } else { (other, one, true) };
    let mut start = 0;
    for (at, number) in short.iter().enumerate() {
        start += lower_bound(&long[start..], *number);
        if long.get(start) == Some(number) {
            if is_swapped { each(start, at) } else { each(at, start) }
        }
    }
}

/// Number of numbers below `number` in an ascending list; fast where there are few.
fn lower_bound(list: &[u32], number: u32) -> usize {
    let mut step = 1;
    while step < list.len() && list[step] < number {
        step *= 2;
    }
    let from = step / 2;
    let to = (step + 1).min(list.len());
    from + list[from..to].partition_point(|&other| other < number)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::common;

    proptest! {
        #[test]
        fn as_sets_have_in_common(
            one in prop::collection::btree_set(0..400_u32, 0..300),
            other in prop::collection::btree_set(0..400_u32, 0..9),
        ) {
            let lists = [&one, &other].map(|set: &BTreeSet<u32>| set.iter().copied().collect::<Vec<_>>());
            for (one, other) in [(&lists[0], &lists[1]), (&lists[1], &lists[0])] {
                let mut found = Vec::new();
                common(one, other, |at, with| {
                    assert_eq!(one[at], other[with]);
                    found.push(one[at]);
                });
                prop_assert!(found.iter().eq(lists[0].iter().filter(|number| lists[1].contains(number))));
            }
        }
    }
}
