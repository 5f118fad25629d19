//! The HTTP API on a real stack: every operation of its document, tried as every kind of caller.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

mod access;
mod journey;
mod keys;
mod world;
