//! The names of tables, the keys of rows, and what a cell holds, as bytes.
//!
//! Owns: [`Table`], [`Place`] (a site's group, and where its rows are), values. May import: `time`, `store` (slots),
//! crc32fast. Must not know: connections, what is published when.
//!
//! A row's key is `salt | site 00 dimension 00 group 00 bucket`. The salt, one hexadecimal digit, spreads groups over
//! regions; it is made of what follows it up to the group, so a reader who knows the group finds its rows. All buckets of a
//! group stand together, in the order of time. A row has one column for each page, and one without a name for the
//! group's own numbers. The group without a name is the site.

use std::ops::Range;

use crate::store::Slot;
use crate::time::{Period, Span};

/// The dimension of all rows, until there are others.
const DIMENSION: &[u8] = b"page";
/// The column family of all tables.
pub(super) const FAMILY: &str = "c";
/// Longest key of a row that HBase takes.
pub(super) const LONGEST_KEY: usize = 32_767;

/// The tables: one for each granularity, and the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Table {
    Day,
    Hour,
    Minute,
    Week,
    Month,
    All,
    Ledger,
}

impl Table {
    pub(super) const EACH: [Self; 7] =
        [Self::Day, Self::Hour, Self::Minute, Self::Week, Self::Month, Self::All, Self::Ledger];

    /// What its name ends with.
    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Week => "week",
            Self::Month => "month",
            Self::All => "all",
            Self::Ledger => "ledger",
        }
    }

    /// The tables that hold cells of a period.
    pub(super) const fn of_period(period: Period) -> &'static [Self] {
        match period {
            Period::Day(_) => &[Self::Day, Self::Hour, Self::Minute],
            Period::Week { .. } => &[Self::Week],
            Period::Month { .. } => &[Self::Month],
            Period::All => &[Self::All],
        }
    }

    /// The table of a slot of a period.
    pub(super) const fn of_slot(period: Period, slot: Slot) -> Self {
        match slot {
            Slot::Whole => Self::of_period(period)[0],
            Slot::Hour(_) => Self::Hour,
            Slot::Minute(_) => Self::Minute,
        }
    }
}

/// A group of a site: the part of a key before the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place(Vec<u8>);

impl Place {
    /// `group` is `None` for the site itself.
    pub(super) fn new(site: &str, group: Option<&str>) -> Self {
        let mut key = vec![0];
        push_name(site.as_bytes(), &mut key);
        key.push(0);
        key.extend_from_slice(DIMENSION);
        key.push(0);
        push_name(group.unwrap_or_default().as_bytes(), &mut key);
        let salt = crc32fast::hash(&key[1..]) % 16;
        key[0] = b"0123456789abcdef"[salt as usize];
        key.push(0);
        Self(key)
    }

    /// The key of the row of a slot of a period.
    pub(super) fn row(&self, period: Period, slot: Slot) -> Vec<u8> {
        let mut key = self.0.clone();
        key.extend_from_slice(period.to_string().as_bytes());
        match slot {
            Slot::Whole => {}
            Slot::Hour(hour) => key.extend(format!("T{hour:02}").bytes()),
            Slot::Minute(minute) => {
                key.extend(format!("T{:02}:{:02}", minute / 60, minute % 60).bytes());
            }
        }
        key
    }

    /// The keys of all rows of a period, in each of its tables.
    pub(super) fn rows(&self, period: Period) -> Range<Vec<u8>> {
        let start = self.row(period, Slot::Whole);
        // `U` follows the `T` between a day and its hour.
        let end = [&*start, if matches!(period, Period::Day(_)) { b"U" } else { b"\0" }].concat();
        start..end
    }

    /// Whether the key of its longest row is one that HBase takes.
    pub(super) fn fits(&self) -> bool {
        self.0.len() + "-10000-00-00T00:00".len() <= LONGEST_KEY
    }
}

/// The key of a span's row in the ledger: `site 00 period`.
pub(super) fn ledger_row(span: &Span) -> Vec<u8> {
    let mut key = Vec::new();
    push_name(span.site.as_bytes(), &mut key);
    key.push(0);
    key.extend(span.period.to_string().bytes());
    key
}

