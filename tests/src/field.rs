//! The field: accounts, people and campaigns of a laboratory, and what the people saw of it.

use crate::lab::{Lab, OrSay};
use anyhow::{Context, bail, ensure};
use leadflow_activities::outreach::sequence_file;
use leadflow_activities::store::accounts::NewAccount;
use leadflow_activities::store::campaigns::Campaign;
use leadflow_activities::store::enrollments::Enrollment;
use leadflow_activities::store::imports::{ImportRow, NewImport};
use leadflow_activities::store::touches::Touch;
use leadflow_sandbox::{EffectEntry, EffectKind};
use leadflow_starter::outreach::Outreach;
use leadflow_workflows::campaign;
use leadflow_workflows::domain::account::{AccountSettings, CampaignSettings, Hours};
use leadflow_workflows::domain::ids::{CampaignId, EnrollmentId};
use leadflow_workflows::domain::outreach::{Channel, TouchState};
use leadflow_workflows::domain::permits::Limits;
use leadflow_workflows::enrollment;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use temporalio_client::{WorkflowDescribeOptions, WorkflowExecutionStatus};
use temporalio_common::protos::temporal::api::workflow::v1::PendingActivityInfo;
use uuid::Uuid;

/// Monday, 14 September 2026, noon UTC: no holiday of any country in the data is near.
pub const MONDAY_MS: i64 = 1_789_387_200_000;
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
        let sequence = sequence_file::parse("sequence.toml", text, None).map_err(|error| anyhow::anyhow!("{error:?}"))?;
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
        let new = Campaign {
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
        };
        ensure!(self.outreach().start_campaign(&new).await.or_say()?, "there is a campaign {name} already");
        Ok(CampaignId(new.id))
    }

    pub async fn enrollments(&self, campaign: &CampaignId) -> anyhow::Result<Vec<Enrollment>> {
        Ok(self.stack.store.enrollments_of_campaign(self.tenant(), campaign.as_str()).await?)
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
        self.until("the campaign ends", async || {
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

    /// Activities of a workflow that Temporal has scheduled or started, and not ended.
    pub async fn pending_of(&self, id: &str) -> anyhow::Result<Vec<PendingActivityInfo>> {
        let handle = self.stack.client.get_workflow_handle::<enrollment::Enrollment>(id);
        Ok(handle.describe(WorkflowDescribeOptions::default()).await?.raw().pending_activities.clone())
    }
}

/// What went wrong in the eyes of the people: whoever got the same contact twice, or more of them than the store knows of.
pub fn double_contacts(effects: &[EffectEntry], touches: &[Touch]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen: BTreeMap<(String, EffectKind, Option<String>), u32> = BTreeMap::new();
    for entry in effects.iter().filter(|entry| entry.effect.kind != EffectKind::ProfileView) {
        let effect = &entry.effect;
        // Invitations: one for each person, whatever the text and the account.
        let text = if effect.kind == EffectKind::Invite { None } else { effect.text.clone() };
        *seen.entry((effect.person.clone(), effect.kind, text)).or_default() += 1;
    }
    for ((person, kind, _), count) in seen.iter().filter(|(_, count)| **count > 1) {
        problems.push(format!("{person} got the same {kind:?} {count} times"));
    }
    let contacts: usize = seen.values().map(|count| *count as usize).sum();
    let counts = |state| touches.iter().filter(|touch| touch.state == state && !touch.step_id.starts_with("look")).count();
    let (sent, unknown) = (counts(TouchState::Sent), counts(TouchState::Unknown) + counts(TouchState::Calling));
    if contacts < sent || contacts > sent + unknown {
        problems.push(format!("people saw {contacts} contacts; the store has {sent} sent and {unknown} in doubt"));
    }
    problems
}
