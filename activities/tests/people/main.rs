//! Persons, imported lists and suppressions, on both databases.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod imports;
mod merges;
mod rows;
mod suppressions;
