//! What went wrong with a provider call, and what follows from it.

use crate::retry::retry_delay;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::domain::timings::Timings;
use std::time::Duration;
use temporalio_common::error::{ApplicationErrorCategory, ApplicationFailure};
use temporalio_sdk::activities::ActivityError;

/// A provider call without a usable answer.
///
/// Its text holds no key and no personal data: it ends up in histories and logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{provider} {message} (`{kind}`{}){}", status_suffix(*status), hint_suffix(*provider, *class, kind))]
pub struct ProviderError {
    pub provider: Provider,
    pub class: Class,
    /// Stable snake_case name: the type of the Temporal failure, and what dashboards count.
    pub kind: &'static str,
    /// HTTP status; `None` when no complete answer came.
    pub status: Option<u16>,
    /// How long the provider asks to wait, or, for [`Class::Backoff`], the shortest sensible wait.
    pub wait_hint: Option<Duration>,
    pub message: String,
    pub billed: Billed,
}

/// Whether and when the same call is worth another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The same call will fail again.
    Never,
    /// After the time that the provider names, else like [`Class::Backoff`].
    WaitHint,
    /// After a doubling, jittered wait.
    Backoff,
    /// Much later: hours.
    Defer,
    /// No call to this provider can work until a person acts: wrong key, or no credit left.
    PauseProvider,
}

/// Whether the failed call may have cost money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Billed {
    No,
    /// The provider may have worked although its answer never came, or although it failed afterwards (5xx); the call
    /// stays booked at its upper bound.
    Unknown,
}

impl ProviderError {
    pub(crate) fn new(
        provider: Provider,
        class: Class,
        kind: &'static str,
        status: Option<u16>,
        message: impl Into<String>,
    ) -> Self {
        let is_unknown = matches!(kind, TIMED_OUT | CONNECTION_LOST | UNREADABLE_ANSWER)
            || status.is_some_and(|status| status >= 500);
        let billed = if is_unknown { Billed::Unknown } else { Billed::No };
        Self { provider, class, kind, status, wait_hint: None, message: message.into(), billed }
    }

    pub(crate) fn with_wait_hint(self, wait_hint: Option<Duration>) -> Self {
        Self { wait_hint, ..self }
    }

    /// Adds the provider's own words. Only for texts about our schema, parameters or model, which quote no facts.
    pub(crate) fn with_vendor_text(mut self, vendor_text: &str) -> Self {
        let cleaned = clean(vendor_text);
        if !cleaned.is_empty() {
            self.message = format!("{}: {cleaned}", self.message);
        }
        self
    }

    /// The error of a status that means the same at every provider. Adapters handle what differs before this.
    pub(crate) fn from_status(provider: Provider, status: u16) -> Self {
        let (class, kind, message) = match status {
            400 => (Class::Never, "request_refused", "refused the request"),
            401 => (Class::PauseProvider, INVALID_API_KEY, "does not accept the key"),
            403 => (Class::Never, "permission_denied", "does not permit the call"),
            404 => (Class::Never, "not_found", "does not know what was asked for"),
            408 | 499 | 504 => (Class::Backoff, TIMED_OUT, "did not finish in time"),
            409 => (Class::Backoff, "conflict", "is busy with a conflicting change"),
            422 => (Class::Never, "unprocessable", "cannot process the request"),
            429 => (Class::WaitHint, "rate_limited", "got too many calls at once"),
            503 => (Class::Backoff, "overloaded", "is overloaded"),
            500..=599 => (Class::Backoff, "server_error", "failed inside"),
            _ => (Class::Never, "unexpected_status", "answered with a status it does not document; check its base url"),
        };
        Self::new(provider, class, kind, Some(status), message)
    }

    /// An answer with a good status that cannot be read.
    pub(crate) fn unreadable(provider: Provider, status: u16, what: &str) -> Self {
        Self::new(provider, Class::Backoff, UNREADABLE_ANSWER, Some(status), format!("gave an answer that {what}"))
    }

    /// Whether this speaks against the provider's health: timeouts, connection errors and 5xx.
    pub fn counts_for_breaker(&self) -> bool {
        self.status.is_none_or(|status| status >= 500)
    }

    /// Whether every further call would fail like this one until a person changes something: then a search waits instead
    /// of giving one item after the other up.
    pub fn needs_a_person(&self) -> bool {
        self.class == Class::PauseProvider
            || matches!(
                self.kind,
                "model_not_found"
                    | "region_not_supported"
                    | "permission_denied"
                    | "failed_precondition"
                    | "schema_refused"
                    | "parameter_refused"
                    | "not_found"
                    | "unexpected_status"
            )
    }

