//! Messages and mails from people: what they mean, and which enrollments they end.

use super::whom::{self, Open};
use super::{Applied, By, Scope, absence, nothing_kept, unmatched, workflow_of};
use crate::senders::{EventKind, ProviderEvent};
use crate::store::StoreError;
use crate::store::accounts::Account;
use crate::store::enrollments::end_enrollment;
use crate::store::persons::{bury_email, is_removed};
use crate::store::replies::{NewReply, Reply, add_reply};
use crate::store::searches::from_json;
use crate::store::suppressions::suppress;
use crate::store::touches::{has_contacted, release_planned};
use leadflow_workflows::domain::ids::{AccountId, ReplyId};
use leadflow_workflows::domain::outreach::{Channel, EnrollmentState};
use leadflow_workflows::domain::permits::DAY_MS;
use leadflow_workflows::domain::replies::{Incoming, ReplyKind, Report, classify};
use leadflow_workflows::domain::sequence::{Sequence, StopOn};
use leadflow_workflows::domain::suppression::{SuppressionKind, SuppressionOrigin};
use leadflow_workflows::{reply_reading, sender_account};
use sqlx::AnyConnection;

/// So long after it was written a webhook may bring a message late, or a wrong clock may say so.
const YOUNG_MS: i64 = 3 * DAY_MS;
/// What a message did whose sender the account has never seen.
pub(in crate::outreach) const FROM_NOBODY: &str = "unmatched: the message is from nobody known here";
/// So long after a contact somebody may still answer it.
const ANSWERED_WITHIN_MS: i64 = 90 * DAY_MS;

/// A message whose person and meaning are known.
struct Answer<'a> {
    person_id: String,
    kind: ReplyKind,
    is_complaint: bool,
    channel: Channel,
    message_id: &'a str,
    text: &'a str,
    /// From which a mail came, or which it is about.
    address: Option<String>,
    at_ms: i64,
    /// Whether it names a mail of ours that it answers.
    answers_us: bool,
    /// Until when the writer of an absence note is away.
    absent_until_ms: Option<i64>,
}

/// What a message or mail of somebody else says by the rules alone: no model is waited for.
pub fn meaning(event: &EventKind) -> Option<ReplyKind> {
    let incoming = match event {
        EventKind::Message { is_ours: false, text, .. } => Incoming { text, ..Incoming::default() },
        EventKind::Mail {
            is_ours: false,
            subject,
            text,
            auto_submitted,
            may_be_automatic,
            bounced_address,
            complaint_address,
            ..
        } => Incoming {
            subject,
            text,
            is_email: true,
            is_automatic: *auto_submitted,
            may_be_automatic: *may_be_automatic,
            report: match (complaint_address, bounced_address) {
                (Some(_), _) => Some(Report::Spam),
                (None, Some(_)) => Some(Report::Undeliverable),
                (None, None) => None,
            },
        },
        _ => return None,
    };
    Some(classify(&incoming))
}

pub(super) async fn message(scope: &mut Scope<'_>, event: &ProviderEvent) -> Result<Applied, StoreError> {
    let (EventKind::Message { chat_id, message_id, text, person_provider_id, .. }, Some(kind)) =
        (&event.what, meaning(&event.what))
    else {
        return Ok(Applied::default());
    };
    let by_profile = match person_provider_id {
        Some(provider_id) => whom::by_profile(scope, provider_id, None).await?,
        None => None,
    };
    let person_id = match by_profile {
        Some(person_id) => person_id,
        None => match whom::by_chat(scope, chat_id).await? {
            Some(person_id) => person_id,
            None => return from_nobody(scope).await,
        },
    };
    whom::note_chat(scope, &person_id, chat_id).await?;
    let answer = Answer {
        person_id,
        kind,
        is_complaint: false,
        channel: Channel::Linkedin,
        message_id,
        text,
        address: None,
        at_ms: written_at(scope, event.at_ms),
        answers_us: false,
        absent_until_ms: None,
    };
    answered(scope, &answer).await
}

