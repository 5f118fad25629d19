//! The kill test of outreach: a worker that dies again and again, one that hangs and goes on when another has taken over, a
//! provider that fails after the fact, lists that lag and webhooks that are lost or doubled never have anybody contacted
//! twice, nor by two campaigns at once.

mod turns;
mod zombie;

use crate::field::{SEQUENCE, account_settings, campaign_settings, disagreements, people};
use crate::lab::{Lab, Setup};
use anyhow::{Context, bail};
use leadflow_activities::store::enrollments::Enrollment;
use leadflow_activities::store::leads::SearchKey;
use leadflow_sandbox::{EffectKind, FaultKind, FaultRule, Faults, Provider, UnipileOptions, WebhookOptions};
use leadflow_starter::stack::Part;
use leadflow_workflows::contract::AdviceNext;
use leadflow_workflows::domain::ids::{CampaignId, EnrollmentId};
use leadflow_workflows::domain::outreach::{Channel, Hold};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use turns::out_of_turn;
use zombie::zombie;

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

/// Begins by mail, and comes to LinkedIn later: the other way round than [`SEQUENCE`].
const SECOND_SEQUENCE: &str = r#"
name = "second"
stop_on = ["reply", "opt_out", "bounce"]
[[step]]
id = "note"
subject = "{{ business.name }} and its week"
email = "Good day {{ lead.first_name }}, who plans the week at {{ business.name }}?"
[[step]]
id = "note-again"
after = "8h"
subject = "The week of {{ business.name }}, once more"
email = "Good day {{ lead.first_name }}, may I show you ours?"
[[step]]
id = "ask"
after = "8h"
invite = "Good day {{ lead.first_name }}, I wrote you about your week."
[[step]]
id = "known"
wait_for_connection = { timeout = "1d", on_timeout = "goodbye" }
[[step]]
id = "word"
after = "2h"
message = "Good to know you, {{ lead.first_name }}. Did you see my mail?"
[[step]]
id = "goodbye"
after = "6h"
subject = "A last word to {{ business.name }}"
email = "Good day {{ lead.first_name }}, this is my last mail."
"#;

/// How much to do, and how often to kill.
#[derive(Clone, Debug)]
pub struct Options {
    /// Those of the first campaign.
    pub people: usize,
    /// So many of them are in the second campaign too.
    pub in_both: usize,
    /// LinkedIn accounts of each campaign; each has a mailbox beside it.
    pub accounts: usize,
    pub random_kills: u32,
    /// Workers that hang until another has taken over, and then go on; at least one, the random kills are spread over them.
    pub zombies: u32,
    /// With fewer contacts, too little was tried.
    pub least_contacts: usize,
    pub seed: u64,
}

impl Options {
    /// Small enough for every change.
    pub fn short() -> Self {
        Self { people: 24, in_both: 16, accounts: 2, random_kills: 2, zombies: 1, least_contacts: 50, seed: 7 }
    }

