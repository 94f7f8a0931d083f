//! The ledger row of a span: what is published, and who is publishing.
//!
//! Owns: [`State`] and its text, JSON in one column, so that HBase compares and replaces it as a whole. May import:
//! `store` (ledgers), `source` (ids), serde. Must not know: connections, cells.

use serde::{Deserialize, Serialize};

use crate::source::full_id;
use crate::store::{Ledger, Source};

/// The layout of tables and rows that this program writes and reads.
const LAYOUT: u32 = 1;

/// What the ledger says of a span.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    layout: u32,
    /// The version of the last edition that was committed.
    pub(super) version: Option<u64>,
    /// What that edition was made from.
    sources: Vec<Entry>,
    /// The edition that is being put, or was when its run ended early.
    pub(super) claim: Option<Claim>,
}

/// A run's right to put an edition. Others wait until it is renewed no more, or its process has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claim {
    /// The edition's version.
    pub(super) version: u64,
    /// The process ([`this_process`](crate::system::process::this_process)).
    pub(super) process: String,
    /// Which of the process's stores.
    pub(super) store: u64,
    /// Goes up by 1 with each renewal.
    pub(super) renewals: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// 32 hexadecimal digits.
    id: String,
    name: String,
    bytes: u64,
    lines: u64,
}

impl State {
    /// The state of a span of which nothing was ever published.
    pub(super) const fn empty() -> Self {
        Self { layout: LAYOUT, version: None, sources: Vec::new(), claim: None }
    }

    /// The state once an edition is committed.
    pub(super) fn committed(version: u64, sources: &[Source]) -> Self {
        let entry = |source: &Source| Entry {
            id: full_id(source.id),
            name: source.name.clone(),
            bytes: source.bytes,
            lines: source.lines,
        };
        let sources = sources.iter().map(entry).collect();
        Self { version: Some(version), sources, ..Self::empty() }
    }

    /// The same, while a run puts the next edition.
    pub(super) fn claimed(&self, claim: Claim) -> Self {
        Self { claim: Some(claim), ..self.clone() }
    }

    /// The highest version of which there can be cells.
    pub(super) fn highest_version(&self) -> Option<u64> {
        self.version.max(self.claim.as_ref().map(|claim| claim.version))
    }

    pub(super) fn text(&self) -> Vec<u8> {
        // Strings and numbers always have a text.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// # Errors
    /// What the text is instead, as the rest of a sentence that begins with the row's name.
    pub(super) fn parse(text: &[u8]) -> std::result::Result<Self, String> {
        #[derive(Deserialize)]
        struct Layout {
            layout: u32,
        }
        let foreign = |_| "was not written by hitmap".to_owned();
        let Layout { layout } = serde_json::from_slice(text).map_err(foreign)?;
        if layout != LAYOUT {
            return Err(format!(
                "has layout {layout}, and this hitmap knows layout {LAYOUT}; use the hitmap that wrote it, or another \
                 prefix="
            ));
        }
        serde_json::from_slice(text).map_err(foreign)
    }

    /// # Errors
    /// As [`parse`](Self::parse).
    pub(super) fn ledger(&self) -> std::result::Result<Ledger, String> {
        let source = |entry: &Entry| {
            let id = u128::from_str_radix(&entry.id, 16);
            Ok(Source {
                id: id.map_err(|_| "was not written by hitmap".to_owned())?,
                name: entry.name.clone(),
                bytes: entry.bytes,
                lines: entry.lines,
            })
        };
        let sources =
            self.sources.iter().map(source).collect::<std::result::Result<_, String>>()?;
        Ok(Ledger { version: self.version, sources, is_unfinished: self.claim.is_some() })
    }
}

#[cfg(test)]
mod tests {
    use super::{Claim, State};
    use crate::store::Source;

    #[test]
    fn states_come_back_as_they_were() {
        let source =
            Source { id: 7 << 90, name: "a\"\\\n\u{1b}ü.log".to_owned(), bytes: 1, lines: 0 };
        let claim = Claim { version: 9, process: "p".to_owned(), store: 0, renewals: 2 };
        let committed = State::committed(8, std::slice::from_ref(&source));
        for state in [State::empty(), committed.clone(), committed.claimed(claim)] {
            assert_eq!(State::parse(&state.text()), Ok(state.clone()));
            assert_eq!(state.ledger().unwrap().is_unfinished, state.claim.is_some());
        }
        assert_eq!(committed.ledger().unwrap().sources, [source]);
        assert_eq!(committed.highest_version(), Some(8));
        assert_eq!(State::empty().highest_version(), None);
    }

    #[test]
    fn what_others_wrote_is_named() {
        for (text, words) in [
            (&b""[..], "not written by hitmap"),
            (b"7", "not written by hitmap"),
            (br#"{"layout":1}"#, "not written by hitmap"),
            (br#"{"layout":2,"more":[]}"#, "layout 2"),
        ] {
            let reason = State::parse(text).unwrap_err();
            assert!(reason.contains(words), "{reason}");
        }
        let id = State::committed(1, &[]).text();
        let id = String::from_utf8(id).unwrap();
        let id = id.replace("[]", r#"[{"id":"x","name":"","bytes":0,"lines":0}]"#);
        assert!(State::parse(id.as_bytes()).unwrap().ledger().is_err());
    }
}
