//! Unipile's errors: `{"type":"errors/…","status":…,"title":…,"detail":…}`.

use serde_json::json;

use crate::exchange::Reply;
use crate::faults::FaultRule;

/// Every type with its status; the first of a status is its usual one. The titles are the sandbox's own.
pub(crate) const TABLE: [(u16, &str); 79] = [
    (400, "invalid_parameters"),
    (400, "missing_parameters"),
    (400, "invalid_request"),
    (400, "malformed_request"),
    (400, "content_too_large"),
    (400, "invalid_url"),
    (400, "too_many_characters"),
    (400, "unescaped_characters"),
    (400, "limit_too_high"),
    (400, "invalid_action"),
    (400, "invalid_label"),
    (401, "missing_credentials"),
    (401, "disconnected_account"),
    (401, "disconnected_feature"),
    (401, "expired_credentials"),
    (401, "invalid_credentials"),
    (401, "checkpoint_error"),
    (401, "invalid_checkpoint_solution"),
    (401, "multiple_sessions"),
    (401, "wrong_account"),
    (401, "insufficient_privileges"),
    (401, "expired_link"),
    (401, "invalid_proxy_credentials"),
    (401, "invalid_imap_configuration"),
    (401, "invalid_smtp_configuration"),
    (401, "captcha_not_supported"),
    (403, "account_restricted"),
    (403, "feature_not_subscribed"),
    (403, "subscription_required"),
    (403, "insufficient_permissions"),
    (403, "account_mismatch"),
    (403, "session_mismatch"),
    (403, "unknown_authentication_context"),
    (403, "action_required"),
    (403, "resource_access_restricted"),
    (404, "resource_not_found"),
    (404, "invalid_resource_identifier"),
    (409, "idempotency_conflict"),
    (415, "unsupported_media_type"),
    (422, "unprocessable_entity"),
    (422, "already_invited_recently"),
    (422, "already_connected"),
    (422, "cannot_resend_yet"),
    (422, "cannot_resend_within_24hrs"),
    (422, "limit_exceeded"),
    (422, "connection_limit_reached"),
    (422, "insufficient_credits"),
    (422, "no_connection_with_recipient"),
    (422, "invalid_recipient"),
    (422, "blocked_recipient"),
    (422, "user_unreachable"),
    (422, "cannot_invite_attendee"),
    (422, "not_allowed_inmail"),
    (422, "invalid_message"),
    (422, "invalid_account"),
    (422, "cant_send_message"),
    (422, "action_already_performed"),
    (422, "parent_mail_not_found"),
    (422, "invalid_reply_subject"),
    (422, "invalid_headers"),
    (422, "send_as_denied"),
    (422, "sender_rejected"),
    (422, "recipient_rejected"),
    (422, "ip_rejected_by_server"),
    (422, "provider_unreachable"),
    (422, "account_configuration_error"),
    (422, "invalid_thread"),
    (422, "invalid_folder"),
    (429, "too_many_requests"),
    (500, "unexpected_error"),
    (500, "provider_error"),
    (500, "authentication_intent_error"),
    (501, "feature_not_implemented"),
    (503, "service_unavailable"),
    (503, "no_client_session"),
    (503, "no_channel"),
    (503, "no_handler"),
    (503, "network_down"),
    (504, "request_timeout"),
];

/// The error of this type, with its status of the table.
pub(super) fn error(kind: &str, detail: &str) -> Reply {
    let status = TABLE.iter().find(|(_, name)| *name == kind).map_or(500, |(status, _)| *status);
    with_status(status, kind, detail)
}

/// What a fault asks for: its type, its status, or both.
pub(super) fn injected(fault: &FaultRule) -> Reply {
    let detail = "Injected by a fault of the sandbox.";
    match (&fault.error_type, fault.status) {
        (Some(kind), Some(status)) => with_status(status, kind, detail),
        (Some(kind), None) => error(kind, detail),
        (None, _) => {
            let status = fault.status_or_usual();
            let kind = TABLE.iter().find(|(known, _)| *known == status).map_or("unexpected_error", |(_, kind)| *kind);
            with_status(status, kind, detail)
        }
    }
}

fn with_status(status: u16, kind: &str, detail: &str) -> Reply {
    let mut title = kind.replace('_', " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Reply::free(status, json!({"type": format!("errors/{kind}"), "status": status, "title": title, "detail": detail}))
}
