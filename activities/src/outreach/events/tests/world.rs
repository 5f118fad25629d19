//! A small installation: one LinkedIn account that has also a mailbox's name, three people at one business, two campaigns.

use super::super::{Received, TellError, Teller, receive};
use crate::store::Store;
use crate::store::accounts::NewAccount;
use crate::store::searches::to_json;
use futures::FutureExt;
use futures::future::BoxFuture;
use leadflow_clock::Clock;
use leadflow_workflows::domain::account::{AccountSettings, CampaignSettings, Hours};
use leadflow_workflows::domain::outreach::Channel;
use leadflow_workflows::domain::permits::Limits;
use leadflow_workflows::domain::sequence::{Sequence, StopOn};
use serde_json::json;
use sqlx::AssertSqlSafe;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock};
use temporalio_common::protos::temporal::api::workflowservice::v1::StartWorkflowExecutionRequest;
use uuid::Uuid;

/// When the tests take place: 2 March 2026.
pub(in crate::outreach) const CLOCK_MS: i64 = 1_772_409_600_000;
const DAY_MS: i64 = 86_400_000;

/// One for all tests, because its instants are compared.
pub(in crate::outreach) fn clock() -> Clock {
    static CLOCK: OnceLock<Clock> = OnceLock::new();
    *CLOCK.get_or_init(|| Clock::fast(CLOCK_MS, 1.0))
}

pub(in crate::outreach) struct World<'a> {
    pub(in crate::outreach) store: &'a Store,
}

/// Remembers who was told.
#[derive(Default)]
pub(in crate::outreach) struct Told(Mutex<Vec<String>>);

impl Told {
    pub(in crate::outreach) fn list(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Teller for Told {
    fn start(&self, _request: StartWorkflowExecutionRequest) -> BoxFuture<'_, Result<(), TellError>> {
        futures::future::ready(Ok(())).boxed()
    }

    fn look<'a>(&'a self, _tenant: &'a str, workflow_id: &'a str) -> BoxFuture<'a, Result<bool, TellError>> {
        self.0.lock().unwrap().push(workflow_id.to_owned());
        async { Ok(true) }.boxed()
    }
}

impl<'a> World<'a> {
    /// Dana is in campaign c1 as e1, which replies, opt-outs and bounces end.
    pub(in crate::outreach) async fn new(store: &'a Store) -> Self {
        let world = Self { store };
        world.add_account("a1", "acc_1", Channel::Linkedin).await;
        for (name, stop_on) in [("s-all", [StopOn::Reply, StopOn::OptOut, StopOn::Bounce].as_slice()), ("s-none", &[])]
        {
            let stop_on: BTreeSet<StopOn> = stop_on.iter().copied().collect();
            let sequence = Sequence { name: name.into(), stop_on, steps: Vec::new() };
            world
                .run(&format!(
                    "INSERT INTO sequences (id, tenant, name, version, document, created_at_ms) \
                     VALUES ('{name}', 'default', '{name}', 1, '{}', 0)",
                    to_json(&sequence)
                ))
                .await;
        }
        for (id, stop_company) in [("c1", true), ("c2", false)] {
            let settings = CampaignSettings {
                lead_hours: Hours::office(),
                keep_holidays: true,
                stop_company,
                allow_parallel: true,
                starts_per_day: None,
                minimum_score: 0,
                leads: None,
                postal_address: None,
                source_notice: None,
                policy: BTreeMap::new(),
            };
            world
                .run(&format!(
                    "INSERT INTO campaigns (id, tenant, name, search_id, sequence_id, source, settings, state, created_at_ms) \
                     VALUES ('{id}', 'default', '{id}', 's', 's-all', 'sandbox', '{}', 'running', 0)",
                    to_json(&settings)
                ))
                .await;
        }
        for person in ["dana", "kim", "lou"] {
            world.add_person(person).await;
        }
        world.see("ACoAAdana", "dana").await;
        world.enroll("e1", "dana", "c1", "s-all").await;
        world
    }

