//! Stored facts together with facts that are not stored, such as those of an input that could not be read to its end.
//!
//! Owns: [`Reader::and_unstored`]. May import: what its parent may, `levels` (the dictionary). Must not know: why they are
//! not stored.

use hashbrown::HashMap;

use super::Reader;
use crate::count::Facts;
use crate::database::levels;
use crate::error::Result;
use crate::facts::{LocalDay, ShareKey};
use crate::select::VisitorHash;

impl Reader<'_> {
    /// `facts`, which [`Reader::facts`] has read, and those of some shares that are not stored. A visitor whom the database
    /// knows has its number for him; the others get numbers that it has not given yet.
    ///
    /// # Errors
    /// [`Error::Database`](crate::error::Error::Database), [`Error::Limit`](crate::error::Error::Limit).
    pub fn and_unstored(&self, facts: Facts, shares: &[(ShareKey, LocalDay)]) -> Result<Facts> {
        if shares.is_empty() {
            return Ok(facts);
        }
        let mut hashes: Vec<VisitorHash> =
            shares.iter().flat_map(|(_, day)| &day.visitors).copied().collect();
        hashes.sort_unstable();
        hashes.dedup();
        let known = self.read(|store| levels::visitor_numbers(store, &hashes))?;
        let mut unused = (0..=u32::MAX).rev();
        let numbers: HashMap<VisitorHash, u32> = hashes
            .into_iter()
            .zip(known)
            .map(|(hash, number)| (hash, number.or_else(|| unused.next()).unwrap_or_default()))
            .collect();
        let mut builder = facts.into_builder();
        for (key, day) in shares {
            let visitors: Vec<u32> = day.visitors.iter().map(|hash| numbers[hash]).collect();
            builder.add_day_numbered(*key, day, &visitors)?;
        }
        Ok(builder.finish())
    }
}
