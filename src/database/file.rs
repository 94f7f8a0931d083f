//! The database as a file: whether it is there, which file it is, who may read it.
//!
//! Owns: what is asked of the file system. May import: std. Must not know: SQL.
//!
//! The file is looked at only by name. To open it and close it again while SQLite has it open would drop SQLite's locks: a
//! property of POSIX locks.

use std::fmt::Write;
use std::fs::{Metadata, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, Result};

/// Which file a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    /// `None` if there is no file.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// What tells that a file was written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileState {
    bytes: u64,
    modified: Option<SystemTime>,
    pub(super) has_log: bool,
}

impl FileState {
    /// `None` if there is no file.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        let (bytes, modified) = (metadata.len(), metadata.modified().ok());
        Some(Self { bytes, modified, has_log: has_log(path) })
    }
}

/// Whether there is a file. It can be empty or no database: SQLite says so.
///
/// # Errors
/// [`Error::Database`] if it cannot be known, and for what is no file.
pub(super) fn is_there(path: &Path) -> Result<bool> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(refuse(path, format!("cannot open the database: {error}"))),
        Ok(metadata) if !Metadata::is_file(&metadata) => {
            Err(refuse(path, "it is not a file, so it cannot be a database".to_owned()))
        }
        Ok(_) => Ok(true),
    }
}

/// Makes an empty file that its owner alone can read: hashes of visitors are personal data.
pub(super) fn create_private(path: &Path) -> Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(refuse(path, format!("cannot make the database: {error}")))
        }
        _ => Ok(()),
    }
}

/// Why SQLite could not open the file.
pub(super) fn cannot_open(path: &Path, error: &rusqlite::Error) -> Error {
    // SQLite says only that it cannot. What cannot be opened cannot be closed, so no lock is dropped.
    match OpenOptions::new().read(true).open(path) {
        Err(error) => refuse(path, format!("cannot open the database: {error}")),
        Ok(_) => super::failure(path, error),
    }
}

/// What somebody who may only read is told where a killed run left a log that only a writer can take in.
pub(super) fn needs_recovery(path: &Path) -> Error {
    let owner = std::fs::metadata(path).map(|metadata| metadata.uid());
    let owner =
        owner.map_or_else(|_| "its owner".to_owned(), |id| format!("its owner (user {id})"));
    let reason = format!(
        "a run was killed and left a log beside it, which an account that may only read cannot take in; {owner} has to \
         run hitmap report once"
    );
    refuse(path, reason)
}

/// Whether a log with something in it stands beside the file.
pub(super) fn has_log(path: &Path) -> bool {
    let log = companion(path, "-wal");
    log.is_some_and(|log| std::fs::metadata(log).is_ok_and(|log| log.len() > 0))
}

/// Lets those read the log, and no others, who may read the file. SQLite does that only when it makes the log.
///
/// Errors are left out: the file was not changed by them, and whoever cannot read the log is told so.
pub(super) fn copy_permissions_to_log(path: &Path) {
    let Ok(file) = std::fs::metadata(path) else { return };
    for ending in ["-wal", "-shm"] {
        let Some(companion) = companion(path, ending) else { continue };
        let Ok(metadata) = std::fs::metadata(&companion) else { continue };
        if (metadata.uid(), metadata.gid()) != (file.uid(), file.gid()) {
            let _ = std::os::unix::fs::chown(&companion, Some(file.uid()), Some(file.gid()));
        }
        let mode = file.mode() & 0o777;
        if metadata.mode() & 0o777 != mode {
            let _ = std::fs::set_permissions(&companion, Permissions::from_mode(mode));
        }
    }
}

/// A file beside the database. It stands beside the file, not beside a link to it.
fn companion(path: &Path, ending: &str) -> Option<PathBuf> {
    let mut name = std::fs::canonicalize(path).ok()?.into_os_string();
    name.push(ending);
    Some(name.into())
}

/// The path as SQLite's URI.
pub(super) fn uri(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(byte));
            }
            _ => {
                let _ = write!(uri, "%{byte:02x}");
            }
        }
    }
    uri
}

fn refuse(path: &Path, reason: String) -> Error {
    Error::Database { path: path.to_owned(), reason }
}
