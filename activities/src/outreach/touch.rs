//! One contact: claimed under the lock of its person, made by one call, settled by what came back.

use super::activities::{OutreachWork, store_failure};
use super::decide::{Decided, key};
use super::look::{look_refused, look_takes_ms, needs_look};
use super::planner::HORIZON_MS;
use super::settle::{BEGAN_TOO_LATE, Outcome};
use super::situation::{Background, Situation};
use super::templates::{self, Message, Tokens};
use crate::failpoint::fail_point;
use crate::senders::{SendRequest, Verdict};
use crate::store::StoreError;
use crate::store::accounts::Account;
use crate::store::enrollments::note_advice;
use crate::store::searches::{from_json, to_json};
use crate::store::touches::{self, Claim, Touch, TouchKey, note_look, refuse_uncalled, take_over};
use crate::store::unsubscribe_links::{UnsubscribeLink, add_link, new_token};
use crate::telemetry::counters;
use futures::FutureExt;
use leadflow_workflows::contract::{Advice, AdviceNext, TouchInput};
use leadflow_workflows::domain::outreach::{Action, Hold};
use leadflow_workflows::domain::permits::DAY_MS;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::domain::sequence::StepKind;
use sqlx::AnyConnection;
use std::time::{Duration, Instant, SystemTime};
use temporalio_sdk::activities::ActivityError;
use uuid::Uuid;

/// Of the time for a call, so much may pass between the claim and the beginning of the call.
pub(super) const BEGIN_WITHIN: u64 = 4;
/// A connection is made within this time, or not at all.
const CONNECT_WITHIN_MS: u64 = 3_000;
/// A pending invitation of another account holds this one back so long; then it takes the way of one that is not accepted.
const OTHERS_INVITE_HOLDS_MS: i64 = 14 * DAY_MS;
/// Attempts of one activity to get from a look to the call; more mean that something else is going on.
const APPROACHES: usize = 8;

/// What may be done now.
enum Approach {
    /// Nothing; the enrollment has other things to do, or has to wait.
    Advice(Advice),
    /// Read the person's profile first; the look is counted under this id.
    Look(Box<Target>, String),
    /// Make the call.
    Call(Box<Target>),
    /// Find out what became of an earlier call.
    Reconcile(Box<Target>),
    /// The background has changed under the locks.
    Again,
}

/// A contact, and the attempt that may make or settle it.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) action: Action,
    pub(super) account: Account,
    pub(super) person_id: String,
    pub(super) public_id: String,
    pub(super) email: Option<String>,
    /// Present for calls and reconciliations.
    pub(super) touch: Option<Touch>,
    pub(super) token: String,
    pub(super) claimed: Claimed,
}

/// When the claim was committed, at the latest. A machine that was suspended meanwhile shows on its wall clock only, and one
/// whose wall clock was set back on the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claimed {
    instant: Instant,
    wall: SystemTime,
}

impl Claimed {
    pub(super) fn now() -> Self {
        Self { instant: Instant::now(), wall: SystemTime::now() }
    }

    pub(super) fn elapsed(self) -> Duration {
        self.instant.elapsed().max(self.wall.elapsed().unwrap_or_default())
    }
}

impl OutreachWork {
    pub(super) async fn touch(&self, input: &TouchInput) -> Result<Advice, ActivityError> {
        for _ in 0..APPROACHES {
            let background = self.background(&input.enrollment).await?;
            fail_point("touch-before-claim").await;
            let claimed = Claimed::now();
            let token = Uuid::new_v4().to_string();
            let approach = self
                .store
                .write(|transaction| self.approach(transaction, &background, input, &token, claimed).boxed())
                .await
                .map_err(store_failure)?;
            match approach {
                Approach::Advice(advice) => {
                    match &advice.next {
                        AdviceNext::Touch { hold: Some(hold), .. } | AdviceNext::Wait { hold, .. } => {
                            counters::held(hold);
                        }
                        AdviceNext::Touch { hold: None, .. } | AdviceNext::Done => {}
                    }
                    return Ok(advice);
                }
                Approach::Again => {}
                Approach::Look(target, look_id) => {
                    let key = TouchKey {
                        tenant: input.enrollment.tenant.as_str(),
                        campaign_id: &background.campaign.id,
                        enrollment_id: input.enrollment.enrollment_id.as_str(),
                        person_id: &target.person_id,
                        account_id: &target.account.id,
                        step_id: &input.step,
                        action: target.action,
                        has_note: false,
                    };
                    self.look(key, &target, &look_id).await?;
                }
                Approach::Call(target) => {
                    fail_point("touch-after-claim").await;
                    self.call(input, &target).await?;
                    return self.advance(&input.enrollment).await;
                }
                Approach::Reconcile(target) => {
                    self.reconcile(input, &background, &target).await?;
                    return self.advance(&input.enrollment).await;
                }
            }
        }
        self.advance(&input.enrollment).await
    }

