//! A block: the facts and sums of one day of a site, of one range of a source.
//!
//! Owns: [`Block`] and its sections. May import: `part::{payload, section, header}`, `chunks`, `column`, `sample`, `sums`,
//! `local_day`, `varint`. Must not know: where blocks are kept.

use super::header::Partition;
use super::payload::{MOST_TEXT_BYTES, Payload, put_pairs, put_text};
use super::section::{self, Sections, Tag};
use super::{PartError, visitors};
use crate::error::Error;
use crate::facts::chunks::{ChunkDecoder, ChunkEncoder, ItemCounts, Times, cut};
use crate::facts::column::ColumnEncoder;
use crate::facts::day_facts::MAX_VIEWS;
use crate::facts::sample::{MOST_VALUES, Sample};
use crate::facts::sums::Sums;
use crate::facts::varint;
use crate::facts::{DayFacts, LocalDay, Texts};

const HITS: Tag = *b"HITS";
const VISI: Tag = *b"VISI";
const SAMP: Tag = *b"SAMP";
const ITEM: Tag = *b"ITEM";
const WHOS: Tag = *b"WHOS";
const WHEN: Tag = *b"WHEN";
/// Sections of other dimensions.
const OTHER_DIMENSION: [Tag; 3] = [*b"item", *b"whos", *b"when"];
pub(super) const KNOWN: [Tag; 9] = [
    HITS,
    VISI,
    SAMP,
    ITEM,
    WHOS,
    WHEN,
    OTHER_DIMENSION[0],
    OTHER_DIMENSION[1],
    OTHER_DIMENSION[2],
];

/// The dimension of the facts.
const PAGE: &str = "page";
/// A column may be decoded to this many bytes for each byte of its section.
const MOST_EXPANSION: usize = 1024;
/// Facts of more than 2^21 views take several in memory: as many more for each byte of `WHEN` are read.
const MOST_MORE_FACTS: u64 = 64;
/// Most visitors, items and facts of a block.
const MOST: usize = u32::MAX as usize;

/// A day of a site, of one range of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Sums over the hits ([`of_hits`](crate::facts::sums::of_hits)). Empty but in partition 0.
    pub hits: Sums,
    /// The overlap sample of the page views.
    pub sample: Sample,
    /// The page views. Each page has some; visitors without any have facts of other dimensions only.
    pub day: LocalDay,
}

impl Block {
    /// The block as bytes, none if it is empty; equal blocks give equal bytes.
    ///
    /// # Errors
    /// [`PartError::Limit`] if there are more than 2^32 − 1 facts.
    pub fn encode(&self, encoder: &mut ColumnEncoder) -> Result<Vec<u8>, PartError> {
        let Self { hits, sample, day } = self;
        let (mut bytes, mut payload) = (Vec::new(), Vec::new());
        if !hits.is_empty() {
            put_pairs(&mut payload, hits);
            section::put(&mut bytes, HITS, &payload);
        }
        if day.visitors.is_empty() {
            return Ok(bytes);
        }
        if day.visitors.len().max(day.facts.len()) > MOST {
            let message =
                "a day of a site has more than 2^32 - 1 facts, which is more than a part can hold";
            return Err(Error::Limit(message.to_owned()).into());
        }
        payload.clear();
        visitors::put(&mut payload, &day.visitors, encoder);
        section::put(&mut bytes, VISI, &payload);
        payload.clear();
        varint::put(&mut payload, sample.values().len() as u64);
        payload.extend(sample.values().iter().flat_map(|value| value.to_le_bytes()));
        section::put(&mut bytes, SAMP, &payload);
        let mut chunks = ChunkEncoder::new(encoder);
        day.facts.pages().for_each(|(_, facts)| chunks.push_item(facts));
        let chunks = chunks.finish();
        payload.clear();
        put_items(&mut payload, day, &chunks.counts, encoder);
        section::put(&mut bytes, ITEM, &payload);
        for (tag, chunks) in [(WHOS, &chunks.who), (WHEN, &chunks.when)] {
            payload.clear();
            put_text(&mut payload, PAGE);
            payload.extend_from_slice(chunks);
            section::put(&mut bytes, tag, &payload);
        }
        Ok(bytes)
    }

