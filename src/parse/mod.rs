//! Lines to records, one module a format.
//!
//! Owns: [`LogFormat`], its detection, [`Parser`] and [`Reason`]. May import: `calendar`, `record`, the longest line of `source`.
//! Must not know: files, threads, what counts, or the command line.
//!
//! Lines are found by one scan for quotes and line ends (`index`), a small window at a time; the usual line is read from
//! those marks (`fast`), any other by the careful parser (`combined`), which says what the grammar is. While a window's
//! lines are read, the bytes of the next one are on their way (`prefetch`).
//!
//! To add a format: a file here, a variant of [`LogFormat`], and its arm in [`Parser::lines`].

mod blank;
mod combined;
mod dig;
mod escape;
mod fast;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod index;
mod prefetch;
pub mod record;
mod time;
mod way;

use memchr::memchr;

use crate::parse::record::Record;
use crate::source::MAX_LINE_BYTES;
use index::{Marks, WINDOW_BYTES};
use prefetch::{CACHE_LINE_BYTES, prefetch};
use time::Clock;
#[doc(hidden)]
pub use way::Way;

/// A log format by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// nginx `combined`, Apache `combined`: common, then `"REFERRER" "USER AGENT"`.
    Combined,
    /// Apache `common`, the NCSA Common Log Format.
    Common,
    /// Combined lines whose requests are beacons, `/dig?…url=…&ua=…`.
    Dig,
}

impl LogFormat {
    /// Every format, in the order `--help` names them.
    pub const ALL: [Self; 3] = [Self::Combined, Self::Common, Self::Dig];

    /// The name on the command line and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Combined => "combined",
            Self::Common => "common",
            Self::Dig => "dig",
        }
    }

    /// Whether every hit of the format is a beacon: a page view whatever its method, status and extension.
    #[must_use]
    pub const fn is_beacon(self) -> bool {
        matches!(self, Self::Dig)
    }

    /// The format of a file, judged by all lines of a `sample` from its beginning; `None` where no line is of a
    /// known format, so that the next sample decides.
    ///
    /// Most well-formed lines decide between combined and common. Combined is dig when at least 90 % of the
    /// readable requests target `/dig`.
    #[must_use]
    pub fn detect(sample: &[u8]) -> Option<Self> {
        let mut clock = Clock::default();
        let (mut combined, mut common, mut readable, mut beacons) = (0_u64, 0_u64, 0_u64, 0_u64);
        for line in sample.split(|&byte| byte == b'\n').map(trim_carriage_return) {
            if let Ok(record) = combined::parse(line, true, &mut clock) {
                combined += 1;
                if let Some(request) = record.request {
                    readable += 1;
                    beacons += u64::from(dig::is_beacon(request.target));
                }
            } else if combined::parse(line, false, &mut clock).is_ok() {
                common += 1;
            }
        }
        match (combined, common) {
            (0, 0) => None,
            _ if common > combined => Some(Self::Common),
            _ if beacons > 0 && beacons * 10 >= readable * 9 => Some(Self::Dig),
            _ => Some(Self::Combined),
        }
    }
}

/// Why a line is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// There is no host, or a blank in its place.
    Host,
    /// There is no identity (the second field).
    Identity,
    /// There is no user before the date's bracket.
    User,
    /// The bracketed time is torn or not of the form `DD/Mon/YYYY:HH:MM:SS ±ZZZZ`.
    Time,
    /// The calendar or the clock has no such time.
    Date,
    /// No quoted request follows the time.
    Request,
    /// The status is not three digits.
    Status,
    /// The size is neither digits nor `-`.
    Size,
    /// A combined line needs a quoted referrer here; a common line ends here.
    Referrer,
    /// The quoted user agent is missing or torn.
    UserAgent,
    /// Something follows the last field without a blank, or a common line goes on.
    Rest,
    /// A beacon without `url` or `ua`.
    BeaconArgument,
    /// A beacon argument with a bad `%` escape.
    BeaconEscape,
    /// The line is longer than [`MAX_LINE_BYTES`].
    TooLong,
}

