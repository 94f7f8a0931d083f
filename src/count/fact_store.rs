//! The facts of all windows in little memory: those of earlier windows as columns, those of the last ones plain.
//!
//! Owns: when facts are encoded, how days share columns, how the pieces of a day are merged again. May import:
//! `facts::{columns, day_facts, varint}`, `time`, rayon. Must not know: where facts come from.
//!
//! The facts of a window stay plain (8 bytes each) until the next window begins. Then they are encoded as columns (about 3
//! bytes each), unless there are too few: small windows are collected first. Days of few facts share columns. So neither
//! many windows nor many days cost more memory than their facts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::facts::columns::{Bounds, Decoder, Encoder, Groups};
use crate::facts::varint;
use crate::facts::{DayFacts, DayKey};
use crate::time::Day;

/// Number of facts from which on windows are encoded: 8 MiB, and enough for frames of columns to be worth it.
const ENCODED_FROM: usize = 1024 * 1024;
/// Number of facts from which on a day has columns of its own. Loading a smaller day decodes at most this many more.
const OWN_COLUMNS_FROM: usize = 8 * 1024;

/// The facts of all windows so far.
#[derive(Debug, Default)]
pub(super) struct FactStore {
    /// Facts that are not encoded yet.
    plain: BTreeMap<DayKey, PlainDay>,
    plain_facts: usize,
    /// All other facts, by round, and within a round by day.
    encoded: Vec<EncodedDays>,
    /// Number of rounds: of times that `plain` was encoded.
    rounds: u32,
    /// Number of facts of each day; one that is in several windows counts each time.
    day_facts: BTreeMap<DayKey, usize>,
}

/// The facts of a day that are not encoded yet.
#[derive(Debug, Default)]
struct PlainDay {
    pieces: Vec<DayFacts>,
    /// Number of windows they come from. Only pieces of the same window have no page in common.
    windows: u32,
}

/// Some facts of one day, or all facts of several days, from one round.
#[derive(Debug)]
struct EncodedDays {
    round: u32,
    first: DayKey,
    last: DayKey,
    bytes: Box<[u8]>,
}

impl FactStore {
    /// Adds a window as pieces, by ascending day; pieces of the same day have no page in common.
    pub(super) fn add_window(&mut self, pieces: Vec<(DayKey, DayFacts)>) {
        let mut last = None;
        for (key, facts) in pieces {
            *self.day_facts.entry(key).or_default() += facts.len();
            self.plain_facts += facts.len();
            let day = self.plain.entry(key).or_default();
            if last != Some(key) {
                last = Some(key);
                day.windows += 1;
            }
            day.pieces.push(facts);
        }
    }

    /// Makes room for another window: encodes the plain facts, if there are many.
    pub(super) fn begin_window(&mut self) {
        if self.plain_facts >= ENCODED_FROM {
            self.encode();
        }
    }

    /// Number of facts that are not encoded yet.
    pub(super) fn plain_facts(&self) -> usize {
        self.plain_facts
    }

    /// Encodes all facts.
    pub(super) fn encode(&mut self) {
        let days: Vec<(DayKey, Cow<'_, [DayFacts]>)> =
            self.plain.par_iter().map(|(&key, day)| (key, day.joined())).collect();
        let mut shares: Vec<Vec<(DayKey, &DayFacts)>> = Vec::new();
        let mut room = 0;
        for (key, pieces) in &days {
            let facts: usize = pieces.iter().map(DayFacts::len).sum();
            if facts >= OWN_COLUMNS_FROM {
                shares.extend(pieces.iter().map(|piece| vec![(*key, piece)]));
                room = 0;
                continue;
            }
            if facts > room {
                shares.push(Vec::new());
                room = OWN_COLUMNS_FROM;
            }
            room -= facts;
            if let Some(share) = shares.last_mut() {
                share.extend(pieces.iter().map(|piece| (*key, piece)));
            }
        }
        let round = self.rounds;
        let encoded: Vec<EncodedDays> = shares
            .par_iter()
            .filter(|share| !share.is_empty())
            .map_init(Encoder::default, |encoder, share| EncodedDays {
                round,
                first: share[0].0,
                last: share[share.len() - 1].0,
                bytes: encode_days(encoder, share).into_boxed_slice(),
            })
            .collect();
        drop(days);
        self.encoded.extend(encoded);
        self.plain.clear();
        self.plain_facts = 0;
        self.rounds += 1;
    }

    /// The days that have facts, and an upper bound of their number; see [`Facts::day_len`](super::Facts::day_len).
    pub(super) fn days(&self) -> &BTreeMap<DayKey, usize> {
        &self.day_facts
    }

    /// The facts of the days `keys`, which ascend. The pieces of each day have no page in common.
    pub(super) fn load(&self, keys: &[DayKey]) -> Vec<Cow<'_, [DayFacts]>> {
        let (Some(&first), Some(&last)) = (keys.first(), keys.last()) else { return Vec::new() };
        let decoded: Vec<(u32, Vec<(DayKey, DayFacts)>)> = self
            .encoded
            .par_iter()
            .filter(|encoded| encoded.first <= last && encoded.last >= first)
            .map_init(Decoder::default, |decoder, encoded| {
                let is_wanted = |key| keys.binary_search(&key).is_ok();
                (encoded.round, encoded.decode(decoder, is_wanted))
            })
            .collect();
        let mut days: Vec<LoadedDay<'_>> =
            keys.iter().map(|key| LoadedDay::new(self.plain.get(key))).collect();
        for (round, pieces) in decoded {
            for (key, facts) in pieces {
                if let Ok(index) = keys.binary_search(&key) {
                    days[index].add(round, facts);
                }
            }
        }
        days.into_par_iter().map(LoadedDay::joined).collect()
    }

