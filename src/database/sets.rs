//! Who was on a site in the days that a week and a month have in common, so that weeks, months and all time have
//! exact UV without reading every day again.
//!
//! Owns: [`VisitorSets`], their union and their bytes. May import: roaring, `facts` (varint), rayon. Must not know: SQL, days.
//!
//! Every day lies in one span (a week's share of a month); weeks, months and all time are unions of whole spans.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use roaring::RoaringBitmap;
use xxhash_rust::xxh3::xxh3_64;

use crate::facts::varint;

/// Distinct visitors of a site, and which of them saw which section, with the page views of each day of a week.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct VisitorSets {
    /// Strictly ascending.
    visitors: Vec<u128>,
    /// By name; the visitors by their place above. The whole site's is `""`, the name of no section.
    groups: BTreeMap<String, Group>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Group {
    /// Page views by the day of the week, from Monday.
    page_views: [u64; 7],
    visitors: RoaringBitmap,
}

/// PV and UV of a site (`""`) or section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupSum {
    pub(super) name: String,
    pub(super) pv: u64,
    pub(super) uv: u64,
}

const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 8;
const VISITOR_BYTES: usize = 16;

impl VisitorSets {
    /// The sets of one day. `groups` are names, page views and visitors by their place in `visitors`, which ascend.
    pub(super) fn of_day(
        weekday: usize,
        visitors: Vec<u128>,
        groups: impl IntoIterator<Item = (String, u64, RoaringBitmap)>,
    ) -> Self {
        let groups = groups.into_iter().map(|(name, pv, visitors)| {
            let mut page_views = [0; 7];
            page_views[weekday] = pv;
            (name, Group { page_views, visitors })
        });
        Self { visitors, groups: groups.collect() }
    }

    /// The sets with those of one day, which had no more visitors and page views before.
    #[must_use]
    pub(super) fn with_day(&self, day: &Self) -> Self {
        self.joined(day, |old, new| if new == 0 { old } else { new })
    }

    /// The sets of several spans together.
    pub(super) fn union(spans: &[&Self]) -> Self {
        match spans {
            [] => Self::default(),
            [span] => (*span).clone(),
            _ => {
                let (one, other) = spans.split_at(spans.len() / 2);
                let (one, other) = rayon::join(|| Self::union(one), || Self::union(other));
                one.joined(&other, |one, other| one + other)
            }
        }
    }

    /// The site's sum, then each section's.
    pub(super) fn sums(&self) -> Vec<GroupSum> {
        let sum = |(name, group): (&String, &Group)| GroupSum {
            name: name.clone(),
            pv: group.page_views.iter().sum(),
            uv: group.visitors.len(),
        };
        self.groups.iter().map(sum).collect()
    }

    fn joined(&self, other: &Self, page_views: impl Fn(u64, u64) -> u64 + Sync) -> Self {
        let (visitors, places, other_places) = merge(&self.visitors, &other.visitors);
        let names: BTreeSet<&String> = self.groups.keys().chain(other.groups.keys()).collect();
        let nothing = Group::default();
        let join = |name: &String| {
            let one = self.groups.get(name).unwrap_or(&nothing);
            let two = other.groups.get(name).unwrap_or(&nothing);
            let mut days = one.page_views;
            for (day, views) in days.iter_mut().zip(two.page_views) {
                *day = page_views(*day, views);
            }
            let visitors = moved(&one.visitors, &places) | moved(&two.visitors, &other_places);
            (name.clone(), Group { page_views: days, visitors })
        };
        let groups: Vec<(String, Group)> =
            names.into_iter().collect::<Vec<_>>().into_par_iter().map(join).collect();
        Self { visitors, groups: groups.into_iter().collect() }
    }

