//! Standard output and standard error, and whether they are terminals.
//!
//! Owns: lines on standard error, terminal detection. May import: `text`, terminal_size. Must not know: what is written.

use std::io::{self, IsTerminal, Write};

use crate::text::escape_terminal;

/// When to show what is meant for a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum When {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Prints a line on standard error, safe for a terminal. A failure is ignored: there is nowhere to report it.
pub(super) fn eprint_line(text: &str) {
    let _ = writeln!(io::stderr(), "{}", escape_terminal(text));
}

/// Prints a message of the program on standard error: `hitmap: ` and the sentence.
pub(super) fn eprint_message(sentence: &str) {
    eprint_line(&format!("hitmap: {sentence}"));
}

/// Whether standard output gets colours: <https://no-color.org>, TERM=dumb, and whether it is a terminal.
pub(super) fn wants_color(when: When) -> bool {
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto => {
            let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
            io::stdout().is_terminal() && !set("NO_COLOR") && !is_dumb()
        }
    }
}

/// Whether standard error gets a progress bar.
pub(super) fn wants_progress(when: When) -> bool {
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto => io::stderr().is_terminal() && !is_dumb(),
    }
}

/// Whether the terminal cannot move its cursor.
pub(super) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Columns of the terminal on standard output; without a terminal the variable COLUMNS, else 80.
pub(super) fn columns() -> usize {
    let terminal =
        terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    let variable = || std::env::var("COLUMNS").ok()?.parse().ok();
    terminal.or_else(variable).unwrap_or(80)
}

/// Whether the locale is UTF-8. POSIX: the first of these variables that is set and not empty decides.
pub(super) fn is_unicode() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    match locale {
        Some(locale) => {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        }
        // Containers and cron set none of them, and their terminals and files are UTF-8.
        None => true,
    }
}
