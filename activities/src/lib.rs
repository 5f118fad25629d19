//! The half of leadflow that touches the world: provider clients, store, budgets, and the activities on top of them.

pub mod buyer_groups;
pub mod config;
pub mod failpoint;
pub mod gate;
pub mod outreach;
pub mod providers;
pub mod retry;
pub mod search;
pub mod senders;
pub mod store;
pub mod telemetry;
