//! The field: accounts, people and campaigns of a laboratory, and what the people saw of it.

mod stops;

use crate::lab::{LIMIT, Lab, OrSay};
use anyhow::{Context, bail, ensure};
use leadflow_activities::outreach::sequence_file;
use leadflow_activities::senders::SendRequest;
use leadflow_activities::store::accounts::NewAccount;
use leadflow_activities::store::campaigns::Campaign;
use leadflow_activities::store::enrollments::Enrollment;
use leadflow_activities::store::imports::{ImportRow, NewImport};
use leadflow_activities::store::touches::Touch;
use leadflow_sandbox::{Effect, EffectEntry, EffectKind};
use leadflow_starter::outreach::Outreach;
use leadflow_workflows::campaign;
use leadflow_workflows::domain::account::{AccountSettings, CampaignSettings, Hours};
use leadflow_workflows::domain::ids::{CampaignId, EnrollmentId};
use leadflow_workflows::domain::outreach::{Action, Channel, TouchState};
use leadflow_workflows::domain::permits::{ActionLimit, Limits};
use leadflow_workflows::enrollment;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use stops::answered_stops;
use temporalio_client::{WorkflowDescribeOptions, WorkflowExecutionStatus};
use uuid::Uuid;

/// Monday, 14 September 2026, noon UTC: no holiday of any country in the data is near.
pub const MONDAY_MS: i64 = 1_789_387_200_000;
/// More than anybody does.
pub const NO_LIMIT: u32 = 10_000;
pub const HOUR_MS: i64 = 3_600_000;
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// LinkedIn first, email for those who do not accept: five contacts at most.
pub const SEQUENCE: &str = r#"
name = "field"
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
wait_for_connection = { timeout = "2d", on_timeout = "mail" }
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
[[step]]
id = "mail"
subject = "An idea for {{ business.name }}"
email = "Hello {{ lead.first_name }}, I would like to show you how others plan their week."
[[step]]
id = "mail-again"
after = "6h"
subject = "Once more: {{ business.name }}"
email = "Hello {{ lead.first_name }}, did my mail reach you?"
"#;

/// A person of the sandbox's table, with profile and address.
#[derive(Clone, Debug, Deserialize)]
pub struct KnownPerson {
    pub first_name: String,
    pub last_name: String,
    pub title: String,
    pub company_name: String,
    pub city: String,
    pub country: String,
    pub timezone: String,
    pub linkedin_public_id: String,
    pub connection_degree: u8,
    pub email: String,
}

/// People who may be contacted by email and on LinkedIn, each at another company, and whom no account knows yet.
pub fn people(countries: &[&str], count: usize) -> anyhow::Result<Vec<KnownPerson>> {
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../sandbox/data/people_synthetic.csv");
    let mut companies = BTreeSet::new();
    let mut people = Vec::new();
    for person in csv::Reader::from_path(table)?.deserialize() {
        let person: KnownPerson = person?;
        let fits = countries.contains(&person.country.as_str())
            && !person.email.is_empty()
            && person.connection_degree > 1
            && companies.insert(person.company_name.clone());
        if fits {
            people.push(person);
        }
        if people.len() == count {
            return Ok(people);
        }
    }
    bail!("the table has only {} people of {countries:?}", people.len())
}

/// All day, every day.
pub fn always() -> Hours {
    Hours { days: (1..=7).collect(), from_minute: 0, to_minute: 24 * 60 }
}

pub fn account_settings(channel: Channel) -> AccountSettings {
    let mut limits = Limits::standard();
    limits.actions.retain(|action, _| action.channel() == channel);
    AccountSettings {
        time_zone: "America/New_York".into(),
        country: "US".into(),
        hours: always(),
        limits,
        is_free: false,
        from_name: Some("Robin Field".into()),
    }
}

