//! A file's bytes as a source: what identifies them, read again after they were counted.
//!
//! Owns: [`Contents`]. May import: `identity`. Must not know: lines, ledgers.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use rayon::prelude::*;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::BLOCK_BYTES;
use super::identity::SourceIdentity;

/// A regular file that stays the same file whatever becomes of its name.
#[derive(Debug)]
pub struct Contents(File);

/// Bytes read at once.
const PIECE_BYTES: u64 = 256 * 1024;

impl Contents {
    /// Opens a file. It is read from its beginning, whatever was read of `file` before.
    #[must_use]
    pub const fn new(file: File) -> Self {
        Self(file)
    }

    /// Whether the file at `path` is this one.
    ///
    /// # Errors
    /// What the system says.
    pub fn is_at(&self, path: &Path) -> io::Result<bool> {
        let (this, other) = (self.0.metadata()?, std::fs::metadata(path)?);
        Ok((this.dev(), this.ino()) == (other.dev(), other.ino()))
    }

    /// The identity of its first `bytes` bytes. Uses the thread pool it is called in.
    ///
    /// # Errors
    /// What the system says; that there are fewer bytes.
    pub fn identity(&self, bytes: u64) -> io::Result<SourceIdentity> {
        let hashes: io::Result<Vec<u128>> = (0..bytes.div_ceil(BLOCK_BYTES))
            .into_par_iter()
            .map(|block| self.hash(block * BLOCK_BYTES, bytes.min((block + 1) * BLOCK_BYTES)))
            .collect();
        Ok(SourceIdentity::new(bytes, hashes?))
    }

    /// The id of the first `bytes` bytes, given the identity of at least as many.
    ///
    /// # Errors
    /// What the system says; that there are fewer bytes.
    pub fn id_of_beginning(&self, identity: &SourceIdentity, bytes: u64) -> io::Result<u128> {
        debug_assert!(bytes <= identity.bytes, "a beginning is not longer than the whole");
        let whole_blocks = bytes / BLOCK_BYTES;
        let whole = usize::try_from(whole_blocks).unwrap_or(usize::MAX);
        let mut hashes: Vec<u128> = identity.block_hashes.iter().take(whole).copied().collect();
        if !bytes.is_multiple_of(BLOCK_BYTES) {
            hashes.push(self.hash(whole_blocks * BLOCK_BYTES, bytes)?);
        }
        Ok(SourceIdentity::new(bytes, hashes).id)
    }

    fn hash(&self, start: u64, end: u64) -> io::Result<u128> {
        let mut buffer = vec![0; usize::try_from(PIECE_BYTES.min(end - start)).unwrap_or(0)];
        let mut hasher = Xxh3::new();
        let mut at = start;
        while at < end {
            let wanted = usize::try_from((end - at).min(PIECE_BYTES)).unwrap_or(usize::MAX);
            let piece = &mut buffer[..wanted];
            self.0.read_exact_at(piece, at)?;
            if at == start && at + wanted as u64 == end {
                return Ok(xxh3_128(piece));
            }
            hasher.update(piece);
            at += wanted as u64;
        }
        Ok(hasher.digest128())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{BLOCK_BYTES, Contents};
    use crate::source::identity::tests::identify;

    #[test]
    fn a_file_and_its_beginnings_have_the_ids_of_their_bytes() {
        let block = usize::try_from(BLOCK_BYTES).unwrap();
        let bytes: Vec<u8> =
            (0..block + 300_000).map(|i: usize| ((i * i) >> 7).to_le_bytes()[0]).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let contents = Contents::new(file);
        for length in [0, 1, 300_000, block - 1, block, block + 1, bytes.len()] {
            let identity = contents.identity(length as u64).unwrap();
            assert_eq!(identity, identify(&bytes[..length], block), "{length} bytes");
            for beginning in [0, 1, 262_144, 262_145, block, block + 1] {
                if beginning <= length {
                    let id = contents.id_of_beginning(&identity, beginning as u64).unwrap();
                    assert_eq!(id, identify(&bytes[..beginning], block).id, "{beginning} bytes");
                }
            }
        }
        assert!(contents.identity(bytes.len() as u64 + 1).is_err());
    }
}
