//! From the ranges of parts to sources: which of them are complete, and which count.
//!
//! Owns: [`counted`]. May import: `part::range`. Must not know: blocks, databases.

use std::collections::HashSet;

use super::PartError;
use super::range::{Kind, SourceRange, source_id};

/// Which of the ranges of a part count. Sources with the same content are one: the ranges with the smallest kind and key
/// count.
///
/// # Errors
/// [`PartError::Incomplete`] if a source's ranges do not adjoin from its beginning to its end.
pub fn counted(ranges: &[SourceRange]) -> Result<Vec<bool>, PartError> {
    let mut seen = HashSet::new();
    let mut counted = Vec::with_capacity(ranges.len());
    for source in ranges.chunk_by(SourceRange::shares_source) {
        let id = match source[0].kind {
            Kind::Whole => source[0].key,
            Kind::Planned => id_of_planned(source)?,
        };
        let is_new = seen.insert(id);
        counted.extend(source.iter().map(|_| is_new));
    }
    Ok(counted)
}

/// The id that reading a planned source in one piece gives.
fn id_of_planned(ranges: &[SourceRange]) -> Result<u128, PartError> {
    let incomplete = |what: String| {
        let name = ranges[0].display_name();
        Err(PartError::Incomplete(format!("{name} is incomplete: {what}")))
    };
    let mut end = 0;
    for range in ranges {
        if range.start != end {
            return incomplete(format!("bytes {end} to {} are missing", range.start));
        }
        end = range.end;
    }
    match ranges.iter().find_map(|range| range.log_bytes) {
        Some(bytes) if bytes == end => {
            let hashes: Vec<u128> =
                ranges.iter().flat_map(|range| range.block_hashes.iter().copied()).collect();
            Ok(source_id(&hashes))
        }
        Some(bytes) => incomplete(format!("bytes {end} to {bytes} are missing")),
        None => incomplete(format!("where it ends beyond byte {end} is not known")),
    }
}

#[cfg(test)]
mod tests {
    use super::counted;
    use crate::facts::part::range::{Kind, SourceRange};

    const BLOCK: u64 = 8 << 20;

    fn planned(key: u128, blocks: std::ops::Range<u64>, log_bytes: Option<u64>) -> SourceRange {
        let end = log_bytes.map_or(blocks.end * BLOCK, |bytes| bytes.min(blocks.end * BLOCK));
        let block_hashes = blocks.clone().map(u128::from).collect();
        let start = blocks.start * BLOCK;
        SourceRange {
            kind: Kind::Planned,
            key,
            log_bytes,
            start,
            end,
            block_hashes,
            ..SourceRange::default()
        }
    }

    #[test]
    fn complete_sources_count_once() {
        let bytes = 3 * BLOCK - 5;
        let whole = SourceRange::whole(bytes, vec![0, 1, 2], Vec::new());
        let parts = |key| [planned(key, 0..1, None), planned(key, 1..3, Some(bytes))];
        let other = SourceRange::whole(5, vec![9], Vec::new());
        let ranges = [&parts(4)[..], &parts(7)].concat();
        assert_eq!(counted(&ranges).unwrap(), [true, true, false, false]);
        let ranges = [&[other, whole][..], &parts(4)].concat();
        assert_eq!(counted(&ranges).unwrap(), [true, true, false, false]);
    }

    #[test]
    fn incomplete_sources_are_named() {
        let bytes = Some(3 * BLOCK - 5);
        for (ranges, what) in [
            (vec![planned(4, 1..3, bytes)], "bytes 0 to 8388608 are missing"),
            (vec![planned(4, 0..1, None), planned(4, 2..3, bytes)], "bytes 8388608 to 16777216"),
            (vec![planned(4, 0..2, bytes)], "bytes 16777216 to 25165819 are missing"),
            (vec![planned(4, 0..2, None)], "where it ends beyond byte 16777216 is not known"),
        ] {
            let error = counted(&ranges).unwrap_err().to_string();
            assert!(
                error.contains(what) && error.starts_with("00000000000000000000000000000004"),
                "{error}"
            );
        }
    }
}