/// A message whose sender the account has never seen. Somebody may have answered another account than the one that wrote to
/// them, so the account looks who it is.
async fn from_nobody(scope: &mut Scope<'_>) -> Result<Applied, StoreError> {
    let Account { tenant, id, .. } = scope.account;
    let is_awaited = has_contacted(scope.transaction, tenant, scope.now_ms - ANSWERED_WITHIN_MS).await?;
    let tell = is_awaited.then(|| sender_account::workflow_id(&AccountId(id.clone()))).into_iter().collect();
    Ok(Applied { effect: FROM_NOBODY.into(), tell, ..Applied::default() })
}

/// When something was written, as its writer's clock says: not later than now, and what a webhook brings while it is young
/// counts as written now, because that clock or its zone may be wrong.
fn written_at(scope: &Scope<'_>, at_ms: Option<i64>) -> i64 {
    let at_ms = at_ms.map_or(scope.now_ms, |at_ms| at_ms.min(scope.now_ms));
    if scope.by == By::Webhook && scope.now_ms - at_ms < YOUNG_MS { scope.now_ms } else { at_ms }
}

pub(super) async fn mail(scope: &mut Scope<'_>, event: &ProviderEvent) -> Result<Applied, StoreError> {
    let (
        EventKind::Mail { email_id, from, subject, text, in_reply_to, bounced_address, complaint_address, .. },
        Some(kind),
    ) = (&event.what, meaning(&event.what))
    else {
        return Ok(Applied::default());
    };
    let address = complaint_address.as_ref().or(bounced_address.as_ref()).unwrap_or(from).to_lowercase();
    let is_report = complaint_address.is_some() || bounced_address.is_some();
    // Whoever answers a mail of ours may do so from an address that is somebody else's.
    let recipient = match in_reply_to {
        Some(in_reply_to) if !is_report => whom::by_answered_mail(scope, in_reply_to).await?,
        _ => None,
    };
    let answers_us = recipient.is_some();
    let person_id = match (recipient, in_reply_to) {
        (Some(person_id), _) => Some(person_id),
        (None, Some(in_reply_to)) if is_report => match whom::by_address(scope, &address).await? {
            Some(person_id) => Some(person_id),
            None => whom::by_answered_mail(scope, in_reply_to).await?,
        },
        (None, _) => whom::by_address(scope, &address).await?,
    };
    let Some(person_id) = person_id else {
        if kind == ReplyKind::OptOut {
            suppress_address(scope, &address, kind, complaint_address.is_some()).await?;
            return Ok(unmatched("nobody known here asked for no further contact; the address is suppressed"));
        }
        return Ok(unmatched("the mail is from nobody known here"));
    };
    let at_ms = written_at(scope, event.at_ms);
    let answer = Answer {
        person_id,
        kind,
        is_complaint: complaint_address.is_some(),
        channel: Channel::Email,
        message_id: email_id,
        text: if text.is_empty() { subject } else { text },
        address: Some(address),
        at_ms,
        answers_us,
        absent_until_ms: (kind == ReplyKind::OutOfOffice)
            .then(|| absence::until_ms(subject, text, event.at_ms.unwrap_or(at_ms))),
    };
    answered(scope, &answer).await
}

/// What an opt-out by mail does, for one by the link in a mail.
pub(super) async fn unsubscribed(
    scope: &mut Scope<'_>,
    person_id: String,
    address: &str,
    message_id: &str,
) -> Result<Applied, StoreError> {
    let answer = Answer {
        person_id,
        kind: ReplyKind::OptOut,
        is_complaint: false,
        channel: Channel::Email,
        message_id,
        text: "",
        address: Some(address.to_owned()),
        at_ms: scope.now_ms,
        answers_us: true,
        absent_until_ms: None,
    };
    answered(scope, &answer).await
}