    /// Under the locks: whether this step's contact may be made now, and its claim if so.
    async fn approach(
        &self,
        transaction: &mut AnyConnection,
        background: &Background,
        input: &TouchInput,
        token: &str,
        claimed: Claimed,
    ) -> Result<Approach, StoreError> {
        let Some(decided) = self.decide(transaction, background, &input.enrollment).await? else {
            return Ok(Approach::Again);
        };
        let Decided { advice, situation } = decided;
        let action = match &advice.next {
            AdviceNext::Touch { step, action, at_ms, .. } if *step == input.step && *at_ms <= situation.now_ms => {
                *action
            }
            _ => return Ok(Approach::Advice(advice)),
        };
        let Some(account) = situation.account(action) else { return Ok(Approach::Advice(advice)) };
        let mut target = Target {
            action,
            account: account.clone(),
            person_id: situation.enrollment.person_id.clone(),
            public_id: background.lead.linkedin_public_id.clone(),
            email: situation.address.clone(),
            touch: situation.touch(&input.step).cloned(),
            token: token.to_owned(),
            claimed,
        };
        if let Some(touch) = target.touch.as_ref().filter(|touch| touch.is_in_doubt()) {
            let tenant = &situation.enrollment.tenant;
            let is_ours = take_over(transaction, tenant, &touch.id, touch.token.as_deref(), token).await?;
            return Ok(if is_ours { Approach::Reconcile(Box::new(target)) } else { Approach::Again });
        }
        let key = key(background, &situation, &target.account, &input.step, action);
        // Another invitation to the same person may still be accepted.
        if action == Action::Invite && touches::has_other_live_invite(transaction, key).await? {
            if situation.now_ms - situation.enrollment.started_at_ms > OTHERS_INVITE_HOLDS_MS {
                refuse_uncalled(transaction, key, "invited_by_another_account", situation.now_ms).await?;
                return Ok(Approach::Again);
            }
            let tomorrow_ms = situation.now_ms + DAY_MS;
            return Ok(Approach::Advice(
                self.held(transaction, &situation, input, Hold::OtherContact, tomorrow_ms).await?,
            ));
        }
        let seen = &situation.seen;
        if needs_look(action, seen.provider_id.is_some(), seen.looked_at_ms, situation.now_ms) {
            return self.approach_look(transaction, background, input, &situation, target).await;
        }
        let link = self.config.public_url.as_deref().filter(|_| action == Action::Email).map(OneClick::new);
        let request = match render(background, &situation, &input.step, link.as_ref()) {
            Ok(request) => request,
            Err(problem) => {
                refuse_uncalled(transaction, key, &problem, situation.now_ms).await?;
                return Ok(Approach::Again);
            }
        };
        // Last, because whoever is let through after a pause has to call.
        if let Some(until_ms) = self.gate.open_until(transaction, Provider::Unipile, token, situation.now_ms).await? {
            return Ok(Approach::Advice(self.held(transaction, &situation, input, Hold::BreakerOpen, until_ms).await?));
        }
        let request = to_json(&request);
        let claim = self.claim_of(token, &request, situation.now_ms);
        target.touch = touches::claim(transaction, key, claim).await?;
        if let (Some(OneClick { token, .. }), Some(address)) = (&link, &target.email)
            && target.touch.is_some()
        {
            let (tenant, address) = (situation.enrollment.tenant.clone(), address.clone());
            let (person_id, account_id) = (target.person_id.clone(), target.account.id.clone());
            let link = UnsubscribeLink { tenant, person_id, account_id, address };
            add_link(transaction, token, &link, situation.now_ms).await?;
        }
        Ok(if target.touch.is_some() { Approach::Call(Box::new(target)) } else { Approach::Again })
    }

