//! A small installation with one LinkedIn account and one mailbox, both open at all hours, and people of the stand-in.

use crate::config::Config;
use crate::gate::Gate;
use crate::outreach::events::tests::Told;
use crate::outreach::{OutreachWork, sequence_file};
use crate::senders::Sender;
use crate::senders::unipile::Unipile;
use crate::store::Store;
use crate::store::accounts::{Account, NewAccount};
use crate::store::campaigns::Campaign;
use crate::store::enrollments::{Enrollment, NewEnrollment, enroll};
use crate::store::imports::{ImportRow, NewImport};
use crate::store::touches::Touch;
use futures::FutureExt;
use leadflow_clock::Clock;
use leadflow_sandbox::{EffectEntry, FaultRule, Faults, Sandbox, SandboxConfig, UnipileOptions};
use leadflow_workflows::contract::{Advice, EnrollmentRef, TouchInput};
use leadflow_workflows::domain::account::{AccountSettings, CampaignSettings, Hours};
use leadflow_workflows::domain::ids::{EnrollmentId, TenantId};
use leadflow_workflows::domain::outreach::Channel;
use leadflow_workflows::domain::permits::Limits;
use leadflow_workflows::domain::timings::Timings;
use serde::Deserialize;
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Monday, 14 September 2026, noon UTC.
pub(super) const MONDAY_MS: i64 = 1_789_387_200_000;
pub(super) const HOUR_MS: i64 = 3_600_000;
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;
pub(super) const LINKEDIN: &str = "acc_li_1";
pub(super) const MAILBOX: &str = "acc_mail_1";
/// The step that the tests are about.
pub(super) const STEP: &str = "touch";
/// Where the links in mails lead.
pub(super) const PUBLIC_URL: &str = "https://leadflow.example.com";
const TENANT: &str = "default";

pub(super) struct World {
    pub(super) store: Store,
    pub(super) sandbox: Sandbox,
    pub(super) clock: Clock,
    pub(super) work: OutreachWork,
    config: Arc<Config>,
    leads: Vec<Lead>,
}

#[derive(Clone, Debug)]
pub(super) struct Lead {
    id: String,
    pub(super) person_id: String,
    pub(super) public_id: String,
    pub(super) email: String,
}

#[derive(Deserialize)]
struct Row {
    first_name: String,
    last_name: String,
    title: String,
    company_name: String,
    city: String,
    country: String,
    timezone: String,
    linkedin_public_id: String,
    connection_degree: u8,
    email: String,
}

impl World {
    /// Nobody in it does anything by themselves.
    pub(super) async fn start(store: &Store, clock: Clock, timings: Timings, limits: &Limits, people: usize) -> Self {
        let options = UnipileOptions {
            accept_permille: 0,
            decline_permille: 0,
            reply_permille: 0,
            bounce_permille: 0,
            reject_permille: 0,
            complaint_permille: 0,
            ..UnipileOptions::default()
        };
        let config = SandboxConfig { clock, unipile: options, ..SandboxConfig::default() };
        let sandbox = Sandbox::start(config).await.expect("a free port");
        let public_url = Some(PUBLIC_URL.into());
        let config = Arc::new(Config { public_url, timings, ..Config::sandbox(&sandbox.base_url()) });
        let sender = Arc::new(unipile(&config, clock));
        let work = work(store, &config, clock, sender);
        let mut world = Self { store: store.clone(), sandbox, clock, work, config, leads: Vec::new() };
        world.add_account(LINKEDIN, Channel::Linkedin, limits).await;
        world.add_account(MAILBOX, Channel::Email, limits).await;
        world.import(people).await;
        // The first look-up of all takes long, because the stand-in puts its people in order.
        while world.unipile().profile(LINKEDIN, &world.leads[0].public_id).await.is_err() {}
        world
    }

    /// Another worker, whose calls go through `sender`.
    pub(super) fn worker(&self, sender: Arc<dyn Sender>) -> OutreachWork {
        work(&self.store, &self.config, self.clock, sender)
    }

    pub(super) fn unipile(&self) -> Unipile {
        unipile(&self.config, self.clock)
    }

    pub(super) async fn add_account(&self, id: &str, channel: Channel, limits: &Limits) {
        let mut limits = limits.clone();
        limits.actions.retain(|action, _| action.channel() == channel);
        let settings = AccountSettings {
            time_zone: "America/New_York".into(),
            country: "US".into(),
            hours: always(),
            limits,
            is_free: false,
            from_name: Some("Robin Field".into()),
        };
        let new = NewAccount {
            id: id.into(),
            tenant: TENANT.into(),
            name: id.into(),
            channel,
            provider: "unipile".into(),
            provider_account_id: id.into(),
            owner_provider_id: None,
            address: (channel == Channel::Email)
                .then(|| format!("{}@senders.example", if id == MAILBOX { "owner1" } else { id })),
            source: "sandbox".into(),
            settings,
            now_ms: self.clock.now_ms() - 60 * DAY_MS,
        };
        assert!(self.store.add_account(&new).await.unwrap());
    }

