//! What tests of the ingress have in common: people in outreach who only wait, and a `starter serve` that may be killed.

pub mod events;
pub mod provider;

use crate::bench::open::rests;
use crate::field::{campaign_settings, unlimited_settings};
use crate::lab::{LIMIT, Lab, OrSay, Setup};
use anyhow::{Context, ensure};
use leadflow_activities::config::{WebhookMode, WebhookSource, source_variable};
use leadflow_activities::store::enrollments::Enrollment;
use leadflow_activities::store::imports::{ImportRow, NewImport};
use leadflow_clock::Clock;
use leadflow_starter::embedded::guard::GuardedChild;
use leadflow_starter::stack::tail;
use leadflow_workflows::domain::account::CampaignSettings;
use leadflow_workflows::domain::ids::{CampaignId, EnrollmentId};
use leadflow_workflows::domain::outreach::Channel;
use leadflow_workflows::enrollment;
use provider::Provider;
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use temporalio_client::WorkflowDescribeOptions;

/// The vendor of people's data, and how it signs.
pub const SOURCE: &str = "peopledata";
const SOURCE_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// LinkedIn account that everybody's outreach goes by, one that gets to know people, and a mailbox: ids of the stand-in.
pub const FIRST: &str = "acc_li_1";
pub const SECOND: &str = "acc_li_2";
pub const MAILBOX: &str = "acc_mail_1";
/// Enrollments of one day begin within an hour, which is some seconds at this speed.
const OPEN_SPEED: f64 = 600.0;
/// So long ago that the fast clock does not come to the present.
const BEFORE_MS: i64 = 10 * crate::field::DAY_MS;
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// For as many enrollments as there are, on a machine that is busy with other tests.
const OPENING: Duration = Duration::from_mins(15);
/// A round that begins with many leads takes its time.
const ROUND_MS: u64 = 600_000;
/// Somebody in outreach.
#[derive(Clone, Debug)]
pub struct Person {
    pub public_id: String,
    pub email: String,
    pub person_id: String,
    pub enrollment_id: String,
}

impl Person {
    pub fn workflow_id(&self) -> String {
        enrollment::workflow_id(&EnrollmentId(self.enrollment_id.clone()))
    }
}

/// A laboratory whose events come in by a process of its own.
pub struct Ingress {
    pub lab: Lab,
    pub people: Vec<Person>,
    pub provider: Provider,
    campaign: CampaignId,
    serve: Option<GuardedChild>,
    listen: SocketAddr,
}

impl Ingress {
    /// Enrolls so many people, who then wait for weeks, and starts to serve. From then on all clocks show the real time.
    ///
    /// # Errors
    /// When the laboratory or `starter serve` does not start, or the enrollments do not begin.
    pub async fn open(mut setup: Setup, count: usize) -> anyhow::Result<Self> {
        setup.clock = Clock::fast(Clock::system().now_ms() - BEFORE_MS, OPEN_SPEED);
        setup.config.timings.round_activity_ms = ROUND_MS;
        let source =
            WebhookSource { tenant: None, mode: WebhookMode::Standard, secrets: vec![SOURCE_SECRET.to_owned().into()] };
        setup.config.webhooks.sources.insert(SOURCE.into(), source);
        let mut lab = Lab::start(setup).await?;
        // It would tell what the process leaves over.
        if let Some(ingress) = lab.stack.ingress.take() {
            ingress.stop().await;
        }
        let account = lab.add_account(FIRST, unlimited_settings(Channel::Linkedin)).await?;
        lab.add_account(SECOND, unlimited_settings(Channel::Linkedin)).await?;
        lab.add_account(MAILBOX, unlimited_settings(Channel::Email)).await?;
        let (campaign, people) = enroll(&lab, account, count).await?;
        ensure!(lab.stack.clock.now_ms() < Clock::system().now_ms(), "the fast clock has come to the present");
        lab.stack.use_system_clock().await.or_say()?;
        // A port that was free a moment ago, because the process starts again on it.
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let secret = lab.stack.config.webhooks.unipile_secrets.first().context("Unipile has a secret")?;
        let provider = Provider::new(listen, secret.expose_secret(), SOURCE_SECRET);
        let mut ingress = Self { lab, people, provider, campaign, serve: None, listen };
        ingress.serve_again().await?;
        let log = ingress.lab.stack.folder.logs().join("serve.log");
        let serves = ingress.provider.until_it_serves().await;
        serves.with_context(|| format!("the log of `starter serve` ends with\n{}", tail(&log, 12)))?;
        Ok(ingress)
    }

    /// Kills `starter serve` in the midst of what it does.
    pub async fn kill_serve(&mut self) -> anyhow::Result<()> {
        if let Some(mut serve) = self.serve.take() {
            serve.kill().await?;
        }
        Ok(())
    }

    pub async fn serve_again(&mut self) -> anyhow::Result<()> {
        let secret = (source_variable(SOURCE), SOURCE_SECRET.to_owned());
        self.serve = Some(self.lab.stack.spawn_serve(self.listen, &[secret]).await.or_say()?);
        Ok(())
    }

    pub async fn enrollments(&self) -> anyhow::Result<BTreeMap<String, Enrollment>> {
        let enrollments = self.lab.enrollments(&self.campaign).await?;
        Ok(enrollments.into_iter().map(|enrollment| (enrollment.id.clone(), enrollment)).collect())
    }