    /// A look counts against the account's profile views.
    async fn approach_look(
        &self,
        transaction: &mut AnyConnection,
        background: &Background,
        input: &TouchInput,
        situation: &Situation,
        target: Target,
    ) -> Result<Approach, StoreError> {
        let key = key(background, situation, &target.account, &input.step, Action::VisitProfile);
        let now_ms = situation.now_ms;
        let mut refused = look_refused(transaction, key, &target.account.settings.limits, now_ms).await?;
        if refused.is_none() {
            let until_ms = self.gate.open_until(transaction, Provider::Unipile, &target.token, now_ms).await?;
            refused = until_ms.map(|until_ms| (Hold::BreakerOpen, until_ms));
        }
        if let Some((hold, at_ms)) = refused {
            return Ok(Approach::Advice(self.held(transaction, situation, input, hold, at_ms).await?));
        }
        let deadline_ms = now_ms + look_takes_ms(self.clock, self.config.timings.touch_read_ms);
        let look_id = note_look(transaction, key, now_ms, deadline_ms).await?;
        Ok(Approach::Look(Box::new(target), look_id))
    }

    /// When a call that is claimed now begins at the latest, and when it has surely ended.
    pub(super) fn claim_of<'a>(&self, token: &'a str, request: &'a str, now_ms: i64) -> Claim<'a> {
        let call_ms = self.config.timings.touch_call_ms;
        // A call that begins in time may still have to connect before the provider sees it.
        let connect_ms = CONNECT_WITHIN_MS.min(call_ms / BEGIN_WITHIN);
        let begin_by_ms = now_ms + self.virtual_ms(call_ms / BEGIN_WITHIN + connect_ms).max(1);
        let deadline_ms = begin_by_ms + self.virtual_ms(call_ms).max(1);
        Claim { token, request, called_at_ms: now_ms, begin_by_ms, deadline_ms }
    }

    /// Makes the call that was claimed, once, and settles it.
    pub(super) async fn call(&self, input: &TouchInput, target: &Target) -> Result<(), ActivityError> {
        let Some(touch) = &target.touch else { return Ok(()) };
        let request: SendRequest = from_json(touch.request.as_deref().unwrap_or_default()).map_err(store_failure)?;
        fail_point("touch-before-call").await;
        let begin_within = Duration::from_millis(self.config.timings.touch_call_ms / BEGIN_WITHIN);
        let outcome = if target.claimed.elapsed() >= begin_within {
            // Too late: by now others may act as if this call had begun and ended.
            Outcome::unsent(BEGAN_TOO_LATE, Verdict::Backoff)
        } else {
            let answer = self.sender.send(&target.account.provider_account_id, &request, &touch.id).await;
            fail_point("touch-after-call").await;
            Outcome::of(answer)
        };
        fail_point("touch-before-settle").await;
        self.settle(input, target, touch, &outcome).await.map_err(store_failure)?;
        fail_point("touch-after-settle").await;
        Ok(())
    }

    /// The step keeps its place and is tried again at `at_ms`.
    async fn held(
        &self,
        transaction: &mut AnyConnection,
        situation: &Situation,
        input: &TouchInput,
        hold: Hold,
        at_ms: i64,
    ) -> Result<Advice, StoreError> {
        let at_ms = at_ms.clamp(situation.now_ms + 1, situation.now_ms + HORIZON_MS);
        let sleep_ms = self.sleep_ms(situation.now_ms, at_ms);
        let next = AdviceNext::Wait { step: input.step.clone(), at_ms, sleep_ms, hold };
        let advice = Advice { state: situation.enrollment.state, next };
        note_advice(transaction, &situation.enrollment, &situation.enrollment.decisions, &advice, at_ms).await?;
        Ok(advice)
    }
}

/// The way out of all contact that stands in an email. It is part of the request, so a repeat has the same.
struct OneClick {
    token: String,
    url: String,
}

