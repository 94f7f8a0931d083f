//! Pages, sections and static files.
//!
//! Owns: the rules that turn a request target into a page, and a page into its section. May import: `parse::record`,
//! memchr. Must not know: visitors, time.

use std::str::FromStr;

use memchr::{memchr, memchr2, memmem};

use crate::parse::record::without_host;

/// The page of a request target: its path, with the query if `keep_query`, without the fragment. `None` if the target
/// has no path.
#[must_use]
#[inline]
pub fn page(target: &[u8], keep_query: bool) -> Option<&[u8]> {
    let path = without_host(target);
    if path.first() != Some(&b'/') {
        return None;
    }
    let end = if keep_query { memchr(b'#', path) } else { memchr2(b'?', b'#', path) };
    Some(&path[..end.unwrap_or(path.len())])
}

/// The part of a page before its query.
fn path(page: &[u8]) -> &[u8] {
    &page[..memchr(b'?', page).unwrap_or(page.len())]
}

/// Whether the page's path has the extension of a static file, in upper or lower case: a style, script, image, font,
/// sound or video.
#[must_use]
#[inline]
pub fn is_static(page: &[u8]) -> bool {
    let path = path(page);
    // The longest extension has five letters, so the dot is among the last six bytes.
    let tail = &path[path.len().saturating_sub(6)..];
    let Some(dot) = tail.iter().rposition(|&byte| byte == b'.') else { return false };
    let extension = &tail[dot + 1..];
    let mut lower = [0; 5];
    for (lower, byte) in lower.iter_mut().zip(extension) {
        *lower = byte.to_ascii_lowercase();
    }
    matches!(
        &lower[..extension.len()],
        b"css"
            | b"js"
            | b"mjs"
            | b"map"
            | b"gif"
            | b"jpg"
            | b"jpeg"
            | b"png"
            | b"webp"
            | b"avif"
            | b"svg"
            | b"ico"
            | b"bmp"
            | b"tif"
            | b"tiff"
            | b"woff"
            | b"woff2"
            | b"ttf"
            | b"otf"
            | b"eot"
            | b"mp3"
            | b"mp4"
            | b"m4a"
            | b"ogg"
            | b"wav"
            | b"webm"
            | b"mov"
            | b"avi"
            | b"flv"
            | b"swf"
    )
}

/// The first path segment of a page, as its section: `/list/` for `/list/3.html`, and `/` for a path with one slash. A
/// page without a slash in front ([`NO_PAGE`](super::NO_PAGE)) is its own section.
#[must_use]
pub fn first_segment(page: &str) -> &str {
    let path = page.split('?').next().unwrap_or_default();
    match path.strip_prefix('/').and_then(|rest| rest.find('/')) {
        Some(second) => &path[..second + 2],
        None if path.starts_with('/') => "/",
        None => path,
    }
}

/// A section defined by a pattern of paths, as in `list=/list/{}.html`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionPattern {
    /// Name of the section.
    pub name: String,
    /// The pattern, which begins with `/`. `{}` matches one byte or more, but no slash.
    pub pattern: String,
}

impl FromStr for SectionPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, pattern)) if !name.is_empty() && pattern.starts_with('/') => {
                Ok(Self { name: name.to_owned(), pattern: pattern.to_owned() })
            }
            _ => Err(
                "expected NAME=PATTERN with a pattern that begins with /, as in list=/list/{}.html"
                    .to_owned(),
            ),
        }
    }
}

impl SectionPattern {
    /// Whether the pattern matches the whole path of the page, without its query.
    #[must_use]
    pub fn matches(&self, page: &str) -> bool {
        matches(self.pattern.as_bytes(), path(page.as_bytes()))
    }
}

fn matches(pattern: &[u8], path: &[u8]) -> bool {
    let Some(hole) = memmem::find(pattern, b"{}") else { return pattern == path };
    let Some(path) = path.strip_prefix(&pattern[..hole]) else { return false };
    let rest = &pattern[hole + 2..];
    let segment_end = memchr(b'/', path).unwrap_or(path.len());
    (1..=segment_end).any(|end| matches(rest, &path[end..]))
}

/// The section of a page: the name of the first pattern that matches, [`NO_PAGE`](super::NO_PAGE) if none does. Without
/// patterns it is the first path segment.
#[must_use]
pub fn section<'a>(page: &'a str, patterns: &'a [SectionPattern]) -> &'a str {
    if patterns.is_empty() {
        first_segment(page)
    } else {
        let found = patterns.iter().find(|pattern| pattern.matches(page));
        found.map_or(super::NO_PAGE, |pattern| &pattern.name)
    }
}

#[cfg(test)]
mod tests {
    use super::{SectionPattern, first_segment, is_static, page, section};

    #[test]
    fn pages_are_paths() {
        for (target, keep_query, expected) in [
            ("/", false, Some("/")),
            ("/a/b.html?x=/y#z", false, Some("/a/b.html")),
            ("/a?x#z", true, Some("/a?x")),
            ("/a#z?x", false, Some("/a")),
            ("http://h/a?b", false, Some("/a")),
            ("http://h", false, Some("/")),
            ("*", false, None),
            ("", false, None),
            ("h:443", false, None),
        ] {
            assert_eq!(
                page(target.as_bytes(), keep_query),
                expected.map(str::as_bytes),
                "{target}"
            );
        }
    }

    #[test]
    fn static_files_by_extension() {
        for (page, expected) in [
            ("/a.css", true),
            ("/a.WOFF2", true),
            ("/a.JpEg", true),
            ("/a.js?v=1", true),
            ("/a.b/c.mjs", true),
            ("/.css", true),
            ("/a.css/", false),
            ("/css", false),
            ("/a.html?x=.css", false),
            ("/a.xcss", false),
            ("/a.", false),
            ("/", false),
        ] {
            assert_eq!(is_static(page.as_bytes()), expected, "{page}");
        }
    }

    #[test]
    fn sections_are_first_segments_or_patterns() {
        for (page, expected) in [
            ("/", "/"),
            ("/a.html", "/"),
            ("/list/3.html", "/list/"),
            ("/list/", "/list/"),
            ("//", "//"),
            ("/a?b=/c", "/"),
            ("/ä/ö/ü", "/ä/"),
            ("-", "-"),
        ] {
            assert_eq!(first_segment(page), expected, "{page}");
        }
        let groups: Vec<SectionPattern> = ["home=/", "list=/list/{}.html", "movie=/movie/{}/{}"]
            .map(|text| text.parse().unwrap())
            .into();
        for (page, expected) in [
            ("/", "home"),
            ("/?x", "home"),
            ("/list/3.html", "list"),
            ("/list/.html", "-"),
            ("/list/a/b.html", "-"),
            ("/list/a.html.html", "list"),
            ("/movie/1/2", "movie"),
            ("/movie/1/2/", "-"),
        ] {
            assert_eq!(section(page, &groups), expected, "{page}");
        }
        assert!("x".parse::<SectionPattern>().is_err());
    }
}
