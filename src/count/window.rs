//! From the records of a finished window to facts: sorted by visitor before, by share and page after.
//!
//! Owns: the distribution of records to buckets, and the layout of their sort keys. May import: the rest of `count`,
//! `facts`, `system::allocator`, rayon. Must not know: where records come from, what facts are used for.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use rayon::prelude::*;

use super::exchange::{ChunkList, PARTITIONS, PageViewRecord};
use super::names::PageNames;
use super::visitors::{Partition, Visitors};
use super::worker::{MINUTE_BITS, Worker};
use crate::error::Result;
use crate::facts::{DayFacts, ShareKey, radix};
use crate::system::allocator;

/// Most page views of a bucket: few enough for its sort to stay in the second-level cache.
const BUCKET_FACTS: u64 = 64 * 1024;

/// Number of page views from which on the memory of their records is given back to the system: 24 MiB.
const GIVEN_BACK_FROM: u64 = 1024 * 1024;

/// The assignment of (share, page)s to buckets. A share of many page views has several buckets, each with some of its
/// pages; several shares of few page views are in one.
#[derive(Debug)]
struct Plan {
    keys: Vec<ShareKey>,
    /// By index in `keys`.
    shares: Vec<PlannedShare>,
    buckets: Vec<BucketShares>,
    layout: Layout,
    /// Number of page views of all shares.
    views: u64,
}

#[derive(Clone, Copy, Debug)]
struct PlannedShare {
    /// The share's first bucket.
    bucket: u32,
    /// Number of lowest bits of the page that choose among the share's buckets.
    page_bits: u32,
    /// Number of the share among those of its bucket.
    number: u32,
}

#[derive(Clone, Copy, Debug)]
struct BucketShares {
    /// Index in `Plan::keys` of the bucket's first share.
    first_share: usize,
    /// Number of lowest bits that all pages of the bucket share.
    page_bits: u32,
    /// The value of these bits.
    page_low: u32,
}

/// The place of each field in a sort key; from the top: share, page, visitor, minute.
#[derive(Clone, Copy, Debug)]
struct Layout {
    page_shift: u32,
    share_shift: u32,
    bits: u32,
}

/// Number of bits of the largest number below `bound`.
fn bits_below(bound: u64) -> u32 {
    u64::BITS - bound.saturating_sub(1).leading_zeros()
}

impl Plan {
    fn new(views: &BTreeMap<ShareKey, u64>, page_bound: u64, visitor_bound: u64) -> Self {
        let page_bits_total = bits_below(page_bound);
        let (mut shares, mut buckets) =
            (Vec::with_capacity(views.len()), Vec::<BucketShares>::new());
        // Page views in the last bucket, if other shares may be in it, too.
        let mut open: Option<u64> = None;
        let mut most_shares = 1;
        for (share, &count) in views.values().enumerate() {
            if count > BUCKET_FACTS {
                open = None;
                let page_bits =
                    bits_below(count.div_ceil(BUCKET_FACTS)).min(page_bits_total).min(16);
                shares.push(PlannedShare { bucket: index(buckets.len()), page_bits, number: 0 });
                let lows = 0..1_u32 << page_bits;
                buckets.extend(lows.map(|page_low| BucketShares {
                    first_share: share,
                    page_bits,
                    page_low,
                }));
                continue;
            }
            open = match open {
                Some(views) if views + count <= BUCKET_FACTS => Some(views + count),
                _ => {
                    buckets.push(BucketShares { first_share: share, page_bits: 0, page_low: 0 });
                    Some(count)
                }
            };
            let number = index(share - buckets[buckets.len() - 1].first_share);
            most_shares = most_shares.max(number + 1);
            shares.push(PlannedShare { bucket: index(buckets.len() - 1), page_bits: 0, number });
        }
        let page_shift = MINUTE_BITS + bits_below(visitor_bound);
        let share_shift = page_shift + page_bits_total;
        let layout = Layout {
            page_shift,
            share_shift,
            bits: share_shift + bits_below(u64::from(most_shares)),
        };
        Self {
            keys: views.keys().copied().collect(),
            shares,
            buckets,
            layout,
            views: views.values().sum(),
        }
    }
}

