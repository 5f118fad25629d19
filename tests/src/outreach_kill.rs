//! The kill test of outreach: a worker that dies again and again, a provider that fails after the fact, lists that lag and
//! webhooks that are lost or doubled never have anybody contacted twice.

use crate::field::{SEQUENCE, account_settings, campaign_settings, disagreements, people};
use crate::lab::{Lab, Setup};
use anyhow::bail;
use leadflow_activities::store::enrollments::Enrollment;
use leadflow_sandbox::{FaultKind, FaultRule, Faults, Provider, UnipileOptions, WebhookOptions};
use leadflow_starter::stack::Part;
use leadflow_workflows::contract::AdviceNext;
use leadflow_workflows::domain::ids::CampaignId;
use leadflow_workflows::domain::outreach::{Channel, Hold};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Every named point of a contact and of an enrollment's start, with the passage at which the worker dies there.
const NAMED: [&str; 9] = [
    "round-before-start:4",
    "round-after-start:4",
    "touch-before-claim:6",
    "touch-after-claim:5",
    "touch-before-call:5",
    "touch-after-call:5",
    "touch-before-settle:5",
    "touch-after-settle:5",
    "touch-in-reconcile:1",
];
/// Of so many sends one goes wrong in each of the ways below.
const FAULT_PROBABILITY: f64 = 0.02;
/// Longest time that the whole may take, on a machine that is busy with other tests.
const LIMIT: Duration = Duration::from_mins(30);

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How much to do, and how often to kill.
#[derive(Clone, Debug)]
pub struct Options {
    pub enrollments: usize,
    /// LinkedIn accounts; each has a mailbox beside it.
    pub accounts: usize,
    pub random_kills: u32,
    pub seed: u64,
}

impl Options {
    /// Small enough for every change.
    pub fn short() -> Self {
        Self { enrollments: 40, accounts: 2, random_kills: 2, seed: 7 }
    }

    /// Long enough to be believed.
    pub fn long() -> Self {
        Self { enrollments: 500, accounts: 5, random_kills: 100, seed: 7 }
    }
}

/// What the kills and faults did.
#[derive(Clone, Debug, Serialize)]
pub struct OutreachKillReport {
    pub enrollments: usize,
    /// By state.
    pub states: BTreeMap<String, u32>,
    /// Contacts that people saw, profile visits left out.
    pub contacts: usize,
    pub calls: usize,
    /// Faulty calls by kind.
    pub faults: BTreeMap<String, u64>,
    pub kills: Vec<String>,
    /// Contacts whose outcome nobody can know: never made again.
    pub in_doubt: usize,
    /// Contacts made twice, and other disagreements of people, store and Temporal.
    pub problems: Vec<String>,
    pub seconds: f64,
}

/// Runs a campaign through all of it.
pub async fn run(setup: Setup, options: &Options) -> anyhow::Result<OutreachKillReport> {
    let started = Instant::now();
    let mut setup = setup;
    setup.sandbox.unipile = UnipileOptions {
        accept_permille: 550,
        reply_permille: 200,
        list_lag_ms: 20 * 60_000,
        webhooks: WebhookOptions { loss_permille: 100, double_permille: 100, ..WebhookOptions::default() },
        ..UnipileOptions::default()
    };
    setup.sandbox.faults = faults(options.seed);
    let mut lab = Lab::start(setup).await?;
    let mut accounts = Vec::new();
    for number in 1..=options.accounts {
        accounts.push(lab.add_account(&format!("acc_li_{number}"), account_settings(Channel::Linkedin)).await?);
        accounts.push(lab.add_account(&format!("acc_mail_{number}"), account_settings(Channel::Email)).await?);
    }
    let list = lab.import("everybody", &people(&["US", "GB", "AU", "NZ", "IE"], options.enrollments)?).await?;
    let sequence = lab.add_sequence(SEQUENCE).await?;
    let mut kills = Vec::new();
    lab.restart_worker(Some(NAMED[0])).await?;
    let campaign = lab.start_campaign("kills", &list, &sequence, &accounts, campaign_settings()).await?;
    for (number, point) in NAMED.iter().enumerate() {
        died(&mut lab, &campaign, point).await?;
        kills.push((*point).to_owned());
        lab.restart_worker(NAMED.get(number + 1).copied()).await?;
    }
    let mut random = StdRng::seed_from_u64(options.seed);
    for _ in 0..options.random_kills {
        let calls = lab.ledger().len() + random.random_range(5..30);
        let at_calls = lab
            .until("some more calls", async || {
                let is_over = rest(&lab, &campaign).await?.is_none();
                Ok((lab.ledger().len() >= calls || is_over).then_some(is_over))
            })
            .await?;
        if at_calls {
            break;
        }
        kills.push(format!("call {calls}"));
        lab.restart_worker(None).await?;
    }
    let enrollments = come_to_rest(&lab, &campaign).await?;
    let problems = disagreements(&lab, &enrollments).await?;
    let touches = lab.touches(&enrollments).await?;
    let ledger = lab.ledger();
    let mut states = BTreeMap::new();
    for enrollment in &enrollments {
        *states.entry(enrollment.state.name().to_owned()).or_default() += 1;
    }
    let mut by_fault = BTreeMap::new();
    for fault in ledger.iter().filter_map(|entry| entry.fault.clone()) {
        *by_fault.entry(fault).or_default() += 1;
    }
    let report = OutreachKillReport {
        enrollments: enrollments.len(),
        states,
        contacts: lab.sandbox().effects().len(),
        calls: ledger.len(),
        faults: by_fault,
        kills,
        in_doubt: touches.iter().filter(|touch| touch.is_in_doubt()).count(),
        problems,
        seconds: started.elapsed().as_secs_f64(),
    };
    lab.stop().await?;
    Ok(report)
}