/// An account that may do as much as it likes.
pub fn unlimited_settings(channel: Channel) -> AccountSettings {
    let mut settings = account_settings(channel);
    for limit in settings.limits.actions.values_mut() {
        *limit = ActionLimit { per_day: NO_LIMIT, per_week: NO_LIMIT, gap_ms: 0 };
    }
    settings
}

pub fn campaign_settings() -> CampaignSettings {
    CampaignSettings {
        lead_hours: always(),
        keep_holidays: false,
        stop_company: false,
        allow_parallel: false,
        starts_per_day: None,
        minimum_score: 0,
        leads: None,
        postal_address: Some("Robin Field, 1 Main Street, Montpelier, VT".into()),
        source_notice: Some("Your address is from your company's public pages.".into()),
        policy: BTreeMap::new(),
    }
}

impl Lab {
    pub fn outreach(&self) -> Outreach {
        Outreach {
            config: self.stack.config.clone(),
            store: self.stack.store.clone(),
            client: self.stack.client.clone(),
            clock: self.stack.clock,
        }
    }

    /// Adds an account that the sandbox has, by its id there, and returns ours.
    pub async fn add_account(&self, provider_account: &str, settings: AccountSettings) -> anyhow::Result<String> {
        let channel = if provider_account.starts_with("acc_mail") { Channel::Email } else { Channel::Linkedin };
        let known = self.sender().account(provider_account).await?;
        let new = NewAccount {
            id: Uuid::now_v7().to_string(),
            tenant: self.tenant().to_owned(),
            name: provider_account.to_owned(),
            channel,
            provider: "unipile".into(),
            provider_account_id: provider_account.to_owned(),
            owner_provider_id: known.owner_provider_id,
            address: known.address,
            source: "sandbox".into(),
            settings,
            now_ms: self.stack.clock.now_ms(),
        };
        ensure!(self.outreach().start_account(&new).await.or_say()?, "{provider_account} is there already");
        Ok(new.id)
    }

    pub fn sender(&self) -> Box<dyn leadflow_activities::senders::Sender> {
        use leadflow_activities::senders::unipile::Unipile;
        let unipile = Unipile::from_config(&self.stack.config, self.stack.clock);
        Box::new(unipile.expect("the sandbox's address is one").expect("the sandbox has a key"))
    }

    /// Stores people as the leads of a list; earlier ones score higher.
    pub async fn import(&self, name: &str, people: &[KnownPerson]) -> anyhow::Result<String> {
        let rows = people.iter().zip(1_u32..).map(|(person, line)| ImportRow {
            line,
            email: Some(person.email.to_lowercase()),
            linkedin: Some(person.linkedin_public_id.to_lowercase()),
            first_name: person.first_name.clone(),
            last_name: person.last_name.clone(),
            role: person.title.clone(),
            business: person.company_name.clone(),
            city: person.city.clone(),
            country: person.country.to_lowercase(),
            score: Some(100_u32.saturating_sub(line / 100)),
            timezone: Some(person.timezone.clone()),
            ..ImportRow::default()
        });
        let new = NewImport {
            tenant: self.tenant().to_owned(),
            name: name.to_owned(),
            source: "sandbox",
            rows: rows.collect(),
            now_ms: self.stack.clock.now_ms(),
        };
        Ok(self.stack.store.import_leads(&new).await?.search_id)
    }

    pub async fn add_sequence(&self, text: &str) -> anyhow::Result<String> {
        let sequence =
            sequence_file::parse("sequence.toml", text, None).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        Ok(self.stack.store.add_sequence(self.tenant(), &sequence, self.stack.clock.now_ms()).await?.id)
    }

    pub async fn start_campaign(
        &self,
        name: &str,
        search_id: &str,
        sequence_id: &str,
        accounts: &[String],
        settings: CampaignSettings,
    ) -> anyhow::Result<CampaignId> {
        let new = self.campaign(name, search_id, sequence_id, accounts, settings);
        ensure!(self.outreach().start_campaign(&new).await.or_say()?, "there is a campaign {name} already");
        Ok(CampaignId(new.id))
    }

