//! Which files a run reads and writes.
//!
//! Owns: the list of inputs, the check that no output is one of them, reading a visitor key. May import: `source`,
//! `select` (keys). Must not know: what logs contain.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::select::VisitorKey;
use crate::source::Input;

/// The inputs that `paths` name, and those that repeat an earlier one. `-` is standard input. A file under two names,
/// such as a link, is one input.
#[must_use]
pub fn distinct_inputs(paths: &[PathBuf]) -> (Vec<Input>, Vec<Input>) {
    let mut seen = HashSet::new();
    let (mut inputs, mut repeated) = (Vec::new(), Vec::new());
    for path in paths {
        let input = if path == Path::new("-") { Input::Stdin } else { Input::Path(path.clone()) };
        let is_new = match input.file_key() {
            Some(identity) => seen.insert(Ok(identity)),
            None => input != Input::Stdin || seen.insert(Err("standard input")),
        };
        if is_new { &mut inputs } else { &mut repeated }.push(input);
    }
    (inputs, repeated)
}

/// Refuses an output that is one of the logs, and two outputs that are the same file.
///
/// # Errors
/// [`Error::Usage`] names the file.
pub fn check_outputs(outputs: &[&Path], inputs: &[Input]) -> Result<()> {
    let logs: HashSet<_> = inputs.iter().filter_map(Input::file_key).collect();
    let mut targets = HashSet::new();
    for path in outputs {
        // Devices and pipes have no identity: they may be written twice.
        if Input::Path(path.to_path_buf()).file_key().is_some_and(|file| logs.contains(&file)) {
            return Err(Error::Usage(format!(
                "{path:?} is one of the logs; write to another file"
            )));
        }
        let can_be_replaced = std::fs::metadata(path).map_or(true, |metadata| metadata.is_file());
        if can_be_replaced && !targets.insert(resolved(path)) {
            return Err(Error::Usage(format!("{path:?} would be written twice; name two files")));
        }
    }
    Ok(())
}

/// The file that a path names, whether it exists or not.
fn resolved(path: &Path) -> PathBuf {
    if let Ok(target) = std::fs::canonicalize(path) {
        return target;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = std::fs::canonicalize(folder.unwrap_or(Path::new(".")));
    match (folder, path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_path_buf(),
    }
}

/// Least length of a visitor key.
const SHORTEST_KEY_BYTES: usize = 16;

/// Reads the file of a visitor key.
///
/// # Errors
/// [`Error::Usage`] if it cannot be read or is too short.
pub fn read_visitor_key(path: &Path) -> Result<VisitorKey> {
    let bytes = std::fs::read(path)
        .map_err(|error| Error::Usage(format!("cannot read the visitor key {path:?}: {error}")))?;
    if bytes.len() < SHORTEST_KEY_BYTES {
        return Err(Error::Usage(format!(
            "the visitor key {path:?} has fewer than {SHORTEST_KEY_BYTES} bytes"
        )));
    }
    Ok(VisitorKey::new(&bytes))
}
