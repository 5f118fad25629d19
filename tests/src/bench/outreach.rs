//! What a sequence of five contacts with one acceptance costs: history, Temporal actions, payload, CPU time of the worker.

use super::actions::Actions;
use super::history::HistorySize;
use super::process::ProcessUsage;
use super::search::Limit;
use crate::field::{NO_LIMIT, campaign_settings, people, unlimited_settings};
use crate::lab::{Lab, OrSay, Setup};
use anyhow::{Context, ensure};
use leadflow_sandbox::{EffectKind, EnforcedLimits, UnipileOptions};
use leadflow_starter::history;
use leadflow_workflows::domain::ids::EnrollmentId;
use leadflow_workflows::domain::outreach::{Channel, EnrollmentState};
use leadflow_workflows::enrollment;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Five contacts: all invitations are accepted, nobody replies.
pub const SEQUENCE: &str = r#"
name = "five-touches"
stop_on = ["reply", "opt_out", "bounce"]
[[step]]
id = "look"
visit_profile = true
[[step]]
id = "hello"
after = "1h"
invite = "Hi {{ lead.first_name }}, {{ business.name }} caught my eye."
[[step]]
id = "accepted"
wait_for_connection = { timeout = "14d" }
[[step]]
id = "thanks"
after = "2h"
message = "Thanks for connecting, {{ lead.first_name }}. How do you plan your week?"
[[step]]
id = "again"
after = "6h"
message = "One more thought for {{ business.name }}, {{ lead.first_name }}."
[[step]]
id = "last"
after = "6h"
message = "I will not bother you again, {{ lead.first_name }}."
end = true
"#;
/// Contacts of one enrollment.
pub const CONTACTS: usize = 5;
pub const MOST_EVENTS: f64 = 80.0;
pub const MOST_ACTIONS: f64 = 16.0;
/// An invitation is accepted so much later.
const ACCEPTANCE_MS: (i64, i64) = (3_600_000, 6 * 3_600_000);
/// The longest that all of it may take.
const PATIENCE: Duration = Duration::from_mins(20);

#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub enrollments: usize,
    /// LinkedIn accounts.
    pub accounts: usize,
}

/// What the enrollments of one campaign needed.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    pub enrollments: usize,
    pub accounts: usize,
    /// How many times as fast as time the clock ran.
    pub clock_speed: f64,
    /// From the start of the campaign until its last enrollment has ended.
    pub seconds: f64,
    /// Contacts that the stand-in saw.
    pub contacts: usize,
    pub events_per_lead: Spread,
    pub actions_per_lead: Spread,
    /// By what they are for, of all enrollments.
    pub actions: Actions,
    pub payload_bytes_per_lead: f64,
    /// Of the worker, for all that the campaign and the readings of its accounts did meanwhile.
    pub worker_cpu_seconds: f64,
    pub worker_cpu_seconds_per_1000_enrollments: f64,
    pub worker_peak_mib: f64,
    pub limits: Vec<Limit>,
}

/// Of one number over all enrollments.
#[derive(Clone, Debug, Serialize)]
pub struct Spread {
    pub least: usize,
    pub mean: f64,
    pub most: usize,
    /// How many enrollments have each number.
    pub counts: BTreeMap<usize, usize>,
}

/// Runs one campaign to its end.
///
/// # Errors
/// When the laboratory does not start, or an enrollment ends otherwise than with its last message.
pub async fn run(mut setup: Setup, options: &Options) -> anyhow::Result<Measured> {
    setup.sandbox.unipile = UnipileOptions {
        accept_permille: 1_000,
        decline_permille: 0,
        accept_delay_ms: ACCEPTANCE_MS,
        reply_permille: 0,
        limits: unlimited(),
        ..UnipileOptions::default()
    };
    let clock_speed = setup.clock.virtual_duration(Duration::from_secs(1)).as_secs_f64();
    let lab = Lab::start(setup).await?;
    let measured = measure(&lab, options, clock_speed).await;
    lab.stop().await?;
    measured
}

