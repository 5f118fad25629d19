//! Domain types and rules: plain data, plain functions, no Temporal type.

pub mod account;
pub mod answers;
pub mod brief;
pub mod buyer_group;
pub mod estimate;
pub mod exclude;
pub mod ids;
pub mod money;
pub mod outreach;
pub mod people;
pub mod permits;
pub mod person_change;
pub mod policy;
pub mod provider;
pub mod replies;
pub mod score;
pub mod search_job;
pub mod search_plan;
pub mod sequence;
pub mod suppression;
pub mod timings;
pub mod walk;
#[cfg(test)]
mod walk_tests;
