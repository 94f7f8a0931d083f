//! Lines to records, one module a format.
//!
//! Owns: [`Format`], its detection ([`detect`]), [`Parser`], [`Reason`], and what a line says ([`explain`]). May import:
//! `time`, the longest line of `source`.
//! Must not know: files, threads, what counts, or the command line.
//!
//! Lines are found by one scan for quotes and line ends (`index`), a small window at a time; the usual line is read from
//! those marks (`fast`), any other by the careful parser (`combined`), which says what the grammar is. While a window's
//! lines are read, the bytes of the next one are on their way (`prefetch`).
//!
//! To add a format: a file here, a variant of [`Grammar`], and its arm in [`Parser::lines`]. To add something that stands
//! around lines: a variant of [`Wrapping`].

mod blank;
mod combined;
pub mod detect;
mod dig;
mod escape;
pub mod explain;
mod fast;
mod format;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod index;
mod json_text;
mod line_number;
mod line_reader;
mod prefetch;
pub mod recognize;
pub mod record;
mod sense;
mod time;
mod unwrap;
mod way;
mod wrapping;

use memchr::memchr;

use crate::parse::record::Record;
use crate::source::MAX_LINE_BYTES;
pub use format::{Format, Grammar, HostForm, MAX_WRAPPINGS, UnknownFormat};
use index::{Marks, WINDOW_BYTES};
use prefetch::{CACHE_LINE_BYTES, prefetch};
use time::Clock;
use unwrap::Unwrapper;
#[doc(hidden)]
pub use way::Way;
pub use wrapping::Wrapping;

/// Why a line is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// The line lacks what stands around the file's other lines.
    Unwrapped,
    /// A piece of a line that its wrapping cut.
    Piece,
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
            Self::Unwrapped => "not wrapped as the file's other lines are",
            Self::Piece => "a piece of a line that was too long for the program that wrapped it",
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
    /// The next line began with NUL bytes, which were passed over.
    fn nul_bytes(&mut self);
}

/// What a line is.
enum Line<'a> {
    Hit(Record<'a>),
    Other,
}

/// Parses the lines of one format. Keeps caches, so make one a thread and use it long.
#[derive(Debug)]
pub struct Parser {
    grammar: Grammar,
    clock: Clock,
    decoded: dig::Decoded,
    marks: Marks,
    /// `None` where lines are of the grammar as they stand.
    unwrapper: Option<Unwrapper>,
}

impl Parser {
    /// A parser of `format`.
    #[must_use]
    pub fn new(format: &Format) -> Self {
        Self {
            grammar: format.grammar(),
            clock: Clock::default(),
            decoded: dig::Decoded::default(),
            marks: Marks::default(),
            unwrapper: (!format.is_plain()).then(|| Unwrapper::new(format)),
        }
    }

    /// Parses all lines of `bytes`, the last with or without its line end, and returns how many they are.
    pub fn lines(&mut self, bytes: &[u8], sink: &mut impl LineSink) -> u64 {
        // The format is chosen once, not for each line.
        match (self.grammar, self.unwrapper.is_some()) {
            (Grammar::Combined, false) => self.lines_as::<true, false>(bytes, sink),
            (Grammar::Common, false) => self.lines_as::<false, false>(bytes, sink),
            (Grammar::Dig, false) => self.lines_as::<true, true>(bytes, sink),
            (Grammar::Combined, true) => self.wrapped_lines_as::<true, false>(bytes, sink),
            (Grammar::Common, true) => self.wrapped_lines_as::<false, false>(bytes, sink),
            (Grammar::Dig, true) => self.wrapped_lines_as::<true, true>(bytes, sink),
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
                        let line = skip_nul_bytes(line, sink);
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
                let line = skip_nul_bytes(trim_carriage_return(&rest[..length]), sink);
                let outcome = parse_carefully::<WITH_AGENT, BEACONS>(line, clock, decoded);
                take(outcome, offset + start, line_index, line, sink);
                start += length + 1;
                line_index += 1;
            }
            offset += start;
        }
        line_index
    }

    /// Parses lines as [`lines_as`](Self::lines_as) does, each taken out of what stands around it.
    fn wrapped_lines_as<const WITH_AGENT: bool, const BEACONS: bool>(
        &mut self,
        bytes: &[u8],
        sink: &mut impl LineSink,
    ) -> u64 {
        let Self { clock, decoded, unwrapper, .. } = self;
        let Some(unwrapper) = unwrapper else { return 0 };
        let mut offset = 0;
        let mut line_index = 0;
        while offset < bytes.len() {
            let rest = &bytes[offset..];
            let length = memchr(b'\n', rest).unwrap_or(rest.len());
            let line = skip_nul_bytes(trim_carriage_return(&rest[..length]), sink);
            let outcome = if line.len() > MAX_LINE_BYTES {
                Err(Reason::TooLong)
            } else {
                unwrapper.unwrap(line).and_then(|inside| {
                    let record = combined::parse(inside.line, WITH_AGENT, clock)?;
                    let record = inside.with_host(record);
                    if BEACONS { dig::read(record, decoded) } else { Ok(Line::Hit(record)) }
                })
            };
            take(outcome, offset, line_index, line, sink);
            offset += length + 1;
            line_index += 1;
        }
        line_index
    }
}

/// A line without the NUL bytes at its start, which are left where a log was truncated while its server went on writing at
/// the old offset (logrotate's `copytruncate` does that to programs that do not append).
#[inline]
fn skip_nul_bytes<'a>(line: &'a [u8], sink: &mut impl LineSink) -> &'a [u8] {
    if line.first() != Some(&0) {
        return line;
    }
    sink.nul_bytes();
    let nul_bytes = line.iter().take_while(|&&byte| byte == 0).count();
    &line[nul_bytes..]
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

/// The beginning of an input without the UTF-8 byte order mark that some editors put there.
#[must_use]
pub fn without_byte_order_mark(beginning: &[u8]) -> &[u8] {
    beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(beginning)
}

/// A line without the one CR before its line end.
fn trim_carriage_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
