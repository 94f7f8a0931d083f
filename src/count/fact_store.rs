//! The facts of all windows in little memory: those of earlier windows as columns, those of the last ones plain.
//!
//! Owns: when facts are encoded, which shares have columns together, how the pieces of a day are merged again. May import:
//! `facts::{columns, day_facts, varint}`, `time`, rayon. Must not know: where facts come from.
//!
//! Facts stay plain (8 bytes each) until a window begins with more than a million of them. Then all are encoded as columns
//! (about 3 bytes each). Shares of few facts have columns together. So neither many windows nor many days or sources cost
//! more memory than their facts.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::facts::columns::{Bounds, Decoder, Encoder, Groups};
use crate::facts::varint;
use crate::facts::{DayFacts, DayKey, ShareKey};
use crate::time::Day;

/// Number of facts from which on windows are encoded: 8 MiB, and enough for frames of columns to be worth it.
const ENCODED_FROM: usize = 1024 * 1024;
/// Number of facts from which on a share has columns of its own. Loading a smaller one decodes at most this many more.
const OWN_COLUMNS_FROM: usize = 8 * 1024;

/// The facts of all windows so far.
#[derive(Debug, Default)]
pub(super) struct FactStore {
    /// Facts that are not encoded yet.
    plain: BTreeMap<ShareKey, PlainShare>,
    plain_facts: usize,
    /// All other facts, by round, and within a round by share.
    encoded: Vec<EncodedShares>,
    /// Number of rounds: of times that `plain` was encoded.
    rounds: u32,
    /// Number of facts of each share; one that is in several windows counts each time.
    shares: BTreeMap<ShareKey, usize>,
    /// The same of each day.
    days: BTreeMap<DayKey, usize>,
}

/// The facts of a share that are not encoded yet.
#[derive(Debug, Default)]
struct PlainShare {
    pieces: Vec<DayFacts>,
    /// Number of windows they come from. Only pieces of the same window have no page in common.
    windows: u32,
}

/// Some facts of one share, or all facts of several shares, from one round.
#[derive(Debug)]
struct EncodedShares {
    round: u32,
    first: ShareKey,
    last: ShareKey,
    bytes: Box<[u8]>,
}

impl FactStore {
    /// Adds a window as pieces, by ascending share; pieces of the same share have no page in common.
    pub(super) fn add_window(&mut self, pieces: Vec<(ShareKey, DayFacts)>) {
        let mut last = None;
        for (key, facts) in pieces {
            *self.shares.entry(key).or_default() += facts.len();
            *self.days.entry(key.of_day()).or_default() += facts.len();
            self.plain_facts += facts.len();
            let share = self.plain.entry(key).or_default();
            if last != Some(key) {
                last = Some(key);
                share.windows += 1;
            }
            share.pieces.push(facts);
        }
    }

    /// Makes room for another window: encodes the plain facts, if there are many.
    pub(super) fn begin_window(&mut self) {
        self.encode_from(ENCODED_FROM);
    }

    /// Encodes the plain facts, if there are so many.
    pub(super) fn encode_from(&mut self, facts: usize) {
        if self.plain_facts >= facts {
            self.encode();
        }
    }

    /// Encodes all facts.
    pub(super) fn encode(&mut self) {
        let shares: Vec<(ShareKey, Cow<'_, [DayFacts]>)> =
            self.plain.par_iter().map(|(&key, share)| (key, share.joined())).collect();
        let mut together: Vec<Vec<(ShareKey, &DayFacts)>> = Vec::new();
        let mut room = 0;
        for (key, pieces) in &shares {
            let facts: usize = pieces.iter().map(DayFacts::len).sum();
            if facts >= OWN_COLUMNS_FROM {
                together.extend(pieces.iter().map(|piece| vec![(*key, piece)]));
                room = 0;
                continue;
            }
            if facts > room {
                together.push(Vec::new());
                room = OWN_COLUMNS_FROM;
            }
            room -= facts;
            if let Some(last) = together.last_mut() {
                last.extend(pieces.iter().map(|piece| (*key, piece)));
            }
        }
        let round = self.rounds;
        let encoded: Vec<EncodedShares> = together
            .par_iter()
            .filter(|pieces| !pieces.is_empty())
            .map_init(Encoder::default, |encoder, pieces| EncodedShares {
                round,
                first: pieces[0].0,
                last: pieces[pieces.len() - 1].0,
                bytes: encode_shares(encoder, pieces).into_boxed_slice(),
            })
            .collect();
        drop(shares);
        self.encoded.extend(encoded);
        self.plain.clear();
        self.plain_facts = 0;
        self.rounds += 1;
    }

    /// The shares that have facts, and an upper bound of their number; see [`Facts::day_len`](super::Facts::day_len).
    pub(super) fn shares(&self) -> &BTreeMap<ShareKey, usize> {
        &self.shares
    }

    /// The days that have facts, and an upper bound of their number.
    pub(super) fn days(&self) -> &BTreeMap<DayKey, usize> {
        &self.days
    }

    /// The facts of the shares `keys`, which ascend. The pieces of each share have no page in common.
    pub(super) fn load(&self, keys: &[ShareKey]) -> Vec<Cow<'_, [DayFacts]>> {
        let shares: Vec<(ShareKey, usize)> = keys.iter().copied().zip(0..).collect();
        self.load_joined(&shares, keys.len())
    }

