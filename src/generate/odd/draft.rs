//! A line that can still be changed, and what it will count as.
//!
//! Owns: [`Draft`], [`Class`]. May import: `lifelike`, `random`, `text`. Must not know: which changes there are.

use super::super::Format;
use super::super::lifelike::{BASE, Moment, World};
use super::super::random::Random;
use super::super::text::{push_encoded, push_number, time_text};
use crate::time::CivilTime;

/// What kind of line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Hit,
    Malformed,
    Empty,
    Other,
}

/// The page a line is about.
#[derive(Clone, Debug)]
pub(super) enum Page {
    /// One of the site's pages.
    Own(u32),
    /// A path that only odd lines have.
    Odd(Vec<u8>),
}

/// A lifelike line in pieces. A function that changes a piece also records what the line now counts as.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) format: Format,
    // What is known.
    pub(super) class: Class,
    pub(super) page: Option<Page>,
    /// Whether method, status and extension are those of a page view. Beacons count either way.
    pub(super) counts: bool,
    /// The host, if it is not the visitor's own.
    pub(super) odd_host: Option<Vec<u8>>,
    /// The user agent, if it is not the visitor's own.
    pub(super) odd_agent: Option<Vec<u8>>,
    pub(super) time: CivilTime,
    /// The time in a beacon's argument, if it has one.
    pub(super) time_of_argument: Option<CivilTime>,
    pub(super) status_value: u16,
    pub(super) bytes_sent: u64,
    // What is written.
    pub(super) host: Vec<u8>,
    /// Identity and user.
    pub(super) user: Vec<u8>,
    pub(super) offset: &'static str,
    /// In place of `time` and `offset`.
    pub(super) bracketed: Option<Vec<u8>>,
    pub(super) method: Vec<u8>,
    /// Not written in a beacon.
    pub(super) target: Vec<u8>,
    /// In place of method, target and protocol.
    pub(super) request: Option<Vec<u8>>,
    pub(super) status: Vec<u8>,
    pub(super) size: Vec<u8>,
    pub(super) referrer: Vec<u8>,
    pub(super) agent: Vec<u8>,
    /// After the closing quote of the user agent.
    pub(super) after: Vec<u8>,
    pub(super) line_end: &'static [u8],
    /// In place of everything, the line end included.
    pub(super) whole: Option<Vec<u8>>,
    // Arguments of a beacon, as encoded.
    pub(super) url_argument: Vec<u8>,
    pub(super) agent_argument: Vec<u8>,
    pub(super) time_argument: Vec<u8>,
    /// All arguments in place of those.
    pub(super) arguments: Option<Vec<u8>>,
}

/// Where the pieces of a written line begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct PieceOffsets {
    pub(super) time: usize,
    pub(super) request: usize,
    pub(super) status: usize,
    /// Of the user agent, or the end of a common line.
    pub(super) agent: usize,
}

impl Draft {
    /// A page view of one of the site's pages.
    pub(super) fn new(world: &World, moment: Moment, random: &mut Random) -> Self {
        let mut host = Vec::new();
        world.visitors.write_host(moment.visitor, &mut host);
        let agent = world.visitors.agent(moment.visitor);
        let page = world.pages.draw(random);
        let bytes_sent =
            if world.format == Format::Dig { 43 } else { 800 + u64::from(random.below(60_000)) };
        let mut size = Vec::new();
        push_number(&mut size, bytes_sent);
        let mut draft = Self {
            format: world.format,
            class: Class::Hit,
            page: None,
            counts: true,
            odd_host: None,
            odd_agent: None,
            time: CivilTime::from_seconds(moment.seconds),
            time_of_argument: None,
            status_value: 200,
            bytes_sent,
            host,
            user: b"- -".to_vec(),
            offset: "+0800",
            bracketed: None,
            method: b"GET".to_vec(),
            target: Vec::new(),
            request: None,
            status: b"200".to_vec(),
            size,
            referrer: b"-".to_vec(),
            agent: agent.0.to_vec(),
            after: if world.format == Format::Dig { b" \"-\"".to_vec() } else { Vec::new() },
            line_end: b"\n",
            whole: None,
            url_argument: Vec::new(),
            agent_argument: agent.1.to_vec(),
            time_argument: b"1".to_vec(),
            arguments: None,
        };
        draft.set_target(world.pages.path(page));
        draft.page = Some(Page::Own(page));
        draft
    }

    pub(super) fn is_beacon(&self) -> bool {
        self.format == Format::Dig
    }

    /// Changes the target, or the url argument of a beacon, but not the page.
    fn set_target(&mut self, target: Vec<u8>) {
        self.url_argument.clear();
        push_encoded(&mut self.url_argument, BASE);
        push_encoded(&mut self.url_argument, &target);
        self.target = target;
    }

