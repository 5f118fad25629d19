//! Replies that a model reads, from the mail to the label: each by another person, all side by side.

use crate::field::{account_settings, campaign_settings, people};
use crate::lab::{Lab, OrSay, Setup};
use anyhow::{Context, ensure};
use leadflow_activities::store::enrollments::Enrollment;
use leadflow_activities::store::replies::Reply;
use leadflow_clock::Clock;
use leadflow_sandbox::{FaultKind, FaultRule, Faults, Provider, UnipileOptions};
use leadflow_starter::history;
use leadflow_workflows::domain::answers::ReplyClass;
use leadflow_workflows::domain::ids::ReplyId;
use leadflow_workflows::domain::outreach::{Channel, EnrollmentState};
use leadflow_workflows::domain::replies::Tone;
use leadflow_workflows::reply_reading::workflow_id;
use std::path::PathBuf;

/// The workflow and its scenarios, as the names of a folder and files.
pub const READINGS: (&str, [&str; 3]) = ("reply_reading", ["labelled", "opted_out", "not_read"]);

/// What the people write, in the order of the scenarios. No rule knows the second, and a model refuses the third.
const TEXTS: [&str; 3] = [
    "Good idea, call me on Tuesday.",
    "I never want to see anything of yours in my inbox.",
    "Perhaps, says the bottling line.",
];
const REFUSED: &str = "bottling line";
const MAIL: &str = "acc_mail_1";

const SEQUENCE: &str = r#"
name = "readings"
stop_on = ["reply"]
[[step]]
subject = "An idea for {{ business.name }}"
email = "Hello {{ lead.first_name }}, I would like to show you how others plan their week."
[[step]]
after = "20d"
subject = "Once more: {{ business.name }}"
email = "Hello {{ lead.first_name }}, did my mail reach you?"
"#;

/// A reply that was read, or was to be.
pub struct Reading {
    /// As in [`READINGS`].
    pub scenario: &'static str,
    pub reply: Reply,
    pub lead_id: String,
    /// The history, exported.
    pub run: Vec<u8>,
}

/// Late enough in the day that the first mails are sent soon; nobody writes by themselves.
pub fn setup(program: Option<PathBuf>) -> Setup {
    let mut setup = Setup::new(program);
    setup.clock = Clock::fast(crate::field::MONDAY_MS + 8 * crate::field::HOUR_MS, 5_000.0);
    setup.sandbox.unipile = UnipileOptions {
        reply_permille: 0,
        bounce_permille: 0,
        reject_permille: 0,
        complaint_permille: 0,
        ..UnipileOptions::default()
    };
    setup
}

/// Plays all of [`READINGS`], and makes sure that each went as its name says.
pub async fn play(lab: &Lab) -> anyhow::Result<Vec<Reading>> {
    let refused =
        FaultRule { body_contains: Some(REFUSED.to_owned()), ..FaultRule::new(Provider::OpenAi, FaultKind::Refusal) };
    lab.sandbox().set_faults(Faults { seed: 1, rules: vec![refused] });
    let account = lab.add_account(MAIL, account_settings(Channel::Email)).await?;
    let people = people(&["US"], TEXTS.len())?;
    let list = lab.import("readers", &people).await?;
    let sequence = lab.add_sequence(SEQUENCE).await?;
    let campaign = lab.start_campaign("readings", &list, &sequence, &[account], campaign_settings()).await?;
    let enrollments = lab
        .until("everybody has got a mail", async || {
            let enrollments = lab.enrollments(&campaign).await?;
            let is_messaged = |enrollment: &Enrollment| enrollment.state == EnrollmentState::Messaged;
            Ok((enrollments.len() == TEXTS.len() && enrollments.iter().all(is_messaged)).then_some(enrollments))
        })
        .await?;
    let mut readings = Vec::new();
    for ((scenario, text), person) in READINGS.1.into_iter().zip(TEXTS).zip(&people) {
        lab.sandbox().unipile_reply(MAIL, &person.email.to_lowercase(), text)?;
        let mut enrollment = None;
        for candidate in &enrollments {
            let lead = lab.stack.store.lead(lab.tenant(), &candidate.lead_id).await?.context("the lead is stored")?;
            if lead.email.as_deref().is_some_and(|email| email.eq_ignore_ascii_case(&person.email)) {
                enrollment = Some(candidate);
            }
        }
        let enrollment = enrollment.context("everybody is enrolled")?;
        let reply = read(lab, &enrollment.person_id).await?;
        let id = workflow_id(&ReplyId(reply.id.clone()));
        lab.workflow_ended(&id).await?;
        let run = history::runs(&lab.stack.client, &id).await.or_say()?.pop().context("a workflow has a run")?;
        let run = history::export(&lab.stack.client, &id, &run.run_id).await.or_say()?;
        let ended = lab.stack.store.enrollment(lab.tenant(), &enrollment.id).await?.context("it is stored")?;
        ensure!(ended.state == EnrollmentState::Replied, "{scenario}: the enrollment is {}", ended.state.name());
        let suppression = lab.stack.store.suppression_of(lab.tenant(), &enrollment.person_id).await?;
        ensure!(suppression.is_some() == (scenario == "opted_out"), "{scenario}: suppressed is {suppression:?}");
        let label = reply.label.map(|label| (label.kind, label.tone));
        let expected = match scenario {
            "labelled" => Some((ReplyClass::Human, Tone::Positive)),
            "opted_out" => Some((ReplyClass::OptOut, Tone::Negative)),
            _ => None,
        };
        ensure!(label == expected && reply.kind == "reply", "{scenario}: {reply:?}");
        ensure!(reply.not_read.is_some() == expected.is_none(), "{scenario}: {reply:?}");
        readings.push(Reading { scenario, reply, lead_id: enrollment.lead_id.clone(), run });
    }
    Ok(readings)
}

/// The person's reply, once a model has read it or has been given up.
async fn read(lab: &Lab, person_id: &str) -> anyhow::Result<Reply> {
    lab.until("the reply is read", async || {
        let reply = lab.stack.store.replies(lab.tenant(), person_id).await?.pop();
        Ok(reply.filter(|reply| reply.label.is_some() || reply.not_read.is_some()))
    })
    .await
}
