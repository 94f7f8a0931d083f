//! Inputs that can be read once, kept so that they can be read again.
//!
//! Owns: [`Rereadable`]. May import: `source`, `pipeline` (names in what was read), `system` (progress). Must not know: why
//! an input is read again.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::pipeline::Analysis;
use crate::source::{Input, Spooled};
use crate::system::progress::Progress;

/// Copies of pipes in temporary files.
#[derive(Debug, Default)]
pub(super) struct Rereadable {
    copies: Vec<(String, Spooled)>,
}

impl Rereadable {
    /// Replaces each input that can be read only once by its copy. Returns a sentence about each that cannot be copied, by
    /// index.
    ///
    /// # Errors
    /// [`Error::Interrupted`](crate::error::Error::Interrupted).
    pub(super) fn new(
        inputs: &mut [Input],
        progress: &Progress,
    ) -> Result<(Self, BTreeMap<usize, String>)> {
        let (mut copies, mut failed) = (Vec::new(), BTreeMap::new());
        let one_shot = inputs.iter_mut().enumerate().filter(|(_, input)| input.is_one_shot());
        for (index, input) in one_shot {
            let name = input.display();
            let copy = Spooled::new(input, &|| progress.is_interrupted());
            progress.check()?;
            match copy {
                Ok(copy) => {
                    *input = copy.input();
                    copies.push((name, copy));
                }
                Err(error) => {
                    let folder = std::env::temp_dir();
                    failed.insert(
                        index,
                        format!(
                            "{name:?} cannot be put into a temporary file in {folder:?}: {error}"
                        ),
                    );
                }
            }
        }
        Ok((Self { copies }, failed))
    }

    /// Puts the names that the user knows in the place of the copies' names.
    pub(super) fn restore_names(&self, analysis: &mut Analysis) {
        for (name, copy) in &self.copies {
            let stand_in = copy.input().display();
            for input in analysis.inputs.iter_mut().filter(|input| input.name == stand_in) {
                input.name.clone_from(name);
            }
            let Analysis { unreadable, notes, warnings, .. } = analysis;
            for sentence in unreadable.iter_mut().chain(notes).chain(warnings) {
                *sentence = sentence.replace(&format!("{stand_in:?}"), &format!("{name:?}"));
            }
        }
    }
}
