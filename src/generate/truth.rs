//! The exact answer to a generated log, known from what was drawn.
//!
//! Owns: [`Truth`], [`LineTruth`] and the cells that follow from them. May import: `time`, `cube` (cell rows), `text`.
//! Must not know: log formats, or the text of any line.

use std::collections::HashMap;
use std::io::{self, Write};

use super::text::written;
use crate::cube::{CellFormat, CellRow, CellWriter};
use crate::time::{Bucket, CivilTime, Granularity};

/// What a line counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineTruth {
    Malformed,
    Empty,
    Other,
    Hit { status: u16, bytes_sent: u64, view: Option<View> },
}

/// A page view: who saw which page when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    pub(super) visitor: u32,
    pub(super) page: u32,
    pub(super) time: CivilTime,
}

/// A page view to the minute; sorts by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct MinuteView {
    /// Minutes since 1970 on the wall clock.
    minute: i64,
    page: u32,
    visitor: u32,
}

/// The exact counts of a log by the default counting rules: page views, visitors by host and user agent, time as written.
///
/// `lines` = `hits` + `malformed` + `empty` + `other`.
#[derive(Debug, Default)]
pub struct Truth {
    /// Lines written.
    pub lines: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Well-formed lines.
    pub hits: u64,
    /// Hits that count.
    pub page_views: u64,
    /// Distinct visitors of all page views.
    pub unique_visitors: u64,
    /// Lines that are not of the format.
    pub malformed: u64,
    /// Empty lines.
    pub empty: u64,
    /// Lines of a beacon log that are not beacons.
    pub other: u64,
    /// Sum of the sizes of all hits, at most `u64::MAX`.
    pub bytes_sent: u64,
    /// Hits by the first digit of their status: 1xx to 5xx, then all others.
    pub status: [u64; 6],
    /// Hits with status 404.
    pub not_found: u64,
    /// Number of odd lines by the name of their kind.
    pub odd_lines: Vec<(&'static str, u64)>,
    /// A bit for each visitor.
    seen: Vec<u64>,
    /// All page views, where they are collected.
    facts: Option<Vec<MinuteView>>,
    /// Paths of the site's pages, then of the odd lines' pages; only where page views are collected.
    pub(super) paths: Vec<Vec<u8>>,
}

impl Truth {
    /// Counts of no lines. With `collect`, page views are collected for the cells, 16 bytes each.
    pub(super) fn new(collect: bool) -> Self {
        Self { facts: collect.then(Vec::new), ..Self::default() }
    }

    /// Whether page views are collected.
    pub(super) fn collects(&self) -> bool {
        self.facts.is_some()
    }

    pub(super) fn add(&mut self, line: LineTruth) {
        self.lines += 1;
        match line {
            LineTruth::Malformed => self.malformed += 1,
            LineTruth::Empty => self.empty += 1,
            LineTruth::Other => self.other += 1,
            LineTruth::Hit { status, bytes_sent, view } => {
                self.hits += 1;
                let class = match status {
                    100..=599 => usize::from(status / 100 - 1),
                    _ => 5,
                };
                self.status[class] += 1;
                self.not_found += u64::from(status == 404);
                self.bytes_sent = self.bytes_sent.saturating_add(bytes_sent);
                if let Some(view) = view {
                    self.add_view(view);
                }
            }
        }
    }

    fn add_view(&mut self, view: View) {
        self.page_views += 1;
        let (word, bit) = (view.visitor as usize / 64, 1 << (view.visitor % 64));
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        self.unique_visitors += u64::from(self.seen[word] & bit == 0);
        self.seen[word] |= bit;
        if let Some(facts) = &mut self.facts {
            let minute = i64::from(view.time.day().0) * 1440 + i64::from(view.time.minute_of_day());
            facts.push(MinuteView { minute, page: view.page, visitor: view.visitor });
        }
    }

    /// Writes all cells in the order and format of `hitmap analyze --cells`.
    ///
    /// # Errors
    /// Errors of the output; [`io::ErrorKind::InvalidInput`] if page views were not collected.
    pub fn write_cells(&self, format: CellFormat, output: impl Write) -> io::Result<()> {
        let Some(facts) = &self.facts else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the page views were not collected",
            ));
        };
        let names = PageNames::new(&self.paths, facts);
        // From here on, `page` is the rank of the page's name.
        let mut facts: Vec<MinuteView> = facts
            .iter()
            .map(|fact| MinuteView { page: names.rank_of_page[fact.page as usize], ..*fact })
            .collect();
        facts.sort_unstable();
        let mut cells =
            BucketWriter { writer: CellWriter::new(output, format), names, visitors: Vec::new() };
        let mut scratch = Vec::new();
        for granularity in Granularity::ALL {
            let minutes = match granularity {
                Granularity::Day => 1440,
                Granularity::Hour => 60,
                Granularity::Minute => 1,
            };
            for facts in
                facts.chunk_by(|a, b| a.minute.div_euclid(minutes) == b.minute.div_euclid(minutes))
            {
                scratch.clear();
                scratch.extend(facts.iter().map(|fact| (fact.page, fact.visitor)));
                scratch.sort_unstable();
                let first_minute = facts[0].minute.div_euclid(minutes) * minutes;
                let time = CivilTime::from_seconds(first_minute * 60);
                cells.write_bucket(
                    Bucket { day: time.day(), minute_of_day: time.minute_of_day(), granularity },
                    &scratch,
                )?;
            }
        }
        cells.writer.finish()?;
        Ok(())
    }
}

