//! Styled lines, and their layout on a page of a given width.
//!
//! Owns: [`Look`], [`Line`], [`Tone`]; padding, shortening, wrapping, panels. May import: `text`.
//! Must not know: what the text means.

use std::io::{self, Write};

use unicode_width::UnicodeWidthChar;

use crate::text::escape_terminal;

/// The role of a text. One place decides how each looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    /// Headings and the main figures.
    Strong,
    /// Explanations.
    Quiet,
    /// Bars of page views.
    Views,
    /// Bars of unique visitors.
    Visitors,
    /// Something to look into.
    Warning,
    /// An error of the server.
    Failure,
}

impl Tone {
    /// The SGR code (ECMA-48, section 8.3.117). Only codes that every terminal theme defines.
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Quiet => Some("2"),
            Self::Views => Some("32"),
            Self::Visitors => Some("36"),
            Self::Warning => Some("33"),
            Self::Failure => Some("31"),
        }
    }
}

/// The width of a block, and the characters it may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Columns.
    pub(super) width: usize,
    /// Columns by which text under a heading is indented.
    pub(super) indent: usize,
    /// Whether characters other than ASCII may be used.
    pub(super) unicode: bool,
}

impl Look {
    /// The look of a whole page.
    pub(super) fn new(width: usize, unicode: bool) -> Self {
        Self { width, indent: if width >= 40 { 2 } else { 0 }, unicode }
    }

    /// The same look in a panel of `width` columns.
    pub(super) fn with_width(self, width: usize) -> Self {
        Self { width, ..self }
    }

    /// Columns between the indent and the right edge.
    pub(super) fn room(self) -> usize {
        self.width - self.indent
    }

    /// Marks where text was cut out.
    pub(super) fn ellipsis(self) -> &'static str {
        if self.unicode { "…" } else { "..." }
    }

    /// Separates the ends of a range; blanks included.
    pub(super) fn to(self) -> &'static str {
        if self.unicode { " – " } else { " - " }
    }

    /// Separates items of equal rank; blanks included.
    pub(super) fn dot(self) -> &'static str {
        if self.unicode { " · " } else { ", " }
    }

    /// Text from logs, file names or options, made safe to show: see [`escape_terminal`]. If only ASCII may be used, other
    /// characters are written as `\u{NNNN}`, since their bytes could be control characters there.
    pub(super) fn safe(self, text: &str) -> String {
        let text = escape_terminal(text);
        if self.unicode || text.is_ascii() {
            return text.into_owned();
        }
        let mut ascii = String::with_capacity(text.len() * 2);
        for character in text.chars() {
            if character.is_ascii() {
                ascii.push(character);
            } else {
                ascii.extend(character.escape_unicode());
            }
        }
        ascii
    }

    /// `text`, made safe, with its middle cut out if it is wider than `width`. Two thirds of the rest are taken from the
    /// end, where paths differ.
    pub(super) fn shorten_middle(self, text: &str, width: usize) -> String {
        let text = self.safe(text);
        if cost(&text) <= width {
            return text;
        }
        let ellipsis = self.ellipsis();
        if width < ellipsis.chars().count() + 4 {
            return cut(&text, width);
        }
        let kept = width - ellipsis.chars().count();
        let head = cut(&text, kept / 3);
        let tail = cut_from_end(&text, kept - kept / 3);
        format!("{head}{ellipsis}{tail}")
    }

    /// `text`, made safe, with its end cut off if it is wider than `width`.
    pub(super) fn shorten_end(self, text: &str, width: usize) -> String {
        let text = self.safe(text);
        if cost(&text) <= width {
            return text;
        }
        let ellipsis = self.ellipsis();
        let kept = width.saturating_sub(ellipsis.chars().count());
        if kept == 0 {
            return cut(&text, width);
        }
        format!("{}{ellipsis}", cut(&text, kept))
    }

    /// A heading, with a note after it, or below it if there is no room.
    pub(super) fn heading(self, title: &str, note: &str) -> Vec<Line> {
        let mut first = Line::new(Tone::Strong, title);
        if note.is_empty() {
            return vec![first];
        }
        if first.width() + 2 + display_width(note) <= self.width {
            first.space(2);
            first.push(Tone::Quiet, note);
            return vec![first];
        }
        let mut lines = vec![first];
        lines.extend(self.paragraph(Tone::Quiet, note));
        lines
    }

    /// Indented text, wrapped.
    pub(super) fn paragraph(self, tone: Tone, text: &str) -> Vec<Line> {
        wrap(text, self.room()).into_iter().map(|text| self.line(tone, text)).collect()
    }

    /// An indented line.
    pub(super) fn line(self, tone: Tone, text: impl Into<String>) -> Line {
        let mut line = Line::default();
        line.space(self.indent);
        line.push(tone, text);
        line
    }
}

