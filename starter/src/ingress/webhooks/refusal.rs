//! Why an event is not taken, in words that hold nothing of it.

use super::super::problem::Problem;
use super::unstored;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use leadflow_activities::outreach::events::ReceiveError;
use leadflow_activities::senders::EventError;
use leadflow_activities::store::StoreError;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Who sends the event is told, and the log counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    BodyBroken,
    BodyTooLarge,
    BodyTooSlow,
    /// No secret is set up that could prove anything.
    NoSecret,
    MissingHeader(String),
    WrongSecret,
    BadTimestamp,
    /// More than the tolerance off: a replay, or clocks that disagree.
    ClockSkew,
    WrongSignature,
    UnknownSource,
    NoEvent(EventError),
}

/// Why there is no 2xx.
#[derive(Debug)]
pub(super) enum Refusal {
    Because(Reason),
    /// By what holds for the API, too.
    Token(Problem),
    Unstored(StoreError),
}

impl Reason {
    /// Stable, for logs and metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::BodyBroken => "body_broken",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyTooSlow => "body_too_slow",
            Self::NoSecret => "no_secret",
            Self::MissingHeader(_) => "missing_header",
            Self::WrongSecret => "wrong_secret",
            Self::BadTimestamp => "bad_timestamp",
            Self::ClockSkew => "clock_skew",
            Self::WrongSignature => "wrong_signature",
            Self::UnknownSource => "unknown_source",
            Self::NoEvent(_) => "no_event",
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::BodyBroken | Self::NoEvent(_) => StatusCode::BAD_REQUEST,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::UnknownSource => StatusCode::NOT_FOUND,
            Self::NoSecret
            | Self::MissingHeader(_)
            | Self::WrongSecret
            | Self::BadTimestamp
            | Self::ClockSkew
            | Self::WrongSignature => StatusCode::UNAUTHORIZED,
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::BodyBroken => "the body ended early".into(),
            Self::BodyTooLarge => "an event has at most 1 MiB".into(),
            Self::BodyTooSlow => "the body took too long".into(),
            Self::NoSecret => "no secret is set up for these events".into(),
            Self::MissingHeader(header) => format!("the header `{header}` is missing"),
            Self::WrongSecret => "the secret is not one of this installation's".into(),
            Self::BadTimestamp => "the timestamp is not in Unix seconds".into(),
            Self::ClockSkew => "the timestamp is more than five minutes away from the clock here".into(),
            Self::WrongSignature => {
                "the signature does not belong to this body and a secret of this installation".into()
            }
            Self::UnknownSource => "no such source is set up".into(),
            Self::NoEvent(error) => error.to_string(),
        }
    }
}

/// Notes that an event was refused: each in detail, and now and then how many there were.
pub(super) fn refused(reason: &Reason) {
    static COUNTS: Mutex<BTreeMap<&'static str, u64>> = Mutex::new(BTreeMap::new());
    let name = reason.name();
    let count = {
        let mut counts = COUNTS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let count = counts.entry(name).or_default();
        *count += 1;
        *count
    };
    tracing::debug!(reason = name, "an event was refused");
    // Who floods us with forgeries is not to flood the log.
    if !count.is_power_of_two() {
        return;
    }
    if *reason == Reason::ClockSkew {
        tracing::warn!(count, "events were refused because of their time: a clock is wrong, or old ones are replayed");
    } else {
        tracing::warn!(reason = name, count, "events were refused");
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Because(reason) => {
                refused(&reason);
                Problem::new(reason.status(), &reason.detail()).into_response()
            }
            Self::Token(problem) => problem.into_response(),
            Self::Unstored(error) => unstored(&error),
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Token(problem)
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self::Because(reason)
    }
}

impl From<EventError> for Refusal {
    fn from(error: EventError) -> Self {
        Self::Because(Reason::NoEvent(error))
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Unstored(error)
    }
}

impl From<ReceiveError> for Refusal {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Event(error) => error.into(),
            ReceiveError::Store(error) => error.into(),
        }
    }
}
