//! The blocks of single figures: what was read, totals, lines, responses, malformed lines.
//!
//! Owns: their wording. May import: `time`, `text`, `query::summary`, its siblings. Must not
//! know: days, rankings.

use super::chart::bar;
use super::layout::{Line, Look, Tone, display_width, wrap};
use super::numbers::{bytes, bytes_per_second, lines_per_second, percent, seconds, span};
use super::{has_several_sites, views};
use crate::query::summary::{InputSummary, Summary};
use crate::text::{counted, grouped};
use crate::time::{CivilTime, Zone, offset_text};

/// Most inputs that are listed; the rest is added up.
const SHOWN_INPUTS: usize = 6;

/// Most malformed lines that are shown.
const SHOWN_MALFORMED: usize = 3;

/// Most offsets or days that a sentence names.
const SHOWN_IN_SENTENCE: usize = 4;

/// What was read, the time span it covers, and how long the run took.
pub(super) fn read(summary: &Summary, look: Look) -> Vec<Line> {
    let mut lines = look.heading("Read", "");
    lines.extend(inputs(&summary.inputs, look));
    let totals = &summary.totals;
    let mut rows = Vec::new();
    if let (Some(first), Some(last)) = (totals.first, totals.last) {
        let text = format!("{} ({})", time_range(look, first, last), span(first, last));
        rows.push(("Time span", text, Tone::Plain));
        let (text, tone) = clock(summary, look);
        rows.push(("Clock", text, tone));
        if !totals.repeated_hour_days.is_empty() {
            let days = named(&totals.repeated_hour_days, ToString::to_string);
            let text =
                format!("set back on {days}: the hour that came twice is counted as one hour");
            rows.push(("", text, Tone::Warning));
        }
    }
    let timing = summary.timing;
    let mut text = seconds(timing.seconds);
    if timing.threads > 0 {
        text.push_str(&format!(", {}", counted(timing.threads as u64, "thread", "threads")));
    }
    if timing.seconds > 0.0 && totals.lines > 0 {
        let read: u64 = summary.inputs.iter().map(|input| input.bytes).sum();
        text.push_str(look.dot());
        text.push_str(&bytes_per_second(read, timing.seconds));
        text.push_str(look.dot());
        text.push_str(&lines_per_second(totals.lines, timing.seconds));
    }
    rows.push(("Took", text, Tone::Plain));
    for (label, text, tone) in rows {
        lines.extend(labelled(look, label, tone, &text));
    }
    lines
}

/// One line per input: name, format, size, lines.
fn inputs(inputs: &[InputSummary], look: Look) -> Vec<Line> {
    let mut rows: Vec<[String; 4]> = inputs
        .iter()
        .take(SHOWN_INPUTS)
        .map(|input| {
            let name = if input.path == "-" { "standard input" } else { input.path.as_str() };
            input_row(look.safe(name), &input.format, input.bytes, input.lines)
        })
        .collect();
    let sum = |inputs: &[InputSummary], name: String| {
        let bytes = inputs.iter().map(|input| input.bytes).sum();
        input_row(name, "", bytes, inputs.iter().map(|input| input.lines).sum())
    };
    if let Some(rest @ [_, ..]) = inputs.get(SHOWN_INPUTS..) {
        rows.push(sum(rest, format!("and {} more", counted(rest.len() as u64, "file", "files"))));
    }
    if inputs.len() > 1 {
        rows.push(sum(inputs, counted(inputs.len() as u64, "file", "files")));
    }
    let column =
        |index: usize| rows.iter().map(|row| display_width(&row[index])).max().unwrap_or(0);
    let [names, formats, sizes, counts] = [column(0), column(1), column(2), column(3)];
    let room = look.room().saturating_sub(2 + formats + 2 + sizes + 2 + counts);
    let is_sum = |index: usize| inputs.len() > 1 && index + 1 == rows.len();
    let mut lines = Vec::new();
    for (index, [name, format, size, count]) in rows.iter().enumerate() {
        let tone = if is_sum(index) { Tone::Strong } else { Tone::Plain };
        let mut line;
        if room >= 14 {
            line = look.line(Tone::Plain, "");
            line.left(tone, &look.shorten_middle(name, room), names.min(room));
            line.space(2);
        } else {
            lines.push(look.line(tone, look.shorten_middle(name, look.room())));
            line = look.line(Tone::Plain, "");
            line.space(look.indent);
        }
        line.left(Tone::Quiet, format, formats);
        line.space(2);
        line.right(tone, size, sizes);
        line.space(2);
        line.right(tone, count, counts);
        if room >= 14 || line.width() <= look.width {
            lines.push(line);
        } else {
            for text in [format, size, count].into_iter().filter(|text| !text.is_empty()) {
                lines.push(look.line(Tone::Quiet, format!(" {text}")));
            }
        }
    }
    lines
}

