//! The second half of the demo: the leads enter a sequence, and the days pass in seconds.

use super::ledger::{self, Witness};
use super::stage::Stage;
use crate::commands::campaign::show::CampaignReport;
use crate::failure::Failure;
use crate::output::SANDBOX_SOURCE;
use crate::outreach::Outreach;
use crate::stack::Stack;
use leadflow_activities::outreach::sequence_file;
use leadflow_activities::senders::Sender;
use leadflow_activities::senders::unipile::Unipile;
use leadflow_activities::store::accounts::NewAccount;
use leadflow_activities::store::campaigns::Campaign;
use leadflow_activities::store::enrollments::Enrollment;
use leadflow_activities::store::leads::SearchKey;
use leadflow_workflows::contract::AdviceNext;
use leadflow_workflows::domain::account::{AccountSettings, CampaignSettings, Hours};
use leadflow_workflows::domain::ids::SearchId;
use leadflow_workflows::domain::outreach::{Action, Channel, Hold, TouchState};
use leadflow_workflows::domain::permits::{DAY_MS, Limits};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use uuid::Uuid;

pub(super) const SEQUENCE: &str = include_str!("../../templates/demo_sequence.toml");
/// Accounts of the stand-in, and what the demo calls them.
const ACCOUNTS: [(&str, &str, Channel); 4] = [
    ("acc_li_1", "robin", Channel::Linkedin),
    ("acc_li_2", "kim", Channel::Linkedin),
    ("acc_mail_1", "robin-mail", Channel::Email),
    ("acc_mail_2", "kim-mail", Channel::Email),
];
pub(super) const TIME_ZONE: &str = "America/New_York";
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The demo is patient for so long; it takes a fraction of it.
pub(super) const LIMIT: Duration = Duration::from_secs(100);
/// What only a person can settle is left open when nothing else has moved for so long.
const SETTLED_AFTER: Duration = Duration::from_secs(3);
/// The best of the search's leads take part, so that the demo ends soon on a busy machine, too.
const LEADS: u32 = 20;
/// The worker is killed when so many contacts have reached people.
const KILLS_AT: [usize; 3] = [5, 15, 30];

/// What became of the outreach.
#[derive(Debug, Serialize)]
pub(super) struct Contacted {
    pub(super) campaign: CampaignReport,
    /// Enrollments that had not ended when the demo did: their contact's outcome is left to a person, or time was up.
    pub(super) left_open: usize,
    /// Contacts of which nobody knows whether they were made; never made again.
    pub(super) in_doubt: usize,
    /// Whether the people saw every contact that the store has as made, and none that it does not have.
    pub(super) books_agree: bool,
    pub(super) witness: Witness,
    /// Worker processes ended by SIGKILL during the outreach.
    pub(super) workers_killed: usize,
    /// By the demo's clock.
    pub(super) days: f64,
    pub(super) seconds: f64,
}

/// Adds accounts, starts the campaign, and follows it to its end.
pub(super) async fn run(
    stack: &mut Stack,
    search_id: &SearchId,
    kill: bool,
    stage: &mut Stage,
) -> Result<Contacted, Failure> {
    let began = Instant::now();
    let key = SearchKey { tenant: &stack.config.tenant.clone(), id: search_id.as_str() };
    // As they are now: an address that a mail comes back from is taken from its owner.
    let leads = stack.store.ready_leads(key).await?;
    let campaign = start(stack, search_id).await?;
    stage.begin(&campaign, &leads, LEADS);
    let mut killed = 0;
    let mut still_since: Option<Instant> = None;
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    let enrollments = loop {
        ticks.tick().await;
        let stored = find(stack, &campaign.id).await?;
        let enrollments = stack.store.enrollments_of_campaign(key.tenant, &campaign.id).await?;
        stage.show(stack, &enrollments).await?;
        if stored.has_ended() || began.elapsed() > LIMIT {
            break enrollments;
        }
        let all_begun = stack.store.campaign_counts(&stored).await?.waiting == 0;
        let has_rest = all_begun && !enrollments.is_empty() && enrollments.iter().all(is_settled);
        let waits_for_people = has_rest && enrollments.iter().any(|enrollment| enrollment.is_open);
        still_since = waits_for_people.then(|| still_since.unwrap_or_else(Instant::now));
        if still_since.is_some_and(|since| since.elapsed() > SETTLED_AFTER) {
            break enrollments;
        }
        if kill && KILLS_AT.get(killed).is_some_and(|contacts| ledger::contacts(&effects(stack)).count() >= *contacts) {
            killed += 1;
            let pid = stack.worker_pid().unwrap_or_default();
            stack.kill_worker().await?;
            stage
                .happened(stack.clock.now_ms(), &format!("worker process {pid} killed with SIGKILL; a new one starts"));
            stack.start_worker().await?;
        }
    };
    stage.end();
    let now_ms = stack.clock.now_ms();
    let answers = stack.sandbox.as_ref().map(leadflow_sandbox::Sandbox::deliveries).unwrap_or_default();
    let (made, in_doubt) = made_and_in_doubt(stack, &enrollments).await?;
    let witness = ledger::witness(&effects(stack), &answers, &leads);
    let stored = find(stack, &campaign.id).await?;
    Ok(Contacted {
        campaign: CampaignReport::read(&stack.store, stored, now_ms).await?,
        left_open: enrollments.iter().filter(|enrollment| enrollment.is_open).count(),
        in_doubt,
        books_agree: (made..=made + in_doubt).contains(&witness.contacts()),
        witness,
        workers_killed: killed,
        #[expect(clippy::cast_precision_loss, reason = "a few days")]
        days: (now_ms - campaign.created_at_ms) as f64 / DAY_MS as f64,
        seconds: began.elapsed().as_secs_f64(),
    })
}

