//! Inputs of one run that hold the same bytes, or the beginning of another's: a file and its .gz, a copy, an older state.
//! Each line counts once.
//!
//! Owns: which inputs may be copies, before they are counted, and which ones are, after. May import: `source`, `pipeline`
//! (what was read). Must not know: databases, what is done about copies.

use std::collections::{BTreeMap, BTreeSet};

use crate::pipeline::InputReport;
use crate::source::{Input, SourceIdentity};

/// Length of the beginnings by which inputs are compared before they are counted: beyond the heads that many logs begin
/// with, and not more than one read.
const COMPARED_BYTES: usize = 512;

/// The inputs, by index, each of which begins like another, so that one may be a copy. What can be read only once begins
/// like any.
pub(super) fn possible_copies(inputs: &[Input]) -> BTreeSet<usize> {
    if inputs.len() < 2 {
        return BTreeSet::new();
    }
    if inputs.iter().any(Input::is_one_shot) {
        return (0..inputs.len()).collect();
    }
    // What cannot be read, or holds nothing, is no copy.
    let beginning = |(index, input): (usize, &Input)| {
        let bytes = input.beginning(COMPARED_BYTES).ok().filter(|bytes| !bytes.is_empty())?;
        Some((bytes, index))
    };
    let mut beginnings: Vec<(Vec<u8>, usize)> =
        inputs.iter().enumerate().filter_map(beginning).collect();
    beginnings.sort_unstable();
    let alike = beginnings.windows(2).filter(|pair| {
        // One that any other begins with is also what the next one begins with.
        pair[1].0.starts_with(&pair[0].0)
    });
    alike.flat_map(|pair| [pair[0].1, pair[1].1]).collect()
}

/// An input that adds nothing to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Copy {
    /// Index of the other input.
    pub(super) of: usize,
    /// Whether the other one holds more.
    pub(super) is_beginning: bool,
}

impl Copy {
    /// The sentence about the input `name`, which is a copy of `of`.
    pub(super) fn sentence(self, name: &str, of: &str) -> String {
        if self.is_beginning {
            format!("{name:?} is the beginning of {of:?}: its lines are counted once")
        } else {
            format!("{name:?} holds the same as {of:?}: it is counted once")
        }
    }
}

/// The inputs, by index, whose counted bytes are those of another input or its beginning. Only inputs with an identity are
/// compared. Of equal ones the first is kept.
pub(super) fn copies(inputs: &[Input], reports: &[InputReport]) -> BTreeMap<usize, Copy> {
    let identified = reports.iter().filter_map(|report| {
        let identity = report.identity.as_ref().filter(|identity| identity.bytes > 0)?;
        Some((report.index, identity))
    });
    let mut identified: Vec<(usize, &SourceIdentity)> = identified.collect();
    identified.sort_by_key(|&(index, identity)| (std::cmp::Reverse(identity.bytes), index));
    let mut kept: Vec<(usize, &SourceIdentity)> = Vec::new();
    let mut copies = BTreeMap::new();
    for (index, identity) in identified {
        let other = kept.iter().find(|(other, longer)| {
            longer.id == identity.id
                || longer.may_begin_with(identity) && begins_with(&inputs[*other], longer, identity)
        });
        match other {
            Some(&(of, longer)) => {
                copies.insert(index, Copy { of, is_beginning: longer.bytes > identity.bytes });
            }
            None => kept.push((index, identity)),
        }
    }
    copies
}

/// Whether `input` begins with the bytes of `identity`, of which at most the last block is not known to be the same.
fn begins_with(input: &Input, longer: &SourceIdentity, identity: &SourceIdentity) -> bool {
    // A pipe has gone by.
    !input.is_one_shot()
        && input.id_of_beginning(longer, identity.bytes).is_ok_and(|id| id == identity.id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::{Copy, copies, possible_copies};
    use crate::facts::tally::Tally;
    use crate::pipeline::InputReport;
    use crate::source::{Input, Opening};

    struct Logs {
        _folder: tempfile::TempDir,
        inputs: Vec<Input>,
    }

    fn logs(contents: &[&[u8]]) -> Logs {
        let folder = tempfile::TempDir::new().unwrap();
        let write = |(number, bytes): (usize, &&[u8])| {
            let path: PathBuf = folder.path().join(number.to_string());
            std::fs::write(&path, bytes).unwrap();
            Input::Path(path)
        };
        let inputs = contents.iter().enumerate().map(write).collect();
        Logs { inputs, _folder: folder }
    }

    fn reports(inputs: &[Input]) -> Vec<InputReport> {
        let report = |(index, input): (usize, &Input)| InputReport {
            index,
            name: input.display(),
            bytes: 0,
            format: None,
            identity: Some(input.identify(Opening::default()).unwrap()),
            pending_bytes: 0,
            tally: Tally::default(),
        };
        inputs.iter().enumerate().map(report).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn copies_and_beginnings_are_found_in_any_order_and_form() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut changed = text.clone();
        *changed.last_mut().unwrap() ^= 1;
        let (whole, half, little) = (gzip(&text), &text[..200_000], &text[..100]);
        let logs = logs(&[little, &changed, half, &text, &whole, b"another", b"", &text[7..600]]);
        let alike: Vec<usize> = possible_copies(&logs.inputs).into_iter().collect();
        assert_eq!(alike, [0, 1, 2, 3, 4]);
        let found = copies(&logs.inputs, &reports(&logs.inputs));
        let beginning = |of| Copy { of, is_beginning: true };
        let expected =
            [(0, beginning(1)), (2, beginning(1)), (4, Copy { of: 3, is_beginning: false })];
        assert_eq!(found, BTreeMap::from(expected));
    }

    #[test]
    fn logs_of_their_own_are_not_compared() {
        let logs = logs(&[b"10.0.0.1 - -", b"10.0.0.2 - -", b"10.0.0.3 - -"]);
        assert!(possible_copies(&logs.inputs).is_empty());
        assert!(possible_copies(&logs.inputs[..1]).is_empty());
        assert!(copies(&logs.inputs, &reports(&logs.inputs)).is_empty());
    }
}
