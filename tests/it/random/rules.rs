//! Random counting rules.
//!
//! Owns: the strategy [`rules`]. May import: proptest, `oracle` (its rules). Must not know: what they count.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::oracle::{Field, Rules};

/// Any rules but the format, which is detected. One in three of each kind is the default.
pub(crate) fn rules() -> impl Strategy<Value = Rules> {
    let visitor = prop_oneof![
        1 => Just(Rules::default().visitor),
        2 => vec(field(), 1..4),
    ];
    let groups = prop_oneof![
        1 => Just(Vec::new()),
        2 => vec(group(), 1..4),
    ];
    let zone = option::weighted(2.0 / 3.0, zone());
    (any::<bool>(), any::<bool>(), visitor, groups, zone).prop_map(
        |(count_hits, keep_query, visitor, groups, zone)| Rules {
            count_hits,
            keep_query,
            format: None,
            visitor,
            groups,
            zone,
        },
    )
}

fn field() -> impl Strategy<Value = Field> {
    let argument = select(&["x", "y", "ua", "url", "q"][..]);
    prop_oneof![
        2 => Just(Field::Ip),
        2 => Just(Field::UserAgent),
        1 => Just(Field::User),
        1 => Just(Field::Referrer),
        2 => argument.prop_map(|name: &str| Field::Argument(name.to_owned())),
    ]
}

/// Groups that overlap, have one name, or match nothing.
fn group() -> impl Strategy<Value = (String, String)> {
    let name = select(&["list", "home", "b", "/a/", "-", "a:b", "\u{fc} \"x\""][..]);
    let pattern = select(
        &[
            "/",
            "/a/{}.html",
            "/a/{}",
            "/b/1.html",
            "/{}/{}",
            "/{}",
            "/{}/",
            "/{}.{}",
            "/m/{}.html",
            "/{}{}",
            "/{}a{}",
            "/nowhere",
        ][..],
    );
    (name, pattern).prop_map(|(name, pattern): (&str, &str)| (name.to_owned(), pattern.to_owned()))
}

/// Zones without and with summer time, with offsets that end in no whole hour.
fn zone() -> impl Strategy<Value = String> {
    let zones = [
        "UTC",
        "+00:00",
        "+05:30",
        "-03:30",
        "+14:00",
        "-12:00",
        "Asia/Shanghai",
        "Asia/Kathmandu",
        "Europe/Berlin",
        "America/St_Johns",
        "Australia/Lord_Howe",
        "Pacific/Apia",
    ];
    select(zones.to_vec()).prop_map(str::to_owned)
}