    /// Folds over all facts in parallel and in any order, by pieces of days. Each thread holds only one decoded piece, or
    /// one group of days that share columns.
    pub(super) fn fold<T: Send>(
        &self,
        new: impl Fn() -> T + Send + Sync,
        add: impl Fn(&mut T, DayKey, &DayFacts) + Send + Sync,
        join: impl Fn(T, T) -> T + Send + Sync,
    ) -> T {
        let plain: Vec<(DayKey, &DayFacts)> = self
            .plain
            .iter()
            .flat_map(|(&key, day)| day.pieces.iter().map(move |piece| (key, piece)))
            .collect();
        let plain = plain.par_iter().fold(&new, |mut folded, (key, facts)| {
            add(&mut folded, *key, facts);
            folded
        });
        let encoded = self.encoded.par_iter().fold(
            || (new(), Decoder::default()),
            |(mut folded, mut decoder), encoded| {
                for (key, facts) in encoded.decode(&mut decoder, |_| true) {
                    add(&mut folded, key, &facts);
                }
                (folded, decoder)
            },
        );
        plain.chain(encoded.map(|(folded, _)| folded)).reduce(&new, &join)
    }
}

impl PlainDay {
    /// The facts of the day, in pieces that have no page in common.
    fn joined(&self) -> Cow<'_, [DayFacts]> {
        if self.windows < 2 {
            return Cow::Borrowed(&self.pieces);
        }
        Cow::Owned(DayFacts::merge(&self.pieces.iter().collect::<Vec<_>>()))
    }
}

/// The facts of a day while they are loaded.
struct LoadedDay<'k> {
    plain: Option<&'k PlainDay>,
    decoded: Vec<DayFacts>,
    /// Number of rounds that `decoded` comes from.
    rounds: u32,
    last_round: Option<u32>,
}

impl<'k> LoadedDay<'k> {
    fn new(plain: Option<&'k PlainDay>) -> Self {
        Self { plain, decoded: Vec::new(), rounds: 0, last_round: None }
    }

    /// Adds decoded facts. Facts of the same round must be added in a row.
    fn add(&mut self, round: u32, facts: DayFacts) {
        self.rounds += u32::from(self.last_round != Some(round));
        self.last_round = Some(round);
        self.decoded.push(facts);
    }

    fn joined(self) -> Cow<'k, [DayFacts]> {
        match (self.plain, self.rounds) {
            (Some(plain), 0) => plain.joined(),
            (None, 0..=1) => Cow::Owned(self.decoded),
            (plain, _) => {
                let plain = plain.map_or(&[][..], |day| &day.pieces);
                Cow::Owned(DayFacts::merge(&self.decoded.iter().chain(plain).collect::<Vec<_>>()))
            }
        }
    }
}

