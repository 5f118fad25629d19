//! Unipile's error table: what follows from a status and a type.

use crate::providers::ProviderError;
use crate::providers::http::Answer;
use crate::senders::{SendError, Verdict};
use leadflow_workflows::domain::provider::Provider;
use serde::Deserialize;
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);
/// LinkedIn's cool-down after an invitation was withdrawn or declined.
const RESEND_AFTER: Duration = Duration::from_hours(21 * 24);
/// LinkedIn names no time when it refuses calls; tight retries make it worse.
const REFUSED_BY_LINKEDIN: Duration = Duration::from_hours(4);
/// An answer without a type is not Unipile's: something else stands in between, or the base url is wrong.
const NOT_UNDERSTOOD: &str = "not_understood";
const KIND_LONGEST: usize = 64;

/// The error of an answer with a bad status. `is_write`: the call has an effect on the outside world.
pub(super) fn refusal(answer: &Answer, is_write: bool) -> SendError {
    #[derive(Default, Deserialize)]
    struct ErrorBody {
        #[serde(default, rename = "type")]
        kind: String,
    }
    // The titles and details are not kept: they may quote the person or the message.
    let body = answer.read_error::<ErrorBody>();
    let kind = body.kind.strip_prefix("errors/").unwrap_or(&body.kind);
    let is_sound = (1..=KIND_LONGEST).contains(&kind.len())
        && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte));
    let kind = is_sound.then_some(kind);
    let verdict = verdict(answer.status, kind, is_write);
    let name = match (answer.status, kind) {
        (409, _) => "idempotency_conflict",
        (_, Some(kind)) => kind,
        (_, None) => NOT_UNDERSTOOD,
    };
    SendError { provider: Provider::Unipile, verdict, kind: name.to_owned(), status: Some(answer.status) }
}

/// The error of a call without a complete answer, or with a good one that cannot be read.
pub(super) fn broken(error: &ProviderError, is_write: bool) -> SendError {
    // Without a connection nothing was sent; after that only a read is certain to have done nothing.
    let is_safe = !is_write || error.kind == "connection_failed";
    let verdict = if is_safe { Verdict::Backoff } else { Verdict::Unknown };
    SendError { provider: error.provider, verdict, kind: error.kind.to_owned(), status: error.status }
}

/// `kind` is the type without its prefix; `None` when the answer has none.
fn verdict(status: u16, kind: Option<&str>, is_write: bool) -> Verdict {
    by_kind(kind.unwrap_or_default()).unwrap_or_else(|| by_status(status, kind.is_some(), is_write))
}

/// Types that mean more than their status.
fn by_kind(kind: &str) -> Option<Verdict> {
    Some(match kind {
        "already_connected" => Verdict::AlreadyConnected,
        "already_invited_recently" => Verdict::AlreadyInvited,
        "cannot_resend_yet" => Verdict::DeferLead { wait: RESEND_AFTER },
        "cannot_resend_within_24hrs" => Verdict::DeferLead { wait: DAY },
        "limit_exceeded" => Verdict::DeferAccount { wait: DAY, weekly: false },
        "connection_limit_reached" => Verdict::DeferAccount { wait: 7 * DAY, weekly: true },
        "account_restricted" => Verdict::PauseAccount { restricted: true },
        // The key of the installation, or the set-up of one account: the account's own login is fine.
        "missing_credentials"
        | "invalid_account"
        | "send_as_denied"
        | "sender_rejected"
        | "ip_rejected_by_server"
        | "account_configuration_error" => Verdict::NeedsPerson,
        "no_connection_with_recipient" => Verdict::NotConnected,
        "invalid_recipient"
        | "blocked_recipient"
        | "user_unreachable"
        | "cannot_invite_attendee"
        | "not_allowed_inmail"
        | "cant_send_message"
        // An older style of error, from withdrawing what is no longer pending.
        | "api.Error.BadRequest.invalid_invitation_id" => Verdict::Unreachable,
        "insufficient_credits" => Verdict::NoCredits,
        "recipient_rejected" => Verdict::BadAddress,
        "provider_unreachable" => Verdict::Backoff,
        _ => return None,
    })
}

/// The rest of the table, whose rows share one meaning each; also types that it does not know.
fn by_status(status: u16, is_typed: bool, is_write: bool) -> Verdict {
    match status {
        401 if is_typed => Verdict::PauseAccount { restricted: false },
        404 if is_typed => Verdict::Unreachable,
        // Without a type it is nothing about this person, so nobody must be given up because of it.
        401 | 404 | 403 | 501 | 300..=399 => Verdict::NeedsPerson,
        429 => Verdict::DeferAccount { wait: REFUSED_BY_LINKEDIN, weekly: false },
        408 | 499 | 500..=599 if is_write => Verdict::Unknown,
        408 | 499 | 500..=599 => Verdict::Backoff,
        _ => Verdict::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOO_MANY: Verdict = Verdict::DeferAccount { wait: REFUSED_BY_LINKEDIN, weekly: false };

    #[test]
    fn a_type_that_is_new_means_what_its_status_means() {
        for (status, expected) in [
            (400, Verdict::Refused),
            (401, Verdict::PauseAccount { restricted: false }),
            (403, Verdict::NeedsPerson),
            (404, Verdict::Unreachable),
            (409, Verdict::Refused),
            (422, Verdict::Refused),
            (429, TOO_MANY),
            (500, Verdict::Unknown),
            (501, Verdict::NeedsPerson),
            (503, Verdict::Unknown),
        ] {
            assert_eq!(verdict(status, Some("added_next_year"), true), expected, "{status}");
        }
        let gone = "api.Error.BadRequest.invalid_invitation_id";
        assert_eq!(verdict(400, Some(gone), true), Verdict::Unreachable, "an older style of type");
    }

    /// A proxy's 404 must not cost a person their place for ever.
    #[test]
    fn an_answer_without_a_type_says_nothing_about_the_person_nor_the_account() {
        for status in [301, 401, 403, 404, 501] {
            assert_eq!(verdict(status, None, true), Verdict::NeedsPerson, "{status}");
        }
        assert_eq!(verdict(429, None, true), TOO_MANY);
        assert_eq!((verdict(502, None, true), verdict(502, None, false)), (Verdict::Unknown, Verdict::Backoff));
        assert_eq!(verdict(413, None, true), Verdict::Refused);
    }
}