    /// The facts of the days `keys`, which ascend, of all sources. The pieces of each day have no page in common.
    pub(super) fn load_days(&self, keys: &[DayKey]) -> Vec<Cow<'_, [DayFacts]>> {
        let shares_of = |(key, place): (&DayKey, usize)| {
            let range = key.of_source(0)..=key.of_source(u32::MAX);
            self.shares.range(range).map(move |(&share, _)| (share, place))
        };
        let shares: Vec<(ShareKey, usize)> = keys.iter().zip(0..).flat_map(shares_of).collect();
        self.load_joined(&shares, keys.len())
    }

    /// The facts of some shares, which ascend, joined by the place that each is given, from 0 to below `places`.
    fn load_joined(&self, shares: &[(ShareKey, usize)], places: usize) -> Vec<Cow<'_, [DayFacts]>> {
        let mut joined: Vec<Joined<'_>> = (0..places).map(|_| Joined::default()).collect();
        let (Some(&(first, _)), Some(&(last, _))) = (shares.first(), shares.last()) else {
            return joined.into_iter().map(Joined::pieces).collect();
        };
        let find = |key: ShareKey| {
            shares.binary_search_by_key(&key, |&(key, _)| key).ok().map(|found| shares[found].1)
        };
        let decoded: Vec<(u32, Vec<(ShareKey, DayFacts)>)> = self
            .encoded
            .par_iter()
            .filter(|encoded| encoded.first <= last && encoded.last >= first)
            .map_init(Decoder::default, |decoder, encoded| {
                (encoded.round, encoded.decode(decoder, |key| find(key).is_some()))
            })
            .collect();
        for (round, pieces) in decoded {
            for (key, facts) in pieces {
                if let Some(place) = find(key) {
                    joined[place].add_decoded(round, key.source, facts);
                }
            }
        }
        for (key, place) in shares {
            joined[*place].plain.extend(self.plain.get(key));
        }
        joined.into_par_iter().map(Joined::pieces).collect()
    }

    /// Drops the facts of some sources. Those that are encoded together with others keep their memory.
    pub(super) fn drop_sources(&mut self, sources: &BTreeSet<u32>) {
        let is_kept = |key: &ShareKey| !sources.contains(&key.source);
        self.plain.retain(|key, _| is_kept(key));
        self.plain_facts =
            self.plain.values().flat_map(|share| &share.pieces).map(DayFacts::len).sum();
        self.encoded.retain(|encoded| encoded.first != encoded.last || is_kept(&encoded.first));
        self.shares.retain(|key, _| is_kept(key));
        self.days.clear();
        for (key, facts) in &self.shares {
            *self.days.entry(key.of_day()).or_default() += facts;
        }
    }

    /// Folds over all facts in parallel and in any order, by pieces of shares. Each thread holds only one decoded piece, or
    /// the shares that have columns together.
    pub(super) fn fold<T: Send>(
        &self,
        new: impl Fn() -> T + Send + Sync,
        add: impl Fn(&mut T, ShareKey, &DayFacts) + Send + Sync,
        join: impl Fn(T, T) -> T + Send + Sync,
    ) -> T {
        let plain: Vec<(ShareKey, &DayFacts)> = self
            .plain
            .iter()
            .flat_map(|(&key, share)| share.pieces.iter().map(move |piece| (key, piece)))
            .collect();
        let plain = plain.par_iter().fold(&new, |mut folded, (key, facts)| {
            add(&mut folded, *key, facts);
            folded
        });
        let encoded = self.encoded.par_iter().fold(
            || (new(), Decoder::default()),
            |(mut folded, mut decoder), encoded| {
                // Dropped sources have no shares.
                let is_wanted = |key| self.shares.contains_key(&key);
                for (key, facts) in encoded.decode(&mut decoder, is_wanted) {
                    add(&mut folded, key, &facts);
                }
                (folded, decoder)
            },
        );
        plain.chain(encoded.map(|(folded, _)| folded)).reduce(&new, &join)
    }
}

