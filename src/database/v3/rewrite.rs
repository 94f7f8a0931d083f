//! Writing the file anew, so that nothing of what was taken out is left.
