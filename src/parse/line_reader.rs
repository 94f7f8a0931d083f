//! How a single line can be read: as it stands, or out of what stands around it.
//!
//! Owns: [`LineReader`], [`Way`], [`Seen`]. May import: `combined`, `dig`, `sense`, `line_number`, `wrapping`. Must not
//! know: what other lines of the log say.

use std::net::IpAddr;

use super::combined::{self, quoted_texts};
use super::dig;
use super::format::{Format, Grammar, HostForm, MAX_WRAPPINGS};
use super::line_number::LineNumber;
use super::sense::{self, Nonsense, split_forwarded_list};
use super::time::Clock;
use super::wrapping::{Wrapping, address, unescape_docker_json};

/// How a line can be read so that it makes sense.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Way {
    pub(super) wrappings: Vec<Wrapping>,
    pub(super) host_form: HostForm,
}

impl Way {
    /// The format of lines of `grammar` that are read in this way.
    pub(super) fn format(&self, grammar: Grammar) -> Format {
        Format::new(grammar, self.host_form, &self.wrappings)
    }

    /// The same with numbers of `grep -n` in front of addresses; `None` where they cannot stand there.
    pub(super) fn numbered(&self) -> Option<Self> {
        let (around, number) = match &self.wrappings[..] {
            [around @ .., Wrapping::GrepFile] => (around, Wrapping::GrepFileNumber),
            around => (around, Wrapping::GrepNumber),
        };
        let can_stand = around.len() < MAX_WRAPPINGS && can_stand_in(around, number);
        can_stand
            .then(|| Self { wrappings: [around, &[number]].concat(), host_form: self.host_form })
    }
}

/// Whether a wrapping can stand inside all of those `around`.
fn can_stand_in(around: &[Wrapping], inner: Wrapping) -> bool {
    around.iter().all(|outer| outer.can_hold(inner))
}

/// What detection looks at in a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) has_user_agent: bool,
    pub(super) has_readable_request: bool,
    pub(super) is_beacon: bool,
    pub(super) client: Option<IpAddr>,
    pub(super) has_forwarded_for: bool,
    /// `2410` of `2410:2001:db8::1`, which is an address as a whole, and may be one behind a line's number.
    pub(super) line_number: Option<u64>,
}

/// Finds how single lines can be read. Keeps the last way, since the next line is mostly read in the same.
#[derive(Debug, Default)]
pub(super) struct LineReader {
    clock: Clock,
    /// How the last line was read.
    pub(super) way: Way,
}

impl LineReader {
    /// What a line says, `self.way` being how; `None` if nothing can read it. A line that makes sense as it stands is
    /// taken as it stands; else what stands around it is looked for.
    pub(super) fn read(&mut self, line: &[u8]) -> Option<Result<Seen, Nonsense>> {
        self.way.wrappings.clear();
        let plain = self.read_inside(line);
        if let Some(Ok(_)) = plain {
            return plain;
        }
        self.read_wrapped(line).map(Ok).or(plain)
    }

    /// What a line inside wrappings says, `self.way` being in which; `None` if it makes no sense inside any, and
    /// `self.way` means nothing.
    fn read_wrapped(&mut self, line: &[u8]) -> Option<Seen> {
        if self.way.wrappings.len() == MAX_WRAPPINGS {
            return None;
        }
        for wrapping in Wrapping::ALL {
            if !can_stand_in(&self.way.wrappings, wrapping) {
                continue;
            }
            let decoded;
            let inside = match wrapping {
                Wrapping::DockerJson => {
                    let mut text = Vec::new();
                    let Some(Ok(())) = unescape_docker_json(line, &mut text) else { continue };
                    decoded = text;
                    &decoded[..]
                }
                wrapping => match wrapping.strip(line) {
                    Some(Ok(inside)) => inside,
                    _ => continue,
                },
            };
            self.way.wrappings.push(wrapping);
            let seen = match self.read_inside(inside) {
                Some(Ok(seen)) => Some(seen),
                _ => self.read_wrapped(inside),
            };
            // A line of CRI that holds something unreadable is no line with a time and a virtual host in front.
            if seen.is_some() || wrapping.is_distinctive() {
                return seen;
            }
            self.way.wrappings.pop();
        }
        None
    }

    /// What a line says as it stands, `self.way.host_form` being the form of its host.
    fn read_inside(&mut self, line: &[u8]) -> Option<Result<Seen, Nonsense>> {
        let (host, line) = match split_forwarded_list(line) {
            Some((host, rest)) => (Some(host), rest),
            None => (None, line),
        };
        let mut has_user_agent = true;
        let fields = combined::fields(line, true, &mut self.clock).or_else(|_| {
            has_user_agent = false;
            combined::fields(line, false, &mut self.clock)
        });
        let fields = fields.ok()?;
        let form = match sense::check(&fields, has_user_agent) {
            Ok(form) => form,
            Err(nonsense) => return Some(Err(nonsense)),
        };
        let record = fields.record;
        let line_number = match LineNumber::of(host.unwrap_or(record.host)) {
            Some(LineNumber::Certain) => return Some(Err(Nonsense::Host)),
            Some(LineNumber::Possible(number)) => Some(number),
            None => None,
        };
        self.way.host_form = if host.is_some() { HostForm::ForwardedList } else { form };
        Some(Ok(Seen {
            has_user_agent,
            has_readable_request: record.request.is_some(),
            is_beacon: has_user_agent
                && record.request.is_some_and(|request| dig::is_beacon(request.target)),
            client: address(record.host),
            line_number,
            has_forwarded_for: quoted_texts(fields.rest).any(|text| {
                address(text.split(|&byte| byte == b',').next().unwrap_or_default()).is_some()
            }),
        }))
    }
}
