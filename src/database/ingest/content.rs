//! The facts of a share with the database's numbers.
//!
//! Owns: [`content`]. May import: `facts`, `change::content`, rayon. Must not know: SQL, how numbers are found.

use std::borrow::Borrow;

use rayon::prelude::*;

use super::numbers::SitePlaces;
use crate::database::block::BlockContent;
use crate::database::change::content::sections;
use crate::facts::day_facts::VISITOR_SHIFT;
use crate::facts::{DayFacts, Fact, radix};

/// The content of a block with the facts of some pieces, which have no page in common. `visitors` are the database's numbers
/// by those of the run.
pub(super) fn content(
    pieces: &[impl Borrow<DayFacts> + Sync],
    visitors: &[u32],
    places: &SitePlaces,
) -> BlockContent {
    let facts: usize = pieces.iter().map(|piece| piece.borrow().len()).sum();
    let all = pieces.iter().flat_map(|piece| piece.borrow().facts());
    let numbers = all.map(|fact| visitors[fact.visitor() as usize]);
    let (of_share, ranks) = Ranks::of(numbers, facts);
    let mut items: Vec<((u32, u32), Vec<Fact>)> = pieces
        .par_iter()
        .flat_map_iter(|piece| {
            let mut spare = Vec::new();
            piece
                .borrow()
                .pages()
                .map(|(page, facts)| {
                    let rank = |fact: &Fact| {
                        let number = visitors[fact.visitor() as usize];
                        fact.with_visitor(ranks.rank(number, &of_share))
                    };
                    let mut facts: Vec<Fact> = facts.iter().map(rank).collect();
                    if facts.len() > 1 {
                        // The minutes of each visitor are in order already, and the sort is stable.
                        radix::sort(&mut facts, &mut spare, VISITOR_SHIFT, u64::BITS);
                    }
                    (places.pages.get(&page).copied().unwrap_or_default(), facts)
                })
                .collect::<Vec<_>>()
        })
        .collect();
    items.sort_unstable_by_key(|&(place, _)| place);
    BlockContent { visitors: of_share, sections: sections(items.into_iter()) }
}

/// Tells the rank of each number of a list: how many are smaller.
enum Ranks {
    /// A bit for each number from the first to the last, for lists that are dense enough.
    Bits {
        first: u32,
        words: Vec<u64>,
        /// By word: number of bits set in the words before it.
        below: Vec<u32>,
    },
    /// By search in the list.
    Search,
}

impl Ranks {
    /// The distinct numbers, ascending, and their ranks; `count` is how many `numbers` are.
    fn of(numbers: impl Iterator<Item = u32> + Clone, count: usize) -> (Vec<u32>, Self) {
        let bounds = numbers.clone().fold(None, |bounds: Option<(u32, u32)>, number| {
            let (first, last) = bounds.unwrap_or((number, number));
            Some((first.min(number), last.max(number)))
        });
        let Some((first, last)) = bounds else { return (Vec::new(), Self::Search) };
        let words = (last - first) as usize / 64 + 1;
        if words > 2 * count {
            let mut list: Vec<u32> = numbers.collect();
            list.sort_unstable();
            list.dedup();
            return (list, Self::Search);
        }
        let mut words = vec![0_u64; words];
        for number in numbers {
            words[(number - first) as usize / 64] |= 1 << ((number - first) % 64);
        }
        let mut below = Vec::with_capacity(words.len());
        let mut list = Vec::new();
        for (&word, index) in words.iter().zip(0_u32..) {
            // A list has fewer than 2^32 distinct numbers.
            below.push(u32::try_from(list.len()).unwrap_or(u32::MAX));
            let mut left = word;
            while left != 0 {
                list.push(first + index * 64 + left.trailing_zeros());
                left &= left - 1;
            }
        }
        (list, Self::Bits { first, words, below })
    }

    /// The rank of a number of the list.
    #[inline]
    fn rank(&self, number: u32, list: &[u32]) -> u32 {
        match self {
            Self::Bits { first, words, below } => {
                let bit = number - first;
                let lower = words[bit as usize / 64] & ((1 << (bit % 64)) - 1);
                below[bit as usize / 64] + lower.count_ones()
            }
            Self::Search => {
                let rank = list.partition_point(|&other| other < number);
                u32::try_from(rank).unwrap_or(u32::MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Ranks;

    proptest! {
        #[test]
        fn ranks_are_those_in_the_sorted_list(
            numbers in prop::collection::vec(
                prop_oneof![0..300_u32, 0..70_000_u32, any::<u32>()], 0..300,
            ),
            from in any::<u32>(),
        ) {
            let dense = numbers.iter().map(|number| from.saturating_add(number % 900)).collect();
            for numbers in [numbers, dense] {
                let (list, ranks) = Ranks::of(numbers.iter().copied(), numbers.len());
                let expected: std::collections::BTreeSet<u32> = numbers.iter().copied().collect();
                prop_assert!(list.iter().eq(&expected));
                for (&number, rank) in list.iter().zip(0..) {
                    prop_assert_eq!(ranks.rank(number, &list), rank);
                }
            }
        }
    }
}
