//! The deterministic half of leadflow: domain types and rules, activity contracts, workflows.
//!
//! Nothing here reads a clock, a random source, the environment, a file or a socket; `clippy.toml` beside this crate's
//! manifest forbids it and a test over the dependency tree holds it. What is decided is a pure function in [`domain`];
//! what is done is an activity declared in [`contract`]; a workflow is the thin shell between them.

#![deny(clippy::iter_over_hash_type)]

pub mod buyer_group;
pub mod campaign;
pub mod contract;
pub mod domain;
pub mod enrollment;
pub mod lead_search;
pub mod reply_reading;
pub mod sender_account;
pub mod shell;

/// Task queue of workflows that end within hours. Its workers are versioned as pinned.
pub const QUEUE: &str = "leadflow";
/// Task queue of workflows that live for weeks. Its workers upgrade open runs, so its workflows change only by patches.
pub const QUEUE_LONG: &str = "leadflow-long";
/// Task queue on which refreshes of buyer groups wait for their turn: the server holds their rate over all companies.
pub const QUEUE_BUYER_GROUPS: &str = "leadflow-buyer-groups";
