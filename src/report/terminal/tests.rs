//! Reports of hand-made summaries against golden text, and the promises every report keeps.

use std::fs;
use std::path::PathBuf;

use super::layout::display_width;
use super::{Style, write};
use crate::query::buckets::{BucketCounts, Buckets};
use crate::query::comparison::{BucketChange, Change, Comparison, PlaceChange};
use crate::query::counted::Counted;
use crate::query::earlier::{Compare, ComparedRanges};
use crate::query::summary::{
    BucketRow, Definition, InputSummary, MalformedSample, PageRow, SectionRow, Stored, Summary,
    Timing, Today, Totals,
};
use crate::query::{By, Grouping};
use crate::time::{Bucket, CivilTime, Day, Granularity, MinuteRange};

/// Page views by hour of a usual day.
const DAY_CURVE: [u64; 24] =
    [31, 17, 9, 5, 4, 6, 14, 29, 47, 58, 63, 66, 71, 64, 60, 61, 64, 69, 78, 91, 104, 98, 77, 52];

fn rendered(summary: &Summary, style: Style) -> String {
    let mut bytes = Vec::new();
    write(summary, &style, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The plain report at `width` columns equals `testdata/report/<name>.golden`; `HITMAP_UPDATE=1` rewrites that file.
fn check(name: &str, summary: &Summary, width: usize, unicode: bool) {
    let found = rendered(summary, Style { width, color: false, unicode });
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "testdata", "report", &format!("{name}.golden")]
            .iter()
            .collect();
    if std::env::var_os("HITMAP_UPDATE").is_some() {
        fs::write(&path, &found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert_eq!(found, expected, "{} differs; HITMAP_UPDATE=1 rewrites it", path.display());
}

fn definition() -> Definition {
    Definition {
        count: "page-views".to_owned(),
        visitor: "ip+ua".to_owned(),
        tz: "as written".to_owned(),
        page: "path without query".to_owned(),
        section: "first path segment".to_owned(),
    }
}

/// Days and hours of `days` days from `first` on, shaped by [`DAY_CURVE`], growing by 3 % a day, weekends weaker;
/// the last day ends at 20:10.
fn traffic(site: &str, first: Day, days: i32, scale: u64) -> (Vec<BucketRow>, Vec<BucketRow>) {
    let (mut day_rows, mut hour_rows) = (Vec::new(), Vec::new());
    for index in 0..days {
        let day = Day(first.0 + index);
        let weekend = (i64::from(day.0) + 3).rem_euclid(7) >= 5;
        let growth = 100 + 3 * u64::from(index.unsigned_abs() % 40);
        let percent = if weekend { growth * 7 / 10 } else { growth };
        let mut sum = 0;
        for (hour, weight) in (0u16..).zip(DAY_CURVE) {
            let mut pv = weight * scale * percent / 100;
            if index + 1 == days && hour >= 20 {
                pv = if hour == 20 { pv / 6 } else { 0 };
            }
            sum += pv;
            if pv > 0 {
                let bucket =
                    Bucket { day, minute_of_day: hour * 60, granularity: Granularity::Hour };
                hour_rows.push(BucketRow { site: site.to_owned(), bucket, pv, uv: pv * 2 / 5 + 1 });
            }
        }
        let bucket = Bucket { day, minute_of_day: 0, granularity: Granularity::Day };
        day_rows.push(BucketRow { site: site.to_owned(), bucket, pv: sum, uv: sum / 9 + 1 });
    }
    (day_rows, hour_rows)
}

fn summary_of(first: Day, days: i32, scale: u64) -> Summary {
    let (day_rows, hours) = traffic("default", first, days, scale);
    let page_views: u64 = day_rows.iter().map(|row| row.pv).sum();
    let daily: u64 = day_rows.iter().map(|row| row.uv).sum();
    let hits = page_views * 5 / 4;
    let malformed = hits / 2600;
    let not_found = hits / 190;
    let client = not_found + hits / 800;
    let server = hits / 5000;
    let redirection = hits / 9;
    let pages = [
        "/",
        "/movie/1.html",
        "/list/1.html",
        "/movie/12.html",
        "/search",
        "/影片/2018/三月/五日.html",
    ];
    let sections = ["/movie/", "/list/", "/", "/影片/", "/about/"];
    Summary {
        inputs: vec![InputSummary {
            path: "access.log".to_owned(),
            bytes: hits * 243,
            lines: hits + malformed + 12,
            format: "combined".to_owned(),
        }],
        definition: definition(),
        totals: Totals {
            lines: hits + malformed + 12,
            hits,
            page_views,
            unique_visitors: if days > 1 { daily * 2 / 5 } else { daily },
            sum_of_daily_unique_visitors: daily,
            bytes_sent: hits * 18_431,
            status: [0, hits - redirection - client - server, redirection, client, server, 0],
            not_found,
            malformed_lines: malformed,
            empty_lines: 12,
            other_lines: 0,
            first: Some(CivilTime::new(first, 0, 1)),
            last: Some(CivilTime::new(Day(first.0 + days - 1), 20 * 60 + 10, 44)),
            offsets_minutes: vec![480],
            repeated_hour_days: Vec::new(),
        },
        cells: Default::default(),
        days: day_rows,
        hours,
        busiest_minute: Some(BucketRow {
            site: "default".to_owned(),
            bucket: Bucket { day: first, minute_of_day: 1214, granularity: Granularity::Minute },
            pv: scale * 3,
            uv: scale * 2,
        }),
        sections: sections
            .iter()
            .zip([47, 24, 14, 9, 1])
            .map(|(section, share)| SectionRow {
                site: "default".to_owned(),
                section: (*section).to_owned(),
                pv: page_views * share / 100,
                uv: daily * share / 200,
            })
            .collect(),
        section_count: 5,
        pages: pages
            .iter()
            .zip([140, 31, 22, 19, 12, 7])
            .map(|(page, share)| PageRow {
                site: "default".to_owned(),
                section: "/movie/".to_owned(),
                page: (*page).to_owned(),
                pv: page_views * share / 1000,
                uv: daily * share / 1500,
            })
            .collect(),
        page_count: 13_042,
        malformed_samples: vec![
            MalformedSample {
                path: "access.log".to_owned(),
                line: 1_204,
                offset: 291_377,
                reason: "no closing quote of the user agent".to_owned(),
                text: "203.0.113.7 - - [05/Mar/2018:00:04:11 +0800] \"GET /movie/12.html HTTP/1.1\" 200 5316 \
                       \"-\" \"Mozilla/5.0 (X11; Li"
                    .to_owned(),
            },
            MalformedSample {
                path: "access.log".to_owned(),
                line: 77_020,
                offset: 18_639_022,
                reason: "the date does not exist".to_owned(),
                text: "203.0.113.9 - - [32/Mar/2018:11:00:00 +0800] \"GET / HTTP/1.1\" 200 5316 \"-\" \"-\"".to_owned(),
            },
        ],
        stored: None,
        timing: Timing { seconds: 0.854, threads: 2 },
    }
}

fn march(day: u32) -> Day {
    Day::from_date(2018, 3, day).unwrap()
}

/// Seven days, as most people will see it.
fn week() -> Summary {
    summary_of(march(5), 7, 480)
}

/// One day, until 20:10.
fn one_day() -> Summary {
    summary_of(march(5), 1, 480)
}

/// Two virtual hosts, a day without page views, several inputs, several offsets, a folded hour.
fn two_sites() -> Summary {
    let mut summary = summary_of(march(22), 6, 60);
    let (mut days, mut hours) = traffic("shop.example.com", march(22), 6, 13);
    days.retain(|row| row.bucket.day != march(24));
    hours.retain(|row| row.bucket.day != march(24));
    for row in summary.days.iter_mut().chain(&mut summary.hours) {
        row.site = "www.example.com".to_owned();
    }
    days.append(&mut summary.days);
    hours.append(&mut summary.hours);
    (summary.days, summary.hours) = (days, hours);
    for (index, row) in summary.pages.iter_mut().enumerate() {
        row.site = if index % 2 == 0 { "www.example.com" } else { "shop.example.com" }.to_owned();
    }
    for row in &mut summary.sections {
        row.site = "www.example.com".to_owned();
    }
    if let Some(minute) = &mut summary.busiest_minute {
        minute.site = "www.example.com".to_owned();
    }
    let input = summary.inputs[0].clone();
    summary.inputs = (1..=9)
        .map(|number| InputSummary {
            path: format!("/var/log/nginx/virtual-hosts/www.example.com/access.log.{number}.gz"),
            bytes: input.bytes / 9,
            lines: input.lines / 9,
            format: input.format.clone(),
        })
        .collect();
    summary.totals.offsets_minutes = vec![60, 120];
    summary.totals.repeated_hour_days = vec![march(25)];
    summary.totals.other_lines = 3;
    summary
}

/// Ten years.
fn ten_years() -> Summary {
    summary_of(Day::from_date(2010, 1, 1).unwrap(), 3650, 9)
}

/// Nothing was read.
fn empty() -> Summary {
    Summary {
        inputs: vec![InputSummary {
            path: "-".to_owned(),
            bytes: 0,
            lines: 0,
            format: "combined".to_owned(),
        }],
        definition: definition(),
        timing: Timing { seconds: 0.0, threads: 2 },
        ..Summary::default()
    }
}

/// Lines, none of them well-formed.
fn all_malformed() -> Summary {
    let mut summary = empty();
    summary.inputs[0].lines = 1;
    summary.totals.lines = 1;
    summary.totals.malformed_lines = 1;
    summary.malformed_samples = week().malformed_samples;
    summary.malformed_samples.truncate(1);
    summary
}

/// Text that would like to own the terminal, numbers that would like to break the table.
fn hostile() -> Summary {
    let text = "\u{1b}]0;owned\u{7}\u{1b}[2J\r\n\t\u{9b}31m\u{202e}fdp\u{200b}\u{7f}\0\u{85}";
    let mut summary = two_sites();
    for row in summary.days.iter_mut().chain(&mut summary.hours) {
        row.site = format!("{text}{}", row.site);
        row.pv *= 1_000_000_000;
        row.uv *= 1_000_000_000;
    }
    for (number, row) in summary.pages.iter_mut().enumerate() {
        row.page = format!("/{number}{text}/{}\n", "片".repeat(number * 40));
        row.site = text.to_owned();
        row.pv = u64::MAX;
        row.uv = u64::MAX;
    }
    for row in &mut summary.sections {
        row.section = format!("/{text}/{}", "e\u{301}".repeat(200));
    }
    for input in &mut summary.inputs {
        input.path = format!("{text}{}", input.path);
        input.bytes = u64::MAX / 16;
        input.lines = u64::MAX / 16;
    }
    for sample in &mut summary.malformed_samples {
        (sample.path, sample.reason) = (text.to_owned(), text.to_owned());
        sample.text.insert_str(9, text);
        sample.line = u64::MAX;
    }
    if let Some(minute) = &mut summary.busiest_minute {
        (minute.site, minute.pv, minute.uv) = (text.to_owned(), u64::MAX, u64::MAX);
    }
    summary.definition = Definition {
        count: text.to_owned(),
        visitor: format!("ip+arg:{text}"),
        tz: text.to_owned(),
        page: text.to_owned(),
        section: format!("{text}=/{}", "x".repeat(300)),
    };
    summary.totals.page_views = u64::MAX;
    summary.totals.lines = u64::MAX;
    summary.totals.status = [u64::MAX; 6];
    summary
}

/// Two sites of a database, by week, compared with the week before; the second site was not counted then.
fn compared() -> Summary {
    let mut summary = two_sites();
    let sites = ["shop.example.com", "www.example.com"];
    let hostile = "/\u{1b}[2J\u{202e}片\n";
    let days = |first: u32, end: u32| MinuteRange::of_days(march(first), march(end));
    let change = |now, before| Change { now, before };
    let row = |site: &str, page: &str, before| PlaceChange {
        site: site.to_owned(),
        section: "/movie/".to_owned(),
        page: page.to_owned(),
        pv: change(Some(12_345), before),
        uv: change(Some(0), before),
    };
    let pages = vec![row(sites[0], "/movie/12.html", Some(9_876)), row(sites[1], hostile, None)];
    let bucket = |site: &str, before, is_partial| BucketChange {
        site: site.to_owned(),
        start: days(19, 26).start,
        now: days(22, 26),
        before: Some(days(15, 19)),
        is_partial,
        pv: change(Some(98_765), before),
        uv: change(Some(1), before),
    };
    let counts =
        BucketCounts { start: days(19, 26).start, pv: 98_765, uv: 4_321, is_partial: true };
    let counted = Counted {
        sites: sites.map(|site| (site.to_owned(), days(1, 28))).into(),
        since: Some(days(19, 26).start),
        until: None,
        now: 0,
    };
    summary.inputs.clear();
    summary.stored = Some(Stored {
        database: "stats.db".to_owned(),
        sources: 2,
        question: "from 2018-03-19 00:00 on".to_owned(),
        first_day: Some(march(1)),
        by_name: Some("week"),
        buckets: Some(Buckets {
            by: By::Week,
            sites: sites.map(|site| (site.to_owned(), vec![counts, counts])).into(),
        }),
        grouping: Some(Grouping::Time(By::Week)),
        counted,
        today: Some(Today { day: march(27), zone: "+0100".to_owned() }),
        comparison: Some(Comparison {
            with: Compare::Previous,
            ranges: ComparedRanges { now: days(22, 26), before: days(15, 19), is_partial: true },
            page_views: change(Some(197_530), Some(150_000)),
            unique_visitors: change(Some(8_642), Some(9_000)),
            sum_of_daily_unique_visitors: change(Some(10_000), None),
            by: By::Week,
            buckets: vec![bucket(sites[0], Some(12), true), bucket(sites[1], None, false)],
            sections: vec![row(sites[0], "", Some(0))],
            grown: pages.clone(),
            fallen: pages.clone(),
            pages,
        }),
        ..Stored::default()
    });
    summary
}

fn all() -> Vec<Summary> {
    vec![
        week(),
        one_day(),
        two_sites(),
        ten_years(),
        empty(),
        all_malformed(),
        hostile(),
        compared(),
    ]
}

#[test]
fn reports_read_as_they_should() {
    check("week-80", &week(), 80, true);
    check("week-200", &week(), 200, true);
    check("week-80-ascii", &week(), 80, false);
    check("week-40", &week(), 40, true);
    check("one-day-80", &one_day(), 80, true);
    check("one-day-200", &one_day(), 200, true);
    check("two-sites-80", &two_sites(), 80, true);
    check("two-sites-200", &two_sites(), 200, true);
    check("ten-years-80", &ten_years(), 80, true);
    check("ten-years-200", &ten_years(), 200, true);
    check("empty-80", &empty(), 80, true);
    check("empty-200", &empty(), 200, true);
    check("all-malformed-80", &all_malformed(), 80, true);
    check("hostile-80", &hostile(), 80, true);
    check("compared-80", &compared(), 80, true);
    check("compared-200", &compared(), 200, true);
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for summary in all() {
        for width in 20..=200 {
            for unicode in [true, false] {
                let report = rendered(&summary, Style { width, color: false, unicode });
                for line in report.lines() {
                    assert!(display_width(line) <= width, "{width} columns: {line:?}");
                    assert!(!line.ends_with(' '), "{width} columns: {line:?}");
                }
            }
        }
    }
    let week = week();
    let style = |width| Style { width, color: false, unicode: true };
    assert_eq!(rendered(&week, style(0)), rendered(&week, style(80)));
    assert_eq!(rendered(&week, style(3)), rendered(&week, style(20)));
}

#[test]
fn nothing_but_text_and_line_ends_is_written() {
    for summary in all() {
        for width in [0, 1, 20, 50, 80, 140, 200, 1000] {
            for unicode in [true, false] {
                let report = rendered(&summary, Style { width, color: false, unicode });
                assert!(unicode || report.is_ascii());
                for character in report.chars() {
                    let is_hostile = character != '\n' && character.is_control()
                        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}');
                    assert!(!is_hostile, "{width} columns: {character:?}");
                }
            }
        }
    }
}

#[test]
fn colour_adds_nothing_but_colour() {
    for summary in all() {
        for width in [20, 80, 200] {
            let plain = rendered(&summary, Style { width, color: false, unicode: true });
            let mut colored = rendered(&summary, Style { width, color: true, unicode: true });
            for code in ["0", "1", "2", "31", "32", "33", "36"] {
                colored = colored.replace(&format!("\x1b[{code}m"), "");
            }
            assert_eq!(colored, plain);
        }
    }
}

#[test]
fn malformed_lines_are_never_called_failed() {
    for summary in all() {
        let report =
            rendered(&summary, Style { width: 80, color: false, unicode: true }).to_lowercase();
        assert!(!report.contains("failed"));
    }
}