    /// The block of some bytes, which may be any.
    ///
    /// # Errors
    /// [`PartError::Section`], [`PartError::Damaged`], [`PartError::Limit`].
    pub fn decode(
        bytes: &[u8],
        partition: Partition,
        decoder: &mut ChunkDecoder,
    ) -> Result<Self, PartError> {
        let Frame { hits, page } = frame(bytes, partition)?.1;
        let Some([mut visi, samp, item, whos, when]) = page else {
            return Ok(Self { hits, ..Self::default() });
        };
        decoder.limit_columns(expanded(visi.rest));
        let visitors = visitors::take(&mut visi, partition, decoder)?;
        let sample = take_sample(samp)?;
        let (pages, counts) = take_items(item, decoder)?;
        #[expect(clippy::cast_possible_truncation, reason = "`visitors::take` has checked it")]
        let facts = take_facts(&counts, visitors.len() as u32, whos, when, decoder)?;
        Ok(Self { hits, sample, day: LocalDay { visitors, pages, facts } })
    }
}

/// Most bytes that a column of this section may be decoded to.
fn expanded(section: &[u8]) -> usize {
    section.len().saturating_mul(MOST_EXPANSION)
}

/// What a block holds, before its facts are read.
struct Frame<'b> {
    hits: Sums,
    /// `VISI`, `SAMP`, `ITEM`, `WHOS`, `WHEN`.
    page: Option<[Payload<'b>; 5]>,
}

/// Checks a block's sections, but not what its facts say. Returns what binds it to its place in the directory.
pub(super) fn check(bytes: &[u8], partition: Partition) -> Result<u64, PartError> {
    frame(bytes, partition).map(|(checksum, _)| checksum)
}

fn frame(bytes: &[u8], partition: Partition) -> Result<(u64, Frame<'_>), PartError> {
    let mut sections = Sections::read(bytes, &KNOWN)?;
    let checksum = sections.checksum();
    let mut hits = Sums::default();
    if let Some(mut payload) = sections.take_if(HITS, "sums over hits (HITS)") {
        hits = payload.pairs()?;
        if hits.is_empty() || !partition.is_first() {
            return Err(payload.damaged());
        }
        payload.end()?;
    }
    let page = match sections.take_if(VISI, "visitors (VISI)") {
        Some(visi) => Some([
            visi,
            sections.take(SAMP, "an overlap sample (SAMP)")?,
            sections.take(ITEM, "pages (ITEM)")?,
            sections.take(WHOS, "the visitors of pages (WHOS)")?,
            sections.take(WHEN, "the times of page views (WHEN)")?,
        ]),
        None => None,
    };
    let mut last = None;
    while let Some(mut item) = sections.take_if(OTHER_DIMENSION[0], "another dimension (item)") {
        let name = item.text()?;
        for tag in &OTHER_DIMENSION[1..] {
            if sections.take(*tag, "another dimension (whos, when)")?.text()? != name {
                return Err(item.damaged());
            }
        }
        if page.is_none() || name == PAGE || last.is_some_and(|last| last >= name) {
            return Err(item.damaged());
        }
        last = Some(name);
    }
    sections.finish()?;
    if bytes.is_empty() {
        return Err(PartError::Damaged("a block without sections"));
    }
    Ok((checksum, Frame { hits, page }))
}

fn take_sample(mut payload: Payload<'_>) -> Result<Sample, PartError> {
    let count = payload.count(8)?;
    if count > MOST_VALUES {
        return Err(payload.damaged());
    }
    let values =
        (0..count).map(|_| payload.bytes().map(u64::from_le_bytes)).collect::<Result<_, _>>()?;
    payload.end()?;
    Sample::from_values(values).ok_or(payload.damaged())
}