async fn died(lab: &mut Lab, campaign: &CampaignId, point: &str) -> anyhow::Result<()> {
    match tokio::time::timeout(crate::lab::LIMIT, lab.stack.ended()).await {
        Ok(Part::Worker) => Ok(()),
        Ok(Part::Server) => bail!("the Temporal server ended by itself"),
        Err(_) => {
            let rest = rest(lab, campaign).await?;
            bail!("the worker never came to {point}; still to do: {rest:?}")
        }
    }
}

/// Enrollments that still have something to do; `None` when all have ended or wait for what only a person can settle.
async fn rest(lab: &Lab, campaign: &CampaignId) -> anyhow::Result<Option<Vec<String>>> {
    let stored = lab.stack.store.campaign(lab.tenant(), campaign.as_str()).await?;
    let waiting = stored.is_none_or(|stored| !stored.has_ended());
    let enrollments = lab.enrollments(campaign).await?;
    let busy: Vec<String> = enrollments
        .iter()
        .filter(|enrollment| enrollment.is_open && !waits_for_a_person(enrollment))
        .map(|enrollment| format!("{}: {:?}", enrollment.id, enrollment.advice))
        .collect();
    let is_over = busy.is_empty() && !enrollments.is_empty() && (!waiting || all_begun(lab, campaign).await?);
    Ok((!is_over).then_some(busy))
}

async fn all_begun(lab: &Lab, campaign: &CampaignId) -> anyhow::Result<bool> {
    let stored = lab.stack.store.campaign(lab.tenant(), campaign.as_str()).await?;
    let Some(stored) = stored else { return Ok(false) };
    Ok(lab.stack.store.campaign_counts(&stored).await?.waiting == 0)
}

fn waits_for_a_person(enrollment: &Enrollment) -> bool {
    let next = enrollment.advice.as_ref().map(|advice| &advice.next);
    matches!(next, Some(AdviceNext::Wait { hold: Hold::OutcomeUnknown { .. } | Hold::EnrollmentPaused { .. }, .. }))
}

async fn come_to_rest(lab: &Lab, campaign: &CampaignId) -> anyhow::Result<Vec<Enrollment>> {
    lab.until_within(LIMIT, LOOK_EVERY, "nobody has anything to do", async || {
        Ok(rest(lab, campaign).await?.is_none().then_some(()))
    })
    .await?;
    let enrollments = lab.enrollments(campaign).await?;
    for enrollment in enrollments.iter().filter(|enrollment| !enrollment.is_open) {
        if enrollment.workflow_started_at_ms.is_some() {
            let id = leadflow_workflows::domain::ids::EnrollmentId(enrollment.id.clone());
            lab.workflow_ended(&leadflow_workflows::enrollment::workflow_id(&id)).await?;
        }
    }
    lab.enrollments(campaign).await
}

/// Sends that go wrong before and after their effect, and reads that fail.
fn faults(seed: u64) -> Faults {
    let rule = |operation: &str, kind, status| FaultRule {
        operation: Some(operation.to_owned()),
        status,
        probability: FAULT_PROBABILITY,
        ..FaultRule::new(Provider::Unipile, kind)
    };
    let mut rules = Vec::new();
    for operation in ["send_", "start_chat"] {
        rules.push(rule(operation, FaultKind::TimeoutAfter, None));
        rules.push(rule(operation, FaultKind::StatusAfter, Some(500)));
        rules.push(rule(operation, FaultKind::StatusAfter, Some(504)));
        rules.push(rule(operation, FaultKind::TimeoutBefore, None));
        rules.push(rule(operation, FaultKind::Reset, None));
        rules.push(rule(operation, FaultKind::Status, Some(503)));
        rules.push(rule(operation, FaultKind::Malformed, None));
    }
    rules.push(rule("get_profile", FaultKind::Status, Some(500)));
    rules.push(rule("list_", FaultKind::Status, Some(503)));
    Faults { seed, rules }
}
