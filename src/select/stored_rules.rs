//! Counting rules as text, so that a database can record by which rules it counts.
//!
//! Owns: the text, and the comparison of rules in words. May import: `select`, `time`, serde. Must not know: where the
//! text is kept.

use serde::{Deserialize, Serialize};

use super::{Count, Rules, SectionPattern, VisitorKey};
use crate::time::Zone;

/// The counting rules of a site, in the form in which a database and parts keep them. Equal rules have equal text.
///
/// Only rules that differ from their defaults are written, in the order of their names, so that a rule that a newer program
/// adds does not change the text of rules that do not use it. A default never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoredRules {
    /// `page-views` or `hits`.
    #[serde(skip_serializing_if = "is_default_count")]
    pub count: String,
    /// Patterns of sections as `NAME=PATTERN`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Whether the query is a part of the page.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keep_query: bool,
    /// Name of the zone that times are converted to; `None` for times as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tz: Option<String>,
    /// The definition of a visitor, such as `ip+ua`.
    #[serde(skip_serializing_if = "is_default_visitor")]
    pub visitor: String,
    /// Fingerprint of the visitor key; the key itself is not stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visitor_key: Option<String>,
}

/// Names of the rules in the text.
const NAMES: [&str; 6] = ["count", "groups", "keep_query", "tz", "visitor", "visitor_key"];
const DEFAULT_COUNT: &str = "page-views";
const DEFAULT_VISITOR: &str = "ip+ua";

fn is_default_count(count: &String) -> bool {
    count == DEFAULT_COUNT
}

fn is_default_visitor(visitor: &String) -> bool {
    visitor == DEFAULT_VISITOR
}

impl Default for StoredRules {
    fn default() -> Self {
        Self {
            count: DEFAULT_COUNT.to_owned(),
            groups: Vec::new(),
            keep_query: false,
            tz: None,
            visitor: DEFAULT_VISITOR.to_owned(),
            visitor_key: None,
        }
    }
}

impl From<&Rules> for StoredRules {
    fn from(rules: &Rules) -> Self {
        // Every field by name, so that a new rule cannot be forgotten. The site is not one of its rules.
        let Rules { count, visitor, visitor_key, keep_query, groups, zone, site: _ } = rules;
        Self {
            count: count.name().to_owned(),
            visitor: visitor.text().to_owned(),
            visitor_key: visitor_key.as_ref().map(VisitorKey::fingerprint),
            tz: zone.as_ref().map(|zone| zone.name().to_owned()),
            keep_query: *keep_query,
            groups: groups
                .iter()
                .map(|group| format!("{}={}", group.name, group.pattern))
                .collect(),
        }
    }
}

impl StoredRules {
    /// The rules as text: a JSON object.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The rules that [`text`](Self::text) wrote; `None` for a text that this version cannot read.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The first rule in a text that this version does not know.
    #[must_use]
    pub fn unknown_rule(text: &str) -> Option<String> {
        let rules: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
        rules.into_iter().map(|(name, _)| name).find(|name| !NAMES.contains(&name.as_str()))
    }

    /// Which hits count; `None` for a word that this version does not know.
    pub(super) fn count(&self) -> Option<Count> {
        [Count::PageViews, Count::Hits].into_iter().find(|count| count.name() == self.count)
    }

    /// The section patterns.
    #[must_use]
    pub fn groups(&self) -> Vec<SectionPattern> {
        self.groups.iter().filter_map(|group| group.parse().ok()).collect()
    }

    /// Name of the zone of all times, or [`Zone::AS_WRITTEN`].
    #[must_use]
    pub fn clock(&self) -> &str {
        self.tz.as_deref().unwrap_or(Zone::AS_WRITTEN)
    }

