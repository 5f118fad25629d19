//! What became of a call whose answer never came. Found is proof; absent is none.

use super::activities::{OutreachWork, send_failure, store_failure};
use super::planner::{self, CheckRequest};
use super::settle::{Seen, note_seen};
use super::situation::{Background, Situation};
use super::touch::Target;
use crate::failpoint::fail_point;
use crate::senders::{InvitationState, SendError, SendRequest, Verdict};
use crate::store::StoreError;
use crate::store::accounts::{Account, set_account_state};
use crate::store::searches::from_json;
use crate::store::touches::{Touch, TouchKey, Unsent, claim, settle_sent, settle_unsent, uses};
use futures::FutureExt;
use leadflow_workflows::contract::TouchInput;
use leadflow_workflows::domain::outreach::Action;
use sqlx::AnyConnection;
use std::time::Instant;
use temporalio_sdk::activities::ActivityError;

/// Pages of a list that are read at most; what was just done is on the first.
const PAGES: usize = 20;
/// An email may be repeated with its key so long after its first call.
const EMAIL_REPEATS_MS: i64 = 12 * 3_600_000;
/// An invitation may be repeated once so long after its first call.
const INVITE_REPEATS_MS: i64 = 14 * 86_400_000;

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
        let shown = match self.shown(target, touch).await {
            Ok(shown) => shown,
            // A lost account ends the asking until it is back; any other question is asked again.
            Err(error) => return self.unanswered(input, target, error).await,
        };
        let tenant = input.enrollment.tenant.as_str();
        match shown {
            Shown::Done { message_id, chat_id, is_connection } => self
                .store
                .write(|transaction| {
                    let (message_id, chat_id) = (message_id.as_deref(), chat_id.as_deref());
                    async move {
                        let now_ms = self.now_ms(transaction).await?;
                        settle_sent(transaction, tenant, &touch.id, message_id, chat_id, "found", now_ms).await?;
                        let seen = Seen { chat_id, is_connection, by: "profile", ..Seen::default() };
                        note_seen(transaction, tenant, target, seen, now_ms).await
                    }
                    .boxed()
                })
                .await
                .map_err(store_failure),
            Shown::Absent => {
                let claimed = Instant::now();
                let repeat = self
                    .store
                    .write(|transaction| self.repeat(transaction, input, background, target, touch).boxed())
                    .await
                    .map_err(store_failure)?;
                match repeat {
                    Some(again) => self.call(input, &target.again(again, claimed)).await,
                    None => Ok(()),
                }
            }
        }
    }

    async fn shown(&self, target: &Target, touch: &Touch) -> Result<Shown, SendError> {
        let since_ms = touch.called_at_ms.unwrap_or(0);
        let request = touch.request.as_deref().and_then(|request| from_json::<SendRequest>(request).ok());
        match request {
            Some(SendRequest::Invite { person_provider_id, .. }) => self.invitation(target, &person_provider_id).await,
            Some(SendRequest::Message { chat_id, text }) => self.message(target, &chat_id, &text, since_ms).await,
            Some(
                SendRequest::StartChat { person_provider_id, text }
                | SendRequest::InMail { person_provider_id, text, .. },
            ) => match self.chat_with(target, &person_provider_id).await? {
                Some(chat_id) => self.message(target, &chat_id, &text, since_ms).await,
                None => Ok(Shown::Absent),
            },
            Some(SendRequest::Email { to_address, subject, .. }) => {
                self.email(target, &to_address, &subject, since_ms).await
            }
            Some(SendRequest::VisitProfile { .. }) | None => {
                Ok(Shown::Done { message_id: None, chat_id: None, is_connection: false })
            }
        }
    }

    async fn invitation(&self, target: &Target, person: &str) -> Result<Shown, SendError> {
        let account = target.account.provider_account_id.as_str();
        let profile = self.sender.profile(account, person).await?;
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

    async fn message(&self, target: &Target, chat_id: &str, text: &str, since_ms: i64) -> Result<Shown, SendError> {
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
                if is_it && self.is_unclaimed(target, &message.id).await {
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

    async fn email(&self, target: &Target, to: &str, subject: &str, since_ms: i64) -> Result<Shown, SendError> {
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
                if is_it && self.is_unclaimed(target, &id).await {
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

    /// Each message of the provider settles one touch.
    async fn is_unclaimed(&self, target: &Target, message_id: &str) -> bool {
        let taken: Result<i64, _> = sqlx::query_scalar(
            "SELECT COUNT(*) FROM touches WHERE tenant = $1 AND account_id = $2 AND provider_message_id = $3",
        )
        .bind(&target.account.tenant)
        .bind(&target.account.id)
        .bind(message_id)
        .fetch_one(self.store.read())
        .await;
        taken.is_ok_and(|taken| taken == 0)
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
        let now_ms = situation.now_ms;
        let age_ms = now_ms - touch.called_at_ms.unwrap_or(now_ms);
        let may_repeat = match touch.action {
            Action::Email => age_ms < EMAIL_REPEATS_MS,
            Action::Invite => touch.calls < 2 && age_ms < INVITE_REPEATS_MS,
            Action::VisitProfile | Action::Message | Action::Inmail => false,
        };
        let account = situation.account(touch.action).filter(|account| account.id == touch.account_id);
        let tenant = input.enrollment.tenant.as_str();
        let Some(account) = account.filter(|account| may_repeat && is_wanted(&situation, account)) else {
            let unsent = Unsent::Unknown { problem: Some("absent"), not_before_ms: None };
            settle_unsent(transaction, tenant, touch, &target.token, unsent, now_ms).await?;
            return Ok(None);
        };
        let uses = uses(transaction, tenant, &account.id, now_ms, None, Some(&touch.id)).await?;
        let check = CheckRequest {
            now_ms,
            action: touch.action,
            has_note: touch.has_note,
            limits: &account.settings.limits,
            sender: &background.sender_calendar(account)?,
            lead: &background.lead_calendar()?,
            uses: &uses,
        };
        if let Some((_, at_ms)) = planner::check(&check) {
            let unsent = Unsent::Unknown { problem: None, not_before_ms: Some(at_ms) };
            settle_unsent(transaction, tenant, touch, &target.token, unsent, now_ms).await?;
            return Ok(None);
        }
        let held = situation.touch(&touch.step_id).is_some_and(|row| row.token.as_deref() == Some(&target.token));
        if !held {
            return Ok(None);
        }
        let key = TouchKey {
            tenant,
            campaign_id: &touch.campaign_id,
            enrollment_id: &touch.enrollment_id,
            person_id: &touch.person_id,
            account_id: &touch.account_id,
            step_id: &touch.step_id,
            action: touch.action,
            has_note: touch.has_note,
        };
        let request = touch.request.clone().unwrap_or_default();
        claim(transaction, key, self.claim_of(&target.token, &request, now_ms)).await
    }

    async fn unanswered(&self, input: &TouchInput, target: &Target, error: SendError) -> Result<(), ActivityError> {
        let state = match error.verdict {
            Verdict::PauseAccount { restricted: true } => "restricted",
            Verdict::PauseAccount { restricted: false } => "disconnected",
            Verdict::NeedsPerson => "held",
            _ => return Err(send_failure(error)),
        };
        let (tenant, account) = (input.enrollment.tenant.as_str(), target.account.id.as_str());
        self.store
            .write(|transaction| {
                let kind = error.kind.as_str();
                async move {
                    let now_ms = self.now_ms(transaction).await?;
                    set_account_state(transaction, tenant, account, state, Some(kind), now_ms).await.map(drop)
                }
                .boxed()
            })
            .await
            .map_err(store_failure)
    }
}

/// Whether the contact would be made now if it had not been tried before: nobody replied, and nothing is paused.
fn is_wanted(situation: &Situation, account: &Account) -> bool {
    situation.enrollment.is_open
        && situation.enrollment.paused.is_none()
        && situation.forbidden.is_none()
        && situation.campaign_state == "running"
        && account.state == "active"
}

impl Target {
    fn again(&self, touch: Touch, claimed: Instant) -> Self {
        Self {
            action: self.action,
            account: self.account.clone(),
            person_id: self.person_id.clone(),
            public_id: self.public_id.clone(),
            provider_id: self.provider_id.clone(),
            chat_id: self.chat_id.clone(),
            email: self.email.clone(),
            touch: Some(touch),
            token: self.token.clone(),
            claimed,
        }
    }
}

/// Equal but for white space, which providers change.
fn same_text(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}
