//! The sections or pages that are shown: those with the most page views.
//!
//! Owns: [`top_rows`]. May import: `error`. Must not know: where names come from.

use std::cmp::Reverse;

use crate::error::Result;

/// Anything with page views and a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TopRow<R, N> {
    /// Page views.
    pub pv: u64,
    /// What they are of.
    pub of: R,
    /// Its name.
    pub name: N,
}

/// The `top` rows with the most page views: those first, equals in the order of their names. `names` is asked only for
/// names of rows that may be among them, since a site can have millions of pages.
pub(super) fn top_rows<R, N: Ord>(
    mut rows: Vec<(u64, R)>,
    top: usize,
    names: impl FnOnce(&[(u64, R)]) -> Result<Vec<N>>,
) -> Result<Vec<TopRow<R, N>>> {
    if top == 0 || rows.is_empty() {
        return Ok(Vec::new());
    }
    if rows.len() > top {
        let (_, &mut (least, _), _) =
            rows.select_nth_unstable_by_key(top - 1, |&(pv, _)| Reverse(pv));
        rows.retain(|&(pv, _)| pv >= least);
    }
    let names = names(&rows)?;
    let mut rows: Vec<TopRow<R, N>> =
        rows.into_iter().zip(names).map(|((pv, of), name)| TopRow { pv, of, name }).collect();
    let order = |one: &TopRow<R, N>, other: &TopRow<R, N>| {
        (Reverse(one.pv), &one.name).cmp(&(Reverse(other.pv), &other.name))
    };
    if rows.len() > top {
        // Many have as few page views as the last.
        rows.select_nth_unstable_by(top - 1, order);
        rows.truncate(top);
    }
    rows.sort_unstable_by(order);
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use proptest::prelude::*;

    use super::top_rows;

    proptest! {
        #[test]
        fn the_first_rows_are_those_of_a_sorted_list(
            rows in prop::collection::vec((0..5_u64, 0..100_u32), 0..40), top in 0..12_usize,
        ) {
            let found = top_rows(rows.clone(), top, |rows| {
                Ok(rows.iter().map(|(_, of)| (of % 10, of.to_string())).collect())
            });
            let found: Vec<_> = found.unwrap().into_iter().map(|row| (row.pv, row.name, row.of)).collect();
            let mut expected: Vec<_> = rows.iter().map(|&(pv, of)| (pv, (of % 10, of.to_string()), of)).collect();
            expected.sort_by_key(|(pv, name, _)| (Reverse(*pv), name.clone()));
            expected.truncate(top);
            prop_assert_eq!(found, expected);
        }
    }
}