/// A name without NUL, which separates the parts of a key: NUL and `%` as in a URL.
fn push_name(name: &[u8], key: &mut Vec<u8>) {
    for &byte in name {
        match byte {
            0 => key.extend_from_slice(b"%00"),
            b'%' => key.extend_from_slice(b"%25"),
            byte => key.push(byte),
        }
    }
}

/// PV and UV as HBase's `Bytes.toLong` reads them: two big-endian numbers of 64 bits.
pub(super) fn value(pv: u64, uv: u64) -> [u8; 16] {
    (u128::from(pv) << 64 | u128::from(uv)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_KEY, Place, Table, ledger_row, value};
    use crate::store::Slot;
    use crate::time::{Day, Period, Span};

    const DAY: Period = Period::Day(Day(17_595));

    #[test]
    fn keys_stand_in_the_order_of_time() {
        let place = Place::new("shop", Some("/a/"));
        let key = |slot| String::from_utf8(place.row(DAY, slot)).unwrap();
        assert_eq!(key(Slot::Whole)[1..], *"shop\0page\0/a/\x002018-03-05");
        assert_eq!(key(Slot::Hour(9))[1..], *"shop\0page\0/a/\x002018-03-05T09");
        assert_eq!(key(Slot::Minute(605))[1..], *"shop\0page\0/a/\x002018-03-05T10:05");
        let rows = place.rows(DAY);
        for slot in [Slot::Whole, Slot::Hour(0), Slot::Hour(23), Slot::Minute(1439)] {
            assert!(rows.contains(&place.row(DAY, slot)));
        }
        for other in [Period::Day(Day(17_594)), Period::Day(Day(17_596)), Period::All] {
            assert!(!rows.contains(&place.row(other, Slot::Whole)));
            assert!(!rows.contains(&place.row(other, Slot::Hour(23))));
        }
        let month = Period::Month { year: 2018, month: 3 };
        assert!(place.rows(month).contains(&place.row(month, Slot::Whole)));
        assert!(!place.rows(month).contains(&place.row(DAY, Slot::Whole)));
    }

    #[test]
    fn names_cannot_reach_into_other_parts_of_a_key() {
        let place = |site, group| Place::new(site, group).0;
        assert_eq!(place("a", None)[1..], *b"a\0page\0\0");
        assert_eq!(place("a\0page", Some("%\0"))[1..], *b"a%00page\0page\0%25%00\0");
        assert_ne!(place("a\0page", Some("x")), place("a", Some("page\0x")));
        assert_ne!(place("%00", None), place("\0", None));
        let span = Span { site: "a\0".to_owned(), period: Period::All };
        assert_eq!(ledger_row(&span), b"a%00\0all");
    }

    #[test]
    fn a_salt_is_the_checksum_of_site_dimension_and_group() {
        let salts: std::collections::BTreeSet<u8> =
            (0..200).map(|n| Place::new("default", Some(&format!("/{n}/"))).0[0]).collect();
        assert_eq!(salts.len(), 16);
        // By zlib, the checksum of "default\0page\0" is 0xfd862bdf.
        assert_eq!(Place::new("default", None).0[0], b'f');
    }

    #[test]
    fn names_that_are_too_long_are_known() {
        let group = |length: usize| Place::new("s", Some(&"x".repeat(length)));
        assert!(group(30_000).fits());
        assert!(!group(LONGEST_KEY).fits());
    }

    #[test]
    fn values_are_two_numbers() {
        assert_eq!(value(1, 258), [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(value(u64::MAX, 0)[..9], [255, 255, 255, 255, 255, 255, 255, 255, 0]);
    }

    #[test]
    fn each_slot_has_its_table() {
        assert_eq!(Table::of_slot(DAY, Slot::Whole), Table::Day);
        assert_eq!(Table::of_slot(DAY, Slot::Minute(3)), Table::Minute);
        assert_eq!(Table::of_slot(Period::All, Slot::Whole), Table::All);
    }
}
