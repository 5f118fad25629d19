//! What became of a call whose answer never came. Found is proof; absent is none.

use super::activities::{OutreachWork, send_failure, store_failure};
use super::events::same_text;
use super::look::{Inquiry, InquiryError};
use super::planner::{self, CheckRequest};
use super::settle::{Seen, later, note_account, note_seen};
use super::situation::{Background, Situation};
use super::touch::{Claimed, Target};
use crate::failpoint::fail_point;
use crate::senders::{InvitationState, SendError, SendRequest, Verdict};
use crate::store::StoreError;
use crate::store::accounts::Account;
use crate::store::enrollments::lock_person;
use crate::store::searches::from_json;
use crate::store::touches::{Touch, Unsent, claim_again, settle_sent, settle_unsent, uses};
use futures::FutureExt;
use leadflow_workflows::contract::TouchInput;
use leadflow_workflows::domain::outreach::Action;
use leadflow_workflows::domain::permits::DAY_MS;
use leadflow_workflows::domain::provider::Provider;
use sqlx::AnyConnection;
use std::collections::BTreeSet;
use temporalio_sdk::activities::ActivityError;

/// Providers' clocks differ, and some lists show whole seconds.
const ROUNDING_MS: i64 = 60_000;
/// Pages of a list that are read at most; what was just done is on the first.
const PAGES: usize = 20;
/// An email may be repeated with its key so long after its first call.
const EMAIL_REPEATS_MS: i64 = 12 * 3_600_000;
/// An invitation may be repeated once so long after its first call.
const INVITE_REPEATS_MS: i64 = 14 * DAY_MS;

/// From when on a message may be the one in doubt, and which ones are others.
type Since<'a> = (i64, &'a BTreeSet<String>);

/// What the provider shows.
pub(super) enum Shown {
    /// It was done; the provider's id of it, and of its chat.
    Done {
        message_id: Option<String>,
        chat_id: Option<String>,
        is_connection: bool,
    },
    Absent,
}

impl OutreachWork {
    /// Asks the provider about a touch in doubt, settles it, or repeats what may be repeated.
    pub(super) async fn reconcile(
        &self,
        input: &TouchInput,
        background: &Background,
        target: &Target,
    ) -> Result<(), ActivityError> {
        let Some(touch) = &target.touch else { return Ok(()) };
        fail_point("touch-in-reconcile").await;
        let claimed = self.claimed_ids(target).await?;
        let shown = match self.shown(target, touch, &claimed).await {
            Ok(shown) => shown,
            // A lost account ends the asking until it is back; any other question is asked again.
            Err(InquiryError::Send(error)) => return self.unanswered(input, target, error).await,
            Err(InquiryError::NotBefore(at_ms)) => return self.ask_later(input, target, at_ms).await,
            Err(InquiryError::Store(error)) => return Err(store_failure(error)),
        };
        let tenant = input.enrollment.tenant.as_str();
        match shown {
            Shown::Done { message_id, chat_id, is_connection } => self
                .store
                .write(|transaction| {
                    let (message_id, chat_id) = (message_id.as_deref(), chat_id.as_deref());
                    async move {
                        lock_person(transaction, self.store.for_update(), tenant, &target.person_id).await?;
                        let now_ms = self.now_ms(transaction).await?;
                        if !settle_sent(transaction, tenant, &touch.id, message_id, chat_id, "found", now_ms).await? {
                            // It has settled another touch of the account: this one stays in doubt.
                            let unsent = Unsent::Unknown { problem: Some("absent"), not_before_ms: None };
                            return settle_unsent(transaction, tenant, touch, &target.token, unsent, now_ms).await;
                        }
                        let seen = Seen { chat_id, is_connection, by: "profile", ..Seen::default() };
                        note_seen(transaction, tenant, target, seen, now_ms).await
                    }
                    .boxed()
                })
                .await
                .map_err(store_failure),
            Shown::Absent => {
                let claimed = Claimed::now();
                let repeat = self
                    .store
                    .write(|transaction| self.repeat(transaction, input, background, target, touch).boxed())
                    .await
                    .map_err(store_failure)?;
                match repeat {
                    Some(again) => self.call(input, &Target { touch: Some(again), claimed, ..target.clone() }).await,
                    None => Ok(()),
                }
            }
        }
    }

