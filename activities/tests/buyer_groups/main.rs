//! The refreshes of buyer groups and what changes of people do, against the sandbox and a real store, on both databases.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod changes;
mod refreshes;
mod world;