/// Appends the names of pages, their counts and the lengths of their chunks.
fn put_items(to: &mut Vec<u8>, day: &LocalDay, counts: &ItemCounts, encoder: &mut ColumnEncoder) {
    put_text(to, PAGE);
    // No groups: the section of a page is a matter of the rules.
    to.push(0);
    varint::put(to, counts.facts.len() as u64);
    let names: Vec<&str> = day.pages.iter().collect();
    let (mut lengths, mut texts) = (Vec::new(), String::new());
    for (page, _) in day.facts.pages() {
        let name = names[page as usize];
        varint::put(&mut lengths, name.len() as u64);
        texts.push_str(name);
    }
    encoder.put(to, &lengths);
    encoder.put_texts(to, texts.as_bytes());
    let ItemCounts { facts, views, visitors, who, when } = counts;
    let more_views = views.iter().zip(facts).map(|(views, facts)| views - facts);
    let fewer_visitors = facts.iter().zip(visitors).map(|(facts, visitors)| facts - visitors);
    let mut column = Vec::new();
    let mut put = |numbers: &mut dyn Iterator<Item = u64>| {
        column.clear();
        numbers.for_each(|number| varint::put(&mut column, number));
        encoder.put(to, &column);
    };
    put(&mut facts.iter().copied());
    put(&mut { more_views });
    put(&mut { fewer_visitors });
    put(&mut who.iter().copied());
    put(&mut when.iter().copied());
}

fn take_items(
    mut payload: Payload<'_>,
    decoder: &mut ChunkDecoder,
) -> Result<(Texts, ItemCounts), PartError> {
    decoder.limit_columns(expanded(payload.rest));
    let is_page = payload.text()? == PAGE && payload.number()? == 0;
    let count = payload.size()?;
    if !is_page || count > MOST {
        return Err(payload.damaged());
    }
    let pages = take_names(&mut payload, count, decoder)?;
    // There are as many names as announced, so this many numbers may be held.
    let facts = take_numbers(&mut payload, count, decoder)?;
    let all = facts.iter().try_fold(0_u64, |sum, &facts| sum.checked_add(facts));
    if facts.contains(&0) || all.is_none_or(|all| all > MOST as u64) {
        return Err(payload.damaged());
    }
    let mut views = take_numbers(&mut payload, count, decoder)?;
    let mut visitors = take_numbers(&mut payload, count, decoder)?;
    for ((views, visitors), &facts) in views.iter_mut().zip(&mut visitors).zip(&facts) {
        *views = views.checked_add(facts).ok_or(payload.damaged())?;
        *visitors =
            facts.checked_sub(*visitors).filter(|&left| left > 0).ok_or(payload.damaged())?;
    }
    let chunks = cut(&facts).count();
    let who = take_numbers(&mut payload, chunks, decoder)?;
    let when = take_numbers(&mut payload, chunks, decoder)?;
    payload.end()?;
    Ok((pages, ItemCounts { facts, views, visitors, who, when }))
}

/// Names in ascending order.
fn take_names(
    payload: &mut Payload<'_>,
    count: usize,
    decoder: &mut ChunkDecoder,
) -> Result<Texts, PartError> {
    let lengths = decoder.take_numbers(&mut payload.rest, count).map_err(|_| payload.damaged())?;
    if count > lengths.len() {
        return Err(payload.damaged());
    }
    let lengths = lengths.to_vec();
    let (mut rest, mut all) = (&lengths[..], 0_usize);
    for _ in 0..count {
        let length = varint::take_usize(&mut rest).filter(|&length| length <= MOST_TEXT_BYTES);
        all = length.and_then(|length| all.checked_add(length)).ok_or(payload.damaged())?;
    }
    let text = decoder.take_bytes(&mut payload.rest, all).map_err(|_| payload.damaged())?;
    let text = str::from_utf8(text).map_err(|_| payload.damaged())?;
    if !rest.is_empty() || text.len() != all {
        return Err(payload.damaged());
    }
    let (mut rest, mut left, mut last) = (&lengths[..], text, None);
    while let Some(length) = varint::take_usize(&mut rest) {
        let (name, others) = left.split_at_checked(length).ok_or(payload.damaged())?;
        if last.is_some_and(|last| last >= name) {
            return Err(payload.damaged());
        }
        (last, left) = (Some(name), others);
    }
    // Names that differ: so many ends may be held.
    let (mut rest, mut names) = (&lengths[..], Texts { text: text.to_owned(), ends: Vec::new() });
    names.ends.reserve_exact(count);
    let mut end = 0;
    while let Some(length) = varint::take_usize(&mut rest) {
        end += length;
        names.ends.push(end);
    }
    Ok(names)
}

