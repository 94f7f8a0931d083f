//! Reading what is stored: the only way for queries and publishing.