    /// A campaign that is to be stored.
    pub fn campaign(
        &self,
        name: &str,
        search_id: &str,
        sequence_id: &str,
        accounts: &[String],
        settings: CampaignSettings,
    ) -> Campaign {
        Campaign {
            id: Uuid::now_v7().to_string(),
            tenant: self.tenant().to_owned(),
            name: name.to_owned(),
            search_id: search_id.to_owned(),
            sequence_id: sequence_id.to_owned(),
            source: "sandbox".into(),
            settings,
            state: "running".into(),
            created_at_ms: self.stack.clock.now_ms(),
            ended_at_ms: None,
            accounts: accounts.to_vec(),
        }
    }

    pub async fn enrollments(&self, campaign: &CampaignId) -> anyhow::Result<Vec<Enrollment>> {
        Ok(self.stack.store.enrollments_of_campaign(self.tenant(), campaign.as_str()).await?)
    }

    /// The accounts of a campaign, by their ids at the provider.
    pub async fn senders(&self, campaign_id: &str) -> anyhow::Result<BTreeSet<String>> {
        let campaign =
            self.stack.store.campaign(self.tenant(), campaign_id).await?.context("the campaign is stored")?;
        let mut senders = BTreeSet::new();
        for id in &campaign.accounts {
            let account = self.stack.store.account(self.tenant(), id).await?.context("the account is stored")?;
            senders.insert(account.provider_account_id);
        }
        Ok(senders)
    }

    pub async fn touches(&self, enrollments: &[Enrollment]) -> anyhow::Result<Vec<Touch>> {
        let mut touches = Vec::new();
        for enrollment in enrollments {
            touches.extend(self.stack.store.touches(self.tenant(), &enrollment.id).await?);
        }
        Ok(touches)
    }

    /// Waits until a campaign and its workflow have ended, and gives its enrollments.
    pub async fn campaign_ended(&self, id: &CampaignId) -> anyhow::Result<Vec<Enrollment>> {
        self.campaign_ended_within(LIMIT, id).await
    }

    /// [`Self::campaign_ended`] for one that lasts for weeks.
    pub async fn campaign_ended_within(&self, limit: Duration, id: &CampaignId) -> anyhow::Result<Vec<Enrollment>> {
        self.until_within(limit, Duration::from_millis(100), "the campaign ends", async || {
            let stored = self.stack.store.campaign(self.tenant(), id.as_str()).await?;
            Ok(stored.context("the campaign is stored")?.has_ended().then_some(()))
        })
        .await?;
        self.workflow_ended(&campaign::workflow_id(id)).await?;
        let enrollments = self.enrollments(id).await?;
        for enrollment in enrollments.iter().filter(|enrollment| enrollment.workflow_started_at_ms.is_some()) {
            self.workflow_ended(&enrollment::workflow_id(&EnrollmentId(enrollment.id.clone()))).await?;
        }
        Ok(enrollments)
    }

    pub async fn workflow_ended(&self, id: &str) -> anyhow::Result<WorkflowExecutionStatus> {
        let handle = self.stack.client.get_workflow_handle::<enrollment::Enrollment>(id);
        self.until(&format!("workflow {id} ends"), async || {
            let described = handle.describe(WorkflowDescribeOptions::default()).await?;
            Ok((described.status() != WorkflowExecutionStatus::Running).then(|| described.status()))
        })
        .await
    }
}