/// A column of exactly `count` numbers.
fn take_numbers(
    payload: &mut Payload<'_>,
    count: usize,
    decoder: &mut ChunkDecoder,
) -> Result<Vec<u64>, PartError> {
    let damaged = payload.damaged();
    let Ok(mut column) = decoder.take_numbers(&mut payload.rest, count) else {
        return Err(damaged);
    };
    if count > column.len() {
        return Err(damaged);
    }
    let numbers: Option<Vec<u64>> = (0..count).map(|_| varint::take(&mut column)).collect();
    numbers.filter(|_| column.is_empty()).ok_or(damaged)
}

/// What was read of an item's facts.
#[derive(Default)]
struct ItemSoFar {
    facts: u64,
    views: u64,
    visitors: u64,
    /// Rank and minute of the last fact.
    last: Option<(u32, u16)>,
}

fn take_facts(
    counts: &ItemCounts,
    visitors: u32,
    mut whos: Payload<'_>,
    mut when: Payload<'_>,
    decoder: &mut ChunkDecoder,
) -> Result<DayFacts, PartError> {
    let [most_who, most_when] = [whos, when].map(|section| expanded(section.rest));
    let mut more_facts = MOST_MORE_FACTS * when.rest.len() as u64;
    if whos.text()? != PAGE || when.text()? != PAGE {
        return Err(whos.damaged());
    }
    // Mostly exact, since a fact takes about 3 bytes.
    let all = counts.facts.iter().sum::<u64>();
    let room = usize::try_from(all).unwrap_or(usize::MAX).min(whos.rest.len() + when.rest.len());
    let mut facts = DayFacts::with_room(room);
    let (mut ranks, mut times) = (Vec::new(), Times::default());
    let mut item_so_far = ItemSoFar::default();
    let lengths = counts.who.iter().zip(&counts.when);
    for (chunk, (&who_bytes, &when_bytes)) in cut(&counts.facts).zip(lengths) {
        ranks.clear();
        times.minutes.clear();
        times.views.clear();
        let items = chunk.of(&counts.facts);
        let bytes = take_chunk(&mut whos, who_bytes)?;
        decoder.limit_columns(most_who);
        decoder.who(bytes, items, visitors, &mut ranks).map_err(|_| whos.damaged())?;
        let bytes = take_chunk(&mut when, when_bytes)?;
        decoder.limit_columns(most_when);
        decoder.when(bytes, chunk.facts, &mut times).map_err(|_| when.damaged())?;
        let mut of_chunk = ranks.iter().zip(times.minutes.iter().zip(&times.views));
        for (item, count) in chunk.items.clone().zip(items.counts()) {
            #[expect(clippy::cast_possible_truncation, reason = "`take_items` has checked it")]
            let page = item as u32;
            for (&rank, (&minute, &views)) in of_chunk.by_ref().take(count) {
                let so_far = &mut item_so_far;
                if so_far.last.is_some_and(|last| last >= (rank, minute)) {
                    return Err(PartError::Damaged("facts are out of order (WHOS, WHEN)"));
                }
                so_far.visitors += u64::from(so_far.last.is_none_or(|last| last.0 != rank));
                so_far.views = so_far.views.saturating_add(views);
                so_far.facts += 1;
                so_far.last = Some((rank, minute));
                let more = (views - 1) / MAX_VIEWS;
                more_facts = more_facts.checked_sub(more).ok_or_else(too_many_views)?;
                facts.push(page, rank, minute, views);
            }
            if item_so_far.facts == counts.facts[item] {
                let read = std::mem::take(&mut item_so_far);
                if (read.views, read.visitors) != (counts.views[item], counts.visitors[item]) {
                    return Err(PartError::Damaged("counts of pages (ITEM)"));
                }
            }
        }
    }
    whos.end()?;
    when.end()?;
    Ok(facts)
}

fn take_chunk<'b>(section: &mut Payload<'b>, bytes: u64) -> Result<&'b [u8], PartError> {
    let bytes = usize::try_from(bytes).map_err(|_| section.damaged())?;
    varint::take_bytes(&mut section.rest, bytes).ok_or(section.damaged())
}

fn too_many_views() -> PartError {
    let message = "the part has more views of one visitor in one minute than this hitmap can hold";
    Error::Limit(message.to_owned()).into()
}
