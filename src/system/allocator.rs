//! Giving memory back to the system.
//!
//! Owns: the settings of the C library's allocator. May import: libc. Must not know: what memory is used for. `unsafe`,
//! because it calls C.
//!
//! glibc keeps freed memory for later requests. The records of a window are freed in small pieces, with live pieces
//! between them; the requests that follow are larger than any of these holes. So the same 77 MB (easy log) were held
//! twice. With other allocators both functions do nothing. No result depends on them.

#![allow(unsafe_code, reason = "calls of the C library")]

/// Pieces of at least this size are mapped one by one and go back to the system when freed. Left to itself, glibc raises
/// this threshold to the size of the largest piece it has freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED_FROM_BYTES: libc::c_int = 512 * 1024;

/// Makes the allocator give large pieces of memory back as soon as they are freed. Call it when the program starts.
///
/// On the easy log with 2 threads: a peak of 82 MiB instead of 92, for 1 % more CPU time.
pub(crate) fn give_back_large_pieces() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes any value, locks what it changes, and refuses what it does not know.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_FROM_BYTES);
    }
}

/// Gives all free memory back to the system. Takes some milliseconds, so call it only after much was freed.
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

    /// Resident memory of this process that is not backed by a file, in KiB.
    fn anonymous_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    #[test]
    fn holes_between_what_stays_go_back_and_the_rest_is_as_it_was() {
        give_back_large_pieces();
        // Other tests of this process may take as much memory at the same moment, but hardly five times.
        assert!((0..5).any(|_| gives_back_holes()));
    }

    /// Frees 48 of 64 MiB in small pieces. Returns whether at least 8 MiB went back to the system.
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
