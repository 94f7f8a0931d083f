//! Sums over lines: the number of each kind, bytes, statuses, time span, samples of malformed lines.
//!
//! Owns: [`Tally`] and its merge. May import: `time`, `parse` (records, reasons). Must not know: files, threads.

use std::collections::{BTreeMap, BTreeSet};

use crate::parse::Reason;
use crate::parse::record::Record;
use crate::time::{CivilTime, Day};

/// Number of malformed lines kept as samples: the first ones.
pub const MALFORMED_SAMPLES: usize = 10;
/// Number of bytes of a malformed line kept in its sample.
const SAMPLE_BYTES: usize = 400;

/// Sums over lines. `lines = hits + malformed_lines + empty_lines + other_lines`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All lines.
    pub lines: u64,
    /// Well-formed lines.
    pub hits: u64,
    /// Hits that count as page views.
    pub page_views: u64,
    /// Malformed lines.
    pub malformed_lines: u64,
    /// Empty lines.
    pub empty_lines: u64,
    /// Lines of a beacon log that are not beacons.
    pub other_lines: u64,
    /// Bytes sent, over all hits. `u64::MAX` means that many or more.
    pub bytes_sent: u64,
    /// Hits by class of status: 1xx to 5xx, then any other.
    pub status: [u64; 6],
    /// Hits with status 404.
    pub not_found: u64,
    /// Times of the earliest and the latest hit, in the zone of the counts.
    pub span: Option<(CivilTime, CivilTime)>,
    /// Offsets from UTC that hits were logged with, in minutes.
    pub offsets_minutes: BTreeSet<i16>,
    /// Days on which a hit fell into an hour that the clock of `--tz` shows twice.
    pub repeated_hour_days: BTreeSet<Day>,
    /// Lines that began with NUL bytes, which were passed over. Not stored with parts and databases.
    pub nul_lines: u64,
    /// Malformed lines by reason. Not stored with parts and databases.
    pub reasons: BTreeMap<Reason, u64>,
    /// The first [`MALFORMED_SAMPLES`] malformed lines, by offset. Not stored with parts and databases.
    pub samples: Vec<Sample>,
}

/// A sample of a malformed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Number of tallied lines before it.
    pub line_index: u64,
    /// Byte offset of the line in the log.
    pub offset: u64,
    /// Why the line is malformed.
    pub reason: Reason,
    /// The first bytes of the line.
    pub bytes: Vec<u8>,
}

impl Tally {
    /// Adds a hit that is counted at `time`.
    #[inline]
    pub fn hit(&mut self, record: &Record<'_>, time: CivilTime) {
        self.hits += 1;
        self.bytes_sent = self.bytes_sent.saturating_add(record.bytes_sent);
        let class = match record.status {
            status @ 100..=599 => usize::from(status / 100 - 1),
            _ => 5,
        };
        self.status[class] += 1;
        self.not_found += u64::from(record.status == 404);
        match &mut self.span {
            Some((first, last)) => {
                *first = time.min(*first);
                *last = time.max(*last);
            }
            None => self.span = Some((time, time)),
        }
    }

    /// Adds a malformed line; see [`Sample`] for its place.
    pub fn malformed(&mut self, offset: u64, line_index: u64, line: &[u8], reason: Reason) {
        self.malformed_lines += 1;
        *self.reasons.entry(reason).or_default() += 1;
        if self.samples.len() < MALFORMED_SAMPLES {
            let bytes = line[..line.len().min(SAMPLE_BYTES)].to_vec();
            self.samples.push(Sample { line_index, offset, reason, bytes });
        }
    }

    /// The same without samples of malformed lines, which are shown with their input and not in sums.
    #[must_use]
    pub fn without_samples(&self) -> Self {
        Self { samples: Vec::new(), ..self.clone() }
    }

    /// Adds another tally. This is associative, with `Tally::default()` as identity, and commutative unless samples have
    /// the same offset. Samples keep their `line_index`; it is for the caller to make it count from the same line.
    pub fn merge(&mut self, other: Self) {
        // Every field by name, so that a new one cannot be forgotten.
        let Self {
            lines,
            hits,
            page_views,
            malformed_lines,
            empty_lines,
            other_lines,
            bytes_sent,
            status,
            not_found,
            span,
            offsets_minutes,
            repeated_hour_days,
            nul_lines,
            reasons,
            samples,
        } = other;
        self.lines += lines;
        self.hits += hits;
        self.page_views += page_views;
        self.malformed_lines += malformed_lines;
        self.empty_lines += empty_lines;
        self.other_lines += other_lines;
        self.bytes_sent = self.bytes_sent.saturating_add(bytes_sent);
        for (sum, count) in self.status.iter_mut().zip(status) {
            *sum += count;
        }
        self.not_found += not_found;
        self.span = match (self.span, span) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
        self.offsets_minutes.extend(offsets_minutes);
        self.repeated_hour_days.extend(repeated_hour_days);
        self.nul_lines += nul_lines;
        for (reason, lines) in reasons {
            *self.reasons.entry(reason).or_default() += lines;
        }
        self.samples.extend(samples);
        self.samples.sort_by_key(|sample| sample.offset);
        self.samples.truncate(MALFORMED_SAMPLES);
    }
}
