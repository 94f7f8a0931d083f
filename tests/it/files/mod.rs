//! Files of every kind, and files that change while they are read.

mod compressed;
mod hostile;
mod truncated;