    /// People who may be contacted on both channels, and whom no account knows yet.
    async fn import(&mut self, count: usize) {
        let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../sandbox/data/people_synthetic.csv");
        let rows = csv::Reader::from_path(table).unwrap().into_deserialize().map(|row| row.unwrap());
        let fit = |row: &Row| row.country == "US" && !row.email.is_empty() && row.connection_degree > 1;
        let rows: Vec<ImportRow> = rows
            .filter(fit)
            .take(count)
            .zip(1..)
            .map(|(row, line)| ImportRow {
                line,
                email: Some(row.email.to_lowercase()),
                linkedin: Some(row.linkedin_public_id.to_lowercase()),
                first_name: row.first_name,
                last_name: row.last_name,
                role: row.title,
                business: row.company_name,
                city: row.city,
                country: row.country.to_lowercase(),
                timezone: Some(row.timezone),
                ..ImportRow::default()
            })
            .collect();
        assert_eq!(rows.len(), count, "the table has fewer people");
        let now_ms = self.clock.now_ms();
        let new = NewImport { tenant: TENANT.into(), name: "people".into(), source: "sandbox", rows, now_ms };
        self.store.import_leads(&new).await.unwrap();
        let leads: Vec<(String, String, String, String)> = sqlx::query_as(
            "SELECT l.id, p.id, p.linkedin_public_id, p.email FROM leads l JOIN persons p ON p.id = l.person_id ORDER BY l.id",
        )
        .fetch_all(self.store.read())
        .await
        .unwrap();
        let lead = |(id, person_id, public_id, email)| Lead { id, person_id, public_id, email };
        self.leads = leads.into_iter().map(lead).collect();
    }

    /// A campaign of this name with the steps of `sequence`, in the form of a sequence file.
    pub(super) async fn start_campaign(&self, name: &str, steps: &str) {
        let text = format!("name = \"{name}\"\nstop_on = [\"reply\", \"opt_out\", \"bounce\"]\n{steps}");
        let sequence = sequence_file::parse("sequence.toml", &text, None);
        let sequence = sequence.unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let now_ms = self.clock.now_ms();
        let sequence_id = self.store.add_sequence(TENANT, &sequence, now_ms).await.unwrap().id;
        let settings = CampaignSettings {
            lead_hours: always(),
            keep_holidays: false,
            stop_company: false,
            allow_parallel: true,
            starts_per_day: None,
            minimum_score: 0,
            leads: None,
            postal_address: Some("Robin Field, 1 Main Street, Montpelier, VT".into()),
            source_notice: Some("Your address is from your company's public pages.".into()),
            policy: BTreeMap::new(),
        };
        let campaign = Campaign {
            id: name.into(),
            tenant: TENANT.into(),
            name: name.into(),
            search_id: "people".into(),
            sequence_id,
            source: "sandbox".into(),
            settings,
            state: "running".into(),
            created_at_ms: now_ms,
            ended_at_ms: None,
            accounts: vec![LINKEDIN.into(), MAILBOX.into()],
        };
        assert!(self.store.create_campaign(&campaign).await.unwrap());
    }

    pub(super) fn lead(&self, number: usize) -> &Lead {
        &self.leads[number]
    }

    /// Since an hour ago.
    pub(super) async fn enroll(&self, campaign: &str, lead: &Lead) -> EnrollmentRef {
        let sequence_id = self.store.campaign(TENANT, campaign).await.unwrap().unwrap().sequence_id;
        let now_ms = self.clock.now_ms();
        let new = NewEnrollment {
            campaign_id: campaign,
            lead_id: &lead.id,
            person_id: &lead.person_id,
            sequence_id: &sequence_id,
            linkedin_account_id: Some(LINKEDIN),
            email_account_id: Some(MAILBOX),
            is_exclusive: false,
            started_at_ms: now_ms - HOUR_MS,
        };
        let id = self.store.write(|transaction| enroll(transaction, TENANT, &new, now_ms).boxed()).await.unwrap();
        let enrollment_id = EnrollmentId(id.expect("not in the campaign yet"));
        EnrollmentRef { tenant: TenantId(TENANT.into()), enrollment_id }
    }

