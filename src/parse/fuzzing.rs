//! What the fuzz targets (`testdata/fuzz`) compare with: private parts of the parsers, there with `--cfg fuzzing` only.

use super::escape::Unescaped;
use super::time::Clock;
use super::{Grammar, Line, Reason, combined, dig};
use crate::parse::record::Record;

/// Tells `then` what the careful parser makes of one line: a hit, `None` for another line than a beacon, or why it is
/// malformed.
pub fn parse_carefully(
    grammar: Grammar,
    line: &[u8],
    then: impl FnOnce(Result<Option<&Record<'_>>, Reason>),
) {
    let mut decoded = dig::Decoded::default();
    let record = combined::parse(line, grammar.has_user_agent(), &mut Clock::default());
    let line = match grammar {
        Grammar::Dig => record.and_then(|record| dig::read(record, &mut decoded)),
        Grammar::Combined | Grammar::Common => record.map(Line::Hit),
    };
    match line {
        Ok(Line::Hit(record)) => then(Ok(Some(&record))),
        Ok(Line::Other) => then(Ok(None)),
        Err(reason) => then(Err(reason)),
    }
}

/// A beacon's argument decoded, `None` where an escape is bad.
#[must_use]
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut unescaped = Unescaped::default();
    let _ = unescaped.decode(&[b'x'; 70], 70);
    unescaped.decode(text, text.len()).ok().map(<[u8]>::to_vec)
}
