//! Webhook bodies of the v1 API, whatever their content type says.

use super::mail::{self, Letter};
use super::times::instant_ms;
use super::wire::{account_status, fingerprint, flag, public_id, text};
use crate::senders::{EventError, EventKind, ProviderEvent};
use serde_json::Value;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Reads one event.
///
/// # Errors
/// The body is no JSON object, or lacks a field without which the event means nothing.
pub fn parse_event(body: &[u8]) -> Result<ProviderEvent, EventError> {
    let event: Value = serde_json::from_slice(body).map_err(|_| EventError::NotJson)?;
    if !event.is_object() {
        return Err(EventError::NotJson);
    }
    if event.get("AccountStatus").is_some() {
        return account_event(&event["AccountStatus"]);
    }
    let name = event["event"].as_str().or_else(|| event["type"].as_str()).unwrap_or_default();
    match name {
        "new_relation" => relation_event(&event),
        "message_received" => message_event(&event, name),
        "mail_received" | "mail_sent" => mail_event(&event, name),
        "mail_opened" | "mail_link_clicked" => tracking_event(&event, name),
        // Mail events carry their name only as far as the webhook's fields do.
        _ if event.get("from_attendee").is_some() => mail_event(&event, "mail_received"),
        "" => Err(EventError::Missing { field: "event" }),
        _ => {
            let is_sound = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte));
            let name = if is_sound { name } else { "unknown" };
            Ok(ProviderEvent {
                key: format!("{name}/{}", fingerprint(body)),
                account: required(&event, "account_id")?,
                at_ms: instant_ms(&event["timestamp"]),
                what: EventKind::Other { name: name.to_owned() },
            })
        }
    }
}

fn required(object: &Value, field: &'static str) -> Result<String, EventError> {
    EventError::check_id(text(object, field).ok_or(EventError::Missing { field })?, field)
}

fn relation_event(event: &Value) -> Result<ProviderEvent, EventError> {
    let account = required(event, "account_id")?;
    let provider_id = required(event, "user_provider_id")?;
    Ok(ProviderEvent {
        key: format!("new_relation/{account}/{provider_id}"),
        account,
        at_ms: instant_ms(&event["timestamp"]),
        what: EventKind::Connected { provider_id, public_id: public_id(event, "user_public_identifier") },
    })
}

fn message_event(event: &Value, name: &str) -> Result<ProviderEvent, EventError> {
    const SENDER: EventError = EventError::Missing { field: "sender.attendee_provider_id" };
    const OWNER: EventError = EventError::Missing { field: "account_info.user_id" };
    let account = required(event, "account_id")?;
    let message_id = required(event, "message_id")?;
    let sender_provider_id = text(&event["sender"], "attendee_provider_id").ok_or(SENDER)?;
    // Without the owner a message of ours could pass for a reply.
    let owner = text(&event["account_info"], "user_id").ok_or(OWNER)?;
    let is_ours = sender_provider_id == owner || flag(&event["is_sender"]);
    let attendees = event["attendees"].as_array().into_iter().flatten();
    let mut others: BTreeSet<_> = attendees
        .filter_map(|attendee| text(attendee, "attendee_provider_id"))
        .filter(|attendee| *attendee != owner && *attendee != sender_provider_id)
        .collect();
    let (key, at_ms) = (format!("{name}/{account}/{message_id}"), instant_ms(&event["timestamp"]));
    // What is said in a group answers nobody, and whatever we sent there would reach all of it.
    if others.len() > usize::from(is_ours) {
        return Ok(ProviderEvent { key, account, at_ms, what: EventKind::Other { name: "group_message".into() } });
    }
    let person_provider_id = if is_ours { others.pop_first() } else { Some(sender_provider_id.clone()) };
    Ok(ProviderEvent {
        key,
        at_ms,
        what: EventKind::Message {
            chat_id: required(event, "chat_id")?,
            message_id,
            sender_provider_id,
            is_ours,
            text: text(event, "message").unwrap_or_default(),
            person_provider_id,
        },
        account,
    })
}

fn mail_event(event: &Value, name: &str) -> Result<ProviderEvent, EventError> {
    let account = required(event, "account_id")?;
    let email_id = required(event, "email_id")?;
    let letter = Letter::read(event);
    if letter.from.is_empty() {
        return Err(EventError::Missing { field: "from_attendee.identifier" });
    }
    let report = mail::report(&letter);
    Ok(ProviderEvent {
        key: format!("{name}/{account}/{email_id}"),
        account,
        at_ms: instant_ms(&event["date"]),
        what: EventKind::Mail {
            email_id,
            message_id: text(event, "message_id"),
            from: letter.from,
            to: letter.to,
            subject: letter.subject,
            text: letter.text,
            in_reply_to: letter.in_reply_to,
            tracking_id: text(event, "tracking_id"),
            is_ours: letter.is_ours,
            auto_submitted: report.auto_submitted,
            may_be_automatic: report.may_be_automatic,
            bounced_address: report.bounced_address,
            complaint_address: report.complaint_address,
        },
    })
}

fn tracking_event(event: &Value, name: &str) -> Result<ProviderEvent, EventError> {
    let account = required(event, "account_id")?;
    let event_id = required(event, "event_id")?;
    let (tracking_id, email_id) = (text(event, "tracking_id"), text(event, "email_id"));
    let what = if name == "mail_opened" {
        EventKind::Opened { tracking_id, email_id }
    } else {
        EventKind::Clicked { tracking_id, email_id, url: text(event, "url") }
    };
    let key = format!("{name}/{account}/{event_id}");
    Ok(ProviderEvent { key, account, at_ms: instant_ms(&event["date"]), what })
}

fn account_event(status: &Value) -> Result<ProviderEvent, EventError> {
    let account = text(status, "account_id").ok_or(EventError::Missing { field: "AccountStatus.account_id" })?;
    let message = text(status, "message").ok_or(EventError::Missing { field: "AccountStatus.message" })?;
    let what = account_status(&message)
        .map_or(EventKind::Other { name: "account_status".into() }, |status| EventKind::AccountStatus { status });
    Ok(ProviderEvent { key: format!("account_status/{account}/{}", Uuid::now_v7()), account, at_ms: None, what })
}
