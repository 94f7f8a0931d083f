//! Cells: the PV and UV that SQL reads.
