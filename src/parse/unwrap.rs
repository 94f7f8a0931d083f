//! Lines taken out of what stands around them.
//!
//! Owns: [`Unwrapper`], which keeps the room for decoded lines. May import: `format`, `wrapping`, `sense` (the parts of a
//! host). Must not know: the grammar of what is inside.

use super::Reason;
use super::format::{Format, HostForm};
use super::record::Record;
use super::sense::{split_forwarded_list, without_port};
use super::wrapping::{IsPiece, Wrapping, unescape_docker_json};

/// Takes the lines of one format out of their wrappings. Keeps a buffer, so make one a thread.
#[derive(Debug)]
pub(super) struct Unwrapper {
    wrappings: Vec<Wrapping>,
    host_form: HostForm,
    decoded: Vec<u8>,
}

/// A line that a grammar can read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inside<'a> {
    pub(super) line: &'a [u8],
    host_form: HostForm,
    /// The client, where it is not the line's first word.
    host: Option<&'a [u8]>,
}

impl Unwrapper {
    pub(super) fn new(format: &Format) -> Self {
        Self {
            wrappings: format.wrappings().to_vec(),
            host_form: format.host_form(),
            decoded: Vec::new(),
        }
    }

    /// The line inside `line`.
    pub(super) fn unwrap<'a>(&'a mut self, line: &'a [u8]) -> Result<Inside<'a>, Reason> {
        let Self { wrappings, host_form, decoded } = self;
        let mut decoded = Some(decoded);
        let mut rest = line;
        for &wrapping in &*wrappings {
            let inside = match wrapping {
                Wrapping::DockerJson => {
                    // A format has at most one that is decoded.
                    let Some(decoded) = decoded.take() else { return Err(Reason::Unwrapped) };
                    let is_whole = unescape_docker_json(rest, decoded);
                    is_whole.map(|is_whole| is_whole.map(|()| &decoded[..]))
                }
                wrapping => wrapping.strip(rest),
            };
            rest = match inside {
                Some(Ok(inside)) => inside,
                Some(Err(IsPiece)) => return Err(Reason::Piece),
                // An empty line has nothing around it.
                None if line.is_empty() => rest,
                None => return Err(Reason::Unwrapped),
            };
        }
        let (host, line) = match *host_form {
            HostForm::ForwardedList => split_forwarded_list(rest).unzip(),
            _ => (None, None),
        };
        Ok(Inside { line: line.unwrap_or(rest), host_form: *host_form, host })
    }
}

impl<'a> Inside<'a> {
    /// The record of the line with the client's address alone as its host.
    #[inline]
    pub(super) fn with_host(self, record: Record<'a>) -> Record<'a> {
        let host = match self.host_form {
            HostForm::Plain => None,
            HostForm::WithPort => without_port(record.host),
            HostForm::ForwardedList => self.host,
        };
        Record { host: host.unwrap_or(record.host), ..record }
    }
}
