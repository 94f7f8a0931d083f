//! The names of keys.
//!
//! Owns: the names that readers rely on (guide, Redis), and those of staged keys. May import: `store` (slots), `time`.
//! Must not know: connections, values.
//!
//! All keys of a span begin with `<prefix>{<site>:<period>}:`. A cluster places keys by the text in braces, so the keys
//! of a span are on one node. In a site's name `%`, `{` and `}` are written as `%25`, `%7b` and `%7d`: so the braces
//! stay a pair, and no two sites share a key. `<prefix><site>:days` has no brace, so it is no key of a span.
//! A section's name is written as it is, at the end or before an hour such as `:14`: hence [`is_ambiguous`].

use std::fmt::Write;

use crate::store::Slot;
use crate::time::{Period, Span};

/// PV or UV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Metric {
    Pv,
    Uv,
}

impl Metric {
    pub(super) const ALL: [Self; 2] = [Self::Pv, Self::Uv];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pv => "pv",
            Self::Uv => "uv",
        }
    }
}

/// What the values of a sorted set belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Level<'k> {
    Sections,
    Pages,
    PagesOf(&'k str),
}

/// The names of one span's keys.
#[derive(Clone, Debug)]
pub(super) struct KeyNames {
    /// The text in braces.
    tag: String,
    /// What all keys of the span begin with.
    base: String,
}

impl KeyNames {
    pub(super) fn new(prefix: &str, span: &Span) -> Self {
        let period = match span.period {
            Period::Day(day) => compact(day),
            other => other.to_string(),
        };
        Self::of_tag(prefix, format!("{}:{period}", site_name(&span.site)))
    }

    /// The names of the span with this tag.
    pub(super) fn of_tag(prefix: &str, tag: String) -> Self {
        Self { base: format!("{prefix}{{{tag}}}:"), tag }
    }

    /// The text in braces, which no other span shares.
    pub(super) fn tag(&self) -> &str {
        &self.tag
    }

    pub(super) fn totals(&self) -> String {
        format!("{}totals", self.base)
    }

    pub(super) fn ledger(&self) -> String {
        format!("{}ledger", self.base)
    }

    pub(super) fn version(&self) -> String {
        format!("{}version", self.base)
    }

    /// A sorted set of values by name.
    pub(super) fn values(&self, metric: Metric, level: Level<'_>, slot: Slot) -> String {
        let mut name = String::with_capacity(self.base.len() + 32);
        name.push_str(&self.base);
        name.push_str(metric.name());
        match level {
            Level::Sections => name.push_str(":sections"),
            Level::Pages => name.push_str(":pages"),
            Level::PagesOf(section) => {
                name.push_str(":pages@");
                name.push_str(section);
            }
        }
        push_slot(&mut name, slot);
        name
    }

    /// The staged key with this number, until the run commits the span.
    pub(super) fn staged(&self, run: &str, number: u64) -> String {
        format!("{}staging:{run}:{number}", self.base)
    }
}

/// A field of `totals`: `pv`, `pv:14`, `pv:14:05`.
pub(super) fn total_field(metric: Metric, slot: Slot) -> String {
    let mut name = metric.name().to_owned();
    push_slot(&mut name, slot);
    name
}

fn push_slot(name: &mut String, slot: Slot) {
    let _ = match slot {
        Slot::Whole => Ok(()),
        Slot::Hour(hour) => write!(name, ":{hour:02}"),
        Slot::Minute(minute) => write!(name, ":{:02}:{:02}", minute / 60, minute % 60),
    };
}

/// The sorted set of a site's days.
pub(super) fn days(prefix: &str, site: &str) -> String {
    format!("{prefix}{}:days", site_name(site))
}

/// The hash of spans being staged: `<run>:<tag>` → when that began, in unix milliseconds.
pub(super) fn staging(prefix: &str) -> String {
    format!("{prefix}staging")
}

/// A day as `20180305`.
pub(super) fn compact(day: crate::time::Day) -> String {
    day.to_string().replace('-', "")
}