    async fn shown(&self, target: &Target, touch: &Touch, claimed: &BTreeSet<String>) -> Result<Shown, InquiryError> {
        let since_ms = touch.called_at_ms.unwrap_or(0) - ROUNDING_MS;
        let request = touch.request.as_deref().and_then(|request| from_json::<SendRequest>(request).ok());
        match request {
            Some(SendRequest::Invite { person_provider_id, .. }) => {
                self.invitation(target, touch, &person_provider_id).await
            }
            Some(SendRequest::Message { chat_id, text }) => {
                Ok(self.message(target, &chat_id, &text, (since_ms, claimed)).await?)
            }
            Some(
                SendRequest::StartChat { person_provider_id, text }
                | SendRequest::InMail { person_provider_id, text, .. },
            ) => match self.chat_with(target, &person_provider_id).await? {
                Some(chat_id) => Ok(self.message(target, &chat_id, &text, (since_ms, claimed)).await?),
                None => Ok(Shown::Absent),
            },
            Some(SendRequest::Email { to_address, subject, .. }) => {
                Ok(self.email(target, &to_address, &subject, (since_ms, claimed)).await?)
            }
            Some(SendRequest::VisitProfile { .. }) | None => {
                Ok(Shown::Done { message_id: None, chat_id: None, is_connection: false })
            }
        }
    }