fn index(value: usize) -> u32 {
    // Shares and buckets are far fewer than 2^32: a worker has at most 2^21 shares.
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// A record as a sort key: number of the share in the bucket, page, visitor, minute.
trait FactKey: radix::SortKey + Sync {
    fn pack(layout: &Layout, share: u32, page: u32, visitor: u32, minute: u32) -> Self;
    fn unpack(self, layout: &Layout) -> (u32, u32, u32, u16);
}

macro_rules! fact_key {
    ($integer:ty) => {
        impl FactKey for $integer {
            #[inline]
            fn pack(layout: &Layout, share: u32, page: u32, visitor: u32, minute: u32) -> Self {
                let low = Self::from(page) << layout.page_shift
                    | Self::from(visitor) << MINUTE_BITS
                    | Self::from(minute);
                // If every bucket has one share, the shift may be the full width.
                if share == 0 { low } else { Self::from(share) << layout.share_shift | low }
            }

            #[inline]
            #[expect(clippy::cast_possible_truncation, reason = "`pack` put 32 and 11 bits there")]
            fn unpack(self, layout: &Layout) -> (u32, u32, u32, u16) {
                let share = self.checked_shr(layout.share_shift).unwrap_or(0);
                let below_share = self ^ share.checked_shl(layout.share_shift).unwrap_or(0);
                let page = below_share >> layout.page_shift;
                let below_page = below_share ^ (page << layout.page_shift);
                let minute = below_page & ((1 << MINUTE_BITS) - 1);
                (share as u32, page as u32, (below_page >> MINUTE_BITS) as u32, minute as u16)
            }
        }
    };
}
fact_key!(u64);
fact_key!(u128);

/// The facts of a window. A share may have several pieces, which have no page in common.
type Window = Vec<(ShareKey, DayFacts)>;

/// Turns the workers' records into the facts of the window. Also returns the moment when all records had been distributed.
///
/// # Errors
/// [`Error::Limit`](crate::error::Error::Limit) if there are too many visitors to number.
pub(super) fn fold(
    workers: &mut [Worker],
    visitors: &mut Visitors,
    names: &PageNames,
) -> Result<(Window, Instant)> {
    let mut views = BTreeMap::new();
    for (key, count) in workers.iter().flat_map(|worker| &worker.shares) {
        *views.entry(*key).or_insert(0) += count;
    }
    // New visitors are numbered while records are distributed: in a partition, at most one for each record.
    let records = workers.iter_mut().map(|worker| worker.exchange.take()).collect::<Vec<_>>();
    let most_records = (0..PARTITIONS)
        .map(|partition| records.iter().map(|lists| lists[partition].len()).sum::<usize>())
        .max()
        .unwrap_or(0);
    let visitor_bound = visitors.number_bound() + (most_records * PARTITIONS) as u64;
    let plan = Plan::new(&views, names.number_bound() as u64, visitor_bound.min(1 << 32));
    let numbers: BTreeMap<ShareKey, u32> = plan.keys.iter().copied().zip(0..).collect();
    let origins: Vec<Origin<'_>> = workers
        .iter_mut()
        .map(|worker| {
            let shares = worker.take_shares();
            let planned = shares.iter().map(|(key, _)| plan.shares[numbers[key] as usize]);
            Origin { shares: planned.collect(), pages: worker.names.run_wide() }
        })
        .collect();
    if plan.layout.bits <= u64::BITS {
        distribute_and_sort::<u64>(&plan, records, &origins, visitors)
    } else {
        distribute_and_sort::<u128>(&plan, records, &origins, visitors)
    }
}

/// The meaning of a worker's own numbers.
struct Origin<'a> {
    pages: &'a [u32],
    shares: Vec<PlannedShare>,
}

/// One partition, waiting for a thread: its visitors, and its records by worker.
type PartitionRecords<'a> = (&'a mut Partition, Vec<ChunkList<PageViewRecord>>);