    /// The LinkedIn account has looked at the person just now.
    pub(super) async fn see(&self, lead: &Lead, is_connection: bool) {
        if is_connection {
            self.sandbox.unipile_connect_by_hand(LINKEDIN, &lead.public_id).unwrap();
        }
        let provider_id = self.unipile().profile(LINKEDIN, &lead.public_id).await.unwrap().provider_id;
        let now_ms = self.clock.now_ms();
        let connected = if is_connection { (now_ms - HOUR_MS).to_string() } else { "NULL".into() };
        self.run(&format!(
            "INSERT INTO account_people (account_id, tenant, person_id, provider_id, connected_at_ms, connected_by, looked_at_ms) \
             VALUES ('{LINKEDIN}', '{TENANT}', '{}', '{provider_id}', {connected}, 'profile', {now_ms})",
            lead.person_id
        ))
        .await;
    }

    /// Plans the step and moves its place in the day to now.
    pub(super) async fn make_due(&self, enrollment: &EnrollmentRef) {
        self.work.advance(enrollment).await.unwrap();
        let now_ms = self.clock.now_ms();
        self.run(&format!(
            "UPDATE touches SET planned_at_ms = {} WHERE enrollment_id = '{}' AND state = 'planned'",
            now_ms - 1,
            enrollment.enrollment_id.as_str()
        ))
        .await;
    }

    /// Lets an hour pass for the step's call: what was done shows by now.
    pub(super) async fn age_call(&self, enrollment: &EnrollmentRef) {
        self.run(&format!(
            "UPDATE touches SET called_at_ms = called_at_ms - {HOUR_MS}, call_deadline_ms = call_deadline_ms - {HOUR_MS} \
             WHERE enrollment_id = '{}' AND step_id = '{STEP}'",
            enrollment.enrollment_id.as_str()
        ))
        .await;
    }

    pub(super) async fn touch(&self, enrollment: &EnrollmentRef) -> Advice {
        self.work.touch(&input(enrollment)).await.unwrap()
    }

    pub(super) async fn stored_touch(&self, enrollment: &EnrollmentRef) -> Touch {
        let touches = self.store.touches(TENANT, enrollment.enrollment_id.as_str()).await.unwrap();
        touches.into_iter().find(|touch| touch.step_id == STEP).expect("the step has a touch")
    }

    pub(super) async fn enrollment(&self, enrollment: &EnrollmentRef) -> Enrollment {
        self.store.enrollment(TENANT, enrollment.enrollment_id.as_str()).await.unwrap().unwrap()
    }

    pub(super) async fn account(&self, id: &str) -> Account {
        self.store.account(TENANT, id).await.unwrap().unwrap()
    }

    pub(super) async fn suppressed(&self, lead: &Lead) -> Option<String> {
        self.store.suppression_of(TENANT, &lead.person_id).await.unwrap().map(|suppression| suppression.value)
    }

    /// Both accounts can work, and nothing is known against the provider.
    pub(super) async fn mend(&self) {
        self.strike(Vec::new());
        for account in [LINKEDIN, MAILBOX] {
            self.store.resume_account(TENANT, account, self.clock.now_ms()).await.unwrap();
        }
        self.run("UPDATE breakers SET failures = 0, open_until_ms = NULL, probe_call_id = NULL, probe_until_ms = NULL")
            .await;
    }

    /// From now on these faults, and no others.
    pub(super) fn strike(&self, rules: Vec<FaultRule>) {
        self.sandbox.set_faults(Faults { seed: 0, rules });
    }

    /// What reached a person, by either of their names.
    pub(super) fn effects(&self, lead: &Lead) -> Vec<EffectEntry> {
        let theirs = |entry: &EffectEntry| [&lead.public_id, &lead.email].contains(&&entry.effect.person);
        self.sandbox.effects().into_iter().filter(theirs).collect()
    }

    /// Calls of this operation, or beginning with it, so far.
    pub(super) fn calls(&self, operation: &str) -> usize {
        self.sandbox.ledger().iter().filter(|entry| entry.operation.starts_with(operation)).count()
    }

    pub(super) async fn run(&self, sql: &str) {
        sqlx::query(AssertSqlSafe(sql.to_owned())).execute(self.store.read()).await.unwrap();
    }
}

pub(super) fn input(enrollment: &EnrollmentRef) -> TouchInput {
    TouchInput { enrollment: enrollment.clone(), step: STEP.into() }
}

/// All day, every day.
fn always() -> Hours {
    Hours { days: (1..=7).collect(), from_minute: 0, to_minute: 24 * 60 }
}

fn unipile(config: &Config, clock: Clock) -> Unipile {
    Unipile::from_config(config, clock).expect("good settings").expect("a key")
}

fn work(store: &Store, config: &Arc<Config>, clock: Clock, sender: Arc<dyn Sender>) -> OutreachWork {
    OutreachWork {
        store: store.clone(),
        gate: Gate::new(store.clone(), clock, config.budgets.clone(), config.timings),
        sender,
        config: Arc::clone(config),
        clock,
        workflows: Arc::new(Told::default()),
    }
}
