//! Checksums of stored blobs and JSON texts, which SQLite does not have.