/// Where the people, the store and Temporal disagree about enrollments: contacts made twice, contacts that the store has and
/// nobody saw, or the other way round, contacts after an answered reply, and enrollments that only one of them holds open.
/// Campaigns with the same people must have accounts of their own, which tell their contacts apart.
pub async fn disagreements(lab: &Lab, enrollments: &[Enrollment]) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    let effects = lab.sandbox().effects();
    let stops = answered_stops(lab);
    let mut senders = BTreeMap::new();
    for enrollment in enrollments {
        if !senders.contains_key(&enrollment.campaign_id) {
            senders.insert(enrollment.campaign_id.clone(), lab.senders(&enrollment.campaign_id).await?);
        }
        let senders = &senders[&enrollment.campaign_id];
        let lead = lab.stack.store.lead(lab.tenant(), &enrollment.lead_id).await?.context("the lead is stored")?;
        let touches: Vec<Touch> = lab.stack.store.touches(lab.tenant(), &enrollment.id).await?;
        // An address that mail came back from is no longer theirs, but it was.
        let mut keys: Vec<String> = touches.iter().filter_map(address_of).collect();
        keys.push(lead.linkedin_public_id.clone());
        let is_theirs = |person: &str| keys.iter().any(|key| key.eq_ignore_ascii_case(person));
        let is_seen = |effect: &Effect| senders.contains(&effect.account_id) && is_theirs(&effect.person);
        let seen: Vec<&EffectEntry> = effects.iter().filter(|entry| is_seen(&entry.effect)).collect();
        for action in [Action::Invite, Action::Message, Action::Inmail, Action::Email] {
            let of_kind = || seen.iter().filter(|entry| action_of(entry.effect.kind) == Some(action));
            let texts: BTreeSet<_> = of_kind().map(|entry| entry.effect.text.clone()).collect();
            let contacts = of_kind().count();
            if contacts > texts.len() || (action == Action::Invite && contacts > 1) {
                problems.push(format!(
                    "{} got {contacts} contacts of the kind {action:?}, {} of them different",
                    lead.id,
                    texts.len()
                ));
            }
            let count = |wanted: &dyn Fn(&Touch) -> bool| {
                touches.iter().filter(|touch| touch.action == action && wanted(touch)).count()
            };
            let made = count(&|touch| touch.state == TouchState::Sent && touch.called_at_ms.is_some());
            let doubted = count(&Touch::is_in_doubt);
            if contacts < made || contacts > made + doubted {
                problems.push(format!(
                    "{}: {contacts} contacts of the kind {action:?} were seen; the store has {made} made, {doubted} in doubt",
                    lead.id
                ));
            }
        }
        let stops = keys.iter().filter_map(|key| stops.get(&key.to_lowercase())).flatten();
        if let Some(stopped_us) = stops.filter(|stop| stop.ends(enrollment)).map(|stop| stop.answered_us).min() {
            let late = seen.iter().filter(|entry| entry.real_at_us > stopped_us).count();
            if late > 0 {
                problems.push(format!("{}: {late} contacts began after a reply was answered", lead.id));
            }
        }
        let id = enrollment::workflow_id(&EnrollmentId(enrollment.id.clone()));
        if enrollment.workflow_started_at_ms.is_some() {
            let handle = lab.stack.client.get_workflow_handle::<enrollment::Enrollment>(&id);
            let status = handle.describe(WorkflowDescribeOptions::default()).await?.status();
            let is_open = status == WorkflowExecutionStatus::Running;
            if is_open != enrollment.is_open {
                problems.push(format!("{id} is {status:?} and its row {}", enrollment.state.name()));
            }
        }
        for touch in touches.iter().filter(|touch| touch.is_in_doubt() && touch.settled_by.is_none()) {
            problems.push(format!("{}: the doubt about step {} is not explained", lead.id, touch.step_id));
        }
    }
    Ok(problems)
}

/// Where an email went to.
pub fn address_of(touch: &Touch) -> Option<String> {
    match serde_json::from_str(touch.request.as_deref()?).ok()? {
        SendRequest::Email { to_address, .. } => Some(to_address),
        _ => None,
    }
}

fn action_of(kind: EffectKind) -> Option<Action> {
    match kind {
        EffectKind::ProfileView => None,
        EffectKind::Invite => Some(Action::Invite),
        EffectKind::Message => Some(Action::Message),
        EffectKind::InMail => Some(Action::Inmail),
        EffectKind::Email => Some(Action::Email),
    }
}
