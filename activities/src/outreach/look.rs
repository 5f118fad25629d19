//! Reading a person's profile before a contact: their id for this account, and whether the contact is needed at all.

use super::activities::{OutreachWork, send_failure, store_failure};
use super::settle::{ALREADY_INVITED, Seen, health, later, note_account, note_seen};
use super::touch::{BEGIN_WITHIN, Target};
use crate::senders::{InvitationState, ProfileView, SendError, Sender, Verdict};
use crate::store::accounts::Account;
use crate::store::enrollments::{lock_account, lock_person};
use crate::store::touches::{
    TouchKey, defer_uncalled, end_look, note_done_elsewhere, note_look, refuse_uncalled, uses,
};
use crate::store::{Store, StoreError};
use futures::FutureExt;
use leadflow_clock::Clock;
use leadflow_workflows::domain::outreach::{Action, Hold};
use leadflow_workflows::domain::permits::{DAY_MS, Limits, refusal};
use leadflow_workflows::domain::provider::Provider;
use sqlx::AnyConnection;
use std::time::{Duration, Instant};
use temporalio_sdk::activities::ActivityError;

/// A profile that was read within this time need not be read again before an invitation.
const LOOK_HOLDS_MS: i64 = DAY_MS;
/// LinkedIn takes no new invitation so long after one was withdrawn.
const WITHDRAWN_MS: i64 = 21 * DAY_MS;
/// An invitation that LinkedIn calls too recent, although none is pending.
const INVITED_BEFORE_MS: i64 = 21 * DAY_MS;

impl OutreachWork {
    /// Reads the profile, and notes what it says about the contact that was to come.
    ///
    /// # Errors
    /// The profile could not be read; tried again.
    pub(super) async fn look(&self, key: TouchKey<'_>, target: &Target, look_id: &str) -> Result<(), ActivityError> {
        let begin_within = Duration::from_millis(self.config.timings.touch_read_ms / BEGIN_WITHIN);
        if target.claimed.elapsed() >= begin_within {
            // Too late, as with a contact: what was noted of it no longer covers it.
            return Ok(());
        }
        let read = self.sender.profile(&target.account.provider_account_id, &target.public_id).await;
        let noted = self
            .store
            .write(|transaction| {
                let read = &read;
                async move {
                    let for_update = self.store.for_update();
                    lock_person(transaction, for_update, key.tenant, key.person_id).await?;
                    lock_account(transaction, for_update, key.tenant, key.account_id).await?;
                    let now_ms = self.now_ms(transaction).await?;
                    end_look(transaction, key.tenant, look_id, now_ms).await?;
                    self.gate.call_ended(transaction, Provider::Unipile, &target.token, health(read), now_ms).await?;
                    match read {
                        Ok(profile) => note_profile(transaction, key, target, profile, now_ms).await.map(|()| true),
                        Err(error) => note_error(transaction, key, error, now_ms).await,
                    }
                }
                .boxed()
            })
            .await
            .map_err(store_failure)?;
        match read {
            Err(error) if !noted => Err(send_failure(error)),
            _ => Ok(()),
        }
    }
}

/// LinkedIn's ids differ from account to account; and before an invitation it is seen whether one is needed. `knows_person`:
/// whether their id for this account is known.
pub(super) fn needs_look(action: Action, knows_person: bool, looked_at_ms: Option<i64>, now_ms: i64) -> bool {
    match action {
        Action::Invite => !knows_person || looked_at_ms.is_none_or(|at_ms| now_ms - at_ms >= LOOK_HOLDS_MS),
        Action::Message | Action::Inmail => !knows_person,
        Action::VisitProfile | Action::Email => false,
    }
}

/// A profile that is read to find out what became of an invitation, or who has written. The provider limits it like a look
/// before a contact, so it counts like one.
pub(super) struct Inquiry<'a> {
    pub(super) store: &'a Store,
    pub(super) sender: &'a dyn Sender,
    pub(super) clock: Clock,
    /// Real time that the call may take.
    pub(super) read_ms: u64,
    pub(super) account: &'a Account,
    pub(super) campaign_id: &'a str,
    pub(super) enrollment_id: &'a str,
    pub(super) person_id: &'a str,
}

/// Why an inquiry has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum InquiryError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Send(#[from] SendError),
    /// It was not made: it may be from this instant on.
    #[error("the account's limits allow no look at a profile now")]
    NotBefore(i64),
}

