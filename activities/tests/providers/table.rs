//! One row of a provider's error table, and what must follow from it.

use leadflow_activities::config::{Config, Models};
use leadflow_activities::providers::{Billed, Class, Clients, ProviderError};
use leadflow_sandbox::{FaultKind, FaultRule, Faults, LedgerEntry, Provider, Sandbox, SandboxConfig};
use leadflow_workflows::domain::money::MicroUsd;
use leadflow_workflows::domain::timings::Timings;
use serde_json::Value;
use std::time::Duration;
use temporalio_common::error::ApplicationErrorCategory;
use temporalio_sdk::activities::ActivityError;

/// What an error text must never tell: the key, organisation ids, addresses and names.
const PRIVATE: [&str; 5] = ["sandbox-key", "org-", "sk-", "@", "Whitlock"];

pub(crate) struct Bench {
    pub(crate) sandbox: Sandbox,
    pub(crate) clients: Clients,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::with_call_timeout(Duration::from_secs(20)).await
    }

    pub(crate) async fn with_call_timeout(call_timeout: Duration) -> Self {
        let sandbox = Sandbox::start(SandboxConfig::default()).await.expect("a free port");
        let mut config = Config::sandbox(&sandbox.base_url());
        let call_ms = u64::try_from(call_timeout.as_millis()).expect("short");
        config.timings = Timings { model_call_ms: call_ms, search_call_ms: call_ms, ..Timings::test() };
        let clients = Clients::from_config(&config).expect("the sandbox's settings are good");
        Self { sandbox, clients }
    }

    /// Every call from now on ends like this.
    pub(crate) fn strike(&self, provider: Provider, kind: FaultKind) {
        self.rule(FaultRule::new(provider, kind));
    }

    /// Every call from now on gets this answer.
    pub(crate) fn answer(&self, provider: Provider, status: u16, headers: &[(&str, &str)], body: Value) {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let rule = FaultRule::new(provider, FaultKind::Status);
        self.rule(FaultRule { status: Some(status), headers, body: Some(body), ..rule });
    }

    fn rule(&self, rule: FaultRule) {
        self.sandbox.set_faults(Faults { seed: 0, rules: vec![rule] });
    }

    pub(crate) fn last_call(&self) -> LedgerEntry {
        self.sandbox.ledger().pop().expect("a call was made")
    }
}

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: Value,
    class: Class,
    kind: &'static str,
    wait_hint: Option<Duration>,
    billed: Billed,
    is_retried: bool,
    is_benign: bool,
}

impl Row {
    fn new(status: u16, body: Value, class: Class, kind: &'static str, is_retried: bool) -> Self {
        let (headers, wait_hint) = (Vec::new(), None);
        // A provider that fails inside may have done the work first.
        let billed = if status >= 500 { Billed::Unknown } else { Billed::No };
        Self { status, headers, body, class, kind, wait_hint, billed, is_retried, is_benign: false }
    }

    pub(crate) fn never(status: u16, body: Value, kind: &'static str) -> Self {
        Self::new(status, body, Class::Never, kind, false)
    }

    pub(crate) fn pause(status: u16, body: Value, kind: &'static str) -> Self {
        Self::new(status, body, Class::PauseProvider, kind, false)
    }

    pub(crate) fn backoff(status: u16, body: Value, kind: &'static str) -> Self {
        Self::new(status, body, Class::Backoff, kind, true)
    }

    pub(crate) fn wait_hint(status: u16, body: Value, kind: &'static str) -> Self {
        Self::new(status, body, Class::WaitHint, kind, true).benign()
    }

    pub(crate) fn defer(status: u16, body: Value, kind: &'static str) -> Self {
        Self::new(status, body, Class::Defer, kind, true).benign()
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn hint_ms(self, hint_ms: u64) -> Self {
        Self { wait_hint: Some(Duration::from_millis(hint_ms)), ..self }
    }

    pub(crate) fn billed_unknown(self) -> Self {
        Self { billed: Billed::Unknown, ..self }
    }

    pub(crate) fn benign(self) -> Self {
        Self { is_benign: true, ..self }
    }

    pub(crate) fn check(&self, error: ProviderError) {
        assert_eq!((error.class, error.kind), (self.class, self.kind), "{self:?}");
        assert_eq!(error.status, Some(self.status), "{self:?}");
        assert_eq!(error.wait_hint, self.wait_hint, "{self:?}");
        assert_eq!(error.billed, self.billed, "{self:?}");
        assert_eq!(error.counts_for_breaker(), self.status >= 500, "{self:?}");
        assert_eq!(error.hint().is_some(), self.class == Class::PauseProvider, "{self:?}");
        check_text(&error);

        let ActivityError::Application(failure) = error.into_failure(1, &Timings::test()) else {
            panic!("not an application failure: {self:?}");
        };
        assert_eq!(failure.type_name(), Some(self.kind), "{self:?}");
        assert_eq!(failure.is_non_retryable(), !self.is_retried, "{self:?}");
        assert_eq!(failure.next_retry_delay().is_some(), self.is_retried, "{self:?}");
        assert_eq!(failure.category() == ApplicationErrorCategory::Benign, self.is_benign, "{self:?}");
    }
}

/// The text is one short line that starts with the provider and tells nothing private.
pub(crate) fn check_text(error: &ProviderError) {
    let text = error.to_string();
    assert!(text.starts_with(&error.provider.to_string()) && text.contains(error.kind), "{text}");
    assert!(text.len() < 400 && !text.contains('\n') && !text.ends_with('.'), "{text}");
    for private in PRIVATE {
        assert!(!text.contains(private), "`{private}` in: {text}");
    }
}

/// The prices that the sandbox bills by.
pub(crate) fn models() -> Models {
    use leadflow_sandbox::prices;
    let price = |micro_usd: u64| MicroUsd(i64::try_from(micro_usd).expect("a price"));
    Models {
        openai_model: "gpt-5-mini".into(),
        openai_input_per_million: price(prices::OPENAI_INPUT),
        openai_cached_input_per_million: price(prices::OPENAI_CACHED_INPUT),
        openai_output_per_million: price(prices::OPENAI_OUTPUT),
        gemini_model: "gemini-2.5-flash".into(),
        gemini_input_per_million: price(prices::GEMINI_INPUT),
        gemini_output_per_million: price(prices::GEMINI_OUTPUT),
        gemini_grounding: price(prices::GEMINI_GROUNDED_PROMPT),
        serper_credit: price(prices::SERPER_CREDIT),
        hunter_finder: price(prices::HUNTER_CREDIT),
        hunter_verifier: price(prices::HUNTER_VERIFICATION),
    }
}