    pub(in crate::outreach) async fn add_account(&self, id: &str, provider_account_id: &str, channel: Channel) {
        let settings = AccountSettings {
            time_zone: "Europe/Berlin".into(),
            country: "DE".into(),
            hours: Hours::office(),
            limits: Limits::standard(),
            is_free: false,
            from_name: None,
        };
        let new = NewAccount {
            id: id.into(),
            tenant: "default".into(),
            name: id.into(),
            channel,
            provider: "unipile".into(),
            provider_account_id: provider_account_id.into(),
            owner_provider_id: Some(format!("ACoAAowner of {id}")),
            address: None,
            source: "sandbox".into(),
            settings,
            now_ms: CLOCK_MS - 60 * DAY_MS,
        };
        assert!(self.store.add_account(&new).await.unwrap());
    }

    async fn add_person(&self, id: &str) {
        self.run(&format!(
            "INSERT INTO persons (id, tenant, linkedin_public_id, first_name, last_name, title, company, location, email, source) \
             VALUES ('{id}', 'default', '{id}-whitlock', '{id}', 'Whitlock', '', '', '', '{id}@nordhafen.example', 'sandbox')"
        ))
        .await;
        self.run(&format!(
            "INSERT INTO person_emails (tenant, email, person_id) VALUES ('default', '{id}@nordhafen.example', '{id}')"
        ))
        .await;
        self.run(&format!(
            "INSERT INTO leads (id, tenant, search_id, person_id, business_id, state, rank, role_rank, role, evidence, \
             created_at_ms) VALUES ('lead-{id}', 'default', 's', '{id}', 'b1', 'ready', 1, 1, '', '{{}}', 0)"
        ))
        .await;
    }

    /// The account a1 knows a person by this id.
    pub(in crate::outreach) async fn see(&self, provider_id: &str, person: &str) {
        self.run(&format!(
            "INSERT INTO account_people (account_id, tenant, person_id, provider_id) \
             VALUES ('a1', 'default', '{person}', '{provider_id}')"
        ))
        .await;
    }

    /// For five days.
    pub(in crate::outreach) async fn enroll(&self, id: &str, person: &str, campaign: &str, sequence: &str) {
        let started_ms = CLOCK_MS - 5 * DAY_MS;
        self.run(&format!(
            "INSERT INTO enrollments (id, tenant, campaign_id, lead_id, person_id, sequence_id, linkedin_account_id, state, \
             cause, state_at_ms, is_open, is_exclusive, decisions, started_at_ms, wakes_at_ms) VALUES ('{id}', 'default', \
             '{campaign}', 'lead-{person}', '{person}', '{sequence}', 'a1', 'scheduled', 'its turn', {started_ms}, 1, 0, '{{}}', \
             {started_ms}, 0)"
        ))
        .await;
    }

    /// Of Dana, called ten minutes ago unless it is planned.
    pub(in crate::outreach) async fn touch(
        &self,
        enrollment: &str,
        action: &str,
        state: &str,
        request: Option<&str>,
        message_id: Option<&str>,
    ) -> String {
        let id = Uuid::now_v7().to_string();
        let called_at_ms = (state != "planned").then_some(CLOCK_MS - 600_000);
        sqlx::query(
            "INSERT INTO touches (id, tenant, campaign_id, enrollment_id, person_id, account_id, step_id, action, has_note, \
             state, request, called_at_ms, calls, provider_message_id, is_live_invite, created_at_ms) \
             VALUES ($1, 'default', 'c1', $2, 'dana', 'a1', $1, $3, 0, $4, $5, $6, 1, $7, $8, $9)",
        )
        .bind(&id)
        .bind(enrollment)
        .bind(action)
        .bind(state)
        .bind(request)
        .bind(called_at_ms)
        .bind(message_id)
        .bind(i64::from(action == "invite" && state != "planned"))
        .bind(CLOCK_MS)
        .execute(self.store.read())
        .await
        .unwrap();
        id
    }

    pub(in crate::outreach) async fn run(&self, sql: &str) {
        sqlx::query(AssertSqlSafe(sql.to_owned())).execute(self.store.read()).await.unwrap();
    }

    pub(super) async fn receive(&self, body: &str) -> Received {
        receive(self.store, clock(), "default", body.as_bytes()).await.unwrap()
    }