impl Reason {
    /// The reason in words, without a line end.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Host => "no host at the start of the line",
            Self::Identity => "no identity after the host",
            Self::User => "no user before the bracketed time",
            Self::Time => "the time is not [DD/Mon/YYYY:HH:MM:SS +ZZZZ]",
            Self::Date => "no such date or time",
            Self::Request => "no complete quoted request after the time",
            Self::Status => "the status is not three digits",
            Self::Size => "the size is neither digits nor -",
            Self::Referrer => "no complete quoted referrer after the size",
            Self::UserAgent => "no complete quoted user agent after the referrer",
            Self::Rest => "the line goes on after its last field",
            Self::BeaconArgument => "the beacon has no url or no ua",
            Self::BeaconEscape => "a bad % escape in an argument of the beacon",
            Self::TooLong => "longer than 256 MiB",
        }
    }
}

/// Takes what a parser finds, line by line in order.
pub trait LineSink {
    /// A well-formed line.
    fn hit(&mut self, record: &Record<'_>);
    /// A line that is not of the format; `offset` is its start in the bytes given to [`Parser::lines`],
    /// `line_index` its number there, from 0.
    fn malformed(&mut self, offset: usize, line_index: u64, line: &[u8], reason: Reason);
    /// An empty line.
    fn empty(&mut self);
    /// A line of a beacon log that is not a beacon.
    fn other(&mut self);
}

/// What a line is.
enum Line<'a> {
    Hit(Record<'a>),
    Other,
}

/// Parses the lines of one format. Keeps caches, so make one a thread and use it long.
#[derive(Debug)]
pub struct Parser {
    format: LogFormat,
    clock: Clock,
    decoded: dig::Decoded,
    marks: Marks,
}

impl Parser {
    /// A parser of `format`.
    #[must_use]
    pub fn new(format: LogFormat) -> Self {
        Self {
            format,
            clock: Clock::default(),
            decoded: dig::Decoded::default(),
            marks: Marks::default(),
        }
    }

    /// Parses all lines of `bytes`, the last with or without its line end, and returns how many they are.
    pub fn lines(&mut self, bytes: &[u8], sink: &mut impl LineSink) -> u64 {
        // The format is chosen once, not for each line.
        match self.format {
            LogFormat::Combined => self.lines_as::<true, false>(bytes, sink),
            LogFormat::Common => self.lines_as::<false, false>(bytes, sink),
            LogFormat::Dig => self.lines_as::<true, true>(bytes, sink),
        }
    }

