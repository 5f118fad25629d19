//! The activities of a search, each against the sandbox and a real store, on both databases.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod holds;
mod interruptions;
mod objections;
mod repeats;
mod site;
