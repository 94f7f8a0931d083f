//! The range of a source that an entry of a part is about, and the sums over its lines.
//!
//! Owns: [`SourceRange`], its section `RNGE` and what is checked of it. May import: `part::{payload, section}`,
//! `sums`, `time`. Must not know: blocks, how sources are read.

use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::xxh3_128;

use super::PartError;
use super::payload::{Payload, put_hashes, put_pairs, put_signed, put_text};
use super::section::{self, Sections, Tag};
use crate::facts::sums::Sums;
use crate::facts::varint;
use crate::time::{CivilTime, Day};

const SRCE: Tag = *b"SRCE";
const HASH: Tag = *b"HASH";
const LINE: Tag = *b"LINE";
const SPAN: Tag = *b"SPAN";
const OFFS: Tag = *b"OFFS";
const RDAY: Tag = *b"RDAY";
const FORM: Tag = *b"FORM";
const NAME: Tag = *b"name";
const PEND: Tag = *b"pend";
const DATA: Tag = *b"data";
const KNOWN: [Tag; 10] = [SRCE, HASH, LINE, SPAN, OFFS, RDAY, FORM, NAME, PEND, DATA];

/// Bytes of the blocks whose hashes identify a source.
const HASHED_BLOCK: u64 = 8 << 20;
/// Length of the shortest beginning of a source that is hashed.
const SHORTEST_BEGINNING: u64 = 64;

/// What the key of a source is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The source's id: the range is the whole source.
    #[default]
    Whole,
    /// The id that a plan gave to the source.
    Planned,
}

/// A range of a source: what it is, and the sums over the lines that start in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceRange {
    /// What `key` is.
    pub kind: Kind,
    /// Names the source.
    pub key: u128,
    /// Length of the whole log, if it is known.
    pub log_bytes: Option<u64>,
    /// Where the range begins.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
    /// The xxh3-128 of each 8 MiB of the range.
    pub block_hashes: Vec<u128>,
    /// The xxh3-128 of the log's first 64, 128, 256 … bytes, as far as the range and 8 MiB go; empty if it does not begin at 0.
    pub beginnings: Vec<u128>,
    /// Sums over the lines ([`of_lines`](crate::facts::sums::of_lines)). Empty but in partition 0, as are the next three.
    pub lines: Sums,
    /// Times of the earliest and the latest hit.
    pub span: Option<(CivilTime, CivilTime)>,
    /// Offsets from UTC that hits were logged with, in minutes.
    pub offsets_minutes: BTreeSet<i16>,
    /// Days on which a hit fell into an hour that the clock shows twice.
    pub repeated_hour_days: BTreeSet<Day>,
    /// The log format; `None` if no line could be parsed.
    pub format: Option<String>,
    /// What the input was called.
    pub name: Option<String>,
    /// Bytes after the last line end that were not counted.
    pub pending_bytes: u64,
    /// Name and version of the data that classified visitors.
    pub data: BTreeMap<String, String>,
}

impl SourceRange {
    /// A whole source of `bytes` bytes, without anything that is said of its lines.
    #[must_use]
    pub fn whole(bytes: u64, block_hashes: Vec<u128>, beginnings: Vec<u128>) -> Self {
        let key = source_id(&block_hashes);
        Self {
            key,
            log_bytes: Some(bytes),
            end: bytes,
            block_hashes,
            beginnings,
            ..Self::default()
        }
    }

    /// What the user knows the source by.
    #[must_use]
    pub fn display_name(&self) -> String {
        self.name.as_ref().map_or_else(|| format!("{:032x}", self.key), |name| format!("{name:?}"))
    }

    /// By this ranges are ordered.
    pub(super) fn order(&self) -> (Kind, u128, u64) {
        (self.kind, self.key, self.start)
    }

    /// Whether `other` is of the same source.
    pub(super) fn shares_source(&self, other: &Self) -> bool {
        (self.kind, self.key) == (other.kind, other.key)
    }
}

/// The id of a source whose blocks have these hashes.
pub(super) fn source_id(block_hashes: &[u128]) -> u128 {
    let list: Vec<u8> = block_hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect();
    xxh3_128(&list)
}

