//! Cells: the PV and UV that SQL reads.

pub(super) use super::meta::take_next;
