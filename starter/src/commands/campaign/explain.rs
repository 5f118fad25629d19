//! What outreach did with a lead, what comes next, when, and which rule holds it back; or why nothing is done at all.

mod read;
#[cfg(test)]
pub(super) mod tests;

use super::super::instant;
use super::super::reply::labelled;
use super::turn::NotEnrolled;
use crate::failure::Failure;
use crate::output::{printable, wrapped};
use leadflow_activities::store::Store;
use leadflow_activities::store::accounts::Account;
use leadflow_activities::store::enrollments::{Enrollment, Transition};
use leadflow_activities::store::leads::Lead;
use leadflow_activities::store::touches::Touch;
use leadflow_workflows::contract::AdviceNext;
use leadflow_workflows::domain::answers::ReplyLabel;
use leadflow_workflows::domain::outreach::{Channel, Hold, TouchState};
use schemars::JsonSchema;
use serde::Serialize;

/// All that is known of a lead in outreach, as it is now.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ExplainFacts {
    pub now_ms: i64,
    /// Why nobody may contact the person.
    pub suppressed: Option<String>,
    /// What came back from the person.
    pub replies: Vec<CameBack>,
    pub enrollments: Vec<EnrollmentFacts>,
    /// Campaigns that take leads from where this one comes from, and why it is in none: name and reason.
    pub not_enrolled: Vec<(String, NotEnrolled)>,
}

/// A message that came back, without its text.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CameBack {
    /// By the rules.
    pub kind: String,
    pub at_ms: i64,
    /// What a model says of a person's reply, or why none has read it.
    pub label: Option<ReplyLabel>,
    pub not_read: Option<String>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct EnrollmentFacts {
    #[serde(flatten)]
    pub enrollment: Enrollment,
    pub campaign: String,
    /// `running`, `paused`, `stopped` or `completed`.
    pub campaign_state: String,
    /// Name and version.
    pub sequence: String,
    #[serde(skip)]
    pub accounts: Vec<Account>,
    pub touches: Vec<Touch>,
    pub transitions: Vec<Transition>,
}

/// The lines about a lead's outreach, under their labels.
///
/// # Errors
/// When the store cannot be read.
pub async fn text(store: &Store, tenant: &str, lead: &Lead, now_ms: i64, width: u16) -> Result<String, Failure> {
    Ok(facts(store, tenant, lead, now_ms).await?.text(width))
}

/// The same for programs.
///
/// # Errors
/// When the store cannot be read.
pub async fn facts(store: &Store, tenant: &str, lead: &Lead, now_ms: i64) -> Result<ExplainFacts, Failure> {
    ExplainFacts::read(store, tenant, lead, now_ms).await
}

/// Labelled lines that are broken at the width of the terminal.
struct Page {
    text: String,
    width: u16,
}

impl Page {
    fn line(&mut self, label: &str, value: &str) {
        self.text.push_str(&wrapped(&format!("{label:<14}"), &printable(value), self.width));
    }
}

impl ExplainFacts {
    pub fn text(&self, width: u16) -> String {
        let mut page = Page { text: String::new(), width };
        if let Some(why) = &self.suppressed {
            page.line("suppressed", &format!("{why}; nobody contacts the person, on any channel"));
        }
        for reply in &self.replies {
            page.line(
                "came back",
                &format!("{} at {}{}", reply.kind.replace('_', " "), instant(reply.at_ms), said(reply)),
            );
        }
        for enrollment in &self.enrollments {
            self.enrollment(&mut page, enrollment);
        }
        for (campaign, why) in &self.not_enrolled {
            match why {
                NotEnrolled::NoCampaign => page.line("outreach", &format!("none: {why}")),
                _ => page.line("campaign", &format!("{campaign}: not enrolled: {why}")),
            }
        }
        page.text
    }

    fn enrollment(&self, page: &mut Page, facts: &EnrollmentFacts) {
        let EnrollmentFacts { enrollment, campaign, campaign_state, sequence, .. } = facts;
        page.line("campaign", &format!("{campaign} ({campaign_state}), sequence {sequence}"));
        let since = instant(enrollment.state_at_ms);
        let state = enrollment.state.name().replace('_', " ");
        let end = if enrollment.is_open { "" } else { "ended: " };
        page.line("  state", &format!("{end}{state} since {since}: {}", enrollment.cause));
        for transition in facts.transitions.iter().rev().skip(1).rev() {
            let (from, to) = (transition.from.name().replace('_', " "), transition.to.name().replace('_', " "));
            page.line("  before", &format!("{from} to {to} at {}: {}", instant(transition.at_ms), transition.cause));
        }
        for touch in &facts.touches {
            page.line("  contact", &told(touch));
        }
        if !enrollment.is_open {
            return;
        }
        page.line("  next", &next(enrollment));
        match hold(facts, self) {
            Some(held) => page.line("  held by", &held),
            None => page.line("  held by", "nothing"),
        }
    }
}

/// What a model says of a reply, where one was to read it.
fn said(reply: &CameBack) -> String {
    match (&reply.label, &reply.not_read) {
        (Some(label), _) => format!(": {}", labelled(*label)),
        (None, Some(why)) => format!(": not read by a model ({why})"),
        (None, None) if reply.kind == "reply" => ": not read by a model".into(),
        (None, None) => String::new(),
    }
}

