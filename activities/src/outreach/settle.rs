//! What the answer to a call means for its touch, its account and its person.

use super::activities::OutreachWork;
use super::touch::Target;
use crate::gate::Health;
use crate::senders::{SendError, Sent, Verdict};
use crate::store::StoreError;
use crate::store::accounts::{defer_account, set_account_state};
use crate::store::enrollments::{lock_account, lock_person};
use crate::store::persons::bury_email;
use crate::store::sequences::sequence_of;
use crate::store::suppressions::suppress;
use crate::store::touches::{AGAIN_MS, Touch, Unsent, settle_sent, settle_unsent};
use crate::telemetry::counters;
use futures::FutureExt;
use leadflow_workflows::contract::TouchInput;
use leadflow_workflows::domain::outreach::Action;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::domain::suppression::{SuppressionKind, SuppressionOrigin};
use sqlx::AnyConnection;
use std::time::Duration;

/// What LinkedIn's word for an earlier invitation puts a contact off by, until a look shows whether that one is pending.
pub(super) const ALREADY_INVITED: &str = "already_invited_recently";

/// The kind of a call that was claimed and not made, because its time had run out.
pub(super) const BEGAN_TOO_LATE: &str = "began_too_late";

/// How a call ended.
pub(super) enum Outcome {
    Sent(Sent),
    Unsent { kind: String, verdict: Verdict, health: Health },
}

impl Outcome {
    pub(super) fn of(answer: Result<Sent, SendError>) -> Self {
        let health = health(&answer);
        match answer {
            Ok(sent) => Self::Sent(sent),
            Err(SendError { kind, verdict, .. }) => Self::Unsent { kind, verdict, health },
        }
    }

    pub(super) fn unsent(kind: &str, verdict: Verdict) -> Self {
        Self::Unsent { kind: kind.to_owned(), verdict, health: Health::Neutral }
    }
}

/// What an answer says about the provider: time-outs, connection errors and 5xx count against it, other errors not at all.
pub(super) fn health<T>(answer: &Result<T, SendError>) -> Health {
    match answer {
        Ok(_) => Health::Good,
        Err(error) if error.status.is_none_or(|status| status >= 500) => Health::Bad,
        Err(_) => Health::Neutral,
    }
}

impl OutreachWork {
    /// Writes the outcome down, if this attempt still holds the claim.
    pub(super) async fn settle(
        &self,
        input: &TouchInput,
        target: &Target,
        touch: &Touch,
        outcome: &Outcome,
    ) -> Result<(), StoreError> {
        let tenant = input.enrollment.tenant.as_str();
        let settled = self
            .store
            .write(|transaction| {
                async move {
                    let for_update = self.store.for_update();
                    lock_person(transaction, for_update, tenant, &target.person_id).await?;
                    lock_account(transaction, for_update, tenant, &target.account.id).await?;
                    let now_ms = self.now_ms(transaction).await?;
                    self.note_health(transaction, target, outcome, now_ms).await?;
                    match outcome {
                        Outcome::Sent(sent) => {
                            self.note_sent(transaction, tenant, target, touch, sent, now_ms).await?;
                        }
                        Outcome::Unsent { kind, verdict, .. } => {
                            let unsent =
                                self.note_unsent(transaction, tenant, target, touch, (kind, *verdict), now_ms).await?;
                            if let Some(unsent) = unsent {
                                let settled = unsent.name();
                                settle_unsent(transaction, tenant, touch, &target.token, unsent, now_ms).await?;
                                return Ok(settled);
                            }
                        }
                    }
                    Ok("sent")
                }
                .boxed()
            })
            .await?;
        counters::touch(touch.action, settled);
        Ok(())
    }

    async fn note_health(
        &self,
        transaction: &mut AnyConnection,
        target: &Target,
        outcome: &Outcome,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let health = match outcome {
            // No call was made.
            Outcome::Unsent { kind, .. } if kind == BEGAN_TOO_LATE => return Ok(()),
            Outcome::Unsent { health, .. } => *health,
            Outcome::Sent(_) => Health::Good,
        };
        self.gate.call_ended(transaction, Provider::Unipile, &target.token, health, now_ms).await
    }

    /// A good answer settles the touch whoever holds the claim by now: it was made.
    async fn note_sent(
        &self,
        transaction: &mut AnyConnection,
        tenant: &str,
        target: &Target,
        touch: &Touch,
        sent: &Sent,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let message = sent.message_id.as_deref().or(sent.invitation_id.as_deref());
        let settled =
            settle_sent(transaction, tenant, &touch.id, message, sent.chat_id.as_deref(), "answered", now_ms).await?;
        if !settled && message.is_some() {
            // The provider repeated an id of another touch; this one was made all the same.
            settle_sent(transaction, tenant, &touch.id, None, sent.chat_id.as_deref(), "answered", now_ms).await?;
        }
        let profile = sent.profile.as_ref();
        note_seen(
            transaction,
            tenant,
            target,
            Seen {
                provider_id: profile.map(|profile| profile.provider_id.as_str()),
                chat_id: sent.chat_id.as_deref(),
                is_connection: profile.is_some_and(|profile| profile.is_connection),
                is_look: profile.is_some(),
                by: "profile",
            },
            now_ms,
        )
        .await
    }