/// The payload of the section `RNGE`. The sums over lines stand in partition 0 only.
pub(super) fn encode(range: &SourceRange, is_partition_0: bool) -> Vec<u8> {
    // Every field by name, so that a new one cannot be forgotten.
    let SourceRange {
        kind,
        key,
        log_bytes,
        start,
        end,
        block_hashes,
        beginnings,
        lines,
        span,
        offsets_minutes,
        repeated_hour_days,
        format,
        name,
        pending_bytes,
        data,
    } = range;
    let mut sections = Vec::new();
    let mut put = |tag: Tag, payload: &[u8]| section::put(&mut sections, tag, payload);
    let mut source = vec![match kind {
        Kind::Whole => 0,
        Kind::Planned => 1,
    }];
    source.extend_from_slice(&key.to_le_bytes());
    for number in [log_bytes.map_or(0, |bytes| bytes.saturating_add(1)), *start, *end] {
        varint::put(&mut source, number);
    }
    put(SRCE, &source);
    let mut hashes = Vec::new();
    put_hashes(&mut hashes, block_hashes);
    put_hashes(&mut hashes, beginnings);
    put(HASH, &hashes);
    if is_partition_0 {
        let mut payload = Vec::new();
        put_pairs(&mut payload, lines);
        put(LINE, &payload);
        if let Some((first, last)) = span {
            payload.clear();
            for time in [first, last] {
                put_signed(&mut payload, time.day().0.into());
                varint::put(&mut payload, time.minute_of_day().into());
                payload.push(time.second());
            }
            put(SPAN, &payload);
        }
        let offsets = offsets_minutes.iter().map(|&offset| i64::from(offset));
        let days = repeated_hour_days.iter().map(|day| i64::from(day.0));
        for (tag, numbers) in [(OFFS, offsets.collect::<Vec<_>>()), (RDAY, days.collect())] {
            payload.clear();
            varint::put(&mut payload, numbers.len() as u64);
            numbers.iter().for_each(|&number| put_signed(&mut payload, number));
            if !numbers.is_empty() {
                put(tag, &payload);
            }
        }
    }
    for (tag, text) in [(FORM, format), (NAME, name)] {
        if let Some(text) = text {
            let mut payload = Vec::new();
            put_text(&mut payload, text);
            put(tag, &payload);
        }
    }
    let mut payload = Vec::new();
    if *pending_bytes > 0 {
        varint::put(&mut payload, *pending_bytes);
        put(PEND, &payload);
    }
    if !data.is_empty() {
        payload.clear();
        varint::put(&mut payload, data.len() as u64);
        for (name, version) in data {
            put_text(&mut payload, name);
            put_text(&mut payload, version);
        }
        put(DATA, &payload);
    }
    sections
}

/// The range of a payload of `RNGE`. Any bytes may be given.
pub(super) fn decode(payload: &[u8], is_partition_0: bool) -> Result<SourceRange, PartError> {
    let mut sections = Sections::read(payload, &KNOWN)?;
    let mut range = SourceRange::default();
    decode_source(sections.take(SRCE, "a source (SRCE)")?, &mut range)?;
    let mut hashes = sections.take(HASH, "the hashes of a source (HASH)")?;
    range.block_hashes = hashes.hashes()?;
    range.beginnings = hashes.hashes()?;
    check_hashes(&range, hashes)?;
    if is_partition_0 {
        let mut lines = sections.take(LINE, "sums over lines (LINE)")?;
        range.lines = lines.pairs()?;
        lines.end()?;
        decode_times(&mut sections, &mut range)?;
    }
    let text = |payload: Option<Payload<'_>>| -> Result<Option<String>, PartError> {
        let Some(mut payload) = payload else { return Ok(None) };
        let text = payload.text()?.to_owned();
        payload.end().map(|()| Some(text))
    };
    range.format = text(sections.take_if(FORM, "a log format (FORM)"))?;
    range.name = text(sections.take_if(NAME, "a source's name (name)"))?;
    if let Some(mut pending) = sections.take_if(PEND, "bytes that were not counted (pend)") {
        range.pending_bytes = pending.number()?;
        if range.pending_bytes == 0 {
            return Err(pending.damaged());
        }
        pending.end()?;
    }
    if let Some(mut data) = sections.take_if(DATA, "versions of data (data)") {
        for _ in 0..list_length(&mut data)? {
            let (name, version) = (data.text()?, data.text()?);
            if range.data.last_key_value().is_some_and(|(last, _)| last.as_str() >= name) {
                return Err(data.damaged());
            }
            range.data.insert(name.to_owned(), version.to_owned());
        }
        data.end()?;
    }
    sections.finish()?;
    Ok(range)
}

