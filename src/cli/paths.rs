//! The inputs that the command line names.
//!
//! Owns: when standard input is read, and the message about a file that is named twice. May import: `session`,
//! `source` (names of inputs), `output`. Must not know: what logs contain.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use super::output::eprint_message;
use crate::error::{Error, Result};
use crate::session::distinct_inputs;
use crate::source::Input;

/// The inputs, each file once; without paths, standard input if it is not a terminal.
///
/// # Errors
/// [`Error::Usage`] if there is no input.
pub(super) fn inputs(paths: &[PathBuf], is_quiet: bool) -> Result<Vec<Input>> {
    if paths.is_empty() {
        if io::stdin().is_terminal() {
            return Err(Error::Usage(
                "name at least one log, as in: hitmap analyze access.log".to_owned(),
            ));
        }
        return Ok(vec![Input::Stdin]);
    }
    let (inputs, repeated) = distinct_inputs(paths);
    for input in repeated.iter().filter(|_| !is_quiet) {
        eprint_message(&format!("{:?} was named before and is counted once", input.display()));
    }
    Ok(inputs)
}
