//! The bytes of a block: visitors, groups, items, who and when.