    async fn invitation(&self, target: &Target, touch: &Touch, person: &str) -> Result<Shown, InquiryError> {
        let account = target.account.provider_account_id.as_str();
        let inquiry = Inquiry {
            store: &self.store,
            sender: &*self.sender,
            clock: self.clock,
            read_ms: self.config.timings.touch_read_ms,
            account: &target.account,
            campaign_id: &touch.campaign_id,
            enrollment_id: &touch.enrollment_id,
            person_id: &target.person_id,
        };
        let profile = inquiry.profile(person).await?;
        let done = |message_id, is_connection| Ok(Shown::Done { message_id, chat_id: None, is_connection });
        if profile.is_connection {
            return done(None, true);
        }
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES {
            let page = self.sender.sent_invitations(account, cursor.as_deref()).await?;
            let found = page.items.into_iter().find(|invitation| {
                invitation.person_provider_id.as_deref() == Some(person)
                    || invitation.person_public_id.as_deref() == Some(target.public_id.as_str())
            });
            if let Some(invitation) = found {
                return done(Some(invitation.id), false);
            }
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        if profile.invitation == Some(InvitationState::Pending) { done(None, false) } else { Ok(Shown::Absent) }
    }

    async fn chat_with(&self, target: &Target, person: &str) -> Result<Option<String>, SendError> {
        let account = target.account.provider_account_id.as_str();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES {
            let page = self.sender.chats(account, cursor.as_deref()).await?;
            let found = page.items.into_iter().find(|chat| chat.person_provider_id.as_deref() == Some(person));
            if let Some(chat) = found {
                return Ok(Some(chat.id));
            }
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(None)
    }

    async fn message(&self, target: &Target, chat_id: &str, text: &str, since: Since<'_>) -> Result<Shown, SendError> {
        let (since_ms, claimed) = since;
        let account = target.account.provider_account_id.as_str();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES {
            let page = self.sender.chat_messages(account, chat_id, cursor.as_deref()).await?;
            let mut is_older = false;
            for message in page.items {
                is_older |= message.at_ms.is_some_and(|at_ms| at_ms < since_ms);
                let is_it = message.is_ours
                    && message.at_ms.is_none_or(|at_ms| at_ms >= since_ms)
                    && message.text.as_deref().is_some_and(|other| same_text(other, text));
                if is_it && !claimed.contains(&message.id) {
                    let chat_id = Some(chat_id.to_owned());
                    return Ok(Shown::Done { message_id: Some(message.id), chat_id, is_connection: false });
                }
            }
            cursor = page.cursor;
            if is_older || cursor.is_none() {
                break;
            }
        }
        Ok(Shown::Absent)
    }

    async fn email(&self, target: &Target, to: &str, subject: &str, since: Since<'_>) -> Result<Shown, SendError> {
        let (since_ms, claimed) = since;
        let account = target.account.provider_account_id.as_str();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES {
            let page = self.sender.emails(account, cursor.as_deref()).await?;
            let mut is_older = false;
            for mail in page.items {
                is_older |= mail.at_ms.is_some_and(|at_ms| at_ms < since_ms);
                let is_it = mail.is_ours
                    && mail.at_ms.is_none_or(|at_ms| at_ms >= since_ms)
                    && mail.to.iter().any(|address| address.eq_ignore_ascii_case(to))
                    && same_text(&mail.subject, subject);
                let id = mail.tracking_id.or(mail.message_id).unwrap_or(mail.id);
                if is_it && !claimed.contains(&id) {
                    return Ok(Shown::Done { message_id: Some(id), chat_id: None, is_connection: false });
                }
            }
            cursor = page.cursor;
            if is_older || cursor.is_none() {
                break;
            }
        }
        Ok(Shown::Absent)
    }

    /// The provider's ids that settled other touches of this person: each settles one.
    async fn claimed_ids(&self, target: &Target) -> Result<BTreeSet<String>, ActivityError> {
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT provider_message_id FROM touches WHERE tenant = $1 AND account_id = $2 AND person_id = $3 \
             AND provider_message_id IS NOT NULL",
        )
        .bind(&target.account.tenant)
        .bind(&target.account.id)
        .bind(&target.person_id)
        .fetch_all(self.store.read())
        .await
        .map_err(|error| store_failure(self.store.error(error)))?;
        Ok(ids.into_iter().collect())
    }

    /// Claims a repeat where the provider itself keeps it single, and everything still allows the contact; else leaves the
    /// doubt to the account's readings.
    async fn repeat(
        &self,
        transaction: &mut AnyConnection,
        input: &TouchInput,
        background: &Background,
        target: &Target,
        touch: &Touch,
    ) -> Result<Option<Touch>, StoreError> {
        let situation = self.situation(transaction, background, &input.enrollment).await?;
        // The person turned out to be somebody known: the right row was not locked.
        if situation.enrollment.person_id != background.lead.person_id {
            return Ok(None);
        }
        let now_ms = situation.now_ms;
        let age_ms = now_ms - touch.called_at_ms.unwrap_or(now_ms);
        let may_repeat = match touch.action {
            Action::Email => age_ms < EMAIL_REPEATS_MS,
            Action::Invite => touch.calls < 2 && age_ms < INVITE_REPEATS_MS,
            Action::VisitProfile | Action::Message | Action::Inmail => false,
        };
        let account = situation.account(touch.action).filter(|account| account.id == touch.account_id);
        let tenant = input.enrollment.tenant.as_str();
        let unsent = |problem, not_before_ms| Unsent::Unknown { problem, not_before_ms };
        let is_open = situation.enrollment.is_open && situation.forbidden.is_none();
        let Some(account) = account.filter(|_| may_repeat && is_open) else {
            settle_unsent(transaction, tenant, touch, &target.token, unsent(Some("absent"), None), now_ms).await?;
            return Ok(None);
        };
        if !is_running(&situation, account) {
            // What is paused may go on tomorrow.
            let unsent = unsent(None, Some(now_ms + DAY_MS));
            settle_unsent(transaction, tenant, touch, &target.token, unsent, now_ms).await?;
            return Ok(None);
        }
        // What puts off a first call puts off its repeat.
        let put_off_ms = [account.deferred_until_ms, situation.absent_until_ms].into_iter().flatten().max();
        let mut put_off_ms = put_off_ms.filter(|until_ms| *until_ms > now_ms);
        let uses = uses(transaction, tenant, &account.id, Some(touch.action), now_ms, None, Some(&touch.id)).await?;
        let check = CheckRequest {
            now_ms,
            action: touch.action,
            has_note: touch.has_note,
            limits: &account.settings.limits,
            sender: &background.sender_calendar(account)?,
            lead: &background.lead_calendar()?,
            uses: &uses,
        };
        put_off_ms = put_off_ms.max(planner::check(&check).map(|(_, at_ms)| at_ms));
        if put_off_ms.is_none() {
            // Last, because whoever is let through after a pause has to call.
            put_off_ms = self.gate.open_until(transaction, Provider::Unipile, &target.token, now_ms).await?;
        }
        if put_off_ms.is_some() {
            settle_unsent(transaction, tenant, touch, &target.token, unsent(None, put_off_ms), now_ms).await?;
            return Ok(None);
        }
        let request = touch.request.clone().unwrap_or_default();
        claim_again(transaction, tenant, touch, self.claim_of(&target.token, &request, now_ms)).await
    }

    /// The account's limits put the question off; one that they never allow is put off from day to day.
    async fn ask_later(&self, input: &TouchInput, target: &Target, at_ms: i64) -> Result<(), ActivityError> {
        let Some(touch) = &target.touch else { return Ok(()) };
        let tenant = input.enrollment.tenant.as_str();
        self.store
            .write(|transaction| {
                async move {
                    lock_person(transaction, self.store.for_update(), tenant, &target.person_id).await?;
                    let now_ms = self.now_ms(transaction).await?;
                    let not_before_ms = Some(at_ms.clamp(now_ms + 1, now_ms + DAY_MS));
                    let unsent = Unsent::Unknown { problem: None, not_before_ms };
                    settle_unsent(transaction, tenant, touch, &target.token, unsent, now_ms).await
                }
                .boxed()
            })
            .await
            .map_err(store_failure)
    }

    /// The question has no answer now. What the provider wants is noted; the doubt stays, whatever that is.
    async fn unanswered(&self, input: &TouchInput, target: &Target, error: SendError) -> Result<(), ActivityError> {
        let Some(touch) = &target.touch else { return Ok(()) };
        let (tenant, account) = (input.enrollment.tenant.as_str(), target.account.id.as_str());
        if matches!(error.verdict, Verdict::Backoff | Verdict::Unknown) {
            return Err(send_failure(error));
        }
        self.store
            .write(|transaction| {
                let kind = error.kind.as_str();
                async move {
                    lock_person(transaction, self.store.for_update(), tenant, &target.person_id).await?;
                    let now_ms = self.now_ms(transaction).await?;
                    let note = note_account(transaction, tenant, account, (kind, error.verdict), now_ms).await?;
                    let (problem, not_before_ms) = match (note, error.verdict) {
                        (Some(not_before_ms), _) => (None, not_before_ms),
                        (None, Verdict::DeferLead { wait }) => (None, Some(later(now_ms, wait))),
                        (None, _) => (Some(kind), None),
                    };
                    let unsent = Unsent::Unknown { problem, not_before_ms };
                    settle_unsent(transaction, tenant, touch, &target.token, unsent, now_ms).await
                }
                .boxed()
            })
            .await
            .map_err(store_failure)
    }
}

/// Whether neither the lead nor the campaign nor the account is held by anybody.
fn is_running(situation: &Situation, account: &Account) -> bool {
    situation.enrollment.paused.is_none() && situation.campaign_state == "running" && account.state == "active"
}