    /// Each rule as a command-line option and its value in words.
    fn options(&self) -> [(&'static str, String); 6] {
        let or = |text: &Option<String>, none: &str| text.as_deref().unwrap_or(none).to_owned();
        [
            ("--count", self.count.clone()),
            ("--visitor", self.visitor.clone()),
            ("--visitor-key", or(&self.visitor_key.as_ref().map(|key| format!("#{key}")), "none")),
            ("--tz", or(&self.tz, Zone::AS_WRITTEN)),
            ("--keep-query", if self.keep_query { "on" } else { "off" }.to_owned()),
            (
                "--group",
                if self.groups.is_empty() { "none".to_owned() } else { self.groups.join(", ") },
            ),
        ]
    }

    /// The rules that differ between the database (`self`) and `run`, in words:
    /// `--visitor is ip+ua in the database and ip in this run`.
    #[must_use]
    pub fn differences(&self, run: &Self) -> String {
        let pairs = self.options().into_iter().zip(run.options());
        let differing: Vec<String> = pairs
            .filter(|(stored, run)| stored.1 != run.1)
            .map(|((name, stored), (_, run))| {
                format!("{name} is {stored} in the database and {run} in this run")
            })
            .collect();
        differing.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::StoredRules;
    use crate::select::{Count, Rules, SectionPattern, VisitorKey};

    #[test]
    fn rules_that_count_differently_have_different_texts() {
        let group =
            |name: &str| SectionPattern { name: name.to_owned(), pattern: "/a/{}".to_owned() };
        let rules = [
            Rules::default(),
            Rules { count: Count::Hits, ..Rules::default() },
            Rules { keep_query: true, ..Rules::default() },
            Rules { visitor: "ip".parse().unwrap(), ..Rules::default() },
            Rules { visitor_key: Some(VisitorKey::new(b"one")), ..Rules::default() },
            Rules { visitor_key: Some(VisitorKey::new(b"two")), ..Rules::default() },
            Rules { zone: Some("UTC".parse().unwrap()), ..Rules::default() },
            Rules { groups: vec![group("a")], ..Rules::default() },
            Rules { groups: vec![group("a"), group("b")], ..Rules::default() },
            Rules { groups: vec![group("a\",\"b")], ..Rules::default() },
        ];
        let texts: BTreeSet<String> =
            rules.iter().map(|rules| StoredRules::from(rules).text()).collect();
        assert_eq!(texts.len(), rules.len());
        let elsewhere = Rules { site: "b.example".to_owned(), ..Rules::default() };
        assert_eq!(StoredRules::from(&elsewhere), StoredRules::from(&Rules::default()));
    }

    #[test]
    fn rules_come_back_and_differences_name_both_sides() {
        let rules = Rules {
            count: Count::Hits,
            visitor_key: Some(VisitorKey::new(b"0123456789abcdef")),
            groups: vec!["movie=/movie/{}.html".parse().unwrap()],
            zone: Some("Europe/Berlin".parse().unwrap()),
            ..Rules::default()
        };
        let stored = StoredRules::from(&rules);
        assert_eq!(StoredRules::parse(&stored.text()), Some(stored.clone()));
        assert_eq!(stored.groups(), rules.groups);
        assert_eq!(StoredRules::parse("{}"), Some(StoredRules::default()));
        assert_eq!(StoredRules::parse("{\"dimensions\":[]}"), None);
        let other = StoredRules { visitor: "ip".to_owned(), ..stored.clone() };
        assert_eq!(
            stored.differences(&other),
            "--visitor is ip+ua in the database and ip in this run"
        );
        // The defaults, and a text with all rules: neither may ever change.
        assert_eq!(StoredRules::from(&Rules::default()).text(), "{}");
        let all = Rules { keep_query: true, visitor: "ip".parse().unwrap(), ..rules };
        let text = StoredRules::from(&all).text();
        assert_eq!(
            text,
            r#"{"count":"hits","groups":["movie=/movie/{}.html"],"keep_query":true,"tz":"Europe/Berlin","visitor":"ip","visitor_key":"KEY"}"#
                .replace("KEY", stored.visitor_key.as_deref().unwrap())
        );
        assert_eq!(StoredRules::unknown_rule(&text), None);
        let newer = text.replace("\"tz\"", "\"sessions\"");
        assert_eq!(StoredRules::unknown_rule(&newer).as_deref(), Some("sessions"));
    }
}