    /// Changes the target to one whose page is `page`.
    pub(super) fn set_page(&mut self, target: impl Into<Vec<u8>>, page: impl Into<Vec<u8>>) {
        self.set_target(target.into());
        self.page = Some(Page::Odd(page.into()));
    }

    /// Changes the target to a path that is its own page.
    pub(super) fn set_path(&mut self, path: impl Into<Vec<u8>>) {
        let path = path.into();
        self.set_page(path.clone(), path);
    }

    /// Appends to the target; the page stays.
    pub(super) fn append_to_target(&mut self, more: &[u8]) {
        let mut target = std::mem::take(&mut self.target);
        target.extend_from_slice(more);
        self.set_target(target);
    }

    /// Replaces the whole request by one without a page.
    pub(super) fn set_request(&mut self, request: impl Into<Vec<u8>>) {
        self.request = Some(request.into());
        self.page = None;
    }

    pub(super) fn set_host(&mut self, host: impl Into<Vec<u8>>) {
        self.host = host.into();
        self.odd_host = Some(self.host.clone());
    }

    /// Changes the user agent to one that needs no escaping between quotes; a beacon also sends it as an argument.
    pub(super) fn set_agent(&mut self, agent: impl Into<Vec<u8>>) {
        self.agent = agent.into();
        self.agent_argument.clear();
        push_encoded(&mut self.agent_argument, &self.agent);
        self.odd_agent = Some(self.agent.clone());
    }

    pub(super) fn set_status(&mut self, text: &str, value: u16) {
        self.status = text.as_bytes().to_vec();
        self.status_value = value;
        self.counts &= matches!(value, 200..=299 | 304);
    }

    pub(super) fn set_size(&mut self, text: &str, value: u64) {
        self.size = text.as_bytes().to_vec();
        self.bytes_sent = value;
    }

    pub(super) fn set_whole(&mut self, class: Class, whole: impl Into<Vec<u8>>) {
        self.whole = Some(whole.into());
        self.class = class;
    }

    /// Appends the line with its end.
    pub(super) fn write(&self, output: &mut Vec<u8>) {
        match &self.whole {
            Some(whole) => output.extend_from_slice(whole),
            None => {
                self.write_pieces(output);
                output.extend_from_slice(self.line_end);
            }
        }
    }

    /// Appends the line without its end. Returns the offsets of its pieces in `output`.
    pub(super) fn write_pieces(&self, output: &mut Vec<u8>) -> PieceOffsets {
        output.extend_from_slice(&self.host);
        output.push(b' ');
        output.extend_from_slice(&self.user);
        output.extend_from_slice(b" [");
        let time = output.len();
        match &self.bracketed {
            Some(text) => output.extend_from_slice(text),
            None => {
                output.extend_from_slice(&time_text(self.time));
                output.push(b' ');
                output.extend_from_slice(self.offset.as_bytes());
            }
        }
        output.extend_from_slice(b"] \"");
        let request = output.len();
        self.write_request(output);
        output.extend_from_slice(b"\" ");
        let status = output.len();
        output.extend_from_slice(&self.status);
        output.push(b' ');
        output.extend_from_slice(&self.size);
        if self.format == Format::Common {
            return PieceOffsets { time, request, status, agent: output.len() };
        }
        output.extend_from_slice(b" \"");
        output.extend_from_slice(&self.referrer);
        output.extend_from_slice(b"\" \"");
        let agent = output.len();
        output.extend_from_slice(&self.agent);
        output.push(b'"');
        output.extend_from_slice(&self.after);
        PieceOffsets { time, request, status, agent }
    }

    fn write_request(&self, output: &mut Vec<u8>) {
        if let Some(request) = &self.request {
            output.extend_from_slice(request);
            return;
        }
        output.extend_from_slice(&self.method);
        output.push(b' ');
        if !self.is_beacon() {
            output.extend_from_slice(&self.target);
        } else if let Some(arguments) = &self.arguments {
            output.extend_from_slice(b"/dig?");
            output.extend_from_slice(arguments);
        } else {
            output.extend_from_slice(b"/dig?refer=&");
            self.write_arguments(output);
        }
        output.extend_from_slice(b" HTTP/1.1");
    }

    /// The arguments of an ordinary beacon, except the referrer.
    fn write_arguments(&self, output: &mut Vec<u8>) {
        let arguments: [(&[u8], &[u8]); 3] = [
            (b"time=", &self.time_argument),
            (b"&ua=", &self.agent_argument),
            (b"&url=", &self.url_argument),
        ];
        for (name, value) in arguments {
            output.extend_from_slice(name);
            output.extend_from_slice(value);
        }
    }

    /// The arguments of an ordinary beacon, except the referrer.
    pub(super) fn argument_text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        self.write_arguments(&mut text);
        text
    }
}
