//! Files that appear whole or not at all.
//!
//! Owns: [`OutputFile`]. May import: `error`, tempfile. Must not know: what is written.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hitmap::error::{Error, Result};
use tempfile::NamedTempFile;

/// A file being written: under a name of its own beside the wanted one, until [`OutputFile::finish`] renames it.
/// Dropped before that, it is removed. A device or a named pipe is written in place.
#[derive(Debug)]
pub(crate) struct OutputFile {
    path: PathBuf,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Replacing(NamedTempFile),
    InPlace(File),
}

impl OutputFile {
    /// Starts to write the file at `path`.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let failed = |error| Error::Write { path: path.to_owned(), error };
        let sink = match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                return Err(failed(io::ErrorKind::IsADirectory.into()));
            }
            Ok(metadata) if !metadata.is_file() => {
                Sink::InPlace(File::options().write(true).open(path).map_err(failed)?)
            }
            _ => Sink::Replacing(Self::temporary(path).map_err(failed)?),
        };
        Ok(Self { path: path.to_owned(), sink })
    }

    fn temporary(path: &Path) -> io::Result<NamedTempFile> {
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".hitmap-");
        #[cfg(unix)]
        builder.permissions(<Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666));
        builder.tempfile_in(directory)
    }

    /// Gives the file its name.
    pub(crate) fn finish(self) -> Result<()> {
        match self.sink {
            Sink::InPlace(_) => Ok(()),
            Sink::Replacing(file) => match file.persist(&self.path) {
                Ok(_) => Ok(()),
                Err(persist) => Err(Error::Write { path: self.path, error: persist.error }),
            },
        }
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.sink {
            Sink::Replacing(file) => file.write(bytes),
            Sink::InPlace(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::OutputFile;

    #[test]
    fn a_file_appears_when_it_is_finished() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        fs::write(&path, "old").unwrap();
        let mut dropped = OutputFile::create(&path).unwrap();
        dropped.write_all(b"never").unwrap();
        drop(dropped);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        let mut file = OutputFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        file.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert!(OutputFile::create(directory.path()).is_err());
        assert!(OutputFile::create(&directory.path().join("none/a.log")).is_err());
    }
}