async fn answered(scope: &mut Scope<'_>, answer: &Answer<'_>) -> Result<Applied, StoreError> {
    let person_id = Some(answer.person_id.clone());
    let is_removed = is_removed(scope.transaction, &scope.account.tenant, &answer.person_id).await?;
    if is_removed && answer.kind != ReplyKind::OptOut {
        return Ok(nothing_kept(answer.person_id.clone()));
    }
    // An opt-out holds however old it is.
    if answer.kind != ReplyKind::OptOut && !is_in_outreach(scope, answer).await? {
        // Whoever writes before their turn is in a conversation already; what lists show of it is history.
        let is_noted = scope.by == By::Webhook && answer.kind == ReplyKind::Reply && answer.at_ms == scope.now_ms;
        let effect =
            if is_noted { "before any contact: ends nothing" } else { "older than the first contact: ends nothing" };
        if is_noted {
            add_reply(scope.transaction, &scope.account.tenant, &new_reply(scope.account, answer), scope.now_ms)
                .await?;
        }
        return Ok(Applied { person_id, effect: effect.into(), ..Applied::default() });
    }
    let text = if is_removed { "" } else { answer.text };
    let new = NewReply { text, ..new_reply(scope.account, answer) };
    let Some(reply_id) = add_reply(scope.transaction, &scope.account.tenant, &new, scope.now_ms).await? else {
        return Ok(Applied { person_id, effect: "known already".into(), ..Applied::default() });
    };
    match answer.kind {
        ReplyKind::OutOfOffice => postponed(scope, answer).await,
        ReplyKind::Automatic => {
            Ok(Applied { person_id, effect: "an automatic answer: ends nothing".into(), ..Applied::default() })
        }
        ReplyKind::OptOut | ReplyKind::Bounce => ended(scope, answer).await,
        ReplyKind::Reply => {
            let mut applied = ended(scope, answer).await?;
            applied.tell.push(reply_reading::workflow_id(&ReplyId(reply_id)));
            Ok(applied)
        }
    }
}

fn new_reply<'a>(account: &'a Account, answer: &'a Answer<'_>) -> NewReply<'a> {
    NewReply {
        person_id: &answer.person_id,
        account_id: &account.id,
        channel: answer.channel,
        kind: answer.kind.name(),
        provider_message_id: answer.message_id,
        text: answer.text,
        address: answer.address.as_deref(),
        at_ms: answer.at_ms,
    }
}

/// Nobody who is away is contacted before they are back, on any channel.
async fn postponed(scope: &mut Scope<'_>, answer: &Answer<'_>) -> Result<Applied, StoreError> {
    let person_id = Some(answer.person_id.clone());
    let Some(until_ms) = answer.absent_until_ms.filter(|until_ms| *until_ms > scope.now_ms) else {
        let effect = "an absence note that is over: ends nothing".into();
        return Ok(Applied { person_id, effect, ..Applied::default() });
    };
    let tenant = &scope.account.tenant;
    sqlx::query(
        "UPDATE persons SET absent_until_ms = $3 \
         WHERE tenant = $1 AND id = $2 AND (absent_until_ms IS NULL OR absent_until_ms < $3)",
    )
    .bind(tenant)
    .bind(&answer.person_id)
    .bind(until_ms)
    .execute(&mut *scope.transaction)
    .await?;
    let mut tell = Vec::new();
    for open in whom::open_enrollments(scope, &answer.person_id).await? {
        release_planned(scope.transaction, tenant, &open.id).await?;
        tell.push(workflow_of(&open.id));
    }
    let effect = format!("an absence note: enrollments put off: {}", tell.len());
    Ok(Applied { person_id, effect, tell, settled: false })
}