fn input_row(name: String, format: &str, size: u64, lines: u64) -> [String; 4] {
    [name, format.to_owned(), bytes(size), counted(lines, "line", "lines")]
}

/// `2018-03-05 00:00:01 – 2018-03-11 20:10:44`; the day is written once if both are the same.
fn time_range(look: Look, first: CivilTime, last: CivilTime) -> String {
    let [first_text, last_text] = [first, last].map(|time| time.to_string().replace('T', " "));
    let last_text = match last_text.split_once(' ') {
        Some((_, time)) if first.day() == last.day() => time.to_owned(),
        _ => last_text,
    };
    format!("{first_text}{}{last_text}", look.to())
}

/// The clock that the times follow, in words; a warning if lines have different offsets.
fn clock(summary: &Summary, look: Look) -> (String, Tone) {
    let offsets = &summary.totals.offsets_minutes;
    let names = named(offsets, |&minutes| offset_text(minutes));
    let zone = &summary.definition.tz;
    if zone != Zone::AS_WRITTEN {
        let zone = look.safe(zone);
        let text =
            if offsets.is_empty() { zone } else { format!("{zone}; the lines carry {names}") };
        return (text, Tone::Plain);
    }
    match offsets.as_slice() {
        [] => ("as written in the lines".to_owned(), Tone::Plain),
        [_] => (format!("as written in the lines, offset {names}"), Tone::Plain),
        several => {
            let count = several.len();
            let text = format!(
                "as written in the lines, which carry {count} offsets ({names}): --tz puts them on one clock"
            );
            (text, Tone::Warning)
        }
    }
}

/// `a, b, c and 5 more`.
fn named<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    let shown: Vec<_> = items.iter().take(SHOWN_IN_SENTENCE).map(text).collect();
    let mut sentence = shown.join(", ");
    if let Some(rest @ 1..) = items.len().checked_sub(SHOWN_IN_SENTENCE) {
        sentence.push_str(&format!(" and {rest} more"));
    }
    sentence
}

/// A quiet label and its text, wrapped beside it.
pub(super) fn labelled(look: Look, label: &str, tone: Tone, text: &str) -> Vec<Line> {
    const LABEL: usize = 11;
    if look.width < 50 {
        let mut lines = Vec::new();
        if !label.is_empty() {
            lines.push(look.line(Tone::Quiet, label));
        }
        for part in wrap(text, look.room().saturating_sub(1)) {
            lines.push(look.line(tone, format!(" {part}")));
        }
        return lines;
    }
    let mut label = Some(label);
    let mut lines = Vec::new();
    for part in wrap(text, look.room() - LABEL) {
        let mut line = look.line(Tone::Plain, "");
        line.left(Tone::Quiet, label.take().unwrap_or_default(), LABEL);
        line.push(tone, part);
        lines.push(line);
    }
    lines
}

