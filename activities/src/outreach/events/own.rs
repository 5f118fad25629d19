//! Messages and mails that an account of ours sent: echoes of our contacts, or typed by its owner.

use super::whom::{self, Open};
use super::{Applied, By, Scope, unmatched, workflow_of};
use crate::senders::{EventKind, ProviderEvent, SendRequest};
use crate::store::StoreError;
use crate::store::replies::{NewReply, OWNER, add_reply};
use crate::store::touches::{ByHand, note_by_hand, release_planned, settle_sent};
use leadflow_workflows::domain::outreach::{Action, Channel};
use sqlx::Row;

/// Providers give some instants in whole seconds.
const ROUNDING_MS: i64 = 1_000;

/// A contact that was, or may have been, made.
struct Made {
    id: String,
    enrollment_id: String,
    action: Action,
    in_doubt: bool,
    /// The attempt that makes it, or the next one, goes on with the enrollment by itself.
    in_flight: bool,
    request: Option<SendRequest>,
    called_at_ms: i64,
    provider_message_id: Option<String>,
}

/// A message of ours, as the provider shows it.
struct Shown<'a> {
    channel: Channel,
    message_id: &'a str,
    chat_id: Option<&'a str>,
    /// Of an email its subject.
    text: &'a str,
    stored_text: &'a str,
    at_ms: i64,
}

pub(super) async fn message(scope: &mut Scope<'_>, event: &ProviderEvent) -> Result<Applied, StoreError> {
    let EventKind::Message { chat_id, message_id, text, person_provider_id, .. } = &event.what else {
        return Ok(Applied::default());
    };
    let at_ms = event.at_ms.unwrap_or(scope.now_ms);
    let by_profile = match person_provider_id {
        Some(provider_id) => whom::by_profile(scope, provider_id, None).await?,
        None => None,
    };
    let person_id = match by_profile {
        Some(person_id) => Some(person_id),
        None => whom::by_chat(scope, chat_id).await?,
    };
    let Some(person_id) = person_id else {
        // In a chat whose other party is not told, it may be one of ours.
        if person_provider_id.is_some() {
            count_by_hand(scope, Action::Message, message_id, at_ms).await?;
        }
        return Ok(unmatched("the account wrote to nobody known here"));
    };
    whom::note_chat(scope, &person_id, chat_id).await?;
    let channel = Channel::Linkedin;
    let shown = Shown { channel, message_id, chat_id: Some(chat_id), text, stored_text: text, at_ms };
    settle_or_pause(scope, person_id, &shown).await.map(|(applied, _)| applied)
}

pub(super) async fn mail(scope: &mut Scope<'_>, event: &ProviderEvent) -> Result<Applied, StoreError> {
    let EventKind::Mail { email_id, message_id, to, subject, text, tracking_id, .. } = &event.what else {
        return Ok(Applied::default());
    };
    let mut person_id = None;
    for address in to {
        if person_id.is_none() {
            person_id = whom::by_address(scope, address).await?;
        }
    }
    if let (None, Some(tracking_id)) = (&person_id, tracking_id) {
        person_id = whom::by_tracking(scope, tracking_id).await?;
    }
    let (shown_id, at_ms) = (tracking_id.as_ref().unwrap_or(email_id), event.at_ms.unwrap_or(scope.now_ms));
    let Some(person_id) = person_id else {
        count_by_hand(scope, Action::Email, shown_id, at_ms).await?;
        return Ok(unmatched("the account wrote to nobody known here"));
    };
    let shown =
        Shown { channel: Channel::Email, message_id: shown_id, chat_id: None, text: subject, stored_text: text, at_ms };
    let (applied, touch_id) = settle_or_pause(scope, person_id, &shown).await?;
    if let (Some(touch_id), Some(message_id)) = (touch_id, message_id) {
        sqlx::query("UPDATE touches SET mail_message_id = $3 WHERE tenant = $1 AND id = $2")
            .bind(&scope.account.tenant)
            .bind(&touch_id)
            .bind(message_id)
            .execute(&mut *scope.transaction)
            .await?;
    }
    Ok(applied)
}

