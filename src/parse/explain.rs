//! What a line says, field by field, for people who check how their log is read.
//!
//! Owns: [`explain`], [`Explained`]. May import: its siblings. Must not know: what counts, how fields are shown.

use super::combined;
use super::dig;
use super::format::Format;
use super::record::Record;
use super::time::Clock;
use super::unwrap::Unwrapper;
use super::{Line, Reason};

/// The fields of a line that a record leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FurtherFields<'a> {
    /// The second field, mostly `-`.
    pub identity: &'a [u8],
    /// The request between its quotes, whether it is readable or not.
    pub request: &'a [u8],
    /// What follows the last field that the format names.
    pub rest: &'a [u8],
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Explained<'a> {
    /// A hit, and what is left out of it.
    Hit(Record<'a>, FurtherFields<'a>),
    /// A line of a beacon log that is not a beacon.
    Other,
    /// An empty line.
    Empty,
    /// A line that is not of the format.
    Malformed(Reason),
}

/// Reads one line without its line end as `format` says, and hands `each` what it is. NUL bytes at its start are passed over,
/// as [`Parser`](super::Parser) does.
pub fn explain<T>(format: &Format, line: &[u8], each: impl FnOnce(Explained<'_>) -> T) -> T {
    let nul_bytes = line.iter().take_while(|&&byte| byte == 0).count();
    let line = &line[nul_bytes..];
    if line.is_empty() {
        return each(Explained::Empty);
    }
    let (mut unwrapper, mut decoded) = (Unwrapper::new(format), dig::Decoded::default());
    let inside = match unwrapper.unwrap(line) {
        Ok(inside) => inside,
        Err(reason) => return each(Explained::Malformed(reason)),
    };
    let has_user_agent = format.grammar().has_user_agent();
    let fields = match combined::fields(inside.line, has_user_agent, &mut Clock::default()) {
        Ok(fields) => fields,
        Err(reason) => return each(Explained::Malformed(reason)),
    };
    let combined::Fields { record, identity, request, rest } = fields;
    let record = inside.with_host(record);
    let read = if format.grammar().is_beacon() {
        dig::read(record, &mut decoded)
    } else {
        Ok(Line::Hit(record))
    };
    each(match read {
        Ok(Line::Hit(record)) => Explained::Hit(record, FurtherFields { identity, request, rest }),
        Ok(Line::Other) => Explained::Other,
        Err(reason) => Explained::Malformed(reason),
    })
}
