//! Which process this is, and whether another one has ended.
//!
//! Owns: [`this_process`], [`has_ended`]. May import: std. Must not know: who asks.

use std::fs;

/// A text that no other process has, on no machine: the kernel's id of this boot, the namespace of process ids, process id
/// and time of start. Elsewhere than on Linux, which has these in `/proc`, process id and a random number.
#[must_use]
pub(crate) fn this_process() -> String {
    let linux = || Some(format!("{}:{}:{}", place()?, std::process::id(), start("self")?));
    linux().unwrap_or_else(|| {
        use std::hash::{BuildHasher, Hasher, RandomState};
        // Seeded by the system for each process.
        format!("{}:{:016x}", std::process::id(), RandomState::new().build_hasher().finish())
    })
}

/// Whether the process that [`this_process`] gave this text to has certainly ended: it ran on this machine since its last
/// start, and is there no more.
#[must_use]
pub(crate) fn has_ended(process: &str) -> bool {
    let here = place();
    let Some(rest) = here.and_then(|place| process.strip_prefix(&format!("{place}:"))) else {
        return false;
    };
    let Some((id, started)) = rest.split_once(':') else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number(id) && is_number(started) && start(id).as_deref() != Some(started)
}

/// This boot of this machine, as this namespace of process ids sees it.
fn place() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}:{}", boot.trim_end(), namespace.to_str()?.replace(':', "")))
}

/// When a process started, in ticks since boot (proc(5), `/proc/PID/stat`, field 22); `None` if it has ended.
fn start(process: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field, the program's name, is in parentheses and may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    // Zombies, and the dead.
    (!matches!(state, "Z" | "X")).then(|| fields.nth(18).map(str::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::{has_ended, this_process};

    #[test]
    fn this_process_has_not_ended() {
        assert_eq!(
            this_process().split(':').count(),
            if cfg!(target_os = "linux") { 4 } else { 2 }
        );
        assert!(!has_ended(&this_process()));
        for other in ["", "7", "1:2", "boot:pid[1]:1:1"] {
            assert!(!has_ended(other), "{other}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_that_is_gone_has_ended() {
        let this = this_process();
        let (before, _) = this.rsplit_once(':').unwrap();
        // The id was given again.
        assert!(has_ended(&format!("{before}:1")));
        let (place, _) = before.rsplit_once(':').unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let id = child.id();
        child.wait().unwrap();
        assert!(has_ended(&format!("{place}:{id}:1")));
        assert!(!has_ended(&format!("{place}:x:1")));
    }
}