fn site_name(site: &str) -> String {
    site.replace('%', "%25").replace('{', "%7b").replace('}', "%7d")
}

/// Whether the key of a section reads like an hour's key of another section, because the name ends in a colon and two
/// digits. Sections by first path segment never do.
pub(super) fn is_ambiguous(section: &str) -> bool {
    match section.as_bytes() {
        [.., b':', tens, ones] => tens.is_ascii_digit() && ones.is_ascii_digit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{KeyNames, Level, Metric, days, staging, total_field};
    use crate::store::Slot;
    use crate::time::Day;
    use crate::time::{Period, Span};

    fn names(site: &str, period: Period) -> KeyNames {
        KeyNames::new("hitmap:", &Span { site: site.to_owned(), period })
    }

    #[test]
    fn names_are_those_of_the_contract() {
        let day = names("default", Period::Day(Day::from_date(2018, 3, 5).unwrap()));
        assert_eq!(day.totals(), "hitmap:{default:20180305}:totals");
        assert_eq!(day.ledger(), "hitmap:{default:20180305}:ledger");
        assert_eq!(day.version(), "hitmap:{default:20180305}:version");
        let minute = Slot::Minute(14 * 60 + 5);
        for (name, expected) in [
            (day.values(Metric::Pv, Level::Sections, Slot::Whole), "pv:sections"),
            (day.values(Metric::Uv, Level::Sections, Slot::Hour(4)), "uv:sections:04"),
            (day.values(Metric::Pv, Level::Sections, minute), "pv:sections:14:05"),
            (day.values(Metric::Pv, Level::Pages, Slot::Hour(14)), "pv:pages:14"),
            (day.values(Metric::Uv, Level::PagesOf("/movie/"), Slot::Whole), "uv:pages@/movie/"),
            (
                day.values(Metric::Pv, Level::PagesOf("/movie/"), Slot::Hour(14)),
                "pv:pages@/movie/:14",
            ),
        ] {
            assert_eq!(name, format!("hitmap:{{default:20180305}}:{expected}"));
        }
        assert_eq!(total_field(Metric::Pv, minute), "pv:14:05");
        let week = names("default", Period::Week { year: 2018, week: 10 });
        assert_eq!(week.totals(), "hitmap:{default:2018-W10}:totals");
        let month = names("default", Period::Month { year: 2018, month: 3 });
        assert_eq!(month.totals(), "hitmap:{default:2018-03}:totals");
        assert_eq!(names("default", Period::All).totals(), "hitmap:{default:all}:totals");
        assert_eq!(days("hitmap:", "default"), "hitmap:default:days");
        assert_eq!(staging("hitmap:"), "hitmap:staging");
    }

    #[test]
    fn sites_share_no_key_and_keep_their_braces_paired() {
        let sites = [
            "a",
            "a}b",
            "a{b",
            "{a}",
            "}",
            "%7d",
            "%",
            "a:b",
            "",
            "{",
            "%25",
            "{a:20180305}:pv:pages@/x",
        ];
        let mut seen = HashSet::new();
        for site in sites {
            let day = names(site, Period::Day(Day::from_date(2018, 3, 5).unwrap()));
            for name in [
                day.totals(),
                day.values(Metric::Pv, Level::PagesOf("/x:days"), Slot::Whole),
                days("hitmap:", site),
            ] {
                assert!(seen.insert(name.clone()), "{name}");
            }
            // The rule of Redis Cluster: from the first { to the next }, if something is between them.
            let totals = day.totals();
            let (_, rest) = totals.split_once('{').unwrap();
            assert_eq!(rest.split_once('}').unwrap().0, day.tag());
            assert!(!day.tag().is_empty());
        }
    }

    #[test]
    fn ambiguous_sections() {
        for (section, expected) in
            [("a:14", true), ("/a:14/", false), (":14", true), ("14", false), ("a:1x", false)]
        {
            assert_eq!(super::is_ambiguous(section), expected, "{section}");
        }
    }
}