/// A message that a contact of ours explains settles it; any other was typed by hand. Also gives the contact's id.
async fn settle_or_pause(
    scope: &mut Scope<'_>,
    person_id: String,
    shown: &Shown<'_>,
) -> Result<(Applied, Option<String>), StoreError> {
    let made = made(scope, &person_id, shown.channel).await?;
    let Some(touch) = explained_by(&made, shown) else {
        return Ok((by_hand(scope, person_id, shown).await?, None));
    };
    let person_id = Some(person_id);
    if touch.in_doubt {
        // The note of an invitation shows as a message once that is accepted; it is not the invitation's own id.
        let message_id = (touch.action != Action::Invite).then_some(shown.message_id);
        if settle(scope, touch, message_id, shown.chat_id).await? {
            let effect = format!("settled a contact in doubt: the {} was sent", touch.action.name());
            let tell = if touch.in_flight { Vec::new() } else { vec![workflow_of(&touch.enrollment_id)] };
            return Ok((Applied { person_id, effect, tell, settled: true }, Some(touch.id.clone())));
        }
    } else if touch.provider_message_id.is_none() && touch.action != Action::Invite {
        sqlx::query(
            "UPDATE touches SET provider_message_id = $3, provider_chat_id = COALESCE(provider_chat_id, $4) \
             WHERE tenant = $1 AND id = $2 AND NOT EXISTS (SELECT 1 FROM touches o WHERE o.tenant = $1 \
             AND o.account_id = touches.account_id AND o.provider_message_id = $3)",
        )
        .bind(&scope.account.tenant)
        .bind(&touch.id)
        .bind(shown.message_id)
        .bind(shown.chat_id)
        .execute(&mut *scope.transaction)
        .await?;
    }
    let effect = "the echo of a contact of ours".into();
    Ok((Applied { person_id, effect, ..Applied::default() }, Some(touch.id.clone())))
}

/// The contact that a message of ours is the echo of: by its id, else the first in doubt with the same text that was called
/// before, else the last that was sent.
fn explained_by<'a>(made: &'a [Made], shown: &Shown<'_>) -> Option<&'a Made> {
    let by_id = made.iter().find(|touch| touch.provider_message_id.as_deref() == Some(shown.message_id));
    let fits = |touch: &&Made| {
        shown.at_ms + ROUNDING_MS > touch.called_at_ms
            && touch.request.as_ref().and_then(text_of).is_some_and(|text| same_text(text, shown.text))
    };
    by_id
        .or_else(|| made.iter().filter(fits).find(|touch| touch.in_doubt))
        .or_else(|| made.iter().filter(fits).rfind(|touch| touch.provider_message_id.is_none()))
        .or_else(|| made.iter().rfind(fits))
}

/// By what a contact is known again: the text, or the subject of a mail, whose body providers rewrite.
fn text_of(request: &SendRequest) -> Option<&str> {
    match request {
        SendRequest::VisitProfile { .. } => None,
        SendRequest::Invite { note, .. } => note.as_deref(),
        SendRequest::StartChat { text, .. } | SendRequest::Message { text, .. } | SendRequest::InMail { text, .. } => {
            Some(text)
        }
        SendRequest::Email { subject, .. } => Some(subject),
    }
}

/// Equal but for white space, which providers change.
pub(in crate::outreach) fn same_text(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}

/// What this account has, or may have, sent to a person on a channel, in its order.
async fn made(scope: &mut Scope<'_>, person_id: &str, channel: Channel) -> Result<Vec<Made>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, enrollment_id, action, state, request, called_at_ms, call_deadline_ms, provider_message_id \
         FROM touches WHERE tenant = $1 AND account_id = $2 AND person_id = $3 AND called_at_ms IS NOT NULL \
         AND state IN ('calling', 'unknown', 'sent') ORDER BY called_at_ms, id",
    )
    .bind(&scope.account.tenant)
    .bind(&scope.account.id)
    .bind(person_id)
    .fetch_all(&mut *scope.transaction)
    .await?;
    let mut made = Vec::with_capacity(rows.len());
    for row in &rows {
        let action = Action::named(&row.try_get::<String, _>("action")?);
        let action = action.ok_or_else(|| StoreError::unreadable("action"))?;
        if action.channel() != channel {
            continue;
        }
        let request: Option<String> = row.try_get("request")?;
        let state: String = row.try_get("state")?;
        let deadline_ms: Option<i64> = row.try_get("call_deadline_ms")?;
        made.push(Made {
            id: row.try_get("id")?,
            enrollment_id: row.try_get("enrollment_id")?,
            action,
            in_doubt: state != "sent",
            in_flight: state == "calling" && deadline_ms.is_some_and(|at_ms| at_ms > scope.now_ms),
            request: request.and_then(|request| serde_json::from_str(&request).ok()),
            called_at_ms: row.try_get("called_at_ms")?,
            provider_message_id: row.try_get("provider_message_id")?,
        });
    }
    Ok(made)
}

