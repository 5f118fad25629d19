//! Every way in which outreach ends, each brought about for one person. The end-to-end test plays them all in one laboratory,
//! and so does whoever records their histories.

use crate::field::{DAY_MS, HOUR_MS, MONDAY_MS, account_settings, people};
use crate::lab::{Lab, OrSay, Setup};
use crate::scenarios::steer::Field;
use anyhow::{Context, ensure};
use leadflow_activities::store::campaigns::Migrant;
use leadflow_clock::Clock;
use leadflow_sandbox::{
    Accept, Behaviour, EffectKind, FaultKind, FaultRule, Faults, PlannedReply, Provider, ReplyKind, ReplyRule,
    UnipileOptions, WebhookOptions,
};
use leadflow_workflows::campaign::{self, CampaignInput};
use leadflow_workflows::contract::{AccountRef, CampaignRef, EnrollmentRef};
use leadflow_workflows::domain::ids::{AccountId, EnrollmentId};
use leadflow_workflows::domain::outreach::{Channel, Hold};
use leadflow_workflows::enrollment::{self, EnrollmentInput};
use leadflow_workflows::sender_account::{self, SenderAccountInput};
use std::path::PathBuf;

/// The scenarios of each workflow, as the names of folders and files.
pub const ENDINGS: [(&str, &[&str]); 3] = [
    (
        "enrollment",
        &[
            "completed",
            "replied",
            "declined",
            "opted_out",
            "bounced",
            "failed",
            "stopped",
            "paused_and_resumed",
            "migrated",
            "unknown_settled",
            "account_restricted",
            "continued_as_new",
        ],
    ),
    ("campaign", &["completed", "stopped", "continued_as_new"]),
    ("sender_account", &["restricted_and_resumed", "continued_as_new"]),
];

/// Days in seconds, and slow enough for somebody to interfere in between.
const SPEED: f64 = 20_000.0;
/// Soon reached, so that a run hands over to the next.
const FEW_EVENTS: u32 = 25;

const LINKEDIN: &str = r#"
name = "endings"
[[step]]
id = "look"
visit_profile = true
[[step]]
id = "hello"
after = "1h"
invite = "Hi {{ lead.first_name }}, {{ business.name }} caught my eye."
[[step]]
id = "accepted"
wait_for_connection = { timeout = "5d" }
[[step]]
id = "thanks"
after = "2h"
message = "Thanks for connecting. How does {{ business.name }} plan its week?"
[[step]]
id = "last"
after = "2d"
message = "I will not bother you again, {{ lead.first_name }}."
"#;

/// What a later version says in between.
const PROOF: &str = r#"
[[step]]
id = "proof"
after = "1h"
message = "Others in your trade do it on one page, {{ lead.first_name }}."
"#;

const MAILS: &str = r#"
name = "mails"
[[step]]
id = "mail"
subject = "An idea for {{ business.name }}"
email = "Hello {{ lead.first_name }}, I would like to show you how others plan their week."
[[step]]
id = "mail-again"
after = "2d"
subject = "Once more: {{ business.name }}"
email = "Hello {{ lead.first_name }}, did my mail reach you?"
"#;

/// A scenario that has run its course.
pub struct Ending {
    /// As in [`ENDINGS`].
    pub workflow: &'static str,
    pub scenario: &'static str,
    /// Exported, the first run first.
    pub runs: Vec<Vec<u8>>,
    /// Of an enrollment: the lead.
    pub lead_id: Option<String>,
    /// Of an enrollment that was held for a while: what `starter lead explain` said then.
    pub held: Option<String>,
}

/// People do what a scenario says, and webhooks are so late that all is learnt by asking and reading.
pub fn setup(program: Option<PathBuf>) -> Setup {
    let mut setup = Setup { clock: Clock::fast(MONDAY_MS, SPEED), ..Setup::new(program) };
    setup.sandbox.unipile = UnipileOptions {
        reply_permille: 0,
        bounce_permille: 0,
        reject_permille: 0,
        complaint_permille: 0,
        webhooks: WebhookOptions { delay_ms: 30 * DAY_MS, ..WebhookOptions::default() },
        ..UnipileOptions::default()
    };
    setup
}