/// Length of a list in a section that is missing if the list is empty.
fn list_length(payload: &mut Payload<'_>) -> Result<usize, PartError> {
    let length = payload.count(1)?;
    if length > 0 { Ok(length) } else { Err(payload.damaged()) }
}

fn decode_source(mut source: Payload<'_>, range: &mut SourceRange) -> Result<(), PartError> {
    range.kind = match source.bytes()? {
        [0] => Kind::Whole,
        [1] => Kind::Planned,
        _ => return Err(source.damaged()),
    };
    range.key = source.hash()?;
    range.log_bytes = source.number()?.checked_sub(1);
    range.start = source.number()?;
    range.end = source.number()?;
    let is_possible = range.start <= range.end
        && range.start.is_multiple_of(HASHED_BLOCK)
        && (range.kind == Kind::Planned || range.start == 0)
        && range.log_bytes.is_none_or(|bytes| range.end <= bytes);
    if is_possible { source.end() } else { Err(source.damaged()) }
}

/// Each list of hashes has the length that the range gives it, and a whole source's key is their hash.
fn check_hashes(range: &SourceRange, hashes: Payload<'_>) -> Result<(), PartError> {
    let blocks = (range.end - range.start).div_ceil(HASHED_BLOCK);
    let hashed = if range.start == 0 { range.end.min(HASHED_BLOCK) } else { 0 };
    let beginnings = (hashed / SHORTEST_BEGINNING).checked_ilog2().map_or(0, |steps| steps + 1);
    let is_right = range.block_hashes.len() as u64 == blocks
        && range.beginnings.len() == beginnings as usize
        && (range.kind == Kind::Planned || range.key == source_id(&range.block_hashes));
    if is_right { hashes.end() } else { Err(hashes.damaged()) }
}

fn decode_times(sections: &mut Sections<'_>, range: &mut SourceRange) -> Result<(), PartError> {
    if let Some(mut span) = sections.take_if(SPAN, "a time span (SPAN)") {
        let mut time = || {
            let (day, minute, [second]) = (span.day()?, span.number()?, span.bytes()?);
            let minute = u16::try_from(minute).ok().filter(|&minute| minute < 1440 && second <= 60);
            minute.map(|minute| CivilTime::new(day, minute, second)).ok_or(span.damaged())
        };
        let (first, last) = (time()?, time()?);
        if first > last {
            return Err(span.damaged());
        }
        span.end()?;
        range.span = Some((first, last));
    }
    if let Some(mut offsets) = sections.take_if(OFFS, "offsets from UTC (OFFS)") {
        for _ in 0..list_length(&mut offsets)? {
            let offset = i16::try_from(offsets.signed()?).map_err(|_| offsets.damaged())?;
            if range.offsets_minutes.last().is_some_and(|&last| last >= offset) {
                return Err(offsets.damaged());
            }
            range.offsets_minutes.insert(offset);
        }
        offsets.end()?;
    }
    if let Some(mut days) = sections.take_if(RDAY, "days with an hour that came twice (RDAY)") {
        for _ in 0..list_length(&mut days)? {
            let day = days.day()?;
            if range.repeated_hour_days.last().is_some_and(|&last| last >= day) {
                return Err(days.damaged());
            }
            range.repeated_hour_days.insert(day);
        }
        days.end()?;
    }
    Ok(())
}
