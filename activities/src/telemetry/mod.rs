//! What can be seen of a running installation: counters, gauges and traces. Names of people, texts and keys are in none of
//! them, and no label has more values than the program itself knows.

pub mod counters;
mod metrics;
pub(crate) mod provider_call;
pub mod traces;

#[cfg(test)]
mod tests;

pub use metrics::Metrics;
pub(crate) use metrics::Untold;
