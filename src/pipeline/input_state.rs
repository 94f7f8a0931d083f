//! What has been read of one input.
//!
//! Owns: [`InputState`]: tallies, line numbers, the identity put together from blocks, and what was left out, in words. May
//! import: `source` (identities), `parse` (formats), `facts::tally`, `text`. Must not know: how blocks are handed out.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Counted, InputReport};
use crate::facts::tally::{MALFORMED_SAMPLES, Sample, Tally};
use crate::parse::{Format, HostForm, Wrapping};
use crate::source::{BlockHash, SourceIdentity};
use crate::text::counted;

/// What has been read of one input so far.
#[derive(Default)]
pub(super) struct InputState {
    pub(super) bytes: u64,
    pub(super) format: Option<Arc<Format>>,
    tally: Tally,
    /// By block: number of its lines, once it is done. Needed to turn line numbers in a block into those in the input.
    block_lines: Vec<u64>,
    /// Samples by block and offset; their line index still counts from the first line of the block.
    samples: BTreeMap<(usize, u64), Sample>,
    /// Of a plain file: hashes of its blocks.
    block_hashes: BTreeMap<usize, u128>,
    /// Of a plain file: [`SourceIdentity::beginnings`], once its first block is hashed.
    beginnings: Vec<u128>,
    /// Of a plain file: offset at which its counted bytes end.
    pub(super) file_bytes: Option<u64>,
    pub(super) pending_bytes: u64,
    /// Of a stream: its identity.
    pub(super) identity: Option<SourceIdentity>,
}

impl InputState {
    /// Adds what was read of block number `block`: `bytes` of the log, sums over its lines, its hash.
    pub(super) fn add(
        &mut self,
        block: usize,
        bytes: u64,
        mut tally: Tally,
        hash: Option<BlockHash>,
    ) {
        self.bytes += bytes;
        if let Some(BlockHash { hash, beginnings }) = hash {
            self.block_hashes.insert(block, hash);
            self.beginnings.extend(beginnings);
        }
        if self.block_lines.len() <= block {
            self.block_lines.resize(block + 1, 0);
        }
        self.block_lines[block] = tally.lines;
        for sample in std::mem::take(&mut tally.samples) {
            self.samples.insert((block, sample.offset), sample);
        }
        while self.samples.len() > MALFORMED_SAMPLES {
            self.samples.pop_last();
        }
        self.tally.merge(tally);
    }

    /// What is known of the input, now that nothing follows. `before` is the part that was counted before; `block_bytes`
    /// the size of blocks, if the input was read to its end and is to be identified.
    pub(super) fn report(
        mut self,
        index: usize,
        name: String,
        before: Option<&Counted>,
        block_bytes: Option<u64>,
    ) -> InputReport {
        let identity = block_bytes
            .and_then(|bytes| self.take_identity(before.map(|before| &before.identity), bytes));
        let lines_before = before.map_or(0, |counted| counted.lines);
        let mut tally = self.tally;
        for ((block, _), mut sample) in self.samples {
            sample.line_index += lines_before + self.block_lines[..block].iter().sum::<u64>();
            tally.samples.push(sample);
        }
        InputReport {
            index,
            name,
            bytes: self.bytes,
            format: self.format,
            identity,
            pending_bytes: self.pending_bytes,
            tally,
        }
    }

    /// The identity of the input, from blocks counted `before` and in this run; `None` if a block is missing.
    fn take_identity(
        &mut self,
        before: Option<&SourceIdentity>,
        block_bytes: u64,
    ) -> Option<SourceIdentity> {
        let Some(bytes) = self.file_bytes else { return self.identity.take() };
        let mut hashes = Vec::new();
        if let Some(before) = before {
            if before.bytes == bytes {
                return Some(before.clone());
            }
            let whole = usize::try_from(before.bytes / block_bytes).ok()?;
            hashes.extend_from_slice(before.block_hashes.get(..whole)?);
            if whole > 0 {
                // The first block is not read again.
                self.beginnings.clone_from(&before.beginnings);
            }
        }
        hashes.extend(self.block_hashes.values());
        let is_complete = hashes.len() as u64 == bytes.div_ceil(block_bytes);
        is_complete
            .then(|| SourceIdentity::new(bytes, hashes, std::mem::take(&mut self.beginnings)))
    }

    /// What was left out of the input's lines to read them, in words.
    pub(super) fn reading_notes(&self) -> impl Iterator<Item = String> + use<> {
        let (format, tally) = (self.format.as_deref(), &self.tally);
        let has_virtual_hosts =
            format.is_some_and(|format| format.wrappings().contains(&Wrapping::VirtualHost));
        let has_lists = format.is_some_and(|format| format.host_form() == HostForm::ForwardedList);
        let has_hits = tally.hits > 0;
        let virtual_hosts = (has_virtual_hosts && has_hits).then(|| {
            "the virtual hosts in front of its lines are left out, so pages of all of them count together".to_owned()
        });
        let lists = (has_lists && has_hits).then(|| {
            "the first address of each list is taken for the client, which is what the client itself sent".to_owned()
        });
        let nul_lines = (tally.nul_lines > 0).then(|| {
            let lines = counted(tally.nul_lines, "line begins", "lines begin");
            format!("{lines} with NUL bytes, as after a truncation while the log was written; they are passed over")
        });
        [virtual_hosts, lists, nul_lines].into_iter().flatten()
    }
}
