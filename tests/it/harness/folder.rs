//! A folder of its own for every test.
//!
//! Owns: [`Folder`]. May import: std, tempfile. Must not know: what the files hold.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;
use std::process::Command;

/// A temporary folder, removed when it is dropped.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.0.path().join(name.as_ref())
    }

    /// Writes a file and returns its path.
    pub(crate) fn write(&self, name: impl AsRef<OsStr>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Makes a named pipe.
    pub(crate) fn fifo(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.path(name);
        let made = Command::new("mkfifo").arg(&path).output();
        let is_made = made.is_ok_and(|output| output.status.success());
        is_made.then_some(path).ok_or_else(|| "mkfifo makes no named pipe here".to_owned())
    }

    /// The names of its entries, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

/// A device that is always full, open for writing.
pub(crate) fn full_device() -> Result<File, String> {
    let device = OpenOptions::new().write(true).open("/dev/full");
    device.map_err(|error| format!("no device that is full: /dev/full: {error}"))
}
