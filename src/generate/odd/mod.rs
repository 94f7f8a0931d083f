//! Odd lines: what crashes, attackers, other programs and old servers leave in logs.
//!
//! Owns: [`OddLines`] and the list of kinds. May import: `truth`, `lifelike`, `random`, `text`.
//! Must not know: when requests come, where bytes go.
//!
//! To add a kind: a function that changes a `Draft` and says what the line then is, and a row in [`KINDS`].

mod beacons;
mod draft;
mod fields;
mod lines;

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_128;

use super::Format;
use super::lifelike::{Moment, World};
use super::random::Random;
use super::truth::{LineTruth, Truth, View};
use draft::{Class, Draft, Page};

/// The formats that a kind can occur in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Formats {
    All,
    /// Formats with a user agent: combined and dig.
    WithAgent,
    /// Formats whose request is for the page itself: combined and common.
    WithPageRequest,
    /// Beacons: dig.
    Beacon,
}

/// One way for a line to be odd.
struct Kind {
    name: &'static str,
    formats: Formats,
    change: fn(&mut Draft, &mut Random),
}

impl Kind {
    const fn new(
        name: &'static str,
        formats: Formats,
        change: fn(&mut Draft, &mut Random),
    ) -> Self {
        Self { name, formats, change }
    }

    fn occurs_in(&self, format: Format) -> bool {
        match self.formats {
            Formats::All => true,
            Formats::WithAgent => format != Format::Common,
            Formats::WithPageRequest => format != Format::Dig,
            Formats::Beacon => format == Format::Dig,
        }
    }
}

/// All kinds. Within a format, each is equally likely.
const KINDS: &[Kind] = &[
    Kind::new("long query", Formats::All, lines::long_query),
    Kind::new("long user agent", Formats::WithAgent, lines::long_agent),
    Kind::new("NUL in a path", Formats::All, lines::nul_in_path),
    Kind::new("NULs before the host", Formats::All, lines::nuls_before_host),
    Kind::new("a hole of NULs", Formats::All, lines::nuls),
    Kind::new("Latin-1 path", Formats::All, lines::latin1_path),
    Kind::new("Latin-1 user agent", Formats::WithAgent, lines::latin1_agent),
    Kind::new("invalid UTF-8", Formats::All, lines::invalid_utf8),
    Kind::new("byte order mark", Formats::All, lines::byte_order_mark),
    Kind::new("CRLF", Formats::All, lines::crlf),
    Kind::new("CR in the protocol", Formats::All, lines::cr_in_protocol),
    Kind::new("CR in the user agent", Formats::WithAgent, lines::cr_in_agent),
    Kind::new("line separators", Formats::All, lines::line_separators),
    Kind::new("empty line", Formats::All, lines::empty),
    Kind::new("line of blanks", Formats::All, lines::blanks),
    Kind::new("text of another program", Formats::All, lines::other_program),
    Kind::new("comment", Formats::All, lines::comment),
    Kind::new("another format", Formats::All, lines::other_format),
    Kind::new("overwritten host", Formats::All, lines::overwritten_host),
    Kind::new("glued in the request", Formats::All, lines::glued_in_request),
    Kind::new("glued in the user agent", Formats::WithAgent, lines::glued_in_agent),
    Kind::new("glued at the end", Formats::All, lines::glued_at_end),
    Kind::new("torn", Formats::All, lines::torn),
    Kind::new("torn in the user agent", Formats::WithAgent, lines::torn_in_agent),
    Kind::new("unreadable request", Formats::All, fields::unreadable_request),
    Kind::new("TLS handshake", Formats::All, fields::tls_handshake),
    Kind::new("odd method", Formats::All, fields::odd_method),
    Kind::new("HTTP/2 preface", Formats::All, fields::http2_preface),
    Kind::new("blanks in the path", Formats::All, fields::blanks_in_path),
    Kind::new("escaped quote", Formats::All, fields::escaped_quote),
    Kind::new("raw quote", Formats::All, fields::raw_quote),
    Kind::new("odd path", Formats::All, fields::odd_path),
    Kind::new("fragment", Formats::All, fields::fragment),
    Kind::new("nearly static file", Formats::All, fields::nearly_static),
    Kind::new("no path", Formats::WithPageRequest, fields::no_path),
    Kind::new("absolute target", Formats::WithPageRequest, fields::absolute_target),
    Kind::new("odd size", Formats::All, fields::odd_size),
    Kind::new("bad size", Formats::All, fields::bad_size),
    Kind::new("odd status", Formats::All, fields::odd_status),
    Kind::new("bad status", Formats::All, fields::bad_status),
    Kind::new("odd host", Formats::All, fields::odd_host),
    Kind::new("list of hosts", Formats::All, fields::host_list),
    Kind::new("odd user", Formats::All, fields::odd_user),
    Kind::new("bad user", Formats::All, fields::bad_user),
    Kind::new("odd date", Formats::All, fields::odd_date),
    Kind::new("bad date", Formats::All, fields::bad_date),
    Kind::new("odd offset", Formats::All, fields::odd_offset),
    Kind::new("clock stepped back", Formats::All, fields::clock_back),
    Kind::new("odd user agent", Formats::WithAgent, fields::odd_agent),
    Kind::new("more after the user agent", Formats::WithAgent, fields::more_after_agent),
    Kind::new("open user agent", Formats::WithAgent, fields::open_agent),
    Kind::new("odd escapes", Formats::Beacon, beacons::odd_escapes),
    Kind::new("bad escape", Formats::Beacon, beacons::bad_escape),
    Kind::new("bad escape in an unused argument", Formats::Beacon, beacons::bad_unused_escape),
    Kind::new("missing argument", Formats::Beacon, beacons::missing_argument),
    Kind::new("repeated argument", Formats::Beacon, beacons::repeated_argument),
    Kind::new("unescaped argument", Formats::Beacon, beacons::unescaped_argument),
    Kind::new("odd time argument", Formats::Beacon, beacons::odd_time),
    Kind::new("not a beacon", Formats::Beacon, beacons::not_a_beacon),
];

