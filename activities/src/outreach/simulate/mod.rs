//! A campaign without server, store or provider: the same walk, limits, hours and allotment, on a clock that jumps.
//!
//! People accept and reply at given rates after drawn delays; providers answer at once and never fail.

mod books;
mod engine;
mod people;
mod state;

pub use people::{Rates, SimulatedLead, synthetic};

use super::calendar::CalendarError;
use leadflow_workflows::domain::account::{AccountSettings, CampaignSettings};
use leadflow_workflows::domain::money::MicroUsd;
use leadflow_workflows::domain::outreach::{Action, Channel};
use leadflow_workflows::domain::sequence::Sequence;
use serde::Serialize;
use std::collections::BTreeMap;

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Simulation {
    pub leads: Vec<SimulatedLead>,
    pub sequence: Sequence,
    pub accounts: Vec<SimulatedAccount>,
    pub campaign: CampaignSettings,
    pub rates: Rates,
    /// The same one gives the same result.
    pub seed: u64,
    pub start_ms: i64,
    pub days: u32,
}

#[derive(Clone, Debug)]
pub struct SimulatedAccount {
    pub name: String,
    pub channel: Channel,
    pub settings: AccountSettings,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub start_ms: i64,
    pub days: Vec<Day>,
    pub accounts: Vec<AccountReport>,
    /// At the end, of the leads whose turn has come.
    pub states: BTreeMap<&'static str, u32>,
    /// Leads whose turn has not come.
    pub waiting: u32,
    /// The first of the minutes with most contacts.
    pub busiest_minute: Option<Minute>,
    /// Contacts that some rolling window did not allow, counted from the contacts alone.
    pub collisions: u32,
    /// What made contacts later than they were due, by rule.
    pub holds: BTreeMap<String, Held>,
    pub temporal: TemporalCost,
}

/// 24 hours from the start, or from the end of the day before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Day {
    pub touches: BTreeMap<&'static str, u32>,
    /// Enrollments whose turn came.
    pub started: u32,
    /// Enrollments that ended, by state.
    pub ended: BTreeMap<&'static str, u32>,
    /// Enrollments that are open when the day ends.
    pub open: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccountReport {
    pub name: String,
    pub channel: Channel,
    /// Contacts by action, for each day by the account's own wall clock; the first is that of the start.
    pub days: Vec<BTreeMap<&'static str, u32>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Minute {
    pub at_ms: i64,
    pub touches: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Held {
    pub contacts: u32,
    /// In all, apart from their places in the day.
    pub delay_ms: i64,
}

/// What Temporal does for it, and would cost in its cloud.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct TemporalCost {
    /// Of enrollments.
    pub enrollment_actions: u64,
    /// Of the campaign's rounds and of the accounts' readings.
    pub other_actions: u64,
    /// Of enrollments.
    pub history_events: u64,
    pub actions_per_enrollment: f64,
    pub events_per_enrollment: f64,
    pub cost_microusd: MicroUsd,
}

impl Report {
    pub fn touches(&self) -> u32 {
        self.days.iter().flat_map(|day| day.touches.values()).sum()
    }
}

impl AccountReport {
    pub fn touches(&self, action: Action) -> u32 {
        self.days.iter().filter_map(|day| day.get(action.name())).sum()
    }
}

/// Runs it.
///
/// # Errors
/// An account or a lead whose hours cannot be kept.
pub fn simulate(simulation: &Simulation) -> Result<Report, CalendarError> {
    Ok(engine::Engine::new(simulation)?.run())
}

#[cfg(test)]
mod tests;
