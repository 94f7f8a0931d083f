//! Where the bytes of blocks lie.