async fn start(stack: &Stack, search_id: &SearchId) -> Result<Campaign, Failure> {
    let outreach = Outreach {
        config: stack.config.clone(),
        store: stack.store.clone(),
        client: stack.client.clone(),
        clock: stack.clock,
    };
    let taken = |what: &str| Failure::Failed(format!("the demo's {what} is there already"));
    let tenant = stack.config.tenant.clone();
    let unipile =
        Unipile::from_config(&stack.config, stack.clock).map_err(|error| Failure::Failed(error.to_string()))?;
    let unipile = unipile.ok_or_else(|| Failure::Failed("the stand-in for Unipile is missing".into()))?;
    let mut accounts = Vec::new();
    for (provider_account_id, name, channel) in ACCOUNTS {
        let linked = unipile.account(provider_account_id).await.map_err(|error| Failure::Failed(error.to_string()))?;
        let account = NewAccount {
            id: Uuid::now_v7().to_string(),
            tenant: tenant.clone(),
            name: name.into(),
            channel,
            provider: "unipile".into(),
            provider_account_id: provider_account_id.into(),
            owner_provider_id: linked.owner_provider_id,
            address: linked.address,
            source: SANDBOX_SOURCE.into(),
            settings: account_settings(channel),
            now_ms: stack.clock.now_ms(),
        };
        if !outreach.start_account(&account).await? {
            return Err(taken("account"));
        }
        accounts.push(account.id);
    }
    let sequence = sequence_file::parse("demo_sequence.toml", SEQUENCE, None)?;
    let sequence = stack.store.add_sequence(&tenant, &sequence, stack.clock.now_ms()).await?;
    let campaign = Campaign {
        id: Uuid::now_v7().to_string(),
        tenant,
        name: "demo".into(),
        search_id: search_id.0.clone(),
        sequence_id: sequence.id,
        source: SANDBOX_SOURCE.into(),
        settings: campaign_settings(),
        state: "running".into(),
        created_at_ms: stack.clock.now_ms(),
        ended_at_ms: None,
        accounts,
    };
    if outreach.start_campaign(&campaign).await? { Ok(campaign) } else { Err(taken("campaign")) }
}

/// All day, every day, so that the demo does not show nights of silence.
fn always() -> Hours {
    Hours { days: (1..=7).collect(), from_minute: 0, to_minute: 24 * 60 }
}

/// Twice as many invitations a day as a real account begins with, so that all leads have their turn on the first day.
fn account_settings(channel: Channel) -> AccountSettings {
    let mut limits = Limits::standard();
    limits.actions.retain(|action, _| action.channel() == channel);
    if let Some(invites) = limits.actions.get_mut(&Action::Invite) {
        invites.per_day *= 2;
    }
    AccountSettings {
        time_zone: TIME_ZONE.into(),
        country: "US".into(),
        hours: always(),
        limits,
        is_free: false,
        from_name: Some("Robin Field".into()),
    }
}

fn campaign_settings() -> CampaignSettings {
    CampaignSettings {
        lead_hours: always(),
        keep_holidays: false,
        stop_company: true,
        allow_parallel: false,
        starts_per_day: None,
        minimum_score: 0,
        leads: Some(LEADS),
        postal_address: Some("Robin Field, 1 Main Street, Montpelier, VT".into()),
        source_notice: Some("Your address is from your company's public pages.".into()),
        policy: BTreeMap::new(),
    }
}

/// Whether an enrollment has ended, or waits for what only a person can settle.
fn is_settled(enrollment: &Enrollment) -> bool {
    let next = enrollment.advice.as_ref().map(|advice| &advice.next);
    !enrollment.is_open || matches!(next, Some(AdviceNext::Wait { hold: Hold::OutcomeUnknown { .. }, .. }))
}

/// Contacts that the store has as made by a call, and those of which it does not know.
async fn made_and_in_doubt(stack: &Stack, enrollments: &[Enrollment]) -> Result<(usize, usize), Failure> {
    let (mut made, mut in_doubt) = (0, 0);
    for enrollment in enrollments {
        let touches = stack.store.touches(&enrollment.tenant, &enrollment.id).await?;
        for touch in touches.iter().filter(|touch| touch.action != Action::VisitProfile) {
            made += usize::from(touch.state == TouchState::Sent && touch.called_at_ms.is_some());
            in_doubt += usize::from(touch.is_in_doubt());
        }
    }
    Ok((made, in_doubt))
}

async fn find(stack: &Stack, campaign: &str) -> Result<Campaign, Failure> {
    let found = stack.store.campaign(&stack.config.tenant, campaign).await?;
    found.ok_or_else(|| Failure::Failed("the campaign is gone from the store".into()))
}

fn effects(stack: &Stack) -> Vec<leadflow_sandbox::EffectEntry> {
    stack.sandbox.as_ref().map(leadflow_sandbox::Sandbox::effects).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_of_the_demo_has_no_mistake() {
        let sequence = sequence_file::parse("demo_sequence.toml", SEQUENCE, None).unwrap();
        assert_eq!(sequence.steps.len(), 7);
    }
}