    /// Acts on an error as its row in the provider's table says, and tells what becomes of the touch; `None` when that is
    /// settled already.
    async fn note_unsent<'a>(
        &self,
        transaction: &mut AnyConnection,
        tenant: &str,
        target: &Target,
        touch: &Touch,
        (kind, verdict): (&'a str, Verdict),
        now_ms: i64,
    ) -> Result<Option<Unsent<'a>>, StoreError> {
        let released = |not_before_ms| Some(Unsent::Released { problem: kind, not_before_ms });
        Ok(match verdict {
            Verdict::AlreadyConnected if touch.calls > 1 => {
                settle_sent(transaction, tenant, &touch.id, None, None, kind, now_ms).await?;
                let seen = Seen { is_connection: true, by: "answer", ..Seen::default() };
                note_seen(transaction, tenant, target, seen, now_ms).await?;
                None
            }
            Verdict::AlreadyConnected => {
                let seen = Seen { is_connection: true, by: "answer", ..Seen::default() };
                note_seen(transaction, tenant, target, seen, now_ms).await?;
                Some(Unsent::Refused(kind))
            }
            // Refusing the second proves that the first was made.
            Verdict::AlreadyInvited if touch.calls > 1 => {
                settle_sent(transaction, tenant, &touch.id, None, None, kind, now_ms).await?;
                None
            }
            // Whether that invitation is pending is seen by looking.
            Verdict::AlreadyInvited => {
                expire_look(transaction, tenant, target).await?;
                Some(Unsent::Released { problem: ALREADY_INVITED, not_before_ms: None })
            }
            Verdict::DeferLead { wait } => released(Some(later(now_ms, wait))),
            Verdict::BadAddress => {
                if let Some(address) = &target.email {
                    let (kind, origin) = (SuppressionKind::Email, SuppressionOrigin::Bounce);
                    let reason = "mail to this address was refused for good";
                    suppress(transaction, tenant, kind, address, reason, origin, now_ms).await?;
                    // Else the suppression would close LinkedIn for the person, too.
                    bury_email(transaction, tenant, &target.person_id, address).await?;
                }
                Some(Unsent::Refused(leadflow_workflows::domain::walk::BAD_ADDRESS))
            }
            Verdict::NotConnected if disbelieve_connection(transaction, tenant, target, touch).await? => released(None),
            Verdict::NotConnected | Verdict::Unreachable | Verdict::NoCredits | Verdict::Refused => {
                Some(Unsent::Refused(kind))
            }
            Verdict::Backoff => released(Some(now_ms + AGAIN_MS)),
            // Nobody is told of a visit twice that matters, and reads have no outcome to doubt.
            Verdict::Unknown if touch.action == Action::VisitProfile => {
                settle_sent(transaction, tenant, &touch.id, None, None, kind, now_ms).await?;
                None
            }
            Verdict::Unknown => Some(Unsent::Unknown { problem: None, not_before_ms: None }),
            Verdict::DeferAccount { .. } | Verdict::PauseAccount { .. } | Verdict::NeedsPerson => {
                note_account(transaction, tenant, &target.account.id, (kind, verdict), now_ms).await?;
                released(None)
            }
        })
    }
}

/// Has the profile read again before the next invitation.
async fn expire_look(transaction: &mut AnyConnection, tenant: &str, target: &Target) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE account_people SET looked_at_ms = NULL WHERE tenant = $1 AND account_id = $2 AND person_id = $3",
    )
    .bind(tenant)
    .bind(&target.account.id)
    .bind(&target.person_id)
    .execute(transaction)
    .await?;
    Ok(())
}