/// The pieces of some days as bytes: the list of days, then columns, whose groups are the piece's index in that list
/// (upper 32 bits) and the page.
fn encode_days(encoder: &mut Encoder, share: &[(DayKey, &DayFacts)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint::put(&mut bytes, share.len() as u64);
    let mut last = 0;
    for &(key, _) in share {
        let key = u64::from(key.site) << 32 | u64::from(key.day.0.cast_unsigned() ^ 1 << 31);
        varint::put(&mut bytes, key - last);
        last = key;
    }
    let groups = share.iter().zip(0_u64..).flat_map(|(&(_, facts), place)| {
        facts.pages().map(move |(page, facts)| (place << 32 | u64::from(page), facts))
    });
    bytes.extend(encoder.encode_groups(groups));
    bytes
}

impl EncodedDays {
    /// The facts of the days for which `is_wanted` is true, or of the only day.
    fn decode(
        &self,
        decoder: &mut Decoder,
        is_wanted: impl Fn(DayKey) -> bool,
    ) -> Vec<(DayKey, DayFacts)> {
        let (keys, groups) = decode_days(decoder, &self.bytes).expect("`encode_days` wrote them");
        if let [key] = keys[..] {
            #[expect(clippy::cast_possible_truncation, reason = "the upper half is the place, 0")]
            let pages = groups.ends.into_iter().map(|(group, end)| (group as u32, end)).collect();
            return vec![(key, DayFacts::from_columns(pages, groups.facts))];
        }
        let mut days = Vec::with_capacity(keys.len());
        let mut start = 0;
        for (key, place) in keys.into_iter().zip(0_u64..) {
            let count = groups.ends[start..].partition_point(|&(group, _)| group >> 32 <= place);
            if is_wanted(key) {
                days.extend(split(&groups, start..start + count).map(|facts| (key, facts)));
            }
            start += count;
        }
        days
    }
}

fn decode_days(decoder: &mut Decoder, mut bytes: &[u8]) -> Option<(Vec<DayKey>, Groups)> {
    let mut last = 0;
    let keys: Option<Vec<DayKey>> = (0..varint::take(&mut bytes)?)
        .map(|_| {
            last += varint::take(&mut bytes)?;
            #[expect(clippy::cast_possible_truncation, reason = "the lower half is the day")]
            let day = Day((last as u32 ^ 1 << 31).cast_signed());
            Some(DayKey { site: u32::try_from(last >> 32).ok()?, day })
        })
        .collect();
    let bounds = Bounds { pages: u64::MAX, visitors: 1 << 32 };
    Some((keys?, decoder.decode_groups(bytes, bounds).ok()?))
}

/// Some of the groups, which belong to one day.
fn split(groups: &Groups, range: std::ops::Range<usize>) -> Option<DayFacts> {
    let start = range.start.checked_sub(1).map_or(0, |before| groups.ends[before].1);
    let ends = &groups.ends[range];
    let &(_, end) = ends.last()?;
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is the page")]
    let pages = ends.iter().map(|&(group, end)| (group as u32, end - start)).collect();
    Some(DayFacts::from_columns(pages, groups.facts[start..end].to_vec()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::FactStore;
    use crate::facts::{DayFacts, DayKey};
    use crate::time::Day;

    type Counts = BTreeMap<(u32, i32, u32, u32, u16), u64>;

    /// A window's pieces: two a day, of even and odd pages.
    fn window(facts: &Counts) -> Vec<(DayKey, DayFacts)> {
        let mut pieces: BTreeMap<(DayKey, u32), DayFacts> = BTreeMap::new();
        for (&(site, day, page, visitor, minute), &views) in facts {
            let key = DayKey { site, day: Day(day) };
            pieces.entry((key, page % 2)).or_default().push(page, visitor, minute, views);
        }
        pieces.into_iter().map(|((key, _), facts)| (key, facts)).collect()
    }

    fn counts(store: &FactStore, keys: &[DayKey]) -> Counts {
        let mut counts = Counts::new();
        for (key, pieces) in keys.iter().zip(store.load(keys)) {
            let mut pages = Vec::new();
            for (page, facts) in pieces.iter().flat_map(DayFacts::pages) {
                pages.push(page);
                assert!(facts.is_sorted());
                for fact in facts {
                    let key = (key.site, key.day.0, page, fact.visitor(), fact.minute_of_day());
                    *counts.entry(key).or_default() += fact.views();
                }
            }
            pages.sort_unstable();
            assert!(pages.windows(2).all(|pair| pair[0] != pair[1]), "{pages:?}");
        }
        counts
    }

    #[test]
    fn any_windows_encoded_at_any_time_keep_their_facts() {
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            u32::try_from((state >> 33) % below).unwrap()
        };
        for case in 0..60_u32 {
            let (mut store, mut expected) = (FactStore::default(), Counts::new());
            let fat = case % 3 == 0;
            for number in 0..case % 7 + 1 {
                let mut facts = Counts::new();
                for _ in 0..random(if fat { 60_000 } else { 300 }) {
                    let minute = u16::try_from(random(1440)).unwrap();
                    let day = random(if fat { 2 } else { 40 }).cast_signed() - 20;
                    let key = (random(2), day, random(9) + number, random(50) << 8, minute);
                    *facts.entry(key).or_default() += 1;
                    *expected.entry(key).or_default() += 1;
                }
                store.add_window(window(&facts));
                if random(3) > 0 {
                    store.encode();
                }
            }
            let keys: Vec<DayKey> = store.days().keys().copied().collect();
            assert_eq!(counts(&store, &keys), expected);
            let mut by_day = Counts::new();
            for key in &keys {
                by_day.extend(counts(&store, &[*key]));
            }
            assert_eq!(by_day, expected);
            let views = store.fold(
                || 0,
                |sum, _, facts| {
                    *sum += facts
                        .pages()
                        .flat_map(|(_, facts)| facts)
                        .map(|fact| fact.views())
                        .sum::<u64>();
                },
                |one, other| one + other,
            );
            assert_eq!(views, expected.values().sum::<u64>());
        }
    }

    #[test]
    fn many_thin_days_cost_what_their_facts_cost() {
        let mut store = FactStore::default();
        let mut all = 0;
        for number in 0..8_u32 {
            let facts: Counts = (0..3650_i32)
                .map(|day| ((0, day, number % 5, day.cast_unsigned() % 97, 600), 1))
                .collect();
            all += facts.len();
            store.add_window(window(&facts));
            store.encode();
        }
        let bytes: usize =
            store.encoded.iter().map(|days| days.bytes.len() + size_of_val(days)).sum();
        assert!(bytes < all * 5, "{bytes} bytes for {all} facts, each alone in its day");
        assert_eq!(store.encoded.len(), 8);
    }
}