/// Plays all of [`ENDINGS`], side by side, and makes sure that each went as its name says.
pub async fn play(lab: &Lab) -> anyhow::Result<Vec<Ending>> {
    let field = Field {
        lab,
        linkedin: lab.add_account("acc_li_1", account_settings(Channel::Linkedin)).await?,
        mail: lab.add_account("acc_mail_1", account_settings(Channel::Email)).await?,
        sequence: lab.add_sequence(LINKEDIN).await?,
        mails: lab.add_sequence(MAILS).await?,
        people: people(&["US"], 14)?,
    };
    lab.sandbox().set_faults(faults(&field));
    let (undisturbed, mails, paused, migrated, restricted, stopped, enrollment, campaign, account) = tokio::try_join!(
        undisturbed(&field),
        mails(&field),
        paused(&field),
        migrated(&field),
        restricted(&field),
        stopped(&field),
        enrollment_handed_over(&field),
        campaign_handed_over(&field),
        account_handed_over(&field),
    )?;
    let several = [undisturbed, mails, restricted, stopped].into_iter().flatten();
    Ok(several.chain([paused, migrated, enrollment, campaign, account]).collect())
}

/// The first message to some of the people goes wrong.
fn faults(field: &Field<'_>) -> Faults {
    let rule = |person: usize, kind, error_type: &str| FaultRule {
        body_contains: Some(format!("How does {} plan", field.people[person].company_name)),
        error_type: Some(error_type.to_owned()),
        times: Some(1),
        ..FaultRule::new(Provider::Unipile, kind)
    };
    let rules = vec![
        rule(FAILED, FaultKind::Status, "user_unreachable"),
        rule(UNKNOWN, FaultKind::StatusAfter, "request_timeout"),
        rule(RESTRICTED, FaultKind::Status, "account_restricted"),
    ];
    Faults { seed: 1, rules }
}

/// The people, by their place in [`Field::people`].
const FAILED: usize = 4;
const UNKNOWN: usize = 5;
const ONE_MAIL: usize = 6;
const BOUNCED: usize = 7;
const PAUSED: usize = 8;
const MIGRATED: usize = 9;
const RESTRICTED: usize = 10;
const STOPPED: usize = 11;
const ENROLLMENT_RUNS: usize = 12;
const CAMPAIGN_RUNS: usize = 13;

fn accepts() -> Behaviour {
    Behaviour {
        accept: Some(Accept::Later),
        accept_after_ms: Some(HOUR_MS),
        reply: ReplyRule::Never,
        bounce: Some(false),
    }
}

fn answers(kind: ReplyKind) -> Behaviour {
    Behaviour { reply: ReplyRule::Always(PlannedReply { kind, after_ms: Some(HOUR_MS), text: None }), ..accepts() }
}

pub(super) fn waits() -> Behaviour {
    Behaviour { accept: Some(Accept::Never), ..accepts() }
}

/// Those whom nobody interferes with, in one campaign.
async fn undisturbed(field: &Field<'_>) -> anyhow::Result<Vec<Ending>> {
    let declines = Behaviour { accept: Some(Accept::Decline), ..accepts() };
    let cast = [
        ("completed", "completed", accepts()),
        ("replied", "replied", answers(ReplyKind::Positive)),
        ("declined", "declined", declines),
        ("opted_out", "opted_out", answers(ReplyKind::OptOut)),
        ("failed", "failed", accepts()),
        ("unknown_settled", "completed", accepts()),
    ];
    let behaviours = cast.iter().map(|(_, _, behaviour)| behaviour.clone());
    let campaign = field.begin("undisturbed", &field.sequence, &field.linkedin, (0..).zip(behaviours)).await?;
    let enrollments = field.ended(&campaign).await?;
    let mut endings = Vec::new();
    for (place, (scenario, state, _)) in cast.into_iter().enumerate() {
        let enrollment = field.of_person(&enrollments, place).await?;
        if scenario == "unknown_settled" {
            let touches = field.lab.touches(std::slice::from_ref(enrollment)).await?;
            let thanks = touches.iter().find(|touch| touch.step_id == "thanks").context("it was thanked")?;
            ensure!(thanks.settled_by.as_deref() == Some("found"), "the doubt was settled by {:?}", thanks.settled_by);
        }
        endings.push(field.enrollment(scenario, enrollment, state).await?);
    }
    Ok(endings)
}

