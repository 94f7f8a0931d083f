//! What parallel tasks work with, used again by the next task.
//!
//! Owns: [`Pool`]. May import: std. Must not know: what tasks do.

use std::sync::{Mutex, PoisonError};

/// As many values as tasks ran at the same time.
#[derive(Debug, Default)]
pub(super) struct Pool<T>(Mutex<Vec<T>>);

impl<T: Default> Pool<T> {
    /// Lends a value that no other task has.
    pub(super) fn with<R>(&self, task: impl FnOnce(&mut T) -> R) -> R {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let free = lock().pop();
        let mut value = free.unwrap_or_default();
        let result = task(&mut value);
        lock().push(value);
        result
    }

    /// All values, when the tasks are done.
    pub(super) fn into_values(self) -> Vec<T> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