/// The main figures, each with its definition.
pub(super) fn totals(summary: &Summary, look: Look) -> Vec<Line> {
    let totals = &summary.totals;
    if totals.hits == 0 && (summary.stored.is_none() || totals.page_views == 0) {
        return Vec::new();
    }
    let mut rows = vec![
        (
            if views(summary) == "hits" { "Hits" } else { "Page views" },
            grouped(totals.page_views),
            Tone::Strong,
            page_view_words(summary, look),
        ),
        (
            "Unique visitors",
            grouped(totals.unique_visitors),
            Tone::Strong,
            visitor_words(summary, look),
        ),
    ];
    if totals.sum_of_daily_unique_visitors != totals.unique_visitors {
        let text = "a visitor counts once on each day";
        let sum = grouped(totals.sum_of_daily_unique_visitors);
        rows.push(("Sum of daily UV", sum, Tone::Plain, text.to_owned()));
    }
    if let Some(minute) = &summary.busiest_minute {
        let time = minute.bucket.to_string().replace('T', " ");
        let mut text = format!("{} at {time}", views(summary));
        text.push_str(&format!(", by {}", counted(minute.uv, "visitor", "visitors")));
        if has_several_sites(summary) {
            text.push_str(&format!(", of {}", look.safe(&minute.site)));
        }
        rows.push(("Busiest minute", grouped(minute.pv), Tone::Plain, text));
    }
    if totals.hits > 0 {
        let sent = bytes(totals.bytes_sent);
        rows.push(("Bytes sent", sent, Tone::Plain, by_all_hits(summary).to_owned()));
    }

    let mut lines = look.heading("Totals", &site_note(summary, look));
    let labels = rows.iter().map(|row| row.0.len()).max().unwrap_or(0);
    let figures = rows.iter().map(|row| row.1.len()).max().unwrap_or(0);
    let column = labels + 2 + figures + 3;
    for (label, figure, tone, text) in &rows {
        if look.room() < column + 24 {
            lines.push(look.line(Tone::Plain, *label));
            lines.push(look.line(*tone, format!(" {figure}")));
            let text = wrap(text, look.room().saturating_sub(1));
            lines.extend(text.into_iter().map(|part| look.line(Tone::Quiet, format!(" {part}"))));
            continue;
        }
        for (index, part) in wrap(text, look.room() - column).into_iter().enumerate() {
            let mut line = look.line(Tone::Plain, "");
            if index == 0 {
                line.left(Tone::Plain, label, labels + 2);
                line.right(*tone, figure, figures);
                line.space(3);
            } else {
                line.space(column);
            }
            line.push(Tone::Quiet, part);
            lines.push(line);
        }
    }
    lines
}

fn by_all_hits(summary: &Summary) -> &'static str {
    if views(summary) == "hits" { "by all hits" } else { "by all hits, page views or not" }
}

/// The name of the site, unless it is the default.
fn site_note(summary: &Summary, look: Look) -> String {
    match summary.days.first() {
        _ if has_several_sites(summary) => "all sites together".to_owned(),
        Some(row) if row.site != "default" => format!("site {}", look.shorten_end(&row.site, 60)),
        _ => String::new(),
    }
}

/// What a page view is.
fn page_view_words(summary: &Summary, look: Look) -> String {
    let beacons = summary.inputs.iter().filter(|input| input.format == "dig").count();
    match summary.definition.count.as_str() {
        "page-views" if beacons > 0 && beacons == summary.inputs.len() => "beacons".to_owned(),
        "page-views" => {
            let rule = "GET or POST with 2xx or 304, no static files";
            let more = if beacons > 0 { "; every beacon of beacon logs" } else { "" };
            format!("{rule}{more}")
        }
        "hits" => "every hit (--count hits)".to_owned(),
        other => look.safe(other),
    }
}

/// What a visitor is.
fn visitor_words(summary: &Summary, look: Look) -> String {
    let visitor = &summary.definition.visitor;
    let parts: Vec<_> = visitor
        .split('+')
        .map(|part| match part {
            "ip" => "address".to_owned(),
            "ua" => "user agent".to_owned(),
            "user" => "user name".to_owned(),
            "xff" => "X-Forwarded-For".to_owned(),
            other => match other.strip_prefix("arg:") {
                Some(name) => format!("query argument {}", look.safe(name)),
                None => look.safe(other),
            },
        })
        .collect();
    let one_day = match (summary.totals.first, summary.totals.last) {
        (Some(first), Some(last)) => first.day() == last.day(),
        _ => true,
    };
    let range = if one_day { "" } else { ", over all days" };
    format!("distinct {}{range}", parts.join(" + "))
}

