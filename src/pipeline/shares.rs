//! Sums and samples of the shares that one worker counts.
//!
//! Owns: [`ShareTallies`]. May import: `parse` (records), `select` (page views), `facts`, `time`. Must not know: which
//! inputs the sources are, blocks.

use std::collections::BTreeMap;

use crate::facts::hit_tally::HitTally;
use crate::facts::sample::{Sample, sample_value};
use crate::facts::{DayKey, ShareKey, ShareSums};
use crate::parse::record::Record;
use crate::select::PageView;
use crate::time::CivilTime;

/// The sums and samples of a worker's shares in a window. Those of a task can be dropped until it is finished.
#[derive(Debug, Default)]
pub(super) struct ShareTallies {
    /// Of finished tasks.
    finished: BTreeMap<ShareKey, (HitTally, Sample)>,
    /// Of the present task, all of whose lines are of one source.
    task: Vec<TaskShare>,
    /// Index in `task` by day.
    places: BTreeMap<DayKey, usize>,
    source: u32,
    /// Index in `task` of the last hit's share, which is mostly that of the next one, too.
    last: usize,
}

#[derive(Debug)]
struct TaskShare {
    day: DayKey,
    hits: HitTally,
    /// The values of page views that the sample of the finished tasks would not refuse.
    values: Vec<u64>,
    /// What the sample refuses: values above it.
    bound: u64,
}

impl ShareTallies {
    /// Begins a task with lines of source number `source`.
    pub(super) fn begin_task(&mut self, source: u32) {
        self.drop_task();
        self.source = source;
    }

    /// Adds a hit that is counted at `time`.
    #[inline]
    pub(super) fn hit(&mut self, site: u32, time: CivilTime, record: &Record<'_>) {
        let day = DayKey { site, day: time.day() };
        if self.task.get(self.last).is_none_or(|share| share.day != day) {
            self.find(day);
        }
        self.task[self.last].hits.hit(record);
    }

    /// Marks the last hit as a page view.
    #[inline]
    pub(super) fn page_view(&mut self, time: CivilTime, record: &Record<'_>, view: &PageView<'_>) {
        let share = &mut self.task[self.last];
        share.hits.page_view();
        let (status, bytes) = (record.status, record.bytes_sent);
        let value = sample_value(view.visitor, time.seconds(), status, bytes, view.page);
        if value <= share.bound {
            share.values.push(value);
        }
    }

    /// Makes the share of `day` the last one.
    #[cold]
    fn find(&mut self, day: DayKey) {
        self.last = *self.places.entry(day).or_insert_with(|| {
            let sample = self.finished.get(&day.of_source(self.source)).map(|(_, sample)| sample);
            let bound = sample.and_then(Sample::end).unwrap_or(u64::MAX);
            self.task.push(TaskShare { day, hits: HitTally::default(), values: Vec::new(), bound });
            self.task.len() - 1
        });
    }

    /// Drops what was added since the task began.
    pub(super) fn drop_task(&mut self) {
        self.task.clear();
        self.places.clear();
    }

    /// Keeps what was added since the task began.
    pub(super) fn finish_task(&mut self) {
        for TaskShare { day, hits, values, .. } in self.task.drain(..) {
            let (sums, sample) = self.finished.entry(day.of_source(self.source)).or_default();
            sums.merge(&hits);
            values.into_iter().for_each(|value| sample.offer(value));
        }
        self.places.clear();
    }

    /// Moves all that was kept into `shares`.
    pub(super) fn move_into(&mut self, shares: &mut BTreeMap<ShareKey, ShareSums>) {
        for (key, (hits, sample)) in std::mem::take(&mut self.finished) {
            shares.entry(key).or_default().merge(&ShareSums { hits: hits.sums(), sample });
        }
    }
}
