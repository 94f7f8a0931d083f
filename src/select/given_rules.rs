//! Counting rules as a run was given them.
//!
//! Owns: [`GivenRules`], and what stands in for rules that were not given. May import: `select`, `time`. Must not know: the
//! command line, databases.

use super::{Count, Rules, SectionPattern, StoredRules, VisitorDefinition, VisitorKey};
use crate::time::Zone;

/// The counting rules that a run was given. The others are those by which a site is counted already, or the defaults.
#[derive(Clone, Debug, Default)]
pub struct GivenRules {
    /// Which hits count.
    pub count: Option<Count>,
    /// What makes two hits the same visitor's.
    pub visitor: Option<VisitorDefinition>,
    /// The key of visitor hashes.
    pub visitor_key: Option<VisitorKey>,
    /// Whether the query is a part of the page; if it is not, nothing was given.
    pub keep_query: bool,
    /// Patterns of sections; none if none were given.
    pub groups: Vec<SectionPattern>,
    /// The zone that times are converted to.
    pub zone: Option<Zone>,
    /// Name of the site that all hits belong to.
    pub site: String,
}

impl GivenRules {
    /// The rules of a run that nothing else is known of.
    #[must_use]
    pub fn with_defaults(&self) -> Rules {
        // Every field by name, so that a new rule cannot be forgotten.
        let Self { count, visitor, visitor_key, keep_query, groups, zone, site } = self.clone();
        Rules {
            count: count.unwrap_or_default(),
            visitor: visitor.unwrap_or_default(),
            visitor_key,
            keep_query,
            groups,
            zone,
            site,
        }
    }

    /// The rules of a run for a site that is counted by the rules `stored`; `None` if this program cannot follow those. A
    /// visitor key must be given each time, since it is not stored.
    #[must_use]
    pub fn with_stored(&self, stored: &StoredRules) -> Option<Rules> {
        let Self { count, visitor, visitor_key, keep_query, groups, zone, site } = self.clone();
        let stored_groups: Option<Vec<SectionPattern>> =
            stored.groups.iter().map(|group| group.parse().ok()).collect();
        let stored_zone = stored.tz.as_ref().map(|zone| zone.parse().ok());
        Some(Rules {
            count: count.map_or_else(|| stored.count(), Some)?,
            visitor: visitor.map_or_else(|| stored.visitor.parse().ok(), Some)?,
            visitor_key,
            keep_query: keep_query || stored.keep_query,
            groups: if groups.is_empty() { stored_groups? } else { groups },
            zone: match zone {
                Some(zone) => Some(zone),
                None => stored_zone.map_or(Some(None), |zone| zone.map(Some))?,
            },
            site,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::GivenRules;
    use crate::select::{Count, Rules, StoredRules, VisitorKey};

    #[test]
    fn what_is_not_given_is_as_stored_and_what_is_given_stands() {
        let key = Some(VisitorKey::new(b"0123456789abcdef"));
        let rules = Rules {
            count: Count::Hits,
            visitor: "ip".parse().unwrap(),
            visitor_key: key.clone(),
            keep_query: true,
            groups: vec!["movie=/movie/{}.html".parse().unwrap()],
            zone: Some("Europe/Berlin".parse().unwrap()),
            site: "a.example".to_owned(),
        };
        let stored = StoredRules::from(&rules);
        let text = |given: &GivenRules| StoredRules::from(&given.with_stored(&stored).unwrap());
        let nothing = GivenRules { site: rules.site.clone(), ..GivenRules::default() };
        // The key is not stored.
        let without_key = StoredRules { visitor_key: None, ..stored.clone() };
        assert_eq!(text(&nothing), without_key);
        assert_eq!(text(&GivenRules { visitor_key: key, ..nothing.clone() }), stored);
        let given = GivenRules {
            count: Some(Count::PageViews),
            visitor: Some("ua".parse().unwrap()),
            groups: vec!["list=/list/{}".parse().unwrap()],
            zone: Some("UTC".parse().unwrap()),
            ..nothing.clone()
        };
        let found = text(&given);
        let expected = StoredRules {
            count: "page-views".to_owned(),
            visitor: "ua".to_owned(),
            groups: vec!["list=/list/{}".to_owned()],
            tz: Some("UTC".to_owned()),
            ..without_key
        };
        assert_eq!(found, expected);
        assert_eq!(StoredRules::from(&nothing.with_defaults()), StoredRules::default());
        assert_eq!(nothing.with_defaults().site, "a.example");
        for unknown in [
            StoredRules { count: "robots".to_owned(), ..stored.clone() },
            StoredRules { visitor: "shoes".to_owned(), ..stored.clone() },
            StoredRules { tz: Some("Moon/Sea".to_owned()), ..stored.clone() },
            StoredRules { groups: vec!["movie".to_owned()], ..stored.clone() },
        ] {
            assert!(nothing.with_stored(&unknown).is_none(), "{unknown:?}");
        }
    }
}
