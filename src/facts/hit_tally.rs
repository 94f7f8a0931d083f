//! Sums over the hits of a share while they are counted, one addition a hit.
//!
//! Owns: [`HitTally`]. May import: `facts::sums`, `parse` (records). Must not know: threads, shares.

use super::sums::{Sums, of_hits};
use crate::parse::record::{Method, Record};

/// Sums over hits: their number, page views, bytes sent, statuses, methods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HitTally {
    hits: u64,
    page_views: u64,
    bytes_sent: u64,
    /// Hits by status. There are few, and the commonest ones mostly come first: looking through them beats a table of
    /// 1,000 sums, of which each share would have its own.
    statuses: Vec<(u16, u64)>,
    methods: [u64; Method::COUNT],
}

impl HitTally {
    /// Adds a hit.
    #[inline]
    pub fn hit(&mut self, record: &Record<'_>) {
        self.hits += 1;
        self.bytes_sent = self.bytes_sent.saturating_add(record.bytes_sent);
        self.add_status(record.status, 1);
        if let Some(request) = &record.request {
            self.methods[request.method as usize] += 1;
        }
    }

    /// Marks a hit that was added as a page view.
    #[inline]
    pub fn page_view(&mut self) {
        self.page_views += 1;
    }

    #[inline]
    fn add_status(&mut self, status: u16, hits: u64) {
        match self.statuses.iter_mut().find(|(known, _)| *known == status) {
            Some((_, sum)) => *sum += hits,
            None => self.statuses.push((status, hits)),
        }
    }

    /// Adds another tally.
    pub fn merge(&mut self, other: &Self) {
        self.hits += other.hits;
        self.page_views += other.page_views;
        self.bytes_sent = self.bytes_sent.saturating_add(other.bytes_sent);
        for &(status, hits) in &other.statuses {
            self.add_status(status, hits);
        }
        for (sum, hits) in self.methods.iter_mut().zip(other.methods) {
            *sum += hits;
        }
    }

    /// The sums by number. Hits without a readable request are of no method.
    #[must_use]
    pub fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        sums.add(of_hits::HITS, self.hits);
        sums.add(of_hits::PAGE_VIEWS, self.page_views);
        sums.add(of_hits::BYTES, self.bytes_sent);
        for &(status, hits) in &self.statuses {
            sums.add(of_hits::STATUS + u64::from(status), hits);
        }
        for (method, &hits) in (0..).zip(&self.methods) {
            sums.add(of_hits::METHOD + method, hits);
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::HitTally;
    use crate::facts::sums::Sums;
    use crate::facts::tally::Tally;
    use crate::parse::record::{Method, Record, Request};
    use crate::time::{CivilTime, Day};

    #[test]
    fn sums_are_those_of_all_hits_however_they_are_split() {
        let (mut whole, mut parts) = (HitTally::default(), [(); 3].map(|()| HitTally::default()));
        let mut tally = Tally::default();
        for number in 0..200_u16 {
            let method =
                [Method::Get, Method::Head, Method::Patch, Method::Other][usize::from(number % 4)];
            let request = Request { method, target: b"/", logged_target: b"/" };
            let record = Record {
                host: b"h",
                user: b"-",
                time: CivilTime::new(Day(0), 0, 0),
                offset_minutes: 0,
                request: (number % 5 > 0).then_some(request),
                status: [200, 404, 0, 999, 304, 200][usize::from(number % 6)],
                bytes_sent: if number == 77 { u64::MAX } else { number.into() },
                referrer: b"",
                user_agent: b"",
            };
            tally.hit(&record, record.time);
            for tally in [&mut whole, &mut parts[usize::from(number % 3)]] {
                tally.hit(&record);
                if number % 7 == 0 {
                    tally.page_view();
                }
            }
        }
        tally.page_views = 29;
        let mut merged = HitTally::default();
        parts.iter().for_each(|part| merged.merge(part));
        assert_eq!(merged.sums(), whole.sums());
        let mut sums = Sums::default();
        parts.iter().for_each(|part| sums.merge(&part.sums()));
        assert_eq!(sums, whole.sums());
        assert_eq!(
            (sums.get(2001), sums.get(2002), sums.get(2009), sums.get(2000)),
            (40, 40, 40, 40)
        );
        // The same as the tally of the lines, but for what that does not have.
        let mut again = Tally::default();
        again.add_hits(&sums);
        assert_eq!(again, Tally { span: None, ..tally });
    }
}
