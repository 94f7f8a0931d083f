//! A run's new facts into the database.
