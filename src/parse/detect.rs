//! Which format a log has, judged by a sample from its beginning.
//!
//! Owns: [`detect`], [`check_named`], the decision by many lines. May import: `line_reader`, `line_number`,
//! `combined`, `sense`, `wrapping`, `text`. Must not know: files, who asks.
//!
//! A file that could be of several formats is never guessed at: a sample whose lines can be read, but do not make sense, is
//! refused in words. One line decides nothing, since a log holds what its clients send.

use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write;
use std::net::IpAddr;

use super::combined;
use super::format::{Format, Grammar, HostForm};
use super::line_number::LineNumbers;
use super::line_reader::{LineReader, Way};
use super::sense::{self, Nonsense};
use super::time::Clock;
use super::trim_carriage_return;
use super::wrapping::Wrapping;
use crate::text::counted;

/// A format, and what the user should know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// The format of most lines.
    pub format: Format,
    /// Why the numbers may not be what the user takes them for, in words.
    pub warnings: Vec<String>,
}

/// Why a log is left out, in words, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

/// The format of a log, judged by all lines of a `sample` from its beginning; `None` where no line is of a known format, so
/// that the next sample decides.
///
/// The wrapping and the form of hosts are those of most lines, and so is the choice between combined and common. Combined
/// is dig when at least 90 % of the readable requests target `/dig`.
///
/// # Errors
/// [`Refusal`] where more than half of the lines that can be read do not make sense, or all begin with numbers that may be
/// those of `grep -n`.
pub fn detect(sample: &[u8]) -> Option<Result<Detected, Refusal>> {
    let votes = Votes::of(sample);
    if votes.readable == 0 {
        return None;
    }
    if votes.nonsense_lines() * 2 > votes.readable {
        return Some(Err(Refusal(votes.refusal())));
    }
    let (way, ballot) = votes.winner()?;
    let format = way.format(ballot.grammar());
    if let Some(numbered) = doubted(way, ballot) {
        return Some(Err(Refusal(format!(
            "{ASCENDING_NUMBERS}. Name the format with --log-format: '{numbered}' if they are the numbers of lines, \
             '{format}' if they belong to the addresses. For instance: {}",
            quote(ballot.first)
        ))));
    }
    let mut warnings: Vec<String> = votes.proxies_warning(ballot).into_iter().collect();
    warnings.extend(votes.mixture_warning(way, ballot, &format));
    Some(Ok(Detected { format, warnings }))
}

/// What is suspicious about reading the sample as the user said, in words.
#[must_use]
pub fn check_named(named: &Format, sample: &[u8]) -> Option<String> {
    let votes = Votes::of(sample);
    if votes.nonsense_lines() * 2 > votes.readable {
        let reason = votes.commonest_nonsense().text();
        return Some(format!(
            "read as {named}, as --log-format says, but {reason}: visitors may be wrong. For instance: {}",
            quote(votes.first_nonsense.unwrap_or_default())
        ));
    }
    let (way, ballot) = votes.winner()?;
    let found = way.format(ballot.grammar());
    let is_as_named = |format: &Format| {
        format.wrappings() == named.wrappings() && format.host_form() == named.host_form()
    };
    let (objection, line) = match doubted(way, ballot) {
        Some(numbered) if is_as_named(&found) => (
            format!(
                "{ASCENDING_NUMBERS}: visitors may be wrong, unless the numbers belong to the addresses. If they are the \
                 numbers of lines, name '{numbered}'"
            ),
            ballot.first,
        ),
        Some(numbered) if is_as_named(&numbered) => return None,
        _ if !is_as_named(&found) => (
            format!(
                "its lines look like {found}: visitors may be wrong. Without --log-format it is read so"
            ),
            ballot.first,
        ),
        _ if named.grammar() == Grammar::Dig && !ballot.has_beacons() => (
            format!(
                "only {} of its first {} target /dig, and the others are not counted: its lines look like {found}. \
                 Without --log-format it is read so",
                ballot.beacons,
                counted(ballot.readable_requests, "request", "requests"),
            ),
            ballot.first_other?,
        ),
        _ => return None,
    };
    Some(format!(
        "read as {named}, as --log-format says, but {objection}. For instance: {}",
        quote(line)
    ))
}