/// One line of the report: pieces of safe text, each with its tone.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    pieces: Vec<(Tone, String)>,
    width: usize,
}

impl Line {
    pub(super) fn new(tone: Tone, text: impl Into<String>) -> Self {
        let mut line = Self::default();
        line.push(tone, text);
        line
    }

    /// Its width in columns.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Appends text, which must be safe (see [`Look::safe`]).
    pub(super) fn push(&mut self, tone: Tone, text: impl Into<String>) {
        let text = text.into();
        debug_assert!(!text.chars().any(char::is_control));
        self.width += display_width(&text);
        if !text.is_empty() {
            self.pieces.push((tone, text));
        }
    }

    /// Appends blanks.
    pub(super) fn space(&mut self, columns: usize) {
        self.push(Tone::Plain, " ".repeat(columns));
    }

    /// Appends text in a field of `columns`, at its left edge.
    pub(super) fn left(&mut self, tone: Tone, text: &str, columns: usize) {
        self.push(tone, text);
        self.space(columns.saturating_sub(display_width(text)));
    }

    /// Appends text in a field of `columns`, at its right edge.
    pub(super) fn right(&mut self, tone: Tone, text: &str, columns: usize) {
        self.space(columns.saturating_sub(display_width(text)));
        self.push(tone, text);
    }

    /// Appends another line.
    pub(super) fn append(&mut self, other: Self) {
        self.width += other.width;
        self.pieces.extend(other.pieces);
    }

    /// Cuts the line to `width` columns: the last resort against lines that the terminal would wrap.
    fn clip(&mut self, look: Look, width: usize) {
        if self.width <= width {
            return;
        }
        let ellipsis = look.ellipsis();
        let mut left = width.saturating_sub(ellipsis.chars().count());
        let mut kept = Self::default();
        for (tone, text) in &self.pieces {
            let part = cut(text, left);
            left = left.saturating_sub(cost(&part));
            let whole = part.len() == text.len();
            kept.push(*tone, part);
            if !whole {
                break;
            }
        }
        kept.push(Tone::Quiet, ellipsis);
        *self = kept;
    }

    /// Writes the line without trailing blanks, and a line end.
    ///
    /// # Errors
    /// Whatever the output says.
    pub(super) fn write(
        mut self,
        look: Look,
        color: bool,
        output: &mut dyn Write,
    ) -> io::Result<()> {
        self.clip(look, look.width);
        while let Some((_, text)) = self.pieces.last_mut() {
            text.truncate(text.trim_end_matches(' ').len());
            if !text.is_empty() {
                break;
            }
            self.pieces.pop();
        }
        for (tone, text) in &self.pieces {
            match tone.code().filter(|_| color) {
                Some(code) => write!(output, "\x1b[{code}m{text}\x1b[0m")?,
                None => output.write_all(text.as_bytes())?,
            }
        }
        output.write_all(b"\n")
    }
}

/// Two panels side by side; the right one starts in `column`.
pub(super) fn side_by_side(left: Vec<Line>, right: Vec<Line>, column: usize) -> Vec<Line> {
    let rows = left.len().max(right.len());
    let (mut left, mut right) = (left.into_iter(), right.into_iter());
    let mut lines = Vec::with_capacity(rows);
    for _ in 0..rows {
        let mut line = left.next().unwrap_or_default();
        if let Some(right) = right.next() {
            line.space(column.saturating_sub(line.width()));
            line.append(right);
        }
        lines.push(line);
    }
    lines
}

