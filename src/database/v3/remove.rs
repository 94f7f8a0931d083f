//! Taking facts out: forget, prune, replace, read again.