/// One contact, and what became of it.
fn told(touch: &Touch) -> String {
    let contact = format!("{}, {}", touch.step_id, touch.action.name().replace('_', " "));
    let at = |at_ms: Option<i64>| at_ms.map_or_else(|| "an unknown time".to_owned(), instant);
    let by = touch.settled_by.as_deref().map_or(String::new(), |by| format!(" ({})", by.replace('_', " ")));
    match touch.state {
        TouchState::Planned => format!("{contact}: planned for {}", at(touch.planned_at_ms)),
        TouchState::Calling => {
            format!("{contact}: being made since {}; its outcome is not known yet", at(touch.called_at_ms))
        }
        TouchState::Sent => {
            let declined = touch
                .declined_at_ms
                .map_or(String::new(), |at_ms| format!("; gone without a connection at {}", instant(at_ms)));
            format!("{contact}: sent at {}{by}{declined}", at(touch.settled_at_ms.or(touch.called_at_ms)))
        }
        TouchState::Refused => format!("{contact}: refused at {}{by}; it is not tried again", at(touch.settled_at_ms)),
        TouchState::Unknown => format!(
            "{contact}: called at {}, and nobody knows whether it was done{by}; it is never sent again on a guess, and \
             settled by what the provider shows later, or by a person",
            at(touch.called_at_ms)
        ),
        TouchState::Released => match (&touch.deferred_by, touch.not_before_ms) {
            (Some(problem), Some(at_ms)) => {
                format!("{contact}: put off by the provider ({problem}) until {}", instant(at_ms))
            }
            (Some(problem), None) => format!("{contact}: put off ({problem})"),
            (None, _) => format!("{contact}: was planned, and its place given back"),
        },
    }
}

/// What happens next, and when.
fn next(enrollment: &Enrollment) -> String {
    match enrollment.advice.as_ref().map(|advice| &advice.next) {
        Some(AdviceNext::Touch { step, action, at_ms, .. }) => {
            format!("step {step}, {} at {}", action.name().replace('_', " "), instant(*at_ms))
        }
        Some(AdviceNext::Wait { step, at_ms, .. }) => {
            format!("at step {step}; it looks again at {} at the latest", instant(*at_ms))
        }
        Some(AdviceNext::Done) => "it ends".into(),
        None => format!("its first step is decided at {}", instant(enrollment.wakes_at_ms)),
    }
}

/// Which rule holds it back, by what is true now: what the last advice says may be over, and something else have come.
fn hold(facts: &EnrollmentFacts, all: &ExplainFacts) -> Option<String> {
    if all.suppressed.is_some() {
        return Some("the person is suppressed; it ends when it looks next".to_owned());
    }
    match facts.campaign_state.as_str() {
        "paused" => return Some(Hold::CampaignPaused.to_string()),
        "stopped" => return Some("the campaign is stopped; it ends when it looks next".to_owned()),
        _ => {}
    }
    if let Some(cause) = &facts.enrollment.paused {
        return Some(format!("{}: {cause}", Hold::EnrollmentPaused));
    }
    let advised = match facts.enrollment.advice.as_ref().map(|advice| &advice.next) {
        Some(AdviceNext::Touch { hold, .. }) => hold.clone(),
        Some(AdviceNext::Wait { hold, .. }) => Some(hold.clone()),
        Some(AdviceNext::Done) | None => None,
    };
    // Whoever waits for the person, not for the account, is not held by the account.
    let waits = matches!(advised, Some(Hold::WaitingForConnection));
    if let Some(held) = account_hold(facts, all.now_ms).filter(|_| !waits) {
        return Some(held.to_string());
    }
    match advised {
        Some(Hold::Absent { until_ms }) if until_ms <= all.now_ms => None,
        Some(hold @ Hold::Absent { until_ms }) => Some(format!("{hold}, until {}", instant(until_ms))),
        Some(hold) if is_of_a_state(&hold) => Some(format!("nothing any more; until lately {hold}")),
        Some(hold) => Some(hold.to_string()),
        None => None,
    }
}

/// What the account of the next contact is held by.
fn account_hold(facts: &EnrollmentFacts, now_ms: i64) -> Option<Hold> {
    let enrollment = &facts.enrollment;
    let channel = match enrollment.advice.as_ref().map(|advice| &advice.next) {
        Some(AdviceNext::Touch { action, .. }) => Some(action.channel()),
        Some(AdviceNext::Wait { step, .. }) => {
            facts.touches.iter().find(|touch| touch.step_id == *step).map(|touch| touch.action.channel())
        }
        _ => None,
    };
    // Of a step that says no channel, the account that the enrollment has.
    let id = match channel {
        Some(Channel::Linkedin) => enrollment.linkedin_account_id.as_ref(),
        Some(Channel::Email) => enrollment.email_account_id.as_ref(),
        None => enrollment.linkedin_account_id.as_ref().or(enrollment.email_account_id.as_ref()),
    }?;
    let account = facts.accounts.iter().find(|account| account.id == *id)?;
    match account.state.as_str() {
        "active" => account
            .deferred_until_ms
            .filter(|until_ms| *until_ms > now_ms)
            .map(|_| Hold::AccountDeferred { problem: account.deferred_reason.clone().unwrap_or_default() }),
        "disconnected" => Some(Hold::AccountDisconnected),
        "restricted" => Some(Hold::AccountRestricted),
        "held" => Some(Hold::AccountHeld { problem: account.state_reason.clone().unwrap_or_default() }),
        _ => Some(Hold::AccountPaused),
    }
}

/// Whether a hold tells of a state that is known better by now.
fn is_of_a_state(hold: &Hold) -> bool {
    matches!(
        hold,
        Hold::CampaignPaused
            | Hold::EnrollmentPaused
            | Hold::AccountPaused
            | Hold::AccountDisconnected
            | Hold::AccountRestricted
            | Hold::AccountHeld { .. }
            | Hold::AccountDeferred { .. }
    )
}