/// What the lines were: `lines = hits + malformed + empty + other`. Of a range, a database knows the hits alone.
pub(super) fn lines(summary: &Summary, look: Look) -> Vec<Line> {
    let totals = &summary.totals;
    let warn = |count: u64| if count > 0 { Tone::Warning } else { Tone::Plain };
    let mut rows = vec![
        ("lines", totals.lines, Tone::Plain),
        ("hits", totals.hits, Tone::Plain),
        ("  page views", totals.page_views, Tone::Plain),
        ("malformed", totals.malformed_lines, warn(totals.malformed_lines)),
        ("empty", totals.empty_lines, Tone::Plain),
    ];
    if views(summary) == "hits" {
        // They are the hits.
        rows.remove(2);
    }
    if totals.other_lines > 0 {
        rows.push(("other", totals.other_lines, Tone::Plain));
    }
    let (mut title, mut note, mut all) = ("Lines", "share of all lines", totals.lines);
    if totals.lines == 0 {
        rows.retain(|(label, ..)| ["hits", "  page views"].contains(label));
        (title, note, all) = ("Hits", "share of all hits", totals.hits);
    }
    let figures = grouped(all).len();
    let labels = if look.room() >= 12 + 2 + figures { 14 } else { 0 };
    let mut lines = look.heading(title, note);
    for (label, count, tone) in rows {
        let mut line = look.line(Tone::Plain, "");
        if labels > 0 {
            line.left(tone, label, labels);
        } else {
            lines.push(look.line(tone, label));
        }
        line.right(tone, &grouped(count), figures);
        if line.width() + 9 <= look.width {
            line.right(Tone::Quiet, &percent(count, all), 9);
        }
        lines.push(line);
    }
    lines
}

/// Status classes and 404s.
pub(super) fn responses(summary: &Summary, look: Look) -> Vec<Line> {
    let totals = &summary.totals;
    if totals.hits == 0 {
        return Vec::new();
    }
    let [informational, success, redirection, client, server, other] = totals.status;
    let rows = [
        ("1xx", informational, Tone::Quiet, false),
        ("2xx", success, Tone::Quiet, true),
        ("3xx", redirection, Tone::Quiet, true),
        ("4xx", client, Tone::Warning, true),
        ("  404", totals.not_found, Tone::Warning, true),
        ("5xx", server, Tone::Failure, true),
        ("other", other, Tone::Quiet, false),
    ];
    let figures = rows.iter().map(|row| grouped(row.1).len()).max().unwrap_or(0);
    let mut lines = look.heading("Responses", "share of all hits");
    for (label, count, tone, always) in rows {
        if !always && count == 0 {
            continue;
        }
        let mut line = look.line(Tone::Plain, "");
        line.left(Tone::Plain, label, 5);
        line.right(Tone::Plain, &grouped(count), figures + 2);
        if line.width() + 9 <= look.width {
            line.right(Tone::Quiet, &percent(count, totals.hits), 9);
        }
        let room = look.width.saturating_sub(line.width() + 2).min(30);
        if room >= 4 {
            line.space(2);
            line.push(tone, bar(look, count, totals.hits, room));
        }
        lines.push(line);
    }
    lines
}

/// The first malformed lines, and how to get the others.
pub(super) fn malformed(summary: &Summary, look: Look) -> Vec<Line> {
    let totals = &summary.totals;
    if totals.malformed_lines == 0 {
        return Vec::new();
    }
    let note = format!(
        "{} of {}: not in the file's log format, so no hits",
        grouped(totals.malformed_lines),
        counted(totals.lines, "line", "lines"),
    );
    let mut lines = look.heading("Malformed lines", &note);
    for sample in summary.malformed_samples.iter().take(SHOWN_MALFORMED) {
        let number = format!(":{}", sample.line);
        let path = if sample.path == "-" { "standard input" } else { &sample.path };
        let path = look.shorten_middle(path, look.room().saturating_sub(number.len()).min(48));
        let mut line = look.line(Tone::Plain, path + &number);
        let reason = look.shorten_end(&sample.reason, look.room());
        if line.width() + 2 + display_width(&reason) <= look.width {
            line.space(2);
            line.push(Tone::Warning, reason);
            lines.push(line);
        } else {
            lines.push(line);
            lines.push(look.line(Tone::Warning, reason));
        }
        let text = look.shorten_end(&sample.text, look.room().saturating_sub(2));
        let mut line = look.line(Tone::Plain, "  ");
        line.push(Tone::Quiet, text);
        lines.push(line);
    }
    if summary.stored.is_none() {
        let text = "--invalid-lines FILE writes them all to a file";
        lines.extend(look.paragraph(Tone::Quiet, text));
    }
    lines
}