async fn measure(lab: &Lab, options: &Options, clock_speed: f64) -> anyhow::Result<Measured> {
    let mut accounts = Vec::new();
    for number in 1..=options.accounts {
        accounts.push(lab.add_account(&format!("acc_li_{number}"), unlimited_settings(Channel::Linkedin)).await?);
    }
    let people = people(&["US", "GB", "AU", "NZ", "IE", "CA", "FI", "DE"], options.enrollments)?;
    let list = lab.import("everybody", &people).await?;
    let sequence = lab.add_sequence(SEQUENCE).await?;
    let worker = lab.stack.worker_pid().context("the laboratory has no worker")?;
    let before = ProcessUsage::of(worker)?;
    let began = Instant::now();
    let campaign = lab.start_campaign("cost", &list, &sequence, &accounts, campaign_settings()).await?;
    let enrollments = lab.campaign_ended_within(PATIENCE, &campaign).await?;
    let seconds = began.elapsed().as_secs_f64();
    let after = ProcessUsage::of(worker)?;

    ensure!(enrollments.len() == options.enrollments, "{} enrollments", enrollments.len());
    let (mut events, mut totals, mut actions, mut payload_bytes) = (Vec::new(), Vec::new(), Actions::default(), 0);
    for enrollment in &enrollments {
        let (state, cause) = (enrollment.state, &enrollment.cause);
        ensure!(state == EnrollmentState::Completed, "enrollment {} is {state:?}: {cause}", enrollment.id);
        let id = enrollment::workflow_id(&EnrollmentId(enrollment.id.clone()));
        let runs = history::runs(&lab.stack.client, &id).await.or_say()?;
        let size = HistorySize::of(&runs);
        let one = Actions::of(&runs).map_err(|event| anyhow::anyhow!("{id} has a {event}, which is not counted"))?;
        events.push(size.events);
        totals.push(one.total);
        actions = actions.plus(one);
        payload_bytes += size.payload_bytes;
    }
    let effects = lab.sandbox().effects();
    // A look before the invitation is a profile view, too, when the visit is a day old.
    let contacts = effects.iter().filter(|entry| entry.effect.kind != EffectKind::ProfileView).count();
    ensure!(contacts == (CONTACTS - 1) * options.enrollments, "{contacts} contacts were seen");
    let (events_per_lead, actions_per_lead) = (Spread::of(&events), Spread::of(&totals));
    let worker_cpu_seconds = after.cpu_seconds - before.cpu_seconds;
    #[expect(clippy::cast_precision_loss, reason = "some thousands of leads, some megabytes")]
    let (leads, payload_bytes, peak_kib) = (options.enrollments as f64, payload_bytes as f64, after.peak_kib as f64);
    Ok(Measured {
        enrollments: options.enrollments,
        accounts: options.accounts,
        clock_speed,
        seconds,
        contacts,
        limits: vec![
            Limit::at_most("history events per lead", MOST_EVENTS, events_per_lead.mean),
            Limit::at_most("Temporal actions per lead", MOST_ACTIONS, actions_per_lead.mean),
        ],
        events_per_lead,
        actions_per_lead,
        actions,
        payload_bytes_per_lead: payload_bytes / leads,
        worker_cpu_seconds,
        worker_cpu_seconds_per_1000_enrollments: worker_cpu_seconds / leads * 1_000.0,
        worker_peak_mib: peak_kib / 1_024.0,
    })
}

/// The stand-in's side of it.
fn unlimited() -> EnforcedLimits {
    let most = NO_LIMIT as usize;
    EnforcedLimits {
        invites_per_day: most,
        invites_per_week: most,
        messages_per_day: most,
        profile_views_per_day: most,
        ..EnforcedLimits::default()
    }
}

impl Spread {
    fn of(numbers: &[usize]) -> Self {
        let mut counts = BTreeMap::new();
        for number in numbers {
            *counts.entry(*number).or_default() += 1;
        }
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let mean = numbers.iter().sum::<usize>() as f64 / numbers.len().max(1) as f64;
        let of_all = |number: Option<&usize>| number.copied().unwrap_or(0);
        Self { least: of_all(numbers.iter().min()), mean, most: of_all(numbers.iter().max()), counts }
    }
}