impl PlainShare {
    /// The facts of the share, in pieces that have no page in common.
    fn joined(&self) -> Cow<'_, [DayFacts]> {
        if self.windows < 2 {
            return Cow::Borrowed(&self.pieces);
        }
        Cow::Owned(DayFacts::merge(&self.pieces.iter().collect::<Vec<_>>()))
    }
}

/// The facts of a share, or of shares of one day, while they are loaded.
#[derive(Default)]
struct Joined<'k> {
    plain: Vec<&'k PlainShare>,
    decoded: Vec<DayFacts>,
    /// Number of pairs of round and source that `decoded` comes from. Only pieces of one pair have no page in common.
    origins: u32,
    last_origin: Option<(u32, u32)>,
}

impl<'k> Joined<'k> {
    /// Adds decoded facts. Those of the same round and source must be added in a row.
    fn add_decoded(&mut self, round: u32, source: u32, facts: DayFacts) {
        self.origins += u32::from(self.last_origin != Some((round, source)));
        self.last_origin = Some((round, source));
        self.decoded.push(facts);
    }

    /// The facts, in pieces that have no page in common.
    fn pieces(self) -> Cow<'k, [DayFacts]> {
        match (&self.plain[..], self.origins) {
            ([plain], 0) => plain.joined(),
            ([], 0..=1) => Cow::Owned(self.decoded),
            (plain, _) => {
                let plain = plain.iter().flat_map(|share| &share.pieces);
                Cow::Owned(DayFacts::merge(&self.decoded.iter().chain(plain).collect::<Vec<_>>()))
            }
        }
    }
}

