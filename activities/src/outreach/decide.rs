//! What an enrollment does next: the rule's answer, its reservation, and what holds it back.

use super::activities::{OutreachWork, store_failure};
use super::allot::has_note;
use super::planner::{self, CheckRequest, PlanRequest};
use super::situation::{Background, Situation};
use crate::store::StoreError;
use crate::store::accounts::Account;
use crate::store::enrollments::{change_state, end_enrollment, note_advice};
use crate::store::touches::{self, Touch, TouchKey, refuse_uncalled, release_planned, reserve};
use futures::FutureExt;
use leadflow_workflows::contract::{Advice, AdviceNext, EnrollmentRef};
use leadflow_workflows::domain::outreach::{Action, EnrollmentState, Hold, TouchState};
use leadflow_workflows::domain::permits::DAY_MS;
use leadflow_workflows::domain::policy;
use leadflow_workflows::domain::walk::{Next, open_state, walk};
use sha2::{Digest, Sha256};
use sqlx::AnyConnection;
use temporalio_common::error::ApplicationFailure;
use temporalio_sdk::activities::ActivityError;

/// Each round of a decision settles a step without a call; a sequence has fewer of these.
const ROUNDS: usize = 64;

/// Times that the background may change while it is decided on; then the activity is tried again, later.
const DECISIONS: usize = 8;

/// The decision, and what it was made on.
pub(super) struct Decided {
    pub(super) advice: Advice,
    pub(super) situation: Situation,
}

impl OutreachWork {
    pub(super) async fn advance(&self, reference: &EnrollmentRef) -> Result<Advice, ActivityError> {
        for _ in 0..DECISIONS {
            let background = self.background(reference).await?;
            let advice = self
                .store
                .write(|transaction| {
                    let background = &background;
                    async move {
                        let decided = self.decide(transaction, background, reference).await?;
                        Ok(decided.map(|decided| decided.advice))
                    }
                    .boxed()
                })
                .await
                .map_err(store_failure)?;
            // None when the enrollment moved to another version of its sequence in between.
            if let Some(advice) = advice {
                return Ok(advice);
            }
        }
        Err(ApplicationFailure::builder("the enrollment changed while it was decided upon")
            .type_name("changed_meanwhile".to_owned())
            .build()
            .into())
    }

    /// Decides inside the transaction that also acts on it. `None` when the background has changed.
    pub(super) async fn decide(
        &self,
        transaction: &mut AnyConnection,
        background: &Background,
        reference: &EnrollmentRef,
    ) -> Result<Option<Decided>, StoreError> {
        let mut situation = self.situation(transaction, background, reference).await?;
        // Another version, or a person who turned out to be somebody known: the right row was not locked.
        let is_stale = situation.enrollment.sequence_id != background.sequence_id
            || situation.enrollment.person_id != background.lead.person_id;
        if is_stale {
            return Ok(None);
        }
        let mut next = self.next(transaction, background, &mut situation).await?;
        // An enrollment that has ended still finds out what became of its last contact: others wait for that.
        if matches!(next, AdviceNext::Done)
            && let Some(touch) =
                situation.touches.iter().find(|touch| touch.is_in_doubt() && touch.settled_by.is_none())
        {
            next = self.doubt(&situation, touch.step_id.clone(), touch.action);
        }
        let wakes_at_ms = match &next {
            AdviceNext::Touch { at_ms, .. } | AdviceNext::Wait { at_ms, .. } => *at_ms,
            AdviceNext::Done => situation.now_ms,
        };
        if situation.enrollment.is_open {
            let state = open_state(&situation.facts(background));
            if state != situation.enrollment.state {
                change_state(transaction, &situation.enrollment, state, cause(state), situation.now_ms).await?;
                situation.enrollment.state = state;
            }
        }
        let advice = Advice { state: situation.enrollment.state, next };
        if situation.enrollment.is_open {
            let enrollment = &situation.enrollment;
            note_advice(transaction, enrollment, &enrollment.decisions, &advice, wakes_at_ms).await?;
        }
        Ok(Some(Decided { advice, situation }))
    }

