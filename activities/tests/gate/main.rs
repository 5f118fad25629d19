//! The gate before every paid call, on both databases.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod breaker;
mod budget;
mod cache;
mod drops;
mod report;
mod support;