/// Breaks text at blanks; words wider than `width` are cut.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for mut word in text.split(' ').filter(|word| !word.is_empty()) {
        if used > 0 && used + 1 + cost(word) > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        while cost(word) > width {
            let part = cut(word, width.max(2));
            word = &word[part.len()..];
            lines.push(part);
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += cost(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Columns that safe text takes.
pub(super) fn display_width(text: &str) -> usize {
    text.chars().map(|character| character.width().unwrap_or(0)).sum()
}

/// The columns that a text may need. Combining characters count too, so that a thousand of them are cut like other text.
fn cost(text: &str) -> usize {
    text.chars().map(character_cost).sum()
}

fn character_cost(character: char) -> usize {
    character.width().unwrap_or(0).max(1)
}

/// The longest prefix of `text` that costs at most `columns`.
fn cut(text: &str, columns: usize) -> String {
    let mut used = 0;
    text.chars()
        .take_while(|&character| {
            used += character_cost(character);
            used <= columns
        })
        .collect()
}

/// The longest suffix of `text` that costs at most `columns`.
fn cut_from_end(text: &str, columns: usize) -> String {
    let mut used = 0;
    let characters = text
        .chars()
        .rev()
        .take_while(|&character| {
            used += character_cost(character);
            used <= columns
        })
        .count();
    text.chars().skip(text.chars().count() - characters).collect()
}

#[cfg(test)]
mod tests {
    use super::{Line, Look, Tone, display_width, side_by_side, wrap};

    const UNICODE: Look = Look { width: 80, indent: 2, unicode: true };
    const ASCII: Look = Look { width: 80, indent: 2, unicode: false };

    fn written(line: Line, look: Look, color: bool) -> String {
        let mut bytes = Vec::new();
        line.write(look, color, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn shortening_keeps_the_end_of_a_path() {
        assert_eq!(UNICODE.shorten_middle("/movie/12.html", 14), "/movie/12.html");
        assert_eq!(UNICODE.shorten_middle("/movie/2018/03/05/12.html", 13), "/mov…/12.html");
        assert_eq!(ASCII.shorten_middle("/movie/2018/03/05/12.html", 15), "/mov.../12.html");
        assert_eq!(UNICODE.shorten_middle("/影片/影片/影片.html", 12), "/影…片.html");
        assert_eq!(UNICODE.shorten_end("/movie/12.html", 8), "/movie/…");
        assert_eq!(ASCII.shorten_end("/ü", 20), "/\\u{fc}");
        assert_eq!(UNICODE.shorten_end("a\u{1b}[2Jb", 20), "a\\x1b[2Jb");
    }

    #[test]
    fn shortened_text_fits_whatever_it_is() {
        let accents = "e".to_owned() + &"\u{301}".repeat(500);
        for text in
            ["", "a", "/movie/2018/03/05/12.html", "/影片/影片/影片.html", "\u{202e}\n", &accents]
        {
            for width in 0..40 {
                for look in [UNICODE, ASCII] {
                    assert!(display_width(&look.shorten_middle(text, width)) <= width);
                    assert!(display_width(&look.shorten_end(text, width)) <= width);
                }
            }
        }
        assert!(UNICODE.shorten_middle(&accents, 20).chars().count() <= 20);
    }

    #[test]
    fn text_wraps_at_blanks() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbelievable", 5), ["unbel", "ievab", "le"]);
        assert_eq!(wrap("", 5), Vec::<String>::new());
        assert_eq!(wrap("片片片", 1).len(), 3);
    }

    #[test]
    fn lines_are_clipped_trimmed_and_coloured() {
        let mut line = Line::new(Tone::Strong, "PV");
        line.right(Tone::Plain, "12", 5);
        line.space(9);
        assert_eq!(written(line.clone(), UNICODE, false), "PV   12\n");
        assert_eq!(written(line.clone(), UNICODE, true), "\x1b[1mPV\x1b[0m   12\n");
        assert_eq!(written(line, UNICODE.with_width(6), false), "PV   …\n");
        let panels = side_by_side(
            vec![Line::new(Tone::Plain, "left")],
            vec![Line::new(Tone::Plain, "right"), Line::new(Tone::Plain, "more")],
            7,
        );
        let panels: String = panels.into_iter().map(|line| written(line, UNICODE, false)).collect();
        assert_eq!(panels, "left   right\n       more\n");
    }
}