    async fn next(
        &self,
        transaction: &mut AnyConnection,
        background: &Background,
        situation: &mut Situation,
    ) -> Result<AdviceNext, StoreError> {
        if !situation.enrollment.is_open {
            return Ok(AdviceNext::Done);
        }
        if situation.campaign_state == "stopped" {
            return self.end(transaction, situation, EnrollmentState::Stopped, "the campaign was stopped").await;
        }
        if let Some((state, why)) = situation.forbidden.clone() {
            return self.end(transaction, situation, state, &why).await;
        }
        for _ in 0..ROUNDS {
            let walked = walk(&background.sequence, &situation.facts(background));
            situation.enrollment.decisions.extend(walked.decided);
            match walked.next {
                Next::End { state, cause } => return self.end(transaction, situation, state, &cause).await,
                Next::Wait { step, until_ms, hold } => {
                    return Ok(AdviceNext::Wait {
                        step,
                        at_ms: until_ms,
                        sleep_ms: self.sleep_ms(situation.now_ms, until_ms),
                        hold,
                    });
                }
                Next::Doubt { step, action } => return Ok(self.doubt(situation, step, action)),
                Next::Touch { step, action, due_ms } => {
                    let planned = self.contact(transaction, background, situation, &step, action, due_ms).await?;
                    if let Some(next) = planned {
                        return Ok(next);
                    }
                    // The step was written off: on to what follows.
                    let tenant = &situation.enrollment.tenant;
                    situation.touches = touches::of_enrollment(transaction, tenant, &situation.enrollment.id).await?;
                }
            }
        }
        self.end(transaction, situation, EnrollmentState::Failed, "the sequence goes round in circles").await
    }

    async fn end(
        &self,
        transaction: &mut AnyConnection,
        situation: &mut Situation,
        state: EnrollmentState,
        cause: &str,
    ) -> Result<AdviceNext, StoreError> {
        let enrollment = &mut situation.enrollment;
        end_enrollment(transaction, &enrollment.tenant, &enrollment.id, state, cause, situation.now_ms).await?;
        enrollment.state = state;
        enrollment.is_open = false;
        Ok(AdviceNext::Done)
    }

    /// A contact whose outcome is not known: asked about once what was done would show, then left to the readings.
    fn doubt(&self, situation: &Situation, step: String, action: Action) -> AdviceNext {
        let now_ms = situation.now_ms;
        let touch = situation.touch(&step);
        let was_asked = touch.is_some_and(|touch| touch.state == TouchState::Unknown && touch.settled_by.is_some());
        if was_asked {
            return self.daily(now_ms, step, Hold::OutcomeUnknown { action });
        }
        let account = situation.account(action);
        if let Some(hold) = account.and_then(|account| self.unavailable(account)) {
            return self.daily(now_ms, step, hold);
        }
        let deferred_ms = account.and_then(|account| account.deferred_until_ms).unwrap_or(now_ms).max(now_ms);
        let at_ms =
            touch.map_or(now_ms, |touch| shows_at(touch).max(touch.not_before_ms.unwrap_or(now_ms)).max(deferred_ms));
        let hold = Some(Hold::OutcomeUnknown { action });
        AdviceNext::Touch { step, action, at_ms, sleep_ms: self.sleep_ms(now_ms, at_ms), hold }
    }

    /// Waits for something that may happen at any time: looks by itself every day, so that no lost signal strands a lead.
    pub(super) fn daily(&self, now_ms: i64, step: String, hold: Hold) -> AdviceNext {
        let at_ms = now_ms + DAY_MS + rand::random_range(-DAY_MS / 10..=DAY_MS / 10);
        AdviceNext::Wait { step, at_ms, sleep_ms: self.sleep_ms(now_ms, at_ms), hold }
    }

