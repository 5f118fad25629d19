//! A reply wins: from the moment its event is answered no call to the person begins, and their enrollment ends soon.

use crate::field::{HOUR_MS, MONDAY_MS, campaign_settings, people, unlimited_settings};
use crate::lab::{LIMIT, Lab, Setup};
use anyhow::Context;
use leadflow_activities::store::enrollments::Enrollment;
use leadflow_clock::Clock;
use leadflow_sandbox::UnipileOptions;
use leadflow_workflows::domain::ids::EnrollmentId;
use leadflow_workflows::domain::outreach::{Channel, EnrollmentState};
use leadflow_workflows::enrollment;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use temporalio_client::WorkflowDescribeOptions;

/// The more enrollments there are, the slower the clock runs, so that about as many contacts are made in a second.
const SPEED_TIMES_OPEN: f64 = 300_000.0;
/// Even so, everybody has got a first mail within minutes.
const SLOWEST: f64 = 300.0;
/// Late enough in the day that the first contacts are made soon: they are spread over the rest of it.
const START_MS: i64 = MONDAY_MS + 8 * HOUR_MS;
/// Of a sequence that is not over before everybody has come to its first mail.
const MAILS: usize = 20;
const PER_ACCOUNT: usize = 50;
/// Whose day ends when the account's does, about; and enough people for a thousand, each at another company.
const NEAR: [&str; 1] = ["US"];
const ANYWHERE: [&str; 7] = ["US", "GB", "FI", "FR", "BE", "SE", "AU"];
/// Counting takes time from those who are counted.
const COUNT_EVERY: Duration = Duration::from_millis(250);

/// What came of replies that came from everybody.
#[derive(Clone, Debug, Serialize)]
pub struct ReplyReport {
    /// Enrollments that were open, each with a mail sent at least.
    pub open: usize,
    /// From one reply to the next; zero when all came at once.
    pub every_ms: u64,
    /// By state, at the end.
    pub states: BTreeMap<String, usize>,
    /// Enrollments whose workflow has ended, too.
    pub closed: usize,
    /// Events of the replies that were answered with success.
    pub answered: usize,
    /// Calls in the second before the first reply: how busy the worker was.
    pub calls_per_second: usize,
    /// Contacts made from the first reply to the last answer.
    pub contacts_meanwhile: usize,
    /// Calls to somebody that began after their event was answered.
    pub late_calls: usize,
    /// From the reply to the answer to its event, and to the end of the workflow. Real milliseconds.
    pub to_answer: Spread,
    pub to_end: Spread,
}

/// Real milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub longest_ms: f64,
}

/// A reply on its way.
struct Sent {
    message_id: String,
    /// Real Unix microseconds.
    at_us: i64,
}

/// Has everybody of `open` enrollments reply in the midst of their mails, one every so long.
pub async fn run(setup: Setup, open: usize, every: Duration) -> anyhow::Result<ReplyReport> {
    let lab = Lab::start(busy(setup, open)).await?;
    let mut providers = BTreeMap::new();
    let mut accounts = Vec::new();
    for number in 1..=open.div_ceil(PER_ACCOUNT) {
        let provider_account = format!("acc_mail_{number}");
        let account = lab.add_account(&provider_account, unlimited_settings(Channel::Email)).await?;
        providers.insert(account.clone(), provider_account);
        accounts.push(account);
    }
    let list = lab.import("everybody", &people(&NEAR, open).or_else(|_| people(&ANYWHERE, open))?).await?;
    let sequence = lab.add_sequence(&mails()?).await?;
    let campaign = lab.start_campaign("replies", &list, &sequence, &accounts, campaign_settings()).await?;
    let enrollments = lab
        .until_within(10 * LIMIT, COUNT_EVERY, "everybody has got a mail", async || {
            let enrollments = lab.enrollments(&campaign).await?;
            let is_messaged =
                |enrollment: &Enrollment| enrollment.is_open && enrollment.state == EnrollmentState::Messaged;
            Ok((enrollments.len() == open && enrollments.iter().all(is_messaged)).then_some(enrollments))
        })
        .await?;
    let mut addresses = BTreeMap::new();
    for enrollment in &enrollments {
        let lead = lab.stack.store.lead(lab.tenant(), &enrollment.lead_id).await?.context("the lead is stored")?;
        addresses.insert(enrollment.id.clone(), lead.email.context("the lead has an address")?);
    }

    let mut replies = BTreeMap::new();
    for enrollment in &enrollments {
        let account = enrollment.email_account_id.as_ref().and_then(|account| providers.get(account));
        let account = account.context("an enrollment has a mailbox")?;
        let at_us = now_us();
        let message_id = lab.sandbox().unipile_reply(account, &addresses[&enrollment.id], "Good idea, call me.")?;
        replies.insert(enrollment.id.clone(), Sent { message_id, at_us });
        tokio::time::sleep(every).await;
    }
    lab.until("no enrollment is open", async || {
        let enrollments = lab.enrollments(&campaign).await?;
        Ok(enrollments.iter().all(|enrollment| !enrollment.is_open).then_some(()))
    })
    .await?;
    let mut ended_us = BTreeMap::new();
    for enrollment in &enrollments {
        let id = enrollment::workflow_id(&EnrollmentId(enrollment.id.clone()));
        lab.workflow_ended(&id).await?;
        ended_us.insert(enrollment.id.clone(), closed_at_us(&lab, &id).await?);
    }
    let report = evaluate(&lab, &lab.enrollments(&campaign).await?, &addresses, &replies, &ended_us).await?;
    lab.stop().await?;
    Ok(ReplyReport { every_ms: u64::try_from(every.as_millis())?, ..report })
}