/// What is doubtful about [`doubted`] lines, as the rest of a sentence.
const ASCENDING_NUMBERS: &str = "its addresses begin with numbers that ascend from line to line, as those of grep -n do, \
                                 and are addresses with and without them";

/// The format that lines have if numbers of `grep -n` stand in front of them, where they are as likely as not.
fn doubted(way: &Way, ballot: &Ballot<'_>) -> Option<Format> {
    let numbered = way.numbered()?;
    let is_doubted = ballot.may_be_numbered() && ballot.line_numbers.are_different();
    is_doubted.then(|| numbered.format(ballot.grammar()))
}

/// Bytes of a line that a sentence shows.
const SHOWN_BYTES: usize = 160;

/// The beginning of a line, escaped, in quotes.
pub(super) fn quote(line: &[u8]) -> String {
    let shown = &line[..line.len().min(SHOWN_BYTES)];
    let more = if shown.len() < line.len() { "…" } else { "" };
    format!("{:?}{more}", crate::text::from_bytes(shown))
}

/// The lines that are read in one way.
#[derive(Clone, Debug, Default)]
struct Ballot<'s> {
    combined: u64,
    common: u64,
    /// Combined lines whose request is readable: those that may be beacons.
    readable_requests: u64,
    beacons: u64,
    /// Lines by client, as far as clients are addresses.
    clients: HashMap<IpAddr, u64>,
    /// Lines with an address in a quoted field after the user agent.
    with_forwarded_for: u64,
    line_numbers: LineNumbers<'s>,
    first: &'s [u8],
    /// The first line whose readable request is no beacon.
    first_other: Option<&'s [u8]>,
}

impl Ballot<'_> {
    fn lines(&self) -> u64 {
        self.combined + self.common
    }

    fn join(&mut self, other: Self) {
        let Self {
            combined,
            common,
            readable_requests,
            beacons,
            clients,
            with_forwarded_for,
            line_numbers,
            first: _,
            first_other,
        } = other;
        self.combined += combined;
        self.common += common;
        self.readable_requests += readable_requests;
        self.beacons += beacons;
        for (client, lines) in clients {
            *self.clients.entry(client).or_default() += lines;
        }
        self.with_forwarded_for += with_forwarded_for;
        self.line_numbers.join(line_numbers);
        self.first_other = self.first_other.or(first_other);
    }

    /// Whether more than one in ten of the readable requests is a beacon.
    fn has_beacons(&self) -> bool {
        self.beacons * 10 > self.readable_requests
    }

    /// Whether the addresses of all lines may be others behind numbers of `grep -n`.
    fn may_be_numbered(&self) -> bool {
        self.line_numbers.are_on_all(self.lines())
    }

    fn grammar(&self) -> Grammar {
        if self.common > self.combined {
            Grammar::Common
        } else if self.beacons > 0 && self.beacons * 10 >= self.readable_requests * 9 {
            Grammar::Dig
        } else {
            Grammar::Combined
        }
    }
}

/// What the lines of a sample say.
#[derive(Debug, Default)]
struct Votes<'s> {
    /// Lines that some grammar can read.
    readable: u64,
    ballots: HashMap<Way, Ballot<'s>>,
    nonsense: HashMap<Nonsense, u64>,
    first_nonsense: Option<&'s [u8]>,
}

impl<'s> Votes<'s> {
    fn of(sample: &'s [u8]) -> Self {
        let mut votes = Self::default();
        let mut reader = LineReader::default();
        for line in sample.split(|&byte| byte == b'\n').map(trim_carriage_return) {
            let nul_bytes = line.iter().take_while(|&&byte| byte == 0).count();
            let line = &line[nul_bytes..];
            if !line.is_empty() {
                votes.add(line, &mut reader);
            }
        }
        votes.join_numbered();
        votes.join_host_forms();
        votes
    }