    /// Plans a contact, or says that it may be made now. `None` when it was written off.
    async fn contact(
        &self,
        transaction: &mut AnyConnection,
        background: &Background,
        situation: &Situation,
        step: &str,
        action: Action,
        due_ms: i64,
    ) -> Result<Option<AdviceNext>, StoreError> {
        let now_ms = situation.now_ms;
        let Some(account) = situation.account(action) else {
            // The walk asks for no channel without account.
            return Err(StoreError::unreadable("account_id"));
        };
        let key = key(background, situation, account, step, action);
        let settings = &background.campaign.settings;
        if policy::is_open(&background.lead.country, action.channel(), &settings.policy).is_err() {
            refuse_uncalled(transaction, key, "country_policy", now_ms).await?;
            return Ok(None);
        }
        if let Some(hold) = self.blocked(situation, account) {
            release_planned(transaction, key.tenant, key.enrollment_id).await?;
            return Ok(Some(self.daily(now_ms, step.to_owned(), hold)));
        }
        let (due_ms, pushed) = later(situation, situation.touch(step), account, due_ms);
        let advice = |at_ms: i64, hold: Option<Hold>| AdviceNext::Touch {
            step: step.to_owned(),
            action,
            at_ms,
            sleep_ms: self.sleep_ms(now_ms, at_ms),
            hold: told(hold, pushed.as_ref()).or_else(|| (at_ms > now_ms).then_some(Hold::NotDue)),
        };
        let existing = situation.touch(step);
        let planned_at_ms = existing
            .filter(|touch| touch.state == TouchState::Planned && touch.account_id == account.id)
            .and_then(|touch| touch.planned_at_ms)
            .filter(|at_ms| *at_ms >= due_ms && *at_ms > now_ms - self.lapse_ms());
        if let Some(at_ms) = planned_at_ms.filter(|at_ms| *at_ms > now_ms) {
            let known = situation.enrollment.advice.as_ref().and_then(|advice| match &advice.next {
                AdviceNext::Touch { step: known, hold, .. } if known == step => {
                    hold.clone().filter(|hold| !is_over(hold, now_ms))
                }
                _ => None,
            });
            return Ok(Some(advice(at_ms, known)));
        }
        let but = existing.map(|touch| touch.id.as_str());
        let (sender, lead) = (background.sender_calendar(account)?, background.lead_calendar()?);
        let (limits, has_note) = (&account.settings.limits, key.has_note);
        let mut earliest_ms = due_ms;
        let mut reason = None;
        if planned_at_ms.is_some() {
            if let Some(other) = self.other_contact(transaction, situation, step).await? {
                return Ok(Some(other));
            }
            let uses = touches::uses(transaction, key.tenant, &account.id, Some(action), now_ms, None, but).await?;
            let check = CheckRequest { now_ms, action, has_note, limits, sender: &sender, lead: &lead, uses: &uses };
            match planner::check(&check) {
                None => return Ok(Some(advice(now_ms, None))),
                Some((hold, at_ms)) => {
                    earliest_ms = at_ms.max(now_ms);
                    reason = Some(hold);
                }
            }
        }
        let uses = touches::uses(
            transaction,
            key.tenant,
            &account.id,
            Some(action),
            now_ms,
            Some(now_ms - self.lapse_ms()),
            but,
        )
        .await?;
        let planned = planner::plan(&PlanRequest {
            due_ms: earliest_ms,
            now_ms,
            action,
            has_note,
            limits,
            sender: &sender,
            lead: &lead,
            uses: &uses,
            jitter: jitter(&situation.enrollment.id, step, earliest_ms),
        });
        let hold = planned.hold.clone().or(reason);
        if planned.is_slot {
            reserve(transaction, key, planned.at_ms, now_ms).await?;
            return Ok(Some(advice(planned.at_ms, hold)));
        }
        release_planned(transaction, key.tenant, key.enrollment_id).await?;
        Ok(Some(AdviceNext::Wait {
            step: step.to_owned(),
            at_ms: planned.at_ms,
            sleep_ms: self.sleep_ms(now_ms, planned.at_ms),
            hold: told(hold, pushed.as_ref()).unwrap_or(Hold::NotDue),
        }))
    }

    /// What keeps the contact from being planned at all, until someone changes it.
    fn blocked(&self, situation: &Situation, account: &Account) -> Option<Hold> {
        if situation.campaign_state == "paused" {
            return Some(Hold::CampaignPaused);
        }
        if situation.enrollment.paused.is_some() {
            return Some(Hold::EnrollmentPaused);
        }
        self.unavailable(account)
    }

    fn unavailable(&self, account: &Account) -> Option<Hold> {
        // Made-up people never meet the real provider, nor real ones the stand-in, whatever the store was used with before.
        if (account.source == "sandbox") != self.config.unipile.sandbox {
            return Some(Hold::AccountHeld { problem: "it belongs to another installation".into() });
        }
        match account.state.as_str() {
            "active" => None,
            "disconnected" => Some(Hold::AccountDisconnected),
            "restricted" => Some(Hold::AccountRestricted),
            "held" => Some(Hold::AccountHeld { problem: account.state_reason.clone().unwrap_or_default() }),
            _ => Some(Hold::AccountPaused),
        }
    }

