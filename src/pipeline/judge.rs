//! The format of each input, judged by its first blocks.
//!
//! Owns: [`Judge`]: one input's verdict, the same for files and streams. May import: `parse` (detection). Must not know:
//! where blocks come from.

use std::sync::Arc;

use super::FormatChoice;
use crate::parse::detect::{Detected, Refusal, check_named, detect};
use crate::parse::recognize::refuse_beginning;
use crate::parse::{Format, without_byte_order_mark};

/// Judges an input by its blocks of whole lines, from the first on.
#[derive(Debug)]
pub(crate) struct Judge {
    choice: FormatChoice,
    format: Option<Arc<Format>>,
    is_first_block: bool,
    is_decided: bool,
    warnings: Vec<String>,
}

impl Judge {
    pub(crate) fn new(choice: &FormatChoice) -> Self {
        let format = match choice {
            FormatChoice::Detect => None,
            FormatChoice::Named(format) | FormatChoice::Kept(format) => Some(Arc::clone(format)),
        };
        Self {
            choice: choice.clone(),
            format,
            is_first_block: true,
            is_decided: false,
            warnings: Vec::new(),
        }
    }

    /// Looks at the next block. `Ok(true)` once later blocks change nothing.
    ///
    /// # Errors
    /// [`Refusal`] if the input must not be counted.
    pub(crate) fn look_at(&mut self, block: &[u8]) -> Result<bool, Refusal> {
        if self.is_decided {
            return Ok(true);
        }
        let mut lines = block;
        if std::mem::take(&mut self.is_first_block) {
            refuse_beginning(block)?;
            lines = without_byte_order_mark(block);
        }
        self.is_decided = match &self.choice {
            FormatChoice::Kept(_) => true,
            // Also where the lines look right: one block is enough.
            FormatChoice::Named(format) => {
                self.warnings.extend(check_named(format, lines));
                true
            }
            FormatChoice::Detect => match detect(lines) {
                None => false,
                Some(detected) => {
                    let Detected { format, warnings } = detected?;
                    self.format = Some(Arc::new(format));
                    self.warnings = warnings;
                    true
                }
            },
        };
        Ok(self.is_decided)
    }

    /// The format, as far as it is known.
    pub(crate) fn format(&self) -> Option<Arc<Format>> {
        self.format.clone()
    }

    /// What the user should know, once.
    pub(crate) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }
}
