//! Text for people: bytes from outside made readable, text made safe to show, numbers with separators.
//!
//! Owns: how bytes that are not UTF-8 are written in every output, escaping for terminals, digit grouping. May import:
//! std. Must not know: where text comes from or goes.

use std::borrow::Cow;
use std::fmt::Write;

/// `bytes` as text. Each byte that is not valid UTF-8 becomes `\xNN`, in lower case.
#[must_use]
pub fn from_bytes(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.into();
    }
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text.into()
}

/// `text` with every character escaped that could move the cursor, change a colour or hide other characters.
///
/// C0 and C1 controls, DEL, and the bidirectional, zero-width and other invisible format characters become `\xNN` or
/// `\u{NNNN}`. The result contains no line end and is safe to print on a terminal.
#[must_use]
pub fn escape_terminal(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) || !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match u32::from(character) {
            code if !is_hostile(character) => {
                debug_assert!(code >= 0x20);
                escaped.push(character);
            }
            code @ 0..=0xff => {
                let _ = write!(escaped, "\\x{code:02x}");
            }
            code => {
                let _ = write!(escaped, "\\u{{{code:x}}}");
            }
        }
    }
    Cow::Owned(escaped)
}

/// Whether [`escape_terminal`] escapes `character`: a control character, or a format character (Unicode category Cf and
/// similar) that is invisible or reorders text.
#[must_use]
pub fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// `number` with its digits in groups of three: `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    group_digits(&number.to_string())
}

/// `digits` with a comma between groups of three.
pub(crate) fn group_digits(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `number` and the noun that fits it, `one` or `many`: `1 day`, `2,000 days`.
#[must_use]
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::{escape_terminal, from_bytes};

    #[test]
    fn foreign_bytes_are_written_out() {
        assert_eq!(from_bytes("/ü".as_bytes()), "/ü");
        assert_eq!(from_bytes(b"/\xff\xC3\x28"), "/\\xff\\xc3(");
    }

    #[test]
    fn hostile_text_is_shown_not_obeyed() {
        for (text, shown) in [
            ("/movie/1.html", "/movie/1.html"),
            ("/影片/ü", "/影片/ü"),
            ("a\x1b]0;owned\x07b", "a\\x1b]0;owned\\x07b"),
            ("\x1b]52;c;aGk=\x1b\\", "\\x1b]52;c;aGk=\\x1b\\"),
            ("\u{9b}31m", "\\x9b31m"),
            ("a\r\nb\tc\x7f", "a\\x0d\\x0ab\\x09c\\x7f"),
            ("a\u{202e}gpj.exe", "a\\u{202e}gpj.exe"),
            ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
        ] {
            assert_eq!(escape_terminal(text), shown);
        }
    }
}
