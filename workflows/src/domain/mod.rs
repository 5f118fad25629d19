//! Domain types and rules: plain data, plain functions, no Temporal type.

pub mod answers;
pub mod brief;
pub mod estimate;
pub mod exclude;
pub mod ids;
pub mod money;
pub mod people;
pub mod provider;
pub mod score;
pub mod search_job;
pub mod search_plan;
pub mod timings;