async fn settle(
    scope: &mut Scope<'_>,
    touch: &Made,
    message_id: Option<&str>,
    chat_id: Option<&str>,
) -> Result<bool, StoreError> {
    let (tenant, now_ms) = (&scope.account.tenant, scope.now_ms);
    let settled_by = if scope.by == By::Webhook { "webhook" } else { "found" };
    settle_sent(scope.transaction, tenant, &touch.id, message_id, chat_id, settled_by, now_ms).await
}

/// Settles the invitations in doubt that this account sent to a person. Whether there was one.
pub(super) async fn settle_invites(
    scope: &mut Scope<'_>,
    person_id: &str,
    invitation_id: Option<&str>,
) -> Result<bool, StoreError> {
    let mut settled = false;
    for touch in made(scope, person_id, Channel::Linkedin).await? {
        if touch.action == Action::Invite && touch.in_doubt {
            settled |= settle(scope, &touch, invitation_id, None).await?;
        }
    }
    Ok(settled)
}

async fn count_by_hand(
    scope: &mut Scope<'_>,
    action: Action,
    provider_message_id: &str,
    at_ms: i64,
) -> Result<(), StoreError> {
    let done = ByHand { action, has_note: false, provider_message_id, at_ms };
    note_by_hand(scope.transaction, (&scope.account.tenant, &scope.account.id), done, scope.now_ms).await
}

/// The owner took over: it counts, the person's enrollments are held, and what they had reserved is given back.
async fn by_hand(scope: &mut Scope<'_>, person_id: String, shown: &Shown<'_>) -> Result<Applied, StoreError> {
    let action = match shown.channel {
        Channel::Linkedin => Action::Message,
        Channel::Email => Action::Email,
    };
    count_by_hand(scope, action, shown.message_id, shown.at_ms).await?;
    let open: Vec<Open> = whom::open_enrollments(scope, &person_id).await?;
    let open: Vec<Open> = open.into_iter().filter(|open| open.started_at_ms <= shown.at_ms).collect();
    if open.is_empty() {
        let effect = "typed by hand, outside of any campaign: nothing to do".into();
        return Ok(Applied { person_id: Some(person_id), effect, ..Applied::default() });
    }
    let (tenant, now_ms) = (&scope.account.tenant, scope.now_ms);
    let new = NewReply {
        person_id: &person_id,
        account_id: &scope.account.id,
        channel: shown.channel,
        kind: OWNER,
        provider_message_id: shown.message_id,
        text: shown.stored_text,
        address: None,
        at_ms: shown.at_ms,
    };
    if add_reply(scope.transaction, tenant, &new, now_ms).await?.is_none() {
        return Ok(Applied { person_id: Some(person_id), effect: "known already".into(), ..Applied::default() });
    }
    let mut tell = Vec::with_capacity(open.len());
    for enrollment in &open {
        sqlx::query(
            "UPDATE enrollments SET paused = 'the owner wrote by hand' \
             WHERE tenant = $1 AND id = $2 AND is_open = 1 AND paused IS NULL",
        )
        .bind(tenant)
        .bind(&enrollment.id)
        .execute(&mut *scope.transaction)
        .await?;
        release_planned(scope.transaction, tenant, &enrollment.id).await?;
        tell.push(workflow_of(&enrollment.id));
    }
    let effect = format!("typed by hand: enrollments paused: {}", open.len());
    Ok(Applied { person_id: Some(person_id), effect, tell, settled: false })
}
