//! Tests that cannot do their work on this machine.
//!
//! Owns: [`skip`] and [`needs`]. May import: std, libc. Must not know: what a test needs.
//!
//! Where the environment variable `CI` is set, such a test fails. Elsewhere it passes, and the last lines of the output
//! name it: libtest hides what a passing test prints, so they are written when the process ends.

use std::io::Write;
use std::panic::Location;
use std::sync::{Mutex, PoisonError};

/// Skipped tests: the reason, and the name.
static SKIPPED: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// Takes what a test needs out of a `Result<_, String>`; where there is only a reason, the test ends as skipped.
macro_rules! needs {
    ($found:expr) => {
        match $found {
            Ok(found) => found,
            Err(reason) => return crate::harness::skip(&reason),
        }
    };
}
pub(crate) use needs;

/// Notes that the test of this thread is skipped; the test then returns.
///
/// # Panics
/// Under CI, where nothing may be skipped.
#[track_caller]
pub(crate) fn skip(reason: &str) {
    let is_ci = std::env::var_os("CI").is_some_and(|ci| !ci.is_empty());
    assert!(!is_ci, "this test cannot do its work here, and CI skips none: {reason}");
    let test = match std::thread::current().name() {
        Some(name) if name != "main" => name.to_owned(),
        // With one test thread all tests run in the main one.
        _ => Location::caller().to_string(),
    };
    let mut skipped = SKIPPED.lock().unwrap_or_else(PoisonError::into_inner);
    if skipped.is_empty() {
        print_at_exit();
    }
    skipped.push((reason.to_owned(), test));
}

#[allow(unsafe_code, reason = "a call of atexit")]
fn print_at_exit() {
    // SAFETY: the function takes no argument, returns nothing and does not unwind.
    let failed = unsafe { libc::atexit(print) };
    assert_eq!(failed, 0, "no room for a function to be called at exit");
}

extern "C" fn print() {
    let mut skipped = SKIPPED.lock().unwrap_or_else(PoisonError::into_inner);
    skipped.sort();
    let mut text = String::new();
    for group in skipped.chunk_by(|one, other| one.0 == other.0) {
        text += &format!("\nSKIPPED ({}): {}\n", group.len(), group[0].0);
        group.iter().for_each(|(_, test)| text += &format!("    {test}\n"));
    }
    // The macros would write to a test's captured output, and panic where they cannot write.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