/// A campaign of one mail that is completed within a day, and a mail that comes back.
async fn mails(field: &Field<'_>) -> anyhow::Result<Vec<Ending>> {
    let one = MAILS.split("[[step]]\nid = \"mail-again\"").next().context("a text has a beginning")?;
    let one = field.lab.add_sequence(&one.replace("\"mails\"", "\"one-mail\"")).await?;
    let letter = field.begin("letter", &one, &field.mail, [(ONE_MAIL, accepts())]).await?;
    let bounces = Behaviour { bounce: Some(true), ..accepts() };
    let returned = field.begin("returned", &field.mails, &field.mail, [(BOUNCED, bounces)]).await?;
    field.ended(&letter).await?;
    let completed = field.campaign("completed", &letter, "completed").await?;
    let enrollments = field.ended(&returned).await?;
    let ended = field.of_person(&enrollments, BOUNCED).await?;
    Ok(vec![completed, field.enrollment("bounced", ended, "bounced").await?])
}

/// Accepts while the campaign is paused, and hears of us only when it goes on.
async fn paused(field: &Field<'_>) -> anyhow::Result<Ending> {
    let (campaign, enrollment) = field.invited("paused", PAUSED, &field.linkedin).await?;
    let store = &field.lab.stack.store;
    ensure!(store.pause_campaign(field.lab.tenant(), campaign.as_str()).await?, "the campaign was not running");
    field.tell(&campaign).await?;
    field.behave(PAUSED, Behaviour { accept: Some(Accept::AtOnce), ..accepts() });
    let held = field.held(&enrollment, &Hold::CampaignPaused).await?;
    ensure!(field.seen(PAUSED, EffectKind::Message) == 0, "a paused campaign wrote a message");
    ensure!(store.resume_campaign(field.lab.tenant(), campaign.as_str()).await?, "the campaign was not paused");
    field.tell(&campaign).await?;
    let ended = field.ended(&campaign).await?;
    let ending = field.enrollment("paused_and_resumed", field.of_person(&ended, PAUSED).await?, "completed").await?;
    Ok(Ending { held: Some(held), ..ending })
}

/// Goes over to a version with one more message while the invitation is open.
async fn migrated(field: &Field<'_>) -> anyhow::Result<Ending> {
    let (campaign, enrollment) = field.invited("migrated", MIGRATED, &field.linkedin).await?;
    let held = field.held(&enrollment, &Hold::WaitingForConnection).await?;
    let newer = field.lab.add_sequence(&format!("{LINKEDIN}{PROOF}")).await?;
    let (store, tenant) = (&field.lab.stack.store, field.lab.tenant());
    let waiting = store.enrollment(tenant, &enrollment.id).await?.context("the enrollment is gone")?;
    let migrant = Migrant::new(&waiting, &store.touches(tenant, &waiting.id).await?);
    let moved = store.migrate_campaign(tenant, campaign.as_str(), &newer, &[migrant]).await?;
    ensure!(moved == [enrollment.id.clone()], "{moved:?} moved");
    field.lab.outreach().tell_enrollments(&moved).await.or_say()?;
    field.behave(MIGRATED, accepts());
    let ended = field.ended(&campaign).await?;
    let messages = field.seen(MIGRATED, EffectKind::Message);
    ensure!(messages == 3, "the newer version has three messages, and {messages} were seen");
    ensure!(field.seen(MIGRATED, EffectKind::ProfileView) == 1, "what was done was done again");
    let ending = field.enrollment("migrated", field.of_person(&ended, MIGRATED).await?, "completed").await?;
    Ok(Ending { held: Some(held), ..ending })
}

