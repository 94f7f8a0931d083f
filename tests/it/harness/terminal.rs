//! What may be written to a terminal.
//!
//! Owns: [`assert_harmless`]. May import: std. Must not know: what the text says.

/// Fails on any byte that could do something to a terminal: a control character but LF, a bidirectional or
/// zero-width character, a byte that is not UTF-8. Colour is allowed as `ESC [ digits and semicolons m`.
#[track_caller]
pub(crate) fn assert_harmless(bytes: &[u8], is_colour_allowed: bool) {
    let text = str::from_utf8(bytes).expect("a terminal gets UTF-8");
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        if character == '\u{1b}' && is_colour_allowed {
            let colour = rest.strip_prefix('[').and_then(|rest| rest.split_once('m'));
            let (codes, after) = colour.unwrap_or_else(|| panic!("an escape in {text:?}"));
            assert!(codes.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'), "{text:?}");
            rest = after;
            continue;
        }
        let is_hostile = matches!(
            character,
            '\0'..='\t' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}'
                | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        );
        assert!(!is_hostile, "{character:?} in {text:?}");
    }
}