impl OneClick {
    fn new(public_url: &str) -> Self {
        let token = new_token();
        Self { url: format!("{public_url}/u/{token}"), token }
    }
}

/// The request of a step, or why it can never be made, as a stable word.
fn render(
    background: &Background,
    situation: &Situation,
    step_id: &str,
    link: Option<&OneClick>,
) -> Result<SendRequest, String> {
    let step = background.sequence.step(step_id).ok_or("step_is_gone")?;
    let action = step.kind.action().ok_or("step_is_gone")?;
    let account = situation.account(action).ok_or("no_account")?;
    let sender_name = account.settings.from_name.as_deref().unwrap_or(&account.name);
    let mut tokens = Tokens::of(&background.lead, sender_name, &background.campaign.name);
    tokens.sender.address = account.address.clone().unwrap_or_default();
    tokens.sender.is_free = account.settings.is_free;
    let message = templates::render(step, &tokens).map_err(|error| problem(&error))?;
    let Message { subject, text, .. } = message.clone();
    let person = || situation.seen.provider_id.clone().ok_or("no_linkedin_profile");
    Ok(match &step.kind {
        StepKind::VisitProfile => SendRequest::VisitProfile { person: background.lead.linkedin_public_id.clone() },
        StepKind::Invite { .. } => {
            SendRequest::Invite { person_provider_id: person()?, note: Some(text).filter(|note| !note.is_empty()) }
        }
        StepKind::Message { .. } => match &situation.seen.chat_id {
            Some(chat_id) => SendRequest::Message { chat_id: chat_id.clone(), text },
            None => SendRequest::StartChat { person_provider_id: person()?, text },
        },
        StepKind::Inmail { .. } => {
            SendRequest::InMail { person_provider_id: person()?, subject: subject.unwrap_or_default(), text }
        }
        StepKind::Email { .. } => {
            let url = link.map(|link| link.url.as_str());
            let message = message.with_footer(&templates::email_footer(&background.campaign.settings, url));
            let to_address = situation.address.clone().ok_or("no_email_address")?;
            SendRequest::Email {
                to_name: format!("{} {}", background.lead.first_name, background.lead.last_name).trim().to_owned(),
                to_address,
                subject: message.subject.unwrap_or_default(),
                html: message.html.unwrap_or_default(),
                reply_to: None,
                headers: ways_out(account.address.as_deref(), url),
            }
        }
        StepKind::Wait { .. } | StepKind::WaitForConnection { .. } | StepKind::Branch { .. } | StepKind::End => {
            return Err("step_is_gone".into());
        }
    })
}

/// The headers that mailboxes make a button of (RFC 2369, RFC 8058). One click needs a host of one's own; an answer by
/// mail works for everybody.
fn ways_out(address: Option<&str>, url: Option<&str>) -> Vec<(String, String)> {
    let by_mail = address.map(|address| format!("<mailto:{address}?subject=STOP>"));
    let ways: Vec<String> = url.map(|url| format!("<{url}>")).into_iter().chain(by_mail).collect();
    let list = (!ways.is_empty()).then(|| ("List-Unsubscribe".to_owned(), ways.join(", ")));
    let post = url.map(|_| ("List-Unsubscribe-Post".to_owned(), "List-Unsubscribe=One-Click".to_owned()));
    list.into_iter().chain(post).collect()
}

/// What keeps a text from being sent, without any value of the lead.
fn problem(error: &templates::TemplateError) -> String {
    use templates::TemplateProblem;
    match &error.problem {
        TemplateProblem::Missing { tokens, .. } => format!("missing_token:{}", tokens.join("+")),
        TemplateProblem::Empty { .. } => "empty_text".into(),
        TemplateProblem::TooLong { .. } => "text_too_long".into(),
        TemplateProblem::Syntax { .. } => "template_syntax".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_that_saw_more_time_pass_since_a_claim_is_right() {
        let minute = Duration::from_mins(1);
        let suspended = Claimed { instant: Instant::now(), wall: SystemTime::now() - minute };
        assert!(suspended.elapsed() >= minute);
        let before = Instant::now().checked_sub(minute).unwrap();
        let set_back = Claimed { instant: before, wall: SystemTime::now() + minute };
        assert!(set_back.elapsed() >= minute);
    }
}
