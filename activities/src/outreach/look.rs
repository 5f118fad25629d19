//! Reading a person's profile before a contact: their id for this account, and whether the contact is needed at all.

use super::activities::{OutreachWork, send_failure, store_failure};
use super::settle::{Outcome, Seen, later, note_account, note_seen};
use super::touch::{BEGIN_WITHIN, Target};
use crate::senders::{InvitationState, ProfileView, SendError, Verdict};
use crate::store::StoreError;
use crate::store::enrollments::{lock_account, lock_person};
use crate::store::touches::{TouchKey, defer_uncalled, end_look, note_done_elsewhere, refuse_uncalled};
use futures::FutureExt;
use leadflow_workflows::domain::outreach::Action;
use leadflow_workflows::domain::permits::DAY_MS;
use leadflow_workflows::domain::provider::Provider;
use sqlx::AnyConnection;
use std::time::Duration;
use temporalio_sdk::activities::ActivityError;

/// LinkedIn takes no new invitation so long after one was withdrawn.
const WITHDRAWN_MS: i64 = 21 * DAY_MS;

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
                    let is_good = read.as_ref().err().is_none_or(|error| !Outcome::speaks_against_provider(error));
                    self.gate.call_ended(transaction, Provider::Unipile, is_good, now_ms).await?;
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
