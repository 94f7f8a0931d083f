//! How a source is related to one that is recorded, as far as hashes of both tell.
//!
//! Owns: [`Relation`]. May import: `source` (identities), its parent. Must not know: files, rows.

use super::Recorded;
use crate::source::{BLOCK_BYTES, SourceIdentity};

/// What a source is to a recorded one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::database) enum Relation {
    /// It is that source.
    Same,
    /// It is that source before it grew.
    EarlierState,
    /// It is shorter than that source and begins as that: it was cut, or is a copy of what was counted long ago.
    Cut,
    /// It is longer than that source and begins as that, as far as hashes tell: only its bytes can tell whether that source
    /// has grown.
    MayHaveGrown,
    /// It is something else, or too short to tell.
    Different,
}

/// The relation of a source to a recorded one.
pub(in crate::database) fn relation(recorded: &Recorded, source: &SourceIdentity) -> Relation {
    let known = &recorded.identity;
    if known.id == source.id {
        return Relation::Same;
    }
    if recorded.states.iter().any(|state| state.id == source.id) {
        return Relation::EarlierState;
    }
    let [shorter, longer] =
        if source.bytes < known.bytes { [source, known] } else { [known, source] };
    let is_longer = source.bytes > known.bytes;
    // Of what is too short for a hashed beginning nothing is known that would tell it from the source's beginning.
    let is_unknown = known.bytes > 0 && known.beginnings.is_empty() && is_longer;
    match (begins_with(longer, shorter), is_longer) {
        (true, false) => Relation::Cut,
        (true, true) => Relation::MayHaveGrown,
        (false, _) if is_unknown => Relation::MayHaveGrown,
        (false, _) => Relation::Different,
    }
}

/// Whether a source begins with a shorter one, judged by the whole blocks of that and its longest beginning of known hash.
/// Nothing begins with a source that has neither.
pub(in crate::database) fn begins_with(longer: &SourceIdentity, shorter: &SourceIdentity) -> bool {
    let whole = usize::try_from(shorter.bytes / BLOCK_BYTES).unwrap_or(usize::MAX);
    let beginning = shorter.beginnings.len();
    shorter.bytes < longer.bytes
        && beginning > 0
        && shorter.beginnings.last() == longer.beginnings.get(beginning - 1)
        && shorter
            .block_hashes
            .get(..whole)
            .is_some_and(|known| longer.block_hashes.get(..whole) == Some(known))
}