    /// Long enough to be believed.
    pub fn long() -> Self {
        Self { people: 500, in_both: 500, accounts: 5, random_kills: 100, zombies: 5, least_contacts: 2_000, seed: 7 }
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
    pub contacts_by_campaign: BTreeMap<&'static str, usize>,
    pub calls: usize,
    /// Faulty calls by kind.
    pub faults: BTreeMap<String, u64>,
    /// Where the only worker was killed.
    pub kills: Vec<String>,
    /// What became of workers that hung and went on.
    pub zombies: Vec<String>,
    /// Contacts whose outcome nobody can know: never made again.
    pub in_doubt: usize,
    /// Contacts made twice or out of turn, and other disagreements of people, store and Temporal.
    pub problems: Vec<String>,
    pub seconds: f64,
}

impl OutreachKillReport {
    /// What was to be tried and has not come up.
    pub fn shortfalls(&self, options: &Options) -> Vec<String> {
        let mut shortfalls = Vec::new();
        let mut least = |what: &str, made: usize, wanted: usize| {
            if made < wanted {
                shortfalls.push(format!("too few {what}: {made} of {wanted}"));
            }
        };
        let named = NAMED.iter().filter(|point| self.kills.iter().any(|kill| kill == *point)).count();
        least("kills at named points", named, NAMED.len());
        least("kills at random", self.kills.len() - named, options.random_kills as usize);
        least("zombies", self.zombies.len(), options.zombies as usize);
        // Nobody whose contact is in doubt gets their turn in the other campaign.
        least("enrollments", self.enrollments + self.in_doubt, options.people + options.in_both);
        least("contacts", self.contacts, options.least_contacts);
        for (campaign, contacts) in &self.contacts_by_campaign {
            least(&format!("contacts of the {campaign} campaign"), *contacts, 1);
        }
        shortfalls
    }
}

/// A campaign, and who takes part in it.
struct Running {
    id: CampaignId,
    name: &'static str,
    /// Ids of those on its list.
    people: BTreeSet<String>,
    accounts: Vec<String>,
    /// Its accounts, by their ids at the provider.
    senders: BTreeSet<String>,
}

/// Runs two campaigns over the same people through all of it.
pub async fn run(setup: Setup, options: &Options) -> anyhow::Result<OutreachKillReport> {
    let started = Instant::now();
    let mut setup = setup;
    setup.sandbox.unipile = UnipileOptions {
        accept_permille: 550,
        // Whoever never answers an invitation cannot get another one, and their second campaign would not end.
        decline_permille: 450,
        reply_permille: 200,
        list_lag_ms: 20 * 60_000,
        webhooks: WebhookOptions { loss_permille: 100, double_permille: 100, ..WebhookOptions::default() },
        ..UnipileOptions::default()
    };
    setup.sandbox.faults = faults(options.seed);
    let mut lab = Lab::start(setup).await?;
    lab.restart_worker(Some(NAMED[0])).await?;
    let campaigns = start_campaigns(&lab, options).await?;
    let (mut kills, mut zombies) = (Vec::new(), Vec::new());
    for (number, point) in NAMED.iter().enumerate() {
        died(&mut lab, &campaigns, point).await?;
        kills.push((*point).to_owned());
        lab.restart_worker(NAMED.get(number + 1).copied()).await?;
    }
    let mut random = StdRng::seed_from_u64(options.seed);
    for number in 0..options.zombies {
        zombies.extend(zombie(&mut lab, &campaigns, number, options.seed).await?);
        let so_far = NAMED.len() + (options.random_kills * (number + 1) / options.zombies) as usize;
        while kills.len() < so_far {
            let Some(calls) = some_more_calls(&lab, &campaigns, random.random_range(5..30)).await? else { break };
            kills.push(format!("call {calls}"));
            lab.restart_worker(None).await?;
        }
    }
    let enrollments = come_to_rest(&lab, &campaigns).await?;
    let mut problems = disagreements(&lab, &enrollments).await?;
    problems.extend(out_of_turn(&lab, &campaigns, &enrollments).await?);
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
    let contacts_by_campaign = contacts(&lab, &campaigns);
    let report = OutreachKillReport {
        enrollments: enrollments.len(),
        states,
        contacts: contacts_by_campaign.values().sum(),
        contacts_by_campaign,
        calls: ledger.len(),
        faults: by_fault,
        kills,
        zombies,
        in_doubt: touches.iter().filter(|touch| touch.is_in_doubt()).count(),
        problems,
        seconds: started.elapsed().as_secs_f64(),
    };
    lab.stop().await?;
    Ok(report)
}

/// Both at once, with accounts and texts of their own. The second begins with those who are the last of the first.
async fn start_campaigns(lab: &Lab, options: &Options) -> anyhow::Result<Vec<Running>> {
    let everybody = people(&["US", "GB", "AU", "NZ", "IE"], options.people)?;
    let shared: Vec<_> = everybody.iter().take(options.in_both).rev().cloned().collect();
    let mut ready = Vec::new();
    for (number, (name, text, people)) in
        [("first", SEQUENCE, &everybody), ("second", SECOND_SEQUENCE, &shared)].into_iter().enumerate()
    {
        let (mut accounts, mut senders) = (Vec::new(), BTreeSet::new());
        for account in number * options.accounts + 1..=(number + 1) * options.accounts {
            for (series, channel) in [("li", Channel::Linkedin), ("mail", Channel::Email)] {
                let sender = format!("acc_{series}_{account}");
                accounts.push(lab.add_account(&sender, account_settings(channel)).await?);
                senders.insert(sender);
            }
        }
        let list = lab.import(name, people).await?;
        let key = SearchKey { tenant: lab.tenant(), id: &list };
        let people = lab.stack.store.ready_leads(key).await?.into_iter().map(|lead| lead.person_id).collect();
        ready.push((name, list, lab.add_sequence(text).await?, people, accounts, senders));
    }
    let mut running = Vec::new();
    for (name, list, sequence, people, accounts, senders) in ready {
        let id = lab.start_campaign(name, &list, &sequence, &accounts, campaign_settings()).await?;
        running.push(Running { id, name, people, accounts, senders });
    }
    Ok(running)
}

/// Waits until so many more calls were made, and returns how many there are; `None` when there is nothing left to do.
async fn some_more_calls(lab: &Lab, campaigns: &[Running], more: usize) -> anyhow::Result<Option<usize>> {
    let calls = lab.ledger().len() + more;
    lab.until("some more calls", async || {
        if lab.ledger().len() >= calls {
            return Ok(Some(Some(calls)));
        }
        Ok(rest(lab, campaigns).await?.is_none().then_some(None))
    })
    .await
}

/// What people saw of each campaign, profile visits left out.
fn contacts(lab: &Lab, campaigns: &[Running]) -> BTreeMap<&'static str, usize> {
    let mut contacts: BTreeMap<_, _> = campaigns.iter().map(|campaign| (campaign.name, 0)).collect();
    for entry in lab.sandbox().effects().iter().filter(|entry| entry.effect.kind != EffectKind::ProfileView) {
        for campaign in campaigns.iter().filter(|campaign| campaign.senders.contains(&entry.effect.account_id)) {
            *contacts.entry(campaign.name).or_default() += 1;
        }
    }
    contacts
}

