//! Cells: the PV and UV that SQL reads.

pub(super) use super::meta::take_next;

/// How much a cell rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CellChange {
    pub granularity: u8,
    pub level: u8,
    pub bucket: i64,
    pub place: u32,
    pub pv: u64,
    pub uv: u64,
}