/// LinkedIn restricts the account at the first message; a person sets it free, and the rest is sent.
async fn restricted(field: &Field<'_>) -> anyhow::Result<Vec<Ending>> {
    let account = field.lab.add_account("acc_li_2", account_settings(Channel::Linkedin)).await?;
    let (campaign, enrollment) = field.invited("restricted", RESTRICTED, &account).await?;
    field.behave(RESTRICTED, accepts());
    let held = field.held(&enrollment, &Hold::AccountRestricted).await?;
    let workflow_id = sender_account::workflow_id(&AccountId(account.clone()));
    field.staged(&workflow_id, "restricted").await?;
    let (store, outreach) = (&field.lab.stack.store, field.lab.outreach());
    ensure!(store.resume_account(field.lab.tenant(), &account, field.lab.stack.clock.now_ms()).await?, "it was active");
    outreach.tell_account(&account).await.or_say()?;
    outreach.tell_enrollments(&[&enrollment.id]).await.or_say()?;
    field.staged(&workflow_id, "active").await?;
    let reading = field.ending("sender_account", "restricted_and_resumed", &workflow_id).await?;
    let ended = field.ended(&campaign).await?;
    let ending =
        field.enrollment("account_restricted", field.of_person(&ended, RESTRICTED).await?, "completed").await?;
    Ok(vec![reading, Ending { held: Some(held), ..ending }])
}

/// A person ends the campaign while the invitation is open.
async fn stopped(field: &Field<'_>) -> anyhow::Result<Vec<Ending>> {
    let (campaign, _) = field.invited("stopped", STOPPED, &field.linkedin).await?;
    field.stop(&campaign).await?;
    let ended = field.ended(&campaign).await?;
    Ok(vec![
        field.campaign("stopped", &campaign, "stopped").await?,
        field.enrollment("stopped", field.of_person(&ended, STOPPED).await?, "stopped").await?,
    ])
}

/// An enrollment whose runs are so short that each hands over to the next.
async fn enrollment_handed_over(field: &Field<'_>) -> anyhow::Result<Ending> {
    let (campaign, enrollment) = field.invited("enrollment-runs", ENROLLMENT_RUNS, &field.linkedin).await?;
    let id = EnrollmentId(enrollment.id.clone());
    let workflow_id = enrollment::workflow_id(&id);
    let reference = EnrollmentRef { tenant: field.tenant(), enrollment_id: id };
    let input = EnrollmentInput { enrollment: reference, timings: field.timings(), events_per_run: FEW_EVENTS };
    field.restart(enrollment::Enrollment::run, input, &workflow_id).await?;
    field.lab.outreach().tell_enrollments(&[&enrollment.id]).await.or_say()?;
    field.behave(ENROLLMENT_RUNS, accepts());
    let ended = field.ended(&campaign).await?;
    let ended = field.of_person(&ended, ENROLLMENT_RUNS).await?;
    several_runs(field.enrollment("continued_as_new", ended, "completed").await?)
}

/// The same of a campaign.
async fn campaign_handed_over(field: &Field<'_>) -> anyhow::Result<Ending> {
    let (campaign, _) = field.invited("campaign-runs", CAMPAIGN_RUNS, &field.linkedin).await?;
    let workflow_id = campaign::workflow_id(&campaign);
    let reference = CampaignRef { tenant: field.tenant(), campaign_id: campaign.clone() };
    let input = CampaignInput { campaign: reference, timings: field.timings(), events_per_run: FEW_EVENTS };
    field.restart(campaign::Campaign::run, input, &workflow_id).await?;
    field.handed_over(&workflow_id).await?;
    field.stop(&campaign).await?;
    field.ended(&campaign).await?;
    several_runs(field.campaign("continued_as_new", &campaign, "stopped").await?)
}

/// The same of an account, which is then removed.
async fn account_handed_over(field: &Field<'_>) -> anyhow::Result<Ending> {
    let account = field.lab.add_account("acc_mail_2", account_settings(Channel::Email)).await?;
    let id = AccountId(account.clone());
    let workflow_id = sender_account::workflow_id(&id);
    let reference = AccountRef { tenant: field.tenant(), account_id: id };
    let input = SenderAccountInput { account: reference, timings: field.timings(), events_per_run: FEW_EVENTS };
    field.restart(sender_account::SenderAccount::run, input, &workflow_id).await?;
    field.handed_over(&workflow_id).await?;
    field.lab.stack.store.discard_account(field.lab.tenant(), &account).await?;
    field.lab.outreach().tell_account(&account).await.or_say()?;
    field.lab.workflow_ended(&workflow_id).await?;
    several_runs(field.ending("sender_account", "continued_as_new", &workflow_id).await?)
}

fn several_runs(ending: Ending) -> anyhow::Result<Ending> {
    ensure!(ending.runs.len() > 1, "the {} never handed over", ending.workflow);
    Ok(ending)
}