fn distribute_and_sort<K: FactKey>(
    plan: &Plan,
    records: Vec<Vec<ChunkList<PageViewRecord>>>,
    origins: &[Origin<'_>],
    visitors: &mut Visitors,
) -> Result<(Window, Instant)> {
    let mut by_partition: Vec<Vec<ChunkList<PageViewRecord>>> =
        (0..PARTITIONS).map(|_| Vec::new()).collect();
    for lists in records {
        for (partition, list) in by_partition.iter_mut().zip(lists) {
            partition.push(list);
        }
    }
    let partitions: Vec<PartitionRecords<'_>> =
        visitors.partitions_mut().iter_mut().zip(by_partition).collect();
    let queue = Mutex::new(partitions.into_iter());
    // Each thread fills lists of its own, so that nothing is shared.
    let distributed = (0..rayon::current_num_threads())
        .into_par_iter()
        .map(|_| {
            let mut buckets: Vec<ChunkList<K>> =
                plan.buckets.iter().map(|_| ChunkList::default()).collect();
            loop {
                let next = queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
                let Some((partition, lists)) = next else { return Ok(buckets) };
                for (list, origin) in lists.into_iter().zip(origins) {
                    distribute(plan, partition, &list, origin, &mut buckets)?;
                }
            }
        })
        .collect::<Result<Vec<_>>>()?;
    let all_distributed = Instant::now();
    if plan.views >= GIVEN_BACK_FROM {
        // The records are freed, but what follows needs larger pieces than they leave.
        allocator::give_back();
    }
    let mut by_bucket: Vec<Vec<ChunkList<K>>> = plan.buckets.iter().map(|_| Vec::new()).collect();
    for lists in distributed {
        for (bucket, list) in by_bucket.iter_mut().zip(lists) {
            bucket.push(list);
        }
    }
    let facts = by_bucket.into_par_iter().zip(&plan.buckets).map_init(
        || (Vec::<K>::new(), Vec::<K>::new()),
        |(keys, spare), (lists, shares)| {
            keys.clear();
            for list in lists {
                // The list's chunks are freed here, before the facts that they become take memory.
                list.chunks().for_each(|chunk| keys.extend_from_slice(chunk));
            }
            radix::sort(keys, spare, 0, plan.layout.bits);
            to_facts(plan, shares, keys)
        },
    );
    Ok((facts.flatten_iter().collect(), all_distributed))
}

/// Distributes the records that one worker has for a partition to the buckets.
fn distribute<K: FactKey>(
    plan: &Plan,
    partition: &mut Partition,
    list: &ChunkList<PageViewRecord>,
    origin: &Origin<'_>,
    buckets: &mut [ChunkList<K>],
) -> Result<()> {
    for chunk in list.chunks() {
        for record in chunk {
            let visitor = partition.number(record.visitor())?;
            let page = origin.pages[record.page as usize];
            let share = origin.shares[(record.when >> MINUTE_BITS) as usize];
            let minute = record.when & ((1 << MINUTE_BITS) - 1);
            let bucket = share.bucket + (page & ((1 << share.page_bits) - 1));
            let key = K::pack(&plan.layout, share.number, page >> share.page_bits, visitor, minute);
            buckets[bucket as usize].push(key);
        }
    }
    Ok(())
}

/// The sorted keys of a bucket as facts, share by share.
fn to_facts<K: FactKey>(
    plan: &Plan,
    bucket: &BucketShares,
    keys: &[K],
) -> Vec<(ShareKey, DayFacts)> {
    let share = |key: &K| key.unpack(&plan.layout).0;
    keys.chunk_by(|a, b| share(a) == share(b))
        .map(|keys| {
            // The exact capacity: a list that grows leaves holes in memory where it was.
            let distinct = 1 + keys.windows(2).filter(|pair| pair[0] != pair[1]).count();
            let mut facts = DayFacts::with_room(distinct);
            for same in keys.chunk_by(|a, b| a == b) {
                let (_, page, visitor, minute) = same[0].unpack(&plan.layout);
                let page = page << bucket.page_bits | bucket.page_low;
                facts.push(page, visitor, minute, same.len() as u64);
            }
            (plan.keys[bucket.first_share + share(&keys[0]) as usize], facts)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{FactKey, Layout, Plan, bits_below};
    use crate::facts::ShareKey;
    use crate::time::Day;

    #[test]
    fn keys_keep_their_fields_and_sort_by_them() {
        let layout = Layout { page_shift: 43, share_shift: 75, bits: 96 };
        let key = |share, page, visitor, minute| u128::pack(&layout, share, page, visitor, minute);
        let fields = (1 << 20, u32::MAX, u32::MAX, 1439);
        assert_eq!(key(fields.0, fields.1, fields.2, 1439).unpack(&layout), fields);
        assert!(key(0, 1, 0, 0) > key(0, 0, u32::MAX, 1439));
        // One share a bucket, and keys that fill all 64 bits.
        let layout = Layout { page_shift: 11 + 29, share_shift: 64, bits: 64 };
        let fields = (0, (1 << 24) - 1, (1 << 29) - 1, 1439);
        assert_eq!(u64::pack(&layout, 0, fields.1, fields.2, 1439).unpack(&layout), fields);
    }

    #[test]
    fn small_shares_have_a_bucket_together_and_large_ones_have_several() {
        assert_eq!([0, 1, 2, 3, 256, 257].map(bits_below), [0, 0, 1, 2, 8, 9]);
        let key = |number: i32| ShareKey {
            site: 0,
            day: Day(number / 2),
            source: number.cast_unsigned() % 2,
        };
        let views =
            [(key(0), 10), (key(1), 60_000), (key(2), 6_000), (key(3), 200_000), (key(4), 1)]
                .into();
        let plan = Plan::new(&views, 1000, 1000);
        let planned: Vec<_> =
            plan.shares.iter().map(|share| (share.bucket, share.page_bits, share.number)).collect();
        assert_eq!(planned, [(0, 0, 0), (0, 0, 1), (1, 0, 0), (2, 2, 0), (6, 0, 0)]);
        assert_eq!(plan.buckets.len(), 7);
        assert_eq!(plan.layout.bits, 11 + 10 + 10 + 1);
    }
}
