//! Where output goes: standard output, standard error, files that appear whole or not at all.
//!
//! Owns: terminal detection and files written by rename. May import: std, tempfile. Must not know: what is written.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::text::escape_terminal;

/// When to do what only a terminal should see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum When {
    /// If a terminal is there.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Says something on standard error. Whether that works is of no interest to anyone.
pub(super) fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{}", escape_terminal(text));
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

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Columns of the terminal; where there is none COLUMNS, else 80.
pub(super) fn columns() -> usize {
    let terminal =
        terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    let variable = || std::env::var("COLUMNS").ok()?.parse().ok();
    terminal.or_else(variable).unwrap_or(80)
}

/// Whether the locale says that text is UTF-8 (POSIX: the first of these that is set and not empty).
pub(super) fn is_unicode() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    match locale {
        Some(locale) => {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        }
        // Not set at all: containers and cron. Their terminals and files are UTF-8 today.
        None => true,
    }
}

/// A file that takes its name only when it is whole; dropped before that, nothing is left of it.
#[derive(Debug)]
pub(super) struct NewFile {
    path: PathBuf,
    /// Beside the path; `None` for what cannot be renamed over, such as a device or a pipe.
    temporary: Option<tempfile::NamedTempFile>,
    direct: Option<std::fs::File>,
}

impl NewFile {
    /// Starts a file that will be called `path`.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let fail = |error| Error::Write { path: path.to_owned(), error };
        // Through a link the file it names is written, not the link replaced.
        let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        match std::fs::metadata(&target) {
            Ok(metadata) if metadata.is_dir() => {
                return Err(fail(io::Error::other("it is a directory")));
            }
            Ok(metadata) if !metadata.is_file() => {
                let direct = std::fs::OpenOptions::new().write(true).open(&target).map_err(fail)?;
                return Ok(Self { path: target, temporary: None, direct: Some(direct) });
            }
            _ => {}
        }
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let temporary =
            tempfile::Builder::new().prefix(".hitmap-").tempfile_in(folder).map_err(fail)?;
        Ok(Self { path: target, temporary: Some(temporary), direct: None })
    }

    /// Gives the file its name.
    pub(super) fn finish(self) -> Result<()> {
        let Self { path, temporary, .. } = self;
        let Some(temporary) = temporary else { return Ok(()) };
        // As `open` would have made it: readable as the umask says, or as the file it replaces was.
        let permissions = std::fs::metadata(&path).ok().map(|metadata| metadata.permissions());
        if let Some(permissions) = permissions.or_else(default_permissions) {
            let _ = temporary.as_file().set_permissions(permissions);
        }
        temporary.persist(&path).map_err(|error| Error::Write { path, error: error.error })?;
        Ok(())
    }
}

/// What a new file's permissions are under this process's umask.
fn default_permissions() -> Option<std::fs::Permissions> {
    use std::os::unix::fs::PermissionsExt;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"))?.trim();
    Some(std::fs::Permissions::from_mode(0o666 & !u32::from_str_radix(umask, 8).ok()?))
}

impl Write for NewFile {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match (&mut self.temporary, &mut self.direct) {
            (Some(temporary), _) => temporary.write(buffer),
            (None, Some(direct)) => direct.write(buffer),
            (None, None) => Err(io::Error::other("no file")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match (&mut self.temporary, &mut self.direct) {
            (Some(temporary), _) => temporary.flush(),
            (None, Some(direct)) => direct.flush(),
            (None, None) => Ok(()),
        }
    }
}
