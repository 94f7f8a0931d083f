//! Which files are read and written.
//!
//! Owns: the list of inputs, and that no output is one of them. May import: `source` (names of inputs), `output`.
//! Must not know: what is in them.

use std::collections::HashSet;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use super::output::complain;
use crate::error::{Error, Result};
use crate::source::Input;

/// The inputs, each file once although it may be named twice.
pub(super) fn inputs(paths: &[PathBuf], quiet: bool) -> Result<Vec<Input>> {
    if paths.is_empty() {
        if io::stdin().is_terminal() {
            return Err(Error::Usage(
                "name at least one log, as in: hitmap analyze access.log".to_owned(),
            ));
        }
        return Ok(vec![Input::Stdin]);
    }
    let mut seen = HashSet::new();
    let mut inputs = Vec::new();
    for path in paths {
        let input = if path == Path::new("-") { Input::Stdin } else { Input::Path(path.clone()) };
        let is_new = match input.identity() {
            Some(identity) => seen.insert(Ok(identity)),
            None => input != Input::Stdin || seen.insert(Err("standard input")),
        };
        if is_new {
            inputs.push(input);
        } else if !quiet {
            complain(&format!(
                "hitmap: {:?} was named before and is counted once",
                input.display()
            ));
        }
    }
    Ok(inputs)
}

/// What a path names, be it there or not.
fn target(path: &Path) -> PathBuf {
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

/// Refuses to write over a log, or two files over each other.
pub(super) fn check_outputs(outputs: &[&Path], inputs: &[Input]) -> Result<()> {
    let logs: HashSet<_> = inputs.iter().filter_map(Input::identity).collect();
    let mut targets = HashSet::new();
    for path in outputs {
        // Devices and pipes have no identity here: they can be written twice.
        if Input::Path(path.to_path_buf()).identity().is_some_and(|file| logs.contains(&file)) {
            return Err(Error::Usage(format!(
                "{path:?} is one of the logs; write to another file"
            )));
        }
        let can_be_replaced = std::fs::metadata(path).map_or(true, |metadata| metadata.is_file());
        if can_be_replaced && !targets.insert(target(path)) {
            return Err(Error::Usage(format!("{path:?} is to be written twice; name two files")));
        }
    }
    Ok(())
}