/// Forgets a connection by which a message was refused, where the sequence can invite instead. `false` when that leads
/// nowhere: what was learnt since this contact was first planned has been believed once more already.
async fn disbelieve_connection(
    transaction: &mut AnyConnection,
    tenant: &str,
    target: &Target,
    touch: &Touch,
) -> Result<bool, StoreError> {
    let sequence = sequence_of(transaction, tenant, &touch.enrollment_id).await?;
    if !sequence.is_some_and(|sequence| sequence.actions().contains(&Action::Invite)) {
        return Ok(false);
    }
    let forgotten = sqlx::query(
        "UPDATE account_people SET connected_at_ms = NULL, connected_by = NULL, looked_at_ms = NULL \
         WHERE tenant = $1 AND account_id = $2 AND person_id = $3 \
         AND connected_at_ms <= (SELECT created_at_ms FROM touches WHERE tenant = $1 AND id = $4)",
    )
    .bind(tenant)
    .bind(&target.account.id)
    .bind(&target.person_id)
    .bind(&touch.id)
    .execute(&mut *transaction)
    .await?;
    if forgotten.rows_affected() == 0 {
        return Ok(false);
    }
    // A connection that comes about later has the same key, and is news.
    sqlx::query(
        "UPDATE events SET event_key = event_key || '/' || id \
         WHERE tenant = $1 AND account_id = $2 AND person_id = $3 AND kind = 'connected'",
    )
    .bind(tenant)
    .bind(&target.account.id)
    .bind(&target.person_id)
    .execute(transaction)
    .await?;
    Ok(true)
}

/// What an error means for the whole account, if it means anything: written down, with the instant until which the provider
/// wants it to wait, if it named one. `None` for errors that concern one contact.
pub(super) async fn note_account(
    transaction: &mut AnyConnection,
    tenant: &str,
    account: &str,
    (kind, verdict): (&str, Verdict),
    now_ms: i64,
) -> Result<Option<Option<i64>>, StoreError> {
    let state = match verdict {
        Verdict::PauseAccount { restricted: true } => "restricted",
        Verdict::PauseAccount { restricted: false } => "disconnected",
        Verdict::NeedsPerson => "held",
        Verdict::DeferAccount { wait, weekly } => {
            let wait = if weekly { wait.max(Duration::from_hours(7 * 24)) } else { wait };
            let until_ms = later(now_ms, wait);
            defer_account(transaction, tenant, account, until_ms, kind).await?;
            return Ok(Some(Some(until_ms)));
        }
        _ => return Ok(None),
    };
    set_account_state(transaction, tenant, account, state, Some(kind), now_ms).await?;
    Ok(Some(None))
}

/// The instant so long after `now_ms`.
pub(super) fn later(now_ms: i64, wait: Duration) -> i64 {
    now_ms.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

/// What a call showed of a person, as this account sees them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen<'a> {
    pub(super) provider_id: Option<&'a str>,
    pub(super) chat_id: Option<&'a str>,
    pub(super) is_connection: bool,
    pub(super) is_look: bool,
    /// What it was learnt by.
    pub(super) by: &'a str,
}

pub(super) async fn note_seen(
    transaction: &mut AnyConnection,
    tenant: &str,
    target: &Target,
    seen: Seen<'_>,
    now_ms: i64,
) -> Result<(), StoreError> {
    // Who was erased meanwhile stays erased, and who turned out to be somebody known is seen as that one.
    let known: Option<(Option<i64>, Option<String>)> =
        sqlx::query_as("SELECT removed_at_ms, merged_into FROM persons WHERE tenant = $1 AND id = $2")
            .bind(tenant)
            .bind(&target.person_id)
            .fetch_optional(&mut *transaction)
            .await?;
    let person_id = match known {
        Some((None, None)) => target.person_id.clone(),
        Some((None, Some(merged_into))) => merged_into,
        Some((Some(_), _)) | None => return Ok(()),
    };
    let connected_at_ms = seen.is_connection.then_some(now_ms);
    sqlx::query(
        "INSERT INTO account_people (account_id, tenant, person_id, provider_id, provider_chat_id, connected_at_ms, \
         connected_by, looked_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (account_id, person_id) DO UPDATE SET \
         provider_id = COALESCE($4, account_people.provider_id), \
         provider_chat_id = COALESCE($5, account_people.provider_chat_id), \
         connected_by = CASE WHEN account_people.connected_at_ms IS NULL THEN $7 ELSE account_people.connected_by END, \
         connected_at_ms = COALESCE(account_people.connected_at_ms, $6), \
         looked_at_ms = COALESCE($8, account_people.looked_at_ms)",
    )
    .bind(&target.account.id)
    .bind(tenant)
    .bind(&person_id)
    .bind(seen.provider_id)
    .bind(seen.chat_id)
    .bind(connected_at_ms)
    .bind(connected_at_ms.map(|_| seen.by))
    .bind(seen.is_look.then_some(now_ms))
    .execute(&mut *transaction)
    .await?;
    if seen.is_connection {
        sqlx::query("UPDATE touches SET is_live_invite = 0 WHERE tenant = $1 AND account_id = $2 AND person_id = $3")
            .bind(tenant)
            .bind(&target.account.id)
            .bind(&person_id)
            .execute(transaction)
            .await?;
    }
    Ok(())
}