    pub(super) fn message(&self, id: &str, person: &str, text: &str, age_ms: i64) -> String {
        let person = if person == "dana" { "ACoAAdana" } else { person };
        self.message_of(id, person, person, text, age_ms)
    }

    pub(super) fn own(&self, id: &str, person: &str, text: &str, age_ms: i64) -> String {
        let person = if person == "dana" { "ACoAAdana" } else { person };
        self.message_of(id, "ACoAAowner", person, text, age_ms)
    }

    #[expect(clippy::unused_self, reason = "reads like the others")]
    fn message_of(&self, id: &str, sender: &str, person: &str, text: &str, age_ms: i64) -> String {
        let at = jiff::Timestamp::from_millisecond(CLOCK_MS - age_ms).unwrap().to_string();
        json!({
            "event": "message_received", "account_id": "acc_1", "account_type": "LINKEDIN",
            "account_info": { "type": "LINKEDIN", "feature": "classic", "user_id": "ACoAAowner" },
            "chat_id": format!("cht_{person}"), "message_id": id, "timestamp": at, "message": text, "subject": null,
            "sender": { "attendee_id": "att_1", "attendee_provider_id": sender },
            "attendees": [{ "attendee_id": "att_2", "attendee_provider_id": person }], "attachments": [],
        })
        .to_string()
    }

    #[expect(clippy::unused_self, reason = "reads like the others")]
    pub(super) fn connected(&self, provider_id: &str, public_id: Option<&str>) -> String {
        json!({
            "event": "new_relation", "account_id": "acc_1", "account_type": "LINKEDIN", "webhook_name": "relations",
            "user_full_name": "Dana Whitlock", "user_provider_id": provider_id, "user_public_identifier": public_id,
        })
        .to_string()
    }

    #[expect(clippy::unused_self, reason = "reads like the others")]
    pub(in crate::outreach) fn mail(
        &self,
        id: &str,
        from: &str,
        subject: &str,
        text: &str,
        in_reply_to: Option<&str>,
    ) -> String {
        let at = jiff::Timestamp::from_millisecond(CLOCK_MS).unwrap().to_string();
        json!({
            "event": "mail_received", "email_id": id, "account_id": "acc_1", "date": at,
            "from_attendee": { "identifier": from }, "to_attendees": [{ "identifier": "owner1@senders.example" }],
            "subject": subject, "body_plain": text, "message_id": format!("<{id}@mx.example>"),
            "in_reply_to": in_reply_to.map(|id| json!({ "message_id": id })), "role": "inbox",
        })
        .to_string()
    }

    #[expect(clippy::unused_self, reason = "reads like the others")]
    pub(super) fn own_mail(&self, id: &str, subject: &str, tracking_id: &str, message_id: &str) -> String {
        let at = jiff::Timestamp::from_millisecond(CLOCK_MS).unwrap().to_string();
        json!({
            "event": "mail_sent", "email_id": id, "account_id": "acc_1", "date": at,
            "from_attendee": { "identifier": "owner1@senders.example" },
            "to_attendees": [{ "identifier": "Dana@nordhafen.example" }], "subject": subject, "body_plain": "Hello",
            "message_id": message_id, "tracking_id": tracking_id, "role": "sent",
        })
        .to_string()
    }

    pub(in crate::outreach) async fn enrollment(&self, id: &str) -> (String, String) {
        let found = self.store.enrollment("default", id).await.unwrap().unwrap();
        (found.state.name().into(), found.cause)
    }

    pub(super) async fn paused(&self, id: &str) -> Option<String> {
        self.store.enrollment("default", id).await.unwrap().unwrap().paused
    }

    pub(super) async fn touch_states(&self, enrollment: &str) -> Vec<&'static str> {
        let touches = self.store.touches("default", enrollment).await.unwrap();
        touches.into_iter().map(|touch| touch.state.name()).collect()
    }

    /// State, the provider's id, and what settled it.
    pub(in crate::outreach) async fn touch_of(&self, id: &str) -> (String, Option<String>, Option<String>) {
        sqlx::query_as("SELECT state, provider_message_id, settled_by FROM touches WHERE id = $1")
            .bind(id)
            .fetch_one(self.store.read())
            .await
            .unwrap()
    }
}
