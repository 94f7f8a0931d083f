//! Files that appear whole or not at all.
//!
//! Owns: [`NewFile`], and the removal of unfinished files when the process is ended. May import: `error`, std,
//! tempfile. Must not know: what is written.

use std::fs::Permissions;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// A file that gets its name only when it is whole. If it is dropped before that, nothing is left of it.
///
/// A device or a named pipe cannot be replaced: it is written to directly.
#[derive(Debug)]
pub(crate) struct NewFile {
    path: PathBuf,
    output: Output,
}

#[derive(Debug)]
enum Output {
    /// A file in the same folder, under another name.
    Temporary(tempfile::NamedTempFile),
    Direct(std::fs::File),
}

/// The unfinished files of this process.
struct Unfinished {
    temporary: Vec<PathBuf>,
    /// The process is about to end: no file may be started or finished any more.
    is_ending: bool,
}

static UNFINISHED: Mutex<Unfinished> =
    Mutex::new(Unfinished { temporary: Vec::new(), is_ending: false });

fn unfinished() -> MutexGuard<'static, Unfinished> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes all unfinished files, because the process is about to end without dropping them. From now on no file is
/// started or finished.
pub(crate) fn abandon_all() {
    let mut unfinished = unfinished();
    unfinished.is_ending = true;
    for path in unfinished.temporary.drain(..) {
        let _ = std::fs::remove_file(path);
    }
}

impl NewFile {
    /// Starts a file that will be called `path`. A file that is there already is replaced, and its permissions are
    /// kept; of a symbolic link, the file it points to.
    ///
    /// # Errors
    /// [`Error::Write`] if `path` is a directory or the system refuses; [`Error::Interrupted`] if the process is ending.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let fail = |error| Error::Write { path: path.to_owned(), error };
        let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut builder = tempfile::Builder::new();
        builder.prefix(".hitmap-");
        match std::fs::metadata(&target) {
            Ok(metadata) if metadata.is_dir() => {
                return Err(fail(io::Error::other("it is a directory")));
            }
            Ok(metadata) if !metadata.is_file() => {
                let direct = std::fs::OpenOptions::new().write(true).open(&target).map_err(fail)?;
                return Ok(Self { path: target, output: Output::Direct(direct) });
            }
            // Nobody else may read it until `finish` gives it the permissions of the file that it replaces.
            Ok(_) => {}
            // As `open` makes a new file: the umask applies.
            Err(_) => {
                builder.permissions(Permissions::from_mode(0o666));
            }
        }
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        // Locked until the file is on the list: `abandon_all` must not miss it.
        let mut unfinished = unfinished();
        if unfinished.is_ending {
            return Err(Error::Interrupted);
        }
        let temporary = builder.tempfile_in(folder).map_err(fail)?;
        unfinished.temporary.push(temporary.path().to_owned());
        Ok(Self { path: target, output: Output::Temporary(temporary) })
    }

    /// Whether the file is a terminal.
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
        if unfinished.is_ending {
            return Err(Error::Interrupted);
        }
        unfinished.temporary.retain(|unfinished| unfinished != temporary.path());
        if let Ok(replaced) = std::fs::metadata(&path) {
            let _ = temporary.as_file().set_permissions(replaced.permissions());
        }
        temporary.persist(&path).map_err(|error| Error::Write { path, error: error.error })?;
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match &mut self.output {
            // Not through tempfile, which puts the temporary name into the error.
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
    use std::fs::Permissions;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::{NewFile, Output};

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_new_file_follows_the_umask_and_a_replaced_one_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let (path, opened) = (folder.path().join("new"), folder.path().join("opened"));
        NewFile::create(&path).unwrap().finish().unwrap();
        std::fs::File::create(&opened).unwrap();
        assert_eq!(mode(&path), mode(&opened));

        for replaced in [0o600, 0o640, 0o666, 0o444] {
            std::fs::set_permissions(&path, Permissions::from_mode(replaced)).unwrap();
            let file = NewFile::create(&path).unwrap();
            let Output::Temporary(temporary) = &file.output else { panic!("not replaced") };
            assert_eq!(mode(temporary.path()), 0o600);
            file.finish().unwrap();
            assert_eq!(mode(&path), replaced);
        }
    }

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