    /// Lines whose addresses may be others behind numbers are of the same log as those whose numbers are certain.
    fn join_numbered(&mut self) {
        let may_be_numbered = |(way, ballot): (&Way, &Ballot<'_>)| {
            let numbered = way.numbered().filter(|_| ballot.may_be_numbered())?;
            Some((way.clone(), numbered))
        };
        let ways: Vec<(Way, Way)> = self.ballots.iter().filter_map(may_be_numbered).collect();
        for (way, numbered) in ways {
            let are_others_certain =
                self.ballots.keys().any(|other| other.wrappings == numbered.wrappings);
            if are_others_certain && let Some(ballot) = self.ballots.remove(&way) {
                match self.ballots.entry(numbered) {
                    Entry::Occupied(others) => others.into_mut().join(ballot),
                    Entry::Vacant(place) => _ = place.insert(ballot),
                }
            }
        }
    }

    /// Hosts with ports and lists of addresses stand among plain ones: not every client sends a list, and a form that is read
    /// takes plain hosts, too. With a server that logs plain addresses no client can bring about another form.
    fn join_host_forms(&mut self) {
        let mut forms: Vec<Way> =
            self.ballots.keys().filter(|way| way.host_form != HostForm::Plain).cloned().collect();
        // The commoner form first, whatever the order of the map.
        forms.sort_by_key(|way| (Reverse(self.ballots[way].lines()), way.host_form as u8));
        for form in forms {
            let plain = Way { host_form: HostForm::Plain, ..form.clone() };
            let lines = |way| self.ballots.get(way).map_or(0, Ballot::lines);
            let (with_form, all) = (lines(&form), lines(&form) + lines(&plain));
            if with_form * 100 >= all * FEW_HOSTS
                && let Some(plain) = self.ballots.remove(&plain)
                && let Some(ballot) = self.ballots.get_mut(&form)
            {
                ballot.join(plain);
            }
        }
    }

    fn add(&mut self, line: &'s [u8], reader: &mut LineReader) {
        let Some(reading) = reader.read(line) else { return };
        self.readable += 1;
        let seen = match reading {
            Ok(seen) => seen,
            Err(nonsense) => {
                *self.nonsense.entry(nonsense).or_default() += 1;
                self.first_nonsense.get_or_insert(line);
                return;
            }
        };
        let ballot = match self.ballots.get_mut(&reader.way) {
            Some(ballot) => ballot,
            None => self
                .ballots
                .entry(reader.way.clone())
                .or_insert_with(|| Ballot { first: line, ..Ballot::default() }),
        };
        if seen.has_user_agent {
            ballot.combined += 1;
        } else {
            ballot.common += 1;
        }
        if seen.has_user_agent && seen.has_readable_request {
            ballot.readable_requests += 1;
            match seen.is_beacon {
                true => ballot.beacons += 1,
                false => _ = ballot.first_other.get_or_insert(line),
            }
        }
        ballot.with_forwarded_for += u64::from(seen.has_forwarded_for);
        if let Some(number) = seen.line_number {
            let file = match reader.way.wrappings[..] {
                [Wrapping::GrepFile] => line.split(|&byte| byte == b':').next(),
                _ => None,
            };
            ballot.line_numbers.add(number, file.unwrap_or_default());
        }
        if let Some(client) = seen.client {
            *ballot.clients.entry(client).or_default() += 1;
        }
    }

    fn nonsense_lines(&self) -> u64 {
        self.nonsense.values().sum()
    }

    /// The way that most lines are read in; of equals the one with fewer wrappings.
    fn winner(&self) -> Option<(&Way, &Ballot<'s>)> {
        self.ballots.iter().max_by(by_lines)
    }

    fn commonest_nonsense(&self) -> Nonsense {
        let count = |nonsense: &Nonsense| self.nonsense.get(nonsense).copied().unwrap_or(0);
        // Of equals the first.
        Nonsense::ALL.into_iter().rev().max_by_key(count).unwrap_or(Nonsense::Host)
    }