impl Inquiry<'_> {
    /// Reads the profile of `person`, the provider's name of them, if the limits allow a look now.
    pub(super) async fn profile(&self, person: &str) -> Result<ProfileView, InquiryError> {
        let (store, tenant) = (self.store, self.account.tenant.as_str());
        let key = TouchKey {
            tenant,
            campaign_id: self.campaign_id,
            enrollment_id: self.enrollment_id,
            person_id: self.person_id,
            account_id: &self.account.id,
            step_id: "",
            action: Action::VisitProfile,
            has_note: false,
        };
        let claimed = Instant::now();
        let counted = store
            .write(|transaction| {
                async move {
                    lock_person(transaction, store.for_update(), tenant, key.person_id).await?;
                    lock_account(transaction, store.for_update(), tenant, key.account_id).await?;
                    let now_ms = store.now_ms(transaction, self.clock).await?;
                    let limits = &self.account.settings.limits;
                    if let Some((_, at_ms)) = look_refused(transaction, key, limits, now_ms).await? {
                        return Ok(Err(InquiryError::NotBefore(at_ms)));
                    }
                    let deadline_ms = now_ms + look_takes_ms(self.clock, self.read_ms);
                    Ok(Ok(note_look(transaction, key, now_ms, deadline_ms).await?))
                }
                .boxed()
            })
            .await?;
        let look_id = counted?;
        if claimed.elapsed() >= Duration::from_millis(self.read_ms / BEGIN_WITHIN) {
            return Err(InquiryError::NotBefore(self.clock.now_ms()));
        }
        let read = self.sender.profile(&self.account.provider_account_id, person).await;
        store
            .write(|transaction| {
                let look_id = &look_id;
                async move {
                    let now_ms = store.now_ms(transaction, self.clock).await?;
                    end_look(transaction, tenant, look_id, now_ms).await
                }
                .boxed()
            })
            .await?;
        Ok(read?)
    }
}

/// How long a look that is noted now may go on, on the installation's clock.
pub(super) fn look_takes_ms(clock: Clock, read_ms: u64) -> i64 {
    clock.virtual_ms(Duration::from_millis(read_ms + read_ms / BEGIN_WITHIN))
}

/// Whether the account's profile views allow no look now, asked under its lock: what refuses it, and until when.
pub(super) async fn look_refused(
    transaction: &mut AnyConnection,
    key: TouchKey<'_>,
    limits: &Limits,
    now_ms: i64,
) -> Result<Option<(Hold, i64)>, StoreError> {
    let action = Action::VisitProfile;
    let uses = uses(transaction, key.tenant, key.account_id, Some(action), now_ms, None, None).await?;
    Ok(refusal(limits, action, false, &uses, now_ms))
}

async fn note_profile(
    transaction: &mut AnyConnection,
    key: TouchKey<'_>,
    target: &Target,
    profile: &ProfileView,
    now_ms: i64,
) -> Result<(), StoreError> {
    let seen = Seen {
        provider_id: Some(&profile.provider_id),
        chat_id: None,
        is_connection: profile.is_connection,
        is_look: true,
        by: "profile",
    };
    note_seen(transaction, key.tenant, target, seen, now_ms).await?;
    match profile.invitation {
        _ if key.action != Action::Invite => Ok(()),
        // Made by hand, or before the person came to us: it is waited for like one of ours, and counts for nobody.
        Some(InvitationState::Pending) => note_done_elsewhere(transaction, key, "pending_already", now_ms).await,
        Some(InvitationState::Withdrawn) => {
            defer_uncalled(transaction, key, "invitation_withdrawn", now_ms + WITHDRAWN_MS, now_ms).await
        }
        // One that was refused as too recent, and has not been put off for that: nothing is pending.
        _ if !profile.is_connection
            && target.touch.as_ref().is_some_and(|touch| {
                touch.deferred_by.as_deref() == Some(ALREADY_INVITED) && touch.not_before_ms.is_none()
            }) =>
        {
            defer_uncalled(transaction, key, ALREADY_INVITED, now_ms + INVITED_BEFORE_MS, now_ms).await
        }
        Some(InvitationState::Ignored | InvitationState::ReceivedPending) | None => Ok(()),
    }
}

/// Acts on an error as its row in the provider's table says; `false` when there is nothing to do but to try again.
async fn note_error(
    transaction: &mut AnyConnection,
    key: TouchKey<'_>,
    error: &SendError,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let kind = error.kind.as_str();
    if note_account(transaction, key.tenant, key.account_id, (kind, error.verdict), now_ms).await?.is_some() {
        return Ok(true);
    }
    match error.verdict {
        Verdict::DeferLead { wait } => defer_uncalled(transaction, key, kind, later(now_ms, wait), now_ms).await?,
        Verdict::Unreachable | Verdict::Refused | Verdict::BadAddress | Verdict::NoCredits => {
            refuse_uncalled(transaction, key, kind, now_ms).await?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}