    /// Parses lines of the combined (`WITH_AGENT`) or common grammar, that are beacons or not.
    fn lines_as<const WITH_AGENT: bool, const BEACONS: bool>(
        &mut self,
        bytes: &[u8],
        sink: &mut impl LineSink,
    ) -> u64 {
        let Self { clock, decoded, marks: found, .. } = self;
        let mut offset = 0;
        let mut line_index = 0;
        while offset < bytes.len() {
            let window = &bytes[offset..bytes.len().min(offset + WINDOW_BYTES)];
            found.find(window);
            let mut quotes = found.quotes();
            let mut start = 0;
            for &end in found.line_ends() {
                let line_end = end as usize;
                prefetch_next(window, start);
                let usual = quotes.first_chunk().and_then(|quotes| {
                    fast::parse::<WITH_AGENT>(window, start, line_end, quotes, clock)
                });
                match usual {
                    Some(record) if !BEACONS => sink.hit(&record),
                    usual => {
                        let line = trim_carriage_return(&window[start..line_end]);
                        let outcome = match usual {
                            Some(record) => dig::read(record, decoded),
                            None => parse_carefully::<WITH_AGENT, BEACONS>(line, clock, decoded),
                        };
                        take(outcome, offset + start, line_index, line, sink);
                    }
                }
                quotes = quotes_after(quotes, end);
                start = line_end + 1;
                line_index += 1;
            }
            if start == 0 || offset + window.len() == bytes.len() {
                // A line longer than the window, or the last one without its line end.
                let rest = &bytes[offset + start..];
                if rest.is_empty() {
                    break;
                }
                let length = memchr(b'\n', rest).unwrap_or(rest.len());
                let line = trim_carriage_return(&rest[..length]);
                let outcome = parse_carefully::<WITH_AGENT, BEACONS>(line, clock, decoded);
                take(outcome, offset + start, line_index, line, sink);
                start += length + 1;
                line_index += 1;
            }
            offset += start;
        }
        line_index
    }
}

/// Asks for what the next window has where this one has the line at `start`: about a line of it.
#[inline(always)]
fn prefetch_next(window: &[u8], start: usize) {
    for cache_line in 0..4 {
        prefetch(window, WINDOW_BYTES + start + cache_line * CACHE_LINE_BYTES);
    }
}

/// The quotes behind `end`.
#[inline]
fn quotes_after(quotes: &[u32], end: u32) -> &[u32] {
    // A usual combined line has six.
    if let [_, _, _, _, _, sixth, rest @ ..] = quotes
        && *sixth < end
        && rest[0] > end
    {
        return rest;
    }
    let before = quotes.iter().take_while(|&&quote| quote < end).count();
    &quotes[before..]
}

/// Parses one line without its line end by the grammar itself.
#[cold]
fn parse_carefully<'a, const WITH_AGENT: bool, const BEACONS: bool>(
    line: &'a [u8],
    clock: &mut Clock,
    decoded: &'a mut dig::Decoded,
) -> Result<Line<'a>, Reason> {
    if line.len() > MAX_LINE_BYTES {
        return Err(Reason::TooLong);
    }
    let record = combined::parse(line, WITH_AGENT, clock)?;
    if BEACONS { dig::read(record, decoded) } else { Ok(Line::Hit(record)) }
}

/// Tells the sink what a line is.
#[inline]
fn take(
    outcome: Result<Line<'_>, Reason>,
    offset: usize,
    line_index: u64,
    line: &[u8],
    sink: &mut impl LineSink,
) {
    match outcome {
        Ok(Line::Hit(record)) => sink.hit(&record),
        Ok(Line::Other) => sink.other(),
        Err(_) if line.is_empty() => sink.empty(),
        Err(reason) => sink.malformed(offset, line_index, line, reason),
    }
}

/// A line without the one CR before its line end.
fn trim_carriage_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::LogFormat;

    const COMBINED: &str =
        "1.2.3.4 - - [05/Mar/2018:00:00:01 +0800] \"GET / HTTP/1.1\" 200 5 \"-\" \"agent\"\n";
    const COMMON: &str = "1.2.3.4 - - [05/Mar/2018:00:00:01 +0800] \"GET / HTTP/1.1\" 200 5\n";
    const BEACON: &str =
        "1.2.3.4 - - [05/Mar/2018:00:00:01 +0800] \"GET /dig?a HTTP/1.1\" 200 5 \"-\" \"agent\"\n";

    #[test]
    fn most_lines_decide_the_format() {
        let detect = |text: String| LogFormat::detect(text.as_bytes());
        assert_eq!(detect(String::new()), None);
        assert_eq!(detect("\n\nnewsyslog: logfile turned over\n".to_owned()), None);
        assert_eq!(detect(format!("junk\n{COMBINED}")), Some(LogFormat::Combined));
        assert_eq!(detect(format!("{COMMON}{COMBINED}{COMMON}")), Some(LogFormat::Common));
        assert_eq!(detect(BEACON.repeat(9) + COMBINED), Some(LogFormat::Dig));
        assert_eq!(detect(BEACON.repeat(8) + COMBINED), Some(LogFormat::Combined));
    }
}
