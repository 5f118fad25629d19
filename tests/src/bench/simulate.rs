//! How long the simulation of a large campaign takes, and whether it keeps all limits.

use super::search::Limit;
use crate::field::campaign_settings;
use anyhow::Context;
use leadflow_activities::outreach::sequence_file;
use leadflow_activities::outreach::simulate::{Rates, SimulatedAccount, Simulation, simulate, synthetic};
use leadflow_workflows::domain::account::{AccountSettings, CampaignSettings, Hours};
use leadflow_workflows::domain::outreach::Channel;
use leadflow_workflows::domain::permits::Limits;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Instant;

const SEQUENCE: (&str, &str) =
    ("linkedin_then_email.toml", include_str!("../../../starter/templates/sequences/linkedin_then_email.toml"));
/// Monday, 14 September 2026, midnight in New York.
const START_MS: i64 = 1_789_358_400_000;
const SEED: u64 = 1;
pub const MOST_SECONDS: f64 = 10.0;

#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub leads: usize,
    /// Of each channel.
    pub accounts: usize,
    pub days: u32,
}

#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    pub leads: usize,
    pub linkedin_accounts: usize,
    pub mailboxes: usize,
    pub days: u32,
    pub seconds: f64,
    pub contacts: u32,
    /// By state, of the leads whose turn has come.
    pub states: BTreeMap<&'static str, u32>,
    /// Leads whose turn has not come.
    pub waiting: u32,
    /// Contacts that some rolling window did not allow.
    pub collisions: u32,
    pub limits: Vec<Limit>,
}

/// Simulates the example campaign of LinkedIn and email at the standard limits and office hours.
///
/// # Errors
/// When the example is no sequence, or hours cannot be kept.
pub fn run(options: &Options) -> anyhow::Result<Measured> {
    let sequence = sequence_file::parse(SEQUENCE.0, SEQUENCE.1, None);
    let simulation = Simulation {
        leads: synthetic(options.leads, SEED),
        sequence: sequence.map_err(|error| anyhow::anyhow!("{error:?}"))?,
        accounts: [Channel::Linkedin, Channel::Email]
            .into_iter()
            .flat_map(|channel| (1..=options.accounts).map(move |number| account(channel, number)))
            .collect(),
        campaign: CampaignSettings { lead_hours: Hours::office(), keep_holidays: true, ..campaign_settings() },
        rates: Rates::default(),
        seed: SEED,
        start_ms: START_MS,
        days: options.days,
    };
    let began = Instant::now();
    let report = simulate(&simulation).context("the hours of an account or a lead")?;
    let seconds = began.elapsed().as_secs_f64();
    Ok(Measured {
        leads: options.leads,
        linkedin_accounts: options.accounts,
        mailboxes: options.accounts,
        days: options.days,
        seconds,
        contacts: report.touches(),
        limits: vec![
            Limit::at_most("seconds", MOST_SECONDS, seconds),
            Limit::at_most("contacts beyond a limit", 0.0, f64::from(report.collisions)),
        ],
        states: report.states,
        waiting: report.waiting,
        collisions: report.collisions,
    })
}

fn account(channel: Channel, number: usize) -> SimulatedAccount {
    SimulatedAccount {
        name: format!("{} {number}", channel.name()),
        channel,
        settings: AccountSettings {
            time_zone: "America/New_York".into(),
            country: "US".into(),
            hours: Hours::office(),
            limits: Limits::standard(),
            is_free: false,
            from_name: None,
        },
    }
}