/// Acts on an opt-out that a model has read in a person's reply, as on one that the rules know, under the same locks. The ids of
/// the workflows that are to look.
pub(in crate::outreach) async fn opted_out(
    transaction: &mut AnyConnection,
    for_update: &'static str,
    account: &Account,
    reply: &Reply,
    now_ms: i64,
) -> Result<Vec<String>, StoreError> {
    let mut scope = Scope { transaction, for_update, account, by: By::List, now_ms };
    let answer = Answer {
        person_id: whom::locked(&mut scope, reply.person_id.clone()).await?,
        kind: ReplyKind::OptOut,
        is_complaint: false,
        channel: Channel::named(&reply.channel).ok_or_else(|| StoreError::unreadable("channel"))?,
        message_id: "",
        text: "",
        address: reply.address.clone(),
        at_ms: reply.at_ms,
        answers_us: true,
        absent_until_ms: None,
    };
    Ok(ended(&mut scope, &answer).await?.tell)
}

/// Ends what an answer ends, and suppresses what it suppresses.
async fn ended(scope: &mut Scope<'_>, answer: &Answer<'_>) -> Result<Applied, StoreError> {
    let tenant = &scope.account.tenant;
    let mut tell = Vec::new();
    let mut ended = 0;
    for open in whom::open_enrollments(scope, &answer.person_id).await? {
        if let Some((state, cause)) = end_of(scope, answer, &open).await? {
            ended += 1;
            end_enrollment(scope.transaction, tenant, &open.id, state, &cause, scope.now_ms).await?;
        }
        tell.push(workflow_of(&open.id));
    }
    // After the ends, so that each has its own cause and not the suppression.
    match answer.kind {
        ReplyKind::OptOut => suppress_person(scope, answer).await?,
        ReplyKind::Bounce => bury_address(scope, answer).await?,
        ReplyKind::Reply | ReplyKind::OutOfOffice | ReplyKind::Automatic => {}
    }
    let mut others = 0;
    if matches!(answer.kind, ReplyKind::Reply | ReplyKind::OptOut) {
        for open in whom::colleagues(scope, &answer.person_id).await? {
            if open.started_at_ms > answer.at_ms {
                continue;
            }
            let cause = "someone at the same company has replied";
            let state = EnrollmentState::Stopped;
            if end_enrollment(scope.transaction, tenant, &open.id, state, cause, scope.now_ms).await? {
                others += 1;
                tell.push(workflow_of(&open.id));
            }
        }
    }
    let effect = match (ended, others) {
        (0, 0) => format!("{}: no enrollment to end", answer.kind.name()),
        (_, 0) => format!("{}: enrollments ended: {ended}", answer.kind.name()),
        _ => format!("{}: enrollments ended: {ended}, of colleagues: {others}", answer.kind.name()),
    };
    Ok(Applied { person_id: Some(answer.person_id.clone()), effect, tell, settled: false })
}

/// Whether the message came after an enrollment of the person began: a history that is read anew brings older ones.
async fn is_in_outreach(scope: &mut Scope<'_>, answer: &Answer<'_>) -> Result<bool, StoreError> {
    if answer.answers_us {
        return Ok(true);
    }
    let begun: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM enrollments WHERE tenant = $1 AND person_id = $2 \
         AND (started_at_ms <= $3 OR (is_open = 1 AND state = 'scheduled' AND state_at_ms <= $3))",
    )
    .bind(&scope.account.tenant)
    .bind(&answer.person_id)
    .bind(answer.at_ms)
    .fetch_one(&mut *scope.transaction)
    .await?;
    Ok(begun > 0)
}