/// Written names of pages, sorted by section and page.
struct PageNames {
    sorted: Vec<String>,
    rank_of_page: Vec<u32>,
}

impl PageNames {
    fn new(paths: &[Vec<u8>], facts: &[MinuteView]) -> Self {
        let mut used = vec![false; paths.len()];
        for fact in facts {
            used[fact.page as usize] = true;
        }
        let names: HashMap<u32, String> = (0..)
            .zip(paths)
            .filter(|&(page, _)| used[page as usize])
            .map(|(page, path)| (page, written(path)))
            .collect();
        let mut sorted: Vec<String> = names.values().cloned().collect();
        sorted.sort_unstable_by(|a, b| (section(a), a).cmp(&(section(b), b)));
        // Paths of different bytes may be written alike; then they are one page.
        sorted.dedup();
        let ranks: HashMap<&str, u32> = sorted.iter().map(String::as_str).zip(0..).collect();
        let rank = |page| names.get(&page).map_or(u32::MAX, |name| ranks[name.as_str()]);
        let rank_of_page = (0..).zip(paths).map(|(page, _)| rank(page)).collect();
        Self { sorted, rank_of_page }
    }

    fn section(&self, page: u32) -> &str {
        section(&self.sorted[page as usize])
    }
}

/// The first segment of a path with both slashes, or `/`.
fn section(path: &str) -> &str {
    match path.get(1..).and_then(|rest| rest.find('/')) {
        Some(at) => &path[..at + 2],
        None => "/",
    }
}

struct BucketWriter<W: Write> {
    writer: CellWriter<W>,
    names: PageNames,
    visitors: Vec<u32>,
}

impl<W: Write> BucketWriter<W> {
    /// Writes the cells of one bucket from its (page, visitor) pairs, sorted.
    fn write_bucket(&mut self, bucket: Bucket, views: &[(u32, u32)]) -> io::Result<()> {
        self.write_cell(bucket, views, None, None)?;
        let mut rest = views;
        while let Some(&(first, _)) = rest.first() {
            let length = rest.partition_point(|&(page, _)| {
                self.names.section(page) == self.names.section(first)
            });
            let (section, others) = rest.split_at(length);
            self.write_cell(bucket, section, Some(first), None)?;
            for page in section.chunk_by(|a, b| a.0 == b.0) {
                self.write_cell(bucket, page, Some(first), Some(page[0].0))?;
            }
            rest = others;
        }
        Ok(())
    }

    /// Writes the cell that holds `views`; `in_section` is any page of its section.
    fn write_cell(
        &mut self,
        bucket: Bucket,
        views: &[(u32, u32)],
        in_section: Option<u32>,
        page: Option<u32>,
    ) -> io::Result<()> {
        self.visitors.clear();
        self.visitors.extend(views.iter().map(|&(_, visitor)| visitor));
        self.visitors.sort_unstable();
        self.visitors.dedup();
        self.writer.write(&CellRow {
            site: "default",
            bucket,
            section: in_section.map(|page| self.names.section(page)),
            page: page.map(|page| self.names.sorted[page as usize].as_str()),
            pv: views.len() as u64,
            uv: self.visitors.len() as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{CellFormat, LineTruth, Truth, View};
    use crate::time::{CivilTime, Day};

    #[test]
    fn cells_stand_in_the_order_of_the_contract() {
        let mut truth = Truth::new(true);
        truth.paths =
            [&b"/"[..], b"/b/2", b"/b/\xff", b"/b/\\xff", b"/a"].map(<[u8]>::to_vec).to_vec();
        let day = Day::from_date(2018, 3, 5).unwrap();
        for (visitor, page, minute) in
            [(7, 1, 61), (7, 1, 61), (8, 2, 61), (7, 3, 61), (9, 0, 0), (7, 4, 61)]
        {
            let view = Some(View { visitor, page, time: CivilTime::new(day, minute, 5) });
            truth.add(LineTruth::Hit { status: 200, bytes_sent: 10, view });
        }
        let mut output = Vec::new();
        truth.write_cells(CellFormat::Csv, &mut output).unwrap();
        let expected = "site,granularity,bucket,section,page,pv,uv\n\
            default,day,2018-03-05,,,6,3\n\
            default,day,2018-03-05,/,,2,2\n\
            default,day,2018-03-05,/,/,1,1\n\
            default,day,2018-03-05,/,/a,1,1\n\
            default,day,2018-03-05,/b/,,4,2\n\
            default,day,2018-03-05,/b/,/b/2,2,1\n\
            default,day,2018-03-05,/b/,/b/\\xff,2,2\n\
            default,hour,2018-03-05T00,,,1,1\n\
            default,hour,2018-03-05T00,/,,1,1\n\
            default,hour,2018-03-05T00,/,/,1,1\n\
            default,hour,2018-03-05T01,,,5,2\n";
        let output = String::from_utf8(output).unwrap();
        assert!(output.starts_with(expected), "{output}");
        assert!(output.ends_with("default,minute,2018-03-05T01:01,/b/,/b/\\xff,2,2\n"), "{output}");
        assert_eq!((truth.page_views, truth.unique_visitors, truth.bytes_sent), (6, 3, 60));
    }

    #[test]
    fn a_section_is_the_first_segment() {
        for (path, section) in [
            ("/", "/"),
            ("/a", "/"),
            ("/a/", "/a/"),
            ("/a/b/c", "/a/"),
            ("//", "//"),
            ("//a/b", "//"),
        ] {
            assert_eq!(super::section(path), section);
        }
    }
}