async fn died(lab: &mut Lab, campaigns: &[Running], point: &str) -> anyhow::Result<()> {
    match tokio::time::timeout(crate::lab::LIMIT, lab.stack.ended()).await {
        Ok(Part::Worker) => Ok(()),
        Ok(Part::Server) => bail!("the Temporal server ended by itself"),
        Err(_) => {
            let rest = rest(lab, campaigns).await?;
            bail!("the worker never came to {point}; still to do: {rest:?}")
        }
    }
}

/// What is still to do; `None` when all enrollments have ended or wait for what only a person can settle, and so do all who
/// would be next.
async fn rest(lab: &Lab, campaigns: &[Running]) -> anyhow::Result<Option<Vec<String>>> {
    let mut rest = Vec::new();
    // Read before the enrollments: somebody may have got their turn in between, but nobody has lost it.
    let mut waiting = Vec::new();
    for campaign in campaigns {
        let stored = lab.stack.store.campaign(lab.tenant(), campaign.id.as_str()).await?;
        let stored = stored.context("the campaign is stored")?;
        let counts = lab.stack.store.campaign_counts(&stored).await?;
        waiting.push(if stored.has_ended() { 0 } else { counts.waiting as usize });
    }
    let enrollments = enrollments_of(lab, campaigns).await?;
    let open = || enrollments.iter().filter(|enrollment| enrollment.is_open);
    rest.extend(
        open()
            .filter(|enrollment| !waits_for_a_person(enrollment))
            .map(|enrollment| format!("{}: {:?}", enrollment.id, enrollment.advice)),
    );
    for (campaign, waiting) in campaigns.iter().zip(waiting) {
        let is_held = |enrollment: &&Enrollment| {
            enrollment.campaign_id != campaign.id.as_str() && campaign.people.contains(&enrollment.person_id)
        };
        let held = open().filter(is_held).count();
        if waiting > held {
            rest.push(format!(
                "{waiting} wait for the {} campaign, {held} of them are in the other one",
                campaign.name
            ));
        }
    }
    Ok((!rest.is_empty() || enrollments.is_empty()).then_some(rest))
}

async fn enrollments_of(lab: &Lab, campaigns: &[Running]) -> anyhow::Result<Vec<Enrollment>> {
    let mut enrollments = Vec::new();
    for campaign in campaigns {
        enrollments.extend(lab.enrollments(&campaign.id).await?);
    }
    Ok(enrollments)
}

fn waits_for_a_person(enrollment: &Enrollment) -> bool {
    let next = enrollment.advice.as_ref().map(|advice| &advice.next);
    matches!(next, Some(AdviceNext::Wait { hold: Hold::OutcomeUnknown { .. } | Hold::EnrollmentPaused, .. }))
}

async fn come_to_rest(lab: &Lab, campaigns: &[Running]) -> anyhow::Result<Vec<Enrollment>> {
    lab.until_within(LIMIT, LOOK_EVERY, "nobody has anything to do", async || {
        Ok(rest(lab, campaigns).await?.is_none().then_some(()))
    })
    .await?;
    for enrollment in enrollments_of(lab, campaigns).await?.into_iter().filter(|enrollment| !enrollment.is_open) {
        if enrollment.workflow_started_at_ms.is_some() {
            let id = EnrollmentId(enrollment.id);
            lab.workflow_ended(&leadflow_workflows::enrollment::workflow_id(&id)).await?;
        }
    }
    enrollments_of(lab, campaigns).await
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