/// How an open enrollment ends by an answer, if it does.
async fn end_of(
    scope: &mut Scope<'_>,
    answer: &Answer<'_>,
    open: &Open,
) -> Result<Option<(EnrollmentState, String)>, StoreError> {
    let stop_on = match answer.kind {
        ReplyKind::OptOut => {
            let cause = if answer.is_complaint { "reported our mail as spam" } else { "asked for no further contact" };
            return Ok(Some((EnrollmentState::OptedOut, cause.into())));
        }
        ReplyKind::Reply => StopOn::Reply,
        ReplyKind::Bounce => StopOn::Bounce,
        ReplyKind::OutOfOffice | ReplyKind::Automatic => return Ok(None),
    };
    if open.started_at_ms > answer.at_ms || !stops_on(scope, &open.sequence_id, stop_on).await? {
        return Ok(None);
    }
    if stop_on == StopOn::Bounce {
        let mails: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM touches WHERE tenant = $1 AND enrollment_id = $2 AND action = 'email' \
             AND called_at_ms IS NOT NULL",
        )
        .bind(&scope.account.tenant)
        .bind(&open.id)
        .fetch_one(&mut *scope.transaction)
        .await?;
        return Ok((mails > 0).then(|| (EnrollmentState::Bounced, "the mail came back".into())));
    }
    let channel = if answer.channel == Channel::Email { "by email" } else { "on LinkedIn" };
    Ok(Some((EnrollmentState::Replied, format!("replied {channel}"))))
}

async fn stops_on(scope: &mut Scope<'_>, sequence_id: &str, stop_on: StopOn) -> Result<bool, StoreError> {
    let document: Option<String> = sqlx::query_scalar("SELECT document FROM sequences WHERE tenant = $1 AND id = $2")
        .bind(&scope.account.tenant)
        .bind(sequence_id)
        .fetch_optional(&mut *scope.transaction)
        .await?;
    let document = document.ok_or_else(|| StoreError::unreadable("sequence_id"))?;
    Ok(from_json::<Sequence>(&document)?.stop_on.contains(&stop_on))
}

/// Suppresses everything by which the person could be reached.
async fn suppress_person(scope: &mut Scope<'_>, answer: &Answer<'_>) -> Result<(), StoreError> {
    let tenant = &scope.account.tenant;
    let profiles: Vec<String> = sqlx::query_scalar(
        "SELECT linkedin_public_id FROM persons WHERE tenant = $1 AND id = $2 AND linkedin_public_id IS NOT NULL",
    )
    .bind(tenant)
    .bind(&answer.person_id)
    .fetch_all(&mut *scope.transaction)
    .await?;
    let (reason, origin) = why(answer.is_complaint);
    for profile in profiles {
        let kind = SuppressionKind::Linkedin;
        suppress(scope.transaction, tenant, kind, &profile, reason, origin, scope.now_ms).await?;
    }
    let mut addresses: Vec<String> = sqlx::query_scalar(
        "SELECT email FROM person_emails WHERE tenant = $1 AND person_id = $2 \
         UNION SELECT email FROM persons WHERE tenant = $1 AND id = $2 AND email IS NOT NULL",
    )
    .bind(tenant)
    .bind(&answer.person_id)
    .fetch_all(&mut *scope.transaction)
    .await?;
    addresses.extend(answer.address.clone());
    for address in addresses {
        suppress_address(scope, &address, answer.kind, answer.is_complaint).await?;
    }
    Ok(())
}

async fn suppress_address(
    scope: &mut Scope<'_>,
    address: &str,
    kind: ReplyKind,
    is_complaint: bool,
) -> Result<(), StoreError> {
    let (reason, origin) = match kind {
        ReplyKind::Bounce => ("no mail can be delivered to this address", SuppressionOrigin::Bounce),
        _ => why(is_complaint),
    };
    let tenant = &scope.account.tenant;
    suppress(scope.transaction, tenant, SuppressionKind::Email, address, reason, origin, scope.now_ms).await?;
    Ok(())
}

fn why(is_complaint: bool) -> (&'static str, SuppressionOrigin) {
    if is_complaint {
        ("reported our mail as spam", SuppressionOrigin::Complaint)
    } else {
        ("asked for no further contact", SuppressionOrigin::OptOut)
    }
}

/// A dead address is suppressed and no longer the person's: they can still be reached elsewhere.
async fn bury_address(scope: &mut Scope<'_>, answer: &Answer<'_>) -> Result<(), StoreError> {
    let Some(address) = &answer.address else { return Ok(()) };
    suppress_address(scope, address, answer.kind, false).await?;
    bury_email(scope.transaction, &scope.account.tenant, &answer.person_id, address).await
}
