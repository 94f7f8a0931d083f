//! Sums by number, as parts carry them: a program adds up and passes on those that it does not know.
//!
//! Owns: [`Sums`], the numbers of the sums over lines and hits, and their way from and to a [`Tally`]. May import:
//! `tally`. Must not know: how sums are written.

use std::collections::BTreeMap;

use super::tally::Tally;

/// Numbers of the sums over lines.
pub mod of_lines {
    /// All lines.
    pub const LINES: u64 = 1;
    /// Malformed lines.
    pub const MALFORMED: u64 = 2;
    /// Empty lines.
    pub const EMPTY: u64 = 3;
    /// Lines of a beacon log that are not beacons.
    pub const OTHER: u64 = 4;
    /// Lines that the user's filter left out.
    pub const FILTERED: u64 = 5;
}

/// Numbers of the sums over hits.
pub mod of_hits {
    /// All hits.
    pub const HITS: u64 = 1;
    /// Hits that count as page views.
    pub const PAGE_VIEWS: u64 = 2;
    /// Bytes sent.
    pub const BYTES: u64 = 3;
    /// Hits with status 0; those with status *s*, to 999, have this number + *s*.
    pub const STATUS: u64 = 1000;
    /// Hits with a method that has no number; those with method *m* have this number + *m*.
    pub const METHOD: u64 = 2000;
}

/// Sums by number. None is 0, and `u64::MAX` means that many or more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums(BTreeMap<u64, u64>);

impl Sums {
    /// Adds to a sum.
    pub fn add(&mut self, number: u64, count: u64) {
        if count > 0 {
            let sum = self.0.entry(number).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    /// Adds other sums, number by number.
    pub fn merge(&mut self, other: &Self) {
        other.iter().for_each(|(number, count)| self.add(number, count));
    }

    /// A sum.
    #[must_use]
    pub fn get(&self, number: u64) -> u64 {
        self.0.get(&number).copied().unwrap_or_default()
    }

    /// Each number and its sum, by number.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u64, u64)> {
        self.0.iter().map(|(&number, &sum)| (number, sum))
    }

    /// Whether all sums are 0.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sums over lines of a tally.
    #[must_use]
    pub fn of_lines(tally: &Tally) -> Self {
        let mut sums = Self::default();
        sums.add(of_lines::LINES, tally.lines);
        sums.add(of_lines::MALFORMED, tally.malformed_lines);
        sums.add(of_lines::EMPTY, tally.empty_lines);
        sums.add(of_lines::OTHER, tally.other_lines);
        sums
    }
}

impl Tally {
    /// Adds the sums over the lines of a source.
    pub fn add_lines(&mut self, sums: &Sums) {
        for (field, number) in [
            (&mut self.lines, of_lines::LINES),
            (&mut self.malformed_lines, of_lines::MALFORMED),
            (&mut self.empty_lines, of_lines::EMPTY),
            (&mut self.other_lines, of_lines::OTHER),
        ] {
            *field = field.saturating_add(sums.get(number));
        }
    }

    /// Adds the sums over the hits of a day.
    pub fn add_hits(&mut self, sums: &Sums) {
        for (number, sum) in sums.iter() {
            let field = match number {
                of_hits::HITS => &mut self.hits,
                of_hits::PAGE_VIEWS => &mut self.page_views,
                of_hits::BYTES => &mut self.bytes_sent,
                1100..=1199 => &mut self.status[0],
                1200..=1299 => &mut self.status[1],
                1300..=1399 => &mut self.status[2],
                1400..=1499 => &mut self.status[3],
                1500..=1599 => &mut self.status[4],
                1000..=1999 => &mut self.status[5],
                _ => continue,
            };
            *field = field.saturating_add(sum);
        }
        self.not_found = self.not_found.saturating_add(sums.get(of_hits::STATUS + 404));
    }
}

#[cfg(test)]
mod tests {
    use super::{Sums, of_hits};
    use crate::facts::tally::Tally;

    #[test]
    fn a_tally_is_its_lines_and_its_hits() {
        let tally = Tally {
            lines: 12,
            malformed_lines: 2,
            empty_lines: 3,
            other_lines: 1,
            ..Tally::default()
        };
        let mut again = Tally::default();
        again.add_lines(&Sums::of_lines(&tally));
        assert_eq!(again, tally);
        let mut hits = Sums::default();
        for (number, sum) in
            [(1, 6), (2, 4), (3, u64::MAX), (1099, 1), (1200, 2), (1404, 3), (2001, 6), (7, 9)]
        {
            hits.add(number, sum);
        }
        hits.add(of_hits::BYTES, 5);
        hits.add(9, 0);
        assert_eq!(hits.iter().len(), 8);
        again.add_hits(&hits);
        let expected = Tally {
            hits: 6,
            page_views: 4,
            bytes_sent: u64::MAX,
            status: [0, 2, 0, 3, 0, 1],
            not_found: 3,
            ..tally
        };
        assert_eq!(again, expected);
    }
}
