//! Files that appear whole or not at all.
//!
//! Owns: [`NewFile`], and which of them are unfinished when the process is told to end. May import: std, tempfile.
//! Must not know: what is written.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// A file that takes its name only when it is whole; dropped before that, nothing is left of it.
///
/// What cannot be replaced, such as a device or a named pipe, is written as it goes.
#[derive(Debug)]
pub(crate) struct NewFile {
    path: PathBuf,
    output: Output,
}

#[derive(Debug)]
enum Output {
    /// Beside the path, under another name.
    Temporary(tempfile::NamedTempFile),
    Direct(std::fs::File),
}

/// The unfinished files of this process.
struct Unfinished {
    temporary: Vec<PathBuf>,
    /// The process is about to end: nothing more is begun or finished.
    is_over: bool,
}

static UNFINISHED: Mutex<Unfinished> =
    Mutex::new(Unfinished { temporary: Vec::new(), is_over: false });

fn unfinished() -> MutexGuard<'static, Unfinished> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes all unfinished files, because the process will end without dropping them. From now on none gets its name.
pub(crate) fn abandon_all() {
    let mut unfinished = unfinished();
    unfinished.is_over = true;
    for path in unfinished.temporary.drain(..) {
        let _ = std::fs::remove_file(path);
    }
}

impl NewFile {
    /// Starts a file that will be called `path`.
    ///
    /// # Errors
    /// [`Error::Write`] if it is a directory or the system refuses; [`Error::Interrupted`] if the process is ending.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let fail = |error| Error::Write { path: path.to_owned(), error };
        // Through a link the file it names is written, not the link replaced.
        let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        match std::fs::metadata(&target) {
            Ok(metadata) if metadata.is_dir() => {
                return Err(fail(io::Error::other("it is a directory")));
            }
            Ok(metadata) if !metadata.is_file() => {
                let direct = std::fs::OpenOptions::new().write(true).open(&target).map_err(fail)?;
                return Ok(Self { path: target, output: Output::Direct(direct) });
            }
            _ => {}
        }
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        // Made and noted as one, as seen by who ends the process.
        let mut unfinished = unfinished();
        if unfinished.is_over {
            return Err(Error::Interrupted);
        }
        let temporary =
            tempfile::Builder::new().prefix(".hitmap-").tempfile_in(folder).map_err(fail)?;
        unfinished.temporary.push(temporary.path().to_owned());
        Ok(Self { path: target, output: Output::Temporary(temporary) })
    }

    /// Whether what is written goes to a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(&self.output, Output::Direct(file) if file.is_terminal())
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// [`Error::Write`] if the system refuses; [`Error::Interrupted`] if the process is ending.
    pub(crate) fn finish(self) -> Result<()> {
        let Self { path, output } = self;
        let Output::Temporary(temporary) = output else { return Ok(()) };
        let mut unfinished = unfinished();
        if unfinished.is_over {
            return Err(Error::Interrupted);
        }
        unfinished.temporary.retain(|unfinished| unfinished != temporary.path());
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
        match &mut self.output {
            // Not through tempfile, which would put its own name for the file into the error.
            Output::Temporary(temporary) => temporary.as_file_mut().write(buffer),
            Output::Direct(direct) => direct.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.output {
            Output::Temporary(temporary) => temporary.as_file_mut().flush(),
            Output::Direct(direct) => direct.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::NewFile;

    #[test]
    fn a_file_appears_when_it_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cells.csv");
        let names = || std::fs::read_dir(folder.path()).unwrap().count();

        drop(NewFile::create(&path).unwrap());
        assert_eq!(names(), 0);

        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        assert!(!path.exists());
        file.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(names(), 1);
    }
}
