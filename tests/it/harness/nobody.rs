//! The program as a user without special rights, also where the tests run as root.
//!
//! Owns: [`as_nobody`]. May import: std. Must not know: what is forbidden.

use std::process::Command;

use super::{Folder, Outcome, PROGRAM, run};

/// The user id of `nobody` on most systems.
const NOBODY: &str = "65534";

/// Runs the program as a user who may not read and write everywhere: as `nobody` where this user is root. `folder`
/// takes a copy of the program, since the built one may lie where `nobody` cannot go.
pub(crate) fn as_nobody(folder: &Folder, arguments: &[&str]) -> Result<Outcome, String> {
    let id = Command::new("id").arg("-u").output().map_err(|error| format!("no id(1): {error}"))?;
    if id.stdout.trim_ascii() != b"0" {
        return Ok(run(Command::new(PROGRAM).args(arguments)));
    }
    let program = folder.path("hitmap");
    if !program.exists() {
        // By another process: a file that this one has open for writing may be inherited by a child of another test,
        // and cannot be executed meanwhile.
        let copied = Command::new("cp").arg(PROGRAM).arg(&program).status();
        assert!(copied.is_ok_and(|status| status.success()), "cp cannot copy the program");
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]).arg(&program);
    let can_run = command.arg("--version").output();
    if !can_run.is_ok_and(|output| output.status.success()) {
        return Err("this is root, and setpriv(1) cannot run a program as another user".to_owned());
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]).arg(&program);
    Ok(run(command.args(arguments)))
}
