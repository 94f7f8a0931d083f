//! The file of malformed lines.
//!
//! Owns: the file, and the order of the lines in it. May import: `error`, `text`, `system::new_file`. Must not know: why a
//! line is malformed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::system::new_file::NewFile;

/// The file of malformed lines. Tasks end in any order; their lines are written in the order of inputs and blocks.
pub(super) struct InvalidLines {
    path: PathBuf,
    file: io::BufWriter<NewFile>,
    /// Whether lines are escaped, because the file is a terminal.
    escape: bool,
    /// Lines of tasks that are done and must wait for earlier ones, by (input, block).
    waiting: BTreeMap<(usize, usize), Vec<u8>>,
    /// Tasks that are handed out and not done, as (input, block).
    open: BTreeSet<(usize, usize)>,
}

impl InvalidLines {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = NewFile::create(path)?;
        Ok(Self {
            path: path.to_owned(),
            escape: file.is_terminal(),
            file: io::BufWriter::with_capacity(256 * 1024, file),
            waiting: BTreeMap::new(),
            open: BTreeSet::new(),
        })
    }

    /// Records that a task, as (input, block), was handed out. Tasks must be handed out in order.
    pub(super) fn handed_out(&mut self, task: (usize, usize)) {
        self.open.insert(task);
    }

    /// Takes the malformed lines of a task that is done. Writes all lines that no unfinished task comes before.
    pub(super) fn done(&mut self, task: (usize, usize), lines: Vec<u8>) -> Result<()> {
        self.open.remove(&task);
        self.waiting.insert(task, lines);
        while let Some(entry) = self.waiting.first_entry() {
            if self.open.first().is_some_and(|open| open < entry.key()) {
                break;
            }
            let lines = entry.remove();
            self.write(&lines).map_err(|error| Error::Write { path: self.path.clone(), error })?;
        }
        Ok(())
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if !self.escape {
            return self.file.write_all(lines);
        }
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            let line = crate::text::from_bytes(line.strip_suffix(b"\n").unwrap_or(line));
            writeln!(self.file, "{}", crate::text::escape_terminal(&line))?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<()> {
        let Self { path, file, .. } = self;
        let file =
            file.into_inner().map_err(|error| Error::Write { path, error: error.into_error() })?;
        file.finish()
    }
}