    /// As bytes, with a checksum.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        varint::put(&mut bytes, self.visitors.len() as u64);
        bytes.reserve(self.visitors.len() * VISITOR_BYTES);
        for visitor in &self.visitors {
            bytes.extend_from_slice(&visitor.to_le_bytes());
        }
        varint::put(&mut bytes, self.groups.len() as u64);
        for (name, group) in &self.groups {
            varint::put(&mut bytes, name.len() as u64);
            bytes.extend_from_slice(name.as_bytes());
            for views in group.page_views {
                varint::put(&mut bytes, views);
            }
            varint::put(&mut bytes, group.visitors.serialized_size() as u64);
            // A `Vec` takes everything.
            let _ = group.visitors.serialize_into(&mut bytes);
        }
        let checksum = xxh3_64(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// From bytes; `None` if they are not as they were written.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_BYTES)?)?;
        if xxh3_64(body).to_le_bytes() != *checksum {
            return None;
        }
        let mut rest = body.strip_prefix(&[VERSION])?;
        let count = varint::take_usize(&mut rest)?;
        let visitors = varint::take_bytes(&mut rest, count.checked_mul(VISITOR_BYTES)?)?
            .as_chunks()
            .0
            .iter()
            .map(|bytes| u128::from_le_bytes(*bytes))
            .collect();
        let mut groups = BTreeMap::new();
        for _ in 0..varint::take(&mut rest)? {
            let length = varint::take_usize(&mut rest)?;
            let name = str::from_utf8(varint::take_bytes(&mut rest, length)?).ok()?.to_owned();
            let mut page_views = [0; 7];
            for views in &mut page_views {
                *views = varint::take(&mut rest)?;
            }
            let length = varint::take_usize(&mut rest)?;
            let set = RoaringBitmap::deserialize_from(varint::take_bytes(&mut rest, length)?);
            let visitors =
                set.ok().filter(|set| set.max().is_none_or(|max| (max as usize) < count))?;
            groups.insert(name, Group { page_views, visitors });
        }
        rest.is_empty().then_some(Self { visitors, groups })
    }
}

/// Two ascending lists as one, and where each one's items are in it.
fn merge(one: &[u128], other: &[u128]) -> (Vec<u128>, Vec<u32>, Vec<u32>) {
    let mut all = Vec::with_capacity(one.len().max(other.len()));
    let mut places = [Vec::with_capacity(one.len()), Vec::with_capacity(other.len())];
    let (mut i, mut j) = (0, 0);
    while i < one.len() || j < other.len() {
        // Numbers of a run's visitors fit 32 bits.
        let place = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let is_first = j == other.len() || i < one.len() && one[i] <= other[j];
        let is_second = i == one.len() || j < other.len() && other[j] <= one[i];
        all.push(if is_first { one[i] } else { other[j] });
        if is_first {
            places[0].push(place);
            i += 1;
        }
        if is_second {
            places[1].push(place);
            j += 1;
        }
    }
    let [one, other] = places;
    (all, one, other)
}

/// The set with each number replaced by the one at its place; both ascend.
fn moved(set: &RoaringBitmap, places: &[u32]) -> RoaringBitmap {
    RoaringBitmap::from_sorted_iter(set.iter().map(|number| places[number as usize]))
        .expect("places ascend")
}

#[cfg(test)]
mod tests {
    use super::{GroupSum, VisitorSets};

    fn day(weekday: usize, site: (&[u128], u64), section: (&[u32], u64)) -> VisitorSets {
        let all = (0..u32::try_from(site.0.len()).unwrap()).collect();
        VisitorSets::of_day(
            weekday,
            site.0.to_vec(),
            [
                (String::new(), site.1, all),
                ("/a/".to_owned(), section.1, section.0.iter().copied().collect()),
            ],
        )
    }

    fn sum(name: &str, pv: u64, uv: u64) -> GroupSum {
        GroupSum { name: name.to_owned(), pv, uv }
    }

    #[test]
    fn days_join_and_a_day_that_grew_replaces_itself() {
        let monday = day(0, (&[3, 5, 9], 7), (&[0, 2], 3));
        let tuesday = day(1, (&[1, 5], 2), (&[1], 1));
        let both = VisitorSets::default().with_day(&monday).with_day(&tuesday);
        assert_eq!(both.sums(), [sum("", 9, 4), sum("/a/", 4, 3)]);
        let monday_grown = day(0, (&[3, 4, 5, 9], 9), (&[0, 3], 4));
        assert_eq!(both.with_day(&monday_grown).sums(), [sum("", 11, 5), sum("/a/", 5, 3)]);
        let next = VisitorSets::default().with_day(&day(0, (&[9, 10], 2), (&[0], 1)));
        let all = VisitorSets::union(&[&both, &next, &VisitorSets::default()]);
        assert_eq!(all.sums(), [sum("", 11, 5), sum("/a/", 5, 3)]);
        assert_eq!(VisitorSets::union(&[]).sums(), []);
    }

    #[test]
    fn bytes_come_back_and_damage_is_seen() {
        let sets = day(3, (&[1, 1 << 100, u128::MAX], 7), (&[0, 2], 3));
        let bytes = sets.encode();
        assert_eq!(VisitorSets::decode(&bytes), Some(sets));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(VisitorSets::decode(&damaged), None);
            assert_eq!(VisitorSets::decode(&bytes[..at]), None);
        }
    }
}
