//! Sorted entries in levels of growing size: the dictionary of visitors, and who was ever seen where.