    fn refusal(&self) -> String {
        let nonsense = self.commonest_nonsense();
        let line = self.first_nonsense.unwrap_or_default();
        let cure = match nonsense {
            Nonsense::Host | Nonsense::AddressLater => {
                "Take off what stands before the client's address, as in: sed 's/^PREFIX //' FILE | hitmap analyze -"
            }
            Nonsense::UserAgentElsewhere if has_one_field_more(line) => {
                "This takes out the first field in quotes after the request: \
                 sed -E 's/^(([^\"]*\"){2}[^\"]* )\"[^\"]*\" /\\1/' FILE | hitmap analyze -"
            }
            Nonsense::UserAgentElsewhere => {
                "Rewrite the lines so that the referrer and the user agent, in quotes, follow the size"
            }
            Nonsense::OtherQuotedFields => {
                "This counts them without user agents: \
                 sed -E 's/^(([^\"]*\"){2} [0-9]+ [0-9-]+).*/\\1/' FILE | hitmap analyze -f common -"
            }
        };
        format!(
            "its lines can be read as combined or common, but {}, so visitors would be wrong. For instance: {}. {cure}; or \
             name the format with --log-format to count it all the same",
            nonsense.text(),
            quote(line)
        )
    }

    /// A log behind a proxy: few addresses make most requests, and the clients stand in another field.
    fn proxies_warning(&self, ballot: &Ballot<'_>) -> Option<String> {
        let lines = ballot.lines();
        if lines < LEAST_LINES || ballot.with_forwarded_for * 2 <= lines {
            return None;
        }
        let mut counts: Vec<u64> = ballot.clients.values().copied().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let few: u64 = counts.iter().take(FEW_CLIENTS).sum();
        (few * 2 > lines).then(|| {
            format!(
                "{} made {} % of the first {lines} requests, and another field holds addresses, too: such few are probably \
                 proxies, and visitors are told apart by the other fields of --visitor only",
                counted(counts.len().min(FEW_CLIENTS) as u64, "address", "addresses"),
                few * 100 / lines
            )
        })
    }

    /// Lines that are not read in the way that was chosen, but could be read otherwise.
    fn mixture_warning(&self, way: &Way, ballot: &Ballot<'_>, format: &Format) -> Option<String> {
        let others = self.readable - ballot.lines();
        if self.readable < LEAST_MIXED || others * 20 <= self.readable {
            return None;
        }
        let other = self.ballots.iter().filter(|(other, _)| *other != way).max_by(by_lines);
        let mut text = format!(
            "{} % of the first {} lines that can be read are not {format}",
            others * 100 / self.readable,
            self.readable
        );
        let first = match other {
            Some((other, ballot)) if ballot.lines() >= self.nonsense_lines() => {
                let _ = write!(text, ", but {}", other.format(ballot.grammar()));
                ballot.first
            }
            _ => self.first_nonsense.unwrap_or_default(),
        };
        let _ = write!(
            text,
            ": their visitors may be wrong. Give logs of different formats as different files. The first such line: {}",
            quote(first)
        );
        Some(text)
    }
}

/// Whether the line makes sense without its first quoted field after the request.
fn has_one_field_more(line: &[u8]) -> bool {
    let quotes: Vec<usize> = memchr::memchr_iter(b'"', line).collect();
    let &[_, _, open, close, ..] = &quotes[..] else { return false };
    let rest = line[close + 1..].strip_prefix(b" ").unwrap_or_default();
    let shorter = [&line[..open], rest].concat();
    let fields = combined::fields(&shorter, true, &mut Clock::default());
    fields.is_ok_and(|fields| sense::check(&fields, true).is_ok())
}

/// The order of ways by their lines; of equals the one with fewer wrappings comes last, and no two are equal.
fn by_lines(one: &(&Way, &Ballot<'_>), other: &(&Way, &Ballot<'_>)) -> Ordering {
    let rank = |way: &Way| {
        let names: Vec<&str> = way.wrappings.iter().map(|wrapping| wrapping.name()).collect();
        (names.len(), names, way.host_form as u8)
    };
    one.1.lines().cmp(&other.1.lines()).then_with(|| rank(other.0).cmp(&rank(one.0)))
}

/// So many lines of a form of hosts decide, of a hundred that are read alike but for the form.
const FEW_HOSTS: u64 = 1;
/// Lines from which on a share of other lines means something.
const LEAST_MIXED: u64 = 20;
/// Lines from which on few clients are suspicious.
const LEAST_LINES: u64 = 1_000;
/// So few clients that make most requests are proxies.
const FEW_CLIENTS: usize = 3;