/// A clock that makes for many mails at once, and people who write nothing by themselves.
fn busy(mut setup: Setup, open: usize) -> Setup {
    #[expect(clippy::cast_precision_loss, reason = "there are not so many")]
    let speed = (SPEED_TIMES_OPEN / open as f64).max(SLOWEST);
    setup.clock = Clock::fast(START_MS, speed);
    setup.sandbox.unipile = UnipileOptions {
        reply_permille: 0,
        bounce_permille: 0,
        reject_permille: 0,
        complaint_permille: 0,
        ..UnipileOptions::default()
    };
    setup
}

fn mails() -> anyhow::Result<String> {
    let mut text = "name = \"many\"\nstop_on = [\"reply\"]\n".to_owned();
    for number in 1..=MAILS {
        write!(
            text,
            "[[step]]\nafter = \"6h\"\nsubject = \"Thought {number}\"\nemail = \"This is thought {number}.\"\n"
        )?;
    }
    Ok(text)
}

async fn closed_at_us(lab: &Lab, workflow_id: &str) -> anyhow::Result<i64> {
    let handle = lab.stack.client.get_workflow_handle::<enrollment::Enrollment>(workflow_id);
    let described = handle.describe(WorkflowDescribeOptions::default()).await?;
    let info = described.raw().workflow_execution_info.as_ref();
    let closed = info.and_then(|info| info.close_time).context("a workflow that has ended has a close time")?;
    Ok(closed.seconds * 1_000_000 + i64::from(closed.nanos) / 1_000)
}

async fn evaluate(
    lab: &Lab,
    enrollments: &[Enrollment],
    addresses: &BTreeMap<String, String>,
    replies: &BTreeMap<String, Sent>,
    ended_us: &BTreeMap<String, i64>,
) -> anyhow::Result<ReplyReport> {
    let (ledger, deliveries) = (lab.ledger(), lab.sandbox().deliveries());
    let answers: BTreeMap<&str, i64> = deliveries
        .iter()
        .filter(|delivery| delivery.status.is_some_and(|status| (200..300).contains(&status)))
        .filter_map(|delivery| Some((delivery.message_id.as_deref()?, delivery.answered_real_us?)))
        .collect();
    let first_us = replies.values().map(|reply| reply.at_us).min().unwrap_or_default();
    let last_us = replies.values().filter_map(|reply| answers.get(reply.message_id.as_str())).max();
    let last_us = last_us.copied().unwrap_or_default();
    let mut states = BTreeMap::new();
    let (mut late_calls, mut to_answer, mut to_end) = (0, Vec::new(), Vec::new());
    for enrollment in enrollments {
        *states.entry(enrollment.state.name().to_owned()).or_default() += 1;
        let reply = &replies[&enrollment.id];
        to_end.push(ended_us[&enrollment.id] - reply.at_us);
        let Some(answered_us) = answers.get(reply.message_id.as_str()) else { continue };
        to_answer.push(answered_us - reply.at_us);
        let touches = lab.stack.store.touches(lab.tenant(), &enrollment.id).await?;
        let touches: BTreeSet<&str> = touches.iter().map(|touch| touch.id.as_str()).collect();
        let person = &addresses[&enrollment.id];
        // Each call that contacts somebody names its touch; the effect tells of one that would not.
        let is_theirs = |entry: &&leadflow_sandbox::LedgerEntry| {
            entry.call_id.as_deref().is_some_and(|call| touches.contains(call))
                || entry.effect.as_ref().is_some_and(|effect| effect.person.eq_ignore_ascii_case(person))
        };
        late_calls += ledger.iter().filter(is_theirs).filter(|entry| entry.real_at_us > *answered_us).count();
    }
    let during = |from_us: i64, to_us: i64| {
        ledger.iter().filter(move |entry| (from_us..=to_us).contains(&entry.real_at_us)).collect::<Vec<_>>()
    };
    Ok(ReplyReport {
        open: replies.len(),
        every_ms: 0,
        states,
        closed: ended_us.len(),
        answered: to_answer.len(),
        calls_per_second: during(first_us - 1_000_000, first_us).len(),
        contacts_meanwhile: during(first_us, last_us).iter().filter(|entry| entry.effect.is_some()).count(),
        late_calls,
        to_answer: Spread::of(to_answer),
        to_end: Spread::of(to_end),
    })
}

impl Spread {
    pub(crate) fn of_durations(durations: impl Iterator<Item = Duration>) -> Self {
        Self::of(durations.map(|duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)).collect())
    }

    /// Nearest ranks of durations in microseconds.
    pub(crate) fn of(mut durations_us: Vec<i64>) -> Self {
        durations_us.sort_unstable();
        let rank = |percent: usize| {
            let index = (durations_us.len() * percent).div_ceil(100).saturating_sub(1);
            #[expect(clippy::cast_precision_loss, reason = "these are seconds")]
            durations_us.get(index).map_or(0.0, |us| *us as f64 / 1_000.0)
        };
        Self { p50_ms: rank(50), p99_ms: rank(99), longest_ms: rank(100) }
    }
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    i64::try_from(since.as_micros()).expect("a date of this age")
}
