//! Giving memory back to the system.
//!
//! Owns: what the C library's allocator is told. May import: libc. Must not know: what memory is used for. `unsafe`,
//! because these are calls of C.
//!
//! glibc keeps what is freed for the next request. A window's records are freed in small pieces between those that
//! stay, and what comes next are large pieces, which none of the holes is large enough for: the same 77 MB (easy log)
//! were held twice. With other allocators both functions do nothing, and no answer depends on them.

#![allow(unsafe_code, reason = "calls of the C library")]

/// Larger pieces are mapped one by one and go back when they are freed. glibc would raise this to the size of the
/// largest piece it ever freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED_FROM_BYTES: libc::c_int = 512 * 1024;

/// Has large pieces of memory given back as soon as they are freed, from now on. Call it when the program starts.
///
/// On the easy log with 2 threads: 82 MiB instead of 92 at most, 1 % more CPU time.
pub(crate) fn give_back_large_pieces() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes any value, locks what it changes, and refuses what it does not know.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_FROM_BYTES);
    }
}

/// Gives everything back that is free now. Takes some milliseconds: call it where much was freed.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim locks each arena, and touches only pages in which nothing is allocated.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::{give_back, give_back_large_pieces};

    /// Memory of this process that no file stands behind, in KiB.
    fn anonymous_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    #[test]
    fn holes_between_what_stays_go_back_and_the_rest_is_as_it_was() {
        give_back_large_pieces();
        // Other tests run beside in this process, and may take as much at the same moment: not five times.
        assert!((0..5).any(|_| gives_back_holes()));
    }

    /// Frees 48 of 64 MiB in small pieces; whether most of that went back to the system.
    fn gives_back_holes() -> bool {
        let mut pieces: Vec<Vec<u8>> =
            (0..4096_u32).map(|byte| vec![byte.to_le_bytes()[0]; 16 * 1023]).collect();
        let before = anonymous_kib();
        let mut number = 0;
        pieces.retain(|_| {
            number += 1;
            number % 4 == 0
        });
        give_back();
        let after = anonymous_kib();
        for (piece, byte) in pieces.iter().zip((3..4096_u32).step_by(4)) {
            assert!(piece.iter().all(|&found| found == byte.to_le_bytes()[0]));
        }
        after + 8 * 1024 < before
    }
}
