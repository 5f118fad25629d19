//! Errors as they come over the wire, and calls without a complete answer.

use crate::bench::{ACCOUNT, Bench, DANA, MAILBOX, check_text, email};
use leadflow_activities::senders::{SendError, SendRequest, Sender, Verdict};
use leadflow_sandbox::{FaultKind, FaultRule, Provider};
use serde_json::json;
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);
const PAUSE: Verdict = Verdict::PauseAccount { restricted: false };
const HOURS: Verdict = Verdict::DeferAccount { wait: Duration::from_hours(4), weekly: false };

/// Every row of the table: what follows for a call that contacts somebody, and for a read where that differs.
#[rustfmt::skip]
fn rows() -> Vec<(u16, &'static str, Verdict, Option<Verdict>)> {
    let (refused, config) = (Verdict::Refused, Verdict::NeedsPerson);
    let (never, unknown, backoff) = (Verdict::Unreachable, Verdict::Unknown, Some(Verdict::Backoff));
    let kinds = |status, kinds: &'static str, write, read| kinds.split_whitespace().map(move |kind| (status, kind, write, read));
    [
        kinds(400, "invalid_parameters missing_parameters invalid_request malformed_request content_too_large invalid_url", refused, None),
        kinds(400, "too_many_characters unescaped_characters limit_too_high invalid_action invalid_label", refused, None),
        kinds(401, "missing_credentials", config, None),
        kinds(401, "disconnected_account disconnected_feature expired_credentials invalid_credentials checkpoint_error", PAUSE, None),
        kinds(401, "invalid_checkpoint_solution multiple_sessions wrong_account insufficient_privileges expired_link", PAUSE, None),
        kinds(401, "invalid_proxy_credentials invalid_imap_configuration invalid_smtp_configuration captcha_not_supported", PAUSE, None),
        kinds(403, "account_restricted", Verdict::PauseAccount { restricted: true }, None),
        kinds(403, "feature_not_subscribed subscription_required insufficient_permissions account_mismatch", config, None),
        kinds(403, "session_mismatch unknown_authentication_context action_required resource_access_restricted", config, None),
        kinds(404, "resource_not_found invalid_resource_identifier", never, None),
        kinds(409, "idempotency_conflict", refused, None),
        kinds(415, "unsupported_media_type", refused, None),
        kinds(422, "already_invited_recently", Verdict::AlreadyInvited, None),
        kinds(422, "already_connected", Verdict::AlreadyConnected, None),
        kinds(422, "cannot_resend_yet", Verdict::DeferLead { wait: 21 * DAY }, None),
        kinds(422, "cannot_resend_within_24hrs", Verdict::DeferLead { wait: DAY }, None),
        kinds(422, "limit_exceeded", Verdict::DeferAccount { wait: DAY, weekly: false }, None),
        kinds(422, "connection_limit_reached", Verdict::DeferAccount { wait: 7 * DAY, weekly: true }, None),
        kinds(422, "insufficient_credits", Verdict::NoCredits, None),
        kinds(422, "no_connection_with_recipient", Verdict::NotConnected, None),
        kinds(422, "invalid_recipient blocked_recipient user_unreachable cannot_invite_attendee not_allowed_inmail cant_send_message", never, None),
        kinds(422, "invalid_message action_already_performed unprocessable_entity", refused, None),
        kinds(422, "parent_mail_not_found invalid_reply_subject invalid_headers invalid_thread invalid_folder", refused, None),
        kinds(422, "invalid_account send_as_denied sender_rejected ip_rejected_by_server account_configuration_error", config, None),
        kinds(422, "recipient_rejected", Verdict::BadAddress, None),
        kinds(422, "provider_unreachable", Verdict::Backoff, None),
        kinds(429, "too_many_requests", HOURS, None),
        kinds(500, "unexpected_error provider_error authentication_intent_error", unknown, backoff),
        kinds(501, "feature_not_implemented", config, None),
        kinds(503, "no_client_session no_channel no_handler network_down service_unavailable", unknown, backoff),
        kinds(504, "request_timeout", unknown, backoff),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn check(error: &SendError, status: u16, kind: &str, verdict: Verdict) {
    assert_eq!((error.status, error.kind.as_str(), error.verdict), (Some(status), kind, verdict));
    check_text(error);
}

#[tokio::test]
async fn each_row_of_the_table_has_its_verdict() {
    let bench = Bench::start().await;
    for (status, kind, write, read) in rows() {
        let rule = FaultRule::new(Provider::Unipile, FaultKind::Status);
        bench.strike(FaultRule { error_type: Some(kind.to_owned()), ..rule });
        let error = bench.send(MAILBOX, &email("dana@nordhafen.example")).await.expect_err("refused");
        check(&error, status, kind, write);
        let error = bench.unipile.profile(ACCOUNT, DANA).await.expect_err("refused");
        check(&error, status, kind, read.unwrap_or(write));
    }
    assert!(bench.effects().is_empty());
}

#[tokio::test]
async fn an_answer_that_is_not_unipiles_gives_nobody_up() {
    let bench = Bench::start().await;
    for (status, verdict) in [(404, Verdict::NeedsPerson), (403, Verdict::NeedsPerson), (502, Verdict::Unknown)] {
        let rule = FaultRule::new(Provider::Unipile, FaultKind::Status);
        bench.strike(FaultRule { status: Some(status), body: Some(json!("<html>Dana</html>")), ..rule });
        let error = bench.send(MAILBOX, &email("dana@nordhafen.example")).await.expect_err("refused");
        check(&error, status, "not_understood", verdict);
    }
    // A type that could carry anything is not kept.
    let rule = FaultRule::new(Provider::Unipile, FaultKind::Status);
    bench.strike(FaultRule { status: Some(400), body: Some(json!({ "type": "errors/Dana Whitlock" })), ..rule });
    let error = bench.send(MAILBOX, &email("dana@nordhafen.example")).await.expect_err("refused");
    check(&error, 400, "not_understood", Verdict::Refused);
}

/// Whether it was done can only be seen in the ledger, which the client does not have.
#[tokio::test]
async fn a_contact_without_a_whole_answer_is_unknown_and_a_read_is_not() {
    // The first look-up of all takes long, because the sandbox puts its people in order.
    Bench::start().await.profile(DANA).await;
    let bench = Bench::with_call_timeout_ms(1_000).await;
    let request = email("dana@nordhafen.example");
    for (fault, kind, status, is_done) in [
        (FaultKind::TimeoutBefore, "timed_out", None, false),
        (FaultKind::TimeoutAfter, "timed_out", None, true),
        (FaultKind::Reset, "connection_lost", None, false),
        (FaultKind::StatusAfter, "service_unavailable", Some(503), true),
        (FaultKind::Malformed, "unreadable_answer", Some(201), true),
        (FaultKind::Cut, "unreadable_answer", Some(201), true),
    ] {
        let before = bench.effects().len();
        bench.strike(FaultRule::new(Provider::Unipile, fault));
        let key = format!("{fault:?}");
        let error = bench.unipile.send(MAILBOX, &request, &key).await.expect_err("no whole answer");
        assert_eq!((error.verdict, error.kind.as_str(), error.status), (Verdict::Unknown, kind, status), "{fault:?}");
        check_text(&error);
        assert_eq!(bench.effects().len() > before, is_done, "{fault:?}");

        let error = bench.unipile.profile(ACCOUNT, DANA).await.expect_err("no whole answer");
        assert_eq!((error.verdict, error.kind.as_str()), (Verdict::Backoff, kind), "{fault:?}");
        check_text(&error);
    }
}

#[tokio::test]
async fn what_never_left_was_not_done() {
    let Bench { sandbox, unipile, .. } = Bench::start().await;
    sandbox.stop().await;
    let invite = SendRequest::Invite { person_provider_id: "ACoAA1".into(), note: None };
    let error = unipile.send(ACCOUNT, &invite, "touch-1").await.expect_err("nobody listens");
    assert_eq!((error.verdict, error.kind.as_str()), (Verdict::Backoff, "connection_failed"));
    check_text(&error);
}