/// Writes odd lines, and numbers the visitors and pages that occur only in them.
#[derive(Debug)]
pub(super) struct OddLines {
    /// Indexes into [`KINDS`] of the kinds that occur in the format, and the number of lines of each.
    kinds: Vec<(usize, u64)>,
    /// Numbers of visitors by the hash of host and user agent.
    visitors: HashMap<u128, u32>,
    next_visitor: u32,
    pages: HashMap<Vec<u8>, u32>,
    next_page: u32,
}

impl OddLines {
    /// For a log that has `visitors` visitors and `pages` pages besides those of odd lines.
    pub(super) fn new(format: Format, visitors: u32, pages: u32) -> Self {
        let kinds = KINDS.iter().enumerate().filter(|(_, kind)| kind.occurs_in(format));
        Self {
            kinds: kinds.map(|(index, _)| (index, 0)).collect(),
            visitors: HashMap::new(),
            next_visitor: visitors,
            pages: HashMap::new(),
            next_page: pages,
        }
    }

    /// The number of lines of each kind.
    pub(super) fn counts(&self) -> Vec<(&'static str, u64)> {
        self.kinds.iter().map(|&(index, lines)| (KINDS[index].name, lines)).collect()
    }

    /// Appends an odd line; a new page's path is added to the `truth`.
    pub(super) fn write(
        &mut self,
        world: &World,
        moment: Moment,
        random: &mut Random,
        output: &mut Vec<u8>,
        truth: &mut Truth,
    ) -> LineTruth {
        let slot = random.below(u32::try_from(self.kinds.len()).unwrap_or(u32::MAX)) as usize;
        self.kinds[slot].1 += 1;
        let mut draft = Draft::new(world, moment, random);
        (KINDS[self.kinds[slot].0].change)(&mut draft, random);
        draft.write(output);
        match draft.class {
            Class::Malformed => LineTruth::Malformed,
            Class::Empty => LineTruth::Empty,
            Class::Other => LineTruth::Other,
            Class::Hit => {
                let page = draft.page.take().filter(|_| draft.counts || draft.is_beacon());
                let view = page.map(|page| View {
                    visitor: self.visitor(world, moment, &draft),
                    page: match page {
                        Page::Own(page) => page,
                        Page::Odd(path) => self.page(path, truth),
                    },
                    time: draft.time_of_argument.unwrap_or(draft.time),
                });
                LineTruth::Hit { status: draft.status_value, bytes_sent: draft.bytes_sent, view }
            }
        }
    }

    fn visitor(&mut self, world: &World, moment: Moment, draft: &Draft) -> u32 {
        let has_agent = world.format != Format::Common;
        let odd_agent = draft.odd_agent.as_deref().filter(|_| has_agent);
        if draft.odd_host.is_none() && odd_agent.is_none() {
            return world.counted_visitor(moment.visitor);
        }
        let agent = match odd_agent {
            Some(agent) => agent,
            None if has_agent => world.visitors.agent(moment.visitor).0,
            None => &[],
        };
        let host = draft.odd_host.as_ref().unwrap_or(&draft.host);
        let key = [&(host.len() as u64).to_le_bytes(), host.as_slice(), agent].concat();
        *self.visitors.entry(xxh3_128(&key)).or_insert_with(|| {
            self.next_visitor += 1;
            self.next_visitor - 1
        })
    }

    fn page(&mut self, path: Vec<u8>, truth: &mut Truth) -> u32 {
        *self.pages.entry(path).or_insert_with_key(|path| {
            if truth.collects() {
                truth.paths.push(path.clone());
            }
            self.next_page += 1;
            self.next_page - 1
        })
    }
}

#[cfg(test)]
mod tests;