    /// What a person has to do before calls can work again; `None` when nothing.
    pub fn hint(&self) -> Option<&'static str> {
        advice(self.provider, self.class, self.kind)
    }

    /// The failure of the activity that made the call.
    ///
    /// `attempt` is the activity's, from 1. What belongs to normal operation (limits, waits until tomorrow, a person's
    /// objection) is benign, so that it raises no error metric.
    pub fn into_failure(self, attempt: u32, timings: &Timings) -> ActivityError {
        let delay = retry_delay(self.class, attempt, self.wait_hint, timings);
        let expected = self.class == Class::Defer || matches!(self.kind, "rate_limited" | "person_opted_out");
        let category = if expected { ApplicationErrorCategory::Benign } else { ApplicationErrorCategory::Unspecified };
        let kind = self.kind.to_owned();
        let failure = ApplicationFailure::builder(self)
            .type_name(kind)
            .non_retryable(delay.is_none())
            .maybe_next_retry_delay(delay)
            .category(category)
            .build();
        ActivityError::application(failure)
    }
}

pub(crate) const TIMED_OUT: &str = "timed_out";
pub(crate) const CONNECTION_LOST: &str = "connection_lost";
pub(crate) const UNREADABLE_ANSWER: &str = "unreadable_answer";
pub(crate) const INVALID_API_KEY: &str = "invalid_api_key";

fn advice(provider: Provider, class: Class, kind: &str) -> Option<&'static str> {
    match (class, kind, provider) {
        (Class::PauseProvider, INVALID_API_KEY, _) => Some("set a valid key for it and restart the workers"),
        (Class::PauseProvider, "permission_denied", _) => {
            Some("allow its key to use this service in the provider's console")
        }
        (Class::PauseProvider, _, Provider::Hunter) => Some("wait for the reset date of its plan, or buy credits"),
        (Class::PauseProvider, ..) => Some("buy credit in the provider's console"),
        _ => None,
    }
}

/// `, status 404`, or nothing.
pub(crate) fn status_suffix(status: Option<u16>) -> String {
    status.map(|status| format!(", status {status}")).unwrap_or_default()
}

fn hint_suffix(provider: Provider, class: Class, kind: &str) -> String {
    advice(provider, class, kind).map(|advice| format!("; hint: {advice}")).unwrap_or_default()
}

/// Longest vendor text that is kept, in characters.
const VENDOR_TEXT_LONGEST: usize = 240;

/// One line without keys, addresses and organisation ids, without a final stop, and short.
fn clean(vendor_text: &str) -> String {
    let words = vendor_text.split_whitespace().map(|word| if is_private(word) { "[removed]" } else { word });
    let line = words.collect::<Vec<_>>().join(" ");
    let short = line.chars().filter(|letter| !letter.is_control()).take(VENDOR_TEXT_LONGEST).collect::<String>();
    short.trim_end_matches('.').to_owned()
}

fn is_private(word: &str) -> bool {
    const PRIVATE_PREFIXES: [&str; 5] = ["sk-", "AIza", "org-", "proj_", "user-"];
    const SHORTEST_KEY: usize = 32;
    word.contains('@')
        || word.contains("://")
        || word.split(|letter: char| !(letter.is_ascii_alphanumeric() || "-_".contains(letter))).any(|token| {
            PRIVATE_PREFIXES.iter().any(|prefix| token.starts_with(prefix))
                || (token.len() >= SHORTEST_KEY && token.bytes().any(|byte| byte.is_ascii_digit()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendor_texts_lose_what_is_private() {
        let key = "0123456789abcdef0123456789abcdef01234567";
        let text = format!("Bad key sk-abc123 of org-xyz,\n  ask dana@nordhafen.example or (key={key}).");
        assert_eq!(clean(&text), "Bad key [removed] of [removed] ask [removed] or [removed]");
        assert_eq!(clean(&"long ".repeat(100)).chars().count(), VENDOR_TEXT_LONGEST);
        let schema = "In context=('properties', 'target'), 'additionalProperties' is required to be supplied.";
        assert_eq!(clean(schema), schema.trim_end_matches('.'));
    }

    #[test]
    fn the_text_says_who_what_and_what_to_do() {
        let error = ProviderError::from_status(Provider::Openai, 401);
        assert_eq!(
            error.to_string(),
            "OpenAI does not accept the key (`invalid_api_key`, status 401); hint: set a valid key for it and restart \
             the workers"
        );
        let lost = ProviderError::new(Provider::Serper, Class::Backoff, CONNECTION_LOST, None, "broke the connection");
        assert_eq!(lost.to_string(), "Serper broke the connection (`connection_lost`)");
    }

    #[test]
    fn failures_carry_kind_delay_and_category() {
        let timings = Timings::test();
        let failure = |error: ProviderError| match error.into_failure(1, &timings) {
            ActivityError::Application(failure) => failure,
            other => panic!("not an application failure: {other:?}"),
        };
        let limited =
            failure(ProviderError::from_status(Provider::Openai, 429).with_wait_hint(Some(Duration::from_secs(20))));
        assert_eq!(limited.type_name(), Some("rate_limited"));
        assert!(!limited.is_non_retryable());
        assert!(limited.next_retry_delay().expect("a hint") > Duration::from_secs(20));
        assert_eq!(limited.category(), ApplicationErrorCategory::Benign);

        let refused = failure(ProviderError::from_status(Provider::Openai, 400));
        assert!(refused.is_non_retryable());
        assert_eq!(refused.next_retry_delay(), None);
        assert_eq!(refused.category(), ApplicationErrorCategory::Unspecified);
    }
}