    /// Stored events whose workflows nobody has told.
    pub async fn untold(&self) -> anyhow::Result<i64> {
        let untold = "SELECT COUNT(*) FROM events WHERE tenant = $1 AND signalled_at_ms IS NULL";
        let store = &self.lab.stack.store;
        Ok(sqlx::query_scalar(untold).bind(self.lab.tenant()).fetch_one(store.read()).await?)
    }

    pub async fn all_told(&self) -> anyhow::Result<()> {
        self.lab
            .until_within(LIMIT, LOOK_EVERY, "all workflows are told", async || {
                Ok((self.untold().await? == 0).then_some(()))
            })
            .await
    }

    /// What is stored of events, in the order in which they came, beside those of the state of accounts, which have no
    /// identity.
    pub async fn stored(&self) -> anyhow::Result<Vec<Stored>> {
        let select = "SELECT event_key, effect, received_at_ms, signalled_at_ms FROM events \
                      WHERE tenant = $1 AND kind <> 'account_status' ORDER BY received_at_ms, id";
        let rows = sqlx::query_as(select).bind(self.lab.tenant()).fetch_all(self.lab.stack.store.read()).await?;
        let read =
            |(key, effect, received_at_ms, signalled_at_ms)| Stored { key, effect, received_at_ms, signalled_at_ms };
        Ok(rows.into_iter().map(read).collect())
    }

    /// The messages of a person that are stored, in the order in which they came: the provider's id, and what each is.
    pub async fn replies(&self, person_id: &str) -> anyhow::Result<Vec<(String, String)>> {
        let select = "SELECT provider_message_id, kind FROM replies WHERE tenant = $1 AND person_id = $2 \
                      ORDER BY received_at_ms, id";
        let rows = sqlx::query_as(select).bind(self.lab.tenant()).bind(person_id);
        Ok(rows.fetch_all(self.lab.stack.store.read()).await?)
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        if let Some(serve) = self.serve {
            ensure!(serve.stop().await?.success(), "`starter serve` did not stop in order");
        }
        self.lab.stop().await
    }
}

/// An event of the store. Instants are Unix milliseconds.
#[derive(Clone, Debug)]
pub struct Stored {
    pub key: String,
    pub effect: String,
    pub received_at_ms: i64,
    pub signalled_at_ms: Option<i64>,
}

/// Made-up people, each at a company of their own, with a workflow that waits.
async fn enroll(lab: &Lab, account: String, count: usize) -> anyhow::Result<(CampaignId, Vec<Person>)> {
    let rows = (1..=u32::try_from(count)?).map(|line| ImportRow {
        line,
        email: Some(format!("robin@brewery-{line}.example")),
        linkedin: Some(format!("sim-waits-{line}")),
        first_name: "Robin".into(),
        last_name: format!("Number {line}"),
        role: "Owner".into(),
        business: format!("Brewery {line}"),
        city: "Burlington".into(),
        region: "Vermont".into(),
        country: "us".into(),
        ..ImportRow::default()
    });
    let new = NewImport {
        tenant: lab.tenant().to_owned(),
        name: "waits".into(),
        source: "sandbox",
        rows: rows.collect(),
        now_ms: lab.stack.clock.now_ms(),
    };
    let list = lab.stack.store.import_leads(&new).await?.search_id;
    let sequence = lab.add_sequence(&sequence(count)).await?;
    let settings = CampaignSettings { starts_per_day: Some(u32::try_from(count)?), ..campaign_settings() };
    let campaign = lab.start_campaign("waits", &list, &sequence, &[account], settings).await?;
    let enrollments = lab
        .until_within(OPENING, LOOK_EVERY, "all enrollments wait", async || {
            let enrollments = lab.enrollments(&campaign).await?;
            let waiting = enrollments.iter().filter(|one| rests(one)).count();
            Ok((waiting == count).then_some(enrollments))
        })
        .await?;
    let mut people = Vec::new();
    for enrollment in enrollments {
        let lead = lab.stack.store.lead(lab.tenant(), &enrollment.lead_id).await?.context("the lead is stored")?;
        people.push(Person {
            public_id: lead.linkedin_public_id,
            email: lead.email.context("the lead has an address")?,
            person_id: enrollment.person_id,
            enrollment_id: enrollment.id,
        });
    }
    for person in &people {
        let workflow_id = person.workflow_id();
        let handle = lab.stack.client.get_workflow_handle::<enrollment::Enrollment>(&workflow_id);
        lab.until(&format!("{workflow_id} has begun"), async || {
            let described = handle.describe(WorkflowDescribeOptions::default()).await?;
            let info = described.raw().workflow_execution_info.as_ref();
            Ok(info.is_some_and(|info| info.history_length > 1).then_some(()))
        })
        .await?;
    }
    Ok((campaign, people))
}

/// A workflow that is only to begin later hears no signal until then. So there is a first wait, which is longer than it takes
/// to start everybody, and then one without an end.
fn sequence(count: usize) -> String {
    format!(
        r#"
name = "waits"
stop_on = ["reply", "opt_out", "bounce"]
[[step]]
id = "begin"
wait = "{}h"
[[step]]
id = "rest"
wait = "60d"
[[step]]
id = "hello"
invite = "Hi {{{{ lead.first_name }}}}, {{{{ business.name }}}} caught my eye."
"#,
        3 + count / 50
    )
}