/// Pieces of shares as bytes: the list of shares, then columns, whose groups are the piece's index in that list (upper 32
/// bits) and the page.
fn encode_shares(encoder: &mut Encoder, pieces: &[(ShareKey, &DayFacts)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint::put(&mut bytes, pieces.len() as u64);
    let mut last = 0;
    for &(key, _) in pieces {
        let day = u64::from(key.site) << 32 | u64::from(key.day.0.cast_unsigned() ^ 1 << 31);
        varint::put(&mut bytes, day - last);
        varint::put(&mut bytes, key.source.into());
        last = day;
    }
    let groups = pieces.iter().zip(0_u64..).flat_map(|(&(_, facts), place)| {
        facts.pages().map(move |(page, facts)| (place << 32 | u64::from(page), facts))
    });
    bytes.extend(encoder.encode_groups(groups));
    bytes
}

impl EncodedShares {
    /// The facts of the shares for which `is_wanted` is true, or of the only one.
    fn decode(
        &self,
        decoder: &mut Decoder,
        is_wanted: impl Fn(ShareKey) -> bool,
    ) -> Vec<(ShareKey, DayFacts)> {
        let (keys, groups) =
            decode_shares(decoder, &self.bytes).expect("`encode_shares` wrote them");
        if let [key] = keys[..] {
            #[expect(clippy::cast_possible_truncation, reason = "the upper half is the place, 0")]
            let pages = groups.ends.into_iter().map(|(group, end)| (group as u32, end)).collect();
            return vec![(key, DayFacts::from_columns(pages, groups.facts))];
        }
        let mut shares = Vec::with_capacity(keys.len());
        let mut start = 0;
        for (key, place) in keys.into_iter().zip(0_u64..) {
            let count = groups.ends[start..].partition_point(|&(group, _)| group >> 32 <= place);
            if is_wanted(key) {
                shares.extend(split(&groups, start..start + count).map(|facts| (key, facts)));
            }
            start += count;
        }
        shares
    }
}

fn decode_shares(decoder: &mut Decoder, mut bytes: &[u8]) -> Option<(Vec<ShareKey>, Groups)> {
    let mut last = 0;
    let keys: Option<Vec<ShareKey>> = (0..varint::take(&mut bytes)?)
        .map(|_| {
            last += varint::take(&mut bytes)?;
            #[expect(clippy::cast_possible_truncation, reason = "the lower half is the day")]
            let day = Day((last as u32 ^ 1 << 31).cast_signed());
            let site = u32::try_from(last >> 32).ok()?;
            Some(ShareKey { site, day, source: u32::try_from(varint::take(&mut bytes)?).ok()? })
        })
        .collect();
    let bounds = Bounds { pages: u64::MAX, visitors: 1 << 32 };
    Some((keys?, decoder.decode_groups(bytes, bounds).ok()?))
}

/// Some of the groups, which belong to one share.
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
    use crate::facts::{DayFacts, DayKey, ShareKey};
    use crate::time::Day;

    /// Views of each share, page, visitor and minute.
    type Counts = BTreeMap<(ShareKey, u32, u32, u16), u64>;

    /// A window's pieces: two a share, of even and odd pages.
    fn window(facts: &Counts) -> Vec<(ShareKey, DayFacts)> {
        let mut pieces: BTreeMap<(ShareKey, u32), DayFacts> = BTreeMap::new();
        for (&(key, page, visitor, minute), &views) in facts {
            pieces.entry((key, page % 2)).or_default().push(page, visitor, minute, views);
        }
        pieces.into_iter().map(|((key, _), facts)| (key, facts)).collect()
    }

    /// Adds the views in `pieces`, which must have no page in common, as those of `key`.
    fn add(counts: &mut Counts, key: ShareKey, pieces: &[DayFacts]) {
        let mut pages = Vec::new();
        for (page, facts) in pieces.iter().flat_map(DayFacts::pages) {
            pages.push(page);
            assert!(facts.is_sorted());
            for fact in facts {
                let key = (key, page, fact.visitor(), fact.minute_of_day());
                *counts.entry(key).or_default() += fact.views();
            }
        }
        pages.sort_unstable();
        assert!(pages.windows(2).all(|pair| pair[0] != pair[1]), "{pages:?}");
    }

    fn counts(store: &FactStore, keys: &[ShareKey]) -> Counts {
        let mut counts = Counts::new();
        for (key, pieces) in keys.iter().zip(store.load(keys)) {
            add(&mut counts, *key, &pieces);
        }
        counts
    }

    fn counts_of_days(store: &FactStore, keys: &[DayKey]) -> Counts {
        let mut counts = Counts::new();
        for (key, pieces) in keys.iter().zip(store.load_days(keys)) {
            add(&mut counts, key.of_source(0), &pieces);
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
                    let (site, source) = (random(2), random(u64::from(1 + case % 4)));
                    let share = ShareKey { site, day: Day(day), source };
                    let key = (share, random(9) + number, random(50) << 8, minute);
                    *facts.entry(key).or_default() += 1;
                    *expected.entry(key).or_default() += 1;
                }
                store.add_window(window(&facts));
                if random(3) > 0 {
                    store.encode();
                }
            }
            let keys: Vec<ShareKey> = store.shares().keys().copied().collect();
            assert_eq!(counts(&store, &keys), expected);
            let mut by_share = Counts::new();
            for key in &keys {
                by_share.extend(counts(&store, &[*key]));
            }
            assert_eq!(by_share, expected);
            let mut of_days = Counts::new();
            for (&(share, page, visitor, minute), views) in &expected {
                let key = (share.of_day().of_source(0), page, visitor, minute);
                *of_days.entry(key).or_default() += views;
            }
            let days: Vec<DayKey> = store.days().keys().copied().collect();
            assert_eq!(counts_of_days(&store, &days), of_days);
            for key in &days {
                let shares = keys.iter().filter(|share| share.of_day() == *key);
                let facts: usize = shares.map(|share| store.shares()[share]).sum();
                assert_eq!(store.days()[key], facts);
            }
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
    fn many_thin_shares_cost_what_their_facts_cost() {
        let mut store = FactStore::default();
        let mut all = 0;
        for number in 0..8_u32 {
            let facts: Counts = (0..3650_i32)
                .map(|day| {
                    let source = (day % 2).cast_unsigned();
                    let share = ShareKey { site: 0, day: Day(day / 2), source };
                    ((share, number % 5, day.cast_unsigned() % 97, 600), 1)
                })
                .collect();
            all += facts.len();
            store.add_window(window(&facts));
            store.encode();
        }
        let bytes: usize =
            store.encoded.iter().map(|shares| shares.bytes.len() + size_of_val(shares)).sum();
        assert!(bytes < all * 6, "{bytes} bytes for {all} facts, each alone in its share");
        assert_eq!(store.encoded.len(), 8);
    }
}
