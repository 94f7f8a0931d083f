//! Inputs that can be read only once, stored so that they can be read again.
//!
//! Owns: [`Spooled`]. May import: std, tempfile. Must not know: lines, why an input is read twice.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;

use super::Input;

/// A copy of an input in a nameless temporary file, which vanishes with the process.
#[derive(Debug)]
pub struct Spooled {
    file: File,
}

impl Spooled {
    /// Copies the input to its end, or until `is_over` returns true, which is asked before each read.
    ///
    /// # Errors
    /// The system's error on the input or the temporary file.
    pub fn new(input: &Input, is_over: &dyn Fn() -> bool) -> io::Result<Self> {
        let mut reader: Box<dyn Read> = match input {
            Input::Stdin => Box::new(io::stdin().lock()),
            Input::Path(path) => Box::new(File::open(path)?),
        };
        let mut file = tempfile::tempfile()?;
        let mut buffer = vec![0; 256 * 1024];
        while !is_over() {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => file.write_all(&buffer[..read])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { file })
    }

    /// The copy as an input. It can be opened as long as `self` lives.
    #[must_use]
    pub fn input(&self) -> Input {
        Input::Path(format!("/dev/fd/{}", self.file.as_raw_fd()).into())
    }
}