    /// Two contacts with one person are never in doubt at once, whatever their campaigns and channels.
    async fn other_contact(
        &self,
        transaction: &mut AnyConnection,
        situation: &Situation,
        step: &str,
    ) -> Result<Option<AdviceNext>, StoreError> {
        let enrollment = &situation.enrollment;
        let other = touches::in_doubt(transaction, &enrollment.tenant, &enrollment.person_id).await?;
        let Some(other) = other.filter(|other| other.enrollment_id != enrollment.id || other.step_id != step) else {
            return Ok(None);
        };
        let shows_ms = shows_at(&other);
        if shows_ms <= situation.now_ms {
            return Ok(Some(self.daily(situation.now_ms, step.to_owned(), Hold::OtherContact)));
        }
        Ok(Some(AdviceNext::Wait {
            step: step.to_owned(),
            at_ms: shows_ms,
            sleep_ms: self.sleep_ms(situation.now_ms, shows_ms),
            hold: Hold::OtherContact,
        }))
    }
}

pub(super) fn key<'a>(
    background: &'a Background,
    situation: &'a Situation,
    account: &'a Account,
    step: &'a str,
    action: Action,
) -> TouchKey<'a> {
    TouchKey {
        tenant: &situation.enrollment.tenant,
        campaign_id: &situation.enrollment.campaign_id,
        enrollment_id: &situation.enrollment.id,
        person_id: &situation.enrollment.person_id,
        account_id: &account.id,
        step_id: step,
        action,
        has_note: background.sequence.step(step).is_some_and(|step| has_note(&step.kind)),
    }
}

/// When a call that may have been made has surely ended, and shows at the provider.
pub(super) fn shows_at(touch: &Touch) -> i64 {
    touch.call_deadline_ms.unwrap_or(0) + touch.action.quiet_ms()
}

/// What is asked to wait for: the account or this person, by the provider; the person, by a note of theirs.
fn later(situation: &Situation, touch: Option<&Touch>, account: &Account, due_ms: i64) -> (i64, Option<Hold>) {
    let lead_ms = touch.and_then(|touch| touch.not_before_ms).unwrap_or(i64::MIN);
    let account_ms = account.deferred_until_ms.unwrap_or(i64::MIN);
    let absent_ms = situation.absent_until_ms.unwrap_or(i64::MIN);
    let latest_ms = due_ms.max(lead_ms).max(account_ms).max(absent_ms);
    if latest_ms <= situation.now_ms || latest_ms == due_ms {
        return (latest_ms, None);
    }
    let hold = if latest_ms == absent_ms {
        Hold::Absent { until_ms: absent_ms }
    } else if lead_ms >= account_ms {
        let problem = touch.and_then(|touch| touch.deferred_by.clone()).unwrap_or_default();
        Hold::LeadDeferred { problem }
    } else {
        Hold::AccountDeferred { problem: account.deferred_reason.clone().unwrap_or_default() }
    };
    (latest_ms, Some(hold))
}

/// The rule that is shown: the planner's, which comes last, but for an absence, which moves a contact by days.
fn told(planned: Option<Hold>, pushed: Option<&Hold>) -> Option<Hold> {
    match pushed {
        Some(absent @ Hold::Absent { .. }) => Some(absent.clone()),
        _ => planned.or_else(|| pushed.cloned()),
    }
}

fn is_over(hold: &Hold, now_ms: i64) -> bool {
    matches!(hold, Hold::Absent { until_ms } if *until_ms <= now_ms)
}

fn cause(state: EnrollmentState) -> &'static str {
    match state {
        EnrollmentState::InviteSent => "the invitation was sent",
        EnrollmentState::Connected => "the person is a connection",
        EnrollmentState::Messaged => "a message was sent",
        _ => "its turn in the campaign",
    }
}

/// The same for every repeat of a step on a day, and different for every other: a contact that came too late for its place
/// gets another one in the next hours, or it would come too late for that as well, day after day.
fn jitter(enrollment_id: &str, step: &str, earliest_ms: i64) -> u64 {
    let digest = Sha256::digest(format!("{enrollment_id}/{step}/{}", earliest_ms.div_euclid(DAY_MS)));
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}
