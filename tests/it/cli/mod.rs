//! The command line as a user meets it: exit codes, streams, options, signals.

mod behaviour;
mod interrupts;
