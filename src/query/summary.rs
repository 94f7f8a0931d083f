//! What every report is made from: the finished numbers of one run.
//!
//! Owns: [`Summary`] and its parts. May import: `time`, and the types of its siblings. Must not know: how the numbers were
//! made or how they are shown. All text here is UTF-8 with foreign bytes already written as `\xNN`;
//! control characters may still be in it.

use super::Grouping;
use super::buckets::Buckets;
use super::comparison::Comparison;
use super::counted::Counted;
use crate::time::{Bucket, CivilTime, Day};

/// The finished numbers of a run.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// What was read, in the order given.
    pub inputs: Vec<InputSummary>,
    /// What the numbers mean.
    pub definition: Definition,
    /// Sums over everything read.
    pub totals: Totals,
    /// How many cells the cube has, and their sums, by [`Granularity::ALL`](crate::time::Granularity::ALL)
    /// and then by level: site, section, page.
    pub cells: [[CellSum; 3]; 3],
    /// PV and UV of every day that has a page view, by site, then by time.
    pub days: Vec<BucketRow>,
    /// The same of every hour.
    pub hours: Vec<BucketRow>,
    /// The minute with the most page views of a site (the earliest of equals).
    pub busiest_minute: Option<BucketRow>,
    /// Sections over the whole range, by PV (most first), then site and name; at most `--top`.
    pub sections: Vec<SectionRow>,
    /// Distinct sections over the whole range.
    pub section_count: u64,
    /// Pages over the whole range, by PV (most first), then site and name; at most `--top`.
    pub pages: Vec<PageRow>,
    /// Distinct pages over the whole range.
    pub page_count: u64,
    /// The first malformed lines in (input, offset) order.
    pub malformed_samples: Vec<MalformedSample>,
    /// How long it took.
    pub timing: Timing,
    /// What was asked of a database; `None` where logs were read.
    pub stored: Option<Stored>,
}

/// What was asked of a database, and what only a database can answer.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// The file.
    pub database: String,
    /// How many sources it holds of the sites asked for.
    pub sources: u64,
    /// The range, section and page that were asked for, in words.
    pub question: String,
    /// Whether everything was asked for, so that sums over lines are known.
    pub is_everything: bool,
    /// Whether whole days of whole sites were asked for, so that sums over hits are known.
    pub has_hits: bool,
    /// The first day that the database has: new visitors are new since then.
    pub first_day: Option<Day>,
    /// Days before this one were pruned, of one site at least: they are not in any number here.
    pub pruned_before: Option<Day>,
    /// Visitors of each day of a site that came for the first time, and those that had come before.
    pub new_visitors: Vec<NewVisitors>,
    /// The granularity of `by`: minute, hour, day, week or month.
    pub by_name: Option<&'static str>,
    /// Site, bucket, PV and UV at that granularity, of buckets with page views; they hold what of them lies in the range.
    pub by: Vec<(String, String, u64, u64)>,
    /// The same without gaps, for reports.
    pub buckets: Option<Buckets>,
    /// What was asked to have a row each; all sections or all pages are listed, if it was those.
    pub grouping: Option<Grouping>,
    /// What was counted.
    pub counted: Counted,
    /// The day that `today` stands for, if a range was named.
    pub today: Option<Today>,
    /// What has changed since an earlier range.
    pub comparison: Option<Comparison>,
}

/// The day on the clock that a database counts by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Today {
    /// The day.
    pub day: Day,
    /// Whose day it is: the zone of `--tz`, or an offset such as `+0800`.
    pub zone: String,
}

/// New and returning visitors of a site's day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewVisitors {
    /// The site's name.
    pub site: String,
    /// The day.
    pub day: Day,
    /// Visitors that were on no earlier day of the database.
    pub new: u64,
    /// The other visitors.
    pub returning: u64,
}

/// One input.
#[derive(Clone, Debug, Default)]
pub struct InputSummary {
    /// As given on the command line; `-` is standard input.
    pub path: String,
    /// Bytes of log read; of a compressed input after decoding.
    pub bytes: u64,
    /// Lines read.
    pub lines: u64,
    /// Its log format, such as `combined inside CRI`; `unknown` where no line could be read.
    pub format: String,
}

/// What a page view, a visitor, a time and a page are in this run, in the words of the options.
#[derive(Clone, Debug, Default)]
pub struct Definition {
    /// `page-views` or `hits`.
    pub count: String,
    /// For instance `ip+ua`.
    pub visitor: String,
    /// `as written`, or the zone times were converted to.
    pub tz: String,
    /// For instance `path without query`.
    pub page: String,
    /// Section rule, for instance `first path segment` or the patterns.
    pub section: String,
}

/// Sums over all lines. `lines = hits + malformed + empty + other`.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Lines read.
    pub lines: u64,
    /// Well-formed log lines.
    pub hits: u64,
    /// Hits that count (with `--count hits`: all of them).
    pub page_views: u64,
    /// Distinct visitors over everything, all sites together.
    pub unique_visitors: u64,
    /// Sum of the daily unique visitors: what other tools call unique visitors.
    pub sum_of_daily_unique_visitors: u64,
    /// Bytes sent, over all hits.
    pub bytes_sent: u64,
    /// Hits by status class: 1xx, 2xx, 3xx, 4xx, 5xx, other.
    pub status: [u64; 6],
    /// Hits with status 404.
    pub not_found: u64,
    /// Lines that are no log lines of the file's format.
    pub malformed_lines: u64,
    /// Empty lines.
    pub empty_lines: u64,
    /// Lines of a beacon log that are not beacons.
    pub other_lines: u64,
    /// The earliest hit, as bucketed.
    pub first: Option<CivilTime>,
    /// The latest hit, as bucketed.
    pub last: Option<CivilTime>,
    /// The offsets from UTC that lines carried, in minutes, ascending.
    pub offsets_minutes: Vec<i16>,
    /// Days on which `--tz` folded a repeated hour into one.
    pub repeated_hour_days: Vec<Day>,
}

/// How many cells there are, and the sums of their PV and UV.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CellSum {
    /// Number of cells.
    pub cells: u64,
    /// Sum of their page views.
    pub pv: u64,
    /// Sum of their unique visitors.
    pub uv: u64,
}

/// PV and UV of a site in a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketRow {
    /// The site's name.
    pub site: String,
    /// When.
    pub bucket: Bucket,
    /// Page views.
    pub pv: u64,
    /// Unique visitors.
    pub uv: u64,
}

/// PV and UV of a section over the whole range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionRow {
    /// The site's name.
    pub site: String,
    /// For instance `/movie/`.
    pub section: String,
    /// Page views.
    pub pv: u64,
    /// Unique visitors, distinct over the range.
    pub uv: u64,
}

/// PV and UV of a page over the whole range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRow {
    /// The site's name.
    pub site: String,
    /// The section it belongs to.
    pub section: String,
    /// For instance `/movie/1.html`.
    pub page: String,
    /// Page views.
    pub pv: u64,
    /// Unique visitors, distinct over the range.
    pub uv: u64,
}

/// A malformed line, kept to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MalformedSample {
    /// The input, as given.
    pub path: String,
    /// Line number in the input, from 1.
    pub line: u64,
    /// Byte offset of the line's start in the (decompressed) input.
    pub offset: u64,
    /// Why it is malformed, for instance `no closing quote of the user agent`.
    pub reason: String,
    /// The beginning of the line.
    pub text: String,
}

/// How long the run took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    /// Wall-clock seconds from start to the finished numbers.
    pub seconds: f64,
    /// Worker threads.
    pub threads: usize,
}
